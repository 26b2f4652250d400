"""What is remembered after answers, refusals and silence; what reading back after a crash concludes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from tl_hubspot.two_way import bookkeeping, frames, recovery
from tl_hubspot_tests.two_way.builders import ANN, FLOW, NAMES, NOW, linked, planned, rows, side

WRITE = {"link_id": "1~9", "side": "b", "id": "9", "source_id": "1", "field": "phone", "rule": "M6"}


def write(value: str = "222222", pre_image: str = "111111", **more: Any) -> pl.DataFrame:
    """One write to Crmoffice's record 9 from HubSpot's record 1."""
    row = {**WRITE, "value": value, "pre_image": pre_image, **more}
    return pl.DataFrame([{name: row[name] for name in frames.WRITES}], schema=frames.WRITES)


def told(*values: tuple[str, str, str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=bookkeeping.VALUES, orient="row")


def shadow(a: str, b: str) -> pl.DataFrame:
    return pl.DataFrame([("1~9", "phone", a, b)], schema=frames.SHADOWS, orient="row")


@pytest.mark.parametrize(
    ("source", "target", "goes"),
    [("222222", "111111", True), ("222222", "333333", False), ("333333", "111111", False), (None, "111111", False)],
)
def test_a_write_is_given_up_when_either_side_moved(source: str | None, target: str, goes: bool) -> None:
    both = pl.concat([write(), write("Ann", "An", field="firstname")])
    names = told(("a", "1", "firstname", "Ann"), ("b", "9", "firstname", "An"))
    read = pl.concat([names, told(("a", "1", "phone", source), ("b", "9", "phone", target))])
    go, given_up = bookkeeping.rechecked(both, read)
    assert (go.height, given_up.height) == ((2, 0) if goes else (0, 2))


def test_the_shadow_is_what_the_source_held_and_the_target_stores() -> None:
    done = bookkeeping.confirmed(write(), told(("b", "9", "phone", "22 22 22")), FLOW, from_response=True)
    assert rows(done.shadows, "a", "b") == [("222222", "22 22 22")]
    cut = bookkeeping.confirmed(write(), told(("b", "9", "phone", "2222")), FLOW, from_response=True)
    assert rows(cut.shadows, "a", "b") == [("222222", "2222")]


@pytest.mark.parametrize(("stored", "counts"), [("22 22 22", True), ("333333", False), (None, False)])
def test_a_re_read_counts_only_where_it_shows_what_was_sent(stored: str | None, counts: bool) -> None:
    done = bookkeeping.confirmed(write(), told(("b", "9", "phone", stored)), FLOW, from_response=False)
    assert (done.shadows.height, done.settled.height, done.still_open.height) == (counts, counts, not counts)


def test_a_full_put_moves_the_shadows_of_what_it_passed_through_unless_that_is_a_change() -> None:
    shadows = pl.DataFrame(
        [("1~9", n, "x", "x") for n in ("firstname", "lastname", "phone")], schema=frames.SHADOWS, orient="row"
    )
    before = told(("b", "9", "firstname", "x"), ("b", "9", "lastname", "y"), ("b", "9", "phone", "x"))
    answer = told(("b", "9", "firstname", "X"), ("b", "9", "lastname", "Y"), ("b", "9", "phone", "222222"))
    moved = bookkeeping.after_put(shadows, write(), before, answer)
    assert rows(moved, "field", "a", "b") == [("firstname", "x", "X")]


def test_a_refused_field_waits_twice_as_long_each_time_up_to_a_day() -> None:
    holds, both = frames.empty(frames.HOLDS), pl.concat([write(), write("Ann", "", field="firstname")])
    reason = pl.DataFrame(
        [("b", "9", "phone", "invalid_phone")],
        schema=dict.fromkeys(("side", "id", "field", "reason"), pl.String()),
        orient="row",
    )
    waits = []
    for _ in range(11):
        holds = bookkeeping.refused(both, reason, holds, NOW)
        waits.append(holds["until"][0] - NOW)
    assert waits[:3] == [timedelta(minutes=n) for n in (5, 10, 20)] and waits[-1] == timedelta(days=1)
    assert rows(holds, "field", "value", "reason", "attempts") == [("phone", "222222", "invalid_phone", 11)]
    unnamed = bookkeeping.refused(both, reason.with_columns(field=pl.lit(None, pl.String)), holds.clear(), NOW)
    assert unnamed["field"].to_list() == ["firstname", "phone"]
    not_sent = bookkeeping.refused(both, reason.with_columns(field=pl.lit("lastname")), holds.clear(), NOW)
    assert not_sent["field"].to_list() == ["firstname", "phone"]
    unread = bookkeeping.refused(both, reason.with_columns(reason=pl.lit("keys_unknown")), holds.clear(), NOW)
    assert unread["until"].to_list() == [NOW]


def test_records_that_were_made_are_linked_with_what_they_store() -> None:
    plan = planned(side({"id": "1", **ANN}), side())
    stored = {**ANN, "phone": "02 123", "lastname": None}
    made = pl.DataFrame(
        [{"side": "b", "source_id": "1", "id": "9", **stored}], schema_overrides={"lastname": pl.String}
    )
    links, shadows = bookkeeping.created(plan.creations, made, frames.empty(frames.LINKS), FLOW, NOW)
    assert rows(links, "link_id", "a_id", "b_id", "how") == [("1~9", "1", "9", "created")]
    assert shadows["field"].to_list() == ["firstname", "mobilephone", "phone"]
    assert rows(shadows.filter(pl.col("field") == "phone"), "a", "b") == [(ANN["phone"], "02 123")]


def test_a_restored_record_gets_its_link_back_and_an_archived_one_ends_it() -> None:
    links = linked(("1", "9", ANN)).links
    creation = pl.DataFrame([{"side": "a", "source_id": "9", "link_id": "1~9", **ANN}])
    made = pl.DataFrame([{"side": "a", "source_id": "9", "id": "5", **ANN}])
    back, _ = bookkeeping.created(creation, made, links, FLOW, NOW)
    assert rows(back, "link_id", "a_id", "b_id", "how") == [("1~9", "5", "9", "matched")]
    deletion = pl.DataFrame([("1~9", "b", "9")], schema=frames.DELETIONS, orient="row")
    assert rows(bookkeeping.deleted(deletion, links), "state", "reason") == [("broken", "deleted_a")]


# base (a, b) of the field, source then and now, target now, touched → conclusion
RECOVERY = [
    ("222222", "111111", None, "not applied"),
    ("222222", "111111", False, "not applied"),
    ("222222", "111111", True, "both changed"),
    ("222222", "222222", None, "applied"),
    ("222222", "22-22-22", True, "applied"),
    ("444444", "22-22-22", None, "applied"),
    ("222222", "333333", None, "both changed"),
    ("444444", "333333", None, "both changed"),
    ("111111", "333333", None, "both changed"),
    ("222222", None, None, "open"),
]


@pytest.mark.parametrize(("source", "target", "touched", "conclusion"), RECOVERY)
@pytest.mark.parametrize("has_shadow", [True, False])
def test_p21_what_an_interrupted_write_has_come_to(
    source: str, target: str | None, touched: bool | None, conclusion: str, has_shadow: bool
) -> None:
    found = pl.DataFrame(
        [("a", "1", "phone", source, None), ("b", "9", "phone", target, touched)], schema=recovery.FOUND, orient="row"
    )
    shadows = shadow("111111", "111111") if has_shadow else frames.empty(frames.SHADOWS)
    done = recovery.recovered(write(), found, shadows, FLOW)
    assert done.still_open.height == (conclusion == "open")
    if conclusion in ("open", "not applied"):
        assert done.shadows.is_empty()
        return
    ((a, b),) = rows(done.shadows, "a", "b")
    if conclusion == "applied":
        assert (a, b) == ("222222", target)
        return
    assert a != source and b != target, "neither side may look unchanged"
    memory = replace(linked(("1", "9", {**ANN, "phone": "x"})), intervals=frames.Plan().intervals)
    memory = replace(memory, shadows=memory.shadows.with_columns(**{"a:phone": pl.lit(a), "b:phone": pl.lit(b)}))
    judged = planned(side({"id": "1", **ANN, "phone": source}), side({"id": "9", **ANN, "phone": target}), memory)
    assert judged.conflicts["kind"].to_list() == ["both_changed"]


def interrupted(*sources: dict[str, str]) -> pl.DataFrame:
    none = pl.lit(None, pl.String)
    return pl.DataFrame(list(sources)).with_columns(side=pl.lit("b"), source_id="id", link_id=none).drop("id")


def candidates(*records: dict[str, str]) -> pl.DataFrame:
    schema = {"side": pl.String(), "id": pl.String(), **dict.fromkeys(NAMES, pl.String())}
    return pl.DataFrame([{"side": "b", **record} for record in records], schema=schema)


def recover(intents: pl.DataFrame, there: pl.DataFrame) -> recovery.RecoveredCreations:
    return recovery.recovered_creations(intents, there, frames.empty(frames.LINKS), FLOW, NOW)


def test_p15_an_interrupted_creation_is_found_again_by_its_key() -> None:
    found = recover(
        interrupted({"id": "1", **ANN}),
        candidates(
            {"id": "9", **ANN, "mobilephone": "0032470123456", "phone": "edited"}, {"id": "8", **ANN, "lastname": "B"}
        ),
    )
    assert rows(found.links, "link_id") == [("1~9",)] and found.not_made.is_empty()
    assert rows(found.shadows.filter(pl.col("field") == "mobilephone"), "a", "b") == [("+32470123456", "0032470123456")]
    assert rows(found.shadows.filter(pl.col("field") == "phone"), "a", "b") == [(ANN["phone"], ANN["phone"])]


def test_a_creation_without_a_full_key_is_found_by_everything_that_was_sent() -> None:
    bare = {**ANN, "mobilephone": ""}
    there = candidates({"id": "8", **bare, "phone": "1"}, {"id": "9", **bare})
    assert rows(recover(interrupted({"id": "1", **bare}), there).links, "link_id") == [("1~9",)]
    assert recover(interrupted({"id": "1", **bare}), there.head(1)).not_made["source_id"].to_list() == ["1"]


def test_several_candidates_of_a_creation_are_left_to_a_person() -> None:
    there = candidates({"id": "8", **ANN}, {"id": "9", **ANN})
    found = recover(interrupted({"id": "1", **ANN}), there)
    assert found.links.is_empty() and found.not_made.is_empty()
    assert rows(found.ambiguous, "side", "id", "candidates") == [("a", "1", ["8", "9"])]
    twice = recover(interrupted({"id": "1", **ANN}, {"id": "2", **ANN}), there.head(1))
    assert twice.ambiguous["id"].to_list() == ["1", "2"] and twice.links.is_empty()


def test_an_edit_that_a_write_ran_over_is_logged() -> None:
    at = [NOW + timedelta(seconds=n) for n in range(5)]
    own = write(side="a", id="1", source_id="9").with_columns(read_at=pl.lit(at[1]))
    entries = [("old", at[0], False), ("lost", at[2], False), ("222222", at[3], True), ("later", at[4], False)]
    history = pl.DataFrame(
        [("a", "1", "phone", value, when, ours) for value, when, ours in entries],
        schema=recovery.HISTORY,
        orient="row",
    )
    found = recovery.lost_edits(own, history, linked(("1", "9", ANN)).links, FLOW, NOW)
    assert rows(found, "kind", "winner", "losing_side", "losing_value", "a_value", "b_value") == [
        ("lost_edit", "b", "a", "lost", "lost", "222222")
    ]
    calm = recovery.lost_edits(own, history.filter("ours"), linked(("1", "9", ANN)).links, FLOW, NOW)
    assert calm.is_empty()
