"""The computed numbers: the cheaper way wins, a probe is made only where it pays, and re-reads keep their promise."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_hubspot.teamleader.calls import PROBES, CallBook, list_calls, minutes, plan_links, reference_calls, rereads


@pytest.mark.parametrize(("records", "calls"), [(0, 1), (1, 1), (99, 1), (100, 2), (101, 2), (250, 3), (50_000, 501)])
def test_a_list_takes_a_call_per_page_and_one_more_when_the_last_page_is_full(records: int, calls: int) -> None:
    assert list_calls(records) == calls


def test_small_lists_and_minutes() -> None:
    assert reference_calls(2) == 8
    assert minutes(1_800, 180) == 10


def test_few_companies_are_read_instead_of_many_contacts() -> None:
    plan = plan_links(200, 850)
    assert (plan.way, plan.by_company, plan.by_contact, plan.calls) == ("companies.info", 200 + 85, 850, 285)


def test_few_contacts_are_read_instead_of_many_companies() -> None:
    plan = plan_links(12_000, 700)
    assert (plan.way, plan.by_contact, plan.calls) == ("contacts.info", 700, 700)


def test_one_company_needs_no_order() -> None:
    assert plan_links(1, 5).calls == 1


@pytest.mark.parametrize(("companies", "contacts"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_to_link(companies: int, contacts: int) -> None:
    plan = plan_links(companies, contacts)
    assert (plan.way, plan.calls, plan.probe) == ("none", 0, "no")


@pytest.mark.parametrize(
    ("companies", "contacts", "probe"),
    [
        (12_000, 5_000, "yes"),  # by contact anyway: whoever has no company is a call saved
        (12_000, 60, "no"),  # too few to be worth a list
        (4_000, 5_000, "look"),  # by company, unless more than 600 or so have none
        (20, 5_000, "look"),
        (1, 2, "no"),
    ],
)
def test_the_list_of_contacts_without_a_company_is_read_where_it_pays(
    companies: int, contacts: int, probe: str
) -> None:
    assert plan_links(companies, contacts).probe == probe


@given(companies=st.integers(1, 3_000), contacts=st.integers(1, 3_000), unlinked=st.integers(0, 3_000))
def test_above_the_break_even_the_way_by_contact_with_its_list_is_the_cheaper_one(
    companies: int, contacts: int, unlinked: int
) -> None:
    plan = plan_links(companies, contacts)
    if plan.way != "companies.info" or unlinked > contacts:
        return
    with_list = contacts - unlinked + unlinked / 100 + PROBES + 1
    if unlinked > plan.break_even:
        assert with_list < plan.by_company
    elif unlinked < plan.break_even - 1:
        assert with_list >= plan.by_company


@given(companies=st.integers(0, 5_000), contacts=st.integers(0, 5_000), several=st.floats(0, 1))
def test_the_plan_is_never_dearer_than_either_way(companies: int, contacts: int, several: float) -> None:
    plan = plan_links(companies, contacts, several)
    if not companies or not contacts:
        assert plan.calls == 0
        return
    assert plan.calls == min(plan.by_company, plan.by_contact)
    assert plan.by_contact == contacts
    assert companies <= plan.by_company <= companies + contacts
    if not plan.is_open and several <= 0.6 and companies > 1:
        # whatever the share of contacts with several companies, the way is the same
        assert plan.way == plan_links(companies, contacts, 0.3).way or contacts == companies + ceil(0.6 * contacts)


@given(owners=st.integers(0, 400), days=st.integers(1, 30), gap=st.floats(0.05, 40))
def test_with_so_many_at_every_reading_each_record_has_its_turn_in_time(owners: int, days: int, gap: float) -> None:
    count = rereads(owners, days, gap)
    ages = [0.0] * owners
    worst = 0.0
    for _ in range(ceil(3 * days / gap)):
        ages = sorted((age + gap for age in ages), reverse=True)
        worst = max([worst, *ages[:1]])
        ages = [0.0] * min(count, owners) + ages[count:]
    # a promise shorter than the time between two readings cannot be kept: then all are read every time
    assert worst <= max(days, gap) + 1e-6
    assert count <= owners


def test_the_book_tells_what_was_not_planned_from_nothing() -> None:
    book = CallBook()
    book.minimum["contacts"] += 3
    assert "contacts" not in book.planned
    assert book.made["contacts"] == 0
