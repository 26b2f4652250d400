"""Parts of HTTP that the clients built on `requests` share: sessions, authorization, reading of headers.

What a status means, and what is asked again, is decided in each system's client.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter


def session(connections: int) -> requests.Session:
    """A session that keeps so many connections, at least ten, and no cookies."""
    made = requests.Session()
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        made.mount(scheme, HTTPAdapter(pool_maxsize=max(connections, 10)))
    return made


class Bearer(requests.auth.AuthBase):
    """Sets the header itself: without an `auth` requests would prefer credentials of a .netrc file."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def unchanged(request: Any) -> Any:
    """requests' `auth` that adds nothing: without one it would look for credentials in a .netrc file."""
    return request


def never_sent(error: requests.RequestException) -> bool:
    """Whether there was no connection at all, so that the request cannot have arrived."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, urllib3.exceptions.NewConnectionError)


def instant(text: str) -> datetime | None:
    """An instant from an HTTP date or either ISO form (`…:23.035+0100`, `…:08+00:00`), or None."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = parse(text)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
