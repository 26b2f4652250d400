"""Search: operators, sorts, paging, limits, index lag."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.hubspot import HubSpotSandbox

URL = "/crm/v3/objects/{}/search"
DAY = 86_400_000
BASE = 1_767_225_600_000  # 2026-01-01


@pytest.fixture
def world(sandbox: HubSpotSandbox) -> HubSpotSandbox:
    sandbox.load_objects(
        "contacts",
        [
            {
                "id": str(number),
                "properties": {"email": f"p{number}@x{number % 2}.be", "firstname": name, "hs_language": language}
                | ({"city": "Gent Dampoort"} if number % 2 else {}),
                "secondary_emails": [f"s{number}@y.be"],
                "createdAt": str(BASE + number * DAY),
            }
            for number, (name, language) in enumerate(
                [("An", "nl"), ("Bo", "fr"), ("Cé", "nl"), ("Dirk", "nl-be"), ("An", "en")], start=1
            )
        ],
    )
    sandbox.load_objects(
        "deals",
        [
            {"id": str(100 + number), "properties": {"dealname": f"D{number}", "amount": amount}}
            for number, amount in enumerate(["5", "10.5", "100", ""])
        ],
    )
    return sandbox


def ids(http: httpx.Client, kind: str = "contacts", **body: Any) -> list[str]:
    answer = http.post(URL.format(kind), json=body)
    assert answer.status_code == 200, answer.text
    assert "x-hubspot-ratelimit-max" not in answer.headers
    return [item["id"] for item in answer.json()["results"]]


def one(name: str, operator: str, value: Any = None, **rest: Any) -> list[dict[str, Any]]:
    wanted = {"propertyName": name, "operator": operator} | ({"value": value} if value is not None else {}) | rest
    return [{"filters": [wanted]}]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (one("firstname", "EQ", "an"), "1 5"),
        (one("firstname", "NEQ", "An"), "2 3 4"),
        (one("firstname", "IN", values=["an", "cé"]), "1 3 5"),
        (one("firstname", "IN", values=["An"]), ""),
        (one("firstname", "NOT_IN", values=["an"]), "2 3 4"),
        (one("city", "HAS_PROPERTY"), "1 3 5"),
        (one("city", "NOT_HAS_PROPERTY"), "2 4"),
        (one("city", "CONTAINS_TOKEN", "damp*"), "1 3 5"),
        (one("city", "CONTAINS_TOKEN", "damp"), ""),
        (one("email", "CONTAINS_TOKEN", "*@x0.be"), "2 4"),
        (one("city", "NOT_CONTAINS_TOKEN", "gent"), "2 4"),
        (one("email", "EQ", "P1@x1.be"), "1"),
        (one("email", "EQ", "s3@y.be"), "3"),
        (one("email", "IN", values=["s3@y.be", "p4@x0.be"]), "3 4"),
        (one("hs_object_id", "GTE", "4"), "4 5"),
        (one("createdate", "GT", str(BASE + 3 * DAY)), "4 5"),
        (one("createdate", "LTE", "2026-01-03"), "1 2"),
        (one("lastmodifieddate", "GTE", str(BASE + 4 * DAY)), "4 5"),
        (one("lastmodifieddate", "LT", str(BASE + 2 * DAY)), "1"),
        (one("lastmodifieddate", "BETWEEN", str(BASE + 2 * DAY), highValue=str(BASE + 3 * DAY)), "2 3"),
        (one("firstname", "EQ", "an") + one("hs_language", "EQ", "fr"), "1 2 5"),
        ([{"filters": one("firstname", "EQ", "an")[0]["filters"] + one("city", "HAS_PROPERTY")[0]["filters"]}], "1 5"),
        ([], "1 2 3 4 5"),
    ],
)
def test_operators(http: httpx.Client, world: HubSpotSandbox, groups: list[dict[str, Any]], expected: str) -> None:
    assert ids(http, filterGroups=groups) == expected.split()


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (one("amount", "GT", "5"), "101 102"),
        (one("amount", "BETWEEN", "5", highValue="50"), "100 101"),
        (one("amount", "EQ", 10.5), "101"),
        (one("amount", "IN", values=["5.0", "100"]), "100 102"),
        (one("amount", "LTE", "100"), "100 101 102"),
    ],
)
def test_numbers_compare_as_numbers(
    http: httpx.Client, world: HubSpotSandbox, groups: list[dict[str, Any]], expected: str
) -> None:
    assert ids(http, "deals", filterGroups=groups) == expected.split()


def test_sorts(http: httpx.Client, world: HubSpotSandbox) -> None:
    def by(sort: Any, kind: str = "contacts") -> list[str]:
        return ids(http, kind, sorts=[sort])

    assert by("firstname") == ["1", "5", "2", "3", "4"]
    assert by({"propertyName": "firstname", "direction": "DESCENDING"}) == ["4", "3", "2", "1", "5"]
    assert by("-createdate") == ["5", "4", "3", "2", "1"]
    assert by("amount", "deals") == ["100", "101", "102", "103"]
    assert by("-amount", "deals") == ["102", "101", "100", "103"]


def test_query(http: httpx.Client, world: HubSpotSandbox) -> None:
    assert ids(http, query="dirk") == ["4"]
    assert ids(http, query="s2@y.be") == ["2"]
    assert ids(http, query="p1@x1") == ["1"]
    assert ids(http, query="nobody") == []
    assert ids(http, query="an", filterGroups=one("hs_language", "EQ", "en")) == ["5"]


def test_properties_and_paging(http: httpx.Client, world: HubSpotSandbox) -> None:
    pages: list[list[str]] = []
    after: str | None = None
    while after is not None or not pages:
        body = {"limit": 2, "sorts": ["hs_object_id"], "properties": ["city"]} | ({"after": after} if after else {})
        answer = http.post(URL.format("contacts"), json=body).json()
        assert answer["total"] == 5
        assert answer["results"][0]["properties"].keys() == {"createdate", "hs_object_id", "lastmodifieddate", "city"}
        pages.append([item["id"] for item in answer["results"]])
        after = answer.get("paging", {}).get("next", {}).get("after")
    assert pages == [["1", "2"], ["3", "4"], ["5"]]


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"after": "9991", "limit": 10},
        {"after": "10000", "limit": 1},
        {"after": "x"},
        {"sorts": ["email", "city"]},
        {"sorts": ["nope"]},
        {"query": "x" * 3000},
        {"filterGroups": one("nope", "EQ", "1")},
        {"filterGroups": one("city", "LIKE", "1")},
        {"filterGroups": one("city", "IN")},
        {"filterGroups": one("city", "EQ")},
        {"filterGroups": one("lastmodifieddate", "BETWEEN", "1")},
        {"filterGroups": one("lastmodifieddate", "GT", "yesterday")},
        {"filterGroups": one("city", "EQ", "1") * 6},
        {"filterGroups": [{"filters": one("city", "EQ", "1")[0]["filters"] * 7}]},
        {"filterGroups": [{"filters": one("city", "EQ", "1")[0]["filters"] * 5}] * 4},
    ],
)
def test_what_search_refuses(http: httpx.Client, world: HubSpotSandbox, body: dict[str, Any]) -> None:
    assert http.post(URL.format("contacts"), json=body).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 200},
        {"after": "9990", "limit": 10},
        {"filterGroups": one("city", "EQ", "1") * 5},
        {"filterGroups": [{"filters": one("city", "EQ", "1")[0]["filters"] * 6}] * 3},
        {"query": "x" * 2900},
    ],
)
def test_what_search_just_takes(http: httpx.Client, world: HubSpotSandbox, body: dict[str, Any]) -> None:
    assert http.post(URL.format("contacts"), json=body).status_code == 200


def test_archived_records_never_appear(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.archive("contacts", "1")
    world.merge("contacts", "2", "3")
    assert ids(http, filterGroups=[]) == ["2", "4", "5"]


def test_index_lag(http: httpx.Client, world: HubSpotSandbox) -> None:
    world.set_switches(search_lag_seconds=30)
    assert ids(http, filterGroups=one("firstname", "EQ", "bo")) == ["2"]
    world.patch("contacts", "2", {"firstname": "Zoë"})
    created = world.create("contacts", {"email": "new@x.be"})["id"]
    assert ids(http, filterGroups=one("firstname", "EQ", "bo")) == ["2"]
    assert ids(http, filterGroups=one("firstname", "EQ", "zoë")) == []
    assert ids(http, filterGroups=one("email", "EQ", "new@x.be")) == []
    world.clock.advance(31)
    assert ids(http, filterGroups=one("firstname", "EQ", "bo")) == []
    assert ids(http, filterGroups=one("firstname", "EQ", "zoë")) == ["2"]
    assert ids(http, filterGroups=one("email", "EQ", "new@x.be")) == [created]
