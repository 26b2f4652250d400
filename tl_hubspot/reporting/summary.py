"""The summary of a run as text for a terminal: buckets and reasons per entity, calls, things to look at.

Reads only what a run stored (`sync.runs`, `sync.outcomes`, `sync.notices`); computes nothing that decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable
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


Read = Callable[..., pl.DataFrame]
"""Frame of a query with parameters."""
_OUTCOMES = "select entity_type, bucket, reason, count(*) as records from sync.outcomes where run_id = ? group by all"
_READ = " union all ".join(
    f"select '{entity}', count(*) from teamleader.{name.lower()} where deleted_at is null"
    for entity, name in _NAMES.items()
)
_NOTICES = """
select code, count(*) as n, first(notice order by notice.rowid) as first from sync.notices notice
group by code order by code
"""


def render(run: dict[str, Any], read: Read) -> RenderableType:
    """Summary of `run` (row of sync.runs), the latest one; `read` reads the database."""
    parts: list[RenderableType] = [Text(_STATUS.get(run["status"], run["status"]), style="bold")]
    outcomes = read(_OUTCOMES, [run["run_id"]])
    if outcomes.height:
        parts += [Text(), _buckets(outcomes, dict(read(_READ).iter_rows()))]
        parts.append(Text("\nEvery record read from Teamleader is in exactly one column.\n"))
    reasons = outcomes.filter(pl.col("bucket").is_in(["skipped", "held", "failed"]))
    if reasons.height:
        parts += [_reasons(reasons), Text()]
    counts = _json(run["counts"], {})
    if relations := counts.get("also"):
        done = ", ".join(f"{count:,} {name}" for name, count in relations.items() if count)
        parts.append(Text(f"Also: {done.replace('_', ' ') or 'nothing else'}."))
    parts.append(_calls(_json(run["calls"], {})))
    parts.append(Text(f"Writes to protected properties: {run['protected_writes']}."))
    if notices := read(_NOTICES).rows(named=True):
        parts.append(Text("\nTo look at", style="bold"))
        parts += [_notice(**row) for row in notices]
    for limit in _json(run["limits"], []):
        if limit["exceeded"]:
            parts.append(Text(f"Limit: {limit['sentence']}", style="bold red"))
    return Group(*parts)


def _buckets(outcomes: pl.DataFrame, records: dict[str, int]) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("", *BUCKETS, "sum", "read"):
        table.add_column(name, justify="left" if not name else "right")
    for entity, name in _NAMES.items():
        rows = outcomes.filter(pl.col("entity_type") == entity)
        if rows.is_empty():
            continue
        counts = dict(rows.group_by("bucket").agg(pl.col("records").sum()).iter_rows())
        numbers = [counts.get(b, 0) for b in BUCKETS]
        table.add_row(name, *(f"{n:,}" for n in numbers), f"{sum(numbers):,}", f"{records[entity]:,}")
    return table


def _reasons(outcomes: pl.DataFrame) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("", "records", "reason", "in words"):
        table.add_column(name, justify="right" if name == "records" else "left", no_wrap=name != "in words")
    for entity, bucket, reason, count in outcomes.sort("entity_type", "bucket", "reason").iter_rows():
        table.add_row(f"{_NAMES[entity]} {bucket}", f"{count:,}", reason or "", meaning(reason, entity))
    return table


def _calls(calls: dict[str, dict[str, int]]) -> Text:
    sentences = []
    for system, name in (("teamleader", "Teamleader"), ("hubspot", "HubSpot")):
        counted = calls.get(system, {})
        reads, writes = counted.get("reads", 0), counted.get("writes", 0)
        sentences.append(f"{name}: {reads + writes:,} calls ({reads:,} reads, {writes:,} writes)")
    return Text("Calls. " + "; ".join(sentences) + ".")


def _notice(code: str, n: int, first: dict[str, Any]) -> RenderableType:
    """One paragraph per kind of notice: how many records, and the sentence about the first."""
    record = f"{first['entity_type']} {first['teamleader_id'] or first['hubspot_id']}" if first["entity_type"] else ""
    which = f", for example {record}" if record and n > 1 else f", {record}" if record else ""
    return Padding(Text(f"{code} ({n:,}){which}: {first['message']}"), (0, 2))


def print_summary(run: dict[str, Any], read: Read, console: Console) -> None:
    """Print it."""
    console.print(render(run, read))


def _json(text: str | None, empty: Any) -> Any:
    return json.loads(text) if text else empty
