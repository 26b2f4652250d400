"""What `explain` prints: Dutch for all that the rules and the frame say, and every part that a record may have."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from tl_hubspot import rules
from tl_hubspot.orchestration.steps import looking_up, published
from tl_hubspot.planning import adopt, desired, match_companies, match_contacts, match_frames, plan_entity, relations
from tl_hubspot.pushing import push, records, recovery
from tl_hubspot.reporting import explanation, explanation_pair, reasons, two_way_waiting, words
from tl_hubspot.reporting.dutch import PATTERNS, say
from tl_hubspot.rules import trace
from tl_hubspot.rules.told import told
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import contact


def _sentences(path: Path) -> set[str]:
    """Texts of more than one word in a module, without docstrings and what f-strings are made of."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    left_out |= {id(part) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in n.values}
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in left_out]
    codes = {"not reached", "consent given", "no consent"}
    texts = {n.value for n in found if isinstance(n.value, str) and " " in n.value.strip()} - codes
    return {text for text in texts if not text.startswith("^")}  # a regular expression


_PARTS = {
    "; it is left out.": "A value of this deal does not fit the property dealname; it is left out.",
    "A value of this x1 does not fit the property ": "",
    "Teamleader no longer links this x1 to this x1; the link in HubSpot is ": (
        "Teamleader no longer links this deal to this contact; the link in HubSpot is kept."
    ),
    "interrupted, and somebody else has changed it since": (
        "interrupted, and somebody else has changed it since: city; that value stays until Teamleader changes it"
    ),
    "x1; that value stays until Teamleader changes it": "",
    ", as last read on x1 UTC": "",
}
"""Sentences that are put together: a part of each, and a whole one."""


def _with_values(path: Path) -> set[str]:
    """Sentences of a module that people read, every value in them filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    within = {id(part) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in n.values}
    within |= {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    texts = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts.add("".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in within:
            texts.add(node.value)
    return {re.sub(r"\{[^}]*\}", "x1", text) for text in texts if _is_sentence(text)}


def _is_sentence(text: str) -> bool:
    is_code = re.match(r" ?(select|from|where|on|and|or|delete|update|join|regexp_replace)\b|/\(", text)
    return len(re.findall(r"[a-zA-Z]{2,}[ ,.;:]", re.sub(r"\{[^}]*\}", "", text))) > 2 and not is_code


@pytest.mark.parametrize("name", ["contacts", "companies", "deals", "rule", "trace"])
def test_everything_that_the_rules_say_has_a_dutch_form(name: str) -> None:
    said = _sentences(Path(str(rules.__file__)).with_name(f"{name}.py"))
    assert said
    assert said - PATTERNS.keys() == set()


def test_everything_around_the_rules_has_a_dutch_form() -> None:
    assert _sentences(Path(str(explanation.__file__))) - PATTERNS.keys() == set()
    assert _sentences(Path(str(explanation_pair.__file__))) - PATTERNS.keys() == set()
    assert {*two_way_waiting.CRMOFFICE.values(), *words.TO_DO.values()} <= PATTERNS.keys()
    advised = [*reasons.ADVICE.values(), reasons.advice("http_500"), reasons.advice(None)]
    assert {text for known in advised for text in (known.means, known.do)} - PATTERNS.keys() == set()
    assert set(words.MEANING.values()) <= PATTERNS.keys()


@pytest.mark.parametrize(
    "module",
    [
        *(adopt, desired, match_companies, match_contacts, match_frames, plan_entity, relations),
        *(records, recovery, push, looking_up, published),
    ],
    ids=lambda module: module.__name__.rpartition(".")[2],
)
def test_whatever_is_stored_or_raised_about_a_record_has_a_dutch_form(module: ModuleType) -> None:
    said = {_PARTS.get(text, text) for text in _with_values(Path(str(module.__file__)))} - {""}
    assert said
    assert {text for text in said if say(text) == text} == set()


def test_words_in_a_stored_sentence_are_dutch_too() -> None:
    sentence = "The responsible user of this company is no owner in HubSpot; the owner is left out."
    assert say(sentence) == (
        "De verantwoordelijke van dit record (bedrijf) is geen eigenaar in HubSpot; de eigenaar wordt weggelaten."
    )
    at = "Looked at Teamleader's ids, HubSpot's ids, as last read on 2026-11-02 11:00 UTC. Give a Teamleader id or a"
    assert say(f"{at} HubSpot id; a record added just now appears after the next run").startswith(
        "Gezocht in de id's van Teamleader en van HubSpot, laatst gelezen op 2026-11-02 11:00 UTC. Geef"
    )


@pytest.mark.parametrize(("english", "dutch"), PATTERNS.items())
def test_a_dutch_form_has_the_same_names(english: str, dutch: str) -> None:
    names = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, dutch)]
    assert names[0] == names[1]


def test_dates_and_nested_words_are_dutch_too() -> None:
    source = b.source(contacts=b.contacts(contact("c1", changed="2027-01-05")))
    told_of = trace.trace_contact("c1", source, b.settings())
    assert say(told_of[9].sentence) == (
        "Laatst gewijzigd op 5 januari 2027 (een datum in de toekomst); dat is minder dan 2 jaar geleden"
        " (grens 2 november 2024), dus het is een marketingcontact."
    )
    assert told_of[9].sentence.startswith("Last changed on 5 January 2027 (a date in the future); that")
    changes = trace.what_would_change("contact", "c1", source, b.settings())
    assert say(changes[0]) == (
        "Het vakje voor marketingmails in Teamleader uitvinken maakt er een contact zonder marketing van."
    )
    assert say("HubSpot's own words") == "HubSpot's own words"
    assert say(told("A pattern without Dutch {x}", x=1)) == "A pattern without Dutch 1"


def _answer(**values: Any) -> dict[str, Any]:
    whole = {
        "entity_type": "company",
        "teamleader_id": "k1",
        "hubspot_id": "77",
        "as_of": "2026-11-02T11:00:00+00:00",
        "deleted_in_teamleader": False,
        "decision": {"status": "sync", "reason": "eligible_contact", "duplicate_of": None, "label": None},
        "steps": [],
        "what_would_change": [],
        "hubspot": None,
        "matching": None,
        "alike_in_hubspot": [],
        "outcome": None,
        "planned": [],
        "notices": [],
        "failure": None,
        "last_pushes": [],
    }
    return whole | values


def _printed(answer: dict[str, Any], language: str = "en") -> str:
    console = Console(width=400, file=None, record=True, quiet=False)
    with console.capture() as captured:
        console.print(explanation.render(answer, language))
    return captured.get()


def test_matching_failure_and_pushes() -> None:
    answer = _answer(
        matching={"key": "vat", "agrees": ["vat", "name"], "linked_by_run": "0123456789", "linked_at": "2026-11-02T1"},
        failure={
            "reason": "validation_error",
            "message": "fax is no property",
            "http_status": 400,
            "since": "2026-11-01T10:11:12+00:00",
            "attempts": 3,
            "next_attempt_at": "2026-11-02T10:11:12+00:00",
        },
        last_pushes=[
            {
                "action": "update",
                "state": "failed",
                "settled_at": None,
                "intended_at": "2026-11-01T10:11:12+00:00",
                "fields": {"city": {"before": None, "after": "Gent"}},
                "message": None,
            }
        ],
    )
    english, dutch = _printed(answer), _printed(answer, "nl")
    for part in (
        "Company k1 belongs in HubSpot: one of its contacts is in HubSpot.",
        "They are linked since 2 November 2026 (run 01234567).",
        "They were matched because the VAT number is the same.",
        "They agree: the name is the same.",
        "Writing it fails since 2026-11-01 10:11 UTC, tried 3 times; the first run after 2026-11-02 10:11 UTC"
        " tries again.",
        "HubSpot says: fax is no property",
        "2026-11-01 10:11 UTC: updated, failed",
        "city: (empty) → Gent",
    ):
        assert part in english
    for part in (
        "Bedrijf k1 hoort in HubSpot: een van de contacten is in HubSpot.",
        "Ze werden samengebracht: het btw-nummer is hetzelfde.",
        "3 keer geprobeerd",
        "city: (leeg) → Gent",
    ):
        assert part in dutch


@pytest.mark.parametrize("opted_out", [True, False])
def test_whom_hubspot_shows_as_unsubscribed_is_no_marketing_contact(opted_out: bool) -> None:
    decision = {"status": "marketing", "reason": "changed_within_2_years", "duplicate_of": None, "label": None}
    shown = {"opted_out": opted_out, "marketable": True, "archived": False}
    printed = _printed(_answer(entity_type="contact", decision=decision, hubspot=shown, what_would_change=["Else."]))
    assert ("belongs in HubSpot as a marketing contact" in printed) is not opted_out
    assert ("HubSpot shows it as unsubscribed" in printed) is opted_out and "Else." in printed
