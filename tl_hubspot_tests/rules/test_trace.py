"""What people read: the steps of one record, and what would change it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tl_hubspot.rules import trace
from tl_hubspot.rules.ageing import ageing
from tl_hubspot.rules.evaluate import Source
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import company, contact, deal


def one_contact(*rows: dict[str, Any], linked: Any = (), **settings: Any) -> tuple[str, Source, RuleSettings]:
    return rows[0]["id"], b.source(contacts=b.contacts(*rows), linked_contacts=linked), b.settings(**settings)


def test_steps_of_a_contact() -> None:
    told = trace.trace_contact(*one_contact(contact("c1", changed="2023-05-03", email=" Ann@Example.com")))
    assert [step.number for step in told] == list(range(1, 12))
    assert [step.outcome for step in told] == ["passed"] * 10 + ["hit"]
    fourth = told[3]
    assert fourth.question == "Was it changed in the last 5 years?"
    assert (fourth.input, fourth.limit, fourth.date) == ("2023-05-03", date(2021, 11, 2), date(2023, 5, 3))
    assert fourth.sentence == (
        "Last changed on 3 May 2023; that is not more than 5 years ago (limit 2 November 2021), so it may be imported."
    )
    assert (fourth.status, fourth.reason) == (None, None)
    assert told[0].input == "Ann@Example.com"
    assert told[1].input == "ann@example.com"
    assert (told[-1].status, told[-1].reason) == ("non_marketing", "changed_2_to_5_years")


@pytest.mark.parametrize(
    ("rows", "number", "words"),
    [
        ([contact("c1", email=None)], 1, "no e-mail address"),
        ([contact("c1", email="x")], 2, "not a valid one"),
        ([contact("c1", updated_at=None, added_at=None, changed_at=None)], 3, "age is not known"),
        ([contact("c1", changed="2020-02-29")], 4, "29 February 2020; that is more than 5 years ago"),
        ([contact("c1", status="deactivated")], 5, "never in HubSpot"),
        ([contact("c1"), contact("c2", email="c1@example.com", changed="2026-06-01")], 6, "Contact c2 has the same"),
        (
            [contact("c1", marketing_mails_consent=False)],
            7,
            "switched off for this contact in Teamleader, which counts as an opt-out",
        ),
        (
            [contact("c1"), contact("c2", email="c1@example.com", changed="2016-01-01", marketing_mails_consent=False)],
            7,
            "Contact c2 with the same e-mail address opted out",
        ),
        ([contact("c1", marketing_mails_consent=None)], 8, "does not say whether there is consent"),
        ([contact("c1", changed="2027-01-01")], 10, "1 January 2027 (a date in the future); that is less than 2 years"),
        ([contact("c1", changed="2024-11-02")], 11, "between 2 and 5 years ago"),
    ],
)
def test_sentence_that_decides(rows: list[dict[str, Any]], number: int, words: str) -> None:
    told = trace.trace_contact(*one_contact(*rows))
    hit = next(step for step in told if step.outcome == "hit")
    assert hit.number == number
    assert words in hit.sentence
    assert [step.outcome for step in told[number:]] == ["not reached"] * (11 - number)
    assert all(f"rule {number} decided" in step.sentence for step in told[number:])


def test_steps_of_a_company() -> None:
    source = b.source(
        companies=b.companies(company("k1", vat_number="BE0899623035"), company("k2", vat_number="0899623035")),
        contacts=b.contacts(contact("c1")),
        contact_company_links=b.links(("c1", "k2")),
    )
    told = trace.trace_company("k1", source, b.settings())
    assert [step.outcome for step in told] == ["passed", "hit", "not reached"]
    assert told[1].sentence == "Contact c1 works here and is imported, so the company is imported too."
    lost = trace.trace_company("k2", source, b.settings())[0]
    assert (lost.outcome, lost.reason, lost.input) == ("hit", "duplicate_company", "BE0899623035")
    assert "Company k1 is the same company (VAT number)" in lost.sentence


@pytest.mark.parametrize(
    ("row", "settings", "number", "words"),
    [
        (deal("d1", customer_id=None), {}, 1, "names no contact"),
        (deal("d1", customer_id="c2"), {}, 2, "Contact c2 is not imported (too_old)"),
        (deal("d1", customer_id="c9"), {}, 2, "Contact c9 does not exist"),
        (deal("d1"), {}, 3, "Its status last changed on 1 May 2026; that is less than 2 years ago"),
        (deal("d1", created_at="2022-03-01"), {}, 4, "Created on 1 March 2022; that is not more than 5 years ago"),
        (deal("d1", created_at="2012-03-01"), {}, 5, "stays out of HubSpot"),
        (deal("d1", status="won", closed_at="2026-01-01"), {}, 6, "Its status last changed on 1 May 2026"),
        (deal("d1", status="won", created_at="2012-03-01"), {}, 7, "stays out"),
        (deal("d1", status="won"), {"deals_closed": "never"}, 7, "stays out"),
    ],
)
def test_steps_of_a_deal(row: dict[str, Any], settings: dict[str, Any], number: int, words: str) -> None:
    people = b.contacts(contact("c1"), contact("c2", changed="2015-01-01"))
    told = trace.trace_deal("d1", b.source(contacts=people, deals=b.deals(row)), b.settings(**settings))
    hit = next(step for step in told if step.outcome == "hit")
    assert hit.number == number
    assert words in hit.sentence


def test_a_held_deal_shows_the_rule_and_the_hold() -> None:
    row = deal("d1", created_at="2023-01-01", current_phase_id="f9")
    told = trace.trace_deal("d1", b.source(contacts=b.contacts(contact("c1")), deals=b.deals(row)), b.settings())
    assert [(s.number, s.reason) for s in told if s.outcome == "hit"] == [(4, "inactive"), (8, "unmapped_stage")]
    assert "held until somebody maps it" in told[-1].sentence


@pytest.mark.parametrize("tell", [trace.trace_contact, trace.trace_company, trace.trace_deal])
def test_unknown_record(tell: Any) -> None:
    with pytest.raises(KeyError, match="nobody"):
        tell("nobody", b.source(contacts=b.contacts(contact("c1"))), b.settings())
    with pytest.raises(KeyError, match="nobody"):
        trace.what_would_change(tell.__name__.removeprefix("trace_"), "nobody", b.source(), b.settings())
    with pytest.raises(ValueError, match="is not contact, company or deal"):
        trace.what_would_change("person", "nobody", b.source(), b.settings())


BOX = "the box for marketing e-mail in Teamleader makes it a"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [contact("c1", changed="2025-03-04")],
            [
                f"Unticking {BOX} non-marketing contact.",
                "Becomes non-marketing on 2027-03-04.",
                "Goes out of scope on 2030-03-05.",
            ],
        ),
        (
            [contact("c1", changed="2023-03-04")],
            ["An edit in Teamleader today makes it a marketing contact.", "Goes out of scope on 2028-03-05."],
        ),
        (
            [contact("c1", changed="2019-03-04", marketing_mails_consent=False)],
            [
                "An edit in Teamleader today makes it a non-marketing contact.",
                f"Ticking {BOX} marketing contact.",
            ],
        ),
        ([contact("c1", email=None)], ["A valid e-mail address in Teamleader makes it a marketing contact."]),
        (
            [contact("c1", status="deactivated")],
            ["Activating it in Teamleader makes it a marketing contact."],
        ),
        (
            # another contact opted the address out: no box of this one helps
            [contact("c1"), contact("c2", email="c1@example.com", changed="2015-01-01", marketing_mails_consent=False)],
            ["Goes out of scope on 2031-05-02."],
        ),
        (
            [contact("c1", changed="2026-04-01"), contact("c2", email="c1@example.com")],
            [
                "An edit in Teamleader today makes it a marketing contact.",
                "Without contact c2, or with another address there, it is a marketing contact.",
            ],
        ),
        (
            # the deactivated one takes over when the active one is too old
            [
                contact("c1", status="deactivated", changed="2025-01-01"),
                contact("c2", email="c1@example.com", changed="2022-01-01"),
            ],
            [
                "Activating it in Teamleader makes it a marketing contact.",
                "Without contact c2, or with another address there, it is a non-marketing contact.",
                "Becomes non-marketing on 2027-01-02.",
                "Goes out of scope on 2030-01-02.",
            ],
        ),
    ],
)
def test_what_would_change_a_contact(rows: list[dict[str, Any]], expected: list[str]) -> None:
    contact_id, source, settings = one_contact(*rows, linked={"c1"} if len(rows) > 1 else ())
    told = trace.what_would_change("contact", contact_id, source, settings)
    assert told == expected


def test_what_would_change_a_company() -> None:
    source = b.source(
        companies=b.companies(company("k1"), company("k2"), company("k3", name="Company k1"), company("k4")),
        contacts=b.contacts(contact("c1", changed="2022-05-05"), contact("c2", changed="2010-01-01")),
        contact_company_links=b.links(("c1", "k1"), ("c2", "k2"), ("c2", "k1")),
    )

    def told(company_id: str) -> list[str]:
        return trace.what_would_change("company", company_id, source, b.settings())

    assert told("k1") == ["Goes out of scope on 2027-05-06, when no contact that works here is imported any more."]
    assert told("k2") == [
        "A link in Teamleader to a contact that is imported brings it into HubSpot.",
        "Contact c2 works here but is left out (too_old); once it is imported, the company is too.",
    ]
    assert told("k3") == ["It is the same as company k1, which stands for it and is in scope."]
    assert told("k4") == ["A link in Teamleader to a contact that is imported brings it into HubSpot."]


@pytest.mark.parametrize(
    ("row", "people", "expected"),
    [
        (
            deal("d1", created_at="2026-05-01"),
            [contact("c1", changed="2026-10-10")],
            ["Gets the label inactief on 2028-05-01.", "Goes out of scope on 2031-05-02."],
        ),
        (
            deal("d1", created_at="2023-05-01"),
            [contact("c1", changed="2026-10-10")],
            [
                "A change of phase in Teamleader today takes the label inactief away.",
                "Goes out of scope on 2028-05-02.",
            ],
        ),
        (
            deal("d1", customer_id=None),
            [contact("c1")],
            ["Naming a contact that is imported brings it into HubSpot."],
        ),
        (
            deal("d1", customer_id="c2"),
            [contact("c2", changed="2010-01-01")],
            ["Importing contact c2 brings it into HubSpot."],
        ),
        (
            deal("d1", current_phase_id="f9"),
            [contact("c1", changed="2026-10-10")],
            [
                "A stage in HubSpot for it brings it into HubSpot.",
                # held deals that are in HubSpot already get their other fields, the label too
                "Gets the label inactief on 2028-05-01.",
                "Goes out of scope on 2031-05-02.",
            ],
        ),
    ],
)
def test_what_would_change_a_deal(row: dict[str, Any], people: list[dict[str, Any]], expected: list[str]) -> None:
    source = b.source(contacts=b.contacts(*people), deals=b.deals(row))
    assert trace.what_would_change("deal", "d1", source, b.settings()) == expected


def test_ageing() -> None:
    source = b.source(
        contacts=b.contacts(
            contact("c1", changed="2024-11-03"),
            contact("c2", changed="2021-11-02"),
            contact("c3", changed="2025-02-01"),
            contact("c4", changed="2024-02-29", marketing_mails_consent=False),
        ),
        companies=b.companies(company("k1")),
        contact_company_links=b.links(("c2", "k1")),
        deals=b.deals(
            deal("d1", customer_id="c2"),
            deal("d2", created_at="2024-12-24"),
            deal("d3", created_at="2021-12-31T23:30:00"),
            deal("d4", status="won", created_at="2020-01-01", closed_at="2025-01-01"),
        ),
    )
    found = ageing(source, b.settings(), 90)
    columns = ("teamleader_id", "old_reason", "reason", "effect")
    assert [(str(r["on"]), *(r[name] for name in columns)) for r in found.iter_rows(named=True)] == [
        ("2026-11-03", "k1", "eligible_contact", "no_eligible_contact", "out_of_scope"),
        ("2026-11-03", "c1", "changed_within_2_years", "changed_2_to_5_years", "non_marketing"),
        ("2026-11-03", "c2", "changed_2_to_5_years", "too_old", "out_of_scope"),
        ("2026-11-03", "d1", "changed_within_2_years", "contact_not_eligible", "out_of_scope"),
        ("2026-12-24", "d2", "changed_within_2_years", "inactive", "inactive"),
        ("2027-01-01", "d4", "closed", "closed_too_old", "out_of_scope"),
        # created on 1 January 2022 in Brussels
        ("2027-01-02", "d3", "inactive", "too_old", "out_of_scope"),
    ]


def test_what_a_change_of_decision_means() -> None:
    people = b.contacts(
        # the deactivated one is linked and takes over when the active one is too old, then ages itself
        contact("c1", status="deactivated", changed="2022-01-01"),
        contact("c2", email="c1@example.com", changed="2021-11-10"),
        # one that is left out all the same
        contact("c3", email="c4@example.com", changed="2021-11-20"),
        contact("c4", changed="2026-01-01"),
    )
    found = ageing(b.source(contacts=people, linked_contacts={"c1"}), b.settings(), 70)
    assert found.select("teamleader_id", "effect").rows() == [
        ("c1", "in_scope"),
        ("c2", "out_of_scope"),
        ("c3", "none"),
        ("c1", "out_of_scope"),
    ]
