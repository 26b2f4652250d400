"""What an interrupted run left open in the journal is settled by reading HubSpot back, before anything new is done."""

from __future__ import annotations

from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.pushing.change import PlannedChanges
from tl_hubspot.pushing.recovery import Recovered, settle_open
from tl_hubspot.warehouse.rows import frame_of, insert

_FOUND_BY = "recovery"


def recover(platform: Platform, run_id: str) -> Recovered:
    """Settle every open intent in the name of that run; returns how many had been carried out, had not, or were
    overtaken. No call when nothing is open."""
    warehouse = platform.warehouse
    left_open = warehouse.read("select * from sync.journal where state = 'intended'")
    recovered = Recovered()
    if not left_open.is_empty():
        # nothing was planned since, so that the stored plan is the one that they belong to
        plan = warehouse.read(
            "select * from sync.plan where run_id in (select run_id from sync.journal where state = 'intended')"
        )
        ledger = WarehouseLedger(warehouse, platform.settings.log_file)
        intents = left_open.to_dicts()
        recovered = settle_open(platform.hubspot, ledger, intents, PlannedChanges(plan), run_id, platform.clock)
    if recovered.notices or warehouse.count("sync.notices", f"found_by = '{_FOUND_BY}'"):
        rows = [notice | {"found_by": _FOUND_BY} for notice in recovered.notices]
        with warehouse.transaction() as con:
            con.execute("delete from sync.notices where found_by = ?", [_FOUND_BY])
            insert(con, "sync.notices", frame_of("sync.notices", rows))
    return recovered
