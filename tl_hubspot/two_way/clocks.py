"""When a value was changed, as far as is known: an interval per side and field, and which of two is later.

An exact time t is [t, t]; otherwise the interval is open below, (earliest, latest]; a null `earliest` means that
nothing is known below. How an interval comes about is said in `pending`.
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
