"""Processes that use one token store, run by its tests: `python -m …rotate '{"mode": …}'`; says what happened as JSON
lines on standard output.

All are forked from this one, which has everything imported. Checking what happened is up to the tests.
"""

from __future__ import annotations

import itertools
import json
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from tl_hubspot.errors import CredentialsRefused
from tl_hubspot.teamleader.client import ISSUER
from tl_hubspot.transport.token_store import TokenStore
from tl_hubspot.transport.tokens import TokenGrant

HOURS_PER_SECOND = 40
REDIRECT = "http://localhost:8765/callback"


class Shared:
    """Numbers that all processes see; each but the last is written by one process only. The last one says stop."""

    def __init__(self, size: int) -> None:
        self.numbers = memoryview(mmap.mmap(-1, 4 * (size + 1))).cast("I")

    @property
    def stopped(self) -> bool:
        return self.numbers[-1] == 1

    def stop(self) -> None:
        self.numbers[-1] = 1

    @property
    def total(self) -> int:
        return sum(self.numbers[:-1])


class Process:
    """What every process has: an account, a store, a session that names the process to the server."""

    def __init__(self, url: str, store: str, first_token: str, **more: Any) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["X-Process"] = str(os.getpid())
        self.grant = TokenGrant(
            url,
            "sandbox-client",
            "sandbox-secret",
            first_token,
            TokenStore(Path(store), ISSUER),
            session=self.session,
            **more,
        )

    def sign_in(self) -> None:
        """As a person does after the grant was lost."""
        answer = self.session.get(self.grant.authorize_url(REDIRECT, "s"), allow_redirects=False, timeout=30)
        self.grant.sign_in(parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0], REDIRECT)

    def status(self, token: str) -> int:
        """What the server thinks of an access token."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.session.post(f"{self.url}/users.me", json={}, headers=headers, timeout=30).status_code


def say(event: str, **more: Any) -> None:
    os.write(1, (json.dumps({"event": event, "process": str(os.getpid()), **more}) + "\n").encode())


def fork(work: Callable[[], None]) -> int:
    """Id of a new process that does `work` and ends with 0, or with 1 after an error."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def again_and_again(rounds: int, **account: str) -> None:
    """One process that refreshes so many times, and says so before each."""
    grant = Process(**account).grant
    token = grant.access_token()
    for _ in range(rounds):
        say("refreshing")
        token = grant.renew(refused=token)


def share(processes: int, refreshes: int, kills: int, **account: str) -> None:
    """Many processes in a time in which hours pass quickly; some are killed, and others take their place."""
    shared = Shared(processes)
    began = time.time()

    def work(slot: int) -> None:
        process = Process(
            **account,
            now=lambda: began + (time.time() - began) * 3600 * HOURS_PER_SECOND,
            sleep=lambda seconds: time.sleep(seconds / 100),
        )

        def count(answer: requests.Response, *_: Any, **__: Any) -> None:
            shared.numbers[slot] += "refresh_token" in str(answer.request.body) and answer.status_code == 200

        process.session.hooks["response"].append(count)
        used = ""
        while not shared.stopped:
            try:
                token = process.grant.access_token()
                if token == used:
                    time.sleep(0.005)
                elif process.status(token) == 401:
                    token = process.grant.renew(refused=token)
                used = token
            except CredentialsRefused as error:
                say("refused", sentence=str(error))
                process.sign_in()

    pids = [fork(partial(work, slot)) for slot in range(processes)]
    while shared.total < refreshes or kills > 0:
        time.sleep(random.uniform(0.02, 0.2))
        if kills > 0:
            kills -= 1
            slot = random.randrange(processes)
            os.kill(pids[slot], signal.SIGKILL)
            say("killed", victim=str(pids[slot]), status=ended(pids[slot]))
            pids[slot] = fork(partial(work, slot))
    shared.stop()
    say("done", statuses=[ended(pid) for pid in pids], refreshes=shared.total)


def crash(**account: str) -> None:
    """A process that is killed at the first thing it asks the system for while refreshing, one at the second, … ; after
    each, another process that has to go on."""
    folder = str(Path(account["store"]).parent)

    def suicide(at: int) -> None:
        process = Process(**account)
        token = process.grant.access_token()
        moments = 0

        def step(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal moments
            on_store = event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(folder)
            if not on_store and event not in ("fcntl.flock", "socket.connect"):
                return
            moments += 1
            if moments == at:
                what = Path(str(arguments[0])).name if on_store else ""
                say("killed", victim=str(os.getpid()), moment=f"{event} {what}".strip())
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(step)
        process.grant.renew(refused=token)
        say("undisturbed")

    def go_on() -> None:
        process = Process(**account)
        try:
            token = process.grant.renew(refused=process.grant.access_token())
        except CredentialsRefused as error:
            say("refused", sentence=str(error))
            process.sign_in()
            token = process.grant.access_token()
        say("went on", status=process.status(token), files=sorted(path.name for path in Path(folder).iterdir()))

    for at in itertools.count(1):
        if ended(fork(partial(suicide, at))) == 0:
            break
        assert ended(fork(go_on)) == 0


if __name__ == "__main__":
    # a shell that starts a job in the background has it ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = json.loads(sys.argv[1])
    modes: dict[str, Callable[..., None]] = {"again and again": again_and_again, "share": share, "crash": crash}
    modes[options.pop("mode")](**options)
