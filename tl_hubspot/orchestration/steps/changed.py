"""Which rows changed since something was computed, so that only what follows from them is computed again.

That anything changed is told by `unchanged`, from the content of the tables; which rows it was, by the runs that their
stamps name (`schema.STAMPS`) and by `sync.touched`. Where that is not known, or is much, everything is computed again:
the answer is None then. What follows from which rows stands in `affected`; here nothing is computed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl

from tl_hubspot.orchestration.steps import unchanged
from tl_hubspot.orchestration.steps.unchanged import MadeOf
from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.rows import TOUCHED
from tl_hubspot.warehouse.store import Warehouse

Changed = Mapping[str, pl.DataFrame]
"""Keys of the rows that changed, by table; a table that is not in it did not change."""

FEW, MOST = 1_000, TOUCHED
"""Everything is computed again when more rows changed than a tenth of their table, these as the least and the most."""

_SMALL = ("sync.releases",)
"""Tables that whoever asks looks at as a whole."""


def since(warehouse: Warehouse, name: str, made_of: MadeOf) -> Changed | None:
    """What changed in the tables of `made_of` since `name` was computed, rows that are gone among them."""
    query = (
        f"select parts, touched, number from {unchanged.TABLE} m join history.runs r on r.run_id = m.run_id"
        " where name = ? and parts is not null"
    )
    known = warehouse.read(query, [name])
    if known.is_empty():
        return None
    parts, touched, run = known.row(0)
    tables, rest = json.loads(parts)
    if rest != made_of.rest or tables.keys() != made_of.tables.keys():
        return None
    found = {}
    for table, print_ in made_of.tables.items():
        if tables[table] != print_:
            keys = _keys(warehouse, table, touched, run)
            if keys is None:
                return None
            found[table] = keys
    return found


def _keys(warehouse: Warehouse, table: str, seen: int, run: int) -> pl.DataFrame | None:
    """Keys of the rows of `table` that `run` (its number) or a later one wrote, or that were touched since `seen`."""
    stamp, key = schema.STAMPS.get(table), schema.table(table).key
    if stamp is None and not (table in _SMALL or table.partition(".")[0] in ("decisions", "eligible")):
        return None
    noted = warehouse.read("select key from sync.touched where name = ? and number > ?", [table, seen])
    if noted["key"].null_count():
        return None
    keys = noted.select(pl.col("key").list.get(n).alias(name) for n, name in enumerate(key))
    if stamp is not None:
        runs = "select run_id from history.runs where number >= ?"
        query = f"select {', '.join(key)} from {table} where {stamp} in ({runs}) limit {MOST + 1}"
        keys = pl.concat([keys, warehouse.read(query, [run]).cast(pl.String)])
        if keys.is_empty():  # somebody else wrote it
            return None
    keys = keys.unique()
    return None if keys.height > max(FEW, min(MOST, warehouse.count(table) // 10)) else keys


def keys_of(changed: Changed, table: str, name: str | None = None, **where: str) -> pl.Series:
    """One column of the keys of a table (the first, when no `name` is given); nothing when none of its rows changed."""
    keys = changed.get(table)
    if keys is None:
        return pl.Series([], dtype=pl.String)
    return keys.filter(**where).get_column(name or keys.columns[0])
