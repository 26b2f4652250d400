"""The tables of the working database: names, columns, SQL types, meaning and source, as data; a file per room.

Documentation, column metadata in Dagster and comments in DuckDB are made from here. How rows get in lives in
`warehouse.rows`; who reads them is not known here. Flat SQL types that DuckDB 1.5, 2.0 and DuckLake share; no keys or
indexes: uniqueness is kept by the upsert and asserted by checks.
"""

from __future__ import annotations

from tl_hubspot.warehouse.schema.crmoffice import CRMOFFICE
from tl_hubspot.warehouse.schema.decisions import DECISIONS
from tl_hubspot.warehouse.schema.definition import Column, Table
from tl_hubspot.warehouse.schema.eligible import ELIGIBLE
from tl_hubspot.warehouse.schema.history import HISTORY, KEEPS_HISTORY, history_of
from tl_hubspot.warehouse.schema.hubspot import HUBSPOT
from tl_hubspot.warehouse.schema.sync_memory import MEMORY
from tl_hubspot.warehouse.schema.sync_plan import PLAN
from tl_hubspot.warehouse.schema.sync_readings import READINGS
from tl_hubspot.warehouse.schema.sync_runs import RUNS
from tl_hubspot.warehouse.schema.teamleader import REJECTED, TEAMLEADER
from tl_hubspot.warehouse.schema.two_way import TWO_WAY

__all__ = [
    "APPLICATION", "CRMOFFICE", "DECISIONS", "ELIGIBLE", "HISTORY", "HUBSPOT", "KEEPS_HISTORY", "REJECTED", "SCHEMAS",
    "SCHEMA_VERSION", "STAMPS", "SYNC", "TABLES", "TEAMLEADER", "TWO_WAY", "Column", "Table", "history_of", "table",
]  # fmt: skip

SCHEMA_VERSION = 8
STAMPS = {
    **{t.name: "_run_id" for t in TEAMLEADER if t.name != "teamleader.reference"},
    **{f"hubspot.{name}": "_run_id" for name in ("contacts", "companies", "deals", "associations")},
    **{f"sync.{name}": "run_id" for name in ("shadows", "relations", "opt_outs", "marketing_requests", "tombstones")},
    "sync.undone_addresses": "run_id",
    "sync.links": "last_run",
}
"""Tables whose rows name the run that wrote them so, and the column that does; `sync.touched` says what left."""
APPLICATION = "tl_hubspot"

SYNC = (*MEMORY, *READINGS, *PLAN, *RUNS)
TABLES: tuple[Table, ...] = (
    *TEAMLEADER, REJECTED, *HISTORY, *HUBSPOT, *DECISIONS, *ELIGIBLE, *SYNC, *CRMOFFICE, *TWO_WAY,
)  # fmt: skip
SCHEMAS = ("teamleader", "history", "hubspot", "decisions", "eligible", "sync", "crmoffice", "two_way")


def table(name: str) -> Table:
    """The table of that full name; KeyError when there is none."""
    return _BY_NAME[name]


_BY_NAME = {t.name: t for t in TABLES}
