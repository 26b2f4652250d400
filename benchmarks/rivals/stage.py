"""One pair of local systems for all contestants, and what a command does to them: calls, seconds, exit code.

Contestants are processes of their own, started here and, if asked for, killed (-9) in the middle. What they are
compared by is in `extraction` and `loading`.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.serve import LocalSystems

TEAMLEADER_LIMIT = 200
"""Calls per minute that the local Teamleader allows; the local HubSpot allows 190 per 10 s."""


class Stage:
    """The systems, a folder for everything that is made, and the latency of every answer in seconds."""

    def __init__(self, systems: LocalSystems, folder: Path, latency: float) -> None:
        self.systems, self.folder, self.latency = systems, folder, latency
        self.stood_still = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Count the seconds in which this machine did not run us at all: they are nobody's."""
        before = time.monotonic()
        while True:
            time.sleep(0.05)
            now = time.monotonic()
            if now - before > 1:
                self.stood_still += now - before
            before = now

    def limits(self, on: bool) -> None:
        """The systems' limits of calls; windows begin anew. Without them there is no latency either."""
        teamleader, hubspot = self.systems.teamleader, self.systems.hubspot
        teamleader.set_switches(rate_limit=TEAMLEADER_LIMIT if on else None)
        hubspot.set_switches(limits=on)
        teamleader.limiter.clear()
        hubspot.portal.limiter.reset()
        for system in (teamleader, hubspot):
            system.faults.clear()
            system.log.clear()
            if on:
                system.faults.add(Fault("slow", "^/(?!_sandbox)", seconds=self.latency, times=None))

    def place(self, name: str) -> Path:
        """A new folder; the product's sign-in is one for all of them, because a refresh token can be used once."""
        tokens, place = self.folder / "tokens", self.folder / name
        tokens.mkdir(exist_ok=True)
        place.mkdir()
        (place / "tokens").symlink_to(tokens)
        return place

    def environment(self, data: Path, **more: str) -> dict[str, str]:
        """For every contestant; the product's own part includes where its data are and an untouched count of calls."""
        values = {**os.environ, **self.systems.environment(), "DO_NOT_TRACK": "1", "HOME": str(data)}
        values |= {"TL_HUBSPOT_AS_OF": self.systems.clock.now().isoformat(), "TL_HUBSPOT_DATA": str(data)}
        values |= {"TEAMLEADER_ACCESS_TOKEN": self.systems.teamleader.access_token()}
        return values | {"TL_HUBSPOT_STATE": tempfile.mkdtemp(dir=self.folder)} | more

    def run(self, command: Sequence[str | Path], environment: Mapping[str, str], cwd: Path, *codes: int) -> str:
        """Run a command that is not measured, without limits; returns what it printed. RuntimeError: other exit."""
        self.limits(False)
        lifted = {"HUBSPOT_RATE_LIMIT": "1000000", "TEAMLEADER_RATE_LIMIT": "1000000"}
        words = [str(word) for word in command]
        done = subprocess.run(words, env={**environment, **lifted}, cwd=cwd, capture_output=True, text=True)
        if done.returncode not in (codes or (0,)):
            raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def measure(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        cwd: Path,
        *,
        limits: bool = True,
        prepare: Callable[[], object] | None = None,
        killed_when: Callable[[], bool] | None = None,
    ) -> dict[str, Any]:
        """Run a command under the systems' limits; `seconds` is the whole process. The request logs hold this run only.

        `prepare` is called once everything is set, just before the start.
        """
        self.limits(limits)
        if not limits:
            for system in (self.systems.teamleader, self.systems.hubspot):
                system.faults.add(Fault("slow", "^/(?!_sandbox)", seconds=self.latency, times=None))
        if prepare:
            prepare()
        words = [str(word) for word in command]
        lost, began, killed = self.stood_still, time.monotonic(), False
        with (
            tempfile.TemporaryFile(dir=self.folder) as output,
            subprocess.Popen(words, env=environment, cwd=cwd, stdout=output, stderr=output) as process,
        ):
            while process.poll() is None:
                if killed_when and killed_when():
                    process.kill()
                    killed = True
                    break
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.002 if killed_when else 0.05)
            code = process.wait()
            seconds = time.monotonic() - began - (self.stood_still - lost)
            output.seek(0)
            said = output.read().decode(errors="replace")
        if killed:
            time.sleep(2)  # what had left is still carried out
        teamleader = [e for e in self.systems.teamleader.log.entries if "oauth2" not in e["path"]]
        hubspot = self.systems.hubspot.log.entries
        return {
            "seconds": round(seconds, 1),
            "exit_code": code,
            "teamleader_calls": len(teamleader),
            "by_path": Counter(entry["path"].strip("/") for entry in teamleader),
            "hubspot_calls": len(hubspot),
            "hubspot_writes": sum(entry["write"] for entry in hubspot),
            "rate_limited": sum(entry["status"] == 429 for entry in [*teamleader, *hubspot]),
            "said": said,
        }
