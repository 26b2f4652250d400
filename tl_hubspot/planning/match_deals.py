"""Which HubSpot deal each eligible Teamleader deal is: by link and teamleader_id only, never by title (behaviour §5).

Links are made good in `match_links`.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.planning.match_frames import MATCHES, Matching, first_match, no_notices, of_entity
from tl_hubspot.planning.match_links import match_linked, resolve

LOOKED_AT = {
    "eligible.deals": ("teamleader_id",),
    "decisions.deals": ("teamleader_id", "status", "reason"),
}
"""Columns of tables with a row per deal that matching looks at."""


def match(
    eligible: pl.DataFrame,
    decisions: pl.DataFrame,
    mirror: pl.DataFrame,
    links: pl.DataFrame,
    pushed: pl.Series,
    releases: pl.DataFrame,
) -> Matching:
    """Match deals: one row (MATCHES) per row of eligible.deals, in the order of teamleader_id.

    decisions: decisions.deals; mirror: hubspot.deals, archived ones too; links: sync.links; pushed: ids of deals that
    have a shadow; releases: sync.releases. A deal whose decision is held (`unmapped_stage`) and that HubSpot does not
    have yet stays held for that reason; one that HubSpot has is an update, so that its other fields still go.
    """
    resolved = resolve("deal", decisions["teamleader_id"], links, mirror)
    family = eligible.select("teamleader_id", member="teamleader_id", position=pl.lit(0, pl.Int32))
    linked = match_linked(family, resolved, of_entity(releases, "deal")["teamleader_id"])
    held = decisions.filter(pl.col("status") == "held").select("teamleader_id", held_for="reason")
    matches = (
        eligible.select("teamleader_id")
        .join(linked, on="teamleader_id", how="left")
        .join(held, on="teamleader_id", how="left")
        .with_columns(
            reason=pl.when(pl.col("outcome").is_null()).then("held_for").otherwise("reason"),
            first_match=first_match(pushed),
        )
        .with_columns(
            outcome=pl.coalesce(
                "outcome", pl.when(pl.col("reason").is_null()).then(pl.lit("create")).otherwise(pl.lit("held"))
            )
        )
        .select(list(MATCHES))
        .sort("teamleader_id")
    )
    return Matching(matches, no_notices())
