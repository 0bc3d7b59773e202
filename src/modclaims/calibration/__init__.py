"""Known answers: how often claims of each family err on data whose truth was planted, against what was promised.

known.py (planted data) -> grid.py (scenarios) -> rates.py (counts) -> pages.py (rates.csv, report.md, report.html)
"""
