"""Sign-in: authorize page, codes, rotating refresh tokens, access tokens."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_hubspot_tests.sandbox.teamleader.conftest import Api, fresh

CALLBACK = "http://127.0.0.1:8765/callback"
QUESTION = {"client_id": "sandbox-client", "response_type": "code", "redirect_uri": CALLBACK, "state": "s-1 &<"}


def _authorize(api: Api, **query: str) -> requests.Response:
    return api.session.get(f"{api.url}/oauth2/authorize", params=QUESTION | query, allow_redirects=False, timeout=10)


def _landed(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 302
    target = urlsplit(answer.headers["Location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == CALLBACK
    return {name: values[0] for name, values in parse_qs(target.query or target.fragment).items()}


def _refresh(api: Api, token: str) -> requests.Response:
    return api.token(grant_type="refresh_token", refresh_token=token)


def _works(api: Api, token: str) -> bool:
    return api.post("users.me", Authorization=f"Bearer {token}").status_code == 200


def test_the_page_asks_and_its_buttons_decide(api: Api) -> None:
    page = _authorize(api)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'value="s-1 &amp;&lt;"' in page.text
    assert _landed(_authorize(api, decision="deny")) == {"error": "access_denied", "state": QUESTION["state"]}
    landed = _landed(_authorize(api, decision="approve"))
    assert landed.keys() == {"code", "state"}
    assert landed["state"] == QUESTION["state"]


def test_wrong_questions(api: Api) -> None:
    assert _authorize(api, client_id="other").status_code == 401
    assert _authorize(api, redirect_uri="javascript:alert(1)").status_code == 400
    assert _landed(_authorize(api, response_type="pin"))["error"] == "unsupported_response_type"


@pytest.mark.parametrize("form", ["data", "json"])
def test_code_to_tokens(api: Api, form: str) -> None:
    code = _landed(_authorize(api, decision="approve"))["code"]
    sent: dict[str, Any] = {
        "client_id": "sandbox-client",
        "client_secret": "sandbox-secret",
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
    }
    url = f"{api.url}/oauth2/access_token"

    def send() -> requests.Response:
        if form == "json":
            return api.session.post(url, json=sent, timeout=10)
        return api.session.post(url, data=sent, timeout=10)

    answer = send()
    assert answer.status_code == 200
    pair = answer.json()
    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 3600)
    assert _works(api, pair["access_token"])
    assert _refresh(api, pair["refresh_token"]).status_code == 200
    assert send().status_code == 400, "a code works once"


def test_a_code_belongs_to_its_redirect_and_lasts_ten_minutes(api: Api) -> None:
    for redirect, wait, status in ((CALLBACK, 599, 200), (CALLBACK, 600, 400), ("http://127.0.0.1/other", 0, 400)):
        code = _landed(_authorize(api, decision="approve"))["code"]
        api.sandbox.clock.advance(wait)
        answer = api.token(grant_type="authorization_code", code=code, redirect_uri=redirect)
        assert answer.status_code == status


def test_implicit_grant(api: Api) -> None:
    answer = _authorize(api, decision="approve", response_type="token")
    landed = _landed(answer)
    assert "#" in answer.headers["Location"]
    assert landed["expires_in"] == "900"
    assert "refresh_token" not in landed
    assert _works(api, landed["access_token"])
    api.sandbox.clock.advance(900)
    assert not _works(api, landed["access_token"])


def test_wrong_client_or_grant(api: Api) -> None:
    wrong = api.token(client_secret="x", grant_type="refresh_token", refresh_token="sandbox-refresh")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert api.token(grant_type="password").status_code == 400
    assert api.token(grant_type="refresh_token").status_code == 400
    assert _refresh(api, "sandbox-refresh").status_code == 200, "a refusal spends nothing"


def test_an_access_token_lasts_an_hour_of_the_virtual_clock(api: Api) -> None:
    token = _refresh(api, "sandbox-refresh").json()["access_token"]
    api.sandbox.clock.advance(3590)
    assert _works(api, token)
    api.sandbox.clock.advance(10)
    answer = api.post("users.me", Authorization=f"Bearer {token}")
    assert answer.status_code == 401
    assert answer.json()["errors"][0] == {"code": 0, "title": "access token expired", "status": 401}


@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Bearer sandbox-refresh", "Basic abc"])
def test_no_or_wrong_token(api: Api, header: str) -> None:
    answer = api.post("users.me", Authorization=header)
    assert (answer.status_code, answer.json()["errors"][0]["status"]) == (401, 401)


def test_revocation_ends_every_token_and_a_new_sign_in_begins_again(api: Api) -> None:
    pair = _refresh(api, "sandbox-refresh").json()
    api.sandbox.revoke()
    assert not _works(api, pair["access_token"])
    assert _refresh(api, pair["refresh_token"]).status_code == 400
    code = _landed(_authorize(api, decision="approve"))["code"]
    assert api.token(grant_type="authorization_code", code=code, redirect_uri=CALLBACK).status_code == 200


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 5), max_size=12))
def test_a_rotated_refresh_token_never_works_twice(_served: Api, choices: list[int]) -> None:
    api = _served
    fresh(api)
    known, spent = ["sandbox-refresh"], set()
    for choice in choices:
        token = known[choice % len(known)]
        answer = _refresh(api, token)
        assert (answer.status_code == 200) == (token not in spent)
        if answer.status_code == 200:
            spent.add(token)
            assert answer.json()["refresh_token"] not in known
            known.append(answer.json()["refresh_token"])
    assert len(known) - len(spent) == 1, "exactly one token is alive at any time"
