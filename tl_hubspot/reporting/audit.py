"""The answer of `audit` in words: how much drifted, per field and kind, and in which records.

Words only: every fact comes from `orchestration.steps.auditing`.
"""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tl_hubspot.reporting.words import NAMES

SHOWN = 20
"""Records that are listed; --json has all of them."""

KINDS = {
    "changed": "another value than the sync wrote",
    "emptied": "emptied in HubSpot",
    "filled": "filled in HubSpot after the sync had emptied it",
    "teamleader_id": "the record carries another Teamleader id",
    "archived": "the record was archived",
    "deleted": "the record was deleted",
    "merged": "the record was merged into another one",
    "association": "a link that the sync made is gone",
    "subscribed_again": "unsubscribed by the sync, subscribed again",
    "not_marketing": "marketing status was asked for, but is not there",
    "undone": "taken back by an undo",
}
"""What each kind of drift means."""


def render(answer: dict[str, Any]) -> RenderableType:
    """The answer as text."""
    looked_at = ", ".join(f"{n:,} {NAMES[kind][1]}" for kind, n in answer["looked_at"].items())
    parts: list[RenderableType] = [
        Text(_headline(answer["drift_count"]), style="bold"),
        Text(f"Read back: {looked_at}."),
    ]
    if answer["sample"] is not None:
        parts.append(
            Text(f"A sample of {answer['sample']:,} of each kind; the same ones again with --seed {answer['seed']}.")
        )
    if answer["unsettled"]:
        parts.append(
            Text(
                f"Left out: {answer['unsettled']:,} records that an interrupted run was writing; the next sync settles."
            )
        )
    if answer["drift"]:
        parts += [Text(), _counts(answer["counts"]), Text("\nRecords", style="bold")]
        parts += [Padding(Text(_line(row)), (0, 0, 0, 3)) for row in answer["drift"][:SHOWN]]
        if answer["drift_count"] > SHOWN:
            more = f"… and {answer['drift_count'] - SHOWN:,} more; --json has all"
            parts.append(Padding(Text(more), (0, 0, 0, 3)))
        parts.append(Text("\nThe sync leaves this alone until Teamleader changes the same field. Nothing was written."))
    return Group(*parts)


def _headline(n: int) -> str:
    if not n:
        return "No drift: HubSpot holds what the sync confirmed."
    return f"{n:,} {'difference' if n == 1 else 'differences'} between HubSpot and what the sync confirmed."


def _counts(counts: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("", "field", "times", "what"):
        table.add_column(name, justify="right" if name == "times" else "left", no_wrap=name != "what")
    for row in counts:
        table.add_row(NAMES[row["entity_type"]][1], row["field"] or "", f"{row['count']:,}", KINDS[row["kind"]])
    return table


def _line(row: dict[str, Any]) -> str:
    field = f" {row['field']}" if row["field"] else ""
    values = f": {row['written'] or '(empty)'} → {row['now'] or '(empty)'}" if row.get("now") is not None else ""
    return f"{row['entity_type']} {row['hubspot_id']}{field}, {row['kind']}{values}"
