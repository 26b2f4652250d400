"""contacts.list, companies.list, deals.list and the infos: properties, filters, order, paging, keyset walks."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_hubspot.sandbox.teamleader import TeamleaderSandbox
from tl_hubspot_tests.sandbox.teamleader import account as a
from tl_hubspot_tests.sandbox.teamleader.conftest import Api, fresh

PERSON_OR_FIRM = {
    *("id", "status", "emails", "telephones", "website", "iban", "bic", "national_identification_number", "language"),
    *("payment_term", "invoicing_preferences", "tags", "added_at", "updated_at", "web_url", "marketing_mails_consent"),
    "price_list",
}
CONTACT = PERSON_OR_FIRM | {"first_name", "last_name", "salutation", "gender", "birthdate"}
COMPANY = PERSON_OR_FIRM | {"name", "business_type", "vat_number", "preferred_currency", "responsible_user"}
DEAL = {
    *("id", "title", "summary", "reference", "status", "lead", "department", "estimated_value", "source"),
    *("estimated_closing_date", "estimated_probability", "weighted_value", "purchase_order_number", "current_phase"),
    *("pipeline", "responsible_user", "closed_at", "lost_reason", "currency_exchange_rate", "created_at"),
    *("updated_at", "web_url"),
}
PROPERTIES = [
    ("contacts.list", {}, a.ANN, CONTACT | {"primary_address"}),
    ("contacts.list", {"includes": "custom_fields"}, a.ANN, CONTACT | {"primary_address", "custom_fields"}),
    ("contacts.info", {}, a.ANN, CONTACT | {"vat_number", "addresses", "remarks", "companies", "custom_fields"}),
    ("companies.list", {}, a.ACME, COMPANY | {"primary_address"}),
    ("companies.list", {"includes": "custom_fields"}, a.ACME, COMPANY | {"primary_address", "custom_fields"}),
    ("companies.info", {}, a.ACME, COMPANY | {"addresses", "remarks", "custom_fields"}),
    (
        "companies.info",
        {"includes": "related_contacts, related_companies"},
        a.ACME,
        COMPANY | {"addresses", "remarks", "custom_fields", "related_contacts", "related_companies"},
    ),
    ("deals.list", {}, a.ROLLOUT, DEAL),
    (
        "deals.list",
        {"includes": "custom_fields,second_responsible_user"},
        a.ROLLOUT,
        DEAL | {"custom_fields", "second_responsible_user"},
    ),
    ("deals.info", {}, a.ROLLOUT, DEAL | {"custom_fields", "phase_history", "quotations"}),
    (
        "deals.info",
        {"includes": "second_responsible_user"},
        a.ROLLOUT,
        DEAL | {"custom_fields", "phase_history", "quotations", "second_responsible_user"},
    ),
]


@pytest.mark.parametrize("endpoint, body, record_id, expected", PROPERTIES)
def test_which_properties_stand_in_list_and_in_info(
    api: Api, endpoint: str, body: dict[str, Any], record_id: str, expected: set[str]
) -> None:
    if endpoint.endswith(".info"):
        item = api.data(endpoint, body | {"id": record_id})
    else:
        (item,) = api.data(endpoint, body | {"filter": {"ids": [record_id]}})
    assert set(item) == expected


def test_what_the_record_lacks_is_absent_not_null(api: Api) -> None:
    (cas,) = api.data("contacts.list", {"filter": {"ids": [a.CAS]}})
    assert "marketing_mails_consent" not in cas
    assert "price_list" not in cas
    assert "marketing_mails_consent" not in api.data("contacts.info", {"id": a.CAS})
    assert "marketing_mails_consent" not in api.data("companies.info", {"id": a.BOLT})


def test_values(api: Api) -> None:
    (ann,) = api.data("contacts.list", {"filter": {"ids": [a.ANN]}, "includes": "custom_fields"})
    assert ann["primary_address"] == {
        "line_1": "Kaai 1",
        "postal_code": "2000",
        "city": "Antwerpen",
        "country": "BE",
        "area_level_two": {"type": "area_level_two", "id": a.ANTWERP},
    }
    assert ann["web_url"] == f"https://focus.teamleader.eu/contact_detail.php?id={a.ANN}"
    # Every definition of the context comes back, set or not.
    assert {field["definition"]["id"]: field["value"] for field in ann["custom_fields"]} == {
        a.LEVEL: "Gold",
        a.TOPICS: ["Energy", "Water"],
        a.HOURS: None,
        a.ACCOUNT_MANAGER: None,
    }
    unset = api.data("contacts.info", {"id": a.CAS})["custom_fields"]
    assert {field["definition"]["id"]: field["value"] for field in unset}[a.TOPICS] == []
    assert api.data("companies.info", {"id": a.BOLT})["custom_fields"] == [a.custom(a.COMPANY_FLAG, False)]


def test_links_on_both_sides(api: Api) -> None:
    assert api.data("contacts.info", {"id": a.ANN})["companies"] == [
        {
            "position": "CFO",
            "secondary_position": "Treasurer",
            "division": "Finance",
            "decision_maker": True,
            "company": {"type": "company", "id": a.ACME},
        },
        {
            "position": None,
            "secondary_position": None,
            "division": None,
            "decision_maker": False,
            "company": {"type": "company", "id": a.BOLT},
        },
    ]
    acme = api.data("companies.info", {"id": a.ACME, "includes": "related_contacts,related_companies"})
    assert acme["related_contacts"][0] == {
        "type": "contact",
        "id": a.ANN,
        "position": "CFO",
        "secondary_position": "Treasurer",
        "division": "Finance",
        "is_decision_maker": True,
    }
    assert [entry["id"] for entry in acme["related_contacts"]] == [a.ANN, a.BEN]
    assert acme["related_companies"] == [{"type": "company", "id": a.BOLT}]


def test_a_new_deal_is_new_in_the_list_and_open_in_info(api: Api) -> None:
    assert api.data("deals.list", {"filter": {"ids": [a.ROLLOUT]}})[0]["status"] == "new"
    assert api.data("deals.info", {"id": a.ROLLOUT})["status"] == "open"


def test_unknown_and_deleted_ids(api: Api) -> None:
    missing = a.uid("Contact", 999)
    for kind in ("contacts", "companies", "deals", "users", "departments", "customFieldDefinitions"):
        answer = api.post(f"{kind}.info", {"id": missing})
        assert (answer.status_code, answer.json()["errors"][0]["status"]) == (404, 404)
    assert api.post("contacts.delete", {"id": a.CAS}).status_code == 204
    assert api.post("contacts.info", {"id": a.CAS}).status_code == 404
    assert api.post("contacts.delete", {"id": a.CAS}).status_code == 404
    assert api.ids("contacts.list", {"filter": {"ids": [a.CAS, a.ANN]}}) == [a.ANN]


FILTERS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("contacts", {"ids": [a.ANN, a.CAS, a.uid("Contact", 9)]}, {a.ANN, a.CAS}),
    ("contacts", {"ids": []}, set()),
    ("contacts", {"email": {"type": "primary", "email": "ben@acme.example"}}, {a.BEN}),
    ("contacts", {"email": {"type": "primary", "email": "ben@acme"}}, set()),
    ("contacts", {"company_id": a.ACME}, {a.ANN, a.BEN}),
    ("contacts", {"company_id": a.uid("Company", 9)}, set()),
    ("contacts", {"company_id": None}, {a.CAS}),
    ("contacts", {"term": "PEET"}, {a.ANN}),
    ("contacts", {"term": "cas"}, {a.CAS}),
    ("contacts", {"term": "+32 470"}, {a.ANN}),
    ("contacts", {"term": "acme.example"}, {a.ANN, a.BEN}),
    ("contacts", {"term": "%"}, set()),
    ("contacts", {"updated_since": "2025-03-01T09:12:45+00:00"}, {a.ANN, a.BEN}),
    ("contacts", {"updated_since": "2025-03-01T10:12:46+01:00"}, {a.BEN}),
    ("contacts", {"tags": ["Expo"]}, {a.ANN, a.BEN}),
    ("contacts", {"tags": ["Expo", "VIP"]}, {a.ANN}),
    ("contacts", {"tags": []}, {a.ANN, a.BEN, a.CAS}),
    ("contacts", {"status": "active"}, {a.ANN, a.CAS}),
    ("contacts", {"status": "deactivated"}, {a.BEN}),
    ("contacts", {"marketing_mails_consent": True}, {a.ANN}),
    ("contacts", {"marketing_mails_consent": False}, {a.BEN}),
    ("contacts", {"status": "active", "tags": ["Expo"], "company_id": a.BOLT}, {a.ANN}),
    ("companies", {"term": "0899.623"}, {a.ACME}),
    ("companies", {"term": "bills@"}, {a.ACME}),
    ("companies", {"vat_number": "BE 0899.623.035"}, {a.ACME}),
    ("companies", {"national_identification_number": "63326426"}, {a.ACME}),
    ("companies", {"email": {"type": "primary", "email": "info@acme.example"}}, {a.ACME}),
    ("companies", {"status": "deactivated"}, {a.BOLT}),
    ("companies", {"updated_since": "2025-01-01T00:00:00+00:00"}, {a.ACME}),
    ("deals", {"term": "audit"}, {a.AUDIT}),
    ("deals", {"term": "2025/1"}, {a.ROLLOUT}),
    ("deals", {"term": "acme"}, {a.ROLLOUT}),
    ("deals", {"term": "adams"}, {a.AUDIT}),
    ("deals", {"customer": {"type": "contact", "id": a.CAS}}, {a.AUDIT}),
    ("deals", {"customer": {"type": "company", "id": a.CAS}}, set()),
    ("deals", {"phase_id": a.PHASES[4]}, {a.AUDIT}),
    ("deals", {"pipeline_ids": [a.SALES, a.SERVICE]}, {a.ROLLOUT, a.AUDIT}),
    ("deals", {"pipeline_ids": [a.SERVICE]}, {a.AUDIT}),
    ("deals", {"status": ["open"]}, {a.ROLLOUT}),
    ("deals", {"status": ["won", "lost"]}, {a.AUDIT}),
    ("deals", {"responsible_user_id": a.EVA}, {a.ROLLOUT}),
    ("deals", {"responsible_user_id": [a.EVA, a.OLD_USER]}, {a.ROLLOUT}),
    ("deals", {"estimated_closing_date": "2026-10-31"}, {a.ROLLOUT}),
    ("deals", {"estimated_closing_date": None}, {a.AUDIT}),
    ("deals", {"estimated_closing_date_from": "2026-10-31"}, {a.ROLLOUT}),
    ("deals", {"estimated_closing_date_from": "2026-11-01"}, set()),
    ("deals", {"estimated_closing_date_until": "2026-10-31"}, {a.ROLLOUT}),
    ("deals", {"updated_since": "2025-07-01T10:00:00+00:00"}, {a.ROLLOUT}),
    ("deals", {"created_before": "2024-01-01T00:00:00+00:00"}, {a.AUDIT}),
    ("deals", {"created_before": "2023-12-31T23:59:59+00:00"}, set()),
]


@pytest.mark.parametrize("kind, filters, expected", FILTERS)
def test_filters(api: Api, kind: str, filters: dict[str, Any], expected: set[str]) -> None:
    assert set(api.ids(f"{kind}.list", {"filter": filters})) == expected


SORTS = [
    ("contacts", None, [a.CAS, a.BEN, a.ANN]),
    ("contacts", [{"field": "name", "order": "desc"}], [a.ANN, a.BEN, a.CAS]),
    ("contacts", [{"field": "added_at"}], [a.CAS, a.BEN, a.ANN]),
    ("contacts", [{"field": "updated_at", "order": "desc"}], [a.BEN, a.ANN, a.CAS]),
    ("companies", None, [a.ACME, a.BOLT]),
    ("companies", [{"field": "updated_at"}], [a.BOLT, a.ACME]),
    ("deals", None, [a.ROLLOUT, a.AUDIT]),
    ("deals", [{"field": "created_at", "order": "asc"}], [a.AUDIT, a.ROLLOUT]),
    ("deals", [{"field": "weighted_value", "order": "desc"}], [a.ROLLOUT, a.AUDIT]),
]


@pytest.mark.parametrize("kind, sort, expected", SORTS)
def test_sorts(api: Api, kind: str, sort: list[Any] | None, expected: list[str]) -> None:
    assert api.ids(f"{kind}.list", {"sort": sort} if sort else {}) == expected


def _people(sandbox: TeamleaderSandbox, number: int, **fields: Any) -> list[str]:
    records = [{"id": a.uid("Contact", 1000 + n), "last_name": f"P{n:04}"} | fields for n in range(number)]
    sandbox.load("contacts", records)
    return [record["id"] for record in records]


def test_paging(api: Api) -> None:
    api.sandbox.reset()
    fresh(api)
    expected = _people(api.sandbox, 45)
    assert api.ids("contacts.list") == expected[:20]
    pages = [api.ids("contacts.list", {"page": {"size": 15, "number": n}}) for n in (1, 2, 3, 4)]
    assert pages == [expected[:15], expected[15:30], expected[30:], []]
    assert api.post("contacts.list", {"page": {"size": 100}}).json().keys() == {"data"}


def test_get_form(api: Api) -> None:
    def get(path: str) -> Any:
        answer = api.session.get(f"{api.url}/{path}", headers=api.headers, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    found = get(f"contacts.list?filter[ids][]={a.ANN}&filter[ids][]={a.BEN}&filter[status]=active&page[size]=1")
    assert [item["id"] for item in found] == [a.ANN]
    assert len(get("contacts.list?page[size]=2&page[number]=2&sort[0][field]=name")) == 1
    consenting = get("contacts.list?filter[marketing_mails_consent]=true")
    assert [item["id"] for item in consenting] == [a.ANN]
    assert get(f"contacts.info?id={a.CAS}")["last_name"] == "Adams"
    assert get("migrate.id?type=contact&id=1") == {"type": "contact", "id": a.ANN}


def test_ties_come_in_another_order_from_request_to_request(api: Api) -> None:
    ids = _people(api.sandbox, 30, updated_at="2026-01-01T00:00:00+00:00")
    body = {"filter": {"ids": ids}, "sort": [{"field": "updated_at"}], "page": {"size": 100}}
    orders = {tuple(api.ids("contacts.list", body)) for _ in range(5)}
    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(ids)}


# -- keyset walks ------------------------------------------------------------------------------------------------------

WALK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def _at(second: int) -> str:
    return (EPOCH + timedelta(seconds=second)).isoformat()


def _walk_contacts(api: Api, size: int, back: int, seen: Counter[str]) -> None:
    """Upwards over `updated_at`; where that does not move, the next page of the same start."""
    since, number = datetime(1970, 1, 1, tzinfo=UTC), 1
    while True:
        body = {
            "filter": {"updated_since": since.isoformat()},
            "sort": [{"field": "updated_at", "order": "asc"}],
            "page": {"size": size, "number": number},
        }
        items = api.data("contacts.list", body)
        seen.update(item["id"] for item in items)
        if len(items) < size:
            return
        reached = datetime.fromisoformat(items[-1]["updated_at"]) - timedelta(seconds=back)
        since, number = (reached, 1) if reached > since else (since, number + 1)


@WALK
@given(
    seconds=st.lists(st.integers(0, 12), max_size=25),
    size=st.integers(1, 8),
    inclusive=st.booleans(),
    order=st.sampled_from(["random", "stable", "reverse"]),
)
def test_a_keyset_walk_over_updated_at_sees_every_contact(
    _served: Api, seconds: list[int], size: int, inclusive: bool, order: str
) -> None:
    """With ties in random order only pages that are larger than two seconds' worth of records are safe."""
    api = _served
    fresh(api)
    api.sandbox.set_switches(updated_since="inclusive" if inclusive else "exclusive", tie_order=order)
    ids = [a.uid("Contact", n + 1) for n in range(len(seconds))]
    api.sandbox.load(
        "contacts",
        [{"id": i, "last_name": "X", "updated_at": _at(second)} for i, second in zip(ids, seconds, strict=True)],
    )
    if order == "random":
        counts = Counter(seconds)
        size = max((counts[second] + counts[second - 1] for second in counts), default=0) + 1
    seen: Counter[str] = Counter()
    _walk_contacts(api, size, 0 if inclusive else 1, seen)
    assert set(seen) == set(ids)


def test_more_ties_than_a_page_holds_can_hide_records_from_a_walk(api: Api) -> None:
    """Why `tie_order` exists: page 2 of a random order may repeat page 1."""
    ids = _people(api.sandbox, 40, updated_at="2026-01-01T00:00:00+00:00")
    body = {"filter": {"ids": ids}, "sort": [{"field": "updated_at"}]}
    first, second = (api.ids("contacts.list", body | {"page": {"size": 20, "number": n}}) for n in (1, 2))
    assert set(first) & set(second)
    api.sandbox.set_switches(tie_order="stable")
    first, second = (api.ids("contacts.list", body | {"page": {"size": 20, "number": n}}) for n in (1, 2))
    assert {*first, *second} == set(ids)


@WALK
@given(
    seconds=st.lists(st.integers(0, 12), max_size=20),
    size=st.integers(1, 8),
    order=st.sampled_from(["stable", "reverse", "random"]),
)
def test_a_walk_down_created_before_sees_every_deal(_served: Api, seconds: list[int], size: int, order: str) -> None:
    api = _served
    fresh(api)
    api.sandbox.set_switches(tie_order=order)
    ids = [a.uid("Deal", n + 1) for n in range(len(seconds))]
    api.sandbox.load(
        "deals", [{"id": i, "created_at": _at(s), "updated_at": _at(s)} for i, s in zip(ids, seconds, strict=True)]
    )
    if order == "random":
        size = max(Counter(seconds).values(), default=0) + 1
    before, number, seen = datetime(2030, 1, 1, tzinfo=UTC), 1, set()
    while True:
        filters = {"created_before": before.isoformat(), "updated_since": _at(0)}
        items = api.data("deals.list", {"filter": filters, "page": {"size": size, "number": number}})
        seen |= {item["id"] for item in items}
        if len(items) < size:
            break
        reached = datetime.fromisoformat(items[-1]["created_at"])
        before, number = (reached, 1) if reached < before else (before, number + 1)
    assert seen == set(ids)


def test_deleting_during_an_offset_sweep_skips_a_record_and_a_keyset_walk_does_not(api: Api) -> None:
    api.sandbox.reset()
    fresh(api)
    ids = _people(api.sandbox, 30)
    swept = api.ids("contacts.list", {"page": {"size": 10}})
    api.sandbox.delete("contacts", ids[0])
    for number in (2, 3):
        swept += api.ids("contacts.list", {"page": {"size": 10, "number": number}})
    assert set(ids) - set(swept) == {ids[10]}
