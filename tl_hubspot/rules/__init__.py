"""The rules: which Teamleader records belong in HubSpot, in what state, and why. Pure functions on polars frames.

No I/O, no clock, no Dagster, no HTTP: the caller reads the frames, gives the instant, and stores what comes back.
Matching with HubSpot and the differences to send live in `planning`.
"""
