"""A local Crmoffice for tests: one server for all of them, a fresh tenant for each, and plain HTTP to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tl_hubspot.sandbox.control import LoopbackServer
from tl_hubspot.sandbox.crmoffice import CrmofficeSandbox


class Front:
    """Hands requests to the tenant of the present test."""

    def __init__(self) -> None:
        self.app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class Tenant:
    """One tenant with `api`, an HTTP client that is signed in, and `web`, one that is not."""

    def __init__(self, front: Front, url: str, caps: str = "") -> None:
        self.sandbox = CrmofficeSandbox(caps=caps)
        front.app = self.sandbox.app
        self.url = url
        signed_in = {"Authorization": f"Bearer {self.sandbox.access_token()}"}
        # without the certificates of the world, which take longer to read than most tests
        self.api = httpx.Client(base_url=url, headers=signed_in, verify=False)
        self.web = httpx.Client(base_url=url, verify=False)

    def close(self) -> None:
        self.api.close()
        self.web.close()
        self.sandbox.close()

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        """The body of an answer to a GET that must have this status."""
        answer = self.api.get(path, params=query or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    def send(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> httpx.Response:
        """The answer to a write that must have this status; `If_Match` is sent as `If-Match`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.api.request(method, path, json=body, headers=named)
        assert answer.status_code == status, answer.text
        return answer

    def problems(self, method: str, path: str, body: Any) -> dict[str, str]:
        """Name → code of a refusal."""
        refused = self.send(method, path, body, status=422).json()
        assert refused["error"] == "validation_failed"
        assert all(field["message"] for field in refused["fields"])
        return {field["name"]: field["code"] for field in refused["fields"]}


@contextmanager
def served() -> Iterator[tuple[Front, str]]:
    """The one server."""
    front = Front()
    with LoopbackServer(front) as server:
        yield front, server.url
