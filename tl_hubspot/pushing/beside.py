"""Relations between contacts and companies, made while deals are written: few calls at a time, so that none of them
waits for another. What is left of them when the deals are done is made like all other relations.

How a relation is made is in `relations`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import polars as pl

from tl_hubspot.hubspot.associations import PairOutcome
from tl_hubspot.pushing import relations
from tl_hubspot.pushing.relations import Call
from tl_hubspot.pushing.work import Work

Item = TypeVar("Item")
Result = TypeVar("Result")

LANES = 2
"""Calls under way at a time."""


class Beside:
    """`todo`: rows of a plan as `relations.decoded` gives them; all records that they name are written."""

    def __init__(self, work: Work, todo: pl.DataFrame) -> None:
        self._work = work
        self._relations = relations.ready(work, todo)
        self._sent: list[pl.DataFrame] = []
        self._answered: list[tuple[Call, PairOutcome]] = []
        self._under_way = 0
        self._calls = self._drawn()

    def run(self, send: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """As `HubSpotGateway.run`; after each item that is drawn goes a call of these relations, if one may."""

        def drawn() -> Iterator[Item | Call]:
            for item in items:
                yield item
                if (call := next(self._calls, None)) is not None:
                    yield call

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

    def rest(self) -> pl.DataFrame:
        """The relations of which no call was made, as `relations.ready` gives them."""
        if not self._sent:
            return self._relations
        return self._relations.join(
            pl.concat(self._sent), on=[*relations.KIND, *relations.PAIR], how="anti", maintain_order="left"
        )

    def _drawn(self) -> Iterator[Call | None]:
        """The calls; None while those of the next round have to wait for those under way."""
        for kind, rows in relations.by_kind(self._relations):
            for calls in relations.rounds_of(kind, rows, LANES):
                for pairs in calls:  # one at a time: an intent stands for a call that is made
                    (call,) = relations.planned(self._work, kind, rows, [pairs])
                    self._under_way += 1
                    self._sent.append(rows_of(call))
                    yield call
                while self._under_way:
                    yield None
            self._settle()

    def _take(self, call: Call, outcome: PairOutcome) -> None:
        self._under_way -= 1
        self._answered.append((call, outcome))
        if len(self._answered) == relations.GROUP:
            self._settle()

    def _settle(self) -> None:
        """What was answered becomes durable; it is of one kind."""
        answered, self._answered = self._answered, []
        if answered:
            kind = answered[0][0].kind
            rows = self._relations.filter(**dict(zip(relations.KIND, kind, strict=True)))
            relations.settle(self._work, kind, rows, answered)


def rows_of(call: Call) -> pl.DataFrame:
    """The relations of a call: KIND and PAIR."""
    kind = {name: pl.lit(value) for name, value in zip(relations.KIND, call.kind, strict=True)}
    return call.intents.select(*relations.PAIR, **kind)
