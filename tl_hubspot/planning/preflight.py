"""Whether the portal can take what the mapping writes, by its property definitions, before anything is written.

Says what to provision and what a person must mend. Making properties is the HubSpot room's work; pipelines: `stages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from tl_hubspot.planning.mapping import FieldRule, Mapping
from tl_hubspot.planning.protected import is_protected
from tl_hubspot.planning.sources import custom_field, definition_ids

MAX_UNIQUE = 10
"""Unique properties that HubSpot allows per object (hubspot.com, property limits)."""

_BOOL_OPTIONS = (("true", "Yes"), ("false", "No"))
_SAME_TYPE = {("string", "phone_number"), ("string", "string")}


@dataclass(frozen=True)
class PropertyProvision:
    """A property to create, or one of ours whose option list to extend by `options` (value, label)."""

    action: Literal["create", "extend"]
    object_type: str
    name: str
    label: str
    group: str
    group_label: str
    type: str
    field_type: str
    options: tuple[tuple[str, str], ...] = ()
    unique: bool = False


@dataclass(frozen=True)
class Problem:
    """Something that a person must mend: what is wrong, where in the mapping file, and how to mend it."""

    what: str
    where: str
    mend: str

    @property
    def sentence(self) -> str:
        """The problem on one line."""
        return f"{self.what} ({self.where}). {self.mend}."


def check(
    mapping: Mapping, properties: pl.DataFrame, reference: pl.DataFrame | None = None
) -> tuple[list[PropertyProvision], list[Problem]]:
    """What must be provisioned, and what is wrong.

    `properties`: `hubspot.properties`; `reference`: `teamleader.reference`, to check custom fields (None: not checked).
    """
    to_provision: list[PropertyProvision] = []
    problems: list[Problem] = []
    portal = _portal(properties)
    for rule in mapping.fields:
        there = portal.get((rule.entity_type, rule.property))
        provision, problem = _check_rule(rule, there, mapping)
        if problem and not _silently_left_out(rule, there):
            problems.append(problem)
        if provision:
            to_provision.append(provision)
        if reference is not None and (problem := _check_custom_field(rule, reference, mapping)):
            problems.append(problem)
    problems.extend(_too_many_unique(mapping, to_provision, properties))
    return to_provision, problems


def effective(mapping: Mapping, properties: pl.DataFrame) -> Mapping:
    """The mapping without rows marked `when_writable` that this portal does not let the sync write."""
    portal = _portal(properties)
    return mapping.without(
        {
            (r.entity_type, r.property)
            for r in mapping.fields
            if _silently_left_out(r, portal.get((r.entity_type, r.property)))
        }
    )


def _silently_left_out(rule: FieldRule, there: dict[str, Any] | None) -> bool:
    return rule.when_writable and not rule.custom and (there is None or bool(there["read_only"]))


def _portal(properties: pl.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["object_type"], row["name"]): row for row in properties.iter_rows(named=True)}


def _check_rule(
    rule: FieldRule, there: dict[str, Any] | None, mapping: Mapping
) -> tuple[PropertyProvision | None, Problem | None]:
    where = f"{mapping.file}, line {rule.line}"
    name = f"The {rule.entity_type} property '{rule.property}'"

    def problem(what: str, mend: str) -> tuple[None, Problem]:
        return None, Problem(f"{name} {what}", where, mend)

    if there is None:
        if not rule.custom:
            return problem("does not exist in HubSpot", "Correct the name, or add `create:` to have it made")
        return _provision("create", rule, _options(rule), mapping), None
    if is_protected(rule.property, there["label"], mapping.protected_names):
        return problem(f"has the label '{there['label']}', which is protected", "Map the source to another property")
    if there["read_only"]:
        return problem("is read-only in HubSpot", "Remove the row, or map the source to another property")
    if there["type"] != rule.type and (rule.type, there["type"]) not in _SAME_TYPE:
        return problem(
            f"is of type {there['type']} in HubSpot, but the mapping writes {rule.type}",
            "Choose a transform for that type, or map the source to another property",
        )
    if rule.unique and not there["unique_value"]:
        return problem(
            "exists in HubSpot without unique values",
            "HubSpot cannot change that later: delete the property there, or map to another name",
        )
    missing = tuple(o for o in _options(rule) if o[0] not in (there["options"] or ())) if rule.custom else ()
    return (_provision("extend", rule, missing, mapping), None) if missing else (None, None)


def _options(rule: FieldRule) -> tuple[tuple[str, str], ...]:
    return rule.options or (_BOOL_OPTIONS if rule.type == "bool" else ())


def _provision(
    action: Literal["create", "extend"], rule: FieldRule, options: tuple[tuple[str, str], ...], mapping: Mapping
) -> PropertyProvision:
    group, group_label = mapping.property_group
    return PropertyProvision(
        action,
        rule.entity_type,
        rule.property,
        rule.label or rule.property,
        group,
        group_label,
        rule.type,
        rule.field_type,
        options,
        rule.unique,
    )


def _check_custom_field(rule: FieldRule, reference: pl.DataFrame, mapping: Mapping) -> Problem | None:
    label = custom_field(rule.source)
    if label is None:
        return None
    found = definition_ids(rule.entity_type, label, reference)
    if len(found) == 1:
        return None
    what = "has no" if not found else f"has {len(found)}"
    return Problem(
        f"Teamleader {what} custom field{'s' if len(found) > 1 else ''} '{label}' for the {rule.entity_type}",
        f"{mapping.file}, line {rule.line}",
        "Correct the label" if not found else "Name it by its definition id",
    )


def _too_many_unique(
    mapping: Mapping, to_provision: list[PropertyProvision], properties: pl.DataFrame
) -> list[Problem]:
    problems = []
    for object_type in sorted({p.object_type for p in to_provision if p.unique}):
        own = properties.filter((pl.col("object_type") == object_type) & pl.col("unique_value").fill_null(False))
        count = len(own) + sum(p.unique and p.action == "create" and p.object_type == object_type for p in to_provision)
        if count > MAX_UNIQUE:
            problems.append(
                Problem(
                    f"HubSpot allows {MAX_UNIQUE} unique {object_type} properties; there would be {count}",
                    mapping.file,
                    "Remove one that is not needed in HubSpot",
                )
            )
    return problems
