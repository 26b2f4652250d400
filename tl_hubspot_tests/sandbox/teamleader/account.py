"""A small account with one of everything, with ids that tests can name. All people and firms are invented."""

from __future__ import annotations

from typing import Any

from tl_hubspot.sandbox.teamleader import TeamleaderSandbox
from tl_hubspot.sandbox.teamleader.ids import encode


def uid(prefix: str, number: int) -> str:
    return encode(f"{prefix}Id", number)


ANN, BEN, CAS = (uid("Contact", n) for n in (1, 2, 3))
ACME, BOLT = (uid("Company", n) for n in (1, 2))
ROLLOUT, AUDIT = (uid("Deal", n) for n in (1, 2))
EVA, OLD_USER = (uid("User", n) for n in (1, 2))
SALES, SERVICE = (uid("DealPipeline", n) for n in (1, 2))
PHASES = [uid("DealPhase", n) for n in range(1, 6)]
LEVEL, TOPICS, HOURS, ACCOUNT_MANAGER, DEAL_NOTE, COMPANY_FLAG = (uid("CustomField", n) for n in range(1, 7))
FAIR, TOO_DEAR = uid("DealSource", 1), uid("LostReason", 1)
HEAD_OFFICE, ARCHIVED_OFFICE = (uid("Department", n) for n in (1, 2))
TEAM, PRICE_LIST, ANTWERP = uid("Team", 1), uid("PriceList", 1), uid("AreaLevelTwo", 1)
LIMITED = uid("BusinessType", 1)


def relation(kind: str, record_id: str) -> dict[str, str]:
    return {"type": kind, "id": record_id}


def custom(record_id: str, value: Any) -> dict[str, Any]:
    return {"definition": relation("customFieldDefinition", record_id), "value": value}


def _definition(record_id: str, context: str, field_type: str, label: str, *options: str) -> dict[str, Any]:
    record: dict[str, Any] = {"id": record_id, "context": context, "type": field_type, "label": label}
    if options:
        listed = [{"id": uid("Option", n), "value": value} for n, value in enumerate(options, 1)]
        record["configuration"] = {"options": listed, "extra_option_allowed": False}
    return record


def load(sandbox: TeamleaderSandbox) -> None:
    sandbox.load(
        "customFieldDefinitions",
        [
            _definition(LEVEL, "contact", "single_select", "Level", "Gold", "Silver"),
            _definition(TOPICS, "contact", "multi_select", "Topics", "Energy", "Water"),
            _definition(HOURS, "contact", "integer", "Hours"),
            _definition(ACCOUNT_MANAGER, "contact", "user", "Account manager"),
            _definition(DEAL_NOTE, "deal", "single_line", "Deal note"),
            _definition(COMPANY_FLAG, "company", "boolean", "Flag"),
        ],
    )
    sandbox.load(
        "users",
        [
            {
                "id": EVA,
                "first_name": "Eva",
                "last_name": "Maes",
                "email": "eva@seller.example",
                "telephones": [{"type": "mobile", "number": "+32 470 11 22 33"}],
                "function": "Sales",
                "teams": [relation("team", TEAM)],
                "external_rate": {"amount": 95.5, "currency": "EUR"},
            },
            {"id": OLD_USER, "first_name": "Dirk", "last_name": "Nijs", "status": "deactivated"},
        ],
    )
    sandbox.load(
        "teams", [{"id": TEAM, "name": "Field", "team_lead": relation("user", EVA), "members": [relation("user", EVA)]}]
    )
    sandbox.load(
        "departments",
        [
            {"id": HEAD_OFFICE, "name": "Head office", "emails": [{"type": "primary", "email": "hq@seller.example"}]},
            {"id": ARCHIVED_OFFICE, "name": "Attic", "status": "archived"},
        ],
    )
    sandbox.load("dealPipelines", [{"id": SALES, "name": "Sales"}, {"id": SERVICE, "name": "Service"}])
    sandbox.load(
        "dealPhases",
        [
            {
                "id": phase,
                "name": f"Phase {number}",
                "deal_pipeline_id": SERVICE if number == 4 else SALES,
                "actions": ["create_call"],
                "probability": number / 10,
            }
            for number, phase in enumerate(PHASES)
        ],
    )
    sandbox.load("dealSources", [{"id": uid("DealSource", 2), "name": "Website"}, {"id": FAIR, "name": "Fair"}])
    sandbox.load("lostReasons", [{"id": TOO_DEAR, "name": "Too dear"}])
    sandbox.load("priceLists", [{"id": PRICE_LIST, "name": "Wholesale"}])
    sandbox.load("levelTwoAreas", [{"id": ANTWERP, "name": "Antwerpen", "country": "BE", "names": {"en": "Antwerp"}}])
    sandbox.load(
        "businessTypes", [{"id": LIMITED, "name": "BV"}, {"id": uid("BusinessType", 2), "name": "AG", "country": "DE"}]
    )
    sandbox.load("companies", _companies())
    sandbox.load("contacts", _contacts())
    sandbox.load("deals", _deals())


def _address(line_1: str) -> dict[str, Any]:
    area = relation("area_level_two", ANTWERP)
    return {"line_1": line_1, "postal_code": "2000", "city": "Antwerpen", "country": "BE", "area_level_two": area}


def _contacts() -> list[dict[str, Any]]:
    return [
        {
            "id": ANN,
            "first_name": "Ann",
            "last_name": "Peeters",
            "emails": [{"type": "primary", "email": "ann@acme.example"}],
            "telephones": [{"type": "mobile", "number": "+32 470 00 00 01"}],
            "vat_number": "BE0899623035",
            "gender": "female",
            "birthdate": "1980-02-29",
            "payment_term": {"type": "end_of_month", "days": 30},
            "addresses": [
                {"type": "primary", "address": _address("Kaai 1")},
                {"type": "invoicing", "address": _address("Kaai 2") | {"addressee": "Accounts"}},
            ],
            "remarks": "Met at the *fair*",
            "tags": ["Expo", "VIP"],
            "custom_fields": [custom(LEVEL, "Gold"), custom(TOPICS, ["Energy", "Water"])],
            "marketing_mails_consent": True,
            "price_list": None,
            "added_at": "2024-03-01T09:12:44+00:00",
            "updated_at": "2025-03-01T09:12:45+00:00",
            "companies": [
                {
                    "position": "CFO",
                    "secondary_position": "Treasurer",
                    "division": "Finance",
                    "decision_maker": True,
                    "company": relation("company", ACME),
                },
                {"position": None, "decision_maker": False, "company": relation("company", BOLT)},
            ],
        },
        {
            "id": BEN,
            "first_name": None,
            "last_name": "Claes",
            "status": "deactivated",
            "emails": [{"type": "primary", "email": "ben@acme.example"}],
            "tags": ["Expo"],
            "marketing_mails_consent": False,
            "added_at": "2023-01-01T00:00:00+00:00",
            "updated_at": "2025-05-05T05:05:05+00:00",
            "companies": [{"position": "Clerk", "decision_maker": False, "company": relation("company", ACME)}],
        },
        {
            "id": CAS,
            "first_name": "Cas",
            "last_name": "Adams",
            "added_at": "2022-01-01T00:00:00+00:00",
            "updated_at": "2024-01-01T00:00:00+00:00",
        },
    ]


def _companies() -> list[dict[str, Any]]:
    return [
        {
            "id": ACME,
            "name": "Acme",
            "business_type": relation("businessType", LIMITED),
            "vat_number": "BE 0899.623.035",
            "national_identification_number": "63326426",
            "emails": [
                {"type": "primary", "email": "info@acme.example"},
                {"type": "invoicing", "email": "bills@acme.example"},
            ],
            "telephones": [{"type": "phone", "number": "+32 3 000 00 02"}],
            "website": "acme.example",
            "preferred_currency": "EUR",
            "responsible_user": relation("user", EVA),
            "addresses": [{"type": "primary", "address": _address("Markt 1")}],
            "tags": ["Expo"],
            "marketing_mails_consent": False,
            "price_list": relation("priceList", PRICE_LIST),
            "related_companies": [relation("company", BOLT)],
            "added_at": "2021-01-01T00:00:00+00:00",
            "updated_at": "2025-01-01T00:00:00+00:00",
        },
        {
            "id": BOLT,
            "name": "Bolt",
            "status": "deactivated",
            "added_at": "2020-01-01T00:00:00+00:00",
            "updated_at": "2024-06-01T00:00:00+00:00",
        },
    ]


def _deals() -> list[dict[str, Any]]:
    return [
        {
            "id": ROLLOUT,
            "title": "Roll-out",
            "reference": "2025/1",
            "status": "new",
            "lead": {"customer": relation("company", ACME), "contact_person": relation("contact", ANN)},
            "department": relation("department", HEAD_OFFICE),
            "estimated_value": {"amount": 12500.5, "currency": "EUR"},
            "estimated_closing_date": "2026-10-31",
            "estimated_probability": 0.5,
            "weighted_value": {"amount": 6250.25, "currency": "EUR"},
            "current_phase": relation("dealPhase", PHASES[1]),
            "pipeline": relation("dealPipeline", SALES),
            "responsible_user": relation("user", EVA),
            "second_responsible_user": relation("user", OLD_USER),
            "source": relation("dealSource", FAIR),
            "currency_exchange_rate": {"from": "EUR", "to": "EUR", "rate": 1},
            "custom_fields": [custom(DEAL_NOTE, "urgent")],
            "phase_history": [
                {
                    "phase": relation("dealPhase", PHASES[0]),
                    "started_at": "2025-06-01T10:00:00+00:00",
                    "started_by": relation("user", EVA),
                },
                {
                    "phase": relation("dealPhase", PHASES[1]),
                    "started_at": "2025-07-01T10:00:00+00:00",
                    "started_by": relation("user", EVA),
                },
            ],
            "created_at": "2025-06-01T10:00:00+00:00",
            "updated_at": "2025-07-01T10:00:00+00:00",
        },
        {
            "id": AUDIT,
            "title": "Audit",
            "reference": "2024/9",
            "status": "lost",
            "lead": {"customer": relation("contact", CAS)},
            "current_phase": relation("dealPhase", PHASES[4]),
            "pipeline": relation("dealPipeline", SERVICE),
            "closed_at": "2024-09-09T09:09:09+00:00",
            "lost_reason": {"reason": relation("lostReason", TOO_DEAR), "remark": None},
            "created_at": "2024-01-01T00:00:00+00:00",
            "updated_at": "2024-09-09T09:00:00+00:00",
        },
    ]
