"""What goes along depth: norms, attention to the first token, phases."""
