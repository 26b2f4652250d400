"""One cycle at a time: who is matched, made, held, ended; what stops a flow; that order and swapping do not matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import polars as pl
import pytest

from tl_hubspot.config.two_way import load
from tl_hubspot.two_way import frames
from tl_hubspot.two_way.clocks import TIMES
from tl_hubspot.two_way.frames import Memory, Plan
from tl_hubspot_tests.two_way.builders import ANN, BEFORE, BOB, NAMES, NOW, flow, linked, planned, rows, side
from tl_hubspot_tests.two_way.engine import CALM, Engine
from tl_hubspot_tests.two_way.test_histories import shipped
from tl_hubspot_tests.two_way.world import World


def heights(plan: Plan) -> dict[str, int]:
    return {name: frame.height for name, frame in vars(plan).items() if frame.height}


def test_records_that_match_are_linked_and_what_agrees_is_remembered() -> None:
    done = planned(side({"id": "1", **ANN}), side({"id": "9", **ANN, "mobilephone": "0032 470 12 34 56"}))
    assert rows(done.links, "link_id", "state", "how") == [("1~9", "linked", "matched")]
    assert heights(done) == {"links": 1, "shadows": 4}
    assert rows(done.shadows.filter(pl.col("field") == "mobilephone"), "a", "b") == [
        ("+32470123456", "0032 470 12 34 56")
    ]


@pytest.mark.parametrize(("a_count", "b_count"), [(2, 1), (1, 2), (2, 2), (2, 0), (0, 2)])
def test_p17_several_candidates_are_ambiguous_and_nothing_is_written(a_count: int, b_count: int) -> None:
    a = [{"id": str(n), **ANN} for n in range(a_count)]
    b = [{"id": str(n), **ANN, "phone": "1234567"} for n in range(10, 10 + b_count)]
    done = planned(side(*a), side(*b))
    assert heights(done) == {"ambiguous": a_count + b_count}
    assert set(done.ambiguous["key"]) == {"mobilephone + lastname + firstname"}


@pytest.mark.parametrize("hole", [{"mobilephone": ""}, {"lastname": " "}])
def test_a_key_with_an_empty_part_never_matches(hole: dict[str, str]) -> None:
    done = planned(side({"id": "1", **ANN, **hole}), side({"id": "9", **ANN, **hole}))
    assert done.links.is_empty() and rows(done.creations, "side", "source_id") == [("a", "9"), ("b", "1")]


def test_nothing_is_made_while_a_key_part_is_unknown() -> None:
    unknown = {name: value for name, value in BOB.items() if name != "lastname"}
    done = planned(side({"id": "1", **ANN}, {"id": "2", **unknown}), side())
    assert done.creations.is_empty()
    assert rows(done.unmatched, "id", "reason") == [("1", "key_unknown"), ("2", "key_unknown")]


def test_p14_a_record_is_in_one_link_only_and_tombstones_are_no_candidates() -> None:
    memory = linked(("1", "9", ANN))
    done = planned(side({"id": "1", **ANN}, {"id": "2", **ANN}), side({"id": "9", **ANN}), memory)
    assert done.links.is_empty() and rows(done.creations, "source_id") == [("2",)]
    buried = replace(memory, links=memory.links.with_columns(state=pl.lit("broken"), reason=pl.lit("deleted_b")))
    assert heights(planned(side({"id": "1", **ANN}), side({"id": "7", **BOB}), buried)) == {"creations": 1}


def test_reasons_why_nothing_is_made() -> None:
    one, none = side({"id": "1", **ANN}), side()
    empty = dict.fromkeys(NAMES, "")
    creation = pl.DataFrame([{"side": "b", "source_id": "5", "link_id": None}], schema=frames.CREATIONS)
    cases = [
        ("no_match", planned(one, none, flow=flow(create_in=()))),
        ("no_match", planned(one, none, flow=flow(create_in=("a",)))),
        ("writing_off", planned(one, none, flow=flow(write=("a",)))),
        ("not_indexed", planned(one, replace(none, indexed=False))),
        ("nothing_to_create", planned(side({"id": "1", **empty}), none)),
        ("not_referenced", planned(one, none, flow=flow(establish="create_if_referenced"))),
        ("historic", planned(side({"id": "1", **ANN, "created_at": BEFORE}), none, flow=flow(since=NOW))),
        ("creation_open", planned(none, one, Memory(creations=creation))),
        ("creation_open", planned(side({"id": "5", **ANN}), none, Memory(creations=creation))),
    ]
    for reason, done in cases:
        assert heights(done) == {"unmatched": 1} and done.unmatched["reason"][0] == reason, reason
    referenced = side({"id": "1", **ANN, "referenced": True})
    assert planned(referenced, none, flow=flow(establish="create_if_referenced")).creations.height == 1
    assert planned(side({"id": "1", **ANN, "in_scope": False}), none).creations.is_empty()


def test_pairs_from_before_the_connection_stay_apart_unless_one_is_new() -> None:
    old, new = {"created_at": BEFORE}, {"created_at": NOW}
    both_old = planned(side({"id": "1", **ANN, **old}), side({"id": "9", **ANN, **old}), flow=flow(since=NOW))
    assert heights(both_old) == {"unmatched": 2}
    one_new = planned(side({"id": "1", **ANN, **old}), side({"id": "9", **ANN, **new}), flow=flow(since=NOW))
    assert one_new.links.height == 1


def test_p19_link_only_flows_report_and_never_write() -> None:
    for link_only in load()[1:]:
        done = planned(side({"id": "1", **ANN}), side({"id": "9", **ANN}), flow=link_only)
        assert heights(done) == {"unmatched": 2}
        done = planned(side({"id": "1", **ANN}), side({"id": "9", **BOB}), linked(("1", "9", {})), flow=link_only)
        assert heights(done) == {}


def test_a_deletion_is_believed_after_a_look_up_only() -> None:
    memory = linked(("1", "9", ANN))
    a, b = side({"id": "5", **BOB}), side({"id": "9", **ANN}, {"id": "8", **BOB})
    suspected = planned(a, b, memory, flow(create_in=()))
    assert rows(suspected.suspected, "side", "id") == [("a", "1")]
    assert suspected.links["link_id"].to_list() == ["5~8"]
    present = planned(replace(a, looked_up=_found("1", "present")), b, memory)
    assert present.suspected.is_empty() and "broken" not in present.links["state"].to_list()
    gone = planned(replace(a, looked_up=_found("1", "gone")), b, memory)
    assert ("1~9", "broken", "deleted_a") in rows(gone.links, "link_id", "state", "reason")
    unread = planned(replace(a, complete=False), b, memory)
    assert unread.suspected.is_empty() and "broken" not in unread.links["state"].to_list()


def _found(record: str, outcome: str, survivor: str | None = None) -> pl.DataFrame:
    return pl.DataFrame([(record, outcome, survivor)], schema=frames.LOOKUPS, orient="row")


def test_p18_the_survivor_of_a_deletion_is_left_alone() -> None:
    memory = linked(("1", "9", ANN))
    gone = planned(side({"id": "5", **BOB}, looked_up=[("1", "gone", None)]), side({"id": "9", **ANN}), memory)
    later = replace(memory, links=gone.links)
    done = planned(side({"id": "5", **BOB}), side({"id": "9", **ANN, "phone": "1234567"}), later)
    assert rows(done.creations, "side", "source_id") == [("b", "5")] and done.writes.is_empty()


@pytest.mark.parametrize(
    ("policy", "edited", "links", "deletions", "creations"),
    [
        ("unlink", False, [("broken", "deleted_a")], 0, 0),
        ("archive_other", False, [], 1, 0),
        ("archive_other", True, [("broken", "deleted_a_edited_b")], 0, 0),
        ("restore", True, [], 0, 1),
    ],
)
def test_policies_of_deletion(
    policy: str, edited: bool, links: list[tuple[str, str]], deletions: int, creations: int
) -> None:
    b = {"id": "9", **ANN, "phone": "1234567"} if edited else {"id": "9", **ANN}
    a = side(looked_up=[("1", "gone", None)], complete=False)
    done = planned(a, side(b), linked(("1", "9", ANN)), flow(deletion=policy))
    assert rows(done.links, "state", "reason") == links
    assert rows(done.deletions, "side", "id") == [("b", "9")] * deletions
    assert rows(done.creations, "side", "source_id", "link_id") == [("a", "9", "1~9")] * creations
    off = planned(a, side(b), linked(("1", "9", ANN)), flow(deletion=policy, write=()))
    assert off.deletions.is_empty() and off.creations.is_empty() and off.links.height == 1


def test_p23_a_side_that_is_empty_or_loses_many_stops_the_flow() -> None:
    pairs = [(str(n), str(n + 1000), {**ANN, "mobilephone": str(47_000_000 + n)}) for n in range(600)]
    memory = linked(*pairs)
    a, b = ([{"id": pair[n], **pair[2]} for pair in pairs] for n in (0, 1))
    assert planned(side(*a[30:]), side(*b), memory).suspected.height == 30
    stopped = planned(side(*a[31:]), side(*b), memory)
    assert rows(stopped.stops, "name", "side", "value", "maximum") == [("deletions", "a", 31, 30)]
    assert heights(stopped) == {"stops": 1}
    assert planned(side(*a[31:]), side(*b), memory, flow(max_delete_ratio=1.0)).suspected.height == 31
    few = linked(*pairs[:21])
    assert planned(side(*a[:1]), side(*b[:21]), few).suspected.height == 20
    assert rows(planned(side(*a[:21]), side(), few).stops, "name", "side") == [("empty", "b")]


def test_merged_records_are_followed() -> None:
    memory = linked(("1", "8", ANN), ("2", "9", ANN))
    b = side({"id": "8", **ANN}, {"id": "9", **ANN})
    both = planned(side({"id": "2", **ANN}, looked_up=[("1", "merged", "2")]), b, memory)
    assert rows(both.links, "link_id", "a_id", "state", "reason") == [("1~8", "1", "broken", "merged")]
    alone = planned(side({"id": "3", **ANN, "phone": "7654321"}, looked_up=[("1", "merged", "3")]), b, memory)
    assert ("1~8", "3", "linked") in rows(alone.links, "link_id", "a_id", "state")
    assert rows(alone.writes, "side", "id", "field", "value") == [("b", "8", "phone", "7654321")]


def test_leaving_the_scope_holds_a_link_and_coming_back_lifts_it() -> None:
    out = side({"id": "1", **ANN, "phone": "7654321", "in_scope": False})
    b = side({"id": "9", **ANN})
    left = planned(out, b, linked(("1", "9", ANN)))
    assert rows(left.links, "state", "reason") == [("held", "out_of_scope")] and left.writes.is_empty()
    held = linked(("1", "9", ANN), state="held", reason="out_of_scope")
    back = planned(side({"id": "1", **ANN, "phone": "7654321", "in_scope": True}), b, held)
    assert rows(back.links, "state", "reason") == [("linked", None)] and back.writes.height == 1
    by_person = linked(("1", "9", ANN), state="held", reason="asked")
    assert heights(planned(side({"id": "1", **BOB}), b, by_person)) == {}


def test_a_conflict_is_logged_once_with_the_value_that_lost() -> None:
    memory = linked(("1", "9", ANN))
    a, b = side({"id": "1", **ANN, "phone": "111111"}), side({"id": "9", **ANN, "phone": "222222"})
    done = planned(a, b, memory)
    assert rows(done.conflicts, "kind", "winner", "losing_side", "losing_value", "base_a") == [
        ("both_changed", "a", "b", "222222", ANN["phone"])
    ]
    held_flow = flow(fields=tuple(replace(field, policy="hold") for field in flow().fields))
    held = planned(a, b, memory, held_flow)
    assert rows(held.conflicts, "kind", "winner") == [("held", None)] and held.writes.is_empty()
    again = replace(memory, intervals=held.intervals, logged=held.conflicts["conflict_id"])
    assert planned(a, b, again, held_flow).conflicts.is_empty()
    off = planned(a, b, memory, flow(write=()))
    assert off.conflicts.is_empty() and rows(off.held, "reason") == [("writing_off",)]


def test_the_later_change_wins_and_its_time_is_kept_until_it_is_settled() -> None:
    memory = linked(("1", "9", ANN))
    a = side({"id": "1", **ANN, "phone": "111111"})
    first = planned(a, side({"id": "9", **ANN}), memory, flow(write=()))
    later = {"previous_poll": NOW + timedelta(hours=1), "poll": NOW + timedelta(hours=2)}
    b = replace(side({"id": "9", **ANN, "phone": "222222"}), **later)
    done = planned(replace(a, **later), b, replace(memory, intervals=first.intervals))
    assert rows(done.writes, "side", "value") == [("a", "222222")]
    times = pl.DataFrame([("1", "phone", NOW, True)], schema=TIMES, orient="row")
    owned = planned(replace(a, **later, times=times), b, replace(memory, intervals=first.intervals))
    assert rows(owned.writes, "side", "value") == [("b", "111111")], "Teamleader's change wins a conflict"
    alone = planned(replace(side({"id": "1", **ANN}), times=times), b, memory)
    assert rows(alone.writes, "side", "value") == [("a", "222222")], "and nothing else"


def test_p25_clocks_that_are_wrong_may_change_the_winner_but_never_lose_the_loser() -> None:
    a, b = side({"id": "1", **ANN, "phone": "111111"}), side({"id": "9", **ANN, "phone": "222222"})
    winners = set()
    for hours in (-9, 0, 9):
        times = pl.DataFrame([("1", "phone", NOW + timedelta(hours=hours), False)], schema=TIMES, orient="row")
        done = planned(replace(a, times=times), b, linked(("1", "9", ANN)))
        [(winner, losing)] = rows(done.conflicts, "winner", "losing_value")
        assert {losing, *done.writes["value"]} == {"111111", "222222"}
        winners.add(winner)
    assert winners == {"a", "b"}


def test_p24_a_refused_value_waits_and_a_new_one_does_not() -> None:
    memory = linked(("1", "9", ANN))
    hold = {
        "link_id": "1~9",
        "side": "b",
        "field": "phone",
        "value": "111111",
        "reason": "invalid_phone",
        "attempts": 1,
    }
    waiting = replace(memory, holds=pl.DataFrame([{**hold, "until": NOW + timedelta(1)}], schema=frames.HOLDS))
    a = side({"id": "1", **ANN, "phone": "111111", "firstname": "Anna"})
    done = planned(a, side({"id": "9", **ANN}), waiting)
    assert rows(done.writes, "field") == [("firstname",)] and rows(done.held, "reason") == [("invalid_phone",)]
    other = planned(side({"id": "1", **ANN, "phone": "333333"}), side({"id": "9", **ANN}), waiting)
    assert rows(other.writes, "value") == [("333333",)]
    over = replace(memory, holds=pl.DataFrame([{**hold, "until": NOW}], schema=frames.HOLDS))
    assert planned(a, side({"id": "9", **ANN}), over).writes.height == 2


def test_a_flow_that_is_switched_off_does_nothing_and_an_open_intent_is_left_alone() -> None:
    memory = linked(("1", "9", ANN))
    a, b = side({"id": "1", **ANN, "phone": "111111"}), side({"id": "9", **ANN})
    assert heights(planned(a, b, memory, flow(enabled=False))) == {}
    intent = planned(a, b, memory).writes
    assert planned(a, b, replace(memory, writes=intent)).writes.is_empty()


def crowded(seed: int) -> Engine:
    """A world in which much is to be planned."""
    world, rng = World(seed, 80), Random(seed)
    engine = Engine(world, shipped())
    engine.cycle(rng)
    for person in world.people:
        for _ in range(rng.randrange(3)):
            world.edit(person, rng)
    world.tick(600)
    return engine


@pytest.mark.parametrize("seed", range(3))
def test_p12_order_and_repeated_records_do_not_matter(seed: int) -> None:
    engine = crowded(seed)
    a, b = (engine.read(s, Random(1), CALM) for s in "ab")
    one = planned(a, b, engine.memory, engine.flow)
    mixed = [
        replace(s, records=pl.concat([s.records, s.records.head(9)]).sample(fraction=1, shuffle=True, seed=seed))
        for s in (a, b)
    ]
    memory = replace(
        engine.memory,
        links=engine.memory.links.reverse(),
        shadows=engine.memory.shadows.sample(fraction=1, shuffle=True, seed=7),
        intervals=engine.memory.intervals.reverse(),
    )
    two = planned(*mixed, memory, engine.flow)
    assert one.writes.height > 20
    for name, frame in vars(one).items():
        assert frame.equals(vars(two)[name]), name


@pytest.mark.parametrize("seed", range(3))
def test_p7_every_field_is_planned_as_if_there_were_no_other(seed: int) -> None:
    engine = crowded(seed)
    a, b = (engine.read(s, Random(1), CALM) for s in "ab")
    whole = planned(a, b, engine.memory, engine.flow)
    alone = [
        planned(a, b, engine.memory, replace(engine.flow, fields=(field,), keys=(), create_in=()))
        for field in engine.flow.fields
    ]
    assert pl.concat(p.writes for p in alone).sort("side", "link_id", "field").equals(whole.writes)
    assert pl.concat(p.shadows for p in alone).sort("field", "link_id").equals(whole.shadows)


@pytest.mark.parametrize("seed", range(3))
def test_p11_swapping_the_systems_mirrors_the_plan(seed: int) -> None:
    engine = crowded(seed)
    a, b = (engine.read(s, Random(1), CALM) for s in "ab")
    one = planned(a, b, engine.memory, engine.flow)
    swap = {"a_id": "b_id", "b_id": "a_id"}
    shadow_names = {f"{s}:{n}": f"{o}:{n}" for n in NAMES for s, o in (("a", "b"), ("b", "a"))}
    memory = replace(
        engine.memory,
        links=engine.memory.links.rename(swap).select(list(frames.LINKS)),
        shadows=engine.memory.shadows.rename(shadow_names),
        intervals=engine.memory.intervals.with_columns(pl.col("side").replace({"a": "b", "b": "a"})),
    )
    two = planned(b, a, memory, replace(engine.flow, tie_side="b"))
    columns = ["link_id", "side", "id", "source_id", "field", "value", "pre_image"]
    mirrored = two.writes.with_columns(pl.col("side").replace({"a": "b", "b": "a"}))
    assert mirrored.select(columns).sort(columns).equals(one.writes.select(columns).sort(columns))
    losers = ["link_id", "field", "kind", "losing_value"]
    assert two.conflicts.select(losers).sort(losers).equals(one.conflicts.select(losers).sort(losers))


def test_p8_the_same_value_typed_on_both_sides_costs_no_write() -> None:
    typed = {**ANN, "phone": "+32 2 765 43 21"}
    done = planned(
        side({"id": "1", **typed}), side({"id": "9", **typed, "phone": "003227654321"}), linked(("1", "9", ANN))
    )
    assert heights(done) == {"shadows": 1}
    assert rows(done.shadows, "field", "a", "b") == [("phone", "+32 2 765 43 21", "003227654321")]


def test_p9_the_first_link_never_empties_and_afterwards_a_clear_goes_over() -> None:
    a, b = side({"id": "1", **ANN, "phone": ""}), side({"id": "9", **ANN})
    first = planned(a, b)
    assert rows(first.writes, "side", "field", "value") == [("a", "phone", ANN["phone"])] and first.conflicts.is_empty()
    later = planned(a, b, linked(("1", "9", ANN)))
    assert rows(later.writes, "side", "field", "value") == [("b", "phone", "")]
    kept = planned(a, b, linked(("1", "9", ANN)), flow(propagate_clear=False))
    assert kept.writes.is_empty() and rows(kept.shadows, "field", "a") == [("phone", "")]


def test_p10_a_field_that_is_not_told_changes_nothing() -> None:
    unknown = {name: value for name, value in ANN.items() if name != "phone"}
    a, b = side({"id": "1", **unknown}, {"id": "2", **BOB}), side({"id": "9", **ANN, "phone": "7"}, {"id": "8", **BOB})
    memory = linked(("1", "9", ANN), ("2", "8", BOB))
    done = planned(a, b, memory)
    assert done.writes.is_empty() and done.shadows.is_empty()
    told = planned(side({"id": "1", **ANN}, {"id": "2", **BOB}), b, replace(memory, intervals=done.intervals))
    assert rows(told.writes, "side", "value") == [("a", "7")]


def test_p20_what_the_flow_made_is_no_reason_to_make_anything() -> None:
    a = side({"id": "1", **ANN})
    first = planned(a, side())
    assert rows(first.creations, "side", "source_id") == [("b", "1")]
    memory = linked(("1", "9", ANN))
    assert heights(planned(a, side({"id": "9", **ANN}), memory)) == {}


def test_p22_without_shadows_the_flow_behaves_as_at_the_first_link() -> None:
    memory = replace(linked(("1", "9", ANN)), shadows=Memory().shadows)
    done = planned(side({"id": "1", **ANN, "phone": ""}), side({"id": "9", **ANN, "firstname": "Anna"}), memory)
    assert rows(done.writes, "side", "field", "rule") == [("a", "phone", "M2"), ("b", "firstname", "M3")]
    assert done.deletions.is_empty() and done.conflicts["losing_value"].to_list() == ["Anna"]
