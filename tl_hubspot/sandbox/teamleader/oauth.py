"""OAuth2 sign-in: authorize page, codes, rotating refresh tokens, access tokens. Limits of calls are in `limits`.

The same host answers for the API and for the sign-in.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from tl_hubspot.sandbox.teamleader.store import Store
from tl_hubspot.sandbox.teamleader.switches import Switches

ACCESS_SECONDS = 3600
CODE_SECONDS = 600
IMPLICIT_SECONDS = 900


class Refusal(Exception):
    """The token endpoint says no: a status and the JSON body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status, self.body = status, body
        super().__init__(f"{status} from the token endpoint")


@dataclass
class OAuth:
    """One client id (integration) of one account. Times are seconds of the virtual clock; tokens live in the store."""

    store: Store
    client_id: str
    client_secret: str
    first_refresh_token: str

    def __post_init__(self) -> None:
        self.ensure_first_token()

    def ensure_first_token(self) -> None:
        """A brand-new account knows the first refresh token; one that has been used does not get it again."""
        if self.store.one("SELECT 1 FROM tokens") is None:
            self._keep(self.first_refresh_token, "refresh", None)

    # -- authorize page --------------------------------------------------------------------------------------------

    def authorize(self, query: dict[str, str], switches: Switches, now: float) -> tuple[int, str, str | None]:
        """`(status, HTML, redirect)` of the authorize page. `decision=approve|deny` is what its two buttons send."""
        target = query.get("redirect_uri", "")
        if query.get("client_id") != self.client_id:
            return 401, _page("Unknown client", "<p>This client_id is not known.</p>"), None
        if not target.startswith(("http://", "https://")):
            return 400, _page("Wrong redirect", "<p>redirect_uri is missing or not allowed.</p>"), None
        state = {"state": query["state"]} if "state" in query else {}
        response_type = query.get("response_type")
        if response_type not in ("code", "token"):
            return 302, "", _with(target, {"error": "unsupported_response_type"} | state)
        decision = "approve" if switches.auto_approve else query.get("decision")
        if decision is None:
            hidden = "".join(
                f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in query.items()
            )
            buttons = (
                '<button name="decision" value="approve">Approve</button>'
                '<button name="decision" value="deny">Deny</button>'
            )
            return 200, _page("Connect to Teamleader", f'<form method="get">{hidden}{buttons}</form>'), None
        if decision != "approve":
            return 302, "", _with(target, {"error": "access_denied"} | state)
        if response_type == "token":
            token = self._issue("access", now + IMPLICIT_SECONDS)
            values = {"access_token": token, "token_type": "Bearer", "expires_in": str(IMPLICIT_SECONDS)} | state
            return 302, "", f"{target}#{urlencode(values)}"
        code = self._issue("code", now + CODE_SECONDS, redirect_uri=target)
        return 302, "", _with(target, {"code": code} | state)

    # -- token endpoint --------------------------------------------------------------------------------------------

    def grant(self, form: dict[str, Any], switches: Switches, now: float) -> dict[str, Any]:
        """A new pair of tokens for a code or a refresh token, each of which works once. Raises `Refusal`."""
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            raise Refusal(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        with self.store.transaction():
            match form.get("grant_type"):
                case "authorization_code":
                    self._spend_code(form, switches, now)
                case "refresh_token":
                    self._spend_refresh(form.get("refresh_token"), switches)
                case _:
                    raise Refusal(400, {"error": "unsupported_grant_type"})
            if switches.refresh_revokes_access:
                self.store.execute("DELETE FROM tokens WHERE kind = 'access'")
            self.store.execute("DELETE FROM tokens WHERE kind IN ('access', 'code') AND expires <= ?", [now])
            return {
                "token_type": "Bearer",
                "expires_in": ACCESS_SECONDS,
                "access_token": self._issue("access", now + ACCESS_SECONDS),
                "refresh_token": self._issue("refresh", None),
            }

    def _spend_code(self, form: dict[str, Any], switches: Switches, now: float) -> None:
        row = self.store.one("SELECT * FROM tokens WHERE token = ? AND kind = 'code'", [form.get("code")])
        if row is None or row["spent"] or row["expires"] <= now:
            raise _refused("Authorization code has been revoked or has expired", switches)
        if form.get("redirect_uri") != row["redirect_uri"]:
            raise _refused("Invalid redirect URI", switches)
        self.store.execute("UPDATE tokens SET spent = 1 WHERE token = ?", [row["token"]])

    def _spend_refresh(self, token: Any, switches: Switches) -> None:
        if not isinstance(token, str) or not self.store.execute(
            "UPDATE tokens SET spent = 1 WHERE token = ? AND kind = 'refresh' AND spent = 0", [token]
        ):
            raise _refused("Token has been revoked", switches)

    # -- access ----------------------------------------------------------------------------------------------------

    def why_refused(self, authorization: str | None, now: float) -> str | None:
        """The title of the 401 for an Authorization header, None when the token is good."""
        scheme, _, token = (authorization or "").partition(" ")
        row = self.store.one("SELECT * FROM tokens WHERE token = ? AND kind = 'access'", [token])
        if scheme.lower() != "bearer" or row is None:
            return "Unauthorized"
        return "access token expired" if row["expires"] <= now else None

    def issue_access_token(self, now: float, seconds: float = ACCESS_SECONDS) -> str:
        """An access token without the detour of a sign-in."""
        return self._issue("access", now + seconds)

    def issue_refresh_token(self) -> str:
        """A refresh token as a sign-in by a person would give it."""
        return self._issue("refresh", None)

    def revoke(self) -> None:
        """The user withdraws the permission: no token works any more."""
        self.store.execute("UPDATE tokens SET spent = 1, expires = 0")

    def _issue(self, kind: str, expires: float | None, redirect_uri: str | None = None) -> str:
        token = secrets.token_hex(24)
        if kind == "refresh":
            token = f"def50200{token}"
        elif kind == "access":
            # It looks like a JWT, but clients must take it as opaque.
            header = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"RS256"}').decode().rstrip("=")
            token = f"{header}.{token}.{secrets.token_urlsafe(32)}"
        self._keep(token, kind, expires, redirect_uri)
        return token

    def _keep(self, token: str, kind: str, expires: float | None, redirect_uri: str | None = None) -> None:
        self.store.execute(
            "INSERT INTO tokens (token, kind, expires, redirect_uri) VALUES (?, ?, ?, ?)",
            [token, kind, expires, redirect_uri],
        )


def _refused(hint: str, switches: Switches) -> Refusal:
    if switches.replayed_refresh_token == "oauth":
        return Refusal(401, {"error": "invalid_grant", "error_description": "The grant is invalid.", "hint": hint})
    error = {"code": 0, "title": "The refresh token is invalid.", "status": 400, "meta": {"hint": hint}}
    return Refusal(400, {"errors": [error]})


def _with(target: str, values: dict[str, str]) -> str:
    return f"{target}{'&' if '?' in target else '?'}{urlencode(values)}"


def _page(title: str, body: str) -> str:
    return f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>{body}"
