"""Injected faults as HubSpot would show them: errors and dropped connections around writes, poison, omissions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.hubspot import HubSpotSandbox
from tl_hubspot_tests.sandbox.hubspot.conftest import traced, traces

CONTACTS = "/crm/v3/objects/contacts"
UPSERT = f"{CONTACTS}/batch/upsert"


def upserts(count: int) -> list[dict[str, Any]]:
    return traced(*({"id": f"a{n}@x.be", "idProperty": "email", "properties": {"city": f"C{n}"}} for n in range(count)))


def written(sandbox: HubSpotSandbox) -> set[str]:
    return {item["properties"]["email"] for item in sandbox.all("contacts")}


@pytest.mark.parametrize(
    ("status", "category"), [(423, "LOCKED"), (500, "INTERNAL_ERROR"), (401, "INVALID_AUTHENTICATION")]
)
def test_status_faults_have_hubspot_s_bodies(
    http: httpx.Client, sandbox: HubSpotSandbox, status: int, category: str
) -> None:
    sandbox.faults.add(Fault("status", status=status))
    answer = http.get(CONTACTS)
    assert (answer.status_code, answer.json()["category"]) == (status, category)
    assert answer.json()["correlationId"]


def test_429_and_gateway_faults(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.faults.add(Fault("status", status=429))
    assert http.get(CONTACTS).json()["policyName"] == "TEN_SECONDLY_ROLLING"
    sandbox.faults.add(Fault("status", status=477, headers={"Retry-After": "7"}))
    assert http.get(CONTACTS).headers["retry-after"] == "7"


@pytest.mark.parametrize(("when", "count"), [("before", 0), ("after", 3)])
@pytest.mark.parametrize("kind", ["status", "drop"])
def test_around_the_write(sandbox: HubSpotSandbox, url: str, kind: Any, when: Any, count: int) -> None:
    sandbox.faults.add(Fault(kind, path="/batch/upsert", when=when, status=502))
    headers = {"Authorization": f"Bearer {sandbox.profile.access_token}"}
    with httpx.Client(base_url=url, headers=headers) as bare:
        if kind == "drop":
            with pytest.raises(httpx.TransportError):
                bare.post(UPSERT, json={"inputs": upserts(3)})
        else:
            answer = bare.post(UPSERT, json={"inputs": upserts(3)})
            assert (answer.status_code, "<html>" in answer.text) == (502, True)
        assert len(written(sandbox)) == count
        again = bare.post(UPSERT, json={"inputs": upserts(3)}).json()["results"]
    assert [item["new"] for item in again] == [count == 0] * 3
    assert sandbox.count("contacts") == 3


@pytest.mark.parametrize(("record", "trace"), [(None, "t0"), ("a1@x.be", "t1"), ('"C2"', "t2")])
def test_poison_fails_one_record(http: httpx.Client, sandbox: HubSpotSandbox, record: str | None, trace: str) -> None:
    sandbox.faults.add(Fault("poison", path="/batch/upsert", record=record))
    answer = http.post(UPSERT, json={"inputs": upserts(3)})
    assert answer.status_code == 207
    assert traces(answer.json()["errors"]).keys() == {trace}
    assert traces(answer.json()["errors"])[trace]["category"] == "VALIDATION_ERROR"
    assert len(written(sandbox)) == len(answer.json()["results"]) == 2


def test_poison_without_trace_ids_fails_the_batch(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.faults.add(Fault("poison", path="/batch/upsert", record="a1@x.be"))
    inputs = [{name: value for name, value in item.items() if name != "objectWriteTraceId"} for item in upserts(3)]
    assert http.post(UPSERT, json={"inputs": inputs}).status_code == 400
    assert written(sandbox) == set()


def test_poison_of_a_single_call(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.faults.add(Fault("poison", path="contacts$", method="POST", record="a1@x.be", times=2))
    assert http.post(CONTACTS, json={"properties": {"email": "a1@x.be"}}).status_code == 400
    assert http.post(CONTACTS, json={"properties": {"email": "a2@x.be"}}).status_code == 201


@pytest.mark.parametrize(
    ("kind", "record", "when", "shown", "stored"),
    [
        ("omit", "a1@x.be", "before", {0, 2, 3}, {0, 2, 3}),
        ("omit", "a1@x.be", "after", {0, 2, 3}, {0, 1, 2, 3}),
        ("truncated", None, "before", {0, 1}, {0, 1}),
        ("truncated", None, "after", {0, 1}, {0, 1, 2, 3}),
        ("empty", None, "before", set(), set()),
        ("empty", None, "after", set(), {0, 1, 2, 3}),
    ],
)
def test_a_2xx_that_leaves_records_out(
    http: httpx.Client,
    sandbox: HubSpotSandbox,
    kind: Any,
    record: str | None,
    when: Any,
    shown: set[int],
    stored: set[int],
) -> None:
    sandbox.faults.add(Fault(kind, path="/batch/upsert", record=record, when=when))
    answer = http.post(UPSERT, json={"inputs": upserts(4)})
    assert answer.status_code == 200
    assert "errors" not in answer.json()
    assert {item["objectWriteTraceId"] for item in answer.json()["results"]} == {f"t{n}" for n in shown}
    assert written(sandbox) == {f"a{n}@x.be" for n in stored}
    assert len(http.post(UPSERT, json={"inputs": upserts(4)}).json()["results"]) == 4


def test_reads_that_leave_records_out(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.load_objects("contacts", [{"id": str(n), "properties": {"email": f"a{n}@x.be"}} for n in range(1, 7)])

    def listed() -> tuple[list[str], bool]:
        body = http.get(f"{CONTACTS}?limit=4").json()
        return [item["id"] for item in body["results"]], "paging" in body

    for kind, expected in (
        ("empty", ([], False)),
        ("truncated", (["1", "2"], False)),
        ("omit", (["2", "3", "4"], True)),
    ):
        sandbox.faults.add(Fault(kind))  # type: ignore[arg-type]
        assert listed() == expected
        assert listed() == (["1", "2", "3", "4"], True)
    sandbox.faults.add(Fault("omit", path="batch/read", record='"3"'))
    body = {"inputs": [{"id": str(n)} for n in range(1, 5)], "properties": []}
    answer = http.post(f"{CONTACTS}/batch/read", json=body)
    assert answer.status_code == 200
    assert {item["id"] for item in answer.json()["results"]} == {"1", "2", "4"}


@pytest.mark.parametrize(("when", "linked"), [("before", {"2"}), ("after", {"1", "2"})])
def test_association_batches(http: httpx.Client, sandbox: HubSpotSandbox, when: Any, linked: set[str]) -> None:
    sandbox.load_objects("contacts", [{"id": str(n), "properties": {"email": f"a{n}@x.be"}} for n in (1, 2)])
    sandbox.load_objects("companies", [{"id": "9", "properties": {"name": "C"}}])
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]
    body = {"inputs": [{"from": {"id": str(n)}, "to": {"id": "9"}, "types": types} for n in (1, 2)]}
    url = "/crm/v4/associations/contacts/companies/batch/create"
    sandbox.faults.add(Fault("omit", path="batch/create", when=when))
    answer = http.post(url, json=body)
    assert (answer.status_code, len(answer.json()["results"])) == (201, 1)
    assert {item["id"] for item in sandbox.associations("companies", "9", "contacts")} == linked
    sandbox.faults.add(Fault("poison", path="batch/create"))
    answer = http.post(url, json=body)
    assert (answer.status_code, answer.json()["numErrors"]) == (207, 1)


def test_which_calls_are_writes(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.set_profile(marketing_enterprise=True)
    reads: list[tuple[str, str, Any]] = [
        ("POST", f"{CONTACTS}/search", {}),
        ("POST", f"{CONTACTS}/batch/read", {"inputs": []}),
        ("POST", "/crm/v4/associations/contacts/companies/batch/read", {"inputs": []}),
        ("POST", "/communication-preferences/v4/statuses/batch/unsubscribe-all/read?channel=EMAIL", {"inputs": []}),
        ("GET", CONTACTS, None),
    ]
    writes: list[tuple[str, str, Any]] = [
        ("POST", CONTACTS, {"properties": {"email": "a@x.be"}}),
        ("POST", UPSERT, {"inputs": []}),
        ("PUT", "/contacts/v1/secondary-email/1/email/b%40x.be", None),
        ("DELETE", f"{CONTACTS}/1", None),
        ("POST", "/communication-preferences/v4/statuses/a%40x.be/unsubscribe-all?channel=EMAIL", None),
    ]
    for method, path, body in reads + writes:
        http.request(method, path, json=body)
    assert [entry["write"] for entry in sandbox.log.entries] == [False] * len(reads) + [True] * len(writes)
    assert [entry["path"] for entry in sandbox.log.writes()][2] == "/contacts/v1/secondary-email/1/email/b@x.be"
    assert sandbox.log.writes()[0]["body"] == {"properties": {"email": "a@x.be"}}
