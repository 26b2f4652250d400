"""The token store: rotation, replaced first tokens, lost answers, bad disks, and what a person is told."""

from __future__ import annotations

import json
import logging
import os
import stat
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused, TlHubspotError, Unreachable
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.teamleader.client import ISSUER
from tl_hubspot.transport.token_store import TokenStore
from tl_hubspot.transport.tokens import TokenGrant
from tl_hubspot_tests.teamleader.conftest import CLIENT_SECRET, FIRST_TOKEN, Account

TOKEN_PATH = "oauth2/access_token"
REDIRECT = "http://localhost:8765/callback"


def grant_of(account: Account, first: str = FIRST_TOKEN, **changes: Any) -> TokenGrant:
    settings: dict[str, Any] = {
        "auth_url": account.url,
        "client_id": "sandbox-client",
        "client_secret": CLIENT_SECRET,
        "refresh_token": first,
        "store": TokenStore(account.store_path, ISSUER),
        "session": requests.Session(),
        "sleep": account.time.sleep,
    }
    return TokenGrant(**(settings | changes))


def sign_in(grant: TokenGrant) -> str:
    """As a person does; returns the code, which is spent."""
    sent = requests.get(grant.authorize_url(REDIRECT, "s1"), allow_redirects=False, timeout=10)
    query = dict(part.split("=") for part in sent.headers["Location"].split("?")[1].split("&"))
    assert query["state"] == "s1"
    grant.sign_in(query["code"], REDIRECT)
    return query["code"]


def note(account: Account) -> Path:
    return account.store_path.with_name("teamleader.json.attempt")


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
    assert stat.S_IMODE(account.store_path.parent.stat().st_mode) == 0o700


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
    grant_of(account, store=TokenStore(elsewhere, ISSUER)).renew(refused=token)
    before = stored(account)

    class LateStore(TokenStore):
        """The other machine's new tokens arrive between our first look and the refusal."""

        reads = 0

        def read(self) -> Any:
            self.reads += 1
            if self.reads == 2:
                self.path.write_bytes(elsewhere.read_bytes())
            return super().read()

    late = grant_of(account, store=LateStore(account.store_path, ISSUER))
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


@pytest.mark.parametrize("form", ["errors", "oauth"])
def test_a_lost_answer_loses_the_grant_and_says_so(account: Account, form: str) -> None:
    account.sandbox.set_switches(replayed_refresh_token=form)
    account.sandbox.faults.add(Fault("drop", TOKEN_PATH, when="after"))
    instant = datetime(2026, 11, 2, 11, 30, tzinfo=UTC).timestamp()
    for later in (0, 86_400):
        with pytest.raises(CredentialsRefused) as raised:
            grant_of(account, now=lambda later=later: instant + later).access_token()
        # Also the next day it is the first attempt that explains it.
        assert "a refresh begun on 2026-11-02 11:30 UTC was cut off before its answer was stored" in str(raised.value)
        assert "Run `tl-hubspot auth teamleader`" in str(raised.value)
    assert FIRST_TOKEN not in note(account).read_text()
    assert stat.S_IMODE(note(account).stat().st_mode) == 0o600
    # A new sign-in ends the matter.
    grant_of(account, account.sandbox.oauth.issue_refresh_token()).access_token()
    assert not note(account).exists()


def test_a_lost_answer_is_no_loss_where_teamleader_forgives_a_repetition(account: Account) -> None:
    """A grace period, should there be one: the refresh is asked for again within seconds, with the same token."""
    account.sandbox.faults.add(Fault("drop", TOKEN_PATH, when="after"))

    def forgive(_: float) -> None:
        account.sandbox.store.execute("UPDATE tokens SET spent = 0 WHERE token = ?", [FIRST_TOKEN])

    assert grant_of(account, sleep=forgive).access_token() == stored(account)["access_token"]
    assert not note(account).exists()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", TOKEN_PATH, status=429, times=None), Unreachable),
        (Fault("status", TOKEN_PATH, status=404), BadAnswer),
        (Fault("status", TOKEN_PATH, status=401, body={"error": "invalid_client"}), CredentialsRefused),
        (Fault("status", TOKEN_PATH, status=400, body={"error": "invalid_grant"}, times=None), CredentialsRefused),
    ],
    ids=lambda value: getattr(value, "status", ""),
)
def test_an_answer_that_did_nothing_is_not_remembered_as_cut_off(
    account: Account, fault: Fault, error: type[Exception]
) -> None:
    account.sandbox.faults.add(fault)
    with pytest.raises(error) as raised:
        grant_of(account).access_token()
    assert "cut off" not in str(raised.value)
    assert not note(account).exists()


def test_no_connection_is_not_remembered_as_cut_off(account: Account) -> None:
    with pytest.raises(Unreachable, match="ConnectionError"):
        grant_of(account, auth_url="http://127.0.0.1:9").access_token()
    assert not note(account).exists()


def test_an_unknown_end_is_remembered_and_forgotten_when_it_turns_out_well(account: Account) -> None:
    account.sandbox.faults.add(Fault("status", TOKEN_PATH, status=502, times=6))
    with pytest.raises(Unreachable):
        grant_of(account).access_token()
    assert note(account).exists()
    assert grant_of(account).access_token()
    assert not note(account).exists()
    assert refused(account) == 6


def test_a_note_that_is_no_note_counts_as_none(account: Account) -> None:
    account.store_path.parent.mkdir(parents=True)
    note(account).write_bytes(b"\xff{")
    assert grant_of(account).access_token()
    assert not note(account).exists()


def test_a_store_that_cannot_be_written_is_told_before_the_token_is_used(account: Account) -> None:
    note(account).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"cannot be used: Is a directory .*TL_HUBSPOT_DATA"):
        grant_of(account).access_token()
    account.store_path.parent.rename(account.store_path.parent.with_name("moved"))
    account.store_path.parent.write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be used: File exists"):
        grant_of(account)
    assert refreshes(account) == 0


def test_a_store_that_fails_after_the_answer(account: Account) -> None:
    session = requests.Session()
    session.hooks["response"].append(lambda *_, **__: account.store_path.mkdir())
    with pytest.raises(TlHubspotError, match=r"new tokens cannot be stored: .*auth teamleader"):
        grant_of(account, session=session).access_token()
    account.store_path.rmdir()
    # The new pair lies beside the store, whole: nothing is lost once the store can be written again.
    assert grant_of(account).access_token() == stored(account)["access_token"]
    assert refreshes(account) == 1


def test_half_of_a_new_store_is_thrown_away(account: Account) -> None:
    token = grant_of(account).access_token()
    new = account.store_path.with_name("teamleader.json.new")
    new.write_bytes(account.store_path.read_bytes()[:-20])
    assert grant_of(account).access_token() == token
    assert not new.exists()


def test_a_sign_in_by_a_shell_that_lacks_the_first_token_still_replaces_it(account: Account) -> None:
    grant_of(account).access_token()
    account.sandbox.revoke()
    account.sandbox.set_switches(auto_approve=True)
    sign_in(grant_of(account, ""))
    # The service still has the spent first token in its configuration.
    assert grant_of(account).access_token() == stored(account)["access_token"]
    assert refused(account) == 0


def test_a_refused_first_token_beside_another_sign_in_is_told_as_such(account: Account) -> None:
    account.sandbox.set_switches(auto_approve=True)
    sign_in(grant_of(account, ""))
    with pytest.raises(CredentialsRefused, match=r"the one in TEAMLEADER_REFRESH_TOKEN.*Remove TEAMLEADER_REFRESH_TOK"):
        grant_of(account, "mistyped").access_token()
    assert grant_of(account, "").access_token() == stored(account)["access_token"]


def test_signing_in_replaces_the_tokens(account: Account) -> None:
    account.sandbox.revoke()
    account.sandbox.set_switches(auto_approve=True)
    grant = grant_of(account)
    code = sign_in(grant)
    token = grant.access_token()
    # The old first token, still configured, does not get in the way of what was signed in later.
    assert grant_of(account).access_token() == token
    with pytest.raises(CredentialsRefused, match="a code works once"):
        grant.sign_in(code, REDIRECT)
    client = account.client()
    assert client.call("users.me", {}).data


def test_secrets_are_nowhere_to_be_read(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = account.client()
    texts = [repr(client), repr(client.grant), str(client.grant), repr(vars(client.grant))]
    client.call("users.me", {})
    texts += [repr(TokenStore(account.store_path, ISSUER).read()), repr(vars(client.grant)), str(vars(client))]
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
