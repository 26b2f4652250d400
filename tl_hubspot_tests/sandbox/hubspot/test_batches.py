"""Batch accounting: one test or more for each row of HubSpot's batch behaviour."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox
from tl_hubspot_tests.sandbox.hubspot.conftest import traced, traces

CONTACTS = "/crm/v3/objects/contacts/batch"
COMPANIES = "/crm/v3/objects/companies/batch"


def create(http: httpx.Client, *emails: str) -> list[str]:
    """Ids of new contacts, in the order of their addresses."""
    inputs = [{"properties": {"email": email}, "associations": []} for email in emails]
    answer = http.post(f"{CONTACTS}/create", json={"inputs": inputs})
    assert answer.status_code == 201
    by_email = {item["properties"]["email"]: item["id"] for item in answer.json()["results"]}
    return [by_email[email] for email in emails]


BAD: dict[str, Any] = {"email": "b@x.be", "hs_language": "klingon"}


def upserts(*properties: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"id": item["email"], "idProperty": "email", "properties": {k: v for k, v in item.items() if k != "email"}}
        for item in properties
    ]


@pytest.mark.parametrize("call", ["create", "upsert", "update"])
def test_without_trace_ids_one_bad_record_refuses_all(http: httpx.Client, sandbox: HubSpotSandbox, call: str) -> None:
    existing = create(http, "a0@x.be", "b0@x.be") if call == "update" else []
    good: dict[str, Any] = {"email": "a@x.be", "firstname": "An"}
    inputs = {
        "create": [{"properties": good}, {"properties": BAD}],
        "upsert": upserts(good, BAD),
        "update": [{"id": existing[0], "properties": good}, {"id": existing[1], "properties": BAD}] if existing else [],
    }[call]
    answer = http.post(f"{CONTACTS}/{call}", json={"inputs": inputs})
    assert answer.status_code == 400
    body = answer.json()
    assert body["category"] == "VALIDATION_ERROR"
    assert body["message"].startswith("Property values were not valid: [{")
    assert [error["code"] for error in body["errors"]] == ["INVALID_OPTION"]
    assert sandbox.find("contacts", "email", "a@x.be") is None
    assert sandbox.count("contacts") == len(existing)


@pytest.mark.parametrize("call", ["create", "upsert", "update"])
def test_with_trace_ids_the_valid_ones_are_written(http: httpx.Client, sandbox: HubSpotSandbox, call: str) -> None:
    existing = create(http, "a0@x.be", "b0@x.be") if call == "update" else []
    good: dict[str, Any] = {"email": "a@x.be", "firstname": "An"}
    inputs = {
        "create": [{"properties": good}, {"properties": BAD}],
        "upsert": upserts(good, BAD),
        "update": [{"id": existing[0], "properties": good}, {"id": existing[1], "properties": BAD}] if existing else [],
    }[call]
    answer = http.post(f"{CONTACTS}/{call}", json={"inputs": traced(*inputs)})
    assert answer.status_code == 207
    body = answer.json()
    assert body["numErrors"] == 1
    assert body["status"] == "COMPLETE"
    error = traces(body["errors"])["t1"]
    assert error["category"] == "VALIDATION_ERROR"
    text = error["message"].removeprefix("Property values were not valid: ")
    assert msgspec.json.decode(text)[0] | {"message": "", "localizedErrorMessage": ""} == {
        "isValid": False,
        "message": "",
        "error": "INVALID_OPTION",
        "name": "hs_language",
        "localizedErrorMessage": "",
        "portalId": sandbox.profile.portal_id,
    }
    assert len(body["results"]) == 1
    found = sandbox.find("contacts", "email", "a@x.be")
    assert found is not None
    assert found["properties"]["firstname"] == "An"
    assert sandbox.find("contacts", "email", "b@x.be") is None


def test_trace_ids_that_are_not_all_there_or_not_unique_do_not_count(http: httpx.Client) -> None:
    inputs = traced({"properties": {"email": "a@x.be"}}, {"properties": BAD})
    del inputs[0]["objectWriteTraceId"]
    assert http.post(f"{CONTACTS}/create", json={"inputs": inputs}).status_code == 400
    inputs[0]["objectWriteTraceId"] = inputs[1]["objectWriteTraceId"]
    assert http.post(f"{CONTACTS}/create", json={"inputs": inputs}).status_code == 400


@pytest.mark.parametrize("with_traces", [False, True])
@pytest.mark.parametrize("call", ["update", "upsert"])
def test_the_same_id_twice_refuses_the_batch(
    http: httpx.Client, keyed: HubSpotSandbox, call: str, with_traces: bool
) -> None:
    (contact,) = create(http, "a@x.be")
    if call == "update":
        inputs: list[dict[str, Any]] = [{"id": contact, "properties": {"firstname": name}} for name in "AB"]
    else:
        inputs = [{"id": "k", "idProperty": "ext_id", "properties": {"firstname": name}} for name in "AB"]
    answer = http.post(f"{CONTACTS}/{call}", json={"inputs": traced(*inputs) if with_traces else inputs})
    assert answer.status_code == 400
    wanted = contact if call == "update" else "k"
    assert answer.json()["message"] == f"Duplicate IDs found in batch input: [{wanted}]. IDs must be unique"
    assert answer.json()["category"] == "VALIDATION_ERROR"
    assert "firstname" not in keyed.get("contacts", contact)["properties"]


def test_the_same_address_in_another_case_is_the_same_id(http: httpx.Client) -> None:
    inputs = traced(*upserts({"email": "a@x.be", "city": "Gent"}, {"email": "A@X.be", "city": "Aalst"}))
    assert http.post(f"{CONTACTS}/upsert", json={"inputs": inputs}).status_code == 400


@pytest.mark.parametrize("with_traces", [False, True])
def test_two_creates_with_one_address_conflict(http: httpx.Client, sandbox: HubSpotSandbox, with_traces: bool) -> None:
    inputs: list[dict[str, Any]] = [{"properties": {"email": "a@x.be", "firstname": name}} for name in "AB"]
    answer = http.post(f"{CONTACTS}/create", json={"inputs": traced(*inputs) if with_traces else inputs})
    assert answer.status_code == 409
    assert answer.json()["category"] == "CONFLICT"
    assert sandbox.count("contacts") == 0


@pytest.mark.parametrize("with_traces", [False, True])
def test_create_with_an_existing_address_refuses_the_batch(
    http: httpx.Client, sandbox: HubSpotSandbox, with_traces: bool
) -> None:
    (first, _) = create(http, "a@x.be", "b@x.be")
    inputs: list[dict[str, Any]] = [{"properties": {"email": email}} for email in ("new@x.be", "a@x.be", "b@x.be")]
    answer = http.post(f"{CONTACTS}/create", json={"inputs": traced(*inputs) if with_traces else inputs})
    assert answer.status_code == 409
    assert answer.json()["message"] == f"Contact already exists. Existing ID: {first}"
    assert sandbox.find("contacts", "email", "new@x.be") is None


def test_create_conflict_per_record_by_switch(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.set_switches(create_conflict_per_record=True)
    (first,) = create(http, "a@x.be")
    inputs = [{"properties": {"email": email}} for email in ("new@x.be", "a@x.be")]
    answer = http.post(f"{CONTACTS}/create", json={"inputs": traced(*inputs)})
    assert answer.status_code == 207
    error = traces(answer.json()["errors"])["t1"]
    assert (error["category"], error["message"]) == ("CONFLICT", f"Contact already exists. Existing ID: {first}")
    assert sandbox.find("contacts", "email", "new@x.be") is not None
    assert http.post(f"{CONTACTS}/create", json={"inputs": inputs}).status_code == 409


def test_read_groups_what_is_missing(http: httpx.Client) -> None:
    (contact,) = create(http, "a@x.be")
    inputs = [{"id": "1"}, {"id": contact}, {"id": "2"}, {"id": "no-number"}]
    answer = http.post(
        f"{CONTACTS}/read", json={"inputs": inputs, "properties": ["email"], "propertiesWithHistory": []}
    )
    assert answer.status_code == 207
    body = answer.json()
    assert body["numErrors"] == 1
    (error,) = body["errors"]
    assert error["category"] == "OBJECT_NOT_FOUND"
    assert error["message"] == (
        "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."
    )
    assert error["context"]["ids"] == ["1", "2", "no-number"]
    assert [item["id"] for item in body["results"]] == [contact]


def test_read_answers_200_when_all_are_there_and_orders_nothing(http: httpx.Client) -> None:
    ids = create(http, *(f"a{number}@x.be" for number in range(30)))
    body = {"inputs": [{"id": item} for item in ids], "properties": []}
    answer = http.post(f"{CONTACTS}/read", json=body)
    assert answer.status_code == 200
    order = [item["id"] for item in answer.json()["results"]]
    assert sorted(order) == sorted(ids)
    assert order != ids


def test_update_of_a_missing_record(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    (contact,) = create(http, "a@x.be")
    inputs = [{"id": item, "properties": {"city": "Gent"}} for item in (contact, "999")]
    answer = http.post(f"{CONTACTS}/update", json={"inputs": traced(*inputs)})
    assert answer.status_code == 207
    error = traces(answer.json()["errors"])["t1"]
    assert error["category"] == "OBJECT_NOT_FOUND"
    assert [item["id"] for item in answer.json()["results"]] == [contact]
    assert sandbox.get("contacts", contact)["properties"]["city"] == "Gent"
    answer = http.post(f"{CONTACTS}/update", json={"inputs": inputs})
    assert answer.json()["errors"][0]["context"]["ids"] == ["999"]


def test_update_of_an_archived_record_finds_nothing(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    (contact,) = create(http, "a@x.be")
    sandbox.archive("contacts", contact)
    answer = http.post(f"{CONTACTS}/update", json={"inputs": traced({"id": contact, "properties": {"city": "Gent"}})})
    assert traces(answer.json()["errors"])["t0"]["category"] == "OBJECT_NOT_FOUND"


@pytest.mark.parametrize("call", ["update", "upsert"])
def test_a_record_merged_away_is_left_out_without_a_word(
    http: httpx.Client, sandbox: HubSpotSandbox, call: str
) -> None:
    winner, loser, third = create(http, "a@x.be", "b@x.be", "c@x.be")
    sandbox.merge("contacts", winner, loser)
    inputs = traced(*({"id": item, "properties": {"city": "Gent"}} for item in (loser, third)))
    answer = http.post(f"{CONTACTS}/{call}", json={"inputs": inputs})
    assert answer.status_code == 200
    assert "errors" not in answer.json()
    assert [item["id"] for item in answer.json()["results"]] == [third]
    assert "city" not in sandbox.get("contacts", winner)["properties"]


def test_batch_read_of_a_merged_id_by_switch(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    winner, loser = create(http, "a@x.be", "b@x.be")
    sandbox.merge("contacts", winner, loser)
    body = {"inputs": [{"id": loser}], "properties": []}
    assert http.post(f"{CONTACTS}/read", json=body).json()["errors"][0]["context"]["ids"] == [loser]
    sandbox.set_switches(batch_read_follows_merges=True)
    assert [item["id"] for item in http.post(f"{CONTACTS}/read", json=body).json()["results"]] == [winner]


def test_update_by_address_as_record_id_succeeds_without_effect(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    (contact,) = create(http, "a@x.be")
    before = sandbox.get("contacts", contact)
    inputs = traced({"id": "a@x.be", "properties": {"city": "Gent"}})
    answer = http.post(f"{CONTACTS}/update", json={"inputs": inputs})
    assert answer.status_code == 200
    assert answer.json()["status"] == "COMPLETE"
    assert "errors" not in answer.json()
    assert sandbox.get("contacts", contact) == before


@pytest.mark.parametrize(
    ("kind", "call", "name", "number"),
    [
        ("contacts", "update", "email", "0-1"),
        ("contacts", "update", "hs_object_id", "0-1"),
        ("contacts", "upsert", "hs_object_id", "0-1"),
        ("contacts", "upsert", "phone", "0-1"),
        ("companies", "update", "hs_object_id", "0-2"),
        ("companies", "upsert", "domain", "0-2"),
        ("companies", "upsert", "email", "0-2"),
        ("deals", "upsert", "dealname", "0-3"),
    ],
)
def test_id_properties_that_are_refused(http: httpx.Client, kind: str, call: str, name: str, number: str) -> None:
    inputs = traced({"id": "x", "idProperty": name, "properties": {}})
    answer = http.post(f"/crm/v3/objects/{kind}/batch/{call}", json={"inputs": inputs})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"Unable to perform update/upsert by non-unique {number} property")
    assert answer.json()["message"].endswith(name)


def test_update_by_unique_property(http: httpx.Client, keyed: HubSpotSandbox) -> None:
    (contact,) = create(http, "a@x.be")
    keyed.patch("contacts", contact, {"ext_id": "k1"})
    inputs = [{"id": key, "idProperty": "ext_id", "properties": {"city": "Gent"}} for key in ("k1", "k2")]
    answer = http.post(f"{CONTACTS}/update", json={"inputs": traced(*inputs)})
    assert answer.status_code == 207
    assert [item["id"] for item in answer.json()["results"]] == [contact]
    (place,) = traces(answer.json()["errors"])["t1"]["context"]["missingObjectPropertyValueCoordinates"]
    assert "propertyName=ext_id, value=k2" in place


@pytest.mark.parametrize("call", ["create", "read", "update", "upsert", "archive"])
def test_101_inputs_are_too_many(http: httpx.Client, sandbox: HubSpotSandbox, call: str) -> None:
    def body(count: int) -> dict[str, Any]:
        def item(number: int) -> dict[str, Any]:
            if call == "create":
                return {"properties": {"email": f"a{number}@x.be"}}
            if call == "upsert":
                return {"id": f"a{number}@x.be", "idProperty": "email", "properties": {}}
            return {"id": str(number), "properties": {}}

        return {"inputs": [item(number) for number in range(count)]} | ({"properties": []} if call == "read" else {})

    assert http.post(f"{CONTACTS}/{call}", json=body(101)).status_code == 400
    assert http.post(f"{CONTACTS}/{call}", json=body(100)).status_code < 300
    assert sandbox.count("contacts") == (100 if call in ("create", "upsert") else 0)


def test_read_with_history_takes_50(http: httpx.Client) -> None:
    body: dict[str, Any] = {
        "inputs": [{"id": str(n)} for n in range(51)],
        "properties": [],
        "propertiesWithHistory": ["email"],
    }
    assert http.post(f"{CONTACTS}/read", json=body).status_code == 400
    body["inputs"].pop()
    assert http.post(f"{CONTACTS}/read", json=body).status_code == 207


def test_upsert_by_unique_property_creates_then_updates(http: httpx.Client, keyed: HubSpotSandbox) -> None:
    def upsert(**values: str) -> dict[str, Any]:
        inputs = [{"id": "c1", "idProperty": "ext_id", "objectWriteTraceId": "t-1", "properties": values}]
        answer = http.post(f"{COMPANIES}/upsert", json={"inputs": inputs})
        assert answer.status_code == 200
        result: dict[str, Any] = answer.json()["results"][0]
        return result

    first, second = upsert(name="Acme"), upsert(city="Gent")
    assert (first["new"], second["new"]) == (True, False)
    assert first["id"] == second["id"]
    assert first["objectWriteTraceId"] == second["objectWriteTraceId"] == "t-1"
    values = keyed.get("companies", first["id"])["properties"]
    assert (values["name"], values["city"], values["ext_id"]) == ("Acme", "Gent", "c1")


def test_upsert_by_address_primary_or_secondary(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.load_objects("contacts", [{"id": "7", "properties": {"email": "a@x.be"}, "secondary_emails": ["b@x.be"]}])
    inputs = traced(*upserts({"email": "B@x.be", "city": "Gent"}, {"email": "new@x.be", "city": "Aalst"}))
    body = http.post(f"{CONTACTS}/upsert", json={"inputs": inputs}).json()
    by_trace = {item["objectWriteTraceId"]: item for item in body["results"]}
    assert (by_trace["t0"]["id"], by_trace["t0"]["new"]) == ("7", False)
    assert by_trace["t1"]["new"] is True
    assert sandbox.get("contacts", "7")["properties"]["city"] == "Gent"
    assert sandbox.get("contacts", by_trace["t1"]["id"])["properties"]["email"] == "new@x.be"


@pytest.mark.parametrize("promotes", [False, True])
def test_upsert_by_secondary_address_that_repeats_it(
    http: httpx.Client, sandbox: HubSpotSandbox, promotes: bool
) -> None:
    sandbox.set_switches(upsert_promotes_secondary=promotes, old_primary_on_email_change="kept")
    sandbox.load_objects("contacts", [{"id": "7", "properties": {"email": "a@x.be"}, "secondary_emails": ["b@x.be"]}])
    inputs = [{"id": "b@x.be", "idProperty": "email", "properties": {"email": "b@x.be", "city": "Gent"}}]
    assert http.post(f"{CONTACTS}/upsert", json={"inputs": inputs}).status_code == 200
    values = sandbox.get("contacts", "7")["properties"]
    wanted = ("b@x.be", "a@x.be") if promotes else ("a@x.be", "b@x.be")
    assert (values["email"], values["hs_additional_emails"]) == wanted


def test_disjoint_upserts_by_address_keep_both(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    for values in ({"city": "Gent"}, {"phone": "+32"}):
        inputs = [{"id": "a@x.be", "idProperty": "email", "properties": values}]
        assert http.post(f"{CONTACTS}/upsert", json={"inputs": inputs}).status_code == 200
    found = sandbox.find("contacts", "email", "a@x.be")
    assert found is not None
    assert (found["properties"]["city"], found["properties"]["phone"]) == ("Gent", "+32")


def test_upsert_with_an_address_of_somebody_else_is_that_record_s_error(
    http: httpx.Client, keyed: HubSpotSandbox
) -> None:
    (other,) = create(http, "a@x.be")
    inputs = [
        {"id": "k1", "idProperty": "ext_id", "properties": {"email": "a@x.be"}},
        {"id": "k2", "idProperty": "ext_id", "properties": {"email": "b@x.be"}},
    ]
    answer = http.post(f"{CONTACTS}/upsert", json={"inputs": traced(*inputs)})
    assert answer.status_code == 207
    assert traces(answer.json()["errors"])["t0"]["message"] == f"Contact already exists. Existing ID: {other}"
    assert len(answer.json()["results"]) == 1
    assert http.post(f"{CONTACTS}/upsert", json={"inputs": inputs[:1]}).status_code == 409


@pytest.mark.parametrize(("echo", "calls"), [("upsert", {"upsert"}), ("all", {"create", "update", "upsert"})])
def test_which_calls_echo_trace_ids(http: httpx.Client, keyed: HubSpotSandbox, echo: str, calls: set[str]) -> None:
    keyed.set_switches(echo_trace_ids=echo)
    (contact,) = create(http, "a@x.be")
    inputs: dict[str, dict[str, Any]] = {
        "create": {"properties": {"email": "b@x.be"}},
        "update": {"id": contact, "properties": {"city": "Gent"}},
        "upsert": {"id": "k1", "idProperty": "ext_id", "properties": {"email": "c@x.be"}},
    }
    for call, item in inputs.items():
        (result,) = http.post(f"{CONTACTS}/{call}", json={"inputs": traced(item)}).json()["results"]
        assert ("objectWriteTraceId" in result) == (call in calls)


def test_batch_archive_ignores_what_is_not_there(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    (contact,) = create(http, "a@x.be")
    answer = http.post(f"{CONTACTS}/archive", json={"inputs": [{"id": contact}, {"id": "999"}]})
    assert (answer.status_code, answer.content) == (204, b"")
    assert sandbox.get("contacts", contact)["archived"] is True


def test_dated_path_has_no_207(http: httpx.Client) -> None:
    inputs = traced({"properties": {"email": "a@x.be"}}, {"properties": BAD})
    answer = http.post("/crm/objects/2026-09/contacts/batch/create", json={"inputs": inputs})
    assert answer.status_code == 201
    assert answer.json()["numErrors"] == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"inputs": 1}', b'{"inputs": [{"properties": {"email": {}}}]}', b""])
def test_malformed_json(http: httpx.Client, body: bytes) -> None:
    answer = http.post(f"{CONTACTS}/create", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Invalid input JSON on line ")
