"""What people meet: conflicts and deciding them, refusals, deletions, merges, too many of them, and switches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.hubspot.property_history import Entry
from tl_hubspot.orchestration.steps.two_way import conflicts, memory, reading, recovering
from tl_hubspot.orchestration.steps.two_way.sides import CrmofficeSide, Seen
from tl_hubspot.pushing.wire import ProtectedProperty
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.two_way.bookkeeping import Settled
from tl_hubspot.two_way.frames import SHADOWS
from tl_hubspot_tests.two_way_engine.conftest import Make
from tl_hubspot_tests.two_way_engine.installation import FLOW, Installation

pytestmark = pytest.mark.usefixtures("stays_open")


def entries(one: Installation) -> list[dict[str, Any]]:
    return conflicts.entries(one.platform())


def resolve(one: Installation, conflict: str, use: Any) -> str:
    platform = one.platform()
    try:
        return conflicts.resolve(platform, conflict, use)
    finally:
        platform.close()


def quiet(one: Installation) -> None:
    """Another cycle writes nothing."""
    one.forget()
    assert one.cycle().status == "done"
    assert one.written() == [] and one.made() == 0


def test_a_conflict_is_logged_with_the_value_that_lost_which_can_be_put_back(make: Make) -> None:
    one = make()
    one.flows(lambda text: text.replace("tie_side: a", "tie_side: b"))
    a, b = one.person()
    one.cycle()
    one.edit("a", a, firstname="Anne")
    one.edit("b", b, firstname="Anna")
    made = one.cycle()
    assert one.hubspot(a)["firstname"] == one.crm(b)["firstname"] == "Anna"
    assert (made.counts["conflicts"], made.exit_code) == (1, 0)
    [entry] = entries(one)
    assert entry.pop("detected_at")
    assert entry == {
        "conflict_id": entry["conflict_id"],
        "kind": "both_changed",
        "hubspot_id": a,
        "crmoffice_id": b,
        "field": "firstname",
        "crmoffice_field": "givenName",
        "winner": "crmoffice",
        "hubspot_value": "Anne",
        "crmoffice_value": "Anna",
        "losing_side": "hubspot",
        "losing_value": "Anne",
        "base": {"hubspot": "Ann", "crmoffice": "Ann"},
        "state": "decided",
    }
    quiet(one)
    with pytest.raises(ConfigurationError, match="has won already"):
        resolve(one, entry["conflict_id"], "crmoffice")
    assert "is back in HubSpot" in resolve(one, entry["conflict_id"], "hubspot")
    one.cycle()
    assert one.hubspot(a)["firstname"] == one.crm(b)["firstname"] == "Anne"
    assert [e["state"] for e in entries(one)] == ["resolved"]
    with pytest.raises(ConfigurationError, match="no conflict"):
        resolve(one, "nonsense", "hubspot")


@pytest.mark.parametrize("use", ["crmoffice"])
def test_a_held_conflict_waits_until_a_person_decides(make: Make, use: str) -> None:
    one = make()
    one.flows(lambda text: text.replace("policy: newest", "policy: hold"))
    a, b = one.person()
    one.cycle()
    one.edit("a", a, lastname="Maas")
    one.edit("b", b, lastname="Mees")
    made = one.cycle()
    assert (made.counts["held"], made.exit_code) == (1, 0)
    quiet(one)
    [entry] = entries(one)
    assert (entry["kind"], entry["winner"], entry["state"]) == ("held", None, "open")
    resolve(one, entry["conflict_id"], use)
    one.cycle()
    assert one.hubspot(a)["lastname"] == one.crm(b)["lastname"] == {"hubspot": "Maas", "crmoffice": "Mees"}[use]
    quiet(one)


def test_an_edit_in_the_moment_of_the_write_is_found_in_hubspot_s_history(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make()
    a, b = one.person()
    one.cycle()
    one.edit("b", b, phone="+47 33333333")
    inner = memory.intend_writes

    def intend(*given: Any) -> None:
        inner(*given)
        one.edit("a", a, phone="+47 44444444")

    monkeypatch.setattr(memory, "intend_writes", intend)
    one.cycle()
    assert one.hubspot(a)["phone"] == one.crm(b)["phone"] == "+47 33333333"
    [entry] = entries(one)
    assert (entry["kind"], entry["losing_side"], entry["losing_value"]) == ("lost_edit", "hubspot", "+47 44444444")
    assert entry["base"] == {"hubspot": "", "crmoffice": ""}


def test_an_edit_of_another_field_in_the_moment_of_the_write_is_carried_over(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make()
    a, b = one.person()
    one.cycle()
    one.edit("a", a, lastname="Maas")
    inner = memory.intend_writes
    monkeypatch.setattr(memory, "intend_writes", _then(inner, lambda: one.edit("b", b, phone="+47 44444444")))
    assert one.cycle().counts["unguarded"] == 1
    monkeypatch.undo()
    one.cycle()
    assert one.hubspot(a)["phone"] == one.crm(b)["phone"] == "+47 44444444"


def test_such_an_edit_is_found_too_where_hubspot_writes_numbers_in_its_own_form(make: Make) -> None:
    one = make()
    a, b = one.person()
    one.cycle()
    [link] = one.read("select link_id from two_way.links")["link_id"]
    at = [datetime(2026, 11, 2, 9, 0, second, tzinfo=UTC) for second in range(3)]
    sent = {"side": "a", "id": a, "source_id": b, "value": "0047 33 33 33 33", "pre_image": "", "rule": "M7"}
    intents = pl.DataFrame([{"link_id": link, "field": "phone", **sent, "read_at": at[0]}], schema=memory.INTENTS)
    stored = [{"link_id": link, "field": "phone", "a": "+4733333333", "b": sent["value"]}]
    writes = intents.drop("read_at")
    outcome = Settled(pl.DataFrame(stored, schema=SHADOWS), writes, writes.clear())
    history = [Entry("+4733333333", at[2], "INTEGRATION"), Entry("+4744444444", at[1], "CRM_UI")]
    seen = {a: Seen(a, {"phone": "+4733333333"}, history={"phone": history})}
    with one.warehouse.connect() as con:
        found = recovering.lost_edits(con, outcome, intents, seen, FLOW, at[2])
    assert found["losing_value"].to_list() == ["+4744444444"]


def test_a_list_that_still_shows_what_was_before_does_not_undo_an_edit(make: Make) -> None:
    one = make()
    a, b = one.person()
    one.cycle()
    one.systems.clock.advance(60)
    one.crmoffice.set_switches(list_lag=30.0)
    one.edit("a", a, lastname="Maas")
    one.cycle()
    one.edit("a", a, lastname="Maes")
    one.cycle()
    one.systems.clock.advance(60)
    one.cycle()
    assert one.hubspot(a)["lastname"] == one.crm(b)["lastname"] == "Maes"
    quiet(one)


def test_an_edit_after_the_plan_is_left_to_the_next_cycle(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make()
    a, b = one.person()
    one.cycle()
    one.edit("b", b, phone="+47 33333333")
    monkeypatch.setattr(memory, "store", _then(memory.store, lambda: one.edit("b", b, phone="+47 55555555")))
    made = one.cycle()
    assert (made.counts["given_up"], made.exit_code, one.hubspot(a)["phone"]) == (1, 0, "")
    monkeypatch.undo()
    one.cycle()
    assert one.hubspot(a)["phone"] == "+47 55555555"
    assert entries(one) == []


def _then(inner: Callable[..., None], more: Callable[[], None]) -> Callable[..., None]:
    def outer(*given: Any) -> None:
        inner(*given)
        more()

    return outer


def test_what_crmoffice_refuses_waits_and_everything_else_goes_on(make: Make) -> None:
    one = make()
    pairs = [one.person(firstname=f"Ann{n}", mobilephone=f"+47 9123456{n}") for n in range(3)]
    one.cycle()
    one.edit("a", pairs[0][0], phone="call me", firstname="Anne")
    one.edit("a", pairs[1][0], phone="+47 22222222")
    made = one.cycle()
    assert (made.counts["failed"], made.exit_code) == (1, 1)
    assert one.crm(pairs[1][1])["phone"] == "+47 22222222"
    assert one.read("select field, reason from two_way.holds").rows() == [("phone", "invalid_phone")]
    one.forget()
    made = one.cycle()
    assert one.written() == [("b", pairs[0][1])], "the field that was not refused goes alone"
    assert (one.crm(pairs[0][1])["firstname"], made.exit_code) == ("Anne", 0)
    quiet(one)
    one.edit("a", pairs[0][0], phone="+47 22222229")
    one.cycle()
    assert one.crm(pairs[0][1])["phone"] == "+47 22222229", "another value is sent at once"


def test_a_creation_that_is_refused_is_not_repeated_at_once(make: Make) -> None:
    one = make("required_fields=familyName")
    a, _ = one.person("a", lastname="")
    made = one.cycle()
    assert (made.counts["failed"], made.exit_code) == (1, 1)
    quiet(one)
    one.edit("a", a, lastname="Maes")
    one.cycle()
    assert one.crmoffice.count() == 1


def test_a_deleted_record_ends_the_pair_for_good_and_a_merged_one_is_followed(make: Make) -> None:
    one = make()
    (a, b), (c, d) = (one.person(firstname=f"Ann{n}", mobilephone=f"+47 9123456{n}") for n in range(2))
    e, _ = one.person("a", firstname="Zoe", mobilephone="")
    one.cycle()
    one.crmoffice.delete(b)
    survivor = one.systems.hubspot.merge("contacts", e, c)
    one.cycle()
    quiet(one)
    states = {row[0]: row[1:] for row in one.read("select b_id, a_id, state, reason from two_way.links").rows()}
    assert states[b] == (a, "broken", "deleted_b")
    assert one.systems.hubspot.get("contacts", a)["archived"] is False
    assert states[d][1:] == ("linked", None) or states[d][2] == "merged"
    live = [row for row in states.values() if row[1] == "linked" and row[0] == survivor]
    assert len(live) == 1


@pytest.mark.parametrize("policy", ["archive_other", "restore"])
def test_other_policies_of_deletion(make: Make, policy: str) -> None:
    one = make()
    one.flows(lambda text: text.replace("delete: unlink", f"delete: {policy}"))
    (a, b), (c, d) = (one.person(firstname=f"Ann{n}", mobilephone=f"+47 9123456{n}") for n in range(2))
    one.cycle()
    one.crmoffice.delete(b)
    one.systems.hubspot.archive("contacts", c)
    one.cycle()
    found = {record["id"] for record in one.systems.hubspot.all("contacts")}
    if policy == "archive_other":
        assert found == set() and one.crmoffice.count() == 0
    else:
        assert a in found and len(found) == 2
        assert {r["givenName"] for r in one.crmoffice.all()} == {"Ann0", "Ann1"}
        assert d in {r["id"] for r in one.crmoffice.all()}
    quiet(one)


def test_a_record_that_is_edited_while_its_pair_ends_is_not_deleted(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make("etag=1")
    one.flows(lambda text: text.replace("delete: unlink", "delete: archive_other"))
    people = [one.person(firstname=f"Ann{n}", mobilephone=f"+47 9123456{n}") for n in range(3)]
    (a, b), (c, d), _ = people  # HubSpot is not empty afterwards
    one.cycle()
    one.systems.hubspot.archive("contacts", a)
    one.systems.hubspot.archive("contacts", c)
    look = CrmofficeSide.read
    monkeypatch.setattr(memory, "store", _then(memory.store, lambda: one.edit("b", b, lastname="Maas")))
    monkeypatch.setattr(CrmofficeSide, "read", lambda *given: (look(*given), one.edit("b", d, lastname="Mees"))[0])
    one.cycle()
    assert {record["familyName"] for record in one.crmoffice.all()} == {"Maas", "Mees", "Maes"}


def test_too_many_deletions_stop_the_flow_before_anything_is_written(make: Make) -> None:
    one = make()
    pairs = [one.person(firstname=f"Ann{n}", mobilephone=f"+47 912345{n:02}") for n in range(22)]
    one.cycle()
    for _, b in pairs[:21]:
        one.crmoffice.delete(b)
    one.edit("a", pairs[21][0], phone="+47 22222222")
    one.forget()
    made = one.cycle()
    assert (made.status, made.exit_code) == ("held", 3)
    assert made.plan.stops.select("name", "side", "value", "maximum").rows() == [("deletions", "b", 21, 20)]
    assert one.written() == [] and one.made() == 0
    assert one.read("select count(*) from two_way.links where state = 'broken'").item() == 0
    digest = str(made.digest)
    assert one.cycle(writes=False).digest == digest

    one.systems.hubspot.archive("contacts", pairs[21][0])
    with pytest.raises(ConfigurationError, match="not those that were approved"):
        one.approve(digest)
    assert one.written() == []
    again = str(one.cycle().digest)
    assert again != digest
    assert one.approve(again).counts["broken"] == 22
    with pytest.raises(ConfigurationError, match="carried out already"):
        one.approve(again)
    quiet(one)


def test_p15_new_contacts_go_to_hubspot_in_one_call_and_a_lost_answer_makes_no_second(make: Make) -> None:
    one = make("canonicalises=mobilePhone")
    alike = {"lastname": "Twin", "mobilephone": ""}
    people = [one.person("b", firstname=f"Ann{n}", mobilephone=f"+47 9123456{n}")[1] for n in range(4)]
    people += [one.person("b", firstname="Bo", **alike)[1] for _ in range(2)]
    one.systems.hubspot.faults.add(Fault("status", "batch/create$", "POST", when="after", status=502))
    made = one.cycle()
    assert (made.counts["created_in_hubspot"], made.counts["open"], made.exit_code) == (1, 5, 1)
    assert one.systems.hubspot.log.count("/crm/v3/objects/contacts/batch/create") == 2, "one call for those unlike"
    one.systems.clock.advance(60)
    one.forget()
    made = one.cycle()
    assert one.made() == 0 and one.written() == []
    assert (made.counts["linked"], made.exit_code) == (6, 0)
    hubspot = {record["id"]: one.hubspot(record["id"]) for record in one.systems.hubspot.all("contacts")}
    links = dict(one.read("select b_id, a_id from two_way.links").rows())
    assert {b: hubspot[a] for b, a in links.items()} == {b: one.crm(b) for b in people}
    quiet(one)


def test_a_plan_and_a_dry_run_write_nothing(make: Make) -> None:
    one = make()
    one.person("a")
    one.person("b", firstname="Zoe", mobilephone="+47 98765432")
    planned = one.cycle(writes=False)
    assert planned.plan.creations.height == 2
    one.flows(lambda text: text.replace("    full_sync: true", "    full_sync: true\n    dry_run: true"))
    assert one.cycle().status == "planned"
    assert one.written() == [] and one.made() == 0
    assert one.read("select count(*) from two_way.links").item() == 0


def test_a_side_that_is_not_written_and_ambiguous_people_are_left_alone(make: Make) -> None:
    one = make()
    one.flows(lambda text: text.replace("write: {a: true, b: true}", "write: {a: false, b: true}"))
    a, b = one.person()
    for _ in range(2):
        one.person("a", firstname="Twin", mobilephone="+47 91111111")
    one.person("b", firstname="Twin", mobilephone="+47 91111111")
    one.cycle()
    one.edit("b", b, phone="+47 22222222")
    one.forget()
    made = one.cycle()
    assert one.written() == [] and one.made() == 0
    assert (made.counts["held"], made.counts["ambiguous"], made.exit_code) == (1, 3, 0)
    assert one.hubspot(a)["phone"] == ""


def test_protected_properties_are_refused_before_anything_is_sent(make: Make) -> None:
    one = make()
    one.systems.hubspot.define_property(
        "contacts", name="eerste_bron", label="Eerste bron", type="string", fieldType="text"
    )
    one.flows(lambda text: text.replace("a: phone, b: directPhone", "a: eerste_bron, b: directPhone"))
    one.person(phone="+47 22222222")
    one.forget()
    with pytest.raises(ProtectedProperty):
        one.cycle()
    assert one.written() == []


def test_only_changes_are_read_where_there_are_many_records(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make("since_filter=1,delete_feed=1")
    pairs = [one.person(firstname=f"Ann{n}", mobilephone=f"+47 9123456{n}") for n in range(4)]
    one.cycle()
    monkeypatch.setattr(reading, "SMALL", 0)
    one.systems.clock.advance(3600)
    one.cycle()
    one.edit("a", pairs[0][0], phone="+47 22222220")
    one.edit("b", pairs[1][1], phone="+47 22222221")
    one.crmoffice.delete(pairs[2][1])
    one.systems.hubspot.archive("contacts", pairs[3][0])
    one.cycle()
    assert one.crm(pairs[0][1])["phone"] == "+47 22222220"
    assert one.hubspot(pairs[1][0])["phone"] == "+47 22222221"
    broken = one.read("select reason from two_way.links where state = 'broken' order by all")["reason"].to_list()
    assert broken == ["deleted_a", "deleted_b"]
    one.systems.clock.advance(3600)
    one.cycle()
    one.systems.clock.advance(3600)
    one.forget()
    one.cycle()
    paths = [entry["path"] for entry in one.systems.hubspot.log.entries]
    assert [path.rpartition("/")[2] for path in paths] == ["search", "search"]
    assert [entry["query"][:13] for entry in one.crmoffice.log.entries if entry["path"] == "/contacts"]
