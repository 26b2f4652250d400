"""What `explain` says about a contact between HubSpot and Crmoffice, in English; Dutch is made when shown.

Words only: the facts come from `orchestration.steps.two_way.explaining`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from tl_hubspot.reporting.two_way_waiting import refusal
from tl_hubspot.rules.told import Told, told

Facts = dict[str, Any]
_NAMES = {"hubspot": "HubSpot", "crmoffice": "Crmoffice"}
_HOW = {
    "matched": "Found by the key: {key} are the same on both sides.",
    "created": "One of the two was made from the other one.",
    "operator": "A person said that they belong together.",
    "derived": "It follows from another pair.",
}
_ENDED = {
    "deleted_a": "it was deleted in HubSpot",
    "deleted_b": "it was deleted in Crmoffice",
    "deleted_both": "it was deleted on both sides",
    "deleted_a_edited_b": "it was deleted in HubSpot after it was edited in Crmoffice",
    "deleted_b_edited_a": "it was deleted in Crmoffice after it was edited in HubSpot",
    "merged": "it was merged with another contact that is linked already",
    "out_of_scope": "it left the scope of the flow",
}
_POLICY = {
    "newest": "When both sides are edited, the later edit wins; where nobody can tell, {tie} does.",
    "prefer_a": "When both sides are edited, HubSpot wins.",
    "prefer_b": "When both sides are edited, Crmoffice wins.",
    "hold": "When both sides are edited, a person decides.",
}
_RULES = {
    "M1": "They are the same; the next sync remembers that they agree.",
    "M2": "They never agreed before, and one side is empty.",
    "M3": "They never agreed before, and differ.",
    "M4": "Neither side was edited since they agreed, so nothing is done.",
    "M5": "Both sides were edited to the same value; the next sync remembers that they agree.",
    "M6": "Only HubSpot was edited since they agreed.",
    "M7": "Only Crmoffice was edited since they agreed.",
    "M8": "Both sides were edited since they agreed.",
    "M0": "One side did not tell the value, so nothing is done.",
}
_WINS = {
    "policy": "the file of flows says so",
    "teamleader": "Teamleader made the change",
    "later": "its edit is later",
    "tie": "nobody can tell which edit is later",
}
_UNMATCHED = {
    "no_match": "nobody there fits the key, and the file of flows does not have it made",
    "writing_off": "the file of flows says that the other side is not written",
    "not_indexed": "the other side was not read whole yet",
    "key_unknown": "a part of somebody's key could not be read, so nobody is made",
    "creation_open": "it is not known yet whether it was made",
    "historic": "it is older than the flow looks at",
    "not_referenced": "no synchronised record names it",
    "nothing_to_create": "it holds none of the fields",
}


def pair(facts: Facts) -> Iterator[Told | str]:
    """Whether the contact has a counterpart, since when, and why not."""
    link = facts["link"]
    if link is None:
        yield from _alone(facts)
    else:
        ids = {"a": facts["hubspot_id"], "b": facts["crmoffice_id"]}
        if link["state"] == "broken":
            yield told(
                "HubSpot contact {a} and Crmoffice contact {b} were a pair, until {why}."
                " Neither is linked or made again.",
                **ids,
                why=_ENDED.get(link["reason"], link["reason"] or ""),
            )
            yield told(
                "To let what is left be linked or made again: `tl-hubspot crmoffice release {pair}`.",
                pair=link["link_id"],
            )
        else:
            day = date.fromisoformat(link["created_at"][:10])
            yield told("HubSpot contact {a} and Crmoffice contact {b} are linked since {day}.", **ids, day=day)
            yield told(_HOW.get(link["how"], "{key}"), key=", ".join(facts["key"]))
            if link["state"] == "held":
                yield told("The pair waits: {why}.", why=_ENDED.get(link["reason"], link["reason"] or ""))
    if facts["same_number_in_crmoffice"]:
        yield told(
            "Crmoffice has another contact with the number {id}: `tl-hubspot explain contact crmoffice:{id}`.",
            id=facts["hubspot_id"],
        )


def _alone(facts: Facts) -> Iterator[Told | str]:
    if facts["ambiguous"]:
        others = ", ".join(facts["ambiguous"][0])
        there = "Crmoffice" if facts["hubspot_id"] else "HubSpot"
        yield "It is not linked: several contacts have the same key, so nothing is done with them."
        if others:
            yield told("In {there} these fit: {ids}.", there=there, ids=others)
        yield "`tl-hubspot crmoffice held` shows how to say who belongs to whom."
    elif facts["not_made"]:
        refused = facts["not_made"][0]
        yield told(
            "It is not linked: {system} refused to make it ({why}), tried {times}; the same values are not sent"
            " before {until} UTC.",
            system=refused["system"],
            why=refusal(refused["system"], refused["reason"]),
            times=_times(refused["attempts"]),
            until=refused["until"][:16].replace("T", " "),
        )
    elif facts["unmatched"]:
        yield told("It is not linked: {why}.", why=_UNMATCHED.get(facts["unmatched"], facts["unmatched"]))
    else:
        yield "It is not linked yet; the next `tl-hubspot crmoffice sync` looks for its counterpart."


def fields(facts: Facts) -> Iterator[tuple[Told, list[Told | str]]]:
    """Per field a heading with both values, and sentences: what was agreed, when it changed, who wins, what is next."""
    if facts["link"] and facts["link"]["state"] == "broken":
        return
    for field in facts["fields"]:
        heading = told(
            "{hubspot} in HubSpot, {crmoffice} in Crmoffice: {a} and {b}",
            hubspot=field["field"],
            crmoffice=field["crmoffice_field"],
            a=_value(field["hubspot_value"]),
            b=_value(field["crmoffice_value"]),
        )
        yield heading, [*_of_field(field)]


def _of_field(field: Facts) -> Iterator[Told | str]:
    agreed = field["last_agreed"]
    if agreed is not None:
        yield told("When they last agreed: {a} and {b}.", a=_value(agreed["hubspot"]), b=_value(agreed["crmoffice"]))
    if field["rule"]:
        yield _RULES[field["rule"]]
    for system in ("hubspot", "crmoffice"):
        yield from _changed(_NAMES[system], field[f"{system}_changed"])
    if field["wins_by"]:
        yield told("{system} wins: {why}.", system=_NAMES[field["winner"]], why=_WINS[field["wins_by"]])
    if field["wins_by"] in ("later", "tie"):
        yield told(
            "The clocks of the two may be {seconds} seconds apart; the next sync asks HubSpot for the exact time.",
            seconds=field["max_skew_seconds"],
        )
    if field["changed_by_teamleader"]:
        yield "HubSpot's value came from Teamleader."
    yield from _next(field)


def rules(facts: Facts) -> Iterator[Told | str]:
    """What holds whenever both sides are edited, the same for several fields told once."""
    link = facts["link"]
    if not link or link["state"] == "broken":
        return
    found: dict[tuple[Told, bool, bool], list[str]] = {}
    for field in facts["fields"]:
        policy = told(_POLICY[field["policy"]], tie=_NAMES[field["tie_side"]])
        owned = field["teamleader"] and field["owner"] == "teamleader" and field["policy"] != "hold"
        found.setdefault((policy, field["teamleader"], owned), []).append(field["field"])
    for (policy, in_teamleader, owned), names in found.items():
        if len(names) < len(facts["fields"]):
            yield ", ".join(names)
        yield policy
        if in_teamleader:
            yield (
                "Teamleader has this too: what changes there goes to HubSpot and from there to Crmoffice. What is"
                " edited in Crmoffice goes to HubSpot and stays there until somebody changes it in Teamleader."
            )
        if owned:
            yield "A change that Teamleader made in HubSpot wins over one in Crmoffice."


def _changed(system: str, bounds: list[str | None] | None) -> Iterator[Told]:
    if bounds is None:
        return
    earliest, latest = ((bound or "")[:16].replace("T", " ") for bound in bounds)
    if earliest == latest:
        yield told("Changed in {system} at {when} UTC.", system=system, when=latest)
    elif earliest:
        yield told("Changed in {system} between {from_} and {to} UTC.", system=system, from_=earliest, to=latest)
    else:
        yield told("Changed in {system} before {to} UTC.", system=system, to=latest)


def _next(field: Facts) -> Iterator[Told | str]:
    if field["next"] == "unsettled":
        yield "A write of it was interrupted; the next sync looks what became of it."
    for refused in field["refused"]:
        yield told(
            "{system} refused the value ({why}), tried {times}; the same one is not sent before {until} UTC.",
            system=refused["system"],
            why=refusal(refused["system"], refused["reason"]),
            times=_times(refused["attempts"]),
            until=refused["until"][:16].replace("T", " "),
        )
    if field["held"] == "conflict":
        yield "It waits for you: `tl-hubspot crmoffice held` shows the command that decides it."
    elif field["held"] == "writing_off":
        yield "It waits: the file of flows says that the other side is not written."
    for write in field["writes"]:
        pattern = "The next sync writes {value} to {system}, in place of {old}."
        yield told(pattern, value=_value(write["new"]), system=_NAMES[write["system"]], old=_value(write["old"]))


def conflicts(facts: Facts) -> Iterator[Told]:
    """The conflicts of the pair, the newest first."""
    for entry in facts["conflicts"]:
        values = {"a": _value(entry["hubspot_value"]), "b": _value(entry["crmoffice_value"])}
        when = entry["detected_at"][:16].replace("T", " ")
        outcome = _OUTCOMES["resolved" if entry["state"] == "resolved" else entry["winner"]]
        yield told(
            "{when} UTC, {field}: {a} in HubSpot and {b} in Crmoffice; {outcome} (conflict {id}).",
            when=when, field=entry["field"], **values, outcome=outcome, id=entry["conflict_id"],
        )  # fmt: skip


_OUTCOMES = {
    "hubspot": "HubSpot won",
    "crmoffice": "Crmoffice won",
    "resolved": "a person resolved it",
    None: "it waits for a person",
}


def _times(attempts: int) -> str:
    return "once" if attempts == 1 else told("{attempts} times", attempts=attempts)


def _value(value: str | None) -> Told | str:
    return told("(empty)") if value == "" else told("(not known)") if value is None else f"“{value}”"
