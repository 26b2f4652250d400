"""The receiver as a process of its own, and as Teamleader meets it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tl_hubspot.webhooks.spool import Spool
from tl_hubspot_tests.cli.terminal import Terminal, clean


@dataclass
class Serving:
    """A running `tl-hubspot webhooks serve`."""

    process: subprocess.Popen[str]
    data: Path
    address: str

    @property
    def spool(self) -> Spool:
        return Spool(self.data / "webhooks")

    @property
    def url(self) -> str:
        """Where webhooks go, with the secret."""
        return f"{self.address}/{self.spool.secret()}"

    def post(self, subject: str | None, type: str = "contact.updated") -> int:
        """Send one event as Teamleader does; returns the status."""
        payload = {"type": type, "subject": {"type": "contact", "id": subject}, "account": {"type": "account"}}
        return httpx.post(self.url, json=payload).status_code

    def stop(self) -> tuple[str, str]:
        """End it politely; returns what it had said on both outputs."""
        self.process.terminate()
        return self.process.communicate(timeout=20)


Serve = Callable[..., Serving]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts receivers on free ports."""
    running: list[subprocess.Popen[str]] = []

    def start(data: Path | None = None, **environment: str) -> Serving:
        data = data or tmp_path / "data"
        process = subprocess.Popen(
            [sys.executable, "-m", "tl_hubspot", "webhooks", "serve", "--port", "0"],
            cwd=tmp_path,
            env=clean(environment) | {"TL_HUBSPOT_DATA": str(data), "COLUMNS": "400"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stderr is not None
        first = process.stderr.readline()
        assert "Webhooks are received at http://127.0.0.1:" in first, first + process.stderr.read()
        return Serving(process, data, first.split()[4].removesuffix("/SECRET"))

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """A terminal in an empty folder."""
    return Terminal(tmp_path, monkeypatch, capsys)
