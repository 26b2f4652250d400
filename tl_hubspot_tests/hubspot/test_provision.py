"""What is missing is made, what exists is left alone, and a wrong portal is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.hubspot import mirror
from tl_hubspot.hubspot.objects import Write, batch_upsert
from tl_hubspot.hubspot.provision import PropertyWanted, Provisioned, StageWanted, provision
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import PIPELINES, PROPERTIES, Portal, text


def everything(portal: Portal) -> Provisioned:
    return provision(portal.gateway, PROPERTIES, PIPELINES)


def test_a_first_run_makes_everything_and_a_second_nothing(portal: Portal) -> None:
    first = everything(portal)
    assert "property contact.teamleader_id" in first.created and "pipeline Sales Belgium" in first.created
    assert "property group contacts.teamleader" in first.created and not first.problems
    portal.sandbox.log.clear()
    second = everything(portal)
    assert second.created == [] and portal.sandbox.log.writes() == []
    assert second.symbols == first.symbols


def test_symbols_are_the_ids_of_the_portal(portal: Portal) -> None:
    symbols = everything(portal).symbols
    rows = mirror.read_pipeline_stages(portal.gateway)
    stages = {r["stage_label"]: r for r in rows if r["pipeline_label"] == "Sales Belgium"}
    assert symbols["teamleader:p1"] == stages["Won"]["pipeline_id"]
    assert symbols["teamleader:ph1"] == stages["Contacted"]["stage_id"]
    assert symbols["teamleader:p1:won"] == stages["Won"]["stage_id"]
    assert stages["Won"]["is_closed"] and float(stages["Won"]["probability"]) == 1
    assert stages["Lost"]["is_closed"] and float(stages["Lost"]["probability"]) == 0
    assert not stages["Offer sent"]["is_closed"]
    assert list(stages) == ["Contacted", "Offer sent", "Won", "Lost"]


def test_properties_are_as_wanted(portal: Portal) -> None:
    everything(portal)
    found = {(r["object_type"], r["name"]): r for r in mirror.read_definitions(portal.gateway).properties}
    assert found["company", "teamleader_id"]["unique_value"] and not found["company", "vat_number"]["unique_value"]
    assert found["contact", "teamleader_marketing"]["options"] == ["true", "false"]
    assert found["contact", "teamleader_changed_at"]["type"] == "datetime"


def test_a_new_property_can_be_written_at_once_though_hubspot_shows_it_late(portal: Portal) -> None:
    portal.sandbox.set_switches(property_visibility_seconds=0.7)
    everything(portal)
    write = Write("t", "tl-1", {"email": "a@example.be", "teamleader_marketing": "true"})
    assert batch_upsert(portal.gateway, "contact", [write])["t"].state == "done"
    assert portal.time.slept


def test_options_are_added_and_those_of_people_stay(portal: Portal) -> None:
    everything(portal)
    colours = PropertyWanted("deal", "colour", "Colour", "enumeration", "select", (("red", "Red"), ("blue", "Blue")))
    provision(portal.gateway, [colours])
    extended = replace(colours, options=(("blue", "Bleu"), ("green", "Green")))
    assert provision(portal.gateway, [extended]).created == ["options green of property deal.colour"]
    found = {r["name"]: r for r in mirror.read_properties(portal.gateway, "deal")}
    assert found["colour"]["options"] == ["red", "blue", "green"]
    portal.sandbox.log.clear()
    assert provision(portal.gateway, [extended]).created == [] and portal.sandbox.log.writes() == []


def test_another_type_is_named_and_nothing_is_made(portal: Portal) -> None:
    provision(portal.gateway, [text("contact", "teamleader_changed_at")])
    portal.sandbox.log.clear()
    with pytest.raises(ConfigurationError, match=r"contact\.teamleader_changed_at has type string, .* datetime"):
        everything(portal)
    assert portal.sandbox.log.writes() == []


def test_a_key_that_is_not_unique_is_refused(portal: Portal) -> None:
    provision(portal.gateway, [text("contact", "teamleader_id")])
    with pytest.raises(ConfigurationError, match="not unique"):
        everything(portal)


def test_what_hubspot_refuses_is_a_sentence(portal: Portal) -> None:
    bad = replace(text("contact", "teamleader_x"), type="nonsense")
    with pytest.raises(ConfigurationError, match=r"refused to create the property contact\.teamleader_x"):
        provision(portal.gateway, [bad])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_makes_nothing_twice(portal: Portal, when: Any) -> None:
    for path in ("/groups", "properties/contacts$", "pipelines/deals$"):
        portal.sandbox.faults.add(Fault("drop", path=path, method="POST", when=when))
    done = everything(portal)
    asked = [c for c in portal.sandbox.log.writes() if c["path"].endswith("pipelines/deals")]
    assert len(asked) == (2 if when == "before" else 1)
    assert "pipeline Sales Belgium" in done.created
    assert set(done.symbols) == {"teamleader:p1"} | {s.symbol for s in PIPELINES[0].stages} and not done.problems
    labels = [r["pipeline_label"] for r in mirror.read_pipeline_stages(portal.gateway)]
    assert labels.count("Sales Belgium") == 4


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stage_whose_answer_was_lost_is_there_once(portal: Portal, when: Any) -> None:
    everything(portal)
    more = replace(PIPELINES[0], stages=(*PIPELINES[0].stages, StageWanted("teamleader:ph3", "Meeting", "0.4")))
    portal.sandbox.faults.add(Fault("drop", path="/stages$", method="POST", when=when))
    done = provision(portal.gateway, PROPERTIES, [more])
    assert done.created == ["stage Meeting of pipeline Sales Belgium"] and "teamleader:ph3" in done.symbols
    assert [r["stage_label"] for r in mirror.read_pipeline_stages(portal.gateway)].count("Meeting") == 1


def test_a_pipeline_whose_answers_are_all_lost_is_a_problem_of_its_deals_only(portal: Portal) -> None:
    portal.sandbox.faults.add(Fault("drop", path="pipelines/deals$", method="POST", when="before", times=9))
    done = everything(portal)
    assert done.symbols == {} and done.problems == ["pipeline Sales Belgium did not appear after its creation"]


def test_a_new_phase_becomes_a_stage_of_the_existing_pipeline(portal: Portal) -> None:
    before = everything(portal).symbols
    more = replace(PIPELINES[0], stages=(*PIPELINES[0].stages, StageWanted("teamleader:ph3", "Meeting", "0.4")))
    after = provision(portal.gateway, PROPERTIES, [more])
    assert after.created == ["stage Meeting of pipeline Sales Belgium"]
    assert after.symbols.items() > before.items() and "teamleader:ph3" in after.symbols


def test_labels_are_compared_without_case_and_spaces(portal: Portal) -> None:
    before = everything(portal).symbols
    same = replace(PIPELINES[0], label="  sales   BELGIUM ")
    assert provision(portal.gateway, PROPERTIES, [same]).symbols == before


def test_a_pipeline_that_is_refused_is_a_problem_of_its_deals_only(portal: Portal) -> None:
    body = {"status": "error", "category": "VALIDATION_ERROR", "message": "pipeline limit"}
    portal.sandbox.faults.add(Fault("status", path="pipelines/deals$", method="POST", status=400, body=body))
    done = everything(portal)
    assert done.symbols == {} and len(done.problems) == 1 and "Sales Belgium" in done.problems[0]
