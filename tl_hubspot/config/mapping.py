"""Reads the mapping file and checks it: every mistake is named with its line, what is wrong and how to mend it.

What the rows mean is `planning.mapping`; whether the portal can take them is `planning.preflight`. The default file is
`mapping.yaml` next to this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import yaml

from tl_hubspot.config.reading import Members, Mistake, Reader, did_you_mean, first_of, text_of
from tl_hubspot.planning.mapping import (
    POLICIES,
    REQUIRED,
    SECONDARY_EMAILS,
    FieldRule,
    Mapping,
    PhaseMap,
    PipelineMap,
    PipelineRules,
    Policy,
)
from tl_hubspot.planning.protected import DEFAULT_PROTECTED_NAMES, is_protected
from tl_hubspot.planning.sources import is_source, source_names
from tl_hubspot.planning.transforms import TRANSFORMS

DEFAULT_FILE = "mapping.yaml"

SECTIONS = {"contacts": "contact", "companies": "company", "deals": "deal"}
TOP = (*SECTIONS, "property_group", "default_country", "protected_names", "pipelines")
ROW = ("source", "property", "transform", "policy", "create", "when_writable")
CREATE = ("type", "field_type", "label", "options", "unique")
FIELD_TYPES: dict[str, tuple[str, ...]] = {
    "string": ("text", "textarea", "phonenumber", "html", "file"),
    "number": ("number",),
    "date": ("date",),
    "datetime": ("date",),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox"),
    "bool": ("booleancheckbox",),
}
"""HubSpot's types and the field types that go with them; the first is the default."""
OWN_WAY = {
    SECONDARY_EMAILS: "further addresses are written by the sync itself",
    "hs_marketable_status": "marketing status cannot be written; map to teamleader_marketing",
    "hs_email_optout": "opt-outs are carried over by the sync itself",
    "hs_object_id": "it is HubSpot's own id",
}
_STEERING = ("teamleader_id", "teamleader_marketing", "teamleader_status")
"""Properties by which later runs find their way: always written."""
NAME = re.compile(r"^[a-z][a-z0-9_]{0,99}$")


def load(path: Path | str | None = None, *, protected_names: Iterable[str] = DEFAULT_PROTECTED_NAMES) -> Mapping:
    """The mapping of that file, or the default one; raises ConfigurationError that names every mistake.

    `protected_names`: names and labels that are protected besides those in the file.
    """
    file, text = text_of(path, DEFAULT_FILE, what="The mapping file", setting="mapping")
    mapping, mistakes = parse(text, file, tuple(protected_names))
    if mistakes or mapping is None:
        raise first_of(mistakes, file)
    return mapping


def parse(text: str, file: str, protected_names: tuple[str, ...] = ()) -> tuple[Mapping | None, list[Mistake]]:
    """Mapping and mistakes of a mapping file's text; the mapping is None when there are mistakes."""
    reader = _Reader(file)
    node = reader.document(text, "The mapping file")
    if node is None:
        return None, reader.mistakes
    mapping = reader.mapping(node, protected_names)
    return (None if reader.mistakes else mapping), sorted(reader.mistakes, key=lambda m: (m.line, m.column))


class _Reader(Reader):
    """Walks the sections of the mapping file."""

    # --- the file ---

    def mapping(self, node: yaml.Node, protected_names: tuple[str, ...]) -> Mapping:
        top = self.members(node, TOP, "the mapping file")
        names = dict.fromkeys(protected_names)
        if "protected_names" in top:
            self.place = "protected_names"
            for entry in self.items(top["protected_names"], "protected_names"):
                names[str(entry.value)] = None
        self.names = tuple(names)
        fields: list[FieldRule] = []
        for section, entity_type in SECTIONS.items():
            self.place = section
            if section in top:
                fields.extend(self.rows(top[section], section, entity_type))
            else:
                self.wrong(node, f"The section '{section}' is missing", "Take it from the default file")
        self.place = ""
        group = (
            self.members(top["property_group"], ("name", "label"), "property_group") if "property_group" in top else {}
        )
        self.place = "pipelines"
        pipelines = self.pipelines(top["pipelines"]) if "pipelines" in top else PipelineRules()
        self.place = ""
        country = self.text(top, "default_country", "BE").upper()
        if not re.fullmatch("[A-Z]{2}", country):
            self.wrong(top["default_country"], "'default_country' must be a country code", "Write two letters, like BE")
        return Mapping(
            tuple(fields),
            (self.text(group, "name", "teamleader"), self.text(group, "label", "Teamleader")),
            pipelines,
            self.names,
            country,
            self.file,
        )

    def rows(self, node: yaml.Node, section: str, entity_type: str) -> list[FieldRule]:
        rules: dict[str, FieldRule] = {}
        for number, entry in enumerate(self.items(node, section), start=1):
            self.place = f"{section}, row {number}"
            rule = self.row(entry, entity_type)
            if rule is None:
                continue
            if rule.property in rules:
                self.wrong(
                    entry,
                    f"The property '{rule.property}' is mapped twice (first in line {rules[rule.property].line})",
                    "Keep one of the two rows",
                )
                continue
            rules[rule.property] = rule
        self.place = section
        self.required(node, entity_type, rules)
        return list(rules.values())

    def required(self, node: yaml.Node, entity_type: str, rules: dict[str, FieldRule]) -> None:
        for property_, source in REQUIRED[entity_type].items():
            rule = rules.get(property_)
            if rule is None:
                self.wrong(
                    node, f"The required row '{source}' → '{property_}' is missing", "Take it from the default file"
                )
            elif rule.source != source:
                self.wrong(
                    node,
                    f"The property '{property_}' must come from '{source}', not from '{rule.source}'",
                    "Take the row from the default file",
                )
            elif property_ in _STEERING and rule.policy != "always":
                self.wrong(node, f"The row '{property_}' must have the policy always", "Remove its policy")
            elif property_ == "teamleader_id" and not (rule.custom and rule.unique):
                self.wrong(
                    node, "The row 'teamleader_id' must create a unique property", "Add `create: {unique: true, …}`"
                )
        stage = [rules[p].policy for p in ("pipeline", "dealstage") if p in rules and entity_type == "deal"]
        if len(set(stage)) > 1:
            self.wrong(node, "'pipeline' and 'dealstage' must have the same policy", "Give both the same policy")

    def row(self, node: yaml.Node, entity_type: str) -> FieldRule | None:
        before = len(self.mistakes)
        members = self.members(node, ROW, "a row")
        source, property_ = self.text(members, "source"), self.text(members, "property")
        if not source or not property_:
            if len(self.mistakes) == before:
                self.wrong(node, "A row needs `source` and `property`", "Add what is missing")
            return None
        if not is_source(entity_type, source):
            known = source_names(entity_type)
            self.wrong(members["source"], f"Unknown source '{source}'", did_you_mean(source, known))
        self.target(members, property_, entity_type)
        transform = self.text(members, "transform", "text")
        policy = self.text(members, "policy", "always")
        if transform not in TRANSFORMS:
            self.wrong(members["transform"], f"Unknown transform '{transform}'", did_you_mean(transform, TRANSFORMS))
            return None
        only = TRANSFORMS[transform].source
        if only and source != only:
            self.wrong(
                members["transform"], f"The transform '{transform}' works only on '{only}'", "Use another transform"
            )
        if transform == "phone" and entity_type == "deal":
            self.wrong(members["transform"], "Deals have no country to read a telephone number by", "Use text")
        if policy not in POLICIES:
            self.wrong(members["policy"], f"Unknown policy '{policy}'", did_you_mean(policy, POLICIES))
        rule = FieldRule(
            entity_type=entity_type,
            source=source,
            property=property_,
            transform=transform,
            policy=cast(Policy, policy),
            type=TRANSFORMS[transform].type,
            line=node.start_mark.line + 1,
            when_writable=self.flag(members, "when_writable"),
        )
        if "create" in members:
            rule = self.create(members["create"], rule)
        return rule

    def target(self, members: Members, property_: str, entity_type: str) -> None:
        node = members["property"]
        if not NAME.match(property_):
            self.wrong(
                node,
                f"'{property_}' is no internal name of a HubSpot property",
                "Use lower-case letters, digits and underscores; HubSpot shows it as 'internal name'",
            )
        if is_protected(property_, None, self.names):
            self.wrong(node, f"The property '{property_}' is protected and never written", "Map to another property")
        if property_ in OWN_WAY:
            self.wrong(node, f"'{property_}' cannot be mapped: {OWN_WAY[property_]}", "Remove the row")

    def create(self, node: yaml.Node, rule: FieldRule) -> FieldRule:
        members = self.members(node, CREATE, "create")
        type_ = self.text(members, "type", rule.type)
        label = self.text(members, "label")
        if type_ not in FIELD_TYPES:
            self.wrong(members["type"], f"Unknown type '{type_}'", did_you_mean(type_, FIELD_TYPES))
            return rule
        field_type = self.text(members, "field_type", FIELD_TYPES[type_][0])
        if field_type not in FIELD_TYPES[type_]:
            mend = f"Choose among {', '.join(FIELD_TYPES[type_])}"
            self.wrong(members["field_type"], f"A property of type {type_} cannot have field type '{field_type}'", mend)
        if not label:
            self.wrong(node, "A property to create needs a label", "Add `label:`")
        if is_protected(rule.property, label, self.names):
            self.wrong(node, f"The label '{label}' is protected and never written", "Choose another label")
        if rule.property.startswith("hs_"):
            self.wrong(node, "Names that begin with hs_ are HubSpot's own", "Choose another name for the property")
        if not (type_ in (rule.type, "string") or (type_ == "enumeration" and rule.type == "string")):
            mend = f"Use a transform that yields {type_}, or type {rule.type}"
            self.wrong(node, f"The transform '{rule.transform}' yields {rule.type}, not {type_}", mend)
        options = self.options(members["options"]) if "options" in members else ()
        if type_ == "enumeration" and not options:
            self.wrong(node, "An enumeration needs options", "Add `options: {value: Label}`")
        return FieldRule(
            **{
                **vars(rule),
                "type": type_,
                "field_type": field_type,
                "label": label,
                "options": options,
                "unique": self.flag(members, "unique"),
                "custom": True,
            }
        )

    def options(self, node: yaml.Node) -> tuple[tuple[str, str], ...]:
        if isinstance(node, yaml.SequenceNode):
            return tuple((str(n.value), str(n.value)) for n in node.value if isinstance(n, yaml.ScalarNode))
        members = self.members(node, None, "options")
        return tuple((value, self.text(members, value)) for value in members)

    # --- pipelines ---

    def pipelines(self, node: yaml.Node) -> PipelineRules:
        members = self.members(node, ("mode", "won_label", "lost_label", "table"), "pipelines")
        mode = self.text(members, "mode", "provision")
        won, lost = self.text(members, "won_label", "Won"), self.text(members, "lost_label", "Lost")
        if won.casefold() == lost.casefold():
            self.wrong(node, "'won_label' and 'lost_label' must differ", "Change one of the two")
        if mode == "provision":
            if "table" in members:
                self.wrong(members["table"], "A table is not used with `mode: provision`", "Write `mode: mapped`")
            return PipelineRules("provision", won, lost)
        if mode != "mapped":
            self.wrong(members["mode"], f"Unknown mode '{mode}'", did_you_mean(mode, ("provision", "mapped")))
            return PipelineRules()
        if "table" not in members:
            self.wrong(node, "`mode: mapped` needs a table", "Add `table:` with one entry per Teamleader pipeline")
            return PipelineRules("mapped", won, lost)
        table = [self.pipeline(entry) for entry in self.items(members["table"], "table")]
        return PipelineRules("mapped", won, lost, tuple(table))

    def pipeline(self, node: yaml.Node) -> PipelineMap:
        members = self.members(node, ("pipeline", "hubspot_pipeline", "phases", "won", "lost"), "a pipeline")
        texts = {name: self.text(members, name) for name in ("pipeline", "hubspot_pipeline", "won", "lost")}
        for name, value in texts.items():
            if not value:
                self.wrong(node, f"A pipeline needs `{name}`", "Add it")
        phases = self.members(members["phases"], None, "phases") if "phases" in members else {}
        rows = tuple(PhaseMap(p, self.text(phases, p), n.start_mark.line + 1) for p, n in phases.items())
        return PipelineMap(
            texts["pipeline"], texts["hubspot_pipeline"], rows, texts["won"], texts["lost"], node.start_mark.line + 1
        )
