"""Reading a Teamleader list completely, although it only has offset pages and changes while it is read.

`Walk` goes by key (a filter on the time that the list is sorted by) until it meets what the other end of the list
shows; docs/extraction.md has the proof. What is read, and when, lives in `extraction`; a single call in `client`; which
stretches of a long list are read at the same time in `stretches`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.errors import BadAnswer
from tl_hubspot.teamleader.client import Forbidden, NotFound, TeamleaderClient
from tl_hubspot.teamleader.endpoints import PAGE_SIZE, is_id, timestamp
from tl_hubspot.teamleader.stretches import Page, SideBySide, Stretch

OVERLAP = timedelta(minutes=5)
"""How far back the next increment starts: whole seconds, clocks and replicas of the server may lag that much."""

_REASKS = 3
"""How often an answer that seems wrong is asked for again, and how many rounds may bring nothing."""
_MISSED = 2
"""How often an answer is asked for again that does not hold the records given last."""
_EMPTY = 3
"""So many empty answers in a row, from both ends, are believed of a list that has shown nothing yet."""
_PASSES = 40
"""How often a block is read before giving up; each pass finds about two thirds of what is missing."""
_SHORT = 12
"""Pages read one after the other; then one is asked for far ahead, to see whether the list is long."""
_FAR = 40
"""How many pages ahead that is; a list that has so many left is read in several stretches at a time."""
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
    status: Any = None


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
    status: Any = None


class _Info(msgspec.Struct):
    status: str | None = None


@dataclass(frozen=True)
class _Question:
    """A request without its page; `low` is the bound of its filter, as a key."""

    body: dict[str, Any]
    low: int | None = None
    backwards: bool = False


class Walk:
    """One complete reading of a keyset list. Iterate to get pages of rows; `server_time` is known from the first on.

    Every record that is in the list throughout the reading is given; one that is edited meanwhile is given again,
    later, in its newer version, or by the next increment; the same text is not given twice. `since` (inclusive)
    limits the walk to records whose key lies there or after (walks downwards: there or before). `known` are ids that
    the caller knows to be in the list: with them an empty list is an answer to be explained, not to be believed.
    Raises what the client raises, and BadAnswer when Teamleader's answers contradict each other.
    """

    def __init__(
        self, client: TeamleaderClient, keyset: Keyset, since: datetime | None = None, known: Collection[str] = ()
    ) -> None:
        self._client = client
        self._keyset = keyset
        self._known = known
        self._is_increment = since is not None or "updated_since" in keyset.filters
        self._sure: int | None = None
        """Everything before this key was given, or is not asked for."""
        if since is not None:
            self._sure = int(since.timestamp()) * (-1 if keyset.descending else 1)
        self._at = self._sure
        """Where the reading forwards is; beyond `_sure` only among records that were edited just now."""
        self._reached: int | None = None
        """The key of records that were given last."""
        self._first: int | None = None
        """The lowest key that was met forwards."""
        self._inclusive: bool | None = False
        """Whether the filter was seen to include its bound; None when that was not so the next time."""
        self._seen: dict[str, tuple[int | None, int]] = {}
        """Rows that may come again: id → key and hash of the payload."""
        self._last: tuple[_Question, int, list[str]] | None = None
        """The latest page: question, number, ids."""
        self._answers: list[bool] = []
        """Whether the first answers held anything, up to the first that did."""
        self._complete = False
        self._stretch: Stretch | None = None
        """All that this walk reads, when it reads a part for another one."""
        self._suspicion = "Teamleader's list ends before records that exist"
        self.server_time: datetime | None = None
        """The server's clock at the first answer."""

    def __iter__(self) -> Iterator[list[Row]]:
        if self._sure is not None and not self._keyset.descending:
            # The newest records are all there is to know in most increments.
            yield from self._backwards(peek=True)
        idle = 0
        while not self._complete:
            before = self._sure
            yield from self._forwards(patient=idle > 0)
            if not self._is_empty():
                yield from self._backwards()
            if self._is_empty():
                return self._explain_the_end(self._known)
            idle = 1 if self._sure != before else idle + 1
            if idle > _REASKS:
                raise BadAnswer(self._suspicion, where=self._keyset.endpoint, mend="Try again later")
            # that nothing changed is the most likely answer of an increment: it is asked again at once
            if idle > 1 or not (self._seen or self._is_increment):
                self._client.sleep(2.0 ** (idle - 1))
        return None

    def reached(self, rows: list[Row]) -> datetime | None:
        """How far the reading is complete with these rows, the last ones given, as a start for another reading."""
        if self._sure is None:
            return None
        return _EPOCH + timedelta(seconds=-self._sure if self._keyset.descending else self._sure)

    # -- the two directions --------------------------------------------------------------------------------------------

    def _forwards(self, *, patient: bool) -> Iterator[list[Row]]:
        """By key from where we are sure, until a page is not full; when `patient`, until one brings nothing new.

        A page shows every record up to its last key, so the next one starts there: places may change, keys do not.
        """
        self._at = self._sure
        if self._sure is None:
            self._first = None
        missed, pages = 0, 0
        while True:
            if pages == _SHORT and self._stretch is None and not patient:
                yield from self._side_by_side()
            rows = self._page(self._question(self._at))
            pages += 1
            full = len(rows) == PAGE_SIZE
            if self._at is None or self._reached != self._at or any(row.key == self._at for row in rows):
                missed = 0
            elif missed < _MISSED:
                # Those given last must come again: they are gone, or the filter leaves out its bound, or it is a slip.
                self._inclusive = None if self._inclusive else self._inclusive
                missed += 1
                continue
            proven = self._inclusive is False and self._at is not None and any(row.key == self._at - 1 for row in rows)
            if proven:
                self._inclusive = True
            top = self._top(rows)
            if full and top is None and not proven:
                key = self._at if any(row.key is not None for row in rows) else None
                crowd, beyond = self._crowd(self._question(self._at, ties=True), key)
                rows, top = [*crowd, *beyond], self._top(beyond)
                full = top is not None
            given, unmet = self._given(rows)
            keys = [row.key for row in rows if row.key is not None]
            self._first = min([*keys, *([] if self._first is None else [self._first])], default=None)
            if top is not None:
                self._at = self._reached = top
                if self._is_settled(top):
                    self._sure = top
                    self._forget()
            if not full:
                self._at = max(keys, default=self._at)
            if given:
                yield given
            if not full and not (patient and unmet):
                return
            if self._stretch is not None and self._sure is not None and self._sure >= self._stretch.until:
                return

    def _side_by_side(self) -> Iterator[list[Row]]:
        """The list up to where it ended before, in several stretches at a time, if it is a long one.

        What is edited meanwhile moves beyond, where the reading forwards goes on.
        """
        low = self._sure
        if low is None or not low == self._at == self._reached or self._client.useful_together < 2:
            return
        ahead = [row.key for row in self._page(self._question(low), _FAR) if row.key is not None]
        if not ahead or min(ahead) <= low:
            return
        newest = [row.key for row in self._page(self._question(None, backwards=True)) if row.key is not None]
        until = min((key for key in newest if self._is_settled(key)), default=low)
        if until <= low:
            return
        whole = Stretch(low, until, (_FAR - 1) * PAGE_SIZE / (min(ahead) - low), low)
        workers = self._client.useful_together
        stretches = SideBySide(self._part, self._look, whole, workers=workers, page_size=PAGE_SIZE)
        for rows in stretches:
            self._sure = stretches.sure
            new = [row for row in rows if self._seen.get(row.id) != _version(row)]
            # where a stretch could not be read to its end, all after it is read once more
            self._seen |= {row.id: _version(row) for row in new}
            if new:
                yield new
        self._at = self._reached = self._sure
        self._forget()

    def _part(self, stretch: Stretch) -> Iterator[Page[Row]]:
        """One stretch, page by page, each with the key before which everything in it was given."""
        walk = Walk(self._client, self._keyset)
        walk._sure = walk._reached = stretch.low
        walk._inclusive, walk._stretch = self._inclusive, stretch
        for patient in (False, True):
            for rows in walk._forwards(patient=patient):
                yield rows, walk._sure
            yield [], walk._sure

    def _look(self, at: int) -> int | None:
        """The key of the first record that stands there or after."""
        walk = Walk(self._client, self._keyset)
        keys = [row.key for row in walk._page(walk._question(at)) if row.key is not None and row.key >= at]
        return min(keys, default=None)

    def _backwards(self, *, peek: bool = False) -> Iterator[list[Row]]:
        """From the other end of the list until it meets what is sure: then there is nothing in between.

        If it shows records that the reading forwards should have brought, that one has to go on. `peek`: one page only.
        """
        question = self._question(None, backwards=True)
        number, surprised, ids = 1, False, _Repetition(self._keyset.endpoint)
        lowest: int | None = None
        missed = 0
        while True:
            rows = self._page(question, number, reasks=_REASKS if number > 1 or (self._seen and not peek) else 0)
            if number == 1 and not rows:
                if self._seen and not peek:
                    self._explain_the_end(self._seen)
                    self._complete = True
                return
            keys = [row.key for row in rows if row.key is not None]
            if number == 1 and not peek and keys and max(keys) < (self._at or max(keys)) and missed < _MISSED:
                # The records given last, or newer ones, stand at this end: they are gone, or it is another page.
                missed += 1
                continue
            full = len(rows) == PAGE_SIZE
            if full and not keys and not self._is_increment and any(row.id not in self._seen for row in rows):
                rows, _ = self._crowd(self._question(None, backwards=True, ties=True), None)
            given, unmet = self._given(rows)
            ahead = [row for row in rows if row.key is not None and (self._at is None or row.key > self._at)]
            surprised = surprised or any(self._was_there(row) for row in [*unmet, *ahead])
            if given:
                yield given
            lowest = min([*keys, *([] if lowest is None else [lowest])], default=None)
            if self._sure is not None and lowest is not None and lowest < self._sure:
                # One page shows one moment; between two of them a record may slip by.
                self._complete = number == 1 or not surprised
                return
            if peek:
                return
            if not full:
                # The list ends here, so this must be its beginning: else the page was cut.
                is_start = lowest == self._first if self._first is None or lowest is None else lowest <= self._first
                self._complete = not surprised and is_start and self._is_last(question, number, rows)
                return
            if surprised and keys:
                return
            ids.check(rows)
            number += 1

    def _is_last(self, question: _Question, number: int, rows: list[Row]) -> bool:
        """Whether the list ends with this page, which is not full: one that the server cut is often of round length."""
        if not rows or (number == 1 and len(rows) % 5) or not self._page(question, number + 1):
            return True
        self._suspicion = f"Teamleader gives {len(rows)} records per page instead of {PAGE_SIZE}"
        return False

    def _is_empty(self) -> bool:
        """Whether there was nothing but empty answers, to two different questions: then there is nothing to read."""
        return not any(self._answers) and len(self._answers) >= _EMPTY

    def _explain_the_end(self, ids: Iterable[str]) -> None:
        """The list is empty where it must show these: right only if all of them are gone from it by now."""
        info = self._keyset.endpoint.replace(".list", ".info")
        for id in ids:
            if id.startswith(_MADE_UP):
                continue
            try:
                answer = self._client.call(info, {"id": id})
            except (NotFound, Forbidden):
                continue
            status = self._keyset.filters.get("status")
            if status is None or decoding.decode(answer.data, type=_Info).status == status:
                raise BadAnswer(self._suspicion, where=self._keyset.endpoint, mend="Try again later")

    # -- crowds --------------------------------------------------------------------------------------------------------

    def _crowd(self, question: _Question, key: int | None) -> tuple[list[Row], list[Row]]:
        """All rows up to `key` (those without a key when None), of which there is more than a page, and the next ones.

        The places of the crowd as a whole are certain, but not the order within it: equal keys may come in another
        order with every request. Nobody enters a second that is over, so as many different rows as the crowd was long
        before they were read, and still is, are all of it. Pages are read from the last to the first: records that
        leave meanwhile move the others towards the front, where they are still to be read.
        """
        limit = float("-inf") if key is None else key
        found: dict[str, Row] = {}
        total, number = -1, 1
        for _ in range(_PASSES):
            number, rows, beyond = self._end_of_crowd(question, limit, number)
            length = (number - 1) * PAGE_SIZE + len(rows)
            if length != total:
                total, found = length, self._remaining(found, limit)
            elif len(found) == total:
                return list(found.values()), beyond
            before = len(found)
            for lower in range(number, 0, -1):
                page = rows if lower == number else self._page(question, lower, reasks=_REASKS)
                found.update((row.id, row) for row in page if _belongs(row, limit))
            if len(found) == before:
                self._client.sleep(1.0)
        what = "without a time" if key is None else "of the same second"
        raise BadAnswer(
            f"Teamleader's list shows only {len(found)} of {total} records {what}",
            where=self._keyset.endpoint,
            mend="Try again later",
        )

    def _remaining(self, found: dict[str, Row], limit: float) -> dict[str, Row]:
        """Those of a crowd that have not left it: it is shorter than it was."""
        ids = [row.id for row in found.values() if row.is_record]
        remaining: list[Row] = []
        for start in range(0, len(ids), PAGE_SIZE):
            question = self._question(None)
            filters = {**question.body["filter"], "ids": ids[start : start + PAGE_SIZE]}
            remaining += self._page(replace(question, body={**question.body, "filter": filters}), reasks=_REASKS)
        return {row.id: row for row in remaining if row.id in found and _belongs(row, limit)}

    def _end_of_crowd(self, question: _Question, limit: float, number: int) -> tuple[int, list[Row], list[Row]]:
        """Number of the page on which the crowd ends, its rows up to there, and those after."""

        def is_later(row: Row) -> bool:
            return row.key is not None and row.key > limit

        ids = _Repetition(self._keyset.endpoint)
        while True:
            rows = self._page(question, number, reasks=0 if number == 1 else _REASKS)
            if len(rows) < PAGE_SIZE or any(map(is_later, rows)):
                break
            ids.check(rows)
            number += 1
        beyond: list[Row] = []
        while True:
            size = max((place for place, row in enumerate(rows, 1) if _belongs(row, limit)), default=0)
            beyond = [*rows[size:], *beyond]
            if size or number == 1:
                return number, rows[:size], beyond
            number -= 1
            rows = self._page(question, number, reasks=_REASKS)

    # -- single pages --------------------------------------------------------------------------------------------------

    def _question(self, at: int | None, *, ties: bool = False, backwards: bool = False) -> _Question:
        """For the records from the key `at` on; from one second before as long as the filter may exclude its bound."""
        low = at if at is None or self._inclusive else at - 1
        return _Question(self._keyset.body(low, ties=ties, backwards=backwards), low, backwards)

    def _page(self, question: _Question, number: int = 1, *, reasks: int = 0) -> list[Row]:
        """One page. An empty one is asked for again `reasks` times, one that cannot be right a few times."""
        request = {**question.body, "page": {"size": PAGE_SIZE, "number": number}}
        attempt = 0
        while True:
            answer = self._client.call(self._keyset.endpoint, request)
            self.server_time = self.server_time or answer.server_time
            rows = self._rows(answer.data)
            ids = [row.id for row in rows]
            wrong = self._contradiction(rows, question)
            if ids and self._last is not None and self._last[2] == ids:
                elsewhere = self._last[0] == question and self._last[1] != number
                # Equal keys in one order may give the same page to another question: so that is believed in the end.
                is_part = len(rows) == PAGE_SIZE or len(rows) < len(self._seen)
                suspect = self._last[0] != question and is_part and attempt == 0
                wrong = wrong or ("Teamleader repeats the same page" if elsewhere or suspect else None)
            if wrong is None and (rows or attempt >= reasks):
                break
            if attempt >= _REASKS:
                raise BadAnswer(wrong or self._suspicion, where=self._keyset.endpoint)
            self._client.sleep(2.0**attempt)
            attempt += 1
        self._last = question, number, ids
        if not any(self._answers):
            self._answers.append(bool(rows))
        return rows

    def _rows(self, data: msgspec.Raw) -> list[Row]:
        try:
            found = [bytes(raw) for raw in decoding.decode(data, type=list[msgspec.Raw])]
        except msgspec.MsgspecError:
            raise BadAnswer("Teamleader's list is no list", where=self._keyset.endpoint) from None
        newest: dict[str, tuple[int, int]] = {}
        rows = []
        for place, payload in enumerate(found):
            head = _head(payload)
            is_record = is_id(head.id)
            row = Row(head.id if is_record else _made_up(payload), self._key(head), payload, is_record, head.status)
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

    def _contradiction(self, rows: list[Row], question: _Question) -> str | None:
        """What Teamleader ignores in silence must show in the answer: filters and order. None when all is well."""
        keys = [row.key for row in rows if row.key is not None]
        if question.low is not None and any(key < question.low for key in keys):
            return f"Teamleader ignores the filter `{self._keyset.bound}`"
        status = self._keyset.filters.get("status")
        if isinstance(status, str) and rows and all(row.status not in (None, status) for row in rows):
            return "Teamleader ignores the filter `status`"
        settled = [key for key in keys if self._is_settled(key)]
        if settled != sorted(settled, reverse=question.backwards):
            return f"Teamleader ignores the sort by `{self._keyset.key}`"
        return None

    # -- what was given ------------------------------------------------------------------------------------------------

    def _is_settled(self, key: float) -> bool:
        """Whether a record with this key was edited so long ago that every answer shows it so, and in its place.

        Younger ones may come late, or show their new time at their old place; the next increment reads them anyway.
        """
        if self._keyset.descending or self.server_time is None:
            return True
        return key < (self.server_time - OVERLAP).timestamp()

    def _was_there(self, row: Row) -> bool:
        """Whether the record stood there in this version before the reading began, and is to be read."""
        if row.key is None:
            return not self._is_increment
        if self._keyset.descending or self.server_time is None:
            return True
        return row.key < self.server_time.timestamp()

    def _top(self, rows: list[Row]) -> int | None:
        """The key up to which a page is sure to be complete; None when it is not beyond where we are."""
        in_place: list[int] = []
        for key in reversed([row.key for row in rows if row.key is not None]):
            # One that stands before a lower one shows a time that is not the one of its place.
            if not in_place or key <= in_place[-1]:
                in_place.append(key)
        beyond = [key for key in in_place if self._at is None or key > self._at]
        return max([key for key in beyond if self._is_settled(key)] or beyond, default=None)

    def _given(self, rows: list[Row]) -> tuple[list[Row], list[Row]]:
        """The rows that were not given yet in this text (from now on they were), and of these the unmet ones.

        Unmet is what was not seen at its place. Only that says something about the reading: the text of a record may
        differ in every answer, because Teamleader promises no order of its properties.
        """
        changed, unmet = {}, {}
        for row in rows:
            version = _version(row)
            is_past = row.key is not None and self._sure is not None and row.key < self._sure
            before = self._seen.get(row.id)
            if not is_past and before != version:
                self._seen[row.id] = version
                changed[row.id] = row
                if before is None or before[0] != row.key:
                    unmet[row.id] = row
        return list(changed.values()), list(unmet.values())

    def _forget(self) -> None:
        """Let go of rows that are past, so that memory does not grow with the list."""
        sure = self._sure
        # One whose time cannot be read stands anywhere: forgotten, it would seem fresh for ever.
        self._seen = {id: seen for id, seen in self._seen.items() if seen[0] is None or sure is None or seen[0] >= sure}


class _Repetition:
    """Notices a server that gives the same page for every number."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._ids: set[str] = set()
        self._stale = 0

    def check(self, rows: list[Row]) -> None:
        """BadAnswer when page after page holds nothing but what others held."""
        ids = {row.id for row in rows}
        self._stale = 0 if ids - self._ids else self._stale + 1
        self._ids |= ids
        if self._stale > _REASKS:
            raise BadAnswer("Teamleader repeats the same page", where=self._endpoint, mend="Try again later")


def _version(row: Row) -> tuple[int | None, int]:
    return row.key, hash(row.payload)


def _belongs(row: Row, limit: float) -> bool:
    return row.key is None or row.key <= limit


def _head(payload: bytes) -> _Head:
    try:
        return decoding.decode(payload, type=_Head)
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
