"""The plan of a run: what it would take, and what each of its claims can reach."""
