"""Both systems misbehave: every record is accounted for, nothing is made twice, the next run puts right what failed."""

from __future__ import annotations

import pytest

from tl_hubspot.errors import ExitCode
from tl_hubspot.orchestration.steps import telling
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.e2e.builders import done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")


def test_trouble_that_passes_leaves_no_trace(make: Make) -> None:
    world = story(make)
    people = [world.contact(f"p{n}@voorbeeld.be", consent=n != 4) for n in range(5)]
    company = world.company("Firma BV", website="https://firma.be")
    for person in people:
        world.teamleader.link(person, company)
    deal = world.deal("Plan", ("company", company), contact_person=people[0])

    for fault in (
        Fault("status", r"contacts\.list", status=502),
        Fault("status", r"companies\.list", status=200, body='{"data": [{"id": "broken'),
        Fault("status", r"companies\.info", status=500, when="after"),
        Fault("drop", r"deals\.list"),
    ):
        world.teamleader.faults.add(fault)
    world.fail("status", "/objects/contacts$", method="GET", status=200, body='{"results": [')
    world.fail("status", "/companies/batch/upsert", status=429)
    world.fail("status", "/contacts/batch/upsert", status=503, when="after")
    world.fail("drop", "/contacts/batch/upsert", when="after")
    world.fail("status", "/deals/batch/upsert", status=423)
    world.fail("drop", "/associations/deals/", when="after")
    world.fail("status", "/associations/", method="POST", status=502, when="before")
    world.fail("status", "unsubscribe-all", status=500, when="after", skip=1)
    assert done(world.sync())
    assert not world.portal.faults.remaining and not world.teamleader.faults.remaining
    assert [world.portal.count(kind) for kind in ("contacts", "companies", "deals")] == [5, 1, 1]
    firm = world.id_of("companies", company)
    assert all(firm in world.related("contacts", person, "companies") for person in people)
    assert set(world.related("deals", deal, "contacts")) == {world.id_of("contacts", people[0])}
    assert world.portal.subscriptions("p4@voorbeeld.be")["opted_out"]
    assert done(world.sync())
    assert world.product.writes() == []


def test_bad_records_fail_alone_and_are_done_by_the_next_run(make: Make) -> None:
    world = story(make)
    people = [world.contact(f"p{n}@voorbeeld.be") for n in range(6)]
    company = world.company("Firma BV", website="https://firma.be")
    world.teamleader.link(people[0], company)
    deal = world.deal("Plan", ("contact", people[0]))
    world.fail("poison", "/contacts/batch/upsert", record=people[0], times=None)
    finished = world.sync()
    assert finished.exit_code == ExitCode.RECORDS_FAILED
    bucket, reason = world.outcome("contact", people[0])
    assert bucket == "failed" and reason
    assert {world.outcome("contact", p)[0] for p in people[1:]} == {"created"}
    assert world.outcome("company", company)[0] == world.outcome("deal", deal)[0] == "created"
    assert people[0] in world.logged("fail")
    world.portal.faults.clear()
    assert done(world.sync())
    assert world.outcome("contact", people[0])[0] == "created"
    firm = world.id_of("companies", company)
    assert firm in world.related("contacts", people[0], "companies")
    assert world.id_of("contacts", people[0]) in world.related("deals", deal, "contacts")

    # updates: one poisoned, one left out and not written, one left out although it was written
    for person in people[:4]:
        world.edit("contacts", person, last_name="Nieuw")
    ids = [world.id_of("contacts", p) for p in people]
    world.fail("omit", "/contacts/batch/update", record=ids[1], when="before")
    finished = world.sync()
    assert finished.exit_code == ExitCode.RECORDS_FAILED
    assert world.outcome("contact", people[1])[0] == "failed"
    assert {world.outcome("contact", p)[0] for p in (people[0], people[2], people[3])} == {"updated"}
    world.edit("contacts", people[4], last_name="Nieuw")
    world.fail("omit", "/contacts/batch/update", record=ids[4], when="after")
    assert done(world.sync()), "it was there when read back"
    assert world.outcome("contact", people[1])[0] == world.outcome("contact", people[4])[0] == "updated"
    assert all(world.held("contacts", p)["lastname"] == "Nieuw" for p in people[:5])
    assert done(world.sync())
    assert world.product.writes() == []


def test_a_relation_or_an_opt_out_that_fails_is_tried_again(make: Make) -> None:
    world = story(make)
    person = world.contact("werk@voorbeeld.be")
    leaver = world.contact("weg@voorbeeld.be", consent=False)
    company = world.company("Firma BV", website="https://firma.be")
    world.teamleader.link(person, company)
    world.fail("poison", r"/associations/", method="POST", times=None)
    world.fail("status", "unsubscribe-all", status=400, body={"status": "error", "message": "no"}, times=None)
    world.fail("status", "/imports", method="POST", status=400, body={"status": "error", "message": "no"}, times=None)
    finished = world.sync()
    assert finished.exit_code == ExitCode.RECORDS_FAILED
    assert {world.outcome("contact", c)[0] for c in (person, leaver)} == {"created"}
    assert world.related("contacts", person, "companies") == {}
    world.portal.faults.clear()
    assert done(world.sync())
    assert set(world.related("contacts", person, "companies")) == {world.id_of("companies", company)}
    assert world.portal.subscriptions("weg@voorbeeld.be")["opted_out"]
    assert world.held("contacts", person)["hs_marketable_status"] == "true"
    assert done(world.sync())
    assert world.product.writes() == []


def test_a_record_that_keeps_failing_is_tried_less_often_and_never_forgotten(make: Make) -> None:
    world = story(make)
    bad, good = (world.contact(f"{name}@voorbeeld.be") for name in ("slecht", "goed"))
    world.fail("poison", "/contacts/batch/upsert", record=bad, times=None)
    for attempts in (1, 2, 3):
        assert world.sync().exit_code == ExitCode.RECORDS_FAILED
        known = world.product.read("select teamleader_id, attempts from sync.failures").rows()
        assert known == [(bad, attempts)]
    assert world.outcome("contact", good) == ("unchanged", "changed_within_2_years")

    finished = world.sync()
    assert finished.exit_code == ExitCode.RECORDS_FAILED, "it is still not in HubSpot"
    assert world.product.writes() == [], "and not tried again so soon"
    assert world.outcome("contact", bad)[0] == "failed"
    assert world.product.read("select attempts, next_attempt_at > since from sync.failures").rows() == [(3, True)]
    [told] = telling.run(world.product.platform(), "latest")["failures"]
    assert told["examples"] == [bad] and "tried 3 times since" in told["message"], "it is explained all the same"

    world.edit("contacts", bad, last_name="Anders")
    world.sync()
    assert world.written("/contacts/batch/upsert"), "what differs is tried at once"
    assert world.product.read("select attempts from sync.failures").item() == 4
    assert world.sync().exit_code == ExitCode.RECORDS_FAILED
    assert world.product.writes() == []

    world.portal.faults.clear()
    world.release("contact", bad)
    assert done(world.sync())
    assert world.outcome("contact", bad)[0] == "created"
    assert world.product.read("select count(*) from sync.failures").item() == 0
    assert done(world.sync())
    assert world.product.writes() == []
