"""What a contact, company or deal looks like in list and in info, and how such a record becomes a row and back.

Each row keeps ready-made pieces of JSON, so that answers are joined, not built. Tables and queries are in `store`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.teamleader import times

Record = dict[str, Any]
Row = dict[str, Any]

PIECES = ("base", "list_only", "info_only", "custom_fields", "included")
"""Columns holding JSON members without braces: in both answers, list only, info only, custom fields, on demand."""


@dataclass(frozen=True)
class Shape:
    """One of the three main kinds. Field names are Teamleader's; `defaults` fills what a record leaves out."""

    kind: str
    type: str
    page: str
    """The web page of `web_url`."""
    created: str
    """`added_at` or `created_at`."""
    base: tuple[str, ...]
    info_only: tuple[str, ...]
    absent: tuple[str, ...]
    """Fields that are left out of answers when the record lacks them."""
    defaults: dict[str, Any]
    columns: dict[str, str]
    """Extra columns (name → SQL type) for filters and sorts."""
    values: Callable[[Record], Row]
    """The values of those columns."""

    @property
    def column_names(self) -> tuple[str, ...]:
        return ("id", "status", "created_at", "updated_at", "search", "tags", *self.columns, *PIECES)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _members(fields: dict[str, Any]) -> str:
    return _json(fields)[1:-1]


def _primary(entries: list[Record], key: str) -> Any:
    return next((entry[key] for entry in entries if entry.get("type") == "primary"), None)


def _contact_columns(record: Record) -> Row:
    return {
        "name": f"{record['last_name'] or ''} {record['first_name'] or ''}".strip().casefold(),
        "email": _primary(record["emails"], "email"),
        "consent": record.get("marketing_mails_consent"),
    }


def _company_columns(record: Record) -> Row:
    return {
        "name": (record["name"] or "").casefold(),
        "email": _primary(record["emails"], "email"),
        "consent": record.get("marketing_mails_consent"),
        "vat_number": record["vat_number"],
        "national_identification_number": record["national_identification_number"],
    }


def _deal_columns(record: Record) -> Row:
    customer = record["lead"]["customer"] or {}
    return {
        "weighted_value": (record["weighted_value"] or {}).get("amount"),
        "customer_type": customer.get("type"),
        "customer_id": customer.get("id"),
        "phase_id": (record["current_phase"] or {}).get("id"),
        "pipeline_id": (record["pipeline"] or {}).get("id"),
        "responsible_user_id": (record["responsible_user"] or {}).get("id"),
        "estimated_closing_date": record["estimated_closing_date"],
    }


def _search(shape: Shape, record: Record) -> str:
    if shape.kind == "deals":
        texts = [record["title"], record["reference"]]
    else:
        names = [record["name"], record["vat_number"]] if shape.kind == "companies" else []
        names += [record[name] for name in ("first_name", "last_name") if name in record]
        texts = [*names, *(e["email"] for e in record["emails"]), *(t["number"] for t in record["telephones"])]
    return "\n".join(text for text in texts if text).casefold()


_PERSON_OR_FIRM: dict[str, Any] = {
    "status": "active",
    "emails": [],
    "telephones": [],
    "website": None,
    "iban": None,
    "bic": None,
    "national_identification_number": None,
    "vat_number": None,
    "language": None,
    "payment_term": None,
    "invoicing_preferences": {"electronic_invoicing_address": None},
    "addresses": [],
    "remarks": None,
    "tags": [],
    "custom_fields": [],
    "added_at": None,
    "updated_at": None,
}

CONTACTS = Shape(
    kind="contacts",
    type="contact",
    page="contact_detail.php",
    created="added_at",
    base=(
        *("id", "first_name", "last_name", "status", "emails", "salutation", "telephones", "website", "gender"),
        *("birthdate", "iban", "bic", "national_identification_number", "language", "payment_term"),
        *("invoicing_preferences", "added_at", "updated_at", "web_url", "tags"),
    ),
    info_only=("vat_number", "remarks", "addresses"),
    absent=("marketing_mails_consent", "price_list"),
    defaults=_PERSON_OR_FIRM
    | {"first_name": None, "last_name": "", "salutation": None, "gender": None, "birthdate": None},
    columns={"name": "TEXT", "email": "TEXT", "consent": "INTEGER"},
    values=_contact_columns,
)

COMPANIES = Shape(
    kind="companies",
    type="company",
    page="company_detail.php",
    created="added_at",
    base=(
        *("id", "name", "status", "business_type", "vat_number", "national_identification_number", "emails"),
        *("telephones", "website", "iban", "bic", "language", "preferred_currency", "payment_term"),
        *("invoicing_preferences", "responsible_user", "added_at", "updated_at", "web_url", "tags"),
    ),
    info_only=("remarks", "addresses", "activity_code"),
    absent=("marketing_mails_consent", "price_list", "activity_code"),
    defaults=_PERSON_OR_FIRM
    | {
        "name": "",
        "business_type": None,
        "preferred_currency": None,
        "responsible_user": None,
        "related_companies": [],
    },
    columns={
        "name": "TEXT",
        "email": "TEXT",
        "consent": "INTEGER",
        "vat_number": "TEXT",
        "national_identification_number": "TEXT",
    },
    values=_company_columns,
)

DEALS = Shape(
    kind="deals",
    type="deal",
    page="sale_detail.php",
    created="created_at",
    base=(
        *("id", "title", "summary", "reference", "lead", "department", "estimated_value", "estimated_closing_date"),
        *("estimated_probability", "weighted_value", "purchase_order_number", "current_phase", "responsible_user"),
        *("closed_at", "source", "lost_reason", "created_at", "updated_at", "web_url", "currency_exchange_rate"),
        "pipeline",
    ),
    info_only=("phase_history", "quotations"),
    absent=(),
    defaults={
        "title": "",
        "summary": None,
        "reference": "",
        "status": "open",
        "lead": {"customer": None, "contact_person": None},
        "department": None,
        "estimated_value": None,
        "estimated_closing_date": None,
        "estimated_probability": None,
        "weighted_value": None,
        "purchase_order_number": None,
        "current_phase": None,
        "pipeline": None,
        "responsible_user": None,
        "second_responsible_user": None,
        "closed_at": None,
        "source": None,
        "lost_reason": None,
        "created_at": None,
        "updated_at": None,
        "currency_exchange_rate": None,
        "custom_fields": [],
        "phase_history": [],
        "quotations": [],
    },
    columns={
        "weighted_value": "REAL",
        "customer_type": "TEXT",
        "customer_id": "TEXT",
        "phase_id": "TEXT",
        "pipeline_id": "TEXT",
        "responsible_user_id": "TEXT",
        "estimated_closing_date": "TEXT",
    },
    values=_deal_columns,
)

SHAPES = {shape.kind: shape for shape in (CONTACTS, COMPANIES, DEALS)}
BY_TYPE = {shape.type: shape for shape in SHAPES.values()}


def complete(shape: Shape, record: Record) -> Record:
    """The full info record: defaults for what is missing, instants in Teamleader's form, `web_url`.

    Fields that may be absent (`marketing_mails_consent`, `price_list`) stay absent.
    """
    full = {**shape.defaults, **record}
    full.setdefault("web_url", f"https://focus.teamleader.eu/{shape.page}?id={full['id']}")
    for name in (shape.created, "updated_at", *(("closed_at",) if shape is DEALS else ())):
        if full[name] is not None and not times.is_atom_utc(full[name]):
            full[name] = times.atom(times.parse(full[name]))
    if shape is DEALS:
        full["phase_history"] = [
            entry | {"started_at": times.atom(times.parse(entry["started_at"]))} for entry in full["phase_history"]
        ]
        full["lead"] = {"customer": None, "contact_person": None} | full["lead"]
    return full


def to_row(shape: Shape, full: Record) -> Row:
    """The row of a complete record."""
    base = {name: full[name] for name in shape.base}
    base |= {name: full[name] for name in shape.absent if name in full and name not in shape.info_only}
    info_only = {name: full[name] for name in shape.info_only if name in full}
    if shape is DEALS:
        # The list knows the status "new", the info does not.
        list_only = {"status": full["status"]}
        info_only["status"] = "open" if full["status"] == "new" else full["status"]
        included = {"second_responsible_user": full["second_responsible_user"]}
    else:
        list_only = {"primary_address": _primary(full["addresses"], "address")}
        included = {"related_companies": full["related_companies"]} if shape is COMPANIES else {}
    return {
        "id": full["id"],
        "status": full["status"],
        "created_at": _seconds(full[shape.created]),
        "updated_at": _seconds(full["updated_at"]),
        "search": _search(shape, full),
        "tags": _json(full["tags"]) if "tags" in full else None,
        **shape.values(full),
        "base": _members(base),
        "list_only": _members(list_only),
        "info_only": _members(info_only),
        "custom_fields": _members({"custom_fields": full["custom_fields"]}),
        "included": _members(included),
    }


def _seconds(text: str | None) -> int | None:
    return None if text is None else times.parse(text)


def from_row(row: Row) -> Record:
    """The complete record of a row (without the links, which have their own table)."""
    record: Record = decoding.decode(joined(row, "base", "info_only", "custom_fields", "included"))
    record["status"] = row["status"]
    return record


def joined(row: Row, *pieces: str) -> str:
    """A JSON object out of some of the row's pieces."""
    return "{" + ",".join(text for text in (row[piece] for piece in pieces) if text) + "}"
