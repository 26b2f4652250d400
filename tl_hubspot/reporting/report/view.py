"""What stands on the report of a run: the facts in words, ready for a page or an e-mail. Pure: no I/O, no clock.

Facts come from `orchestration.steps.gathering`, meaning and advice per reason from `reporting.reasons` and `.words`;
the report of problems is in `troubles`, of duplicates and data in `state`. Pictures are `charts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tl_hubspot.reporting import runs as told
from tl_hubspot.reporting.words import NAMES, made_in_portal, meaning
from tl_hubspot.rules.windows import spoken

if TYPE_CHECKING:
    from tl_hubspot.reporting.report.two_way import TwoWay

TONES = {
    "done": "good",
    "planned": "",
    "running": "",
    "failed_records": "warn",
    "held": "warn",
    "stopped": "bad",
    "killed": "bad",
}
BUCKETS = told.BUCKETS
KINDS = ("contact", "company", "deal")


@dataclass(frozen=True)
class Card:
    """One number with its name; `tone` is "", good, warn or bad."""

    value: str
    label: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Record:
    """One record by its ids, with the pages on which people open it; None where there is none."""

    entity_type: str
    teamleader_id: str | None
    hubspot_id: str | None
    teamleader_url: str | None
    hubspot_url: str | None
    crmoffice_id: str | None = None


@dataclass(frozen=True)
class Trouble:
    """Something for a person to look at: what happened to how many records, what to do, and which they are.

    `count`: records, 0 when it is not about records; `records` may be fewer. `notes` stand beside the records.
    """

    what: str
    do: str
    count: int
    tone: str
    said: str = ""
    records: tuple[Record, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Duplicate:
    """A record that is left out for another one, which goes first, and why."""

    loser: Record
    winner: Record
    why: str


@dataclass(frozen=True)
class Finding:
    """One kind of flaw in the data: how many records, of how many (0: not told), what it costs and what to do."""

    what: str
    do: str
    count: int
    of: int
    records: tuple[Record, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunLine:
    """One run of the time line. `href`: its report beside this page, None when there is none."""

    run_id: str
    when: str
    command: str
    ended: str
    tone: str
    written: str
    calls: str
    took: str
    is_this: bool = False
    href: str | None = None


@dataclass(frozen=True)
class Report:
    """The page. Tables are lists of rows of cells; `is_latest`: the tables still are as this run left them."""

    run_id: str
    title: str
    kicker: str
    ended: str
    tone: str
    error: str | None
    course: tuple[str, ...]
    cards: tuple[Card, ...]
    buckets: tuple[tuple[Any, ...], ...]
    reasons: tuple[tuple[Any, ...], ...]
    also: str
    for_good: tuple[str, ...]
    guards: tuple[str, ...]
    approve: str
    failures: tuple[Trouble, ...]
    held: tuple[Trouble, ...]
    notices: tuple[Trouble, ...]
    timeline: tuple[RunLine, ...]
    is_latest: bool
    duplicates: dict[str, tuple[Duplicate, ...]] = field(default_factory=dict)
    duplicates_total: dict[str, int] = field(default_factory=dict)
    quality: tuple[Finding, ...] = ()
    drift: tuple[tuple[Any, ...], ...] = ()
    drift_said: str = ""
    soon: tuple[str, ...] = ()
    two_way: TwoWay | None = None

    @property
    def waiting(self) -> tuple[Trouble, ...]:
        """What waits for a person between HubSpot and Crmoffice."""
        return self.two_way.waiting if self.two_way else ()

    @property
    def problems(self) -> int:
        """Failed and held records and whatever stopped the run: what somebody has to look at."""
        troubles = (*self.failures, *self.held, *self.waiting)
        return sum(t.count for t in troubles) + bool(self.error) + len(self.guards)


def title(run: dict[str, Any]) -> str:
    """What kind of run it is, in two or three words."""
    return {
        "sync": "Synchronisation",
        "plan": "Plan",
        "approve": "Push of an approved plan",
        "undo": "Undo",
    }.get(run["command"], str(run["command"]))


def when(instant: str | datetime | None, timezone: str) -> str:
    """An instant as people read it, in their time zone: 3 May 2026, 14:05."""
    if instant is None:
        return "an unknown time"
    moment = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    local = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(ZoneInfo(timezone))
    return f"{spoken(local.date())}, {local:%H:%M}"


def course(run: dict[str, Any], timezone: str) -> tuple[str, ...]:
    """When it ran and what it read, a sentence each."""
    lasted = f" and took {told.took(run['seconds'])}" if run["seconds"] is not None else ""
    rule_day = when(run["as_of"], timezone)
    sentences = [f"It began on {when(run['started_at'], timezone)}{lasted}. The rules looked at {rule_day}."]
    if run["command"] != "undo":
        what = "all of Teamleader" if run["is_full"] else "what changed in Teamleader"
        calls = run["calls"]
        sentences.append(
            f"It read {what} with {calls.get('teamleader', 0):,} calls, and used {calls.get('hubspot', 0):,} calls to"
            f" HubSpot, {run['writes']:,} of them to write."
        )
    return tuple(sentences)


def cards(run: dict[str, Any]) -> tuple[Card, ...]:
    """The numbers at the top: records per bucket, and what was done for good."""
    if undone := run["undo"]:
        return tuple(Card(f"{undone.get(name, 0):,}", what) for name, what in told.UNDONE)
    if not run["by_entity"]:
        return ()
    total = {b: sum(buckets.get(b, 0) for buckets in run["by_entity"].values()) for b in BUCKETS}
    tones = {"failed": "bad", "held": "warn"}
    return tuple(Card(f"{n:,}", b, _OF[b], tones.get(b, "") if n else "") for b, n in total.items())


_OF = {
    "created": "new in HubSpot",
    "updated": "changed in HubSpot",
    "unchanged": "right already",
    "skipped": "do not belong in HubSpot",
    "held": "wait for a person",
    "failed": "tried again by themselves",
}


def bucket_rows(run: dict[str, Any]) -> tuple[tuple[Any, ...], ...]:
    """Rows name, one number per bucket, sum."""
    rows = []
    for kind in KINDS:
        if buckets := run["by_entity"].get(kind):
            numbers = [buckets.get(b, 0) for b in BUCKETS]
            rows.append((told.capital(NAMES[kind][1]), *numbers, sum(numbers)))
    return tuple(rows)


def reason_rows(run: dict[str, Any]) -> tuple[tuple[Any, ...], ...]:
    """Rows kind, bucket, number, reason in words; the most frequent first within a kind."""
    rows = []
    for kind in KINDS:
        for reason, n in sorted(run["reasons"].get(kind, {}).items(), key=lambda entry: (-entry[1], entry[0])):
            bucket, _, code = reason.partition("/")
            rows.append((told.capital(NAMES[kind][1]), bucket, n, told.capital(meaning(code, kind))))
    return tuple(rows)


def also(run: dict[str, Any]) -> str:
    """What else was done, in one sentence; empty when nothing was."""
    parts = [f"{n:,} {told.ALSO.get(name, name.replace('_', ' '))}" for name, n in run["also"].items() if n]
    if run["provisioned"]:
        parts.append(f"made in HubSpot's settings: {made_in_portal(run['provisioned'])}")
    return f"Also: {', '.join(parts)}." if parts else ""


def timeline(
    runs: list[dict[str, Any]], timezone: str, this: str = "", reports: frozenset[str] = frozenset()
) -> tuple[RunLine, ...]:
    """The runs, newest first. `reports`: ids of runs that have a report."""
    return tuple(
        RunLine(
            run_id=run["run_id"],
            when=when(run["started_at"], timezone),
            command=title(run),
            ended=told.capital(told.ENDED[run["status"]]),
            tone=TONES[run["status"]],
            written=", ".join(
                f"{run['buckets'][b]:,} {b}" for b in ("created", "updated", "held", "failed") if run["buckets"].get(b)
            )
            or "nothing to write",
            calls=f"{sum(run['calls'].values()):,}",
            took=told.took(run["seconds"]),
            is_this=run["run_id"] == this,
            href=f"{run['run_id']}.html" if run["run_id"] in reports else None,
        )
        for run in runs
    )
