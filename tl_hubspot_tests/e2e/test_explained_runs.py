"""`undo`, `audit`, `runs` and `run` as people call them, one after the other on one data folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.cli.terminal import Terminal, environment_of
from tl_hubspot_tests.e2e.builders import START, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(tmp_path, monkeypatch, capsys)


def _readable(text: str) -> None:
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines() if "/" not in line), text


def test_a_run_that_partly_failed_is_explained_audited_and_undone(make: Make, terminal: Terminal) -> None:
    world = story(make)
    for n in range(4):
        world.contact(f"c{n}@voorbeeld.be", consent=n > 0)
    mine = world.person_has("c1@voorbeeld.be", city="Aalst")
    unknown = {"COLUMNS": "80", "TL_HUBSPOT_AS_OF": START.isoformat(), "HUBSPOT_RATE_LIMIT": "1000"}
    environment = environment_of(world.product.systems) | unknown

    assert (terminal("runs", **environment).code, terminal("run", "latest", **environment).code) == (2, 2)
    assert "Nothing was synchronised yet" in terminal("audit", **environment).line
    assert "no run to undo" in terminal("undo", "latest", **environment).line

    world.portal.faults.add(Fault("poison", "contacts/batch/upsert", record="c3@", times=None))
    ended = terminal("sync", **environment)
    assert ended.code == 1, ended
    world.portal.faults.clear()

    listed = json.loads(terminal("runs", "--json", **environment).out)["runs"]
    assert [(r["command"], r["status"]) for r in listed] == [("sync", "failed_records")]
    run_id = listed[0]["run_id"]
    text = terminal("runs", "--limit", "5", **environment).out
    assert run_id[:8] in text and "1 failed" in " ".join(text.split())
    _readable(text)
    told = json.loads(terminal("run", run_id[:6], "--json", **environment).out)
    (failure,) = told["failures"]
    assert failure["records"] == 1 and failure["means"] and failure["do"]
    explained = terminal("run", "latest", **environment)
    words = " ".join(explained.out.split())
    for part in (
        "What failed, and what to do",
        failure["do"],
        "Contacts: 2 created, 1 updated, 1 failed",
        "unsubscribed",
    ):
        assert part in words, explained.out
    assert "voorbeeld.be" not in explained.out, "no personal data"
    _readable(explained.out)
    assert "begins with zzz" in terminal("run", "zzz", **environment).line

    world.product.forget()
    clean = terminal("audit", **environment)
    assert clean.code == 0 and "No drift" in clean.out
    world.portal.patch("contacts", mine, {"lastname": "Geheim"})
    found = terminal("audit", **environment)
    assert found.code == 0 and "lastname" in found.out and "Geheim" not in found.out
    _readable(found.out)
    (drift,) = json.loads(terminal("audit", "--json", "--values", "--sample", "50", "--seed", "3", **environment).out)[
        "drift"
    ]
    assert (drift["hubspot_id"], drift["kind"], drift["now"]) == (mine, "changed", "Geheim")
    assert world.product.writes() == []

    planned = terminal("undo", "latest", "--plan", **environment)
    assert planned.code == 0 and "nothing was written" in " ".join(planned.out.split())
    _readable(planned.out)
    assert world.product.writes() == []
    plan = json.loads(terminal("undo", run_id, "--plan", "--json", **environment).out)
    assert plan["counts"]["archived"] == 2 and plan["undo_run_id"] is None

    undone = terminal("undo", run_id[:8], **environment)
    assert undone.code == 0 and world.product.writes() != []
    words = " ".join(undone.out.split())
    for part in ("2 created records archived", "lastname: somebody changed it", "Cannot be taken back", "unsubscribed"):
        assert part in words, undone.out
    _readable(undone.out)
    assert world.portal.count("contacts") == 1
    assert world.portal.get("contacts", mine)["properties"]["lastname"] == "Geheim"
    assert world.portal.get("contacts", mine)["properties"]["city"] == "Aalst"
    told = terminal("run", "latest", **environment).out
    assert f"It took back run {run_id[:8]}" in told
    kinds = {d["kind"] for d in json.loads(terminal("audit", "--json", **environment).out)["drift"]}
    assert kinds == {"undone", "changed"}

    world.product.forget()
    again = json.loads(terminal("undo", "latest", "--json", **environment).out)
    assert again["run_id"] == run_id and world.product.writes() == [], "the latest run that is no undo"
    world.portal.faults.add(Fault("status", "batch/read", status=401, times=None))
    assert terminal("audit", **environment).code == 4
