"""A cycle between HubSpot and Crmoffice in words, and the conflict log; for `tl-hubspot crmoffice` and the demo.

Only says what `orchestration.steps.two_way` found. The plan is told in `two_way_plan`, what waits for a person in
`two_way_waiting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from tl_hubspot.two_way.flows import SYSTEM, Flow
from tl_hubspot.two_way.frames import Plan

WHY = {
    "first_link": "differed when they were linked",
    "both_changed": "both were edited",
    "lost_edit": "an edit landed while the sync was writing",
    "held": "a person decides",
}
"""Kinds of conflicts."""


def summary(flow: Flow, status: str, counts: Mapping[str, int], plan: Plan) -> Text:
    """What became of a flow, in sentences."""
    return Text("\n".join(sentences(flow, status, counts, plan)))


def stops(plan: Plan) -> list[str]:
    """Why a flow stood still: a sentence per breaker, and what to do."""
    if plan.stops.is_empty():
        return []
    approve = f"When these are gone on purpose, `tl-hubspot approve {plan.digest}` ends their links, once."
    return [*(_stop(row) for row in plan.stops.iter_rows(named=True)), approve]


def _stop(row: Mapping[str, Any]) -> str:
    where = SYSTEM[row["side"]]
    found = (
        f"{where} shows no contact at all; linked: {row['value']:,}."
        if row["name"] == "empty"
        else f"{row['value']:,} linked contacts seem deleted in {where}, {row['maximum']:,} are allowed."
    )
    return f"{found} Look into {where} first."


def sentences(flow: Flow, status: str, counts: Mapping[str, int], plan: Plan) -> Iterator[str]:
    """The heading, and below it what became of the flow, or of what is planned."""
    yield f"HubSpot {flow.a} and Crmoffice {flow.b}"
    if status == "off":
        yield "  Switched off in the file of flows."
        return
    if status == "held":
        yield "  Stopped, nothing was written."
        yield from (f"  {sentence}" for sentence in stops(plan))
        return
    if not flow.fields:
        linked = counts.get("linked", 0)
        yield (
            f"  Links only, no fields: {linked:,} linked."
            if flow.establish == "derived"
            else ("  Links only, no fields and no keys: nothing can be linked until the file of flows names a key.")
        )
        return
    if status != "planned":
        yield (
            f"  Created: {counts.get('created_in_hubspot', 0):,} in HubSpot,"
            f" {counts.get('created_in_crmoffice', 0):,} in Crmoffice."
            f" Updated: {counts.get('updated_in_hubspot', 0):,} in HubSpot,"
            f" {counts.get('updated_in_crmoffice', 0):,} in Crmoffice."
        )
    yield (
        f"  Linked: {counts.get('linked', 0):,}, of which new: {counts.get('newly_linked', 0):,}."
        f" Ended: {counts.get('broken', 0):,}."
    )
    for key, words in _ALSO.items():
        if counts.get(key):
            yield f"  {words.format(n=counts[key])}"


_ALSO = {
    "conflicts": "Both sides differed: {n:,}; `tl-hubspot crmoffice conflicts` shows who won and what waits for you.",
    "ambiguous": "Not told apart by the key, nothing is done with them: {n:,}; see `tl-hubspot crmoffice held`.",
    "held": "Fields that wait: {n:,}; see `tl-hubspot crmoffice held`.",
    "given_up": "Edited while the sync ran, left to the next one: {n:,}.",
    "unguarded": "Written in Crmoffice without comparing versions: {n:,}; an edit there in the moment between the last"
    " look and the write would have been overwritten unseen (`etag=1` prevents that).",
    "failed": "Refused by a system: {n:,}; `tl-hubspot crmoffice held` says why.",
    "open": "Calls of which nobody knows yet what became: {n:,}; the next sync looks.",
}


def conflict_log(entries: Sequence[Mapping[str, Any]]) -> Text:
    """The conflict log for a person, with whole ids that can be copied; values are shown."""
    if not entries:
        return Text("There was no conflict so far.")
    return Text("\n".join([*map(_conflict, entries), "", _HOW_TO_RESOLVE]))


def _conflict(entry: Mapping[str, Any]) -> str:
    when = entry["detected_at"][:16].replace("T", " ")
    values = (
        f"{entry[f'{side}_value'] or '(empty)'} in {name}"
        for side, name in (("hubspot", SYSTEM["a"]), ("crmoffice", SYSTEM["b"]))
    )
    return (
        f"{entry['conflict_id']}  {when} UTC: {entry['field']} of HubSpot contact {entry['hubspot_id']}"
        f" and Crmoffice contact {entry['crmoffice_id']}\n"
        f"    {', '.join(values)}: {WHY[entry['kind']]}. {outcome(entry['winner'], entry['state'])}."
    )


def outcome(winner: str | None, state: str) -> str:
    """Who won a conflict; `winner`: hubspot or crmoffice."""
    if state == "resolved":
        return "Resolved by a person"
    return f"{SYSTEM['a' if winner == 'hubspot' else 'b']} won" if winner else "It waits for you"


_HOW_TO_RESOLVE = "To put a value right: tl-hubspot crmoffice resolve CONFLICT --use hubspot|crmoffice"
