"""Opt-outs with and without the batch routes; marketing status by import."""

from __future__ import annotations

from typing import Any

import pytest

from tl_hubspot.errors import CredentialsRefused
from tl_hubspot.hubspot.marketing import make_marketing
from tl_hubspot.hubspot.subscriptions import Subscriptions
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.hubspot.profile import Profile
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.hubspot.support import portal as open_portal

SINGLE = r"/statuses/[^/]+@[^/]+/unsubscribe-all"
BATCH = "/statuses/batch/unsubscribe-all"


def load(portal: Portal, count: int) -> list[str]:
    portal.sandbox.load_objects(
        "contacts", [{"id": str(i), "properties": {"email": f"c{i}@example.be"}} for i in range(1, count + 1)]
    )
    return [f"c{i}@example.be" for i in range(1, count + 1)]


def opted_out(portal: Portal) -> set[str]:
    return {
        r["properties"]["email"]
        for r in portal.sandbox.all("contacts")
        if r["properties"].get("hs_email_optout") == "true"
    }


def test_one_call_per_address_without_enterprise(portal: Portal) -> None:
    addresses = load(portal, 5)
    subscriptions = Subscriptions(portal.gateway)
    assert dict(subscriptions.unsubscribe(addresses[:3])) == dict.fromkeys(addresses[:3])
    assert dict(subscriptions.unsubscribe(addresses[3:4])) == {addresses[3]: None}
    assert opted_out(portal) == set(addresses[:4])
    assert portal.calls(BATCH) == 1 and portal.calls(SINGLE) == 4


def test_batches_with_enterprise() -> None:
    with open_portal(Profile(marketing_enterprise=True)) as portal:
        addresses = load(portal, 230)
        assert dict(Subscriptions(portal.gateway).unsubscribe(addresses)) == dict.fromkeys(addresses)
        assert opted_out(portal) == set(addresses)
        assert portal.calls(BATCH) == 3 and portal.calls(SINGLE) == 0


def test_what_a_batch_leaves_out_goes_alone() -> None:
    with open_portal(Profile(marketing_enterprise=True)) as portal:
        addresses = load(portal, 10)
        body = {
            "status": "COMPLETE",
            "results": [{"subscriberIdString": addresses[0]}],
            "startedAt": "",
            "completedAt": "",
        }
        portal.sandbox.faults.add(Fault("status", path=BATCH, status=200, body=body))
        assert dict(Subscriptions(portal.gateway).unsubscribe(addresses)) == dict.fromkeys(addresses)
        assert portal.calls(SINGLE) == 9


def test_a_repeat_does_no_harm(portal: Portal) -> None:
    addresses = load(portal, 2)
    portal.sandbox.faults.add(Fault("drop", path=SINGLE, when="after"))
    for _ in range(2):
        assert dict(Subscriptions(portal.gateway).unsubscribe(addresses)) == dict.fromkeys(addresses)
    assert opted_out(portal) == set(addresses)


@pytest.mark.parametrize(("mode", "known"), [("accepted", True), ("not_found", False)])
def test_an_address_that_hubspot_does_not_know(portal: Portal, mode: str, known: bool) -> None:
    portal.sandbox.set_switches(unsubscribe_unknown_address=mode)
    ((_, problem),) = Subscriptions(portal.gateway).unsubscribe(["nobody@example.be"])
    assert (problem is None) is known
    assert portal.calls("/v3/") == 0


@pytest.mark.parametrize("privacy", [False, True])
def test_without_v4_every_subscription_is_left_by_v3(privacy: bool) -> None:
    with open_portal(Profile(data_privacy=privacy)) as portal:
        addresses = load(portal, 2)
        portal.sandbox.faults.add(
            Fault("status", path="/communication-preferences/v4", status=410, body={}, times=None)
        )
        subscriptions = Subscriptions(portal.gateway)
        for _ in range(2):
            assert dict(subscriptions.unsubscribe(addresses)) == dict.fromkeys(addresses)
        status = portal.sandbox.subscriptions(addresses[0])
        assert "SUBSCRIBED" not in str(status).replace("UNSUBSCRIBED", "").replace("NOT_SUBSCRIBED", "")


def test_a_missing_scope_for_opt_outs_is_said() -> None:
    scopes = frozenset({"communication_preferences.read_write", "communication_preferences.write"})
    with open_portal(Profile(missing_scopes=scopes)) as portal:
        load(portal, 1)
        with pytest.raises(CredentialsRefused, match="communication_preferences"):
            list(Subscriptions(portal.gateway).unsubscribe(["c1@example.be"]))


def marketable(portal: Portal) -> set[str]:
    return {r["id"] for r in portal.sandbox.all("contacts") if r["properties"].get("hs_marketable_status") == "true"}


@pytest.mark.parametrize("seconds", [0.0, 25.0])
def test_one_import_makes_marketing_contacts(portal: Portal, seconds: float) -> None:
    portal.sandbox.set_switches(import_seconds=seconds)
    load(portal, 130)
    wanted = [str(i) for i in range(1, 121)]
    ((ids, outcome),) = make_marketing(portal.gateway, wanted, "run 1")
    assert list(ids) == wanted and outcome.state == "DONE" and outcome.asked and not outcome.errors
    assert outcome.confirmed == set(wanted) == marketable(portal)
    assert portal.calls("/imports/?$", "POST") == 1


def test_an_import_that_takes_too_long_stays_asked(portal: Portal) -> None:
    portal.sandbox.set_switches(import_seconds=9000.0)
    load(portal, 2)
    ((_, outcome),) = make_marketing(portal.gateway, ["1", "2"], "run 1", patience=30)
    assert outcome.asked and outcome.state != "DONE" and outcome.confirmed == set()


def test_rows_with_errors_are_named(portal: Portal) -> None:
    load(portal, 2)
    ((_, outcome),) = make_marketing(portal.gateway, ["1", "404404"], "run 1")
    assert outcome.confirmed == {"1"} and set(outcome.errors) == {"404404"}


def test_a_file_that_hubspot_refuses_is_an_error_of_its_ids(portal: Portal) -> None:
    load(portal, 2)
    body = {"status": "error", "category": "VALIDATION_ERROR", "message": "too many imports today"}
    portal.sandbox.faults.add(Fault("status", path="/imports", method="POST", status=400, body=body))
    ((ids, outcome),) = make_marketing(portal.gateway, ["1", "2"], "run 1")
    assert set(outcome.errors) == set(ids) == {"1", "2"}
    assert all(outcome.errors.values())
    assert not outcome.asked and not outcome.confirmed


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_import_whose_answer_was_lost_is_found_or_made_once(portal: Portal, when: Any) -> None:
    load(portal, 2)
    portal.sandbox.faults.add(Fault("drop", path="/imports", method="POST", when=when))
    ((_, outcome),) = make_marketing(portal.gateway, ["1", "2"], "run 1")
    assert outcome.confirmed == {"1", "2"}
    assert portal.calls("/imports/?$", "POST") == (1 if when == "after" else 2)


def test_more_contacts_than_a_file_holds(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tl_hubspot.hubspot.marketing.ROWS_PER_FILE", 50)
    load(portal, 120)
    outcomes = list(make_marketing(portal.gateway, [str(i) for i in range(1, 121)], "run 1"))
    assert [len(ids) for ids, _ in outcomes] == [50, 50, 20] and len(marketable(portal)) == 120


def test_nobody_to_ask_is_no_call(portal: Portal) -> None:
    assert list(make_marketing(portal.gateway, [], "run 1")) == [] and portal.calls() == 0
