"""What a run would take and what it can reach, said before anything runs."""
