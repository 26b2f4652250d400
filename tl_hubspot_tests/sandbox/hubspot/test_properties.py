"""Property definitions and groups: what a new portal has, creating, changing, archiving, limits."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox

CONTACTS = "/crm/v3/properties/contacts"
TEXT: dict[str, Any] = {
    "name": "colour",
    "label": "Colour",
    "groupName": "contactinformation",
    "type": "string",
    "fieldType": "text",
}
CHOICE = TEXT | {
    "type": "enumeration",
    "fieldType": "select",
    "options": [
        {"label": word.title(), "value": word, "hidden": False, "displayOrder": -1} for word in ("red", "blue")
    ],
}


def code(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    found: str = answer.json()["errors"][0]["code"]
    return found


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "contacts",
            "email firstname lastname salutation phone mobilephone jobtitle hs_language website address zip city "
            "country hs_additional_emails hs_marketable_status hs_marketable_reason_type hs_marketable_reason_id "
            "hs_marketable_until_renewal hs_email_optout hs_analytics_source hs_analytics_source_data_1 "
            "hs_latest_source hs_latest_source_data_2 hs_object_source hs_object_source_detail_3 "
            "hs_analytics_first_referrer hs_analytics_last_referrer hs_analytics_first_url "
            "hs_merged_object_ids hs_calculated_merged_vids hs_all_contact_vids lifecyclestage createdate "
            "lastmodifieddate hs_object_id hubspot_owner_id",
        ),
        (
            "companies",
            "name domain website phone address zip city country hubspot_owner_id hs_additional_domains "
            "hs_analytics_source hs_analytics_latest_source hs_merged_object_ids createdate hs_lastmodifieddate",
        ),
        (
            "deals",
            "dealname amount deal_currency_code pipeline dealstage dealtype closedate createdate hs_createdate "
            "closed_lost_reason hubspot_owner_id hs_is_closed_won amount_in_home_currency hs_tag_ids "
            "hs_date_entered_closedwon hs_analytics_source hs_analytics_latest_source hs_merged_object_ids",
        ),
    ],
)
def test_a_new_portal_has_hubspot_s_properties(http: httpx.Client, kind: str, names: str) -> None:
    known = {item["name"]: item for item in http.get(f"/crm/v3/properties/{kind}").json()["results"]}
    assert set(names.split()) <= known.keys()
    assert all(item["hubspotDefined"] and not item["hasUniqueValue"] for item in known.values())
    assert known["hs_analytics_source"]["label"] == "Original Traffic Source"
    latest = "hs_latest_source" if kind == "contacts" else "hs_analytics_latest_source"
    assert known[latest]["label"] == "Latest Traffic Source"
    assert known["hs_object_source"]["modificationMetadata"]["readOnlyValue"] is True
    assert all(item["modificationMetadata"]["archivable"] is False for item in known.values())


def test_options_that_come_from_the_portal(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    def values(name: str) -> list[str]:
        options = http.get(f"/crm/v3/properties/deals/{name}").json()["options"]
        return [option["value"] for option in options]

    assert values("pipeline") == ["default"]
    assert values("dealstage")[-2:] == ["closedwon", "closedlost"]
    assert values("deal_currency_code") == ["EUR", "GBP", "USD"]
    sandbox.set_profile(company_currency="USD", additional_currencies=())
    assert values("deal_currency_code") == ["USD"]


def test_create_read_change_archive_restore(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    assert http.post(CONTACTS, json=CHOICE).status_code == 201
    again = http.post(CONTACTS, json=CHOICE)
    assert (again.status_code, again.json()["category"]) == (409, "OBJECT_ALREADY_EXISTS")
    assert again.json()["subCategory"] == "Properties.PROPERTY_WITH_NAME_EXISTS"
    created = http.get(f"{CONTACTS}/colour").json()
    assert created["modificationMetadata"] == {
        "archivable": True,
        "readOnlyDefinition": False,
        "readOnlyValue": False,
        "readOnlyOptions": False,
    }
    http.patch(f"{CONTACTS}/colour", json={"label": "Tint"})
    changed = http.get(f"{CONTACTS}/colour").json()
    assert changed["label"] == "Tint"
    assert [option["value"] for option in changed["options"]] == ["red", "blue"]
    options = [{"label": "Green", "value": "green", "hidden": True}]
    http.patch(f"{CONTACTS}/colour", json={"options": options})
    assert [option["value"] for option in http.get(f"{CONTACTS}/colour").json()["options"]] == ["green"]
    contact = sandbox.create("contacts", {"email": "a@x.be", "colour": "green"})["id"]
    answer = http.patch(f"/crm/v3/objects/contacts/{contact}", json={"properties": {"colour": "red"}})
    assert code(answer) == "INVALID_OPTION"
    assert http.delete(f"{CONTACTS}/colour").status_code == 204
    assert http.get(f"{CONTACTS}/colour").status_code == 404
    assert http.get(f"{CONTACTS}/colour?archived=true").json()["archived"] is True
    assert [item["name"] for item in http.get(f"{CONTACTS}?archived=true").json()["results"]] == ["colour"]
    assert "colour" not in http.get(f"/crm/v3/objects/contacts/{contact}?properties=colour").json()["properties"]
    assert http.post(CONTACTS, json=TEXT).status_code == 201
    assert http.get(f"{CONTACTS}?archived=true").json()["results"] == []
    assert http.get(f"/crm/v3/objects/contacts/{contact}?properties=colour").json()["properties"]["colour"] == "green"


@pytest.mark.parametrize("call", ["get", "patch", "delete"])
def test_unknown_property(http: httpx.Client, call: str) -> None:
    answer = http.request(call.upper(), f"{CONTACTS}/nope", json={} if call == "patch" else None)
    assert (answer.status_code, answer.json()["category"]) == (404, "OBJECT_NOT_FOUND")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "Colour"}, "INVALID_PROPERTY_NAME"),
        ({"name": "1st"}, "INVALID_PROPERTY_NAME"),
        ({"name": "c" * 101}, "INVALID_PROPERTY_NAME"),
        ({"groupName": "nowhere"}, "PROPERTY_GROUP_DOESNT_EXIST"),
        ({"type": "colour"}, "INVALID_TYPE"),
        ({"type": "number", "fieldType": "textarea"}, "INVALID_FIELD_TYPE"),
        ({"type": "bool", "fieldType": "booleancheckbox"}, "INVALID_BOOLEAN_OPTION"),
        (
            {
                "type": "bool",
                "fieldType": "booleancheckbox",
                "options": [{"label": "Y", "value": "yes"}, {"label": "N", "value": "no"}],
            },
            "INVALID_BOOLEAN_OPTION",
        ),
        (
            {"type": "enumeration", "fieldType": "select", "options": [{"label": x, "value": "same"} for x in "ab"]},
            "DUPLICATE_OPTION",
        ),
    ],
)
def test_definitions_that_are_refused(http: httpx.Client, change: dict[str, Any], expected: str) -> None:
    assert code(http.post(CONTACTS, json=TEXT | change)) == expected


def test_at_most_ten_unique_properties(http: httpx.Client) -> None:
    for number in range(10):
        body = TEXT | {"name": f"key_{number}", "hasUniqueValue": True}
        assert http.post(CONTACTS, json=body).status_code == 201
    answer = http.post(CONTACTS, json=TEXT | {"hasUniqueValue": True})
    assert code(answer) == "UNIQUE_PROPERTY_LIMIT_EXCEEDED"
    assert http.post(CONTACTS, json=TEXT).status_code == 201
    company = TEXT | {"groupName": "companyinformation", "hasUniqueValue": True}
    assert http.post("/crm/v3/properties/companies", json=company).status_code == 201


def test_uniqueness_is_for_creation_only(http: httpx.Client) -> None:
    http.post(CONTACTS, json=TEXT)
    http.patch(f"{CONTACTS}/colour", json={"hasUniqueValue": True})
    assert http.get(f"{CONTACTS}/colour").json()["hasUniqueValue"] is False


def test_custom_property_limit(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.set_profile(custom_properties_limit=1)
    assert http.post(CONTACTS, json=TEXT).status_code == 201
    assert code(http.post(CONTACTS, json=TEXT | {"name": "other"})) == "PROPERTY_LIMIT_EXCEEDED"


def test_hubspot_s_own_definitions_stay(http: httpx.Client) -> None:
    assert code(http.delete(f"{CONTACTS}/firstname")) == "CANNOT_DELETE_HUBSPOT_PROPERTY"
    assert code(http.patch(f"{CONTACTS}/firstname", json={"type": "number"})) == "READ_ONLY_DEFINITION"
    assert code(http.patch(f"{CONTACTS}/hs_language", json={"options": []})) == "READ_ONLY_OPTIONS"
    options = [{"label": "New", "value": "NEW", "hidden": False}]
    assert http.patch(f"{CONTACTS}/hs_lead_status", json={"options": options}).status_code == 200
    assert len(http.get(f"{CONTACTS}/hs_lead_status").json()["options"]) == 1


def test_a_property_in_use_cannot_be_archived(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    http.post(CONTACTS, json=TEXT)
    sandbox.set_switches(marketing_workflow_property="colour")
    assert code(http.delete(f"{CONTACTS}/colour")) == "CANNOT_DELETE_PROPERTY_IN_USE"
    sandbox.set_switches(marketing_workflow_property=None)
    assert http.delete(f"{CONTACTS}/colour").status_code == 204


def test_new_definitions_become_visible_after_a_while(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.set_switches(property_visibility_seconds=60)
    contact = sandbox.create("contacts", {"email": "a@x.be"})["id"]
    assert http.post(CONTACTS, json=TEXT).status_code == 201

    def write() -> httpx.Response:
        return http.patch(f"/crm/v3/objects/contacts/{contact}", json={"properties": {"colour": "red"}})

    assert http.get(f"{CONTACTS}/colour").status_code == 404
    assert code(write()) == "PROPERTY_DOESNT_EXIST"
    sandbox.clock.advance(60)
    assert http.get(f"{CONTACTS}/colour").status_code == 200
    assert write().status_code == 200


def test_groups(http: httpx.Client) -> None:
    groups = f"{CONTACTS}/groups"
    assert http.post(groups, json={"name": "own", "label": "Own", "displayOrder": 3}).status_code == 201
    assert http.post(groups, json={"name": "own", "label": "Own"}).status_code == 409
    assert {"contactinformation", "own"} <= {item["name"] for item in http.get(groups).json()["results"]}
    assert http.patch(f"{groups}/own", json={"label": "Mine"}).json()["label"] == "Mine"
    assert http.get(f"{groups}/own").json()["label"] == "Mine"
    http.post(CONTACTS, json=TEXT | {"groupName": "own"})
    assert code(http.delete(f"{groups}/own")) == "GROUP_WITH_ACTIVE_PROPERTIES"
    http.delete(f"{CONTACTS}/colour")
    assert http.delete(f"{groups}/own").status_code == 204
    assert http.get(f"{groups}/own").status_code == 404


def test_batches_of_definitions(http: httpx.Client) -> None:
    inputs = [TEXT, TEXT | {"name": "Bad Name"}, TEXT | {"name": "other"}]
    answer = http.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
    assert answer.status_code == 207
    assert {item["name"] for item in answer.json()["results"]} == {"colour", "other"}
    assert answer.json()["numErrors"] == 1
    names = [{"name": name} for name in ("colour", "other", "nope")]
    read = http.post(f"{CONTACTS}/batch/read", json={"inputs": names, "archived": False})
    assert read.status_code == 207
    assert read.json()["errors"][0]["context"]["ids"] == ["nope"]
    assert http.post(f"{CONTACTS}/batch/archive", json={"inputs": names}).status_code == 204
    read = http.post(f"{CONTACTS}/batch/read", json={"inputs": names[:2], "archived": True})
    assert {item["name"] for item in read.json()["results"]} == {"colour", "other"}
    assert http.post(f"{CONTACTS}/batch/create", json={"inputs": [TEXT] * 101}).status_code == 400
