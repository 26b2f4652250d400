"""The consent ledger in words: one sentence per row, and what verifying it found.

Pure text; reading it is `orchestration.steps.evidence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tl_hubspot.consent.chain import Broken, Head

_STATUS = {"marketing": "marketing contact", "non_marketing": "no marketing contact", "skip": "not synchronised"}
_EVENTS = {
    "seen_in_hubspot": "HubSpot shows something else than before.",
    "deleted": "Deleted in Teamleader.",
    "unsubscribed": "Unsubscribed from all e-mail in HubSpot, confirmed ({reason}).",
    "unsubscribe_failed": "HubSpot did not take the opt-out ({reason}); the next run tries again.",
    "marketing_asked": "HubSpot is asked for marketing status ({reason}).",
    "marketing_confirmed": "HubSpot shows a marketing contact, as asked ({reason}).",
    "marketing_failed": "HubSpot did not make it a marketing contact ({reason}).",
    "not_asked": "Not asked for marketing status ({reason}).",
}
_SAID = {True: "consent given", False: "no consent", None: "consent unknown"}


def sentences(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per row: when, for whom, what happened, what Teamleader and HubSpot said."""
    return "\n".join(sentence(row) for row in rows)


def sentence(row: Mapping[str, Any]) -> str:
    """One row as a line."""
    decided = f"Decided: {_STATUS.get(row['decision'], row['decision'])} ({row['reason']})."
    event = _EVENTS.get(row["event"], decided).format(reason=row["reason"])
    said = _SAID[row["consent"]]
    if row["opted_out"] and row["consent"] is not False:
        said += ", but the address is opted out"
    record = f" → HubSpot {row['hubspot_id']}" if row["hubspot_id"] else ""
    return (
        f"{row['seq']:>6}  {row['at']:%Y-%m-%d %H:%M:%S}  contact {row['teamleader_id']}{record}: {event}"
        f" Teamleader: {said}. HubSpot: {_shown(row)}. Run {row['run_id']}."
    )


def _shown(row: Mapping[str, Any]) -> str:
    if row["hubspot_opted_out"] is None and row["hubspot_marketing"] is None:
        return "no record yet"
    out = "opted out" if row["hubspot_opted_out"] else "not opted out"
    return f"{out}, {'marketing contact' if row['hubspot_marketing'] else 'no marketing contact'}"


def verified(head: Head, broken: Broken | None) -> str:
    """What verifying found, as a sentence."""
    if broken is None:
        return f"The consent ledger is whole: {head.seq:,} rows, last hash {head.hash}."
    return f"The consent ledger is broken: row {broken.seq} is {broken.what}."


def to_json(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their sentence, ready for JSON."""
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        | {"sentence": sentence(row).strip()}
        for row in rows
    ]
