"""Full `.info` shapes of Teamleader contacts, companies and deals: every documented property, filled or empty.

Only the form lives here; the content comes from `portfolio` and `subset`. Times are ISO 8601 with `+00:00` and whole
seconds, empty scalars are None, empty lists [].
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tl_hubspot.sandbox.worlds.reference import custom_field_values

WEB = "https://focus.teamleader.eu"


def stamp(instant: datetime | None) -> str | None:
    """Teamleader's notation of an aware instant; None stays None."""
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="seconds")


def postal(line_1: str | None, postal_code: str | None, city: str | None, country: str) -> dict[str, Any]:
    """The `addresses[]` entry of type primary."""
    return {
        "type": "primary",
        "address": {
            "line_1": line_1,
            "postal_code": postal_code,
            "city": city,
            "country": country,
            "area_level_two": None,
        },
    }


def link(company_id: str, position: str | None = None, decision_maker: bool = False) -> dict[str, Any]:
    """One entry of a contact's `companies[]`."""
    return {
        "position": position,
        "secondary_position": None,
        "division": None,
        "decision_maker": decision_maker,
        "company": {"type": "company", "id": company_id},
    }


def contact(
    id: str,
    *,
    first_name: str,
    last_name: str,
    emails: Sequence[tuple[str, str]],
    added_at: datetime | None,
    updated_at: datetime | None,
    telephones: Sequence[tuple[str, str]] = (),
    address: dict[str, Any] | None = None,
    companies: Sequence[dict[str, Any]] = (),
    consent: bool | None = True,
    consent_visible: bool = True,
    status: str = "active",
    language: str | None = "nl",
    gender: str = "unknown",
    tags: Sequence[str] = (),
    website: str | None = None,
) -> dict[str, Any]:
    """contacts.info. `emails` and `telephones` are (type, value); without `consent_visible` the property is absent."""
    record: dict[str, Any] = {
        "id": id,
        "first_name": first_name,
        "last_name": last_name,
        "status": status,
        "vat_number": None,
        "emails": [{"type": kind, "email": email} for kind, email in emails],
        "salutation": {"male": "De heer", "female": "Mevrouw"}.get(gender),
        "telephones": [{"type": kind, "number": number} for kind, number in telephones],
        "website": website,
        "gender": gender,
        "birthdate": None,
        "iban": None,
        "bic": None,
        "national_identification_number": None,
        "language": language,
        "payment_term": None,
        "invoicing_preferences": {"electronic_invoicing_address": None},
        "added_at": stamp(added_at),
        "updated_at": stamp(updated_at),
        "web_url": f"{WEB}/contact_detail.php?id={id}",
        "remarks": None,
        "addresses": [address] if address else [],
        "companies": list(companies),
        "tags": list(tags),
        "custom_fields": custom_field_values("contact"),
        "price_list": None,
    }
    if consent_visible:
        record["marketing_mails_consent"] = consent
    return record


def company(
    id: str,
    *,
    name: str,
    added_at: datetime | None,
    updated_at: datetime | None,
    business_type: str | None = None,
    vat_number: str | None = None,
    emails: Sequence[tuple[str, str]] = (),
    telephones: Sequence[tuple[str, str]] = (),
    website: str | None = None,
    address: dict[str, Any] | None = None,
    responsible_user: str | None = None,
    status: str = "active",
    language: str | None = "nl",
    tags: Sequence[str] = (),
) -> dict[str, Any]:
    """companies.info without the two includes (the sandbox derives them from the contacts' links)."""
    return {
        "id": id,
        "name": name,
        "status": status,
        "business_type": business_type and {"type": "businessType", "id": business_type},
        "vat_number": vat_number,
        "national_identification_number": None,
        "emails": [{"type": kind, "email": email} for kind, email in emails],
        "telephones": [{"type": kind, "number": number} for kind, number in telephones],
        "website": website,
        "addresses": [address] if address else [],
        "iban": None,
        "bic": None,
        "language": language,
        "preferred_currency": None,
        "payment_term": None,
        "invoicing_preferences": {"electronic_invoicing_address": None},
        "responsible_user": responsible_user and {"type": "user", "id": responsible_user},
        "remarks": None,
        "added_at": stamp(added_at),
        "updated_at": stamp(updated_at),
        "web_url": f"{WEB}/company_detail.php?id={id}",
        "tags": list(tags),
        "custom_fields": custom_field_values("company"),
        "marketing_mails_consent": False,
        "price_list": None,
    }


def deal(
    id: str,
    *,
    title: str,
    reference: str,
    customer: tuple[str, str],
    created_at: datetime,
    updated_at: datetime,
    phases: Sequence[tuple[str, datetime]],
    current_phase: str,
    pipeline: str,
    user: str,
    department: str,
    status: str = "open",
    contact_person: str | None = None,
    closed_at: datetime | None = None,
    amount: float | None = None,
    probability: float | None = None,
    estimated_closing_date: str | None = None,
    source: str | None = None,
    lost_reason: str | None = None,
    lost_remark: str | None = None,
) -> dict[str, Any]:
    """deals.info. `customer` is (type, id); `phases` are (phase id, start), written as the API does: without zone."""
    weighted = None if amount is None or probability is None else round(amount * probability, 2)
    return {
        "id": id,
        "title": title,
        "summary": None,
        "reference": reference,
        "status": status,
        "lead": {
            "customer": {"type": customer[0], "id": customer[1]},
            "contact_person": contact_person and {"type": "contact", "id": contact_person},
        },
        "department": {"type": "department", "id": department},
        "estimated_value": None if amount is None else {"amount": amount, "currency": "EUR"},
        "estimated_closing_date": estimated_closing_date,
        "estimated_probability": probability,
        "weighted_value": None if weighted is None else {"amount": weighted, "currency": "EUR"},
        "purchase_order_number": None,
        "current_phase": {"type": "dealPhase", "id": current_phase},
        "responsible_user": {"type": "user", "id": user},
        "closed_at": stamp(closed_at),
        "source": source and {"type": "dealSource", "id": source},
        "phase_history": [
            {
                "phase": {"type": "dealPhase", "id": phase},
                "started_at": started.astimezone(UTC).isoformat(" ", "seconds")[:19],
                "started_by": {"type": "user", "id": user},
            }
            for phase, started in phases
        ],
        "quotations": [],
        "lost_reason": None
        if status != "lost"
        else {"reason": lost_reason and {"type": "lostReason", "id": lost_reason}, "remark": lost_remark},
        "created_at": stamp(created_at),
        "updated_at": stamp(updated_at),
        "web_url": f"{WEB}/sale_detail.php?id={id}",
        "custom_fields": custom_field_values("sale"),
        "currency_exchange_rate": {"from": "EUR", "to": "EUR", "rate": 1},
        "pipeline": {"type": "dealPipeline", "id": pipeline},
    }
