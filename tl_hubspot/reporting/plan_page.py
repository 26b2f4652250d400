"""The plan as a page of HTML: the same as `plan` prints, with all records folded under what happens to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_hubspot.planning.plan import Plan
from tl_hubspot.reporting import pages, plan_view
from tl_hubspot.reporting.plan import headline
from tl_hubspot.reporting.plan_view import ACTIONS, KINDS, Chosen, Record

LISTED = 500
"""Records of a group on the page: a browser shows that many at once."""


@dataclass(frozen=True)
class Listed:
    """A group on the page, and how many of its records are not."""

    heading: str
    records: list[Record]
    left_out: int


@dataclass(frozen=True)
class View:
    """What stands on the page, in its order."""

    headline: str
    heads: list[str]
    totals: list[list[Any]]
    for_good: list[str]
    costs: Sequence[str]
    shown: str
    groups: list[Listed]


def view(plan: Plan, chosen: Chosen, costs: Sequence[str]) -> View:
    """The plan as the page shows it."""
    totals, changes = plan_view.totals(plan.changes), chosen.of(plan.changes)
    occurring = [action for action in ACTIONS if any(action in counts for counts in totals.values())]
    is_all = changes.height == plan.changes.height
    return View(
        headline=headline(plan),
        heads=["What happens", *(f"#{KINDS[kind][1].capitalize()}" for kind in totals)],
        totals=[[ACTIONS[a], *(counts.get(a, 0) for counts in totals.values())] for a in occurring],
        for_good=plan_view.for_good(plan.changes),
        costs=costs,
        shown="" if is_all else f"Only {changes.height:,} of {plan.changes.height:,} changes, as chosen.",
        groups=[
            Listed(g.heading, g.records[:LISTED], max(0, len(g.records) - LISTED)) for g in plan_view.groups(changes)
        ],
    )


def write(path: Path, plan: Plan, chosen: Chosen, costs: Sequence[str], run: dict[str, Any]) -> Path:
    """Store the page; ConfigurationError when the place cannot be written to."""
    title = f"Plan of {run['as_of']:%Y-%m-%d}"
    kicker = f"Teamleader to HubSpot · run {run['run_id'][:8]}"
    return pages.write(
        path,
        pages.render("plan.html.j2", title=title, kicker=kicker, plan=plan, view=view(plan, chosen, costs)),
    )
