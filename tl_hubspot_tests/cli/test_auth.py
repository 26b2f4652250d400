"""`auth teamleader` as people use it: a browser on this machine, a browser elsewhere, and all that goes wrong."""

from __future__ import annotations

import json
import os
import pty
import socket
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot_tests.cli.terminal import Ended, Terminal, clean, command

SECRETS = ("sandbox-secret", "very-secret")
BROWSER = """#!{python}
import json, os, sys, requests
pages = []
def get(url):
    pages.append(url)
    return requests.get(url, allow_redirects=False, timeout=30)
answer = get(sys.argv[1])
answer = get(answer.headers["Location"] + "&decision=" + os.environ["DECISION"])
answer = get(answer.headers["Location"])
with open("browsed.json", "w") as file:
    json.dump({{"arguments": sys.argv[1:], "pages": pages, "text": answer.text, "status": answer.status_code}}, file)
"""


@pytest.fixture(scope="module")
def systems() -> Iterator[LocalSystems]:
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as systems:
        yield systems


@pytest.fixture
def environment(systems: LocalSystems, tmp_path: Path) -> dict[str, str]:
    """A new installation: nobody has signed in yet."""
    browser = tmp_path / "browser"
    browser.write_text(BROWSER.format(python=sys.executable))
    browser.chmod(0o755)
    values = systems.environment()
    del values["TEAMLEADER_REFRESH_TOKEN"]
    return values | {"BROWSER": f"{browser} %s", "DECISION": "approve"}


def stored(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "data/tokens/teamleader.json").read_text())
    return result


def browsed(folder: Path) -> dict[str, Any]:
    """What the browser saw; it is another process, and may still be writing it down."""
    path = folder / "browsed.json"
    for _ in range(1000):
        if path.exists() and path.read_text():
            break
        time.sleep(0.01)
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def sign_in(folder: Path, environment: dict[str, str], *more: str) -> Ended:
    return command(folder, "auth", "teamleader", "--port", "0", *more, environment=environment, columns=400)


def test_with_a_browser_on_this_machine(
    systems: LocalSystems, environment: dict[str, str], tmp_path: Path, terminal: Terminal
) -> None:
    ended = sign_in(tmp_path, environment)
    assert ended.code == 0, ended
    seen = browsed(tmp_path)
    token_file = tmp_path / "data/tokens/teamleader.json"
    assert ended.out.splitlines()[0] == f"Signed in to Teamleader. The tokens are in {token_file}."
    account = requests.post(
        f"{environment['TEAMLEADER_API_URL']}/users.me",
        headers={"Authorization": f"Bearer {stored(tmp_path)['access_token']}"},
        json={},
        timeout=20,
    ).json()["data"]["account"]["id"]
    assert ended.out.splitlines()[1] == f"Connected to account {account}, as Sandbox Admin."
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    # The redirect address to register is the one that was used.
    redirect = parse_qs(urlsplit(seen["pages"][1]).query)["redirect_uri"][0]
    assert f"  {redirect}\n" in ended.err
    assert seen["pages"][2].startswith(redirect)
    assert "Connected to Teamleader" in seen["text"]
    # Everybody on the machine can read arguments; the code and the tokens are nowhere but where they belong.
    code, state = (parse_qs(urlsplit(seen["pages"][2]).query)[name][0] for name in ("code", "state"))
    assert not any(secret in text for text in seen["arguments"] for secret in (code, state))
    tokens = stored(tmp_path)
    for secret in (code, tokens["access_token"], tokens["refresh_token"], *SECRETS):
        assert secret not in ended.out + ended.err + seen["text"]
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file() and code in path.read_text()] == []
    # And it is of use: the doctor has what it needs.
    ended = terminal("doctor", "--json", **environment)
    assert any(f"signed in to account {account}" in f["sentence"] for f in json.loads(ended.out))


@pytest.mark.parametrize(
    ("changes", "says", "page"),
    [
        (
            {"DECISION": "deny"},
            "The permission was declined in Teamleader. Run it again, and approve.",
            "Not connected",
        ),
        ({"TEAMLEADER_CLIENT_SECRET": "very-secret"}, "TEAMLEADER_CLIENT_SECRET", "Not connected"),
        # Signed in, and then the API is not where it is said to be: the tokens are kept.
        ({"TEAMLEADER_API_URL": "http://127.0.0.1:9"}, "http://127.0.0.1:9/users.me", "Connected"),
    ],
    ids=["declined", "wrong secret", "no API"],
)
def test_what_teamleader_refuses(
    environment: dict[str, str], tmp_path: Path, changes: dict[str, str], says: str, page: str
) -> None:
    patience = {"PYTHONPATH": str(tmp_path)}
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep = lambda seconds, wait=time.sleep: wait(0.001)")
    ended = sign_in(tmp_path, environment | changes | patience)
    assert ended.code == 4, ended
    assert says in ended.err.splitlines()[-1]
    assert not any(secret in ended.err for secret in SECRETS)
    assert page in browsed(tmp_path)["text"]
    assert (tmp_path / "data/tokens/teamleader.json").exists() == ended.out.startswith("Signed in")
    assert (page == "Connected") == ended.out.startswith("Signed in")


def test_with_a_browser_on_another_machine(environment: dict[str, str], tmp_path: Path) -> None:
    """The person opens the address there, lands on a page that cannot be reached, and pastes its address here."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tl_hubspot", "auth", "teamleader", "--port", "0", "--no-browser"],
        cwd=tmp_path,
        env=clean(environment),
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line.strip())
        if "paste it here" in said[-2:][0]:
            break
    (address,) = (line for line in said if "/oauth2/authorize?" in line)
    approved = requests.get(f"{address}&decision=approve", allow_redirects=False, timeout=20).headers["Location"]
    while termios.tcgetattr(slave)[3] & termios.ECHO:
        time.sleep(0.01)
    os.write(master, approved.replace("state=", "state=x").encode() + b"\n")
    assert "That is no address that this sign-in leads to" in process.stderr.readline()
    os.write(master, approved.encode() + b"\n")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[1].endswith("as Sandbox Admin.")
    assert not (tmp_path / "browsed.json").exists()
    # Nothing that was pasted is on the screen.
    os.set_blocking(master, False)
    with pytest.raises(BlockingIOError):
        os.read(master, 1)
    os.close(slave)
    os.close(master)


def refused(terminal: Terminal, code: int, *more: str, **environment: str) -> str:
    ended = terminal("auth", "teamleader", "--no-browser", *more, **environment)
    assert (ended.code, ended.out) == (code, ""), ended
    return ended.err.splitlines()[-1]


@pytest.mark.parametrize("missing", ["TEAMLEADER_CLIENT_ID", "TEAMLEADER_CLIENT_SECRET"])
def test_without_the_integration(terminal: Terminal, environment: dict[str, str], missing: str) -> None:
    del environment[missing]
    line = refused(terminal, 2, **environment)
    assert line.startswith(f"Teamleader cannot be reached without {missing}.")
    assert not (terminal.folder / "data").exists()


def test_nobody_comes(terminal: Terminal, environment: dict[str, str]) -> None:
    ended = terminal("auth", "teamleader", "--no-browser", "--timeout", "0.2", "--port", "0", **environment)
    assert ended.code == 4
    assert ended.err.splitlines()[-1].startswith("Nobody signed in to Teamleader within 0.2 seconds.")
    assert "A browser opens" not in ended.err
    assert not (terminal.folder / "data/tokens/teamleader.json").exists()


def test_port_in_use(terminal: Terminal, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refused(terminal, 2, "--port", port, **environment)
    assert line.startswith(f"Port {port} of this machine is in use. ")
    assert "--port" in line


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda tokens: tokens.write_text("{very-secret"), "The Teamleader token store cannot be read"),
        (lambda tokens: tokens.mkdir(), "The Teamleader token store cannot be used: Is a directory"),
    ],
)
def test_a_store_that_cannot_be_used_is_told_before_anybody_signs_in(
    terminal: Terminal, environment: dict[str, str], make: Any, says: str
) -> None:
    tokens = terminal.folder / "data/tokens/teamleader.json"
    tokens.parent.mkdir(parents=True)
    make(tokens)
    ended = terminal("auth", "teamleader", **environment)
    assert (ended.code, ended.out) == (2, "")
    assert ended.line.startswith(says)
    assert "very-secret" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("auth",), "teamleader"),
        (("auth", "hubspot"), "No such command 'hubspot'"),
        (("auth", "teamleader", "--port", "70000"), "0<=x<=65535"),
        (("auth", "teamleader", "--timeout", "0"), "x>=0.1"),
    ],
)
def test_wrong_usage(terminal: Terminal, arguments: tuple[str, ...], says: str) -> None:
    ended = terminal(*arguments)
    assert ended.code == 2
    assert says in ended.out + ended.err


def test_the_doctor_points_here(terminal: Terminal, systems: LocalSystems, environment: dict[str, str]) -> None:
    def sentence() -> str:
        findings = json.loads(terminal("doctor", "--json", **environment).out)
        (problem,) = (f for f in findings if f["topic"] == "Teamleader" and f["level"] == "problem")
        return f"{problem['sentence']} {problem['mend']}"

    assert "Nobody has signed in to Teamleader yet" in sentence()
    assert "`tl-hubspot auth teamleader`" in sentence()
    environment["TEAMLEADER_REFRESH_TOKEN"] = "very-secret"
    assert "refused the refresh token: it is wrong" in sentence()
    assert "Run `tl-hubspot auth teamleader`" in sentence()
    assert "very-secret" not in sentence()
