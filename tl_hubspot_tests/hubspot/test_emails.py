"""Secondary addresses, with every way in which HubSpot may or may not take them."""

from __future__ import annotations

from typing import Any

import pytest

from tl_hubspot.hubspot.emails import NOT_KEPT, Addresses, SecondaryEmails
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import Portal

ROUTE = "/contacts/v1/secondary-email"


@pytest.fixture
def ann(portal: Portal) -> str:
    portal.sandbox.load_objects(
        "contacts",
        [
            {"id": "1", "properties": {"email": "ann@example.be"}, "secondary_emails": ["ann@old.be"]},
            {"id": "2", "properties": {"email": "bob@example.be"}},
        ],
    )
    return "1"


def gone(portal: Portal, status: int) -> None:
    body: dict[str, Any] = {"status": "error", "message": "resource not found"}
    portal.sandbox.faults.add(Fault("status", path=ROUTE, status=status, body=body, times=None))


def test_put_and_remove(portal: Portal, ann: str) -> None:
    emails = SecondaryEmails(portal.gateway)
    assert emails.add(ann, "ann+tag@example.be") is None
    assert emails.remove(ann, "ann@old.be") is None
    assert emails.read([ann, "404"]) == {ann: Addresses("ann@example.be", ("ann+tag@example.be",))}


def test_repeats_do_no_harm(portal: Portal, ann: str) -> None:
    emails = SecondaryEmails(portal.gateway)
    assert emails.add(ann, "ann@old.be") is None and emails.add(ann, "ann@example.be") is None
    assert emails.remove(ann, "never@was.be") is None
    assert emails.read([ann])[ann] == Addresses("ann@example.be", ("ann@old.be",))


@pytest.mark.parametrize("status", [404, 405, 410])
def test_without_the_route_the_property_is_written_and_the_route_not_asked_again(
    portal: Portal, ann: str, status: int
) -> None:
    gone(portal, status)
    emails = SecondaryEmails(portal.gateway)
    assert emails.add(ann, "new@example.be") is None and emails.remove(ann, "ann@old.be") is None
    assert emails.read([ann])[ann].secondary == ("new@example.be",)
    assert portal.calls(ROUTE) == 1


@pytest.mark.parametrize("mode", ["ignored", "refused"])
def test_when_no_way_works_it_is_said(portal: Portal, ann: str, mode: str) -> None:
    gone(portal, 410)
    portal.sandbox.set_switches(additional_emails_by_property=mode)
    problem = SecondaryEmails(portal.gateway).add(ann, "new@example.be")
    assert problem is not None and (problem == NOT_KEPT) is (mode == "ignored")


@pytest.mark.parametrize("by_property", [False, True])
def test_an_address_of_another_contact_is_a_conflict(portal: Portal, ann: str, by_property: bool) -> None:
    if by_property:
        gone(portal, 404)
    problem = SecondaryEmails(portal.gateway).add(ann, "bob@example.be")
    assert problem is not None and problem.is_conflict and problem.existing_id == "2"
    assert "bob@example.be" not in problem.message


def test_a_contact_that_is_gone(portal: Portal, ann: str) -> None:
    problem = SecondaryEmails(portal.gateway).add("404404", "new@example.be")
    assert problem is not None and problem.status == 404


def test_success_is_not_taken_on_trust(portal: Portal, ann: str) -> None:
    portal.sandbox.faults.add(Fault("status", path=ROUTE, status=200, body={}, times=None))
    emails = SecondaryEmails(portal.gateway)
    assert emails.add(ann, "new@example.be") is None
    assert "new@example.be" in emails.read([ann])[ann]
