"""The memory of a push on DuckDB: the protocol `pushing.ledger.Ledger` over the `sync.*` tables and the JSON log file.

Connections are short: one transaction per batch of outcomes, none while a call is under way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import polars as pl

from tl_hubspot.orchestration import consent
from tl_hubspot.warehouse.store import Warehouse, delete, fetch, frame_of, insert, polars_schema, upsert

Row = dict[str, Any]


class WarehouseLedger:
    """Rows of a push, durable when a method returns, or, inside `together`, when that block is left."""

    def __init__(self, warehouse: Warehouse, log_file: Path) -> None:
        self._warehouse = warehouse
        self._log_file = log_file
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._lines: list[Row] = []

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """One transaction for everything called inside; the log file follows once it is committed."""
        if self._connection is not None:
            yield
            return
        try:
            with self._warehouse.transaction() as connection:
                self._connection = connection
                yield
        except BaseException:
            self._lines.clear()
            raise
        finally:
            self._connection = None
        lines, self._lines = self._lines, []
        append_log(self._log_file, lines)

    @contextlib.contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self.together():
            assert self._connection is not None
            yield self._connection

    def intend(self, rows: Sequence[Row]) -> None:
        """New rows of sync.journal."""
        with self._open() as con:
            insert(con, "sync.journal", frame_of("sync.journal", rows))

    def settle(self, rows: Sequence[Row]) -> None:
        """Outcomes for sync.journal."""
        names = ["call_id", "trace_id", "hubspot_id", "state", "message", "settled_at"]
        with self._open() as con:
            upsert(con, "sync.journal", frame_of("sync.journal", rows).select(names))

    def link(self, rows: Sequence[Row]) -> None:
        """Confirmed pairs; a HubSpot record has one link, and what was pushed to it goes over with the record."""
        frame = _last(frame_of("sync.links", rows), ["entity_type", "teamleader_id"])
        with self._open() as con:
            con.register("_links", frame)
            others = (
                "from sync.links t join _links s on t.entity_type = s.entity_type"
                " and t.hubspot_id = s.hubspot_id and t.teamleader_id <> s.teamleader_id"
            )
            taken_over = fetch(con, f"select t.entity_type, t.teamleader_id as old, s.teamleader_id as new {others}")
            _hand_over(con, taken_over)
            dropped = taken_over.select("entity_type", teamleader_id="old")
            delete(con, "sync.links", dropped)
            known = fetch(
                con,
                "select t.entity_type, t.teamleader_id, t.first_run as known_run from sync.links t"
                " semi join _links s on t.entity_type = s.entity_type and t.teamleader_id = s.teamleader_id",
            )
            con.unregister("_links")
            kept = frame.join(known, on=["entity_type", "teamleader_id"], how="left", maintain_order="left")
            kept = kept.with_columns(first_run=pl.coalesce("known_run", "first_run")).drop("known_run")
            upsert(con, "sync.links", kept)

    def shadow(self, rows: Sequence[Row]) -> None:
        """Confirmed values, merged property by property into what is remembered."""
        frame = frame_of("sync.shadows", rows)
        with self._open() as con:
            con.register("_shadows", frame.select("entity_type", "teamleader_id").unique())
            known = fetch(
                con,
                "select t.* from sync.shadows t semi join _shadows s"
                " on t.entity_type = s.entity_type and t.teamleader_id = s.teamleader_id",
            )
            con.unregister("_shadows")
            merged: dict[tuple[str, str], Row] = {
                (row["entity_type"], row["teamleader_id"]): row for row in known.iter_rows(named=True)
            }
            for row in rows:
                key = (row["entity_type"], row["teamleader_id"])
                before = merged.get(key, {})
                merged[key] = row | {n: _merge(before.get(n), row[n]) for n in ("fields", "written")}
            upsert(con, "sync.shadows", frame_of("sync.shadows", merged.values()))

    def relation(self, rows: Sequence[Row]) -> None:
        """Associations made or found; one that is known keeps its origin."""
        key = ["from_type", "from_id", "to_type", "to_id"]
        frame = frame_of("sync.relations", rows).unique(key, keep="first", maintain_order=True)
        with self._open() as con:
            known = fetch(con, "select from_type, from_id, to_type, to_id from sync.relations")
            insert(con, "sync.relations", frame.join(known, on=key, how="anti"))

    def forget_relation(self, rows: Sequence[Row]) -> None:
        """Associations that the sync took away."""
        key = ["from_type", "from_id", "to_type", "to_id"]
        with self._open() as con:
            delete(con, "sync.relations", pl.DataFrame(rows, schema=dict.fromkeys(key, pl.String())).select(key))

    def opt_out(self, rows: Sequence[Row]) -> None:
        """Opt-outs carried over; the addresses unsubscribed earlier for the same address stay known."""
        with self._open() as con:
            stored = fetch(con, "select address, unsubscribed as earlier from sync.opt_outs")
            frame = _last(frame_of("sync.opt_outs", rows), ["address"]).join(stored, on="address", how="left")
            known = pl.col("unsubscribed").list.set_union(pl.col("earlier").fill_null([])).list.sort()
            upsert(con, "sync.opt_outs", frame.with_columns(unsubscribed=known).drop("earlier"))

    def marketing_request(self, rows: Sequence[Row]) -> None:
        """Marketing status asked for."""
        with self._open() as con:
            upsert(con, "sync.marketing_requests", _last(frame_of("sync.marketing_requests", rows), ["teamleader_id"]))

    def consent(self, events: Sequence[Row]) -> None:
        """What was done about marketing e-mail, added to the consent ledger."""
        with self._open() as con:
            consent.record(con, self._warehouse.path.parent, events)

    def log(self, rows: Sequence[Row]) -> None:
        """Rows of sync.log, and the JSON lines file."""
        with self._open() as con:
            insert(con, "sync.log", frame_of("sync.log", rows))
            self._lines.extend(rows)


def append_log(path: Path, rows: Sequence[Row]) -> None:
    """One JSON line per row of sync.log."""
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(polars_schema("sync.log"))
    lines = b"".join(msgspec.json.encode({name: row.get(name) for name in names}) + b"\n" for row in rows)
    with path.open("ab") as file:
        file.write(lines)


def _hand_over(con: duckdb.DuckDBPyConnection, taken_over: pl.DataFrame) -> None:
    """Shadows of records whose HubSpot record went to another: the other one goes on from them (`old` → `new`)."""
    if taken_over.is_empty():
        return
    shadows = {(row["entity_type"], row["teamleader_id"]): row for row in fetch(con, "sync.shadows").to_dicts()}
    merged: dict[tuple[str, str], Row] = {}
    gone = []
    for entity_type, old, new in taken_over.sort(pl.all()).iter_rows():
        before = shadows.get((entity_type, old))
        if before is None:
            continue
        gone.append({"entity_type": entity_type, "teamleader_id": old})
        own = merged.get((entity_type, new)) or shadows.get((entity_type, new)) or before | {"teamleader_id": new}
        merged[entity_type, new] = own | {n: _merge(before[n], own[n]) for n in ("fields", "written")}
    upsert(con, "sync.shadows", frame_of("sync.shadows", list(merged.values())))
    delete(con, "sync.shadows", pl.DataFrame(gone, schema={"entity_type": pl.String(), "teamleader_id": pl.String()}))


def _merge(before: str | None, new: str) -> str:
    """Both JSON objects in one, `new` first; what is null there is forgotten."""
    values = (msgspec.json.decode(before) if before else {}) | msgspec.json.decode(new)
    return msgspec.json.encode({k: v for k, v in values.items() if v is not None}, order="sorted").decode()


def _last(frame: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    return frame.unique(key, keep="last", maintain_order=True)
