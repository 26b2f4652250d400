"""The answer of `explain` in words, for somebody who has never seen the rules.

Words only: every fact comes from `orchestration.steps.explaining`.
"""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tl_hubspot.reporting.words import meaning, to_do

_BUCKETS = {
    "created": "The last run created it in HubSpot.",
    "updated": "The last run updated it in HubSpot.",
    "unchanged": "HubSpot already held everything; the last run wrote nothing.",
    "skipped": "The last run left it alone.",
    "held": "The last run held it: {meaning}.",
    "failed": "The last run could not write it ({meaning}); the next run tries again.",
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
    if answer["deleted_in_teamleader"]:
        verdict = f"{who} was deleted in Teamleader. HubSpot keeps its record, marked as deleted."
        return Group(Text(verdict, style="bold"), *_section("In HubSpot", _in_hubspot(answer)))
    decision = answer["decision"]
    verdict = _VERDICTS.get(decision["status"], decision["status"])
    return Group(
        Text(f"{who} {verdict}: {meaning(decision['reason'], answer['entity_type'])}.", style="bold"),
        Text(f"Decided as of {answer['as_of'][:10]}, reason code {decision['reason']}."),
        Text("\nThe rules, in order; the one marked ► decided", style="bold"),
        _steps(answer["steps"]),
        *_section("What would change this", answer["what_would_change"]),
        *_section("In HubSpot", _in_hubspot(answer)),
        *_pushes(answer["last_pushes"]),
    )


def _steps(steps: list[dict[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for step in steps:
        if step["outcome"] == "not reached":
            continue
        hit = step["outcome"] == "hit"
        table.add_row(f"{'►' if hit else ' '} {step['number']}", Text(step["sentence"], style="bold" if hit else ""))
    return table


def _section(title: str, sentences: list[str]) -> list[RenderableType]:
    if not sentences:
        return []
    return [Text(f"\n{title}", style="bold"), *(Padding(Text(s), (0, 0, 0, 3)) for s in sentences)]


def _in_hubspot(answer: dict[str, Any]) -> list[str]:
    sentences = [
        f"Its HubSpot record is {answer['hubspot_id']}." if answer["hubspot_id"] else "It has no HubSpot record."
    ]
    for row in answer["planned"]:
        if row["matched_by"] in _KEYS and row["matched_by"] != "link":
            sentences.append(f"They were matched because {_KEYS[row['matched_by']]}.")
    if outcome := answer["outcome"]:
        sentences.append(_BUCKETS[outcome["bucket"]].format(meaning=meaning(outcome["reason"], answer["entity_type"])))
        if outcome["bucket"] == "held":
            sentences.append(to_do(outcome["reason"], answer["entity_type"], answer["teamleader_id"]))
    sentences.extend(notice["message"] for notice in answer["notices"])
    return [s for s in sentences if s]


def _pushes(pushes: list[dict[str, Any]]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for push in pushes:
        state = {"done": "confirmed", "failed": "failed", "intended": "not confirmed"}[push["state"]]
        when = (push["settled_at"] or push["intended_at"] or "")[:16].replace("T", " ")
        lines = [f"{name}: {_shown(v.get('before'))} → {_shown(v.get('after'))}" for name, v in push["fields"].items()]
        if push["message"]:
            lines.append(push["message"])
        parts.extend(_section(f"{when} UTC: {push['action']}, {state}", lines or ["no fields"]))
    return parts


def _shown(value: str | None) -> str:
    return value or "(empty)"
