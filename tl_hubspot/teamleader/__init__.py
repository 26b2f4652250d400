"""The Teamleader room: talks HTTP with Teamleader Focus and hands out raw records.

Knows nothing of rules, of the database or of Dagster: typed tables are made in `warehouse`, decisions in `rules`.
"""
