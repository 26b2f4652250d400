"""The answer of `undo` in words: what is taken back, what stays and why, what nobody can take back.

Words only: every fact comes from `orchestration.steps.undoing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from tl_hubspot.reporting.words import NAMES, made_in_portal

SHOWN = 20
"""Entries of each list before it is cut; --json has all of them."""

STAYS = {
    "changed_since": "somebody changed it after the run, so it stays as it is",
    "written_later": "a later run wrote it; undo that run first",
    "gone": "the record is no longer in HubSpot",
    "merged": "the record was merged into another one by a person",
    "protected": "the property is protected by now",
    "consent": "nobody is made a marketing contact again, and no opt-out is forgotten, by an undo",
    "forward_only": "HubSpot moves this property only forward; set it back by hand",
    "several_addresses": "several addresses changed; put them back by hand",
    "email_taken": "another HubSpot contact has the address by now",
    "existed": "the record was there before the run; its values then are not known",
    "filled_since": "somebody filled in a field of this record that the run had left empty",
    "linked_since": "somebody linked this record with another one",
    "made_primary": "the association was there before the run; that the company is the primary one stays",
    "labelled": "somebody gave the association a label",
    "archive": "an archived record can only be restored by hand in HubSpot, for 90 days",
    "failed": "HubSpot did not take it; run the undo again",
}
"""Why something stays, by code of `pushing.undo_plan.Left`."""

FOR_GOOD = {
    "unsubscribe": "{n} unsubscribed from all e-mail: only the people themselves can subscribe again.",
    "marketing": "{n} made a marketing contact: that stays until a workflow or a person changes it.",
}
"""What nobody can take back, by code."""


def render(answer: dict[str, Any]) -> RenderableType:
    """The answer as text."""
    of = f"run {answer['run_id'][:8]} ({answer['command']}, {answer['started_at'][:16].replace('T', ' ')} UTC)"
    planned = answer["status"] == "planned"
    parts: list[RenderableType] = [Text(_headline(answer, of), style="bold"), Text(_done(answer["counts"], planned))]
    if planned:
        parts += _section("Would be set back", [_change(change) for change in answer["set_back"]])
        parts += _section("Would be archived", [_who(record) for record in answer["archive"]])
        parts += _section("Links", [_relation(relation) for relation in answer["relations"]])
    parts += _section("Stays as it is", [_left(entry) for entry in answer["left"]])
    for_good = [_for_good(code, answer["irreversible"]) for code in FOR_GOOD]
    if answer["provisioned"]:
        made = made_in_portal(answer["provisioned"])
        for_good.append(f"The run also made {made} in HubSpot. They stay: removing them would remove their values.")
    parts += _section("Cannot be taken back", [sentence for sentence in for_good if sentence])
    parts.append(Text(f"\n{_next(answer)}"))
    return Group(*parts)


def _headline(answer: dict[str, Any], of: str) -> str:
    if answer["status"] == "planned":
        return f"What undoing {of} would do; nothing was written."
    if answer["counts"]["failed"]:
        return f"Undone, but not all of it: {of}."
    return f"Undone: {of}."


def _done(counts: dict[str, Any], planned: bool) -> str:
    did = []
    if counts["fields"]:
        records = f"{counts['records']:,} {'record' if counts['records'] == 1 else 'records'}"
        did.append(f"{counts['fields']:,} {'field' if counts['fields'] == 1 else 'fields'} of {records} set back")
    for name, what in (
        ("archived", "created {} archived"),
        ("disassociated", "{} removed"),
        ("associated", "{} remade"),
    ):
        if counts[name]:
            kind = "record" if name == "archived" else "link"
            noun = kind if counts[name] == 1 else f"{kind}s"
            did.append(f"{counts[name]:,} {what.format(noun)}")
    before = " Everything else was as before the run already." if counts["already"] else ""
    if not did:
        return f"There is nothing to take back.{before}"
    return f"{'It would be: ' if planned else ''}{', '.join(did)}."


def _change(change: dict[str, Any]) -> str:
    fields = ", ".join(f"{n}: {v['old'] or '(empty)'} → {v['new'] or '(empty)'}" for n, v in change["fields"].items())
    return f"{_who(change)}: {fields}"


def _relation(relation: dict[str, Any]) -> str:
    ends = [f"{relation[f'{side}_type']} {relation[f'{side}_hubspot_id']}" for side in ("from", "to")]
    return f"{' and '.join(ends)} {'apart' if relation['action'] == 'disassociate' else 'together'} again"


def _left(entry: dict[str, Any]) -> str:
    name = f", {entry['property']}" if entry["property"] else ""
    said = f" ({entry['message']})" if entry["message"] else ""
    return f"{_who(entry)}{name}: {STAYS[entry['code']]}{said}"


def _for_good(code: str, entries: Sequence[dict[str, Any]]) -> str:
    n = sum(entry["code"] == code for entry in entries)
    contacts = f"{n:,} {NAMES['contact'][n != 1]} {'was' if n == 1 else 'were'}"
    return FOR_GOOD[code].format(n=contacts) if n else ""


def _who(entry: dict[str, Any]) -> str:
    record = entry["hubspot_id"] or entry["teamleader_id"]
    return f"{NAMES[entry['entity_type']][0]} {record}"


def _next(answer: dict[str, Any]) -> str:
    if answer["status"] == "planned":
        return f"To do it: tl-hubspot undo {answer['run_id'][:8]}"
    text = (
        "The next sync leaves what was taken back alone until Teamleader changes that field."
        " Archived records come back with `tl-hubspot release`."
    )
    return f"{text} To look at the undo: tl-hubspot run {answer['undo_run_id'][:8]}"


def _section(title: str, lines: Sequence[str]) -> list[RenderableType]:
    if not lines:
        return []
    shown = [Padding(Text(line), (0, 0, 0, 3)) for line in lines[:SHOWN]]
    more = [Padding(Text(f"… and {len(lines) - SHOWN:,} more; --json has all"), (0, 0, 0, 3))]
    return [Text(f"\n{title} ({len(lines):,})", style="bold"), *shown, *(more if len(lines) > SHOWN else [])]
