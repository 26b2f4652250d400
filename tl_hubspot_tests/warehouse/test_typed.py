"""From payload to typed columns: odd shapes become null, dates that cannot be read are listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import polars as pl
import pytest

from tl_hubspot.warehouse.typed import typed, unreadable


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def received(*payloads: dict[str, Any]) -> pl.DataFrame:
    rows = [{"id": str(n), "payload": json.dumps(p)} for n, p in enumerate(payloads)]
    return pl.DataFrame(rows, schema={"id": pl.String, "payload": pl.String})


def row(con: duckdb.DuckDBPyConnection, table: str, **payload: Any) -> dict[str, Any]:
    return typed(con, f"teamleader.{table}", received(payload)).row(0, named=True)


def test_a_contact_as_teamleader_documents_it(con: duckdb.DuckDBPyConnection) -> None:
    contact = row(
        con,
        "contacts",
        first_name="Ann",
        emails=[{"type": "primary", "email": "ann@example.be"}],
        primary_address={"line_1": "Dorp 1", "postal_code": "1000", "city": "Brussel", "country": "BE"},
        marketing_mails_consent=False,
        tags=["a", "b"],
        updated_at="2026-07-01T12:00:00+02:00",
        custom_fields=[{"definition": {"type": "customFieldDefinition", "id": "d1"}, "value": ["x", "y"]}],
    )
    assert contact["first_name"] == "Ann"
    assert contact["emails"] == [{"type": "primary", "email": "ann@example.be"}]
    assert contact["primary_address"]["city"] == "Brussel"
    assert contact["marketing_mails_consent"] is False
    assert contact["tags"] == ["a", "b"]
    assert contact["updated_at"].isoformat() == "2026-07-01T10:00:00+00:00"
    assert contact["custom_fields"] == [{"id": "d1", "value": '["x","y"]'}]
    assert contact["last_name"] is None


@pytest.mark.parametrize("value", [[], {}, None])
@pytest.mark.parametrize("table", ["contacts", "companies", "deals"])
def test_empty_values_of_any_shape_are_no_text(con: duckdb.DuckDBPyConnection, table: str, value: Any) -> None:
    names = [n for n in row(con, table) if n not in ("id", "payload")]
    found = row(con, table, **dict.fromkeys([*names, "lead", "department", "pipeline", "estimated_value"], value))
    assert {k: v for k, v in found.items() if v and k not in ("id", "payload", "primary_address")} == {}
    assert not any((found.get("primary_address") or {}).values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-07-01T12:00:00+02:00", "2026-07-01T10:00:00+00:00"),
        ("2026-07-01 12:00:00", "2026-07-01T12:00:00+00:00"),
        ("2026-07-01", "2026-07-01T00:00:00+00:00"),
        ("0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59+00:00"),
        ("2026-02-31T10:00:00+00:00", None),
        ("0000-00-00 00:00:00", None),
        ("infinity", None),
        ("-infinity", None),
        ("0044-03-15 (BC)", None),
        ("12026-01-01", None),
        ("not a date", None),
        ("", None),
    ],
)
def test_instants(con: duckdb.DuckDBPyConnection, text: str, expected: str | None) -> None:
    found = row(con, "contacts", updated_at=text)["updated_at"]
    assert (found.isoformat() if found else None) == expected
    missing = unreadable(con, "teamleader.contacts", received({"updated_at": text, "added_at": None}))
    assert missing.rows() == ([] if expected else [("0", "updated_at")])
