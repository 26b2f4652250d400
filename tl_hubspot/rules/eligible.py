"""The records and relations that belong in HubSpot, made from the decisions: the `eligible.*` tables.

How a company link or deal of a duplicate counts: **for the winner**. A contact that lost as duplicate_email hands all
its company links and deals to the contact it lost to, as if they had been made there: the companies become eligible,
and the winner is related to them, for otherwise a company would stand in HubSpot without the person on whose account it
is there. The winner's own links are listed first, so that first company and job title come from a loser only when the
winner has no link to a company itself. (That a winner without a *HubSpot* link takes over the loser's is matching, in
`planning`.) Contacts stopped by another rule hand over nothing.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.rules import contacts as contact_rules

LOOKED_AT = {
    "decisions.contacts": ("teamleader_id", "status", "reason", "duplicate_of", "address"),
    "decisions.companies": ("teamleader_id", "status", "group_id", "vat", "domain", "name_key"),
    "decisions.deals": ("teamleader_id", "status", "reason", "label", "contact_id", "company_id"),
    "teamleader.contact_company_links": ("contact_id", "company_id", "position", "rank"),
}
"""Columns of each table that eligibility looks at; of the contacts' decisions the other rules need no others."""


def links_that_count(
    links: pl.DataFrame, contact_decisions: pl.DataFrame, company_decisions: pl.DataFrame
) -> pl.DataFrame:
    """Contact–company links as they count: contact_id (eligible), company_id (winner of an eligible group), position.

    Sorted by contact and place in its list: its own links by rank, then those of the contacts that lost to it, by
    contact id and rank. Once per pair: the first. `links`: `teamleader.contact_company_links`.
    """
    return (
        links.select("contact_id", "company_id", "position", "rank")
        .join(contact_rules.eligible_ids(contact_decisions), on="contact_id")
        .join(_eligible_groups(company_decisions), on="company_id")
        .sort(
            in_order(
                "eligible_id",
                pl.when(pl.col("contact_id") == pl.col("eligible_id")).then(pl.lit("")).otherwise("contact_id"),
                pl.col("rank").cast(pl.String).str.zfill(10).fill_null("unknown"),
                "company_id",
            )
        )
        .select("position", contact_id="eligible_id", company_id="group_id")
        .unique(subset=["contact_id", "company_id"], keep="first", maintain_order=True)
        .select("contact_id", "company_id", "position")
    )


def contacts(contact_decisions: pl.DataFrame, company_decisions: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """`eligible.contacts`, sorted by teamleader_id.

    first_company_id is the first-listed eligible company, jobtitle the position on the link to it.
    """
    first = links_that_count(links, contact_decisions, company_decisions).unique(
        subset="contact_id", keep="first", maintain_order=True
    )
    return (
        contact_decisions.filter(pl.col("status").is_in(contact_rules.ELIGIBLE))
        .join(first, left_on="teamleader_id", right_on="contact_id", how="left")
        .select(
            "teamleader_id",
            "reason",
            "address",
            marketing=pl.col("status") == "marketing",
            first_company_id="company_id",
            jobtitle="position",
        )
        .select("teamleader_id", "marketing", "reason", "address", "first_company_id", "jobtitle")
        .sort("teamleader_id")
    )


def companies(company_decisions: pl.DataFrame) -> pl.DataFrame:
    """`eligible.companies`: one row per eligible group, sorted by teamleader_id; members with the winner first."""
    members = (
        company_decisions.with_columns(is_loser=pl.col("teamleader_id") != pl.col("group_id"))
        .sort("group_id", "is_loser", "teamleader_id")
        .group_by("group_id", maintain_order=True)
        .agg(members="teamleader_id")
    )
    return (
        company_decisions.filter(pl.col("status") == "sync")
        .join(members, left_on="teamleader_id", right_on="group_id")
        .select("teamleader_id", "members", "vat", "domain", "name_key")
        .sort("teamleader_id")
    )


def deals(deal_decisions: pl.DataFrame, company_decisions: pl.DataFrame) -> pl.DataFrame:
    """`eligible.deals`, held ones too, sorted by teamleader_id. company_id is null unless that company is eligible."""
    return (
        deal_decisions.filter(pl.col("status").is_in(["sync", "held"]))
        .join(_eligible_groups(company_decisions), on="company_id", how="left")
        .select("teamleader_id", "label", "reason", "contact_id", company_id="group_id")
        .sort("teamleader_id")
    )


def relations(
    eligible_deals: pl.DataFrame,
    contact_decisions: pl.DataFrame,
    company_decisions: pl.DataFrame,
    links: pl.DataFrame,
) -> pl.DataFrame:
    """`eligible.relations`: contact → company, deal → contact, deal → company; sorted.

    is_first marks the first-listed eligible company of a contact.
    """
    parts = [
        links_that_count(links, contact_decisions, company_decisions).select(
            from_type=pl.lit("contact"),
            from_id="contact_id",
            to_type=pl.lit("company"),
            to_id="company_id",
            is_first=pl.col("contact_id").is_first_distinct(),
        )
    ] + [
        eligible_deals.filter(pl.col(column).is_not_null()).select(
            from_type=pl.lit("deal"),
            from_id="teamleader_id",
            to_type=pl.lit(to_type),
            to_id=column,
            is_first=pl.lit(False),
        )
        for to_type, column in (("contact", "contact_id"), ("company", "company_id"))
    ]
    return pl.concat(parts).sort(in_order("from_type", "from_id", "to_type", "to_id"))


def in_order(*texts: pl.Expr | str) -> pl.Expr:
    """One text that sorts rows as those texts one after the other do, in a third of the time."""
    return pl.concat_str(*texts, separator="\0")


def _eligible_groups(company_decisions: pl.DataFrame) -> pl.DataFrame:
    """Columns company_id, group_id for every member of an eligible group."""
    eligible = company_decisions.filter(pl.col("status") == "sync").select("group_id")
    return company_decisions.join(eligible, on="group_id", how="semi").select("group_id", company_id="teamleader_id")
