"""What chance may do: relabellings, permutation tests, levels from them, and their correction for one another."""
