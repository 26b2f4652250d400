"""A plan as a marketing manager reads it: totals, what cannot be taken back, then record by record. Facts for `plan`.

What is shown on the terminal and on the page is the same, and is made here; how it looks stands there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.reporting.words import NAMES, meaning

KINDS = {kind: NAMES[kind] for kind in ("company", "contact", "deal", "relation")}
"""In the order in which they are pushed."""
ACTIONS = {
    "create": "created",
    "update": "updated",
    "mark_deleted": "marked as deleted in Teamleader",
    "hold": "held for a person",
    "associate": "linked",
    "disassociate": "links removed",
    "unsubscribe": "unsubscribed",
    "marketing": "asked to be marketing contacts",
}
"""What happens to records, as it stands after their number; in the order in which it is told."""
SIGNS = {"create": "+", "associate": "+", "hold": "!", "mark_deleted": "-", "disassociate": "-", "unsubscribe": "-"}
LONGEST = 200
"""Characters of a value that are shown."""
_REASONS = {
    "related_in_teamleader": "Teamleader links them",
    "not_related_in_teamleader": "Teamleader no longer links them",
    "deleted_in_teamleader": "deleted in Teamleader",
}


@dataclass(frozen=True)
class Chosen:
    """Which changes are shown; empty means all. `records`: Teamleader or HubSpot ids."""

    entities: Collection[str] = ()
    actions: Collection[str] = ()
    reasons: Collection[str] = ()
    records: Collection[str] = ()

    def of(self, changes: pl.DataFrame) -> pl.DataFrame:
        """Those of a plan's changes; ConfigurationError when a word of the choice does not occur in the plan."""
        for option, name, wanted in (
            ("--entity", "entity_type", self.entities),
            ("--action", "action", self.actions),
            ("--reason", "reason", self.reasons),
        ):
            there = changes[name].drop_nulls().unique().sort().to_list()
            known = {"--entity": [*KINDS], "--action": [*ACTIONS]}.get(option, there)
            if unknown := [word for word in wanted if word not in known and word not in there]:
                raise ConfigurationError(
                    f"'{unknown[0]}' does not occur in the plan",
                    where=option,
                    mend=f"Write one of {', '.join(known)}" if known else "The plan is empty",
                )
            if wanted:
                changes = changes.filter(pl.col(name).is_in(list(wanted)))
        if self.records:
            wanted = list(self.records)
            ids = pl.col("teamleader_id").str.split(">").list.set_intersection(pl.lit(wanted)).list.len() > 0
            details = [pl.col("details").str.json_path_match(f"$.{side}_hubspot_id") for side in ("from", "to")]
            changes = changes.filter(
                pl.any_horizontal(ids, *(c.is_in(wanted) for c in (pl.col("hubspot_id"), *details))).fill_null(False)
            )
        return changes


@dataclass(frozen=True)
class Record:
    """One record and everything that happens to it: `fields` as name, old, new; `also` in words."""

    entity_type: str
    teamleader_id: str
    hubspot_id: str | None
    fields: list[tuple[str, str, str]] = field(default_factory=list)
    also: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """Records to which the same happens first, for the same reason."""

    entity_type: str
    action: str
    reason: str | None
    records: list[Record]

    @property
    def heading(self) -> str:
        """What happens to how many, and why."""
        number = len(self.records)
        return f"{counted(self.entity_type, number)} {ACTIONS.get(self.action, self.action)}: {self.why}"

    @property
    def why(self) -> str:
        """The reason in words, with its code."""
        if not self.reason:
            return "no reason given"
        words = _REASONS.get(self.reason) or meaning(self.reason, self.entity_type)
        return words if words == self.reason else f"{words} ({self.reason})"


def counted(entity_type: str, number: int) -> str:
    """`1 contact`, `2 contacts`."""
    return f"{number:,} {KINDS.get(entity_type, (entity_type, entity_type))[number != 1]}"


def totals(changes: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Numbers of changes by kind of record and action, in the order in which they are told."""
    found: dict[str, dict[str, int]] = {}
    numbers = {(e, a): n for e, a, n in changes.group_by("entity_type", "action").len().iter_rows()}
    for kind in KINDS:
        counts = {action: numbers[kind, action] for action in ACTIONS if (kind, action) in numbers}
        if counts:
            found[kind] = counts
    return found


def for_good(changes: pl.DataFrame) -> list[str]:
    """What cannot be taken back, or not by itself, with its total; the worst first."""
    numbers = dict(changes.group_by("action").len().iter_rows())
    told = []
    if n := numbers.get("unsubscribe"):
        addresses = sum(len(json.loads(t)["addresses"]) for t in changes.filter(action="unsubscribe")["details"])
        told.append(
            f"{counted('contact', n)} unsubscribed from all e-mail ({addresses:,} "
            f"{'address' if addresses == 1 else 'addresses'}): for good, only the person can subscribe again."
        )
    if n := numbers.get("marketing"):
        told.append(
            f"{counted('contact', n)} asked to be made marketing contacts: they count from that moment on; only a"
            " workflow or a person can change that back, and it counts from the next renewal."
        )
    if n := numbers.get("create"):
        told.append(f"{n:,} {'record' if n == 1 else 'records'} created: `tl-hubspot undo` can archive them.")
    if n := numbers.get("mark_deleted"):
        told.append(
            f"{n:,} {'record' if n == 1 else 'records'} marked as deleted in Teamleader: they stay in HubSpot, nothing"
            " is archived or deleted there."
        )
    if n := numbers.get("disassociate"):
        told.append(f"{counted('relation', n)} removed: `tl-hubspot undo` can put them back.")
    return told


def groups(changes: pl.DataFrame) -> list[Group]:
    """The changes record by record; what else happens to a record (links, opt-out, marketing) stands with it."""
    records: dict[tuple[str, str], Record] = {}
    first: dict[tuple[str, str], tuple[str, str, str | None]] = {}
    for row in changes.iter_rows(named=True):
        details = json.loads(row["details"])
        kind, teamleader_id, hubspot_id = row["entity_type"], row["teamleader_id"], row["hubspot_id"]
        if kind == "relation":
            teamleader_id, hubspot_id = details["from_id"], details.get("from_hubspot_id")
            key = details["from_type"], teamleader_id
        else:
            key = kind, teamleader_id
        record = records.setdefault(key, Record(*key, hubspot_id))
        # a record that is only linked is told of with the links
        first.setdefault(key, (kind, row["action"], row["reason"]))
        record.fields.extend(_fields(row["fields"]))
        record.also.extend(_also(row["action"], details))
    found: dict[tuple[str, str, str | None], list[Record]] = {}
    for key, record in records.items():
        found.setdefault(first[key], []).append(record)
    kinds, actions = [*KINDS], [*ACTIONS]

    def place(of: tuple[str, str, str | None]) -> tuple[int, int, str]:
        kind, action, reason = of
        return kinds.index(kind), actions.index(action) if action in actions else len(actions), reason or ""

    return [Group(*of, found[of]) for of in sorted(found, key=place)]


def _fields(text: str) -> Iterator[tuple[str, str, str]]:
    for name, value in json.loads(text).items():
        yield name, shown(value["old"]), shown(value["new"])


def _also(action: str, details: dict[str, Any]) -> Iterator[str]:
    if action == "marketing":
        yield "asked to be a marketing contact"
    elif action == "unsubscribe":
        yield f"unsubscribed from all e-mail: {', '.join(details['addresses'])}"
    elif action in ("associate", "disassociate"):
        verb = "linked to" if action == "associate" else "link removed to"
        primary = ", its primary company" if details.get("primary") else ""
        yield f"{verb} {details['to_type']} {details['to_id']}{primary}"
    elif details.get("asked") is False:
        yield "not asked to be a marketing contact: HubSpot shows the person opted out"


def shown(value: str | None) -> str:
    """A value on one line, cut where it is long."""
    if value in (None, ""):
        return "(empty)"
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
