"""Small frames for tests of single cycles: records by a few values, links that agree, one plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tl_hubspot.config.two_way import load
from tl_hubspot.two_way import frames
from tl_hubspot.two_way.flows import Flow
from tl_hubspot.two_way.frames import Memory, Plan, System
from tl_hubspot.two_way.plan import plan

NOW = datetime(2026, 11, 2, 11, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=5)
FLOW = load()[0]
NAMES = FLOW.names
ANN = {"firstname": "Ann", "lastname": "Maes", "mobilephone": "+32470123456", "phone": "+3221234567"}
BOB = {"firstname": "Bob", "lastname": "Claes", "mobilephone": "+32470999999", "phone": ""}


def flow(**changes: Any) -> Flow:
    """The shipped flow of contacts with changes."""
    return replace(FLOW, **changes)


def side(*rows: dict[str, Any], **more: Any) -> System:
    """One system; a field that a row does not name is unknown."""
    columns = {"id": pl.String(), **dict.fromkeys(NAMES, pl.String())}
    extra = {key: value for row in rows for key, value in row.items() if key not in columns}
    schema = columns | {
        key: pl.Boolean() if isinstance(value, bool) else pl.Datetime("us", "UTC") for key, value in extra.items()
    }
    looked_up = pl.DataFrame(more.pop("looked_up", []), schema=frames.LOOKUPS, orient="row")
    records = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    return System(records, poll=NOW, previous_poll=BEFORE, looked_up=looked_up, **more)


def linked(*pairs: tuple[str, str, dict[str, str]], state: str = "linked", reason: str | None = None) -> Memory:
    """Links whose shadows hold these values on both sides."""
    links = [
        {"link_id": f"{a}~{b}", "a_id": a, "b_id": b, "state": state, "reason": reason, "how": "matched"}
        | {"created_at": BEFORE - timedelta(days=len(pairs) - number)}
        for number, (a, b, _) in enumerate(pairs)
    ]
    rows = [
        {"link_id": f"{a}~{b}", "field": name, "a": value, "b": value}
        for a, b, values in pairs
        for name, value in values.items()
    ]
    shadows = frames.wide(pl.DataFrame(rows, schema=frames.SHADOWS), NAMES)
    return Memory(pl.DataFrame(links, schema=frames.LINKS), shadows)


def planned(a: System, b: System, memory: Memory | None = None, flow: Flow = FLOW) -> Plan:
    """One plan."""
    return plan(a, b, memory or Memory(), flow, NOW)


def rows(frame: pl.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    """Those columns as tuples."""
    return frame.select(names).rows()
