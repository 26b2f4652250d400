"""Which relations go together: every one once, in few calls, and none in the way of another."""

from __future__ import annotations

import random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tl_hubspot.pushing.lanes import KIND, PAIR, Lanes, Load

Row = tuple[str, str, str, bool, str, str]
SIZES = {"associate": 10, "disassociate": 3}
SCHEMA = {**dict.fromkeys(KIND, pl.String()), "primary": pl.Boolean(), **dict.fromkeys(PAIR, pl.String())}


def frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def companies(pairs: list[tuple[int, int]], action: str = "associate", primary: bool = False) -> list[Row]:
    return [(action, "contact", "company", primary, f"c{a}", f"k{b}") for a, b in pairs]


def records(load: Load) -> set[tuple[str, str]]:
    return {(load.kind[1], i) for i in load.rows["from_id"]} | {(load.kind[2], i) for i in load.rows["to_id"]}


@st.composite
def relations(draw: st.DrawFn) -> list[Row]:
    kinds = [(a, *of) for a in SIZES for of in (("contact", "company"), ("deal", "company"), ("deal", "contact"))]
    ends = st.tuples(st.sampled_from(kinds), st.booleans(), st.integers(0, 12), st.integers(0, 5))
    drawn = draw(st.lists(ends, max_size=150))
    return [(a, f, t, p and a == "associate", f"{f}{m}", f"{t}{n}") for (a, f, t), p, m, n in drawn]


@given(relations(), st.integers(1, 5), st.integers(1, 6), st.randoms(use_true_random=False))
def test_each_goes_once_and_none_is_in_the_way_of_another(
    rows: list[Row], most: int, parts: int, chance: random.Random
) -> None:
    lanes = Lanes(SIZES)
    coming = [rows[n::parts] for n in range(parts)]
    under_way: list[Load] = []
    sent: list[Load] = []
    while coming or lanes.open:
        if coming:
            lanes.add(frame(coming.pop()))
        while len(under_way) < most and (load := lanes.take(last=not coming)) is not None:
            assert all(records(load).isdisjoint(records(other)) for other in under_way)
            assert load.pairs.height <= SIZES[load.kind[0]] and (not coming or load.pairs.height == 10)
            under_way.append(load)
            sent.append(load)
        assert under_way or coming or not lanes.open, "nothing goes and nothing is under way: it would never end"
        for load in [load for load in under_way if chance.random() < 0.6]:
            under_way.remove(load)
            lanes.done(load)
    assert sorted(row for load in sent for row in load.rows.rows()) == sorted(rows)
    actions = [load.kind[0] for load in sent]
    assert actions == sorted(actions), "what is taken away goes last"


def test_calls_are_full_wherever_they_can_be() -> None:
    lanes = Lanes(SIZES)
    lanes.add(frame(companies([(n, n % 3) for n in range(35)])))
    sizes = []
    while (load := lanes.take(last=True)) is not None:
        assert lanes.take(last=True) is None, "all companies are in the first call"
        sizes.append(load.pairs.height)
        lanes.done(load)
    assert sizes == [10, 10, 10, 5]


def test_calls_without_a_common_record_go_together() -> None:
    lanes = Lanes(SIZES)
    lanes.add(frame(companies([(n, n) for n in range(25)])))
    assert [load.pairs.height for load in iter(lanes.take, None)] == [10, 10] and lanes.open == 25
    last = lanes.take(last=True)
    assert last is not None and last.pairs.height == 5


def test_the_primary_company_of_a_contact_is_first_and_others_do_not_wait_for_it() -> None:
    lanes = Lanes(SIZES)
    lanes.add(frame(companies([(n, 1) for n in range(4)], primary=True)))
    lanes.add(frame(companies([(n, n) for n in range(2, 16)])))
    other = lanes.take()
    assert other is not None and set(other.rows["from_id"]) == {f"c{n}" for n in range(4, 14)}
    lanes.done(other)
    first = lanes.take(last=True)
    assert first is not None and first.kind[3] and lanes.take(last=True) is None
    lanes.done(first)
    rest = lanes.take(last=True)
    assert rest is not None and set(rest.rows["from_id"]) == {"c2", "c3", "c14", "c15"} and lanes.open == 4


def test_two_relations_of_one_association_are_in_one_call() -> None:
    lanes = Lanes(SIZES)
    lanes.add(frame(companies([(1, 1), (1, 1), *((n, n) for n in range(2, 11))])))
    load = lanes.take()
    assert load is not None and load.pairs.height == 10 and load.rows.height == 11
