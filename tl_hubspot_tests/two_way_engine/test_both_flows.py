"""Both flows together: a contact from Teamleader goes on to Crmoffice, and nobody's edit travels in circles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tl_hubspot.orchestration.steps import digesting, explaining, gathering, reports
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.sandbox.worlds import reference
from tl_hubspot_tests.cli.conftest import terminal  # noqa: F401 - a fixture
from tl_hubspot_tests.cli.terminal import Terminal
from tl_hubspot_tests.e2e.builders import NO_PACING, START, Story
from tl_hubspot_tests.e2e.conftest import Product
from tl_hubspot_tests.two_way_engine.installation import Installation

pytestmark = pytest.mark.usefixtures("stays_open")


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Story, Installation]]:
    """The story of the flow from Teamleader, and the two-way flow on the same data folder."""
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False, crmoffice="") as systems:
        for kind, records in reference.TEAMLEADER.items():
            systems.teamleader.load(kind, [dict(r) for r in records])
        systems.hubspot.load_owners(dict(o) for o in reference.OWNERS)
        systems.clock.set(START)
        story = Story(Product(systems, tmp_path, dict(NO_PACING)))
        one = Installation(systems, tmp_path, dict(NO_PACING))
        yield story, one


@pytest.mark.parametrize("teamleader_first", [True, False])
def test_nobody_s_edit_travels_in_circles_whoever_runs_first(
    both: tuple[Story, Installation], teamleader_first: bool
) -> None:
    story, one = both
    contact = story.contact("an@example.com", telephones=[("mobile", "+32 470 12 34 56"), ("phone", "+32 2 555 11 22")])
    assert story.sync().exit_code == 0
    one.cycle()
    [crm] = list(one.crmoffice.all())
    record = story.id_of("contacts", contact)
    assert one.crm(crm["id"]) == one.hubspot(record), "it went on to Crmoffice"

    def both_flows() -> None:
        for run in (story.sync, one.cycle) if teamleader_first else (one.cycle, story.sync):
            run()

    in_teamleader = [{"type": "phone", "number": "+32 2 444 33 22"}]
    for types, expected in (
        (lambda: one.edit("b", crm["id"], phone="+32 2 999 88 77"), "+3229998877"),
        (lambda: story.edit("contacts", contact, telephones=in_teamleader), "+3224443322"),
        (lambda: one.edit("b", crm["id"], phone=""), ""),
    ):
        types()
        both_flows()
        one.cycle()
        values = {"".join(side["phone"].split()) for side in (one.hubspot(record), one.crm(crm["id"]))}
        assert values == {expected}
    one.forget()
    both_flows()
    assert one.written() == [] and one.made() == 0 and story.product.writes() == []
    assert one.read("two_way.conflicts").is_empty(), "nobody typed at the same time"
    told = explaining.explain(one.platform(), "contact", record)["crmoffice"]["fields"]
    [field] = [entry for entry in told if entry["field"] == "phone"]
    assert (field["teamleader"], field["owner"], field["rule"], field["writes"]) == (True, "teamleader", "M4", [])


def test_where_both_changed_teamleader_wins_whatever_the_policy(both: tuple[Story, Installation]) -> None:
    story, one = both
    one.flows(lambda text: text.replace("policy: newest", "policy: prefer_b"))
    contact = story.contact("an@example.com", telephones=[("phone", "+32 2 555 11 22")])
    story.sync()
    one.cycle()
    [crm] = list(one.crmoffice.all())
    record = story.id_of("contacts", contact)
    story.edit("contacts", contact, telephones=[{"type": "phone", "number": "+32 2 444 33 22"}])
    story.sync()
    one.edit("b", crm["id"], phone="+32 2 999 88 77", firstname="Anna")
    one.edit("a", record, firstname="Anne")
    one.cycle()
    assert one.crm(crm["id"])["phone"] == one.hubspot(record)["phone"] != "+32 2 999 88 77"
    assert one.crm(crm["id"])["firstname"] == one.hubspot(record)["firstname"] == "Anna", "a person's edit has no owner"
    losers = one.read("select field, losing_side, losing_value from two_way.conflicts order by all").rows()
    assert losers == [("firstname", "a", "Anne"), ("phone", "b", "+32 2 999 88 77")]


def test_explain_and_the_report_tell_both_sides(
    both: tuple[Story, Installation],
    terminal: Terminal,  # noqa: F811
) -> None:
    story, one = both
    contact = story.contact("an@example.com", telephones=[("phone", "+32 2 555 11 22")])
    story.sync()
    assert gathering.gather(one.platform(), "latest").two_way is None, "not in use yet"
    one.cycle()
    [crm] = list(one.crmoffice.all())
    record = story.id_of("contacts", contact)
    story.edit("contacts", contact, telephones=[{"type": "phone", "number": "+32 2 444 33 22"}])
    story.sync()
    one.edit("b", crm["id"], phone="+32 2 999 88 77", firstname="Anna")
    one.cycle(writes=False)

    environment = one.environment
    answers = [
        json.loads(terminal("explain", "contact", meant, "--json", **environment).out)
        for meant in (contact, record, f"crmoffice:{crm['id']}", "an@example.com")
    ]
    assert all(answer == answers[0] for answer in answers)
    told = answers[0]["crmoffice"]
    fields = {field["field"]: field for field in told["fields"]}
    [written] = fields["firstname"]["writes"]
    assert (fields["firstname"]["rule"], written["system"], written["new"]) == ("M7", "hubspot", "Anna")
    assert (fields["phone"]["rule"], fields["phone"]["teamleader"]) == ("M8", True)
    assert fields["phone"]["last_agreed"]["crmoffice"] and fields["phone"]["crmoffice_changed"]
    assert (fields["lastname"]["rule"], fields["lastname"]["writes"]) == ("M4", [])
    assert any("Both sides were edited since they agreed." in sentence for sentence in told["sentences"])
    dutch = terminal("explain", "contact", contact, "--lang", "nl", **environment).out
    assert "Beide kanten werden bewerkt" in dutch and "Both sides" not in dutch

    one.cycle()
    stranger, _ = one.person("a", lastname="Peeters", phone="call me")
    one.cycle()
    shown = " ".join(terminal("explain", "contact", contact, **environment).out.split())
    assert "HubSpot won" in shown and "+32 2 999 88 77" in shown, "what lost can be seen"
    alone = " ".join(terminal("explain", "contact", stranger, **environment).out.split())
    assert f"HubSpot contact {stranger} does not come from Teamleader" in alone
    assert "Crmoffice refused to make it (it is no telephone number)" in alone
    assert terminal("explain", "contact", "999999", **environment).code == 2

    page = reports.write(one.platform(), "latest").read_text()
    assert "HubSpot and Crmoffice" in page and "HubSpot won" in page and "Crmoffice refused 1 contact" in page
    assert "999 88 77" not in page and "call me" not in page, "values stay out of the report"
    for text in (page, digesting.of_period(one.platform(), "daily").text):
        assert "tl-hubspot" in text and "it is no telephone number" in text
    first = story.product.read("select run_id from sync.runs order by started_at limit 1").item()
    assert gathering.gather(one.platform(), first).two_way is None, "the tables are of the latest run"
    assert "Cycle by cycle" in (one.platform().settings.reports_folder / reports.INDEX).read_text()
