"""What the sync reads from Teamleader, as raw records: lists, links, phase history, small lists, presence.

How a list is read completely lives in `paging`, one call in `client`, the choice of the cheapest calls in `calls`.
Typed tables, watermarks and what is missing are kept in the warehouse, not here.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import count
from typing import Any, Literal, TypeVar

import msgspec

from tl_hubspot import decoding
from tl_hubspot.errors import BadAnswer
from tl_hubspot.teamleader.calls import PROBES, CallBook, list_calls, reference_calls
from tl_hubspot.teamleader.client import Forbidden, NotFound, TeamleaderClient
from tl_hubspot.teamleader.endpoints import ENDPOINTS, PAGE_SIZE, timestamp
from tl_hubspot.teamleader.paging import OVERLAP, Keyset, Row, Walk
from tl_hubspot.teamleader.reference import read_reference

Stream = Literal["contacts", "companies", "deals"]
Progress = Callable[[str, int, int | None], None]
"""Called with stream, records done, records in all (None when not known)."""

_T = TypeVar("_T")
_STATUSES = ("active", "deactivated")


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of a list: `payload` is its JSON exactly as received (half characters mended, see `text`).

    `id` is None for what cannot be stored under an id: it has none, or repeats that of a newer one on the same page.
    """

    id: str | None
    payload: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reading of a list got, to go on from there after it was broken off.

    All before `status` in the order of reading was given ("" where a list is not read by status), and of that status
    all up to `until` (updated before; for deals created after); None: nothing yet.
    """

    status: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records of a stream (each id once in a batch).

    `server_time` is the server's clock when the reading of this stream began: the same in every batch. `position`: from
    where a reading may go on that has all batches up to this one; None: from the start.
    """

    stream: Stream
    records: list[Record]
    server_time: datetime
    position: Position | None = None

    @property
    def watermark(self) -> datetime:
        """`updated_since` of the next increment, once all batches of this one are stored."""
        return self.server_time - OVERLAP


@dataclass(frozen=True, slots=True)
class Link:
    """A contact's link to a company; `rank` is the company's place in the contact's own list, None when not known."""

    contact_id: str
    company_id: str
    position: str | None
    decision_maker: bool | None
    rank: int | None


@dataclass(frozen=True, slots=True)
class Links:
    """All links of one contact or company; `found` is False when Teamleader does not have it any more or hides it:
    that says nothing about its links."""

    owner_id: str
    found: bool
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class PhaseEntry:
    """One line of a deal's phase history; `started_at` as received (possibly without a zone)."""

    phase_id: str
    started_at: str | None
    started_by: str | None


@dataclass(frozen=True, slots=True)
class PhaseHistory:
    """The phases of a deal in the order received; `found` is False when Teamleader does not have it or hides it."""

    deal_id: str
    found: bool
    entries: tuple[PhaseEntry, ...] = ()


class Presence(Enum):
    """What a second look at an absent record shows. Only `gone` means deleted."""

    PRESENT = "present"
    GONE = "gone"
    HIDDEN = "hidden"


class _Relation(msgspec.Struct):
    id: str


class _CompanyOfContact(msgspec.Struct):
    company: _Relation
    position: str | None = None
    decision_maker: bool | None = None


class _ContactInfo(msgspec.Struct):
    companies: list[_CompanyOfContact] = []


class _ContactOfCompany(msgspec.Struct):
    id: str
    position: str | None = None
    is_decision_maker: bool | None = None


class _CompanyInfo(msgspec.Struct):
    # Asked for explicitly: a missing key would mean that the include was ignored.
    related_contacts: list[_ContactOfCompany]


class _Phase(msgspec.Struct):
    phase: _Relation
    started_at: str | None = None
    started_by: _Relation | None = None


class _Me(msgspec.Struct):
    account: _Relation


class _DealInfo(msgspec.Struct):
    phase_history: list[_Phase]


class Extraction:
    """Reads Teamleader through one client. Errors are those of the client, or BadAnswer for answers that cannot be."""

    def __init__(
        self, client: TeamleaderClient, on_progress: Progress | None = None, book: CallBook | None = None
    ) -> None:
        self._client = client
        self._on_progress = on_progress or (lambda stream, done, total: None)
        self._book = book or CallBook()
        self._proving = threading.Lock()
        self.refusal: Forbidden | None = None
        """The last refusal to show a single record; such a record counts as not found, for it may be an exception."""
        self._proven_contacts = 19
        """The largest number of contacts of one company taken to be all of them. None of Teamleader's lists is cut
        below its default page of 20; more than that has to prove itself."""

    # -- lists -----------------------------------------------------------------------------------------------------

    def contacts(self, updated_since: datetime | None = None, position: Position | None = None) -> Iterator[Batch]:
        """Contacts changed at or after `updated_since` (all when None), with custom fields, active ones first.

        At least one batch, even if empty. A record that is edited while the list is read comes again in a later batch,
        in its newer version: the later batch wins. Per status they come in the order of their last update, so a reading
        that was broken off may go on: with the same `updated_since` and the `position` of its last batch. What was
        edited meanwhile among those given before is for the next increment. Those without such a time are only in a
        reading of all.
        """
        return self._by_status("contacts", updated_since, position)

    def companies(self, updated_since: datetime | None = None, position: Position | None = None) -> Iterator[Batch]:
        """Companies, exactly as `contacts`."""
        return self._by_status("companies", updated_since, position)

    def deals(self, updated_since: datetime | None = None, position: Position | None = None) -> Iterator[Batch]:
        """Deals, as `contacts`; latest created first, so a reading goes on downwards from the time of creation."""
        filters = {} if updated_since is None else {"updated_since": timestamp(updated_since)}
        keyset = Keyset(
            "deals.list",
            "created_at",
            "created_before",
            descending=True,
            filters=filters,
            tie_sorts=("weighted_value",),
        )
        start = position.until if position else None
        return self._batches("deals", [("", Walk(self._client, keyset, start))], position)

    def unlinked_contacts(self, contact_ids: Collection[str], since: datetime | None = None) -> frozenset[str] | None:
        """Those of `contact_ids` that belong to no company, or None when Teamleader cannot be made to tell.

        Only contacts updated at or after `since` are looked for (all when None). The filter is young, and a server that
        does not know it gives everything: the answer is believed only if it leaves some out, and if contacts.info shows
        no company for a sample of those that it names. One left out by mistake only costs a call.
        """
        unlinked: set[str] = set()
        try:
            for status in _STATUSES:
                keyset = _people("contacts.list", {"status": status, "company_id": None}, includes=None)
                for rows in Walk(self._client, keyset, since):
                    unlinked.update(row.id for row in rows)
        except BadAnswer:
            return None
        unlinked &= set(contact_ids)
        if len(unlinked) == len(set(contact_ids)):
            return None
        sample = random.sample(sorted(unlinked), min(PROBES, len(unlinked)))
        if any(links.links for links in self.links_by_contact(sample)):
            return None
        return frozenset(unlinked)

    def more_unlinked_than(self, contacts: int, since: datetime | None = None) -> bool:
        """Whether Teamleader lists more than so many active contacts without a company: one call, not verified."""
        filters = {"status": "active", "company_id": None}
        if since is not None:
            filters["updated_since"] = timestamp(since)
        try:
            return self.more_than("contacts.list", filters, contacts)
        except BadAnswer:
            return False

    def more_than(
        self, endpoint: Literal["contacts.list", "companies.list", "deals.list"], filters: dict[str, Any], records: int
    ) -> bool:
        """Whether the list holds more than so many records: one call, for the page on which they would be."""
        return len(self._page(endpoint, filters, records // PAGE_SIZE + 1)) > records % PAGE_SIZE

    def size(self, endpoint: Literal["contacts.list", "companies.list", "deals.list"], filters: dict[str, Any]) -> int:
        """How many records the list holds, found by looking where it ends: 2 calls for every doubling of 100."""
        below, beyond, last = 0, 1, self._page(endpoint, filters, 1)
        while len(last) == PAGE_SIZE:
            below, beyond = beyond, 2 * beyond
            last = self._page(endpoint, filters, beyond)
        while not last and beyond - below > 1:
            middle = (below + beyond) // 2
            rows = self._page(endpoint, filters, middle)
            if len(rows) == PAGE_SIZE:
                below = middle
            else:
                beyond, last = middle, rows
        return (beyond - 1) * PAGE_SIZE + len(last)

    def some_ids(
        self, endpoint: Literal["contacts.list", "companies.list", "deals.list"], filters: dict[str, Any], among: int
    ) -> list[str]:
        """Ids of up to 100 records of a list of `among`, from a page anywhere in it, shuffled: one call."""
        ids = _ids(self._page(endpoint, filters, random.randint(1, max(1, among // PAGE_SIZE))))
        return random.sample(ids, len(ids))

    def _page(self, endpoint: str, filters: dict[str, Any], number: int) -> list[msgspec.Raw]:
        body = {"filter": filters, "page": {"size": PAGE_SIZE, "number": number}}
        try:
            return decoding.decode(self._client.call(endpoint, body).data, type=list[msgspec.Raw])
        except msgspec.MsgspecError:
            raise BadAnswer("Teamleader's list is no list", where=endpoint) from None

    def _by_status(self, stream: Stream, updated_since: datetime | None, position: Position | None) -> Iterator[Batch]:
        # What a missing status filter gives is not documented.
        statuses = _STATUSES[_STATUSES.index(position.status) :] if position else _STATUSES
        walks = []
        for status in statuses:
            since = position.until if position and position.status == status else None
            walks.append(
                (status, Walk(self._client, _people(f"{stream}.list", {"status": status}), since or updated_since))
            )
        return self._batches(stream, walks, position)

    def _batches(self, stream: Stream, walks: Iterable[tuple[str, Walk]], position: Position | None) -> Iterator[Batch]:
        began: datetime | None = None
        done = 0
        for status, walk in walks:
            if position is not None and position.status != status:
                position = Position(status, None)
            before = done
            for rows in walk:
                began = began or walk.server_time
                done += len(rows)
                self._on_progress(stream, done, None)
                reached = walk.reached(rows)
                if reached is not None:
                    position = Position(status, reached)
                yield Batch(stream, _records(rows), _known(began), position)
            if began is None:
                began = walk.server_time
            self._book.minimum[stream] += list_calls(done - before)
        if not done:
            yield Batch(stream, [], _known(began), position)

    # -- what only the single record tells -------------------------------------------------------------------------

    def links_by_contact(self, contact_ids: Collection[str]) -> Iterator[Links]:
        """The links of each contact in the order in which the contact lists its companies."""
        return self._each("contact links", contact_ids, self._contact_links)

    def links_by_company(self, company_ids: Collection[str]) -> Iterator[Links]:
        """The links of each company, without rank; a company's list that is cut short is completed by contacts."""
        return self._each("company links", company_ids, self._company_links)

    def phase_history(self, deal_ids: Collection[str]) -> Iterator[PhaseHistory]:
        """The phase history of each deal."""
        return self._each("phase history", deal_ids, self._phases)

    def exists(self, kind: Stream, ids: Collection[str]) -> Iterator[tuple[str, Presence]]:
        """A second look at records that a list did not show: deleted, or only out of sight?"""

        def look(id: str) -> tuple[str, Presence]:
            try:
                self._client.call(f"{kind}.info", {"id": id})
            except NotFound:
                return id, Presence.GONE
            except Forbidden:
                return id, Presence.HIDDEN
            return id, Presence.PRESENT

        return self._each(f"absent {kind}", ids, look)

    def reference(self, countries: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Rows of `teamleader.reference`: users, pipelines, phases, sources, lost reasons, legal forms, custom fields.

        `countries` (ISO alpha-2) limits the legal forms; None asks once without a country.
        """
        rows = read_reference(self._client, countries)
        # legal forms have no pages; the sync asks for them once
        sizes = Counter(row["kind"] for row in rows if row["kind"] != "business_type")
        further_pages = sum(size // PAGE_SIZE for size in sizes.values())
        self._book.minimum["reference"] += reference_calls(sizes["deal_pipeline"]) + further_pages
        return rows

    # -- the account -----------------------------------------------------------------------------------------------

    def account_id(self) -> str:
        """Id of the Teamleader account that the grant belongs to."""
        return decoding.decode(self._client.call("users.me", {}).data, type=_Me).account.id

    def access(self) -> dict[str, Forbidden | None]:
        """For every list that the sync reads: None when it may be read, else the refusal with its remedy."""
        lists: dict[str, Forbidden | None] = {}
        for endpoint, row in ENDPOINTS.items():
            if not endpoint.endswith(".list"):
                continue
            try:
                self._client.call(endpoint, {"page": {"size": 1, "number": 1}} if row.paged else {})
            except Forbidden as refusal:
                lists[endpoint] = refusal
            else:
                lists[endpoint] = None
        return lists

    def _contact_links(self, contact_id: str) -> Links:
        info = self._info("contacts.info", contact_id, _ContactInfo)
        if info is None:
            return Links(contact_id, found=False)
        links = [
            Link(contact_id, item.company.id, item.position, item.decision_maker, rank)
            for rank, item in enumerate(info.companies)
        ]
        return Links(contact_id, found=True, links=_unique(links))

    def _company_links(self, company_id: str) -> Links:
        info = self._info("companies.info", company_id, _CompanyInfo, includes="related_contacts")
        if info is None:
            return Links(company_id, found=False)
        links = [
            Link(item.id, company_id, item.position, item.is_decision_maker, None) for item in info.related_contacts
        ]
        return Links(company_id, found=True, links=_unique([*links, *self._cut_off(company_id, links)]))

    def _cut_off(self, company_id: str, links: list[Link]) -> list[Link]:
        """Links beyond the number of contacts that Teamleader shows with a company, should it have such a limit.

        It is not known whether there is one. A company that proved complete proves all smaller ones complete too, so
        only ever larger companies are checked.
        """
        if len(links) <= self._proven_contacts:
            return []
        # one at a time: those that wait may be proved by the one before
        with self._proving:
            if len(links) <= self._proven_contacts:
                return []
            missing = self._not_shown(company_id, {link.contact_id for link in links})
            if not missing:
                self._proven_contacts = len(links)
                return []
        of_contacts = [link for contact_id in missing for link in self._contact_links(contact_id).links]
        return [
            Link(link.contact_id, company_id, link.position, link.decision_maker, None)
            for link in of_contacts
            if link.company_id == company_id
        ]

    def _not_shown(self, company_id: str, shown: set[str]) -> list[str]:
        """Contacts that the list of the company's contacts has beside those shown with the company itself."""
        filters = [{"status": status, "company_id": company_id} for status in _STATUSES]
        # read page by page, as fast as can be: rows that moved meanwhile make it unequal, and are read with care
        if {id for own in filters for id in self._hasty(own)} == shown:
            return []
        members: set[str] = set()
        for own in filters:
            for rows in Walk(self._client, _people("contacts.list", own, includes=None)):
                members.update(row.id for row in rows if row.is_record)
        return sorted(members - shown)

    def _hasty(self, filters: dict[str, Any]) -> set[str]:
        found: set[str] = set()
        for number in count(1):
            rows = self._page("contacts.list", filters, number)
            fresh = set(_ids(rows)) - found
            found |= fresh
            if len(rows) < PAGE_SIZE or not fresh:
                break
        return found

    def _phases(self, deal_id: str) -> PhaseHistory:
        info = self._info("deals.info", deal_id, _DealInfo)
        if info is None:
            return PhaseHistory(deal_id, found=False)
        entries = tuple(
            PhaseEntry(item.phase.id, item.started_at, item.started_by.id if item.started_by else None)
            for item in info.phase_history
        )
        return PhaseHistory(deal_id, found=True, entries=entries)

    def _info(self, endpoint: str, id: str, shape: type[_T], **more: str) -> _T | None:
        """The record, or None when it is gone or may not be seen."""
        try:
            answer = self._client.call(endpoint, {"id": id, **more})
        except NotFound:
            return None
        except Forbidden as refusal:
            self.refusal = refusal
            return None
        try:
            return decoding.decode(answer.data, type=shape)
        except msgspec.MsgspecError:
            raise BadAnswer("Teamleader's record does not have the expected shape", where=endpoint) from None

    def _each(self, stream: str, ids: Collection[str], work: Callable[[str], _T]) -> Iterator[_T]:
        """`work` done on every id by a few threads, in the order of the ids; at most a few are ahead of the reader."""
        unique = list(dict.fromkeys(ids))
        with ThreadPoolExecutor(self._client.workers, thread_name_prefix="teamleader") as pool:
            ahead: deque[Future[_T]] = deque()
            waiting = iter(unique)
            done = 0
            try:
                for id in waiting:
                    ahead.append(pool.submit(work, id))
                    if len(ahead) >= 2 * self._client.workers:
                        break
                while ahead:
                    result = ahead.popleft().result()
                    for id in waiting:
                        ahead.append(pool.submit(work, id))
                        break
                    done += 1
                    self._on_progress(stream, done, len(unique))
                    yield result
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _people(endpoint: str, filters: dict[str, Any], includes: str | None = "custom_fields") -> Keyset:
    return Keyset(
        endpoint, "updated_at", "updated_since", filters=filters, tie_sorts=("added_at", "name"), includes=includes
    )


def _records(rows: Sequence[Row]) -> list[Record]:
    return [Record(row.id if row.is_record else None, row.payload) for row in rows]


def _ids(rows: Iterable[msgspec.Raw]) -> list[str]:
    """Ids of the rows that have one."""
    found = []
    for row in rows:
        with contextlib.suppress(msgspec.MsgspecError):
            found.append(decoding.decode(row, type=_Relation).id)
    return found


def _known(instant: datetime | None) -> datetime:
    if instant is None:
        raise RuntimeError("a walk ended without a single answer")
    return instant


def _unique(links: Iterable[Link]) -> tuple[Link, ...]:
    """One link per pair, the first one listed."""
    pairs: dict[tuple[str, str], Link] = {}
    for link in links:
        pairs.setdefault((link.contact_id, link.company_id), link)
    return tuple(pairs.values())
