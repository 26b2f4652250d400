"""A terminal for tests: runs commands of the product in this process or as a process of its own."""

from __future__ import annotations

import functools
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import tl_hubspot.definitions  # noqa: F401 - before `Terminal` puts something in the place of what it imports
from tl_hubspot import cli
from tl_hubspot.orchestration import run
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot_tests.processes import PROCESSES

OURS = ("TEAMLEADER_", "HUBSPOT_", "CRMOFFICE_", "TL_HUBSPOT_", "DAGSTER_")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """What it said on standard error: exactly one line, and never a stack trace."""
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.strip()


class Terminal:
    """A folder to stand in, and a clean environment."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name in list(os.environ):
            if name.startswith(OURS):
                monkeypatch.delenv(name)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        # the same clients, only without minutes of patience between their attempts
        hurried = functools.partial(run.Platform, sleep=lambda seconds: time.sleep(min(seconds, 0.01)))
        monkeypatch.setattr(run, "Platform", hurried)

    def __call__(self, *arguments: str, **environment: str) -> Ended:
        """Run a command in this process."""
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            code = cli.run(list(arguments))
        out, err = self._capsys.readouterr()
        return Ended(int(code), out, err)


def command(
    folder: Path, *arguments: str, environment: dict[str, str], timeout: float = 120, columns: int = 80
) -> Ended:
    """Run `python -m tl_hubspot …` as a process of its own, in `folder`."""
    done = subprocess.run(
        [sys.executable, "-m", "tl_hubspot", *arguments],
        cwd=folder,
        env=clean(environment) | {"COLUMNS": str(columns)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def forked(
    folder: Path, *arguments: str, environment: dict[str, str], timeout: float = 120, program: str = "tl_hubspot"
) -> Ended:
    """As `command`, without what a start costs: the process is forked from one that has imported everything."""
    with tempfile.TemporaryDirectory(prefix="tl_hubspot-forked-") as name:
        out, err = Path(name) / "out", Path(name) / "err"
        given = (folder, arguments, clean(environment), program, out, err)
        process = PROCESSES.Process(target=_become, args=given)
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode is not None
        return Ended(process.exitcode, out.read_text(), err.read_text())


def _become(
    folder: Path, arguments: tuple[str, ...], environment: dict[str, str], program: str, out: Path, err: Path
) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


def clean(environment: dict[str, str]) -> dict[str, str]:
    """This process's environment without anything of ours, and `environment`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return own | {"DAGSTER_DISABLE_TELEMETRY": "1"} | environment


def environment_of(systems: LocalSystems) -> dict[str, str]:
    """Variables for a new installation: its refresh token was not used by another one."""
    return {**systems.environment(), "TEAMLEADER_REFRESH_TOKEN": systems.teamleader.oauth.issue_refresh_token()}


@contextmanager
def web_site(status: int = 200, body: str = "<!doctype html><title>Welcome</title>") -> Iterator[str]:
    """Address of a web server that is no API: it answers everything with the same page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
