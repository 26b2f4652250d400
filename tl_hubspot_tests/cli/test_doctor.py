"""The doctor with half a configuration, and on a portal that is ready: order, levels, exit code, nothing written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tl_hubspot.errors import ExitCode
from tl_hubspot.reporting.checklist import Finding, exit_code
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot_tests.cli.terminal import Terminal, environment_of

TOPICS = [
    *("Configuration", "Data folder", "Mapping", "Consent", "Teamleader", "HubSpot"),
    *("Calls", "Properties", "Pipelines", "Marketing", "Companies", "Mail"),
]


def examined(terminal: Terminal, code: int, **environment: str) -> list[dict[str, Any]]:
    ended = terminal("doctor", "--json", **environment)
    assert (ended.code, ended.err) == (code, ""), ended
    findings = json.loads(ended.out)
    assert list(dict.fromkeys(f["topic"] for f in findings)) == TOPICS
    assert all(f["mend"] for f in findings if f["level"] != "ok")
    assert all(set(f) == {"topic", "level", "sentence", "mend"} for f in findings)
    return findings


def levels(findings: list[dict[str, Any]]) -> dict[str, str]:
    """The worst level of each topic."""
    order = ["ok", "warning", "problem"]
    worst: dict[str, str] = {}
    for f in findings:
        worst[f["topic"]] = max(worst.get(f["topic"], "ok"), f["level"], key=order.index)
    return worst


def test_without_any_credentials_it_says_what_it_can(terminal: Terminal) -> None:
    found = levels(examined(terminal, 2))
    assert found["Teamleader"] == found["HubSpot"] == "problem"
    assert found["Calls"] == found["Properties"] == found["Pipelines"] == "warning"
    assert found["Configuration"] == found["Data folder"] == found["Mapping"] == "ok"
    assert list(terminal.folder.iterdir()) == [], "the doctor makes nothing"


def test_from_nothing_it_says_where_to_click_and_what_to_run(terminal: Terminal) -> None:
    def mend(topic: str, **environment: str) -> str:
        return " ".join(f["mend"] for f in examined(terminal, 2, **environment) if f["topic"] == topic)

    assert "Marketplace, Build" in mend("Teamleader")
    assert "http://localhost:8765/callback" in mend("Teamleader")
    assert "Development, Keys, Service keys" in mend("HubSpot")
    assert "TL_HUBSPOT_CONSENT__FALSE_MEANS=not_asked" in mend("Consent")
    assert mend("Consent", TL_HUBSPOT_CONSENT__FALSE_MEANS="opt_out") == ""
    client = {"TEAMLEADER_CLIENT_ID": "id", "TEAMLEADER_CLIENT_SECRET": "secret"}
    assert "Run `tl-hubspot auth teamleader`" in mend("Teamleader", **client)
    assert "Usage & Limits" in mend("Marketing")
    assert "• Calls: not looked at yet" in terminal("doctor", "--seen", "Calls").out
    assert "nothing that the doctor looks at" in terminal("doctor", "--seen", "Company").line
    assert "TL_HUBSPOT_MARKETING__RENEWAL" in mend("Marketing", TL_HUBSPOT_MARKETING__TIER="1000")
    assert "TL_HUBSPOT_MAIL__HOST" in " ".join(
        f["sentence"] for f in examined(terminal, 2, TL_HUBSPOT_AUTOMATION__DIGEST="true") if f["topic"] == "Mail"
    )


def test_several_problems_at_once(terminal: Terminal) -> None:
    (terminal.folder / "mapping.yaml").write_text("contacts: []\n")
    (terminal.folder / "data").write_text("a file")
    environment = {"TL_HUBSPOT_MAPPING": "mapping.yaml", "TL_HUBSPOT_AS_OF": "soon"}
    found = levels(examined(terminal, 2, **environment))
    assert {t for t, level in found.items() if level == "problem"} == {
        *("Configuration", "Data folder", "Mapping", "Teamleader", "HubSpot")
    }


def test_a_configuration_that_cannot_be_read_is_a_finding(terminal: Terminal) -> None:
    ended = terminal("doctor", "--json", TL_HUBSPOT_CONFIG="nowhere.yaml")
    assert ended.code == 2
    (finding,) = json.loads(ended.out)
    assert finding["topic"] == "Configuration"
    assert "nowhere.yaml" in finding["sentence"]
    text = terminal("doctor", TL_HUBSPOT_CONFIG="nowhere.yaml")
    assert "1 problem to mend before a sync" in text.out


def test_a_portal_before_and_after_the_first_sync(terminal: Terminal) -> None:
    with LocalSystems("subset", teamleader_limit=False, hubspot_limit=False) as systems:
        environment = environment_of(systems) | {
            "TL_HUBSPOT_MARKETING__TIER": "1000",
            "TL_HUBSPOT_MARKETING__RENEWAL": "2027-03-01",
        }
        before = examined(terminal, 0, **environment)
        sentences = " ".join(f["sentence"] for f in before)
        assert "The first sync creates 1" in sentences
        assert "The next sync creates the pipeline Verkoop: Nieuw," in sentences
        assert "HubSpot calls are left today" in sentences
        assert "unticked consent box counts as an opt-out" in sentences
        assert "held above the tier of 1,000" in sentences
        assert "token has crm.objects.contacts.write" in " ".join(f["mend"] for f in before)
        assert systems.hubspot.log.writes() == []
        assert not (terminal.folder / "data" / "tl_hubspot.duckdb").exists()
        assert terminal("sync", **environment).code == 0
        after = " ".join(f["sentence"] for f in examined(terminal, 0, **environment))
        assert "HubSpot has every property that the mapping writes." in after
        assert "Every pipeline and phase of Teamleader has its place in HubSpot." in after
        assert "The last run (sync, " in after
        assert "Next: tl-hubspot plan" in terminal("doctor", **environment).out
        green = terminal("doctor", "--seen", "configuration,companies,HubSpot", **environment)
        assert green.code == 0
        short = green.out.partition("In short\n")[2].splitlines()
        assert [line.strip() for line in short[: len(TOPICS)]] == [f"✓ {topic}" for topic in TOPICS]
        assert "Ready to sync; nothing to look at." in green.out


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([], 0), ([0, 0], 0), ([0, 2], 2), ([2, 4], 4), ([4, 0], 4)],
)
def test_exit_code_is_that_of_the_worst(codes: list[int], expected: int) -> None:
    findings = [Finding("x", "problem" if code else "ok", "s", "m", ExitCode(code)) for code in codes]
    assert exit_code(findings) == expected
