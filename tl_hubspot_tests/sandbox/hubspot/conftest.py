"""One HubSpot sandbox behind a real server per test process, emptied before each test; every answer is checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import httpx
import hubspot
import pytest

from tl_hubspot.sandbox.control import LoopbackServer
from tl_hubspot.sandbox.hubspot import HubSpotSandbox, Profile, Switches
from tl_hubspot_tests.sandbox.hubspot import openapi

TEST_SWITCHES = Switches(limits=False)


@pytest.fixture(scope="session")
def _server() -> Iterator[tuple[HubSpotSandbox, str]]:
    sandbox = HubSpotSandbox(switches=TEST_SWITCHES)
    with LoopbackServer(sandbox.app) as server:
        yield sandbox, server.url
    sandbox.close()


@pytest.fixture
def sandbox(_server: tuple[HubSpotSandbox, str]) -> HubSpotSandbox:
    sandbox, _ = _server
    sandbox.set_switches(**{item.name: getattr(TEST_SWITCHES, item.name) for item in fields(Switches)})
    sandbox.set_profile(**{item.name: item.default for item in fields(Profile)})
    sandbox.clock.set(sandbox.clock.now().replace(year=2026, month=3, day=10, hour=9))
    sandbox.reset()
    return sandbox


@pytest.fixture
def url(_server: tuple[HubSpotSandbox, str]) -> str:
    return _server[1]


@pytest.fixture(scope="session")
def _http(_server: tuple[HubSpotSandbox, str]) -> Iterator[httpx.Client]:
    def check(response: httpx.Response) -> None:
        response.read()
        method, path = response.request.method, response.request.url.raw_path.decode().split("?")[0]
        if openapi.operation(method, path) is None or response.status_code in (401, 404, 405):
            return
        body = response.json() if response.content else None
        openapi.check_response(method, path, response.status_code, body)

    headers = {"Authorization": f"Bearer {Profile().access_token}"}
    with httpx.Client(base_url=_server[1], headers=headers, event_hooks={"response": [check]}, timeout=20) as client:
        yield client


@pytest.fixture
def http(sandbox: HubSpotSandbox, _http: httpx.Client) -> httpx.Client:
    """A client whose answers must fit the OpenAPI documents wherever these describe the route."""
    return _http


@pytest.fixture
def client(sandbox: HubSpotSandbox, url: str) -> hubspot.Client:
    return hubspot.Client.create(access_token=sandbox.profile.access_token, host=url, base_url=url)


@pytest.fixture
def keyed(sandbox: HubSpotSandbox) -> HubSpotSandbox:
    """The sandbox with the unique property `ext_id` on contacts, companies and deals."""
    for kind in ("contacts", "companies", "deals"):
        sandbox.define_property(
            kind, name="ext_id", label="External id", type="string", fieldType="text", hasUniqueValue=True
        )
    return sandbox


def traced(*inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """Inputs with trace ids t0, t1, …"""
    return [{**item, "objectWriteTraceId": f"t{number}"} for number, item in enumerate(inputs)]


def traces(errors: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Errors of a 207 by the trace id they name."""
    return {error["context"]["objectWriteTraceId"][0]: error for error in errors}
