"""Every route that HubSpot's OpenAPI documents describe and the sandbox serves: requests and answers fit them."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox
from tl_hubspot.sandbox.hubspot.http import find_route
from tl_hubspot_tests.sandbox.hubspot import openapi

ID = {"contacts": "1", "companies": "2", "0-3": "3", "products": "4"}
NEW: dict[str, dict[str, str]] = {
    "contacts": {"email": "new@x.be"},
    "companies": {"name": "New"},
    "0-3": {"dealname": "New", "dealstage": "contractsent"},
    "products": {"name": "New"},
}
TEXT = {"name": "tint", "label": "Tint", "type": "string", "fieldType": "text", "groupName": "contactinformation"}
STAGE = {"label": "S", "displayOrder": 9, "metadata": {"probability": "0.5"}}
SPEC = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}
PAIR = {"from": {"id": "1"}, "to": {"id": "2"}}
STATUS = {"subscriptionId": 1001, "statusState": "UNSUBSCRIBED", "channel": "EMAIL"}
V3 = {"emailAddress": "a@x.be", "subscriptionId": "1001"}
MAPPING = {"columnObjectTypeId": "0-1", "columnName": "id", "columnType": "HUBSPOT_OBJECT_ID"}
IMPORT = {"name": "n", "files": [{"fileName": "m.csv", "fileImportPage": {"columnMappings": [MAPPING]}}]}


def object_calls(kind: str) -> list[tuple[str, str, Any]]:
    root, one = f"/crm/v3/objects/{kind}", ID[kind]
    key = {"id": "k", "idProperty": "ext_id", "properties": NEW[kind], "objectWriteTraceId": "t"}
    calls: list[tuple[str, str, Any]] = [
        ("GET", f"{root}?limit=5&propertiesWithHistory=createdate&associations=contacts,companies", None),
        ("GET", f"{root}/{one}?associations=contacts,companies", None),
        ("POST", root, {"properties": NEW[kind], "associations": []}),
        ("PATCH", f"{root}/{one}", {"properties": {}}),
        ("POST", f"{root}/batch/read", {"inputs": [{"id": one}], "properties": [], "propertiesWithHistory": []}),
        ("POST", f"{root}/batch/update", {"inputs": [{"id": one, "properties": {}}]}),
        (
            "POST",
            f"{root}/search",
            {"filterGroups": [], "sorts": ["createdate"], "properties": [], "limit": 3, "after": "0"},
        ),
        ("POST", f"{root}/batch/archive", {"inputs": [{"id": "999"}]}),
        ("DELETE", f"{root}/999", None),
    ]
    if kind != "products":
        calls += [
            ("POST", f"{root}/batch/create", {"inputs": [{"properties": NEW[kind] | {"email": "b@x.be"}
                                                          if kind == "contacts" else NEW[kind], "associations": []}]}),
            ("POST", f"{root}/merge", {"primaryObjectId": one, "objectIdToMerge": f"{one}0"}),
        ]  # fmt: skip
        calls.append(("POST", f"{root}/batch/upsert", {"inputs": [key | {"properties": {}}]}))
    else:
        calls.append(("POST", f"{root}/batch/create", {"inputs": [{"properties": NEW[kind], "associations": []}]}))
        calls.append(("POST", f"{root}/batch/upsert", {"inputs": [{"id": one, "properties": {}}]}))
    if kind == "contacts":
        calls.append(("POST", f"{root}/gdpr-delete", {"objectId": one}))
    return calls


A, P = "/crm/v4/associations/contacts/companies", "/crm/v3/properties/contacts"
D, S = "/crm/v3/pipelines/deals", "/communication-preferences/v4/statuses"
SCHEMA, RECORD = "/crm/associations/v4/contacts/companies/labels", "/crm/v4/objects/contacts/1/associations"
CURRENCIES, LIMITS = "/settings/v3/currencies", "/crm/v3/limits"
GROUP = {"name": "own", "label": "Own", "displayOrder": 0}

CALLS: list[tuple[str, str, Any]] = [
    ("PUT", f"{RECORD}/default/companies/2", None),
    ("PUT", f"{RECORD}/companies/2", [SPEC]),
    ("GET", f"{RECORD}/companies", None),
    ("POST", f"{A}/batch/create", {"inputs": [PAIR | {"types": [SPEC]}]}),
    ("POST", f"{A}/batch/associate/default", {"inputs": [PAIR]}),
    ("POST", f"{A}/batch/read", {"inputs": [{"id": "1"}]}),
    *(call for kind in ID for call in object_calls(kind)[:2]),
    ("POST", f"{A}/batch/labels/archive", {"inputs": [PAIR | {"types": [SPEC]}]}),
    ("POST", f"{A}/batch/archive", {"inputs": [{"from": {"id": "1"}, "to": [{"id": "2"}]}]}),
    ("DELETE", f"{RECORD}/companies/2", None),
    ("GET", SCHEMA, None),
    ("POST", SCHEMA, {"label": "Boss", "name": "boss"}),
    ("PUT", SCHEMA, {"associationTypeId": 1001, "label": "Chief"}),
    ("DELETE", f"{SCHEMA}/1001", None),
    *(call for kind in ID for call in object_calls(kind)[2:]),
    ("GET", P, None),
    ("POST", P, TEXT),
    ("GET", f"{P}/tint", None),
    ("PATCH", f"{P}/tint", {"label": "Hue"}),
    ("POST", f"{P}/batch/create", {"inputs": [TEXT | {"name": "tint2"}]}),
    ("POST", f"{P}/batch/read", {"inputs": [{"name": "tint"}], "archived": False, "dataSensitivity": "non_sensitive"}),
    ("POST", f"{P}/batch/archive", {"inputs": [{"name": "tint2"}]}),
    ("DELETE", f"{P}/tint", None),
    ("GET", f"{P}/groups", None),
    ("POST", f"{P}/groups", GROUP),
    ("GET", f"{P}/groups/own", None),
    ("PATCH", f"{P}/groups/own", {"label": "Mine"}),
    ("DELETE", f"{P}/groups/own", None),
    ("GET", D, None),
    ("POST", D, {"label": "Own", "displayOrder": 1, "pipelineId": "own", "stages": [STAGE | {"stageId": "s"}]}),
    ("GET", f"{D}/own", None),
    ("PATCH", f"{D}/own", {"label": "Mine"}),
    ("GET", f"{D}/own/audit", None),
    ("GET", f"{D}/own/stages", None),
    ("POST", f"{D}/own/stages", STAGE | {"stageId": "s2"}),
    ("GET", f"{D}/own/stages/s2", None),
    ("PATCH", f"{D}/own/stages/s2", {"metadata": {"probability": "0.1"}}),
    ("PUT", f"{D}/own/stages/s2", STAGE),
    ("GET", f"{D}/own/stages/s2/audit", None),
    ("DELETE", f"{D}/own/stages/s2", None),
    ("PUT", f"{D}/own", {"label": "Other", "displayOrder": 1, "stages": [STAGE]}),
    ("DELETE", f"{D}/own", None),
    ("GET", "/crm/v3/owners?limit=1", None),
    ("GET", "/crm/v3/owners/8", None),
    ("GET", "/crm/v3/imports?limit=1", None),
    ("POST", "/crm/v3/imports", IMPORT),
    ("GET", "/crm/v3/imports/70000001", None),
    ("GET", "/crm/v3/imports/70000001/errors", None),
    ("POST", "/crm/v3/imports", IMPORT),
    ("POST", "/crm/v3/imports/70000002/cancel", None),
    ("GET", "/communication-preferences/v3/definitions", None),
    ("POST", "/communication-preferences/v3/subscribe", V3),
    ("POST", "/communication-preferences/v3/unsubscribe", V3),
    ("GET", "/communication-preferences/v3/status/email/a%40x.be", None),
    ("GET", "/communication-preferences/v4/definitions", None),
    ("GET", f"{S}/a%40x.be?channel=EMAIL", None),
    ("POST", f"{S}/b%40x.be", STATUS),
    ("POST", f"{S}/a%40x.be/unsubscribe-all?channel=EMAIL&verbose=true", None),
    ("GET", f"{S}/a%40x.be/unsubscribe-all?channel=EMAIL", None),
    ("POST", f"{S}/batch/read?channel=EMAIL", {"inputs": ["a@x.be"]}),
    ("POST", f"{S}/batch/write", {"inputs": [STATUS | {"subscriberIdString": "c@x.be"}]}),
    ("POST", f"{S}/batch/unsubscribe-all?channel=EMAIL&verbose=true", {"inputs": ["c@x.be"]}),
    ("POST", f"{S}/batch/unsubscribe-all/read?channel=EMAIL", {"inputs": ["c@x.be"]}),
    ("GET", "/account-info/v3/details", None),
    ("GET", "/account-info/v3/api-usage/daily/private-apps", None),
    *(
        ("GET", f"{CURRENCIES}/{path}", None)
        for path in (
            "codes",
            "company-currency",
            "exchange-rates",
            "exchange-rates/current",
            "exchange-rates/2",
            "central-fx-rates/information",
        )
    ),
    *(
        ("GET", f"{LIMITS}/{path}", None)
        for path in (
            "records",
            "pipelines",
            "custom-properties",
            "calculated-properties",
            "custom-object-types",
            "associations/labels",
            "associations/records/from",
            "associations/records/0-1/to",
            "associations/records/0-1/0-2",
        )
    ),
]


@pytest.fixture
def world(keyed: HubSpotSandbox) -> HubSpotSandbox:
    keyed.set_profile(marketing_enterprise=True)
    keyed.set_switches(import_seconds=30)
    keyed.load_objects(
        "contacts",
        [
            {"id": "1", "properties": {"email": "a@x.be", "ext_id": "k"}},
            {"id": "10", "properties": {"email": "d@x.be"}},
        ],
    )
    keyed.load_objects(
        "companies",
        [{"id": "2", "properties": {"name": "C", "ext_id": "k"}}, {"id": "20", "properties": {"name": "D"}}],
    )
    keyed.load_objects(
        "deals",
        [{"id": "3", "properties": {"dealname": "D", "ext_id": "k"}}, {"id": "30", "properties": {"dealname": "E"}}],
    )
    keyed.load_objects("products", [{"id": "4", "properties": {"name": "P"}}])
    keyed.load_owners([{"id": str(n), "email": f"o{n}@x.be"} for n in (8, 9)])
    return keyed


def test_every_described_route_fits(http: httpx.Client, world: HubSpotSandbox) -> None:
    called = set()
    for method, path, body in CALLS:
        raw = path.split("?")[0]
        found = openapi.operation(method, raw)
        assert found is not None, f"{method} {raw} is not in the documents"
        called.add(found[1:])
        if raw == "/crm/v3/imports" and method == "POST":
            files = {"files": ("m.csv", b"id\n1\n99\n", "text/csv")}
            answer = http.post(path, data={"importRequest": json.dumps(body)}, files=files)
        else:
            if body is not None:
                openapi.check_request(method, raw, body)
            answer = http.request(method, path, json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
    served = {
        (method, template)
        for method, template in openapi.operations()
        if not isinstance(find_route(method, re.sub(r"\{[^}]+\}", "x", _canonical(template))), int)
    }
    assert served - called == set()
    assert len(called) >= 115


def _canonical(template: str) -> str:
    return template.replace("/crm/associations/v4/", "/crm/v4/associations/")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/crm/v3/objects/contacts", {"properties": {"nope": "1"}}),
        ("GET", "/crm/v3/properties/contacts/nope", None),
        ("POST", "/crm/v3/objects/contacts", {"properties": {"email": "a@x.be"}}),
        ("POST", f"{A}/batch/create", {"inputs": [PAIR | {"types": []}]}),
        ("POST", "/crm/v3/objects/contacts/search", {"limit": 500}),
        ("GET", f"{S}/nonsense?channel=EMAIL", None),
    ],
)
def test_error_bodies_fit(http: httpx.Client, world: HubSpotSandbox, method: str, path: str, body: Any) -> None:
    answer = http.request(method, path, json=body)
    assert 400 <= answer.status_code < 500
    openapi.check_response(method, path.split("?")[0], answer.status_code, answer.json())


def test_the_checks_notice_a_wrong_answer() -> None:
    path = "/crm/v3/objects/contacts/1"
    good = {"id": "1", "properties": {"email": None}, "createdAt": "2026-01-01T00:00:00Z", "archived": False}
    good["updatedAt"] = good["createdAt"]
    openapi.check_response("GET", path, 200, good)
    for change in ({"id": 1}, {"surprise": 1}, {"createdAt": None}, {"properties": {"email": 1}}):
        with pytest.raises(openapi.Mismatch):
            openapi.check_response("GET", path, 200, good | change)
    with pytest.raises(openapi.Mismatch):
        openapi.check_response("GET", path, 207, good)
    with pytest.raises(openapi.Mismatch):
        openapi.check_request("POST", "/crm/v3/objects/contacts/batch/update", {"inputs": [{"properties": {}}]})
