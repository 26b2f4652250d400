"""Entries of the conflict log: what both sides held, who won, and the value that lost, enough to put it back.

When an entry is stored is the engine's: a held one at once, the others together with the intent of the write.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import polars as pl

from tl_hubspot.two_way.frames import CONFLICTS

_KIND = {"M3": "first_link", "M8": "both_changed"}
_CONTENT = ("link_id", "field", "kind", "a_value", "b_value", "base_a", "base_b", "a_latest", "b_latest")


def found(rows: pl.DataFrame, writes: pl.DataFrame, logged: pl.Series, at: datetime) -> pl.DataFrame:
    """CONFLICTS of the judged rows that are held, or whose winner is written; without those that are logged."""
    both = rows.filter(pl.col("rule").is_in(list(_KIND)))
    going = both.filter(pl.col("effect") == "write").join(writes, on=["link_id", "field"], how="semi")
    entries = pl.concat([going, both.filter(pl.col("effect") == "hold")])
    winner = pl.col("winner")
    loser = pl.when(winner == "a").then(pl.lit("b")).when(winner == "b").then(pl.lit("a"))
    kind = pl.when(pl.col("effect") == "hold").then(pl.lit("held")).otherwise(pl.col("rule").replace(_KIND))
    entries = entries.with_columns(
        kind=kind,
        a_value="a",
        b_value="b",
        losing_side=loser,
        losing_value=pl.when(winner == "a").then("b").when(winner == "b").then("a"),
        detected_at=pl.lit(at),
    )
    return identified(entries).filter(~pl.col("conflict_id").is_in(logged.implode())).sort("link_id", "field")


def identified(entries: pl.DataFrame) -> pl.DataFrame:
    """CONFLICTS with their id: made of what is in conflict, so that planning again finds the same one."""
    ids = [
        hashlib.blake2b(repr(tuple(map(str, row))).encode(), digest_size=12).hexdigest()
        for row in entries.select(_CONTENT).iter_rows()
    ]
    return (
        entries.with_columns(conflict_id=pl.Series(ids, dtype=pl.String)).select(list(CONFLICTS)).cast(CONFLICTS)  # type: ignore[arg-type]
    )
