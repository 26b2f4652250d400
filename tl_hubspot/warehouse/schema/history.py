"""The earlier states of Teamleader's records: a table here for each there. How they are kept: `warehouse.history`."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import Table, columns
from tl_hubspot.warehouse.schema.teamleader import TEAMLEADER

KEEPS_HISTORY = frozenset(
    f"teamleader.{name}" for name in ("contacts", "companies", "deals", "contact_company_links", "deal_phase_history")
)


def history_of(table: Table) -> Table:
    """The table of earlier versions of `table`, without the columns that only say when something was last asked."""
    return Table(
        table.name.replace("teamleader.", "history."),
        f"The states in which earlier runs left a row of {table.name} and which are no more; that of now stands there.",
        tuple(c for c in table.columns if not c.name.endswith("_read_at"))
        + columns(
            """
_run | INTEGER | number of the run that left the row so, see history.runs |
_removed | BOOLEAN | the row was gone after that run; it has its key alone |
"""
        ),
        (*table.key, "_run"),
    )


HISTORY = (
    *(history_of(t) for t in TEAMLEADER if t.name in KEEPS_HISTORY),
    Table(
        "history.runs",
        "The runs in their order; stays when the rows of sync.runs are thrown away.",
        columns(
            """
number | INTEGER | place in the order, from 1 |
run_id | VARCHAR | run |
started_at | TIMESTAMPTZ | start |
"""
        ),
        ("number",),
    ),
)
