"""M0 to M8, every combination: (base, a, b) × policy × order of the clocks, against the rules written out by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import polars as pl
import pytest

from tl_hubspot.two_way.compare import normal
from tl_hubspot.two_way.flows import Compare, Field, Flow
from tl_hubspot.two_way.merge import ROWS, merge
from tl_hubspot_tests.two_way import oracle
from tl_hubspot_tests.two_way.oracle import Case, Clock

T = datetime(2026, 11, 2, 11, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def exact(seconds: float) -> Clock:
    return Clock(at(seconds), at(seconds), exact=True)


def polled(earliest: float | None, latest: float) -> Clock:
    return Clock(None if earliest is None else at(earliest), at(latest))


VALUES = {
    "text": ("", "Zoë", " Zoë  ", "Renée", None),
    "phone": ("", "+32 470 12 34 56", "0032470123456", "02 123 45 67", None),
    "exact": ("", "x", "x ", "y", None),
}
CLOCKS = (
    (exact(0), exact(500)), (exact(500), exact(0)), (exact(0), exact(0)), (exact(0), exact(60)),
    (exact(60), exact(0)), (polled(0, 300), polled(0, 300)), (polled(0, 300), polled(600, 900)),
    (polled(600, 900), polled(0, 300)), (polled(0, 300), polled(420, 900)), (polled(420, 900), polled(0, 300)),
    (polled(300, 600), exact(180)), (exact(180), polled(300, 600)), (polled(300, 600), exact(181)),
    (polled(None, 300), polled(None, 300)), (polled(None, 300), exact(1000)), (exact(1000), polled(None, 300)),
    (Clock(None, None), exact(9)), (exact(420), polled(0, 300)), (exact(421), polled(0, 300)),
)  # fmt: skip


def cases(compare: str) -> list[Case]:
    values = VALUES[compare]
    known = [value for value in values if value is not None]
    bases = [None, *product(known, known)]
    return [
        Case(a, b, base, *clocks, compare, policy)
        for policy in ("newest", "prefer_a", "prefer_b", "hold")
        # the other policies look at no clock: an earlier, a later and the same one are enough
        for clocks in (CLOCKS if policy == "newest" else CLOCKS[:3])
        for a, b, base in product(values, values, bases)
    ]


def frame(cases: list[Case]) -> pl.DataFrame:
    rows = [
        {
            "a": c.a,
            "b": c.b,
            "base_a": c.base and c.base[0],
            "base_b": c.base and c.base[1],
            "a_earliest": c.clock_a.after,
            "a_latest": c.clock_a.until,
            "b_earliest": c.clock_b.after,
            "b_latest": c.clock_b.until,
            "a_by_teamleader": c.teamleader_wrote_a,
        }
        for c in cases
    ]
    return pl.DataFrame(rows, schema=ROWS)


def judged(cases: list[Case], field: Field, flow: Flow) -> list[oracle.Verdict]:
    found = []
    for row in merge(frame(cases), field, flow).iter_rows(named=True):
        write = loser = None
        if row["winner"]:
            target = "b" if row["winner"] == "a" else "a"
            write = (target, row[row["winner"]])
            loser = (target, row[target]) if row["rule"] in ("M3", "M8") else None
        remembers, held = row["effect"] == "remember", row["effect"] == "hold"
        found.append(oracle.Verdict(row["rule"], write, remembers, held, loser))
    return found


def agree(cases: list[Case], field: Field, flow: Flow) -> Counter[str]:
    found = judged(cases, field, flow)
    for case, verdict in zip(cases, found, strict=True):
        assert verdict == oracle.judge(case), case
    return Counter(verdict.rule for verdict in found)


@pytest.mark.parametrize("compare", ["text", "phone", "exact"])
@pytest.mark.parametrize(("tie_side", "skew", "clear"), [("a", 120, True), ("b", 0, True), ("b", 120, False)])
def test_every_combination_follows_the_table(compare: Compare, tie_side: str, skew: int, clear: bool) -> None:
    flow = Flow("f", "A", "B", tie_side=tie_side, max_skew=timedelta(seconds=skew), propagate_clear=clear)
    every = [replace(c, tie_side=tie_side, skew=flow.max_skew, propagate_clear=clear) for c in cases(compare)]
    met: Counter[str] = Counter()
    for policy in ("newest", "prefer_a", "prefer_b", "hold"):
        met += agree([c for c in every if c.policy == policy], Field("p", "q", compare=compare, policy=policy), flow)
    assert sorted(met) == [f"M{n}" for n in range(9)]


@pytest.mark.parametrize("policy", ["newest", "prefer_a", "prefer_b", "hold"])
@pytest.mark.parametrize("owner", ["teamleader", "nobody"])
def test_teamleaders_changes_win_conflicts_and_nothing_else(policy: str, owner: str) -> None:
    every = [
        replace(c, teamleader_wrote_a=True, owner=owner, skew=timedelta(seconds=120))
        for c in cases("text")
        if c.policy == policy
    ]
    agree(every, Field("p", "q", policy=policy, owner=owner), Flow("f", "A", "B"))


def test_p11_swapping_the_sides_mirrors_every_verdict() -> None:
    turned = {"a": "b", "b": "a"}
    mirrored_rule = {"M6": "M7", "M7": "M6"}
    for policy, opposite in (("newest", "newest"), ("prefer_a", "prefer_b"), ("hold", "hold")):
        every = [c for c in cases("phone") if c.policy == policy]
        swapped = [
            replace(c, a=c.b, b=c.a, base=c.base and c.base[::-1], clock_a=c.clock_b, clock_b=c.clock_a) for c in every
        ]
        one = judged(every, Field("p", "q", compare="phone", policy=policy), Flow("f", "A", "B", tie_side="a"))
        two = judged(swapped, Field("p", "q", compare="phone", policy=opposite), Flow("f", "A", "B", tie_side="b"))
        for verdict, mirror in zip(one, two, strict=True):
            back = replace(
                mirror,
                rule=mirrored_rule.get(mirror.rule, mirror.rule),
                write=mirror.write and (turned[mirror.write[0]], mirror.write[1]),
                loser=mirror.loser and (turned[mirror.loser[0]], mirror.loser[1]),
            )
            assert verdict == back


@pytest.mark.parametrize(
    ("one", "other", "compare", "region", "same"),
    [
        ("Zoe\u0308", "Zoë ", "text", "", True),
        ("zoë", "Zoë", "text", "", False),
        ("x", "x ", "exact", "", False),
        ("  ", "", "exact", "", True),
        ("+47 912 34 567", "0047-912/34.567", "phone", "", True),
        ("91234567", "+47 912 34 567", "phone", "", False),
        ("91234567", "+47 912 34 567", "phone", "NO", True),
        ("0470 12 34 56", "+32 (0)470 12.34.56", "phone", "BE", True),
        ("0470 12 34 56", "+31 470 12 34 56", "phone", "BE", False),
        ("02 1234567", "+39 02 1234567", "phone", "IT", True),
        ("2 1234567", "+39 02 1234567", "phone", "IT", False),
        ("ask Ann", "ask Bob", "phone", "", False),
        ("n/a", "?", "phone", "NO", False),
        ("-", "+", "phone", "BE", False),
        ("1-800-FLOWERS", "1-800-HOTLINE", "phone", "", False),
    ],
)
def test_when_two_values_are_the_same(one: str, other: str, compare: Compare, region: str, same: bool) -> None:
    forms = pl.DataFrame({"v": [one, other]}).select(normal(pl.col("v"), compare, region))["v"]
    assert (forms[0] == forms[1]) is same
