"""The token store: rotation, other processes, kills, replaced first tokens, and what a person is told."""

from __future__ import annotations

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
import requests

from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused, Unreachable
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.teamleader.tokens import TokenGrant, Tokens, TokenStore
from tl_hubspot_tests.teamleader.conftest import CLIENT_SECRET, FIRST_TOKEN, Account

TOKEN_PATH = "oauth2/access_token"


def grant_of(account: Account, first: str = FIRST_TOKEN, **changes: Any) -> TokenGrant:
    settings: dict[str, Any] = {
        "auth_url": account.url,
        "client_id": "sandbox-client",
        "client_secret": CLIENT_SECRET,
        "refresh_token": first,
        "store": TokenStore(account.store_path),
        "session": requests.Session(),
        "sleep": account.time.sleep,
    }
    return TokenGrant(**(settings | changes))


def stored(account: Account) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(account.store_path.read_text())
    return result


def refreshes(account: Account) -> int:
    return account.sandbox.log.count(TOKEN_PATH)


def refused(account: Account) -> int:
    return sum(1 for entry in account.sandbox.log.entries if TOKEN_PATH in entry["path"] and entry["status"] >= 400)


def test_first_token_starts_the_chain_and_the_rotated_one_lives_in_the_store_only(account: Account) -> None:
    token = grant_of(account).access_token()
    assert stored(account)["access_token"] == token
    assert stored(account)["refresh_token"] != FIRST_TOKEN
    assert FIRST_TOKEN not in account.store_path.read_text()
    # A later process uses what is stored: no refresh, and the spent first token is not replayed.
    assert grant_of(account).access_token() == token
    assert refreshes(account) == 1


def test_only_the_owner_may_read_the_files(account: Account) -> None:
    old = os.umask(0)
    try:
        grant_of(account).access_token()
    finally:
        os.umask(old)
    for path in account.store_path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert {path.name for path in account.store_path.parent.iterdir()} == {"teamleader.json", "teamleader.json.lock"}


def test_refreshed_ahead_of_the_end_and_not_before(account: Account) -> None:
    now = [1_000_000.0]
    grant = grant_of(account, now=lambda: now[0])
    first = grant.access_token()
    now[0] += 3600 - 301
    assert grant.access_token() == first
    now[0] += 2
    assert grant.access_token() != first
    assert refreshes(account) == 2
    assert refused(account) == 0


def test_new_tokens_are_on_disk_before_they_are_used(account: Account) -> None:
    used: list[bool] = []

    def compare(endpoint: str, body: dict[str, Any]) -> None:
        bearer = account.meddler.headers[-1]["authorization"].removeprefix("Bearer ")
        used.append(stored(account)["access_token"] == bearer)

    account.meddler.before = compare
    client = account.client()
    client.call("users.me", {})
    account.sandbox.clock.advance(4000)
    client.call("users.me", {})
    # The stored token, then the refused old one, then the new one.
    assert used == [True, True, True]
    assert refreshes(account) == 2


def test_another_process_rotated_meanwhile_so_no_second_refresh(account: Account) -> None:
    mine, other = grant_of(account), grant_of(account)
    token = mine.access_token()
    renewed = other.renew(refused=other.access_token())
    assert renewed != token
    assert mine.renew(refused=token) == renewed
    assert refreshes(account) == 2


def test_refused_while_another_machine_has_already_rotated(account: Account) -> None:
    grant = grant_of(account)
    token = grant.access_token()
    elsewhere = account.store_path.with_name("elsewhere.json")
    elsewhere.write_bytes(account.store_path.read_bytes())
    grant_of(account, store=TokenStore(elsewhere)).renew(refused=token)
    before = stored(account)

    class LateStore(TokenStore):
        """The other machine's new tokens arrive between our first look and the refusal."""

        reads = 0

        def read(self) -> Any:
            self.reads += 1
            if self.reads == 2:
                self.path.write_bytes(elsewhere.read_bytes())
            return super().read()

    late = grant_of(account, store=LateStore(account.store_path))
    assert late.renew(refused=token) == json.loads(elsewhere.read_text())["access_token"]
    assert stored(account) != before
    assert refused(account) == 1


def test_a_new_first_token_wins_over_the_stored_chain(account: Account) -> None:
    grant_of(account).access_token()
    account.sandbox.revoke()
    new = account.sandbox.oauth.issue_refresh_token()
    token = grant_of(account, new).access_token()
    assert refused(account) == 0
    # From now on the stored chain of the new one counts, also for a process that has no first token configured.
    assert grant_of(account, new).access_token() == token
    assert grant_of(account, "").access_token() == token
    assert refreshes(account) == 2


@pytest.mark.parametrize("form", ["errors", "oauth"])
def test_revoked_permission_is_told_with_the_way_out(account: Account, form: str) -> None:
    account.sandbox.set_switches(replayed_refresh_token=form)
    grant = grant_of(account)
    token = grant.access_token()
    account.sandbox.revoke()
    with pytest.raises(CredentialsRefused, match=r"`tl-hubspot auth teamleader`.*TEAMLEADER_REFRESH_TOKEN"):
        grant.renew(refused=token)
    # A refused token is not tried twice.
    assert refused(account) == 1


def test_no_token_at_all(account: Account) -> None:
    with pytest.raises(ConfigurationError, match="`tl-hubspot auth teamleader`"):
        grant_of(account, "").access_token()
    assert refreshes(account) == 0


def test_a_file_that_is_no_store_is_named_and_not_quoted(account: Account) -> None:
    account.store_path.parent.mkdir(parents=True)
    account.store_path.write_text('{"access_token": 17, "refresh_token": "def-very-secret"}')
    with pytest.raises(ConfigurationError) as raised:
        grant_of(account).access_token()
    assert str(account.store_path) in str(raised.value)
    assert "def-very-secret" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", TOKEN_PATH, status=503, times=3),
        Fault("status", TOKEN_PATH, status=429, times=2),
        Fault("status", TOKEN_PATH, status=200, body="<html>maintenance</html>", times=2),
        Fault("drop", TOKEN_PATH, times=2),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_a_sign_in_service_with_hiccups_is_asked_again(account: Account, fault: Fault) -> None:
    account.sandbox.faults.add(fault)
    grant_of(account).access_token()
    assert account.sandbox.faults.remaining == []
    assert account.time.slept > 1


def test_a_sign_in_service_that_stays_down(account: Account) -> None:
    account.sandbox.faults.add(Fault("status", TOKEN_PATH, status=502, times=None))
    with pytest.raises(Unreachable, match="status 502"):
        grant_of(account).access_token()
    assert not account.store_path.exists()


def test_a_wrong_address_of_the_sign_in_service(account: Account) -> None:
    account.sandbox.faults.add(Fault("status", TOKEN_PATH, status=404))
    with pytest.raises(BadAnswer, match=r"answered 404.*TEAMLEADER_AUTH_URL"):
        grant_of(account).access_token()


def test_a_wrong_client_secret_is_not_taken_for_a_refused_token(account: Account) -> None:
    with pytest.raises(CredentialsRefused, match="TEAMLEADER_CLIENT_SECRET"):
        grant_of(account, client_secret="another").access_token()


def test_a_lost_answer_loses_the_grant_and_says_so(account: Account) -> None:
    account.sandbox.faults.add(Fault("drop", TOKEN_PATH, when="after"))
    with pytest.raises(CredentialsRefused, match="auth teamleader"):
        grant_of(account).access_token()


def test_signing_in_replaces_the_tokens(account: Account) -> None:
    account.sandbox.revoke()
    account.sandbox.set_switches(auto_approve=True)
    grant = grant_of(account)
    redirect = "http://127.0.0.1:8765/callback"
    sent = requests.get(grant.authorize_url(redirect, "s1"), allow_redirects=False, timeout=10)
    query = dict(part.split("=") for part in sent.headers["Location"].split("?")[1].split("&"))
    assert query["state"] == "s1"
    grant.sign_in(query["code"], redirect)
    token = grant.access_token()
    # The old first token, still configured, does not get in the way of what was signed in later.
    assert grant_of(account).access_token() == token
    with pytest.raises(CredentialsRefused, match="a code works once"):
        grant.sign_in(query["code"], redirect)
    client = account.client()
    assert client.call("users.me", {}).data


def start(account: Account, rounds: int) -> subprocess.Popen[str]:
    module = "tl_hubspot_tests.teamleader.rotate"
    return subprocess.Popen(
        [sys.executable, "-m", module, account.url, str(account.store_path), FIRST_TOKEN, str(rounds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_eight_processes_refresh_without_ever_spending_a_token_twice(account: Account) -> None:
    processes = [start(account, 3) for _ in range(8)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert refused(account) == 0
    assert 4 <= refreshes(account) <= 1 + 8 * 3
    account.client().call("users.me", {})


def test_a_killed_process_leaves_a_whole_store_and_no_lock(account: Account) -> None:
    grant_of(account).access_token()
    for lines in (1, 2, 4):
        process = start(account, 10_000)
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert set(stored(account)) == {"access_token", "refresh_token", "expires_at", "started_from"}
        assert stat.S_IMODE(account.store_path.stat().st_mode) == 0o600
        # Killed between Teamleader's answer and the disk, the chain is lost for good: that must be said, not hang.
        grant = grant_of(account)
        try:
            grant.renew(refused=grant.access_token())
        except CredentialsRefused as error:
            assert "auth teamleader" in str(error)
            account.sandbox.revoke()
            # As signing in again would.
            TokenStore(account.store_path).write(
                Tokens(
                    access_token=account.sandbox.access_token(),
                    refresh_token=account.sandbox.oauth.issue_refresh_token(),
                    expires_at=4e9,
                    started_from=stored(account)["started_from"],
                )
            )


def test_killed_while_teamleader_answers(account: Account) -> None:
    grant_of(account).access_token()
    before = account.store_path.read_bytes()
    account.sandbox.faults.add(Fault("slow", TOKEN_PATH, seconds=60))
    process = start(account, 1)
    assert process.stdout is not None
    process.stdout.readline()
    while account.sandbox.faults.remaining:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert account.store_path.read_bytes() == before
    # The request never reached the application, so the old token still works, and nobody holds the lock.
    grant = grant_of(account)
    assert grant.renew(refused=grant.access_token()) == stored(account)["access_token"]


def test_secrets_are_nowhere_to_be_read(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = account.client()
    texts = [repr(client), repr(client.grant), str(client.grant), repr(vars(client.grant))]
    client.call("users.me", {})
    texts += [repr(TokenStore(account.store_path).read()), repr(vars(client.grant)), str(vars(client))]
    secret = {CLIENT_SECRET, FIRST_TOKEN, stored(account)["access_token"], stored(account)["refresh_token"]}
    account.sandbox.faults.add(Fault("status", "users.me", status=500, times=None))
    account.sandbox.faults.add(Fault("drop", "contacts.info", times=None))
    account.sandbox.faults.add(Fault("status", "deals.info", status=403))
    account.sandbox.faults.add(Fault("status", "companies.info", status=418))
    for endpoint, body in [
        ("users.me", {}),
        *((f"{kind}.info", {"id": account.sandbox.new_id(kind)}) for kind in ("contacts", "deals", "companies")),
    ]:
        with pytest.raises((Unreachable, CredentialsRefused, BadAnswer)) as raised:
            client.call(endpoint, body)
        texts += [*traceback.format_exception(raised.value), repr(raised.value)]
    account.sandbox.faults.clear()
    account.sandbox.revoke()
    with pytest.raises(CredentialsRefused) as raised_last:
        client.call("users.me", {})
    texts += traceback.format_exception(raised_last.value)
    texts += [record.getMessage() for record in caplog.records]
    assert caplog.records
    found = [text for text in texts for value in secret if value in text]
    assert found == []
