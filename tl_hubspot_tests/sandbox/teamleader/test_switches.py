"""Every switch both ways, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from tl_hubspot.sandbox.teamleader import Switches
from tl_hubspot_tests.sandbox.teamleader import account as a
from tl_hubspot_tests.sandbox.teamleader.conftest import START, Api

Case = Callable[[Api], None]
CASES: dict[str, Case] = {}


def case(*names: str) -> Callable[[Case], Case]:
    def register(function: Case) -> Case:
        CASES.update(dict.fromkeys(names, function))
        return function

    return register


def _set(api: Api, **switches: Any) -> None:
    """Over HTTP, as another process would."""
    answer = api.session.post(f"{api.url}/_sandbox/switches", json=switches, timeout=10)
    assert answer.status_code == 200, answer.text
    for name, value in switches.items():
        assert answer.json()["switches"][name] == value


def _status(api: Api, endpoint: str, body: Any = None) -> int:
    return api.post(endpoint, body).status_code


@case("strict")
def _strict(api: Api) -> None:
    assert _status(api, "contacts.list", {"filtre": 1}) == 200
    _set(api, strict=True)
    assert _status(api, "contacts.list", {"filtre": 1}) == 400


@case("page_size_over_100")
def _page_size(api: Api) -> None:
    ids = [{"id": a.uid("Contact", 1000 + n), "last_name": "P"} for n in range(120)]
    api.sandbox.load("contacts", ids)
    assert api.titles("contacts.list", {"page": {"size": 101}}) == ["page.size must be valid"]
    assert api.titles("users.list", {"page": {"size": 101}}) == ["page.size must be valid"]
    _set(api, page_size_over_100="clamp")
    assert len(api.ids("contacts.list", {"page": {"size": 101}})) == 100


@case("lists_without_status")
def _without_status(api: Api) -> None:
    assert (len(api.ids("contacts.list")), len(api.ids("companies.list"))) == (3, 2)
    _set(api, lists_without_status="active")
    assert set(api.ids("contacts.list")) == {a.ANN, a.CAS}
    assert api.ids("companies.list") == [a.ACME]
    assert api.ids("companies.list", {"filter": {"status": "deactivated"}}) == [a.BOLT]
    assert len(api.ids("deals.list")) == 2


@case("users_without_status")
def _users(api: Api) -> None:
    assert api.ids("users.list") == [a.EVA]
    _set(api, users_without_status="all")
    assert set(api.ids("users.list")) == {a.EVA, a.OLD_USER}


@case("company_id_null")
def _company_null(api: Api) -> None:
    body = {"filter": {"company_id": None}}
    assert api.ids("contacts.list", body) == [a.CAS]
    _set(api, company_id_null="ignored")
    assert len(api.ids("contacts.list", body)) == 3
    _set(api, company_id_null="rejected")
    assert api.titles("contacts.list", body) == ["filter.company_id must be valid"]


@case("updated_since")
def _updated_since(api: Api) -> None:
    body = {"filter": {"updated_since": "2025-05-05T05:05:05+00:00"}}
    deals = {"filter": {"updated_since": "2025-07-01T10:00:00+00:00"}}
    assert api.ids("contacts.list", body) == [a.BEN]
    _set(api, updated_since="exclusive")
    assert api.ids("contacts.list", body) == []
    assert api.ids("deals.list", deals) == [a.ROLLOUT]


@case("tie_order")
def _ties(api: Api) -> None:
    ids = [a.uid("Contact", 1000 + n) for n in range(30)]
    api.sandbox.load("contacts", [{"id": i, "last_name": "Same"} for i in ids])
    body = {"filter": {"ids": ids}, "page": {"size": 100}}
    assert api.ids("contacts.list", body) != api.ids("contacts.list", body)
    _set(api, tie_order="stable")
    assert api.ids("contacts.list", body) == ids
    _set(api, tie_order="reverse")
    assert api.ids("contacts.list", body) == ids[::-1]


@case("undated_sort")
def _undated(api: Api) -> None:
    api.sandbox.load("contacts", [{"id": a.uid("Contact", 2000), "last_name": "Old", "updated_at": None}])

    def first(order: str) -> bool:
        body = {"sort": [{"field": "updated_at", "order": order}]}
        return bool(api.ids("contacts.list", body)[0] == a.uid("Contact", 2000))

    assert first("asc") and not first("desc")
    _set(api, undated_sort="highest")
    assert first("desc") and not first("asc")


@case("replica_lag")
def _lag(api: Api) -> None:
    def listed() -> dict[str, str]:
        return {item["id"]: item["last_name"] for item in api.data("contacts.list", {"filter": {"status": "active"}})}

    before = listed()
    _set(api, replica_lag=30)
    born = api.data("contacts.add", {"last_name": "Born"})["id"]
    api.post("contacts.update", {"id": a.ANN, "last_name": "First"})
    api.post("contacts.delete", {"id": a.CAS})
    assert api.data("contacts.info", {"id": a.ANN})["last_name"] == "First"
    assert api.post("contacts.info", {"id": a.CAS}).status_code == 404
    assert listed() == before
    api.sandbox.clock.advance(20)
    api.post("contacts.update", {"id": a.ANN, "last_name": "Second"})
    assert listed() == before
    api.sandbox.clock.advance(20)
    assert listed() == {born: "Born", a.ANN: "First"}
    api.sandbox.clock.advance(20)
    assert listed() == {born: "Born", a.ANN: "Second"}
    _set(api, replica_lag=0)
    api.post("contacts.update", {"id": a.ANN, "last_name": "Third"})
    assert listed()[a.ANN] == "Third"
    # Deals lag in the same way.
    _set(api, replica_lag=30)
    api.post("deals.win", {"id": a.ROLLOUT})
    assert api.ids("deals.list", {"filter": {"status": ["won"]}}) == []
    api.sandbox.clock.advance(31)
    assert api.ids("deals.list", {"filter": {"status": ["won"]}}) == [a.ROLLOUT]


@case("max_filter_ids")
def _max_ids(api: Api) -> None:
    ids = [a.uid("Contact", n) for n in range(1, 102)]
    assert len(api.ids("contacts.list", {"filter": {"ids": ids}})) == 3
    _set(api, max_filter_ids=100)
    assert api.titles("contacts.list", {"filter": {"ids": ids}}) == ["filter.ids must be valid"]
    assert len(api.ids("contacts.list", {"filter": {"ids": ids[:100]}})) == 3


@case("vat_filter")
def _vat(api: Api) -> None:
    body = {"filter": {"vat_number": "be0899623035"}}
    assert api.ids("companies.list", body) == []
    _set(api, vat_filter="normalised")
    assert api.ids("companies.list", body) == [a.ACME]


def _moved(api: Api) -> tuple[bool, bool]:
    """Whether Cas and Bolt have been touched since the start."""
    start = START.isoformat()
    return (
        api.data("contacts.info", {"id": a.CAS})["updated_at"] >= start,
        api.data("companies.info", {"id": a.BOLT})["updated_at"] >= start,
    )


@case("link_moves_contact_updated_at", "link_moves_company_updated_at")
def _links(api: Api) -> None:
    link = {"id": a.CAS, "company_id": a.BOLT}
    api.post("contacts.linkToCompany", link)
    api.post("contacts.updateCompanyLink", link | {"position": "X"})
    api.post("contacts.unlinkFromCompany", link)
    assert _moved(api) == (False, False)
    _set(api, link_moves_contact_updated_at=True)
    api.post("contacts.linkToCompany", link)
    assert _moved(api) == (True, False)
    _set(api, link_moves_contact_updated_at=False, link_moves_company_updated_at=True)
    api.post("contacts.unlinkFromCompany", link)
    assert _moved(api) == (True, True)


@case("tag_moves_updated_at")
def _tags(api: Api) -> None:
    _set(api, tag_moves_updated_at=False)
    api.post("contacts.tag", {"id": a.CAS, "tags": ["A"]})
    assert _moved(api)[0] is False
    _set(api, tag_moves_updated_at=True)
    api.post("contacts.untag", {"id": a.CAS, "tags": ["A"]})
    assert _moved(api)[0] is True


@case("deal_move_moves_updated_at")
def _deal_moves(api: Api) -> None:
    def updated_at() -> str:
        return str(api.data("deals.info", {"id": a.ROLLOUT})["updated_at"])

    _set(api, deal_move_moves_updated_at=False)
    api.post("deals.move", {"id": a.ROLLOUT, "phase_id": a.PHASES[2]})
    assert updated_at() == "2025-07-01T10:00:00+00:00"
    _set(api, deal_move_moves_updated_at=True)
    api.post("deals.move", {"id": a.ROLLOUT, "phase_id": a.PHASES[1]})
    assert updated_at() == START.isoformat()


@case("related_contacts_cap")
def _cap(api: Api) -> None:
    body = {"id": a.ACME, "includes": "related_contacts"}
    assert len(api.data("companies.info", body)["related_contacts"]) == 2
    _set(api, related_contacts_cap=1)
    assert len(api.data("companies.info", body)["related_contacts"]) == 1


@case("phase_history_format", "phase_history_zone")
def _phase_history(api: Api) -> None:
    def started() -> str:
        return str(api.data("deals.info", {"id": a.ROLLOUT})["phase_history"][0]["started_at"])

    assert started() == "2025-06-01 10:00:00"
    _set(api, phase_history_zone="Europe/Brussels")
    assert started() == "2025-06-01 12:00:00"
    _set(api, phase_history_format="iso")
    assert started() == "2025-06-01T10:00:00+00:00"


@case("meta_on_companies_and_deals")
def _meta(api: Api) -> None:
    body = {"includes": "pagination", "page": {"size": 1}}
    for kind in ("contacts", "companies", "deals"):
        assert "meta" not in api.post(f"{kind}.list", body).json()
    _set(api, meta_on_companies_and_deals=True)
    for kind in ("companies", "deals"):
        meta = api.post(f"{kind}.list", body).json()["meta"]
        assert meta == {"page": {"size": 1, "number": 1}, "matches": 2}
        assert "meta" not in api.post(f"{kind}.list").json()
    assert "meta" not in api.post("contacts.list", body).json()


@case("sideloading")
def _sideloading(api: Api) -> None:
    body = {"include": "lead.customer,responsible_user,source"}
    assert "included" not in api.post("deals.list", body).json()
    _set(api, sideloading=True)
    assert api.post("deals.list", body).json()["included"] == {
        "company": [{"id": a.ACME, "name": "Acme"}],
        "user": [{"id": a.EVA, "first_name": "Eva", "last_name": "Maes"}],
        "dealSource": [{"id": a.FAIR, "name": "Fair"}],
        "contact": [{"id": a.CAS, "first_name": "Cas", "last_name": "Adams"}],
    }
    assert api.post("companies.info", {"id": a.ACME, "include": "responsible_user"}).json()["included"]["user"]


@case("api_version")
def _version(api: Api) -> None:
    def options(**headers: str) -> tuple[str, list[Any]]:
        answer = api.post("customFieldDefinitions.info", {"id": a.LEVEL}, **headers)
        return answer.headers["X-Api-Version"], answer.json()["data"]["configuration"]["options"]

    def tags(**headers: str) -> list[str]:
        item = api.data("contacts.info", {"id": a.ANN}, **headers)["tags"]
        assert api.data("contacts.list", {"filter": {"ids": [a.ANN]}}, **headers)[0]["tags"] == item
        assert [entry["tag"] for entry in api.data("tags.list", **headers)] == item
        return list(item)

    new = [{"id": a.uid("Option", 1), "value": "Gold"}, {"id": a.uid("Option", 2), "value": "Silver"}]
    assert options() == ("2023-09-26", new)
    # The header can only raise the version.
    assert options(X_Api_Version="2021-09-01") == ("2023-09-26", new)
    _set(api, api_version="2021-09-01")
    assert options() == ("2021-09-01", ["Gold", "Silver"])
    assert tags() == ["expo", "vip"]
    assert options(X_Api_Version="2022-09-15") == ("2022-09-15", ["Gold", "Silver"])
    assert tags(X_Api_Version="2022-09-15") == ["Expo", "VIP"]
    assert options(X_Api_Version="2023-10-01") == ("2023-09-26", new)
    assert api.post("users.me", X_Api_Version="latest").status_code == 400


@case("reject_fraction_and_z")
def _fraction(api: Api) -> None:
    forms = ["2025-05-05T05:05:05Z", "2025-05-05T05:05:05.000+00:00"]
    for form in forms:
        assert _status(api, "contacts.list", {"filter": {"updated_since": form}}) == 400
    _set(api, reject_fraction_and_z=False)
    for form in forms:
        assert api.ids("contacts.list", {"filter": {"updated_since": form}}) == [a.BEN]
    assert _status(api, "contacts.list", {"filter": {"updated_since": "2025-05-05"}}) == 400


@case("planning_access")
def _planning(api: Api) -> None:
    assert api.data("dealPhases.list")[0]["actions"] == ["create_call"]
    _set(api, planning_access=False)
    assert "actions" not in api.data("dealPhases.list")[0]


@case("missing_scopes")
def _scopes(api: Api) -> None:
    assert _status(api, "companies.list") == 200
    _set(api, missing_scopes=["companies", "deals"])
    assert [_status(api, f"{kind}.list") for kind in ("companies", "deals", "dealPhases", "contacts")] == [
        403,
        403,
        403,
        200,
    ]


@case("rate_limit", "rate_window")
def _rate(api: Api) -> None:
    assert "X-RateLimit-Limit" not in api.post("users.me").headers
    _set(api, rate_limit=2, rate_window=30)
    assert [_status(api, "users.me") for _ in range(3)] == [200, 200, 429]
    api.sandbox.clock.advance(31)
    assert _status(api, "users.me") == 200


@case("rejected_calls_count")
def _rejected(api: Api) -> None:
    for counted, after in ((True, 429), (False, 200)):
        api.sandbox.clock.advance(3600)
        _set(api, rate_limit=1, rejected_calls_count=counted)
        assert _status(api, "users.me") == 200
        api.sandbox.clock.advance(40)
        assert _status(api, "users.me") == 429
        api.sandbox.clock.advance(21)
        assert _status(api, "users.me") == after


@case("rate_reset_format")
def _reset_format(api: Api) -> None:
    _set(api, rate_limit=100, rate_reset_format="milliseconds")
    assert [api.post("users.me").headers["X-RateLimit-Reset"][-5:] for _ in range(2)] == ["+0100"] * 2
    _set(api, rate_reset_format="seconds")
    assert [api.post("users.me").headers["X-RateLimit-Reset"][-6:] for _ in range(2)] == ["+00:00"] * 2


@case("retry_after")
def _retry_after(api: Api) -> None:
    _set(api, rate_limit=1, rejected_calls_count=False, retry_after=True)
    assert "Retry-After" not in api.post("users.me").headers
    assert api.post("users.me").headers["Retry-After"] == "60"


@case("auto_approve")
def _auto_approve(api: Api) -> None:
    query = {"client_id": "sandbox-client", "response_type": "code", "redirect_uri": "http://127.0.0.1/back"}
    for auto, status in ((False, 200), (True, 302)):
        _set(api, auto_approve=auto)
        url = f"{api.url}/oauth2/authorize"
        assert api.session.get(url, params=query, allow_redirects=False, timeout=10).status_code == status


@case("replayed_refresh_token")
def _replay(api: Api) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "sandbox-refresh"}
    assert api.token(**form).status_code == 200
    plain = api.token(**form)
    assert plain.status_code == 400
    assert plain.json()["errors"][0]["meta"] == {"hint": "Token has been revoked"}
    _set(api, replayed_refresh_token="oauth")
    oauth = api.token(**form)
    assert (oauth.status_code, oauth.json()["error"]) == (401, "invalid_grant")


@case("refresh_revokes_access")
def _old_access(api: Api) -> None:
    pair = api.token(grant_type="refresh_token", refresh_token="sandbox-refresh").json()
    old = {"Authorization": f"Bearer {pair['access_token']}"}
    pair = api.token(grant_type="refresh_token", refresh_token=pair["refresh_token"]).json()
    assert api.post("users.me", **old).status_code == 200
    _set(api, refresh_revokes_access=True)
    pair = api.token(grant_type="refresh_token", refresh_token=pair["refresh_token"]).json()
    assert api.post("users.me", **old).status_code == 401
    assert api.post("users.me", Authorization=f"Bearer {pair['access_token']}").status_code == 200


@case("deactivation_webhook")
def _deactivation(api: Api) -> None:
    types = ["contact.updated", "contact.deleted"]
    api.post("webhooks.register", {"url": "https://a.example", "types": types})
    for choice in ("updated", "deleted", "none"):
        _set(api, deactivation_webhook=choice)
        api.sandbox.update("contacts", a.ANN, status="deactivated")
        api.sandbox.silent_update("contacts", a.ANN, status="active")
    told = [entry["payload"]["type"] for entry in api.sandbox.pending_webhooks]
    assert told == types


@case("webhook_https_only")
def _https(api: Api) -> None:
    body = {"url": "http://a.example", "types": ["deal.won"]}
    assert _status(api, "webhooks.register", body) == 204
    _set(api, webhook_https_only=True)
    assert _status(api, "webhooks.register", body) == 400


ELSEWHERE = {"webhook_drop_rate", "webhook_duplicate_rate", "webhook_reorder"}
"""Tried in test_webhooks, where the receiver is."""


@pytest.mark.parametrize("name", sorted(CASES))
def test_switch(api: Api, name: str) -> None:
    CASES[name](api)


def test_every_switch_has_a_test() -> None:
    assert CASES.keys() | ELSEWHERE == {field.name for field in fields(Switches)}


@pytest.mark.parametrize(
    "change",
    [
        {"stric": True},
        {"strict": "yes"},
        {"tie_order": "none"},
        {"rate_limit": -1},
        {"rate_limit": True},
        {"replica_lag": "1"},
        {"webhook_drop_rate": 2},
        {"phase_history_zone": "Mars/Base"},
        {"missing_scopes": [1]},
    ],
)
def test_a_wrong_switch_is_refused_and_changes_nothing(api: Api, change: dict[str, Any]) -> None:
    before = api.session.get(f"{api.url}/_sandbox/switches", timeout=10).json()
    answer = api.session.post(f"{api.url}/_sandbox/switches", json={"sideloading": True} | change, timeout=10)
    assert answer.status_code == 400
    assert api.session.get(f"{api.url}/_sandbox/switches", timeout=10).json() == before


def test_the_clock_moves_the_date_of_answers(api: Api) -> None:
    api.sandbox.clock.advance(timedelta(days=365).total_seconds())
    assert api.post("users.me").headers["Date"] == "Tue, 02 Mar 2027 09:00:00 GMT"
