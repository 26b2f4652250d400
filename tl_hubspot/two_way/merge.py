"""The three-way merge of one field: rules M0 to M8, the policies, and who wins.

One row is one field of one link; rows do not know each other. Which rows there are, and what becomes of an effect, is
`plan`; when two values are the same is `compare`, whose change is later `clocks`.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.two_way.clocks import INSTANT, later
from tl_hubspot.two_way.compare import emptied, normal
from tl_hubspot.two_way.flows import Field, Flow

ROWS: dict[str, pl.DataType] = {
    "a": pl.String(),
    "b": pl.String(),
    "base_a": pl.String(),
    "base_b": pl.String(),
    "a_earliest": INSTANT,
    "a_latest": INSTANT,
    "b_earliest": INSTANT,
    "b_latest": INSTANT,
    "a_by_teamleader": pl.Boolean(),
}
"""What `merge` reads: the present values (null unknown, "" empty), the shadow (what each side held at the last
agreement; both null: there was none), the intervals of the present values, and whether Teamleader's flow wrote a's."""


def merge(rows: pl.DataFrame, field: Field, flow: Flow) -> pl.DataFrame:
    """The rows (ROWS and any others) with `rule`, `effect`, `winner`; white space alone becomes "" in a and b."""
    return decided(ruled(rows, field, flow), field, flow)


def ruled(rows: pl.DataFrame, field: Field, flow: Flow) -> pl.DataFrame:
    """The rows with `rule`, M0 … M8; needs no clocks."""
    a, b = pl.col("a"), pl.col("b")
    same_a, same_b = a == pl.col("base_a"), b == pl.col("base_b")
    # normal forms cost most of the time, and most values are the same as they stand
    forms = [normal(pl.when(a != b).then(side), field.compare, flow.phone_region) for side in (a, b)]
    alike = pl.col("alike")
    linked_first = pl.col("base_a").is_null() | pl.col("base_b").is_null()
    rule = (
        pl.when(a.is_null() | b.is_null()).then(pl.lit("M0"))
        .when(linked_first & alike).then(pl.lit("M1"))
        .when(linked_first & ((a == "") | (b == ""))).then(pl.lit("M2"))
        .when(linked_first).then(pl.lit("M3"))
        .when(same_a & same_b).then(pl.lit("M4"))
        .when(alike).then(pl.lit("M5"))
        .when(same_b).then(pl.lit("M6"))
        .when(same_a).then(pl.lit("M7"))
        .otherwise(pl.lit("M8"))
    )  # fmt: skip
    return (
        rows.with_columns(emptied(a), emptied(b))
        .with_columns(alike=(a == b) | (forms[0] == forms[1]).fill_null(False))
        .with_columns(rule=rule)
        .drop("alike")
    )


def decided(rows: pl.DataFrame, field: Field, flow: Flow) -> pl.DataFrame:
    """The rows of `ruled` with `effect` and `winner`.

    `effect`: none; remember (the shadow becomes a, b; nothing is written); write (the value of the `winner`, a or b,
    goes to the other side); hold (a conflict that a person decides). `winner` is null unless write. An emptied value
    that is not to be propagated is remembered instead, and both sides stay as they are.
    """
    a, b, rule, wins = pl.col("a"), pl.col("b"), pl.col("rule"), pl.col("winner")
    winner = (
        pl.when(rule == "M2").then(pl.when(a == "").then(pl.lit("b")).otherwise(pl.lit("a")))
        .when(rule == "M6").then(pl.lit("a"))
        .when(rule == "M7").then(pl.lit("b"))
        .when(rule == "M3").then(_by_policy(field, flow))
        .when(rule == "M8").then(_owned(field, _by_policy(field, flow)))
    )  # fmt: skip
    kept_clear = pl.lit(not flow.propagate_clear) & (pl.when(wins == "a").then(a).otherwise(b) == "")
    effect = (
        pl.when(rule.is_in(["M0", "M4"])).then(pl.lit("none"))
        .when(rule.is_in(["M1", "M5"])).then(pl.lit("remember"))
        .when(wins.is_null()).then(pl.lit("hold"))
        .when(kept_clear).then(pl.lit("remember"))
        .otherwise(pl.lit("write"))
    )  # fmt: skip
    return (
        rows.with_columns(winner=winner)
        .with_columns(effect=effect)
        .with_columns(pl.when(pl.col("effect") == "write").then("winner").alias("winner"))
    )


def _by_policy(field: Field, flow: Flow) -> pl.Expr:
    if field.policy == "hold":
        return pl.lit(None, pl.String)
    if field.policy != "newest":
        return pl.lit(field.policy.removeprefix("prefer_"))
    return (
        pl.when(later("a", "b", flow.max_skew)).then(pl.lit("a"))
        .when(later("b", "a", flow.max_skew)).then(pl.lit("b"))
        .otherwise(pl.lit(flow.tie_side))
    )  # fmt: skip


def _owned(field: Field, by_policy: pl.Expr) -> pl.Expr:
    """A change by Teamleader wins; a person who asked for `hold` decides that too."""
    if field.owner != "teamleader" or field.policy == "hold":
        return by_policy
    return pl.when(pl.col("a_by_teamleader").fill_null(False)).then(pl.lit("a")).otherwise(by_policy)
