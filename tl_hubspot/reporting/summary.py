"""The summary of a run as text for a terminal: buckets and reasons per entity, calls, things to look at.

Reads only what a run stored (`sync.runs`, `sync.outcomes`); computes nothing that decides.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tl_hubspot.reporting.words import meaning

BUCKETS = ("created", "updated", "unchanged", "skipped", "held", "failed")
_NAMES = {"contact": "Contacts", "company": "Companies", "deal": "Deals"}
_STATUS = {
    "done": "Done: everything is confirmed.",
    "failed_records": "Done, but some records failed. They are tried again on the next run.",
    "held": "Held: the plan is over a limit, so nothing was pushed.",
    "planned": "Planned: nothing was changed in HubSpot.",
    "stopped": "Stopped.",
}


def render(run: dict[str, Any], outcomes: pl.DataFrame) -> RenderableType:
    """Summary of `run` (row of sync.runs) with its `outcomes` (rows of sync.outcomes)."""
    parts: list[RenderableType] = [Text(_STATUS.get(run["status"], run["status"]), style="bold")]
    if outcomes.height:
        parts += [Text(), _buckets(outcomes), Text("\nEvery record read from Teamleader is in exactly one column.\n")]
    reasons = outcomes.filter(pl.col("bucket").is_in(["skipped", "held", "failed"]))
    if reasons.height:
        parts += [_reasons(reasons), Text()]
    counts = _json(run["counts"], {})
    if relations := counts.get("also"):
        done = ", ".join(f"{count:,} {name}" for name, count in relations.items() if count)
        parts.append(Text(f"Also: {done.replace('_', ' ') or 'nothing else'}."))
    parts.append(_calls(_json(run["calls"], {})))
    parts.append(Text(f"Writes to protected properties: {run['protected_writes']}."))
    if notices := _json(run["notices"], []):
        parts.append(Text("\nTo look at", style="bold"))
        parts += _notices(notices)
    for limit in _json(run["limits"], []):
        if limit["exceeded"]:
            parts.append(Text(f"Limit: {limit['sentence']}", style="bold red"))
    return Group(*parts)


def _buckets(outcomes: pl.DataFrame) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("", *BUCKETS, "sum", "read"):
        table.add_column(name, justify="left" if not name else "right")
    for entity, name in _NAMES.items():
        rows = outcomes.filter(pl.col("entity_type") == entity)
        if rows.is_empty():
            continue
        counts = dict(rows.group_by("bucket").len().iter_rows())
        numbers = [counts.get(b, 0) for b in BUCKETS]
        table.add_row(name, *(f"{n:,}" for n in numbers), f"{sum(numbers):,}", f"{rows['teamleader_id'].n_unique():,}")
    return table


def _reasons(outcomes: pl.DataFrame) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("", "records", "reason", "in words"):
        table.add_column(name, justify="right" if name == "records" else "left", no_wrap=name != "in words")
    grouped = outcomes.group_by("entity_type", "bucket", "reason").len().sort("entity_type", "bucket", "reason")
    for entity, bucket, reason, count in grouped.iter_rows():
        table.add_row(f"{_NAMES[entity]} {bucket}", f"{count:,}", reason or "", meaning(reason, entity))
    return table


def _calls(calls: dict[str, dict[str, int]]) -> Text:
    sentences = []
    for system, name in (("teamleader", "Teamleader"), ("hubspot", "HubSpot")):
        counted = calls.get(system, {})
        reads, writes = counted.get("reads", 0), counted.get("writes", 0)
        sentences.append(f"{name}: {reads + writes:,} calls ({reads:,} reads, {writes:,} writes)")
    return Text("Calls. " + "; ".join(sentences) + ".")


def _notices(notices: list[dict[str, Any]]) -> list[RenderableType]:
    """One paragraph per kind of notice: how many records, and the sentence about the first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for notice in notices:
        groups.setdefault(notice["code"], []).append(notice)
    return [
        Padding(Text(f"{code} ({len(rows):,}){_which(rows)}: {rows[0]['message']}"), (0, 2))
        for code, rows in sorted(groups.items())
    ]


def _which(rows: list[dict[str, Any]]) -> str:
    first = rows[0]
    record = f"{first['entity_type']} {first['teamleader_id'] or first['hubspot_id']}" if first["entity_type"] else ""
    return f", for example {record}" if record and len(rows) > 1 else f", {record}" if record else ""


def print_summary(run: dict[str, Any], outcomes: pl.DataFrame, console: Console) -> None:
    """Print it."""
    console.print(render(run, outcomes))


def _json(text: str | None, empty: Any) -> Any:
    return json.loads(text) if text else empty
