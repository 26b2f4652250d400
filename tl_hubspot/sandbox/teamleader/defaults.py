"""What a fresh Teamleader account has of its own, and the empty values of reference records.

Only data lives here. People and customers of the sample world are in `sandbox.world`.
"""

from __future__ import annotations

from typing import Any

from tl_hubspot.sandbox.teamleader.ids import encode

ACCOUNT_ID = encode("AccountId", 1)

BLANKS: dict[str, dict[str, Any]] = {
    "users": {
        "account": {"type": "account", "id": ACCOUNT_ID},
        "first_name": "",
        "last_name": "",
        "email": "",
        "email_verification_status": "confirmed",
        "telephones": [],
        "language": "nl-BE",
        "function": "",
        "status": "active",
        "time_zone": "Europe/Brussels",
        "preferences": {"invoiceable": True, "historic_time_tracking_limit": None, "whitelabeling": False},
        "teams": [],
        "external_rate": None,
    },
    "teams": {"team_lead": None, "members": []},
    "departments": {
        "vat_number": None,
        "address": {"line_1": None, "postal_code": None, "city": None, "country": "BE", "area_level_two": None},
        "emails": [],
        "telephones": [],
        "website": None,
        "currency": "EUR",
        "iban": None,
        "bic": None,
        "fiscal_regime": None,
        "status": "active",
    },
    "dealPipelines": {"status": "open"},
    "dealPhases": {"actions": [], "requires_attention_after": {"amount": 7, "unit": "days"}, "probability": 0.0},
    "businessTypes": {"country": "BE"},
    "priceLists": {"calculation_method": "manual"},
    "customFieldDefinitions": {"group": None, "required": False},
}


def _numbered(kind: str, prefix: str, *records: dict[str, Any]) -> list[dict[str, Any]]:
    # Numbers from far away, so that they never meet ids that are given out later.
    blank = BLANKS.get(kind, {})
    return [{"id": encode(prefix, 9_000_000 + n), **blank, **record} for n, record in enumerate(records, 1)]


_PIPELINE = _numbered("dealPipelines", "DealPipelineId", {"name": "Sales"})

RECORDS: dict[str, list[dict[str, Any]]] = {
    "users": _numbered(
        "users",
        "UserId",
        {"first_name": "Sandbox", "last_name": "Admin", "email": "admin@teamleader.example", "function": "Admin"},
    ),
    "departments": _numbered("departments", "DepartmentId", {"name": "Head office"}),
    "dealPipelines": _PIPELINE,
    "dealPhases": _numbered(
        "dealPhases",
        "DealPhaseId",
        *(
            {"name": name, "probability": probability, "deal_pipeline_id": _PIPELINE[0]["id"]}
            for name, probability in (("New", 0.1), ("Contacted", 0.25), ("Offer", 0.5), ("Negotiation", 0.75))
        ),
    ),
    "businessTypes": _numbered(
        "businessTypes",
        "BusinessTypeId",
        *({"name": name} for name in ("NV/SA", "BV/SRL", "CV/SC", "VOF/SNC", "VZW/ASBL", "Eenmanszaak/EP")),
        *({"name": name, "country": "NL"} for name in ("BV", "NV", "VOF", "Stichting")),
    ),
    "levelTwoAreas": _numbered(
        "levelTwoAreas",
        "AreaLevelTwoId",
        *(
            {"name": nl, "country": "BE", "names": {"nl": nl, "fr": fr, "en": en}}
            for nl, fr, en in (
                ("Antwerpen", "Anvers", "Antwerp"),
                ("Brussels Hoofdstedelijk Gewest", "Région de Bruxelles-Capitale", "Brussels-Capital Region"),
                ("Henegouwen", "Hainaut", "Hainaut"),
                ("Limburg", "Limbourg", "Limburg"),
                ("Luik", "Liège", "Liège"),
                ("Luxemburg", "Luxembourg", "Luxembourg"),
                ("Namen", "Namur", "Namur"),
                ("Oost-Vlaanderen", "Flandre-Orientale", "East Flanders"),
                ("Vlaams-Brabant", "Brabant flamand", "Flemish Brabant"),
                ("Waals-Brabant", "Brabant wallon", "Walloon Brabant"),
                ("West-Vlaanderen", "Flandre-Occidentale", "West Flanders"),
            )
        ),
    ),
    "paymentTerms": _numbered(
        "paymentTerms",
        "PaymentTermId",
        {"type": "after_invoice_date", "days": 30},
        {"type": "end_of_month", "days": 30},
        {"type": "cash"},
    ),
}

CURRENCIES: dict[str, tuple[str, str, float]] = {
    "BAM": ("KM", "Bosnian Mark", 1.9558),
    "CAD": ("$", "Canadian Dollar", 1.47),
    "CHF": ("CHF", "Swiss Franc", 0.95),
    "CLP": ("$", "Chilean Peso", 1010.0),
    "CNY": ("¥", "Chinese Yuan", 7.8),
    "COP": ("$", "Colombian Peso", 4300.0),
    "CZK": ("Kč", "Czech Koruna", 25.1),
    "DKK": ("kr", "Danish Krone", 7.46),
    "EUR": ("€", "Euro", 1.0),
    "GBP": ("£", "British Pound", 0.85),
    "INR": ("₹", "Indian Rupee", 90.0),
    "ISK": ("kr", "Icelandic Króna", 150.0),
    "JPY": ("¥", "Japanese Yen", 163.0),
    "MAD": ("DH", "Moroccan Dirham", 10.8),
    "MXN": ("$", "Mexican Peso", 19.9),
    "NOK": ("kr", "Norwegian Krone", 11.7),
    "PEN": ("S/", "Peruvian Sol", 4.05),
    "PLN": ("zł", "Polish Złoty", 4.3),
    "RON": ("lei", "Romanian Leu", 4.97),
    "SEK": ("kr", "Swedish Krona", 11.4),
    "TRY": ("₺", "Turkish Lira", 35.0),
    "USD": ("$", "US Dollar", 1.08),
    "ZAR": ("R", "South African Rand", 20.1),
}
"""Code → symbol, name, units for one euro (round figures, not market rates)."""
