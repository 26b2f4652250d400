"""Random histories of two systems that people edit, with crashes, races, stale reads and lost answers; P1 to P26.

One example is a world of many people, and every person's contact is a history of its own: all are planned in the same
frames. `mutants` show that the checks would notice an engine that lacks a safety.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tl_hubspot.config.two_way import load
from tl_hubspot.two_way.flows import Flow, Policy
from tl_hubspot_tests.two_way import promises
from tl_hubspot_tests.two_way.engine import CALM, CRASHES, Crashed, Engine, Faults
from tl_hubspot_tests.two_way.world import FIELDS, World

PEOPLE = 150
WORLDS = 20
"""Together 3,000 histories."""
TROUBLE = (
    "unknown", "stale", "doubled", "race", "late race", "lost answer", "lost request", "silent", "skewed", "deletion",
)  # fmt: skip
"""Each of them happens often."""
SEEDS = st.integers(0, 2**32 - 1)


def shipped(policy: Policy = "newest", tie_side: str = "a") -> Flow:
    """The shipped flow of contacts, without a limit on deletions: a history deletes as it likes."""
    flow = load()[0]
    fields = tuple(replace(field, policy=policy) if field.name == "lastname" else field for field in flow.fields)
    return replace(flow, fields=fields, tie_side=tie_side, max_delete_ratio=1.0, max_delete_minimum=1_000_000)


class Histories(RuleBasedStateMachine):
    """Two systems, their people, one synchronisation."""

    lived = 0
    happened: ClassVar[Counter[str]] = Counter()

    @initialize(
        seed=SEEDS, policy=st.sampled_from(["newest", "prefer_a", "prefer_b", "hold"]), tie=st.sampled_from("ab")
    )
    def begin(self, seed: int, policy: Policy, tie: str) -> None:
        self.world = World(seed, PEOPLE)
        self.engine = Engine(self.world, shipped(policy, tie))
        self.forgot = False

    @rule(
        seed=SEEDS,
        edits=st.sampled_from([0.1, 0.5]),
        deletions=st.sampled_from([0, 0.05]),
        forgets=st.sampled_from([False, False, False, True]),
        faults=st.builds(
            Faults,
            unknown=st.sampled_from([0, 0.1]),
            stale=st.sampled_from([0, 0.4]),
            race=st.sampled_from([0, 0.2]),
            late_race=st.sampled_from([0, 0.2]),
            lost_answer=st.sampled_from([0, 0.3]),
            lost_request=st.sampled_from([0, 0.3]),
            silent=st.sampled_from([0, 0.3]),
            doubled=st.sampled_from([0, 0.1]),
            crash=st.sampled_from(["", "", *CRASHES]),
            skewed=st.booleans(),
        ),
    )
    def a_day(self, seed: int, edits: float, deletions: float, forgets: bool, faults: Faults) -> None:
        """People edit and delete, then both systems are synchronised while things go wrong. P22: where the shadows are
        lost it is as at the first link, and nothing is deleted."""
        rng = Random(seed)
        if forgets:
            self.engine.memory = replace(self.engine.memory, shadows=self.engine.memory.shadows.clear())
            self.forgot = True
        for person in self.world.people:
            if rng.random() < edits:
                self.world.edit(person, rng)
            if rng.random() < deletions and all(self.world.ids(side, person) for side in "ab"):
                self.world.delete(person, rng)
                self.engine.happened["deletion"] += person.ended
        before = self.engine.memory.links
        with suppress(Crashed):
            promises.after_every_cycle(self.engine, self.engine.cycle(rng, faults))
        promises.links_are_stable(before, self.engine.memory.links)

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            Histories.lived += PEOPLE
            Histories.happened.update(self.engine.happened)
            promises.settle(self.engine)
            promises.at_rest(self.engine, forgot=self.forgot)


def test_p1_to_p26_hold_in_every_history() -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=WORLDS,
            stateful_step_count=5,
            deadline=None,
            derandomize=True,
            # a world is many small histories already; making it smaller would take minutes
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Histories.lived >= 3_000
    happened = Histories.happened
    assert {what for what in TROUBLE if happened[what] < 50} == set(), happened
    assert {crash for crash in CRASHES if not happened[f"crash {crash}"]} == set(), happened


def scripted(seed: int, without: str = "") -> None:
    """One world with a fixed course that needs every safety: crashes, lost answers, edits during the cycle."""
    world = World(seed, 60)
    engine = Engine(world, shipped(), without=without)
    rng = Random(seed)
    engine.cycle(rng)
    courses = [
        Faults(race=0.4),
        Faults(crash="after_calls", race=0.2),
        Faults(lost_answer=0.5),
        CALM,
    ]
    for faults in courses:
        for person in world.people:
            if rng.random() < 0.4:
                world.edit(person, rng)
        with suppress(Crashed):
            engine.cycle(rng, faults)
    promises.judge(engine)


def test_the_course_of_the_mutants_is_no_trouble_for_the_engine() -> None:
    for seed in range(3):
        scripted(seed)


@pytest.mark.parametrize("without", ["second shadow", "intents", "re-check"])
def test_an_engine_that_lacks_a_safety_is_noticed(without: str) -> None:
    with pytest.raises(AssertionError, match=r"P[0-9]+ "):
        for seed in range(3):
            scripted(seed, without)


def test_the_histories_cover_the_shipped_fields() -> None:
    assert tuple(field.name for field in load()[0].fields) == FIELDS
