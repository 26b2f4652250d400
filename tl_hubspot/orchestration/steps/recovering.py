"""What an interrupted run left open in the journal is settled by reading HubSpot back, before anything new is done."""

from __future__ import annotations

from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.pushing.recovery import settle_open


def recover(platform: Platform, run_id: str) -> int:
    """Settle every open intent in the name of that run; returns how many had been carried out after all.

    No call when nothing is open.
    """
    left_open = platform.warehouse.read("select * from sync.journal where state = 'intended'")
    if left_open.is_empty():
        return 0
    ledger = WarehouseLedger(platform.warehouse, platform.settings.log_file)
    return settle_open(platform.hubspot, ledger, left_open.to_dicts(), run_id, platform.clock)
