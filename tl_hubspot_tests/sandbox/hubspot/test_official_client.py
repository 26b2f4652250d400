"""HubSpot's own Python client against the sandbox: every API of it that the sandbox serves."""

from __future__ import annotations

import json
from pathlib import Path

import hubspot
import pytest
from hubspot.crm import associations, contacts

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.hubspot import HubSpotSandbox

TEXT = {
    "name": "ext_id",
    "label": "External id",
    "groupName": "contactinformation",
    "type": "string",
    "fieldType": "text",
    "hasUniqueValue": True,
}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("contacts", {"email": "a+b@x.be"}),
        ("companies", {"name": "Acme"}),
        ("deals", {"dealname": "D", "dealstage": "contractsent"}),
        ("products", {"name": "P"}),
    ],
)
def test_basic_api(client: hubspot.Client, kind: str, values: dict[str, str]) -> None:
    basic = getattr(client.crm, kind).basic_api
    created = basic.create({"properties": values, "associations": []})
    assert basic.get_by_id(created.id, properties=list(values)).properties.items() >= values.items()
    name = next(iter(values))
    assert basic.update(created.id, {"properties": {name: "b@x.be"}}).properties[name] == "b@x.be"
    with_history = basic.get_by_id(created.id, properties_with_history=[name])
    assert [item.value for item in with_history.properties_with_history[name]] == ["b@x.be", values[name]]
    other = basic.create({"properties": values, "associations": []})
    page = basic.get_page(limit=1, archived=False)
    assert [item.id for item in page.results] == [created.id]
    assert [item.id for item in basic.get_page(limit=1, after=page.paging.next.after).results] == [other.id]
    assert len(getattr(client.crm, kind).get_all()) == 2
    basic.archive(other.id)
    assert [item.id for item in basic.get_page(archived=True).results] == [other.id]


@pytest.mark.parametrize("kind", ["contacts", "companies", "deals", "products"])
def test_generic_objects_api(client: hubspot.Client, kind: str) -> None:
    values = {"contacts": {"email": "a@x.be"}, "deals": {"dealname": "D", "dealstage": "contractsent"}}
    body = {"properties": values.get(kind, {"name": "N"}), "associations": []}
    created = client.crm.objects.basic_api.create(kind, body)
    assert [item.id for item in client.crm.objects.basic_api.get_page(kind).results] == [created.id]
    found = client.crm.objects.batch_api.read(kind, {"inputs": [{"id": created.id}], "properties": []})
    assert [item.id for item in found.results] == [created.id]


def test_get_by_address_is_percent_encoded(client: hubspot.Client) -> None:
    basic = client.crm.contacts.basic_api
    created = basic.create({"properties": {"email": "a+b/c@x.be"}, "associations": []})
    assert basic.get_by_id("a+b/c@x.be", id_property="email").id == created.id
    assert basic.update("a+b/c@x.be", {"properties": {"city": "Gent"}}, id_property="email").id == created.id


def test_batch_api(client: hubspot.Client) -> None:
    client.crm.properties.core_api.create("contacts", TEXT)
    batch = client.crm.contacts.batch_api
    created = batch.create({"inputs": [{"properties": {"email": f"a{n}@x.be"}, "associations": []} for n in range(3)]})
    ids = [item.id for item in created.results]
    assert len(ids) == 3
    inputs = [{"id": item, "properties": {"ext_id": f"k{item}"}, "objectWriteTraceId": item} for item in [*ids, "1"]]
    updated = batch.update({"inputs": inputs})
    assert isinstance(updated, contacts.BatchResponseSimplePublicObjectWithErrors)
    assert (updated.num_errors, updated.errors[0].context["objectWriteTraceId"]) == (1, ["1"])
    inputs = [
        {"id": key, "idProperty": "ext_id", "properties": {"email": f"{key}@y.be"}, "objectWriteTraceId": key}
        for key in (f"k{ids[0]}", "new")
    ]
    upserted = batch.upsert({"inputs": inputs})
    assert {item.object_write_trace_id: item.new for item in upserted.results} == {f"k{ids[0]}": False, "new": True}
    body = {"inputs": [{"id": "new"}, {"id": "none"}], "idProperty": "ext_id", "properties": ["ext_id"]}
    read = batch.read(body | {"propertiesWithHistory": []})
    assert [item.properties["ext_id"] for item in read.results] == ["new"]
    assert read.errors[0].context["ids"] == ["none"]
    batch.archive({"inputs": [{"id": item} for item in ids]})
    assert len(batch.read({"inputs": [{"id": item} for item in ids], "properties": []}, archived=True).results) == 3


def test_search_merge_and_purge(client: hubspot.Client) -> None:
    api = client.crm.contacts
    ids = [
        api.basic_api.create({"properties": {"email": f"a{n}@x.be", "city": "Gent"}, "associations": []}).id
        for n in range(3)
    ]
    request = contacts.PublicObjectSearchRequest(
        filter_groups=[{"filters": [{"propertyName": "city", "operator": "EQ", "value": "Gent"}]}],
        sorts=["email"],
        limit=2,
        after="0",
        properties=["email"],
    )
    found = api.search_api.do_search(request)
    assert (found.total, [item.id for item in found.results], found.paging.next.after) == (3, ids[:2], "2")
    survivor = api.basic_api.merge({"primaryObjectId": ids[0], "objectIdToMerge": ids[1]})
    assert survivor.id == ids[0]
    api.basic_api.purge({"objectId": ids[2]})
    assert [item.id for item in api.basic_api.get_page().results] == [ids[0]]


def test_associations_v4(client: hubspot.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.load_objects("contacts", [{"id": str(n), "properties": {"email": f"a{n}@x.be"}} for n in (1, 2)])
    sandbox.load_objects("companies", [{"id": str(n), "properties": {"name": f"C{n}"}} for n in (8, 9)])
    v4 = client.crm.associations.v4
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}
    v4.basic_api.create_default("contacts", "1", "companies", "8")
    v4.basic_api.create("contacts", "1", "companies", "9", [spec])
    page = v4.basic_api.get_page("contacts", "1", "companies")
    assert {item.to_object_id: [kind.type_id for kind in item.association_types] for item in page.results} == {
        "8": [279],
        "9": [1, 279],
    }
    pairs = [{"from": {"id": "2"}, "to": {"id": company}} for company in ("8", "9")]
    assert len(v4.batch_api.create_default("contacts", "companies", {"inputs": pairs}).results) == 4
    v4.batch_api.create("contacts", "companies", {"inputs": [pairs[1] | {"types": [spec]}]})
    read = v4.batch_api.get_page("contacts", "companies", {"inputs": [{"id": "1"}, {"id": "2"}, {"id": "3"}]})
    assert isinstance(read, associations.v4.BatchResponsePublicAssociationMultiWithLabelWithErrors)
    assert {item._from.id: len(item.to) for item in read.results} == {"1": 2, "2": 2}
    v4.batch_api.archive_labels("contacts", "companies", {"inputs": [pairs[1] | {"types": [spec]}]})
    v4.batch_api.archive("contacts", "companies", {"inputs": [{"from": {"id": "1"}, "to": [{"id": "8"}]}]})
    v4.basic_api.archive("contacts", "1", "companies", "9")
    assert sandbox.associations("contacts", "1", "companies") == []
    assert sandbox.associations("contacts", "2", "companies") == [
        {"id": "8", "types": [279]},
        {"id": "9", "types": [279]},
    ]


def test_association_labels(client: hubspot.Client) -> None:
    api = client.crm.associations.v4.schema.definitions_api
    created = api.create("contacts", "companies", {"label": "Adviser", "name": "adviser"}).results
    labels = {item.type_id: item.label for item in api.get_all("contacts", "companies").results}
    assert (labels[279], labels[1], labels[created[0].type_id]) == (None, "Primary", "Adviser")
    change = {"associationTypeId": created[0].type_id, "label": "Boss"}
    api.update("contacts", "companies", change)
    api.remove("contacts", "companies", created[0].type_id)
    assert len(api.get_all("contacts", "companies").results) == 2


def test_properties(client: hubspot.Client) -> None:
    api = client.crm.properties
    api.groups_api.create("contacts", {"name": "own", "label": "Own", "displayOrder": -1})
    created = api.core_api.create("contacts", TEXT | {"groupName": "own"})
    assert created.has_unique_value is True
    assert created.modification_metadata.read_only_value is False
    assert api.core_api.update("contacts", "ext_id", {"label": "Key"}).label == "Key"
    assert api.core_api.get_by_name("contacts", "ext_id").group_name == "own"
    assert "ext_id" in {item.name for item in api.core_api.get_all("contacts").results}
    read = api.batch_api.read("contacts", {"archived": False, "inputs": [{"name": "email"}, {"name": "ext_id"}]})
    assert len(read.results) == 2
    api.batch_api.create("contacts", {"inputs": [TEXT | {"name": "second"}]})
    api.batch_api.archive("contacts", {"inputs": [{"name": "second"}]})
    api.core_api.archive("contacts", "ext_id")
    assert {item.name for item in api.core_api.get_all("contacts", archived=True).results} == {"second", "ext_id"}
    assert api.groups_api.update("contacts", "own", {"label": "Mine"}).label == "Mine"
    assert api.groups_api.get_by_name("contacts", "own").label == "Mine"
    api.groups_api.archive("contacts", "own")
    assert "own" not in {item.name for item in api.groups_api.get_all("contacts").results}


def test_pipelines(client: hubspot.Client) -> None:
    pipelines, stages = client.crm.pipelines.pipelines_api, client.crm.pipelines.pipeline_stages_api
    stage = {"label": "In", "displayOrder": 0, "metadata": {"probability": "0.5"}}
    created = pipelines.create("deals", {"label": "Own", "displayOrder": 1, "stages": [stage]})
    assert [item.id for item in pipelines.get_all("deals").results] == ["default", created.id]
    assert pipelines.update("deals", created.id, {"label": "Mine"}).label == "Mine"
    assert pipelines.get_by_id("deals", created.id).stages[0].metadata == {"probability": "0.5", "isClosed": "false"}
    added = stages.create("deals", created.id, stage | {"label": "Out", "displayOrder": 1})
    assert [item.label for item in stages.get_all("deals", created.id).results] == ["In", "Out"]
    assert (
        stages.update("deals", created.id, added.id, {"label": "Gone", "metadata": {"probability": "0"}}).label
        == "Gone"
    )
    assert stages.replace("deals", created.id, added.id, stage).label == "In"
    assert stages.get_by_id("deals", created.id, added.id).label == "In"
    stages.archive("deals", created.id, added.id)
    pipelines.replace("deals", created.id, {"label": "X", "displayOrder": 2, "stages": [stage]})
    pipelines.archive("deals", created.id, validate_references_before_delete=True)
    assert len(pipelines.get_all("deals").results) == 1


def test_owners(client: hubspot.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.load_owners(
        {"id": str(n), "email": f"o{n}@x.be", "firstName": "O", "lastName": str(n)} for n in range(1, 4)
    )
    api = client.crm.owners.owners_api
    page = api.get_page(limit=2, archived=False)
    assert [item.id for item in page.results] == ["1", "2"]
    assert [item.id for item in api.get_page(limit=2, after=page.paging.next.after).results] == ["3"]
    assert [item.email for item in api.get_page(email="o3@x.be").results] == ["o3@x.be"]
    assert api.get_by_id("2", id_property="id").last_name == "2"


def test_imports(client: hubspot.Client, sandbox: HubSpotSandbox, tmp_path: Path) -> None:
    sandbox.load_objects("contacts", [{"id": "5", "properties": {"email": "a@x.be"}}])
    file = tmp_path / "m.csv"
    file.write_text("id\n5\n6\n")
    mapping = {"columnObjectTypeId": "0-1", "columnName": "id", "columnType": "HUBSPOT_OBJECT_ID"}
    page = {"hasHeader": True, "columnMappings": [mapping]}
    request = {
        "name": "nightly",
        "importOperations": {"0-1": "UPDATE"},
        "marketableContactImport": True,
        "files": [{"fileName": "m.csv", "fileFormat": "CSV", "fileImportPage": page}],
    }
    api = client.crm.imports.core_api
    begun = api.create(files=str(file), import_request=json.dumps(request))
    assert begun.state == "STARTED"
    done = api.get_by_id(begun.id)
    assert (done.state, done.metadata.counters["TOTAL_ROWS"]) == ("DONE", 2)
    errors = client.crm.imports.public_imports_api.get_errors(begun.id)
    assert [item.error_type for item in errors.results] == ["INVALID_OBJECT_ID"]
    assert [item.id for item in api.get_page().results] == [begun.id]
    assert sandbox.get("contacts", "5")["properties"]["hs_marketable_status"] == "true"
    sandbox.set_switches(import_seconds=60)
    begun = api.create(files=str(file), import_request=json.dumps(request))
    assert api.cancel(begun.id).status == "COMPLETE"


def test_communication_preferences(client: hubspot.Client) -> None:
    definitions = client.communication_preferences.definition_api.get_page().subscription_definitions
    body = {"emailAddress": "a@x.be", "subscriptionId": definitions[0].id, "legalBasis": "LEGITIMATE_INTEREST_CLIENT"}
    status = client.communication_preferences.status_api
    assert status.subscribe(body).status == "SUBSCRIBED"
    assert status.unsubscribe(body).status == "NOT_SUBSCRIBED"
    assert len(status.get_email_status("a@x.be").subscription_statuses) == len(definitions)


def test_errors_reach_the_client(client: hubspot.Client, sandbox: HubSpotSandbox) -> None:
    basic = client.crm.contacts.basic_api
    first = basic.create({"properties": {"email": "a@x.be"}, "associations": []})
    with pytest.raises(contacts.ApiException) as caught:
        basic.create({"properties": {"email": "a@x.be"}, "associations": []})
    assert caught.value.status == 409
    assert json.loads(caught.value.body)["message"] == f"Contact already exists. Existing ID: {first.id}"
    with pytest.raises(contacts.exceptions.NotFoundException):
        basic.get_by_id("1")
    sandbox.faults.add(Fault("status", status=503))
    with pytest.raises(contacts.exceptions.ServiceException):
        basic.get_by_id(first.id)


def test_api_request(client: hubspot.Client, sandbox: HubSpotSandbox) -> None:
    path = "/communication-preferences/v4/statuses/a%40x.be/unsubscribe-all"
    answer = client.api_request({"method": "POST", "path": path, "qs": {"channel": "EMAIL"}})
    assert answer.status_code == 200
    assert sandbox.subscriptions("a@x.be")["opted_out"] is True
