"""How unlinked records find their counterpart, and which of the others are made on the other side.

Keys are tried in their order. One candidate on each side is a pair; several with the same key on either side are
ambiguous, whatever the other side has, and left to a person. What becomes of pairs that exist is `links`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tl_hubspot.two_way.compare import emptied, normal
from tl_hubspot.two_way.flows import OTHER, SIDES, Flow, Side
from tl_hubspot.two_way.frames import AMBIGUOUS, CREATIONS, LINKS, UNMATCHED, System, empty

_BETWEEN = "\x1f"


@dataclass(frozen=True)
class Found:
    """New LINKS, CREATIONS, UNMATCHED and AMBIGUOUS records."""

    links: pl.DataFrame
    creations: pl.DataFrame
    unmatched: pl.DataFrame
    ambiguous: pl.DataFrame


def find(
    systems: dict[Side, System], links: pl.DataFrame, flow: Flow, open_creations: pl.DataFrame, at: datetime
) -> Found:
    """Pairs, creations and what is left over among the records that no link names, broken ones included.

    A record out of scope is no candidate. Where it is not known what became of a creation, nothing of the side where
    it was made is matched, and nothing made of it.
    """
    free = {side: _candidates(side, systems[side], links, flow) for side in SIDES}
    unsettled = {
        side: pl.col("id").is_in(open_creations.filter(pl.col("side") == OTHER[side])["source_id"].implode())
        | pl.lit(side in open_creations["side"])
        for side in SIDES
    }
    rest = {side: free[side].filter(~unsettled[side]) for side in SIDES}
    pairs, ambiguous, key_unknown = [_no_pairs()], [empty(AMBIGUOUS)], False
    for key in flow.keys:
        keyed = {side: _keyed(rest[side], key, flow) for side in SIDES}
        key_unknown |= any(_has_unknown(rest[side], key) for side in SIDES)
        with_key = {side: keyed[side].drop_nulls("key") for side in SIDES}
        several = pl.concat(f.filter(pl.col("key").is_duplicated()).select("key") for f in with_key.values()).unique()
        ambiguous += [_ambiguous(with_key, several, side, key) for side in SIDES]
        pair = (
            with_key["a"]
            .join(several, on="key", how="anti")
            .join(with_key["b"], on="key", suffix="_b")
            .join(several, on="key", how="anti")
            .select("key", a_id="id", b_id="id_b", is_new=pl.col("is_new") | pl.col("is_new_b"))
        )
        pairs.append(pair.drop("key"))
        settled = pl.concat([several, pair.select("key")])
        rest = {side: keyed[side].join(settled, on="key", how="anti").drop("key") for side in SIDES}
    matched = pl.concat(pairs)
    # records from before the flow was connected stay unmatched, unless one of the two is new
    old = matched.filter(~pl.col("is_new"))
    rest = {
        side: pl.concat([rest[side], free[side].join(old, left_on="id", right_on=f"{side}_id", how="semi")])
        for side in SIDES
    }
    reasons = {
        side: pl.concat([rest[side], free[side].filter(unsettled[side])]).with_columns(
            reason=pl.when(unsettled[side])
            .then(pl.lit("creation_open"))
            .otherwise(_why_not(side, systems, flow, key_unknown))
        )
        for side in SIDES
    }
    told = pl.concat(reasons[side].select("id", "reason", side=pl.lit(side)) for side in SIDES)
    return Found(
        _new_links(matched.filter("is_new"), at),
        pl.concat([empty(CREATIONS, flow.names), *(_creations(reasons[side], side, flow) for side in SIDES)]),
        told.drop_nulls("reason").select(list(UNMATCHED)).sort("side", "id"),
        pl.concat(ambiguous).sort("side", "id"),
    )


def _candidates(side: Side, system: System, links: pl.DataFrame, flow: Flow) -> pl.DataFrame:
    """`id`, the fields (white space alone as ""), `is_new`, `is_referenced` of the records that a link may take."""
    linked = links.select(id=f"{side}_id")
    superseded = system.looked_up.filter(pl.col("outcome").is_in(["gone", "merged"]))
    records = system.records.join(linked, on="id", how="anti").join(superseded, on="id", how="anti")
    if "in_scope" in records.columns:
        records = records.filter(pl.col("in_scope").fill_null(True))
    known_since = "created_at" in records.columns and flow.since is not None
    is_new = (pl.col("created_at") >= flow.since).fill_null(False) if known_since else pl.lit(flow.since is None)
    referenced = pl.col("referenced").fill_null(False) if "referenced" in records.columns else pl.lit(False)
    return records.select(
        "id", *(emptied(pl.col(name)) for name in flow.names), is_new=is_new, is_referenced=referenced
    )


def _keyed(frame: pl.DataFrame, key: tuple[str, ...], flow: Flow) -> pl.DataFrame:
    """The frame with `key`: one text of all parts in their normal form; null when a part is empty or unknown."""
    parts = [f"key={part}" for part in key]
    forms = [normal(pl.col(part), flow.compare(part), flow.phone_region).alias(f"key={part}") for part in key]
    filled = [pl.when(pl.col(part) != "").then(part) for part in parts]
    return frame.with_columns(forms).with_columns(key=pl.concat_str(filled, separator=_BETWEEN)).drop(parts)


def _has_unknown(frame: pl.DataFrame, key: tuple[str, ...]) -> bool:
    return any(frame[part].null_count() for part in key)


def _no_pairs() -> pl.DataFrame:
    return pl.DataFrame(schema={"a_id": pl.String, "b_id": pl.String, "is_new": pl.Boolean})


def _ambiguous(
    with_key: dict[Side, pl.DataFrame], several: pl.DataFrame, side: Side, key: tuple[str, ...]
) -> pl.DataFrame:
    others = (
        with_key[OTHER[side]].join(several, on="key", how="semi").group_by("key").agg(candidates=pl.col("id").sort())
    )
    return (
        with_key[side]
        .join(several, on="key", how="semi")
        .join(others, on="key", how="left")
        .select(
            "id",
            side=pl.lit(side),
            key=pl.lit(" + ".join(key)),
            candidates=pl.col("candidates").fill_null(pl.lit([], pl.List(pl.String))),
        )
        .select(list(AMBIGUOUS))
    )


def _why_not(side: Side, systems: dict[Side, System], flow: Flow, key_unknown: bool) -> pl.Expr:
    """Why nothing is made of an unmatched record of `side`; null when it is."""
    target, nothing = OTHER[side], pl.lit(None, pl.String)
    for reason, applies in (
        ("no_match", target not in flow.create_in),
        ("writing_off", target not in flow.write),
        ("not_indexed", not all(system.indexed for system in systems.values())),
        ("key_unknown", key_unknown),
    ):
        if applies:
            return pl.lit(reason)
    needs_reference = flow.establish == "create_if_referenced"
    is_empty = pl.all_horizontal((pl.col(name) == "").fill_null(True) for name in flow.names)
    return (
        pl.when(~pl.col("is_new")).then(pl.lit("historic"))
        .when(pl.lit(needs_reference) & ~pl.col("is_referenced")).then(pl.lit("not_referenced"))
        .when(is_empty).then(pl.lit("nothing_to_create"))
        .otherwise(nothing)
    )  # fmt: skip


def _new_links(pairs: pl.DataFrame, at: datetime) -> pl.DataFrame:
    return (
        pairs.select(
            "a_id",
            "b_id",
            link_id=link_id("a_id", "b_id"),
            state=pl.lit("linked"),
            reason=pl.lit(None, pl.String),
            how=pl.lit("matched"),
            created_at=pl.lit(at),
        )
        .select(list(LINKS))
        .cast(LINKS)  # type: ignore[arg-type]
        .sort("link_id")
    )


def link_id(a_id: str, b_id: str) -> pl.Expr:
    """The name of a link, from the columns with the two ids at the time when it is made."""
    return pl.concat_str(pl.col(a_id), pl.lit("~"), pl.col(b_id))


def _creations(frame: pl.DataFrame, side: Side, flow: Flow) -> pl.DataFrame:
    return (
        frame.filter(pl.col("reason").is_null())
        .with_columns(side=pl.lit(OTHER[side]), source_id="id", link_id=pl.lit(None, pl.String))
        .select(*CREATIONS, *flow.names)
    )
