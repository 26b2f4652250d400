"""Every endpoint served, against the published document."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tl_hubspot.sandbox.teamleader.app import READS
from tl_hubspot.sandbox.teamleader.requests import SCHEMAS
from tl_hubspot.sandbox.teamleader.writes import WRITES
from tl_hubspot_tests.sandbox.teamleader import account as a
from tl_hubspot_tests.sandbox.teamleader.conftest import Api
from tl_hubspot_tests.sandbox.teamleader.openapi import ENDPOINTS, request_validator, response_validator

HOOK = {"url": "https://receiver.example/hook", "types": ["contact.added"]}
CUSTOMER = {"customer": {"type": "company", "id": a.ACME}, "contact_person_id": a.ANN}
ADDRESS = {"line_1": None, "postal_code": "9000", "city": "Gent", "country": "BE", "area_level_two_id": a.ANTWERP}
PERSON: dict[str, Any] = {
    "first_name": "Dora",
    "last_name": "Segers",
    "emails": [{"type": "primary", "email": "dora@new.example"}],
    "telephones": [{"type": "fax", "number": "1"}],
    "addresses": [{"type": "primary", "address": ADDRESS}],
    "gender": "unknown",
    "birthdate": "1990-01-31",
    "tags": ["New"],
    "custom_fields": [{"id": a.LEVEL, "value": "Silver"}, {"id": a.HOURS, "value": 3}],
    "marketing_mails_consent": True,
    "price_list_id": a.PRICE_LIST,
}
FIRM: dict[str, Any] = {
    "name": "Nova",
    "business_type_id": a.LIMITED,
    "responsible_user_id": a.EVA,
    "emails": [{"type": "invoicing", "email": "bills@nova.example"}],
    "preferred_currency": "USD",
    "custom_fields": [{"id": a.COMPANY_FLAG, "value": True}],
}
DEAL: dict[str, Any] = {
    "title": "Pilot",
    "lead": CUSTOMER,
    "source_id": a.FAIR,
    "department_id": a.HEAD_OFFICE,
    "responsible_user_id": a.EVA,
    "second_responsible_user_id": a.OLD_USER,
    "phase_id": a.PHASES[2],
    "estimated_value": {"amount": 99.99, "currency": "GBP"},
    "estimated_probability": 0.25,
    "estimated_closing_date": "2026-12-24",
    "purchase_order_number": "000023",
    "currency": {"code": "GBP", "exchange_rate": 1.17},
    "custom_fields": [{"id": a.DEAL_NOTE, "value": "soon"}],
}
PAGE = {"page": {"size": 50, "number": 1}}

REQUESTS: dict[str, list[dict[str, Any]]] = {
    "contacts.list": [
        {},
        {
            "filter": {
                "email": {"type": "primary", "email": "ann@acme.example"},
                "ids": [a.ANN],
                "company_id": a.ACME,
                "term": "ann",
                "updated_since": "2016-02-04T16:44:33+00:00",
                "tags": ["Expo", "VIP"],
                "status": "active",
                "marketing_mails_consent": True,
            },
            "sort": [{"field": "updated_at", "order": "asc"}, {"field": "name"}],
            "includes": "custom_fields",
            **PAGE,
        },
        {"filter": {"company_id": None}},
    ],
    "contacts.info": [{"id": a.ANN}, {"id": a.BEN}, {"id": a.CAS}],
    "contacts.add": [{"last_name": "X"}, PERSON],
    "contacts.update": [PERSON | {"id": a.CAS, "first_name": None, "birthdate": None}],
    "contacts.delete": [{"id": a.CAS}],
    "contacts.tag": [{"id": a.CAS, "tags": ["One"]}],
    "contacts.untag": [{"id": a.ANN, "tags": ["VIP"]}],
    "contacts.linkToCompany": [{"id": a.CAS, "company_id": a.BOLT, "position": "CEO", "decision_maker": True}],
    "contacts.updateCompanyLink": [{"id": a.ANN, "company_id": a.ACME, "position": "COO"}],
    "contacts.unlinkFromCompany": [{"id": a.ANN, "company_id": a.ACME}],
    "companies.list": [
        {},
        {
            "filter": {
                "email": {"type": "primary", "email": "info@acme.example"},
                "ids": [a.ACME],
                "term": "acme",
                "updated_since": "2016-02-04T16:44:33+00:00",
                "tags": ["Expo"],
                "vat_number": "BE 0899.623.035",
                "national_identification_number": "63326426",
                "status": "active",
                "marketing_mails_consent": False,
            },
            "sort": [{"field": "added_at", "order": "desc"}],
            "includes": "custom_fields",
        },
    ],
    "companies.info": [{"id": a.ACME, "includes": "related_companies,related_contacts"}, {"id": a.BOLT}],
    "companies.add": [{"name": "Y"}, FIRM],
    "companies.update": [FIRM | {"id": a.BOLT, "vat_number": None, "responsible_user_id": None}],
    "companies.delete": [{"id": a.BOLT}],
    "companies.tag": [{"id": a.BOLT, "tags": ["One", "Two"]}],
    "companies.untag": [{"id": a.ACME, "tags": ["Expo"]}],
    "deals.list": [
        {},
        {
            "filter": {
                "ids": [a.ROLLOUT],
                "term": "roll",
                "customer": {"type": "company", "id": a.ACME},
                "phase_id": a.PHASES[1],
                "pipeline_ids": [a.SALES],
                "status": ["open"],
                "responsible_user_id": [a.EVA],
                "estimated_closing_date": "2026-10-31",
                "estimated_closing_date_from": "2026-10-31",
                "estimated_closing_date_until": "2026-10-31",
                "updated_since": "2025-07-01T10:00:00+00:00",
                "created_before": "2025-06-01T10:00:00+00:00",
            },
            "sort": [{"field": "weighted_value", "order": "asc"}],
            "includes": "custom_fields,second_responsible_user",
        },
    ],
    "deals.info": [{"id": a.ROLLOUT, "includes": "second_responsible_user"}, {"id": a.AUDIT}],
    "deals.create": [{"title": "Z", "lead": {"customer": {"type": "contact", "id": a.CAS}}}, DEAL],
    "deals.update": [{name: v for name, v in DEAL.items() if name != "phase_id"} | {"id": a.AUDIT, "summary": None}],
    "deals.move": [{"id": a.ROLLOUT, "phase_id": a.PHASES[4]}],
    "deals.win": [{"id": a.ROLLOUT}],
    "deals.lose": [{"id": a.ROLLOUT, "reason_id": a.TOO_DEAR, "extra_info": "next year"}],
    "deals.delete": [{"id": a.ROLLOUT}],
    "dealPipelines.list": [{}, {"filter": {"ids": [a.SALES], "status": ["open"], "term": "sal"}, **PAGE}],
    "dealPhases.list": [{"filter": {"deal_pipeline_id": a.SALES, "ids": [a.PHASES[0]]}, **PAGE}],
    "dealSources.list": [{"filter": {"term": "fair"}, "sort": [{"field": "name", "order": "asc"}], **PAGE}],
    "lostReasons.list": [{"filter": {"ids": [a.TOO_DEAR]}, "sort": [{"field": "name"}], **PAGE}],
    "users.list": [{"filter": {"status": ["active", "deactivated"]}, "sort": [{"field": "email"}], **PAGE}],
    "users.me": [{}],
    "users.info": [{"id": a.EVA}, {"id": a.EVA, "includes": "external_rate"}, {"id": a.OLD_USER}],
    "teams.list": [{"filter": {"team_lead_id": a.EVA, "term": "fie"}, "sort": [{"field": "name"}]}],
    "departments.list": [{}, {"filter": {"status": ["archived"]}, "sort": [{"field": "default_department"}]}],
    "departments.info": [{"id": a.HEAD_OFFICE}],
    "customFieldDefinitions.list": [{}, {"filter": {"context": "deal"}, "sort": [{"field": "label"}], **PAGE}],
    "customFieldDefinitions.info": [{"id": a.LEVEL}, {"id": a.HOURS}],
    "tags.list": [{"sort": [{"field": "tag"}], **PAGE}],
    "businessTypes.list": [{}, {"country": "BE"}],
    "levelTwoAreas.list": [{"country": "BE"}, {"country": "BE", "language": "en"}],
    "priceLists.list": [{}, {"filter": {"ids": [a.PRICE_LIST]}}],
    "paymentTerms.list": [{}],
    "currencies.exchangeRates": [{"base": "USD"}],
    "webhooks.list": [{}],
    "webhooks.register": [HOOK],
    "webhooks.unregister": [HOOK],
    "migrate.id": [{"type": "contact", "id": 1}, {"type": "dealPhase", "id": 2}],
    "accounts.projects-v2-status": [{}],
}
CASES = [
    pytest.param(endpoint, body, id=f"{endpoint}-{n}")
    for endpoint, bodies in REQUESTS.items()
    for n, body in enumerate(bodies)
]


def test_every_endpoint_of_the_document_is_served_and_tried_and_no_other() -> None:
    assert READS.keys() | WRITES.keys() == ENDPOINTS.keys() == REQUESTS.keys() == SCHEMAS.keys()


@pytest.mark.parametrize("endpoint, body", CASES)
def test_answers_are_as_documented(api: Api, endpoint: str, body: dict[str, Any]) -> None:
    """In strict mode the request passes; status and body are the document's, with no property beyond it."""
    request_validator(endpoint).validate(body)
    api.sandbox.set_switches(strict=True)
    answer = api.post(endpoint, body)
    assert answer.status_code == ENDPOINTS[endpoint]["status"], answer.text
    if answer.status_code == 204:
        assert answer.content == b""
        return
    response_validator(endpoint).validate(answer.json())
    if endpoint.endswith(".list") and endpoint != "webhooks.list":
        assert answer.json()["data"], "the case should find something"


@pytest.mark.parametrize("endpoint, body", [case for case in CASES if case.values[0] in WRITES])
def test_written_records_are_as_documented_when_read_again(api: Api, endpoint: str, body: dict[str, Any]) -> None:
    answer = api.post(endpoint, body)
    kind = endpoint.split(".")[0]
    if kind == "webhooks" or endpoint.endswith(".delete"):
        return
    record_id = answer.json()["data"]["id"] if answer.content else body["id"]
    for name, request in (("info", {"id": record_id}), ("list", {"filter": {"ids": [record_id]}})):
        response_validator(f"{kind}.{name}").validate(api.post(f"{kind}.{name}", request).json())


def _without_own(schema: dict[str, Any]) -> dict[str, Any]:
    """A request schema of the package without what was added to the document's."""
    out = {name: value for name, value in schema.items() if name not in ("format", "properties", "items", "oneOf")}
    if "properties" in schema:
        out["properties"] = {name: _without_own(value) for name, value in schema["properties"].items()}
    if "items" in schema:
        out["items"] = _without_own(schema["items"])
    if "oneOf" in schema:
        out["oneOf"] = [_without_own(option) for option in schema["oneOf"]]
    return out


@pytest.mark.parametrize("endpoint", sorted(ENDPOINTS))
def test_requests_are_checked_against_the_document_itself(endpoint: str) -> None:
    own = _without_own(SCHEMAS[endpoint])
    # Three things the live system takes although the document does not say so.
    own["properties"].pop("custom_fields_update_strategy", None)
    if endpoint == "dealPipelines.list":
        own["properties"].pop("includes")
    if "custom_fields" in own["properties"]:
        del own["properties"]["custom_fields"]["items"]["properties"]["value"]["nullable"]
    assert own == ENDPOINTS[endpoint]["request"]


LENIENT = [
    ("contacts.list", {"filter": {"name": "nobody"}}, "filter.name is not allowed"),
    ("contacts.list", {"filters": {"ids": []}}, "filters is not allowed"),
    ("contacts.list", {"sort": [{"field": "birthdate"}]}, "sort.0.field must be in `{ added_at, name, updated_at }`"),
    ("contacts.list", {"includes": "price_list"}, "includes price_list is not allowed"),
    ("deals.list", {"filter": {"created_after": "x"}}, "filter.created_after is not allowed"),
    ("deals.list", {"include": "lead.customer"}, "include is not allowed"),
    ("contacts.info", {"id": a.ANN, "includes": "companies"}, "includes is not allowed"),
    ("users.me", {"x": 1}, "x is not allowed"),
]


@pytest.mark.parametrize("endpoint, body, title", LENIENT)
def test_unknown_keys_are_ignored_unless_strict(api: Api, endpoint: str, body: dict[str, Any], title: str) -> None:
    plain = api.post(endpoint, {"id": body["id"]} if "id" in body else {}).json()["data"]
    given = api.post(endpoint, body).json()["data"]
    if isinstance(plain, list):
        assert sorted(item["id"] for item in plain) == sorted(item["id"] for item in given)
    else:
        assert plain == given
    api.sandbox.set_switches(strict=True)
    assert api.titles(endpoint, body) == [title]


MALFORMED: list[tuple[str, Any, list[str]]] = [
    ("contacts.info", {}, ["id must be present"]),
    ("contacts.info", {"id": "7"}, ["id invalid uuid"]),
    ("contacts.info", {"id": None}, ["id must be valid"]),
    ("contacts.add", {}, ["last_name must be present"]),
    ("contacts.add", {"last_name": " "}, ["last_name must not be empty"]),
    ("companies.add", {"name": ""}, ["Company name must not be empty"]),
    ("contacts.list", {"filter": []}, []),
    ("contacts.list", {"filter": "x"}, ["filter must be valid"]),
    ("contacts.list", {"filter": {"status": ["active"]}}, ["filter.status must be valid"]),
    ("contacts.list", {"filter": {"status": "new"}}, ["filter.status must be in `{ active, deactivated }`"]),
    ("deals.list", {"filter": {"status": "open"}}, ["filter.status must be valid"]),
    ("deals.list", {"filter": {"status": ["new"]}}, ["filter.status.0 must be in `{ open, won, lost }`"]),
    ("contacts.list", {"filter": {"ids": a.ANN}}, ["filter.ids must be valid"]),
    ("contacts.list", {"filter": {"ids": ["1", "2"]}}, ["filter.ids.0 invalid uuid", "filter.ids.1 invalid uuid"]),
    ("contacts.list", {"filter": {"updated_since": "2026-01-01"}}, ["filter.updated_since must be valid"]),
    (
        "contacts.list",
        {"filter": {"updated_since": "2026-13-01T00:00:00+00:00"}},
        ["filter.updated_since must be valid"],
    ),
    ("contacts.list", {"filter": {"email": {"email": "a"}}}, ["filter.email.type must be present"]),
    (
        "deals.list",
        {"filter": {"estimated_closing_date": "31/10/2026"}},
        ["filter.estimated_closing_date must be valid"],
    ),
    (
        "deals.list",
        {"filter": {"responsible_user_id": 5}},
        ["oneOf rule failed", "filter.responsible_user_id must be valid"],
    ),
    ("contacts.list", {"page": {"size": 0}}, ["page.size must be valid"]),
    ("contacts.list", {"page": {"size": 1.5, "number": 0}}, ["page.size must be valid", "page.number must be valid"]),
    ("contacts.list", {"page": {"size": "5"}}, ["page.size must be valid"]),
    ("contacts.list", {"sort": [{"field": "name", "order": "up"}]}, ["sort.0.order must be in `{ asc, desc }`"]),
    ("contacts.list", {"includes": ["custom_fields"]}, ["includes must be valid"]),
    ("customFieldDefinitions.list", {"filter": {"context": "sale"}}, []),
    ("levelTwoAreas.list", {}, ["country must be present"]),
    ("currencies.exchangeRates", {"base": "XXX"}, []),
    ("migrate.id", {"type": "contact"}, ["id must be present"]),
    ("webhooks.register", {"url": "https://a.example", "types": ["contact.moved"]}, []),
    ("contacts.list", [1], ["The request body must be an object"]),
]


@pytest.mark.parametrize("endpoint, body, titles", MALFORMED)
def test_known_keys_with_a_malformed_value_give_400(api: Api, endpoint: str, body: Any, titles: list[str]) -> None:
    answer = api.post(endpoint, body)
    if body == {"filter": []}:
        assert answer.status_code == 200, "an empty list is how PHP writes an empty object"
        return
    assert answer.status_code == 400
    errors = answer.json()["errors"]
    assert all(error["code"] == 0 and error["status"] == 400 for error in errors)
    if titles:
        assert [error["title"] for error in errors] == titles
    else:
        assert re.search(r"must be in `\{ ", errors[0]["title"])


def test_a_body_that_is_no_json_gives_400(api: Api) -> None:
    url = f"{api.url}/contacts.list"
    assert api.session.post(url, data=b"{", headers=api.headers, timeout=10).status_code == 400
    assert api.session.post(url, data=b"", headers=api.headers, timeout=10).status_code == 200


def test_unknown_endpoints_and_methods(api: Api) -> None:
    def call(method: str, path: str) -> int:
        return api.session.request(method, f"{api.url}/{path}", headers=api.headers, timeout=10).status_code

    assert call("POST", "contacts.nonsense") == 404
    assert call("POST", "dealPhases.duplicate") == 404
    assert call("GET", "contacts.add") == 405
    assert call("DELETE", "contacts.list") == 405
    assert api.post("contacts.nonsense").json()["errors"][0]["status"] == 404
