"""Which records are worth a call: contacts whose links may count, deals whose decision needs their phases."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings

from tl_hubspot.rules import contacts as contact_rules
from tl_hubspot.rules import deals as deal_rules
from tl_hubspot.rules import demand
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import at, contact, deal


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        ({}, True),
        ({"email": None}, False),
        ({"email": "no address"}, False),
        ({"changed": "2021-11-02"}, True),  # exactly 5 years ago
        ({"changed": "2021-11-01"}, False),
        ({"changed": None, "added_at": None}, False),
        ({"changed": None, "added_at": at("2026-01-01")}, True),
        # a new link made it change, whatever Teamleader's own time says
        ({"changed": "2015-01-01", "changed_at": at("2026-01-01")}, True),
        # a record in HubSpot may carry its id
        ({"status": "deactivated"}, True),
    ],
)
def test_demand_for_company_links(values: dict[str, Any], needed: bool) -> None:
    wanted = demand.contact_links(b.contacts(contact("c1", **values)), b.settings())
    assert wanted["id"].to_list() == (["c1"] if needed else [])


def test_demand_looks_at_its_columns_only() -> None:
    frame = b.contacts(contact("c1"), contact("c2", email=None)).select(demand.CONTACT_COLUMNS)
    assert demand.contact_links(frame, b.settings())["id"].to_list() == ["c1"]


@given(source=b.sources())
@settings(max_examples=60, deadline=None)
def test_no_contact_that_counts_is_left_out(source: Any) -> None:
    rules = b.settings()
    decisions = contact_rules.decide(source.contacts, source.linked_contacts, rules)
    counting = set(contact_rules.eligible_ids(decisions)["contact_id"])
    assert counting <= set(demand.contact_links(source.contacts, rules)["id"])


OLD = {"created_at": "2020-01-01", "updated_at": at("2026-01-01")}


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        ({**OLD, "customer_type": "contact", "customer_id": "here"}, True),
        ({**OLD, "customer_type": "contact", "customer_id": "other"}, False),
        ({**OLD, "customer_type": "company", "customer_id": "here", "contact_person_id": None}, False),
        ({**OLD, "customer_type": "company", "customer_id": "k", "contact_person_id": "here"}, True),
        # the customer goes first when it is a contact
        ({**OLD, "customer_type": "contact", "customer_id": "other", "contact_person_id": "here"}, False),
        ({**OLD, "customer_type": None, "customer_id": None, "contact_person_id": None}, False),
    ],
)
def test_deals_of_contacts_that_cannot_be_eligible_need_no_history(values: dict[str, Any], needed: bool) -> None:
    row = b.deals(deal("d1", **values))
    for ids in (pl.Series("id", ["here", "third"]), pl.DataFrame({"id": ["here", "third"]})):
        assert demand.phase_history(row, b.settings(), ids).height == int(needed)


@pytest.mark.parametrize(("closed", "needed"), [("recent", True), ("linked_only", False), ("never", False)])
def test_closed_deals_need_history_only_where_recently_closed_ones_are_wanted(closed: str, needed: bool) -> None:
    row = deal("d1", **OLD, status="won", closed_at="2024-01-01")
    assert demand.phase_history(b.deals(row), b.settings(deals_closed=closed)).height == int(needed)


@given(source=b.sources(), rules=b.any_settings())
@settings(max_examples=80, deadline=None)
def test_history_that_is_not_read_changes_no_decision(source: Any, rules: Any) -> None:
    decisions = contact_rules.decide(source.contacts, source.linked_contacts, rules)
    wanted = demand.phase_history(source.deals, rules, demand.contact_links(source.contacts, rules))

    def decide(history: pl.DataFrame) -> pl.DataFrame:
        decided = deal_rules.decide(source.deals, history, decisions, source.linked_deals, b.MAPPED, rules)
        return decided.select("teamleader_id", "status", "reason", "label")

    history = source.deal_phase_history
    assert decide(history).equals(decide(history.join(wanted, left_on="deal_id", right_on="id", how="semi")))
