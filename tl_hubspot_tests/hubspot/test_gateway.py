"""Each reaction of the gateway, over real HTTP, with the sandbox's faults."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from tl_hubspot.errors import BadAnswer, CredentialsRefused, Unreachable
from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.objects import Record, Write, batch_upsert, get_record, list_records
from tl_hubspot.hubspot.reactions import AnswerLost, Refused
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.hubspot.profile import Profile
from tl_hubspot_tests.hubspot.support import TOKEN, Portal
from tl_hubspot_tests.hubspot.support import portal as open_portal


def contacts(portal: Portal) -> list[Record]:
    return [r for page in list_records(portal.gateway, "contact", ["email"]) for r in page]


def limited(policy: str) -> dict[str, Any]:
    return {"status": "error", "message": f"You have reached your {policy.lower()} limit.", "policyName": policy}


@pytest.mark.parametrize(
    ("fault", "at_least"),
    [
        (Fault("status", status=429, body=limited("TEN_SECONDLY_ROLLING")), 0.5),
        (Fault("status", status=429, body=limited("SECONDLY")), 1.0),
        (Fault("status", status=429, body="<html>slow down</html>"), 0.5),
        (Fault("status", status=429, body=limited("SECONDLY"), headers={"Retry-After": "7"}), 7.0),
        (Fault("status", status=423), 2.0),
        (Fault("status", status=477, headers={"Retry-After": "45"}), 45.0),
        (Fault("status", status=500), 0.5),
        (Fault("status", status=502, body="<html>Bad gateway</html>"), 0.5),
        (Fault("status", status=504), 0.5),
        (Fault("status", status=524, body=""), 0.5),
        (Fault("drop"), 0.5),
        (Fault("drop", when="after"), 0.5),
        (Fault("status", status=200, body='{"results": [{"id": "1", "prop'), 0.5),
    ],
    ids=lambda v: f"{v.kind}-{v.status}" if isinstance(v, Fault) else None,
)
def test_passing_trouble_is_waited_out(portal: Portal, fault: Fault, at_least: float) -> None:
    portal.sandbox.load_objects("contacts", [{"properties": {"email": "ann@example.be"}}])
    portal.sandbox.faults.add(fault)
    assert [c.properties["email"] for c in contacts(portal)] == ["ann@example.be"]
    assert sum(portal.time.slept) >= at_least
    counts = portal.gateway.meter.snapshot()["hubspot"]
    # One call that failed, one that did not, one that confirms the end of the list.
    assert counts["reads"] == 3 and counts["retries"] == 1
    assert counts["rate_limited"] == (fault.status == 429)


def test_the_daily_limit_stops_at_once(portal: Portal) -> None:
    portal.sandbox.faults.add(Fault("status", status=429, body=limited("DAILY"), times=None))
    with pytest.raises(Unreachable, match="daily limit"):
        contacts(portal)
    assert portal.calls() == 1


def test_a_long_move_of_the_account_stops_the_run(portal: Portal) -> None:
    portal.sandbox.faults.add(Fault("status", status=477, headers={"Retry-After": "7200"}, times=None))
    with pytest.raises(Unreachable, match="data centre"):
        contacts(portal)
    assert portal.calls() == 1


@pytest.mark.parametrize("fault", [Fault("status", status=503, times=None), Fault("drop", times=None)])
def test_lasting_trouble_ends_in_one_sentence(portal: Portal, fault: Fault) -> None:
    portal.sandbox.faults.add(fault)
    with pytest.raises(Unreachable) as raised:
        contacts(portal)
    assert portal.calls() == 6
    assert "\n" not in raised.value.sentence and "run again" in raised.value.sentence.lower()


def test_nobody_listening(portal: Portal) -> None:
    gateway = portal.connect()
    gateway._client.configuration.host = "http://127.0.0.1:9"
    with pytest.raises(Unreachable, match="no connection"):
        get_record(gateway, "contact", "1")


def test_broken_json_is_never_believed(portal: Portal) -> None:
    portal.sandbox.faults.add(Fault("status", status=200, body='{"results": [', times=None))
    with pytest.raises(BadAnswer):
        contacts(portal)


@pytest.mark.parametrize(
    "fault", [Fault("status", status=502, when="after"), Fault("drop", when="after"), Fault("status", status=504)]
)
def test_an_upsert_whose_answer_was_lost_is_repeated_and_makes_one_record(ready: Portal, fault: Fault) -> None:
    fault.path = "batch/upsert"
    ready.sandbox.faults.add(fault)
    written = batch_upsert(ready.gateway, "contact", [Write("t1", "tl-1", {"email": "ann@example.be"})])
    assert written["t1"].state == "done"
    assert len(list(ready.sandbox.all("contacts"))) == 1
    assert ready.calls("batch/upsert") == 2


@pytest.mark.parametrize("fault", [Fault("status", status=504, when="after"), Fault("drop", when="after")])
def test_a_create_whose_answer_was_lost_is_not_repeated(portal: Portal, fault: Fault) -> None:
    fault.method = "POST"
    portal.sandbox.faults.add(fault)
    body = {"name": "teamleader", "label": "Teamleader"}
    with pytest.raises(AnswerLost):
        portal.gateway.call(routes.GROUP_CREATE, path={"type": "contacts"}, body=body)
    assert portal.calls("groups", "POST") == 1


def test_a_create_that_surely_did_not_happen_is_repeated(portal: Portal) -> None:
    portal.sandbox.faults.add(Fault("status", method="POST", status=429, body=limited("TEN_SECONDLY_ROLLING")))
    body = {"name": "teamleader", "label": "Teamleader"}
    portal.gateway.call(routes.GROUP_CREATE, path={"type": "contacts"}, body=body)
    assert portal.calls("groups", "POST") == 2


def test_a_wrong_token(portal: Portal) -> None:
    with pytest.raises(CredentialsRefused, match="HUBSPOT_ACCESS_TOKEN"):
        get_record(portal.connect(access_token="pat-eu1-wrong"), "contact", "1")
    assert portal.calls() == 1


def test_a_missing_scope_is_named() -> None:
    with (
        open_portal(Profile(missing_scopes=frozenset({"crm.objects.contacts.read"}))) as opened,
        pytest.raises(CredentialsRefused, match=r"crm\.objects\.contacts\.read"),
    ):
        contacts(opened)


def test_expected_statuses_are_the_callers_business(portal: Portal) -> None:
    portal.sandbox.faults.add(Fault("status", status=403))
    with pytest.raises(Refused) as raised:
        portal.gateway.call(routes.ACCOUNT_DETAILS, expect=(403,))
    assert raised.value.problem.status == 403


def test_never_more_than_the_share_of_the_limit() -> None:
    with open_portal(Profile(burst_limit=20)) as opened:
        # One worker: with several, the jumps of a virtual time would look like calls that take seconds to arrive.
        gateway = opened.connect(rate_limit=20, workers=1)
        for _ in gateway.run(lambda i: get_record(gateway, "contact", str(i)), range(1, 91)):
            pass
        counts = gateway.meter.snapshot()["hubspot"]
        assert counts["rate_limited"] == 0 and counts["reads"] == 90


def test_a_lower_limit_of_the_portal_is_followed() -> None:
    with open_portal(Profile(burst_limit=40)) as opened:
        gateway = opened.connect(rate_limit=190, workers=1)
        for _ in gateway.run(lambda i: get_record(gateway, "contact", str(i)), range(1, 121)):
            pass
        assert gateway._window.limit == 38
        assert gateway.meter.snapshot()["hubspot"]["rate_limited"] == 0


@pytest.mark.parametrize(("left", "waited"), [("0", 0.1), ("1", 0.0), ("many", 0.0)])
def test_the_next_call_waits_where_hardly_a_call_is_left(portal: Portal, left: str, waited: float) -> None:
    headers = {"X-HubSpot-RateLimit-Max": "100", "X-HubSpot-RateLimit-Remaining": left}
    portal.sandbox.faults.add(Fault("status", status=200, body="{}", headers=headers))
    gateway = portal.connect(rate_limit=100)
    for _ in range(2):
        gateway.call(routes.ACCOUNT_DETAILS)
    # one call of a hundred in ten seconds is a tenth of a second
    assert sum(portal.time.slept) == pytest.approx(waited, abs=0.05)


def test_slow_answers_are_waited_for_side_by_side(portal: Portal) -> None:
    gateway = portal.connect(clock=time.monotonic, sleep=time.sleep)
    under_way: set[int] = set()
    most = 0

    def look(number: int) -> None:
        nonlocal most
        under_way.add(number)
        most = max(most, len(under_way))
        get_record(gateway, "contact", str(number))
        under_way.discard(number)

    assert gateway.together == 4, "nothing is known yet"
    portal.sandbox.faults.add(Fault("slow", seconds=0.4, times=None))
    assert len(list(gateway.run(look, range(1, 41)))) == 40
    assert 8 <= most <= gateway.workers
    portal.sandbox.faults.clear()
    assert len(list(gateway.run(look, range(1, 61)))) == 60
    assert gateway.together == 4, "one after the other is almost fast enough"


def test_what_is_left_of_the_day_is_known(portal: Portal) -> None:
    assert portal.gateway.daily_remaining is None
    contacts(portal)
    assert portal.gateway.daily_remaining == portal.sandbox.profile.daily - portal.calls()


def test_searches_stay_below_their_own_limit(portal: Portal) -> None:
    for _ in range(12):
        portal.gateway.call(routes.SEARCH, path={"type": "contacts"}, body={"limit": 1})
    assert portal.gateway.meter.snapshot()["hubspot"]["rate_limited"] == 0


def test_the_token_and_addresses_are_in_no_message(portal: Portal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    portal.sandbox.faults.add(Fault("status", status=503))
    portal.gateway.call(routes.UNSUBSCRIBE_ALL, path={"email": "ann@example.be"}, query=[("channel", "EMAIL")])
    with pytest.raises(CredentialsRefused) as raised:
        get_record(portal.connect(access_token="pat-eu1-wrong"), "contact", "1")
    said = caplog.text + repr(portal.gateway) + str(raised.value) + repr(raised.value)
    assert TOKEN not in said and "pat-eu1-wrong" not in said and "ann@example.be" not in said


def test_connections_are_kept(portal: Portal) -> None:
    for i in range(1, 20):
        get_record(portal.gateway, "contact", str(i))
    pool = portal.gateway._client.rest_client.pool_manager.connection_from_url(portal.url)
    assert pool.num_connections == 1 and pool.num_requests == 19


def test_a_failure_in_parallel_work_loses_no_finished_result(portal: Portal) -> None:
    """The call that fails fails at once, the others take a moment: their results must still be handed out."""

    def work(i: int) -> int:
        if i == 2:
            raise Unreachable("gone")
        time.sleep(0.05)
        return i

    drawn: list[int] = []

    def items() -> Any:
        for i in range(100):
            drawn.append(i)
            yield i

    done: list[int] = []
    with pytest.raises(Unreachable):
        for _, result in portal.gateway.run(work, items()):
            done.append(result)
    assert sorted(done) == [i for i in drawn if i != 2]
    assert len(drawn) < 40
