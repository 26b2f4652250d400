"""Faults, the limit of calls, the control routes, and the grammar of capabilities."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.crmoffice import CrmofficeSandbox, Switches
from tl_hubspot.sandbox.crmoffice.switches import CAPABILITIES, capabilities
from tl_hubspot_tests.sandbox.crmoffice.tenant import Tenant

DEFAULT = (
    "write=patch,modified_timestamp=0,since_filter=0,delete_feed=0,etag=0,idempotency_key=0,page_style=offset,"
    "canonicalises=-,required_fields=-,refresh_rotation=grace"
)


def test_the_limit_of_calls(tenant: Tenant) -> None:
    tenant.sandbox.set_switches(rate_limit=3)
    for _ in range(3):
        tenant.get("/users")
    refused = tenant.api.post("/contacts", json={"givenName": "Ada"})
    assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "10"
    assert tenant.sandbox.count() == 0
    tenant.web.post("/connect/token")  # is not counted
    tenant.sandbox.clock.advance(10)
    tenant.get("/users")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("kind", "status"), [("status", 503), ("drop", 0)])
def test_a_write_may_be_done_although_it_failed(tenant: Tenant, kind: Any, status: int, when: Any) -> None:
    tenant.sandbox.faults.add(Fault(kind, "contacts", method="POST", status=503, when=when))
    try:
        answer = tenant.api.post("/contacts", json={"givenName": "Ada"})
        assert answer.json()["error"] == "unavailable"
    except httpx.TransportError:
        assert status == 0
    assert tenant.sandbox.count() == (when == "after")
    [entry] = tenant.sandbox.log.writes()
    assert (entry["method"], entry["status"]) == ("POST", status)


def test_poison(tenant: Tenant) -> None:
    good, bad = (tenant.sandbox.add(givenName=name) for name in ("Ada", "Bo"))
    tenant.sandbox.faults.add(Fault("poison", "contacts/", times=None, record=bad))
    assert tenant.get(f"/contacts/{bad}", 500)["error"] == "server_error"
    assert tenant.problems("PATCH", f"/contacts/{bad}", {"familyName": "X"}) == {"familyName": "invalid"}
    tenant.send("PATCH", f"/contacts/{good}", {"familyName": "X"})


def test_omit_empty_and_truncated(tenant: Tenant) -> None:
    first, second = (tenant.sandbox.add(givenName=name) for name in ("Ada", "Bo"))
    for fault in (Fault("omit", "contacts", record="Ada"), Fault("empty", "contacts"), Fault("truncated", "contacts")):
        tenant.sandbox.faults.add(fault)
    page = tenant.get("/contacts")
    assert ([item["id"] for item in page["items"]], page["total"]) == ([second], 2)
    assert tenant.get("/contacts") == {"items": [], "total": 0, "next": None}
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        tenant.api.get("/contacts").json()
    assert tenant.get("/contacts")["items"][0]["id"] == first


def test_control_routes(tenant: Tenant) -> None:
    tenant.sandbox.add(givenName="Ada")
    switched = tenant.web.post("/_sandbox/switches", json={"etag": True, "canonicalises": ["givenName"]}).json()
    assert switched["switches"]["etag"] is True
    assert tenant.web.post("/_sandbox/switches", json={"canonicalises": ["title"]}).status_code == 400
    assert tenant.web.post("/_sandbox/switches", json={"colour": 1}).status_code == 400
    tenant.web.post("/_sandbox/reset")
    assert tenant.sandbox.count() == 0
    assert tenant.sandbox.switches.etag


def test_the_grammar_of_capabilities() -> None:
    assert Switches().capabilities == DEFAULT
    assert Switches(**capabilities("")) == Switches(**capabilities(DEFAULT)) == Switches()
    assert len(CAPABILITIES) == 10
    given = "write=put_full,etag=1,page_style=cursor,canonicalises=mobilePhone+directPhone,refresh_rotation=off"
    assert capabilities(given) == {
        "write": "put_full",
        "etag": True,
        "page_style": "cursor",
        "canonicalises": ["mobilePhone", "directPhone"],
        "refresh_rotation": "off",
    }
    assert capabilities(Switches(**capabilities(given)).capabilities).items() >= capabilities(given).items()


@pytest.mark.parametrize(
    "caps",
    ["colour=1", "write=post", "etag=yes", "etag", "canonicalises=title", "write=patch,write=patch", "rate_limit=1"],
)
def test_a_capability_that_is_none(caps: str) -> None:
    with pytest.raises(ValueError, match=caps.split("=")[0]):
        CrmofficeSandbox(caps=caps)
