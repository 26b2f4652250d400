"""Links made good for this run: HubSpot's merges followed, records that carry a teamleader_id counted in.

Shared by adoption and by matching of contacts, companies and deals. Matching by address lives in `match_contacts`, by
company keys in `match_companies`.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.planning.match_frames import (
    CLAIMED_BY_OTHER,
    DELETED_IN_HUBSPOT,
    are_among,
    blank_to_null,
    of_entity,
    oldest_first,
)

ACTIVE, ARCHIVED, MISSING = "active", "archived", "missing"

RESOLVED: dict[str, pl.DataType] = {
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "stored_id": pl.String(),
    "matched_by": pl.String(),
    "state": pl.String(),
    "carries": pl.Boolean(),
    "known": pl.Boolean(),
}
"""Columns of resolved links: hubspot_id after merges; stored_id as in the link table (null: the record carries the id);
matched_by link or teamleader_id; state active, archived or missing; carries: the record carries this teamleader_id;
known: Teamleader has the record."""


def survivors(mirror: pl.DataFrame) -> dict[str, str]:
    """HubSpot id of a merged record → the record it was merged into (one step; active records before archived ones)."""
    pairs = (
        mirror.select(
            "archived",
            "createdate",
            hubspot_id="id",
            merged=pl.col("merged_ids"),
        )
        .filter(pl.col("merged").list.len() > 0)
        .explode("merged")
        .filter(pl.col("merged").is_not_null() & (pl.col("merged") != pl.col("hubspot_id")))
        .sort("merged", pl.col("archived").fill_null(False), *oldest_first())
        .unique("merged", keep="first", maintain_order=True)
    )
    return dict(zip(pairs["merged"].to_list(), pairs["hubspot_id"].to_list(), strict=True))


def follow_merges(ids: pl.Series, mirror: pl.DataFrame) -> pl.DataFrame:
    """Frame `stored_id`, `hubspot_id`: where each of the ids leads. An id that is active leads to itself."""
    distinct = ids.drop_nulls().unique().sort()
    active = mirror.filter(~pl.col("archived").fill_null(False))["id"]
    merged = survivors(mirror)
    away = distinct.filter(~distinct.is_in(active.implode())).to_list() if merged else []
    alive = set(active.to_list()) if away else set()
    moved = {old: _end(old, merged, alive) for old in away}
    lead = pl.DataFrame(
        {"stored_id": list(moved), "moved": list(moved.values())}, schema={"stored_id": pl.String, "moved": pl.String}
    )
    return (
        pl.DataFrame({"stored_id": distinct.cast(pl.String)})
        .join(lead, on="stored_id", how="left")
        .select("stored_id", hubspot_id=pl.coalesce("moved", "stored_id"))
    )


def _end(start: str, merged: dict[str, str], alive: set[str]) -> str:
    """Where a chain of merges ends; a cycle ends where it would begin again."""
    current, seen = start, {start}
    while current not in alive and (step := merged.get(current)) is not None and step not in seen:
        seen.add(step)
        current = step
    return current


def carriers(mirror: pl.DataFrame) -> pl.DataFrame:
    """HubSpot records that carry a teamleader_id: `teamleader_id`, `hubspot_id`, `archived`, the one to use first.

    Per Teamleader id active records come before archived ones, then the oldest.
    """
    return (
        mirror.select(
            "createdate",
            teamleader_id=blank_to_null("teamleader_id"),
            hubspot_id="id",
            archived=pl.col("archived").fill_null(False),
        )
        .filter(pl.col("teamleader_id").is_not_null())
        .sort("teamleader_id", "archived", *oldest_first())
        .select("teamleader_id", "hubspot_id", "archived")
    )


def resolve(entity_type: str, source_ids: pl.Series, links: pl.DataFrame, mirror: pl.DataFrame) -> pl.DataFrame:
    """One row (RESOLVED) per Teamleader id that has a HubSpot record, in the order of its id.

    source_ids: ids that Teamleader has; links: sync.links; mirror: hubspot.* of the entity, archived ones too. A link
    to an active record comes first, then an active record that carries the id, then what is left of the link, then an
    archived record that carries the id. Links of ids that Teamleader no longer has are kept with known = false.
    """
    stored = (
        of_entity(links, entity_type)
        .select("teamleader_id", stored_id="hubspot_id")
        .drop_nulls()
        .sort("teamleader_id", "stored_id")
        .unique("teamleader_id", keep="first", maintain_order=True)
    )
    records = mirror.select(
        hubspot_id="id",
        state=pl.when(pl.col("archived").fill_null(False)).then(pl.lit(ARCHIVED)).otherwise(pl.lit(ACTIVE)),
        carried=blank_to_null("teamleader_id"),
    ).unique("hubspot_id", keep="first", maintain_order=True)
    by_link = (
        stored.join(follow_merges(stored["stored_id"], mirror), on="stored_id", how="left")
        .join(records, on="hubspot_id", how="left")
        .with_columns(state=pl.col("state").fill_null(MISSING), matched_by=pl.lit("link"))
    )
    by_link = by_link.with_columns(known=are_among(by_link["teamleader_id"], source_ids))
    carrying = carriers(mirror)
    by_property = (
        carrying.filter(are_among(carrying["teamleader_id"], source_ids))
        .unique("teamleader_id", keep="first", maintain_order=True)
        .join(records, on="hubspot_id", how="left")
        .with_columns(stored_id=pl.lit(None, pl.String), matched_by=pl.lit("teamleader_id"), known=pl.lit(True))
    )
    columns = ["teamleader_id", "hubspot_id", "stored_id", "matched_by", "state", "carried", "known"]
    return (
        pl.concat([by_link.select(columns), by_property.select(columns)])
        .sort("teamleader_id", pl.col("state") != ACTIVE, pl.col("matched_by") != "link")
        .unique("teamleader_id", keep="first", maintain_order=True)
        .with_columns(carries=(pl.col("carried") == pl.col("teamleader_id")).fill_null(False))
        .select(list(RESOLVED))
    )


def match_linked(family: pl.DataFrame, resolved: pl.DataFrame, released: pl.Series) -> pl.DataFrame:
    """Match records by link and teamleader_id: one row per record that has either; the others are left out.

    family: `teamleader_id` (the record), `member` (ids whose link it may use, itself included) and `position` (itself
    0, then by rank). resolved: see `resolve`. released: ids that a person released; for them (or their members)
    archived and missing HubSpot records do not count. Result: the columns of MATCHES but first_match; a HubSpot record
    goes to one claimant: by link, then carrying the claimant's id, then not by a merge, then to the record itself
    before a taken-over link, then the smallest id. All others are held / claimed_by_other.
    """
    own = family.join(resolved.rename({"teamleader_id": "member"}), on="member", how="inner", maintain_order="left")
    let_go = own.filter(pl.col("member").is_in(released.implode()) | pl.col("teamleader_id").is_in(released.implode()))
    found = (
        own.filter((pl.col("state") == ACTIVE) | ~pl.col("teamleader_id").is_in(let_go["teamleader_id"].implode()))
        .sort("teamleader_id", pl.col("state") != ACTIVE, pl.col("matched_by") != "link", "position", "member")
        .unique("teamleader_id", keep="first", maintain_order=True)
    )
    owners = (
        resolved.filter((pl.col("state") == ACTIVE) & (pl.col("matched_by") == "link") & pl.col("known"))
        .join(
            family.select("teamleader_id", "member"),
            left_on="teamleader_id",
            right_on="member",
            how="left",
            suffix="_f",
        )
        .select("hubspot_id", owner=pl.coalesce("teamleader_id_f", "teamleader_id"))
        .unique()
    )
    # a record may carry one id and be linked to another: the link table comes first, also a link of a skipped record
    foreign = (
        found.filter((pl.col("state") == ACTIVE) & (pl.col("matched_by") == "teamleader_id"))
        .join(owners, on="hubspot_id")
        .filter(pl.col("owner") != pl.col("teamleader_id"))
        .select("teamleader_id")
        .unique()
        .with_columns(foreign=pl.lit(True))
    )
    claims = found.join(foreign, on="teamleader_id", how="left").with_columns(
        foreign=pl.col("foreign").fill_null(False)
    )
    winners = (
        claims.filter((pl.col("state") == ACTIVE) & ~pl.col("foreign"))
        .sort(
            "hubspot_id",
            pl.col("matched_by") != "link",
            ~pl.col("carries"),
            (pl.col("stored_id") != pl.col("hubspot_id")).fill_null(False),
            "position",
            "teamleader_id",
        )
        .unique("hubspot_id", keep="first", maintain_order=True)
        .select("teamleader_id", wins=pl.lit(True))
    )
    reason = (
        pl.when(pl.col("state") != ACTIVE)
        .then(pl.lit(DELETED_IN_HUBSPOT))
        .when(pl.col("wins").is_null())
        .then(pl.lit(CLAIMED_BY_OTHER))
    )
    return (
        claims.join(winners, on="teamleader_id", how="left")
        .with_columns(reason=reason)
        .select(
            "teamleader_id",
            "hubspot_id",
            "matched_by",
            outcome=pl.when(pl.col("reason").is_null()).then(pl.lit("update")).otherwise(pl.lit("held")),
            reason=pl.col("reason"),
            relinked_from=pl.when(pl.col("member") != pl.col("teamleader_id")).then(pl.col("member")),
        )
        .sort("teamleader_id")
    )


def free_records(mirror: pl.DataFrame, resolved: pl.DataFrame) -> pl.DataFrame:
    """Active HubSpot records that matching by address or key may take: `hubspot_id`, `vacated_by`.

    A record linked to a record that Teamleader has is taken, and so is one that carries a teamleader_id. Only when the
    link belongs to a Teamleader record that is gone (deleted or merged there), the HubSpot record is free again;
    `vacated_by` is that id. A teamleader_id that neither Teamleader nor the link table knows is somebody else's:
    taken.
    """
    live = resolved.filter(pl.col("state") == ACTIVE)
    taken = live.filter(pl.col("known"))["hubspot_id"].unique()
    vacated = (
        live.filter(~pl.col("known"))
        .sort("hubspot_id", ~pl.col("carries"), "teamleader_id")
        .unique("hubspot_id", keep="first", maintain_order=True)
        .select("hubspot_id", vacated_by="teamleader_id")
    )
    return (
        mirror.filter(~pl.col("archived").fill_null(False))
        .select(hubspot_id="id", carried=blank_to_null("teamleader_id"))
        .filter(~pl.col("hubspot_id").is_in(taken.implode()))
        .join(vacated, on="hubspot_id", how="left")
        .filter(pl.col("carried").is_null() | (pl.col("carried") == pl.col("vacated_by")))
        .select("hubspot_id", "vacated_by")
    )
