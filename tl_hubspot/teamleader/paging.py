"""Reading a Teamleader list completely, although it only has offset pages and changes while it is read.

`walk` goes by key (a filter on the time that the list is sorted by) and never trusts an answer that cannot be right.
What is read, and when, lives in `extraction`; a single call in `client`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec

from tl_hubspot.errors import BadAnswer
from tl_hubspot.teamleader.client import Forbidden, NotFound, TeamleaderClient
from tl_hubspot.teamleader.endpoints import PAGE_SIZE, is_id, timestamp

OVERLAP = timedelta(minutes=5)
"""How far back the next increment starts: whole seconds, clocks and replicas of the server may lag that much."""

_REASKS = 3
_PASSES = 40
"""How often a block is read before giving up; each pass finds about two thirds of what is missing."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MADE_UP = "no id, text "


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a list: `payload` is its JSON exactly as received, `key` its place in the order of the walk."""

    id: str
    """Its id. What has none, or repeats a newer one's on the same page, is no record: a name made from its text."""
    key: int | None
    """Seconds since 1970 of the sort field, negated when the walk goes down; None when the record has no such time."""
    payload: bytes
    is_record: bool = True


@dataclass(frozen=True)
class Keyset:
    """A list that can be walked by key: `key` is the time field it is sorted by, `bound` the filter on that field."""

    endpoint: str
    key: str
    bound: str
    descending: bool = False
    filters: Mapping[str, Any] = field(default_factory=dict)
    tie_sorts: tuple[str, ...] = ()
    """Further fields to sort by where more than a page of records share one second."""
    includes: str | None = "custom_fields"

    def body(self, bound: int | None = None, *, ties: bool = False, backwards: bool = False) -> dict[str, Any]:
        """The request for the records from `bound` on (all of them when None)."""
        filters = dict(self.filters)
        if bound is not None:
            seconds = -bound if self.descending else bound
            filters[self.bound] = timestamp(_EPOCH + timedelta(seconds=seconds))
        sort = [{"field": self.key, "order": "desc" if self.descending != backwards else "asc"}]
        if ties:
            sort += [{"field": name, "order": "asc"} for name in self.tie_sorts]
        body: dict[str, Any] = {"filter": filters, "sort": sort}
        if self.includes:
            body["includes"] = self.includes
        return body


class _Head(msgspec.Struct):
    # Any: an id or a time that is none is a fault of that record, not of the list
    id: Any = None
    updated_at: Any = None
    created_at: Any = None
    added_at: Any = None


class _Info(msgspec.Struct):
    status: str | None = None


class Walk:
    """One complete reading of a keyset list. Iterate to get pages of rows; `server_time` is known from the first on.

    Every record that exists throughout the reading is given; one that is edited meanwhile is given again, later, in its
    newer version; the same version is not given twice. `since` (inclusive) limits the walk to records whose `bound`
    field lies there or after (walks downwards: there or before). Raises what the client raises, and BadAnswer when
    Teamleader's answers contradict each other.
    """

    def __init__(self, client: TeamleaderClient, keyset: Keyset, since: datetime | None = None) -> None:
        self._client = client
        self._keyset = keyset
        self._since = since
        self._seen: dict[str, tuple[int | None, int]] = {}
        """Rows that may come again: id → key and hash of the payload."""
        self._step_back = 0
        """0 as long as the filter has proved inclusive, else 1 second."""
        self.server_time: datetime | None = None
        """The server's clock at the first answer."""

    def __iter__(self) -> Iterator[list[Row]]:
        if self._since is not None:
            seconds = int(self._since.timestamp())
            yield from self._from(-seconds if self._keyset.descending else seconds)
        elif "updated_since" in self._keyset.filters:
            yield from self._from(None)
        else:
            yield from self._whole()

    def _whole(self) -> Iterator[list[Row]]:
        """Everything. Records without the time are found by no filter, but stand at one end of the unfiltered list."""

        def undated(row: Row) -> bool:
            return row.key is None

        at_head, first = self._block(self._keyset.body(ties=True), undated, "without a time")
        at_tail, last = self._block(self._keyset.body(ties=True, backwards=True), undated, "without a time")
        if last and not first:
            at_head, first = self._block(self._keyset.body(ties=True), undated, "without a time")
        self._check(first, None)
        if changed := self._remember([*at_head, *at_tail, *first]):
            yield changed
        reached = self._pace(first)
        if reached is not None:
            self._forget(reached)
            yield from self._from(reached, reached)
        elif last:
            raise BadAnswer("Teamleader's list is empty only when read upwards", where=self._keyset.endpoint)

    def reached(self, rows: list[Row]) -> datetime | None:
        """How far the reading is complete with these rows, as a start for another one; None when they do not tell.

        One second short of the last time that is sure to stand in order, so that nothing of that second is left out,
        inclusive filter or not.
        """
        settled = [row.key for row in rows if row.key is not None and row.key < self._recent]
        if not settled:
            return None
        seconds = max(settled) - 1
        return _EPOCH + timedelta(seconds=-seconds if self._keyset.descending else seconds)

    @property
    def _recent(self) -> float:
        """Keys from here on may be those of records edited while we read: the next increment reads them anyway.

        They never set the pace: a record that shows its new time at its old place would carry us past the others.
        """
        if self._keyset.descending or self.server_time is None:
            return float("inf")
        return (self.server_time - OVERLAP).timestamp()

    def _from(self, bound: int | None, reached: int | None = None) -> Iterator[list[Row]]:
        """The records from `bound` on; those at `reached` were given already and must come again."""
        while True:
            rows = self._page(self._keyset.body(bound), 1, reasks=1 if reached is None else 0)
            self._check(rows, bound)
            known = any(row.id in self._seen for row in rows)
            if reached is None:
                if not rows:
                    return
            elif not known:
                # From here on at least the record reached last must come again: the filter includes its bound.
                if self._step_back == 0:
                    self._step_back = 1
                    bound = reached - 1
                    continue
                if not rows:
                    rows = self._page(self._keyset.body(bound), 1, reasks=_REASKS)
                    self._check(rows, bound)
                    if not rows:
                        self._explain_the_end()
                        return
            full = len(rows) == PAGE_SIZE
            fresh = any(self._is_fresh(row) for row in rows)
            if changed := self._remember(rows):
                yield changed
            if not full and not fresh:
                self._check_page_size(bound, rows)
                return
            pace = self._pace(rows)
            if full and (pace is None or (bound is not None and pace - self._step_back <= bound)):
                rows, beyond = self._tied(bound, pace)
                for part in (rows, beyond):
                    if changed := self._remember(part):
                        yield changed
                pace = self._pace(beyond)
                if pace is None:
                    return
            if pace is not None:
                reached = pace
                bound = pace - self._step_back if bound is None else max(bound, pace - self._step_back)
                self._forget(bound)

    def _tied(self, bound: int | None, pace: int | None) -> tuple[list[Row], list[Row]]:
        """All rows from `bound` to `pace`, of which there is more than a page, and the next rows after them."""

        def belongs(row: Row) -> bool:
            # A record that was just edited may still stand among them, with its new time.
            return row.key is None or (pace is not None and row.key <= pace) or row.key >= self._recent

        return self._block(self._keyset.body(bound, ties=True), belongs, "of the same second")

    def _block(self, body: dict[str, Any], belongs: Callable[[Row], bool], what: str) -> tuple[list[Row], list[Row]]:
        """The rows at the head of a list that belong together, and those after them on the page where they end.

        The places of the block as a whole are certain, but not the order within it: equal keys may come in another
        order with every request. So its length is known (where it ends), and it is read until so many different
        records were found. Pages are read from the last to the first: records that leave the block meanwhile move the
        others towards the front, where they are still to be read.
        """
        last, rows = self._last_page(body, belongs, what)
        inside = [row for row in rows if belongs(row)]
        if last == 1:
            return inside, [row for row in rows if not belongs(row)]
        total = (last - 1) * PAGE_SIZE + len(inside)
        found: dict[str, Row] = {}
        beyond: list[Row] = []
        for _ in range(_PASSES):
            steady = True
            number = last
            while number >= 1:
                rows = self._page(body, number, reasks=_REASKS)
                inside = [row for row in rows if belongs(row)]
                if len(inside) == PAGE_SIZE and number == last:
                    last = number = last + 1
                    continue
                if len(inside) < PAGE_SIZE:
                    last = number
                    beyond = [row for row in rows if not belongs(row)]
                    length = (number - 1) * PAGE_SIZE + len(inside)
                    if length != total:
                        total, found, steady = length, {}, False
                found.update((row.id, row) for row in inside)
                number -= 1
            if steady and len(found) >= total:
                return list(found.values()), beyond
        raise BadAnswer(
            f"Teamleader's list shows only {len(found)} of {total} records {what}",
            where=self._keyset.endpoint,
            mend="Try again later",
        )

    def _last_page(self, body: dict[str, Any], belongs: Callable[[Row], bool], what: str) -> tuple[int, list[Row]]:
        """Number and rows of the page on which the block ends."""
        ids: set[str] = set()
        number, stale = 1, 0
        while True:
            rows = self._page(body, number, reasks=1 if number == 1 else _REASKS)
            if len(rows) < PAGE_SIZE or not belongs(rows[-1]):
                return number, rows
            stale = 0 if {row.id for row in rows} - ids else stale + 1
            if stale > _REASKS:
                raise BadAnswer(
                    f"Teamleader repeats the same page of records {what}",
                    where=self._keyset.endpoint,
                    mend="Try again later",
                )
            ids |= {row.id for row in rows}
            number += 1

    def _page(self, body: dict[str, Any], number: int, *, reasks: int) -> list[Row]:
        """One page; an empty one is asked for again `reasks` times before it is believed."""
        request = {**body, "page": {"size": PAGE_SIZE, "number": number}}
        for attempt in range(reasks + 1):
            answer = self._client.call(self._keyset.endpoint, request)
            self.server_time = self.server_time or answer.server_time
            if rows := self._rows(answer.data):
                return rows
            if attempt < reasks:
                self._client.sleep(2.0**attempt)
        return []

    def _rows(self, data: msgspec.Raw) -> list[Row]:
        try:
            found = [bytes(raw) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])]
        except msgspec.MsgspecError:
            raise BadAnswer("Teamleader's list is no list", where=self._keyset.endpoint) from None
        newest: dict[str, tuple[int, int]] = {}
        rows = []
        for place, payload in enumerate(found):
            head = _head(payload)
            is_record = is_id(head.id)
            row = Row(head.id if is_record else _made_up(payload), self._key(head), payload, is_record)
            rows.append(row)
            if is_record:
                age = (_seconds(head.updated_at) or 0, place)
                newest[row.id] = max(age, newest.get(row.id, age))
        if len(rows) == PAGE_SIZE and not newest:
            raise BadAnswer("Teamleader's list holds nothing that is a record", where=self._keyset.endpoint)
        if len(newest) == len(rows):
            return rows
        places = {place for _, place in newest.values()}
        return [
            row if place in places or not row.is_record else replace(row, id=_made_up(row.payload), is_record=False)
            for place, row in enumerate(rows)
        ]

    def _key(self, head: _Head) -> int | None:
        seconds = _seconds(getattr(head, self._keyset.key))
        return -seconds if seconds is not None and self._keyset.descending else seconds

    def _check(self, rows: list[Row], bound: int | None) -> None:
        """Teamleader ignores in silence what it does not understand: filter and order must show in the answer."""
        keys = [row.key for row in rows if row.key is not None]
        if bound is not None and any(key < bound for key in keys):
            raise BadAnswer(f"Teamleader ignores the filter `{self._keyset.bound}`", where=self._keyset.endpoint)
        settled = [key for key in keys if key < self._recent]
        if settled != sorted(settled):
            raise BadAnswer(f"Teamleader ignores the sort by `{self._keyset.key}`", where=self._keyset.endpoint)

    def _check_page_size(self, bound: int | None, rows: list[Row]) -> None:
        """A last page of round length may be one that the server cut: then there is a next one."""
        if len(rows) % 5 == 0 and self._page(self._keyset.body(bound), 2, reasks=0):
            raise BadAnswer(
                f"Teamleader gives {len(rows)} records per page instead of {PAGE_SIZE}", where=self._keyset.endpoint
            )

    def _pace(self, rows: list[Row]) -> int | None:
        """The key up to which a page is sure to be complete."""
        keys = [row.key for row in rows if row.key is not None]
        settled = [key for key in keys if key < self._recent]
        return max(settled or keys, default=None)

    def _is_fresh(self, row: Row) -> bool:
        return row.id not in self._seen or self._seen[row.id][0] != row.key

    def _remember(self, rows: list[Row]) -> list[Row]:
        """The rows that were not given yet in this version; from now on they were."""
        changed = {}
        for row in rows:
            version = (row.key, hash(row.payload))
            if self._seen.get(row.id) != version:
                self._seen[row.id] = version
                changed[row.id] = row
        return list(changed.values())

    def _forget(self, bound: int) -> None:
        """Let go of rows that the filter will not give again, so that memory does not grow with the list."""
        # One whose time cannot be read stands anywhere: forgotten, it would seem fresh for ever.
        self._seen = {id: seen for id, seen in self._seen.items() if seen[0] is None or seen[0] >= bound - 1}

    def _explain_the_end(self) -> None:
        """The list stays empty where it must repeat records: right only if all of those are gone from it by now."""
        info = self._keyset.endpoint.replace(".list", ".info")
        for id in self._seen:
            if id.startswith(_MADE_UP):
                continue
            try:
                answer = self._client.call(info, {"id": id})
            except (NotFound, Forbidden):
                continue
            status = self._keyset.filters.get("status")
            if status is None or msgspec.json.decode(answer.data, type=_Info).status == status:
                raise BadAnswer(
                    "Teamleader's list ends before records that exist",
                    where=self._keyset.endpoint,
                    mend="Try again later",
                )


def _head(payload: bytes) -> _Head:
    try:
        return msgspec.json.decode(payload, type=_Head)
    except (msgspec.MsgspecError, ValueError):
        return _Head()


def _made_up(payload: bytes) -> str:
    """The same row has the same name whenever it is read."""
    return f"{_MADE_UP}{blake2b(payload, digest_size=16).hexdigest()}"


def _seconds(text: Any) -> int | None:
    """Seconds since 1970; without a zone it is UTC; None for what is no time."""
    try:
        instant = datetime.fromisoformat(text)
        return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None
