"""`tl-hubspot crmoffice …` at the terminal, the job in Dagster, and a process that is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest

from tl_hubspot.definitions import build_definitions
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.cli.conftest import terminal  # noqa: F401 - a fixture
from tl_hubspot_tests.cli.terminal import Terminal, clean
from tl_hubspot_tests.two_way_engine.conftest import Make
from tl_hubspot_tests.two_way_engine.installation import THEIRS


def test_a_day_at_the_terminal(make: Make, terminal: Terminal) -> None:  # noqa: F811
    one = make()
    a, b = one.person()
    one.person("a", firstname="Zoe", mobilephone="+47 98765432")
    environment = one.environment

    ended = terminal("crmoffice", "plan", "--json", **environment)
    assert ended.code == 0, ended
    [contacts, *others] = json.loads(ended.out)["flows"]
    [change] = contacts["changes"]
    assert (change["action"], change["system"], change["crmoffice_id"]) == ("create", "crmoffice", None)
    assert change["fields"]["firstname"] == {"old": None, "new": "Zoe"}
    assert len(others) == 3 and all(flow["changes"] == [] for flow in others)
    assert one.made() == 0

    ended = terminal("crmoffice", "sync", **environment)
    assert ended.code == 0, ended
    assert "Created: 0 in HubSpot, 1 in Crmoffice." in ended.out
    assert "Linked: 2" in ended.out
    assert (one.data / "analytics.duckdb").exists()

    one.edit("a", a, firstname="Anne", phone="call me")
    one.edit("b", b, firstname="Anna")
    ended = terminal("crmoffice", "sync", **environment)
    assert (ended.code, "Refused by a system: 1" in ended.out) == (1, True), ended
    ended = terminal("crmoffice", "conflicts", "--json", **environment)
    [entry] = json.loads(ended.out)["conflicts"]
    assert (entry["winner"], entry["losing_value"], entry["base"]["hubspot"]) == ("hubspot", "Anna", "Ann")
    assert "Anna" in terminal("crmoffice", "conflicts", **environment).out
    ended = terminal("crmoffice", "resolve", entry["conflict_id"], "--use", "crmoffice", **environment)
    assert (ended.code, "is back in Crmoffice" in ended.out) == (0, True), ended


def test_wrong_usage(make: Make, terminal: Terminal) -> None:  # noqa: F811
    environment = make().environment
    assert json.loads(terminal("crmoffice", "conflicts", "--json", **environment).out) == {"conflicts": []}
    assert terminal("crmoffice", "resolve", "nonsense", "--use", "crmoffice", **environment).code == 2
    assert terminal("crmoffice", "resolve", "nonsense", "--use", "both", **environment).code == 2
    del environment["CRMOFFICE_API_URL"]
    ended = terminal("crmoffice", "sync", **environment)
    assert ended.code == 2
    assert "CRMOFFICE_API_URL" in ended.line


def test_deletions_that_stopped_the_flow_are_approved_once(make: Make, terminal: Terminal) -> None:  # noqa: F811
    one = make()
    pairs = [one.person(firstname=f"Ann{n}", mobilephone=f"+47 912345{n:02}") for n in range(22)]
    one.cycle()
    for _, b in pairs[:21]:
        one.crmoffice.delete(b)
    ended = terminal("crmoffice", "sync", **one.environment)
    assert (ended.code, "21 linked contacts seem deleted in Crmoffice, 20 are allowed" in ended.out) == (3, True), ended
    [digest] = re.findall("tl-hubspot approve ([0-9a-f]{64})", ended.out)
    assert terminal("approve", "0" * 64, **one.environment).code == 2
    ended = terminal("approve", digest, **one.environment)
    assert (ended.code, "Ended: 21." in ended.out) == (0, True), ended
    ended = terminal("approve", digest, **one.environment)
    assert (ended.code, "carried out already" in ended.line) == (2, True), ended
    assert len(list(one.systems.hubspot.all("contacts"))) == 22 and one.crmoffice.count() == 1


def test_the_job_in_dagster(make: Make) -> None:
    one = make()
    one.person("a")
    platform = one.platform()
    job = build_definitions(platform).resolve_job_def("crmoffice")
    try:
        result = job.execute_in_process(instance=dg.DagsterInstance.ephemeral())
    finally:
        platform.close()
    assert result.success
    checks = {evaluation.check_name: evaluation.passed for evaluation in result.get_asset_check_evaluations()}
    assert checks == {"convergence": True, "ambiguous": True, "held": True, "breakers": True}
    assert one.crmoffice.count() == 1


@pytest.mark.parametrize(("method", "skip"), [("POST", 2), ("PATCH", 3)])
def test_a_process_that_is_killed_makes_nothing_twice_and_the_next_one_ends_the_work(
    make: Make, method: str, skip: int
) -> None:
    """kill -9 while Crmoffice has carried a call out and its answer is on the way."""
    one = make()
    people = [one.person("a", firstname=f"Ann{n}", mobilephone=f"+47 9123456{n}")[0] for n in range(6)]
    if method == "PATCH":
        one.cycle()
        for record in people:
            one.edit("a", record, phone="+47 22222222")
    one.crmoffice.faults.add(Fault("slow", "contacts", method, seconds=30, skip=skip, when="after"))
    one.forget()
    values = clean(one.environment) | {"TL_HUBSPOT_CRMOFFICE__WORKERS": "1"}
    one.__dict__.pop("warehouse", None)
    command = [sys.executable, "-m", "tl_hubspot", "crmoffice", "sync"]
    with subprocess.Popen(command, env=values, stderr=subprocess.DEVNULL, cwd=one.data) as process:
        began = time.monotonic()
        while _sent(one.crmoffice.log.writes(), method) < skip and time.monotonic() - began < 120:
            time.sleep(0.02)
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
    one.crmoffice.faults.clear()
    assert (
        one.read("select count(*) from two_way.write_intents").item()
        + one.read("select count(*) from two_way.create_intents").item()
    ), "it was killed with calls under way"
    one.cycle()
    assert one.crmoffice.count() == len(people)
    pairs = one.read("select a_id, b_id from two_way.links where state = 'linked'").rows()
    assert len(pairs) == len(people)
    assert all(one.hubspot(a) == one.crm(b) for a, b in pairs)
    assert set(THEIRS) == set(one.hubspot(people[0]))
    one.forget()
    one.cycle()
    assert one.written() == [] and one.made() == 0


def _sent(writes: list[dict[str, object]], method: str) -> int:
    return sum(1 for entry in writes if entry["method"] == method)
