"""The answer to a query of an analyst: as a table for a terminal, as data for JSON. Values are shown as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

SHOWN = 100
"""Rows on a terminal, unless all are asked for."""


@dataclass(frozen=True)
class Answer:
    """Columns (name, SQL type) and rows of a query."""

    columns: tuple[tuple[str, str], ...]
    rows: Sequence[tuple[Any, ...]]

    def as_dict(self) -> dict[str, Any]:
        """`{"columns": [{"name", "type"}], "rows": [{name: value}]}`; of two columns of one name the last counts."""
        names = [name for name, _ in self.columns]
        return {
            "columns": [{"name": name, "type": type_} for name, type_ in self.columns],
            "rows": [dict(zip(names, row, strict=True)) for row in self.rows],
        }


def render(answer: Answer, *, everything: bool = False) -> RenderableType:
    """The first rows, or all, and how many there are."""
    shown = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name, type_ in answer.columns:
        shown.add_column(Text(name), justify="right" if _is_number(type_) else "left", overflow="fold")
    some = answer.rows if everything else answer.rows[:SHOWN]
    for row in some:
        shown.add_row(*(Text("" if value is None else str(value)) for value in row))
    count = f"{len(answer.rows):,} row{'s' if len(answer.rows) != 1 else ''}"
    if len(some) < len(answer.rows):
        count += f", the first {len(some)} shown (--all shows every one)"
    return Group(shown, Text(f"\n{count}"))


def _is_number(type_: str) -> bool:
    return type_.endswith("INT") or type_.startswith(("INT", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL"))
