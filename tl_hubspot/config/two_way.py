"""Reads the file of two-way flows and checks it: each mistake is named with its line and how to mend it.

What the values mean is `two_way.flows`. The default file is `two_way.yaml` next to this module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar, cast

import phonenumbers
import yaml

from tl_hubspot.config.reading import Members, Mistake, Reader, did_you_mean, first_of, text_of
from tl_hubspot.two_way.flows import (
    COMPARE,
    DELETIONS,
    ESTABLISH,
    OTHER,
    OWNERS,
    POLICIES,
    SIDES,
    SYSTEM,
    Field,
    Flow,
    Side,
)

DEFAULT_FILE = "two_way.yaml"

_FLOW = (
    "flow", "a", "b", "establish", "keys", "on_unmatched", "fields", "conflict", "propagate_clear", "delete",
    "max_delete_ratio", "phone_region", "write", "full_sync", "since", "enabled", "dry_run",
)  # fmt: skip
_FIELD = ("a", "b", "type", "compare", "policy", "owner")
_NEVER_CREATES = ("match_only", "derived")
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]*$")
_MATCHES = ("match_only", "match_or_create", "filtered", "create_if_referenced")


def load(path: Path | str | None = None) -> tuple[Flow, ...]:
    """The flows of that file, or the shipped ones; raises ConfigurationError that names every mistake."""
    file, text = text_of(path, DEFAULT_FILE, what="The file of two-way flows", setting="two_way.flows")
    flows, mistakes = parse(text)
    if mistakes:
        raise first_of(mistakes, file)
    return flows


def parse(text: str) -> tuple[tuple[Flow, ...], list[Mistake]]:
    """Flows and mistakes of a file's text; no flows when there are mistakes."""
    reader = _Reader("")
    node = reader.document(text, "The file of two-way flows")
    if node is None:
        return (), reader.mistakes
    flows = reader.flows(node)
    return (() if reader.mistakes else flows), sorted(reader.mistakes, key=lambda m: (m.line, m.column))


W = TypeVar("W", bound=str)


class _Reader(Reader):
    """Walks the list of flows."""

    def flows(self, node: yaml.Node) -> tuple[Flow, ...]:
        top = self.members(node, ("flows",), "the file of two-way flows")
        if "flows" not in top:
            self.wrong(node, "The section 'flows' is missing", "Take it from the default file")
            return ()
        found: dict[str, Flow] = {}
        for number, entry in enumerate(self.items(top["flows"], "flows"), start=1):
            self.place = f"flow {number}"
            flow = self.flow(entry)
            if flow and flow.name in found:
                self.wrong(entry, f"The flow '{flow.name}' stands here twice", "Rename or remove one of the two")
            elif flow:
                found[flow.name] = flow
        return tuple(found.values())

    def flow(self, node: yaml.Node) -> Flow | None:
        members = self.members(node, _FLOW, "a flow")
        name, a, b = (self.text(members, key) for key in ("flow", "a", "b"))
        if not (name and a and b):
            self.wrong(node, "A flow needs `flow`, `a` and `b`", "Add what is missing")
            return None
        self.place = f"flow {name}"
        if not _NAME.match(name):
            self.wrong(members["flow"], f"'{name}' is no name for a flow", "Use lower-case letters, digits, - and _")
        conflict = self.part(members, "conflict", ("policy", "tie_side", "max_skew_seconds"))
        policy = self.word(conflict, "policy", POLICIES, "newest")
        flow = Flow(
            name=name,
            a=a,
            b=b,
            establish=self.word(members, "establish", ESTABLISH, "match_only"),
            fields=self.fields(members, Field("", "", policy=policy)),
            tie_side=self.word(conflict, "tie_side", SIDES, "a"),
            max_skew=timedelta(seconds=self.number(conflict, "max_skew_seconds", 120, 86_400)),
            propagate_clear=self.flag(members, "propagate_clear", default=True),
            deletion=self.word(members, "delete", DELETIONS, "unlink"),
            max_delete_ratio=self.number(members, "max_delete_ratio", 0.05, 1),
            phone_region=self.region(members),
            enabled=self.flag(members, "enabled", default=True),
            write=self.sides(members, "write"),
            since=self.since(node, members),
            dry_run=self.flag(members, "dry_run"),
        )
        return replace(flow, keys=self.keys(members, flow), create_in=self.create_in(members, flow))

    def part(self, members: Members, name: str, allowed: Sequence[str]) -> Members:
        return self.members(members[name], allowed, name) if name in members else {}

    def word(self, members: Members, name: str, known: Sequence[W], default: W) -> W:
        value = self.text(members, name, default)
        if value not in known:
            self.wrong(members[name], f"Unknown value '{value}' of '{name}'", did_you_mean(value, known))
            return default
        return cast(W, value)

    def number(self, members: Members, name: str, default: float, maximum: float) -> float:
        text = self.text(members, name, str(default))
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or float(text) > maximum:
            self.wrong(members[name], f"'{name}' must be a number from 0 to {maximum:g}", "Write digits, with a dot")
            return default
        return float(text)

    def region(self, members: Members) -> str:
        region = self.text(members, "phone_region").upper()
        if region and region not in phonenumbers.SUPPORTED_REGIONS:
            self.wrong(members["phone_region"], f"'{region}' is no country", "Write two letters, like NO")
        return region

    def since(self, node: yaml.Node, members: Members) -> datetime | None:
        if self.flag(members, "full_sync", default=True):
            if "since" in members:
                self.wrong(members["since"], "'since' is not used with `full_sync: true`", "Write `full_sync: false`")
            return None
        try:
            instant = datetime.fromisoformat(self.text(members, "since"))
            if instant.tzinfo is not None:
                return instant
        except ValueError:
            pass
        what = "`full_sync: false` needs 'since', the instant from which on records count"
        self.wrong(members.get("since", node), what, "Write it like 2026-11-02T11:00:00Z")
        return None

    def sides(self, members: Members, name: str) -> tuple[Side, ...]:
        part = self.part(members, name, SIDES)
        return tuple(side for side in SIDES if self.flag(part, side, default=True))

    def fields(self, members: Members, default: Field) -> tuple[Field, ...]:
        place = self.place
        found: list[Field] = []
        if "fields" not in members:
            return ()
        for number, entry in enumerate(self.items(members["fields"], "fields"), start=1):
            self.place = f"{place}, field {number}"
            row = self.members(entry, _FIELD, "a field")
            a, b = self.text(row, "a"), self.text(row, "b")
            if not (a and b):
                self.wrong(entry, "A field needs `a` and `b`", "Add what is missing")
                continue
            for side, name in (("a", a), ("b", b)):
                if any(getattr(field, side) == name for field in found):
                    self.wrong(
                        entry,
                        f"'{name}' of {SYSTEM[cast(Side, side)]} is mapped twice: one value would overwrite the other",
                        "Keep one of the two rows",
                    )
            if self.text(row, "type", "string") != "string":
                self.wrong(row["type"], "Only fields of type string can stay equal", "Write `type: string`")
            found.append(
                Field(
                    a,
                    b,
                    compare=self.word(row, "compare", COMPARE, "text"),
                    policy=self.word(row, "policy", POLICIES, default.policy),
                    owner=self.word(row, "owner", OWNERS, "teamleader"),
                )
            )
        self.place = place
        return tuple(found)

    def keys(self, members: Members, flow: Flow) -> tuple[tuple[str, ...], ...]:
        if "keys" not in members:
            return ()
        keys = []
        for entry in self.items(members["keys"], "keys"):
            parts = [str(part.value) for part in self.items(entry, "a key")]
            if not parts:
                self.wrong(entry, "A key needs at least one part", "Name the properties that must be equal")
            for part in parts:
                if part not in flow.names:
                    self.wrong(entry, f"The key part '{part}' is no field of this flow", did_you_mean(part, flow.names))
            keys.append(tuple(parts))
        if keys and flow.establish not in _MATCHES:
            self.wrong(members["keys"], f"Keys are not used with `establish: {flow.establish}`", "Remove them")
        return tuple(keys)

    def create_in(self, members: Members, flow: Flow) -> tuple[Side, ...]:
        part = self.part(members, "on_unmatched", SIDES)
        chosen = {side: self.word(part, side, ("create", "hold"), "hold") for side in SIDES}
        if "create" not in chosen.values():
            return ()
        if flow.establish in _NEVER_CREATES:
            mend = "Write hold, or another `establish`"
            self.wrong(members["on_unmatched"], f"`establish: {flow.establish}` never creates a record", mend)
        elif not flow.fields:
            self.wrong(members["on_unmatched"], "A flow without fields has nothing to create a record of", "Write hold")
        # an unmatched record of one side is made on the other
        return tuple(side for side in SIDES if chosen[OTHER[side]] == "create")
