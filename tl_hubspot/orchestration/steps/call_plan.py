"""How many calls to Teamleader the next run needs, before it begins: from what is stored, and a few looks at the lists.

The numbers follow `teamleader.calls`; what the calls really made were stands in `sync.calls`. Nothing is stored here.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from tl_hubspot import decoding
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import demanded, links, phases
from tl_hubspot.orchestration.steps.extract import STREAMS
from tl_hubspot.orchestration.steps.reading import extraction_of, watermark
from tl_hubspot.reporting.call_plan import CallPlan, Known, Line
from tl_hubspot.teamleader.calls import (
    PROBES,
    SEVERAL_COMPANIES,
    list_calls,
    plan_links,
    reference_calls,
    rereads,
)
from tl_hubspot.teamleader.endpoints import timestamp
from tl_hubspot.teamleader.extraction import Extraction, Stream

_STATUSES = ("active", "deactivated")
_SAMPLE = 40
"""Contacts looked at before the first run, to tell how many have several companies."""
Endpoint = Literal["contacts.list", "companies.list", "deals.list"]
_ENDPOINTS: dict[Stream, Endpoint] = {
    "contacts": "contacts.list",
    "companies": "companies.list",
    "deals": "deals.list",
}


def make(platform: Platform) -> CallPlan:
    """The plan of the run that would begin now. Makes calls: about two per doubling of each list, fewer later on."""
    platform.settings.require_teamleader()
    looker = _Looker(platform)
    lines = [looker.lists(stream) for stream in STREAMS]
    lines += [looker.reference(), looker.links(), looker.phases()]
    made = platform.meter.snapshot().get("teamleader", {}).get("reads", 0)
    return CallPlan(looker.kind, tuple(lines), platform.settings.teamleader.rate_limit, made)


class _Looker:
    """Knows what is stored, and asks Teamleader for the sizes that are not."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._settings = platform.settings.teamleader
        self._extraction: Extraction = extraction_of(platform)
        self._as_of = platform.as_of()
        self._rules = platform.rules_at(self._as_of)
        self._mark = watermark(platform, "links")
        self._is_full = platform.reads_everything(self._as_of)
        self.kind: Literal["first", "everything", "sweep", "changes"] = "changes"
        if self._mark is None:
            self.kind = "first"
        elif platform.options.full:
            self.kind = "everything"
        elif self._is_full:
            self.kind = "sweep"
        self._changed: dict[Stream, int] = {}
        self._sizes: dict[Stream, int] = {}

    def lists(self, stream: Stream) -> Line:
        """A list of records: all of it, or what changed since it was last read."""
        mark = watermark(self._platform, stream)
        since = None
        if not self._is_full and mark is not None:
            since = mark["read_until"] - timedelta(seconds=self._settings.overlap_seconds)
        if since is None and mark is not None:
            sizes = self._stored(stream)
            known: Known = "about"
            why = f"{sum(sizes):,} {stream}, as many as there were at the last reading"
        else:
            filters = {} if since is None else {"updated_since": timestamp(since)}
            sizes = [self._size(stream, status | filters) for status in _by_status(stream)]
            known = "exactly"
            why = f"{sum(sizes):,} {stream}" + ("" if since is None else " changed since the last reading")
        self._sizes[stream] = sum(sizes)
        self._changed[stream] = sum(sizes) if since is not None else 0
        return Line(stream, sum(map(list_calls, sizes)), known, why)

    def reference(self) -> Line:
        """The small lists."""
        query = "select count(*) from teamleader.reference where kind = 'deal_pipeline'"
        pipelines = self._platform.warehouse.read(query).item()
        if not pipelines:
            answer = self._platform.teamleader.call("dealPipelines.list", {"page": {"size": 100, "number": 1}})
            pipelines = len(decoding.decode(answer.data, type=list[msgspec.Raw]))
        return Line("reference", reference_calls(pipelines), "exactly", f"small lists, {pipelines} pipelines")

    def links(self) -> Line:
        """Links of contacts and companies."""
        if self.kind == "first":
            return self._first_links()
        if self.kind == "everything":
            return self._links_of_stored()
        changed = self._changed["contacts"] + self._changed["companies"]
        if self.kind == "changes":
            few = min(links.few(self._platform), self._settings.link_rereads_per_run)
            why = f"{changed:,} changed contacts and companies, {few} of those read longest ago"
            return Line(links.STREAM, changed + few, "at most", why)
        wanted, owners, what = self._rereads()
        count = min(max(wanted, links.few(self._platform)), owners, self._settings.link_rereads_per_run)
        days = self._settings.link_reread_days
        why = f"{count:,} {what} read again, so that each has its turn within {days} days, and what changed"
        if count < wanted:
            why += f" (it would take {wanted:,}: link_rereads_per_run is too small for that)"
        return Line(links.STREAM, count, "about", why)

    def phases(self) -> Line:
        """Phase history of deals."""
        if self.kind == "first":
            limit = timestamp(self._midnight(self._rules.two_years_ago))
            deals = self._size("deals", {"updated_since": limit, "created_before": limit})
            why = f"{deals:,} deals made more than 2 years ago and updated since; fewer with a contact that counts"
            return Line(phases.STREAM, deals, "at most", why)
        waiting = phases.waiting(self._platform, self._as_of, demanded.contacts(self._platform, self._as_of)).height
        changed = self._changed["deals"]
        why = f"{waiting:,} deals whose history is not known" + (f", {changed:,} changed ones" if changed else "")
        return Line(phases.STREAM, waiting + changed, "at most" if changed else "exactly", why)

    def _first_links(self) -> Line:
        """Sizes of what needs links, from filters of the list that may be combined."""
        window = {"updated_since": timestamp(self._midnight(self._rules.five_years_ago))}
        sizes = [self._size("contacts", status | window) for status in _by_status("contacts")]
        recent = sum(sizes)
        alone = [
            self._extraction.size("contacts.list", status | window | {"company_id": None})
            for status in _by_status("contacts")
        ]
        linked = recent - sum(alone)
        companies = self._sizes["companies"]
        # a server that does not know the filter gives everything
        knows = 0 < linked <= recent
        plan = plan_links(companies, linked if knows else recent, self._several(window, sizes[0]))
        listing = sum(map(list_calls, alone)) + PROBES if knows and plan.way == "contacts.info" else 0
        why = f"{plan.way}: {companies:,} companies, {recent:,} contacts updated in 5 years"
        if knows:
            why += f", {linked:,} of them with a company"
        return Line(links.STREAM, min(plan.calls + listing, plan.by_company), "about", why)

    def _several(self, window: dict[str, Any], contacts: int) -> float:
        """Share of the linked contacts that have several companies, from looking at a few."""
        ids = self._extraction.some_ids("contacts.list", {"status": "active", **window}, contacts)
        counts = [len(looked.links) for looked in self._extraction.links_by_contact(ids[:_SAMPLE]) if looked.links]
        return sum(count > 1 for count in counts) / len(counts) if counts else SEVERAL_COMPANIES

    def _links_of_stored(self) -> Line:
        wanted, linked, companies = self._stored_links()
        share = links.several_share(self._platform) or SEVERAL_COMPANIES
        plan = plan_links(companies, linked.height, share)
        listing = list_calls(wanted.height - linked.height) + 1 + PROBES
        calls = min(plan.by_company, plan.by_contact + min(listing, wanted.height - linked.height))
        why = f"{plan.way}: {companies:,} companies, {linked.height:,} contacts with a company"
        return Line(links.STREAM, calls, "about", why)

    def _rereads(self) -> tuple[int, int, str]:
        """How many records a sweep has to read again, of how many, and what they are."""
        _, linked, companies = self._stored_links()
        side = links.side_of_rereads(companies, linked.height)
        owners, what = (linked.height, "contacts") if side == "contact" else (companies, "companies")
        mark = self._mark
        gap = (self._as_of - mark["full_as_of"]) / timedelta(days=1) if mark else 1.0
        return rereads(owners, self._settings.link_reread_days, gap), owners, what

    def _stored_links(self) -> tuple[pl.DataFrame, pl.DataFrame, int]:
        """Contacts that need links, those of them that have a company, and the number of companies."""
        wanted = demanded.contacts(self._platform, self._as_of)
        known = self._platform.warehouse.read("select distinct contact_id as id from teamleader.contact_company_links")
        companies = self._platform.warehouse.count("teamleader.companies", "deleted_at is null")
        return wanted, wanted.join(known, on="id", how="semi"), companies

    def _stored(self, stream: Stream) -> list[int]:
        table = f"teamleader.{stream}"
        if stream == "deals":
            return [self._platform.warehouse.count(table, "deleted_at is null")]
        return [
            self._platform.warehouse.count(table, f"deleted_at is null and status = '{status}'") for status in _STATUSES
        ]

    def _size(self, stream: Stream, filters: dict[str, Any]) -> int:
        return self._extraction.size(_ENDPOINTS[stream], filters)

    def _midnight(self, day: Any) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self._rules.timezone))


def _by_status(stream: Stream) -> list[dict[str, Any]]:
    return [{}] if stream == "deals" else [{"status": status} for status in _STATUSES]
