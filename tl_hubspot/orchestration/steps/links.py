"""Links between contacts and companies into the warehouse, with the fewest calls.

Which calls those are is computed in `teamleader.calls`; what a changed link means for a contact in `rules.changes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps.reading import extraction_of, set_watermark, stamp, watermark
from tl_hubspot.rules import changes
from tl_hubspot.teamleader.calls import plan_calls
from tl_hubspot.teamleader.extraction import Extraction, Links
from tl_hubspot.warehouse.store import delete, fetch, insert, upsert


def links(platform: Platform, run: Run) -> dict[str, int]:
    """Contact–company links: all of them in a full run, else those of changed records and a rolling share of the rest.

    A contact whose set of companies changed counts as changed (`rules.changes.link_changes`).
    """
    extraction, warehouse, started = extraction_of(platform), platform.warehouse, platform.clock()
    mark = watermark(platform, "links")
    companies = warehouse.read(
        "select id, links_read_at, _loaded_at from teamleader.companies where deleted_at is null"
    )
    if run.is_full or mark is None:
        asked_companies, asked_contacts = _all_links(platform, extraction, companies.get_column("id").to_list())
    else:
        # rows stored since the last reading of links, also by a run that did not get as far as the links
        touched = pl.col("_loaded_at") >= mark["read_until"]
        rolling = companies.filter(~touched).sort("links_read_at", "id", nulls_last=False)
        rolling = rolling.head(platform.settings.teamleader.link_rereads_per_run)
        asked_companies = [*companies.filter(touched)["id"], *rolling["id"]]
        contacts = warehouse.read("select id, _loaded_at from teamleader.contacts where deleted_at is null")
        asked_contacts = contacts.filter(touched).get_column("id").to_list()
    by_company, read_company = _collect(extraction.links_by_company(asked_companies))
    by_contact, read_contact = _collect(extraction.links_by_contact(asked_contacts))
    old = warehouse.read("select * from teamleader.contact_company_links")
    new = _merged_links(old, read_company, by_company, read_contact, by_contact)
    # companies.info does not tell in which order a contact lists its companies: ask the contacts that have several
    several = _unordered(new, by_contact)
    if several:
        answered, ordered = _collect(extraction.links_by_contact(several))
        new = _merged_links(new, ordered.clear(), [], ordered, answered)
    new = new.with_columns(pl.col("rank").fill_null(0).cast(pl.Int32))
    with warehouse.transaction() as con:
        changed = pl.DataFrame()
        if mark is not None:
            contacts = fetch(
                con, f"select id, updated_at, changed_at, _run_id = '{run.run_id}' as touched from teamleader.contacts"
            )
            changed = changes.link_changes(_pairs(old), _pairs(new), contacts, run.as_of)
            upsert(con, "teamleader.contacts", changed.select("id", "changed_at"))
        stamps = [pl.lit(v).alias(k) for k, v in stamp(platform, run).items()]
        fresh = new.join(
            old, on=["contact_id", "company_id", "position", "decision_maker", "rank"], how="anti", nulls_equal=True
        )
        gone = old.join(new, on=["contact_id", "company_id"], how="anti")
        delete(con, "teamleader.contact_company_links", fresh.select("contact_id", "company_id"))
        delete(con, "teamleader.contact_company_links", gone.select("contact_id", "company_id"))
        insert(con, "teamleader.contact_company_links", fresh.select(_LINK_COLUMNS).with_columns(*stamps))
        read = pl.DataFrame({"id": sorted(set(by_company))}, schema={"id": pl.String()})
        upsert(con, "teamleader.companies", read.with_columns(pl.lit(started).alias("links_read_at")))
        set_watermark(con, run, "links", started, mark)
    return {
        "links": new.height,
        "companies_read": len(by_company),
        "contacts_read": len(by_contact) + len(several),
        "contacts_changed": changed.height,
        "added_or_changed": fresh.height,
        "removed": gone.height,
    }


_LINK_COLUMNS = ["contact_id", "company_id", "position", "decision_maker", "rank"]
_LINK_SCHEMA = {
    "contact_id": pl.String(),
    "company_id": pl.String(),
    "position": pl.String(),
    "decision_maker": pl.Boolean(),
    "rank": pl.Int32(),
}


def _all_links(platform: Platform, extraction: Extraction, companies: list[str]) -> tuple[list[str], list[str]]:
    """Companies and contacts to ask for all links, with the fewest calls (`teamleader.calls`)."""
    contacts = platform.warehouse.read("select id from teamleader.contacts where deleted_at is null")["id"].to_list()
    plan = plan_calls(companies, contacts)
    if plan.probe_worthwhile and plan.way == "contacts.info":
        unlinked = extraction.unlinked_contacts(contacts)
        if unlinked is not None:
            plan = plan_calls(companies, contacts, linked=set(contacts) - unlinked)
    return sorted(plan.company_ids), sorted(plan.contact_ids)


def _collect(answers: Iterable[Links]) -> tuple[list[str], pl.DataFrame]:
    """Ids that were answered, and their links; what was gone or hidden is not among them and keeps its known links."""
    answered: list[str] = []
    rows: list[tuple[Any, ...]] = []
    for answer in answers:
        if answer.found:
            answered.append(answer.owner_id)
            rows.extend((k.contact_id, k.company_id, k.position, k.decision_maker, k.rank) for k in answer.links)
    frame = pl.DataFrame(rows, schema=_LINK_SCHEMA, orient="row")
    return answered, frame


def _pairs(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("contact_id", "company_id")


def _merged_links(
    old: pl.DataFrame, by_company: pl.DataFrame, companies: list[str], by_contact: pl.DataFrame, contacts: list[str]
) -> pl.DataFrame:
    """Links after reading: what was read of a company or contact replaces all that was known of it.

    Where both sides were read the contact's side wins, for it knows the order; a rank known before stays.
    """
    old = old.select(_LINK_COLUMNS)
    kept = old.filter(~pl.col("company_id").is_in(companies) & ~pl.col("contact_id").is_in(contacts))
    ranked = old.select("contact_id", "company_id", pl.col("rank").alias("_rank"))
    company_side = (
        by_company.filter(~pl.col("contact_id").is_in(contacts))
        .join(ranked, on=["contact_id", "company_id"], how="left")
        .with_columns(pl.coalesce("rank", "_rank").alias("rank"))
        .select(_LINK_COLUMNS)
    )
    return pl.concat([kept, company_side, by_contact.select(_LINK_COLUMNS)]).sort("contact_id", "rank", "company_id")


def _unordered(links: pl.DataFrame, known: list[str]) -> list[str]:
    """Contacts with several companies of which at least one has no rank."""
    several = links.group_by("contact_id").agg(pl.len().alias("n"), pl.col("rank").is_null().any().alias("open"))
    return (
        several.filter((pl.col("n") > 1) & pl.col("open") & ~pl.col("contact_id").is_in(known))["contact_id"]
        .sort()
        .to_list()
    )
