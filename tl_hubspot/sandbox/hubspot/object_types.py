"""The object types that the sandbox holds, every name HubSpot knows them by, and the association types between them.

Facts only. Custom association labels are data of the portal and live in `associations`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tl_hubspot.sandbox.hubspot.errors import ApiError


@dataclass(frozen=True)
class ObjectType:
    """`name` is the word in paths and scopes, `legacy` that of error texts, `modified` the modified-date property."""

    name: str
    number: int
    singular: str
    modified: str
    defaults: tuple[str, ...]
    first_id: int

    @property
    def type_id(self) -> str:
        return f"0-{self.number}"

    @property
    def legacy(self) -> str:
        return self.singular.upper()

    @property
    def always(self) -> tuple[str, str, str]:
        """Properties that every answer carries."""
        return ("createdate", "hs_object_id", self.modified) if self.number != 115 else _USER_ALWAYS


_USER_ALWAYS = ("hs_createdate", "hs_object_id", "hs_lastmodifieddate")

OBJECT_TYPES = {
    kind.name: kind
    for kind in (
        ObjectType(
            "contacts",
            1,
            "contact",
            "lastmodifieddate",
            ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
            100_000_000_001,
        ),
        ObjectType(
            "companies",
            2,
            "company",
            "hs_lastmodifieddate",
            ("name", "domain", "createdate", "hs_lastmodifieddate", "hs_object_id"),
            20_000_000_001,
        ),
        ObjectType(
            "deals",
            3,
            "deal",
            "hs_lastmodifieddate",
            (
                "dealname",
                "amount",
                "closedate",
                "pipeline",
                "dealstage",
                "createdate",
                "hs_lastmodifieddate",
                "hs_object_id",
            ),
            30_000_000_001,
        ),
        ObjectType(
            "products",
            7,
            "product",
            "hs_lastmodifieddate",
            ("name", "description", "price", "createdate", "hs_lastmodifieddate", "hs_object_id"),
            4_000_000_001,
        ),
        ObjectType(
            "users",
            115,
            "user",
            "hs_lastmodifieddate",
            ("hs_createdate", "hs_lastmodifieddate", "hs_object_id"),
            5_000_000_001,
        ),
    )
}

BY_NUMBER = {kind.number: kind for kind in OBJECT_TYPES.values()}

_ALIASES = {alias: kind for kind in OBJECT_TYPES.values() for alias in (kind.name, kind.singular, kind.type_id)}


def object_type(word: str) -> ObjectType:
    """The object type by plural, singular (any case) or type id; ApiError 400 when unknown."""
    kind = _ALIASES.get(word.lower())
    if kind is None:
        raise ApiError(400, "VALIDATION_ERROR", f"Unable to infer object type from: {word}")
    return kind


@dataclass(frozen=True)
class AssociationType:
    """One direction of a HUBSPOT_DEFINED association type; `primary` marks the labelled "Primary" one."""

    from_type: str
    to_type: str
    type_id: int
    inverse: int
    primary: bool = False
    label: str | None = None


def _both(from_type: str, to_type: str, type_id: int, inverse: int, **rest: bool) -> tuple[AssociationType, ...]:
    label = "Primary" if rest.get("primary") else None
    there = AssociationType(from_type, to_type, type_id, inverse, label=label, **rest)
    back = AssociationType(to_type, from_type, inverse, type_id, label=label, **rest)
    return (there,) if type_id == inverse else (there, back)


ASSOCIATION_TYPES = {
    (kind.from_type, kind.to_type, kind.type_id): kind
    for kind in (
        *_both("contacts", "companies", 279, 280),
        *_both("contacts", "companies", 1, 2, primary=True),
        *_both("contacts", "deals", 4, 3),
        *_both("deals", "companies", 341, 342),
        *_both("deals", "companies", 5, 6, primary=True),
        *_both("contacts", "contacts", 449, 449),
        *_both("companies", "companies", 450, 450),
        *_both("deals", "deals", 451, 451),
        AssociationType("companies", "companies", 13, 14, label="Child Company"),
        AssociationType("companies", "companies", 14, 13, label="Parent Company"),
    )
}

DEFAULT_ASSOCIATIONS = {
    (kind.from_type, kind.to_type): kind for kind in ASSOCIATION_TYPES.values() if kind.label is None
}
PRIMARY_ASSOCIATIONS = {(kind.from_type, kind.to_type): kind for kind in ASSOCIATION_TYPES.values() if kind.primary}
