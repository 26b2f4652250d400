"""The page of the tables, from `warehouse.schema`."""

from __future__ import annotations

from collections.abc import Iterable

from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.schema import Table

_ROOMS = {
    "teamleader": "Teamleader as received: the payload beside typed columns.",
    "history": "The states in which earlier runs left a record, but for the latest, which stands in `teamleader`."
    " `teamleader.contacts_as_of(run_id)` and its sisters give a table as it stood after a run.",
    "hubspot": "HubSpot as it was before the plan.",
    "decisions": "What the rules say about every record, and what they looked at.",
    "eligible": "What belongs in HubSpot.",
    "sync": "What was intended, done and remembered.",
    "crmoffice": "Crmoffice as the two-way flow read it last.",
    "two_way": "What the two-way flow between HubSpot and Crmoffice remembers: links, what each side held, conflicts.",
}


def page() -> str:
    """The page as Markdown."""
    parts = [
        "# Tables",
        "All tables of `analytics.duckdb`, the copy that is made after each run ([queries.md](queries.md) has worked"
        " queries). Times are instants; dates are calendar dates in the configured time zone. The same words stand in"
        " the database as comments: `select * from duckdb_columns()`.",
        "*Source* names the field of the system as its API calls it; *computed* is ours.",
    ]
    for room, meaning in _ROOMS.items():
        parts += [f"## {room}", meaning]
        for table in schema.TABLES:
            if table.name.startswith(f"{room}."):
                parts += _table(table)
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> list[str]:
    key = f" One row per {', '.join(f'`{name}`' for name in table.key)}." if table.key else ""
    rows = [(f"`{c.name}`", f"`{c.type}`", c.meaning, c.source and _source(c.source)) for c in table.columns]
    return [f"### {table.name}", f"{table.meaning}{key}", markdown(("Column", "Type", "Meaning", "Source"), rows)]


def _source(source: str) -> str:
    return source if source in ("computed", "same") else f"`{source}`"


def markdown(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a bar in a cell is escaped."""
    names = list(names)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
