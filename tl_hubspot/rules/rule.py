"""`Rule`: one line of an ordered decision table, read by the vectorised decision and by the trace alike.

Lives here: how the first hit is found for a whole frame, and how one record's way through the table is told. The
tables themselves stand in `contacts`, `companies` and `deals`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import polars as pl

from tl_hubspot.rules.told import told

Facts = Mapping[str, Any]
Outcome = Literal["passed", "hit", "not reached"]


@dataclass(frozen=True)
class Said:
    """What a rule says about one record: a sentence for people, and the values it looked at."""

    sentence: str
    input: str | None = None
    limit: date | None = None
    date: date | None = None


@dataclass(frozen=True)
class Rule:
    """One rule. `condition` is a boolean over the facts frame; null counts as no.

    `say(facts of one record, hit)` puts the outcome into words.
    """

    number: int
    question: str
    condition: pl.Expr
    status: str
    reason: str
    say: Callable[[Facts, bool], Said]

    @property
    def hits(self) -> pl.Expr:
        """The condition with null as no."""
        return self.condition.fill_null(False)


@dataclass(frozen=True)
class Step:
    """One rule applied to one record. `outcome` is hit for the rule that decided; later ones were not reached."""

    number: int
    question: str
    input: str | None
    limit: date | None
    date: date | None
    outcome: Outcome
    status: str | None
    reason: str | None
    sentence: str


def first_hit(rules: Sequence[Rule]) -> list[pl.Expr]:
    """Columns `status` and `reason` of the first rule that hits each row; the last rule must hit whatever is left."""
    place = pl.coalesce(pl.when(rule.hits).then(pl.lit(i, pl.Int8)) for i, rule in enumerate(rules))
    places = list(range(len(rules)))
    return [
        place.replace_strict(places, [getattr(rule, name) for rule in rules], return_dtype=pl.String).alias(name)
        for name in ("status", "reason")
    ]


def any_hit(rules: Sequence[Rule]) -> pl.Expr:
    """Whether any of the rules hits."""
    return pl.any_horizontal(rule.hits for rule in rules)


def steps(record: pl.DataFrame, rules: Sequence[Rule]) -> list[Step]:
    """The way of one record (a facts frame of one row) through the rules, in order."""
    hits = record.select(rule.hits.alias(str(rule.number)) for rule in rules).row(0)
    facts = record.row(0, named=True)
    way: list[Step] = []
    decided: Rule | None = None
    for rule, hit in zip(rules, hits, strict=True):
        if decided is None:
            way.append(_step(rule, rule.say(facts, hit), "hit" if hit else "passed"))
            decided = rule if hit else None
        else:
            sentence = told("Not reached: rule {number} decided.", number=decided.number)
            way.append(_step(rule, Said(sentence), "not reached"))
    return way


def _step(rule: Rule, said: Said, outcome: Outcome) -> Step:
    hit = outcome == "hit"
    return Step(
        rule.number,
        rule.question,
        said.input,
        said.limit,
        said.date,
        outcome,
        rule.status if hit else None,
        rule.reason if hit else None,
        said.sentence,
    )
