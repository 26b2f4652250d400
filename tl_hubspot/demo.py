"""The demo and the developers' UI: the product against the local sandbox, with nothing of the user's own settings.

The sandbox runs as a process of its own, so that what is measured and shown is the product over real HTTP.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console

from tl_hubspot.config import settings as configuration
from tl_hubspot.errors import ConfigurationError, TlHubspotError
from tl_hubspot.orchestration.execute import dagster_home, execute
from tl_hubspot.orchestration.run import Platform, Progress, RunOptions
from tl_hubspot.orchestration.steps.two_way import cycle
from tl_hubspot.reporting import two_way
from tl_hubspot.reporting.summary import print_summary

WORLDS = ("demo", "subset")


def folder(world: str) -> Path:
    """Data folder of a demo; one per world."""
    base = Path(os.environ.get("TL_HUBSPOT_DATA") or "data")
    return base / ("demo" if world == "demo" else f"demo-{world}")


def run_demo(
    world: str,
    *,
    fresh: bool,
    limits: bool,
    console: Console,
    progress: Callable[[], AbstractContextManager[Progress]],
) -> int:
    """Synchronise the world's Teamleader to its HubSpot, print the summary and where to look; returns the exit code."""
    if world not in WORLDS:
        raise ConfigurationError(f"There is no sample world '{world}'", mend=f"Choose one of {', '.join(WORLDS)}")
    data = folder(world)
    if fresh:
        shutil.rmtree(data, ignore_errors=True)
    again = (data / "tl_hubspot.duckdb").exists()
    with _sandbox(world, data / "sandbox", hubspot_limit=limits) as environment:
        console.print(
            "Teamleader, HubSpot and Crmoffice run on this machine, filled with invented people. Teamleader's limit of"
            " 200 calls a minute and Crmoffice's are lifted; HubSpot's"
            f" {'limit of 190 calls per 10 s holds' if limits else 'limits are lifted'}."
        )
        if again:
            console.print("Going on with the data of the earlier demo: nothing changed since, so nothing is written.")
        settings = configuration.load({**environment, "TL_HUBSPOT_DATA": str(data)}, directory=data)
        platform = Platform(settings, RunOptions())
        started = time.perf_counter()
        with progress() as bars:
            platform.progress = bars
            finished = execute(platform)
        seconds = time.perf_counter() - started
        print_summary(finished.run, platform.warehouse.read, console)
        console.print(f"\nThe run took {seconds:.1f} s, decided as of {finished.run['as_of']:%Y-%m-%d %H:%M} UTC.\n")
        _crmoffice(platform.settings, console, progress)
        skipped = "select teamleader_id from sync.outcomes where entity_type = 'contact' and bucket = 'skipped' limit 1"
        someone = platform.warehouse.read(skipped)
        _where_to_look(console, data, str(someone.item()) if someone.height else "ID")
    return finished.exit_code


def _crmoffice(
    settings: configuration.Settings, console: Console, progress: Callable[[], AbstractContextManager[Progress]]
) -> None:
    """One cycle of the two-way flow on what the run before has left."""
    platform = Platform(settings, RunOptions(command="crmoffice"))
    started = time.perf_counter()
    try:
        with progress() as bars:
            platform.progress = bars
            [contacts, *_] = cycle.sync(platform)
    finally:
        platform.close()
    console.print(two_way.summary(contacts.flow, contacts.status, contacts.counts, contacts.plan))
    console.print(f"  It took {time.perf_counter() - started:.1f} s.\n")


def run_dev(port: int, *, console: Console) -> int:
    """The Dagster UI on 127.0.0.1:`port` until stopped, with the sandbox of the demo behind it."""
    data = folder("demo")
    # a supervisor stops with SIGTERM: the processes started below must not outlive this one
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _sandbox("demo", data / "sandbox", hubspot_limit=True) as environment:
        home = dagster_home(data)
        console.print(f"Dagster UI: http://127.0.0.1:{port} (Ctrl-C stops it)")
        command = [
            sys.executable,
            "-m",
            "dagster",
            "dev",
            "-m",
            "tl_hubspot.definitions",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
        ]
        values = {**os.environ, **environment, "TL_HUBSPOT_DATA": str(data), "DAGSTER_HOME": str(home)}
        with subprocess.Popen(command, env=values) as process:
            try:
                return process.wait()
            except KeyboardInterrupt:
                process.terminate()
                return process.wait()


@contextlib.contextmanager
def _sandbox(world: str, state: Path, *, hubspot_limit: bool) -> Iterator[dict[str, str]]:
    """Environment of a sandbox process that runs meanwhile; its state stays in `state`."""
    command = [sys.executable, "-m", "tl_hubspot", "sandbox", "--world", world, "--state", str(state), "--json"]
    command += ["--no-teamleader-limit", "--hubspot-limit" if hubspot_limit else "--no-hubspot-limit"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            announced = _announced(process)
            yield announced | {"TL_HUBSPOT_CRMOFFICE__RATE_LIMIT": "100000"}
        finally:
            process.terminate()


def _announced(process: subprocess.Popen[str]) -> dict[str, str]:
    text = ""
    for line in process.stdout or ():
        text += line
        if line.rstrip() == "}":
            return dict(json.loads(text))
    raise TlHubspotError(
        "The sandbox did not start", where=f"exit code {process.wait()}", mend="Run `tl-hubspot sandbox` to see why"
    )


def _where_to_look(console: Console, data: Path, contact: str) -> None:
    program = Path(sys.argv[0])
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    called = "python -m tl_hubspot" if program.name == "__main__.py" else str(program)
    here = f"TL_HUBSPOT_DATA={data} {called} "
    console.print("Where to look", style="bold")
    for what, where in (
        ("why a contact is what it is", f"{here}explain contact {contact}"),
        ("the report of this run, for a browser", f"{here}report"),
        ("tables for analysts", f"{data}/analytics.duckdb (decisions.contacts, sync.outcomes, sync.plan, sync.log, …)"),
        ("log, one JSON line per event", f"{data}/logs/sync.jsonl"),
        ("lineage, runs, checks", "make dev, then http://127.0.0.1:3000"),
    ):
        console.print(f"  {what}: {where}", soft_wrap=True)
