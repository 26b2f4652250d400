"""The HubSpot room: all that talks HTTP to a portal, through `gateway`. Knows nothing of rules, tables or Dagster.

Reading into rows is `mirror`, records in batches `objects`, what each bad answer means `reactions`, paths `routes`.
"""
