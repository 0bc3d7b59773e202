"""Arrays in, Evidence out: knows no model, no corpus and no file."""
