"""One Teamleader sandbox and one loopback server per test process; every test starts from the small account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tl_hubspot.sandbox.control import Clock, LoopbackServer
from tl_hubspot.sandbox.teamleader import Switches, TeamleaderSandbox
from tl_hubspot_tests.sandbox.teamleader import account

START = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)


class StillClock(Clock):
    """Moves only when told, so that no test depends on how fast the machine is."""

    def __init__(self) -> None:
        self.instant = START
        super().__init__(START)

    def now(self) -> datetime:
        return self.instant

    def advance(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)

    def set(self, instant: datetime) -> None:
        self.instant = instant


class Api:
    """A plain HTTP caller that knows nothing but the base URL and a token."""

    def __init__(self, url: str, sandbox: TeamleaderSandbox) -> None:
        self.url = url
        self.sandbox = sandbox
        self.session = requests.Session()
        self.headers: dict[str, str] = {}

    def post(self, endpoint: str, body: Any = None, **headers: str) -> requests.Response:
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.post(f"{self.url}/{endpoint}", json={} if body is None else body, headers=sent, timeout=10)

    def data(self, endpoint: str, body: Any = None, **headers: str) -> Any:
        answer = self.post(endpoint, body, **headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["data"]

    def ids(self, endpoint: str, body: Any = None) -> list[str]:
        return [record["id"] for record in self.data(endpoint, body)]

    def titles(self, endpoint: str, body: Any = None, **headers: str) -> list[str]:
        """The titles of a 400."""
        answer = self.post(endpoint, body, **headers)
        assert answer.status_code == 400, answer.text
        return [error["title"] for error in answer.json()["errors"]]

    def token(self, **form: str) -> requests.Response:
        whole = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"} | form
        return self.session.post(f"{self.url}/oauth2/access_token", data=whole, timeout=10)


@pytest.fixture(scope="session")
def _served() -> Iterator[Api]:
    sandbox = TeamleaderSandbox(clock=StillClock())
    with LoopbackServer(sandbox.app) as server:
        yield Api(server.url, sandbox)
    sandbox.close()


def fresh(api: Api) -> None:
    """Back to an empty account with default switches, except that nothing limits the number of calls."""
    api.sandbox.reset()
    api.sandbox.set_switches(**asdict(Switches()) | {"rate_limit": None})
    api.sandbox.clock.set(START)
    api.headers = {"Authorization": f"Bearer {api.sandbox.access_token(10**9)}"}


@pytest.fixture
def api(_served: Api) -> Api:
    """The small account over HTTP."""
    fresh(_served)
    account.load(_served.sandbox)
    return _served


@pytest.fixture
def sandbox(api: Api) -> TeamleaderSandbox:
    return api.sandbox
