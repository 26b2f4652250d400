"""Calls to Teamleader of a run, per stream: counted while a step reads, kept in `sync.calls`, shown as metadata.

What the fewest calls are stands in `teamleader.calls`; how many a run that has not begun would make in `call_plan`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.teamleader.client import SYSTEM
from tl_hubspot.warehouse.rows import frame_of


@contextlib.contextmanager
def counted(platform: Platform, run: Run, stream: str) -> Iterator[dict[str, Any]]:
    """Count the calls made inside as those of `stream`, and store them; a step that fails leaves what it made by then.

    Yields what is shown of the step; in the end it says `calls_planned`, `calls_minimum` and `calls_made` too.
    """
    facts: dict[str, Any] = {}
    before = _reads(platform)
    try:
        yield facts
    finally:
        platform.book.made[stream] += _reads(platform) - before
        row = of(platform, stream)
        table = frame_of("sync.calls", [{"run_id": run.run_id, "stream": stream, **row}])
        platform.warehouse.upsert("sync.calls", table)
        facts |= {f"calls_{name}": count for name, count in row.items() if count is not None}


def of(platform: Platform, stream: str) -> dict[str, int | None]:
    """planned (None when the size was not known beforehand), minimum and made calls of a stream so far."""
    book = platform.book
    return {"planned": book.planned.get(stream), "minimum": book.minimum[stream], "made": book.made[stream]}


def _reads(platform: Platform) -> int:
    return platform.meter.snapshot().get(SYSTEM, {}).get("reads", 0)
