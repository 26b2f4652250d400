"""Lists of reference data and the small endpoints beside them."""

from __future__ import annotations

import pytest

from tl_hubspot_tests.sandbox.teamleader import account as a
from tl_hubspot_tests.sandbox.teamleader.conftest import Api, fresh


def test_pipelines_name_the_default(api: Api) -> None:
    answer = api.post("dealPipelines.list").json()
    assert [item["name"] for item in answer["data"]] == ["Sales", "Service"]
    assert answer["meta"] == {"default": a.SALES}
    counted = api.post("dealPipelines.list", {"includes": "pagination", "page": {"size": 1, "number": 2}}).json()
    assert counted["meta"] == {"default": a.SALES, "page": {"size": 1, "number": 2}, "matches": 2}
    assert [item["id"] for item in counted["data"]] == [a.SERVICE]


def test_phases_come_in_order_and_without_their_pipeline(api: Api) -> None:
    phases = api.data("dealPhases.list", {"filter": {"deal_pipeline_id": a.SALES}})
    assert [item["id"] for item in phases] == a.PHASES[:4]
    assert set(phases[0]) == {"id", "name", "actions", "requires_attention_after", "probability"}
    assert api.ids("dealPhases.list", {"filter": {"deal_pipeline_id": a.SERVICE}}) == [a.PHASES[4]]


def test_users(api: Api) -> None:
    assert api.ids("users.list") == [a.EVA]
    both = {"filter": {"status": ["active", "deactivated"]}}
    assert api.ids("users.list", both) == [a.OLD_USER, a.EVA]
    assert api.ids("users.list", both | {"sort": [{"field": "last_name"}]}) == [a.EVA, a.OLD_USER]
    assert api.ids("users.list", {"filter": {"term": "sales"}}) == [a.EVA]
    me = api.data("users.me")
    assert (me["id"], me["account"]["id"]) == (a.EVA, api.sandbox.account_id)
    assert "external_rate" not in api.data("users.info", {"id": a.EVA})
    rate = api.data("users.info", {"id": a.EVA, "includes": "external_rate"})["external_rate"]
    assert rate == {"amount": 95.5, "currency": "EUR"}


UNPAGED = ["departments", "businessTypes", "teams", "priceLists", "paymentTerms", "levelTwoAreas", "webhooks"]


@pytest.mark.parametrize("kind", UNPAGED)
def test_endpoints_without_paging_give_the_same_rows_for_every_page(api: Api, kind: str) -> None:
    api.post("webhooks.register", {"url": "https://receiver.example", "types": ["contact.added"]})
    body = {"country": "BE"} if kind == "levelTwoAreas" else {}
    first = api.data(f"{kind}.list", body)
    assert first
    assert api.data(f"{kind}.list", body | {"page": {"size": 1, "number": 2}}) == first


@pytest.mark.parametrize("kind", ["users", "dealPhases", "dealSources", "customFieldDefinitions", "tags"])
def test_endpoints_with_paging_page(api: Api, kind: str) -> None:
    body = {"filter": {"status": ["active", "deactivated"]}} if kind == "users" else {}
    whole = api.data(f"{kind}.list", body)
    pages = [api.data(f"{kind}.list", body | {"page": {"size": 1, "number": n + 1}}) for n in range(len(whole) + 1)]
    assert len(whole) > 1
    assert pages == [*([item] for item in whole), []]


def test_definitions(api: Api) -> None:
    deal_fields = api.data("customFieldDefinitions.list", {"filter": {"context": "deal"}})
    assert [(item["id"], item["context"]) for item in deal_fields] == [(a.DEAL_NOTE, "sale")]
    assert "configuration" not in deal_fields[0]
    level = api.data("customFieldDefinitions.info", {"id": a.LEVEL})
    options = [{"id": a.uid("Option", 1), "value": "Gold"}, {"id": a.uid("Option", 2), "value": "Silver"}]
    assert level["configuration"] == {"options": options, "extra_option_allowed": False}
    listed = {item["id"]: item for item in api.data("customFieldDefinitions.list")}
    assert listed[a.LEVEL]["configuration"]["default_value"] is None


def test_departments(api: Api) -> None:
    assert api.ids("departments.list") == [a.HEAD_OFFICE, a.ARCHIVED_OFFICE]
    assert api.ids("departments.list", {"filter": {"status": ["archived"]}}) == [a.ARCHIVED_OFFICE]
    assert api.ids("departments.list", {"sort": [{"field": "name"}]}) == [a.ARCHIVED_OFFICE, a.HEAD_OFFICE]
    assert api.data("departments.info", {"id": a.HEAD_OFFICE})["address"]["country"] == "BE"


def test_the_small_ones(api: Api) -> None:
    assert [item["name"] for item in api.data("dealSources.list")] == ["Fair", "Website"]
    assert [item["name"] for item in api.data("dealSources.list", {"filter": {"term": "web"}})] == ["Website"]
    assert api.data("lostReasons.list") == [{"id": a.TOO_DEAR, "name": "Too dear"}]
    assert api.data("tags.list") == [{"tag": "Expo"}, {"tag": "VIP"}]
    assert [item["name"] for item in api.data("businessTypes.list", {"country": "DE"})] == ["AG"]
    assert api.data("levelTwoAreas.list", {"country": "BE", "language": "en"})[0]["name"] == "Antwerp"
    assert api.data("levelTwoAreas.list", {"country": "FR"}) == []
    assert api.data("priceLists.list") == [{"id": a.PRICE_LIST, "name": "Wholesale", "calculation_method": "manual"}]
    terms = api.post("paymentTerms.list").json()
    assert terms["meta"]["default"] == terms["data"][0]["id"]
    assert "days" not in terms["data"][2]
    rates = {item["code"]: item["exchange_rate"] for item in api.data("currencies.exchangeRates", {"base": "USD"})}
    assert rates["USD"] == 1
    assert rates["EUR"] < 1 < rates["JPY"]


def test_migrate_id(api: Api) -> None:
    assert api.data("migrate.id", {"type": "contact", "id": 1}) == {"type": "contact", "id": a.ANN}
    assert api.data("migrate.id", {"type": "customField", "id": 1})["id"] == a.LEVEL
    assert api.post("migrate.id", {"type": "contact", "id": 77}).status_code == 404


def test_an_empty_account_has_what_every_account_has(api: Api) -> None:
    fresh(api)
    assert api.data("users.me")["id"] == api.ids("users.list")[0]
    pipeline = api.post("dealPipelines.list").json()["meta"]["default"]
    assert len(api.ids("dealPhases.list", {"filter": {"deal_pipeline_id": pipeline}})) == 4
    assert api.ids("departments.list") and api.ids("businessTypes.list")
    assert api.sandbox.count("users") == 0
    person = api.data("contacts.add", {"last_name": "First"})["id"]
    lead = {"customer": {"type": "contact", "id": person}}
    assert api.post("deals.create", {"title": "First", "lead": lead}).status_code == 201
