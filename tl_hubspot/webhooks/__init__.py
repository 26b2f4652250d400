"""Receiving Teamleader's webhooks: the HTTP side in `receiver`, keeping events until a run has used them in `spool`.

Registering at Teamleader, and what an event says about which records to read, lives in `teamleader.webhooks`.
"""
