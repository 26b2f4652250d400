"""Which records the latest plan looked at: whoever said something of every record of the plan before has to look at
these alone.

`scope` finds them and `planning` keeps them; here it is told whether they are enough. They are not for who said nothing
of the plan that the latest one was built on, or did not get to the end of it.
"""

from __future__ import annotations

import duckdb
import polars as pl

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.steps import unchanged
from tl_hubspot.orchestration.steps.scope import Scope
from tl_hubspot.warehouse.rows import insert
from tl_hubspot.warehouse.store import Warehouse

TABLE = "sync.looked_at"
AT_ONCE = 150_000
"""Records in one condition: what is said of a million does not fit into DuckDB's memory."""
_PLAN = "sync.plan"


def keep(con: duckdb.DuckDBPyConnection, scope: Scope | None) -> str | None:
    """Note the records of `scope`; returns the fingerprint of the plan that stands for all others, to be remembered
    with the new one as its result. None, and nothing is noted, when it looks at all records itself."""
    con.execute(f"delete from {TABLE}")
    if scope is None:
        return None
    for entity_type, ids in scope.looked_at.items():
        insert(con, TABLE, pl.DataFrame({"teamleader_id": ids}).select(pl.lit(entity_type).alias("entity_type"), "*"))
    known = con.execute(f"select fingerprint from {unchanged.TABLE} where name = ?", [_PLAN]).fetchall()
    return str(known[0][0])


def plan(warehouse: Warehouse) -> str:
    """Fingerprint of the latest plan; ConfigurationError when nobody knows any more what it was made of."""
    known = warehouse.read(f"select fingerprint from {unchanged.TABLE} where name = ?", [_PLAN])
    if known.is_empty():
        raise ConfigurationError(
            "The plan was made before the tables were brought to this version, and has to be made once more",
            where=_PLAN,
            mend="Start the whole job `sync`; what was confirmed before is not written again",
        )
    return str(known.item())


def conditions(warehouse: Warehouse, name: str) -> list[str]:
    """SQL conditions on `teamleader_id` that one after the other find every record of which something else may have to
    be said than when `name` was remembered, with the fingerprint of the plan that it was said of."""
    query = f"select 1 from {unchanged.TABLE} n join {unchanged.TABLE} p on n.fingerprint = p.result"
    if warehouse.read(f"{query} where n.name = ? and p.name = ?", [name, _PLAN]).height:
        return [f"teamleader_id in (select teamleader_id from {TABLE})"]
    return all_of(warehouse)


def all_of(warehouse: Warehouse) -> list[str]:
    """Conditions that find every record."""
    parts = warehouse.count("sync.planned_outcomes") // AT_ONCE + 1
    return [f"hash(teamleader_id) % {parts} = {part}" for part in range(parts)]
