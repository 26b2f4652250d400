"""The rate limit over real HTTP: one budget for all clients of the same client id, and room for those of others."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.teamleader import client as teamleader_client
from tl_hubspot.teamleader.client import TeamleaderClient
from tl_hubspot_tests.teamleader.conftest import CLIENT_SECRET, FIRST_TOKEN, Account
from tl_hubspot_tests.transport.virtual_time import VirtualTime

KILLED_AFTER_CALLS = f"""
import os, signal, sys
from pathlib import Path
from tl_hubspot.teamleader import client as teamleader_client
from tl_hubspot.teamleader.client import TeamleaderClient
url, folder, calls = sys.argv[1:]
client = TeamleaderClient(url, url, "sandbox-client", {CLIENT_SECRET!r}, {FIRST_TOKEN!r}, Path(folder, "tokens.json"),
                          state=Path(folder, "state"))
for _ in range(int(calls)):
    client.call("users.me", {{}})
os.kill(os.getpid(), signal.SIGKILL)
"""


class RunningTime(VirtualTime):
    """The clock that all processes share, plus what was slept here."""

    def clock(self) -> float:
        return time.monotonic() + super().clock()


def statuses(account: Account) -> list[int]:
    return [entry["status"] for entry in account.sandbox.log.entries if "oauth2" not in entry["path"]]


def meter(client: TeamleaderClient) -> dict[str, int]:
    return client.meter.snapshot()["teamleader"]


def test_a_process_that_follows_a_killed_one_within_the_minute_keeps_to_what_is_left(
    account: Account, tmp_path: Path
) -> None:
    account.sandbox.set_switches(rate_limit=6)
    command = [sys.executable, "-c", KILLED_AFTER_CALLS, account.url, str(tmp_path), "5"]
    assert subprocess.run(command, timeout=60, check=False).returncode == -9
    running = RunningTime(0.0, on_sleep=account.sandbox.clock.advance)
    client = account.client(
        state=tmp_path / "state", token_store_path=tmp_path / "tokens.json", clock=running.clock, sleep=running.sleep
    )
    assert client.window.used == 5
    client.call("users.me", {})
    assert running.slept == 0
    client.call("users.me", {})
    assert 50 < running.slept < 70
    assert statuses(account) == [200] * 7


@pytest.mark.parametrize("configured", [10, 180])
def test_clients_of_one_state_with_all_their_threads_are_within_one_limit(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: int
) -> None:
    # In real time, with short windows: what a call takes counts here.
    monkeypatch.setattr(teamleader_client, "WINDOW_SECONDS", 0.4)
    account.sandbox.set_switches(rate_limit=10, rate_window=0.4)
    account.sandbox.faults.add(Fault("slow", "users.me", seconds=0.3, times=8, skip=5))
    clients = [
        account.client(state=tmp_path, rate_limit=configured, clock=time.monotonic, sleep=time.sleep) for _ in range(3)
    ]
    with ThreadPoolExecutor(24) as pool:
        list(pool.map(lambda number: clients[number % 3].call("users.me", {}), range(40)))
    assert statuses(account) == [200] * 40


def test_two_clients_with_a_state_of_their_own_learn_of_each_other_from_the_answers(
    account: Account, tmp_path: Path
) -> None:
    account.sandbox.set_switches(rate_limit=40)
    clients = [account.client(state=tmp_path / str(number), rate_limit=36) for number in range(2)]
    for number in range(200):
        clients[number % 2].call("users.me", {})
    assert statuses(account).count(200) == 200
    # Now and then both go to find out at the same time.
    assert statuses(account).count(429) <= 4
    assert account.time.slept < 200 / 30 * 60


def test_another_client_id_has_a_budget_of_its_own(account: Account, tmp_path: Path) -> None:
    one = account.client(state=tmp_path, rate_limit=3)
    other = account.client(state=tmp_path, rate_limit=3, client_id="another-client")
    for _ in range(3):
        one.call("users.me", {})
    assert (one.window.used, other.window.used) == (3, 0)
    names = [path.name for path in tmp_path.iterdir()]
    assert names
    assert not any("client" in name or "127.0.0.1" in name for name in names)


@pytest.mark.parametrize("form", ["milliseconds", "seconds", "alternate"])
@pytest.mark.parametrize("others", [8, 16])
def test_a_run_beside_a_client_that_takes_much_slows_down_and_finishes(
    account: Account, form: str, others: int
) -> None:
    account.sandbox.set_switches(rate_limit=20, rate_reset_format=form)
    client = account.client(rate_limit=18)
    client.grant.access_token()

    # Every so many virtual seconds the other one calls, whatever it is told.
    every, due = 60 / others, [account.time.clock()]

    def other(seconds: float) -> None:
        account.sandbox.clock.advance(seconds)
        while due[0] < account.time.clock():
            due[0] += every
            account.sandbox.limiter.admit(account.sandbox.clock.now().timestamp(), account.sandbox.switches)

    account.time._on_sleep = other
    for _ in range(60):
        client.call("users.me", {})
    # What the other one leaves, less a twentieth of the limit, and a call now and then that goes to find out.
    assert account.time.slept < 60 * 60 / (20 - others - 2)
    assert meter(client)["rate_limited"] == 0


def test_an_answer_without_headers_sets_no_limit_but_our_own(account: Account) -> None:
    account.sandbox.set_switches(rate_limit=None)
    client = account.client(rate_limit=50)
    client.call("users.me", {})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.call("users.me", {}), range(49)))
    assert client.window.limit == 50
    assert account.time.slept == 0


def test_headers_that_are_no_numbers_are_not_followed(account: Account) -> None:
    client: Any = account.client()
    headers = {"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "-1"}
    account.sandbox.faults.add(Fault("status", "users.me", status=200, body={"data": {}}, headers=headers))
    client.call("users.me", {})
    assert client.window.limit == 180
