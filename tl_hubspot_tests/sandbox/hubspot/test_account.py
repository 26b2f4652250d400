"""Account details, usage, currencies, limits tracking, owners, pipelines, tokens and scopes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox

PIPELINES = "/crm/v3/pipelines/deals"


def test_details(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.clock.set(datetime(2026, 7, 1, tzinfo=UTC))
    body = http.get("/account-info/v3/details").json()
    assert body["portalId"] == sandbox.profile.portal_id
    assert (body["timeZone"], body["utcOffset"], body["utcOffsetMilliseconds"]) == (
        "Europe/Brussels",
        "+02:00",
        7_200_000,
    )
    assert (body["companyCurrency"], body["additionalCurrencies"]) == ("EUR", ["GBP", "USD"])


def test_usage_counts_calls_until_local_midnight(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.clock.set(datetime(2026, 7, 1, 21, 0, tzinfo=UTC))

    def used() -> int:
        (usage,) = http.get("/account-info/v3/api-usage/daily/private-apps").json()["results"]
        assert usage["name"] == "private-apps-api-calls-daily"
        assert usage["usageLimit"] == sandbox.profile.daily
        assert usage["resetsAt"].startswith(("2026-07-01T22:00", "2026-07-02T22:00"))
        count: int = usage["currentUsage"]
        return count

    first = used()
    http.get("/crm/v3/objects/contacts")
    assert used() == first + 2
    sandbox.clock.set(datetime(2026, 7, 1, 22, 1, tzinfo=UTC))
    assert used() == 1


def test_currencies(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    root = "/settings/v3/currencies"
    codes = http.get(f"{root}/codes").json()["results"]
    assert {item["currencyCode"]: item["currencyName"] for item in codes}["GBP"] == "British Pound"
    assert http.get(f"{root}/company-currency").json()["id"] == "EUR"
    for path in ("exchange-rates", "exchange-rates/current"):
        rates = http.get(f"{root}/{path}").json()["results"]
        assert {(item["fromCurrencyCode"], item["toCurrencyCode"]) for item in rates} == {
            ("GBP", "EUR"),
            ("USD", "EUR"),
        }
    assert http.get(f"{root}/exchange-rates/{rates[0]['id']}").json() == rates[0]
    assert http.get(f"{root}/exchange-rates/999").status_code == 404
    assert http.get(f"{root}/central-fx-rates/information").json() == {"centralExchangeRatesEnabled": False}


def test_limits_tracking(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.load_objects("contacts", [{"properties": {"email": "a@x.be"}}])
    sandbox.define_property("contacts", name="own", label="Own", type="string", fieldType="text")
    root = "/crm/v3/limits"
    records = {item["objectTypeId"]: item["usage"] for item in
               http.get(f"{root}/records").json()["hubspotDefinedObjectTypes"]}  # fmt: skip
    assert (records["0-1"], records["0-2"]) == (1, 0)
    assert http.get(f"{root}/pipelines").json()["hubspotDefinedObjectTypes"][0]["usage"] == 1
    custom = http.get(f"{root}/custom-properties").json()
    assert custom["overallUsage"] == 1
    assert {item["objectTypeId"]: item["usage"] for item in custom["byObjectType"]}["0-1"] == 1
    for path in (
        "calculated-properties",
        "custom-object-types",
        "associations/labels",
        "associations/records/from",
        "associations/records/0-1/to",
        "associations/records/0-1/0-2",
    ):
        assert http.get(f"{root}/{path}").status_code == 200


def test_owners(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    owners = [
        {"id": str(n), "email": f"o{n}@x.be", "firstName": "O", "lastName": str(n), "archived": n == 3}
        for n in range(1, 251)
    ]
    assert sandbox.load_owners(owners) == 250
    seen: list[str] = []
    after = None
    while after is not None or not seen:
        body = http.get("/crm/v3/owners/", params={"limit": "100"} | ({"after": after} if after else {})).json()
        seen += [item["id"] for item in body["results"]]
        after = body.get("paging", {}).get("next", {}).get("after")
    assert seen == [str(n) for n in range(1, 251) if n != 3]
    assert [item["id"] for item in http.get("/crm/v3/owners?email=O7%40x.be").json()["results"]] == ["7"]
    assert [item["id"] for item in http.get("/crm/v3/owners?archived=True").json()["results"]] == ["3"]
    assert http.get("/crm/v3/owners/7").json()["email"] == "o7@x.be"
    assert http.get("/crm/v3/owners/7?idProperty=userId").json()["id"] == "7"
    assert http.get("/crm/v3/owners/3").status_code == 404
    contact = sandbox.create("contacts", {"email": "a@x.be"})["id"]
    for owner, status in (("7", 200), ("3", 400), ("999", 400)):
        answer = http.patch(f"/crm/v3/objects/contacts/{contact}", json={"properties": {"hubspot_owner_id": owner}})
        assert answer.status_code == status


def stage(label: str, order: int, probability: str = "0.5", **rest: Any) -> dict[str, Any]:
    return {"label": label, "displayOrder": order, "metadata": {"probability": probability}} | rest


def test_pipelines(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    (default,) = http.get(PIPELINES).json()["results"]
    assert default["id"] == "default"
    assert [item["id"] for item in default["stages"]] == [
        "appointmentscheduled",
        "qualifiedtobuy",
        "presentationscheduled",
        "decisionmakerboughtin",
        "contractsent",
        "closedwon",
        "closedlost",
    ]
    assert default["stages"][-1]["metadata"] == {"probability": "0.0", "isClosed": "true"}
    body = {"label": "Own", "displayOrder": 1, "stages": [stage("B", 2), stage("A", 1), stage("W", 3, "1.0")]}
    created = http.post(PIPELINES, json=body).json()
    url = f"{PIPELINES}/{created['id']}"
    assert [item["label"] for item in created["stages"]] == ["A", "B", "W"]
    assert [item["metadata"]["isClosed"] for item in created["stages"]] == ["false", "false", "true"]
    assert http.post(PIPELINES, json=body).status_code == 409
    assert http.get(url).json() == created
    assert http.patch(url, json={"label": "Mine"}).json()["label"] == "Mine"
    added = http.post(f"{url}/stages", json=stage("C", 4)).json()
    assert http.get(f"{url}/stages/{added['id']}").json() == added
    changed = http.patch(f"{url}/stages/{added['id']}", json={"label": "D", "metadata": {"probability": "0.1"}})
    assert (changed.json()["label"], changed.json()["metadata"]["probability"]) == ("D", "0.1")
    assert http.put(f"{url}/stages/{added['id']}", json=stage("E", 0)).json()["label"] == "E"
    assert [item["label"] for item in http.get(f"{url}/stages").json()["results"]] == ["E", "A", "B", "W"]
    assert http.delete(f"{url}/stages/{added['id']}").status_code == 204
    assert http.get(f"{url}/stages/{added['id']}").status_code == 404
    assert http.get(f"{url}/audit").json()["results"][0]["identifier"] == created["id"]
    assert http.get(f"{url}/stages/{created['stages'][0]['id']}/audit").status_code == 200
    replaced = http.put(url, json={"label": "New", "displayOrder": 0, "stages": [stage("Z", 0, stageId="z")]}).json()
    assert [item["id"] for item in replaced["stages"]] == ["z"]
    assert http.delete(url).status_code == 204
    assert http.delete(f"{PIPELINES}/default").status_code == 400
    assert http.get(url).status_code == 404


@pytest.mark.parametrize("metadata", [{}, {"probability": "2"}, {"probability": "likely"}])
def test_stages_need_a_probability(http: httpx.Client, metadata: dict[str, str]) -> None:
    body = {"label": "X", "displayOrder": 9, "metadata": metadata}
    assert http.post(f"{PIPELINES}/default/stages", json=body).status_code == 400


def test_stage_and_pipeline_in_use(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    body = {"label": "Own", "displayOrder": 1, "pipelineId": "own", "stages": [stage("A", 1, stageId="a")]}
    http.post(PIPELINES, json=body)
    sandbox.create("deals", {"dealname": "D", "pipeline": "own", "dealstage": "a"})
    for path in ("own/stages/a", "own"):
        assert http.delete(f"{PIPELINES}/{path}?validateReferencesBeforeDelete=True").status_code == 400
        assert http.delete(f"/crm/pipelines/2026-09/deals/{path}").status_code == 400
    for path in ("own/stages/a", "own"):
        assert http.delete(f"{PIPELINES}/{path}").status_code == 204


def test_only_deals_have_pipelines(http: httpx.Client) -> None:
    assert http.get("/crm/v3/pipelines/contacts").status_code == 400


@pytest.mark.parametrize("token", ["", "Bearer wrong", "pat-eu1-00000000-0000-0000-0000-000000000000"])
def test_wrong_token(http: httpx.Client, token: str) -> None:
    answer = http.get("/crm/v3/objects/contacts", headers={"Authorization": token})
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/crm/v3/objects/contacts", "crm.objects.contacts.read"),
        ("POST", "/crm/v3/objects/companies/batch/upsert", "crm.objects.companies.write"),
        ("POST", "/crm/v3/objects/deals/search", "crm.objects.deals.read"),
        ("POST", "/crm/v3/properties/contacts", "crm.schemas.contacts.write"),
        ("POST", "/crm/v3/pipelines/deals", "crm.schemas.deals.write"),
        ("GET", "/settings/v3/currencies/codes", "settings.currencies.read"),
        ("POST", "/crm/v3/imports", "crm.import"),
        ("POST", "/crm/v4/associations/contacts/companies/batch/create", "crm.objects.contacts.write"),
    ],
)
def test_missing_scope(http: httpx.Client, sandbox: HubSpotSandbox, method: str, path: str, scope: str) -> None:
    sandbox.set_profile(missing_scopes=frozenset({scope}))
    answer = http.request(method, path)
    assert (answer.status_code, answer.json()["category"]) == (403, "MISSING_SCOPES")
    assert answer.json()["errors"][0]["context"] == {"requiredGranularScopes": [scope]}
    sandbox.set_profile(missing_scopes=frozenset({"other"}))
    assert http.request(method, path).status_code != 403


def test_one_of_several_scopes_is_enough(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.set_profile(missing_scopes=frozenset({"communication_preferences.read_write"}))
    assert http.get("/communication-preferences/v3/definitions").status_code == 200
    both = frozenset({"communication_preferences.read_write", "communication_preferences.read"})
    sandbox.set_profile(missing_scopes=both)
    assert http.get("/communication-preferences/v3/definitions").status_code == 403
