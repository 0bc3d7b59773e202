"""What an effect is held against where labels are not exchanged: null objects, matched sets, rotations."""
