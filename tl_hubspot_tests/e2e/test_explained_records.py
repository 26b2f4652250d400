"""`explain`, `ageing` and `plan` as people call them, on one data folder that a run is busy with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.cli.terminal import Terminal, environment_of
from tl_hubspot_tests.e2e.builders import START, story
from tl_hubspot_tests.e2e.conftest import Make

_HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(tmp_path, monkeypatch, capsys)


@contextmanager
def _busy(database: Path) -> Iterator[None]:
    """Another process has the working database open, as a sync does."""
    line = [sys.executable, "-c", _HOLD, str(database)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.stdin.close()


def _readable(text: str) -> None:
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines() if "/" not in line), text


def test_questions_about_records_are_answered_while_a_run_is_busy(make: Make, terminal: Terminal) -> None:
    world = story(make)
    first = world.contact("twice@voorbeeld.be", changed=world.ago(days=20), first_name="An", last_name="Peeters")
    second = world.contact("Twice@voorbeeld.be ", changed=world.ago(years=1))
    world.contact("weg@voorbeeld.be", changed=world.ago(years=2, days=-10))
    bad = world.contact("stuk@voorbeeld.be")
    mine = world.person_has("weg@voorbeeld.be")
    stranger = world.person_has("vreemd@voorbeeld.be")
    world.contact("oud@voorbeeld.be", changed=world.ago(years=6))
    forgotten = world.person_has("oud@voorbeeld.be")
    firm = world.company("Acme NV", vat_number="BE0899623035")
    settings = {"COLUMNS": "80", "TL_HUBSPOT_AS_OF": START.isoformat(), "HUBSPOT_RATE_LIMIT": "1000"}
    environment = environment_of(world.product.systems) | settings
    world.portal.faults.add(Fault("poison", "contacts/batch/upsert", record="stuk@", times=None))
    assert terminal("sync", **environment).code == 1
    world.portal.faults.clear()

    with _busy(terminal.folder / "data" / "tl_hubspot.duckdb"):
        environment["TL_HUBSPOT_LOCK_TIMEOUT_SECONDS"] = "0"

        # --- explain
        several = terminal("explain", "contact", "twice@voorbeeld.be", **environment)
        assert several.code == 2 and first in several.out and second in several.out
        assert several.line == ("2 records are meant by that. Run explain again with the Teamleader id of one of them.")
        asked = json.loads(terminal("explain", "contact", "TWICE@voorbeeld.be", "--json", **environment).out)
        assert [row["teamleader_id"] for row in asked["candidates"]] == [first, second]
        page = "https://app.hubspot.com/contacts/{}/record/0-1/" + mine
        by_page = terminal("explain", "contact", page.format(147000001), **environment)
        assert by_page.code == 0, by_page
        assert (
            "this program fills portal 147000001" in terminal("explain", "contact", page.format(1), **environment).line
        )
        assert "They were matched because the e-mail address is the same." in by_page.out
        assert "Becomes non-marketing on 2026-11-12." in " ".join(by_page.out.split())
        _readable(by_page.out)
        answer = json.loads(terminal("explain", "contact", mine, "--json", **environment).out)
        assert answer["matching"]["key"] == "email" and answer["matching"]["agrees"] == ["email"]
        assert answer["failure"] is None and answer["last_pushes"][0]["fields"]
        only_there = json.loads(terminal("explain", "contact", stranger, "--json", **environment).out)
        assert only_there["only_in_hubspot"] == {"teamleader_id": None, "archived": False}
        same = json.loads(terminal("explain", "contact", "Vreemd@voorbeeld.be", "--json", **environment).out)
        assert same == only_there | {"found_by": "email"}
        told = terminal("explain", "contact", stranger, "--lang", "nl", **environment)
        assert f"Contact {stranger} is alleen in HubSpot" in told.out
        left_out = terminal("explain", "contact", forgotten, "--lang", "nl", **environment).out
        assert f"HubSpot-record {forgotten} heeft hetzelfde e-mailadres" in " ".join(left_out.split())
        dutch = terminal("explain", "contact", "stuk@voorbeeld.be", "--lang", "nl", **environment)
        assert "Wat mislukte" in dutch.out and "één keer geprobeerd" in " ".join(dutch.out.split())
        _readable(dutch.out)
        failure = json.loads(terminal("explain", "contact", bad, "--json", **environment).out)["failure"]
        assert failure["attempts"] == 1 and failure["next_attempt_at"] >= failure["since"]
        texts = {
            terminal("explain", "company", text, "--json", **environment).out
            for text in (
                *("0899.623.035", "be 0899623035", "BTW BE0899.623.035", firm.upper()),
                f"https://focus.teamleader.eu/company_detail.php?id={firm}",
            )
        }
        assert len(texts) == 1 and json.loads(texts.pop())["decision"]["reason"] == "no_eligible_contact"
        nobody = terminal("explain", "contact", "geheim@voorbeeld.be", **environment)
        assert nobody.code == 2 and "Looked at all addresses" in nobody.line and "geheim" not in nobody.line
        wrong = terminal(
            "explain", "company", f"https://focus.teamleader.eu/contact_detail.php?id={bad}", **environment
        )
        assert "tl-hubspot explain contact" in wrong.line
        assert "en or nl" in terminal("explain", "contact", bad, "--lang", "fr", **environment).line

        # --- ageing
        ahead = json.loads(terminal("ageing", "--days", "30", "--json", **environment).out)
        (change,) = ahead["changes"]
        assert (change["on"], change["effect"], change["hubspot_id"]) == ("2026-11-12", "non_marketing", mine)
        assert ahead["totals"] == {"contact": {"non_marketing": 1}, "company": {}, "deal": {}}
        printed = terminal("ageing", "--days", "1500", **environment)
        assert (
            printed.code == 0 and "Contacts that become non-marketing" in printed.out and "Peeters" not in printed.out
        )
        _readable(printed.out)
        assert terminal("ageing", "--entity", "person", **environment).code == 2
        page = terminal.folder / "out" / "ageing.html"
        assert terminal("ageing", "--days", "1500", "--names", "--html", str(page), **environment).code == 0
        html = page.read_text(encoding="utf-8")
        assert "An Peeters" in html and "<svg" in html and not re.search(r'(?:src|<link[^>]+href)="(?!data:)', html)
        assert page.stat().st_mode & 0o777 == 0o600

    # --- plan
    world.edit("contacts", first, first_name="Anna")
    world.product.forget()
    environment |= {"TL_HUBSPOT_MARKETING__TIER": "100", "TL_HUBSPOT_MARKETING__RENEWAL": "2020-12-01"}
    page = terminal.folder / "plan.html"
    chosen = ("--entity", "contact", "--action", "update", "--record", first)
    document = terminal("plan", *chosen, "--json", "--html", str(page), **environment)
    assert [c["teamleader_id"] for c in json.loads(document.out)["changes"]] == [first]
    html = page.read_text(encoding="utf-8")
    assert "Anna" in html and bad not in html and page.stat().st_mode & 0o777 == 0o600
    assert "the renewal on 1 December 2026 the passing of time makes 1 of them" in html
    assert world.product.writes() == []
    answer = json.loads(terminal("explain", "contact", mine, "--json", **environment).out)
    assert answer["planned"] == [] and answer["matching"]["key"] == "email", "whatever the latest plan names"
