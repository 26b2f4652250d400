"""A local Teamleader per test, a meddler in front of it, and clients whose waiting takes no time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tl_hubspot.sandbox.control import LoopbackServer
from tl_hubspot.sandbox.teamleader import TeamleaderSandbox
from tl_hubspot.teamleader.client import TeamleaderClient
from tl_hubspot.teamleader.extraction import Extraction
from tl_hubspot_tests.transport.virtual_time import VirtualTime

CLIENT_SECRET = "sandbox-secret"
FIRST_TOKEN = "sandbox-refresh"

Meddling = Callable[[str, dict[str, Any]], dict[str, Any] | None]


class Meddler:
    """Stands before the sandbox: `before(endpoint, body)` may act, or return the body that arrives instead."""

    def __init__(self) -> None:
        self.plug(None)

    def plug(self, app: Any) -> None:
        """Forget everything and stand before this app from now on."""
        self._app = app
        self.before: Meddling | None = None
        self.headers: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        endpoint = scope["path"].strip("/")
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]} | {"endpoint": endpoint})
        if self.before and not endpoint.startswith("oauth2"):
            changed = self.before(endpoint, json.loads(body))
            body = json.dumps(changed).encode() if changed is not None else body
        given = False

        # The sandbox drops connections by way of this method's owner, so it must remain a method of the server's.
        owner = receive.__self__

        class Replay:
            transport = owner.transport

            async def receive(self) -> Any:
                nonlocal given
                if given:
                    return await receive()
                given = True
                return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, Replay().receive, send)


class Account:
    """One Teamleader account with everything a test needs around it."""

    def __init__(self, folder: Path, meddler: Meddler, url: str) -> None:
        self.sandbox = TeamleaderSandbox()
        # Whatever the documentation does not know is an error here, as the real server would ignore it in silence.
        self.sandbox.set_switches(strict=True)
        self.meddler = meddler
        self.meddler.plug(self.sandbox.app)
        self.url = url
        self.store_path = folder / "tokens" / "teamleader.json"
        self.time = VirtualTime(on_sleep=self.sandbox.clock.advance)
        self._clients: list[TeamleaderClient] = []

    def client(self, **changes: Any) -> TeamleaderClient:
        settings: dict[str, Any] = {
            "api_url": self.url,
            "auth_url": self.url,
            "client_id": "sandbox-client",
            "client_secret": CLIENT_SECRET,
            "refresh_token": FIRST_TOKEN,
            "token_store_path": self.store_path,
            "sleep": self.time.sleep,
            "clock": self.time.clock,
        }
        client = TeamleaderClient(**(settings | changes))
        self._clients.append(client)
        return client

    def extraction(self, **changes: Any) -> Extraction:
        return Extraction(self.client(**changes))

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.meddler.plug(None)
        self.sandbox.close()


@pytest.fixture(scope="session")
def front() -> Iterator[tuple[Meddler, str]]:
    meddler = Meddler()
    with LoopbackServer(meddler) as server:
        yield meddler, server.url


@pytest.fixture
def account(tmp_path: Path, front: tuple[Meddler, str]) -> Iterator[Account]:
    account = Account(tmp_path, *front)
    yield account
    account.close()
