"""The mapping file against what the last run read of both systems: its mistakes, its fields, and rows it might have.

Reads the file and the analysts' copy only. What is wrong is known by `config.mapping` and `planning.preflight`, what to
add by `planning.suggestions`; words are in `reporting.mapping`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tl_hubspot.config import mapping as mapping_file
from tl_hubspot.config.reading import text_of
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import published
from tl_hubspot.orchestration.steps.deciding import SOURCES
from tl_hubspot.planning import preflight, sources
from tl_hubspot.planning.mapping import FieldRule, Mapping
from tl_hubspot.planning.suggestions import Suggestion, suggestions
from tl_hubspot.warehouse.rows import frame_of, polars_schema


@dataclass(frozen=True)
class Wrong:
    """Something in the mapping that a person must mend."""

    where: str
    what: str
    mend: str


@dataclass(frozen=True)
class Field:
    """One row of the mapping with both systems' labels and types; None where the last run did not read it."""

    rule: FieldRule
    source_label: str
    source_type: str
    label: str | None
    type: str | None


@dataclass(frozen=True)
class Looked:
    """The file, what is wrong with it, and, when there is nothing wrong in it, its fields and what it might have too.

    `portal_known`: the last run read the portal and Teamleader's lists, so the file was held against them.
    """

    file: str
    mapping: Mapping | None
    wrong: tuple[Wrong, ...]
    fields: tuple[Field, ...]
    suggestions: tuple[Suggestion, ...]
    portal_known: bool


def look(platform: Platform, path: Path | None) -> Looked:
    """At that file, else at the one that the settings name, else at the default one."""
    chosen = path or platform.settings.mapping
    file, text = text_of(chosen, mapping_file.DEFAULT_FILE, what="The mapping file", setting="mapping")
    mapping, mistakes = mapping_file.parse(text, file)
    properties, reference = _read(platform)
    if mapping is None:
        found = tuple(Wrong(m.where(file), m.what, m.mend) for m in mistakes)
        return Looked(file, None, found, (), (), portal_known=not properties.is_empty())
    wrong: tuple[Wrong, ...] = ()
    more: tuple[Suggestion, ...] = ()
    if not properties.is_empty():
        _, problems = preflight.check(mapping, properties, reference)
        wrong = tuple(Wrong(p.where, p.what, p.mend) for p in problems)
        more = tuple(suggestions(mapping, properties, reference))
    fields = tuple(_fields(mapping, properties, reference))
    return Looked(file, mapping, wrong, fields, more, portal_known=not properties.is_empty())


def _read(platform: Platform) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The portal's properties and Teamleader's small lists as last read; empty when nothing was."""
    tables = ("hubspot.properties", "teamleader.reference")
    try:
        with published.opened(platform) as warehouse:
            properties, reference = (warehouse.read(name) for name in tables)
    except ConfigurationError:
        properties, reference = (frame_of(name, []) for name in tables)
    return properties, reference


_TYPES = {pl.Boolean: "yes or no", pl.Datetime: "instant", pl.Date: "date", pl.List: "list"}


def _fields(mapping: Mapping, properties: pl.DataFrame, reference: pl.DataFrame) -> list[Field]:
    portal = {(p["object_type"], p["name"]): p for p in properties.iter_rows(named=True)}
    custom = {row["id"]: row for row in reference.iter_rows(named=True) if row["kind"] == "custom_field_definition"}
    types = _source_types(mapping)
    found = []
    for rule in mapping.fields:
        label, type_ = _meaning(rule), types[rule.entity_type, rule.source]
        if named := sources.custom_field(rule.source):
            ids = sources.definition_ids(rule.entity_type, named, reference)
            known = custom[ids[0]] if len(ids) == 1 else {"name": named, "type": None}
            label, type_ = f"custom field {known['name']}", known["type"] or "not known"
        there = portal.get((rule.entity_type, rule.property), {})
        found.append(Field(rule, label, type_, there.get("label"), there.get("type")))
    return found


def _meaning(rule: FieldRule) -> str:
    known = sources.SOURCES[rule.entity_type].get(rule.source)
    return known.meaning if known else "first entry of that type"


def _source_types(mapping: Mapping) -> dict[tuple[str, str], str]:
    """(entity, source) → type that the source yields, of the columns that it draws on."""
    found = {}
    for entity_type, table in SOURCES.items():
        plural = table.split(".")[1]
        source, eligible, decisions, reference = (
            pl.DataFrame(schema=polars_schema(name))
            for name in (table, f"eligible.{plural}", f"decisions.{plural}", "teamleader.reference")
        )
        wanted = list(dict.fromkeys(rule.source for rule in mapping.of(entity_type)))
        nothing = sources.records(entity_type, source, eligible, decisions, reference, wanted)
        for name in wanted:
            type_ = nothing.select(sources.expression(name, entity_type)).dtypes[0]
            found[entity_type, name] = _TYPES.get(type_.base_type(), "text")
    return found
