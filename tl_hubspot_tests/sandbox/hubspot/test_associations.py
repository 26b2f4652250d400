"""Associations v4: both directions, type ids, primary, labels, batches and their limits."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox

V4 = "/crm/v4"


@pytest.fixture
def world(sandbox: HubSpotSandbox) -> HubSpotSandbox:
    """Contacts 11-13, companies 21-23, deals 31-32."""
    sandbox.load_objects("contacts", [{"id": f"1{n}", "properties": {"email": f"a{n}@x.be"}} for n in (1, 2, 3)])
    sandbox.load_objects("companies", [{"id": f"2{n}", "properties": {"name": f"C{n}"}} for n in (1, 2, 3)])
    sandbox.load_objects("deals", [{"id": f"3{n}", "properties": {"dealname": f"D{n}"}} for n in (1, 2)])
    return sandbox


def spec(type_id: int, category: str = "HUBSPOT_DEFINED") -> dict[str, Any]:
    return {"associationCategory": category, "associationTypeId": type_id}


def pair(from_id: str, to_id: str, *types: int) -> dict[str, Any]:
    item: dict[str, Any] = {"from": {"id": from_id}, "to": {"id": to_id}}
    return item | ({"types": [spec(type_id) for type_id in types]} if types else {})


def links(sandbox: HubSpotSandbox, kind: str, record: str, to_kind: str) -> dict[str, list[int]]:
    return {item["id"]: item["types"] for item in sandbox.associations(kind, record, to_kind)}


@pytest.mark.parametrize(
    ("from_type", "from_id", "to_type", "to_id", "there", "back"),
    [
        ("contacts", "11", "companies", "21", [1, 279], [2, 280]),
        ("companies", "21", "contacts", "11", [2, 280], [1, 279]),
        ("contacts", "11", "deals", "31", [4], [3]),
        ("deals", "31", "contacts", "11", [3], [4]),
        ("deals", "31", "companies", "21", [5, 341], [6, 342]),
        ("companies", "21", "deals", "31", [6, 342], [5, 341]),
        ("contacts", "11", "contacts", "12", [449], [449]),
        ("companies", "21", "companies", "22", [450], [450]),
        ("deals", "31", "deals", "32", [451], [451]),
    ],
)
def test_default_route(
    http: httpx.Client,
    world: HubSpotSandbox,
    from_type: str,
    from_id: str,
    to_type: str,
    to_id: str,
    there: list[int],
    back: list[int],
) -> None:
    url = f"{V4}/objects/{from_type}/{from_id}/associations/default/{to_type}/{to_id}"
    for _ in range(2):
        answer = http.put(url)
        assert answer.status_code == 200
        shown = {
            (item["from"]["id"], item["to"]["id"], item["associationSpec"]["associationTypeId"])
            for item in answer.json()["results"]
        }
        assert shown == {(from_id, to_id, there[-1]), (to_id, from_id, back[-1])}
    assert links(world, from_type, from_id, to_type) == {to_id: there}
    assert links(world, to_type, to_id, from_type) == {from_id: back}


def test_first_company_by_default_route_is_primary_unless_switched_off(
    http: httpx.Client, world: HubSpotSandbox
) -> None:
    for company in ("21", "22"):
        http.put(f"{V4}/objects/contacts/11/associations/default/companies/{company}")
    assert links(world, "contacts", "11", "companies") == {"21": [1, 279], "22": [279]}
    world.set_switches(first_company_becomes_primary=False)
    http.put(f"{V4}/objects/contacts/12/associations/default/companies/21")
    assert links(world, "contacts", "12", "companies") == {"21": [279]}


@pytest.mark.parametrize("by_company", [False, True])
def test_primary_demotes_the_earlier_one(http: httpx.Client, world: HubSpotSandbox, by_company: bool) -> None:
    http.put(f"{V4}/objects/contacts/11/associations/companies/21", json=[spec(1)])
    http.put(f"{V4}/objects/contacts/12/associations/companies/21", json=[spec(1)])
    if by_company:
        answer = http.put(f"{V4}/objects/companies/22/associations/contacts/11", json=[spec(2)])
    else:
        answer = http.put(f"{V4}/objects/contacts/11/associations/companies/22", json=[spec(1)])
    assert answer.status_code == 201
    assert answer.json()["labels"] == ["Primary"]
    assert links(world, "contacts", "11", "companies") == {"21": [279], "22": [1, 279]}
    assert links(world, "companies", "21", "contacts") == {"11": [280], "12": [2, 280]}
    assert links(world, "companies", "22", "contacts") == {"11": [2, 280]}


def test_unlabelled_type_adds_without_touching_labels(http: httpx.Client, world: HubSpotSandbox) -> None:
    http.put(f"{V4}/objects/contacts/11/associations/companies/21", json=[spec(1)])
    http.put(f"{V4}/objects/contacts/11/associations/companies/21", json=[spec(279)])
    http.put(f"{V4}/objects/contacts/11/associations/default/companies/21")
    assert links(world, "contacts", "11", "companies") == {"21": [1, 279]}


def test_labels_of_the_portal_replace_each_other(http: httpx.Client, world: HubSpotSandbox) -> None:
    labels = f"{V4}/associations/contacts/companies/labels"
    created = http.post(labels, json={"label": "Adviser", "name": "adviser", "inverseLabel": "Advised"})
    assert created.status_code == 200
    ids = [item["typeId"] for item in created.json()["results"]]
    boss = http.post(labels, json={"label": "Boss", "name": "boss"}).json()["results"][0]["typeId"]
    known = {item["typeId"]: item["label"] for item in http.get(labels).json()["results"]}
    assert known == {279: None, 1: "Primary", ids[0]: "Adviser", boss: "Boss"}
    url = f"{V4}/objects/contacts/11/associations/companies/21"
    own = spec(ids[0], "USER_DEFINED")
    assert http.put(url, json=[own]).json()["labels"] == ["Adviser"]
    assert links(world, "companies", "21", "contacts") == {"11": [280, ids[1]]}
    http.put(url, json=[spec(boss, "USER_DEFINED")])
    assert links(world, "contacts", "11", "companies") == {"21": [279, boss]}
    assert http.put(url, json=[spec(ids[0])]).status_code == 400
    change = {"associationTypeId": boss, "label": "Chief"}
    assert http.put(labels, json=change).status_code == 204
    shown = http.get(f"{V4}/objects/contacts/11/associations/companies").json()["results"][0]
    assert {item["typeId"]: item["label"] for item in shown["associationTypes"]} == {279: None, boss: "Chief"}
    body = {"inputs": [pair("11", "21") | {"types": [spec(boss, "USER_DEFINED")]}]}
    assert http.post(f"{V4}/associations/contacts/companies/batch/labels/archive", json=body).status_code == 204
    assert links(world, "contacts", "11", "companies") == {"21": [279]}
    http.put(url, json=[own])
    assert http.delete(f"{labels}/{ids[0]}").status_code == 204
    assert http.delete(f"{labels}/279").status_code == 404
    assert links(world, "contacts", "11", "companies") == {"21": [279]}


def test_removing_the_unlabelled_type_removes_the_link(http: httpx.Client, world: HubSpotSandbox) -> None:
    http.put(f"{V4}/objects/contacts/11/associations/default/companies/21")
    body = {"inputs": [pair("11", "21", 1)]}
    http.post(f"{V4}/associations/contacts/companies/batch/labels/archive", json=body)
    assert links(world, "contacts", "11", "companies") == {"21": [279]}
    body = {"inputs": [pair("11", "21", 279)]}
    http.post(f"{V4}/associations/contacts/companies/batch/labels/archive", json=body)
    assert links(world, "contacts", "11", "companies") == {}


def test_delete_removes_all_labels_in_both_directions(http: httpx.Client, world: HubSpotSandbox) -> None:
    http.put(f"{V4}/objects/contacts/11/associations/default/companies/21")
    http.put(f"{V4}/objects/contacts/11/associations/default/companies/22")
    for _ in range(2):
        assert http.delete(f"{V4}/objects/companies/21/associations/contacts/11").status_code == 204
    assert links(world, "contacts", "11", "companies") == {"22": [279]}
    assert links(world, "companies", "21", "contacts") == {}


@pytest.mark.parametrize("call", ["create", "associate/default"])
def test_batches_link_and_report_unknown_records(http: httpx.Client, world: HubSpotSandbox, call: str) -> None:
    types = (279,) if call == "create" else ()
    inputs = [pair("11", "21", *types), pair("12", "21", *types), pair("99", "21", *types), pair("13", "98", *types)]
    answer = http.post(f"{V4}/associations/contacts/companies/batch/{call}", json={"inputs": inputs})
    if call == "create":
        assert answer.status_code == 207
    body = answer.json()
    assert body["numErrors"] == 2
    assert {error["context"]["objectId"][0] for error in body["errors"]} == {"99", "98"}
    assert len(body["results"]) == (2 if call == "create" else 4)
    assert set(links(world, "companies", "21", "contacts")) == {"11", "12"}


def test_batch_create_answers_201(http: httpx.Client, world: HubSpotSandbox) -> None:
    body = {"inputs": [pair("11", "21", 1)]}
    answer = http.post(f"{V4}/associations/contacts/companies/batch/create", json=body)
    assert answer.status_code == 201
    assert answer.json()["results"] == [
        {
            "fromObjectTypeId": "0-1",
            "fromObjectId": 11,
            "toObjectTypeId": "0-2",
            "toObjectId": 21,
            "labels": ["Primary"],
        }
    ]
    dated = http.post("/crm/associations/2026-09/0-1/0-2/batch/create", json=body)
    assert dated.status_code == 200


@pytest.mark.parametrize("types", [(999,), (280,), (3,), ()])
def test_wrong_types_refuse_the_batch(http: httpx.Client, world: HubSpotSandbox, types: tuple[int, ...]) -> None:
    body = {"inputs": [pair("12", "21", 279), pair("11", "21", *types)]}
    answer = http.post(f"{V4}/associations/contacts/companies/batch/create", json=body)
    assert answer.status_code == 400
    assert links(world, "companies", "21", "contacts") == {}


@pytest.mark.parametrize(("call", "limit"), [("create", 2000), ("associate/default", 2000), ("read", 1000)])
def test_batch_limits(http: httpx.Client, world: HubSpotSandbox, call: str, limit: int) -> None:
    def body(count: int) -> dict[str, Any]:
        item = {"id": "11"} if call == "read" else pair("11", "21", 279)
        return {"inputs": [item] * count}

    url = f"{V4}/associations/contacts/companies/batch/{call}"
    assert http.post(url, json=body(limit + 1)).status_code == 400
    assert http.post(url, json=body(limit)).status_code < 300


def test_batch_archive(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.load_associations("contacts", "companies", [("11", "21", 279), ("11", "22", 279), ("12", "22", 279)])
    body = {"inputs": [{"from": {"id": "11"}, "to": [{"id": "21"}, {"id": "22"}]}]}
    assert http.post(f"{V4}/associations/contacts/companies/batch/archive", json=body).status_code == 204
    assert links(world, "companies", "22", "contacts") == {"12": [280]}


def test_lists_page_by_500(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.load_objects("contacts", ({"id": str(n), "properties": {"email": f"p{n}@x.be"}} for n in range(1001, 2102)))
    world.load_associations("companies", "contacts", (("21", str(n), 280) for n in range(1001, 2102)))
    seen: list[int] = []
    after: str | None = None
    pages = 0
    while pages == 0 or after:
        params = {"after": after} if after else {}
        body = http.get(f"{V4}/objects/companies/21/associations/contacts", params=params).json()
        seen += [item["toObjectId"] for item in body["results"]]
        after = body.get("paging", {}).get("next", {}).get("after")
        pages += 1
    assert (pages, seen) == (3, list(range(1001, 2102)))
    assert http.get(f"{V4}/objects/companies/21/associations/contacts?limit=501").status_code == 400
    seen, inputs = [], [{"id": "21"}]
    while inputs:
        body = http.post(f"{V4}/associations/companies/contacts/batch/read", json={"inputs": inputs}).json()
        (result,) = body["results"]
        assert result["from"] == {"id": "21"}
        seen += [item["toObjectId"] for item in result["to"]]
        cursor = result.get("paging", {}).get("next", {}).get("after")
        inputs = [{"id": "21", "after": cursor}] if cursor else []
    assert seen == list(range(1001, 2102))
    inline = http.get("/crm/v3/objects/companies/21?associations=contacts").json()["associations"]["contacts"]
    assert len(inline["results"]) == 500
    assert inline["paging"]["next"]["after"] == "1500"


@pytest.mark.parametrize("reported", [True, False])
def test_batch_read_of_records_without_links(http: httpx.Client, world: HubSpotSandbox, reported: bool) -> None:
    world.set_switches(no_associations_error=reported)
    world.load_associations("contacts", "companies", [("11", "21", 1)])
    body = {"inputs": [{"id": "11"}, {"id": "12"}]}
    answer = http.post(f"{V4}/associations/contacts/companies/batch/read", json=body)
    assert answer.status_code == (207 if reported else 200)
    (result,) = answer.json()["results"]
    assert result == {
        "from": {"id": "11"},
        "to": [
            {
                "toObjectId": 21,
                "associationTypes": [
                    {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"},
                    {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None},
                ],
            }
        ],
    }
    if reported:
        (error,) = answer.json()["errors"]
        assert error["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
        assert error["context"]["fromObjectId"] == ["12"]


def test_ids_as_text_by_switch(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.set_switches(numeric_association_ids=False)
    world.load_associations("contacts", "companies", [("11", "21", 279)])
    assert http.get(f"{V4}/objects/contacts/11/associations/companies").json()["results"][0]["toObjectId"] == "21"


def test_inline_at_creation(http: httpx.Client, world: HubSpotSandbox) -> None:
    wanted = [{"to": {"id": "21"}, "types": [spec(1)]}, {"to": {"id": "31"}, "types": [spec(4)]}]
    body = {"properties": {"email": "n@x.be"}, "associations": wanted}
    contact = http.post("/crm/v3/objects/contacts", json=body).json()["id"]
    assert links(world, "contacts", contact, "companies") == {"21": [1, 279]}
    assert links(world, "contacts", contact, "deals") == {"31": [4]}
    inputs = [
        {"properties": {"email": "o@x.be"}, "associations": wanted[:1], "objectWriteTraceId": "1"},
        {
            "properties": {"email": "p@x.be"},
            "associations": [{"to": {"id": "99"}, "types": [spec(279)]}],
            "objectWriteTraceId": "2",
        },
    ]
    answer = http.post("/crm/v3/objects/contacts/batch/create", json={"inputs": inputs})
    assert answer.status_code == 207
    assert answer.json()["errors"][0]["context"]["objectWriteTraceId"] == ["2"]
    assert world.find("contacts", "email", "p@x.be") is None
    assert set(links(world, "companies", "21", "contacts")) == {contact, answer.json()["results"][0]["id"]}


def test_archiving_a_record_takes_its_links_away(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.load_associations("contacts", "companies", [("11", "21", 1), ("12", "21", 279)])
    http.delete("/crm/v3/objects/contacts/11")
    assert links(world, "companies", "21", "contacts") == {"12": [280]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/objects/contacts/99/associations/companies"),
        ("PUT", "/objects/contacts/99/associations/default/companies/21"),
        ("PUT", "/objects/contacts/11/associations/default/companies/99"),
    ],
)
def test_unknown_records(http: httpx.Client, world: HubSpotSandbox, method: str, path: str) -> None:
    assert http.request(method, V4 + path).status_code == 404


def test_object_types_that_do_not_go_together(http: httpx.Client, world: HubSpotSandbox) -> None:
    assert http.get(f"{V4}/objects/contacts/11/associations/products").status_code == 400
    assert http.get("/crm/v3/objects/contacts/11?associations=products").status_code == 200


def test_parent_and_child_companies(http: httpx.Client, world: HubSpotSandbox) -> None:
    http.put(f"{V4}/objects/companies/21/associations/companies/22", json=[spec(13)])
    assert links(world, "companies", "21", "companies") == {"22": [13, 450]}
    assert links(world, "companies", "22", "companies") == {"21": [14, 450]}


def test_loading_refuses_unknown_types(world: HubSpotSandbox) -> None:
    with pytest.raises(ValueError, match="999"):
        world.load_associations("contacts", "companies", [("11", "21", 999)])


def test_merge_moves_links_and_keeps_the_survivor_s_primary(world: HubSpotSandbox) -> None:
    world.load_associations("contacts", "companies", [("11", "21", 1), ("12", "22", 1), ("12", "23", 279)])
    world.merge("contacts", "11", "12")
    assert links(world, "contacts", "11", "companies") == {"21": [1, 279], "22": [279], "23": [279]}
    world.merge("companies", "22", "21")
    assert links(world, "contacts", "11", "companies") == {"22": [1, 279], "23": [279]}
