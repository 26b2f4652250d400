"""Phase history of deals into the warehouse: only of those whose decision needs it (`rules.demand`)."""

from __future__ import annotations

import polars as pl

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps.reading import extraction_of, stamp
from tl_hubspot.rules import demand
from tl_hubspot.warehouse.store import delete, frame_of, insert, upsert


def phase_history(platform: Platform, run: Run) -> dict[str, int]:
    """Phase history of the deals whose decision needs it and whose history is not known up to their last update."""
    warehouse = platform.warehouse
    deals = warehouse.read("select * exclude (payload) from teamleader.deals where deleted_at is null")
    wanted = demand.phase_history(deals, platform.rules(run))
    known = pl.col("phase_history_read_at") > pl.col("_loaded_at")
    moved = run.named.moved_deals if run.named else frozenset()
    stale = wanted.filter(~known.fill_null(False) | pl.col("id").is_in(list(moved)))
    histories = [h for h in extraction_of(platform).phase_history(stale.get_column("id").sort().to_list()) if h.found]
    ids = [history.deal_id for history in histories]
    rows = [
        {
            "deal_id": history.deal_id,
            "position": position,
            "phase_id": entry.phase_id,
            "started_at": entry.started_at,
            "started_by": entry.started_by,
        }
        | stamp(platform, run)
        for history in histories
        for position, entry in enumerate(history.entries)
    ]
    with warehouse.transaction() as con:
        read = pl.DataFrame({"id": ids}, schema={"id": pl.String()})
        delete(con, "teamleader.deal_phase_history", read.rename({"id": "deal_id"}))
        insert(con, "teamleader.deal_phase_history", frame_of("teamleader.deal_phase_history", rows))
        upsert(con, "teamleader.deals", read.with_columns(pl.lit(platform.clock()).alias("phase_history_read_at")))
    return {"deals_read": len(ids), "deals_that_need_it": wanted.height, "entries": len(rows)}
