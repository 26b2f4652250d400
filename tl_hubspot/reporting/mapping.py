"""The mapping in words: its fields as a table, what is wrong with it, and rows that it might have as well.

Facts come from `orchestration.steps.mapping`; as data for JSON they have the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import yaml
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tl_hubspot.planning.mapping import FieldRule
from tl_hubspot.planning.suggestions import Suggestion

SECTIONS = {"contact": "contacts", "company": "companies", "deal": "deals"}
_WRITTEN = {"always": "always", "if_empty": "if empty", "on_create": "when made"}


class Wrong(Protocol):
    """A mistake: where, what, and how to mend it."""

    @property
    def where(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def mend(self) -> str: ...


class Field(Protocol):
    """A row of the mapping with both systems' labels and types."""

    @property
    def rule(self) -> FieldRule: ...
    @property
    def source_label(self) -> str: ...
    @property
    def source_type(self) -> str: ...
    @property
    def label(self) -> str | None: ...
    @property
    def type(self) -> str | None: ...


def fields(file: str, rows: Sequence[Field], *, portal_known: bool) -> RenderableType:
    """All fields, a table per kind of record."""
    parts: list[RenderableType] = [Text(f"{file}: {len(rows)} fields")]
    for entity_type, section in SECTIONS.items():
        parts.append(Text(f"\n{section.capitalize()}", style="bold"))
        table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for name in ("in Teamleader", "in HubSpot", "transform", "written"):
            table.add_column(name, overflow="fold", ratio=3 if name.startswith("in ") else 1)
        for row in rows:
            if row.rule.entity_type == entity_type:
                table.add_row(*_cells(row, portal_known=portal_known))
        parts.append(table)
    if not portal_known:
        parts.append(Text("\nHubSpot's labels and types appear once a run has read the portal: `tl-hubspot plan`."))
    return Group(*parts)


def _cells(row: Field, *, portal_known: bool) -> tuple[Text, ...]:
    rule = row.rule
    left = Text.assemble(rule.source, (f"\n{row.source_label.replace('`', '')}: {row.source_type}", "dim"))
    if row.label is not None:
        right = f"{row.label}: {row.type}"
    elif not portal_known:
        right = rule.type
    else:
        right = f"{rule.label}: {rule.type}, made by the sync" if rule.custom else "not in this portal"
    shown = Text.assemble(rule.property, (f"\n{right}", "dim"))
    return left, shown, Text(rule.transform), Text(_WRITTEN[rule.policy])


def check(file: str, wrong: Sequence[Wrong], more: Sequence[Suggestion], *, portal_known: bool) -> RenderableType:
    """What is wrong, place by place; then custom fields that are not mapped, with the row for each."""
    parts: list[RenderableType] = []
    for one in wrong:
        parts.append(Text.assemble(("PROBLEM: ", "bold red"), f"{one.what} ({one.where}). {one.mend.rstrip('.')}."))
    if more:
        parts.append(Text("\nCustom fields of Teamleader that are not mapped, and the row for each:"))
        parts.append(Text("".join(f"  {line}\n" for line in suggested(more).splitlines()).rstrip("\n")))
    count = f"{len(wrong)} problem{'s' if len(wrong) != 1 else ''} to mend" if wrong else "No mistakes"
    also = "" if portal_known else "; it was not held against HubSpot, because no run has read the portal yet"
    parts.append(Text(f"\n{file}: {count}{also}.", style="bold"))
    return Group(*parts)


def suggested(more: Sequence[Suggestion]) -> str:
    """The rows as the mapping file has them, under the name of their section."""
    lines = []
    for entity_type, section in SECTIONS.items():
        own = [s for s in more if s.entity_type == entity_type]
        if own:
            lines += [f"{section}:", *(f"  - {flow(s.row)}" for s in own)]
    return "\n".join(lines)


def flow(row: dict[str, Any]) -> str:
    """One row on one line."""
    text: str = yaml.safe_dump(row, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.strip()


def to_json(file: str, rows: Sequence[Field]) -> dict[str, Any]:
    """All fields as data."""
    return {
        "file": file,
        "fields": [
            {
                "entity_type": row.rule.entity_type,
                "source": row.rule.source,
                "source_label": row.source_label,
                "source_type": row.source_type,
                "property": row.rule.property,
                "property_label": row.label,
                "property_type": row.type,
                "writes_type": row.rule.type,
                "transform": row.rule.transform,
                "policy": row.rule.policy,
                "line": row.rule.line,
            }
            for row in rows
        ],
    }


def check_to_json(file: str, wrong: Sequence[Wrong], more: Sequence[Suggestion]) -> dict[str, Any]:
    """What is wrong and what might be added, as data."""
    return {
        "file": file,
        "problems": [{"where": w.where, "what": w.what, "mend": w.mend} for w in wrong],
        "suggestions": [
            {"entity_type": s.entity_type, "label": s.label, "type": s.type, "row": s.row, "exists": s.exists}
            for s in more
        ],
    }
