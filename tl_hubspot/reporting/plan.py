"""The printed plan: summary, what cannot be taken back, cost, limits, then record by record with old → new.

What is told is made in `plan_view`; the page is in `plan_page`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tl_hubspot.planning.plan import Plan
from tl_hubspot.reporting import plan_view
from tl_hubspot.reporting.plan_view import ACTIONS, KINDS, SIGNS, Chosen, Record

SHOWN = 5
"""Records of a group that are printed unless all are asked for."""


def render(plan: Plan, chosen: Chosen, costs: Sequence[str], *, everything: bool = False) -> RenderableType:
    """The plan as text; `costs`: sentences on calls and marketing contacts. Totals are of the whole plan."""
    changes = chosen.of(plan.changes)
    parts: list[RenderableType] = [Text(headline(plan), style="bold")]
    if plan.changes.height:
        parts += [Text(), _totals(plan_view.totals(plan.changes))]
    parts += _section("Cannot simply be taken back", plan_view.for_good(plan.changes))
    parts += _section("What it costs", costs)
    parts += _section("Limits", (f"{'OVER LIMIT: ' if x.exceeded else ''}{x.sentence}" for x in plan.limits))
    if chosen != Chosen():
        parts.append(Text(f"\nShown below: {changes.height:,} of {plan.changes.height:,} changes.", style="bold"))
    for group in plan_view.groups(changes):
        parts.append(Text(f"\n{SIGNS.get(group.action, '~')} {group.heading}", style="bold"))
        shown = group.records if everything else group.records[:SHOWN]
        parts += [line for record in shown for line in _record(record)]
        if len(shown) < len(group.records):
            parts.append(Text(f"   … and {len(group.records) - len(shown):,} more: --all shows them"))
    return Group(*parts, Text(f"\nDigest {plan.digest}"), *(_held(plan) if plan.held else ()))


def headline(plan: Plan) -> str:
    """How much would change, and that nothing has."""
    if plan.changes.is_empty():
        return "No changes: HubSpot already holds what Teamleader says."
    links = plan.changes.filter(entity_type="relation").height
    return f"{plan.changes.height - links:,} changes of records and {links:,} of links. Nothing was changed yet."


def _held(plan: Plan) -> Iterable[RenderableType]:
    yield Text("Held: over a limit, so nothing is pushed. To push exactly this plan:")
    # to be copied in one piece, however narrow the terminal
    yield Text(f"tl-hubspot approve {plan.digest}", no_wrap=True, overflow="ignore")


def _totals(totals: dict[str, dict[str, int]]) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for kind in totals:
        table.add_column(KINDS[kind][1].capitalize(), justify="right")
    for action, words in ACTIONS.items():
        numbers = [counts.get(action, 0) for counts in totals.values()]
        if any(numbers):
            table.add_row(words, *(f"{n:,}" if n else "–" for n in numbers))
    return table


def _section(title: str, sentences: Iterable[str]) -> list[RenderableType]:
    lines = [Padding(Text(sentence), (0, 0, 0, 3)) for sentence in sentences]
    return [Text(f"\n{title}", style="bold"), *lines] if lines else []


def _record(record: Record) -> Iterable[RenderableType]:
    yield Padding(Text(f"{record.teamleader_id} → HubSpot {record.hubspot_id or '(new)'}"), (0, 0, 0, 3))
    for name, old, new in record.fields:
        yield Padding(Text(f"{name}: {old} → {new}"), (0, 0, 0, 6))
    for words in record.also:
        yield Padding(Text(words), (0, 0, 0, 6))
