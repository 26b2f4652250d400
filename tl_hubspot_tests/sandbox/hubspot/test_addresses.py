"""Primary and secondary addresses: uniqueness, change of primary, the legacy routes, each switch both ways."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox

CONTACTS = "/crm/v3/objects/contacts"
LEGACY = "/contacts/v1/secondary-email"


@pytest.fixture
def two(sandbox: HubSpotSandbox) -> HubSpotSandbox:
    """Contact 7 with a@ and, secondary, b@; contact 8 with c@."""
    sandbox.load_objects(
        "contacts",
        [
            {"id": "7", "properties": {"email": "a@x.be"}, "secondary_emails": ["b@x.be"]},
            {"id": "8", "properties": {"email": "c@x.be"}},
        ],
    )
    return sandbox


def addresses(sandbox: HubSpotSandbox, contact: str) -> tuple[str | None, set[str]]:
    values = sandbox.get("contacts", contact)["properties"]
    return values.get("email"), {part for part in values.get("hs_additional_emails", "").split(";") if part}


def test_addresses_are_stored_in_lower_case(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    answer = http.post(CONTACTS, json={"properties": {"email": " An.Maes@X.BE "}})
    assert answer.json()["properties"]["email"] == "an.maes@x.be"
    assert http.post(CONTACTS, json={"properties": {"email": "an.maes@x.be"}}).status_code == 409


@pytest.mark.parametrize(
    "email", ["x", "x@", "x@y", "a b@x.be", "@x.be", "a@x..be", "a@-x.be", "a@x.be;b@x.be", "a@x.1"]
)
def test_invalid_addresses(http: httpx.Client, email: str) -> None:
    answer = http.post(CONTACTS, json={"properties": {"email": email}})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "INVALID_EMAIL"


@pytest.mark.parametrize("taken", ["a@x.be", "b@x.be", "B@X.be"])
def test_somebody_else_s_address_is_a_conflict(http: httpx.Client, two: HubSpotSandbox, taken: str) -> None:
    for answer in (
        http.post(CONTACTS, json={"properties": {"email": taken}}),
        http.patch(f"{CONTACTS}/8", json={"properties": {"email": taken, "city": "Gent"}}),
    ):
        assert answer.status_code == 409
        assert answer.json()["message"] == "Contact already exists. Existing ID: 7"
        assert answer.json()["category"] == "CONFLICT"
    assert "city" not in two.get("contacts", "8")["properties"]


@pytest.mark.parametrize(("fate", "secondary"), [("kept", {"a@x.be", "b@x.be"}), ("dropped", {"b@x.be"})])
def test_fate_of_the_old_primary(http: httpx.Client, two: HubSpotSandbox, fate: str, secondary: set[str]) -> None:
    two.set_switches(old_primary_on_email_change=fate)
    assert http.patch(f"{CONTACTS}/7", json={"properties": {"email": "new@x.be"}}).status_code == 200
    assert addresses(two, "7") == ("new@x.be", secondary)
    free = http.post(CONTACTS, json={"properties": {"email": "a@x.be"}})
    assert free.status_code == (409 if fate == "kept" else 201)


@pytest.mark.parametrize(("fate", "secondary"), [("kept", {"a@x.be"}), ("dropped", set())])
def test_own_secondary_can_become_primary(
    http: httpx.Client, two: HubSpotSandbox, fate: str, secondary: set[str]
) -> None:
    two.set_switches(old_primary_on_email_change=fate)
    assert http.patch(f"{CONTACTS}/7", json={"properties": {"email": "b@x.be"}}).status_code == 200
    assert addresses(two, "7") == ("b@x.be", secondary)


@pytest.mark.parametrize(
    ("mode", "status", "expected"),
    [("accepted", 200, {"d@x.be"}), ("ignored", 200, {"b@x.be"}), ("refused", 400, {"b@x.be"})],
)
def test_secondary_addresses_by_property(
    http: httpx.Client, two: HubSpotSandbox, mode: str, status: int, expected: set[str]
) -> None:
    two.set_switches(additional_emails_by_property=mode)
    answer = http.patch(f"{CONTACTS}/7", json={"properties": {"hs_additional_emails": "D@x.be", "city": "Gent"}})
    assert answer.status_code == status
    assert addresses(two, "7") == ("a@x.be", expected)
    assert ("city" in two.get("contacts", "7")["properties"]) == (status == 200)
    definition = http.get("/crm/v3/properties/contacts/hs_additional_emails").json()
    assert definition["modificationMetadata"]["readOnlyValue"] == (mode == "refused")
    if status == 400:
        assert answer.json()["errors"][0]["code"] == "READ_ONLY_VALUE"


def test_leading_semicolon_adds_secondary_addresses(http: httpx.Client, two: HubSpotSandbox) -> None:
    http.patch(f"{CONTACTS}/7", json={"properties": {"hs_additional_emails": ";d@x.be"}})
    assert addresses(two, "7") == ("a@x.be", {"b@x.be", "d@x.be"})
    taken = http.patch(f"{CONTACTS}/7", json={"properties": {"hs_additional_emails": ";c@x.be"}})
    assert (taken.status_code, taken.json()["message"]) == (409, "Contact already exists. Existing ID: 8")


def test_create_with_secondary_addresses(http: httpx.Client, two: HubSpotSandbox) -> None:
    values = {"email": "d@x.be", "hs_additional_emails": "e@x.be;d@x.be"}
    created = http.post(CONTACTS, json={"properties": values})
    assert addresses(two, created.json()["id"]) == ("d@x.be", {"e@x.be"})
    taken = http.post(CONTACTS, json={"properties": {"email": "f@x.be", "hs_additional_emails": "b@x.be"}})
    assert taken.status_code == 409


@pytest.mark.parametrize("found", [False, True])
def test_single_calls_by_secondary_address(http: httpx.Client, two: HubSpotSandbox, found: bool) -> None:
    two.set_switches(get_by_secondary_address=found)
    assert http.get(f"{CONTACTS}/A%40x.be", params={"idProperty": "email"}).json()["id"] == "7"
    answer = http.get(f"{CONTACTS}/b%40x.be", params={"idProperty": "email"})
    assert answer.status_code == (200 if found else 404)
    answer = http.patch(f"{CONTACTS}/b%40x.be?idProperty=email", json={"properties": {"city": "Gent"}})
    assert answer.status_code == (200 if found else 404)


def test_batch_read_finds_by_secondary_address(http: httpx.Client, two: HubSpotSandbox) -> None:
    body: dict[str, Any] = {
        "idProperty": "email",
        "inputs": [{"id": email} for email in ("b@x.be", "a@x.be", "c@x.be", "nobody@x.be")],
        "properties": ["email", "hs_additional_emails"],
    }
    answer = http.post(f"{CONTACTS}/batch/read", json=body).json()
    assert {item["id"]: item["properties"]["hs_additional_emails"] for item in answer["results"]} == {
        "7": "b@x.be",
        "8": None,
    }
    assert answer["errors"][0]["context"]["ids"] == ["nobody@x.be"]


def test_legacy_routes(http: httpx.Client, two: HubSpotSandbox) -> None:
    assert http.put(f"{LEGACY}/8/email/d%2Be%40x.be").status_code == 200
    assert addresses(two, "8") == ("c@x.be", {"d+e@x.be"})
    assert http.put(f"{LEGACY}/8/email/d%2Be%40x.be").status_code == 200
    answer = http.patch(f"{LEGACY}/8", json={"targetSecondaryEmail": "d+e@x.be", "updatedSecondaryEmail": "F@x.be"})
    assert answer.status_code == 200
    assert addresses(two, "8") == ("c@x.be", {"f@x.be"})
    assert http.delete(f"{LEGACY}/8/email/f%40x.be").status_code == 204
    assert addresses(two, "8") == ("c@x.be", set())
    assert http.post(CONTACTS, json={"properties": {"email": "f@x.be"}}).status_code == 201


def test_legacy_routes_refuse(http: httpx.Client, two: HubSpotSandbox) -> None:
    for taken in ("a%40x.be", "b%40x.be"):
        answer = http.put(f"{LEGACY}/8/email/{taken}")
        assert answer.status_code == 409
        assert answer.json()["error"] == "CONTACT_EXISTS"
        assert answer.json()["identityProfile"]["vid"] == 7
    assert http.delete(f"{LEGACY}/7/email/a%40x.be").status_code == 400
    assert http.delete(f"{LEGACY}/7/email/zz%40x.be").status_code == 404
    assert http.put(f"{LEGACY}/999/email/d%40x.be").status_code == 404
    assert http.put(f"{LEGACY}/7/email/nonsense").status_code == 400
    body = {"targetSecondaryEmail": "zz@x.be", "updatedSecondaryEmail": "d@x.be"}
    assert http.patch(f"{LEGACY}/7", json=body).status_code == 404
    assert addresses(two, "7") == ("a@x.be", {"b@x.be"})


def test_addresses_of_an_archived_contact_are_free(http: httpx.Client, two: HubSpotSandbox) -> None:
    http.delete(f"{CONTACTS}/7")
    for email in ("a@x.be", "b@x.be"):
        assert http.post(CONTACTS, json={"properties": {"email": email}}).status_code == 201
    with pytest.raises(Exception, match="already exists"):
        two.restore("contacts", "7")


def test_a_restored_contact_has_its_addresses_back(http: httpx.Client, two: HubSpotSandbox) -> None:
    two.archive("contacts", "7")
    two.restore("contacts", "7")
    assert http.post(CONTACTS, json={"properties": {"email": "b@x.be"}}).status_code == 409


def test_merge_makes_the_other_s_addresses_secondary(http: httpx.Client, two: HubSpotSandbox) -> None:
    two.merge("contacts", "8", "7")
    assert addresses(two, "8") == ("c@x.be", {"a@x.be", "b@x.be"})
    assert http.post(CONTACTS, json={"properties": {"email": "a@x.be"}}).json()["message"].endswith("ID: 8")


def test_clearing_the_address_frees_it(http: httpx.Client, two: HubSpotSandbox) -> None:
    assert http.patch(f"{CONTACTS}/8", json={"properties": {"email": ""}}).status_code == 200
    assert addresses(two, "8") == (None, set())
    assert http.post(CONTACTS, json={"properties": {"email": "c@x.be"}}).status_code == 201


@pytest.mark.parametrize("allowed", [False, True])
def test_after_gdpr_delete(http: httpx.Client, two: HubSpotSandbox, allowed: bool) -> None:
    two.set_switches(recreate_after_gdpr_delete=allowed)
    body = {"objectId": "b@x.be", "idProperty": "email"}
    assert http.post(f"{CONTACTS}/gdpr-delete", json=body).status_code == 204
    with pytest.raises(KeyError):
        two.get("contacts", "7")
    for email in ("a@x.be", "b@x.be"):
        answer = http.post(CONTACTS, json={"properties": {"email": email}})
        assert answer.status_code == (201 if allowed else 400)


def test_gdpr_delete_of_an_unknown_address_blocks_it(http: httpx.Client, two: HubSpotSandbox) -> None:
    http.post(f"{CONTACTS}/gdpr-delete", json={"objectId": "zz@x.be", "idProperty": "email"})
    assert http.post(CONTACTS, json={"properties": {"email": "zz@x.be"}}).status_code == 400
    assert http.post(f"{CONTACTS}/gdpr-delete", json={"objectId": "999"}).status_code == 404
    assert http.post(f"{CONTACTS}/gdpr-delete", json={"objectId": "8"}).status_code == 204
