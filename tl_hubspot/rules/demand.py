"""What the rules need to know before they can decide: which records are worth a call.

Lives here: conditions on records that say whether more has to be read of them. The reading itself is orchestration's.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.windows import local_date, years_before


def phase_history(deals: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """Deals whose decision depends on their phase history.

    Creation and closing count as changes of status, so a deal created or closed less than two years ago is decided
    without it; a move bumps `updated_at`, so one not updated for two years has no recent move either.
    """
    limit = years_before(settings.as_of_date, 2)
    recent = [local_date(pl.col(name), settings.timezone) > limit for name in ("created_at", "closed_at")]
    updated = local_date(pl.col("updated_at"), settings.timezone) > limit
    closed_recently = recent[1].fill_null(False) & pl.col("status").is_in(["won", "lost"])
    return deals.filter(~recent[0].fill_null(False) & ~closed_recently & updated.fill_null(True))
