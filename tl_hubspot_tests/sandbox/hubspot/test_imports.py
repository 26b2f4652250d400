"""Imports over multipart HTTP, and the marketing status that they, workflows and persons set."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox

URL = "/crm/v3/imports"
ID = {"columnObjectTypeId": "0-1", "columnName": "id", "columnType": "HUBSPOT_OBJECT_ID"}
EMAIL = {
    "columnObjectTypeId": "0-1",
    "columnName": "mail",
    "propertyName": "email",
    "columnType": "HUBSPOT_ALTERNATE_ID",
}


def column(name: str, kind: str = "0-1", **rest: str) -> dict[str, str]:
    return {"columnObjectTypeId": kind, "columnName": name, "propertyName": name, **rest}


def start(
    http: httpx.Client, content: str, *mappings: dict[str, str], operation: str | None = "UPDATE", **request: Any
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": "nightly",
        "dateFormat": "YEAR_MONTH_DAY",
        "files": [
            {
                "fileName": "m.csv",
                "fileFormat": "CSV",
                "fileImportPage": {"hasHeader": True, "columnMappings": list(mappings)},
            }
        ],
    } | request
    if operation is not None:
        body["importOperations"] = {mapping["columnObjectTypeId"]: operation for mapping in mappings}
    files = {"files": ("m.csv", content.encode(), "text/csv")}
    answer = http.post(f"{URL}/", data={"importRequest": json.dumps(body)}, files=files)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def finished(http: httpx.Client, import_id: str) -> tuple[dict[str, int], list[tuple[str, int]]]:
    """(counters, (error type, line) of each error) of an import that is done."""
    body = http.get(f"{URL}/{import_id}").json()
    assert body["state"] == "DONE"
    errors = http.get(f"{URL}/{import_id}/errors").json()["results"]
    return body["metadata"]["counters"], [(item["errorType"], item["sourceData"]["lineNumber"]) for item in errors]


@pytest.fixture
def world(sandbox: HubSpotSandbox) -> HubSpotSandbox:
    sandbox.load_objects("contacts", [{"id": str(n), "properties": {"email": f"a{n}@x.be"}} for n in range(1, 6)])
    return sandbox


def marketing(sandbox: HubSpotSandbox) -> set[str]:
    return {item["id"] for item in sandbox.all("contacts") if item["properties"]["hs_marketable_status"] == "true"}


def test_marketable_import_of_record_ids(http: httpx.Client, world: HubSpotSandbox) -> None:
    begun = start(http, "id\n1\n3\n", ID, marketableContactImport=True)
    assert begun["state"] == "STARTED"
    assert begun["mappedObjectTypeIds"] == ["0-1"]
    assert begun["importRequestJson"]["marketableContactImport"] is True
    counters, errors = finished(http, begun["id"])
    assert errors == []
    assert (counters["TOTAL_ROWS"], counters["UPDATED_OBJECTS"]) == (2, 2)
    assert marketing(world) == {"1", "3"}
    values = world.get("contacts", "1")["properties"]
    assert (values["hs_marketable_reason_type"], values["hs_marketable_reason_id"]) == ("IMPORT", "nightly")
    assert world.marketing_tier.count == 2


def test_import_without_the_flag_changes_no_status(http: httpx.Client, world: HubSpotSandbox) -> None:
    finished(http, start(http, "id\n1\n", ID)["id"])
    assert marketing(world) == set()


def test_upsert_by_address_creates_and_updates(http: httpx.Client, world: HubSpotSandbox) -> None:
    content = 'mail,firstname,hs_language\na1@x.be,"An, ""A""",Dutch - Belgium\nnew@x.be,Bo,\n'
    columns = (EMAIL, column("firstname"), column("hs_language"))
    begun = start(http, content, *columns, operation=None, marketableContactImport=True)
    counters, errors = finished(http, begun["id"])
    assert errors == []
    assert (counters["CREATED_OBJECTS"], counters["UPDATED_OBJECTS"]) == (1, 1)
    values = world.get("contacts", "1")["properties"]
    assert (values["firstname"], values["hs_language"]) == ('An, "A"', "nl-be")
    new = world.find("contacts", "email", "new@x.be")
    assert new is not None
    assert new["properties"]["hs_object_source"] == "IMPORT"
    assert marketing(world) == {"1", new["id"]}


@pytest.mark.parametrize(
    ("operation", "error"), [("UPDATE", ("UPDATE_ONLY_IMPORT", 3)), ("CREATE", ("CREATE_ONLY_IMPORT", 2))]
)
def test_operations(http: httpx.Client, world: HubSpotSandbox, operation: str, error: tuple[str, int]) -> None:
    begun = start(http, "mail,city\na1@x.be,Gent\nnew@x.be,Gent\n", EMAIL, column("city"), operation=operation)
    counters, errors = finished(http, begun["id"])
    assert errors == [error]
    assert counters["ERRORS"] == 1
    assert (world.find("contacts", "email", "new@x.be") is not None) == (operation == "CREATE")
    assert ("city" in world.get("contacts", "1")["properties"]) == (operation == "UPDATE")


def test_row_and_cell_errors(http: httpx.Client, world: HubSpotSandbox) -> None:
    content = "id,email,hs_language,city\n1,a1@x.be,klingon,Gent\n99,b@x.be,,\n2,a3@x.be,,\n3,nonsense,,Aalst\n"
    begun = start(http, content, ID, column("email"), column("hs_language"), column("city"))
    counters, errors = finished(http, begun["id"])
    assert errors == [
        ("INVALID_ENUMERATION_OPTION", 2),
        ("INVALID_OBJECT_ID", 3),
        ("SECONDARY_EMAIL_WRITE_FAILURE", 4),
        ("INVALID_EMAIL", 5),
    ]
    assert counters["ERRORS"] == 4
    assert world.get("contacts", "1")["properties"]["city"] == "Gent"
    assert world.get("contacts", "3")["properties"]["city"] == "Aalst"
    page = http.get(f"{URL}/{begun['id']}/errors?limit=3").json()
    rest = http.get(f"{URL}/{begun['id']}/errors", params={"after": page["paging"]["next"]["after"]}).json()
    assert (len(page["results"]), len(rest["results"])) == (3, 1)


def test_companies_are_matched_by_domain(http: httpx.Client, world: HubSpotSandbox) -> None:
    companies = [{"id": str(n), "properties": {"name": f"C{n}", "domain": domain}} for n, domain in
                 ((7, "acme.be"), (8, "twice.be"), (9, "twice.be"))]  # fmt: skip
    world.load_objects("companies", companies)
    domain = column("domain", "0-2", columnType="HUBSPOT_ALTERNATE_ID")
    content = "domain,city\nacme.be,Gent\nnew.be,Gent\ntwice.be,Gent\n"
    begun = start(http, content, domain, column("city", "0-2"), operation="UPSERT")
    counters, errors = finished(http, begun["id"])
    assert errors == [("MULTIPLE_COMPANIES_WITH_THIS_DOMAIN", 4)]
    assert (counters["CREATED_OBJECTS"], counters["UPDATED_OBJECTS"]) == (1, 1)
    assert world.get("companies", "7")["properties"]["city"] == "Gent"


def test_unique_property_as_alternate_id(http: httpx.Client, keyed: HubSpotSandbox) -> None:
    keyed.load_objects("contacts", [{"id": "1", "properties": {"email": "a@x.be", "ext_id": "k1"}}])
    key = column("ext_id", columnType="HUBSPOT_ALTERNATE_ID")
    counters, _ = finished(http, start(http, "ext_id,city\nk1,Gent\n", key, column("city"))["id"])
    assert counters["UPDATED_OBJECTS"] == 1


def test_dates_in_the_format_of_the_import(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.define_property("contacts", name="a_date", label="D", type="date", fieldType="date")
    begun = start(http, "id,a_date\n1,28/02/2026\n", ID, column("a_date"), dateFormat="DAY_MONTH_YEAR")
    finished(http, begun["id"])
    assert world.get("contacts", "1")["properties"]["a_date"] == "2026-02-28"


def test_contacts_of_a_multi_object_import_stay_non_marketing(http: httpx.Client, world: HubSpotSandbox) -> None:
    content = "mail,name\nnew@x.be,Acme\n"
    columns = (EMAIL, column("name", "0-2"))
    finished(http, start(http, content, *columns, operation="UPSERT", marketableContactImport=True)["id"])
    assert marketing(world) == set()
    contact = world.find("contacts", "email", "new@x.be")
    assert contact is not None
    assert len(world.associations("contacts", contact["id"], "companies")) == 1


def test_states_follow_the_clock_and_three_run_at_a_time(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.set_switches(import_seconds=60)
    begun = [start(http, f"id\n{n}\n", ID, marketableContactImport=True)["id"] for n in range(1, 6)]

    def states() -> list[str]:
        return [http.get(f"{URL}/{item}").json()["state"] for item in begun]

    assert states() == ["PROCESSING"] * 3 + ["DEFERRED"] * 2
    assert marketing(world) == set()
    assert http.post(f"{URL}/{begun[1]}/cancel").json()["status"] == "COMPLETE"
    assert states()[1] == "CANCELED"
    assert states()[3] in ("STARTED", "PROCESSING")
    world.clock.advance(61)
    assert states()[:3] == ["DONE", "CANCELED", "DONE"]
    world.clock.advance(61)
    assert states() == ["DONE", "CANCELED", "DONE", "DONE", "DONE"]
    assert marketing(world) == {"1", "3", "4", "5"}
    assert http.post(f"{URL}/{begun[0]}/cancel").status_code == 400
    listed = http.get(f"{URL}?limit=2").json()
    assert [item["id"] for item in listed["results"]] == begun[:2:-1]
    rest = http.get(URL, params={"after": listed["paging"]["next"]["after"]}).json()
    assert [item["id"] for item in rest["results"]] == begun[2::-1]


def test_exceeding_the_tier_raises_it(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.set_profile(marketing_contacts_tier=2, marketing_contacts_step=1)
    world.reset()
    world.load_objects("contacts", [{"id": str(n), "properties": {"email": f"a{n}@x.be"}} for n in range(1, 6)])
    finished(http, start(http, "id\n1\n2\n3\n4\n", ID, marketableContactImport=True)["id"])
    tier = world.marketing_tier
    assert (tier.limit, tier.count) == (4, 4)
    assert [(item["from"], item["to"]) for item in tier.raises] == [(2, 3), (3, 4)]
    finished(http, start(http, "id\n1\n2\n", ID, marketableContactImport=True)["id"])
    assert world.marketing_tier.count == 4
    world.archive("contacts", "1")
    assert world.marketing_tier.count == 3


def test_down_is_only_scheduled(world: HubSpotSandbox) -> None:
    world.set_marketable("1")
    world.set_marketable("1", False)
    values = world.get("contacts", "1")["properties"]
    assert (values["hs_marketable_status"], values["hs_marketable_until_renewal"]) == ("true", "true")
    assert world.marketing_update_day() == 1
    values = world.get("contacts", "1")["properties"]
    assert (values["hs_marketable_status"], values["hs_marketable_until_renewal"]) == ("false", "false")
    assert world.marketing_tier.count == 0


def test_up_again_before_the_update_day(world: HubSpotSandbox) -> None:
    for wanted in (True, False, True):
        world.set_marketable("1", wanted)
    assert world.marketing_update_day() == 0
    assert world.marketing_tier.count == 1


def test_workflow_follows_a_property(http: httpx.Client, world: HubSpotSandbox) -> None:
    options = [{"label": "Y", "value": "true"}, {"label": "N", "value": "false"}]
    world.define_property(
        "contacts", name="wanted", label="W", type="bool", fieldType="booleancheckbox", options=options
    )
    url = "/crm/v3/objects/contacts/1"
    http.patch(url, json={"properties": {"wanted": "true"}})
    assert marketing(world) == set()
    world.set_switches(marketing_workflow_property="wanted")
    http.patch(url, json={"properties": {"wanted": "true"}})
    assert marketing(world) == {"1"}
    http.patch(url, json={"properties": {"wanted": "false"}})
    assert world.get("contacts", "1")["properties"]["hs_marketable_until_renewal"] == "true"


@pytest.mark.parametrize("setting", [False, True])
def test_integration_setting_for_new_contacts(http: httpx.Client, world: HubSpotSandbox, setting: bool) -> None:
    world.set_switches(new_contacts_are_marketing=setting)
    created = http.post("/crm/v3/objects/contacts", json={"properties": {"email": "new@x.be"}}).json()["id"]
    assert marketing(world) == ({created} if setting else set())


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"files": [{"fileName": "other.csv", "fileImportPage": {"columnMappings": [ID]}}]},
        {"files": [{"fileName": "m.csv", "fileFormat": "SPREADSHEET", "fileImportPage": {"columnMappings": [ID]}}]},
        {"files": [{"fileName": "m.csv", "fileImportPage": {"columnMappings": [column("nope")]}}]},
        {"files": [{"fileName": "m.csv", "fileImportPage": {"columnMappings": [column("city", "0-999")]}}]},
        {
            "files": [
                {
                    "fileName": "m.csv",
                    "fileImportPage": {"columnMappings": [column("city", columnType="HUBSPOT_ALTERNATE_ID")]},
                }
            ]
        },
        {"importOperations": {"0-1": "DELETE"}},
    ],
)
def test_requests_that_are_refused(http: httpx.Client, world: HubSpotSandbox, change: dict[str, Any]) -> None:
    body = {"name": "n", "files": [{"fileName": "m.csv", "fileImportPage": {"columnMappings": [ID]}}]} | change
    files = {"files": ("m.csv", b"id\n1\n", "text/csv")}
    answer = http.post(URL, data={"importRequest": json.dumps(body)}, files=files)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


def test_not_a_form(http: httpx.Client) -> None:
    assert http.post(URL, json={}).status_code == 400
    assert http.get(f"{URL}/999").status_code == 404
