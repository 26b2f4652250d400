"""What writes do: verbs, checks, canonical forms, ETag, Idempotency-Key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_hubspot.sandbox.crmoffice import values
from tl_hubspot_tests.sandbox.crmoffice.tenant import Tenant
from tl_hubspot_tests.sandbox.crmoffice.test_reading import with_caps

ADA = {"givenName": "Ada", "familyName": "Berg", "mobilePhone": "912 34 567", "directPhone": "22 33 44 55"}


def test_create(tenant: Tenant) -> None:
    answer = tenant.send("POST", "/contacts", ADA | {"title": "Dr", "id": "7", "modifiedAt": "x"}, status=201)
    contact = answer.json()
    assert answer.headers["Location"] == f"contacts/{contact['id']}"
    assert contact == {**ADA, "id": contact["id"], "company": None, "title": "Dr"}
    assert contact["id"] != "7"
    assert tenant.get(f"/contacts/{contact['id']}") == contact


def test_patch_changes_only_what_was_sent(tenant: Tenant) -> None:
    number = tenant.sandbox.add(**ADA, title="Dr")
    answer = tenant.send("PATCH", f"/contacts/{number}", {"givenName": "Åse", "directPhone": " "})
    assert answer.json() == {
        **ADA,
        "id": number,
        "givenName": "Åse",
        "directPhone": None,
        "company": None,
        "title": "Dr",
    }
    assert tenant.send("PUT", f"/contacts/{number}", ADA, status=405).headers["Allow"] == "GET, PATCH, DELETE"
    assert tenant.send("DELETE", "/contacts", status=405).headers["Allow"] == "GET, POST"


@with_caps("write=put_full")
def test_put_empties_what_was_left_out(tenant: Tenant) -> None:
    number = tenant.sandbox.add(**ADA, title="Dr")
    answer = tenant.send("PUT", f"/contacts/{number}", {"givenName": "Åse", "title": "Dr"})
    assert {name: value for name, value in answer.json().items() if value} == {
        "id": number,
        "givenName": "Åse",
        "title": "Dr",
    }
    refused = tenant.send("PATCH", f"/contacts/{number}", {}, status=405)
    assert (refused.json()["error"], refused.headers["Allow"]) == ("method_not_allowed", "GET, PUT, DELETE")


def test_delete(tenant: Tenant) -> None:
    number = tenant.sandbox.add(**ADA)
    assert tenant.send("DELETE", f"/contacts/{number}", status=204).content == b""
    for method, body in (("DELETE", None), ("PATCH", {})):
        tenant.send(method, f"/contacts/{number}", body, status=404)


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({"givenName": 7}, {"givenName": "type"}),
        ({"givenName": "x" * 256}, {"givenName": "too_long"}),
        ({"familyName": "a\nb"}, {"familyName": "invalid"}),
        ({"title": "a\x00b"}, {"title": "invalid"}),
        ({"mobilePhone": "call me"}, {"mobilePhone": "invalid_phone"}),
        ({"mobilePhone": "12"}, {"mobilePhone": "invalid_phone"}),
        ({"directPhone": "1" * 21}, {"directPhone": "invalid_phone"}),
        ({"email": "a@b.example"}, {"email": "unknown"}),
        ({"company": {"id": "999"}}, {"company": "unknown_reference"}),
        ({"company": "501"}, {"company": "type"}),
        (
            {"givenName": 7, "mobilePhone": "x", "y": 1},
            {"givenName": "type", "mobilePhone": "invalid_phone", "y": "unknown"},
        ),
    ],
)
def test_what_is_not_stored(tenant: Tenant, body: dict[str, Any], problems: dict[str, str]) -> None:
    number = tenant.sandbox.add(**ADA)
    before = tenant.get(f"/contacts/{number}")
    assert tenant.problems("PATCH", f"/contacts/{number}", {"familyName": "New"} | body) == problems
    assert tenant.get(f"/contacts/{number}") == before


def test_an_empty_contact_is_none(tenant: Tenant) -> None:
    assert tenant.problems("POST", "/contacts", {"givenName": " ", "title": "Dr"}) == {"": "empty_record"}


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'"x"', b"\xff"])
def test_a_body_that_is_no_object(tenant: Tenant, body: bytes) -> None:
    answer = tenant.api.post("/contacts", content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert set(answer.json()) == {"error", "message", "requestId"}


@with_caps("write=put_full,canonicalises=mobilePhone")
def test_what_is_stored_already_is_never_refused(tenant: Tenant) -> None:
    """A person's old data may look any way, and a PUT passes it through."""
    number = tenant.sandbox.add(givenName="Ada", mobilePhone="ask at the desk", directPhone="00 47 912 34 567")
    whole = {name: value for name, value in tenant.get(f"/contacts/{number}").items() if name != "id"}
    stored = tenant.send("PUT", f"/contacts/{number}", whole | {"givenName": "Åse"}).json()
    assert stored["mobilePhone"] == "ask at the desk"
    assert stored["directPhone"] == "00 47 912 34 567"
    tenant.sandbox.update(number, mobilePhone="91234567")
    stored = tenant.send("PUT", f"/contacts/{number}", whole | {"mobilePhone": "91234567"}).json()
    assert stored["mobilePhone"] == "+47 912 34 567"


@with_caps("required_fields=familyName+mobilePhone")
def test_required(tenant: Tenant) -> None:
    assert tenant.problems("POST", "/contacts", {"givenName": "Ada"}) == dict.fromkeys(
        ("familyName", "mobilePhone"), "required"
    )
    number = tenant.sandbox.add(**ADA)
    assert tenant.problems("PATCH", f"/contacts/{number}", {"familyName": ""}) == {"familyName": "required"}
    tenant.send("PATCH", f"/contacts/{number}", {"givenName": ""})


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [
        ("mobilePhone", "0047 912-34-567", "+47 912 34 567"),
        ("mobilePhone", "+32 470/12.34.56", "+32470123456"),
        ("directPhone", "22334455", "+47 22 33 44 55"),
        ("directPhone", "(+47) 41 23 45 67", "+47 412 34 567"),
        ("directPhone", "123", "123"),
        ("directPhone", "1+23+45", "12345"),
        ("givenName", " Anne\u00a0  Lise ", "Anne Lise"),
        ("familyName", "Zoe\u0308", "Zoë"),
    ],
)
@with_caps("canonicalises=givenName+familyName+mobilePhone+directPhone", "")
def test_canonical_forms(tenant: Tenant, name: str, given: str, stored: str) -> None:
    kept = tenant.send("POST", "/contacts", {name: given}, status=201).json()[name]
    assert kept == (stored if tenant.sandbox.switches.canonicalises else given)


@given(st.text("0123456789+ ()-./\u00a0", min_size=3, max_size=24))
def test_canonical_phones_stay_as_they_are(text: str) -> None:
    if values.problem("mobilePhone", text) is None and not values.is_empty(text):
        once = values.canonical("mobilePhone", text, "+47")
        assert values.canonical("mobilePhone", once, "+47") == once


@with_caps("etag=1,modified_timestamp=1")
def test_etag(tenant: Tenant) -> None:
    created = tenant.send("POST", "/contacts", ADA, status=201)
    path, first = f"/contacts/{created.json()['id']}", created.headers["ETag"]
    assert first.startswith('"')
    assert tenant.api.get(path).headers["ETag"] == first
    assert "ETag" not in tenant.api.get("/contacts").headers
    tenant.sandbox.clock.advance(5)
    # a write that changes nothing moves nothing
    same = tenant.send("PATCH", path, {"givenName": "Ada"}, If_Match=first)
    assert (same.headers["ETag"], same.json()["modifiedAt"]) == (first, created.json()["modifiedAt"])
    changed = tenant.send("PATCH", path, {"givenName": "Åse"}, If_Match=first)
    assert changed.headers["ETag"] != first
    assert changed.json()["modifiedAt"] > created.json()["modifiedAt"]
    for method, body in (("PATCH", {"givenName": "Bo"}), ("DELETE", None)):
        assert tenant.send(method, path, body, status=412, If_Match=first).json()["error"] == "precondition_failed"
    tenant.sandbox.update(created.json()["id"], givenName="Ada")
    tenant.send("PATCH", path, {"givenName": "Bo"}, status=412, If_Match=changed.headers["ETag"])
    assert tenant.get(path)["givenName"] == "Ada"
    tenant.send("PATCH", path, {"givenName": "Bo"})
    tenant.send("PATCH", path, {"givenName": "Cy"}, If_Match="*")


def test_without_etag_both_are_absent(tenant: Tenant) -> None:
    created = tenant.send("POST", "/contacts", ADA, status=201)
    assert "ETag" not in created.headers
    tenant.send("PATCH", f"/contacts/{created.json()['id']}", {"givenName": "Bo"}, If_Match='"other"')


@with_caps("idempotency_key=1,etag=1")
def test_idempotency_key(tenant: Tenant) -> None:
    first = tenant.send("POST", "/contacts", ADA, status=201, Idempotency_Key="k1")
    tenant.sandbox.update(first.json()["id"], givenName="Åse")
    again = tenant.send("POST", "/contacts", ADA, status=201, Idempotency_Key="k1")
    assert (again.json(), again.headers["ETag"]) == (first.json(), first.headers["ETag"])
    other = tenant.send("POST", "/contacts", ADA | {"givenName": "Bo"}, status=409, Idempotency_Key="k1")
    assert other.json()["error"] == "idempotency_conflict"
    assert tenant.sandbox.count() == 1
    tenant.problems("POST", "/contacts", {"givenName": 7})  # a refusal is not remembered
    tenant.send("POST", "/contacts", ADA, status=201, Idempotency_Key="k2")
    tenant.sandbox.clock.advance(86_401)
    tenant.api.headers["Authorization"] = f"Bearer {tenant.sandbox.access_token()}"
    tenant.send("POST", "/contacts", ADA, status=201, Idempotency_Key="k1")
    assert tenant.sandbox.count() == 3


def test_without_the_capability_the_key_is_ignored(tenant: Tenant) -> None:
    for _ in range(2):
        tenant.send("POST", "/contacts", ADA, status=201, Idempotency_Key="k1")
    assert tenant.sandbox.count() == 2
