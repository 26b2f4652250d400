"""Eligible records and relations, and what the winner of duplicates gets from the losers."""

from __future__ import annotations

from typing import Any

from tl_hubspot.rules import eligible
from tl_hubspot.rules.evaluate import Decisions, Source, evaluate
from tl_hubspot.warehouse.rows import polars_schema
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import company, contact, deal

VAT = "BE0899623035"


def world(**parts: Any) -> tuple[Source, Decisions]:
    source = b.source(**({"companies": b.companies(*(company(f"k{i}") for i in (1, 2, 3)))} | parts))
    return source, evaluate(source, b.settings())


def contacts(source: Source, decided: Decisions) -> dict[str, dict[str, Any]]:
    frame = eligible.contacts(decided.contacts, decided.companies, source.contact_company_links)
    assert dict(frame.schema) == polars_schema("eligible.contacts")
    return b.rows(frame)


def relations(source: Source, decided: Decisions) -> set[tuple[str, str, bool]]:
    eligible_deals = eligible.deals(decided.deals, decided.companies)
    frame = eligible.relations(eligible_deals, decided.contacts, decided.companies, source.contact_company_links)
    assert dict(frame.schema) == polars_schema("eligible.relations")
    assert not frame.select("from_type", "from_id", "to_type", "to_id").is_duplicated().any()
    return {(row["from_id"], row["to_id"], row["is_first"]) for row in frame.iter_rows(named=True)}


def test_contacts() -> None:
    found = contacts(
        *world(
            contacts=b.contacts(contact("c1"), contact("c2", changed="2022-01-01"), contact("c3", email=None)),
            contact_company_links=b.links(("c1", "k2", "CFO", 1), ("c1", "k1", "CEO", 0), ("c1", "k3", "CTO", 2)),
        )
    )
    assert found["c1"] == {
        "teamleader_id": "c1",
        "marketing": True,
        "reason": "changed_within_2_years",
        "address": "c1@example.com",
        "first_company_id": "k1",
        "jobtitle": "CEO",
    }
    assert (found["c2"]["marketing"], found["c2"]["first_company_id"], found["c2"]["jobtitle"]) == (False, None, None)
    assert found.keys() == {"c1", "c2"}


def test_links_to_unknown_companies_do_not_count_as_listed() -> None:
    found = contacts(
        *world(
            contacts=b.contacts(contact("c1")),
            contact_company_links=b.links(("c1", "gone", "CEO", 0), ("c1", "k1", None, 1), ("c1", "k2", "CTO", 2)),
        )
    )
    assert (found["c1"]["first_company_id"], found["c1"]["jobtitle"]) == ("k1", None)


def test_links_without_rank_come_last_by_id() -> None:
    found = contacts(
        *world(
            contacts=b.contacts(contact("c1")),
            contact_company_links=b.links(("c1", "k3", "c", None), ("c1", "k2", "b", None), ("c1", "k1", "a", None)),
        )
    )
    assert found["c1"]["jobtitle"] == "a"


def test_companies_with_their_members() -> None:
    _, decided = world(
        companies=b.companies(
            company("k1", vat_number=VAT),
            company("k2", vat_number=VAT, updated="2026-09-01", website="acme.be"),
            company("k3", vat_number=VAT),
            company("k4"),
        ),
        contacts=b.contacts(contact("c1")),
        contact_company_links=b.links(("c1", "k1", "CEO", 0)),
    )
    frame = eligible.companies(decided.companies)
    assert dict(frame.schema) == polars_schema("eligible.companies")
    assert frame.rows() == [("k2", ["k2", "k1", "k3"], VAT, "acme.be", "company k2")]


def test_relations_go_to_the_winner_of_the_group_once() -> None:
    found = relations(
        *world(
            companies=b.companies(company("k1", vat_number=VAT), company("k2", vat_number=VAT), company("k3")),
            contacts=b.contacts(contact("c1"), contact("c2")),
            contact_company_links=b.links(
                ("c1", "k2", "b", 0), ("c1", "k3", "c", 1), ("c1", "k1", "a", 2), ("c2", "k1")
            ),
        )
    )
    assert found == {("c1", "k1", True), ("c1", "k3", False), ("c2", "k1", True)}


SAME = {"email": "ann@example.com"}


def test_company_links_of_a_duplicate_count_for_the_winner() -> None:
    source, decided = world(
        contacts=b.contacts(contact("c2", **SAME), contact("c1", changed="2026-01-01", **SAME)),
        contact_company_links=b.links(("c2", "k2", "own", 0), ("c1", "k1", "theirs", 0), ("c1", "k2", "theirs", 1)),
    )
    assert b.outcomes(decided.companies)["k1"] == ("sync", "eligible_contact")
    assert relations(source, decided) == {("c2", "k2", True), ("c2", "k1", False)}
    assert contacts(source, decided)["c2"]["jobtitle"] == "own"


def test_a_winner_without_company_link_gets_first_company_and_job_from_the_loser() -> None:
    source, decided = world(
        contacts=b.contacts(contact("c2", **SAME), contact("c1", changed="2026-01-01", **SAME)),
        contact_company_links=b.links(("c1", "k3", "second", 1), ("c1", "k1", "first", 0)),
    )
    assert relations(source, decided) == {("c2", "k1", True), ("c2", "k3", False)}
    assert contacts(source, decided)["c2"]["jobtitle"] == "first"


def test_contacts_stopped_by_another_rule_hand_over_nothing() -> None:
    source, decided = world(
        contacts=b.contacts(contact("c2", **SAME), contact("c1", changed="2015-01-01", **SAME)),
        contact_company_links=b.links(("c1", "k1", "old", 0)),
        deals=b.deals(deal("d1", customer_id="c1")),
    )
    assert relations(source, decided) == set()
    assert b.outcomes(decided.deals) == {"d1": ("skip", "contact_not_eligible")}
    assert contacts(source, decided)["c2"]["first_company_id"] is None


def test_deals() -> None:
    at_company = {"customer_type": "company", "contact_person_id": "c1"}
    source, decided = world(
        companies=b.companies(company("k1", vat_number=VAT), company("k2", vat_number=VAT), company("k3")),
        contacts=b.contacts(contact("c1", changed="2026-01-01", **SAME), contact("c2", **SAME)),
        contact_company_links=b.links(("c1", "k1")),
        deals=b.deals(
            deal("d1", customer_id="c1"),
            deal("d2", customer_id="k2", **at_company),
            deal("d3", customer_id="k3", **at_company),
            deal("d4", customer_id="k1", current_phase_id="f9", created_at="2023-01-01", **at_company),
            deal("d5", customer_id=None),
        ),
    )
    frame = eligible.deals(decided.deals, decided.companies)
    assert dict(frame.schema) == polars_schema("eligible.deals")
    assert frame.rows() == [
        ("d1", "", "changed_within_2_years", "c2", None),
        ("d2", "", "changed_within_2_years", "c2", "k1"),
        ("d3", "", "changed_within_2_years", "c2", None),
        ("d4", "inactief", "unmapped_stage", "c2", "k1"),
    ]
    assert {pair for pair in relations(source, decided) if pair[0].startswith("d")} == {
        *((f"d{i}", "c2", False) for i in (1, 2, 3, 4)),
        ("d2", "k1", False),
        ("d4", "k1", False),
    }


def test_nothing_at_all() -> None:
    source, decided = world(companies=b.companies())
    assert contacts(source, decided) == {}
    assert relations(source, decided) == set()
    assert eligible.companies(decided.companies).is_empty()
