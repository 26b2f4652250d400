"""Rows that the mapping file might have as well: one for each custom field of Teamleader that no row reads.

Only suggests, by what the last run read of both systems; writing the file is a person's work.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import polars as pl

from tl_hubspot.planning.mapping import ENTITY_TYPES, Mapping
from tl_hubspot.planning.protected import is_protected
from tl_hubspot.planning.sources import custom_field, definition_ids

_REFERENCES = frozenset(("company", "contact", "product", "user"))
"""Types of custom fields that hold the id of another record: of no use in HubSpot."""
_BY_TYPE: dict[str, tuple[str, str]] = {
    "single_select": ("option", "enumeration"),
    "multi_select": ("list", "enumeration"),
    "integer": ("number", "number"),
    "number": ("number", "number"),
    "auto_increment": ("number", "number"),
    "boolean": ("bool", "bool"),
    "date": ("date", "date"),
}
"""Teamleader's type → transform, and type of a property to make; for any other type text."""
_FITS: dict[str, tuple[str, ...]] = {
    "text": ("string", "phone_number"),
    "list": ("enumeration", "string"),
    "option": ("enumeration",),
    "number": ("number",),
    "bool": ("bool",),
    "date": ("date",),
}
"""Transform → types of properties that take what it yields."""


@dataclass(frozen=True)
class Suggestion:
    """A row for a custom field, as the mapping file writes it.

    `exists`: HubSpot has a property of that label already; else the row makes one.
    """

    entity_type: str
    label: str
    type: str
    row: dict[str, Any]
    exists: bool


def suggestions(mapping: Mapping, properties: pl.DataFrame, reference: pl.DataFrame) -> list[Suggestion]:
    """For rows of `hubspot.properties` and `teamleader.reference`; in the order of entity and label."""
    fields = reference.filter(pl.col("kind") == "custom_field_definition").sort("name", "id")
    found = []
    for entity_type in ENTITY_TYPES:
        read = {
            definition
            for rule in mapping.of(entity_type)
            if (label := custom_field(rule.source))
            for definition in definition_ids(entity_type, label, reference)
        }
        taken = {rule.property for rule in mapping.of(entity_type)}
        portal = properties.filter(pl.col("object_type") == entity_type)
        for field in fields.filter(pl.col("context") == entity_type).iter_rows(named=True):
            if field["id"] not in read and field["type"] not in _REFERENCES:
                is_alone = len(definition_ids(entity_type, field["name"], reference)) == 1
                made = _suggest(mapping, field, portal, taken, is_alone=is_alone)
                taken.add(made.row["property"])
                found.append(made)
    return found


def _suggest(
    mapping: Mapping, field: dict[str, Any], portal: pl.DataFrame, taken: set[str], *, is_alone: bool
) -> Suggestion:
    label, type_ = field["name"].strip(), field["type"] or ""
    transform, made_as = _BY_TYPE.get(type_, ("text", "string"))
    options = _options(field["payload"])
    if transform == "option" and not options:
        transform, made_as = "text", "string"
    row: dict[str, Any] = {"source": f"custom_fields[{label if is_alone else field['id']}]"}
    there = [
        p["name"]
        for p in portal.sort("name").iter_rows(named=True)
        if (p["label"] or "").strip().casefold() == label.casefold()
        and p["type"] in _FITS[transform]
        and not p["read_only"]
        and p["name"] not in taken
        and not is_protected(p["name"], p["label"], mapping.protected_names)
    ]
    if there:
        row |= {"property": there[0]} | _unless_text(transform) | {"policy": "if_empty"}
        return Suggestion(field["context"], label, type_, row, exists=True)
    if made_as == "enumeration" and not options:
        made_as = "string"
    create: dict[str, Any] = {"type": made_as, "label": f"Teamleader {label}"}
    if made_as == "enumeration":
        create |= {"field_type": "checkbox" if transform == "list" else "select", "options": options}
    row |= {"property": _free(_name(label), taken | set(portal["name"]))} | _unless_text(transform)
    return Suggestion(field["context"], label, type_, row | {"create": create}, exists=False)


def _unless_text(transform: str) -> dict[str, str]:
    return {} if transform == "text" else {"transform": transform}


def _options(payload: str | None) -> list[str]:
    """Values of a field with a fixed choice; none where other values may be typed too."""
    configuration = json.loads(payload or "{}").get("configuration") or {}
    if configuration.get("extra_option_allowed"):
        return []
    return [str(o["value"] if isinstance(o, dict) else o) for o in configuration.get("options") or ()]


def _name(label: str) -> str:
    """Internal name of a property of that label, as HubSpot allows it."""
    plain = unicodedata.normalize("NFKD", label.casefold()).encode("ascii", "ignore").decode()
    return f"teamleader_{re.sub(r'[^a-z0-9]+', '_', plain).strip('_') or 'field'}"[:90]


def _free(name: str, taken: set[str]) -> str:
    names = (name if n == 1 else f"{name}_{n}" for n in range(1, len(taken) + 2))
    return next(candidate for candidate in names if candidate not in taken)
