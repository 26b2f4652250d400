"""Links between contacts and companies into the warehouse, with the fewest calls, a chunk of answers at a time.

Which way takes fewer calls is computed in `teamleader.calls`, which contacts need links at all in `rules.demand`, what
a changed link means for a contact in `rules.changes`.

A chunk is stored together with the time at which its records were asked (`links_read_at`), so a reading that was broken
off goes on where it was. That time also says what is known: a link is a new one only if its contact or its company had
been read before it appeared; links of records that were never read may be as old as they like. Records that may not
be seen (403) keep their known links, and are asked again in every run (`sync.hidden_links`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from math import ceil
from typing import Any, Literal

import duckdb
import polars as pl

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import demanded
from tl_hubspot.orchestration.steps.reading import extraction_of, set_watermark, stamp, watermark
from tl_hubspot.rules import changes
from tl_hubspot.teamleader.calls import (
    PROBES,
    SEVERAL_COMPANIES,
    CallBook,
    LinkPlan,
    list_calls,
    plan_links,
    reference_calls,
    rereads,
)
from tl_hubspot.teamleader.extraction import Extraction, Links
from tl_hubspot.warehouse.history import supersede
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import delete, fetch, frame_of, insert, upsert

STREAM = "contact_company_links"
BEGUN = "links_begun"
"""Row of `sync.watermarks` while a reading of all links is not finished: `read_until` is when it began."""
CHUNK = 200
"""Answers stored at once: about a minute of calls."""
AT_ONCE = 10_000
"""Of no more records the known links are looked up at once: to find those of a chunk takes a pass over all links."""
SAMPLE = 0.01
SMALLEST_SAMPLE = 20
"""Share of the calls, and number, spent on learning how many contacts have several companies, where the plan hangs on
that."""

QUIET = 20
"""Calls that an ordinary run takes at most when nothing changed, whatever the size of the account."""
_LISTS = 9
_PROOF = 2
"""Of those: lists in which nothing changed (some are asked once more, and the token may have to be renewed), and the
proof that a company's list of contacts is not cut short."""
TOO_MANY_HIDDEN = 20
"""If so many records are asked for the first time and none may be seen, the grant is at fault, not the records."""

Side = Literal["contact", "company"]
_TABLE = "teamleader.contact_company_links"
_OWNERS: dict[Side, str] = {"contact": "teamleader.contacts", "company": "teamleader.companies"}
_PAIR = ["contact_id", "company_id"]
_LINK_COLUMNS = [*_PAIR, "position", "decision_maker", "rank"]
_LINK_SCHEMA = {
    "contact_id": pl.String(),
    "company_id": pl.String(),
    "position": pl.String(),
    "decision_maker": pl.Boolean(),
    "rank": pl.Int32(),
}


def links(platform: Platform, run: Run) -> dict[str, Any]:
    """Contact–company links: all of them the first time and when everything is asked for; else those of new and changed
    records, and in the daily sweep a share of the others, so that each is read again within `link_reread_days`.

    A contact whose set of companies changed counts as changed (`rules.changes.link_changes`).
    """
    mark = watermark(platform, "links")
    since = None if mark is None else mark["read_until"]
    reader = _Reader(platform, run, extraction_of(platform), platform.clock(), since)
    facts: dict[str, Any] = {}
    if run.named is not None:
        reader.must_read_named("company", run.named.linked_companies)
        reader.must_read_named("contact", run.named.linked_contacts)
    elif mark is None or run.options.full:
        facts = _everything(reader)
    else:
        _changed(reader)
        if not run.is_full:
            _a_few_again(reader)
        else:
            facts = _again(reader, (run.as_of - mark["full_as_of"]) / timedelta(days=1))
    reader.expect(reader.order())
    if run.named is None:
        with platform.warehouse.transaction() as con:
            con.execute("delete from sync.watermarks where stream = ?", [BEGUN])
            set_watermark(con, run, "links", reader.started, mark)
    return {
        "links": platform.warehouse.count(_TABLE),
        "companies_read": reader.read_of["company"],
        "contacts_read": reader.read_of["contact"],
        "hidden": reader.hidden,
        "contacts_changed": len(reader.contacts_changed),
        "added_or_changed": reader.added,
        "removed": reader.removed,
        **facts,
    }


def several_share(platform: Platform) -> float | None:
    """Share of the linked contacts that have several companies; None while there are too few to tell."""
    query = f"select count(*), count(*) filter (n > 1) from (select count(*) n from {_TABLE} group by contact_id)"
    linked, several = platform.warehouse.read(query).row(0)
    return several / linked if linked >= 20 else None


def few(platform: Platform) -> int:
    """Calls for links that an ordinary run has left when nothing changed; a sweep makes no fewer."""
    pipelines = platform.warehouse.count("teamleader.reference", "kind = 'deal_pipeline'")
    return max(0, QUIET - reference_calls(pipelines) - _LISTS - _PROOF)


def side_of_rereads(companies: int, contacts: int) -> Side:
    """Which records are read again when they are old: the fewer ones, as the order of companies is known by then."""
    return "contact" if contacts < companies else "company"


# -- which records to ask ----------------------------------------------------------------------------------------------


def _everything(reader: _Reader) -> dict[str, Any]:
    """All links of the contacts that need them, in the way that takes fewer calls; goes on with one broken off."""
    begun = _begun(reader)
    late = pl.col("_loaded_at") > begun
    unread = (pl.col("links_read_at") < begun).fill_null(True) | (
        late & (pl.col("links_read_at") <= pl.col("_loaded_at"))
    )
    companies, contacts = reader.existing("company").filter(unread), reader.demanded().filter(unread)
    share = several_share(reader.platform)

    def plan(candidates: list[str]) -> LinkPlan:
        return plan_links(companies.height, len(candidates), SEVERAL_COMPANIES if share is None else share)

    candidates = contacts["id"].to_list()
    way = plan(candidates)
    reader.book.planned[STREAM] += way.calls
    # one that had a company is asked itself, as for every link that is gone
    if unlinked := _unlinked(reader, way, contacts).difference(reader.linked(contacts)["id"]):
        reader.have_no_company(unlinked)
        candidates = [id for id in candidates if id not in unlinked]
        way = plan(candidates)
    size = max(SMALLEST_SAMPLE, ceil(SAMPLE * way.calls))
    if share is None and way.is_open and size < len(candidates) - companies.height:
        # ids have nothing to do with how many companies a contact has: the first ones are a fair sample
        sample = candidates[:size]
        reader.read("contact", sample)
        candidates, share = candidates[len(sample) :], reader.share_of_several(sample)
        way = plan(candidates)
    if way.way == "contacts.info":
        reader.read("contact", candidates)
        reader.read("company", companies.filter(late)["id"].to_list())
    elif way.way == "companies.info":
        reader.read("company", companies["id"].to_list())
        reader.read("contact", contacts.filter(late)["id"].to_list())
        # every company was read: so much is known of every contact, be it that it has none
        reader.all_known(begun)
    reader.order()
    reader.book.minimum[STREAM] += _minimum(reader, companies.height, contacts)
    return {"way": way.way}


def _begun(reader: _Reader) -> datetime:
    """When the reading of everything began that this one goes on with: now, unless one was broken off."""
    known = watermark(reader.platform, BEGUN)
    if known is not None:
        begun: datetime = known["read_until"]
        return begun
    row = {"stream": BEGUN, "read_until": reader.started, "run_id": reader.run.run_id}
    reader.platform.warehouse.append("sync.watermarks", frame_of("sync.watermarks", [row]))
    return reader.started


def _unlinked(reader: _Reader, way: LinkPlan, contacts: pl.DataFrame) -> frozenset[str]:
    """Those of `contacts` that Teamleader lists as having no company, where it pays to ask."""
    since = _oldest(contacts)
    if way.probe == "no" or (way.probe == "look" and not reader.extraction.more_unlinked_than(way.break_even, since)):
        return frozenset()
    return reader.extraction.unlinked_contacts(contacts["id"].to_list(), since) or frozenset()


def _oldest(contacts: pl.DataFrame) -> datetime | None:
    oldest = contacts["updated_at"].min()
    return oldest if isinstance(oldest, datetime) else None


def _minimum(reader: _Reader, companies: int, contacts: pl.DataFrame) -> int:
    """Fewest calls for the links of these contacts, reckoned with what is there now that they are read."""
    linked, several = reader.linked(contacts), reader.linked(contacts, more_than=1)
    if contacts.is_empty() or not companies:
        return 0
    with_list = linked.height + list_calls(contacts.height - linked.height) + 1 + PROBES
    return min(companies + several.height, contacts.height, with_list)


def _changed(reader: _Reader) -> None:
    """Records stored since the last reading of links, and contacts that need links and were never read."""
    touched = "(_loaded_at >= $since and not coalesce(links_read_at > _loaded_at, false))"
    hidden = "select id from sync.hidden_links where owner_type"
    since = {"since": reader.since}
    companies = f"{touched} or id in ({hidden} = 'company')"
    reader.must_read("company", reader.existing("company", companies, since)["id"])
    # after the companies: a contact that is changed by a new link may need links only now
    unread = f"select id from {_OWNERS['contact']} where {touched} or links_read_at is null"
    contacts = f"id in ({unread} union all {hidden} = 'contact')"
    reader.must_read("contact", reader.demanded(contacts, since)["id"])


def _a_few_again(reader: _Reader) -> None:
    """As many of the records read longest ago as an ordinary run has calls left: all of them in a small account."""
    count = reader.platform.warehouse.count
    side = side_of_rereads(count(_OWNERS["company"], "deleted_at is null"), count(demanded.TABLE))
    wanted = few(reader.platform)
    oldest = wanted + len(reader.asked[side])
    owners = reader.demanded(oldest=oldest) if side == "contact" else reader.existing("company", oldest=oldest)
    reader.read_longest_ago(side, owners, wanted)


def _again(reader: _Reader, gap: float) -> dict[str, Any]:
    """A share of the records that were read longest ago; `gap` is the time since the last such reading, in days."""
    settings = reader.platform.settings.teamleader
    unread = (pl.col("links_read_at") < reader.started).fill_null(True)
    companies, contacts = reader.existing("company").filter(unread), reader.demanded().filter(unread)
    linked = reader.linked(contacts)
    side = side_of_rereads(companies.height, linked.height)
    owners = linked if side == "contact" else companies
    if side == "contact" and linked.height < contacts.height:
        # one list tells who has a company now and had none, and the other way round; else all have to be looked at
        listed = reader.extraction.unlinked_contacts(contacts["id"].to_list(), _oldest(contacts))
        if listed is None:
            owners = contacts
        else:
            reader.expect(list_calls(len(listed)) + 1 + PROBES)
            had = pl.col("id").is_in(linked["id"].implode())
            has = ~pl.col("id").is_in(pl.Series(sorted(listed), dtype=pl.String).implode())
            differing = contacts.filter(had != has)
            reader.must_read("contact", differing["id"])
            owners = linked.join(differing, on="id", how="anti")
    wanted = rereads(owners.height, settings.link_reread_days, gap)
    count = reader.read_longest_ago(side, owners, max(wanted, few(reader.platform)))
    return {
        "read_again": count,
        "read_again_wanted": wanted,
        "each_within_days": settings.link_reread_days,
        "each_within_days_kept": wanted <= settings.link_rereads_per_run and gap <= settings.link_reread_days,
    }


# -- asking and storing ------------------------------------------------------------------------------------------------


@dataclass
class _Reader:
    """Asks for links of records, stores the answers chunk by chunk, and counts."""

    platform: Platform
    run: Run
    extraction: Extraction
    started: datetime
    since: datetime | None
    """When the last finished reading of links began."""
    read_of: dict[Side, int] = field(default_factory=lambda: {"contact": 0, "company": 0})
    asked: dict[Side, set[str]] = field(default_factory=lambda: {"contact": set(), "company": set()})
    hidden: int = 0
    added: int = 0
    removed: int = 0
    contacts_changed: set[str] = field(default_factory=set)
    _kept: int | None = None
    """How many contacts had been changed when the table of those that need links was made."""

    @property
    def book(self) -> CallBook:
        """Where calls are noted."""
        return self.platform.book

    # what is known

    def existing(
        self, side: Side, where: str = "true", parameters: dict[str, Any] | None = None, oldest: int | None = None
    ) -> pl.DataFrame:
        """Records of one side: id, updated_at, links_read_at, _loaded_at; sorted by id. With `oldest` only so many:
        those that were read longest ago."""
        return self._some(side, where, "true", parameters, oldest)

    def demanded(
        self, where: str = "true", parameters: dict[str, Any] | None = None, oldest: int | None = None
    ) -> pl.DataFrame:
        """Contacts that need links, as they are now, like `existing`."""
        if self._kept != len(self.contacts_changed):
            demanded.keep(self.platform, self.run)
            self._kept = len(self.contacts_changed)
        return self._some("contact", where, f"id in (from {demanded.TABLE})", parameters, oldest)

    def _some(
        self, side: Side, first: str, then: str, parameters: dict[str, Any] | None, oldest: int | None
    ) -> pl.DataFrame:
        """Records for which both conditions hold; `then` is looked at only for those few that `first` leaves."""
        order = "id" if oldest is None else f"links_read_at nulls first, id limit {oldest}"
        return self.platform.warehouse.read(
            "with some_of as materialized (select id, updated_at, links_read_at, _loaded_at"
            f" from {_OWNERS[side]} where deleted_at is null and ({first}))"
            f" select * from some_of where {then} order by {order}",
            parameters,
        )

    def linked(self, contacts: pl.DataFrame, more_than: int = 0) -> pl.DataFrame:
        """Those of `contacts` with more than so many companies."""
        query = f"select contact_id as id from {_TABLE} group by contact_id having count(*) > {more_than}"
        return contacts.join(self.platform.warehouse.read(query), on="id", how="semi")

    def share_of_several(self, contact_ids: list[str]) -> float:
        """Share of these contacts that have several companies."""
        contacts = pl.DataFrame({"id": contact_ids}, schema={"id": pl.String()})
        return self.linked(contacts, more_than=1).height / max(1, contacts.height)

    def have_no_company(self, contact_ids: Collection[str]) -> None:
        """Note that these contacts were seen to have none."""
        with self.platform.warehouse.transaction() as con:
            self._seen(con, "contact", pl.Series("id", sorted(contact_ids), pl.String()))

    def all_known(self, at: datetime) -> None:
        """Note that the links of every contact are known as they were then."""
        with self.platform.warehouse.transaction() as con:
            con.execute(
                "update teamleader.contacts set links_read_at = ? where deleted_at is null"
                " and (links_read_at is null or links_read_at < ?)",
                [at, at],
            )

    # asking

    def expect(self, calls: int) -> None:
        """Note calls that are known beforehand to be needed."""
        self.book.planned[STREAM] += calls
        self.book.minimum[STREAM] += calls

    def must_read(self, side: Side, ids: pl.Series) -> None:
        """`read` of records that have to be read, each with one call."""
        self.expect(ids.len())
        self.asked[side].update(ids)
        self.read(side, ids.to_list())

    def must_read_named(self, side: Side, ids: Collection[str]) -> None:
        """`must_read` of those of these records that are known."""
        named = pl.DataFrame({"id": sorted(ids)}, schema={"id": pl.String()})
        self.must_read(side, self.existing(side).join(named, on="id", how="semi")["id"])

    def read_longest_ago(self, side: Side, owners: pl.DataFrame, count: int) -> int:
        """Read again those of `owners` that were not asked in this run and that were read longest ago; how many."""
        unread = ~pl.col("id").is_in(pl.Series(sorted(self.asked[side]), dtype=pl.String).implode())
        count = min(count, self.platform.settings.teamleader.link_rereads_per_run)
        chosen = owners.filter(unread).sort("links_read_at", "id", nulls_last=False).head(count)
        self.must_read(side, chosen["id"])
        return chosen.height

    def read(self, side: Side, ids: Collection[str]) -> None:
        """Ask for the links of these records and store them; what is gone or hidden keeps its known links."""
        if not ids:
            return
        answers = (
            self.extraction.links_by_contact(ids)
            if side == "contact"
            else self.extraction.links_by_company(self._largest_first(ids))
        )
        with self.platform.warehouse.connect() as con:
            known = _links_of(con, side, pl.Series(list(ids), dtype=pl.String)) if len(ids) <= AT_ONCE else None
        for chunk in _chunks(answers):
            self._store(side, chunk, known)

    def _largest_first(self, company_ids: Collection[str]) -> list[str]:
        """In this order the first one that proves complete proves the others complete as well."""
        asked = pl.DataFrame({"id": list(company_ids)}, schema={"id": pl.String()})
        with self.platform.warehouse.connect() as con:
            known = _of(con, f"select company_id as id from {_TABLE}", "company_id", asked["id"])
        counted = asked.join(known.group_by("id").agg(n=pl.len()), on="id", how="left")
        return counted.sort(pl.col("n").fill_null(0), "id", descending=[True, False])["id"].to_list()

    def order(self) -> int:
        """companies.info does not tell in which order a contact lists its companies: ask those that have several.

        Returns how many. Those that need no links keep their places unknown (null).
        """
        alone = (
            f"rank is null and contact_id in (select contact_id from {_TABLE}"
            f" where contact_id in (select contact_id from {_TABLE} where rank is null)"
            " group by contact_id having count(*) = 1)"
        )
        with self.platform.warehouse.transaction() as con:
            supersede(con, _TABLE, alone)
            stamps = stamp(self.platform, self.run)
            sets = ", ".join(f"{name} = ${name}" for name in stamps)
            con.execute(f"update {_TABLE} set rank = 0, {sets} where {alone}", stamps)
        ids = self.demanded(f"id in (select contact_id from {_TABLE} where rank is null)")["id"].to_list()
        self.read("contact", ids)
        return len(ids)

    # storing

    def _store(self, side: Side, answers: list[Links], known: pl.DataFrame | None) -> None:
        """`known`: the links of all that are asked, as they were before; None: they are many."""
        found = [answer for answer in answers if answer.found]
        self.read_of[side] += len(answers)
        self.hidden += len(answers) - len(found)
        asked = sum(self.read_of.values())
        if self.since is None and self.hidden == asked >= TOO_MANY_HIDDEN and self.extraction.refusal:
            raise self.extraction.refusal
        rows = [(k.contact_id, k.company_id, k.position, k.decision_maker, k.rank) for a in found for k in a.links]
        new = pl.DataFrame(rows, schema=_LINK_SCHEMA, orient="row")
        owners = pl.Series("id", [answer.owner_id for answer in found], pl.String())
        with self.platform.warehouse.transaction() as con:
            if known is None:
                old = _links_of(con, side, owners)
            else:  # what is stored of one changes no link of another
                old = known.filter(pl.col(f"{side}_id").is_in(owners.implode()))
            if side == "company":
                # a place known before stays
                places = old.select(*_PAIR, pl.col("rank").alias("place"))
                new = (
                    new.join(places, on=_PAIR, how="left")
                    .with_columns(pl.coalesce("rank", "place").alias("rank"))
                    .drop("place")
                )
            differing = new.join(old, on=_LINK_COLUMNS, how="anti", nulls_equal=True)
            gone = old.join(new, on=_PAIR, how="anti")
            delete(con, _TABLE, pl.concat([differing, gone]).select(_PAIR))
            stamps = [pl.lit(v).alias(k) for k, v in stamp(self.platform, self.run).items()]
            insert(con, _TABLE, differing.with_columns(*stamps))
            self._change_contacts(con, differing.join(old, on=_PAIR, how="anti"), gone)
            self._seen(con, side, owners)
            self._hide(con, side, owners, [answer.owner_id for answer in answers if not answer.found])
        self.added += differing.height
        self.removed += gone.height

    def _change_contacts(self, con: duckdb.DuckDBPyConnection, appeared: pl.DataFrame, gone: pl.DataFrame) -> None:
        """A contact changed when a link went, or came where it would have been seen before."""
        ids = pl.concat([appeared, gone])["contact_id"].unique()
        if ids.is_empty():
            return
        columns = "id, updated_at, changed_at, links_read_at, _loaded_at"
        since = pl.lit(self.since, pl.Datetime("us", "UTC"))
        contacts = _of(con, f"select {columns} from teamleader.contacts", "id", ids).with_columns(
            (pl.col("_loaded_at") >= pl.col("links_read_at").fill_null(since)).fill_null(True).alias("touched")
        )
        companies = _of(
            con, "select id, links_read_at from teamleader.companies", "id", appeared["company_id"].unique()
        )
        was_read = pl.col("links_read_at").is_not_null()
        # what is known of a contact may come from its companies, of which one was hidden
        hidden = fetch(con, "select id as company_id from sync.hidden_links where owner_type = 'company'")
        by_contact = appeared.join(contacts.filter(was_read), left_on="contact_id", right_on="id", how="semi").join(
            hidden, on="company_id", how="anti"
        )
        by_company = appeared.join(companies.filter(was_read), left_on="company_id", right_on="id", how="semi")
        new = pl.concat([by_contact, by_company]).unique(_PAIR)
        changed = changes.link_changes(gone, new, contacts, self.run.as_of).select("id", "changed_at")
        upsert(con, "teamleader.contacts", changed)
        self.contacts_changed.update(changed["id"])

    def _hide(self, con: duckdb.DuckDBPyConnection, side: Side, seen: pl.Series, hidden: list[str]) -> None:
        delete(con, "sync.hidden_links", seen.to_frame("id").with_columns(pl.lit(side).alias("owner_type")))
        rows = [{"owner_type": side, "id": id, "run_id": self.run.run_id} for id in hidden]
        upsert(con, "sync.hidden_links", frame_of("sync.hidden_links", rows))

    def _seen(self, con: duckdb.DuckDBPyConnection, side: Side, ids: pl.Series) -> None:
        with registered(con, _ids=ids.to_frame("id")):
            con.execute(f"update {_OWNERS[side]} set links_read_at = ? where id in (from _ids)", [self.started])


def _of(con: duckdb.DuckDBPyConnection, query: str, column: str, ids: pl.Series) -> pl.DataFrame:
    """Rows of `query` whose `column` is one of `ids`."""
    with registered(con, _ids=ids.to_frame("id")):
        return fetch(con, f"{query} where {column} in (from _ids)")


def _links_of(con: duckdb.DuckDBPyConnection, side: Side, owners: pl.Series) -> pl.DataFrame:
    """Known links of these owners."""
    return _of(con, f"select {', '.join(_LINK_COLUMNS)} from {_TABLE}", f"{side}_id", owners)


def _chunks(answers: Iterable[Links]) -> Iterator[list[Links]]:
    iterator = iter(answers)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
