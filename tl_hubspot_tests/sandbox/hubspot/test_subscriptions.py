"""E-mail subscriptions, v3 and v4: opt-out by address, what contacts show, legal basis, Enterprise batches."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox

V3, V4 = "/communication-preferences/v3", "/communication-preferences/v4"
EMAIL = {"channel": "EMAIL"}


@pytest.fixture
def world(sandbox: HubSpotSandbox) -> HubSpotSandbox:
    """Contact 7 with a@ and, secondary, b@."""
    record = {"id": "7", "properties": {"email": "a@x.be"}, "secondary_emails": ["b@x.be"]}
    sandbox.load_objects("contacts", [record])
    return sandbox


def optout(sandbox: HubSpotSandbox) -> str | None:
    value: str | None = sandbox.get("contacts", "7")["properties"].get("hs_email_optout")
    return value


def unsubscribe_all(http: httpx.Client, address: str, **params: str) -> httpx.Response:
    return http.post(f"{V4}/statuses/{address}/unsubscribe-all", params=EMAIL | params)


def test_unsubscribe_all_shows_on_the_contact_with_the_primary(http: httpx.Client, world: HubSpotSandbox) -> None:
    before = world.get("contacts", "7")["updatedAt"]
    assert http.get(f"{V4}/statuses/a%40x.be/unsubscribe-all", params=EMAIL).json()["results"] == []
    answer = unsubscribe_all(http, "A%40X.be")
    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert optout(world) == "true"
    assert world.get("contacts", "7")["updatedAt"] > before
    (wide,) = http.get(f"{V4}/statuses/a%40x.be/unsubscribe-all", params=EMAIL).json()["results"]
    assert (wide["status"], wide["wideStatusType"]) == ("UNSUBSCRIBED", "PORTAL_WIDE")
    assert world.subscriptions("a@x.be")["opted_out"] is True


def test_secondary_address_does_not_show(http: httpx.Client, world: HubSpotSandbox) -> None:
    unsubscribe_all(http, "b%40x.be")
    assert optout(world) is None
    world.patch("contacts", "7", {"email": "b@x.be"})
    assert optout(world) == "true"
    world.patch("contacts", "7", {"email": "c@x.be"})
    assert optout(world) is None


def test_it_is_idempotent_and_verbose_on_demand(http: httpx.Client, world: HubSpotSandbox) -> None:
    reasons = []
    for _ in range(2):
        results = unsubscribe_all(http, "a%40x.be", verbose="true").json()["results"]
        reasons.append({item["setStatusSuccessReason"] for item in results})
        assert {item["status"] for item in results} == {"UNSUBSCRIBED"}
    assert reasons == [{"UNSUBSCRIBE_FROM_ALL_OCCURRED"}, {"NO_STATUS_CHANGE"}]


def test_a_later_contact_with_an_opted_out_address_shows_it(http: httpx.Client, world: HubSpotSandbox) -> None:
    unsubscribe_all(http, "later%40x.be")
    created = http.post("/crm/v3/objects/contacts", json={"properties": {"email": "later@x.be"}}).json()["id"]
    assert world.get("contacts", created)["properties"]["hs_email_optout"] == "true"


@pytest.mark.parametrize(("mode", "status"), [("accepted", 200), ("not_found", 404)])
def test_address_without_a_contact(http: httpx.Client, world: HubSpotSandbox, mode: str, status: int) -> None:
    world.set_switches(unsubscribe_unknown_address=mode)
    assert unsubscribe_all(http, "nobody%40x.be").status_code == status
    assert world.subscriptions("nobody@x.be")["opted_out"] is (status == 200)
    assert unsubscribe_all(http, "b%40x.be").status_code == 200


@pytest.mark.parametrize("address", ["nonsense", "a%40b"])
def test_invalid_address(http: httpx.Client, world: HubSpotSandbox, address: str) -> None:
    assert unsubscribe_all(http, address).status_code == 400


def test_channel_is_required(http: httpx.Client, world: HubSpotSandbox) -> None:
    assert http.post(f"{V4}/statuses/a%40x.be/unsubscribe-all").status_code == 400
    assert http.get(f"{V4}/statuses/a%40x.be?channel=FAX").status_code == 400
    assert optout(world) is None


def status_body(state: str, **rest: Any) -> dict[str, Any]:
    return {"subscriptionId": 1002, "statusState": state, "channel": "EMAIL"} | rest


def test_one_subscription_v4(http: httpx.Client, world: HubSpotSandbox) -> None:
    def change(state: str) -> tuple[int, str]:
        answer = http.post(f"{V4}/statuses/a%40x.be", json=status_body(state))
        body = answer.json()
        return answer.status_code, body["results"][0]["setStatusSuccessReason"] if "results" in body else ""

    assert change("SUBSCRIBED") == (200, "REQUESTED_CHANGE_OCCURRED")
    assert change("SUBSCRIBED") == (200, "NO_STATUS_CHANGE")
    assert change("UNSUBSCRIBED") == (200, "REQUESTED_CHANGE_OCCURRED")
    values = world.get("contacts", "7")["properties"]
    assert values["hs_email_optout_1002"] == "true"
    assert "hs_email_optout" not in values
    assert change("SUBSCRIBED") == (400, "")
    shown = {item["subscriptionId"]: item["status"] for item in
             http.get(f"{V4}/statuses/a%40x.be", params=EMAIL).json()["results"]}  # fmt: skip
    assert shown == {1001: "NOT_SPECIFIED", 1002: "UNSUBSCRIBED", 1003: "NOT_SPECIFIED"}


def test_nobody_can_be_resubscribed(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.optout("a@x.be")
    assert http.post(f"{V4}/statuses/a%40x.be", json=status_body("SUBSCRIBED")).status_code == 400
    body = {"emailAddress": "a@x.be", "subscriptionId": "1002"}
    assert http.post(f"{V3}/subscribe", json=body).status_code == 400
    assert optout(world) == "true"


def test_v3(http: httpx.Client, world: HubSpotSandbox) -> None:
    body = {"emailAddress": "a@x.be", "subscriptionId": "1001"}
    assert http.post(f"{V3}/subscribe", json=body).json()["status"] == "SUBSCRIBED"
    assert http.post(f"{V3}/unsubscribe", json=body).json()["status"] == "NOT_SUBSCRIBED"
    shown = http.get(f"{V3}/status/email/a%40x.be").json()
    assert shown["recipient"] == "a@x.be"
    assert {item["id"]: item["status"] for item in shown["subscriptionStatuses"]}["1001"] == "NOT_SUBSCRIBED"
    assert len(http.get(f"{V3}/definitions").json()["subscriptionDefinitions"]) == 3
    assert len(http.get(f"{V4}/definitions").json()["results"]) == 3
    assert http.post(f"{V3}/unsubscribe", json=body | {"subscriptionId": "9"}).status_code == 400


@pytest.mark.parametrize("privacy", [False, True])
def test_legal_basis(http: httpx.Client, world: HubSpotSandbox, privacy: bool) -> None:
    world.set_profile(data_privacy=privacy)
    bare = http.post(f"{V4}/statuses/a%40x.be", json=status_body("UNSUBSCRIBED"))
    assert bare.status_code == (400 if privacy else 200)
    basis = {"legalBasis": "LEGITIMATE_INTEREST_CLIENT", "legalBasisExplanation": "asked"}
    assert http.post(f"{V4}/statuses/a%40x.be", json=status_body("UNSUBSCRIBED", **basis)).status_code == 200
    body = {"emailAddress": "a@x.be", "subscriptionId": "1003"}
    assert http.post(f"{V3}/unsubscribe", json=body).status_code == (400 if privacy else 200)
    full = http.post(f"{V3}/unsubscribe", json=body | basis)
    assert full.status_code == 200
    wrong = status_body("UNSUBSCRIBED", legalBasis="BECAUSE")
    assert http.post(f"{V4}/statuses/a%40x.be", json=wrong).status_code == 400


BATCHES: list[tuple[str, Any]] = [
    ("read", ["a@x.be"]),
    ("write", [status_body("UNSUBSCRIBED", subscriberIdString="a@x.be")]),
    ("unsubscribe-all", ["a@x.be"]),
    ("unsubscribe-all/read", ["a@x.be"]),
]


@pytest.mark.parametrize(("call", "inputs"), BATCHES)
@pytest.mark.parametrize("enterprise", [False, True])
def test_batches_need_enterprise(
    http: httpx.Client, world: HubSpotSandbox, call: str, inputs: list[Any], enterprise: bool
) -> None:
    world.set_profile(marketing_enterprise=enterprise)
    answer = http.post(f"{V4}/statuses/batch/{call}", params=EMAIL, json={"inputs": inputs})
    assert answer.status_code == (200 if enterprise else 403)
    if not enterprise:
        assert answer.json()["category"] == "MISSING_SCOPES"
        scopes = answer.json()["errors"][0]["context"]["requiredGranularScopes"]
        assert scopes[0].startswith("communication_preferences.statuses.batch.")


def test_batch_unsubscribe_all(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.set_profile(marketing_enterprise=True)
    url, body = f"{V4}/statuses/batch/unsubscribe-all", {"inputs": ["a@x.be", "nonsense", "new@x.be"]}
    answer = http.post(url, params=EMAIL, json=body)
    assert answer.status_code == 200
    assert answer.json()["results"] == []
    assert [error["context"]["subscriberIdString"] for error in answer.json()["errors"]] == [["nonsense"]]
    assert optout(world) == "true"
    assert world.subscriptions("new@x.be")["opted_out"] is True
    verbose = http.post(url, params=EMAIL | {"verbose": "true"}, json={"inputs": ["a@x.be"]}).json()["results"]
    assert verbose[0]["subscriberIdString"] == "a@x.be"
    read = http.post(f"{url}/read", params=EMAIL, json={"inputs": ["a@x.be", "b@x.be"]}).json()["results"]
    assert {item["subscriberIdString"]: len(item["wideStatuses"]) for item in read} == {"a@x.be": 1, "b@x.be": 0}
    assert http.post(url, params=EMAIL, json={"inputs": ["a@x.be"] * 101}).status_code == 400


def test_batch_write_reports_each_error(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.set_profile(marketing_enterprise=True)
    world.optout("b@x.be")
    inputs = [status_body("SUBSCRIBED", subscriberIdString=address) for address in ("a@x.be", "b@x.be", "nonsense")]
    body = http.post(f"{V4}/statuses/batch/write", json={"inputs": inputs}).json()
    assert [item["subscriberIdString"] for item in body["results"]] == ["a@x.be"]
    assert {error["context"]["subscriberIdString"][0] for error in body["errors"]} == {"b@x.be", "nonsense"}


def test_a_contact_can_be_marketing_and_opted_out(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.set_marketable("7")
    unsubscribe_all(http, "a%40x.be")
    values = world.get("contacts", "7")["properties"]
    assert (values["hs_marketable_status"], values["hs_email_optout"]) == ("true", "true")
