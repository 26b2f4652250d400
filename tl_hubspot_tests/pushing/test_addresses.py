"""Changes of e-mail addresses over HTTP, whatever HubSpot does with a replaced primary and whichever route it has."""

from __future__ import annotations

from typing import Any

import pytest

from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.pushing.conftest import Push
from tl_hubspot_tests.pushing.memory import MemoryLedger, address, create, row, update
from tl_hubspot_tests.pushing.test_push import buckets

A, B, C, D = (f"{name}@example.be" for name in "abcd")


@pytest.fixture(params=["kept", "dropped"], autouse=True)
def old_primary(request: pytest.FixtureRequest, portal: Portal) -> str:
    """Every test holds both for a HubSpot that keeps a replaced primary and for one that drops it."""
    portal.sandbox.set_switches(old_primary_on_email_change=request.param)
    return str(request.param)


@pytest.fixture(params=["route", "property"], autouse=True)
def way(request: pytest.FixtureRequest, portal: Portal) -> str:
    """… and both for the v1 route and for a HubSpot without it."""
    if request.param == "property":
        portal.sandbox.faults.add(Fault("status", path="/contacts/v1/", status=410, body={}, times=None))
    return str(request.param)


def load(portal: Portal, **addresses: str | list[str]) -> None:
    """t1="a@…" is contact 1 with that primary; a list has the primary first."""
    records = []
    for name, given in addresses.items():
        primary, *more = [given] if isinstance(given, str) else given
        properties = {"email": primary, "teamleader_id": name, "firstname": name}
        records.append({"id": name[1:], "properties": properties, "secondary_emails": more})
    portal.sandbox.load_objects("contacts", records)


def held(portal: Portal, contact: str) -> list[str]:
    """The contact's addresses, the primary first, then the others in alphabetical order."""
    properties = portal.sandbox.get("contacts", contact)["properties"]
    more = sorted(filter(None, (properties.get("hs_additional_emails") or "").split(";")))
    return [properties.get("email") or "", *more]


def test_a_new_primary_keeps_the_old_one_as_secondary(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, t1=A)
    result = run(address("t1", "1", "replace_primary", B, A, keep_old=True, phone="1"))
    assert held(portal, "1") == [B, A] and buckets(result) == {"t1": ("updated", "test")}
    assert ledger.shadows["contact", "t1"]["fields"] == {"email": B, "phone": "1"} and not ledger.open()


def test_a_new_primary_does_not_keep_an_address_that_another_contact_has_now(portal: Portal, run: Push) -> None:
    load(portal, t1=A)
    result = run(address("t1", "1", "replace_primary", B, A), create("contact", "t2", email=A))
    assert held(portal, "1") == [B]
    assert buckets(result) == {"t1": ("updated", "test"), "t2": ("created", "test")}
    assert {r["properties"]["email"] for r in portal.sandbox.all("contacts")} == {A, B}


def test_a_chain_of_addresses_moves_in_one_run(portal: Portal, run: Push) -> None:
    load(portal, t1=A, t2=B, t3=C)
    rows = [address(f"t{i}", str(i), "replace_primary", new, old) for i, new, old in ((1, B, A), (2, C, B), (3, D, C))]
    assert {b for b, _ in buckets(run(*rows)).values()} == {"updated"}
    assert [held(portal, i) for i in "123"] == [[B], [C], [D]]


def test_two_contacts_swap(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, t1=A, t2=B)
    rows = [address("t1", "1", "replace_primary", B, A), address("t2", "2", "replace_primary", A, B)]
    assert {b for b, _ in buckets(run(*rows)).values()} == {"updated"}
    assert [held(portal, i) for i in "12"] == [[B], [A]] and not ledger.open()


def test_three_contacts_go_round(portal: Portal, run: Push) -> None:
    load(portal, t1=A, t2=B, t3=C)
    rows = [address(f"t{i}", str(i), "replace_primary", new, old) for i, new, old in ((1, B, A), (2, C, B), (3, A, C))]
    assert {b for b, _ in buckets(run(*rows)).values()} == {"updated"}
    assert [held(portal, i) for i in "123"] == [[B], [C], [A]]


def test_a_secondary_address_is_added(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, t1=A)
    result = run(address("t1", "1", "add_secondary", B, teamleader_status="active"))
    assert held(portal, "1") == [A, B] and buckets(result) == {"t1": ("updated", "test")}
    assert ledger.shadows["contact", "t1"]["fields"] == {"email": B, "teamleader_status": "active"}
    assert ledger.shadows["contact", "t1"]["written"] == {"teamleader_status": "active"}


def test_only_that_secondary_address_is_exchanged(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, t1=[A, B, D])
    result = run(address("t1", "1", "replace_secondary", C, B))
    assert held(portal, "1") == [A, C, D] and buckets(result) == {"t1": ("updated", "test")}
    assert ledger.shadows["contact", "t1"]["fields"] == {"email": C} and ledger.hubspot_id("contact", "t1") == "1"


def test_secondary_addresses_swap(portal: Portal, run: Push) -> None:
    load(portal, t1=["x@example.be", A], t2=["y@example.be", B])
    run(address("t1", "1", "replace_secondary", B, A), address("t2", "2", "replace_secondary", A, B))
    assert [held(portal, i) for i in "12"] == [["x@example.be", B], ["y@example.be", A]]


def test_a_contact_without_address_gets_one(portal: Portal, run: Push) -> None:
    portal.sandbox.load_objects("contacts", [{"id": "1", "properties": {"firstname": "Ann", "teamleader_id": "t1"}}])
    run(address("t1", "1", "set", A))
    assert held(portal, "1") == [A]


@pytest.mark.parametrize("action", ["replace_primary", "add_secondary", "replace_secondary"])
def test_an_address_taken_meanwhile_is_left_and_the_rest_is_updated(
    portal: Portal, ledger: MemoryLedger, run: Push, action: str
) -> None:
    load(portal, t1=[A, D], t9=B)
    old = A if action == "replace_primary" else D
    result = run(
        address("t1", "1", action, B, old, keep_old=True, phone="1"), update("contact", "t9", "9", firstname="Zoe")
    )
    assert held(portal, "1") == [A, D] and held(portal, "9") == [B]
    assert portal.sandbox.get("contacts", "1")["properties"]["phone"] == "1"
    assert buckets(result) == {"t1": ("updated", "test"), "t9": ("updated", "test")}
    assert [(n["code"], n["hubspot_id"]) for n in result.notices] == [("email_taken", "1")]
    assert "9" in result.notices[0]["message"] and "@" not in str(result.notices)
    assert ledger.shadows["contact", "t1"]["fields"] == {"phone": "1"}
    assert ("email_taken", "warning") in {(r["reason"], r["level"]) for r in ledger.logged}


@pytest.mark.parametrize("action", ["replace_primary", "add_secondary"])
def test_nothing_but_a_taken_address(portal: Portal, ledger: MemoryLedger, run: Push, action: str) -> None:
    load(portal, t1=A, t9=B)
    result = run(address("t1", "1", action, B, A))
    assert buckets(result) == {"t1": ("unchanged", "email_taken")} and ("contact", "t1") not in ledger.shadows
    assert result.failed == 0 and not ledger.open()


def test_a_secondary_address_that_does_not_arrive_is_a_failure(
    portal: Portal, ledger: MemoryLedger, run: Push, way: str
) -> None:
    load(portal, t1=A)
    portal.sandbox.set_switches(additional_emails_by_property="ignored")
    if way == "route":
        portal.sandbox.faults.add(Fault("status", path="/contacts/v1/", status=200, body={}, times=None))
    result = run(address("t1", "1", "add_secondary", B, phone="1"))
    assert buckets(result) == {"t1": ("failed", "address_not_written")}
    assert ledger.shadows["contact", "t1"]["fields"] == {"phone": "1"}


@pytest.mark.parametrize("kind", ["drop", "status"])
def test_lost_answers_in_the_middle(portal: Portal, run: Push, kind: Any) -> None:
    load(portal, t1=A, t2=B)
    portal.sandbox.faults.add(Fault(kind, path="batch/update|secondary-email", when="after", times=2, status=502))
    run(address("t1", "1", "replace_primary", B, A), address("t2", "2", "replace_primary", A, B))
    assert [held(portal, i) for i in "12"] == [[B], [A]]


def test_many_independent_changes_are_few_calls(portal: Portal, old_primary: str, run: Push) -> None:
    load(portal, **{f"t{i}": f"old{i}@example.be" for i in range(1, 121)})
    run(
        *(
            address(f"t{i}", str(i), "replace_primary", f"new{i}@example.be", f"old{i}@example.be")
            for i in range(1, 121)
        )
    )
    assert held(portal, "77") == ["new77@example.be"]
    assert portal.calls("batch/update") == 3, "ten of them first"
    corrections = portal.calls("secondary-email|contacts/[0-9]+$")
    assert corrections == 0 if old_primary == "dropped" else corrections >= 120


def test_marks_without_addresses_pass_by(portal: Portal, run: Push) -> None:
    load(portal, t1=A)
    run(row("contact", "t1", "1", "update", {"teamleader_status": "deleted"}, email={"action": "none"}))
    assert portal.calls("batch/read") == 1 and held(portal, "1") == [A]
