"""Ranking and winners: which of several records for the same thing counts.

One order for contacts (active before deactivated, latest changed_at, earliest added_at, smallest id) and
one for companies; what happens to the losers is decided in `contacts` and `companies`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Ranking:
    """An order of records, best first: columns, and for each whether larger values come first. Nulls come last."""

    columns: tuple[str, ...]
    descending: tuple[bool, ...]

    def sort(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame, best record first. Ends in the id, so that the order never depends on the order of rows."""
        return frame.sort(*self.columns, descending=list(self.descending), nulls_last=True)


CONTACTS = Ranking(("is_deactivated", "changed_at", "added_at", "id"), (False, True, False, False))
COMPANIES = Ranking(("is_deactivated", "has_vat", "updated_at", "added_at", "id"), (False, True, True, False, False))


def winners(frame: pl.DataFrame, same: str, ranking: Ranking) -> pl.DataFrame:
    """Columns `same` and `winner`: the best id for each value of `same` that several records share; nulls left out."""
    shared = frame.filter(pl.col(same).is_not_null() & pl.col(same).is_duplicated())
    best = ranking.sort(shared).unique(subset=same, keep="first", maintain_order=True)
    return best.select(same, winner="id")
