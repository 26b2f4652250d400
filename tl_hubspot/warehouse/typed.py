"""From payload text to typed columns: one pass of DuckDB over the records as received.

Lives here: where each typed column of `teamleader.contacts|companies|deals` stands in the payload. Lenient on purpose:
a value of another shape becomes null, never an error; dates that cannot be read are listed by `unreadable`.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb
import polars as pl

from tl_hubspot.warehouse.lending import registered

_COMMON = """
"website":"VARCHAR","status":"VARCHAR","language":"VARCHAR","tags":["VARCHAR"],
"emails":[{"type":"VARCHAR","email":"VARCHAR"}],"telephones":[{"type":"VARCHAR","number":"VARCHAR"}],
"primary_address":{"line_1":"VARCHAR","postal_code":"VARCHAR","city":"VARCHAR","country":"VARCHAR"},
"marketing_mails_consent":"BOOLEAN","added_at":"VARCHAR","updated_at":"VARCHAR","web_url":"VARCHAR",
"custom_fields":[{"definition":{"id":"VARCHAR"},"value":"JSON"}]
"""

_STRUCTURE = {
    "teamleader.contacts": '{"first_name":"VARCHAR","last_name":"VARCHAR","salutation":"VARCHAR","gender":"VARCHAR",'
    f'"birthdate":"VARCHAR",{_COMMON}}}',
    "teamleader.companies": '{"name":"VARCHAR","business_type":{"id":"VARCHAR"},"vat_number":"VARCHAR",'
    f'"national_identification_number":"VARCHAR","responsible_user":{{"id":"VARCHAR"}},{_COMMON}}}',
    "teamleader.deals": """{"title":"VARCHAR","reference":"VARCHAR","status":"VARCHAR",
"lead":{"customer":{"type":"VARCHAR","id":"VARCHAR"},"contact_person":{"id":"VARCHAR"}},"department":{"id":"VARCHAR"},
"estimated_value":{"amount":"VARCHAR","currency":"VARCHAR"},"estimated_closing_date":"VARCHAR",
"estimated_probability":"VARCHAR","pipeline":{"id":"VARCHAR"},"current_phase":{"id":"VARCHAR"},
"responsible_user":{"id":"VARCHAR"},"source":{"id":"VARCHAR"},
"lost_reason":{"reason":{"id":"VARCHAR"},"remark":"VARCHAR"},"closed_at":"VARCHAR","created_at":"VARCHAR",
"updated_at":"VARCHAR","web_url":"VARCHAR","custom_fields":[{"definition":{"id":"VARCHAR"},"value":"JSON"}]}""",
}

_CUSTOM_FIELDS = (
    "list_transform(j.custom_fields, lambda f: {'id': f.definition.id, 'value': json_extract_string(f.value, '$')})"
)


# DuckDB reads 'infinity' and dates before Christ as instants, which polars and Python cannot hold
_FIRST, _LAST = "timestamptz '0001-01-01 00:00:00+00'", "timestamptz '9999-12-31 23:59:59.999999+00'"
_NOT_TEXT = ("emails", "telephones", "primary_address", "tags", "marketing_mails_consent")


def _readable(text: str) -> str:
    """SQL: the instant that `text` says, null when it says none."""
    instant = f"try_cast({text} as timestamptz)"
    return f"case when {instant} between {_FIRST} and {_LAST} then {instant} end"


def _instant(name: str) -> str:
    return f"{_readable(f'j.{name}')} as {name}"


def _plain(*names: str) -> str:
    # PHP writes an empty object as [], also where a text is expected
    return ", ".join(
        f"j.{name} as {name}" if name in _NOT_TEXT else f"nullif(nullif(j.{name}, '[]'), '{{}}') as {name}"
        for name in names
    )


_PARTY = (
    _plain(
        "status", "emails", "telephones", "website", "primary_address", "language", "tags", "marketing_mails_consent"
    )
    + f", {_CUSTOM_FIELDS} as custom_fields, {_instant('added_at')}, {_instant('updated_at')}, {_plain('web_url')}"
)

_SELECT = {
    "teamleader.contacts": f"{_plain('first_name', 'last_name', 'salutation', 'gender', 'birthdate')}, {_PARTY}",
    "teamleader.companies": "j.business_type.id as business_type_id, j.responsible_user.id as responsible_user_id, "
    f"{_plain('name', 'vat_number', 'national_identification_number')}, {_PARTY}",
    "teamleader.deals": f"""{_plain("title", "reference", "status", "estimated_closing_date", "estimated_probability")},
j.lead.customer.type as customer_type, j.lead.customer.id as customer_id,
j.lead.contact_person.id as contact_person_id, j.department.id as department_id,
j.estimated_value.amount as estimated_value_amount, j.estimated_value.currency as estimated_value_currency,
j.pipeline.id as pipeline_id, j.current_phase.id as current_phase_id, j.responsible_user.id as responsible_user_id,
j.source.id as source_id, j.lost_reason.reason.id as lost_reason_id, j.lost_reason.remark as lost_reason_remark,
{_CUSTOM_FIELDS} as custom_fields, {_instant("closed_at")}, {_instant("created_at")}, {_instant("updated_at")},
{_plain("web_url")}""",
}

_DATES = {
    "teamleader.contacts": ("added_at", "updated_at"),
    "teamleader.companies": ("added_at", "updated_at"),
    "teamleader.deals": ("created_at", "updated_at", "closed_at"),
}


def structure(table: str) -> dict[str, Any]:
    """Which fields of a record have a typed column, and their shape: VARCHAR (text or number), BOOLEAN, JSON (any)."""
    return dict(json.loads(_STRUCTURE[table]))


def typed(con: duckdb.DuckDBPyConnection, table: str, records: pl.DataFrame) -> pl.DataFrame:
    """Typed columns of `table` for `records` (id, payload, and `readable`, where not null to be read instead of it)."""
    readable = "coalesce(readable, payload)" if "readable" in records.columns else "payload"
    with registered(con, _records=records):
        return con.sql(
            f"select id, {_SELECT[table]}, payload from"
            f" (select id, payload, from_json({readable}, '{_STRUCTURE[table]}') as j from _records)"
        ).pl()


def stored_unreadable(con: duckdb.DuckDBPyConnection, table: str) -> pl.DataFrame:
    """The same for what `table` holds: columns id, field."""
    # most have none at all: only texts that give it a value are read
    suspects = " or ".join(
        f"({name} is null and regexp_matches(payload, '\"{name}\"\\s*:\\s*[^n\\s]'))" for name in _DATES[table]
    )
    query = f"select id, payload from {table} where deleted_at is null and ({suspects})"
    return unreadable(con, table, con.sql(query).pl())


def unreadable(con: duckdb.DuckDBPyConnection, table: str, records: pl.DataFrame) -> pl.DataFrame:
    """Dates of `records` (id, payload) that are there but are no date: columns id, field.

    Where the typed dates are among the columns, only records that lack one are looked at.
    """
    if dates := [name for name in _DATES[table] if name in records.columns]:
        records = records.filter(pl.any_horizontal(pl.col(dates).is_null()))
    if records.is_empty():
        return pl.DataFrame(schema={"id": pl.String(), "field": pl.String()})
    parts = [
        f"select id, '{name}' as field from _records where (payload->>'{name}') is not null"
        f" and ({_readable(f'payload->>{name!r}')}) is null"
        for name in _DATES[table]
    ]
    with registered(con, _records=records.select("id", "payload")):
        return con.sql(" union all ".join(parts)).pl()
