"""Systems that refuse, are away or talk nonsense, and records that hold nonsense, through the whole product.

Each ends with one line that says what, where and how to mend it, the right exit code, and HubSpot as it was.
"""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.cli.terminal import Ended, Terminal, environment_of, web_site


@pytest.fixture(scope="module")
def local() -> Iterator[LocalSystems]:
    with LocalSystems("subset", teamleader_limit=False, hubspot_limit=False) as systems:
        yield systems


@pytest.fixture
def systems(local: LocalSystems) -> Iterator[LocalSystems]:
    """Both systems, filled; what a test switches is switched back."""
    local.hubspot.log.clear()
    local.teamleader.log.clear()
    profile = vars(local.hubspot.profile).copy()
    yield local
    local.hubspot.faults.clear()
    local.teamleader.faults.clear()
    local.teamleader.switches.change(missing_scopes=None)
    local.hubspot.set_profile(**profile)


@pytest.fixture
def terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], empty_dagster: Path
) -> Terminal:
    return Terminal(tmp_path, monkeypatch, capsys)


def stopped(terminal: Terminal, systems: LocalSystems, code: int = 4, **environment: str) -> str:
    """The line of a sync that stops, after nothing was written in HubSpot."""
    ended = terminal("sync", **(environment_of(systems) | environment))
    assert (ended.code, ended.out) == (code, ""), ended
    assert systems.hubspot.log.writes() == []
    rows = Warehouse(terminal.folder / "data" / "tl_hubspot.duckdb").read("select status, error from sync.runs")
    assert [row[0] for row in rows.iter_rows()] == ["stopped"]
    assert rows["error"][0] == ended.line, "the run remembers why it stopped"
    return ended.line


def findings(terminal: Terminal, systems: LocalSystems, code: int, **environment: str) -> list[dict[str, str]]:
    """The problems that the doctor finds."""
    ended = terminal("doctor", "--json", **(environment_of(systems) | environment))
    assert ended.code == code, ended
    assert ended.err == ""
    found = [f for f in json.loads(ended.out) if f["level"] == "problem"]
    assert all(f["sentence"] and f["mend"] for f in found), "a problem says how to mend it"
    return found


# --- credentials -----------------------------------------------------------------------------------------------------


def test_hubspot_token_refused(terminal: Terminal, systems: LocalSystems) -> None:
    line = stopped(terminal, systems, HUBSPOT_ACCESS_TOKEN="pat-wrong")
    assert line.startswith("HubSpot refused the access token")
    assert "HUBSPOT_ACCESS_TOKEN" in line
    assert "pat-wrong" not in line
    assert systems.teamleader.log.entries == [], "Teamleader was asked before HubSpot was known to be usable"


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("TEAMLEADER_REFRESH_TOKEN", "Teamleader refused the refresh token"),
        ("TEAMLEADER_CLIENT_SECRET", "Teamleader does not know this client id with this client secret"),
    ],
)
def test_teamleader_credentials_refused(terminal: Terminal, systems: LocalSystems, variable: str, says: str) -> None:
    line = stopped(terminal, systems, **{variable: "wrong-value"})
    assert line.startswith(says)
    assert variable in line
    assert "wrong-value" not in line


def test_missing_scopes_of_hubspot(terminal: Terminal, systems: LocalSystems) -> None:
    systems.hubspot.set_profile(missing_scopes=frozenset({"crm.objects.deals.read"}))
    assert "lacks a scope: crm.objects.deals.read" in stopped(terminal, systems)


def test_missing_scopes_of_teamleader(terminal: Terminal, systems: LocalSystems) -> None:
    systems.teamleader.switches.change(missing_scopes=["deals"])
    line = stopped(terminal, systems)
    assert "Teamleader does not allow deal" in line
    assert "`deals`" in line


def test_doctor_names_every_missing_scope(terminal: Terminal, systems: LocalSystems) -> None:
    lacking = {"crm.objects.companies.read", "crm.import", "communication_preferences.read"}
    systems.hubspot.set_profile(missing_scopes=frozenset(lacking) | {"communication_preferences.read_write"})
    systems.teamleader.switches.change(missing_scopes=["deals", "users"])
    found = findings(terminal, systems, 4)
    told = " ".join(f["sentence"] + f["mend"] for f in found)
    assert {
        s for s in ("crm.import", "communication_preferences", "crm.objects.companies.read") if s not in told
    } == set(), told
    assert "`deals`" in told
    assert "`users`" in told


# --- hosts -----------------------------------------------------------------------------------------------------------

AWAY = "http://127.0.0.1:9"


def test_hubspot_unreachable(terminal: Terminal, systems: LocalSystems) -> None:
    line = stopped(terminal, systems, HUBSPOT_API_URL=AWAY)
    assert line.startswith("HubSpot cannot be reached: no connection")
    assert AWAY in line
    assert "HUBSPOT_API_URL" in line


def test_teamleader_unreachable(terminal: Terminal, systems: LocalSystems) -> None:
    line = stopped(terminal, systems, TEAMLEADER_API_URL=AWAY)
    assert line.startswith("Teamleader gave no usable answer after")
    assert AWAY in line


@pytest.mark.parametrize("variable", ["TEAMLEADER_API_URL", "TEAMLEADER_AUTH_URL", "HUBSPOT_API_URL"])
@pytest.mark.parametrize("status", [200, 404])
def test_host_that_is_no_api(terminal: Terminal, systems: LocalSystems, variable: str, status: int) -> None:
    with web_site(status) as address:
        found = findings(terminal, systems, 4, **{variable: address})
    system = "Teamleader" if "TEAMLEADER" in variable else "HubSpot"
    told = [f for f in found if f["topic"] == system]
    assert told
    assert all("<" not in f["sentence"] for f in found), "the page is quoted"
    assert variable in told[0]["mend"]


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "fault", "says"),
    [
        ("/contacts.list", {"kind": "status", "status": 503}, "status 503"),
        ("/deals.list", {"kind": "status", "status": 200, "body": '{"data": [{"id": '}, "broken JSON"),
    ],
)
def test_teamleader_answers_nonsense(
    terminal: Terminal, systems: LocalSystems, path: str, fault: dict[str, Any], says: str
) -> None:
    systems.teamleader.faults.add(Fault(path=path, times=None, **fault))
    line = stopped(terminal, systems)
    assert says in line
    assert path.strip("/") in line


@pytest.mark.parametrize(
    ("path", "fault", "says"),
    [
        ("/crm/v3/objects/contacts$", {"kind": "status", "status": 502}, "status 502"),
        ("/crm/v3/objects/deals$", {"kind": "status", "status": 200, "body": '{"results": [{"id": '}, "not whole JSON"),
    ],
)
def test_hubspot_answers_nonsense(
    terminal: Terminal, systems: LocalSystems, path: str, fault: dict[str, Any], says: str
) -> None:
    systems.hubspot.faults.add(Fault(path=path, times=None, **fault))
    line = stopped(terminal, systems)
    assert "HubSpot" in line
    assert says in line


def test_doctor_goes_on_after_nonsense(terminal: Terminal, systems: LocalSystems) -> None:
    systems.teamleader.faults.add(Fault("status", "/users.list", times=None, status=200, body='{"data": [1, 2]}'))
    systems.hubspot.faults.add(Fault("status", "/crm/v3/pipelines", times=None, status=200, body="[1, 2]"))
    ended = terminal("doctor", "--json", **environment_of(systems))
    assert (ended.code, ended.err) == (4, "")
    found = json.loads(ended.out)
    told = {f["topic"]: f["sentence"] for f in found if f["level"] == "problem"}
    assert "not a record" in told["Teamleader"]
    assert "unknown shape" in told["HubSpot"]
    assert found[-1]["topic"] == "Mail", "it goes on to the last topic"


# --- the portal and the mapping --------------------------------------------------------------------------------------


def test_portal_that_cannot_take_the_mapping(terminal: Terminal) -> None:
    """Every wrong property is named at once, before anything is read from Teamleader."""
    mapping = Path(__file__).parents[2] / "tl_hubspot" / "config" / "mapping.yaml"
    text = mapping.read_text()
    for old, new in (
        ("property: lastname", "property: last_name"),
        ("property: firstname", "property: lastmodifieddate"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (terminal.folder / "mapping.yaml").write_text(text)
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as systems:
        systems.hubspot.define_property(
            "contacts", name="teamleader_url", label="Link", type="number", fieldType="number"
        )
        systems.hubspot.define_property(
            "deals", name="teamleader_reference", label="Eerste bron", type="string", fieldType="text"
        )
        line = stopped(terminal, systems, code=2, TL_HUBSPOT_MAPPING="mapping.yaml")
        for says in (
            "'last_name' does not exist in HubSpot",
            "'lastmodifieddate' is read-only in HubSpot",
            "'teamleader_url' is of type number in HubSpot, but the mapping writes string",
            "'teamleader_reference' has the label 'Eerste bron', which is protected",
        ):
            assert says in line
        assert line.count("mapping.yaml, line ") == 4
        assert systems.teamleader.log.entries == []
        systems.hubspot.log.clear()
        found = findings(terminal, systems, 2, TL_HUBSPOT_MAPPING="mapping.yaml")
        assert [f["topic"] for f in found] == ["Properties"] * 4
        assert systems.hubspot.log.writes() == []


def test_custom_field_that_teamleader_does_not_have(terminal: Terminal, systems: LocalSystems) -> None:
    """Values of a renamed field would look emptied everywhere; the run stops instead."""
    mapping = Path(__file__).parents[2] / "tl_hubspot" / "config" / "mapping.yaml"
    row = 'contacts:\n  - {source: "custom_fields[Shoe size]", property: jobtitle}\n'
    text = mapping.read_text().replace("  - {source: link.position, property: jobtitle}\n", "")
    (terminal.folder / "mapping.yaml").write_text(text.replace("contacts:\n", row, 1))
    line = stopped(terminal, systems, code=2, TL_HUBSPOT_MAPPING="mapping.yaml")
    assert "Teamleader has no custom field 'Shoe size' for the contact (mapping.yaml, line " in line


# --- the database ----------------------------------------------------------------------------------------------------


def database(terminal: Terminal) -> Path:
    folder = terminal.folder / "data"
    folder.mkdir()
    return folder / "tl_hubspot.duckdb"


def not_opened(terminal: Terminal, systems: LocalSystems, path: Path) -> str:
    before = path.read_bytes()
    ended = terminal("sync", **environment_of(systems))
    assert (ended.code, ended.out) == (4, ""), ended
    assert path.read_bytes() == before, "the file was changed"
    assert systems.hubspot.log.entries == systems.teamleader.log.entries == []
    assert str(path.name) in ended.line
    return ended.line


@pytest.mark.parametrize("content", [b"this is no database", b"\x00" * 20_000])
def test_database_that_is_no_database(terminal: Terminal, systems: LocalSystems, content: bytes) -> None:
    path = database(terminal)
    path.write_bytes(content)
    assert "The database file cannot be opened" in not_opened(terminal, systems, path)


def test_database_of_another_kind(terminal: Terminal, systems: LocalSystems) -> None:
    path = database(terminal)
    with sqlite3.connect(path) as other:
        other.execute("create table t (n)")
    assert "The database file cannot be opened" in not_opened(terminal, systems, path)


def test_database_of_another_program(terminal: Terminal, systems: LocalSystems) -> None:
    path = database(terminal)
    with duckdb.connect(str(path)) as other:
        other.execute("create table budget (year integer)")
    line = not_opened(terminal, systems, path)
    assert "The database belongs to another program" in line
    assert "TL_HUBSPOT_DATA" in line


@pytest.mark.parametrize("change", ["schema_version = 99", "application = 'tl_hubspot_2'"])
def test_database_of_a_newer_version(terminal: Terminal, systems: LocalSystems, change: str) -> None:
    path = database(terminal)
    Warehouse(path).count("sync.runs")
    with duckdb.connect(str(path)) as other:
        other.execute(f"update meta.deployment set {change}")
    assert "Upgrade tl-hubspot" in not_opened(terminal, systems, path)


def _hold(path: str, ready: Any, done: Any) -> None:
    with duckdb.connect(path):
        ready.set()
        done.wait(60)


def test_database_locked_by_another_process(terminal: Terminal, systems: LocalSystems) -> None:
    path = database(terminal)
    Warehouse(path).count("sync.runs")
    processes = multiprocessing.get_context("spawn")
    ready, done = processes.Event(), processes.Event()
    holder = processes.Process(target=_hold, args=(str(path), ready, done))
    holder.start()
    try:
        assert ready.wait(60)
        ended = terminal("sync", **environment_of(systems), TL_HUBSPOT_LOCK_TIMEOUT_SECONDS="0.3")
        assert ended.code == 4
        assert "The database is locked by another program" in ended.line
        assert f"PID {holder.pid}" in ended.line
        assert "analytics.duckdb" in ended.line
    finally:
        done.set()
        holder.join()


def test_two_runs_at_once(terminal: Terminal, systems: LocalSystems) -> None:
    database(terminal)
    with FileLock(terminal.folder / "data" / ".run.lock"):
        ended = terminal("sync", **environment_of(systems))
    assert (ended.code, ended.out) == (4, "")
    assert "Another run is going on for this data folder" in ended.line
    assert systems.hubspot.log.entries == systems.teamleader.log.entries == []


# --- nothing to find -------------------------------------------------------------------------------------------------


def test_unknown_ids(terminal: Terminal, systems: LocalSystems) -> None:
    environment = environment_of(systems)
    assert terminal("plan", **environment).code == 0

    def refused(*arguments: str) -> str:
        ended: Ended = terminal(*arguments, **environment)
        assert (ended.code, ended.out) == (2, ""), ended
        return ended.line

    assert "Neither Teamleader nor HubSpot has a contact 4711" in refused("explain", "contact", "4711")
    assert "Neither Teamleader nor HubSpot has a deal x'; --" in refused("explain", "deal", "x'; --")
    assert "Teamleader has no company 4711" in refused("release", "company", "4711")
    assert "No plan has the digest 0123" in refused("approve", "0123")
    assert systems.hubspot.log.writes() == []
