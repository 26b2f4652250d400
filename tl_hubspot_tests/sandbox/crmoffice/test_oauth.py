"""Signing in: the authorize page, codes, and refresh tokens in the three ways of rotation."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tl_hubspot.sandbox.crmoffice import CrmofficeSandbox
from tl_hubspot_tests.sandbox.crmoffice.tenant import Tenant

REDIRECT = "http://localhost:8765/callback"
CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
SCOPES = "crmoffice offline_access"


def authorize(tenant: Tenant, **changes: str) -> httpx.Response:
    query = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": REDIRECT,
        "scope": SCOPES,
        "state": "s1",
    }
    return tenant.web.get("/connect/authorize", params=query | changes)


def answered(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 302
    target = urlsplit(response.headers["Location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == REDIRECT
    answer = {name: values[0] for name, values in parse_qs(target.query).items()}
    assert answer.pop("state") == "s1"
    return answer


def token(tenant: Tenant, status: int = 200, **form: str) -> Any:
    answer = tenant.web.post("/connect/token", data=CLIENT | form)
    assert answer.status_code == status, answer.text
    return answer.json()


def refresh(tenant: Tenant, refresh_token: str, status: int = 200) -> Any:
    return token(tenant, status, grant_type="refresh_token", refresh_token=refresh_token)


def works(tenant: Tenant, access_token: str) -> bool:
    answer = tenant.web.get("/users", headers={"Authorization": f"Bearer {access_token}"})
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert answer.json()["error"] == "invalid_token"
    return answer.status_code == 200


def by_code(tenant: Tenant, code: str, status: int = 200, **changes: str) -> Any:
    grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    return token(tenant, status, **grant | changes)


def test_a_sign_in(tenant: Tenant) -> None:
    code = answered(authorize(tenant))["code"]
    granted = by_code(tenant, code)
    assert (granted["token_type"], granted["expires_in"], granted["scope"]) == ("Bearer", 3600, SCOPES)
    assert works(tenant, granted["access_token"])
    assert by_code(tenant, code, 400)["error"] == "invalid_grant"
    assert works(tenant, refresh(tenant, granted["refresh_token"])["access_token"])


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "somebody"},
        {"redirect_uri": ""},
        {"redirect_uri": "http://example.com/callback"},
        {"redirect_uri": "ftp://localhost/callback"},
    ],
)
def test_where_the_browser_must_not_go(tenant: Tenant, changes: dict[str, str]) -> None:
    assert authorize(tenant, **changes).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"code_challenge": "x", "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_faults_that_the_browser_carries_back(tenant: Tenant, changes: dict[str, str], error: str) -> None:
    assert answered(authorize(tenant, **changes)) == {"error": error}


def test_a_person_who_declines(tenant: Tenant) -> None:
    tenant.sandbox.set_switches(person="deny")
    assert answered(authorize(tenant)) == {"error": "access_denied"}


def test_a_code_is_for_one_minute_and_one_address(tenant: Tenant) -> None:
    code = answered(authorize(tenant))["code"]
    assert by_code(tenant, code, 400, redirect_uri=f"{REDIRECT}/other")["error"] == "invalid_grant"
    code = answered(authorize(tenant))["code"]
    tenant.sandbox.clock.advance(61)
    assert by_code(tenant, code, 400)["error"] == "invalid_grant"


def test_the_verifier_must_fit_its_challenge(tenant: Tenant) -> None:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"verifier").digest()).decode().rstrip("=")
    more = {"code_challenge": challenge, "code_challenge_method": "S256"}
    for verifier, status in (("verifier", 200), ("other", 400), ("", 400)):
        by_code(tenant, answered(authorize(tenant, **more))["code"], status, code_verifier=verifier)


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 400, "invalid_request"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "guessed"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token", "client_secret": "guessed"}, 401, "invalid_client"),
    ],
)
def test_refusals_of_the_token_endpoint(tenant: Tenant, form: dict[str, str], status: int, error: str) -> None:
    assert token(tenant, status, **form)["error"] == error


def test_the_client_may_also_sign_in_by_basic(tenant: Tenant) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "sandbox-refresh"}
    assert tenant.web.post("/connect/token", data=form, auth=("sandbox-client", "no")).status_code == 401
    answer = tenant.web.post("/connect/token", data=form, auth=("sandbox-client", "sandbox-secret"))
    assert answer.status_code == 200


def test_without_offline_access_there_is_no_refresh_token(tenant: Tenant) -> None:
    granted = by_code(tenant, answered(authorize(tenant, scope="crmoffice"))["code"])
    assert "refresh_token" not in granted
    assert works(tenant, granted["access_token"])


def test_a_token_without_the_scope_opens_nothing(tenant: Tenant) -> None:
    granted = by_code(tenant, answered(authorize(tenant, scope="offline_access"))["code"])
    answer = tenant.web.get("/contacts", headers={"Authorization": f"Bearer {granted['access_token']}"})
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_grace_leaves_the_old_token_until_the_new_one_is_used(tenant: Tenant) -> None:
    lost = refresh(tenant, "sandbox-refresh")
    kept = refresh(tenant, "sandbox-refresh")
    assert lost["refresh_token"] != kept["refresh_token"]
    assert works(tenant, kept["access_token"])
    # from here on the old token is dead, and using it costs the whole family
    assert refresh(tenant, "sandbox-refresh", 400)["error"] == "invalid_grant"
    assert not works(tenant, kept["access_token"])
    assert refresh(tenant, kept["refresh_token"], 400)["error"] == "invalid_grant"


def test_grace_ends_with_the_use_of_the_new_refresh_token_too(tenant: Tenant) -> None:
    second = refresh(tenant, "sandbox-refresh")
    refresh(tenant, second["refresh_token"])
    refresh(tenant, "sandbox-refresh", 400)


@pytest.mark.parametrize("tenant", ["refresh_rotation=strict"], indirect=True)
def test_strict_kills_the_old_token_at_once(tenant: Tenant) -> None:
    second = refresh(tenant, "sandbox-refresh")
    other = tenant.sandbox.refresh_token()
    assert refresh(tenant, "sandbox-refresh", 400)["error"] == "invalid_grant"
    assert not works(tenant, second["access_token"])
    refresh(tenant, other)  # of another family


@pytest.mark.parametrize("tenant", ["refresh_rotation=off"], indirect=True)
def test_off_gives_the_same_token_for_ever(tenant: Tenant) -> None:
    for _ in range(3):
        granted = refresh(tenant, "sandbox-refresh")
        assert granted["refresh_token"] == "sandbox-refresh"
        assert works(tenant, granted["access_token"])


def test_access_tokens_end(tenant: Tenant) -> None:
    granted = refresh(tenant, "sandbox-refresh")
    tenant.sandbox.clock.advance(3599)
    assert works(tenant, granted["access_token"])
    tenant.sandbox.clock.advance(2)
    assert not works(tenant, granted["access_token"])
    assert not works(tenant, "guessed")
    assert tenant.web.get("/contacts").status_code == 401
    fresh = tenant.sandbox.access_token()
    tenant.sandbox.revoke()
    assert not works(tenant, fresh)


def test_tokens_outlive_the_process(tmp_path: Any) -> None:
    first = CrmofficeSandbox(tmp_path / "crmoffice.sqlite")
    granted = first.oauth.grant(
        CLIENT | {"grant_type": "refresh_token", "refresh_token": "sandbox-refresh"},
        None,
        first.clock.now().timestamp(),
    )
    number = first.add(givenName="Ada")
    first.close()
    second = CrmofficeSandbox(tmp_path / "crmoffice.sqlite")
    second.oauth.check(f"Bearer {granted['access_token']}", second.clock.now().timestamp())
    assert second.get(number)["givenName"] == "Ada"
    second.close()
