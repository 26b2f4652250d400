"""The table of endpoints: what it allows is documented, and a typo never leaves."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tl_hubspot.sandbox.teamleader.requests import INCLUDES, SCHEMAS
from tl_hubspot.teamleader.endpoints import ENDPOINTS, check_request, timestamp
from tl_hubspot_tests.teamleader.conftest import Account

ID = "427ee6bc-d6c5-0e69-867b-dc3f9321ff4d"


@pytest.mark.parametrize("endpoint", sorted(ENDPOINTS))
def test_the_table_holds_nothing_that_the_official_document_does_not(endpoint: str) -> None:
    row, schema = ENDPOINTS[endpoint], SCHEMAS.get(endpoint, {})
    documented = schema.get("properties", {})
    assert set(row.filters) <= set(documented.get("filter", {}).get("properties", {}))
    assert set(row.keys) <= set(documented)
    assert row.paged == ("page" in documented)
    assert row.includes <= INCLUDES.get(endpoint, set())
    sorts = documented.get("sort", {}).get("items", {}).get("properties", {}).get("field", {}).get("enum", [])
    assert row.sorts <= set(sorts)


@pytest.mark.parametrize(
    ("endpoint", "body", "problem"),
    [
        ("contacts.lst", {}, "unknown Teamleader endpoint"),
        ("contacts.list", {"filter": {"update_since": "2026-01-01T00:00:00+00:00"}}, "unknown filter 'update_since'"),
        ("contacts.list", {"filter": {"updated_since": "2026-01-01T00:00:00Z"}}, "malformed value of filter"),
        ("contacts.list", {"filter": {"updated_since": "2026-01-01T00:00:00.000+00:00"}}, "malformed value"),
        ("contacts.list", {"filter": {"status": ["active"]}}, "malformed value of filter 'status'"),
        ("deals.list", {"filter": {"status": "open"}}, "malformed value of filter 'status'"),
        ("deals.list", {"filter": {"status": ["new"]}}, "malformed value of filter 'status'"),
        ("contacts.list", {"filter": {"ids": [ID] * 101}}, "malformed value of filter 'ids'"),
        ("contacts.list", {"filter": {"ids": []}}, "malformed value of filter 'ids'"),
        ("contacts.list", {"sort": [{"field": "created_at", "order": "asc"}]}, "unknown sort"),
        ("contacts.list", {"sort": [{"field": "name"}]}, "malformed sort"),
        ("contacts.list", {"includes": ["custom_fields"]}, "one comma-separated string"),
        ("contacts.list", {"includes": "customfields"}, "unknown include"),
        ("contacts.list", {"include": "custom_fields"}, "unknown key 'include'"),
        ("contacts.list", {"page": {"size": 101, "number": 1}}, "malformed page"),
        ("contacts.list", {"page": {"number": 1}}, "malformed page"),
        ("businessTypes.list", {"page": {"size": 100, "number": 1}}, "has no pages"),
        ("businessTypes.list", {"country": "be"}, "malformed value of 'country'"),
        ("contacts.info", {}, "'id' is missing"),
        ("contacts.info", {"id": "17"}, "malformed value of 'id'"),
    ],
)
def test_what_teamleader_would_ignore_or_refuse_never_leaves(
    account: Account, endpoint: str, body: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        account.client().call(endpoint, body)
    assert account.sandbox.log.entries == []


def test_a_proper_request_passes() -> None:
    body = {
        "filter": {"updated_since": "2026-01-01T00:00:00+00:00", "status": "active", "company_id": None},
        "sort": [{"field": "updated_at", "order": "asc"}],
        "page": {"size": 100, "number": 3},
        "includes": "custom_fields",
    }
    assert check_request("contacts.list", body).scope == "contacts"
    assert check_request("companies.info", {"id": ID, "includes": "related_companies,related_contacts"})


def test_timestamps_are_utc_without_fraction() -> None:
    brussels = timezone(timedelta(hours=2))
    assert timestamp(datetime(2026, 7, 1, 12, 0, 0, 999_999, brussels)) == "2026-07-01T10:00:00+00:00"
