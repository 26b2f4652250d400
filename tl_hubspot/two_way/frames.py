"""The frames at the borders of the planner: the two systems as read, its memory, and the plan.

"" is an empty value, null an unknown one. Sides are `a` (HubSpot) and `b` (Crmoffice). `field` is a field's name
(HubSpot's property). All instants are UTC. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from tl_hubspot.two_way.clocks import INSTANT, INTERVALS, TIMES

LINKS: dict[str, pl.DataType] = {
    "link_id": pl.String(),
    "a_id": pl.String(),
    "b_id": pl.String(),
    "state": pl.String(),
    "reason": pl.String(),
    "how": pl.String(),
    "created_at": INSTANT,
}
"""One row per pair ever made. state: `linked`; `held` (reason out_of_scope: the planner's, it lifts it; any other:
a person's, it stays); `broken` (reason deleted_a, deleted_b, deleted_both, deleted_a_edited_b, deleted_b_edited_a,
merged, unlinked). The row of a broken link is the tombstone of both its ids: neither is ever matched or made again
until a person removes the row, and its shadows with it. how: matched, created, operator, derived."""

LOOKUPS: dict[str, pl.DataType] = {"id": pl.String(), "outcome": pl.String(), "survivor": pl.String()}
"""What asking one system by id has found: `gone`, `present` (then `records` holds the record as it was found), or
`merged` into `survivor` (the last one, where a merged record was merged again)."""

WRITES: dict[str, pl.DataType] = {
    "link_id": pl.String(),
    "side": pl.String(),
    "id": pl.String(),
    "source_id": pl.String(),
    "field": pl.String(),
    "value": pl.String(),
    "pre_image": pl.String(),
    "rule": pl.String(),
}
"""One field to write: `value`, which `source_id` on the other side holds, goes to record `id` of `side`, which holds
`pre_image`. All rows of one (side, id) are one call. Stored before the call, these rows are the intents."""

CONFLICTS: dict[str, pl.DataType] = {
    "conflict_id": pl.String(),
    "kind": pl.String(),
    "link_id": pl.String(),
    "a_id": pl.String(),
    "b_id": pl.String(),
    "field": pl.String(),
    "winner": pl.String(),
    "a_value": pl.String(),
    "b_value": pl.String(),
    "losing_side": pl.String(),
    "losing_value": pl.String(),
    "base_a": pl.String(),
    "base_b": pl.String(),
    "a_earliest": INSTANT,
    "a_latest": INSTANT,
    "b_earliest": INSTANT,
    "b_latest": INSTANT,
    "detected_at": INSTANT,
}
"""The conflict log. kind: first_link, both_changed, lost_edit, held. winner, losing_side, losing_value: null when held.
The same conflict, planned again, has the same id."""

HOLDS: dict[str, pl.DataType] = {
    "link_id": pl.String(),
    "side": pl.String(),
    "field": pl.String(),
    "value": pl.String(),
    "reason": pl.String(),
    "attempts": pl.Int64(),
    "until": INSTANT,
}
"""Fields whose `value` a system refused, one row per link, side and field; the same value is not sent again before
`until`, another one is."""

CREATIONS: dict[str, pl.DataType] = {"side": pl.String(), "source_id": pl.String(), "link_id": pl.String()}
"""A record to make on `side` from `source_id` of the other; besides, a column per field with its value (null: left
out). link_id: the pair that gets its lost half back (null: a new pair). Stored before the call, these are intents."""

UNMATCHED: dict[str, pl.DataType] = {"side": pl.String(), "id": pl.String(), "reason": pl.String()}
AMBIGUOUS: dict[str, pl.DataType] = {
    "side": pl.String(),
    "id": pl.String(),
    "key": pl.String(),
    "candidates": pl.List(pl.String()),
}
"""Records that a key does not tell apart. key: the parts' names; candidates: the ids on the other side."""

DELETIONS: dict[str, pl.DataType] = {"link_id": pl.String(), "side": pl.String(), "id": pl.String()}
SUSPECTED: dict[str, pl.DataType] = {"side": pl.String(), "id": pl.String()}
"""Records that a complete list left out: to be looked up by id, then planned again with what was found."""

SHADOWS: dict[str, pl.DataType] = {
    "link_id": pl.String(),
    "field": pl.String(),
    "a": pl.String(),
    "b": pl.String(),
}
"""Shadows as rows: what each side held at the last agreement of the field. `wide` has a row per link."""

HELD: dict[str, pl.DataType] = {"link_id": pl.String(), "field": pl.String(), "reason": pl.String()}
STOPS: dict[str, pl.DataType] = {
    "name": pl.String(),
    "side": pl.String(),
    "value": pl.Int64(),
    "maximum": pl.Int64(),
    "digest": pl.String(),
}
"""Why the flow stands still: on `side`, `value` linked records seem deleted, and `maximum` may be. digest: names all
records that seem deleted, on both sides; the same in every row."""


def empty(schema: Mapping[str, pl.DataType], fields: Iterable[str] = ()) -> pl.DataFrame:
    """A frame of that shape without rows; `fields`: further text columns."""
    return pl.DataFrame(schema={**schema, **dict.fromkeys(fields, pl.String())})


def wide(shadows: pl.DataFrame, fields: Iterable[str]) -> pl.DataFrame:
    """`link_id`, `a:<field>` and `b:<field>` of each field (null: no shadow) from rows of SHADOWS."""
    frame = shadows.select("link_id").unique(maintain_order=True)
    for name in fields:
        own = shadows.filter(pl.col("field") == name).select("link_id", **{f"a:{name}": "a", f"b:{name}": "b"})
        frame = frame.join(own, on="link_id", how="left", maintain_order="left", validate="1:1")
    return frame


@dataclass(frozen=True)
class System:
    """One side as it was read.

    `records`: every record that is known of that system, not only those that changed: `id` and a text column per
    field; optional `created_at` and `modified_at` (instants), `in_scope` and `referenced` (Boolean, for the modes
    filtered and create_if_referenced). A record that appears twice counts as its last row. `complete`: the whole list
    was read in this cycle, so that absence is a suspicion. `indexed`: the list was read whole at least once; nothing
    is made before. `poll`: when it was read, `previous_poll`: the time before; earlier by as much as a list may be
    stale. `times`: TIMES.
    """

    records: pl.DataFrame
    complete: bool = True
    indexed: bool = True
    poll: datetime | None = None
    previous_poll: datetime | None = None
    looked_up: pl.DataFrame = field(default_factory=lambda: empty(LOOKUPS))
    times: pl.DataFrame = field(default_factory=lambda: empty(TIMES))


@dataclass(frozen=True)
class Memory:
    """What the flow remembers: LINKS; shadows (see `wide`); INTERVALS; HOLDS; open intents (WRITES and CREATIONS, which
    recovery could not settle); the ids of conflicts that are logged."""

    links: pl.DataFrame = field(default_factory=lambda: empty(LINKS))
    shadows: pl.DataFrame = field(default_factory=lambda: empty({"link_id": pl.String()}))
    intervals: pl.DataFrame = field(default_factory=lambda: empty(INTERVALS))
    holds: pl.DataFrame = field(default_factory=lambda: empty(HOLDS))
    writes: pl.DataFrame = field(default_factory=lambda: empty(WRITES))
    creations: pl.DataFrame = field(default_factory=lambda: empty(CREATIONS))
    logged: pl.Series = field(default_factory=lambda: pl.Series("conflict_id", [], pl.String))


@dataclass(frozen=True)
class Plan:
    """What one cycle has to do, in sorted frames.

    Without a call: `links` (LINKS rows that are new or changed), `shadows` (SHADOWS to set), `intervals` (replace the
    remembered ones). With calls: `writes`, `creations`, `deletions`, and `suspected` to look up. For people:
    `conflicts` (those that are held are stored at once, the others with the intent of their write), `unmatched`,
    `ambiguous`, `held`. When `stops` has rows the flow stands still, and everything else is empty.
    """

    links: pl.DataFrame = field(default_factory=lambda: empty(LINKS))
    shadows: pl.DataFrame = field(default_factory=lambda: empty(SHADOWS))
    intervals: pl.DataFrame = field(default_factory=lambda: empty(INTERVALS))
    writes: pl.DataFrame = field(default_factory=lambda: empty(WRITES))
    creations: pl.DataFrame = field(default_factory=lambda: empty(CREATIONS))
    deletions: pl.DataFrame = field(default_factory=lambda: empty(DELETIONS))
    suspected: pl.DataFrame = field(default_factory=lambda: empty(SUSPECTED))
    conflicts: pl.DataFrame = field(default_factory=lambda: empty(CONFLICTS))
    unmatched: pl.DataFrame = field(default_factory=lambda: empty(UNMATCHED))
    ambiguous: pl.DataFrame = field(default_factory=lambda: empty(AMBIGUOUS))
    held: pl.DataFrame = field(default_factory=lambda: empty(HELD))
    stops: pl.DataFrame = field(default_factory=lambda: empty(STOPS))

    @property
    def digest(self) -> str | None:
        """What a person approves to go on beyond the breaker; None where none stops the flow."""
        return None if self.stops.is_empty() else str(self.stops["digest"][0])
