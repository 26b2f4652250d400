"""What `crmoffice sync` would do, for a person and as JSON: totals, what cannot be taken back, then old → new.

As the plan of Teamleader's flow (`reporting.plan`) reads; made of the planner's `Plan`. Values of people are shown to
who asked for the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import polars as pl
from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tl_hubspot.reporting.plan import SHOWN
from tl_hubspot.reporting.plan_view import SIGNS, shown
from tl_hubspot.reporting.two_way import sentences
from tl_hubspot.two_way.flows import OTHER, SIDES, SYSTEM, Flow, Side
from tl_hubspot.two_way.frames import Plan

Change = dict[str, Any]
_DONE = {"create": "created", "update": "updated", "delete": "deleted"}
_SIGNS = {**SIGNS, "delete": "-"}
_WHY = {
    "no_match": "nobody there fits the key",
    "restored": "it was deleted there, and the file of flows says `delete: restore`",
    "deleted_on_the_other_side": "it was deleted on the other side",
    "M2": "empty there when they were linked",
    "M3": "different when they were linked",
    "M6": "edited in HubSpot",
    "M7": "edited in Crmoffice",
    "M8": "edited on both sides",
}


def plan_json(flow: Flow, plan: Plan) -> dict[str, Any]:
    """One flow of `crmoffice plan --json`."""
    return {
        "flow": flow.name,
        "held": plan.stops.height > 0,
        "digest": plan.digest,
        "limits": plan.stops.drop("digest").to_dicts(),
        "changes": list(changes(plan, flow)),
        "links": plan.links.select("link_id", "a_id", "b_id", "state", "reason", "how").to_dicts(),
        "conflicts": plan.conflicts.height,
        "held_fields": plan.held.to_dicts(),
        "ambiguous": plan.ambiguous.to_dicts(),
        "unmatched": plan.unmatched.to_dicts(),
    }


def changes(plan: Plan, flow: Flow) -> Iterator[Change]:
    """Every record that would be made, deleted or changed, with old and new value per field."""
    for row in plan.creations.iter_rows(named=True):
        fields = {name: {"old": None, "new": row[name]} for name in flow.names if row[name]}
        yield _change(
            "create", row["side"], None, row["source_id"], "restored" if row["link_id"] else "no_match", fields
        )
    for row in plan.deletions.iter_rows(named=True):
        yield _change("delete", row["side"], row["id"], None, "deleted_on_the_other_side", {})
    keys = ["side", "id", "source_id"]
    for (side, record, source), rows in plan.writes.partition_by(keys, as_dict=True, maintain_order=True).items():
        fields = {r["field"]: {"old": r["pre_image"], "new": r["value"]} for r in rows.iter_rows(named=True)}
        rules = ", ".join(sorted(set(rows["rule"])))
        yield _change("update", cast(Side, side), str(record), str(source), rules, fields)


def _change(
    action: str, side: Side, record: str | None, source: str | None, reason: str, fields: dict[str, Any]
) -> Change:
    ids = {side: record, OTHER[side]: source}
    return {
        "action": action,
        "system": SYSTEM[side].lower(),
        "hubspot_id": ids["a"],
        "crmoffice_id": ids["b"],
        "reason": reason,
        "fields": fields,
    }


def render(
    flow: Flow, status: str, counts: Mapping[str, int], plan: Plan, *, everything: bool = False
) -> RenderableType:
    """The plan of one flow as text."""
    if status != "planned" or not flow.fields:
        return Text("\n".join(sentences(flow, status, counts, plan)))
    found = list(changes(plan, flow))
    title, *more = sentences(flow, status, counts, plan)
    parts: list[RenderableType] = [Text(title, style="bold"), Text(headline(found))]
    if found:
        parts += [Text(), _totals(found)]
    parts += _section("Also", more)
    parts += _section("Cannot simply be taken back", for_good(found, plan))
    for heading, sign, own in _groups(found):
        parts.append(Text(f"\n{sign} {heading}", style="bold"))
        first = own if everything else own[:SHOWN]
        parts += [line for change in first for line in _record(change)]
        if len(first) < len(own):
            parts.append(Text(f"   … and {len(own) - len(first):,} more: --all shows them"))
    return Group(*parts)


def headline(found: list[Change]) -> str:
    """How much would change, and that nothing has."""
    if not found:
        return "No changes: linked contacts are equal in HubSpot and Crmoffice, but for what waits."
    return f"{_contacts(len(found))} would change. Nothing was changed yet."


def for_good(found: list[Change], plan: Plan) -> list[str]:
    """What cannot be taken back, or not by itself; the worst first."""
    numbers = {(c["action"], c["system"]): 0 for c in found}
    for change in found:
        numbers[change["action"], change["system"]] += 1
    told = []
    if n := numbers.get(("delete", "crmoffice")):
        told.append(f"{_contacts(n)} deleted in Crmoffice: for good.")
    if n := numbers.get(("delete", "hubspot")):
        told.append(f"{_contacts(n)} deleted in HubSpot: they can be restored there for 90 days.")
    if n := sum(numbers.get(("create", system), 0) for system in ("hubspot", "crmoffice")):
        told.append(f"{_contacts(n)} created: nothing here deletes them again.")
    if n := plan.conflicts.filter(pl.col("kind") != "held").height:
        told.append(
            f"{n:,} {'value is' if n == 1 else 'values are'} overwritten although they were edited too: `tl-hubspot"
            " crmoffice conflicts` keeps them, `… resolve` puts them back."
        )
    return told


def _totals(found: list[Change]) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for side in SIDES:
        table.add_column(f"in {SYSTEM[side]}", justify="right")
    for action, words in _DONE.items():
        numbers = [sum(1 for c in found if (c["action"], c["system"]) == (action, SYSTEM[s].lower())) for s in SIDES]
        if any(numbers):
            table.add_row(words, *(f"{n:,}" if n else "–" for n in numbers))
    return table


def _section(title: str, lines: Iterable[str]) -> list[RenderableType]:
    texts = [Padding(Text(line.strip()), (0, 0, 0, 3)) for line in lines]
    return [Text(f"\n{title}", style="bold"), *texts] if texts else []


def _groups(found: list[Change]) -> Iterator[tuple[str, str, list[Change]]]:
    kinds = dict.fromkeys((c["action"], c["system"], c["reason"]) for c in found)
    for action, system, reason in kinds:
        own = [c for c in found if (c["action"], c["system"], c["reason"]) == (action, system, reason)]
        name = SYSTEM["a" if system == "hubspot" else "b"]
        why = "; ".join(_WHY.get(code, code) for code in reason.split(", "))
        yield f"{_contacts(len(own))} {_DONE[action]} in {name}: {why}", _SIGNS.get(action, "~"), own


def _record(change: Change) -> Iterator[RenderableType]:
    names = {"hubspot": "HubSpot", "crmoffice": "Crmoffice"}
    here, there = change["system"], "crmoffice" if change["system"] == "hubspot" else "hubspot"
    source = change[f"{there}_id"]
    target = f"{names[here]} {change[f'{here}_id'] or '(new)'}"
    yield Padding(Text(f"{names[there]} {source} → {target}" if source else target), (0, 0, 0, 3))
    for name, values in change["fields"].items():
        yield Padding(Text(f"{name}: {shown(values['old'])} → {shown(values['new'])}"), (0, 0, 0, 6))


def _contacts(number: int) -> str:
    return f"{number:,} {'contact' if number == 1 else 'contacts'}"
