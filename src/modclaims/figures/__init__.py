"""Figures: one kind per file, named by its class: its data, how it is drawn, and how it is told as a table."""
