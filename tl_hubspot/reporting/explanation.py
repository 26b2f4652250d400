"""The answer of `explain` in words, for somebody who has never seen the rules; in English or in Dutch.

Words only: every fact comes from `orchestration.steps.explaining`. Sentences are made in English, and put into Dutch
when they are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.reporting import explanation_pair
from tl_hubspot.reporting.reasons import advice
from tl_hubspot.reporting.words import meaning, to_do
from tl_hubspot.rules.told import Told, told

Say = Callable[[str], str]
LANGUAGES = ("en", "nl")

_KINDS = {"contact": "Contact", "company": "Company", "deal": "Deal"}
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
    "duplicate": "the HubSpot record was linked to its duplicate before",
    "teamleader_id": "the HubSpot record carries its Teamleader id",
    "email": "the e-mail address is the same",
    "secondary_email": "its e-mail address is a secondary address there",
    "vat": "the VAT number is the same",
    "domain": "the domain is the same",
    "name": "the name is the same",
}
_ALIKE = {
    "contact": "HubSpot record {id} has the same e-mail address, but they are not linked.",
    "company": "HubSpot record {id} has the same VAT number, but they are not linked.",
}
_ACTIONS = {
    "create": "created",
    "update": "updated",
    "unsubscribe": "unsubscribed",
    "marketing": "asked for marketing status",
    "mark_deleted": "marked as deleted",
    "archive": "archived",
}
_ONLY_IN_HUBSPOT = {
    "contact": "A contact in Teamleader with its e-mail address, when the rules take it, is linked to it by the next"
    " run.",
    "company": "A company in Teamleader with its VAT number, domain or name, when the rules take it, is linked to it by"
    " the next run.",
    "deal": "Nothing: a deal is never linked by its title, only by the Teamleader id that it carries.",
}
_STATES = {"done": "confirmed", "failed": "failed", "intended": "not confirmed", "changed": "changed meanwhile"}


def render(answer: dict[str, Any], language: str = "en") -> RenderableType:
    """The explanation as text."""
    say = speaker(language)
    if answer["teamleader_id"] is None and "crmoffice" in answer:
        return Group(Text(say(_not_from_teamleader(answer)), style="bold"), *_between(say, answer))
    if "only_in_hubspot" in answer:
        return _only_in_hubspot(say, answer)
    who = told("{kind} {id}", kind=_KINDS[answer["entity_type"]], id=answer["teamleader_id"])
    in_hubspot = [*_section(say, "In HubSpot", _in_hubspot(answer)), *_failure(say, answer)]
    if answer["deleted_in_teamleader"]:
        verdict = told("{who} was deleted in Teamleader. HubSpot keeps its record, marked as deleted.", who=who)
        return Group(
            Text(say(verdict), style="bold"), *in_hubspot, *_between(say, answer), *_pushes(say, answer["last_pushes"])
        )
    decision = answer["decision"]
    status, why = decision["status"], meaning(decision["reason"], answer["entity_type"])
    would_change = list(answer["what_would_change"])
    if status == "marketing" and (answer["hubspot"] or {}).get("opted_out"):
        # the rules look at Teamleader; what HubSpot shows is respected when the plan is made
        status, why = "non_marketing", "HubSpot shows it as unsubscribed"
        would_change.insert(0, "As long as HubSpot shows it as unsubscribed, nothing makes it a marketing contact.")
    verdict = told("{who} {verdict}: {why}.", who=who, verdict=_VERDICTS.get(status, status), why=why)
    decided = told("Decided as of {day}, reason code {code}.", day=answer["as_of"][:10], code=decision["reason"])
    return Group(
        Text(say(verdict), style="bold"),
        Text(say(decided)),
        Text("\n" + say("The rules, in order; the one marked ► decided"), style="bold"),
        _steps(say, answer["steps"]),
        *_section(say, "What would change this", would_change),
        *in_hubspot,
        *_between(say, answer),
        *_pushes(say, answer["last_pushes"]),
    )


def _only_in_hubspot(say: Say, answer: dict[str, Any]) -> RenderableType:
    kind, shown = answer["entity_type"], answer["only_in_hubspot"]
    verdict = told(
        "{kind} {id} is in HubSpot alone: no record in Teamleader belongs to it, so the sync leaves it as it is.",
        kind=_KINDS[kind],
        id=answer["hubspot_id"],
    )
    carried = shown["teamleader_id"]
    more = [
        told("It carries the Teamleader id {id}, which Teamleader does not have.", id=carried) if carried else "",
        "It is archived in HubSpot." if shown["archived"] else "",
    ]
    return Group(
        Text(say(verdict), style="bold"),
        *_section(say, "In HubSpot", filter(None, more)),
        *_section(say, "What would change this", [_ONLY_IN_HUBSPOT[kind]]),
    )


def candidates(answer: dict[str, Any], language: str = "en") -> RenderableType:
    """The records that the same words may mean, numbered."""
    say = speaker(language)
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for number, row in enumerate(answer["candidates"], 1):
        there = told("HubSpot {id}", id=row["hubspot_id"]) if row["hubspot_id"] else "not in HubSpot"
        why = meaning(row["reason"], answer["entity_type"])
        table.add_row(f"{number}", Text(f"{row['teamleader_id']} ({say(there)}): {say(why)}"))
    return Group(Text(say("Several records are meant:"), style="bold"), table)


def translated(answer: dict[str, Any], language: str) -> dict[str, Any]:
    """The answer with its sentences in that language, for programs."""
    say = speaker(language)
    if between := answer.get("crmoffice"):
        answer = answer | {"crmoffice": between | {"sentences": [say(text) for text in _sentences_between(between)]}}
    if "steps" not in answer:
        return answer
    return answer | {
        "steps": [step | {name: say(step[name]) for name in ("question", "sentence")} for step in answer["steps"]],
        "what_would_change": [say(text) for text in answer["what_would_change"]],
        "notices": [notice | {"message": say(notice["message"])} for notice in answer["notices"]],
    }


def speaker(language: str) -> Say:
    """What puts a sentence into that language, with reason codes in words."""
    if language == "nl":
        from tl_hubspot.reporting import dutch

        return lambda sentence: dutch.say(_in_words(sentence))
    return lambda sentence: str(_in_words(sentence))


def said(error: ConfigurationError, language: str) -> ConfigurationError:
    """The error in that language."""
    say = speaker(language)
    return ConfigurationError(say(error.what), where=error.where, mend=say(error.mend))


def _in_words(sentence: str) -> str:
    if not isinstance(sentence, Told) or not sentence.pattern:
        return sentence
    values = {k: _in_words(v) if isinstance(v, str) else v for k, v in sentence.values.items()}
    return told(sentence.pattern, **{k: meaning(v) if k == "reason" else v for k, v in values.items()})


def _steps(say: Say, steps: list[dict[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for step in steps:
        if step["outcome"] == "not reached":
            continue
        hit = step["outcome"] == "hit"
        sentence = Text(say(step["sentence"]), style="bold" if hit else "")
        table.add_row(f"{'►' if hit else ' '} {step['number']}", sentence)
    return table


def _section(say: Say, title: str, sentences: Iterable[str]) -> list[RenderableType]:
    lines = [Padding(Text(say(s)), (0, 0, 0, 3)) for s in sentences if s]
    return [Text(f"\n{say(title)}", style="bold"), *lines] if lines else []


def _in_hubspot(answer: dict[str, Any]) -> Iterator[str]:
    if answer["hubspot_id"]:
        yield told("Its HubSpot record is {id}.", id=answer["hubspot_id"])
    else:
        yield "It has no HubSpot record."
    planned = next((row for row in answer["planned"] if row["action"] == "update"), None)
    if planned and not answer["hubspot_id"]:
        yield told("The plan updates HubSpot record {id}.", id=planned["hubspot_id"])
    for hubspot_id in answer["alike_in_hubspot"]:
        yield told(_ALIKE[answer["entity_type"]], id=hubspot_id)
    if matching := answer["matching"]:
        if matching["linked_at"]:
            day = date.fromisoformat(matching["linked_at"][:10])
            yield told("They are linked since {day} (run {run}).", day=day, run=matching["linked_by_run"][:8])
        if matching["key"] == "created":
            yield "The sync made the HubSpot record."
        elif matching["key"]:
            yield told("They were matched because {why}.", why=_KEYS[matching["key"]])
        for key in matching["agrees"]:
            if key != matching["key"]:
                yield told("They agree: {why}.", why=_KEYS[key])
    if outcome := answer["outcome"]:
        yield told(_BUCKETS[outcome["bucket"]], meaning=meaning(outcome["reason"], answer["entity_type"]))
        if outcome["bucket"] == "held":
            yield to_do(outcome["reason"], answer["entity_type"], answer["teamleader_id"])
    yield from (notice["message"] for notice in answer["notices"])


def _not_from_teamleader(answer: dict[str, Any]) -> str:
    if answer["hubspot_id"]:
        return told("HubSpot contact {id} does not come from Teamleader.", id=answer["hubspot_id"])
    return told("Crmoffice contact {id} does not come from Teamleader.", id=answer["crmoffice"]["crmoffice_id"])


def _between(say: Say, answer: dict[str, Any]) -> list[RenderableType]:
    """The contact between HubSpot and Crmoffice; nothing where Crmoffice is not in use."""
    facts = answer.get("crmoffice")
    if not facts:
        return []
    parts = _section(say, "Between HubSpot and Crmoffice", explanation_pair.pair(facts))
    for heading, sentences in explanation_pair.fields(facts):
        parts.append(Padding(Text(say(heading), style="bold"), (0, 0, 0, 3)))
        parts += [Padding(Text(say(sentence)), (0, 0, 0, 6)) for sentence in sentences]
    parts += _section(say, "When both are edited", explanation_pair.rules(facts))
    return parts + _section(say, "Conflicts between HubSpot and Crmoffice", explanation_pair.conflicts(facts))


def _sentences_between(facts: dict[str, Any]) -> Iterator[str]:
    yield from explanation_pair.pair(facts)
    for heading, sentences in explanation_pair.fields(facts):
        yield heading
        yield from sentences
    yield from explanation_pair.rules(facts)
    yield from explanation_pair.conflicts(facts)


def _failure(say: Say, answer: dict[str, Any]) -> list[RenderableType]:
    failure = answer["failure"]
    if not failure:
        return []
    advised = advice(failure["reason"])
    times = "once" if failure["attempts"] == 1 else told("{attempts} times", attempts=failure["attempts"])
    return _section(
        say,
        "What failed",
        [
            told(
                "Writing it fails since {since} UTC, tried {times}; the first run after {next} UTC tries again.",
                since=_minute(failure["since"]),
                times=times,
                next=_minute(failure["next_attempt_at"]),
            ),
            told("Why: {why}.", why=advised.means),
            _said_of(failure),
            advised.do,
        ],
    )


def _said_of(failure: dict[str, Any]) -> str:
    """The message of a failure: HubSpot's own words, unless it was not asked."""
    message = failure["message"] or ""
    return told("HubSpot says: {message}", message=message) if message and failure["http_status"] else message


def _pushes(say: Say, pushes: list[dict[str, Any]]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for push in pushes:
        title = told(
            "{when} UTC: {action}, {state}",
            when=_minute(push["settled_at"] or push["intended_at"]),
            action=_ACTIONS.get(push["action"], push["action"].replace("_", " ")),
            state=_STATES[push["state"]],
        )
        empty = say("(empty)")
        lines = [
            f"{name}: {value.get('before') or empty} → {value.get('after') or empty}"
            for name, value in push["fields"].items()
        ]
        if push["message"]:
            lines.append(say(push["message"]))
        parts.extend(_section(say, title, lines or ["no fields"]))
    return parts


def _minute(instant: str | None) -> str:
    return (instant or "")[:16].replace("T", " ")
