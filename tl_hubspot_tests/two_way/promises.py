"""P1 to P26 as checks of a world and its engine; each raises with the person and the field that it is about."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import polars as pl

from tl_hubspot_tests.two_way.engine import Did, Engine
from tl_hubspot_tests.two_way.world import FIELDS, POISON, SIDES, Person, World, form


def after_every_cycle(engine: Engine, did: Did) -> None:
    """What holds even between faults."""
    live = engine.memory.links.filter(pl.col("state").is_in(["linked", "held"]))
    for side in SIDES:
        assert live[f"{side}_id"].is_unique().all(), "P14 links are bijective"
    assert len(did.calls) == len(set(did.calls)), "P13 one call per changed record and cycle"
    shown = did.plan.writes
    assert shown["value"].null_count() == 0 and shown["pre_image"].null_count() == 0, "P10 unknown is never written"
    for side in SIDES:
        for number, count in engine.world.copies(side).items():
            person = engine.world.people[number]
            born = {"only_a": "a", "only_b": "b", "ambiguous": "aab"}.get(person.kind, "ab").count(side)
            assert count <= max(born, 1), f"P15 made twice on {side}: {person}"
            if person.kind == "ambiguous":
                assert count == born, f"P17 ambiguous writes nothing: {person}"


def links_are_stable(before: pl.DataFrame, after: pl.DataFrame) -> None:
    """P16: a link that stands keeps its two records, whatever is edited."""
    joined = before.join(after, on="link_id", suffix="_after")
    assert joined.height == before.height, "P16 a link is lost"
    moved = joined.filter((pl.col("a_id") != pl.col("a_id_after")) | (pl.col("b_id") != pl.col("b_id_after")))
    assert moved.is_empty(), f"P16 a link moved: {moved}"


def settle(engine: Engine) -> None:
    """No faults and no edits any more: P26, P2 and P1, with the waits of refused values over."""
    writing, refused = [], []
    engine.world.tick(timedelta(days=2).total_seconds())
    for _ in range(5):
        did = engine.cycle(Random(0))
        after_every_cycle(engine, did)
        writing.append(len(did.calls) + did.made)
        refused.append(did.refused)
    assert writing[-1] == 0, f"P26 it comes to rest: {writing}"
    assert sum(1 for count in writing if count) <= 2, f"P2 two writing cycles are enough: {writing}"
    for before, after in zip(refused, writing[1:], strict=False):
        assert before or not after, f"P1 nothing to do after a clean cycle: {writing}"


def at_rest(engine: Engine, *, forgot: bool = False) -> None:
    """What every person may expect once everything is settled; `forgot`: the shadows were lost in between."""
    world = engine.world
    pairs = {row["a_id"]: row for row in engine.memory.links.iter_rows(named=True)}
    by_b = {row["b_id"]: row for row in pairs.values()}
    held = {(row["link_id"], row["field"]) for row in engine.memory.holds.iter_rows(named=True)}
    undecided = {(e["link_id"], e["field"]) for e in engine.conflicts if e["kind"] == "held"}
    logged: dict[tuple[str, str], set[str]] = {}
    conflicting = set()
    for entry in engine.conflicts:
        key = (entry["link_id"], entry["field"])
        values = (entry["losing_value"], entry["a_value"], entry["b_value"])
        logged.setdefault(key, set()).update(form(entry["field"], v) for v in values if v is not None)
        if entry["kind"] != "held":
            conflicting.add(key)
    for person in world.people:
        ids = {side: world.ids(side, person) for side in SIDES}
        row = next((pairs.get(i) for i in ids["a"]), None) or next((by_b.get(i) for i in ids["b"]), None)
        link = row["link_id"] if row else ""
        for name in FIELDS:
            values = [world.servers[side].records[i][name] for side in SIDES for i in ids[side]]
            for value in values:
                assert value in world.possible(person, name), f"P6 invented: {value!r} of {person}"
            here = {form(name, value) for value in values}
            known = here | person.replaced[name] | logged.get((link, name), set()) | {""}
            lost = {form(name, value) for value in person.typed[name]} - known
            assert not lost, f"P5 lost update: {name} {lost} of {person}"
            if person.kind == "ambiguous":
                continue
            if person.ended:
                assert sum(map(len, ids.values())) <= 1, f"P18 resurrected: {person}"
                continue
            poisoned = any(POISON in v for v in values) or (not link and _has_poison(world, person))
            if not (poisoned or (link, name) in held or (link, name) in undecided):
                assert link and len(here) == 1, f"P3 not equal: {name} {values} of {person}"
            _one_sided(person, name, world, (link, name) in conflicting, forgot=forgot)


def _has_poison(world: World, person: Person) -> bool:
    records = [world.servers[side].records[i] for side in SIDES for i in world.ids(side, person)]
    return any(POISON in value for record in records for value in record.values())


def _one_sided(person: Person, name: str, world: World, conflict: bool, *, forgot: bool) -> None:
    """P4: where only one side was ever edited, it is as it was typed, and nobody speaks of a conflict."""
    disagreed = (person.kind in ("phones_differ", "one_empty") and name == "phone") or name in person.early or forgot
    if disagreed or len(person.sides[name]) != 1:
        return
    (side,) = person.sides[name]
    if person.kind in ("only_a", "only_b") and person.kind[-1] != side:
        return
    (record,) = world.ids(side, person)
    assert world.servers[side].records[record][name] == person.last[side, name], f"P4 source rewritten: {name} {person}"
    assert not conflict, f"P4 conflict without one: {name} of {person}"


def judge(engine: Engine, *, forgot: bool = False) -> None:
    """Everything that holds at the end of a history."""
    settle(engine)
    at_rest(engine, forgot=forgot)
