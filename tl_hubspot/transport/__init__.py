"""What all systems' clients share: pacing of calls (`limits`) and counting them (`meter`).

No HTTP and no system here: each client lives in its own room.
"""
