"""Whatever the two systems or the file of flows hold: a clear sentence, the right exit code, and nothing lost."""

from __future__ import annotations

import json

from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.cli.conftest import terminal  # noqa: F401 - a fixture
from tl_hubspot_tests.cli.terminal import Terminal, web_site
from tl_hubspot_tests.two_way_engine.conftest import Make


def test_a_broken_file_of_flows_is_named_with_its_line(make: Make, terminal: Terminal) -> None:  # noqa: F811
    one = make()
    one.person()
    one.cycle()
    one.flows(lambda text: text.replace("policy: newest", "policy: newst"))
    line = next(n for n, text in enumerate((one.data / "flows.yaml").read_text().splitlines(), 1) if "newst" in text)
    for command in ("sync", "plan", "held", "conflicts"):
        ended = terminal("crmoffice", command, **one.environment)
        assert ended.code == 2
        assert "flows.yaml" in ended.line and str(line) in ended.line and "Did you mean 'newest'?" in ended.line


def test_a_crmoffice_that_cannot_be_used_stops_the_cycle_and_loses_nothing(
    make: Make,
    terminal: Terminal,  # noqa: F811
) -> None:
    one = make()
    a, b = one.person()
    one.cycle()
    one.edit("a", a, phone="+47 22222222")
    before = one.read("select * from two_way.shadows order by all")
    nowhere = {**one.environment, "CRMOFFICE_API_URL": "http://127.0.0.1:9"}
    with web_site() as site:
        for environment, says in (
            (nowhere, "Crmoffice"),
            ({**one.environment, "CRMOFFICE_API_URL": site}, "CRMOFFICE_API_URL"),
        ):
            ended = terminal("crmoffice", "sync", **environment)
            assert (ended.code, says in ended.line) == (4, True), ended
    one.crmoffice.faults.add(Fault("status", "contacts", "GET", status=403, times=None))
    ended = terminal("crmoffice", "sync", **one.environment)
    one.crmoffice.faults.clear()
    assert ended.code == 4 and "Crmoffice" in ended.line and "secret" not in ended.line.lower()
    assert one.read("select * from two_way.shadows order by all").equals(before)
    stopped = one.read("select status, error from two_way.runs order by started_at desc limit 1").rows()
    assert stopped[0][0] == "stopped" and stopped[0][1]
    [row] = json.loads(terminal("crmoffice", "held", "--json", **one.environment).out)["waiting"]
    assert (row["kind"], row["error"]) == ("stopped", stopped[0][1])
    assert terminal("crmoffice", "sync", **one.environment).code == 0
    assert one.crm(b)["phone"] == "+47 22222222"
    assert json.loads(terminal("crmoffice", "held", "--json", **one.environment).out)["waiting"] == []


def test_capabilities_that_crmoffice_contradicts_are_named(make: Make, terminal: Terminal) -> None:  # noqa: F811
    one = make("write=put_full")
    a, b = one.person()
    one.cycle()
    one.edit("a", a, phone="+47 22222222")
    ended = terminal("crmoffice", "sync", **{**one.environment, "CRMOFFICE_CAPABILITIES": "write=patch"})
    assert ended.code in (2, 4) and "write" in ended.line, ended
    assert terminal("crmoffice", "sync", **one.environment).code == 0
    assert one.crm(b)["phone"] == "+47 22222222"
