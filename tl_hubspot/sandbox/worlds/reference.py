"""Reference data that all worlds share: users, departments, pipelines with phases, sources, lost reasons, business
types, custom field definitions, the HubSpot owners that belong to some of the users, and the custom properties that a
portal may have before the first sync.

Contacts, companies and deals live in `subset` and `portfolio`.
"""

from __future__ import annotations

from typing import Any

from tl_hubspot.sandbox.teamleader.defaults import ACCOUNT_ID
from tl_hubspot.sandbox.teamleader.ids import PREFIXES, encode
from tl_hubspot.sandbox.worlds.fakes import belgian_vat, dutch_vat

Records = tuple[dict[str, Any], ...]


def teamleader_id(kind: str, number: int) -> str:
    """Version-0 UUID of the `number`-th record of a kind (`contacts`, `dealPhases`, …)."""
    return encode(PREFIXES[kind], number)


# first name, last name, function, status; the e-mail address follows from the name
_USERS = (
    ("Saskia", "Verlinden", "Sales", "active"),
    ("Ruben", "Claeys", "Sales", "active"),
    ("Miet", "Declerck", "Account manager", "active"),
    ("Tom", "Huysmans", "Zaakvoerder", "active"),
    ("Leen", "Bosmans", "Sales", "deactivated"),
)
USERS: Records = tuple(
    {
        "id": teamleader_id("users", number),
        "account": {"type": "account", "id": ACCOUNT_ID},
        "first_name": first,
        "last_name": last,
        "email": f"{first}.{last}@voorbeeldbedrijf.example".lower(),
        "telephones": [],
        "language": "nl",
        "function": function,
        "status": status,
        "teams": [],
    }
    for number, (first, last, function, status) in enumerate(_USERS, start=1)
)

OWNERS: Records = tuple(
    {"id": f"7100{number}", "email": user["email"], "firstName": user["first_name"], "lastName": user["last_name"]}
    # The fourth user has no account in HubSpot: his records keep no owner.
    for number, user in enumerate(USERS, start=1)
    if number != 4
)

DEPARTMENTS: Records = tuple(
    {
        "id": teamleader_id("departments", number),
        "name": name,
        "vat_number": vat,
        "currency": "EUR",
        "emails": [{"type": "primary", "email": email}],
        "status": "active",
    }
    for number, (name, vat, email) in enumerate(
        (
            ("Voorbeeldbedrijf België", f"BE{belgian_vat(904)}", "info@voorbeeldbedrijf.example"),
            ("Voorbeeldbedrijf Nederland", dutch_vat(900_001), "nederland@voorbeeldbedrijf.example"),
        ),
        start=1,
    )
)

_PIPELINES: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = (
    (
        "Verkoop",
        (
            ("Nieuw", 0.1),
            ("Gecontacteerd", 0.25),
            ("Afspraak", 0.4),
            ("Offerte verstuurd", 0.6),
            ("Onderhandeling", 0.8),
        ),
    ),
    ("Onderhoudscontracten", (("Aanvraag", 0.2), ("Plaatsbezoek", 0.5), ("Voorstel", 0.7), ("Verlenging", 0.9))),
)
PIPELINES: Records = tuple(
    {"id": teamleader_id("dealPipelines", number), "name": name} for number, (name, _) in enumerate(_PIPELINES, start=1)
)
PHASES: Records = tuple(
    {
        "id": teamleader_id("dealPhases", 10 * pipeline + place),
        "name": phase,
        "actions": [],
        "requires_attention_after": {"amount": 2, "unit": "weeks"},
        "probability": probability,
        "deal_pipeline_id": PIPELINES[pipeline - 1]["id"],
    }
    for pipeline, (_, phases) in enumerate(_PIPELINES, start=1)
    for place, (phase, probability) in enumerate(phases, start=1)
)
PHASES_OF: dict[str, list[str]] = {
    pipeline["id"]: [phase["id"] for phase in PHASES if phase["deal_pipeline_id"] == pipeline["id"]]
    for pipeline in PIPELINES
}
"""Pipeline id → its phase ids in flow order."""
PROBABILITY: dict[str, float] = {phase["id"]: phase["probability"] for phase in PHASES}

SOURCES: Records = tuple(
    {"id": teamleader_id("dealSources", number), "name": name}
    for number, name in enumerate(("Aanbeveling", "Beurs", "Website", "Bestaande klant"), start=1)
)
LOST_REASONS: Records = tuple(
    {"id": teamleader_id("lostReasons", number), "name": name}
    for number, name in enumerate(("Te duur", "Geen budget", "Koos een concurrent", "Geen antwoord"), start=1)
)
BUSINESS_TYPES: Records = tuple(
    {"id": teamleader_id("businessTypes", number), "name": name, "country": country}
    for number, (name, country) in enumerate(
        (
            ("BV", "BE"),
            ("NV", "BE"),
            ("VOF", "BE"),
            ("CV", "BE"),
            ("VZW", "BE"),
            ("B.V.", "NL"),
            ("N.V.", "NL"),
            ("V.O.F.", "NL"),
        ),
        start=1,
    )
)
BUSINESS_TYPE_ID: dict[str, str] = {row["name"]: row["id"] for row in BUSINESS_TYPES}

# context, type, label, options of a select
_CUSTOM_FIELDS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("contact", "multi_select", "Interesses", ("Producten", "Opleiding", "Evenementen")),
    ("contact", "boolean", "Kerstkaart", ()),
    ("company", "single_select", "Sector", ("Bouw", "Handel", "Diensten", "Zorg")),
    ("company", "integer", "Aantal werknemers", ()),
    # Live answers say `sale` for the fields of deals.
    ("sale", "single_line", "Offertenummer klant", ()),
)
CUSTOM_FIELDS: Records = tuple(
    {
        "id": teamleader_id("customFieldDefinitions", number),
        "context": context,
        "type": type_,
        "label": label,
        "group": None,
        "required": False,
    }
    | (
        {
            "configuration": {
                "options": [
                    {"id": f"5e1ec7ed-0000-4000-8000-{number:06d}{place:06d}", "value": option}
                    for place, option in enumerate(options)
                ],
                "extra_option_allowed": False,
                "default_value": None,
            }
        }
        if options
        else {}
    )
    for number, (context, type_, label, options) in enumerate(_CUSTOM_FIELDS, start=1)
)


def custom_field_values(context: str) -> list[dict[str, Any]]:
    """`custom_fields` of a record on which nothing was filled in: all definitions of the context come back, unset."""
    return [
        {
            "definition": {"type": "customFieldDefinition", "id": row["id"]},
            "value": {"multi_select": [], "boolean": False}.get(str(row["type"])),
        }
        for row in CUSTOM_FIELDS
        if row["context"] == context
    ]


TEAMLEADER: dict[str, Records] = {
    "users": USERS,
    "departments": DEPARTMENTS,
    "dealPipelines": PIPELINES,
    "dealPhases": PHASES,
    "dealSources": SOURCES,
    "lostReasons": LOST_REASONS,
    "businessTypes": BUSINESS_TYPES,
    "customFieldDefinitions": CUSTOM_FIELDS,
}
"""Kind → records, in the order in which they are loaded (a phase after its pipeline)."""

_STATUS = {
    "contacts": ("active", "deactivated", "deleted", "out_of_scope"),
    "deals": ("open", "won", "lost", "deleted", "out_of_scope"),
}


def hubspot_property(object_type: str, name: str) -> dict[str, Any]:
    """Definition, for `HubSpotSandbox.define_property`, of a custom property of a portal before the first sync."""
    form: dict[str, Any] = {"type": "string", "fieldType": "text"}
    if name == "teamleader_id":
        form["hasUniqueValue"] = True
    elif name == "teamleader_marketing":
        form = {"type": "bool", "fieldType": "booleancheckbox", "options": _options("true", "false")}
    elif name == "teamleader_status":
        form = {"type": "enumeration", "fieldType": "select", "options": _options(*_STATUS[object_type])}
    elif name == "teamleader_label":
        form = {"type": "enumeration", "fieldType": "select", "options": _options("inactief")}
    label = name.replace("_", " ").capitalize()
    return {"name": name, "label": label, **form}


def _options(*values: str) -> list[dict[str, Any]]:
    return [
        {"label": value, "value": value, "hidden": False, "displayOrder": place} for place, value in enumerate(values)
    ]
