"""Single records and lists: shapes, values, defaults, archive, merge, history, ways of writing a path."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox

OBJECTS = "/crm/v3/objects"


def create(http: httpx.Client, kind: str, **properties: str) -> str:
    answer = http.post(f"{OBJECTS}/{kind}", json={"properties": properties, "associations": []})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def codes(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    return {error["context"]["propertyName"][0]: error["code"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("kind", "values", "defaults"),
    [
        ("contacts", {"email": "a@x.be"}, "createdate email firstname hs_object_id lastmodifieddate lastname"),
        ("companies", {"name": "Acme"}, "name domain createdate hs_lastmodifieddate hs_object_id"),
        (
            "deals",
            {"dealname": "D", "dealstage": "contractsent"},
            "dealname amount closedate pipeline dealstage createdate hs_lastmodifieddate hs_object_id",
        ),
        ("products", {"name": "P"}, "name description price createdate hs_lastmodifieddate hs_object_id"),
    ],
)
def test_default_properties(http: httpx.Client, kind: str, values: dict[str, str], defaults: str) -> None:
    record = create(http, kind, **values)
    body = http.get(f"{OBJECTS}/{kind}/{record}").json()
    assert body["properties"].keys() == set(defaults.split())
    assert body["properties"]["hs_object_id"] == record == body["id"]
    assert body["archived"] is False
    modified = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
    assert body["properties"][modified] == body["updatedAt"]
    assert body["properties"]["createdate"] == body["createdAt"]


def test_asked_for_properties(http: httpx.Client) -> None:
    record = create(http, "contacts", email="a@x.be")
    url = f"{OBJECTS}/contacts/{record}?properties=email&properties=city,undefined_one"
    assert http.get(url).json()["properties"] | {"createdate": "", "lastmodifieddate": ""} == {
        "createdate": "",
        "hs_object_id": record,
        "lastmodifieddate": "",
        "email": "a@x.be",
        "city": None,
    }


@pytest.mark.parametrize(
    ("kind", "values", "missing"),
    [
        ("contacts", {"city": "Gent"}, ["email", "firstname", "lastname"]),
        ("companies", {"city": "Gent"}, ["name", "domain"]),
        ("deals", {"amount": "1"}, ["dealname", "dealstage"]),
        ("deals", {"dealname": "", "dealstage": "closedwon"}, ["dealname"]),
    ],
)
def test_what_a_new_record_needs(http: httpx.Client, kind: str, values: dict[str, str], missing: list[str]) -> None:
    answer = http.post(f"{OBJECTS}/{kind}", json={"properties": values})
    assert answer.status_code == 400
    assert answer.json()["context"]["properties"] == missing


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("no_such_property", "x", "PROPERTY_DOESNT_EXIST"),
        ("hs_language", "klingon", "INVALID_OPTION"),
        ("hs_marketable_status", "true", "READ_ONLY_VALUE"),
        ("hs_email_optout", "true", "READ_ONLY_VALUE"),
        ("hs_email_optout_1001", "true", "READ_ONLY_VALUE"),
        ("hs_analytics_source_data_1", "x", "READ_ONLY_VALUE"),
        ("hs_object_source", "API", "READ_ONLY_VALUE"),
        ("createdate", "2020-01-01", "READ_ONLY_VALUE"),
        ("lastmodifieddate", "2020-01-01", "READ_ONLY_VALUE"),
        ("num_associated_deals", "1", "READ_ONLY_VALUE"),
        ("hs_merged_object_ids", "1", "READ_ONLY_VALUE"),
        ("hubspot_owner_id", "999", "INVALID_OPTION"),
        ("message", "x" * 65_537, "INVALID_LENGTH"),
    ],
)
def test_values_of_contacts_that_are_refused(http: httpx.Client, name: str, value: str, code: str) -> None:
    record = create(http, "contacts", email="a@x.be")
    assert codes(http.patch(f"{OBJECTS}/contacts/{record}", json={"properties": {name: value}})) == {name: code}
    assert codes(http.post(f"{OBJECTS}/contacts", json={"properties": {"email": "b@x.be", name: value}})) == {
        name: code
    }


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("amount", "a lot", "INVALID_INTEGER"),
        ("amount", "nan", "INVALID_INTEGER"),
        ("closedate", "tomorrow", "INVALID_DATE"),
        ("dealstage", "nowhere", "INVALID_OPTION"),
        ("deal_currency_code", "JPY", "INVALID_OPTION"),
        ("hs_is_closed_won", "true", "READ_ONLY_VALUE"),
        ("hs_createdate", "2020-01-01", "READ_ONLY_VALUE"),
        ("amount_in_home_currency", "1", "READ_ONLY_VALUE"),
    ],
)
def test_values_of_deals_that_are_refused(http: httpx.Client, name: str, value: str, code: str) -> None:
    record = create(http, "deals", dealname="D", dealstage="contractsent")
    assert codes(http.patch(f"{OBJECTS}/deals/{record}", json={"properties": {name: value}})) == {name: code}


def test_every_bad_value_is_named_at_once(http: httpx.Client) -> None:
    values = {"email": "x", "hs_language": "x", "nope": "x", "city": "Gent"}
    found = codes(http.post(f"{OBJECTS}/contacts", json={"properties": values}))
    assert found == {"email": "INVALID_EMAIL", "hs_language": "INVALID_OPTION", "nope": "PROPERTY_DOESNT_EXIST"}


def test_typed_values_as_stored(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    definitions: list[dict[str, Any]] = [
        {"name": "a_date", "type": "date", "fieldType": "date"},
        {"name": "a_time", "type": "datetime", "fieldType": "date"},
        {"name": "a_number", "type": "number", "fieldType": "number"},
        {
            "name": "a_bool",
            "type": "bool",
            "fieldType": "booleancheckbox",
            "options": [{"label": "Y", "value": "true"}, {"label": "N", "value": "false"}],
        },
        {
            "name": "a_list",
            "type": "enumeration",
            "fieldType": "checkbox",
            "options": [{"label": item.upper(), "value": item} for item in "xyz"],
        },
    ]
    for definition in definitions:
        sandbox.define_property("contacts", label=definition["name"], **definition)
    record = create(http, "contacts", email="a@x.be")

    def stored(name: str, value: Any) -> str | None:
        answer = http.patch(f"{OBJECTS}/contacts/{record}", json={"properties": {name: value}})
        assert answer.status_code == 200, answer.text
        shown: str | None = answer.json()["properties"][name]
        return shown

    assert stored("a_date", "2026-02-28") == "2026-02-28"
    assert stored("a_date", "1772236800000") == "2026-02-28"
    assert stored("a_time", "1772236800123") == "2026-02-28T00:00:00.123Z"
    assert stored("a_time", "2026-02-28T01:30:00+01:00") == "2026-02-28T00:30:00.000Z"
    assert stored("a_time", "2026-02-28") == "2026-02-28T00:00:00.000Z"
    assert stored("a_number", "12.50") == "12.50"
    assert stored("a_number", 7) == "7"
    assert stored("a_bool", True) == "true"
    assert stored("a_bool", "FALSE") == "false"
    assert stored("a_list", "x") == "x"
    assert stored("a_list", ";z;x") == "x;z"
    assert stored("a_list", "y") == "y"
    assert stored("a_list", "") is None
    assert stored("a_number", None) is None
    bad = {"a_date": "1772236800001", "a_time": "2026-02-30", "a_bool": "maybe", "a_list": "x;q", "a_number": "1_0"}
    found = codes(http.patch(f"{OBJECTS}/contacts/{record}", json={"properties": bad}))
    assert found == {
        "a_date": "INVALID_DATE",
        "a_time": "INVALID_DATE",
        "a_bool": "INVALID_OPTION",
        "a_list": "INVALID_OPTION",
        "a_number": "INVALID_INTEGER",
    }


def test_long_text_of_65536_characters_fits(http: httpx.Client) -> None:
    record = create(http, "contacts", email="a@x.be")
    answer = http.patch(f"{OBJECTS}/contacts/{record}", json={"properties": {"message": "é" * 65_536}})
    assert answer.status_code == 200


def test_lifecycle_stage_only_moves_forward_unless_cleared(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    record = create(http, "contacts", email="a@x.be", lifecyclestage="customer")

    def after(stage: str) -> str | None:
        http.patch(f"{OBJECTS}/contacts/{record}", json={"properties": {"lifecyclestage": stage}})
        value: str | None = sandbox.get("contacts", record)["properties"].get("lifecyclestage")
        return value

    assert [after(stage) for stage in ("lead", "evangelist", "", "lead")] == ["customer", "evangelist", None, "lead"]


def test_unique_property(http: httpx.Client, keyed: HubSpotSandbox) -> None:
    first = create(http, "companies", name="A", ext_id="42")
    second = create(http, "companies", name="B")
    place = (
        f"PropertyValueCoordinates{{portalId={keyed.profile.portal_id}, "
        "objectTypeId=ObjectTypeId{legacyObjectType=COMPANY}, propertyName=ext_id, value=42}"
    )
    answer = http.patch(f"{OBJECTS}/companies/{second}", json={"properties": {"ext_id": "42"}})
    assert answer.status_code == 400
    assert answer.json()["message"] == f"Cannot set {place} on {second}. {first} already has that value."
    answer = http.post(f"{OBJECTS}/companies", json={"properties": {"name": "C", "ext_id": "42"}})
    assert answer.json()["message"].endswith(f"{first} already has that value.")
    for record in (first, second):
        assert http.patch(f"{OBJECTS}/companies/{record}", json={"properties": {"ext_id": ""}}).status_code == 200
    assert http.patch(f"{OBJECTS}/companies/{second}", json={"properties": {"ext_id": "42"}}).status_code == 200
    assert http.get(f"{OBJECTS}/companies/42?idProperty=ext_id").json()["id"] == second
    assert http.get(f"{OBJECTS}/companies/43?idProperty=ext_id").status_code == 404
    assert http.get(f"{OBJECTS}/companies/B?idProperty=name").status_code == 400
    assert create(http, "contacts", email="a@x.be", ext_id="42")


@pytest.mark.parametrize("keeps", [False, True])
def test_unique_value_of_an_archived_record(http: httpx.Client, keyed: HubSpotSandbox, keeps: bool) -> None:
    keyed.set_switches(archived_keep_unique_values=keeps)
    first = create(http, "companies", name="A", ext_id="42")
    keyed.archive("companies", first)
    answer = http.post(f"{OBJECTS}/companies", json={"properties": {"name": "B", "ext_id": "42"}})
    assert answer.status_code == (400 if keeps else 201)


def test_archived_records_are_seen_when_asked_for(http: httpx.Client, keyed: HubSpotSandbox) -> None:
    record = create(http, "contacts", email="a@x.be", ext_id="k")
    assert http.delete(f"{OBJECTS}/contacts/{record}").status_code == 204
    assert http.delete(f"{OBJECTS}/contacts/{record}").status_code == 204
    assert http.get(f"{OBJECTS}/contacts/{record}").status_code == 404
    assert http.get(f"{OBJECTS}/contacts").json()["results"] == []
    body = http.get(f"{OBJECTS}/contacts/{record}?archived=True").json()
    assert body["archived"] is True
    assert body["archivedAt"]
    assert body["properties"]["email"] == "a@x.be"
    assert [item["id"] for item in http.get(f"{OBJECTS}/contacts?archived=true").json()["results"]] == [record]
    for name, value in ((None, record), ("ext_id", "k"), ("email", "a@x.be")):
        wanted = {"inputs": [{"id": value}], "properties": []} | ({"idProperty": name} if name else {})
        assert http.post(f"{OBJECTS}/contacts/batch/read", json=wanted).status_code == 207
        read = http.post(f"{OBJECTS}/contacts/batch/read?archived=true", json=wanted)
        assert [item["id"] for item in read.json()["results"]] == [record]


def test_list_pages_by_id(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.load_objects("companies", ({"id": str(n), "properties": {"name": f"C{n}"}} for n in range(1, 251)))
    seen, after, sizes = [], None, []
    while True:
        params = {"limit": "100"} | ({"after": after} if after else {})
        body = http.get(f"{OBJECTS}/companies", params=params).json()
        seen += [item["id"] for item in body["results"]]
        sizes.append(len(body["results"]))
        if "paging" not in body:
            break
        after = body["paging"]["next"]["after"]
    assert sizes == [100, 100, 50]
    assert seen == [str(n) for n in range(1, 251)]
    assert len(http.get(f"{OBJECTS}/companies").json()["results"]) == 10
    assert http.get(f"{OBJECTS}/companies?limit=101").status_code == 400
    assert http.get(f"{OBJECTS}/companies?limit=51&propertiesWithHistory=name").status_code == 400
    assert http.get(f"{OBJECTS}/companies?limit=50&propertiesWithHistory=name").status_code == 200
    assert http.get(f"{OBJECTS}/companies?after=x").status_code == 400


def test_list_and_get_with_associations(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    company = create(http, "companies", name="A")
    contact = create(http, "contacts", email="a@x.be")
    http.put(f"/crm/v4/objects/contacts/{contact}/associations/default/companies/{company}")
    wanted = {"companies": {"results": [{"id": company, "type": "contact_to_company"}]}}
    for url in (
        f"{OBJECTS}/contacts/{contact}?associations=companies",
        f"{OBJECTS}/contacts?associations=company,deals",
    ):
        body = http.get(url).json()
        assert (body["results"][0] if "results" in body else body)["associations"] == wanted
    assert "associations" not in http.get(f"{OBJECTS}/contacts/{contact}?associations=deals").json()


def test_history(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    record = create(http, "contacts", email="a@x.be", city="Gent")
    sandbox.clock.advance(60)
    http.patch(f"{OBJECTS}/contacts/{record}", json={"properties": {"city": "Aalst"}})
    sandbox.clock.advance(60)
    sandbox.patch("contacts", record, {"city": "Brugge", "phone": "1"})
    url = f"{OBJECTS}/contacts/{record}?propertiesWithHistory=city,phone,email,nope"
    body = http.get(url).json()["propertiesWithHistory"]
    assert [item["value"] for item in body["city"]] == ["Brugge", "Aalst", "Gent"]
    assert [item["sourceType"] for item in body["city"]] == ["CRM_UI", "INTEGRATION", "INTEGRATION"]
    stamps = [item["timestamp"] for item in body["city"]]
    assert stamps == sorted(stamps, reverse=True)
    assert len(set(stamps)) == 3
    assert [item["value"] for item in body["phone"]] == ["1"]
    assert [item["value"] for item in body["email"]] == ["a@x.be"]
    assert body.keys() == {"city", "phone", "email"}


def test_modified_dates_move_and_created_dates_do_not(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    record = create(http, "companies", name="A")
    before = sandbox.get("companies", record)
    sandbox.clock.advance(3600)
    http.patch(f"{OBJECTS}/companies/{record}", json={"properties": {"name": "A"}})
    after = sandbox.get("companies", record)
    assert after["properties"]["hs_lastmodifieddate"] > before["properties"]["hs_lastmodifieddate"]
    assert after["updatedAt"] == after["properties"]["hs_lastmodifieddate"]
    assert after["createdAt"] == before["createdAt"]


@pytest.mark.parametrize("changes_id", [False, True])
def test_merge(http: httpx.Client, keyed: HubSpotSandbox, changes_id: bool) -> None:
    keyed.set_switches(merge_changes_id=changes_id)
    keeper = create(http, "contacts", email="a@x.be", city="Gent")
    other = create(http, "contacts", email="b@x.be", city="Aalst", phone="1", ext_id="k")
    company = create(http, "companies", name="C")
    keyed.add_association("contacts", other, "companies", company, 279)
    body = {"primaryObjectId": keeper, "objectIdToMerge": other}
    answer = http.post(f"{OBJECTS}/contacts/merge", json=body)
    assert answer.status_code == 200
    survivor = answer.json()["id"]
    assert (survivor == keeper) == (not changes_id)
    values = keyed.get("contacts", survivor)["properties"]
    assert (values["city"], values["phone"], values["ext_id"]) == ("Gent", "1", "k")
    gone = {other, keeper} - {survivor}
    assert set(values["hs_merged_object_ids"].split(";")) == gone
    assert {other, keeper, survivor} == set(values["hs_all_contact_vids"].split(";"))
    assert [item["id"] for item in keyed.associations("contacts", survivor, "companies")] == [company]
    assert [item["id"] for item in keyed.associations("companies", company, "contacts")] == [survivor]
    for old in gone:
        assert http.get(f"{OBJECTS}/contacts/{old}").json()["id"] == survivor
        assert http.patch(f"{OBJECTS}/contacts/{old}", json={"properties": {"zip": "9000"}}).json()["id"] == survivor
        assert http.post(f"{OBJECTS}/contacts/merge", json=body | {"objectIdToMerge": old}).status_code == 404
    assert [item["id"] for item in http.get(f"{OBJECTS}/contacts").json()["results"]] == [survivor]
    assert http.get(f"{OBJECTS}/contacts?archived=true").json()["results"] == []
    assert http.get(f"{OBJECTS}/contacts/k?idProperty=ext_id").json()["id"] == survivor


def test_a_record_cannot_be_merged_with_itself(http: httpx.Client) -> None:
    record = create(http, "companies", name="A")
    body = {"primaryObjectId": record, "objectIdToMerge": record}
    assert http.post(f"{OBJECTS}/companies/merge", json=body).status_code == 400


def test_deal_in_several_pipelines(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    pipeline = {
        "label": "Second",
        "displayOrder": 1,
        "pipelineId": "second",
        "stages": [
            {"label": "In", "displayOrder": 0, "stageId": "in", "metadata": {"probability": "0.5"}},
            {
                "label": "Won",
                "displayOrder": 1,
                "stageId": "won2",
                "metadata": {"probability": "1.0", "isClosed": "true"},
            },
        ],
    }
    assert http.post("/crm/v3/pipelines/deals", json=pipeline).status_code == 201
    answer = http.post(f"{OBJECTS}/deals", json={"properties": {"dealname": "D", "dealstage": "in"}})
    assert answer.json()["context"]["properties"] == ["pipeline"]
    record = create(http, "deals", dealname="D", dealstage="in", pipeline="second", amount="10", closedate="2026-01-01")
    assert codes(http.patch(f"{OBJECTS}/deals/{record}", json={"properties": {"dealstage": "closedwon"}})) == {
        "dealstage": "INVALID_OPTION"
    }
    assert http.patch(f"{OBJECTS}/deals/{record}", json={"properties": {"dealstage": "won2"}}).status_code == 200
    values = sandbox.get("deals", record)["properties"]
    assert (values["hs_is_closed_won"], values["hs_is_closed"]) == ("true", "true")
    assert values["closedate"].startswith(str(sandbox.clock.now().date()))
    moved = {"pipeline": "default", "dealstage": "closedlost", "closedate": "2026-02-01"}
    assert http.patch(f"{OBJECTS}/deals/{record}", json={"properties": moved}).status_code == 200
    values = sandbox.get("deals", record)["properties"]
    assert (values["hs_is_closed_won"], values["hs_is_closed_lost"]) == ("false", "true")
    assert values["closedate"] == "2026-02-01T00:00:00.000Z"


@pytest.mark.parametrize("writable", [True, False])
def test_createdate_of_deals(http: httpx.Client, sandbox: HubSpotSandbox, writable: bool) -> None:
    sandbox.set_switches(deal_createdate_writable=writable)
    values = {"dealname": "D", "dealstage": "contractsent", "createdate": "2020-01-02T03:04:05Z"}
    answer = http.post(f"{OBJECTS}/deals", json={"properties": values})
    if writable:
        assert answer.json()["properties"]["createdate"] == "2020-01-02T03:04:05.000Z"
    else:
        assert codes(answer) == {"createdate": "READ_ONLY_VALUE"}
    definition = http.get("/crm/v3/properties/deals/createdate").json()
    assert definition["modificationMetadata"]["readOnlyValue"] is not writable


def test_amount_in_company_currency(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    values = {"dealname": "D", "dealstage": "contractsent", "amount": "100", "deal_currency_code": "USD"}
    record = create(http, "deals", **values)
    assert sandbox.get("deals", record)["properties"]["amount_in_home_currency"] == "92"


@pytest.mark.parametrize("on", [False, True])
def test_automatic_company(http: httpx.Client, sandbox: HubSpotSandbox, on: bool) -> None:
    sandbox.set_switches(auto_associate_companies=on)
    first = create(http, "contacts", email="a@acme.be")
    second = create(http, "contacts", email="b@acme.be")
    free = create(http, "contacts", email="c@gmail.com")
    companies = list(sandbox.all("companies"))
    assert len(companies) == int(on)
    for contact in (first, second):
        found = sandbox.associations("contacts", contact, "companies")
        assert found == ([{"id": companies[0]["id"], "types": [1, 279]}] if on else [])
    assert sandbox.associations("contacts", free, "companies") == []
    if on:
        assert companies[0]["properties"]["domain"] == "acme.be"
        assert companies[0]["properties"]["hs_object_source"] == "AUTO_ASSOCIATE_BY_DOMAIN"


def test_companies_are_not_deduplicated_by_domain(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    assert create(http, "companies", name="A", domain="acme.be") != create(http, "companies", domain="acme.be")
    assert sandbox.count("companies") == 2


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v3/objects/contacts/",
        "/crm/v3/objects/contact",
        "/crm/v3/objects/0-1",
        "/crm/objects/2026-09/contacts",
        "/crm/objects/2026-03/contacts/",
    ],
)
def test_ways_of_writing_a_path(http: httpx.Client, path: str) -> None:
    record = create(http, "contacts", email="a@x.be")
    assert [item["id"] for item in http.get(path).json()["results"]] == [record]


def test_dated_paths_of_the_other_systems(http: httpx.Client) -> None:
    record = create(http, "contacts", email="a@x.be")
    for path in (
        f"/crm/objects/2026-09/contacts/{record}/associations/companies",
        "/crm/properties/2026-09/contacts",
        "/crm/pipelines/2026-09/deals",
        "/crm/owners/2026-09",
        "/crm/imports/2026-09",
        "/crm/limits/2026-09/records",
        "/account-info/2026-09/details",
        "/communication-preferences/2026-09/statuses/a%40x.be?channel=EMAIL",
        "/communication-preferences/2026-09/status/email/a%40x.be",
    ):
        assert http.get(path).status_code == 200, path
    body = {"inputs": [{"from": {"id": record}, "to": [{"id": "1"}]}]}
    assert http.post("/crm/associations/2026-09/contacts/companies/batch/archive", json=body).status_code == 204


def test_unknown_routes_and_methods(http: httpx.Client) -> None:
    assert http.get("/crm/v3/nothing").status_code == 404
    assert http.put("/crm/v3/objects/contacts").status_code == 405
    assert http.get("/crm/v3/objects/gadgets").status_code == 400


def test_large_answers_can_be_compressed(http: httpx.Client) -> None:
    url = "/crm/v3/properties/contacts"
    packed = http.get(url, headers={"Accept-Encoding": "gzip"})
    plain = http.get(url, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
