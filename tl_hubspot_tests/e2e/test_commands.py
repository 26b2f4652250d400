"""The command line as people meet it: processes of their own against real sandboxes, their output and exit codes.

The first of each kind starts as people start it, those after it are forked from a process that has everything imported.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tl_hubspot.cli import app
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.cli.terminal import Ended, clean, command, environment_of, forked

COMMANDS = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]


@pytest.fixture
def systems() -> Iterator[LocalSystems]:
    with LocalSystems("subset", teamleader_limit=False, hubspot_limit=False) as running:
        yield running


def _readable(text: str) -> None:
    """Fits a terminal of 80 columns without cutting a word off."""
    assert "…" not in text, text
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines() if "tl-hubspot approve" not in line), text


def test_from_the_first_plan_to_an_approved_push(systems: LocalSystems, tmp_path: Path) -> None:
    environment = environment_of(systems)
    # from the .env file beside the user, which the environment overrides
    (tmp_path / ".env").write_text(
        "".join(f"{k}={v}\n" for k, v in environment.items()) + "TL_HUBSPOT_DATA=elsewhere\n"
    )
    guarded = {"TL_HUBSPOT_GUARDS__UNSUBSCRIBES_SHARE": "0", "TL_HUBSPOT_GUARDS__UNSUBSCRIBES_MINIMUM": "0"}

    def run(*arguments: str, start: Callable[..., Ended] = forked) -> Ended:
        ended = start(tmp_path, *arguments, environment={"TL_HUBSPOT_DATA": "here"} | guarded)
        assert ended.err == "", "nothing but errors goes to standard error when it is no terminal"
        return ended

    planned = run("plan", "--json", start=command)
    assert planned.code == 3, "a plan over a limit is held"
    plan = json.loads(planned.out)
    assert set(plan) == {"digest", "held", "limits", "changes"}
    assert plan["held"] is True
    assert [limit["name"] for limit in plan["limits"] if limit["exceeded"]] == ["unsubscribes"]
    keys = {"entity_type", "teamleader_id", "hubspot_id", "action", "reason", "fields"}
    assert all(keys <= set(change) <= keys | {"asked", "addresses", "primary"} for change in plan["changes"])
    assert all(set(f) == {"old", "new"} for change in plan["changes"] for f in change["fields"].values())
    assert (tmp_path / "here" / "analytics.duckdb").exists()
    assert not (tmp_path / "elsewhere").exists()

    held = run("sync")
    assert held.code == 3
    assert f"tl-hubspot approve {plan['digest']}" in held.out, "a plan keeps its digest"
    assert "Limit: " in held.out
    assert "unsubscribe" in held.out
    _readable(held.out)
    assert systems.hubspot.log.writes() == []

    approved = run("approve", plan["digest"])
    assert approved.code == 0
    assert "Done: everything is confirmed." in approved.out
    _readable(approved.out)
    assert systems.hubspot.log.writes() != []

    systems.hubspot.log.clear()
    again = run("sync")
    assert again.code == 0
    assert "0 writes" in " ".join(again.out.split())
    assert systems.hubspot.log.writes() == []

    linked = Warehouse((tmp_path / "here" / "analytics.duckdb").resolve(), read_only=True).read(
        "select teamleader_id, hubspot_id from sync.links where entity_type = 'contact' limit 1"
    )
    by_teamleader = run("explain", "contact", linked["teamleader_id"][0], "--json")
    by_hubspot = run("explain", "contact", linked["hubspot_id"][0], "--json")
    assert by_teamleader.code == by_hubspot.code == 0
    assert json.loads(by_teamleader.out) == json.loads(by_hubspot.out)
    answer = json.loads(by_teamleader.out)
    assert answer["hubspot_id"] == linked["hubspot_id"][0]
    assert [step["outcome"] for step in answer["steps"]].count("hit") == 1


def test_text_of_plan_explain_release_and_doctor(systems: LocalSystems, tmp_path: Path) -> None:
    environment = environment_of(systems)

    def run(*arguments: str) -> Ended:
        ended = forked(tmp_path, *arguments, environment=environment)
        assert (ended.code, ended.err) == (0, "")
        return ended

    plan = run("plan", "--as-of", "2026-11-02")
    assert re.search(
        r"^\+ \d+ contacts created: changed less than 2 years ago \(changed_within_2_years\)$", plan.out, re.M
    ), plan.out
    assert "→" in plan.out
    rows = Warehouse((tmp_path / "data" / "analytics.duckdb").resolve(), read_only=True)
    someone = rows.read("select teamleader_id from decisions.contacts where reason = 'too_old' limit 1").item()
    explained = run("explain", "contact", someone)
    assert "does not belong in HubSpot" in explained.out
    assert "What would change this" in explained.out
    _readable(explained.out)
    assert "Released: the next sync looks at contact" in run("release", "contact", someone).out
    doctor = run("doctor")
    assert "Ready to sync" in doctor.out
    assert "PROBLEM" not in doctor.out
    _readable(doctor.out)
    secrets = ("sandbox-secret", environment["HUBSPOT_ACCESS_TOKEN"], environment["TEAMLEADER_REFRESH_TOKEN"])
    assert not any(secret in doctor.out for secret in secrets)
    assert systems.hubspot.log.writes() == []


def test_stopped_by_hand(systems: LocalSystems, tmp_path: Path) -> None:
    """Ctrl-C ends with one line and exit code 4; the next run goes on."""
    systems.teamleader.faults.add(Fault(kind="slow", path="/contacts.list", seconds=20))
    environment = environment_of(systems)
    line = [sys.executable, "-m", "tl_hubspot", "sync"]
    with subprocess.Popen(
        line, cwd=tmp_path, env=clean(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while systems.teamleader.faults.remaining and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 4, (out, err)
    assert out == ""
    assert err == "Stopped by hand. What was confirmed is kept; the next run goes on from there.\n"
    rows = Warehouse(tmp_path / "data" / "tl_hubspot.duckdb").read("select status from sync.runs")
    assert rows["status"].to_list() == ["stopped"]
    assert forked(tmp_path, "plan", environment=environment).code == 0


def test_sandbox_starts_answers_and_stops(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "tl_hubspot", "sandbox", "--json"]
    with subprocess.Popen(line, cwd=tmp_path, env=clean({}), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
        environment = json.loads(text)
        request = urllib.request.Request(
            f"{environment['HUBSPOT_API_URL']}/crm/v3/objects/contacts?limit=1",
            headers={"Authorization": f"Bearer {environment['HUBSPOT_ACCESS_TOKEN']}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert len(json.load(answer)["results"]) == 1
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{environment['CRMOFFICE_API_URL']}/contacts", timeout=10)
        port = environment["HUBSPOT_API_URL"].rpartition(":")[2]
        taken = command(tmp_path, "sandbox", "--hubspot-port", port, environment={})
        assert taken.code == 2
        assert "The sandbox cannot start: Address already in use" in taken.line
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    assert list(tmp_path.iterdir()) == []


def test_demo_twice(tmp_path: Path) -> None:
    """The second demo goes on with the data of the first and writes nothing."""
    first = command(tmp_path, "demo", "--world", "subset", "--no-limits", environment={})
    assert (first.code, first.err) == (0, "")
    assert "Done: everything is confirmed." in first.out
    second = forked(tmp_path, "demo", "--world", "subset", "--no-limits", environment={})
    assert (second.code, second.err) == (0, "")
    assert re.search(r"HubSpot: [\d,]+ calls \([\d,]+ reads, 0 writes\)", " ".join(second.out.split()))
    look = re.search(r"explain contact (\S+)", first.out)
    assert look
    explained = forked(tmp_path, "explain", "contact", look[1], environment={"TL_HUBSPOT_DATA": "data/demo-subset"})
    assert explained.code == 0


def test_help_texts(tmp_path: Path) -> None:
    ended = command(tmp_path, "--help", environment={})
    assert ended.code == 0
    assert all(name in ended.out for name in COMMANDS)
    _readable(ended.out)
