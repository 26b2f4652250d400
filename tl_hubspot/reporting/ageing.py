"""What time alone will change, in words: totals, then who and when. Words only; the facts come from `steps.ageing`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tl_hubspot.reporting.words import meaning
from tl_hubspot.rules.windows import spoken

KINDS = {"contact": "Contacts", "company": "Companies", "deal": "Deals"}
EFFECTS = {
    "non_marketing": "become non-marketing",
    "marketing": "become marketing",
    "inactive": "get the label inactief",
    "out_of_scope": "go out of scope",
    "in_scope": "come into scope",
}
"""What happens to records that time changes; those that only stay out for another reason are not told of."""
SHOWN = 20
FOOT = "A change of a contact, or of the phase of a deal, in Teamleader starts its years again."


class Told(NamedTuple):
    """Records to which the same happens for the same reason, in the order of days."""

    entity_type: str
    effect: str
    reason: str
    rows: list[dict[str, Any]]

    @property
    def heading(self) -> str:
        """Who, what, why and how many."""
        why = meaning(self.reason, self.entity_type)
        return f"{KINDS[self.entity_type]} that {EFFECTS[self.effect]}: {why} ({len(self.rows):,})"


def groups(answer: dict[str, Any]) -> list[Told]:
    """The changes that matter, by kind, effect and reason."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in answer["changes"]:
        if row["effect"] in EFFECTS:
            found.setdefault((row["entity_type"], row["effect"], row["reason"]), []).append(row)
    kinds, effects = list(KINDS), list(EFFECTS)
    ordered = sorted(found.items(), key=lambda item: (kinds.index(item[0][0]), effects.index(item[0][1]), item[0][2]))
    return [Told(*key, rows) for key, rows in ordered]


def lead(answer: dict[str, Any]) -> str:
    """Which days, and under which condition."""
    first, last = (spoken(date.fromisoformat(answer[name])) for name in ("from", "until"))
    return (
        f"What the passing of time changes after {first} (the last decisions), up to {last} ({answer['days']:,} days),"
        " when nobody edits anything in Teamleader."
    )


def render(answer: dict[str, Any], *, everything: bool = False) -> RenderableType:
    """Totals, then who and when: at most SHOWN of each group unless `everything`."""
    told = groups(answer)
    if not told:
        return Group(Text(lead(answer)), Text("\nNothing: no record reaches a limit in that time."))
    parts: list[RenderableType] = [Text(lead(answer)), Text(), _totals(answer["totals"])]
    for group in told:
        parts += [Text(f"\n{group.heading}", style="bold"), _rows(group.rows if everything else group.rows[:SHOWN])]
        if not everything and len(group.rows) > SHOWN:
            parts.append(Text(f"   … and {len(group.rows) - SHOWN:,} more: --all shows them"))
    return Group(*parts, Text(f"\n{FOOT}"))


def _totals(totals: dict[str, dict[str, int]]) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    for kind in totals:
        table.add_column(KINDS[kind], justify="right")
    for effect, words in EFFECTS.items():
        numbers = [counted.get(effect, 0) for counted in totals.values()]
        if any(numbers):
            table.add_row(words, *(f"{n:,}" for n in numbers))
    return table


def _rows(rows: list[dict[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=3)
    for _ in range(3):
        table.add_column(no_wrap=True)
    for row in rows:
        table.add_row("", *_cells(row))
    return table


def _cells(row: dict[str, Any]) -> Iterator[str]:
    yield row["on"]
    yield row["teamleader_id"]
    if "name" in row:
        yield row["name"] or "(no name)"
    else:
        yield f"HubSpot {row['hubspot_id']}" if row["hubspot_id"] else "not in HubSpot"
