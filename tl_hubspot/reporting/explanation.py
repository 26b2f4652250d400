"""The answer of `explain` in words, for somebody who has never seen the rules.

Words only: every fact comes from `orchestration.steps.explaining`.
"""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

_MARKS = {"passed": ("·", "dim"), "hit": ("►", "bold"), "not reached": (" ", "dim")}
_BUCKETS = {
    "created": "The last run created it in HubSpot.",
    "updated": "The last run updated it in HubSpot.",
    "unchanged": "HubSpot already held everything; the last run wrote nothing.",
    "skipped": "The last run left it alone.",
    "held": "The last run held it until a person looks at it",
    "failed": "The last run could not write it; the next run tries again",
}
_VERDICTS = {
    "marketing": "belongs in HubSpot as a marketing contact",
    "non_marketing": "belongs in HubSpot, but not as a marketing contact",
    "sync": "belongs in HubSpot",
    "skip": "does not belong in HubSpot",
    "held": "belongs in HubSpot, but waits for a person",
}
_KEYS = {
    "link": "they were linked before",
    "teamleader_id": "the HubSpot record carries its Teamleader id",
    "email": "the e-mail address is the same",
    "secondary_email": "its e-mail address is a secondary address there",
    "vat": "the VAT number is the same",
    "domain": "the domain is the same",
    "name": "the name is the same",
}


def render(answer: dict[str, Any]) -> RenderableType:
    """The explanation as text."""
    who = f"{answer['entity_type'].capitalize()} {answer['teamleader_id']}"
    lines: list[RenderableType] = []
    if answer["deleted_in_teamleader"]:
        lines.append(
            Text(f"{who} was deleted in Teamleader. HubSpot keeps its record, marked as deleted.", style="bold")
        )
    else:
        decision = answer["decision"]
        verdict = _VERDICTS.get(decision["status"], decision["status"])
        lines.append(Text(f"{who} {verdict} (reason {decision['reason']}).", style="bold"))
        lines.append(Text(f"Decided as of {answer['as_of'][:10]}.\n"))
    for step in answer["steps"]:
        mark, style = _MARKS[step["outcome"]]
        if step["outcome"] == "not reached":
            lines.append(Text(f" {mark} {step['number']}. {step['question']} Not reached.", style=style))
        else:
            lines.append(Text(f" {mark} {step['number']}. {step['question']} {step['sentence']}", style=style))
    if answer["what_would_change"]:
        lines.append(Text("\nWhat would change this", style="bold"))
        lines.extend(Text(f"   {sentence}") for sentence in answer["what_would_change"])
    lines.append(Text("\nIn HubSpot", style="bold"))
    lines.extend(Text(f"   {sentence}") for sentence in _in_hubspot(answer))
    return Group(*lines)


def _in_hubspot(answer: dict[str, Any]) -> list[str]:
    sentences = []
    if answer["hubspot_id"]:
        sentences.append(f"Its HubSpot record is {answer['hubspot_id']}.")
    else:
        sentences.append("It has no HubSpot record.")
    for row in answer["planned"]:
        if row["matched_by"] in _KEYS and row["matched_by"] != "link":
            sentences.append(f"They were matched because {_KEYS[row['matched_by']]}.")
    outcome = answer["outcome"]
    if outcome:
        sentence = _BUCKETS[outcome["bucket"]]
        reason = f": {outcome['reason']}." if outcome["bucket"] in ("held", "failed") else ""
        sentences.append(sentence + reason)
    sentences.extend(notice["message"] for notice in answer["notices"])
    for push in answer["last_pushes"]:
        state = {"done": "confirmed", "failed": "failed", "intended": "not confirmed"}[push["state"]]
        when = (push["settled_at"] or "")[:16].replace("T", " ")
        sentences.append(f"{when} {push['action']}, {state}:")
        for name, value in push["fields"].items():
            sentences.append(f"   {name}: {_shown(value.get('before'))} → {_shown(value.get('after'))}")
        if push["message"]:
            sentences.append(f"   {push['message']}")
    return sentences


def _shown(value: str | None) -> str:
    return value or "(empty)"
