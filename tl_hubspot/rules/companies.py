"""Companies: which Teamleader companies are one and the same, and which groups belong in HubSpot.

Lives here: keys, joining within Teamleader, winners, eligibility. Normal forms of the keys live in `normalize`, finding
the HubSpot company in `planning`.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from tl_hubspot.rules import contacts, duplicates, normalize
from tl_hubspot.rules.rule import Facts, Rule, Said, first_hit
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.told import told

KEYS = ("vat", "domain", "name_key")
"""Keys that join companies, the strongest first."""

_KEY_NAMES = {"vat": "vat", "domain": "domain", "name_key": "name"}
_COLUMN_OF = {name: column for column, name in _KEY_NAMES.items()}
LOOKED_AT = (
    *("id", "name", "status", "vat_number", "website", "emails"),
    *("primary_address", "added_at", "updated_at"),
)
"""Columns of `teamleader.companies` that the rules look at."""
_SPOKEN_KEYS = {"vat": "VAT number", "domain": "internet domain", "name": "name"}


def keys(companies: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """Columns id, vat, domain, name_key (null when missing), in the order of `companies`.

    `companies` has id, name, vat_number, website, emails and primary_address as in `teamleader.companies`.
    """
    typed = companies.select(
        "id",
        "vat_number",
        "website",
        email=normalize.first_email("emails"),
        country=pl.col("primary_address").struct.field("country"),
        name_key=normalize.name_key(pl.col("name")),
    )
    excluded = settings.hosts_without_company
    return typed.select(
        "id",
        normalize.vat_numbers(typed["vat_number"], typed["country"]).alias("vat"),
        pl.coalesce(normalize.domains(typed["website"], excluded), normalize.domains(typed["email"], excluded)).alias(
            "domain"
        ),
        "name_key",
    )


def group(companies: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """Which companies are the same: one row per company, sorted by id.

    Columns id, group_id (the winner), joined_by (vat, domain, name; null for the winner), also_fits (winners of other
    groups that fit by the same key), vat, domain, name_key, is_deactivated, has_vat, updated_at, added_at.

    Same VAT number: one group. Then companies without VAT number join by domain, then those without VAT number and
    domain by name. Where a key leads to several groups, the one whose winner at the beginning of that step ranks first
    is taken, so that the order in which companies join cannot matter. A company that no group fits starts one with
    those like it. A joining company has no VAT number, so a group never holds two.
    """
    frame = companies.select(
        "id",
        "updated_at",
        "added_at",
        is_deactivated=pl.col("status").eq_missing(pl.lit("deactivated")),
    ).join(keys(companies, settings), on="id", how="left", maintain_order="left")
    frame = duplicates.COMPANIES.sort(frame.with_columns(has_vat=pl.col("vat").is_not_null())).with_row_index("place")

    # `group` is the place of the company that stands for the group until the winners are known.
    own = pl.col("place")
    grouped = frame.with_columns(
        group=pl.when("has_vat").then(own.min().over("vat")),
        entered_by=pl.when("has_vat").then(pl.lit("vat")),
        fits=pl.lit(None, pl.List(pl.UInt32)),
    )
    without = pl.col("group").is_null()
    grouped = _join_by(grouped, "domain", without & pl.col("domain").is_not_null())
    grouped = _join_by(grouped, "name_key", without & pl.col("domain").is_null() & pl.col("name_key").is_not_null())
    grouped = grouped.with_columns(group=pl.col("group").fill_null(own))
    return _with_winners(grouped).select(
        "id", "group_id", "joined_by", "also_fits", *KEYS, "is_deactivated", "has_vat", "updated_at", "added_at"
    )


def _join_by(grouped: pl.DataFrame, key: str, joining: pl.Expr) -> pl.DataFrame:
    """Let the `joining` companies join the groups of which a member has the same `key`, else each other."""
    grouped = grouped.with_columns(joins=joining)
    # Places are ranks: the smallest place among the members is the winner so far.
    members = grouped.filter(pl.col("group").is_not_null()).with_columns(winner=pl.col("place").min().over("group"))
    offers = members.filter(pl.col(key).is_not_null()).group_by(key).agg(offer=pl.col("winner").unique().sort())
    founders = pl.col("place").min().over(key, "joins")
    return (
        grouped.join(offers, on=key, how="left", maintain_order="left")
        .join(
            members.select(offered="winner", offered_group="group").unique(),
            left_on=pl.col("offer").list.first(),
            right_on="offered",
            how="left",
            maintain_order="left",
        )
        .with_columns(
            group=pl.when("joins").then(pl.coalesce("offered_group", founders)).otherwise("group"),
            entered_by=pl.when("joins").then(pl.lit(_KEY_NAMES[key])).otherwise("entered_by"),
            fits=pl.when("joins").then("offer").otherwise("fits"),
        )
        .select(grouped.drop("joins").columns)
    )


def _with_winners(grouped: pl.DataFrame) -> pl.DataFrame:
    """group_id, joined_by and also_fits once nobody joins any more."""
    won = grouped.with_columns(winning=pl.col("place").min().over("group"))
    ids = won.select(winning="place", group_id="id")
    final = won.select("place", "winning")
    also = (
        won.filter(pl.col("fits").list.len() > 1)
        .select("place", own="winning", fit="fits")
        .explode("fit")
        .join(final.rename({"place": "fit", "winning": "other"}), on="fit")
        .filter(pl.col("other") != pl.col("own"))
        .join(ids.rename({"winning": "other", "group_id": "other_id"}), on="other")
        .group_by("place")
        .agg(also_fits=pl.col("other_id").unique().sort())
    )
    winner_entered = won.filter(pl.col("place") == pl.col("winning")).select("winning", winner_entered_by="entered_by")
    is_winner = pl.col("place") == pl.col("winning")
    # The company that stood for the group before its winner joined is in it by the key by which the winner joined.
    is_founder = pl.col("place") == pl.col("group")
    return (
        won.join(ids, on="winning", how="left", maintain_order="left")
        .join(also, on="place", how="left", maintain_order="left")
        .join(winner_entered, on="winning", how="left", maintain_order="left")
        .with_columns(
            also_fits=pl.col("also_fits").fill_null([]),
            joined_by=pl.when(~is_winner).then(
                pl.when(is_founder).then(pl.col("winner_entered_by")).otherwise(pl.col("entered_by"))
            ),
        )
        .sort("id")
    )


def _say_duplicate(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said(
            told(
                "Company {other} is the same company ({key}) and goes first, so this one is not imported; its contacts"
                " and deals go to that one.",
                other=facts["duplicate_of"],
                key=_SPOKEN_KEYS[facts["joined_by"]],
            ),
            facts[_COLUMN_OF[facts["joined_by"]]],
        )
    return Said("No other Teamleader company that is the same goes first, so it may be imported.", facts["name_key"])


def _say_contact(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said(
            told(
                "Contact {contact} works here and is imported, so the company is imported too.",
                contact=facts["eligible_contact"],
            ),
            facts["eligible_contact"],
        )
    return Said("No contact that works here is imported.")


def _say_rest(facts: Facts, hit: bool) -> Said:
    return Said("A company without a contact that is imported stays out of HubSpot.")


RULES = (
    Rule(
        1,
        "Does no other company that is the same go first?",
        pl.col("duplicate_of").is_not_null(),
        "skip",
        "duplicate_company",
        _say_duplicate,
    ),
    Rule(
        2,
        "Does a contact that is imported work here?",
        pl.col("eligible_contact").is_not_null(),
        "sync",
        "eligible_contact",
        _say_contact,
    ),
    Rule(3, "Otherwise", pl.lit(True), "skip", "no_eligible_contact", _say_rest),
)

COLUMNS = (
    "teamleader_id",
    "status",
    "reason",
    "duplicate_of",
    "group_id",
    "joined_by",
    "also_fits",
    "vat",
    "domain",
    "name_key",
    "eligible_contact",
    "linked",
    "source_status",
    "as_of",
)


def decide(
    groups: pl.DataFrame,
    links: pl.DataFrame,
    contact_decisions: pl.DataFrame,
    linked_ids: Collection[str] | pl.Series,
    settings: RuleSettings,
) -> pl.DataFrame:
    """`decisions.companies`: one row per company, sorted by teamleader_id.

    `groups` from `group`; `links`: `teamleader.contact_company_links`; `linked_ids`: ids that have a HubSpot record.
    """
    return decision(facts(groups, links, contact_decisions, linked_ids), settings)


def facts(
    groups: pl.DataFrame,
    links: pl.DataFrame,
    contact_decisions: pl.DataFrame,
    linked_ids: Collection[str] | pl.Series,
) -> pl.DataFrame:
    """All that the rules look at, one row per company: `group` plus linked, duplicate_of, eligible_contact.

    eligible_contact is the smallest id of an eligible contact linked to any member of the group; a contact that lost as
    duplicate_email speaks for the one it lost to.
    """
    makes_eligible = (
        links.select("contact_id", id="company_id")
        .join(contacts.eligible_ids(contact_decisions), on="contact_id")
        .join(groups.select("id", "group_id"), on="id")
        .group_by("group_id")
        .agg(eligible_contact=pl.col("eligible_id").min())
    )
    return groups.join(makes_eligible, on="group_id", how="left", maintain_order="left").with_columns(
        contacts.is_in(pl.col("id"), linked_ids).alias("linked"),
        duplicate_of=pl.when(pl.col("group_id") != pl.col("id")).then(pl.col("group_id")),
    )


def decision(facts: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """`decisions.companies` from the facts."""
    return (
        facts.with_columns(first_hit(RULES))
        .with_columns(
            teamleader_id="id",
            source_status=pl.when("is_deactivated").then(pl.lit("deactivated")).otherwise(pl.lit("active")),
            as_of=pl.lit(settings.as_of_utc, pl.Datetime("us", "UTC")),
        )
        .select(COLUMNS)
        .sort("teamleader_id")
    )
