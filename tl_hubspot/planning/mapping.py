"""What the mapping file says, as data: which Teamleader source goes to which HubSpot property, how, and when.

Reading and checking the file is `config.mapping`; what a source yields is `sources`, what a transform does
`transforms`; whether the portal can take it is `preflight`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from tl_hubspot.planning.protected import DEFAULT_PROTECTED_NAMES

Policy = Literal["always", "if_empty", "on_create"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

ENTITY_TYPES: tuple[str, ...] = ("contact", "company", "deal")
"""Also HubSpot's object types."""

EMAIL = "email"
"""The contact property whose changes are decided by the matching, not by comparing values."""
SECONDARY_EMAILS = "hs_additional_emails"


@dataclass(frozen=True)
class FieldRule:
    """One row of the mapping: `source` → `property`.

    `type`, `field_type`: as HubSpot names them; `custom`: made by the sync when missing, with `label`, `options`
    (value, label), `unique`; `when_writable`: silently left out where the portal keeps it read-only; `line`: in
    the mapping file.
    """

    entity_type: str
    source: str
    property: str
    transform: str = "text"
    policy: Policy = "always"
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    options: tuple[tuple[str, str], ...] = ()
    unique: bool = False
    custom: bool = False
    line: int = 0
    when_writable: bool = False


@dataclass(frozen=True)
class PhaseMap:
    """Teamleader phase (id or name) → HubSpot stage (id or label)."""

    phase: str
    stage: str
    line: int = 0


@dataclass(frozen=True)
class PipelineMap:
    """Teamleader pipeline (id or name) → HubSpot pipeline (id or label), its stages, and where closed deals go."""

    pipeline: str
    hubspot_pipeline: str
    phases: tuple[PhaseMap, ...] = ()
    won: str = ""
    lost: str = ""
    line: int = 0


@dataclass(frozen=True)
class PipelineRules:
    """`provision`: Teamleader's pipelines are made in HubSpot under their own names; `mapped`: by the table."""

    mode: Literal["provision", "mapped"] = "provision"
    won_label: str = "Won"
    lost_label: str = "Lost"
    table: tuple[PipelineMap, ...] = ()


@dataclass(frozen=True)
class Mapping:
    """The whole mapping file. `default_country`: ISO 3166 alpha-2, for telephone numbers without country."""

    fields: tuple[FieldRule, ...]
    property_group: tuple[str, str] = ("teamleader", "Teamleader")
    pipelines: PipelineRules = PipelineRules()
    protected_names: tuple[str, ...] = DEFAULT_PROTECTED_NAMES
    default_country: str = "BE"
    file: str = "mapping.yaml"

    def of(self, entity_type: str) -> tuple[FieldRule, ...]:
        """Rows of that entity, in the order of the file."""
        return tuple(f for f in self.fields if f.entity_type == entity_type)

    def properties(self, entity_type: str) -> list[str]:
        """HubSpot properties that the mapping writes on that object, sorted: what the mirror must read."""
        return sorted(f.property for f in self.of(entity_type))

    def property_for(self, entity_type: str, source: str) -> str | None:
        """The property that a source goes to; None when it is not mapped."""
        return next((f.property for f in self.of(entity_type) if f.source == source), None)

    def without(self, rules: set[tuple[str, str]]) -> Mapping:
        """The mapping without those (entity_type, property)."""
        return replace(self, fields=tuple(f for f in self.fields if (f.entity_type, f.property) not in rules))


REQUIRED: dict[str, dict[str, str]] = {
    "contact": {
        "teamleader_id": "id",
        "email": "emails[primary]",
        "teamleader_marketing": "decision.marketing",
        "teamleader_status": "status",
    },
    "company": {"teamleader_id": "id", "name": "name", "teamleader_status": "status"},
    "deal": {
        "teamleader_id": "id",
        "dealname": "title",
        "pipeline": "pipeline",
        "dealstage": "current_phase",
        "teamleader_status": "status",
        "teamleader_label": "decision.label",
    },
}
"""Rows without which the sync cannot keep its promises: property → the source it must have."""
