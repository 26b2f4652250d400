"""What is concluded from reading back after a call whose outcome is not known, and edits that a write ran over.

Reads nothing itself: the intents (the rows that were stored before the call) and what the systems hold now come in as
frames, shadows and links go out. Answers that did come are `bookkeeping`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tl_hubspot.two_way import conflicts
from tl_hubspot.two_way.bookkeeping import Settled, created, same, shadow_rows
from tl_hubspot.two_way.clocks import INSTANT
from tl_hubspot.two_way.compare import normal
from tl_hubspot.two_way.flows import OTHER, Flow
from tl_hubspot.two_way.frames import AMBIGUOUS, CONFLICTS, SHADOWS, WRITES, empty

FOUND: dict[str, pl.DataType] = {
    "side": pl.String(),
    "id": pl.String(),
    "field": pl.String(),
    "value": pl.String(),
    "touched": pl.Boolean(),
}
"""What a field holds now (null: could not be read). touched: whether the system shows that the field (HubSpot: its
history) or its record (Crmoffice: modifiedAt) was written after the intent; null where it cannot tell."""

HISTORY: dict[str, pl.DataType] = {
    "side": pl.String(),
    "id": pl.String(),
    "field": pl.String(),
    "value": pl.String(),
    "at": INSTANT,
    "ours": pl.Boolean(),
}
"""Entries of a property's history: who wrote what when; `ours`: this flow did."""

_FIELD_OF_SIDE = ["side", "id", "field"]


def recovered(intents: pl.DataFrame, found: pl.DataFrame, shadows: pl.DataFrame, flow: Flow) -> Settled:
    """What open intents of updates (WRITES) have come to; found: FOUND of both records; shadows: SHADOWS.

    The target holds its old value, and nothing says that it was touched: not applied, the field is planned
    anew. It holds what was sent: applied, the shadow is set. Anything else: both sides count as changed since the
    write, so that the policy decides and the loser is logged. A target that could not be read leaves the intent open.
    """
    source = found.select(side=pl.col("side").replace(OTHER), source_id="id", field="field", source="value")
    rows = (
        intents.join(found.rename({"value": "target"}), on=_FIELD_OF_SIDE, how="left")
        .join(source, on=["side", "source_id", "field"], how="left")
        .join(shadows, on=["link_id", "field"], how="left")
    )
    is_a, target = pl.col("side") == "a", pl.col("target")
    unchanged = (target == pl.col("pre_image")) & ~pl.col("touched").fill_null(False)
    rows = rows.with_columns(
        conclusion=pl.when(target.is_null())
        .then(pl.lit("unknown"))
        .when(same("target", "value", flow))
        .then(pl.lit("applied"))
        .when(unchanged)
        .then(pl.lit("not_applied"))
        .otherwise(pl.lit("contested")),
        agreed=pl.coalesce(pl.when(is_a).then("b").otherwise("a"), "pre_image"),
    )
    applied = rows.filter(pl.col("conclusion") == "applied")
    contested = rows.filter(pl.col("conclusion") == "contested")
    # neither side may look unchanged, not even one that went back to what it held before
    was = pl.when(pl.col("source").eq_missing(pl.col("agreed"))).then("value").otherwise("agreed")
    is_open = pl.col("conclusion") == "unknown"
    return Settled(
        pl.concat([shadow_rows(applied, pl.col("value"), target), shadow_rows(contested, was, pl.col("value"))]),
        rows.filter(~is_open).select(list(WRITES)),
        rows.filter(is_open).select(list(WRITES)),
    )


@dataclass(frozen=True)
class RecoveredCreations:
    """LINKS and SHADOWS of records that were made after all; CREATIONS that were not (their intents are done with, they
    are planned anew); AMBIGUOUS ones, whose intents stay open until a person decides."""

    links: pl.DataFrame
    shadows: pl.DataFrame
    linked: pl.DataFrame
    not_made: pl.DataFrame
    ambiguous: pl.DataFrame


def recovered_creations(
    intents: pl.DataFrame, candidates: pl.DataFrame, links: pl.DataFrame, flow: Flow, at: datetime
) -> RecoveredCreations:
    """What open intents of creations (CREATIONS with their fields) have come to.

    candidates: `side`, `id` and the fields of the records that no link names and that were made after the intent. They
    are searched by the first key that the intent holds in full, else by everything that was sent. A field that was
    edited since counts as a change of the new record.
    """
    intents = intents.with_row_index("intent")
    candidates = candidates.with_row_index("candidate")
    keys = [*flow.keys, tuple(flow.names)]
    hits, rest = [pl.DataFrame(schema={"intent": pl.UInt32, "candidate": pl.UInt32})], intents
    for position, key in enumerate(keys):
        by_all = position == len(keys) - 1
        own = rest.with_columns(_key=_search_key(key, flow, partial=by_all)).drop_nulls("_key")
        there = candidates.with_columns(_key=_search_key(key, flow, partial=by_all))
        hits.append(own.join(there, on=["side", "_key"], how="inner").select("intent", "candidate"))
        rest = rest.join(own, on="intent", how="anti")
    found = pl.concat(hits)
    once = pl.col("intent").is_unique() & pl.col("candidate").is_unique()
    pairs = found.filter(once)
    several = found.filter(~once).group_by("intent").agg("candidate")
    made = (
        pairs.join(intents.select("intent", "side", "source_id"), on="intent")
        .join(candidates.drop("side"), on="candidate")
        .select("side", "source_id", "id", *flow.names)
    )
    chosen = intents.join(pairs, on="intent", how="semi").drop("intent")
    new_links, shadows = created(chosen, made, links, flow, at)
    # edited since: the shadow is what was sent on both sides, so that the edit is a change
    sent = pl.when(pl.col("a_sent")).then("a").otherwise("b")
    made_in_a = made.filter(pl.col("side") == "a")["id"].implode()
    made_side = new_links.select("link_id", a_sent=~pl.col("a_id").is_in(made_in_a))
    shadows = shadows.join(made_side, on="link_id", how="left")
    shadows = shadows.with_columns(
        pl.when(same("a", "b", flow)).then(side).otherwise(sent).alias(side) for side in ("a", "b")
    ).select(list(SHADOWS))
    ids = candidates.select("candidate", "id")
    unclear = (
        several.explode("candidate").join(ids, on="candidate").group_by("intent").agg(candidates=pl.col("id").sort())
    )
    ambiguous = unclear.join(intents, on="intent").select(
        side=pl.col("side").replace(OTHER), id="source_id", key=pl.lit("creation"), candidates="candidates"
    )
    not_made = intents.join(found, on="intent", how="anti").drop("intent")
    return RecoveredCreations(new_links, shadows, chosen, not_made, pl.concat([empty(AMBIGUOUS), ambiguous]).sort("id"))


def _search_key(key: tuple[str, ...], flow: Flow, *, partial: bool) -> pl.Expr:
    """The parts in normal form as one text; null when a part is missing. `partial`: empty parts count, as empty."""
    parts = [normal(pl.col(part), flow.compare(part), flow.phone_region) for part in key]
    if partial:
        return pl.concat_str([part.fill_null("") for part in parts], separator="\x1f")
    return pl.concat_str([pl.when(part != "").then(part) for part in parts], separator="\x1f")


def lost_edits(
    writes: pl.DataFrame, history: pl.DataFrame, links: pl.DataFrame, flow: Flow, at: datetime
) -> pl.DataFrame:
    """CONFLICTS of edits that landed between the re-reading and the write, and were overwritten by it.

    writes: WRITES with `read_at`, when the target was read again before the write; history: HISTORY since then.
    """
    ours = history.filter("ours").group_by(_FIELD_OF_SIDE).agg(written_at=pl.col("at").max())
    foreign = history.filter(~pl.col("ours")).rename({"value": "edited", "at": "edited_at"})
    rows = writes.join(ours, on=_FIELD_OF_SIDE).join(foreign, on=_FIELD_OF_SIDE)
    rows = rows.filter(
        (pl.col("edited_at") > pl.col("read_at"))
        & (pl.col("edited_at") <= pl.col("written_at"))
        & ~same("edited", "value", flow)
    ).join(links.select("link_id", "a_id", "b_id"), on="link_id")
    is_a = pl.col("side") == "a"
    entries = rows.with_columns(
        kind=pl.lit("lost_edit"),
        winner=pl.col("side").replace(OTHER),
        a_value=pl.when(is_a).then("edited").otherwise("value"),
        b_value=pl.when(is_a).then("value").otherwise("edited"),
        losing_side=pl.col("side"),
        losing_value=pl.col("edited"),
        base_a=pl.when(is_a).then("pre_image"),
        base_b=pl.when(~is_a).then("pre_image"),
        a_earliest=pl.when(is_a).then("edited_at"),
        a_latest=pl.when(is_a).then("edited_at"),
        b_earliest=pl.when(~is_a).then("edited_at"),
        b_latest=pl.when(~is_a).then("edited_at"),
        detected_at=pl.lit(at),
    )
    return conflicts.identified(entries).sort("link_id", "field", "losing_value") if rows.height else empty(CONFLICTS)
