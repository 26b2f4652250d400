"""A small set to begin with: which records a plan is confined to, and what that leaves of it.

The set hangs together: deals, their contacts and companies, further contacts of those companies, then others. It is the
same in every run as long as the same records belong in HubSpot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

NOT_IN_SUBSET = "not_in_subset"

Ids = Mapping[str, pl.Series]
"""Entity type → Teamleader ids that the plan may change."""


@dataclass(frozen=True)
class Sizes:
    """The most records of each kind."""

    contacts: int
    companies: int
    deals: int

    @classmethod
    def of(cls, text: str) -> Sizes:
        """From `50,10,10`: contacts, companies, deals; ValueError for anything else."""
        numbers = [int(part) for part in text.split(",") if part.strip().isdecimal()]
        if len(numbers) != 3 or text.count(",") != 2:
            raise ValueError("write three numbers: contacts,companies,deals, like 50,10,10")
        return cls(*numbers)


def choose(contacts: pl.DataFrame, companies: pl.DataFrame, deals: pl.DataFrame, sizes: Sizes) -> Ids:
    """Ids of the set, from the `eligible` tables."""
    some = deals.sort(pl.col("company_id").is_null(), "teamleader_id").head(sizes.deals)
    people = contacts.with_columns(of_deal=pl.col("teamleader_id").is_in(some["contact_id"].to_list()))
    theirs = people.filter("of_deal")["first_company_id"].drop_nulls().to_list()
    firms = companies.sort(
        ~pl.col("teamleader_id").is_in(some["company_id"].drop_nulls().to_list()),
        ~pl.col("teamleader_id").is_in(theirs),
        "teamleader_id",
    ).head(sizes.companies)["teamleader_id"]
    in_firm = pl.col("first_company_id").is_in(firms.to_list()).fill_null(False)
    chosen = people.sort(~pl.col("of_deal"), ~in_firm, "teamleader_id").head(sizes.contacts)["teamleader_id"]
    of_them = some.filter(pl.col("contact_id").is_in(chosen.to_list()))["teamleader_id"]
    return {"contact": chosen, "company": firms, "deal": of_them}


def changes(planned: pl.DataFrame, ids: Ids) -> pl.DataFrame:
    """Changes to records of the set, and relations of which both sides are in it. What holds a record is no change."""
    inside = pl.col("action") == "hold"
    for kind, own in ids.items():
        inside |= (pl.col("entity_type") == kind) & pl.col("teamleader_id").is_in(own.to_list())
    both = pl.col("entity_type") == "relation"
    for place, side in enumerate(("from", "to")):
        id_ = pl.col("teamleader_id").str.split(">").list.get(place, null_on_oob=True)
        type_ = pl.col("details").str.json_path_match(f"$.{side}_type")
        both &= pl.any_horizontal((type_ == kind) & id_.is_in(own.to_list()) for kind, own in ids.items())
    return planned.filter((inside | both).fill_null(False))


def outcomes(planned: pl.DataFrame, ids: Ids) -> pl.DataFrame:
    """What becomes of every record: those outside the set that would be written are skipped / `not_in_subset`."""
    inside = pl.any_horizontal(
        (pl.col("entity_type") == kind) & pl.col("teamleader_id").is_in(own.to_list()) for kind, own in ids.items()
    )
    left = pl.col("bucket").is_in(["created", "updated"]) & ~inside
    return planned.with_columns(
        bucket=pl.when(left).then(pl.lit("skipped")).otherwise("bucket"),
        reason=pl.when(left).then(pl.lit(NOT_IN_SUBSET)).otherwise("reason"),
    )
