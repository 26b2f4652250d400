"""Which way the records of one type are read in a run: the whole list, what changed by search, or by their keys.

Pure arithmetic on numbers of calls. Reading itself lives in `mirror` and `search`, what is known beforehand in the
step that asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tl_hubspot.hubspot.objects import BATCH
from tl_hubspot.hubspot.objects import PAGE as LIST_PAGE
from tl_hubspot.hubspot.search import PAGE as SEARCH_PAGE

Way = Literal["list", "search", "keyed"]

FEW_PAGES = 20
"""A list of so many pages is read whole: it costs 1 to 2 s, no more than finding out what changed, and sees all."""
SEARCH_WEIGHT = 3
"""What a search costs in calls of another kind: HubSpot allows 5 a second in all, against 10 to 25 other calls."""


@dataclass(frozen=True)
class Choice:
    """The way to read, why, and how many calls each way that is open would take (searches weighted)."""

    way: Way
    reason: str
    calls: Mapping[Way, int]


def list_calls(portal: int, archived: int) -> int:
    """Calls to list `portal` active and `archived` archived records; the end of the active ones is asked twice."""
    return _calls(portal, LIST_PAGE) + _calls(archived, LIST_PAGE) + 1


def choose(
    portal: int,
    archived: int,
    *,
    complete: str = "",
    changed: int | None = None,
    looked_up: int = 0,
    keys: int | None = None,
    forced: str = "auto",
) -> Choice:
    """The way with the fewest calls.

    portal, archived: records of the type in HubSpot; complete: why what was read before cannot be built upon, empty
    when it can; changed: records that search would have to give, None when it was not asked; looked_up: ids and
    addresses that are looked up by key besides; keys: keys that reading by key alone would ask for, None for a type
    that cannot be read so; forced: a way that the settings ask for, taken where it is open, else the list.
    """
    calls: dict[Way, int] = {"list": list_calls(portal, archived)}
    if changed is not None and not complete:
        calls["search"] = SEARCH_WEIGHT * (1 + _calls(changed, SEARCH_PAGE)) + _calls(looked_up, BATCH)
    if keys is not None:
        calls["keyed"] = _calls(keys, BATCH)
    why = f"{complete}: " if complete else ""
    if forced != "auto":
        taken: Way = next((way for way in calls if way == forced), "list")
        return Choice(taken, f"{why}the settings ask for {forced}", calls)
    if calls["list"] <= FEW_PAGES:
        return Choice("list", f"{why}the portal has few records", calls)
    best = min(calls, key=lambda way: calls[way])
    others = ", ".join(f"{way} {calls[way]}" for way in calls if way != best)
    fewest = f"fewest calls, {calls[best]}" + (f" (against {others})" if others else "")
    return Choice(best, f"{why}{fewest}", calls)


def _calls(records: int, size: int) -> int:
    return max(1, -(-records // size))
