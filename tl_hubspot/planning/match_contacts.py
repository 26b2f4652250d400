"""Which HubSpot contact each eligible Teamleader contact is: link, teamleader_id, primary, then secondary address.

behaviour §3.4. Links are made good in `match_links`; what happens to the address itself stands in `match_emails`.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.planning.match_emails import EMAIL, NOTHING_UNDONE, actions, addresses
from tl_hubspot.planning.match_frames import (
    CLAIMED_BY_OTHER,
    GDPR_DELETED,
    MATCHES,
    Matching,
    first_match,
    notices,
    of_entity,
)
from tl_hubspot.planning.match_links import free_records, match_linked, resolve
from tl_hubspot.rules import normalize

CONTACT_MATCHES: dict[str, pl.DataType] = {**MATCHES, **EMAIL}
"""Columns of the contacts' matches frame."""
LOOKED_AT = {
    "eligible.contacts": ("teamleader_id", "address"),
    "decisions.contacts": ("teamleader_id", "address", "duplicate_of"),
}
"""Columns of tables with a row per contact that matching looks at."""

_NO_EMAIL = {
    "email_action": pl.lit("none"),
    "email_new": pl.lit(None, pl.String),
    "email_old": pl.lit(None, pl.String),
    "email_keep_old": pl.lit(False),
    "email_blocked_by": pl.lit(None, pl.String),
}


def match(
    eligible: pl.DataFrame,
    decisions: pl.DataFrame,
    mirror: pl.DataFrame,
    links: pl.DataFrame,
    pushed: pl.DataFrame,
    releases: pl.DataFrame,
    undone: pl.DataFrame = NOTHING_UNDONE,
    graves: pl.DataFrame | None = None,
) -> Matching:
    """Match contacts: one row (CONTACT_MATCHES) per row of eligible.contacts, in the order of teamleader_id.

    decisions: decisions.contacts, all of them: skipped contacts keep their records and addresses occupied; mirror:
    hubspot.contacts, archived ones too; links: sync.links; pushed: one row per contact that has a shadow:
    `teamleader_id`, `address` as last pushed, `wrote` and `added` (see `match_emails.actions`); releases:
    sync.releases; undone: sync.undone_addresses; graves: GRAVES (an erased address is put on no other contact either).
    eligible.contacts has each address once.
    A contact that won a `duplicate_email` takes over its loser's link when it has none of its own.
    """
    resolved = resolve("contact", decisions["teamleader_id"], links, mirror)
    released = of_entity(releases, "contact")["teamleader_id"]
    linked = match_linked(_family(eligible, decisions), resolved, released)
    index = addresses(mirror)

    last = pushed.select(
        "teamleader_id",
        pushed=normalize.addresses(pushed["address"])["address"],
        wrote=normalize.addresses(pushed["wrote"])["address"],
        added=normalize.addresses(pushed["added"])["address"],
    ).unique("teamleader_id", keep="first", maintain_order=True)
    updates = (
        linked.filter(pl.col("outcome") == "update")
        .join(eligible.select("teamleader_id", "address"), on="teamleader_id")
        .join(last, on="teamleader_id", how="left")
        .join(last.select(relinked_from="teamleader_id", pushed_before="pushed"), on="relinked_from", how="left")
        .with_columns(pushed=pl.coalesce("pushed", "pushed_before"))
    )
    erased = pl.Series([], dtype=pl.String)
    if graves is not None:
        erased = of_entity(graves, "contact").filter(pl.col("reason") == GDPR_DELETED)["teamleader_id"]
    barred = updates.filter(pl.col("teamleader_id").is_in(erased.implode()))
    updates = updates.join(barred, on="teamleader_id", how="anti")
    emails = actions(updates, decisions.select("teamleader_id", "address"), index, undone)
    settled = linked.join(emails.drop("gives_up"), on="teamleader_id", how="left")
    settled = settled.with_columns(
        pl.when(pl.col("email_action").is_null()).then(value).otherwise(name).alias(name)
        for name, value in _NO_EMAIL.items()
    )
    rest = eligible.select("teamleader_id", "address").join(linked, on="teamleader_id", how="anti")
    by_address = _match_by_address(rest, index, free_records(mirror, resolved), emails["gives_up"].drop_nulls())

    columns = [name for name in CONTACT_MATCHES if name != "first_match"]
    matches = (
        pl.concat([settled.select(columns), by_address.select(columns)])
        .with_columns(first_match=first_match(last["teamleader_id"]))
        .select(list(CONTACT_MATCHES))
        .sort("teamleader_id")
    )
    told = notices(
        GDPR_DELETED,
        "contact",
        barred.join(index, on=["address", "hubspot_id"], how="anti"),
        "Its address was erased in HubSpot by a person, so it is not put on this contact.",
    )
    return Matching(matches, told)


def _family(eligible: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Whose link an eligible contact may use: its own, then those of the duplicates that lost to it."""
    own = eligible.select("teamleader_id", member="teamleader_id", position=pl.lit(0, pl.Int32))
    losers = (
        decisions.filter(pl.col("duplicate_of").is_not_null())
        .select(teamleader_id="duplicate_of", member="teamleader_id", position=pl.lit(1, pl.Int32))
        .join(own.select("teamleader_id"), on="teamleader_id", how="semi")
    )
    return pl.concat([own, losers])


def _match_by_address(rest: pl.DataFrame, index: pl.DataFrame, free: pl.DataFrame, given_up: pl.Series) -> pl.DataFrame:
    """Contacts without a link: update by address, held when the record is another's, else create."""
    found = (
        rest.join(index.filter(~pl.col("address").is_in(given_up.implode())), on="address", how="left")
        .join(free.with_columns(free=pl.lit(True)), on="hubspot_id", how="left")
        .with_columns(free=pl.col("free").fill_null(False))
    )
    winners = (
        found.filter("free")
        .sort("hubspot_id", ~pl.col("is_primary"), "teamleader_id")
        .unique("hubspot_id", keep="first", maintain_order=True)
        .select("teamleader_id", wins=pl.lit(True))
    )
    outcome = (
        pl.when(pl.col("hubspot_id").is_null())
        .then(pl.lit("create"))
        .when("wins")
        .then(pl.lit("update"))
        .otherwise(pl.lit("held"))
    )
    creates = pl.col("outcome") == "create"
    return (
        found.join(winners, on="teamleader_id", how="left")
        .with_columns(outcome=outcome)
        .with_columns(**_NO_EMAIL)
        .with_columns(
            matched_by=pl.when("is_primary")
            .then(pl.lit("email"))
            .when(~pl.col("is_primary"))
            .then(pl.lit("secondary_email")),
            reason=pl.when(pl.col("outcome") == "held").then(pl.lit(CLAIMED_BY_OTHER)),
            relinked_from=pl.when(pl.col("outcome") == "update").then("vacated_by"),
            email_action=pl.when(creates).then(pl.lit("set")).otherwise("email_action"),
            email_new=pl.when(creates).then("address"),
        )
    )
