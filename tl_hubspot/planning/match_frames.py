"""Shapes that the matching modules share: the matches frame, notices, and small polars helpers.

Nothing here decides anything: links are resolved in `match_links`, keys and addresses in the module of the entity.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

MATCHES: dict[str, pl.DataType] = {
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "matched_by": pl.String(),
    "outcome": pl.String(),
    "reason": pl.String(),
    "first_match": pl.Boolean(),
    "relinked_from": pl.String(),
}
"""Columns of a matches frame. outcome is update, create or held. hubspot_id is null exactly for a create; of a held
record it names the HubSpot record that stands in the way. relinked_from: the Teamleader id whose link the record takes
over (null: its own)."""

NOTICES: dict[str, pl.DataType] = {
    "code": pl.String(),
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "message": pl.String(),
}
"""Columns of a frame of notices; message is one plain sentence without personal data."""

CLAIMED_BY_OTHER = "claimed_by_other"
DELETED_IN_HUBSPOT = "deleted_in_hubspot"
GDPR_DELETED = "gdpr_deleted"

GRAVES: dict[str, pl.DataType] = {
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "reason": pl.String(),
}
"""Records that must not be made in HubSpot although nothing there stands in the way: a person archived
(`deleted_in_hubspot`) or erased (`gdpr_deleted`) theirs, or one with the same address."""


@dataclass(frozen=True)
class Matching:
    """What matching found for one entity type: one row of `matches` (MATCHES) per eligible record, and `notices`."""

    matches: pl.DataFrame
    notices: pl.DataFrame


def notices(code: str, entity_type: str, frame: pl.DataFrame, message: pl.Expr | str) -> pl.DataFrame:
    """Notices of one code, one per row of `frame` (teamleader_id, hubspot_id and what `message` needs)."""
    text = pl.lit(message) if isinstance(message, str) else message
    return frame.select(
        code=pl.lit(code),
        entity_type=pl.lit(entity_type),
        teamleader_id=pl.col("teamleader_id").cast(pl.String),
        hubspot_id=pl.col("hubspot_id").cast(pl.String),
        message=text.cast(pl.String),
    ).sort("code", "teamleader_id", "hubspot_id", nulls_last=True)


def no_notices() -> pl.DataFrame:
    """An empty frame of notices."""
    return pl.DataFrame(schema=NOTICES)


def first_match(pushed: pl.Series) -> pl.Expr:
    """Whether the HubSpot record was never written for this Teamleader record; `pushed`: ids that have a shadow.

    A shadow says nothing of a record that was only found now: a create, a match by address or key, a taken-over link.
    """
    known_record = pl.col("matched_by").is_in(["link", "teamleader_id"]).fill_null(False)
    has_shadow = pl.col("teamleader_id").is_in(pushed.cast(pl.String).implode())
    return ~(has_shadow & known_record & pl.col("relinked_from").is_null())


def buried(matching: Matching, graves: pl.DataFrame, entity_type: str) -> Matching:
    """The matching with every create that `graves` (GRAVES) forbid as held, for the reason told there; and a notice
    about every held contact that was erased."""
    forbidden = of_entity(graves, entity_type).select("teamleader_id", grave="reason")
    if forbidden.is_empty():
        return matching
    matches = matching.matches
    stopped = (pl.col("outcome") == "create") & pl.col("grave").is_not_null()
    changed = {"outcome": pl.lit("held"), "reason": pl.col("grave")}
    if "email_action" in matches.columns:
        changed |= {"email_action": pl.lit("none"), "email_new": pl.lit(None, pl.String)}
    marked = matches.join(forbidden, on="teamleader_id", how="left", maintain_order="left").with_columns(
        pl.when(stopped).then(value).otherwise(name).alias(name) for name, value in changed.items()
    )
    erased = marked.filter((pl.col("outcome") == "held") & (pl.col("grave") == GDPR_DELETED))
    sentence = f"It was erased in HubSpot by a person, so no {entity_type} is made of it again until it is released."
    told = notices(GDPR_DELETED, entity_type, erased, sentence)
    return Matching(marked.select(matches.columns), pl.concat([matching.notices, told]))


def of_entity(frame: pl.DataFrame, entity_type: str) -> pl.DataFrame:
    """Rows of one entity type of a frame such as sync.links."""
    return frame.filter(pl.col("entity_type") == entity_type)


def blank_to_null(name: str) -> pl.Expr:
    """The text column, with blank text as null."""
    trimmed = pl.col(name).str.strip_chars()
    return pl.when(trimmed != "").then(trimmed)


def oldest_first(createdate: str = "createdate", record_id: str = "hubspot_id") -> list[pl.Expr]:
    """Sort keys: oldest HubSpot record first (unknown dates last), then the lowest id as a number."""
    return [
        pl.col(createdate).is_null(),
        pl.col(createdate),
        pl.col(record_id).cast(pl.Int64, strict=False).is_null(),
        pl.col(record_id).cast(pl.Int64, strict=False),
        pl.col(record_id),
    ]


def are_among(ids: pl.Series, known: pl.Series) -> pl.Series:
    """Whether each of the ids is among the known ones; no id is null."""
    known = known.cast(pl.String)
    if len(ids) < len(known):
        # what is looked up in is made ready first: in a first run that is all of Teamleader, for no id at all
        known = known.filter(known.is_in(ids.implode()))
    return ids.is_in(known.implode())
