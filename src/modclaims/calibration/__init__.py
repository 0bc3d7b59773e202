"""Known answers: how often claims of each family err on data whose truth was planted, against what was promised.

known.py, family.py (what rooms share) -> a room for each kind of data, with its families -> grid.py (all scenarios) ->
rates.py (counts) -> pages.py (rates.csv, report.md, report.html)
"""
