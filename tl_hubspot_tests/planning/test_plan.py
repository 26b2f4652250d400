"""The whole plan: rows, order, buckets, holds, out of scope, deletion, marketing status, limits, digest, views."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.planning import plan, plan_entity
from tl_hubspot.planning.guards import GuardSettings
from tl_hubspot.planning.mapping import FieldRule
from tl_hubspot.planning.match_frames import NOTICES
from tl_hubspot.planning.plan import Digest, Plan, build, protected_fields, to_json
from tl_hubspot.planning.plan_inputs import CHANGES, PlanSettings
from tl_hubspot.reporting.plan import render
from tl_hubspot.reporting.plan_view import Chosen
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot_tests.planning.builders_plan import (
    AS_OF,
    World,
    bucket,
    changes_frame,
    codes,
    definition,
    new,
    portal,
    rows,
    standard_properties,
)


def relation(from_id: str, to_id: str, action: str = "associate") -> dict[str, Any]:
    details = {"from_type": "contact", "from_id": from_id, "to_type": "company", "to_id": to_id, "primary": True}
    return {
        "entity_type": "relation", "teamleader_id": f"{from_id}>{to_id}", "hubspot_id": None, "action": action,
        "reason": "linked_in_teamleader", "fields": "{}", "details": json.dumps(details),
    }  # fmt: skip


def unsubscribe(id_: str, *, hubspot_id: str | None = "1", existing: bool = True) -> dict[str, Any]:
    details = {"address": f"{id_}@example.com", "addresses": [f"{id_}@example.com"], "existing": existing}
    return {
        "entity_type": "contact", "teamleader_id": id_, "hubspot_id": hubspot_id, "action": "unsubscribe",
        "reason": "opted_out", "fields": "{}", "details": json.dumps(details),
    }  # fmt: skip


def mixed_world() -> World:
    """A bit of everything."""
    world = World()
    world.company("k")
    world.contact("a")
    world.contact("b", status="non_marketing")
    world.contact("c", status="skip", reason="no_email")
    world.contact("h")
    world.holds("contact", "1", {"firstname": "Old", "email": "b@example.com"}, email="b@example.com", marketable=True)
    world.matched("contact", "b", "1")
    world.matched("contact", "h", "1", outcome="held", reason="claimed_by_other")
    world.deal("d")
    world.relations = changes_frame([relation("a", "k"), relation("b", "k")])
    world.opt_outs = changes_frame([unsubscribe("b")])
    return world


# --- shape ------------------------------------------------------------------------------------------------------------


def test_rows_stand_in_push_order() -> None:
    plan = mixed_world().plan()
    assert plan.changes.columns == list(CHANGES)
    order = plan.changes.select("entity_type", "action", "teamleader_id").rows()
    assert order == [
        ("company", "create", "k"),
        ("contact", "update", "b"),
        ("contact", "create", "a"),
        ("contact", "hold", "h"),
        ("deal", "create", "d"),
        ("relation", "associate", "a>k"),
        ("relation", "associate", "b>k"),
        ("contact", "unsubscribe", "b"),
        ("contact", "marketing", "a"),
    ]


def test_every_source_record_has_exactly_one_outcome() -> None:
    world = mixed_world()
    plan = world.plan()
    assert {(k, t): bucket(plan, k, t) for k, t in plan.outcomes.select("entity_type", "teamleader_id").rows()} == {
        ("company", "k"): ("created", "eligible_contact"),
        ("contact", "a"): ("created", "changed_within_2_years"),
        ("contact", "b"): ("updated", "changed_2_to_5_years"),
        ("contact", "c"): ("skipped", "no_email"),
        ("contact", "h"): ("held", "claimed_by_other"),
        ("deal", "d"): ("created", "changed_within_2_years"),
    }
    world.push(plan)
    again = world.plan()
    assert bucket(again, "contact", "b") == ("unchanged", "changed_2_to_5_years")
    assert again.outcomes.filter(pl.col("teamleader_id") == "a")["hubspot_id"].item() == "new-contact-a"


def test_details_of_creates_and_updates() -> None:
    plan = mixed_world().plan()
    update = rows(plan, "update")[0]
    assert update["hubspot_id"] == "1" and update["reason"] == "changed_2_to_5_years"
    assert update["fields"]["firstname"] == {"old": "Old", "new": "An"}
    assert update["fields"]["lastname"] == {"old": None, "new": "b"}
    details = update["details"]
    assert (details["first_match"], details["matched_by"], details["asked"]) == (True, "email", True)
    assert details["shadow"]["firstname"] == "An" and "jobtitle" not in details["shadow"]
    create = next(r for r in rows(plan, "create") if r["entity_type"] == "contact")
    assert create["hubspot_id"] is None and create["details"]["matched_by"] is None
    assert create["details"]["email"] == {"action": "set", "new": "a@example.com", "old": None, "keep_old": False}
    assert create["fields"]["email"] == {"old": None, "new": "a@example.com"}
    assert "shadow" not in create["details"]


def test_holds_are_listed_and_carry_nothing() -> None:
    (hold,) = rows(mixed_world().plan(), "hold")
    assert (hold["reason"], hold["fields"], hold["details"]) == ("claimed_by_other", {}, {})


def test_only_the_given_entities_are_planned() -> None:
    world = mixed_world()
    world.relations, world.opt_outs = changes_frame([]), changes_frame([])
    plan = world.plan("deal")
    assert set(plan.changes["entity_type"]) == {"deal"} and set(plan.outcomes["entity_type"]) == {"deal"}


def test_an_empty_world_has_an_empty_plan() -> None:
    plan = World().plan()
    assert plan.changes.is_empty() and plan.outcomes.is_empty() and plan.notices.is_empty() and not plan.held


# --- out of scope, held, deleted --------------------------------------------------------------------------------------


def linked_world(kind: str) -> World:
    world = World()
    {"contact": world.contact, "company": world.company, "deal": world.deal}[kind]("x")
    world.push(world.plan(kind))
    return world


@pytest.mark.parametrize("kind", ["contact", "company", "deal"])
def test_a_linked_record_that_becomes_skip_is_marked_and_nothing_else_is_written(kind: str) -> None:
    world = linked_world(kind)
    {"contact": world.contact, "company": world.company, "deal": world.deal}[kind]("x", status="skip")
    world.edit(kind, "x", name="Other") if kind == "company" else world.edit(kind, "x", web_url="https://other.example")
    plan = world.plan(kind)
    expected = {"teamleader_status": "out_of_scope"} | ({"teamleader_marketing": "false"} if kind == "contact" else {})
    assert new(plan, "x", kind) == expected
    (row,) = rows(plan)
    assert (row["action"], row["reason"]) == ("update", "out_of_scope")
    assert row["details"]["reasons_out_of_scope"] == world.decisions[kind]["x"]["reason"]
    assert bucket(plan, kind, "x") == ("updated", world.decisions[kind]["x"]["reason"])
    world.push(plan)
    again = world.plan(kind)
    assert again.changes.is_empty() and again.settled.is_empty()
    assert bucket(again, kind, "x") == ("skipped", world.decisions[kind]["x"]["reason"])


def test_a_record_that_comes_back_into_scope_gets_only_what_changed_meanwhile() -> None:
    world = linked_world("contact")
    world.contact("x", status="skip")
    world.push(world.plan("contact"))
    world.person("contact", "new-contact-x", firstname="Person")
    world.contact("x", last_name="Changed")
    assert new(world.plan("contact"), "x") == {
        "lastname": "Changed", "teamleader_status": "active", "teamleader_marketing": "true",
    }  # fmt: skip


def test_a_skipped_record_that_was_never_linked_or_is_gone_from_hubspot_gets_nothing() -> None:
    world = World()
    world.contact("a", status="skip")
    world.contact("b", status="skip")
    world.holds("contact", "2", archived=True)
    world.linked("contact", "b", "2", {})
    world.contact("c", status="skip")
    world.linked("contact", "c", "404", {})
    plan = world.plan()
    assert plan.changes.is_empty()
    assert {bucket(plan, "contact", i)[0] for i in "abc"} == {"skipped"}


def test_a_loser_whose_hubspot_record_went_to_the_winner_is_not_marked() -> None:
    world = linked_world("contact")
    world.contact("x", status="skip", reason="duplicate_email")
    world.contact("w", address="x@example.com")
    world.matched("contact", "w", "new-contact-x", matched_by="link", relinked_from="x")
    plan = world.plan("contact")
    assert {r["teamleader_id"] for r in rows(plan)} == {"w"}
    assert new(plan, "w")["teamleader_id"] == "w" and "teamleader_status" not in new(plan, "w")


def test_the_owner_of_a_record_that_another_one_claims_is_still_marked() -> None:
    world = linked_world("contact")
    world.contact("x", status="skip")
    world.contact("other", address="x@example.com")
    world.matched("contact", "other", "new-contact-x", outcome="held", reason="claimed_by_other")
    plan = world.plan("contact")
    assert new(plan, "x") == {"teamleader_status": "out_of_scope", "teamleader_marketing": "false"}
    assert bucket(plan, "contact", "other") == ("held", "claimed_by_other")


def test_two_records_out_of_scope_on_one_merged_hubspot_record_give_one_update() -> None:
    world = linked_world("contact")
    world.contact("x", status="skip")
    world.contact("y", status="skip")
    world.linked("contact", "y", "new-contact-x", {"teamleader_id": "y", "teamleader_status": "active"})
    world.contact("z")
    world.linked("contact", "z", "new-contact-x", {"teamleader_id": "z", "teamleader_status": "active"})
    world.delete("contact", "z")
    plan = world.plan("contact")
    assert [(r["teamleader_id"], r["hubspot_id"]) for r in rows(plan)] == [("x", "new-contact-x")]
    assert bucket(plan, "contact", "y") == ("skipped", "too_old")


@pytest.mark.parametrize("carried", ["y", "", None])
def test_a_record_that_survived_a_merge_in_hubspot_says_whose_it_is_again(carried: str | None) -> None:
    world = linked_world("contact")
    world.holds("contact", "survivor", dict(world.mirror["contact"].pop("new-contact-x")["properties"]))
    world.mirror["contact"]["survivor"] |= {"teamleader_id": carried, "email": "x@example.com"}
    world.person("contact", "survivor", teamleader_id=carried, teamleader_status="out_of_scope", firstname="Person")
    world.links["contact", "x"] = "survivor"
    world.matched("contact", "x", "survivor", matched_by="link")
    plan = world.plan("contact")
    assert new(plan, "x") == ({"teamleader_id": "x", "teamleader_status": "active"} if carried else {})
    world.push(plan)
    world.mirror["contact"]["survivor"]["teamleader_id"] = "x"
    assert world.plan("contact").changes.filter(pl.col("action") == "update").is_empty()


def test_a_deal_without_stage_is_held_and_a_linked_one_still_gets_its_other_fields() -> None:
    world = linked_world("deal")
    world.deal("x", status="held", reason="unmapped_stage", current_phase_id="gone", title="Renamed")
    world.deal("y", status="held", reason="unmapped_stage", current_phase_id="gone")
    plan = world.plan("deal")
    assert new(plan, "x", "deal") == {"dealname": "Renamed"}
    assert [(r["teamleader_id"], r["reason"]) for r in rows(plan, "hold")] == [
        ("x", "unmapped_stage"),
        ("y", "unmapped_stage"),
    ]
    assert rows(plan, "create") == []
    assert bucket(plan, "deal", "y") == ("held", "unmapped_stage")
    assert bucket(plan, "deal", "x") == ("updated", "unmapped_stage")
    world.push(plan)
    assert bucket(world.plan("deal"), "deal", "x") == ("held", "unmapped_stage")


def test_a_deleted_contact_is_marked_loses_marketing_and_is_told_once() -> None:
    world = linked_world("contact")
    world.delete("contact", "x")
    plan = world.plan("contact")
    (row,) = rows(plan)
    assert (row["action"], row["reason"], row["hubspot_id"]) == (
        "mark_deleted",
        "deleted_in_teamleader",
        "new-contact-x",
    )
    assert new(plan, "x") == {"teamleader_status": "deleted", "teamleader_marketing": "false"}
    assert ("deleted_in_teamleader", "x") in codes(plan) and plan.outcomes.is_empty()
    world.push(plan)
    again = world.plan("contact")
    assert again.changes.is_empty() and ("deleted_in_teamleader", "x") not in codes(again)


@pytest.mark.parametrize("kind", ["company", "deal"])
def test_other_deleted_records_are_marked(kind: str) -> None:
    world = linked_world(kind)
    world.delete(kind, "x")
    assert new(world.plan(kind), "x", kind) == {"teamleader_status": "deleted"}


def test_a_deleted_record_that_was_never_linked_is_no_business_of_the_plan() -> None:
    world = World()
    world.contact("x")
    world.delete("contact", "x")
    assert world.plan().changes.is_empty()


# --- opt-out and marketing status (behaviour §3.3, §3.5) -----------------------------------------------------------


def contact_in_hubspot(*, marketing: bool = True, **columns: Any) -> World:
    world = World()
    world.contact("a", status="marketing" if marketing else "non_marketing")
    world.holds("contact", "1", {"email": "a@example.com"}, email="a@example.com", **columns)
    world.matched("contact", "a", "1")
    return world


def asked_for(plan: Plan) -> list[str]:
    return [r["teamleader_id"] for r in rows(plan, "marketing")]


def test_marketing_is_asked_for_those_that_should_be_and_are_not() -> None:
    plan = contact_in_hubspot(marketable=False).plan("contact")
    assert asked_for(plan) == ["a"] and new(plan, "a")["teamleader_marketing"] == "true"
    (row,) = rows(plan, "marketing")
    assert (row["hubspot_id"], row["reason"], row["details"]) == ("1", "changed_within_2_years", {})


@pytest.mark.parametrize(
    "world",
    [
        contact_in_hubspot(marketable=True),
        contact_in_hubspot(marketing=False, marketable=False),
        contact_in_hubspot(marketable=False, opted_out=True),
    ],
    ids=["already", "not wanted", "opted out in HubSpot"],
)
def test_marketing_is_not_asked(world: World) -> None:
    assert asked_for(world.plan("contact")) == []


def test_an_address_opted_out_in_hubspot_is_not_asked_and_the_decision_keeps_its_reason() -> None:
    plan = contact_in_hubspot(opted_out=True).plan("contact")
    assert new(plan, "a")["teamleader_marketing"] == "false"
    (row,) = rows(plan)
    assert row["details"]["asked"] is False and row["reason"] == "changed_within_2_years"
    (change,) = to_json(plan)["changes"]
    assert change["asked"] is False
    assert bucket(plan, "contact", "a") == ("updated", "changed_within_2_years")


def test_a_contact_that_this_plan_unsubscribes_is_not_asked() -> None:
    world = contact_in_hubspot(marketable=False)
    world.opt_outs = changes_frame([unsubscribe("other", hubspot_id="1")])
    plan = world.plan("contact")
    assert asked_for(plan) == [] and new(plan, "a")["teamleader_marketing"] == "false"


def test_the_address_of_a_contact_that_hubspot_shows_opted_out_is_not_asked_on_another_one() -> None:
    world = contact_in_hubspot(marketable=False)
    world.eligible["contact"]["a"]["address"] = "taken@example.com"
    world.holds("contact", "2", {"email": "taken@example.com"}, email="taken@example.com", opted_out=True)
    plan = world.plan("contact")
    assert asked_for(plan) == [] and new(plan, "a")["teamleader_marketing"] == "false"


def test_somebody_who_opts_out_in_hubspot_later_loses_the_property_and_gets_it_back() -> None:
    world = contact_in_hubspot(marketable=True)
    world.push(world.plan("contact"))
    world.mirror["contact"]["1"]["opted_out"] = True
    plan = world.plan("contact")
    assert new(plan, "a") == {"teamleader_marketing": "false"}
    world.push(plan)
    world.mirror["contact"]["1"]["opted_out"] = False
    assert new(world.plan("contact"), "a") == {"teamleader_marketing": "true"}


def test_marketing_is_asked_once_and_a_difference_is_told() -> None:
    world = contact_in_hubspot(marketable=False)
    world.push(world.plan("contact"))
    world.mirror["contact"]["1"]["marketable"] = False
    plan = world.plan("contact")
    assert asked_for(plan) == [] and ("marketing_not_confirmed", "a") in codes(plan)
    world.mirror["contact"]["1"]["marketable"] = True
    assert ("marketing_not_confirmed", "a") not in codes(world.plan("contact"))


def test_a_new_record_of_the_same_contact_is_asked_again() -> None:
    world = contact_in_hubspot(marketable=False)
    world.requests = [{"teamleader_id": "a", "hubspot_id": "gone"}]
    assert asked_for(world.plan("contact")) == ["a"]


@pytest.mark.parametrize("method", ["workflow", "property_only"])
def test_other_methods_only_write_the_property(method: str) -> None:
    world = contact_in_hubspot(marketable=False)
    world.settings = {"marketing_method": method}
    plan = world.plan("contact")
    assert asked_for(plan) == [] and new(plan, "a")["teamleader_marketing"] == "true"


def test_marketing_contacts_that_should_not_be_are_told_for_a_person() -> None:
    plan = contact_in_hubspot(marketing=False, marketable=True).plan("contact")
    assert codes(plan) == [("marketing_needs_person", "a")]
    skipped = linked_world("contact")
    skipped.mirror["contact"]["new-contact-x"]["marketable"] = True
    skipped.contact("x", status="skip")
    assert ("marketing_needs_person", "x") in codes(skipped.plan("contact"))


# --- notices ----------------------------------------------------------------------------------------------------------


def test_an_address_that_another_contact_has_is_told_and_the_rest_goes() -> None:
    world = contact_in_hubspot(marketable=True)
    world.matches["contact"]["a"] |= {"email_action": "none", "email_blocked_by": "77"}
    plan = world.plan("contact")
    (notice,) = plan.notices.filter(pl.col("code") == "email_taken").rows(named=True)
    assert (notice["teamleader_id"], notice["hubspot_id"]) == ("a", "1") and "77" in notice["message"]
    assert new(plan, "a")["firstname"] == "An"


def test_a_change_in_the_future_is_told() -> None:
    world = World()
    world.contact("a")
    world.decisions["contact"]["a"]["changed_at"] = datetime(2030, 1, 1, tzinfo=UTC)
    assert ("future_date", "a") in codes(world.plan("contact"))


def test_notices_found_before_are_kept() -> None:
    world = World()
    row = {"code": "also_fits", "entity_type": "company", "teamleader_id": "k", "hubspot_id": None, "message": "Fits."}
    inputs = replace(world.inputs(), notices=[pl.DataFrame([row], schema=NOTICES)])
    assert codes(build(inputs, PlanSettings(world.mapping, AS_OF))) == [("also_fits", "k")]


# --- limits -----------------------------------------------------------------------------------------------------------


def test_nothing_is_limited_while_nothing_is_linked_but_unsubscribes_are() -> None:
    world = World()
    for n in range(30):
        world.contact(str(n), status="non_marketing")
    world.opt_outs = changes_frame([unsubscribe(str(n)) for n in range(26)])
    plan = world.plan()
    assert plan.held and [x.name for x in plan.limits if x.exceeded] == ["unsubscribes"]
    world.opt_outs = changes_frame([unsubscribe(str(n), existing=n > 5) for n in range(26)])
    assert not world.plan().held


def test_creates_and_updates_are_limited_by_what_is_linked() -> None:
    world = linked_world("contact")
    world.contact("y")
    world.contact("z")
    world.edit("contact", "x", first_name="Bea")
    world.settings = {"guards": GuardSettings(creates_minimum=1, updates_minimum=0, updates_share=0.5)}
    plan = world.plan("contact")
    assert {x.name: (x.value, x.maximum, x.exceeded) for x in plan.limits if x.name in ("creates", "updates")} == {
        "creates": (2, 1, True), "updates": (1, 0, True),
    }  # fmt: skip


def test_deletions_count_as_updates() -> None:
    world = linked_world("contact")
    world.delete("contact", "x")
    assert next(x for x in world.plan("contact").limits if x.name == "updates").value == 1


@pytest.mark.parametrize(("method", "value"), [("import", 1), ("workflow", 1), ("property_only", 0)])
def test_new_marketing_contacts_up_to_the_tier(method: str, value: int) -> None:
    world = contact_in_hubspot(marketable=False)
    world.holds("contact", "2", marketable=True)
    world.settings = {"marketing_tier": 1, "marketing_method": method}
    found = next(x for x in world.plan("contact").limits if x.name == "new_marketing_contacts")
    assert (found.value, found.maximum, found.exceeded) == (value, 0, value > 0)


def test_vanished_records_hold_the_run() -> None:
    world = World()
    world.vanished = {"contact": (3, 10), "deal": (1, 10)}
    plan = world.plan()
    assert [x.name for x in plan.limits if x.exceeded] == ["vanished_contacts"]


# --- digest and views -------------------------------------------------------------------------------------------------


def test_the_digest_does_not_depend_on_row_order() -> None:
    world = mixed_world()
    digests = {world.plan(shuffle=seed).digest for seed in (None, 1, 2, 3)}
    assert len(digests) == 1
    changes = world.plan().changes
    whole, in_parts = Digest(), Digest()
    whole.update(changes)
    for part in (changes.head(2), changes.clear(), changes.slice(2)):
        in_parts.update(part)
    assert in_parts.hexdigest() == whole.hexdigest() == digests.pop()
    columns = ["".join("\0\n" if v is None else f"{v}\n" for v in changes[c]) for c in changes.columns]
    each = [hashlib.blake2b(column.encode(), digest_size=32).digest() for column in columns]
    assert whole.hexdigest() == hashlib.blake2b(b"".join(each), digest_size=32).hexdigest()


@pytest.mark.parametrize(("read", "rows"), [(1, 1), (3, 2), (2, 50)])
def test_a_plan_is_the_same_in_whatever_parts_it_is_made(monkeypatch: pytest.MonkeyPatch, read: int, rows: int) -> None:
    whole = mixed_world().plan()
    monkeypatch.setattr(plan_entity, "READ", read)
    monkeypatch.setattr(plan_entity, "ROWS", rows)
    monkeypatch.setattr(plan, "ROWS", rows)
    in_parts = mixed_world().plan()
    assert whole.changes.height > 5 and in_parts.changes.equals(whole.changes)
    assert in_parts.outcomes.equals(whole.outcomes) and in_parts.settled.equals(whole.settled)
    assert set(in_parts.notices.rows()) == set(whole.notices.rows())
    assert in_parts.digest == whole.digest and in_parts.limits == whole.limits


@pytest.mark.parametrize("change", ["value", "record", "relation", "hubspot"])
def test_the_digest_depends_on_every_change(change: str) -> None:
    world = mixed_world()
    before = world.plan().digest
    if change == "value":
        world.edit("contact", "a", first_name="Bea")
    elif change == "record":
        world.deal("e")
    elif change == "relation":
        world.relations = world.relations.head(1)
    else:
        world.person("contact", "1", firstname="Older")
    assert world.plan().digest != before


def test_json_document() -> None:
    document = to_json(mixed_world().plan())
    assert list(document) == ["digest", "held", "limits", "changes"] and document["held"] is False
    assert len(document["digest"]) == 64 and json.loads(json.dumps(document)) == document
    keys = {"entity_type", "teamleader_id", "hubspot_id", "action", "reason", "fields"}
    assert all(keys <= set(c) for c in document["changes"])
    update = next(c for c in document["changes"] if c["action"] == "update")
    assert update["asked"] is True and update["fields"]["firstname"] == {"old": "Old", "new": "An"}
    assert next(c for c in document["changes"] if c["action"] == "unsubscribe")["addresses"] == ["b@example.com"]
    assert {x["name"] for x in document["limits"]} >= {"creates", "updates", "unsubscribes", "new_marketing_contacts"}


def _printed(plan: Plan, chosen: Chosen | None = None, **options: Any) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render(plan, chosen or Chosen(), ["It costs nothing."], **options))
    return captured.get()


def test_text_view() -> None:
    world = mixed_world()
    text = _printed(world.plan())
    for part in (
        "+ 1 contact created: changed less than 2 years ago (changed_within_2_years)",
        "! 1 contact held for a person: its HubSpot record belongs to another one (claimed_by_other)",
        "firstname: Old → An",
        "lastname: (empty) → b",
        "linked to company k",
        "unsubscribed from all e-mail: b@example.com",
        "1 contact unsubscribed from all e-mail (1 address): for good",
        "records created: `tl-hubspot undo` can archive them.",
        "It costs nothing.",
    ):
        assert part in text, text
    # links and opt-outs stand with the record that they happen to
    assert "links" not in text.split("Limits")[1]
    for n in range(9):
        world.deal(f"more{n}")
    assert "… and 5 more" in _printed(world.plan())
    assert "more" not in _printed(world.plan(), Chosen(entities=["contact"])).split("Shown below")[1]
    assert "more8" in _printed(world.plan(), everything=True)
    world.opt_outs = changes_frame([unsubscribe(str(n)) for n in range(30)])
    held = world.plan()
    assert f"\ntl-hubspot approve {held.digest}\n" in _printed(held) and "OVER LIMIT" in _printed(held)
    assert _printed(World().plan()).startswith("No changes")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Chosen(entities=["deal"]), {("deal", "d")}),
        (Chosen(actions=["hold", "unsubscribe"]), {("contact", "h"), ("contact", "b")}),
        (Chosen(reasons=["claimed_by_other"]), {("contact", "h")}),
        (Chosen(records=["a"]), {("contact", "a"), ("relation", "a>k")}),
        (Chosen(records=["1"], actions=["update"]), {("contact", "b")}),
        (Chosen(records=["nobody"]), set()),
    ],
)
def test_only_some_of_a_plan(chosen: Chosen, expected: set[tuple[str, str]]) -> None:
    shown = chosen.of(mixed_world().plan().changes)
    assert set(shown.select("entity_type", "teamleader_id").rows()) == expected


def test_a_choice_that_cannot_occur_is_refused() -> None:
    changes = mixed_world().plan().changes
    for chosen, words in (
        (Chosen(entities=["person"]), "'person' does not occur"),
        (Chosen(actions=["erase"]), "Write one of create, update"),
        (Chosen(reasons=["because"]), "claimed_by_other"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            chosen.of(changes)


def test_protected_fields_of_a_plan_are_found_by_name_and_by_label() -> None:
    world = mixed_world()
    plan = world.plan()
    names = world.mapping.protected_names
    assert protected_fields(plan.changes, names, world.portal.properties) == []
    label = definition("contact", "firstname", label="Eerste bron")
    found = protected_fields(plan.changes, names, frame_of("hubspot.properties", [label]))
    assert {(r["teamleader_id"], r["property"]) for r in found} == {("a", "firstname"), ("b", "firstname")}
    forged = changes_frame(
        [
            {
                **dict.fromkeys(CHANGES, "x"),
                "entity_type": "contact",
                "fields": '{"hs_latest_source":{"new":"x","old":null}}',
            }
        ]
    )
    assert len(protected_fields(forged, names, world.portal.properties)) == 1


def test_a_mapped_property_that_the_portal_labels_as_protected_never_reaches_the_plan() -> None:
    world = World()
    rule = FieldRule("contact", "salutation", "from_portal")
    world.mapping = replace(world.mapping, fields=(*world.mapping.fields, rule))
    world.portal = portal(
        [*standard_properties(), definition("contact", "from_portal", label="Eerste bron")], world.mapping
    )
    world.contact("a", salutation="X")
    plan = world.plan("contact")
    assert "from_portal" not in new(plan, "a")
    assert protected_fields(plan.changes, world.mapping.protected_names, world.portal.properties) == []
