"""How many calls a plan takes to push, and how long at the rate that is ours. Pure: nothing is called, no clock.

What is counted is what `pushing` does when nothing goes wrong; repeats after an error come on top.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from tl_hubspot import decoding
from tl_hubspot.planning.mapping import SECONDARY_EMAILS

BATCH, ASSOCIATIONS = 100, 2_000
"""Records in a call that reads or writes records, and pairs in one that associates."""
_WRITES = ("create", "update", "mark_deleted")
_RELATES = ("associate", "disassociate")


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


_RELATION = pl.Struct({"from_type": pl.String, "to_type": pl.String, "primary": pl.Boolean})
"""What of the details of a relation decides with which others it goes in a call."""

Tally = Counter[tuple[str, ...]]
"""What there is to do → how often: (action, entity type), ("addresses",), (action, from type, to type, primary) of
relations, ("opt-outs",)."""


def tally(changes: pl.DataFrame) -> Tally:
    """What some changes of a plan are, as far as calls depend on it."""
    written = changes.filter(pl.col("action").is_in(_WRITES))
    counted: Tally = Counter()
    for action, entity_type, number in written.group_by("action", "entity_type").len().iter_rows():
        counted["create" if action == "create" else "update", entity_type] += number
    counted[("addresses",)] = written.filter(
        pl.col("fields").str.contains(f'"{SECONDARY_EMAILS}"', literal=True)
    ).height
    kind = pl.col("details").str.json_decode(_RELATION).struct.unnest()
    relations = changes.filter(pl.col("action").is_in(_RELATES)).select("action", kind).fill_null(False)
    for row in relations.group_by(pl.all()).len().iter_rows():
        counted[tuple(str(value) for value in row[:-1])] += row[-1]
    opt_outs = changes.filter(pl.col("action") == "unsubscribe")["details"]
    counted[("opt-outs",)] = sum(len(decoding.decode(text)["addresses"]) for text in opt_outs)
    counted[("marketing",)] = changes.filter(pl.col("action") == "marketing").height
    return counted


def forecast(tallies: Iterable[Tally], rate: float) -> Forecast:
    """What pushing what was tallied takes; opt-outs count one by one, as most portals take them."""
    all_of_it: Tally = Counter()
    for tallied in tallies:
        all_of_it.update(tallied)
    calls: dict[str, int] = {}

    def add(what: str, number: int) -> None:
        if number:
            calls[what] = calls.get(what, 0) + number

    for (action, *_), number in all_of_it.items():
        if action == "create":
            add("creates", _calls(number, BATCH))
        elif action == "update":
            add("values before", _calls(number, BATCH))
            add("updates", _calls(number, BATCH))
        elif action in _RELATES:
            add("associations", _calls(number, ASSOCIATIONS if action == "associate" else BATCH))
    addresses, marketing = all_of_it[("addresses",)], all_of_it[("marketing",)]
    add("addresses", addresses + _calls(addresses, BATCH))
    add("opt-outs", all_of_it[("opt-outs",)])
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
