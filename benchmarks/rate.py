"""How much of Teamleader's rate limit is used, and how often it is overrun; prints, asserts nothing.

`python benchmarks/rate.py` takes about a minute: minutes and latencies are shortened alike (`--scale`), which leaves
the shares as they are but needs a machine with little else to do. `--scale 1 --together` is real time, all cases at
once. Server, clients and threads are real, over HTTP; the second client asks evenly and looks at nothing. What is
called is single records, or, with `--lists` and a scale of at most 6, one long list page after page.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests

from tl_hubspot.errors import TlHubspotError
from tl_hubspot.sandbox.control import CONTROL_PREFIX, LoopbackServer
from tl_hubspot.sandbox.teamleader import TeamleaderSandbox
from tl_hubspot.teamleader import client as teamleader
from tl_hubspot.teamleader import extraction
from tl_hubspot.transport.limits import SlidingWindow

SERVER_LIMIT = 200
CALLED = ("/users.me", "/contacts.list")
CONTEXT = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Case:
    """Seconds of latency on average, processes, whether another client takes half, and the limit configured."""

    latency: float
    processes: int
    other: bool = False
    configured: int = 180
    records: int = 0
    """Length of the list that is read; 0: single calls."""

    @property
    def allowed(self) -> int:
        """Calls per minute that are ours to make."""
        return min(self.configured, SERVER_LIMIT // 2 if self.other else SERVER_LIMIT)


CASES = (
    *(Case(latency, 1) for latency in (0, 0.1, 0.5, 1.5)),
    *(Case(latency, 4) for latency in (0.1, 1.5)),
    Case(0.5, 4, configured=200),
    *(Case(latency, processes, other=True) for latency, processes in ((0.1, 1), (0.5, 4))),
)
LISTS = tuple(Case(latency, 1, records=45_000) for latency in (0.1, 0.5, 1.0, 1.5))


def delayed(app: Any, latency: float) -> Any:
    """The app behind a line on which either way takes between nothing and `latency` seconds."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith(CONTROL_PREFIX):
            await app(scope, receive, send)
            return
        messages: list[Any] = []

        async def keep(message: Any) -> None:
            messages.append(message)

        await asyncio.sleep(random.uniform(0, latency))
        await app(scope, receive, keep)
        await asyncio.sleep(random.uniform(0, latency))
        for message in messages:
            await send(message)

    return answer


def serve(case: Case, window: float, latency: float, pipe: Connection) -> None:
    """The sandbox until told to stop; answers with how many calls of the other client were refused."""
    sandbox = TeamleaderSandbox()
    sandbox.set_switches(rate_limit=SERVER_LIMIT, rate_window=window)
    if case.records:
        begin = sandbox.clock.now() - timedelta(days=900)
        times = ((begin + timedelta(minutes=28 * n)).isoformat(timespec="seconds") for n in range(case.records))
        rows = ({"last_name": "Anyone", "status": "active", "added_at": at, "updated_at": at} for at in times)
        sandbox.load("contacts", [{"id": sandbox.new_id("contacts")} | row for row in rows])
    stopped = threading.Event()
    refused = 0

    def other() -> None:
        nonlocal refused
        while not stopped.wait(window / (SERVER_LIMIT // 2)):
            with sandbox.store.lock:
                passes, _ = sandbox.limiter.admit(sandbox.clock.now().timestamp(), sandbox.switches)
            refused += not passes

    with LoopbackServer(delayed(sandbox.app, latency)) as server:
        if case.other:
            threading.Thread(target=other, daemon=True).start()
            time.sleep(window)
        pipe.send(server.url)
        pipe.recv()
        stopped.set()
        pipe.send(refused)


def call(case: Case, window: float, url: str, folder: Path) -> None:
    """One process with all its threads at work, until it is ended."""
    teamleader.WINDOW_SECONDS = window
    client = teamleader.TeamleaderClient(
        api_url=url,
        auth_url=url,
        client_id="sandbox-client",
        client_secret="sandbox-secret",
        refresh_token="sandbox-refresh",
        token_store_path=folder / "tokens.json",
        rate_limit=case.configured,
        state=folder / "state",
    )

    def work(_: int) -> None:
        while True:
            try:
                client.call("users.me", {})
            except TlHubspotError as error:
                print(error)

    if case.records:
        for _ in extraction.Extraction(client).contacts():
            pass
        return
    with ThreadPoolExecutor(client.workers) as pool:
        list(pool.map(work, range(client.workers)))


def measure(case: Case, windows: int, scale: float) -> str:
    """One line of the table."""
    window, latency = teamleader.WINDOW_SECONDS / scale, case.latency / scale
    here, there = CONTEXT.Pipe()
    server = CONTEXT.Process(target=serve, args=(case, window, latency, there))
    server.start()
    url = here.recv()
    with tempfile.TemporaryDirectory() as folder:
        arguments = (case, window, url, Path(folder))
        clients = [CONTEXT.Process(target=call, args=arguments) for _ in range(case.processes)]
        for process in clients:
            process.start()
        # Starting a process takes its time, more so on a busy machine.
        while not _calls(url):
            time.sleep(0.1)
        time.sleep(windows * window)
        calls = _calls(url)
        for process in clients:
            process.terminate()
            process.join()
    here.send("stop")
    refused_other = here.recv()
    server.join()
    start = calls[0][0]
    done = sum(start <= at < start + windows * window and status == 200 for at, status in calls)
    share = done / (windows * case.allowed)
    refused = sum(status == 429 for _, status in calls)
    return (
        f"{case.latency:7.1f} {case.processes:9} {case.configured:10} {'half' if case.other else '-':>6}"
        f" {case.allowed:7} {done / windows:8.1f} {share:7.1%} {refused:5} {refused_other:10}"
    )


def _calls(url: str) -> list[tuple[float, int]]:
    """Time and status of every call that the sandbox has answered."""
    log = requests.get(f"{url}{CONTROL_PREFIX}requests", timeout=60).json()["requests"]
    return [(datetime.fromisoformat(c["at"]).timestamp(), c["status"]) for c in log if c["path"] in CALLED]


def cost() -> None:
    """What counting one call takes."""
    with tempfile.TemporaryDirectory() as folder:
        for words, file in (("in one process", None), ("shared, in a file", Path(folder) / "calls")):
            window = SlidingWindow(180, 0.02, file=file)
            took = _seconds(lambda window=window: window.finish(window.start(), answered=True))
            print(f"counting one call and its answer, {words}: {took * 1e6:.0f} µs")


def _seconds(work: Callable[[], object], times: int = 3000) -> float:
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=20, help="how much shorter minutes and latencies are")
    parser.add_argument("--windows", type=int, default=2, help="minutes to measure")
    parser.add_argument("--together", action="store_true", help="all cases at once")
    parser.add_argument("--lists", action="store_true", help="read a list instead of single records")
    options = parser.parse_args()
    cases = LISTS if options.lists else CASES
    cost()
    print("latency processes configured others allowed per min.   used   429 other's 429")
    with ThreadPoolExecutor(len(cases) if options.together else 1) as pool:
        for line in pool.map(lambda case: measure(case, options.windows, options.scale), cases):
            print(line, flush=True)


if __name__ == "__main__":
    main()
