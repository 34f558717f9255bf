"""Published filtering problems, solved again: errors beside the bound, NEES and NIS beside theirs.

``python -m fusion.study.published``; docs/published-problems.md says what came of it. Parameters are those of
the papers; every number here is of a problem on paper, SIMULATED and NOTIONAL.
"""
