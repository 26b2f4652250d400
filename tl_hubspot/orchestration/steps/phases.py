"""Phase history of deals into the warehouse: only of those whose decision needs it (`rules.demand`).

Answers are stored a chunk at a time, with the time at which they were asked, so that a reading that was broken off goes
on where it was.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import islice

import polars as pl

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import demanded, unchanged
from tl_hubspot.orchestration.steps.reading import extraction_of, stamp
from tl_hubspot.rules import demand
from tl_hubspot.teamleader.extraction import PhaseHistory
from tl_hubspot.warehouse.rows import delete, frame_of, insert, upsert

STREAM = "deal_phase_history"
CHUNK = 200
"""Answers stored at once: about a minute of calls."""
_TABLE = "teamleader.deal_phase_history"
_KNOWN = "phases known"
"""Name in `sync.made_of`: all phases that these deals and contacts need were read."""


def phase_history(platform: Platform, run: Run) -> dict[str, int]:
    """Phase history of the deals whose decision needs it and whose history is not known up to their last update."""
    started = platform.clock()
    moved = run.named.moved_deals if run.named else frozenset()
    counts = dict.fromkeys(("deals_that_waited", "deals_read", "hidden", "entries"), 0)
    demanded.keep(platform, run)
    facts = {"rules": unchanged.facts_of(platform.rules(run))}
    print_ = unchanged.fingerprint(platform.warehouse, ["teamleader.deals", demanded.TABLE], facts)
    if not moved and unchanged.made_by(platform.warehouse, _KNOWN, print_):
        return counts
    stale = waiting(platform, run.as_of, platform.warehouse.read(demanded.TABLE), moved)["id"].to_list()
    platform.book.planned[STREAM] += len(stale)
    platform.book.minimum[STREAM] += len(stale)
    counts["deals_that_waited"] = len(stale)
    answers = iter(extraction_of(platform).phase_history(stale))
    while chunk := list(islice(answers, CHUNK)):
        found = [history for history in chunk if history.found]
        counts["deals_read"] += len(found)
        counts["hidden"] += len(chunk) - len(found)
        counts["entries"] += _store(platform, run, found, started)
    if not counts["hidden"]:
        with platform.warehouse.transaction() as con:
            unchanged.remember(con, _KNOWN, print_, run)
    return counts


def waiting(platform: Platform, as_of: datetime, contacts: pl.DataFrame, moved: Collection[str] = ()) -> pl.DataFrame:
    """Deals, sorted by id, of `contacts` that may be eligible, whose decision needs a phase history that was not read
    after the version that is stored, or that are known to have `moved`."""
    deals = platform.warehouse.read(
        f"select {', '.join(demand.DEAL_COLUMNS)} from teamleader.deals where deleted_at is null"
        " and (not coalesce(phase_history_read_at > _loaded_at, false) or id in (select unnest($moved))) order by id",
        {"moved": list(moved)},
    )
    return demand.phase_history(deals, platform.rules_at(as_of), contacts)


def _store(platform: Platform, run: Run, histories: list[PhaseHistory], started: datetime) -> int:
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
    read = pl.DataFrame({"id": [history.deal_id for history in histories]}, schema={"id": pl.String()})
    with platform.warehouse.transaction() as con:
        delete(con, _TABLE, read.rename({"id": "deal_id"}))
        insert(con, _TABLE, frame_of(_TABLE, rows))
        upsert(con, "teamleader.deals", read.with_columns(pl.lit(started).alias("phase_history_read_at")))
    return len(rows)
