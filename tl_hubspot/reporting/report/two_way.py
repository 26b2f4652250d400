"""The two-way flow on the report: cycle by cycle, conflicts with who won, and what waits for a person. Pure.

Facts come from `orchestration.steps.two_way.telling`, the words for what waits from `reporting.two_way_waiting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tl_hubspot.reporting import two_way as words
from tl_hubspot.reporting import two_way_waiting
from tl_hubspot.reporting.links import hubspot_page
from tl_hubspot.reporting.report.view import TONES, Record, Trouble, when

SHOWN = 50
"""Records that are listed of one kind of waiting."""
_ENDED = {
    "done": "Done",
    "failed_records": "Done, some refused",
    "planned": "Dry run",
    "held": "Stopped by a limit",
    "stopped": "Stopped",
}
_ALSO = {
    "deleted": "{n:,} deleted",
    "conflicts": "conflicts: {n:,}",
    "held": "fields that wait: {n:,}",
    "failed": "refused: {n:,}",
    "given_up": "edited meanwhile and left to the next cycle: {n:,}",
    "ambiguous": "not told apart: {n:,}",
    "unmatched": "without a counterpart: {n:,}",
}
_UNMATCHED = {
    "no_match": "nobody on the other side fits the key, and none is to be made there",
    "writing_off": "the other side is not written",
    "not_indexed": "the other side was not read whole yet",
    "key_unknown": "a part of somebody's key could not be read, so nobody is made",
    "creation_open": "it is not known yet whether they were made",
    "historic": "they are older than the flow looks at",
    "not_referenced": "no synchronised record names them",
    "nothing_to_create": "they hold none of the fields",
}


@dataclass(frozen=True)
class TwoWay:
    """The section. `cycles`: rows when, how it ended, tone, what it did, why it stopped; `conflicts`: rows when,
    field, both records, what happened, who won; `unmatched`: sentences."""

    lead: str
    cycles: tuple[tuple[Any, ...], ...]
    conflicts: tuple[tuple[Any, ...], ...]
    conflicts_said: str
    unmatched: tuple[str, ...]
    waiting: tuple[Trouble, ...]
    left_alone: tuple[Trouble, ...]


def two_way(facts: Any, account: dict[str, Any], timezone: str) -> TwoWay | None:
    """The section of `facts`; None where Crmoffice is not in use."""
    if facts is None:
        return None
    told = two_way_waiting.told(facts.waiting)
    total = facts.conflicts[0]["total"] if facts.conflicts else 0
    return TwoWay(
        lead=_lead(facts.cycles, timezone),
        cycles=tuple(_cycle(row, timezone) for row in facts.cycles),
        conflicts=tuple(_conflict(row, account, timezone) for row in facts.conflicts),
        conflicts_said=_conflicts_said(len(facts.conflicts), total),
        unmatched=tuple(_unmatched(row) for row in facts.unmatched),
        waiting=tuple(_trouble(waits, account) for waits in told if waits.pressing),
        left_alone=tuple(_trouble(waits, account) for waits in told if not waits.pressing),
    )


def _lead(cycles: list[dict[str, Any]], timezone: str) -> str:
    if not cycles:
        return "No cycle between HubSpot and Crmoffice has run yet."
    counts = cycles[0]["counts"]
    linked = f" {counts['linked']:,} contacts are linked." if "linked" in counts else ""
    return f"The latest cycle began on {when(cycles[0]['started_at'], timezone)}.{linked}"


def _cycle(row: dict[str, Any], timezone: str) -> tuple[str, ...]:
    counts = row["counts"]
    did = [
        f"{verb} {counts.get(f'{verb}_in_hubspot', 0):,} in HubSpot"
        f" and {counts.get(f'{verb}_in_crmoffice', 0):,} in Crmoffice"
        for verb in ("created", "updated")
        if counts.get(verb)
    ]
    did += [words.format(n=counts[name]) for name, words in _ALSO.items() if counts.get(name)]
    return (
        when(row["started_at"], timezone),
        _ENDED.get(row["status"], row["status"]),
        TONES.get(row["status"], ""),
        ", ".join(did) or "nothing to write",
        row["error"] or "",
    )


def _conflict(row: dict[str, Any], account: dict[str, Any], timezone: str) -> tuple[Any, ...]:
    return (
        when(row["detected_at"], timezone),
        row["field"],
        _record(row["hubspot_id"], row["crmoffice_id"], account),
        words.WHY[row["kind"]],
        words.outcome(row["winner"], row["state"]),
        row["conflict_id"],
    )


def _conflicts_said(shown: int, total: int) -> str:
    if not total:
        return "There was none so far."
    listed = f"The latest {shown:,} of {total:,}." if shown < total else ""
    return (
        f"{listed} `tl-hubspot crmoffice conflicts` shows the values, also those that lost; `tl-hubspot crmoffice"
        " resolve CONFLICT --use hubspot` (or crmoffice) puts one right."
    ).strip()


def _unmatched(row: dict[str, Any]) -> str:
    system = {"a": "HubSpot", "b": "Crmoffice"}[row["side"]]
    why = _UNMATCHED.get(row["reason"], row["reason"])
    return f"{row['records']:,} {'contact' if row['records'] == 1 else 'contacts'} of {system}: {why}."


def _trouble(waits: two_way_waiting.Waiting, account: dict[str, Any]) -> Trouble:
    records = [record for row in waits.rows for record in _records(row, account)]
    return Trouble(
        what=waits.what,
        do=f"{waits.do} `tl-hubspot crmoffice held` lists the commands." if waits.do.endswith(":") else waits.do,
        count=max(len(waits.rows), len(records)) if waits.kind == "ambiguous" else len(waits.rows),
        tone={"stopped": "bad", "not_written": "", "ended": ""}.get(waits.kind, "warn"),
        said=waits.items[0][0] if waits.kind == "stopped" else "",
        records=tuple(records[:SHOWN]),
        notes=tuple(_note(line, command) for line, command in waits.items[:SHOWN]),
    )


def _records(row: dict[str, Any], account: dict[str, Any]) -> list[Record]:
    if row["kind"] == "ambiguous":
        own = [_record(i, None, account) for i in row["hubspot_ids"]]
        return own + [_record(None, i, account) for i in row["crmoffice_ids"]]
    ids = row["hubspot_id"], row["crmoffice_id"]
    return [_record(*ids, account)] if any(ids) else []


def _note(line: str, command: str) -> str:
    return f"{line} `{command}`" if command else line


def _record(hubspot_id: str | None, crmoffice_id: str | None, account: dict[str, Any]) -> Record:
    page = hubspot_page(account, "contact", hubspot_id)
    return Record("contact", None, hubspot_id, None, page, crmoffice_id)
