"""Lists are read completely in every page style, whatever is deleted, left out or shown empty meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_hubspot.crmoffice import contacts
from tl_hubspot.crmoffice.contacts import OVERLAP
from tl_hubspot.errors import BadAnswer
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.crmoffice.conftest import Connected
from tl_hubspot_tests.sandbox.crmoffice.test_reading import with_caps

STYLES = with_caps("page_style=offset", "page_style=cursor", "page_style=none")
PAGED = with_caps("page_style=offset", "page_style=cursor")


def loaded(tenant: Connected, number: int) -> list[str]:
    return [tenant.sandbox.add(givenName=f"Nr {n}") for n in range(number)]


def ids(reading: Any) -> list[str]:
    return [contact.id for batch in reading for contact in batch]


@STYLES
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 7])
def test_all_of_a_list(tenant: Connected, number: int) -> None:
    made = loaded(tenant, number)
    client = tenant.client(page_size=3)
    reading = contacts.read(client)
    assert ids(reading) == made
    assert reading.is_complete
    assert contacts.count(client) == number


@PAGED
def test_it_comes_in_batches(tenant: Connected) -> None:
    loaded(tenant, 9)
    batches = iter(contacts.read(tenant.client(page_size=3)))
    assert len(next(batches)) == 3
    assert tenant.counts["reads"] == 1


@PAGED
@pytest.mark.parametrize("gone", [(0,), (0, 1, 2), (2,), (1, 2, 3, 4), (0, 1, 2, 3, 4, 5, 6, 7), tuple(range(12))])
def test_nothing_is_missed_when_records_are_deleted_meanwhile(tenant: Connected, gone: tuple[int, ...]) -> None:
    made = loaded(tenant, 12)
    batches = iter(contacts.read(tenant.client(page_size=3)))
    found = ids([next(batches)])
    for n in gone:
        tenant.sandbox.delete(made[n])
    added = tenant.sandbox.add(givenName="Late")
    found += ids(batches)
    left = {number for n, number in enumerate(made) if n not in gone}
    assert left | {added} <= set(found)
    assert found == sorted(set(found), key=int), "none comes twice"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(0, 25),
    size=st.integers(2, 7),
    events=st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=12),
    style=st.sampled_from(["offset", "cursor"]),
)
def test_whatever_happens_between_two_pages(
    tenant: Connected, number: int, size: int, events: list[int | None], style: Any
) -> None:
    """After each batch a person deletes one of the contacts, or adds one: all that are there from beginning to end are
    read, each once."""
    for contact in list(tenant.sandbox.all()):
        tenant.sandbox.delete(contact["id"])
    tenant.sandbox.set_switches(page_style=style)
    stays = set(loaded(tenant, number))
    found = []
    for batch in contacts.read(tenant.client(caps=f"page_style={style}", page_size=size)):
        found += [contact.id for contact in batch]
        for event in events[:2]:
            there = [contact["id"] for contact in tenant.sandbox.all()]
            if event is None:
                tenant.sandbox.add(givenName="Late")
            elif there:
                tenant.sandbox.delete(gone := there[event % len(there)])
                stays.discard(gone)
        events = events[2:]
    assert stays <= set(found)
    assert found == sorted(set(found), key=int)


@STYLES
@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize("kind", ["omit", "empty"])
def test_one_wrong_page_is_not_believed(tenant: Connected, kind: Any, skip: int) -> None:
    made = loaded(tenant, 7)
    tenant.sandbox.faults.add(Fault(kind, "contacts", skip=skip))
    assert ids(contacts.read(tenant.client(page_size=3))) == made


@STYLES
def test_a_page_that_stays_wrong_ends_the_reading(tenant: Connected) -> None:
    loaded(tenant, 7)
    tenant.sandbox.faults.add(Fault("omit", "contacts", times=None))
    with pytest.raises(BadAnswer, match="Crmoffice's list cannot be right"):
        ids(contacts.read(tenant.client(page_size=3)))


@STYLES
def test_a_list_that_stays_empty_is_believed(tenant: Connected) -> None:
    loaded(tenant, 2)
    tenant.sandbox.faults.add(Fault("empty", "contacts", times=None))
    assert ids(contacts.read(tenant.client())) == []
    assert tenant.counts["reads"] == 3


@pytest.mark.parametrize(
    ("tenant", "caps"),
    [("page_style=cursor", "page_style=offset"), ("page_style=offset", "page_style=none")],
    indirect=["tenant"],
)
def test_another_page_style_than_configured(tenant: Connected, caps: str) -> None:
    loaded(tenant, 200)
    with pytest.raises(BadAnswer, match="CRMOFFICE_CAPABILITIES"):
        ids(contacts.read(tenant.client(caps=caps)))


@pytest.mark.parametrize(
    "body",
    [
        {"items": [{"id": "2"}, {"id": "1"}], "total": 2, "next": None},
        {"items": [{"id": "1"}, {"id": "1"}], "total": 2, "next": None},
        {"items": [{"id": "x"}], "total": 1, "next": None},
        {"items": [{"givenName": "Ada"}], "total": 1, "next": None},
        {"items": [{"id": "1"}, {"id": "2"}], "total": 3, "next": "https://elsewhere.example/contacts?cursor=1"},
    ],
)
@PAGED
def test_answers_that_cannot_be(tenant: Connected, body: dict[str, Any]) -> None:
    tenant.sandbox.faults.add(Fault("status", "contacts", status=200, body=body, times=None))
    with pytest.raises(BadAnswer):
        ids(contacts.read(tenant.client(page_size=2)))
    assert {entry["path"] for entry in tenant.sandbox.log.entries} == {"/contacts", "/connect/token"}


@with_caps("modified_timestamp=1,since_filter=1", "modified_timestamp=1,since_filter=1,page_style=cursor")
def test_only_what_changed(tenant: Connected) -> None:
    made = loaded(tenant, 5)
    client = tenant.client(page_size=2)
    first = contacts.read(client)
    assert ids(first) == made
    assert first.watermark is not None
    tenant.sandbox.clock.advance(600)
    assert ids(contacts.read(client, first.watermark + OVERLAP + timedelta(seconds=1))) == []
    tenant.sandbox.update(made[3], givenName="Changed")
    tenant.sandbox.set_switches(list_lag=30.0)
    changes = contacts.read(client, first.watermark + OVERLAP + timedelta(seconds=1))
    assert ids(changes) == [made[3]]
    assert not changes.is_complete


@with_caps("modified_timestamp=1,since_filter=1")
def test_a_change_that_the_list_still_hides_is_read_the_next_time(tenant: Connected) -> None:
    [number] = loaded(tenant, 1)
    tenant.sandbox.set_switches(list_lag=30.0)
    tenant.sandbox.clock.advance(600)
    tenant.sandbox.update(number, givenName="Changed")
    tenant.sandbox.clock.advance(25)
    client = tenant.client()
    first = contacts.read(client)
    assert [c.values["givenName"] for batch in first for c in batch] == ["Nr 0"]
    tenant.sandbox.clock.advance(10)
    second = contacts.read(client, first.watermark)
    assert [c.values["givenName"] for batch in second for c in batch] == ["Changed"]


def test_without_the_filter_everything_is_read(tenant: Connected) -> None:
    made = loaded(tenant, 2)
    client = tenant.client()
    first = contacts.read(client)
    ids(first)
    again = contacts.read(client, first.watermark)
    assert (ids(again), again.is_complete) == (made, True)


def test_values_are_as_received_and_absent_keys_unknown(tenant: Connected) -> None:
    number = tenant.sandbox.add(givenName=" Ada ", mobilePhone="ask")
    client = tenant.client()
    contact = contacts.get(client, number)
    assert contact.values == {"givenName": " Ada ", "familyName": None, "mobilePhone": "ask", "directPhone": None}
    assert (contact.is_current, contact.modified_at, contact.etag) == (True, None, None)
    tenant.sandbox.set_switches(absent_keys=["familyName", "directPhone"])
    [[listed]] = contacts.read(client)
    assert listed.values == {"givenName": " Ada ", "mobilePhone": "ask"}
    assert not listed.is_current
    tenant.sandbox.faults.add(Fault("status", "contacts", status=200, body={"id": number, "givenName": 7}))
    assert contacts.get(client, number).values == {}


def test_looking_up_tells_who_is_gone(tenant: Connected) -> None:
    made = loaded(tenant, 50)
    for number in made[::7]:
        tenant.sandbox.delete(number)
    found = list(contacts.look_up(tenant.client(workers=3), reversed(made)))
    assert [number for number, _ in found] == made[::-1]
    assert [number for number, contact in found if contact is None] == made[::7][::-1]
    with pytest.raises(ValueError, match="digits"):
        list(contacts.look_up(tenant.client(), ["1/../2"]))


def test_another_contact_than_asked_for(tenant: Connected) -> None:
    [number] = loaded(tenant, 1)
    tenant.sandbox.faults.add(Fault("status", "contacts", status=200, body={"id": "7"}))
    with pytest.raises(BadAnswer, match="another contact"):
        contacts.get(tenant.client(), number)


@with_caps("delete_feed=1", "")
def test_deletions(tenant: Connected) -> None:
    first, second = loaded(tenant, 2)
    tenant.sandbox.delete(first)
    tenant.sandbox.clock.advance(60)
    tenant.sandbox.delete(second)
    client = tenant.client()
    feed = contacts.deletions(client)
    if not tenant.caps:
        assert feed == []
        return
    assert [deletion.id for deletion in feed] == [first, second]
    assert [deletion.id for deletion in contacts.deletions(client, feed[1].deleted_at)] == [second]


@STYLES
def test_companies_and_users(tenant: Connected) -> None:
    tenant.sandbox.load_companies([{"orgNr": "914778271"}, {}])
    tenant.sandbox.load_users(["ada", "bo"])
    client = tenant.client(page_size=2)
    found = [(company.id, company.org_nr) for batch in contacts.companies(client) for company in batch]
    assert found == [("501", "914778271"), ("502", None)]
    assert contacts.users(client) == ["ada", "bo"]
