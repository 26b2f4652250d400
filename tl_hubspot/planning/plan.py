"""The plan: every intended HubSpot change with old and new values, what was settled without one, limits and digest.

Assembles what the rules decided, the matching found and `diff` compared; pure. It is made in parts of some thousand
records, so that a plan of millions of changes is never whole in memory: one entity's part stands in `plan_entity`.
Reading the tables is orchestration, making the calls is the pushing room.
"""

from __future__ import annotations

import collections
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import polars as pl

from tl_hubspot.planning import guards, json_text, subset
from tl_hubspot.planning.guards import Counts, Limit
from tl_hubspot.planning.match_frames import NOTICES, no_notices
from tl_hubspot.planning.plan_entity import PUSH_ORDER, Entity, EntityPart
from tl_hubspot.planning.plan_inputs import (
    CHANGES,
    OUTCOMES,
    SETTLED,
    MarketingCounts,
    Part,
    PlanInputs,
    PlanSettings,
    no_changes,
)
from tl_hubspot.planning.protected import PROTECTED_PATTERNS, is_protected

AT_ONCE = 2
"""Parts computed side by side: polars leaves the interpreter lock while it works on a frame."""
ROWS = 50_000
"""Rows of other changes in a part."""


@dataclass(frozen=True)
class Plan:
    """A whole plan: CHANGES in push order, SETTLED, OUTCOMES, notices, limits, and the digest of the changes."""

    changes: pl.DataFrame
    settled: pl.DataFrame
    outcomes: pl.DataFrame
    notices: pl.DataFrame
    limits: list[Limit]
    digest: str

    @property
    def held(self) -> bool:
        """Whether a limit is exceeded: nothing may be pushed until a person approves the digest."""
        return any(limit.exceeded for limit in self.limits)


class Planner:
    """Makes the plan of one run: `parts` first, all of them, then what there is to say of the whole.

    `protected`: how many protected properties the plan would write (always 0, see `protected_fields`).
    """

    def __init__(self, inputs: PlanInputs, settings: PlanSettings) -> None:
        self._inputs, self._settings = inputs, settings
        self._outcomes, self._notices = [pl.DataFrame(schema=OUTCOMES)], [no_notices(), *inputs.notices]
        self._marketing, self._marketing_rows = MarketingCounts(), no_changes()
        self._digest = Digest()
        self._actions: collections.Counter[str] = collections.Counter()
        self.protected = 0

    def parts(self) -> Iterator[Part]:
        """All changes in push order, and what was settled. What the inputs read is read in the thread of the caller."""
        for part in self._made():
            changes = part.changes
            if self._inputs.confined_to is not None:
                changes = subset.changes(changes, self._inputs.confined_to)
            self._count(changes)
            yield Part(changes, part.settled)

    def _made(self) -> Iterator[Part]:
        for kind in PUSH_ORDER:
            if kind in self._inputs.entities:
                yield from self._of(kind)
        yield from map(Part, self._inputs.relations)
        for changes in (self._inputs.opt_outs.select(list(CHANGES)), self._marketing_rows):
            yield from map(Part, changes.iter_slices(ROWS))

    def _of(self, kind: str) -> Iterator[Part]:
        """The parts about one entity type, whose records are let go with the last of them."""
        entity = Entity(kind, self._inputs, self._settings)
        for part in _ahead(entity.parts()):
            entity.take(part)
            yield part
        self._outcomes.append(entity.outcomes())
        self._notices.append(entity.notices())
        if kind == "contact":
            self._marketing_rows, self._marketing = entity.marketing_rows(), entity.marketing_counts()

    def _count(self, changes: pl.DataFrame) -> None:
        self._digest.update(changes)
        self._actions.update(dict(changes.group_by("action").len().iter_rows()))
        names, properties = self._settings.mapping.protected_names, self._inputs.portal.properties
        self.protected += len(protected_fields(changes, names, properties))

    @property
    def digest(self) -> str:
        """Digest of all changes."""
        return self._digest.hexdigest()

    @property
    def outcomes(self) -> pl.DataFrame:
        """OUTCOMES: one row per record that Teamleader has."""
        told = pl.concat(self._outcomes)
        chosen = self._inputs.confined_to
        return told if chosen is None else subset.outcomes(told, chosen)

    @property
    def notices(self) -> pl.DataFrame:
        """All notices, those found before among them."""
        return pl.concat([told.select(list(NOTICES)) for told in self._notices]).unique(maintain_order=True)

    @property
    def limits(self) -> list[Limit]:
        """All limits, exceeded or not."""
        return guards.check(self._counts(), self._settings.guards)

    def _counts(self) -> Counts:
        inputs, settings, actions, contacts = self._inputs, self._settings, self._actions, self._marketing
        opt_outs = inputs.opt_outs
        if inputs.confined_to is not None:
            opt_outs = subset.changes(opt_outs, inputs.confined_to)
        existing = opt_outs["details"].str.json_path_match("$.existing") == "true"
        return Counts(
            linked=inputs.linked,
            creates=actions["create"],
            updates=actions["update"] + actions["mark_deleted"],
            unsubscribes=int(existing.sum()),
            matched_contacts=contacts.matched + inputs.at_rest.matched,
            new_marketing=contacts.wanted if settings.marketing_method == "workflow" else actions["marketing"],
            marketing_now=contacts.now + inputs.at_rest.now,
            marketing_tier=settings.marketing_tier,
            vanished={k: v for k, v in inputs.vanished.items() if k in inputs.entities},
        )


def _ahead(made: Iterable[Callable[[], EntityPart]]) -> Iterator[EntityPart]:
    """The results in order, some computed ahead in other threads."""
    waiting: collections.deque[Future[EntityPart]] = collections.deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for make in made:
                waiting.append(pool.submit(make))
                if len(waiting) > AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def build(inputs: PlanInputs, settings: PlanSettings) -> Plan:
    """The plan of one run, whole."""
    planner = Planner(inputs, settings)
    parts = list(planner.parts())
    return Plan(
        changes=pl.concat([no_changes(), *(p.changes for p in parts)]),
        settled=pl.concat([pl.DataFrame(schema=SETTLED), *(p.settled for p in parts)]),
        outcomes=planner.outcomes,
        notices=planner.notices,
        limits=planner.limits,
        digest=planner.digest,
    )


# --- digest and views -------------------------------------------------------------------------------------------------


class Digest:
    """blake2b over changes in their order, whatever parts they come in.

    The order is always the same for the same changes, and `fields` and `details` are canonical.
    """

    def __init__(self) -> None:
        self._columns = [hashlib.blake2b(digest_size=32) for _ in CHANGES]

    def update(self, changes: pl.DataFrame) -> None:
        """Take some more rows."""
        for digest, name in zip(self._columns, CHANGES, strict=True):
            # neither sign can stand in an id or in JSON text
            lines = changes.select(pl.concat_str(pl.col(name).fill_null("\0"), pl.lit("\n")))
            digest.update(json_text.octets(lines.to_series()))

    def hexdigest(self) -> str:
        """The digest of all rows so far."""
        return hashlib.blake2b(b"".join(c.digest() for c in self._columns), digest_size=32).hexdigest()


def to_json(plan: Plan) -> dict[str, Any]:
    """The document of `plan --json` (behaviour §13); contacts also say `asked`, unsubscribes which addresses."""
    return {
        "digest": plan.digest,
        "held": plan.held,
        "limits": [
            {"name": x.name, "value": x.value, "maximum": x.maximum, "exceeded": x.exceeded, "sentence": x.sentence}
            for x in plan.limits
        ],
        "changes": [_change_json(row) for row in plan.changes.iter_rows(named=True)],
    }


def _change_json(row: dict[str, Any]) -> dict[str, Any]:
    details = json.loads(row["details"])
    shown = {k: row[k] for k in ("entity_type", "teamleader_id", "hubspot_id", "action", "reason")}
    shown["fields"] = json.loads(row["fields"])
    return shown | {k: details[k] for k in ("asked", "addresses", "primary") if k in details}


def protected_fields(changes: pl.DataFrame, names: Iterable[str], properties: pl.DataFrame) -> list[dict[str, str]]:
    """Protected properties that these changes would write: always empty (behaviour §7); checked on the finished plan.

    `properties`: `hubspot.properties`, for labels. Rows: entity_type, teamleader_id, property.
    """
    names = tuple(names)
    labels = {(t, n): label for t, n, label in properties.select("object_type", "name", "label").iter_rows()}
    found = []
    seen: dict[tuple[str, str], bool] = {}
    # Only texts that hold the beginning of a protected name are looked into: a clean plan costs one pass.
    suspects = _suspects(names, tuple(labels.items()))
    suspicious = changes.filter(pl.col("fields").str.contains_any(suspects, ascii_case_insensitive=True))
    for kind, id_, fields in suspicious.select("entity_type", "teamleader_id", "fields").iter_rows():
        for name in json.loads(fields):
            key = (kind, name)
            if key not in seen:
                seen[key] = is_protected(name, labels.get(key), names)
            if seen[key]:
                found.append({"entity_type": kind, "teamleader_id": id_, "property": name})
    return found


@functools.lru_cache(maxsize=1)
def _suspects(names: tuple[str, ...], labels: tuple[tuple[tuple[str, str], str], ...]) -> list[str]:
    """Beginnings of JSON texts of protected names; the same for all parts of a plan."""
    suspects = {f'"{name}"' for (_, name), label in labels if is_protected(name, label, names)}
    suspects |= {f'"{name.casefold().replace(" ", "_")}"' for name in names} | {f'"{name}"' for name in names}
    suspects |= {f'"{pattern.rstrip("*")}' for pattern in PROTECTED_PATTERNS}
    return sorted(suspects)
