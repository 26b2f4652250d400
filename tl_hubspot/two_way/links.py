"""What becomes of links: merged records are followed, deletions end a link, leaving the scope holds it; and the
breakers that stop a flow when too much seems to be gone.

How unlinked records find each other is `matching`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import floor

import polars as pl

from tl_hubspot.two_way.flows import OTHER, SIDES, Flow, Side
from tl_hubspot.two_way.frames import CREATIONS, DELETIONS, LINKS, STOPS, SUSPECTED, System, empty

LIVE = ("linked", "held")
OUT_OF_SCOPE = "out_of_scope"


def now(side: Side, name: str) -> str:
    """The column of `attached` that holds a field's present value."""
    return f"{side}={name}"


def base(side: Side, name: str) -> str:
    """The column of `attached` that holds a field's shadow."""
    return f"{side}:{name}"


def live(links: pl.DataFrame) -> pl.DataFrame:
    """The links that are not broken."""
    return links.filter(pl.col("state").is_in(LIVE))


def follow_merges(links: pl.DataFrame, side: Side, looked_up: pl.DataFrame) -> pl.DataFrame:
    """The links (LINKS) that change because records of `side` were merged there.

    A link goes over to the surviving record. Of several links that would meet there the one that was the survivor's
    already stays, else the oldest; the others are broken as `merged`, and so is a link whose survivor is a tombstone.
    """
    merged = looked_up.filter(pl.col("outcome") == "merged").select(pl.col("id").alias(f"{side}_id"), "survivor")
    own = live(links).join(merged, on=f"{side}_id", how="left")
    if own["survivor"].null_count() == own.height:
        return empty(LINKS)
    graves = links.filter(~pl.col("state").is_in(LIVE))[f"{side}_id"]
    contenders = (
        own.with_columns(target=pl.coalesce("survivor", f"{side}_id"), moves=pl.col("survivor").is_not_null())
        .filter(pl.col("target").is_in(merged["survivor"].implode()))
        .sort("target", "moves", "created_at", "link_id")
        .with_columns(stays=pl.col("target").is_first_distinct() & ~pl.col("target").is_in(graves.implode()))
    )
    stays = pl.col("stays")
    return contenders.filter(~stays | pl.col("moves")).select(
        pl.when(stays).then("target").otherwise(name).alias(name)
        if name == f"{side}_id"
        else pl.when(stays).then(name).otherwise(pl.lit(value)).alias(name)
        if (value := {"state": "broken", "reason": "merged"}.get(name))
        else pl.col(name)
        for name in LINKS
    )


def attached(links: pl.DataFrame, systems: dict[Side, System], shadows: pl.DataFrame, flow: Flow) -> pl.DataFrame:
    """The live links with what both systems hold and the shadows, see `now` and `base`; besides, per side:

    `<side>_is` (present; gone, by look-up; suspected: a complete list left it out; unread: not known),
    `<side>_modified` and `<side>_in_scope`.
    """
    frame = live(links)
    for side, system in systems.items():
        frame = frame.join(_records(side, system, flow), on=f"{side}_id", how="left")
        looked_up = system.looked_up.select(pl.col("id").alias(f"{side}_id"), "outcome")
        frame = frame.join(looked_up, on=f"{side}_id", how="left")
        found = pl.col("found").fill_null(False)
        is_there = (
            pl.when(pl.col("outcome") == "gone").then(pl.lit("gone"))
            .when(found).then(pl.lit("present"))
            .when(pl.lit(system.complete) & pl.col("outcome").is_null()).then(pl.lit("suspected"))
            .otherwise(pl.lit("unread"))
        )  # fmt: skip
        frame = frame.with_columns(is_there.alias(f"{side}_is")).drop("found", "outcome")
    kept = [base(side, name) for name in flow.names for side in SIDES]
    missing = [pl.lit(None, pl.String).alias(name) for name in kept if name not in shadows.columns]
    shadows = shadows.with_columns(missing).select("link_id", *kept)
    return frame.join(shadows, on="link_id", how="left") if kept else frame


def _records(side: Side, system: System, flow: Flow) -> pl.DataFrame:
    records = system.records

    def optional(name: str, dtype: pl.DataType, default: object = None) -> pl.Expr:
        return pl.col(name).fill_null(pl.lit(default, dtype)) if name in records.columns else pl.lit(default, dtype)

    return records.select(
        pl.col("id").alias(f"{side}_id"),
        *(pl.col(name).alias(now(side, name)) for name in flow.names),
        optional("modified_at", pl.Datetime("us", "UTC")).alias(f"{side}_modified"),
        optional("in_scope", pl.Boolean(), True).alias(f"{side}_in_scope"),
        found=pl.lit(True),
    )


def latest(records: pl.DataFrame) -> pl.DataFrame:
    """The records, each once: a record that a list repeated counts as it was read last."""
    if records["id"].n_unique() == records.height:
        return records
    return records.unique("id", keep="last", maintain_order=True)


def breakers(frame: pl.DataFrame, systems: dict[Side, System], flow: Flow) -> pl.DataFrame:
    """STOPS: a side is suddenly empty, or more of it seems deleted than the flow allows; `frame`: `attached`.

    A `max_delete_ratio` of 1 lifts both.
    """
    rows: list[dict[str, object]] = []
    allowed = max(flow.max_delete_minimum, floor(flow.max_delete_ratio * frame.height))
    lost = {side: frame.filter(pl.col(f"{side}_is").is_in(["gone", "suspected"]))[f"{side}_id"] for side in SIDES}
    for side, system in systems.items():
        value = len(lost[side])
        if system.complete and system.records.is_empty() and frame.height and flow.max_delete_ratio < 1:
            rows.append({"name": "empty", "side": side, "value": value, "maximum": 0})
        elif value > allowed:
            rows.append({"name": "deletions", "side": side, "value": value, "maximum": allowed})
    if not rows:
        return empty(STOPS)
    named = [flow.name, *(f"{side} {i}" for side in SIDES for i in lost[side].sort())]
    digest = hashlib.sha256("\n".join(named).encode()).hexdigest()
    return pl.DataFrame([row | {"digest": digest} for row in rows], schema=STOPS)


@dataclass(frozen=True)
class Endings:
    """Links (LINKS) that end; DELETIONS and restoring CREATIONS that were asked for; SUSPECTED records."""

    links: pl.DataFrame
    deletions: pl.DataFrame
    creations: pl.DataFrame
    suspected: pl.DataFrame


def endings(frame: pl.DataFrame, flow: Flow, open_creations: pl.DataFrame) -> Endings:
    """What the flow's policy makes of deleted records; `frame`: `attached`.

    unlink: the link is broken, both ids are tombstones. archive_other: the other record goes too, unless a field of it
    was edited since the last agreement: then it is kept, and the link is broken. restore: the deleted record is made
    again from the other one. A side that may not be written has unlink. A link whose other record could not be read
    waits.
    """
    suspected = pl.concat(
        [
            frame.filter(pl.col(f"{side}_is") == "suspected").select(side=pl.lit(side), id=f"{side}_id")
            for side in SIDES
        ],
    ).cast(SUSPECTED)  # type: ignore[arg-type]
    ended = frame.filter((pl.col("a_is") == "gone") | (pl.col("b_is") == "gone"))
    both = (pl.col("a_is") == "gone") & (pl.col("b_is") == "gone")
    broken = [_broken(ended.filter(both), pl.lit("deleted_both"))]
    deletions, creations = [empty(DELETIONS)], [empty(CREATIONS, flow.names)]
    for side in SIDES:
        other = OTHER[side]
        own = ended.filter(~both & (pl.col(f"{side}_is") == "gone"))
        target = side if flow.deletion == "restore" else other
        if flow.deletion == "unlink" or target not in flow.write:
            broken.append(_broken(own, pl.lit(f"deleted_{side}")))
            continue
        own = own.filter(pl.col(f"{other}_is") == "present")
        if flow.deletion == "archive_other":
            edited = pl.any_horizontal(
                pl.lit(False),
                *(
                    pl.col(now(other, name)).is_not_null()
                    & pl.col(now(other, name)).ne_missing(pl.col(base(other, name)))
                    for name in flow.names
                ),
            )
            broken.append(_broken(own.filter(edited), pl.lit(f"deleted_{side}_edited_{other}")))
            deletions.append(own.filter(~edited).select("link_id", side=pl.lit(other), id=f"{other}_id"))
        else:
            own = own.join(open_creations.select("link_id"), on="link_id", how="anti")
            values = {name: pl.col(now(other, name)) for name in flow.names}
            creations.append(own.select("link_id", side=pl.lit(side), source_id=f"{other}_id", **values))
    return Endings(
        pl.concat(broken), pl.concat(deletions, how="diagonal"), pl.concat(creations, how="diagonal"), suspected
    )


def _broken(frame: pl.DataFrame, reason: pl.Expr) -> pl.DataFrame:
    return frame.with_columns(state=pl.lit("broken"), reason=reason).select(list(LINKS))


def rescoped(frame: pl.DataFrame) -> pl.DataFrame:
    """Links (LINKS) that leave the scope of the flow, or come back into it; `frame`: `attached`."""
    inside = pl.col("a_in_scope").fill_null(True) & pl.col("b_in_scope").fill_null(True)
    is_held = (pl.col("state") == "held") & (pl.col("reason") == OUT_OF_SCOPE).fill_null(False)
    both_read = (pl.col("a_is") == "present") & (pl.col("b_is") == "present")
    moved = frame.filter(both_read & (((pl.col("state") == "linked") & ~inside) | (is_held & inside)))
    return moved.with_columns(
        state=pl.when(is_held).then(pl.lit("linked")).otherwise(pl.lit("held")),
        reason=pl.when(~is_held).then(pl.lit(OUT_OF_SCOPE)),
    ).select(list(LINKS))
