"""What the rules need to know before they can decide: which records are worth a call.

Lives here: conditions on records that say whether more has to be read of them. The reading itself is orchestration's.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.windows import on


def phase_history(deals: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """Deals (rows of teamleader.deals) whose decision depends on their phase history.

    Creation and closing count as changes of status, so a deal created or closed less than two years ago is decided
    without it; a move bumps `updated_at`, so one not updated for two years has no recent move either.
    """

    def recent(name: str) -> pl.Expr:
        return (on(pl.col(name), settings.timezone) > settings.two_years_ago).fill_null(False)

    closed = pl.col("status").is_in(["won", "lost"]) & recent("closed_at")
    updated = recent("updated_at") | pl.col("updated_at").is_null()
    return deals.filter(~recent("created_at") & ~closed & updated)
