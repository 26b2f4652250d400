"""The planner: plan(a, b, memory, flow, at) → everything that one cycle of a flow has to do.

A pure function of its inputs: the same inputs in any order give the same plan. It puts together what `links`,
`matching` and `merge` decide; what follows from the answers is `bookkeeping` and `recovery`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl

from tl_hubspot.two_way import clocks, conflicts, frames, links, matching, merge
from tl_hubspot.two_way.flows import OTHER, SIDES, Flow, Side
from tl_hubspot.two_way.frames import Memory, Plan, System
from tl_hubspot.two_way.links import base, now

_AGREEING = ("M1", "M5")
"""Rules that only set the shadow: by far the most rows of a first link."""
_CLOCKED = ("M0", "M3", "M6", "M7", "M8")
"""Rules after which the age of a value matters, now or when the field is planned again."""


def plan(a: System, b: System, memory: Memory, flow: Flow, at: datetime) -> Plan:
    """The plan of one cycle; see `frames` for the shapes. `at`: the instant of the cycle."""
    if not flow.enabled:
        return Plan(intervals=memory.intervals)
    systems: dict[Side, System] = {"a": _tidied(a), "b": _tidied(b)}
    known, changed = memory.links, [frames.empty(frames.LINKS)]
    for side in SIDES:
        moved = links.follow_merges(known, side, systems[side].looked_up)
        changed.append(moved)
        known = _updated(known, moved)
    joined = links.attached(known, systems, memory.shadows, flow)
    stops = links.breakers(joined, systems, flow)
    if not stops.is_empty():
        return Plan(intervals=memory.intervals, stops=stops)
    ended = links.endings(joined, flow, memory.creations)
    found = matching.find(systems, known, flow, memory.creations, at)
    changed += [ended.links, links.rescoped(joined), found.links]
    news = pl.concat(changed).unique("link_id", keep="last", maintain_order=True)
    fresh = links.attached(found.links, systems, memory.shadows.clear(), flow)
    both_present = (pl.col("a_is") == "present") & (pl.col("b_is") == "present")
    active = pl.concat([_restated(joined, news), fresh]).filter(both_present & (pl.col("state") == "linked"))
    agreed, rows = _field_rows(active, memory, flow)
    intervals = _intervals(rows, systems, memory.intervals)
    rows = _decided(_with_clocks(rows, intervals), flow)
    writes, held = _writes(rows, memory.holds, flow, at)
    return Plan(
        links=news.sort("link_id"),
        shadows=_shadows(agreed, rows.filter(pl.col("effect") == "remember")),
        intervals=intervals,
        writes=writes,
        creations=pl.concat([ended.creations, found.creations], how="diagonal").sort("side", "source_id"),
        deletions=ended.deletions.sort("side", "id"),
        suspected=ended.suspected.sort("side", "id"),
        conflicts=conflicts.found(rows, writes, memory.logged, at),
        unmatched=found.unmatched,
        ambiguous=found.ambiguous,
        held=held,
    )


def _tidied(system: System) -> System:
    """The system with everything once; what was read or found later counts."""
    return replace(
        system,
        records=links.latest(system.records),
        looked_up=links.latest(system.looked_up),
        times=system.times.unique(["id", "field"], keep="last", maintain_order=True),
    )


def _updated(known: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    return known if changed.is_empty() else pl.concat([known.join(changed, on="link_id", how="anti"), changed])


def _restated(joined: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    """The attached links, with the state that this plan gives them."""
    state = changed.select("link_id", new_state="state")
    return (
        joined.join(state, on="link_id", how="left")
        .with_columns(state=pl.coalesce("new_state", "state"))
        .drop("new_state")
    )


def _field_rows(active: pl.DataFrame, memory: Memory, flow: Flow) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """SHADOWS of each field that only agrees, and one row per link and field where anything is to be judged: merge.ROWS
    without clocks, and the rule.

    A field whose write or creation is not settled, and one that a side does not give for any record, are left out.
    """
    agreeing, parts = {}, [_no_rows()]
    unsettled = memory.writes.select("link_id", "field")
    for field in flow.fields:
        values = {"a": now("a", field.name), "b": now("b", field.name)}
        shadow = {"base_a": base("a", field.name), "base_b": base("b", field.name)}
        if any(active[column].null_count() == active.height for column in values.values()):
            continue
        agreed = (pl.col(values["a"]) == pl.col(shadow["base_a"])) & (pl.col(values["b"]) == pl.col(shadow["base_b"]))
        own = (
            active.filter(~agreed.fill_null(False))
            .select("link_id", "a_id", "b_id", "a_modified", "b_modified", **values, **shadow)
            .join(unsettled.filter(pl.col("field") == field.name), on="link_id", how="anti")
            .with_columns(field=pl.lit(field.name))
        )
        ruled = merge.ruled(own, field, flow)
        agreeing[field.name] = ruled.filter(pl.col("rule").is_in(_AGREEING)).select(list(frames.SHADOWS))
        parts.append(ruled.filter(~pl.col("rule").is_in([*_AGREEING, "M4"])))
    return agreeing, pl.concat(parts, how="diagonal")


def _no_rows() -> pl.DataFrame:
    texts = ("link_id", "a_id", "b_id", "a", "b", "base_a", "base_b", "field", "rule")
    return pl.DataFrame(
        schema={**dict.fromkeys(texts, pl.String), "a_modified": clocks.INSTANT, "b_modified": clocks.INSTANT}
    )


def _intervals(rows: pl.DataFrame, systems: dict[Side, System], previous: pl.DataFrame) -> pl.DataFrame:
    clocked = rows.filter(pl.col("rule").is_in(_CLOCKED))
    seen = [
        clocked.filter(pl.col(side).ne_missing(pl.col(f"base_{side}"))).select(
            "field",
            side=pl.lit(side),
            id=f"{side}_id",
            value=side,
            is_first=pl.col(f"base_{side}").is_null(),
            previous_poll=pl.lit(systems[side].previous_poll, clocks.INSTANT),
            poll=pl.lit(systems[side].poll, clocks.INSTANT),
            modified_at=f"{side}_modified",
        )
        for side in SIDES
    ]
    times = [systems[side].times.with_columns(side=pl.lit(side)) for side in SIDES]
    return clocks.pending(pl.concat(seen), previous, pl.concat(times))


def _with_clocks(rows: pl.DataFrame, intervals: pl.DataFrame) -> pl.DataFrame:
    for side in SIDES:
        own = intervals.filter(pl.col("side") == side).select(
            "field",
            pl.col("id").alias(f"{side}_id"),
            pl.col("earliest").alias(f"{side}_earliest"),
            pl.col("latest").alias(f"{side}_latest"),
            pl.col("by_teamleader").alias(f"{side}_by_teamleader"),
        )
        rows = rows.join(own, on=["field", f"{side}_id"], how="left")
    return rows


def _decided(rows: pl.DataFrame, flow: Flow) -> pl.DataFrame:
    parts = [merge.decided(rows.filter(pl.col("field") == field.name), field, flow) for field in flow.fields]
    nothing = rows.clear().with_columns(winner=pl.lit(None, pl.String), effect=pl.lit(None, pl.String))
    return pl.concat([nothing, *parts])


def _shadows(agreed: dict[str, pl.DataFrame], remembered: pl.DataFrame) -> pl.DataFrame:
    """SHADOWS by field and link: a sort by one key takes half the time of one by two."""
    rows = remembered.select(list(frames.SHADOWS))
    parts = [pl.concat([own, rows.filter(pl.col("field") == name)]).sort("link_id") for name, own in agreed.items()]
    return pl.concat([frames.empty(frames.SHADOWS), *parts])


def _writes(rows: pl.DataFrame, holds: pl.DataFrame, flow: Flow, at: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """WRITES that may go, and HELD: fields in conflict, on a side that may not be written, or refused lately."""
    parts = [frames.empty(frames.WRITES)]
    for side in SIDES:
        source = OTHER[side]
        own = rows.filter((pl.col("effect") == "write") & (pl.col("winner") == source))
        parts.append(
            own.select(
                "link_id",
                "field",
                "rule",
                side=pl.lit(side),
                id=f"{side}_id",
                source_id=f"{source}_id",
                value=source,
                pre_image=side,
            ).select(list(frames.WRITES))
        )
    refused = holds.filter(pl.col("until") > at).select("link_id", "side", "field", "value", "reason")
    wanted = pl.concat(parts).join(refused, on=["link_id", "side", "field", "value"], how="left")
    wanted = wanted.with_columns(
        reason=pl.when(~pl.col("side").is_in(flow.write)).then(pl.lit("writing_off")).otherwise("reason")
    )
    conflict = rows.filter(pl.col("effect") == "hold").select("link_id", "field", reason=pl.lit("conflict"))
    held = pl.concat([wanted.drop_nulls("reason").select("link_id", "field", "reason"), conflict])
    go = wanted.filter(pl.col("reason").is_null()).select(list(frames.WRITES))
    return go.sort("side", "link_id", "field"), held.sort("link_id", "field")
