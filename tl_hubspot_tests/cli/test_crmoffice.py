"""`auth crmoffice` and what the doctor says of Crmoffice: signed in, half configured, unlike what was configured."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot_tests.cli.terminal import Terminal, command, environment_of
from tl_hubspot_tests.cli.test_auth import BROWSER, SECRETS, browsed

CAPS = "etag=1,modified_timestamp=1,delete_feed=1"


@pytest.fixture(scope="module")
def systems() -> Iterator[LocalSystems]:
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False, crmoffice=CAPS) as systems:
        yield systems


@pytest.fixture
def environment(systems: LocalSystems) -> dict[str, str]:
    """A new installation."""
    assert systems.crmoffice is not None
    systems.crmoffice.set_switches(
        person="approve", etag=True, modified_timestamp=True, delete_feed=True, absent_keys=[]
    )
    if not systems.crmoffice.count():
        systems.crmoffice.add(givenName="Ada")
    return environment_of(systems) | {"CRMOFFICE_REFRESH_TOKEN": systems.crmoffice.refresh_token()}


def with_browser(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Nobody has signed in yet; there is a browser."""
    browser = folder / "browser"
    browser.write_text(BROWSER.format(python=sys.executable))
    browser.chmod(0o755)
    del environment["CRMOFFICE_REFRESH_TOKEN"]
    return environment | {"BROWSER": f"{browser} %s", "DECISION": ""}


def said(terminal: Terminal, code: int = 0, **environment: str) -> list[dict[str, str]]:
    """The findings about Crmoffice."""
    ended = terminal("doctor", "--json", **environment)
    assert ended.code == code, ended
    assert not any(secret in ended.out for secret in SECRETS)
    return [finding for finding in json.loads(ended.out) if finding["topic"] == "Crmoffice"]


def test_signing_in(environment: dict[str, str], tmp_path: Path, terminal: Terminal) -> None:
    environment = with_browser(environment, tmp_path)
    [problem] = said(terminal, 2, **environment)
    assert "without CRMOFFICE_REFRESH_TOKEN" in problem["sentence"]
    assert "`tl-hubspot auth crmoffice`" in problem["mend"]
    ended = command(tmp_path, "auth", "crmoffice", "--port", "0", environment=environment, columns=400)
    assert ended.code == 0, ended
    tokens = tmp_path / "data/tokens/crmoffice.json"
    assert ended.out.splitlines() == [
        f"Signed in to Crmoffice. The tokens are in {tokens}.",
        f"Connected to {environment['CRMOFFICE_API_URL']}, which has 1 contact.",
    ]
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    assert "must be registered in Crmoffice, at this client id, once" in ended.err
    assert "scope=crmoffice+offline_access" in ended.err
    assert "Connected to Crmoffice" in browsed(tmp_path)["text"]
    assert [finding["level"] for finding in said(terminal, **environment)] == ["ok", "ok", "ok", "warning"]


def test_declining(environment: dict[str, str], tmp_path: Path, systems: LocalSystems) -> None:
    assert systems.crmoffice is not None
    systems.crmoffice.set_switches(person="deny")
    ended = command(
        tmp_path, "auth", "crmoffice", "--port", "0", environment=with_browser(environment, tmp_path), columns=400
    )
    assert ended.code == 4, ended
    assert ended.err.splitlines()[-1] == "The permission was declined in Crmoffice. Run it again, and approve."
    assert not (tmp_path / "data/tokens/crmoffice.json").exists()


@pytest.mark.parametrize("missing", ["API_URL", "AUTH_URL", "CLIENT_ID", "CLIENT_SECRET"])
def test_half_a_configuration(terminal: Terminal, environment: dict[str, str], missing: str) -> None:
    del environment[f"CRMOFFICE_{missing}"]
    ended = terminal("auth", "crmoffice", "--no-browser", **environment)
    assert (ended.code, ended.out) == (2, "")
    assert ended.line.startswith(f"Crmoffice cannot be reached without CRMOFFICE_{missing}.")


def test_without_any_of_it_the_doctor_is_silent(terminal: Terminal, systems: LocalSystems) -> None:
    environment = {n: v for n, v in environment_of(systems).items() if not n.startswith("CRMOFFICE_")}
    assert said(terminal, **environment) == []


def test_an_answer_that_contradicts_the_capabilities(
    terminal: Terminal, systems: LocalSystems, environment: dict[str, str]
) -> None:
    assert systems.crmoffice is not None
    systems.crmoffice.log.clear()
    systems.crmoffice.set_switches(etag=False, delete_feed=False, absent_keys=["directPhone"])
    environment["CRMOFFICE_CAPABILITIES"] = "etag=1,delete_feed=1"
    findings = [f"{finding['sentence']} {finding['mend']}" for finding in said(terminal, **environment)]
    for words in (
        "A contact comes without `ETag`, and etag is 1. Set etag=0 in CRMOFFICE_CAPABILITIES.",
        "A contact comes with `modifiedAt`, and modified_timestamp is 0. Set modified_timestamp=1 in",
        "There is no list of deletions. Set delete_feed=0",
        "A contact comes without directPhone: what it holds there is unknown",
    ):
        assert any(finding.startswith(words) for finding in findings), words
    assert systems.crmoffice.log.writes() == []


def test_a_tenant_that_refuses_us(terminal: Terminal, systems: LocalSystems, environment: dict[str, str]) -> None:
    assert systems.crmoffice is not None
    systems.crmoffice.faults.add(Fault("status", "contacts", status=403))
    [problem] = said(terminal, 4, **environment)
    assert problem["sentence"].startswith("Crmoffice does not allow this (GET http://127.0.0.1:")


def test_the_sandbox_refuses_what_is_no_capability(terminal: Terminal) -> None:
    ended = terminal("sandbox", "--world", "empty", "--caps", "colour=1")
    assert ended.code == 2
    assert "'colour' is no capability" in ended.line
