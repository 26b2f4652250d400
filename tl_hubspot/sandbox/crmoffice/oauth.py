"""OAuth2 sign-in: authorize page, codes, rotating refresh tokens in families, access tokens.

What the tokens open is in `app`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit

from tl_hubspot.sandbox.crmoffice.errors import ApiError, bad
from tl_hubspot.sandbox.crmoffice.store import Store
from tl_hubspot.sandbox.crmoffice.switches import Switches

CODE_SECONDS = 60
SCOPES = ("crmoffice", "offline_access")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Refusal(Exception):
    """The token endpoint says no: a status and the JSON body."""

    def __init__(self, status: int, error: str, description: str) -> None:
        self.status, self.body = status, {"error": error, "error_description": description}
        super().__init__(f"{status} {error}")


@dataclass
class OAuth:
    """One client of one tenant. Times are seconds of the virtual clock; tokens live in the store."""

    store: Store
    switches: Switches
    client_id: str
    client_secret: str
    first_refresh_token: str

    def __post_init__(self) -> None:
        self.ensure_first_token()

    def ensure_first_token(self) -> None:
        """A brand-new tenant knows the first refresh token; one that has been used does not get it again."""
        if self.store.one("select 1 from tokens") is None:
            self._keep(self.first_refresh_token, "refresh", secrets.token_hex(8), " ".join(SCOPES))

    # -- authorize page --------------------------------------------------------------------------------------------

    def authorize(self, query: dict[str, str], now: float) -> str:
        """Where the browser goes next. ApiError 400 when it must not go where the query says."""
        target = query.get("redirect_uri", "")
        if query.get("client_id") != self.client_id:
            raise bad("This client_id is not known.")
        if not _may_be_redirected_to(target):
            raise bad("redirect_uri is missing or not allowed.")
        answer = self._decision(query, target, now)
        if "state" in query:
            answer["state"] = query["state"]
        return f"{target}{'&' if urlsplit(target).query else '?'}{urlencode(answer)}"

    def _decision(self, query: dict[str, str], target: str, now: float) -> dict[str, str]:
        scope = query.get("scope", "").split()
        if query.get("response_type") != "code":
            return {"error": "unsupported_response_type"}
        if not scope or set(scope) - set(SCOPES):
            return {"error": "invalid_scope"}
        if "code_challenge" in query and query.get("code_challenge_method") != "S256":
            return {"error": "invalid_request"}
        if self.switches.person == "deny":
            return {"error": "access_denied"}
        code = secrets.token_urlsafe(24)
        family = secrets.token_hex(8)
        more = {"redirect_uri": target, "challenge": query.get("code_challenge")}
        self._keep(code, "code", family, " ".join(scope), expires=now + CODE_SECONDS, **more)
        return {"code": code}

    # -- token endpoint --------------------------------------------------------------------------------------------

    def grant(self, form: dict[str, str], authorization: str | None, now: float) -> dict[str, Any]:
        """A pair of tokens for a code or a refresh token. Raises `Refusal`."""
        if _client(form, authorization) != (self.client_id, self.client_secret):
            raise Refusal(401, "invalid_client", "Client authentication failed.")
        with self.store.lock:
            match form.get("grant_type"):
                case "authorization_code":
                    return self._by_code(form, now)
                case "refresh_token":
                    return self._by_refresh_token(form, now)
                case None | "":
                    raise Refusal(400, "invalid_request", "grant_type is missing.")
                case _:
                    raise Refusal(400, "unsupported_grant_type", "This grant_type is not supported.")

    def _by_code(self, form: dict[str, str], now: float) -> dict[str, Any]:
        if not form.get("code"):
            raise Refusal(400, "invalid_request", "code is missing.")
        row = self.store.one("select * from tokens where token = ? and kind = 'code'", form["code"])
        if row is None or row["dead"] or row["expires"] <= now:
            raise Refusal(400, "invalid_grant", "The code is unknown, used or expired.")
        self._kill(row["token"])
        if form.get("redirect_uri") != row["redirect_uri"]:
            raise Refusal(400, "invalid_grant", "redirect_uri is another one.")
        if row["challenge"] is not None and _challenge(form.get("code_verifier", "")) != row["challenge"]:
            raise Refusal(400, "invalid_grant", "code_verifier does not fit.")
        return self._pair(row["family"], row["scope"], now, replaces=None)

    def _by_refresh_token(self, form: dict[str, str], now: float) -> dict[str, Any]:
        if not form.get("refresh_token"):
            raise Refusal(400, "invalid_request", "refresh_token is missing.")
        row = self.store.one("select * from tokens where token = ? and kind = 'refresh'", form["refresh_token"])
        if row is None:
            raise Refusal(400, "invalid_grant", "The refresh token is unknown.")
        if row["dead"]:
            self.store.execute("update tokens set dead = 1 where family = ?", row["family"])
            raise Refusal(400, "invalid_grant", "The refresh token was used before; its whole family is revoked.")
        self._first_use(row["replaces"])
        if self.switches.refresh_rotation == "off":
            return self._pair(row["family"], row["scope"], now, replaces=None, same=row["token"])
        if self.switches.refresh_rotation == "strict":
            self._kill(row["token"])
        return self._pair(row["family"], row["scope"], now, replaces=row["token"])

    def _pair(
        self, family: str, scope: str, now: float, *, replaces: str | None, same: str | None = None
    ) -> dict[str, Any]:
        life = self.switches.access_seconds
        access, refresh = secrets.token_urlsafe(32), same or secrets.token_urlsafe(32)
        self._keep(access, "access", family, scope, expires=now + life, replaces=replaces)
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": round(life), "scope": scope}
        if "offline_access" not in scope.split():
            return answer
        if same is None:
            self._keep(refresh, "refresh", family, scope, replaces=replaces)
        return answer | {"refresh_token": refresh}

    # -- access ----------------------------------------------------------------------------------------------------

    def check(self, authorization: str | None, now: float) -> None:
        """ApiError 401 or 403 unless the header holds an access token that opens the resources."""
        scheme, _, token = (authorization or "").partition(" ")
        row = self.store.one("select * from tokens where token = ? and kind = 'access'", token)
        if scheme.lower() != "bearer" or row is None or row["dead"] or row["expires"] <= now:
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise ApiError(401, "The access token is missing, unknown, revoked or expired.", headers=headers)
        self._first_use(row["replaces"])
        if "crmoffice" not in row["scope"].split():
            raise ApiError(403, "The access token lacks the scope crmoffice.")

    def issue(self, kind: str, now: float, *, seconds: float | None = None, scope: str = " ".join(SCOPES)) -> str:
        """An access or refresh token of a family of its own, as a sign-in would give it."""
        token = secrets.token_urlsafe(32)
        expires = now + (self.switches.access_seconds if seconds is None else seconds) if kind == "access" else None
        self._keep(token, kind, secrets.token_hex(8), scope, expires=expires)
        return token

    def revoke(self) -> None:
        """An administrator withdraws the permission: no token works any more."""
        self.store.execute("update tokens set dead = 1")

    def _first_use(self, replaced: str | None) -> None:
        if replaced is not None:
            self._kill(replaced)

    def _kill(self, token: str) -> None:
        self.store.execute("update tokens set dead = 1 where token = ?", token)

    def _keep(
        self,
        token: str,
        kind: str,
        family: str,
        scope: str,
        *,
        expires: float | None = None,
        replaces: str | None = None,
        redirect_uri: str | None = None,
        challenge: str | None = None,
    ) -> None:
        self.store.execute(
            "insert into tokens values (?, ?, ?, ?, ?, ?, 0, ?, ?)",
            *(token, kind, family, scope, expires, replaces, redirect_uri, challenge),
        )


def _may_be_redirected_to(target: str) -> bool:
    try:
        parts = urlsplit(target)
        return bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        )
    except ValueError:
        return False


def _client(form: dict[str, str], authorization: str | None) -> tuple[str | None, str | None]:
    """Id and secret by HTTP Basic (each form-encoded first) or from the form."""
    if authorization is None:
        return form.get("client_id"), form.get("client_secret")
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return (unquote_plus(name), unquote_plus(secret)) if scheme.lower() == "basic" else (None, None)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
