"""From which columns of which tables each mapped HubSpot property comes, by what its source draws on.

Names only; showing it (Dagster's column lineage) is orchestration.
"""

from __future__ import annotations

from dataclasses import dataclass

from tl_hubspot.planning.mapping import FieldRule, Mapping
from tl_hubspot.planning.sources import CUSTOM_FIELD, expression

_PLURALS = {"contact": "contacts", "company": "companies", "deal": "deals"}
_ELIGIBLE = {
    "decision_address": "address",
    "decision_marketing": "marketing",
    "decision_reason": "reason",
    "decision_label": "label",
    "link_position": "jobtitle",
}
"""Columns of `sources.records` that `eligible` gives; other `decision_*` come from `decisions`."""
_DECIDED = {"decision_opted_out": "opted_out", "decision_vat": "vat", "decision_domain": "domain"}
_NAMES = {
    "business_type_name": "business_type_id",
    "responsible_user_name": "responsible_user_id",
    "source_name": "source_id",
    "lost_reason_name": "lost_reason_id",
    "pipeline_name": "pipeline_id",
    "current_phase_name": "current_phase_id",
}
"""Names that Teamleader's small lists give, and the column of the record that says which."""


@dataclass(frozen=True)
class Origin:
    """A column of a table of the warehouse."""

    table: str
    column: str


def origins(mapping: Mapping) -> dict[tuple[str, str], tuple[Origin, ...]]:
    """(entity, property) → the columns that its value is made of, in order of table and column."""
    return {(rule.entity_type, rule.property): _of(rule) for rule in mapping.fields}


def _of(rule: FieldRule) -> tuple[Origin, ...]:
    plural = _PLURALS[rule.entity_type]
    own = f"teamleader.{plural}"
    found: set[Origin] = set()
    for name in set(expression(rule.source, rule.entity_type).meta.root_names()):
        if CUSTOM_FIELD.match(name):
            found |= {Origin(own, "custom_fields"), Origin("teamleader.reference", "name")}
        elif name in _ELIGIBLE:
            found.add(Origin(f"eligible.{plural}", _ELIGIBLE[name]))
        elif name in _DECIDED:
            found.add(Origin(f"decisions.{plural}", _DECIDED[name]))
        elif name in _NAMES:
            found |= {Origin(own, _NAMES[name]), Origin("teamleader.reference", "name")}
        elif name == "responsible_user_email":
            found |= {Origin(own, "responsible_user_id"), Origin("teamleader.reference", "email")}
        else:
            found.add(Origin(own, name))
    return tuple(sorted(found, key=lambda o: (o.table, o.column)))
