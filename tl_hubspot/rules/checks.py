"""Data quality questions about source and decisions: pure functions that return the offending rows.

How severe a finding is, and what Dagster makes of it, lives in `orchestration`. Rows hold ids and, where a person has
to see it to mend it, the value itself: count them in logs, list them only in reports.
"""

from __future__ import annotations

import polars as pl


def duplicate_addresses(contact_decisions: pl.DataFrame) -> pl.DataFrame:
    """Contacts with the address of another, skipped ones too: address, teamleader_id, reason, duplicate_of."""
    shared = pl.col("address").is_not_null() & pl.col("address").is_duplicated()
    return (
        contact_decisions.filter(shared)
        .select("address", "teamleader_id", "reason", "duplicate_of")
        .sort("address", "teamleader_id")
    )


def opt_outs_without_address(contact_decisions: pl.DataFrame) -> pl.DataFrame:
    """Opted-out contacts without an e-mail address: nobody can be unsubscribed for them. teamleader_id."""
    return contact_decisions.filter(pl.col("opted_out") & pl.col("address").is_null()).select("teamleader_id")


def contacts_without_date(contact_decisions: pl.DataFrame) -> pl.DataFrame:
    """Contacts skipped because neither a date of change nor of creation is known. teamleader_id."""
    return contact_decisions.filter(pl.col("reason") == "no_date").select("teamleader_id")


def contacts_with_future_date(contact_decisions: pl.DataFrame) -> pl.DataFrame:
    """Contacts changed after as_of; they count as recent. teamleader_id, changed_at, as_of."""
    return contact_decisions.filter(pl.col("changed_at") > pl.col("as_of")).select(
        "teamleader_id", "changed_at", "as_of"
    )


def companies_without_vat(companies: pl.DataFrame) -> pl.DataFrame:
    """Companies (`teamleader.companies`) without a VAT number. teamleader_id."""
    return companies.filter(_is_blank("vat_number")).select(teamleader_id="id").sort("teamleader_id")


def companies_with_invalid_vat(companies: pl.DataFrame, company_decisions: pl.DataFrame) -> pl.DataFrame:
    """Companies whose VAT number cannot be used as a key: teamleader_id, vat_number as typed, country."""
    unusable = company_decisions.filter(pl.col("vat").is_null()).select("teamleader_id")
    return (
        companies.filter(~_is_blank("vat_number"))
        .select("vat_number", teamleader_id="id", country=pl.col("primary_address").struct.field("country"))
        .join(unusable, on="teamleader_id", how="semi")
        .select("teamleader_id", "vat_number", "country")
        .sort("teamleader_id")
    )


def companies_sharing_vat(company_decisions: pl.DataFrame) -> pl.DataFrame:
    """Companies that share their VAT number: vat, teamleader_id, duplicate_of."""
    shared = pl.col("vat").is_not_null() & pl.col("vat").is_duplicated()
    return company_decisions.filter(shared).select("vat", "teamleader_id", "duplicate_of").sort("vat", "teamleader_id")


def companies_fitting_several_groups(company_decisions: pl.DataFrame) -> pl.DataFrame:
    """Companies that would have fitted other groups as well: teamleader_id, group_id, joined_by, also_fits."""
    return company_decisions.filter(pl.col("also_fits").list.len() > 0).select(
        "teamleader_id", "group_id", "joined_by", "also_fits"
    )


def deals_without_contact(deal_decisions: pl.DataFrame) -> pl.DataFrame:
    """Deals that name no contact. teamleader_id, company_id."""
    return deal_decisions.filter(pl.col("reason") == "no_contact").select("teamleader_id", "company_id")


def links_to_unknown(links: pl.DataFrame, contacts: pl.DataFrame, companies: pl.DataFrame) -> pl.DataFrame:
    """Links of which a side is not among the records: contact_id, company_id, unknown (contact, company or both)."""
    known = links.select(
        "contact_id",
        "company_id",
        has_contact=pl.col("contact_id").is_in(contacts["id"].implode()).fill_null(False),
        has_company=pl.col("company_id").is_in(companies["id"].implode()).fill_null(False),
    )
    unknown = (
        pl.when(~pl.col("has_contact") & ~pl.col("has_company"))
        .then(pl.lit("both"))
        .when(~pl.col("has_contact"))
        .then(pl.lit("contact"))
        .otherwise(pl.lit("company"))
    )
    return (
        known.filter(~(pl.col("has_contact") & pl.col("has_company")))
        .select("contact_id", "company_id", unknown=unknown)
        .sort("contact_id", "company_id")
    )


def _is_blank(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().fill_null("") == ""
