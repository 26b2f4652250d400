"""How many calls a plan takes to push, and how long at the rate that is ours. Pure: nothing is called, no clock.

What is counted is what `pushing` does when nothing goes wrong; repeats after an error come on top.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tl_hubspot import decoding
from tl_hubspot.planning.mapping import SECONDARY_EMAILS

BATCH, ASSOCIATIONS = 100, 2_000
"""Records in a call that reads or writes records, and pairs in one that associates."""
_WRITES = ("create", "update", "mark_deleted")


@dataclass(frozen=True)
class Forecast:
    """`calls`: what for → number; `rate`: calls per second that are ours."""

    rate: float
    calls: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.calls.values())

    @property
    def seconds(self) -> float:
        """How long they take when HubSpot answers fast enough."""
        return self.total / self.rate

    def sentence(self, left_today: int | None = None) -> str:
        """What to expect, for a person; `left_today`: calls that the portal still allows today."""
        if not self.total:
            return "Pushing it takes no call."
        calls = f"{self.total:,} call" + "s" * (self.total != 1)
        text = f"Pushing it takes about {calls}, {duration(self.seconds)} at {self.rate:g} calls a second."
        if left_today is not None and self.total > left_today:
            text += (
                f" HubSpot allows {left_today:,} more today: the push stops when they are used up, and the next run"
                " goes on from there."
            )
        return text


def forecast(changes: pl.DataFrame, rate: float) -> Forecast:
    """What pushing a plan's `changes` takes; opt-outs count one by one, as most portals take them."""
    calls: dict[str, int] = {}

    def add(what: str, number: int) -> None:
        if number:
            calls[what] = calls.get(what, 0) + number

    written = changes.filter(pl.col("action").is_in(_WRITES))
    creates = pl.col("action") == "create"
    for [number] in written.filter(creates).group_by("entity_type").len().select("len").iter_rows():
        add("creates", _calls(number, BATCH))
    for [number] in written.filter(~creates).group_by("entity_type").len().select("len").iter_rows():
        add("values before", _calls(number, BATCH))
        add("updates", _calls(number, BATCH))
    addresses = written.filter(pl.col("fields").str.contains(f'"{SECONDARY_EMAILS}"', literal=True)).height
    add("addresses", addresses + _calls(addresses, BATCH))
    relations = changes.filter(pl.col("action").is_in(["associate", "disassociate"]))
    kinds: dict[tuple[Any, ...], int] = {}
    for action, text in relations.select("action", "details").iter_rows():
        details = decoding.decode(text)
        kind = action, details["from_type"], details["to_type"], bool(details.get("primary"))
        kinds[kind] = kinds.get(kind, 0) + 1
    add("associations", sum(_calls(n, ASSOCIATIONS if k[0] == "associate" else BATCH) for k, n in kinds.items()))
    opt_outs = changes.filter(pl.col("action") == "unsubscribe")["details"]
    addresses = sum(len(decoding.decode(text)["addresses"]) for text in opt_outs)
    add("opt-outs", addresses)
    marketing = changes.filter(pl.col("action") == "marketing").height
    # who opted out meanwhile, one import, one look at how it went, then the status of each contact
    add("marketing status", (2 if marketing else 0) + 2 * _calls(marketing, BATCH))
    return Forecast(rate, calls)


def duration(seconds: float) -> str:
    """Seconds in words: `40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _calls(number: int, size: int) -> int:
    return -(-number // size)
