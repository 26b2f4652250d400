"""What an earlier cycle left open: calls whose outcome nobody knows are looked up before anything is planned.

Needs mirrors that were just read. What is concluded stands in `tl_hubspot.two_way.recovery`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import duckdb
import polars as pl

from tl_hubspot.hubspot.property_history import Entry
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.two_way import memory, reading
from tl_hubspot.orchestration.steps.two_way.sides import Seen
from tl_hubspot.orchestration.steps.two_way.sides import Side as System
from tl_hubspot.two_way import recovery
from tl_hubspot.two_way.bookkeeping import Settled, values
from tl_hubspot.two_way.flows import OTHER, SIDES, Flow, Side
from tl_hubspot.two_way.frames import CONFLICTS, empty


def recover(platform: Platform, flow: Flow, systems: Mapping[Side, System], run_id: str) -> dict[str, int]:
    """Settle open intents; returns how many were settled, and how many creations a person must look at."""
    with platform.warehouse.connect() as con:
        creations = memory.create_intents(con, flow)
    unclear = _creations(platform, flow, creations, platform.clock()) if creations.height else 0
    written = recover_writes(platform, flow, systems, run_id)
    return {"recovered": written + creations.height - unclear, "unclear_creations": unclear}


def recover_writes(platform: Platform, flow: Flow, systems: Mapping[Side, System], run_id: str) -> int:
    """Settle open intents of updates; returns how many there were."""
    with platform.warehouse.connect() as con:
        writes = memory.write_intents(con, flow)
    if writes.height:
        _writes(platform, flow, systems, writes, platform.clock(), run_id)
    return writes.height


def _creations(platform: Platform, flow: Flow, intents: pl.DataFrame, at: datetime) -> int:
    with platform.warehouse.transaction() as con:
        links = memory.links(con, flow)
        since = intents["intended_at"].min()
        assert isinstance(since, datetime)
        met = pl.concat([reading.found_since(con, flow, side, since) for side in SIDES])
        linked = pl.concat([links.select(side=pl.lit(side), id=f"{side}_id") for side in SIDES])
        candidates = met.join(linked, on=["side", "id"], how="anti")
        found = recovery.recovered_creations(intents.drop("intended_at"), candidates, links, flow, at)
        memory.put(con, "links", flow, found.links)
        memory.put(con, "shadows", flow, found.shadows)
        memory.settle(con, "create_intents", flow, pl.concat([found.linked, found.not_made], how="diagonal"))
        return found.ambiguous.height


def _writes(
    platform: Platform, flow: Flow, systems: Mapping[Side, System], intents: pl.DataFrame, at: datetime, run_id: str
) -> None:
    seen = {side: systems[side].read(ids_of(intents, side)) for side in SIDES}
    found = [_found(side, intents, seen[side], flow) for side in SIDES]
    with platform.warehouse.transaction() as con:
        shadows = memory.shadows_of(con, flow, intents)
        settled = recovery.recovered(intents.drop("read_at"), pl.concat(found), shadows, flow)
        gone = pl.concat(
            intents.filter((pl.col("side") == side) & ~pl.col("id").is_in(list(seen[side]))) for side in SIDES
        )
        memory.log(con, flow, lost_edits(con, settled, intents, seen["a"], flow, at))
        memory.put(con, "shadows", flow, settled.shadows)
        memory.settle(con, "write_intents", flow, settled.settled)
        # of a record that is gone nothing can be said any more: the plan makes a deletion of it
        memory.settle(con, "write_intents", flow, gone)
        for side in SIDES:
            reading.remember(con, flow, side, {i: s.values for i, s in seen[side].items()}, at, run_id)
            reading.forget(con, flow, side, set(ids_of(intents, side)) - seen[side].keys())


def ids_of(writes: pl.DataFrame, side: Side) -> list[str]:
    """Records of `side` that these WRITES read or write."""
    target = writes.filter(pl.col("side") == side)["id"]
    source = writes.filter(pl.col("side") == OTHER[side])["source_id"]
    return sorted({*target, *source})


def frame(seen: Mapping[str, Seen], flow: Flow) -> pl.DataFrame:
    """`id` and the fields of records that were seen."""
    rows = [{"id": i, **s.values} for i, s in seen.items()]
    return pl.DataFrame(rows, schema=dict.fromkeys(("id", *flow.names), pl.String))


def _found(side: Side, intents: pl.DataFrame, seen: Mapping[str, Seen], flow: Flow) -> pl.DataFrame:
    """FOUND: values, and whether they were changed after the intent, where the system can tell."""
    before = {(r["id"], r["field"]): r["read_at"] for r in intents.filter(side=side).iter_rows(named=True)}

    def touched(row: dict[str, str]) -> bool | None:
        was, now = before.get((row["id"], row["field"])), seen[row["id"]].changed_at(row["field"])
        return None if was is None or now is None else now > was

    found = values(side, frame(seen, flow), flow)
    marks = [touched(row) for row in found.iter_rows(named=True)]
    return found.with_columns(touched=pl.Series(marks, dtype=pl.Boolean)).cast(recovery.FOUND)  # type: ignore[arg-type]


def lost_edits(
    con: duckdb.DuckDBPyConnection,
    outcome: Settled,
    intents: pl.DataFrame,
    seen: Mapping[str, Seen],
    flow: Flow,
    at: datetime,
) -> pl.DataFrame:
    """CONFLICTS of edits that the settled writes ran over in HubSpot; seen: the records after the writes.

    To be asked before the shadows are set: what was agreed until now is the base.
    """
    keys = ["side", "id", "field"]
    # HubSpot may have stored a number in its own form: the shadow says in which
    stored = outcome.shadows.select("link_id", "field", stored="a")
    own = (
        outcome.settled.filter(pl.col("side") == "a")
        .join(intents.select(*keys, "read_at"), on=keys)
        .join(stored, on=["link_id", "field"], how="left")
    )
    rows = []
    for write in own.iter_rows(named=True):
        record = seen.get(write["id"])
        history = _since(record.history.get(write["field"], ()) if record else (), write["read_at"])
        ours = max((n for n, e in enumerate(history) if e.value in (write["value"], write["stored"])), default=None)
        key = {name: write[name] for name in keys}
        rows += [
            {**key, "value": entry.value, "at": entry.at, "ours": number == ours}
            for number, entry in enumerate(history)
            if ours is not None and number <= ours
        ]
    if all(row["ours"] for row in rows):
        return empty(CONFLICTS)
    told = pl.DataFrame(rows, schema=recovery.HISTORY)
    found = recovery.lost_edits(own, told, memory.links_of(con, flow, own), flow, at)
    base = memory.shadows_of(con, flow, own).select("link_id", "field", base_a="a", base_b="b")
    found = found.drop("base_a", "base_b").join(base, on=["link_id", "field"], how="left")
    return found.select(list(CONFLICTS))


def _since(history: Sequence[Entry], read_at: datetime | None) -> list[Entry]:
    """What was written after the last entry that was known before the write, oldest first."""
    return [entry for entry in reversed(history) if read_at is None or entry.at > read_at]
