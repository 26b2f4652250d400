"""`tl-hubspot mapping check|show|init`, before anything was read and with a portal that a run has read."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tl_hubspot.config import settings as configuration
from tl_hubspot.config.mapping import parse
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import preflight
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.teamleader.extraction import Extraction
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot_tests.cli.terminal import Ended, Terminal, environment_of

CUSTOM = {
    ("contact", "Interesses", "multi_select"),
    ("contact", "Kerstkaart", "boolean"),
    ("company", "Aantal werknemers", "integer"),
    ("company", "Sector", "single_select"),
    ("deal", "Offertenummer klant", "single_line"),
}


def data(ended: Ended, code: int = 0) -> dict[str, Any]:
    assert (ended.code, ended.err) == (code, "")
    return dict(json.loads(ended.out))


def test_a_file_is_begun_once_and_mistakes_have_their_line(terminal: Terminal) -> None:
    begun = terminal("mapping", "init", "mine.yaml")
    assert begun.code == 0 and "TL_HUBSPOT_MAPPING=mine.yaml" in begun.out
    mine = terminal.folder / "mine.yaml"
    text = mine.read_text()
    assert text.startswith("# yaml-language-server: $schema=mapping.schema.json\n")
    assert "contacts" in json.loads((terminal.folder / "mapping.schema.json").read_text())["properties"]
    assert "The file is there already" in terminal("mapping", "init", "mine.yaml").line
    assert mine.read_text() == text

    unknown = terminal("mapping", "check", TL_HUBSPOT_MAPPING="mine.yaml")
    assert unknown.code == 0 and "no run has read the portal yet" in unknown.out
    mine.write_text(text.replace("source: first_name", "source: frist_name").replace("policy:", "polcy:"))
    line = text[: text.index("source: first_name")].count("\n") + 1
    (problem,) = data(terminal("mapping", "check", "mine.yaml", "--json"), 2)["problems"]
    assert problem["where"].startswith(f"mine.yaml, line {line}, column ")
    assert "Did you mean 'first_name'" in problem["mend"]
    assert f"line {line}" in terminal("mapping", "check", "mine.yaml").out
    assert "The mapping has 1 mistake" in terminal("mapping", "show", "mine.yaml").line
    assert terminal("mapping", "check", "nowhere.yaml").code == 2


def test_with_a_portal_that_was_read(terminal: Terminal) -> None:
    with LocalSystems("subset", teamleader_limit=False, hubspot_limit=False) as systems:
        values = environment_of(systems) | {"TL_HUBSPOT_DATA": str(terminal.folder / "data")}
        platform = Platform(configuration.load(values, directory=terminal.folder))
        platform.warehouse.replace("hubspot.properties", preflight.properties(platform))
        reference = frame_of("teamleader.reference", Extraction(platform.teamleader).reference())
        platform.warehouse.replace("teamleader.reference", reference)

    shown = {(f["entity_type"], f["property"]): f for f in data(terminal("mapping", "show", "--json"))["fields"]}
    email = shown["contact", "email"]
    assert (email["source_type"], email["property_label"], email["property_type"]) == ("text", "Email", "string")
    assert shown["deal", "closedate"]["source_type"] == "instant"
    assert shown["contact", "teamleader_marketing"]["source_type"] == "yes or no"
    assert "First Name: string" in terminal("mapping", "show").out

    found = data(terminal("mapping", "check", "--json"))
    assert found["problems"] == []
    assert {(s["entity_type"], s["label"], s["type"]) for s in found["suggestions"]} == CUSTOM

    assert terminal("mapping", "init", "mine.yaml").code == 0
    mine = terminal.folder / "mine.yaml"
    mapping = yaml.safe_load(mine.read_text())
    sections = {"contact": "contacts", "company": "companies", "deal": "deals"}
    for suggestion in found["suggestions"]:
        assert f"custom_fields[{suggestion['label']}]" in mine.read_text()
        mapping[sections[suggestion["entity_type"]]].append(suggestion["row"])
    mine.write_text(yaml.safe_dump(mapping, allow_unicode=True))
    _, mistakes = parse(mine.read_text(), "mine.yaml")
    assert mistakes == []
    assert data(terminal("mapping", "check", "mine.yaml", "--json"))["suggestions"] == []

    wrong = mine.read_text().replace("custom_fields[Sector]", "custom_fields[Sectors]")
    mine.write_text(wrong.replace("property: jobtitle", "property: job_title"))
    found = data(terminal("mapping", "check", "mine.yaml", "--json"), 2)
    assert ["Sectors" in p["what"] or "job_title" in p["what"] for p in found["problems"]] == [True, True]
    assert all("mine.yaml, line " in p["where"] for p in found["problems"])

    mine.write_text(wrong.replace("property: jobtitle", "property: hs_latest_source"))
    assert "no run has read the portal" not in terminal("mapping", "check", "mine.yaml").out
