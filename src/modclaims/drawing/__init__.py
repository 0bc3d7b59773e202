"""The kit that figures and pages are made with: paper and ink, numerals, tables, and what a figure is."""
