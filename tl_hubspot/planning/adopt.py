"""Adoption before the rules run: HubSpot records that carry a teamleader_id become links, links follow merges.

Pure: returns what to store in `sync.links` and what to report. Which record is then updated is decided in `match_*`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tl_hubspot.planning.match_frames import are_among, no_notices, notices, of_entity
from tl_hubspot.planning.match_links import ACTIVE, carriers, resolve

LOOKED_AT = ("id", "teamleader_id", "archived", "createdate", "merged_ids")
"""Columns of the mirror that adoption looks at."""


@dataclass(frozen=True)
class Adoption:
    """What adoption found for one entity type.

    links: every link after adoption (`entity_type`, `teamleader_id`, `hubspot_id`), those of archived and missing
    records too; linked_ids for the rules are its teamleader_id. changed: the rows of it to store, new or with another
    hubspot_id, and `matched_by`: link (it followed a merge) or teamleader_id. notices: see NOTICES. duplicates:
    `teamleader_id`, `hubspot_ids` where several active HubSpot records carry the same id: to be mended by a person
    before anything is pushed. gone: `entity_type`, `teamleader_id`, `hubspot_id`, `state` (archived or missing) of
    those whose HubSpot record is no active one.
    """

    links: pl.DataFrame
    changed: pl.DataFrame
    notices: pl.DataFrame
    duplicates: pl.DataFrame
    gone: pl.DataFrame


def adopt(entity_type: str, source_ids: pl.Series, links: pl.DataFrame, mirror: pl.DataFrame) -> Adoption:
    """Make good the links of one entity type ("contact", "company", "deal").

    source_ids: ids that Teamleader has; links: sync.links; mirror: hubspot.contacts, companies or deals, archived
    ones too. A record that carries an id is not adopted while the link table gives it to another record that
    Teamleader has: the link table comes first.
    """
    resolved = resolve(entity_type, source_ids, links, mirror)
    stored = of_entity(links, entity_type).select("teamleader_id", before="hubspot_id")
    given = resolved.filter((pl.col("matched_by") == "link") & pl.col("known") & (pl.col("state") == ACTIVE))
    kept = resolved.filter(
        (pl.col("matched_by") == "link") | ~pl.col("hubspot_id").is_in(given["hubspot_id"].implode())
    )
    effective = kept.select("matched_by", "teamleader_id", "hubspot_id", entity_type=pl.lit(entity_type))
    changed = (
        effective.join(stored, on="teamleader_id", how="left")
        .filter(pl.col("before").is_null() | (pl.col("before") != pl.col("hubspot_id")))
        .drop("before")
    )
    carrying = carriers(mirror).filter(~pl.col("archived"))
    unknown = carrying.filter(
        ~are_among(carrying["teamleader_id"], source_ids)
        & ~are_among(carrying["teamleader_id"], stored["teamleader_id"])
    )
    elsewhere = carrying.join(
        kept.filter(pl.col("known") & (pl.col("state") == ACTIVE)).select("teamleader_id", linked="hubspot_id"),
        on="teamleader_id",
    ).filter(pl.col("linked") != pl.col("hubspot_id"))
    duplicates = (
        carrying.group_by("teamleader_id", maintain_order=True)
        .agg(hubspot_ids=pl.col("hubspot_id"))
        .filter(pl.col("hubspot_ids").list.len() > 1)
        .sort("teamleader_id")
    )
    told = [
        no_notices(),
        notices(
            "unknown_teamleader_id",
            entity_type,
            unknown,
            f"This HubSpot {entity_type} carries a teamleader_id that Teamleader does not have; it is left as it is.",
        ),
        notices(
            "teamleader_id_elsewhere",
            entity_type,
            elsewhere,
            pl.format(
                f"This HubSpot {entity_type} carries the teamleader_id of a record that is linked to HubSpot {{}}.",
                pl.col("linked"),
            ),
        ),
    ]
    gone = resolved.filter(pl.col("state") != ACTIVE).select(
        pl.lit(entity_type).alias("entity_type"), "teamleader_id", "hubspot_id", "state"
    )
    return Adoption(effective.drop("matched_by"), changed, pl.concat(told), duplicates, gone)
