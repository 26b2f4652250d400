"""One call: what every status, broken answer and rate header leads to."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tl_hubspot.errors import BadAnswer, CredentialsRefused, ExitCode, Unreachable
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.teamleader.client import API_VERSION, Forbidden, NotFound, Reaction, reaction
from tl_hubspot.transport.meter import CallMeter
from tl_hubspot_tests.teamleader.conftest import Account

LIST: dict[str, Any] = {"page": {"size": 100, "number": 1}}


def counts(account: Account, **changes: Any) -> tuple[Any, Any]:
    meter = CallMeter()
    client = account.client(meter=meter, **changes)
    client.grant.access_token()
    account.sandbox.log.clear()
    return client, lambda: meter.snapshot()["teamleader"]


def test_the_answer_is_what_teamleader_sent(account: Account) -> None:
    account.sandbox.clock.set(datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC))
    deal = account.sandbox.add("contacts", {"last_name": "Peeters", "first_name": 'Zoë \\ "quoted"'})
    client, _ = counts(account)
    answer = client.call("contacts.list", LIST)
    [record] = msgspec.json.decode(answer.data)
    assert record["id"] == deal
    assert record["first_name"] == 'Zoë \\ "quoted"'
    assert bytes(answer.meta) == b"null"
    assert timedelta(0) <= answer.server_time - datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC) < timedelta(seconds=30)
    sent = account.meddler.headers[-1]
    assert sent["x-api-version"] == API_VERSION
    assert sent["content-type"] == "application/json"
    assert sent["authorization"].startswith("Bearer ")


def test_the_table_of_reactions() -> None:
    assert reaction(200) is Reaction.USE
    assert reaction(401) is Reaction.RENEW_TOKEN
    assert reaction(403) is Reaction.FORBIDDEN
    assert reaction(404) is Reaction.NOT_FOUND
    assert reaction(429) is Reaction.WAIT
    assert {reaction(status) for status in (408, 500, 502, 503, 504, 520, 599)} == {Reaction.RETRY}
    assert {reaction(status) for status in (201, 204, 301, 302, 400, 402, 405, 409, 418, 422)} == {Reaction.GIVE_UP}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", "contacts.list", status=500, times=3),
        Fault("status", "contacts.list", status=503, times=3, body="<html>Bad gateway</html>"),
        Fault("status", "contacts.list", status=200, times=3, body="<html>We will be back</html>"),
        Fault("status", "contacts.list", status=200, times=3, body=""),
        Fault("status", "contacts.list", status=200, times=3, body={"meta": {}}),
        Fault("drop", "contacts.list", times=3),
        Fault("drop", "contacts.list", times=3, when="after"),
        Fault("truncated", "contacts.list", times=3),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status} {fault.when}",
)
def test_what_may_pass_is_asked_again(account: Account, fault: Fault) -> None:
    account.sandbox.add("contacts", {"last_name": "Peeters"})
    client, count = counts(account)
    account.sandbox.faults.add(fault)
    assert len(msgspec.json.decode(client.call("contacts.list", LIST).data)) == 1
    assert count() == {"reads": 4, "writes": 0, "retries": 3, "rate_limited": 0}
    # Each pause longer than the one before: at least 1, 2 and 4 seconds.
    assert account.time.slept >= 7


@pytest.mark.parametrize(
    ("fault", "error", "what"),
    [
        (Fault("status", "contacts.list", status=502, times=None), Unreachable, "status 502"),
        (Fault("drop", "contacts.list", times=None), Unreachable, "ConnectionError"),
        (Fault("truncated", "contacts.list", times=None), BadAnswer, "broken JSON"),
        (Fault("status", "contacts.list", status=429, times=None), Unreachable, "too many calls"),
    ],
    ids=["502", "drop", "truncated", "429"],
)
def test_what_does_not_pass_ends_in_one_clear_sentence(
    account: Account, fault: Fault, error: type[Exception], what: str
) -> None:
    client, _ = counts(account)
    account.sandbox.faults.add(fault)
    with pytest.raises(error, match=what) as raised:
        client.call("contacts.list", LIST)
    assert raised.value.exit_code == ExitCode.STOPPED  # type: ignore[attr-defined]
    assert f"{account.url}/contacts.list" in str(raised.value)


def test_nobody_listens(account: Account) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = taken.getsockname()[1]
    client, _ = counts(account, api_url=f"http://127.0.0.1:{free}")
    with pytest.raises(Unreachable, match="ConnectionError"):
        client.call("contacts.list", LIST)


def test_a_slow_answer_is_given_up_and_asked_again(account: Account) -> None:
    client, count = counts(account, timeout=(5.0, 0.5))
    account.sandbox.faults.add(Fault("slow", "contacts.list", seconds=1.0))
    assert bytes(client.call("contacts.list", LIST).data) == b"[]"
    assert count()["retries"] >= 1


def test_an_expired_token_is_renewed_once_and_the_call_repeated_once(account: Account) -> None:
    client, count = counts(account)
    account.sandbox.clock.advance(3700)
    client.call("users.me", {})
    assert [entry["status"] for entry in account.sandbox.log.entries] == [401, 200, 200]
    assert count() == {"reads": 2, "writes": 0, "retries": 1, "rate_limited": 0}


def test_a_token_that_is_never_accepted_is_renewed_only_once(account: Account) -> None:
    client, _ = counts(account)
    account.sandbox.faults.add(Fault("status", "users.me", status=401, times=None))
    with pytest.raises(CredentialsRefused, match="TEAMLEADER_AUTH_URL"):
        client.call("users.me", {})
    assert account.sandbox.log.count("access_token") == 1
    assert account.sandbox.log.count("users.me") == 2


def test_many_threads_with_an_expired_token_refresh_it_once(account: Account) -> None:
    client, _ = counts(account)
    account.sandbox.clock.advance(3700)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.call("users.me", {}), range(24)))
    assert len(answers) == 24
    assert account.sandbox.log.count("access_token") == 1


@pytest.mark.parametrize(
    ("endpoint", "scope"),
    [
        ("contacts.list", "contacts"),
        ("companies.list", "companies"),
        ("dealSources.list", "deals"),
        ("users.list", "users"),
    ],
)
def test_a_missing_scope_is_named(account: Account, endpoint: str, scope: str) -> None:
    account.sandbox.set_switches(missing_scopes=[scope])
    client, _ = counts(account)
    with pytest.raises(CredentialsRefused, match=f"{endpoint}.*scope `{scope}`"):
        client.call(endpoint, LIST)
    assert account.sandbox.log.count(endpoint) == 1


def test_an_unknown_id_is_not_found_and_one_out_of_sight_is_forbidden(account: Account) -> None:
    client, count = counts(account)
    with pytest.raises(NotFound):
        client.call("contacts.info", {"id": account.sandbox.new_id("contacts")})
    account.sandbox.faults.add(Fault("status", "contacts.info", status=403))
    with pytest.raises(Forbidden):
        client.call("contacts.info", {"id": account.sandbox.new_id("contacts")})
    assert count()["retries"] == 0


@pytest.mark.parametrize(("status", "endpoint"), [(404, "contacts.list"), (400, "contacts.list"), (302, "users.me")])
def test_talking_past_each_other_is_not_repeated(account: Account, status: int, endpoint: str) -> None:
    client, _ = counts(account)
    body = {"errors": [{"title": "page must be valid", "status": status}]}
    account.sandbox.faults.add(Fault("status", endpoint, status=status, body=body, headers={"Location": "/elsewhere"}))
    with pytest.raises(BadAnswer, match=f"answered {status}: page must be valid"):
        client.call(endpoint, {})
    assert account.sandbox.log.count() == 1


def test_a_netrc_file_does_not_replace_the_token(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client, _ = counts(account)
    client.call("users.me", {})
    assert account.meddler.headers[-1]["authorization"].startswith("Bearer ")


# -- rate limit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["milliseconds", "seconds"])
def test_429_waits_for_the_reset_in_either_form(account: Account, form: str) -> None:
    account.sandbox.set_switches(rate_limit=100, rate_reset_format=form)
    other, _ = counts(account)
    for _ in range(100):
        other.call("users.me", {})
    # A second program of the same integration does not know what the first one has used up.
    account.sandbox.clock.advance(20)
    before = account.time.slept
    client, count = counts(account)
    client.call("users.me", {})
    assert count()["rate_limited"] == 1
    # The first of the calls leaves the window after 40 s; Date has whole seconds, and up to a second is added.
    # A refused call counts too, so one more of them has to leave, which it does within the same second.
    assert 38 < account.time.slept - before < 44


@pytest.mark.parametrize(
    ("reset", "low", "high"),
    [
        (None, 60, 62),
        ("nonsense", 60, 62),
        ("2099-01-01T00:00:00+00:00", 65, 67),
        ("2021-06-15T10:51:23.035+0100", 1, 3),
    ],
)
def test_the_wait_is_bounded(account: Account, reset: str | None, low: float, high: float) -> None:
    client, count = counts(account)
    headers = {"X-RateLimit-Reset": reset} if reset else {}
    account.sandbox.faults.add(Fault("status", "users.me", status=429, headers=headers))
    client.call("users.me", {})
    assert low <= account.time.slept <= high
    assert count() == {"reads": 2, "writes": 0, "retries": 1, "rate_limited": 1}


def test_own_limit_is_never_exceeded_even_by_many_threads(account: Account) -> None:
    account.sandbox.set_switches(rate_limit=20)
    client, count = counts(account, rate_limit=18)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: client.call("users.me", {}), range(60)))
    assert count() == {"reads": 60, "writes": 0, "retries": 0, "rate_limited": 0}
    assert account.time.slept >= 180


def test_a_lower_limit_of_the_server_is_followed(account: Account) -> None:
    account.sandbox.set_switches(rate_limit=10)
    client, count = counts(account, rate_limit=180)
    for _ in range(35):
        client.call("users.me", {})
    assert client.window.limit == 10
    assert count()["rate_limited"] == 0
    account.sandbox.set_switches(rate_limit=200)
    client.call("users.me", {})
    assert client.window.limit == 180


def test_when_others_use_up_the_limit_the_client_waits_before_being_refused(account: Account) -> None:
    account.sandbox.set_switches(rate_limit=10)
    other = account.client(rate_limit=10)
    client, count = counts(account, rate_limit=10)
    for _ in range(9):
        other.call("users.me", {})
    before = account.time.slept
    # Its answer says that nothing remains.
    client.call("users.me", {})
    client.call("users.me", {})
    assert count()["rate_limited"] == 0
    assert account.time.slept - before > 50


def test_all_threads_wait_when_one_is_refused(account: Account) -> None:
    client, count = counts(account)
    client.call("users.me", {})
    account.sandbox.faults.add(Fault("status", "users.me", status=429))
    started = threading.Barrier(4)

    def work(_: int) -> None:
        started.wait()
        client.call("users.me", {})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    client.call("users.me", {})
    assert count()["rate_limited"] == 1
    assert account.time.slept >= 60
