"""Which fields are sent: behaviour §7 sentence by sentence, then as properties over random histories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.planning.mapping import FieldRule, Mapping, Policy
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot_tests.planning.builders_plan import (
    World,
    default_mapping,
    definition,
    new,
    portal,
    rows,
    standard_properties,
)

X = "x_test"


def world_of(
    *, policy: Policy = "always", type_: str = "string", transform: str = "text", source: str = "salutation"
) -> World:
    """A world whose contacts have one more row: salutation → x_test."""
    rule = FieldRule("contact", source, X, transform, policy, type=type_)
    mapping = replace(default_mapping(), fields=(*default_mapping().fields, rule))
    world = World(mapping)
    world.portal = portal([*standard_properties(), definition("contact", X, type_)], mapping)
    return world


def sent(
    now: str | None,
    *,
    before: str | None = None,
    wrote: str | None = None,
    holds: str | None = None,
    first: bool = False,
    **rule: Any,
) -> str | None:
    """What is sent for one field: Teamleader says `now`, said `before` at the last push, the sync had `wrote`, HubSpot
    `holds`; `first`: never pushed before. None when the field is not in the plan."""
    world = world_of(**rule)
    world.contact("a", salutation=now)
    world.holds("contact", "1", {X: holds}, email="a@example.com")
    if first:
        world.matched("contact", "a", "1")
    else:
        world.linked("contact", "a", "1", {X: before}, {X: wrote})
    return new(world.plan("contact"), "a").get(X)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        # First match with an existing record: a non-empty Teamleader value overwrites, an empty one never does.
        ({"now": "T", "holds": "H", "first": True}, "T"),
        ({"now": "T", "holds": None, "first": True}, "T"),
        ({"now": "T", "holds": "T", "first": True}, None),
        ({"now": None, "holds": "H", "first": True}, None),
        ({"now": "  ", "holds": "H", "first": True}, None),
        # Only fields that changed in Teamleader since the last push, and differ in HubSpot, are sent.
        ({"now": "T2", "before": "T1", "wrote": "T1", "holds": "T1"}, "T2"),
        ({"now": "T2", "before": "T1", "wrote": "T1", "holds": "T2"}, None),
        ({"now": "T1", "before": "T1", "wrote": "T1", "holds": "T1"}, None),
        # A value edited by a person in HubSpot survives until Teamleader changes that field.
        ({"now": "T1", "before": "T1", "wrote": "T1", "holds": "P"}, None),
        ({"now": "T2", "before": "T1", "wrote": "T1", "holds": "P"}, "T2"),
        # An empty value never erases, except what the sync had put there, emptied in Teamleader, still held.
        ({"now": None, "before": "T1", "wrote": "T1", "holds": "T1"}, ""),
        ({"now": None, "before": "T1", "wrote": "T1", "holds": "P"}, None),
        ({"now": None, "before": "T1", "wrote": None, "holds": "T1"}, None),
        ({"now": None, "before": None, "wrote": "T1", "holds": "T1"}, None),
        ({"now": None, "before": "T1", "wrote": "T1", "holds": None}, None),
        # A value that a person emptied in HubSpot stays empty until Teamleader changes that field.
        ({"now": "T1", "before": "T1", "wrote": "T1", "holds": None}, None),
        ({"now": "T1", "before": "T1", "wrote": "T1", "holds": ""}, None),
        ({"now": "T2", "before": "T1", "wrote": "T1", "holds": ""}, "T2"),
        # A row added to the mapping later counts as a first match of that field.
        ({"now": "T", "before": None, "wrote": None, "holds": "H"}, "T"),
    ],
)
def test_policy_always(case: dict[str, Any], expected: str | None) -> None:
    assert sent(**case) == expected


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"now": "T", "holds": None, "first": True}, "T"),
        ({"now": "T", "holds": "H", "first": True}, None),
        ({"now": "T2", "before": "T1", "wrote": "T1", "holds": "T1"}, None),
        ({"now": "T2", "before": "T1", "wrote": "T1", "holds": None}, "T2"),
        ({"now": "T1", "before": "T1", "wrote": "T1", "holds": None}, None),
        ({"now": None, "before": "T1", "wrote": "T1", "holds": "T1"}, None),
    ],
)
def test_policy_if_empty(case: dict[str, Any], expected: str | None) -> None:
    assert sent(**case, policy="if_empty") == expected


@pytest.mark.parametrize(
    "case",
    [
        {"now": "T", "holds": None, "first": True},
        {"now": "T2", "before": "T1", "wrote": "T1", "holds": "T1"},
        {"now": None, "before": "T1", "wrote": "T1", "holds": "T1"},
    ],
)
def test_policy_on_create_never_touches_an_existing_record(case: dict[str, Any]) -> None:
    assert sent(**case, policy="on_create") is None


@pytest.mark.parametrize("policy", ["always", "if_empty", "on_create"])
def test_a_create_sends_every_policy_and_nothing_empty(policy: Policy) -> None:
    world = world_of(policy=policy)
    world.contact("a", salutation="T", last_name=None)
    fields = new(world.plan("contact"), "a")
    assert fields[X] == "T" and "lastname" not in fields and fields["email"] == "a@example.com"
    assert all(fields.values())


@pytest.mark.parametrize(
    ("type_", "transform", "now", "holds"),
    [
        ("number", "number", "1200.50", "1200.5"),
        ("number", "number", "1200", "1.2E3"),
        ("datetime", "datetime", "2026-03-01T01:00:00+01:00", "2026-03-01T00:00:00Z"),
        ("datetime", "datetime", "2026-03-01T00:00:00Z", "1772323200000"),
        ("date", "date", "2026-03-01", "1772323200000"),
        ("bool", "bool", "true", "True"),
        ("enumeration", "option", "b;a", "a;b"),
        ("string", "text", "An", " An "),
    ],
)
def test_equal_by_meaning_is_not_sent(type_: str, transform: str, now: str, holds: str) -> None:
    world = world_of(type_=type_, transform=transform)
    options = ["a", "b"] if type_ == "enumeration" else []
    world.portal = portal([*standard_properties(), definition("contact", X, type_, options=options)], world.mapping)
    world.contact("a", salutation=now)
    world.holds("contact", "1", {X: holds}, email="a@example.com")
    world.matched("contact", "a", "1")
    assert X not in new(world.plan("contact"), "a")


def test_text_is_compared_exactly() -> None:
    assert sent("an", holds="An", first=True) == "an"
    assert sent("1.0", holds="1", first=True) == "1.0"


def test_the_type_of_the_portal_counts_not_that_of_the_mapping() -> None:
    world = world_of()
    world.portal = portal([*standard_properties(), definition("contact", X, "number")], world.mapping)
    world.contact("a", salutation="5.0")
    world.holds("contact", "1", {X: "5"}, email="a@example.com")
    world.matched("contact", "a", "1")
    assert X not in new(world.plan("contact"), "a")


def test_a_change_that_hubspot_already_holds_is_settled_without_a_call() -> None:
    world = World()
    world.contact("a")
    world.push(world.plan("contact"))
    world.edit("contact", "a", first_name="Bea")
    world.person("contact", "new-contact-a", firstname="Bea")
    plan = world.plan("contact")
    assert rows(plan) == [] and plan.settled["teamleader_id"].to_list() == ["a"]
    assert '"firstname":"Bea"' in plan.settled["shadow"].item()
    world.push(plan)
    again = world.plan("contact")
    assert again.changes.is_empty() and again.settled.is_empty()


def test_a_left_out_value_is_neither_written_nor_forgotten() -> None:
    world = World()
    world.company("k", responsible_user_id="u1")
    world.push(world.plan("company"))
    world.edit("company", "k", responsible_user_id="u2", name="Renamed")
    plan = world.plan("company")
    assert new(plan, "k", "company") == {"name": "Renamed"}
    assert rows(plan)[0]["details"]["shadow"]["hubspot_owner_id"] == "901"


def test_left_out_values_come_as_soon_as_the_portal_can_take_them() -> None:
    world = World()
    world.company("k", responsible_user_id="u2")
    world.push(world.plan("company"))
    owners = frame_of("hubspot.owners", [{"id": "902", "email": "bob@example.com"}])
    world.portal = replace(world.portal, owners=owners)
    assert new(world.plan("company"), "k", "company") == {"hubspot_owner_id": "902"}


# --- e-mail: as the matching decided ---------------------------------------------------------------------------------


def email_row(action: str, **given: Any) -> dict[str, Any]:
    world = World()
    world.contact("a", address="new@example.com")
    secondary = ["other@example.com", "old@example.com"]
    world.holds("contact", "1", {"email": "h@example.com"}, email="h@example.com", secondary_emails=secondary)
    world.linked("contact", "a", "1", {"email": "old@example.com"})
    match = {
        "email_action": action,
        "email_new": "new@example.com",
        "email_old": "old@example.com",
        "email_keep_old": True,
    }
    world.matches["contact"]["a"] |= match | given
    return rows(world.plan("contact"), "update")[0]


def test_email_replace_primary() -> None:
    row = email_row("replace_primary", email_old="h@example.com")
    assert row["fields"]["email"] == {"old": "h@example.com", "new": "new@example.com"}
    assert row["details"]["email"] == {
        "action": "replace_primary", "new": "new@example.com", "old": "h@example.com", "keep_old": True,
    }  # fmt: skip
    assert row["details"]["shadow"]["email"] == "new@example.com"
    assert "hs_additional_emails" not in row["fields"]


def test_email_add_secondary() -> None:
    row = email_row("add_secondary")
    assert row["fields"]["hs_additional_emails"] == {
        "old": "old@example.com;other@example.com",
        "new": "new@example.com;old@example.com;other@example.com",
    }
    assert "email" not in row["fields"]


def test_email_replace_secondary() -> None:
    row = email_row("replace_secondary")
    assert row["fields"]["hs_additional_emails"]["new"] == "new@example.com;other@example.com"


def test_email_replace_secondary_by_the_present_primary_only_takes_the_old_one_away() -> None:
    row = email_row("replace_secondary", email_new="h@example.com")
    assert row["fields"]["hs_additional_emails"]["new"] == "other@example.com"


def test_email_none_leaves_the_address_alone_and_remembers_it() -> None:
    row = email_row("none")
    assert not {"email", "hs_additional_emails"} & set(row["fields"]) and "email" not in row["details"]
    assert row["details"]["shadow"]["email"] == "new@example.com"


def test_email_taken_leaves_that_field_alone_updates_the_rest_and_is_not_remembered() -> None:
    row = email_row("none", email_blocked_by="77")
    assert row["fields"]["firstname"]["new"] == "An"
    assert not {"email", "hs_additional_emails"} & set(row["fields"])
    assert row["details"]["shadow"]["email"] == "old@example.com"


def test_an_email_action_is_planned_even_when_nothing_else_is_new() -> None:
    world = World()
    world.contact("a")
    world.push(world.plan("contact"))
    assert world.plan("contact").changes.is_empty()
    world.mirror["contact"]["new-contact-a"]["email"] = "person@example.com"
    world.matches["contact"]["a"] |= {"email_action": "add_secondary", "email_new": "a@example.com"}
    assert new(world.plan("contact"), "a") == {"hs_additional_emails": "a@example.com"}


# --- deals: what goes together ----------------------------------------------------------------------------------------


def pushed_deal(**fields: Any) -> World:
    world = World()
    world.deal("d", **fields)
    world.push(world.plan("deal"))
    return world


def test_stage_pipeline_and_close_date_go_together() -> None:
    world = pushed_deal(estimated_closing_date="2026-12-31")
    world.edit("deal", "d", current_phase_id="f2")
    row = rows(world.plan("deal"))[0]
    assert row["fields"]["dealstage"] == {"old": "s-new", "new": "s-proposal"}
    assert row["fields"]["pipeline"] == {"old": "default", "new": "default"}
    assert row["fields"]["closedate"] == {"old": "2026-12-31T00:00:00.000Z", "new": "2026-12-31T00:00:00.000Z"}


def test_a_close_date_set_by_a_person_goes_with_the_stage_unchanged() -> None:
    world = pushed_deal(estimated_closing_date="2026-12-31")
    world.person("deal", "new-deal-d", closedate="2027-01-15T00:00:00Z")
    world.edit("deal", "d", current_phase_id="f2")
    assert new(world.plan("deal"), "d", "deal")["closedate"] == "2027-01-15T00:00:00Z"


def test_a_close_date_emptied_by_a_person_stays_empty_while_open_and_is_sent_with_a_closed_stage() -> None:
    world = pushed_deal(estimated_closing_date="2026-12-31")
    world.person("deal", "new-deal-d", closedate=None)
    world.edit("deal", "d", current_phase_id="f2")
    assert "closedate" not in new(world.plan("deal"), "d", "deal")
    world.edit("deal", "d", status="won")
    assert new(world.plan("deal"), "d", "deal")["closedate"] == "2026-12-31T00:00:00.000Z"


def test_closing_a_deal_sends_its_closing_moment() -> None:
    world = pushed_deal(estimated_closing_date="2026-12-31")
    world.edit("deal", "d", status="lost", closed_at=datetime(2026, 10, 5, 9, 30, tzinfo=UTC), lost_reason_id="l1")
    fields = new(world.plan("deal"), "d", "deal")
    assert fields["dealstage"] == "s-lost" and fields["closedate"] == "2026-10-05T09:30:00.000Z"
    assert fields["closed_lost_reason"] == "Price" and fields["teamleader_status"] == "lost"


def test_a_stage_chosen_by_a_person_survives_other_edits() -> None:
    world = pushed_deal()
    world.person("deal", "new-deal-d", dealstage="s-proposal", pipeline="other")
    world.edit("deal", "d", title="Renamed")
    assert new(world.plan("deal"), "d", "deal") == {"dealname": "Renamed"}


def test_a_stage_that_was_provisioned_since_is_no_change() -> None:
    world = pushed_deal()
    for part in ("fields", "written"):
        world.shadows["deal", "d"][part] |= {"dealstage": "teamleader:f1", "pipeline": "teamleader:p1"}
    world.person("deal", "new-deal-d", dealstage="s-proposal")
    plan = world.plan("deal")
    assert plan.changes.is_empty() and plan.settled.is_empty()


def test_the_label_leaves_again_when_the_deal_is_no_longer_inactive() -> None:
    world = World()
    world.deal("d", label="inactief", reason="inactive")
    world.push(world.plan("deal"))
    assert world.mirror["deal"]["new-deal-d"]["properties"]["teamleader_label"] == "inactief"
    world.deal("d")
    assert new(world.plan("deal"), "d", "deal") == {"teamleader_label": ""}


def test_a_record_taken_over_goes_on_from_what_was_pushed_of_the_other() -> None:
    world = World()
    world.company("old", name="Acme", website="acme.example")
    world.push(world.plan("company"))
    world.person("company", "new-company-old", website="https://person.example")
    world.company("old", status="skip")
    world.company("new", name="Acme BV", website="acme.example")
    world.matched("company", "new", "new-company-old", matched_by="link", relinked_from="old", first_match=True)
    plan = world.plan("company")
    assert new(plan, "new", "company") == {"name": "Acme BV", "teamleader_id": "new"}
    assert rows(plan)[0]["details"]["relinked_from"] == "old"


# --- over random histories --------------------------------------------------------------------------------------------

VALUES = st.sampled_from([None, "", "A", "B", "C"])
FIELDS = ("first_name", "last_name", "salutation", "website")
PROPERTIES = dict(zip(FIELDS, ("firstname", "lastname", "salutation", "website"), strict=True))
Values = dict[str, str | None]


@dataclass(frozen=True)
class History:
    """One contact: what HubSpot held at first (None: no record), and rounds of edits in Teamleader and by a person."""

    existing: Values | None
    rounds: tuple[tuple[Values, Values], ...]


def histories(rounds: int) -> st.SearchStrategy[list[History]]:
    """Many contacts at once: a plan costs much the same for one as for twenty."""
    person = st.dictionaries(st.sampled_from(sorted(PROPERTIES.values())), VALUES, max_size=3)
    teamleader = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3)
    steps = st.lists(st.tuples(teamleader, person), min_size=rounds, max_size=rounds).map(tuple)
    return st.lists(st.builds(History, st.one_of(st.none(), person), steps), min_size=1, max_size=25)


def start(contacts: list[History]) -> World:
    world = World()
    for number, history in enumerate(contacts):
        world.contact(str(number), **dict.fromkeys(FIELDS))
        if history.existing is not None:
            world.holds("contact", f"hs-{number}", dict(history.existing), email=f"{number}@example.com")
            world.matched("contact", str(number), f"hs-{number}")
    return world


def round_of(world: World, contacts: list[History], number: int, *, teamleader: bool) -> None:
    for contact, history in enumerate(contacts):
        by_teamleader, by_person = history.rounds[number]
        if teamleader:
            world.edit("contact", str(contact), **by_teamleader)
        else:
            world.person("contact", world.links["contact", str(contact)], **by_person)


@settings(max_examples=12, deadline=None)
@given(histories(2))
def test_a_field_that_a_person_edited_and_teamleader_did_not_change_is_never_sent(contacts: list[History]) -> None:
    world = start(contacts)
    round_of(world, contacts, 0, teamleader=True)
    world.push(world.plan("contact"))
    before = {id_: dict(source) for id_, source in world.source["contact"].items()}
    round_of(world, contacts, 0, teamleader=False)
    round_of(world, contacts, 1, teamleader=True)
    plan = world.plan("contact")
    for id_, source in world.source["contact"].items():
        sent_now = new(plan, id_)
        for field, property_ in PROPERTIES.items():
            if (source[field] or "") == (before[id_][field] or ""):
                assert property_ not in sent_now


@settings(max_examples=8, deadline=None)
@given(histories(3))
def test_after_a_push_the_next_plan_is_empty(contacts: list[History]) -> None:
    world = start(contacts)
    for number in range(3):
        round_of(world, contacts, number, teamleader=True)
        world.push(world.plan("contact"))
        again = world.plan("contact")
        assert again.changes.is_empty() and again.settled.is_empty()
        round_of(world, contacts, number, teamleader=False)
    assert world.plan("contact").changes.is_empty()


@settings(max_examples=12, deadline=None)
@given(histories(1))
def test_nothing_that_hubspot_had_before_is_erased_by_an_empty_value(contacts: list[History]) -> None:
    world = start(contacts)
    round_of(world, contacts, 0, teamleader=True)
    plan = world.plan("contact")
    assert all(value for id_ in world.source["contact"] for value in new(plan, id_).values())


def test_a_mapping_made_by_hand_cannot_bring_a_protected_property_into_a_plan() -> None:
    rules = (
        FieldRule("contact", "first_name", "hs_analytics_source"),
        FieldRule("contact", "last_name", "bron", label="Eerste bron"),
        FieldRule("contact", "salutation", "from_portal"),
    )
    mapping = Mapping((*default_mapping().fields, *rules))
    world = World(mapping)
    label = definition("contact", "from_portal", label="Laatste Bron")
    world.portal = portal([*standard_properties(), label], mapping)
    world.contact("a", salutation="X")
    assert not {"hs_analytics_source", "bron", "from_portal"} & set(new(world.plan("contact"), "a"))
