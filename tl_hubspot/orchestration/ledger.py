"""The memory of a push on DuckDB: the protocol `pushing.ledger.Ledger` over the `sync.*` tables and the JSON log file.

Connections are short: one transaction per batch of outcomes, none while a call is under way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import polars as pl

from tl_hubspot.orchestration import consent
from tl_hubspot.warehouse.history import registered
from tl_hubspot.warehouse.schema import table
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
        names = ["hubspot_id", "state", "message", "settled_at"]
        with self._open() as con:
            _update(con, "sync.journal", rows, names)

    def link(self, rows: Sequence[Row]) -> None:
        """Confirmed pairs; a HubSpot record has one link, and what was pushed to it goes over with the record."""
        last = {(row["entity_type"], row["teamleader_id"]): row for row in rows}
        with self._open() as con:
            with registered(con, _links=frame_of("sync.links", last.values())):
                others = (
                    "select t.entity_type, t.teamleader_id as old, s.teamleader_id as new from sync.links t"
                    " join _links s on t.entity_type = s.entity_type and t.hubspot_id = s.hubspot_id"
                    " and t.teamleader_id <> s.teamleader_id"
                )
                taken_over = con.execute(others).fetchall()
                known = _known(con, "sync.links", "_links")
            if taken_over:
                _hand_over(con, taken_over)
            _update(con, "sync.links", [last[key] for key in last if key in known], ["hubspot_id", "last_run"])
            insert(con, "sync.links", frame_of("sync.links", [last[key] for key in last if key not in known]))

    def shadow(self, rows: Sequence[Row]) -> None:
        """Confirmed values, merged property by property into what is remembered."""
        with self._open() as con:
            with registered(con, _shadows=frame_of("sync.shadows", rows)):
                stored = _known(con, "sync.shadows", "_shadows", "fields", "written")
            merged: dict[tuple[str, ...], Row] = {}
            for row in rows:
                key = row["entity_type"], row["teamleader_id"]
                before = merged.get(key) or stored.get(key, {})
                merged[key] = row | {n: _merge(before.get(n), row[n]) for n in ("fields", "written")}
            _put(con, "sync.shadows", merged, stored.keys())

    def relation(self, rows: Sequence[Row]) -> None:
        """Associations made or found; one that is known keeps its origin."""
        key = table("sync.relations").key
        first = {tuple(row[c] for c in key): row for row in reversed(rows)}
        new = f"from _relations s where not exists (from sync.relations t where {_same('sync.relations')})"
        with self._open() as con, registered(con, _relations=frame_of("sync.relations", first.values())):
            con.execute(f"insert into sync.relations by name select * {new}")

    def forget_relation(self, rows: Sequence[Row]) -> None:
        """Associations that the sync took away."""
        key = table("sync.relations").key
        with self._open() as con:
            delete(con, "sync.relations", pl.DataFrame(rows, schema=dict.fromkeys(key, pl.String())).select(key))

    def opt_out(self, rows: Sequence[Row]) -> None:
        """Opt-outs carried over; the addresses unsubscribed earlier for the same address stay known."""
        last: dict[tuple[str, ...], Row] = {(row["address"],): row for row in rows}
        with self._open() as con:
            with registered(con, _opt_outs=frame_of("sync.opt_outs", last.values())):
                stored = _known(con, "sync.opt_outs", "_opt_outs", "unsubscribed")
            for key, row in last.items():
                earlier = stored.get(key, {}).get("unsubscribed") or []
                last[key] = row | {"unsubscribed": sorted({*earlier, *row["unsubscribed"]})}
            _put(con, "sync.opt_outs", last, stored.keys())

    def marketing_request(self, rows: Sequence[Row]) -> None:
        """Marketing status asked for."""
        last = {row["teamleader_id"]: row for row in rows}
        with self._open() as con:
            upsert(con, "sync.marketing_requests", frame_of("sync.marketing_requests", last.values()))

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


# Statements are few and plain: each costs more than the rows in it.


def _known(con: duckdb.DuckDBPyConnection, name: str, view: str, *columns: str) -> dict[tuple[str, ...], Row]:
    """These columns of the rows of a table whose key is among those of the view, by key."""
    key = table(name).key
    wanted = ", ".join(f't."{c}"' for c in (*key, *columns))
    found = con.execute(f"select {wanted} from {name} t where exists (from {view} s where {_same(name)})").fetchall()
    return {values[: len(key)]: dict(zip(columns, values[len(key) :], strict=True)) for values in found}


def _same(name: str) -> str:
    return " and ".join(f't."{c}" = s."{c}"' for c in table(name).key)


def _update(con: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Columns of rows that the table has."""
    if not rows:
        return
    sets = ", ".join(f'"{c}" = s."{c}"' for c in columns)
    with registered(con, _rows=frame_of(name, rows)):
        con.execute(f"update {name} t set {sets} from _rows s where {_same(name)}")


def _put(
    con: duckdb.DuckDBPyConnection, name: str, rows: Mapping[tuple[str, ...], Row], known: Collection[tuple[str, ...]]
) -> None:
    """Whole rows by key: those that are known are updated, the others inserted."""
    values = [c for c in table(name).column_names if c not in table(name).key]
    _update(con, name, [row for key, row in rows.items() if key in known], values)
    insert(con, name, frame_of(name, [row for key, row in rows.items() if key not in known]))


def _hand_over(con: duckdb.DuckDBPyConnection, taken_over: Sequence[tuple[str, str, str]]) -> None:
    """Links (entity type, old, new Teamleader id) whose HubSpot record went to another go; their shadows go over."""
    shadows = {(row["entity_type"], row["teamleader_id"]): row for row in fetch(con, "sync.shadows").to_dicts()}
    merged: dict[tuple[str, str], Row] = {}
    for entity_type, old, new in sorted(taken_over):
        before = shadows.get((entity_type, old))
        if before is None:
            continue
        own = merged.get((entity_type, new)) or shadows.get((entity_type, new)) or before | {"teamleader_id": new}
        merged[entity_type, new] = own | {n: _merge(before[n], own[n]) for n in ("fields", "written")}
    upsert(con, "sync.shadows", frame_of("sync.shadows", list(merged.values())))
    gone = pl.DataFrame(
        [(entity_type, old) for entity_type, old, _ in taken_over],
        schema={"entity_type": pl.String(), "teamleader_id": pl.String()},
        orient="row",
    ).unique()
    delete(con, "sync.shadows", gone)
    delete(con, "sync.links", gone)


def _merge(before: str | None, new: str) -> str:
    """Both JSON objects in one, `new` first; what is null there is forgotten."""
    values = (msgspec.json.decode(before) if before else {}) | msgspec.json.decode(new)
    return msgspec.json.encode({k: v for k, v in values.items() if v is not None}, order="sorted").decode()
