"""What happens to the e-mail address of each contact that is updated, and which addresses change hands.

Knows HubSpot's rule that an address is primary or secondary of one contact only. Which contact is which record is
decided in `match_contacts`.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.planning.match_frames import oldest_first
from tl_hubspot.rules import normalize

EMAIL: dict[str, pl.DataType] = {
    "email_action": pl.String(),
    "email_new": pl.String(),
    "email_old": pl.String(),
    "email_keep_old": pl.Boolean(),
    "email_blocked_by": pl.String(),
}
"""E-mail columns of the contacts' matches. email_action: none, set, replace_primary, add_secondary, replace_secondary;
email_new: the normalised address to put on the record (with replace_primary and replace_secondary it may be there
already as a secondary one; add_secondary may put back an old one that an interrupted run left nowhere); email_old: the
address to exchange as HubSpot has it; email_blocked_by: the HubSpot record that has the address and keeps it
(`email_taken`). An address may be one that another updated contact gives up: that
one has to be written first."""

NOTHING_UNDONE = pl.DataFrame(schema={"hubspot_id": pl.String(), "address": pl.String()})
"""No row of `sync.undone_addresses`."""


def addresses(mirror: pl.DataFrame) -> pl.DataFrame:
    """Who has which address among active HubSpot contacts: `address`, `raw`, `hubspot_id`, `is_primary`.

    mirror: hubspot.contacts. One row per address; should two records show the same one, the primary and then the
    oldest record counts.
    """
    active = mirror.filter(~pl.col("archived").fill_null(False)).select(
        "createdate", "email", "secondary_emails", hubspot_id="id"
    )
    primary = active.select("createdate", "hubspot_id", raw="email", is_primary=pl.lit(True))
    secondary = (
        active.filter(pl.col("secondary_emails").list.len() > 0)
        .select("createdate", "hubspot_id", raw="secondary_emails", is_primary=pl.lit(False))
        .explode("raw")
    )
    entries = pl.concat([primary, secondary])
    return (
        entries.with_columns(normalize.addresses(entries["raw"])["address"])
        .filter(pl.col("address").is_not_null())
        .sort("address", ~pl.col("is_primary"), *oldest_first())
        .unique("address", keep="first", maintain_order=True)
        .select("address", "raw", "hubspot_id", "is_primary")
    )


def actions(updates: pl.DataFrame, source: pl.DataFrame, index: pl.DataFrame, undone: pl.DataFrame) -> pl.DataFrame:
    """E-mail action per updated contact: `teamleader_id`, the columns of EMAIL, `gives_up` (the address that leaves).

    updates: `teamleader_id`, `hubspot_id`, `address` (Teamleader's), `pushed` (address last pushed, null on the first
    run), `wrote` and `added` (primary and secondary address that the sync put there, also in an exchange that was
    interrupted before the old address had its place); source: `teamleader_id`, `address` of all contacts of Teamleader;
    index: see `addresses`; undone: addresses that an undo took off a record, which stay off while Teamleader's is the
    same. behaviour §3.4: Teamleader's address ends up on the record; a primary that was Teamleader's old address gives
    way, one that a person
    chose stays; a secondary one is exchanged. An address of another HubSpot contact is taken only when that contact
    gives it up by an action that itself goes through. Contacts that exchange addresses in a ring all go through: the
    push gives one of the old addresses up first.
    """
    owned = index.select("address", owner="hubspot_id", owner_primary="is_primary")
    before = index.select(pushed="address", raw_old="raw", hubspot_id="hubspot_id", old_primary="is_primary")
    has_primary = index.filter("is_primary").select("hubspot_id", has_primary=pl.lit(True)).unique()
    elsewhere = index.select(pushed="address", old_owner="hubspot_id")
    holders = (
        source.filter(pl.col("address").is_not_null())
        .group_by("address")
        .agg(holders=pl.len(), holder=pl.col("teamleader_id").min())
        .rename({"address": "pushed"})
    )
    rows = (
        updates.select("teamleader_id", "hubspot_id", "address", "pushed", "wrote", "added")
        .join(owned, on="address", how="left")
        .join(before, on=["pushed", "hubspot_id"], how="left")
        .join(elsewhere, on="pushed", how="left")
        .join(has_primary, on="hubspot_id", how="left")
        .join(holders, on="pushed", how="left")
        .join(
            undone.select("hubspot_id", "address", undone=pl.lit(True)).unique(),
            on=["hubspot_id", "address"],
            how="left",
        )
        .with_columns(
            here=(pl.col("owner") == pl.col("hubspot_id")).fill_null(False),
            changed=(pl.col("pushed") != pl.col("address")).fill_null(False),
            # somebody else in Teamleader has the old address now
            wanted=((pl.col("holders") > 1) | (pl.col("holder") != pl.col("teamleader_id"))).fill_null(False),
        )
        .with_columns(
            # an interrupted exchange: the new address is there already, the old one has still to go, or to come back
            half_way=(pl.col("here") & (pl.col("added") == pl.col("address"))).fill_null(False),
            lost=(
                pl.col("changed")
                & pl.col("here")
                & (pl.col("wrote") == pl.col("address"))
                & pl.col("old_owner").is_null()
                & ~pl.col("wanted")
            ).fill_null(False),
        )
        .with_columns(
            email_action=pl.when("lost")
            .then(pl.lit("add_secondary"))
            .when(pl.col("changed") & pl.col("old_primary").fill_null(False))
            .then(pl.lit("replace_primary"))
            .when(
                pl.col("changed") & ~pl.col("old_primary") & (~pl.col("here") | pl.col("wanted") | pl.col("half_way"))
            )
            .then(pl.lit("replace_secondary"))
            .when(pl.col("here") | (pl.col("undone").fill_null(False) & ~pl.col("changed")))
            .then(pl.lit("none"))
            .when(pl.col("has_primary").is_null())
            .then(pl.lit("set"))
            .otherwise(pl.lit("add_secondary"))
        )
        .with_columns(email_keep_old=(pl.col("email_action") == "replace_primary") & ~pl.col("wanted"))
    )
    leaves = (pl.col("email_action") == "replace_secondary") | (
        (pl.col("email_action") == "replace_primary") & ~pl.col("email_keep_old")
    )
    rows = rows.with_columns(gives_up=pl.when(leaves).then("pushed"))
    blocked = pl.col("teamleader_id").is_in(_blocked(rows).implode())
    exchanged = pl.col("email_action").is_in(["replace_primary", "replace_secondary"])
    return rows.with_columns(
        email_blocked_by=pl.when(blocked).then("owner"),
        email_action=pl.when(blocked).then(pl.lit("none")).otherwise("email_action"),
        gives_up=pl.when(~blocked).then("gives_up"),
    ).select(
        "teamleader_id",
        "email_action",
        email_new=pl.when("lost").then("pushed").when(pl.col("email_action") != "none").then("address"),
        email_old=pl.when(exchanged).then("raw_old"),
        email_keep_old=pl.col("email_keep_old") & exchanged,
        email_blocked_by="email_blocked_by",
        gives_up="gives_up",
    )


def _blocked(rows: pl.DataFrame) -> pl.Series:
    """teamleader_id of the contacts whose address another record has and does not give up in this run."""
    waiting = rows.filter((pl.col("email_action") != "none") & ~pl.col("here") & pl.col("owner").is_not_null())
    givers = rows.filter(pl.col("gives_up").is_not_null()).select(
        owner="hubspot_id", address="gives_up", giver="teamleader_id"
    )
    needs: dict[str, str | None] = dict(
        waiting.join(givers, on=["owner", "address"], how="left").select("teamleader_id", "giver").iter_rows()
    )
    blocked: dict[str, bool] = {}
    for start in needs:
        path: dict[str, None] = {}
        at: str | None = start
        while at is not None and at in needs and at not in blocked and at not in path:
            path[at] = None
            at = needs[at]
        # at the end stands nobody, a ring, a contact already looked at, or a giver that waits for nobody
        stuck = at is None or blocked.get(at, False)
        blocked |= dict.fromkeys(path, stuck)
    return pl.Series([contact for contact, stuck in blocked.items() if stuck], dtype=pl.String)
