"""What a table is, as data. Which tables there are stands in the files beside this one."""

from __future__ import annotations

from dataclasses import dataclass

UNCOMPRESSED = {
    *("id", "teamleader_id", "hubspot_id", "contact_id", "company_id", "deal_id", "from_id", "to_id"),
    *("customer_id", "contact_person_id", "source_contact_id", "duplicate_of", "group_id", "address", "email"),
}
"""Columns whose texts rows are found by. A file keeps these as they are: to look through a million ids takes 14 ms then
instead of 35, and storing them a third of the time, for 10 to 20 MiB more."""


@dataclass(frozen=True)
class Column:
    """One column: SQL type, what it means, and where its value comes from."""

    name: str
    type: str
    meaning: str
    source: str = ""

    @property
    def is_found_by(self) -> bool:
        """Whether rows are found by it."""
        return self.name in UNCOMPRESSED and self.type == "VARCHAR"

    @property
    def in_file(self) -> str:
        """Its type in a DuckDB file, and how it is stored there."""
        return f"{self.type} USING COMPRESSION uncompressed" if self.is_found_by else self.type


@dataclass(frozen=True)
class Table:
    """One table; `key` names the columns that identify a row (upserts go by it)."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    def ddl(self, *, in_file: bool = True) -> str:
        """`CREATE TABLE IF NOT EXISTS` statement; a lake does not say how a column is stored."""
        body = ", ".join(f'"{c.name}" {c.in_file if in_file else c.type}' for c in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({body})"

    @property
    def column_names(self) -> list[str]:
        """Column names in order."""
        return [c.name for c in self.columns]


def columns(text: str) -> tuple[Column, ...]:
    """Columns from lines `name | type | meaning | source`."""
    rows = []
    for line in filter(str.strip, text.splitlines()):
        parts = [p.strip() for p in line.split("|")]
        rows.append(Column(parts[0], parts[1], parts[2], parts[3] if len(parts) > 3 else ""))
    return tuple(rows)


LOADED = """
_loaded_at | TIMESTAMPTZ | when this version was stored |
_run_id | VARCHAR | run that stored it |
"""
