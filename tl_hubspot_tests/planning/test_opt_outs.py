"""Behaviour §3.3: an opted-out address that HubSpot has is unsubscribed once; nobody is ever subscribed."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.planning import match_contacts
from tl_hubspot.planning.json_text import dumps
from tl_hubspot.planning.opt_outs import OptOutPlan, plan_opt_outs
from tl_hubspot_tests.planning import builders_match as b

A, B, C = "a@example.be", "b@example.be", "c@example.be"
SKIP: b.Row = {"status": "skip", "reason": "too_old"}


def contact(contact_id: str, address: str | None, opted_out: bool = True, **more: Any) -> b.Row:
    return {"teamleader_id": contact_id, "address": address, "opted_out": opted_out, "consent": not opted_out, **more}


def run(
    contacts: list[b.Row],
    hubspot: list[b.Row],
    *,
    linked: dict[str, str] | None = None,
    pushed: dict[str, str | None] | None = None,
    remembered: dict[str, list[str]] | None = None,
) -> OptOutPlan:
    """Match the contacts that are not skipped, then plan the opt-outs of all."""
    decisions, mirror = b.contact_decisions(*contacts), b.hubspot_contacts(*hubspot)
    eligible = b.eligible_contacts(
        *decisions.filter(pl.col("status") != "skip").select("teamleader_id", "address").iter_rows()
    )
    matches = match_contacts.match(
        eligible, decisions, mirror, b.links("contact", linked), b.pushed(pushed), b.releases("contact")
    ).matches
    memory = ({"address": a, "unsubscribed": u} for a, u in (remembered or {}).items())
    return plan_opt_outs(decisions, mirror, matches, b.frame("sync.opt_outs", memory))


def calls(plan: OptOutPlan) -> list[tuple[Any, ...]]:
    """(teamleader_id, hubspot_id, address, addresses, existing) of each row."""
    rows = plan.changes.iter_rows(named=True)
    found = [(row["teamleader_id"], row["hubspot_id"], json.loads(row["details"])) for row in rows]
    return [(t, h, d["address"], d["addresses"], d["existing"]) for t, h, d in found]


def test_row_of_the_plan() -> None:
    row = run([contact("T1", A)], [{"id": "1", "emails": [A]}]).changes.row(0, named=True)
    assert row["details"] == dumps(json.loads(row["details"])), "canonical: the digest of a plan rests on it"
    assert json.loads(row.pop("details")) == {"address": A, "addresses": [A], "existing": True}
    assert row == {
        "entity_type": "contact",
        "teamleader_id": "T1",
        "hubspot_id": "1",
        "action": "unsubscribe",
        "reason": "opted_out",
        "fields": "{}",
    }


class TestWhoIsUnsubscribed:
    @pytest.mark.parametrize(
        ("contacts", "hubspot", "expected"),
        [
            pytest.param([contact("T1", A)], [{"id": "1", "emails": [A]}], [("T1", "1", A, [A], True)], id="primary"),
            pytest.param(
                [contact("T1", A)],
                [{"id": "1", "emails": [B, A]}],
                [("T1", "1", A, [A, B], True)],
                id="secondary: the primary too",
            ),
            pytest.param(
                [contact("T1", A, **SKIP)],
                [{"id": "1", "emails": [A]}],
                [("T1", "1", A, [A], True)],
                id="a skipped contact too",
            ),
            pytest.param([contact("T1", A)], [], [("T1", None, A, [A], False)], id="created in this run"),
            pytest.param([contact("T1", A, **SKIP)], [], [], id="unknown to HubSpot and skipped: no call"),
            pytest.param([contact("T1", A, opted_out=False)], [{"id": "1", "emails": [A]}], [], id="not opted out"),
            pytest.param([contact("T1", None, **SKIP)], [{"id": "1", "emails": [A]}], [], id="no address"),
            pytest.param(
                [contact("T1", A)], [{"id": "1", "emails": [A], "opted_out": True}], [], id="HubSpot shows it already"
            ),
            pytest.param(
                [contact("T1", A)],
                [{"id": "1", "emails": [B, A], "opted_out": True}],
                [("T1", "1", A, [A], True)],
                id="HubSpot shows it of the primary only",
            ),
            pytest.param(
                [contact("T1", A)],
                [{"id": "1", "emails": [A], "archived": True}],
                [("T1", None, A, [A], False)],
                id="an archived record does not count",
            ),
            pytest.param(
                [contact("T1", A, **SKIP)], [{"id": "1", "emails": [A], "archived": True}], [], id="archived, skipped"
            ),
        ],
    )
    def test_rows(self, contacts: list[b.Row], hubspot: list[b.Row], expected: list[tuple[Any, ...]]) -> None:
        assert calls(run(contacts, hubspot)) == expected

    def test_held_contact_is_not_created_and_gets_no_call(self) -> None:
        assert calls(run([contact("T1", A)], [{"id": "1", "archived": True}], linked={"T1": "1"})) == []

    def test_address_of_a_held_contact_that_hubspot_has(self) -> None:
        hubspot: list[b.Row] = [{"id": "1", "archived": True}, {"id": "2", "emails": [A]}]
        assert calls(run([contact("T1", A)], hubspot, linked={"T1": "1"})) == [("T1", "2", A, [A], True)]


class TestOneCallPerAddress:
    def test_shared_address_in_the_name_of_the_matched_contact(self) -> None:
        plan = run([contact("T1", A, **SKIP), contact("T2", A)], [{"id": "1", "emails": [A]}])
        assert calls(plan) == [("T2", "1", A, [A], True)]

    def test_shared_by_skipped_contacts(self) -> None:
        plan = run([contact("T2", A, **SKIP), contact("T1", A, **SKIP)], [{"id": "1", "emails": [A]}])
        assert calls(plan) == [("T1", "1", A, [A], True)]

    def test_primary_and_secondary_both_opted_out(self) -> None:
        plan = run([contact("T1", A), contact("T2", B, **SKIP)], [{"id": "1", "emails": [B, A]}])
        assert calls(plan) == [("T1", "1", A, [A], True), ("T2", "1", B, [B], True)]

    def test_two_secondaries_of_one_primary(self) -> None:
        plan = run([contact("T1", A, **SKIP), contact("T2", B, **SKIP)], [{"id": "1", "emails": [C, A, B]}])
        assert calls(plan) == [("T1", "1", A, [A, C], True), ("T2", "1", B, [B], True)]


class TestChangedAddress:
    """What counts is where the addresses are after this run."""

    def test_new_primary_of_a_linked_contact(self) -> None:
        plan = run([contact("T1", B)], [{"id": "1", "emails": [A]}], linked={"T1": "1"}, pushed={"T1": A})
        assert calls(plan) == [("T1", "1", B, [B], False)]

    def test_new_primary_of_a_contact_that_hubspot_shows_as_opted_out(self) -> None:
        hubspot = [{"id": "1", "emails": [A], "opted_out": True}]
        assert calls(run([contact("T1", B)], hubspot, linked={"T1": "1"}, pushed={"T1": A})) == [
            ("T1", "1", B, [B], False)
        ]

    def test_added_secondary_and_its_primary(self) -> None:
        plan = run([contact("T1", B)], [{"id": "1", "emails": [A]}], linked={"T1": "1"})
        assert calls(plan) == [("T1", "1", B, [B, A], True)]

    def test_address_that_goes_to_a_created_contact(self) -> None:
        plan = run(
            [contact("T1", B, opted_out=False), contact("T2", A)],
            [{"id": "1", "emails": [A]}],
            linked={"T1": "1"},
            pushed={"T1": A},
        )
        assert calls(plan) == [("T2", None, A, [A], True)]

    def test_address_that_leaves_hubspot(self) -> None:
        plan = run(
            [contact("T1", B, opted_out=False), contact("T2", A, **SKIP)],
            [{"id": "1", "emails": [A]}],
            linked={"T1": "1"},
            pushed={"T1": A},
        )
        assert calls(plan) == []


class TestMemory:
    """What was done is remembered, so nothing is sent twice."""

    def test_not_sent_twice(self) -> None:
        assert calls(run([contact("T1", A)], [{"id": "1", "emails": [A]}], remembered={A: [A]})) == []

    def test_not_sent_twice_with_the_primary(self) -> None:
        assert calls(run([contact("T1", A)], [{"id": "1", "emails": [B, A]}], remembered={A: [A, B]})) == []

    def test_a_primary_that_came_later(self) -> None:
        plan = run([contact("T1", A)], [{"id": "1", "emails": [B, A]}], remembered={A: [A]})
        assert calls(plan) == [("T1", "1", A, [B], True)]

    def test_unsubscribed_for_another_address(self) -> None:
        assert calls(run([contact("T1", B)], [{"id": "1", "emails": [B, A]}], remembered={A: [A, B]})) == []

    @pytest.mark.parametrize(
        ("contacts", "forgotten"),
        [
            pytest.param([contact("T1", A, opted_out=False)], [A], id="consent shown again"),
            pytest.param([contact("T1", A)], [], id="still opted out"),
            pytest.param(
                [contact("T1", A, opted_out=False), contact("T2", A, **SKIP)], [], id="opted out by another contact"
            ),
            pytest.param([contact("T1", A, opted_out=False) | {"consent": None}], [], id="unknown is no consent"),
            pytest.param([contact("T1", A, opted_out=False) | {"consent": False}], [], id="not asked is no consent"),
            pytest.param([], [], id="the contact is gone"),
        ],
    )
    def test_forgotten(self, contacts: list[b.Row], forgotten: list[str]) -> None:
        plan = run(contacts, [{"id": "1", "emails": [A], "opted_out": True}], remembered={A: [A]})
        assert plan.forget["address"].to_list() == forgotten
        assert plan.changes.is_empty()


def test_empty_everything() -> None:
    plan = run([], [])
    assert plan.changes.is_empty() and plan.forget.is_empty()


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_every_opted_out_address_in_hubspot_ends_unsubscribed_and_nobody_is_subscribed(data: Any) -> None:
    addresses = [f"m{i}@example.be" for i in range(5)]
    refused = {a: data.draw(st.booleans()) for a in addresses}
    contacts: list[b.Row] = []
    for n, address in enumerate(data.draw(st.lists(st.sampled_from(addresses), max_size=6))):
        first = address not in [c["address"] for c in contacts]
        skip: b.Row = {} if first and data.draw(st.booleans()) else SKIP
        contacts.append(contact(f"T{n}", address, refused[address], **skip))
    free = data.draw(st.permutations(addresses))
    hubspot: list[b.Row] = []
    for record in ("1", "2", "3"):
        n = data.draw(st.integers(1, 3))
        mine, free = free[:n], free[n:]
        if mine:
            hubspot.append({"id": record, "emails": mine, "opted_out": data.draw(st.booleans())})
    remembered = {a: [a] for a in data.draw(st.lists(st.sampled_from(addresses), unique=True))}
    plan = run(contacts, hubspot, remembered=remembered)
    sent = [a for *_, unsubscribed, _ in calls(plan) for a in unsubscribed]
    assert len(sent) == len(set(sent))
    shown = {h["emails"][0] for h in hubspot if h["opted_out"]}
    opted_out = {c["address"] for c in contacts if c["opted_out"]}
    assert plan.changes["action"].unique().to_list() in ([], ["unsubscribe"])
    for row in hubspot:
        for address in row["emails"]:
            if address in opted_out:
                assert {address, row["emails"][0]} <= shown | set(sent) | set(remembered)
    memory = {a: u for a, u in remembered.items() if a not in plan.forget["address"]}
    for _, _, address, unsubscribed, _ in calls(plan):
        memory[address] = [*memory.get(address, []), *unsubscribed]
    again = run(contacts, hubspot, remembered=memory)
    assert again.changes.is_empty()
