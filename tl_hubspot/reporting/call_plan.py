"""The printed call plan: calls to Teamleader per stream, how sure the number is, and how long they take.

What the numbers are is computed in `orchestration.steps.call_plan`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tl_hubspot.teamleader.calls import minutes

Known = Literal["exactly", "about", "at most"]
_KINDS = {
    "first": "The first run: everything is read.",
    "everything": "A run with --full: everything is read again.",
    "sweep": "The daily sweep: all lists are read again, and the links of a share of the records.",
    "changes": "A run that reads what changed.",
}


@dataclass(frozen=True)
class Line:
    """Calls of one stream: how many, how sure that is, and what makes them necessary."""

    stream: str
    calls: int
    known: Known
    why: str


@dataclass(frozen=True)
class CallPlan:
    """The calls of the next run; `rate` is calls per minute, `looked` the calls that it took to make this plan."""

    kind: Literal["first", "everything", "sweep", "changes"]
    lines: tuple[Line, ...]
    rate: int
    looked: int

    @property
    def calls(self) -> int:
        """All of them."""
        return sum(line.calls for line in self.lines)

    @property
    def minutes(self) -> float:
        """How long they take at the configured rate."""
        return minutes(self.calls, self.rate)


def to_json(plan: CallPlan) -> dict[str, Any]:
    """As one JSON document."""
    return {
        "kind": plan.kind,
        "calls": plan.calls,
        "minutes": round(plan.minutes, 1),
        "calls_per_minute": plan.rate,
        "calls_made_for_this_plan": plan.looked,
        "streams": [asdict(line) | {"minutes": round(minutes(line.calls, plan.rate), 1)} for line in plan.lines],
    }


def render(plan: CallPlan) -> RenderableType:
    """As a table, with what it means in words."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("")
    table.add_column("calls", justify="right")
    table.add_column("minutes", justify="right")
    table.add_column("because of")
    for line in plan.lines:
        spent = f"{minutes(line.calls, plan.rate):,.1f}"
        table.add_row(line.stream.replace("_", " "), line.known, f"{line.calls:,}", spent, line.why)
    table.add_section()
    table.add_row("together", "", f"{plan.calls:,}", f"{plan.minutes:,.1f}", f"at {plan.rate:,} calls a minute")
    note = (
        "These are the fewest calls to Teamleader that do. A run makes a few more: it confirms where a list ends, and"
        f" repeats what failed. Making this plan took {plan.looked:,} calls."
    )
    return Group(Text(_KINDS[plan.kind], style="bold"), Text(), table, Text(f"\n{note}"))
