"""When a value was changed, as far as is known: an interval per side and field, and which of two is later.

An exact time t is [t, t]; otherwise the interval is open below, (earliest, latest]; a null `earliest` means that
nothing is known below. Who decides by them is `merge`.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

INSTANT = pl.Datetime("us", "UTC")

INTERVALS: dict[str, pl.DataType] = {
    "side": pl.String(),
    "id": pl.String(),
    "field": pl.String(),
    "value": pl.String(),
    "earliest": INSTANT,
    "latest": INSTANT,
    "by_teamleader": pl.Boolean(),
}
"""Values that are not what the shadow says, with the interval in which they came about. A row with a null value says
that the field could not be read since `earliest`. Kept from cycle to cycle: `Plan.intervals` replaces them."""

TIMES: dict[str, pl.DataType] = {
    "id": pl.String(),
    "field": pl.String(),
    "at": INSTANT,
    "by_teamleader": pl.Boolean(),
}
"""Exact knowledge of one side: when the present value was written (null: not known), and whether Teamleader's flow
wrote it (null: no). Only fields that differ from their shadow need a row; HubSpot's property history and the values
that the flow from Teamleader remembers as written give it."""


def later(one: str, other: str, skew: timedelta) -> pl.Expr:
    """Whether interval `one` (columns `<one>_earliest`, `<one>_latest`) lies wholly after `other`, clocks being up to
    `skew` apart; false where a bound is not known."""
    earliest, bound = pl.col(f"{one}_earliest"), pl.col(f"{other}_latest") + skew
    is_open = earliest < pl.col(f"{one}_latest")
    return ((earliest > bound) | ((earliest == bound) & is_open)).fill_null(False)


def pending(seen: pl.DataFrame, previous: pl.DataFrame, times: pl.DataFrame) -> pl.DataFrame:
    """INTERVALS of the values that are `seen`, sorted.

    seen: `side`, `id`, `field`, `value` (null: could not be read), `is_first` (there is no shadow), `previous_poll`,
    `poll` (when that side was read last and now; null: not known) and `modified_at` (of the record; null: not known).
    previous: INTERVALS of the cycle before. times: TIMES with `side`.

    A value that stands since an earlier cycle keeps its interval. A new one came about between the last reading that
    showed another value and now, or the time at which the record was last modified. A value that is seen for the first
    time may be of any age.
    """
    key = ["side", "id", "field"]
    rows = (
        seen.unique(key, keep="first", maintain_order=True)
        .join(previous.with_columns(was=pl.lit(True)), on=key, how="left", suffix="_was")
        .join(times.rename({"by_teamleader": "by_teamleader_now"}), on=key, how="left")
    )
    unread, was = pl.col("value").is_null(), pl.col("was").fill_null(False)
    kept = was & (unread | (pl.col("value") == pl.col("value_was")).fill_null(False))
    since = (
        pl.when(was & pl.col("value_was").is_null()).then("earliest")
        .when(~pl.col("is_first")).then("previous_poll")
    )  # fmt: skip
    until = pl.min_horizontal("poll", "modified_at")
    is_exact = pl.col("at").is_not_null() & ~unread
    latest = pl.when(is_exact).then("at").when(kept).then("latest").when(~unread).then(until)
    earliest = pl.when(is_exact).then("at").when(kept).then("earliest").otherwise(since)
    by_teamleader = pl.coalesce(
        pl.when(~unread).then("by_teamleader_now"), pl.when(kept).then("by_teamleader"), pl.lit(False)
    )
    return (
        rows.select(
            *key,
            value=pl.when(kept).then("value_was").otherwise("value"),
            # a record that was modified before the last reading, which did not show it: the reading was stale
            earliest=pl.when(is_exact | kept | unread | (since < until).fill_null(True)).then(earliest),
            latest=latest,
            by_teamleader=by_teamleader,
        )
        .cast(INTERVALS)  # type: ignore[arg-type]
        .sort(key)
    )
