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
from tl_hubspot.warehouse.rows import TOUCHED, aside
from tl_hubspot.warehouse.store import Warehouse

Changed = Mapping[str, pl.DataFrame]
"""Keys of the rows that changed, by table; a table that is not in it did not change."""

FEW, MOST = 1_000, TOUCHED
"""Everything is computed again when more rows changed than a tenth of their table, these as the least and the most."""

_SMALL = ("sync.releases",)
"""Tables that whoever asks looks at as a whole."""


def since(warehouse: Warehouse, name: str, made_of: MadeOf, *, for_rules: bool = False) -> Changed | None:
    """What changed in the tables of `made_of` since `name` was computed, rows that are gone among them.

    for_rules: only what the rules look at. Of decisions these are the columns that `become` was told, of a link that it
    is there.
    """
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
            keys = _keys(warehouse, table, touched, run, for_rules=for_rules)
            if keys is None:
                return None
            found[table] = keys
    return found


def _keys(warehouse: Warehouse, table: str, seen: int, run: int, *, for_rules: bool) -> pl.DataFrame | None:
    """Keys of the rows of `table` that `run` (its number) or a later one wrote, or that were touched since `seen`."""
    stamp, key = schema.STAMPS.get(table), schema.table(table).key
    if stamp is None and not (table in _SMALL or table.partition(".")[0] in ("decisions", "eligible")):
        return None
    names = "(?)" if for_rules else f"(?, '{aside(table)}')"
    noted = warehouse.read(f"select key from sync.touched where name in {names} and number > ?", [table, seen])
    if noted["key"].null_count():
        return None
    keys = noted.select(pl.col("key").list.get(n).alias(name) for n, name in enumerate(key))
    if stamp is not None:
        runs = "select run_id from history.runs where number >= $run"
        is_new = f"coalesce(first_run in ({runs}), true)" if for_rules and table == "sync.links" else "true"
        query = f"select {', '.join(key)}, {is_new} as is_new from {table} where {stamp} in ({runs}) limit {MOST + 1}"
        written = warehouse.read(query, {"run": run})
        if written.height > MOST or (keys.is_empty() and written.is_empty()):  # or somebody else wrote it
            return None
        keys = pl.concat([keys, written.filter("is_new").select(pl.col(key).cast(pl.String))])
    keys = keys.unique()
    return None if keys.height > max(FEW, min(MOST, warehouse.count(table) // 10)) else keys


def keys_of(changed: Changed, table: str, name: str | None = None, **where: str) -> pl.Series:
    """One column of the keys of a table (the first, when no `name` is given); nothing when none of its rows changed."""
    keys = changed.get(table)
    if keys is None:
        return pl.Series([], dtype=pl.String)
    return keys.filter(**where).get_column(name or keys.columns[0])
