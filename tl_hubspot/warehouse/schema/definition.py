"""What a table is, as data. Which tables there are stands in the files beside this one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: SQL type, what it means, and where its value comes from."""

    name: str
    type: str
    meaning: str
    source: str = ""


@dataclass(frozen=True)
class Table:
    """One table; `key` names the columns that identify a row (upserts go by it)."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def ddl(self) -> str:
        """`CREATE TABLE IF NOT EXISTS` statement."""
        body = ", ".join(f'"{c.name}" {c.type}' for c in self.columns)
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
