"""One call: what every status, broken answer and lost connection leads to, for readings and for writes."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tl_hubspot.crmoffice import contacts, writes
from tl_hubspot.crmoffice.reactions import (
    Changed,
    FieldProblem,
    NotFound,
    OutcomeUnknown,
    Reaction,
    Refused,
    reaction,
)
from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused, Unreachable
from tl_hubspot.sandbox.control import Fault, LoopbackServer
from tl_hubspot_tests.crmoffice.conftest import CLIENT_SECRET, FIRST_TOKEN, Connected
from tl_hubspot_tests.sandbox.crmoffice.test_reading import with_caps

MAYBE = [
    Fault("status", "contacts", status=500),
    Fault("status", "contacts", status=503, when="after"),
    Fault("drop", "contacts"),
    Fault("drop", "contacts", when="after"),
    Fault("truncated", "contacts"),
    Fault("status", "contacts", status=200, body="<html>We will be back</html>"),
]
"""Faults after which nobody knows whether a write was done."""


def named(fault: Fault) -> str:
    return f"{fault.kind} {fault.status} {fault.when}"


def ada(tenant: Connected) -> str:
    return tenant.sandbox.add(givenName="Ada", familyName="Berg")


def test_the_table_of_reactions() -> None:
    assert {reaction(status) for status in (200, 201, 204)} == {Reaction.USE}
    assert {reaction(status) for status in (408, 500, 502, 503, 504, 599)} == {Reaction.RETRY}
    assert {reaction(status) for status in (202, 301, 302, 400, 402, 410, 415)} == {Reaction.STOP}
    assert [reaction(status).name for status in (401, 403, 404, 405, 409, 412, 422, 429)] == [
        *("RENEW_TOKEN", "FORBIDDEN", "NOT_FOUND", "WRONG_VERB", "CHANGED", "CHANGED", "REFUSED", "WAIT")
    ]


@pytest.mark.parametrize("fault", MAYBE, ids=named)
def test_a_reading_is_repeated(tenant: Connected, fault: Fault) -> None:
    number, client = ada(tenant), tenant.client()
    fault.times = 3
    tenant.sandbox.faults.add(fault)
    assert contacts.get(client, number).values["givenName"] == "Ada"
    assert tenant.counts == {"reads": 4, "writes": 0, "retries": 3, "rate_limited": 0}
    assert tenant.time.slept >= 7  # each pause longer than the one before: at least 1, 2 and 4 seconds


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", "contacts", status=502, times=None), Unreachable),
        (Fault("drop", "contacts", times=None), Unreachable),
        (Fault("truncated", "contacts", times=None), BadAnswer),
        (Fault("status", "contacts", status=302, headers={"Location": "https://example.com"}), BadAnswer),
        (Fault("status", "contacts", status=400), BadAnswer),
        (Fault("status", "contacts", status=403), CredentialsRefused),
        # not in Crmoffice's own words: a proxy, or another address, and no contact was deleted
        (Fault("status", "contacts", status=404, body="<html>Not here</html>"), BadAnswer),
    ],
    ids=lambda value: named(value) if isinstance(value, Fault) else value.__name__,
)
def test_what_ends_a_reading(tenant: Connected, fault: Fault, error: type[Exception]) -> None:
    client = tenant.client()
    tenant.sandbox.faults.add(fault)
    with pytest.raises(error) as raised:
        contacts.get(client, ada(tenant))
    assert type(raised.value) is error
    assert f"GET {tenant.url}/contacts/1001" in str(raised.value)


@pytest.mark.parametrize(
    ("what", "fault"),
    # the answer to a deletion has no body to be cut
    [(what, f) for what in ("create", "update", "delete") for f in MAYBE if (what, f.kind) != ("delete", "truncated")],
    ids=lambda value: named(value) if isinstance(value, Fault) else value,
)
def test_a_write_that_may_be_done_is_not_repeated(tenant: Connected, what: str, fault: Fault) -> None:
    client = tenant.client()
    seen = contacts.get(client, ada(tenant))
    fault.method = {"create": "POST", "update": "PATCH", "delete": "DELETE"}[what]
    fault.times = 1
    tenant.sandbox.faults.add(fault)
    with pytest.raises(OutcomeUnknown, match="not known whether"):
        match what:
            case "create":
                writes.create(client, {"givenName": "Bo"}, key="k")
            case "update":
                writes.update(client, seen, {"givenName": "Bo"})
            case _:
                writes.delete(client, seen)
    assert len(tenant.sandbox.log.writes()) == 1
    assert tenant.counts["retries"] == 0


@with_caps("idempotency_key=1")
@pytest.mark.parametrize("fault", MAYBE, ids=named)
def test_a_creation_under_a_key_is_repeated(tenant: Connected, fault: Fault) -> None:
    client = tenant.client()
    fault.method, fault.times = "POST", 2
    tenant.sandbox.faults.add(fault)
    created = writes.create(client, {"givenName": "Bo"}, key="k")
    assert tenant.sandbox.count() == 1
    assert tenant.sandbox.get(created.id)["givenName"] == "Bo"
    assert len(tenant.sandbox.log.writes()) == 3
    with pytest.raises(Changed, match="idempotency_conflict"):
        writes.create(client, {"givenName": "Cy"}, key="k")


def test_a_server_that_cannot_be_reached_was_not_written_to(tenant: Connected) -> None:
    client = tenant.client()
    client.grant.access_token()
    client.api_url = "http://127.0.0.1:9"
    with pytest.raises(Unreachable) as raised:
        writes.create(client, {"givenName": "Bo"}, key="k")
    assert not isinstance(raised.value, OutcomeUnknown)
    assert tenant.counts["retries"] == 7


def test_429_waits_as_long_as_it_says_and_loses_nothing(tenant: Connected) -> None:
    tenant.sandbox.set_switches(rate_limit=2)
    client = tenant.client()
    for n in range(5):
        writes.create(client, {"givenName": f"Nr {n}"}, key=str(n))
    assert tenant.sandbox.count() == 5
    assert tenant.counts["rate_limited"] == 2
    assert 20 <= tenant.time.slept < 24
    # without the header, and for a reading
    tenant.sandbox.set_switches(rate_limit=None)
    tenant.sandbox.faults.add(Fault("status", "contacts", status=429, times=3))
    assert contacts.count(client) == 5


def test_503_may_say_how_long(tenant: Connected) -> None:
    client = tenant.client()
    tenant.sandbox.faults.add(Fault("status", "contacts", status=503, headers={"Retry-After": "90"}))
    contacts.count(client)
    assert tenant.time.naps == [90.0]
    tenant.sandbox.faults.add(Fault("status", "contacts", status=503, headers={"Retry-After": "7200"}))
    with pytest.raises(Unreachable, match="left alone for 120 minutes"):
        contacts.count(client)


def test_our_own_limit_holds(tenant: Connected) -> None:
    tenant.sandbox.set_switches(rate_limit=5)
    client = tenant.client(rate_limit=5)
    for _ in range(11):
        contacts.count(client)
    assert tenant.counts["rate_limited"] == 0
    assert tenant.time.slept >= 20


def test_a_refused_token_is_renewed_once(tenant: Connected) -> None:
    number, client = ada(tenant), tenant.client()
    contacts.get(client, number)
    tenant.sandbox.store.execute("update tokens set dead = 1 where kind = 'access'")
    seen = contacts.get(client, number)
    tenant.sandbox.store.execute("update tokens set dead = 1 where kind = 'access'")
    assert writes.update(client, seen, {"givenName": "Bo"}).values["givenName"] == "Bo"
    tenant.sandbox.faults.add(Fault("status", "contacts", status=401, times=None))
    with pytest.raises(CredentialsRefused, match="that it has just given"):
        contacts.get(client, number)
    assert tenant.sandbox.log.count("connect/token") == 4


def test_a_token_without_the_scope(tenant: Connected) -> None:
    tenant.sandbox.store.execute("update tokens set scope = 'offline_access'")
    with pytest.raises(CredentialsRefused, match=r"scope `crmoffice`, then run `tl-hubspot auth crmoffice`"):
        contacts.count(tenant.client())


def test_refusals_name_the_fields(tenant: Connected) -> None:
    client = tenant.client()
    with pytest.raises(Refused) as raised:
        writes.create(client, {"givenName": "x" * 300, "mobilePhone": "call me"}, key="k")
    assert raised.value.problems == (
        FieldProblem("givenName", "too_long"),
        FieldProblem("mobilePhone", "invalid_phone"),
    )
    with pytest.raises(Refused) as raised:
        writes.create(client, {"givenName": " "}, key="k")
    assert raised.value.problems == (FieldProblem("", "empty_record"),)


@pytest.mark.parametrize(("tenant", "caps"), [("", "write=put_full"), ("write=put_full", "")], indirect=["tenant"])
def test_the_wrong_verb_is_an_error_of_the_configuration(tenant: Connected, caps: str) -> None:
    client = tenant.client(caps=caps)
    seen = contacts.get(client, ada(tenant))
    with pytest.raises(ConfigurationError, match=r"allows GET, (PATCH|PUT), DELETE.*`write` in CRMOFFICE_CAPABILITIES"):
        writes.update(client, seen, {"givenName": "Bo"})


def test_not_found(tenant: Connected) -> None:
    client = tenant.client()
    seen = contacts.get(client, ada(tenant))
    tenant.sandbox.delete(seen.id)
    with pytest.raises(NotFound):
        contacts.get(client, seen.id)
    with pytest.raises(NotFound):
        writes.update(client, seen, {"givenName": "Bo"})
    writes.delete(client, seen)


def test_api_and_sign_in_may_be_on_two_hosts(tenant: Connected) -> None:
    with LoopbackServer(tenant.sandbox.app) as other:
        assert contacts.count(tenant.client(auth_url=f"{other.url}/", api_url=f"{tenant.url}/")) == 0


def test_no_secret_and_no_person_is_told(tenant: Connected, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = tenant.client()
    said = [repr(client), repr(client.grant)]
    for status in (400, 403, 405, 422, 500):
        body = {
            "error": "x",
            "message": "Ada Berg is wrong",
            "fields": [{"name": "givenName", "code": "x", "message": "Ada"}],
        }
        fault = Fault("status", "contacts", status=status, times=None, body=body)
        tenant.sandbox.faults.add(fault)
        with pytest.raises(Exception) as raised:
            writes.create(client, {"givenName": "Ada", "familyName": "Berg"}, key="k")
        said.append(repr(raised.value))
        tenant.sandbox.faults.clear()
    tokens: dict[str, Any] = json.loads(tenant.store_path.read_text())
    for secret in (CLIENT_SECRET, FIRST_TOKEN, tokens["access_token"], tokens["refresh_token"], "Ada", "Berg"):
        assert secret not in " ".join(said) + caplog.text
