"""Several stretches of one long list read at the same time, so that its reading is not bound by how long a call takes.

Only which stretch is read next, and where one is divided, is decided here; how a stretch is read completely lives in
`paging`, whose `Walk` goes on from where all stretches together arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

WORTH = 30
"""Pages that a stretch must seem to have left to be divided: that takes a call, and half a page is read twice."""
_PER_WORKER = 4
"""So many stretches per worker at most: times say little about how many records lie between them."""


class Keyed(Protocol):
    """What stands in the list."""

    @property
    def key(self) -> int | None:
        """Its place, None when it has none."""


_R = TypeVar("_R", bound=Keyed)
Page = tuple[Sequence[_R], int]
"""Rows, and the key before which all of the stretch was given with them."""


@dataclass(eq=False)
class Stretch:
    """The part of a list from the key `low` to before `until`; everything before `sure` was given.

    At `low` there is a record, so that the first answer can be seen to begin where it should. `density` is in records
    per step of the key, as last seen. `until` may move down while the stretch is read.
    """

    low: int
    until: int
    density: float
    sure: int
    is_whole: bool = False
    """Nothing was found at which it could be divided."""

    @property
    def is_over(self) -> bool:
        """Whether all of it was given."""
        return self.sure >= self.until

    @property
    def records_left(self) -> float:
        """How many records it seems to have left."""
        return max(0.0, (self.until - self.sure) * self.density)

    @property
    def middle(self) -> int:
        """The key halfway through what is left."""
        return self.sure + (self.until - self.sure + 1) // 2


class SideBySide(Generic[_R]):
    """Reads from `low` to before `until` in up to `workers` stretches at a time; iterate to get their pages.

    `read` reads one stretch page by page, in a thread; it may stop before the stretch is over when it cannot go on.
    `look` gives the key of a record that stands at a key or after it, None when there is none. A row that stands in
    another stretch is left to that one. `sure` is where all that was given so far ends.
    """

    def __init__(
        self,
        read: Callable[[Stretch], Iterator[Page[_R]]],
        look: Callable[[int], int | None],
        whole: Stretch,
        *,
        workers: int,
        page_size: int,
    ) -> None:
        self._read = read
        self._look = look
        self._until = whole.until
        self._workers = workers
        self._page_size = page_size
        self._all = [whole]
        self._looks: dict[Future[int | None], Stretch] = {}
        self._pages: dict[Future[Page[_R] | None], tuple[Stretch, Iterator[Page[_R]]]] = {}

    @property
    def sure(self) -> int:
        """The key before which everything was given."""
        return next((stretch.sure for stretch in self._all if not stretch.is_over), self._until)

    def __iter__(self) -> Iterator[list[_R]]:
        with ThreadPoolExecutor(self._workers, thread_name_prefix="teamleader") as pool:

            def go_on(stretch: Stretch, pages: Iterator[Page[_R]]) -> None:
                self._pages[pool.submit(next, pages, None)] = (stretch, pages)

            try:
                go_on(self._all[0], self._read(self._all[0]))
                while self._pages:
                    while len(self._pages) + len(self._looks) < self._workers and (longest := self._to_divide()):
                        self._looks[pool.submit(self._look, longest.middle)] = longest
                    under_way: list[Future[Any]] = [*self._pages, *self._looks]
                    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                    for look in [future for future in self._looks if future in done]:
                        if other := self._divided(self._looks.pop(look), look.result()):
                            go_on(other, self._read(other))
                    for future in [future for future in self._pages if future in done]:
                        stretch, pages = self._pages.pop(future)
                        page = future.result()
                        if page is None:
                            continue
                        rows = self._note(stretch, page)
                        if not stretch.is_over:
                            go_on(stretch, pages)
                        yield rows
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _to_divide(self) -> Stretch | None:
        """The stretch that seems to have most left; None when to divide it does not pay."""
        if len(self._all) + len(self._looks) >= _PER_WORKER * self._workers:
            return None
        found = [stretch for stretch in self._all if not stretch.is_whole and stretch not in self._looks.values()]
        longest = max(found, key=lambda stretch: stretch.records_left, default=None)
        return longest if longest and longest.records_left >= WORTH * self._page_size else None

    def _divided(self, stretch: Stretch, key: int | None) -> Stretch | None:
        """What begins at the record with this key, from now on a stretch of its own."""
        if key is None or not stretch.sure < key < stretch.until:
            stretch.is_whole = True
            return None
        other = Stretch(key, stretch.until, stretch.density, key)
        stretch.until = key
        self._all.insert(self._all.index(stretch) + 1, other)
        return other

    def _note(self, stretch: Stretch, page: Page[_R]) -> list[_R]:
        """The rows of the page that are this stretch's to give."""
        rows, sure = page
        keys = [row.key for row in rows if row.key is not None]
        if len(keys) > 1:
            stretch.density = len(keys) / max(1, max(keys) - min(keys))
        stretch.sure = min(sure, stretch.until)
        last = max((place for place, row in enumerate(rows) if _before(row, stretch.until)), default=0)
        # one that was edited meanwhile may show its new time at its old place
        return [
            row
            for place, row in enumerate(rows)
            if _before(row, stretch.until) or (place < last and not _before(row, self._until))
        ]


def _before(row: Keyed, key: int) -> bool:
    return row.key is None or row.key < key
