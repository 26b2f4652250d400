"""Processes that share one token store, killed at random and at every moment: nobody is locked out, except where the
answer to a refresh is lost with the process, and then everybody is told just that."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.teamleader.client import ISSUER
from tl_hubspot.transport.token_store import TokenStore
from tl_hubspot.transport.tokens import TokenGrant
from tl_hubspot_tests.teamleader.conftest import CLIENT_SECRET, FIRST_TOKEN, Account

TOKEN_PATH = "oauth2/access_token"


class Ledger:
    """Stands before the sandbox and keeps of every refresh: process, token presented, status, token given."""

    def __init__(self, account: Account) -> None:
        self.refreshes: list[tuple[str, str, int, str]] = []
        self._app = account.sandbox.app
        account.meddler.plug(self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if TOKEN_PATH not in scope["path"]:
            await self._app(scope, receive, send)
            return
        message = await receive()
        form = {name: values[0] for name, values in parse_qs(message["body"].decode()).items()}
        process = dict(scope["headers"]).get(b"x-process", b"").decode()
        status = 0
        body = b""

        async def given() -> Any:
            return message

        async def keep(sent: Any) -> None:
            nonlocal status, body
            status = sent.get("status", status)
            body += sent.get("body", b"")
            if sent["type"] == "http.response.body" and "refresh_token" in form:
                got = json.loads(body).get("refresh_token", "")
                self.refreshes.append((process, form["refresh_token"], status, got))
            await send(sent)

        await self._app(scope, given, keep)

    @property
    def refused(self) -> list[str]:
        """Tokens that were presented and refused."""
        return [token for _, token, status, _ in self.refreshes if status != 200]

    @property
    def spent_by(self) -> dict[str, str]:
        """The process that each token was spent by."""
        return {token: process for process, token, status, _ in self.refreshes if status == 200}


@pytest.fixture
def account(account: Account) -> Account:
    account.sandbox.set_switches(rate_limit=None, auto_approve=True)
    return account


def command(account: Account, mode: str, **options: Any) -> list[str]:
    options |= {"mode": mode, "url": account.url, "store": str(account.store_path), "first_token": FIRST_TOKEN}
    return [sys.executable, "-m", "tl_hubspot_tests.teamleader.rotate", json.dumps(options)]


def run(account: Account, mode: str, **options: Any) -> list[dict[str, Any]]:
    done = subprocess.run(
        command(account, mode, **options), capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2]
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def start(account: Account) -> subprocess.Popen[str]:
    """A process that has begun to refresh the token again and again."""
    process = subprocess.Popen(
        command(account, "again and again", rounds=10_000),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def grant_of(account: Account) -> TokenGrant:
    return TokenGrant(
        account.url,
        "sandbox-client",
        CLIENT_SECRET,
        FIRST_TOKEN,
        TokenStore(account.store_path, ISSUER),
        session=requests.Session(),
        sleep=account.time.sleep,
    )


def until(condition: Any) -> None:
    while not condition():
        time.sleep(0.005)


def test_eight_processes_never_present_a_token_twice(account: Account) -> None:
    # Then a refresh by one process makes the others' requests fail, which makes them refresh too.
    account.sandbox.set_switches(refresh_revokes_access=True)
    ledger = Ledger(account)
    (done,) = run(account, "share", processes=8, refreshes=50, kills=0)
    assert done["statuses"] == [0] * 8
    assert len(ledger.refreshes) >= 50
    assert ledger.refused == []
    assert len(set(ledger.spent_by.values())) > 1, "one process did it all"


def test_eight_processes_and_kills_at_random(account: Account) -> None:
    ledger = Ledger(account)
    *events, done = run(account, "share", processes=8, refreshes=200, kills=25)
    killed = {event["victim"] for event in events if event["event"] == "killed"}
    refused = [event["sentence"] for event in events if event["event"] == "refused"]
    assert len(killed) == 25
    assert done["statuses"] == [0] * 8
    assert len(ledger.refreshes) >= 200
    # Only a token whose new pair went down with a process was ever presented again, and whoever did was told so.
    presented = {token for _, token, _, _ in ledger.refreshes}
    given = {token: new for _, token, status, new in ledger.refreshes if status == 200}
    for token in ledger.refused:
        assert ledger.spent_by[token] in killed
        assert given[token] not in presented
    # (some who presented it were killed before they could tell)
    assert len(refused) <= len(ledger.refused)
    for sentence in refused:
        assert "UTC was cut off before its answer was stored" in sentence
        assert "Run `tl-hubspot auth teamleader`" in sentence
    grant = grant_of(account)
    assert grant.renew(refused=grant.access_token())


def test_killed_at_every_moment_of_a_refresh(account: Account) -> None:
    account.sandbox.set_switches(replayed_refresh_token="oauth")
    ledger = Ledger(account)
    *events, last = run(account, "crash")
    assert last["event"] == "undisturbed"
    moments = [event["moment"] for event in events if event["event"] == "killed"]
    lost = []
    for number, event in enumerate(events):
        if event["event"] == "refused":
            assert "UTC was cut off before its answer was stored" in event["sentence"]
            lost.append(events[number - 1]["moment"])
        elif event["event"] == "went on":
            assert event["status"] == 200
            assert event["files"] == ["teamleader.json", "teamleader.json.lock"]
    # Lost is the pair that was answered and not yet written; once written it is found again.
    asked, stored = moments.index("socket.connect"), moments.index("os.rename teamleader.json.new")
    assert (moments[0], moments[-1]) == ("open teamleader.json.lock", "fcntl.flock")
    assert moments.index("os.rename teamleader.json.attempt.new") < asked < stored
    assert lost == moments[asked + 1 : stored] != []
    assert len(ledger.refused) == len(lost)
    assert stat.S_IMODE(account.store_path.stat().st_mode) == 0o600


def test_killed_before_teamleader_did_it(account: Account) -> None:
    grant_of(account).access_token()
    before = account.store_path.read_bytes()
    account.sandbox.faults.add(Fault("slow", TOKEN_PATH, seconds=60))
    process = start(account)
    until(lambda: not account.sandbox.faults.remaining)
    process.kill()
    process.communicate(timeout=60)
    assert account.store_path.read_bytes() == before
    # The old token still works, nobody holds the lock, and the note of the attempt goes with the first success.
    ledger = Ledger(account)
    grant = grant_of(account)
    assert grant.renew(refused=grant.access_token())
    assert ledger.refused == []
    assert {path.name for path in account.store_path.parent.iterdir()} == {"teamleader.json", "teamleader.json.lock"}


def test_ctrl_c_while_teamleader_answers_loses_nothing(account: Account) -> None:
    grant_of(account).access_token()
    before = account.store_path.read_bytes()
    account.sandbox.faults.add(Fault("slow", TOKEN_PATH, seconds=0.5, when="after"))
    process = start(account)
    until(lambda: not account.sandbox.faults.remaining)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert account.store_path.read_bytes() != before
    ledger = Ledger(account)
    grant = grant_of(account)
    assert grant.renew(refused=grant.access_token())
    assert ledger.refused == []
