"""What a flow remembers: rows of the `two_way.*` tables as the planner's frames, and back.

Everything here is told which flow; functions that store take an open connection, so that the caller says what belongs
into one transaction.
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import msgspec
import polars as pl

from tl_hubspot import decoding
from tl_hubspot.two_way.clocks import INSTANT, INTERVALS
from tl_hubspot.two_way.flows import SIDES, Flow
from tl_hubspot.two_way.frames import CONFLICTS, CREATIONS, HOLDS, LINKS, SHADOWS, WRITES, Memory, Plan
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import delete, fetch, frame_of, upsert
from tl_hubspot.warehouse.store import Warehouse

INTENTS: dict[str, pl.DataType] = {**WRITES, "read_at": INSTANT}
"""WRITES with the instant of the last change of the target that was known before the write."""


def load(warehouse: Warehouse, flow: Flow) -> Memory:
    """What the flow remembers."""
    with warehouse.connect() as con:
        intents = write_intents(con, flow)
        return Memory(
            links=_read(con, "links", flow, LINKS),
            shadows=_wide_shadows(con, flow),
            intervals=_read(con, "intervals", flow, INTERVALS),
            holds=_read(con, "holds", flow, HOLDS),
            writes=intents.select(list(WRITES)),
            creations=create_intents(con, flow).drop("intended_at"),
            logged=_read(con, "conflicts", flow, {"conflict_id": pl.String()})["conflict_id"],
        )


def _read(con: duckdb.DuckDBPyConnection, table: str, flow: Flow, shape: dict[str, pl.DataType]) -> pl.DataFrame:
    query = f"select {', '.join(shape)} from two_way.{table} where flow = ?"
    return fetch(con, query, [flow.name]).cast(shape)  # type: ignore[arg-type]


def _of(
    con: duckdb.DuckDBPyConnection, table: str, flow: Flow, shape: dict[str, pl.DataType], keys: pl.DataFrame
) -> pl.DataFrame:
    """The rows whose key is in the one column of `keys`."""
    query = f"select {', '.join(shape)} from two_way.{table} where flow = ? and {keys.columns[0]} in (from _keys)"
    with registered(con, _keys=keys):
        return fetch(con, query, [flow.name]).cast(shape)  # type: ignore[arg-type]


def links(con: duckdb.DuckDBPyConnection, flow: Flow) -> pl.DataFrame:
    """LINKS."""
    return _read(con, "links", flow, LINKS)


def links_of(con: duckdb.DuckDBPyConnection, flow: Flow, rows: pl.DataFrame) -> pl.DataFrame:
    """LINKS that rows with a `link_id` are about."""
    return _of(con, "links", flow, LINKS, rows.select(pl.col("link_id").drop_nulls()))


def shadows_of(con: duckdb.DuckDBPyConnection, flow: Flow, rows: pl.DataFrame) -> pl.DataFrame:
    """SHADOWS of the links that rows with a `link_id` are about."""
    return _of(con, "shadows", flow, SHADOWS, rows.select("link_id"))


def _wide_shadows(con: duckdb.DuckDBPyConnection, flow: Flow) -> pl.DataFrame:
    """All shadows as `frames.wide` makes them of SHADOWS; the database does it before so many rows are carried over."""
    columns = [f'max({side}) filter (field = ?) as "{side}:{name}"' for name in flow.names for side in SIDES]
    given = [name for name in flow.names for _ in SIDES]
    query = f"select {', '.join(['link_id', *columns])} from two_way.shadows where flow = ? group by link_id"
    return fetch(con, query, [*given, flow.name])


def write_intents(con: duckdb.DuckDBPyConnection, flow: Flow) -> pl.DataFrame:
    """Open INTENTS."""
    return _read(con, "write_intents", flow, INTENTS)


def create_intents(con: duckdb.DuckDBPyConnection, flow: Flow) -> pl.DataFrame:
    """Open CREATIONS with their fields, and `intended_at`."""
    found = _read(con, "create_intents", flow, {**CREATIONS, "fields": pl.String(), "intended_at": INSTANT})
    given = [decoding.decode(text, type=dict[str, str | None]) for text in found["fields"]]
    values = {name: pl.Series([row.get(name) for row in given], dtype=pl.String) for name in flow.names}
    return found.drop("fields").with_columns(**values).select(*CREATIONS, *flow.names, "intended_at")


# ---------------------------------------------------------------------- storing


def store(con: duckdb.DuckDBPyConnection, flow: Flow, made: Plan) -> None:
    """Everything of a plan that needs no call; what is told to people replaces what the cycle before told."""
    put(con, "links", flow, made.links)
    put(con, "shadows", flow, made.shadows)
    for table in ("intervals", "unmatched", "ambiguous", "held"):
        con.execute(f"delete from two_way.{table} where flow = ?", [flow.name])
        put(con, table, flow, getattr(made, table))
    log(con, flow, made.conflicts.filter(pl.col("kind") == "held"))
    con.execute("update two_way.polls set planned_from = began_at where flow = ?", [flow.name])


def put(con: duckdb.DuckDBPyConnection, table: str, flow: Flow, rows: pl.DataFrame) -> None:
    """Merge rows into `two_way.<table>`."""
    name = f"two_way.{table}"
    upsert(con, name, frame_of(name, rows.with_columns(flow=pl.lit(flow.name))))


def log(con: duckdb.DuckDBPyConnection, flow: Flow, entries: pl.DataFrame) -> None:
    """Add to the conflict log what is not in it."""
    known = _of(con, "conflicts", flow, {"conflict_id": pl.String()}, entries.select("conflict_id"))
    state = pl.when(pl.col("kind") == "held").then(pl.lit("open")).otherwise(pl.lit("decided"))
    fresh = entries.select(list(CONFLICTS)).join(known, on="conflict_id", how="anti")
    put(con, "conflicts", flow, fresh.unique("conflict_id").with_columns(state=state))


def intend_writes(con: duckdb.DuckDBPyConnection, flow: Flow, intents: pl.DataFrame, at: datetime) -> None:
    """Store INTENTS before their calls."""
    put(con, "write_intents", flow, intents.with_columns(intended_at=pl.lit(at)))


def intend_creations(con: duckdb.DuckDBPyConnection, flow: Flow, creations: pl.DataFrame, at: datetime) -> None:
    """Store CREATIONS before their calls."""
    texts = [msgspec.json.encode(row).decode() for row in creations.select(flow.names).iter_rows(named=True)]
    rows = creations.select(list(CREATIONS)).with_columns(
        fields=pl.Series(texts, dtype=pl.String), intended_at=pl.lit(at)
    )
    put(con, "create_intents", flow, rows)


def settle(con: duckdb.DuckDBPyConnection, table: str, flow: Flow, rows: pl.DataFrame) -> None:
    """Intents that are done with: `write_intents` or `create_intents`."""
    key = ["side", "id", "field"] if table == "write_intents" else ["side", "source_id"]
    delete(con, f"two_way.{table}", rows.select(key).unique().with_columns(flow=pl.lit(flow.name)))
