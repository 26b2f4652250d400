"""What reads answer: shapes, the three page styles, `modifiedSince`, lists that lag, the feed of deletions."""

from __future__ import annotations

from typing import Any

import pytest

from tl_hubspot_tests.sandbox.crmoffice.tenant import Tenant

EMPTY_ADDRESS = {"streetAddress": None, "postCode": None, "postalArea": None, "country": None}


def with_caps(*caps: str) -> Any:
    return pytest.mark.parametrize("tenant", caps, indirect=True)


def ids(envelope: Any) -> list[str]:
    return [item["id"] for item in envelope["items"]]


def loaded(tenant: Tenant, number: int) -> list[str]:
    return [tenant.sandbox.add(givenName=f"Nr {n}") for n in range(number)]


def followed(tenant: Tenant, first: str) -> list[str]:
    """Ids of all pages, following `next`."""
    found, path = [], first
    while path:
        page = tenant.get(f"/{path}")
        found += ids(page)
        path = page["next"]
    return found


def test_a_contact(tenant: Tenant) -> None:
    [company] = tenant.sandbox.load_companies([{"orgNr": "914778271"}])
    number = tenant.sandbox.add(givenName="Zoë", mobilePhone=" 912 34 567", company={"id": company}, title=" ")
    contact = {"givenName": "Zoë", "familyName": None, "mobilePhone": " 912 34 567", "directPhone": None}
    expected = {"id": number, **contact, "title": None, "company": {"id": company}}
    assert tenant.get(f"/contacts/{number}") == expected
    assert tenant.get("/contacts") == {"items": [expected], "total": 1, "next": None}
    for path in ("/contacts/999", "/contacts/0", f"/contacts/0{number}", "/contacts/x", f"/contacts/{number}/x", "/x"):
        assert tenant.get(path, 404)["error"] == "not_found"
    assert tenant.get("/.well-known/openid-configuration", 404)["error"] == "not_found"
    assert tenant.get("/contacts/deleted", 404)["error"] == "not_found"


def test_companies_and_users(tenant: Tenant) -> None:
    tenant.sandbox.load_companies([{"orgNr": str(n), "postAddress": {"postCode": "0150"}} for n in range(3)])
    tenant.sandbox.load_users(["ada", "bo"])
    page = tenant.get("/companies", limit=2)
    assert page["items"][0] == {
        "id": "501",
        "orgNr": "0",
        "visitAddress": EMPTY_ADDRESS,
        "postAddress": EMPTY_ADDRESS | {"postCode": "0150"},
    }
    assert page["next"] == "companies?offset=2&limit=2"
    assert tenant.get("/users") == [{"userName": "ada"}, {"userName": "bo"}]


@with_caps("", "page_style=none", "page_style=cursor")
def test_all_pages_together_are_the_list(tenant: Tenant) -> None:
    made = loaded(tenant, 7)
    assert followed(tenant, "contacts?limit=3") == made
    assert followed(tenant, "contacts") == made


def test_offset(tenant: Tenant) -> None:
    made = loaded(tenant, 5)
    page = tenant.get("/contacts", offset=1, limit=2)
    assert (ids(page), page["total"], page["next"]) == (made[1:3], 5, "contacts?offset=3&limit=2")
    assert tenant.get("/contacts", offset=3, limit=2)["next"] is None
    assert tenant.get("/contacts", offset=9) == {"items": [], "total": 5, "next": None}
    # a deletion shifts what is left
    tenant.sandbox.delete(made[0])
    assert ids(tenant.get("/contacts", offset=3, limit=2)) == [made[4]]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"limit": "x"}, {"offset": -1}, {"offset": ""}])
def test_wrong_pages(tenant: Tenant, query: dict[str, Any]) -> None:
    assert tenant.get("/contacts", 400, **query)["error"] == "invalid_request"


@with_caps("page_style=cursor,since_filter=1")
def test_cursor(tenant: Tenant) -> None:
    made = loaded(tenant, 5)
    page = tenant.get("/contacts", limit=2, modifiedSince="2020-01-01T00:00:00Z")
    tenant.sandbox.delete(made[0])
    assert ids(tenant.get(f"/{page['next']}")) == made[2:4]
    cursor = page["next"].split("cursor=")[1].split("&")[0]
    for path in ("/contacts?offset=2", "/contacts?cursor=x", f"/companies?cursor={cursor}"):
        assert tenant.get(path, 400)["error"] == "invalid_request"


@with_caps("page_style=none")
def test_none_ignores_all_about_pages(tenant: Tenant) -> None:
    made = loaded(tenant, 3)
    page = tenant.get("/contacts", offset="x", limit=1)
    assert (ids(page), page["next"]) == (made, None)


@with_caps("", "modified_timestamp=1")
def test_modified_at_is_there_or_absent(tenant: Tenant) -> None:
    with_it = tenant.sandbox.switches.modified_timestamp
    number = tenant.sandbox.add(givenName="Ada")
    for contact in (tenant.get(f"/contacts/{number}"), tenant.get("/contacts")["items"][0]):
        assert ("modifiedAt" in contact) == with_it
    if with_it:
        assert len(contact["modifiedAt"]) == 24
        assert contact["modifiedAt"].endswith("Z")


@with_caps("modified_timestamp=1,since_filter=1", "modified_timestamp=1,since_filter=1,page_style=cursor")
def test_since_is_inclusive_and_holds_on_every_page(tenant: Tenant) -> None:
    loaded(tenant, 3)
    tenant.sandbox.clock.advance(60)
    later = loaded(tenant, 3)
    since = tenant.get(f"/contacts/{later[0]}")["modifiedAt"]
    assert followed(tenant, f"contacts?modifiedSince={since}&limit=2") == later
    assert tenant.get("/contacts", modifiedSince=since)["total"] == 3
    for wrong in ("yesterday", "2026-01-01", "2026-01-01T00:00:00"):
        tenant.get("/contacts", 400, modifiedSince=wrong)


def test_since_is_ignored_without_the_capability(tenant: Tenant) -> None:
    made = loaded(tenant, 2)
    assert ids(tenant.get("/contacts", modifiedSince="2100-01-01T00:00:00Z")) == made
    assert ids(tenant.get("/contacts", modifiedSince="yesterday")) == made


def test_lists_may_lag_behind_the_values(tenant: Tenant) -> None:
    tenant.sandbox.set_switches(list_lag=30.0)
    first, second = loaded(tenant, 2)
    tenant.sandbox.clock.advance(40)
    tenant.sandbox.update(first, givenName="Newer")
    tenant.sandbox.clock.advance(10)
    tenant.sandbox.update(first, givenName="Newest")
    tenant.sandbox.delete(second)
    added = tenant.sandbox.add(givenName="Added")
    listed = tenant.get("/contacts")["items"]
    assert [(c["id"], c["givenName"]) for c in listed] == [(first, "Nr 0"), (added, "Added")]
    assert tenant.get(f"/contacts/{first}")["givenName"] == "Newest"
    tenant.sandbox.clock.advance(21)
    assert tenant.get("/contacts")["items"][0]["givenName"] == "Newer"
    tenant.sandbox.clock.advance(10)
    assert tenant.get("/contacts")["items"][0]["givenName"] == "Newest"


def test_keys_may_be_absent(tenant: Tenant) -> None:
    number = tenant.sandbox.add(givenName="Ada", title="Dr")
    tenant.sandbox.set_switches(absent_keys=["givenName", "title"])
    assert set(tenant.get(f"/contacts/{number}")) == {"id", "familyName", "mobilePhone", "directPhone", "company"}


@with_caps("delete_feed=1")
def test_the_feed_of_deletions(tenant: Tenant) -> None:
    first, second = loaded(tenant, 2)
    tenant.sandbox.delete(second)
    tenant.sandbox.clock.advance(60)
    tenant.send("DELETE", f"/contacts/{first}", status=204)
    feed = tenant.get("/contacts/deleted")
    assert (ids(feed), feed["total"], feed["next"]) == ([second, first], 2, None)
    assert ids(tenant.get("/contacts/deleted", since=feed["items"][1]["deletedAt"])) == [first]
    tenant.get("/contacts/deleted", 400, since="x")
    # an id is never used again
    assert int(tenant.sandbox.add(givenName="Ada")) > int(second)
