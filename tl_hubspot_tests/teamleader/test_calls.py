"""The plan of calls: the cheaper way wins, only contacts that matter are read, and the numbers are right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_hubspot.teamleader.calls import plan_calls


def ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def test_few_companies_are_read_instead_of_many_contacts() -> None:
    plan = plan_calls(ids("company", 200), ids("contact", 1000), linked=ids("contact", 850), several_companies=0.1)
    assert plan.way == "companies.info"
    assert plan.company_ids == frozenset(ids("company", 200))
    assert plan.contact_ids == frozenset()
    assert (plan.calls_by_company, plan.calls_by_contact, plan.calls) == (200 + 85, 850, 285)
    assert plan.minutes(190) == pytest.approx(1.5)


def test_few_linked_contacts_are_read_instead_of_many_companies() -> None:
    plan = plan_calls(ids("company", 12_000), ids("contact", 5_000), linked=[*ids("contact", 700), *ids("old", 9_000)])
    assert plan.way == "contacts.info"
    assert plan.contact_ids == frozenset(ids("contact", 700))
    assert plan.company_ids == frozenset()
    assert plan.calls == plan.calls_by_contact == 700


def test_unknown_links_count_every_contact_and_a_probe_may_be_worth_its_calls() -> None:
    plan = plan_calls(ids("company", 12_000), ids("contact", 5_000), all_contacts=50_000)
    assert plan.way == "contacts.info"
    assert plan.calls == 5_000
    assert plan.probe_calls == 508
    assert plan.probe_worthwhile
    assert not plan_calls(ids("company", 20), ids("contact", 5_000), all_contacts=50_000).probe_worthwhile
    assert not plan_calls(ids("company", 12_000), ids("contact", 5_000), linked=[]).probe_worthwhile


def test_one_company_needs_no_order() -> None:
    assert plan_calls(ids("company", 1), ids("contact", 5), linked=ids("contact", 5)).calls == 1


@pytest.mark.parametrize(("companies", "contacts"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_to_link(companies: int, contacts: int) -> None:
    plan = plan_calls(ids("company", companies), ids("contact", contacts))
    assert (plan.way, plan.calls) == ("none", 0)


def test_nobody_is_linked() -> None:
    plan = plan_calls(ids("company", 5), ids("contact", 5), linked=[])
    assert (plan.way, plan.calls, plan.contact_ids) == ("none", 0, frozenset())


@given(
    companies=st.sets(st.integers(0, 60), min_size=1),
    contacts=st.sets(st.integers(0, 60), min_size=1),
    linked=st.none() | st.sets(st.integers(0, 60)),
    several=st.floats(0, 1),
)
def test_the_plan_is_never_dearer_than_either_way_and_reads_all_that_may_be_linked(
    companies: set[int], contacts: set[int], linked: set[int] | None, several: float
) -> None:
    names = {f"p{n}" for n in contacts}
    known = None if linked is None else {f"p{n}" for n in linked}
    plan = plan_calls({f"c{n}" for n in companies}, names, linked=known, several_companies=several)
    assert plan.calls == min(plan.calls_by_company, plan.calls_by_contact)
    candidates = names if known is None else names & known
    if plan.way == "contacts.info":
        assert plan.contact_ids == candidates
        assert plan.calls == len(candidates)
    elif plan.way == "companies.info":
        assert plan.company_ids == {f"c{n}" for n in companies}
        assert len(companies) <= plan.calls < len(candidates)
    else:
        assert not candidates
