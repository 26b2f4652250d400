"""JSON schema of the mapping file, for editors that complete and check while somebody types.

Made from what the loader in `config.mapping` accepts. It knows single values; what rows have to do with each other, and
with the portal, only `tl-hubspot mapping check` can say.
"""

from __future__ import annotations

from typing import Any

from tl_hubspot.config.mapping import CREATE, FIELD_TYPES, NAME, OWN_WAY, ROW, SECTIONS, TOP
from tl_hubspot.planning.mapping import POLICIES, REQUIRED
from tl_hubspot.planning.sources import CUSTOM_FIELD, SOURCES, source_names
from tl_hubspot.planning.transforms import TRANSFORMS

FILE = "mapping.schema.json"

_TEXT = {"type": "string", "minLength": 1}
_SCALAR = {"type": ["string", "number", "boolean"]}
_ABOUT = {
    "source": "What is read in Teamleader.",
    "property": "Internal name of the HubSpot property that is written.",
    "transform": "How the value is prepared; `text` (trimmed) when left out.",
    "policy": "When it is written: always (default), if_empty in HubSpot, or on_create by the sync.",
    "create": "How the sync makes the property when HubSpot does not have it.",
    "when_writable": "Leave the row out, without a word, where the property is missing in the portal or read-only.",
}


def schema() -> dict[str, Any]:
    """The schema as data."""
    top = {
        **{section: _section(entity_type) for section, entity_type in SECTIONS.items()},
        "property_group": _object({"name": _TEXT, "label": _TEXT}),
        "default_country": {"type": "string", "pattern": "^[A-Za-z]{2}$"},
        "protected_names": {"type": "array", "items": _TEXT},
        "pipelines": _pipelines(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "How Teamleader's fields go to HubSpot",
        **_object(_only(top, TOP), required=SECTIONS),
    }


def _section(entity_type: str) -> dict[str, Any]:
    must = ", ".join(f"{source} → {name}" for name, source in REQUIRED[entity_type].items())
    return {"type": "array", "items": _row(entity_type), "description": f"Rows that must be there: {must}."}


def _row(entity_type: str) -> dict[str, Any]:
    fixed = [name for name in source_names(entity_type) if not CUSTOM_FIELD.match(name)]
    means = {name: SOURCES[entity_type][name].meaning for name in fixed if name in SOURCES[entity_type]}
    values: dict[str, Any] = {
        "source": {
            "anyOf": [
                *({"const": name, "description": means.get(name, "first entry of that type")} for name in fixed),
                {"type": "string", "pattern": CUSTOM_FIELD.pattern, "description": "a custom field, by label or id"},
            ]
        },
        "property": {"type": "string", "pattern": NAME.pattern, "not": {"enum": sorted(OWN_WAY)}},
        "transform": {"anyOf": [{"const": t.name, "description": t.meaning} for t in TRANSFORMS.values()]},
        "policy": {"enum": list(POLICIES)},
        "create": _create(),
        "when_writable": {"type": "boolean"},
    }
    described = {name: {"description": _ABOUT[name], **value} for name, value in _only(values, ROW).items()}
    return _object(described, required=("source", "property"))


def _create() -> dict[str, Any]:
    values = {
        "type": {"enum": list(FIELD_TYPES)},
        "field_type": {"enum": list(dict.fromkeys(name for names in FIELD_TYPES.values() for name in names))},
        "label": _TEXT,
        "options": {
            "description": "Internal value: label. A list when both are the same.",
            "anyOf": [{"type": "object", "additionalProperties": _SCALAR}, {"type": "array", "items": _SCALAR}],
        },
        "unique": {"type": "boolean"},
    }
    of_type = [
        {
            "if": {"properties": {"type": {"const": type_}}, "required": ["type"]},
            "then": {"properties": {"field_type": {"enum": list(names)}}},
        }
        for type_, names in FIELD_TYPES.items()
    ]
    return {**_object(_only(values, CREATE), required=("label",)), "allOf": of_type}


def _pipelines() -> dict[str, Any]:
    table = _object(
        {
            "pipeline": _TEXT,
            "hubspot_pipeline": _TEXT,
            "phases": {"type": "object", "additionalProperties": _TEXT},
            "won": _TEXT,
            "lost": _TEXT,
        },
        required=("pipeline", "hubspot_pipeline", "won", "lost"),
    )
    mode = {"enum": ["provision", "mapped"]}
    return _object({"mode": mode, "won_label": _TEXT, "lost_label": _TEXT, "table": {"type": "array", "items": table}})


def _object(properties: dict[str, Any], required: Any = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _only(values: dict[str, Any], keys: Any) -> dict[str, Any]:
    """The values in the order of the loader's keys; KeyError for a key that nothing is said of here."""
    return {key: values[key] for key in keys}
