"""Links that follow from another flow's links: a contact's associations to companies belong to the Crmoffice contact
that the contact is linked to; and what a reference to another record becomes on the other side.

Nothing here leads to a write; what becomes of other links is `links`.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tl_hubspot.two_way.frames import LINKS, UNMATCHED, System
from tl_hubspot.two_way.links import latest
from tl_hubspot.two_way.matching import link_id

REFERENCES: dict[str, pl.DataType] = {
    "id": pl.String(),
    "referenced_id": pl.String(),
    "is_primary": pl.Boolean(),
}
"""That record `id` of HubSpot refers to record `referenced_id`; a record may have several, one of them primary."""


def derived(
    associations: System, links: pl.DataFrame, of_contacts: pl.DataFrame, at: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """LINKS of associations that are new or changed, and UNMATCHED associations.

    associations: `records` with `id` and `contact_id`; links: LINKS of associations; of_contacts: LINKS of contacts.
    Several associations may belong to one Crmoffice contact. A link ends when its contact's link is broken, and when
    the association is gone: a complete list without it, which for an association is all the proof there is.
    """
    records = latest(associations.records)
    contacts = of_contacts.filter(pl.col("state") != "broken").select(contact_id="a_id", partner="b_id")
    wanted = records.join(contacts, on="contact_id", how="left")
    old = links.filter(pl.col("state") != "broken").join(
        wanted.select(a_id="id", now="partner", there=pl.lit(True)), on="a_id", how="left"
    )
    is_gone = pl.col("there").is_null() & pl.lit(associations.complete)
    has_moved = pl.col("there").fill_null(False) & pl.col("now").ne_missing(pl.col("b_id"))
    ended = old.filter(is_gone | has_moved).with_columns(
        state=pl.lit("broken"),
        reason=pl.when(is_gone).then(pl.lit("deleted_a")).otherwise(pl.lit("contact_unlinked")),
    )
    stays = old.filter(~(is_gone | has_moved))
    new = (
        wanted.drop_nulls("partner")
        .join(stays, left_on="id", right_on="a_id", how="anti")
        .select(
            a_id="id",
            b_id="partner",
            state=pl.lit("linked"),
            reason=pl.lit(None, pl.String),
            how=pl.lit("derived"),
            created_at=pl.lit(at),
        )
        .with_columns(link_id=link_id("a_id", "b_id"))
    )
    unmatched = wanted.filter(pl.col("partner").is_null()).select(
        "id", side=pl.lit("a"), reason=pl.lit("contact_not_linked")
    )
    changed = pl.concat([frame.select(list(LINKS)).cast(LINKS) for frame in (ended, new)])  # type: ignore[arg-type]
    return changed.sort("link_id", "state"), unmatched.select(list(UNMATCHED)).sort("id")


def resolved(references: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """`id`, `value` and `is_one_of_several` per record of REFERENCES, through LINKS of the type that is referred to.

    Of several linked ones the primary counts, else the lowest id. A null value: none is linked, so that nothing is
    known and the field is left alone; it is never an empty one.
    """
    partners = links.filter(pl.col("state") == "linked").select(referenced_id="a_id", value="b_id")
    return (
        references.join(partners, on="referenced_id", how="left")
        .sort(
            pl.col("value").is_null(),
            ~pl.col("is_primary").fill_null(False),
            pl.col("referenced_id").cast(pl.Int64, strict=False),
            "referenced_id",
        )
        .group_by("id", maintain_order=True)
        .agg(pl.col("value").first(), is_one_of_several=pl.col("value").drop_nulls().n_unique() > 1)
        .sort("id")
    )
