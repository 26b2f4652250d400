"""Teamleader into the warehouse: records as received with typed columns, links, phase history, deletions.

Lives here: what is asked of Teamleader in a run, and how answers become rows. Paging and calls are the business of
`teamleader`, when a contact counts as changed that of `rules.changes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import duckdb
import polars as pl

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import preflight
from tl_hubspot.rules import changes, demand
from tl_hubspot.teamleader.calls import plan_calls
from tl_hubspot.teamleader.extraction import Batch, Extraction, Links, Presence, Stream
from tl_hubspot.warehouse import typed
from tl_hubspot.warehouse.store import delete, fetch, frame_of, insert, upsert

STREAMS: tuple[Stream, ...] = ("contacts", "companies", "deals")
_NO_INSTANT = pl.lit(None, pl.Datetime("us", "UTC"))


def reference(platform: Platform, run: Run) -> int:
    """All small lists, read anew in every run."""
    rows = [dict(row) | _stamp(platform, run) for row in _extraction(platform).reference()]
    frame = frame_of("teamleader.reference", rows)
    # a renamed custom field would look emptied everywhere, and the sync would carry that over
    preflight.custom_fields(platform, frame)
    return platform.warehouse.replace("teamleader.reference", frame)


def records(platform: Platform, run: Run, stream: Stream) -> dict[str, int]:
    """New and changed records of `stream`; in a full run all of them, and those that are gone are marked deleted.

    Returns counts: read, new, changed, unchanged, deleted, unreadable_dates.
    """
    table, extraction = f"teamleader.{stream}", _extraction(platform)
    mark = _watermark(platform, stream)
    since = None
    if not run.is_full and mark is not None:
        since = mark["read_until"] - timedelta(seconds=platform.settings.teamleader.overlap_seconds)
    counts = dict.fromkeys(("read", "new", "changed", "unchanged", "deleted", "unreadable_dates"), 0)
    read_from: datetime | None = None
    seen: set[str] = set()
    for batch in getattr(extraction, stream)(updated_since=since):
        read_from = read_from or batch.server_time
        with platform.warehouse.transaction() as con:
            _store(con, platform, run, table, batch, counts)
        if run.is_full:
            seen.update(record.id for record in batch.records)
    if run.is_full:
        counts["deleted"] = _mark_deleted(platform, run, stream, seen, extraction)
    with platform.warehouse.transaction() as con:
        _set_watermark(con, run, stream, read_from or platform.clock(), mark)
    return counts


def _store(
    con: duckdb.DuckDBPyConnection, platform: Platform, run: Run, table: str, batch: Batch, counts: dict[str, int]
) -> None:
    received = pl.DataFrame(
        {"id": [r.id for r in batch.records], "payload": [r.payload.decode() for r in batch.records]},
        schema={"id": pl.String(), "payload": pl.String()},
    )
    frame = typed.typed(con, table, received)
    if table == "teamleader.contacts":
        prints = [changes.watched_fingerprint(r.payload) for r in batch.records]
        frame = frame.join(received.select("id", pl.Series("watched_hash", prints, pl.String())), on="id", how="left")
        con.register("_received", received)
        stored = fetch(con, f"select * exclude (payload) from {table} where id in (select id from _received)")
        con.unregister("_received")
        versions = changes.next_versions(stored, frame, run.as_of)
        frame = frame.join(versions.select("id", "changed_at", "consent_withdrawn_at"), on="id", how="left")
    counts["unreadable_dates"] += typed.unreadable(con, table, received).height
    stamps = [pl.lit(v).alias(k) for k, v in _stamp(platform, run).items()]
    merged = upsert(con, table, frame.with_columns(_NO_INSTANT.alias("deleted_at"), *stamps))
    counts["read"] += frame.height
    counts["new"] += merged.inserted
    counts["changed"] += merged.updated
    counts["unchanged"] += merged.unchanged


def _mark_deleted(platform: Platform, run: Run, stream: Stream, seen: set[str], extraction: Extraction) -> int:
    """Absent from a complete read and answered 404 when asked by id: deleted."""
    known = platform.warehouse.read(f"select id from teamleader.{stream} where deleted_at is null").get_column("id")
    absent = sorted(set(known) - seen)
    if not absent:
        return 0
    # hidden is not gone: a permission that changed must not delete anything
    gone = sorted(id for id, presence in extraction.exists(stream, absent) if presence is Presence.GONE)
    rows = pl.DataFrame({"id": gone}, schema={"id": pl.String()}).with_columns(
        pl.lit(platform.clock()).alias("deleted_at"), pl.lit(run.run_id).alias("_run_id")
    )
    return platform.warehouse.upsert(f"teamleader.{stream}", rows).updated


# ---------------------------------------------------------------------- links between contacts and companies


def links(platform: Platform, run: Run) -> dict[str, int]:
    """Contact–company links: all of them in a full run, else those of changed records and a rolling share of the rest.

    A contact whose set of companies changed counts as changed (`rules.changes.link_changes`).
    """
    extraction, warehouse, started = _extraction(platform), platform.warehouse, platform.clock()
    mark = _watermark(platform, "links")
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
        stamps = [pl.lit(v).alias(k) for k, v in _stamp(platform, run).items()]
        fresh = new.join(
            old, on=["contact_id", "company_id", "position", "decision_maker", "rank"], how="anti", nulls_equal=True
        )
        gone = old.join(new, on=["contact_id", "company_id"], how="anti")
        delete(con, "teamleader.contact_company_links", fresh.select("contact_id", "company_id"))
        delete(con, "teamleader.contact_company_links", gone.select("contact_id", "company_id"))
        insert(con, "teamleader.contact_company_links", fresh.select(_LINK_COLUMNS).with_columns(*stamps))
        read = pl.DataFrame({"id": sorted(set(by_company))}, schema={"id": pl.String()})
        upsert(con, "teamleader.companies", read.with_columns(pl.lit(started).alias("links_read_at")))
        _set_watermark(con, run, "links", started, mark)
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


# ---------------------------------------------------------------------- phases of deals


def phase_history(platform: Platform, run: Run) -> dict[str, int]:
    """Phase history of the deals whose decision needs it and whose history is not known up to their last update."""
    warehouse = platform.warehouse
    deals = warehouse.read("select * exclude (payload) from teamleader.deals where deleted_at is null")
    wanted = demand.phase_history(deals, platform.rules(run))
    known = pl.col("phase_history_read_at") > pl.col("_loaded_at")
    stale = wanted.filter(~known.fill_null(False))
    histories = [h for h in _extraction(platform).phase_history(stale.get_column("id").sort().to_list()) if h.found]
    ids = [history.deal_id for history in histories]
    rows = [
        {
            "deal_id": history.deal_id,
            "position": position,
            "phase_id": entry.phase_id,
            "started_at": entry.started_at,
            "started_by": entry.started_by,
        }
        | _stamp(platform, run)
        for history in histories
        for position, entry in enumerate(history.entries)
    ]
    with warehouse.transaction() as con:
        read = pl.DataFrame({"id": ids}, schema={"id": pl.String()})
        delete(con, "teamleader.deal_phase_history", read.rename({"id": "deal_id"}))
        insert(con, "teamleader.deal_phase_history", frame_of("teamleader.deal_phase_history", rows))
        upsert(con, "teamleader.deals", read.with_columns(pl.lit(platform.clock()).alias("phase_history_read_at")))
    return {"deals_read": len(ids), "deals_that_need_it": wanted.height, "entries": len(rows)}


# ---------------------------------------------------------------------- shared


def _extraction(platform: Platform) -> Extraction:
    return Extraction(platform.teamleader, platform.progress)


def _watermark(platform: Platform, stream: str) -> dict[str, Any] | None:
    rows = platform.warehouse.read("select * from sync.watermarks where stream = ?", [stream])
    return rows.row(0, named=True) if rows.height else None


def _set_watermark(
    con: duckdb.DuckDBPyConnection, run: Run, stream: str, read_until: datetime, mark: dict[str, Any] | None
) -> None:
    full_as_of = run.as_of if run.is_full or mark is None else mark["full_as_of"]
    row = {"stream": stream, "read_until": read_until, "full_as_of": full_as_of, "run_id": run.run_id}
    upsert(con, "sync.watermarks", frame_of("sync.watermarks", [row]))


def _stamp(platform: Platform, run: Run) -> dict[str, Any]:
    return {"_loaded_at": platform.clock(), "_run_id": run.run_id}
