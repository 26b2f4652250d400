"""What all systems' clients share: pacing of calls (`limits`), counting them (`meter`), signing in (`tokens`,
`sign_in`).

No system here: each client lives in its own room.
"""
