"""Relations, made while records are written: those whose two records are in HubSpot go as soon as they fill a call.

Few calls at a time, so that none of them waits for another. What is left when all records are written is made by
`finish`. What a call says is in `relations`, which relations go together in `lanes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import polars as pl

from tl_hubspot.hubspot.associations import PairOutcome
from tl_hubspot.pushing import relations
from tl_hubspot.pushing.lanes import Lanes
from tl_hubspot.pushing.relations import Call
from tl_hubspot.pushing.work import Key, Work

Item = TypeVar("Item")
Result = TypeVar("Result")

STEP = "relations"
LANES = 4
"""Calls under way at a time beside those that write records."""
_NEW = 10_000
"""Rows that are looked at for the first time at once: all of a large plan would take a second."""
_LOOK = 16
"""Calls between two looks at which records were written: enough of them are ready then to go on meanwhile."""


class Beside:
    """`todo`: rows `associate` and `disassociate` of a plan. `unwritten`: the rows of records that this push has yet to
    write, in that order of their types. A relation waits for both of its records; one of a record that failed is left
    to the next run."""

    def __init__(self, work: Work, todo: pl.DataFrame, unwritten: pl.DataFrame | None = None) -> None:
        self._work = work
        self._lanes = Lanes(relations.SIZES)
        self._answered: list[tuple[Call, PairOutcome]] = []
        self._rows = relations.decoded(todo)
        self._seen = 0
        self._unwritten: dict[str, set[str]] = {}
        """Entity type → records that are not written yet."""
        if unwritten is not None:
            for of_type in unwritten["entity_type"].unique(maintain_order=True):
                self._unwritten[of_type] = set(unwritten.filter(entity_type=of_type)["teamleader_id"])
        self._places: dict[Key, list[int]] = {}
        """Record that is not written yet → rows that wait for it."""
        self._new: Sequence[int] = range(self._rows.height)
        """Rows of which it is not known yet whether they wait."""

    def run(self, send: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """As `HubSpotGateway.run`; after each item that is drawn goes a call of these relations, if there is one."""

        def drawn() -> Iterator[Item | Call]:
            for number, item in enumerate(items, 1):
                yield item
                if number % _LOOK == 0:
                    self._look()
                if self._lanes.under_way < LANES and (load := self._lanes.take()) is not None:
                    yield relations.intended(self._work, load)

        def sent(item: Any) -> Any:
            return relations.send(self._work, item) if isinstance(item, Call) else send(item)

        try:
            for item, result in self._work.gateway.run(sent, drawn()):
                if isinstance(item, Call):
                    self._take(item, result)
                else:
                    yield item, result
        finally:
            self._settle()

    def finish(self) -> None:
        """Make all that is left."""
        self._look()
        self._add([*self._new, *(place for places in self._places.values() for place in places)])
        self._new = ()
        self._places.clear()

        def calls() -> Iterator[Call]:
            while (load := self._lanes.take(last=True)) is not None:
                yield relations.intended(self._work, load)

        try:
            while self._lanes.open:
                for call, outcome in self._work.gateway.run(partial(relations.send, self._work), calls()):
                    self._take(call, outcome)
                    self._work.progress(STEP, self._rows.height - self._lanes.open, self._rows.height)
        finally:
            self._settle()

    def _look(self) -> None:
        """Relations whose records were written meanwhile may be made."""
        if len(self._work.outcomes) == self._seen and not self._new:
            return
        news: list[Key] = list(islice(self._work.outcomes, self._seen, None))
        self._seen += len(news)
        for of_type, key in news:
            self._unwritten.get(of_type, set()).discard(key)
        places = [place for key in news for place in self._places.pop(key, ())]
        self._add(self._set_aside([*places, *self._new[:_NEW]]))
        self._new = self._new[_NEW:]

    def _set_aside(self, places: Sequence[int]) -> list[int]:
        """Keep the rows that wait for a record, preferably the one that is written last; returns the others."""
        if not any(self._unwritten.values()):
            return list(places)
        ends = self._rows[places].select("from_type", "from_id", "to_type", "to_id").rows()
        order = list(self._unwritten)
        free = []
        for place, (from_type, from_id, to_type, to_id) in zip(places, ends, strict=True):
            keys = [k for k in ((from_type, from_id), (to_type, to_id)) if k[1] in self._unwritten.get(k[0], ())]
            if keys:
                self._places.setdefault(max(keys, key=lambda k: order.index(k[0])), []).append(place)
            else:
                free.append(place)
        return free

    def _add(self, places: Sequence[int]) -> None:
        if places:
            self._lanes.add(relations.ready(self._work, self._rows[places]))

    def _take(self, call: Call, outcome: PairOutcome) -> None:
        self._lanes.done(call.load)
        self._answered.append((call, outcome))
        if len(self._answered) == relations.GROUP:
            self._settle()

    def _settle(self) -> None:
        """What was answered becomes durable."""
        answered, self._answered = self._answered, []
        if answered:
            relations.settle(self._work, answered)
