"""Deals over several runs: stages, the label inactief, closing, leaving and coming back."""

from __future__ import annotations

import json

import pytest
import yaml

from tl_hubspot.sandbox.worlds import reference
from tl_hubspot_tests.e2e.builders import PHASES, PIPELINE, done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")

DAYS = 24 * 60


def test_deals_move_age_close_and_leave(make: Make) -> None:
    world = story(make)
    person = world.contact("klant@voorbeeld.be")
    moves = world.deal("Beweegt", ("contact", person), amount=1250.5)
    sleeps = world.deal("Slaapt", ("contact", person), created=world.ago(years=3), phases=[(1, world.ago(years=2.5))])
    wins = world.deal("Wint", ("contact", person), phases=[(0, world.ago(days=90))])
    old = world.deal(
        "Lang gewonnen",
        ("contact", person),
        created=world.ago(years=4),
        phases=[(0, world.ago(years=4))],
        status="won",
        closed_at=world.ago(years=3),
    )
    assert done(world.sync())
    pipelines = [w for w in world.product.writes() if "/pipelines/deals" in w["path"]]
    assert len(pipelines) >= 1
    stage = world.held("deals", moves)["dealstage"]
    assert world.held("deals", sleeps)["teamleader_label"] == "inactief"
    assert world.outcome("deal", sleeps) == ("created", "inactive")
    assert world.outcome("deal", old) == ("skipped", "closed_too_old")

    world.teamleader.move(moves, PHASES[2])
    world.teamleader.move(sleeps, PHASES[2])
    world.teamleader.win(wins)
    assert done(world.sync())
    assert not [w for w in world.product.writes() if "/pipelines/" in w["path"]], "provisioned once"
    assert world.held("deals", moves)["dealstage"] != stage
    assert world.held("deals", sleeps)["dealstage"] == world.held("deals", moves)["dealstage"]
    assert "teamleader_label" not in world.held("deals", sleeps)
    assert world.outcome("deal", sleeps) == ("updated", "changed_within_2_years")
    assert world.held("deals", wins)["teamleader_status"] == "won"
    assert world.held("deals", wins)["hs_is_closed_won"] == "true"
    assert world.held("deals", wins)["closedate"].startswith("2026-11-02")

    # a person moves a deal in HubSpot: it stays there until Teamleader moves it
    world.portal.patch("deals", world.id_of("deals", moves), {"dealstage": stage})
    world.edit("deals", moves, title="Beweegt nog")
    assert done(world.sync())
    assert (world.held("deals", moves)["dealstage"], world.held("deals", moves)["dealname"]) == (stage, "Beweegt nog")

    # two and a half years on: open ones are inactive, the won one stays because it is linked; the contact is kept
    world.product.systems.clock.advance(60 * DAYS * 912)
    world.edit("contacts", person, last_name="Nog Steeds Klant")
    assert done(world.sync())
    assert world.outcome("deal", moves) == ("updated", "inactive")
    assert world.held("deals", moves)["teamleader_label"] == "inactief"
    assert world.outcome("deal", wins) == ("unchanged", "closed")
    # three more: too old
    world.product.systems.clock.advance(60 * DAYS * 1000)
    world.edit("contacts", person, last_name="Altijd Klant")
    assert done(world.sync())
    assert world.outcome("deal", moves) == ("updated", "too_old")
    values = world.held("deals", moves)
    assert (values["teamleader_status"], values["teamleader_label"]) == ("out_of_scope", "inactief")
    assert world.outcome("deal", wins) == ("unchanged", "closed")
    assert done(world.sync())
    assert world.product.writes() == []
    world.teamleader.move(moves, PHASES[3])
    assert done(world.sync())
    assert world.held("deals", moves)["teamleader_status"] == "open"
    assert "teamleader_label" not in world.held("deals", moves)


@pytest.mark.parametrize("mode", ["mapped"])
def test_a_phase_without_stage_holds_the_deal_and_its_other_fields_go(make: Make, mode: str) -> None:
    from importlib.resources import files

    world = story(make)
    text = (files("tl_hubspot.config") / "mapping.yaml").read_text()
    mapping = yaml.safe_load(text)
    names = [phase["name"] for phase in reference.PHASES if phase["deal_pipeline_id"] == PIPELINE]
    stages = next(p for p in world.portal_pipelines() if p["id"] == "default")["stages"]
    mapping["pipelines"] = {
        "mode": mode,
        "table": [
            {
                "pipeline": reference.PIPELINES[0]["name"],
                "hubspot_pipeline": "default",
                "phases": {names[0]: stages[0]["id"], names[1]: stages[1]["id"]},
                "won": "closedwon",
                "lost": "closedlost",
            }
        ],
    }
    path = world.product.data / "mapping.yaml"
    path.write_text(yaml.safe_dump(mapping, allow_unicode=True))
    world.product.environment["TL_HUBSPOT_MAPPING"] = str(path)
    person = world.contact("klant@voorbeeld.be")
    known = world.deal("Bekend", ("contact", person))
    unmapped = world.deal("Onbekend", ("contact", person), phases=[(4, world.ago(days=3))])
    assert done(world.sync())
    assert world.held("deals", known)["dealstage"] == stages[0]["id"]
    assert world.outcome("deal", unmapped) == ("held", "unmapped_stage")
    assert world.product.hubspot("deals", unmapped) is None
    assert not [w for w in world.product.writes() if "/pipelines/" in w["path"]]

    world.teamleader.move(known, PHASES[4])
    world.edit("deals", known, title="Bekend en verplaatst")
    assert done(world.sync())
    assert world.decision("deals", known)["reason"] == "unmapped_stage"
    values = world.held("deals", known)
    assert (values["dealname"], values["dealstage"]) == ("Bekend en verplaatst", stages[0]["id"])
    assert done(world.sync())
    assert world.product.writes() == []
    world.teamleader.move(known, PHASES[1])
    world.teamleader.win(unmapped)
    assert done(world.sync())
    assert world.held("deals", known)["dealstage"] == stages[1]["id"]
    assert world.held("deals", unmapped)["dealstage"] == "closedwon"
    assert json.loads(world.product.read("select counts from sync.runs order by started_at desc limit 1").item())
