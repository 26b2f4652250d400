"""The memory of a push on DuckDB: the protocol `pushing.ledger.Ledger` over the `sync.*` tables and the JSON log file.

Connections are short: one transaction per batch of outcomes, none while a call is under way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import msgspec
import polars as pl

from tl_hubspot import decoding
from tl_hubspot.orchestration import consent
from tl_hubspot.pushing.ledger import Row, Rows
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import delete, frame_of, insert, take, touch, upsert
from tl_hubspot.warehouse.schema import table
from tl_hubspot.warehouse.store import Warehouse


class WarehouseLedger:
    """Rows of a push, durable when a method returns, or, inside `together`, when that block is left."""

    def __init__(self, warehouse: Warehouse, log_file: Path) -> None:
        self._warehouse = warehouse
        self._log_file = log_file
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._lines: list[pl.DataFrame] = []

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

    def intend(self, rows: Rows) -> None:
        """New rows of sync.journal."""
        with self._open() as con:
            insert(con, "sync.journal", frame_of("sync.journal", rows))

    def settle(self, rows: Rows) -> None:
        """Outcomes for sync.journal."""
        if not len(rows):
            return
        sets = ", ".join(f"{c} = s.{c}" for c in ("hubspot_id", "state", "message", "settled_at"))
        with self._open() as con, registered(con, _outcomes=frame_of("sync.journal", rows)):
            con.execute(f"update sync.journal t set {sets} from _outcomes s where {_same('sync.journal')}")

    def link(self, rows: Rows) -> None:
        """Confirmed pairs; a HubSpot record has one link, and what was pushed to it goes over with the record."""
        if not len(rows):
            return
        last = frame_of("sync.links", rows).unique(table("sync.links").key, keep="last", maintain_order=True)
        with self._open() as con, registered(con, _links=last):
            others = (
                "select t.entity_type, t.teamleader_id as old, s.teamleader_id as new from sync.links t"
                " join _links s on t.entity_type = s.entity_type and t.hubspot_id = s.hubspot_id"
                " and t.teamleader_id <> s.teamleader_id"
            )
            if taken_over := con.execute(others).fetchall():
                _hand_over(con, taken_over)
            _merge_into(con, "sync.links", "_links", _LINK)

    def shadow(self, rows: Rows) -> None:
        """Confirmed values, merged property by property into what is remembered; what is null is forgotten."""
        with self._open() as con:
            for frame in _rounds("sync.shadows", rows):
                # long texts changed in place are all written anew, those of other rows too
                before = take(con, "sync.shadows", frame.select(table("sync.shadows").key))
                with registered(con, _shadows=frame, _before=before):
                    con.execute(f"insert into sync.shadows by name {_MERGED}")

    def relation(self, rows: Rows) -> None:
        """Associations made or found; one that is known keeps its origin."""
        if not len(rows):
            return
        first = frame_of("sync.relations", rows).unique(table("sync.relations").key, keep="first", maintain_order=True)
        key = table("sync.relations").key
        keys = ", ".join(f's."{c}"' for c in key)
        with self._open() as con, registered(con, _relations=first):
            known = con.sql(f"select {keys} from _relations s join sync.relations t on {_same('sync.relations')}").pl()
            insert(con, "sync.relations", first.join(known, on=key, how="anti", maintain_order="left"))

    def forget_relation(self, rows: Rows) -> None:
        """Associations that the sync took away."""
        with self._open() as con:
            delete(con, "sync.relations", frame_of("sync.relations", rows).select(table("sync.relations").key))

    def opt_out(self, rows: Sequence[Row]) -> None:
        """Opt-outs carried over; the addresses unsubscribed earlier for the same address stay known."""
        last = {row["address"]: row | {"unsubscribed": sorted(set(row["unsubscribed"]))} for row in rows}
        values = [c for c in table("sync.opt_outs").column_names if c not in ("address", "unsubscribed")]
        both = "list_sort(list_distinct(list_concat(t.unsubscribed, s.unsubscribed)))"
        sets = ", ".join([f"unsubscribed = {both}", *(f'"{c}" = s."{c}"' for c in values)])
        with self._open() as con, registered(con, _opt_outs=frame_of("sync.opt_outs", last.values())):
            _merge_into(con, "sync.opt_outs", "_opt_outs", sets)

    def marketing_request(self, rows: Sequence[Row]) -> None:
        """Marketing status asked for."""
        last = {row["teamleader_id"]: row for row in rows}
        with self._open() as con:
            upsert(con, "sync.marketing_requests", frame_of("sync.marketing_requests", last.values()))

    def consent(self, events: Sequence[Row]) -> None:
        """What was done about marketing e-mail, added to the consent ledger."""
        with self._open() as con:
            consent.record(con, self._warehouse.path.parent, events)

    def log(self, rows: Rows) -> None:
        """Rows of sync.log, and the JSON lines file."""
        with self._open() as con:
            frame = frame_of("sync.log", rows)
            insert(con, "sync.log", frame)
            self._lines.append(frame)


def append_log(path: Path, frames: Sequence[pl.DataFrame]) -> None:
    """One JSON line per row of sync.log."""
    if not sum(frame.height for frame in frames):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        for frame in frames:
            file.write(frame.with_columns(pl.col("timestamp").dt.strftime(_INSTANT)).write_ndjson().encode())


_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"


# Statements are few and plain: each costs more than the rows in it.


def _merge_into(con: duckdb.DuckDBPyConnection, name: str, rows: str, update: str) -> None:
    """Rows (a view, no key twice) by key: `update` those that the table has, insert the others."""
    con.execute(
        f"merge into {name} t using {rows} s on {_same(name)}"
        f" when matched then update set {update} when not matched then insert by name"
    )


_MERGED = """
select s.* replace (
  json_merge_patch(coalesce(b.fields, '{}'), s.fields) as fields,
  json_merge_patch(coalesce(b.written, '{}'), s.written) as written
) from _shadows s left join _before b using (entity_type, teamleader_id)
"""
"""Of a new row, what is to be forgotten was never there."""

_SAME_PAIR = "t.hubspot_id = s.hubspot_id or s.matched_by is null or s.matched_by = 'link'"
_LINK = ", ".join(
    ["hubspot_id = s.hubspot_id", "last_run = s.last_run"]
    + [f"{name} = case when {_SAME_PAIR} then t.{name} else s.{name} end" for name in ("first_run", "matched_by")]
)
"""A pair that is known, or whose HubSpot record was merged into another, keeps how it came about; a record that was
made again has a new story."""


def _rounds(name: str, rows: Rows) -> Iterator[pl.DataFrame]:
    """The rows in their order, as frames in which no key comes twice: one, unless a record was written twice."""
    frame = frame_of(name, rows).with_columns(_round=pl.int_range(pl.len()).over(table(name).key))
    return (part.drop("_round") for part in frame.partition_by("_round", maintain_order=True))


def _same(name: str) -> str:
    return " and ".join(f't."{c}" = s."{c}"' for c in table(name).key)


def _hand_over(con: duckdb.DuckDBPyConnection, taken_over: Sequence[tuple[str, str, str]]) -> None:
    """Links (entity type, old, new Teamleader id) whose HubSpot record went to another go; their shadows go over."""
    ids = pl.DataFrame({"teamleader_id": [id for _, *pair in taken_over for id in pair]}).unique()
    shadows = {(row["entity_type"], row["teamleader_id"]): row for row in take(con, "sync.shadows", ids).to_dicts()}
    merged = dict(shadows)
    for entity_type, old, new in sorted(taken_over):
        if before := shadows.get((entity_type, old)):
            own = merged.get((entity_type, new), before) | {"teamleader_id": new}
            merged[entity_type, new] = own | {n: _merge(before[n], own[n]) for n in ("fields", "written")}
    left = [row for key, row in merged.items() if key not in {(e, old) for e, old, _ in taken_over}]
    insert(con, "sync.shadows", frame_of("sync.shadows", left))
    gone = pl.DataFrame(
        [(entity_type, old) for entity_type, old, _ in taken_over],
        schema={"entity_type": pl.String(), "teamleader_id": pl.String()},
        orient="row",
    ).unique()
    touch(con, "sync.shadows", gone)
    delete(con, "sync.links", gone)


def _merge(before: str | None, new: str) -> str:
    """Both JSON objects in one, `new` first; what is null there is forgotten."""
    values = (decoding.decode(before) if before else {}) | decoding.decode(new)
    return msgspec.json.encode({k: v for k, v in values.items() if v is not None}, order="sorted").decode()
