"""The pushing room: a plan turned into calls, each journalled before and settled after; recovery and undo.

What should change is decided in `planning`; the calls themselves are in `hubspot`; storing is behind `ledger`.
"""
