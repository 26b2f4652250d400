"""After a crash open intents are settled by reading back; a run is undone only where nobody changed anything since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tl_hubspot.hubspot.marketing import make_marketing
from tl_hubspot.pushing.change import PlannedChanges
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.marketing import name_of
from tl_hubspot.pushing.push import push
from tl_hubspot.pushing.recovery import CARRIED_OUT, CHANGED, NOT_CARRIED_OUT, NOTICE, Recovered, settle_open
from tl_hubspot.pushing.undo import Undone, carry_out
from tl_hubspot.pushing.undo_plan import ARCHIVE, Rules, look
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.pushing.conftest import SETTINGS, Push
from tl_hubspot_tests.pushing.memory import (
    MemoryLedger,
    address,
    create,
    marketing,
    plan,
    relate,
    row,
    unsubscribe,
    update,
)


class Killed(BaseException):
    """What kill -9 is to a process, for one call of the ledger."""


class DyingLedger(MemoryLedger):
    """Dies before the n-th call is sent (`intended`) or after it was carried out (`settled`)."""

    def __init__(self, at: str, number: int) -> None:
        super().__init__()
        self._at, self._left = at, number

    def _live(self, at: str) -> None:
        if at == self._at:
            self._left -= 1
            if self._left == 0:
                raise Killed

    def intend(self, rows: Sequence[Row]) -> None:
        super().intend(rows)
        self._live("intended")

    def settle(self, rows: Sequence[Row]) -> None:
        self._live("settled")
        super().settle(rows)


def load(portal: Portal) -> None:
    portal.sandbox.load_objects(
        "contacts",
        [
            {"id": str(i), "properties": {"email": f"c{i}@example.be", "teamleader_id": f"t{i}", "phone": "1"}}
            for i in (1, 2, 3)
        ],
    )


ROWS = (
    create("company", "k1", name="Acme"),
    update("contact", "t1", "1", phone="2"),
    create("contact", "t9", email="new@example.be"),
    create("deal", "d1", dealname="Roof", pipeline="teamleader:p1", dealstage="teamleader:ph1"),
    relate("contact", "t1", "company", "k1", ("1", None), primary=True),
    relate("deal", "d1", "contact", "t1", (None, "1")),
    unsubscribe("t2", "2", "c2@example.be"),
    marketing("t1", "1"),
)


@pytest.mark.parametrize("at", ["intended", "settled"])
@pytest.mark.parametrize("number", range(1, 9))
def test_killed_anywhere(portal: Portal, at: str, number: int) -> None:
    load(portal)
    ledger = DyingLedger(at, number)
    with pytest.raises(Killed):
        push(plan(*ROWS), portal.gateway, ledger, SETTINGS)
    open_before = ledger.open()
    # what became of both relations is stored at once
    assert len(open_before) == (2 if (at, number) == ("settled", 5) else 1)
    portal.sandbox.log.clear()

    recovered = settle_open(portal.gateway, ledger, open_before, PlannedChanges(plan(*ROWS)), "run-2")

    # A call was carried out exactly when the process died after it.
    not_sent = 0 if at == "settled" else 1
    assert (recovered.done, recovered.failed) == (len(open_before) - not_sent, not_sent)
    assert not ledger.open() and portal.sandbox.log.writes() == []
    *earlier, settled = (ledger.journal[r["call_id"], r["trace_id"]] for r in open_before)
    assert [r["state"] for r in earlier] == ["done"] * len(earlier)
    assert settled["state"] == ("failed" if not_sent else "done")
    assert settled["message"] == (NOT_CARRIED_OUT if not_sent else CARRIED_OUT)

    # Pushing the same plan again ends in the same state, with no second record of anything.
    result = push(plan(*ROWS), portal.gateway, MemoryLedger(), SETTINGS)
    assert result.failed == 0 and result.stopped is None
    counts = [len(list(portal.sandbox.all(kind))) for kind in ("companies", "contacts", "deals")]
    assert counts == [1, 4, 1]


def test_a_created_record_that_is_found_is_linked(portal: Portal) -> None:
    ledger = DyingLedger("settled", 1)
    with pytest.raises(Killed):
        push(plan(create("contact", "t9", email="new@example.be")), portal.gateway, ledger, SETTINGS)
    settle_open(portal.gateway, ledger, ledger.open(), [], "run-2")
    (record,) = portal.sandbox.all("contacts")
    assert (
        ledger.links["contact", "t9"] | {"hubspot_id": record["id"], "first_run": "run-1", "last_run": "run-2"}
        == (ledger.links["contact", "t9"])
    )
    assert not ledger.shadows


def test_nothing_open_is_no_call(portal: Portal, ledger: MemoryLedger) -> None:
    assert settle_open(portal.gateway, ledger, [], [], "run-2") == Recovered() and portal.calls() == 0


UNDO = replace(SETTINGS, run_id="run-2")
RULES = Rules({"contact": ["firstname", "phone"], "company": ["phone"], "deal": []})


def taken_back(portal: Portal, ledger: MemoryLedger, run_id: str = "run-1") -> Undone:
    journal = [r for r in ledger.done() if r["run_id"] == run_id]
    later = [r for r in ledger.done() if r["run_id"] > run_id and r["action"] not in ("unsubscribe", "marketing")]
    undoing = look(portal.gateway, journal, later, {"run-2"}, RULES)
    return carry_out(portal.gateway, ledger, undoing, UNDO)


def left(done: Undone) -> set[tuple[str, str | None, str]]:
    return {(entry.teamleader_id, entry.property, entry.code) for entry in done.left}


def values(portal: Portal, contact: str) -> dict[str, str]:
    return {n: v for n, v in portal.sandbox.get("contacts", contact)["properties"].items() if v}


def test_a_run_is_undone(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal)
    run(*ROWS, row("contact", "t2", "2", "update", {"phone": "", "firstname": "Bob"}))
    remembered = (dict(ledger.links), dict(ledger.relations), {k: dict(v) for k, v in ledger.shadows.items()})
    result = taken_back(portal, ledger)
    assert values(portal, "1")["phone"] == values(portal, "2")["phone"] == "1" and "firstname" not in values(
        portal, "2"
    )
    assert (result.records, result.fields, result.disassociated, result.archived) == (2, 3, 2, 3)
    assert portal.sandbox.associations("contacts", "1", "companies") == []
    assert portal.sandbox.count("contacts") == 3
    assert portal.sandbox.count("companies") == portal.sandbox.count("deals") == 0
    assert left(result) == {("t2", None, "unsubscribe"), ("t1", None, "marketing")}
    assert not ledger.open() and {r["run_id"] for r in ledger.logged if r["action"] == "undo"} == {"run-2"}
    assert remembered == (ledger.links, ledger.relations, ledger.shadows), "the next sync must not do it again"

    portal.sandbox.log.clear()
    again = taken_back(portal, ledger)
    assert left(again) == left(result) and portal.sandbox.log.writes() == []


def test_what_somebody_changed_since_stays(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal)
    run(
        update("contact", "t1", "1", phone="2", firstname="Ann"),
        update("contact", "t2", "2", phone="2"),
        update("contact", "t3", "3", phone="2"),
    )
    portal.sandbox.patch("contacts", "1", {"phone": "person"})
    portal.sandbox.archive("contacts", "2")
    run(update("contact", "t3", "3", phone="2"), settings=replace(SETTINGS, run_id="run-3"))
    result = taken_back(portal, ledger)
    assert values(portal, "1")["phone"] == "person" and "firstname" not in values(portal, "1")
    assert values(portal, "3")["phone"] == "2"
    assert left(result) == {
        ("t1", "phone", "changed_since"),
        ("t2", None, "gone"),
        ("t3", "phone", "written_later"),
    }


def test_created_records_that_somebody_touched_stay(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal)
    run(*(create("contact", f"n{n}", email=f"n{n}@example.be", lastname="L") for n in range(6)))
    ids = [str(ledger.hubspot_id("contact", f"n{n}")) for n in range(6)]
    portal.sandbox.patch("contacts", ids[0], {"lastname": "person"})
    portal.sandbox.patch("contacts", ids[1], {"firstname": "person"})
    company = portal.sandbox.create("companies", {"name": "Theirs"})
    portal.sandbox.add_association("contacts", ids[2], "companies", company["id"], 279)
    portal.sandbox.merge("contacts", "1", ids[3])
    portal.sandbox.archive("contacts", ids[4])
    result = taken_back(portal, ledger)
    assert result.archived == 1 and portal.sandbox.get("contacts", ids[5])["archived"]
    assert left(result) == {
        ("n0", "lastname", "changed_since"),
        ("n1", "firstname", "filled_since"),
        ("n2", None, "linked_since"),
        ("n3", None, "merged"),
    }
    undone = [r for r in ledger.done() if r["run_id"] == "run-2"]
    assert [r["action"] for r in undone] == [ARCHIVE]
    assert left(taken_back(portal, ledger, "run-2")) == {("n5", None, ARCHIVE)}


def test_a_create_that_found_its_record_is_never_archived(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal)
    run(create("contact", "t1", phone="7"))
    result = taken_back(portal, ledger)
    assert left(result) == {("t1", None, "existed")} and values(portal, "1")["phone"] == "7"


@pytest.mark.parametrize("switch", ["kept", "dropped"])
def test_addresses_go_back(portal: Portal, ledger: MemoryLedger, run: Push, switch: str) -> None:
    portal.sandbox.set_switches(old_primary_on_email_change=switch)
    load(portal)
    portal.sandbox.patch("contacts", "3", {"hs_additional_emails": "c3b@example.be;theirs@example.be"})
    rows = (
        address("t1", "1", "replace_primary", "new@example.be", "c1@example.be", keep_old=True),
        address("t2", "2", "add_secondary", "more@example.be"),
        # the new one was a further address before
        address("t3", "3", "replace_primary", "c3b@example.be", "c3@example.be", keep_old=False),
    )
    before = [values(portal, i) for i in "123"]
    run(*rows)
    assert [values(portal, i)["email"] for i in "123"] == ["new@example.be", "c2@example.be", "c3b@example.be"]
    result = taken_back(portal, ledger)
    assert result.left == [] and result.records == 3

    def of(shown: dict[str, str]) -> tuple[str, set[str]]:
        return shown["email"], set(shown.get("hs_additional_emails", "").split(";"))

    assert [of(values(portal, i)) for i in "123"] == [of(shown) for shown in before]
    portal.sandbox.log.clear()
    assert taken_back(portal, ledger).left == [] and portal.sandbox.log.writes() == []


def test_addresses_that_somebody_changed_or_took_stay(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal)
    run(
        address("t1", "1", "replace_primary", "new@example.be", "c1@example.be"),
        address("t2", "2", "add_secondary", "more@example.be"),
        address("t3", "3", "replace_primary", "c3new@example.be", "c3@example.be"),
    )
    portal.sandbox.patch("contacts", "1", {"email": "person@example.be"})
    portal.sandbox.patch("contacts", "2", {"email": "more@example.be", "hs_additional_emails": ""})
    portal.sandbox.create("contacts", {"email": "c3@example.be"})
    result = taken_back(portal, ledger)
    assert left(result) == {
        ("t1", "email", "changed_since"),
        ("t2", "hs_additional_emails", "changed_since"),
        ("t3", "email", "email_taken"),
    }
    assert [values(portal, i)["email"] for i in "123"] == ["person@example.be", "more@example.be", "c3new@example.be"]


def test_a_swap_of_addresses_is_undone(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    """One contact was written twice: it goes back to the first before-image, not to the empty one in between."""
    load(portal)
    run(
        address("t1", "1", "replace_primary", "c2@example.be", "c1@example.be"),
        address("t2", "2", "replace_primary", "c1@example.be", "c2@example.be"),
    )
    assert len([r for r in ledger.done() if r["hubspot_id"] == "1"]) == 2
    result = taken_back(portal, ledger)
    assert result.left == []
    assert [values(portal, i)["email"] for i in "12"] == ["c1@example.be", "c2@example.be"]


def test_associations_that_are_more_than_the_runs_stay(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal)
    companies = [portal.sandbox.create("companies", {"name": f"K{n}"})["id"] for n in range(3)]
    portal.sandbox.add_association("contacts", "1", "companies", companies[0], 279)
    was_there = relate("contact", "t1", "company", "k0", ("1", companies[0]), primary=True)
    was_there["details"] = was_there["details"].replace("{", '{"exists":true,', 1)
    run(
        was_there,
        relate("contact", "t2", "company", "k1", ("2", companies[1])),
        relate("contact", "t3", "company", "k2", ("3", companies[2])),
    )
    portal.sandbox.remove_association("contacts", "3", "companies", companies[2])
    result = taken_back(portal, ledger)
    assert left(result) == {("t1>k0", None, "made_primary")} and result.disassociated == 1
    assert [len(portal.sandbox.associations("contacts", i, "companies")) for i in "123"] == [1, 0, 0]


def test_a_stage_goes_back_with_its_pipeline_and_date(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    made = {
        "dealname": "Roof",
        "pipeline": "default",
        "dealstage": "closedwon",
        "closedate": "2026-01-02T00:00:00.000Z",
    }
    ids = [portal.sandbox.create("deals", made | {"teamleader_id": f"d{n}"})["id"] for n in range(2)]
    there = {"pipeline": "teamleader:p1", "dealstage": "teamleader:ph1", "closedate": made["closedate"]}
    run(*(row("deal", f"d{n}", ids[n], "update", there) for n in range(2)))
    moved = portal.sandbox.get("deals", ids[1])["properties"]["pipeline"]
    other = next(
        s["id"]
        for p in [portal.sandbox.portal.pipelines.stages(moved)]
        for s in [{"id": stage} for stage in p]
        if s["id"] != portal.sandbox.get("deals", ids[1])["properties"]["dealstage"]
    )
    portal.sandbox.patch("deals", ids[1], {"dealstage": other})
    result = taken_back(portal, ledger)
    assert {n: portal.sandbox.get("deals", ids[0])["properties"][n] for n in made} == made
    assert portal.sandbox.get("deals", ids[1])["properties"]["dealstage"] == other
    assert {name for _, name, _ in left(result)} == {"dealstage", "pipeline"}


@pytest.mark.parametrize("at", ["intended", "settled"])
@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_an_undo_that_is_killed_is_repeated(portal: Portal, at: str, number: int) -> None:
    load(portal)
    ledger = DyingLedger("nothing", 0)
    push(plan(*ROWS), portal.gateway, ledger, SETTINGS)
    ledger._at, ledger._left = at, number
    with pytest.raises(Killed):
        taken_back(portal, ledger)
    settle_open(portal.gateway, ledger, ledger.open(), [], "run-2")
    assert not ledger.open()
    result = taken_back(portal, ledger)
    assert left(result) == {("t2", None, "unsubscribe"), ("t1", None, "marketing")}
    assert values(portal, "1")["phone"] == "1" and portal.sandbox.count("contacts") == 3
    assert portal.sandbox.count("companies") == portal.sandbox.count("deals") == 0
    portal.sandbox.log.clear()
    taken_back(portal, ledger)
    assert portal.sandbox.log.writes() == []


def test_what_hubspot_refuses_is_listed(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal)
    run(update("contact", "t1", "1", phone="2"), create("contact", "t9", email="new@example.be"))
    portal.sandbox.faults.add(Fault("poison", "batch/update", times=None))
    portal.sandbox.faults.add(Fault("status", "batch/archive", status=400))
    result = taken_back(portal, ledger)
    assert {entry[::2] for entry in left(result)} == {("t1", "failed"), ("t9", "failed")} and result.failed == 2
    portal.sandbox.faults.clear()
    assert taken_back(portal, ledger).left == [] and values(portal, "1")["phone"] == "1"


def test_an_undo_makes_nobody_a_marketing_contact_again(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal)
    portal.sandbox.patch("contacts", "1", {"teamleader_marketing": "true"})
    run(
        update("contact", "t1", "1", teamleader_marketing="false", phone="2"),
        update("contact", "t2", "2", teamleader_marketing="true"),
    )
    rules = replace(RULES, marketing="teamleader_marketing")
    undone = carry_out(portal.gateway, ledger, look(portal.gateway, ledger.done(), [], (), rules), UNDO)
    assert left(undone) == {("t1", "teamleader_marketing", "consent")}
    assert values(portal, "1")["teamleader_marketing"] == "false" and values(portal, "1")["phone"] == "1"
    assert "teamleader_marketing" not in values(portal, "2")


def test_a_property_that_is_protected_by_now_stays(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal)
    run(update("contact", "t1", "1", phone="2"))
    undoing = look(portal.gateway, ledger.done(), [], (), Rules({}, ("phone",)))
    assert undoing.is_empty and [entry.code for entry in undoing.left] == ["protected"]


# --- what a crash left, and what became of it since -------------------------------------------------------------------


def interrupted(portal: Portal, *rows: dict[str, Any], at: str = "settled", number: int = 1) -> DyingLedger:
    """A push that died after its call number `number` was carried out, or just before."""
    ledger = DyingLedger(at, number)
    with pytest.raises(Killed):
        push(plan(*rows), portal.gateway, ledger, SETTINGS)
    return ledger


def recover(portal: Portal, ledger: MemoryLedger, *rows: dict[str, Any]) -> Recovered:
    portal.sandbox.log.clear()
    recovered = settle_open(portal.gateway, ledger, ledger.open(), PlannedChanges(plan(*rows)), "run-2")
    assert not ledger.open() and portal.sandbox.log.writes() == []
    return recovered


def last(ledger: MemoryLedger) -> Row:
    return list(ledger.journal.values())[-1]


def test_an_update_that_was_carried_out_is_remembered_as_the_push_would_have(portal: Portal) -> None:
    load(portal)
    rows = (row("contact", "t1", "1", "update", {"phone": "2"}, shadow={"phone": "2", "city": "Gent", "zip": None}),)
    ledger = interrupted(portal, *rows)
    assert recover(portal, ledger, *rows) == Recovered(done=1)
    assert (last(ledger)["state"], last(ledger)["message"]) == ("done", CARRIED_OUT)
    assert ledger.shadows["contact", "t1"] == {"fields": {"phone": "2", "city": "Gent"}, "written": {"phone": "2"}}
    assert ledger.hubspot_id("contact", "t1") == "1"
    assert [(r["action"], r["run_id"]) for r in ledger.logged] == [("update", "run-2")]


@pytest.mark.parametrize("at", ["intended", "settled"])
def test_what_somebody_changed_meanwhile_stays_and_is_reported(portal: Portal, at: str) -> None:
    load(portal)
    rows = (update("contact", "t1", "1", phone="2", firstname="Ann"),)
    ledger = interrupted(portal, *rows, at=at)
    portal.sandbox.patch("contacts", "1", {"phone": "person"})
    recovered = recover(portal, ledger, *rows)
    assert (recovered.done, recovered.failed, recovered.changed) == (0, 0, 1)
    assert last(ledger)["state"] == "changed" and last(ledger)["message"] == f"{CHANGED}: phone"
    (notice,) = recovered.notices
    assert (notice["code"], notice["teamleader_id"], notice["hubspot_id"]) == (NOTICE, "t1", "1")
    assert "person" not in notice["message"]
    # Teamleader's value counts as seen, so that the person's survives; a field that was not written is sent again
    written = {"firstname": "Ann"} if at == "settled" else {}
    assert ledger.shadows["contact", "t1"] == {"fields": {"phone": "2"} | written, "written": written}


def test_a_field_that_somebody_set_back_is_sent_again(portal: Portal) -> None:
    load(portal)
    rows = (update("contact", "t1", "1", phone="2", firstname="Ann"),)
    ledger = interrupted(portal, *rows)
    portal.sandbox.patch("contacts", "1", {"phone": "1"})
    assert recover(portal, ledger, *rows).changed == 1
    assert ledger.shadows["contact", "t1"]["fields"] == {"firstname": "Ann"}


def test_a_created_record_that_a_person_edited_is_the_one_that_was_created(portal: Portal) -> None:
    rows = (create("contact", "t9", email="new@example.be", phone="1"),)
    ledger = interrupted(portal, *rows)
    (record,) = portal.sandbox.all("contacts")
    portal.sandbox.patch("contacts", record["id"], {"phone": "person"})
    assert recover(portal, ledger, *rows) == Recovered(done=1)
    assert ledger.shadows["contact", "t9"]["fields"]["phone"] == "1" and ledger.links["contact", "t9"]


def test_a_replaced_primary_counts_only_once_the_old_address_has_its_place(portal: Portal) -> None:
    portal.sandbox.set_switches(old_primary_on_email_change="dropped")
    load(portal)
    rows = (address("t1", "1", "replace_primary", "new@example.be", "c1@example.be", keep_old=True),)
    ledger = interrupted(portal, *rows)
    recover(portal, ledger, *rows)
    assert ledger.shadows["contact", "t1"] == {"fields": {}, "written": {"email": "new@example.be"}}
    # the second call, which puts the old address back
    load_again = interrupted(portal, *rows, number=2)
    assert last(load_again)["fields"] == '{"hs_additional_emails":{"after":"c1@example.be","before":null}}'
    assert recover(portal, load_again, *rows).done == 1
    assert load_again.shadows["contact", "t1"]["fields"] == {"email": "new@example.be"}


def test_an_exchange_of_secondary_addresses_that_is_half_done(portal: Portal) -> None:
    load(portal)
    portal.sandbox.patch("contacts", "1", {"hs_additional_emails": "old@example.be"})
    rows = (address("t1", "1", "replace_secondary", "new@example.be", "old@example.be"),)
    ledger = interrupted(portal, *rows, at="intended")
    portal.sandbox.patch("contacts", "1", {"hs_additional_emails": "old@example.be;new@example.be"})
    assert recover(portal, ledger, *rows).failed == 1
    assert ledger.shadows["contact", "t1"] == {"fields": {}, "written": {"hs_additional_emails": "new@example.be"}}


@pytest.mark.parametrize("gone", [(), ("c2@example.be",), ("c2@example.be", "more@example.be")])
def test_opt_outs_that_were_carried_out_are_known(portal: Portal, gone: tuple[str, ...]) -> None:
    load(portal)
    rows = (unsubscribe("t2", "2", "c2@example.be", "more@example.be"),)
    ledger = interrupted(portal, *rows, at="intended")
    for one in gone:
        portal.sandbox.optout(one)
    assert recover(portal, ledger, *rows).done == (len(gone) == 2)
    known = {key: sorted(r["unsubscribed"]) for key, r in ledger.opt_outs.items()}
    assert known == ({"c2@example.be": sorted(gone)} if len(gone) == 2 else {one: [one] for one in gone})


@pytest.mark.parametrize("seconds", [0, 3600])
def test_an_import_that_was_accepted_is_not_sent_again(portal: Portal, seconds: int) -> None:
    load(portal)
    rows = (marketing("t1", "1"), marketing("t2", "2"))
    ledger = interrupted(portal, *rows, at="intended")
    (row_of_one, _) = ledger.open()
    portal.sandbox.set_switches(import_seconds=seconds)
    (found,) = make_marketing(
        portal.gateway, ["1", "2"], name_of(row_of_one["run_id"], row_of_one["call_id"]), patience=0
    )
    assert recover(portal, ledger, *rows).done == 2
    requests = {key: (r["import_id"], r["confirmed"]) for key, r in ledger.marketing_requests.items()}
    assert requests == dict.fromkeys(("t1", "t2"), (found[1].import_id, not seconds))


def test_an_import_that_never_arrived_is_asked_again(portal: Portal) -> None:
    load(portal)
    ledger = interrupted(portal, marketing("t1", "1"), at="intended")
    assert recover(portal, ledger, marketing("t1", "1")).failed == 1 and not ledger.marketing_requests


def test_relations_that_were_made_are_the_syncs_own(portal: Portal) -> None:
    load(portal)
    firm = portal.sandbox.create("companies", {"name": "Acme"})["id"]
    rows = (relate("contact", "t1", "company", "k1", ("1", firm)),)
    ledger = interrupted(portal, *rows)
    assert recover(portal, ledger, *rows).done == 1
    assert [r["origin"] for r in ledger.relations.values()] == ["made"]
    away = (relate("contact", "t1", "company", "k1", ("1", firm), action="disassociate"),)
    gone = interrupted(portal, *away)
    gone.relations = dict(ledger.relations)
    assert recover(portal, gone, *away).done == 1 and not gone.relations


def test_what_an_undo_was_at_when_it_was_killed_is_settled_but_not_remembered(portal: Portal) -> None:
    load(portal)
    firm = portal.sandbox.create("companies", {"name": "Acme"})["id"]
    made = relate("contact", "t1", "company", "k1", ("1", firm))
    known = interrupted(portal, made)
    recover(portal, known, made)
    undone = interrupted(portal, relate("contact", "t1", "company", "k1", ("1", firm), action="disassociate"))
    undone.relations = dict(known.relations)
    assert recover(portal, undone).done == 1 and undone.relations == known.relations
    changed = interrupted(portal, update("contact", "t1", "1", phone="2"))
    assert recover(portal, changed).done == 1 and not changed.shadows and not changed.links
