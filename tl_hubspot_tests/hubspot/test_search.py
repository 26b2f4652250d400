"""Search over HTTP: pages newest first, windows below the cap, records that change meanwhile, long requests, lag."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tl_hubspot.hubspot import mirror, search
from tl_hubspot.hubspot.search import CapReached, Changes, count
from tl_hubspot.sandbox.hubspot import search as sandbox_search
from tl_hubspot_tests.hubspot.support import Portal

START = datetime(2026, 11, 2, 11, 0, tzinfo=UTC)


def load(portal: Portal, kind: str, number: int, *, step: timedelta = timedelta(seconds=1)) -> None:
    """Records 1…number, changed one step after the other from START on."""
    name = {"contacts": "firstname", "companies": "name", "deals": "dealname"}[kind]
    portal.sandbox.load_objects(
        kind,
        [
            {
                "id": str(i),
                "properties": {name: f"n{i}"},
                "createdAt": "2020-01-01T00:00:00.000Z",
                "updatedAt": (START + i * step).isoformat(),
            }
            for i in range(1, number + 1)
        ],
    )


def ids(pages: Iterator[list[Any]]) -> list[int]:
    return [int(item.id) for page in pages for item in page]


@pytest.mark.parametrize("entity_type", ["contact", "company", "deal"])
def test_newest_first_from_an_instant_on(portal: Portal, entity_type: str) -> None:
    kind = {"contact": "contacts", "company": "companies", "deal": "deals"}[entity_type]
    load(portal, kind, 450)
    assert count(portal.gateway, entity_type) == 450
    portal.sandbox.log.clear()
    changes = Changes(portal.gateway, entity_type, START + timedelta(seconds=31), [])
    assert changes.total == 420 and portal.calls("/search") == 1
    assert ids(changes.pages()) == list(range(450, 30, -1))
    assert portal.calls("/search") == 3
    assert Changes(portal.gateway, entity_type, START + timedelta(days=1), []).total == 0


def small_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limit, on both sides, at 600 results instead of 10,000."""
    monkeypatch.setattr(search, "CAP", 600)
    monkeypatch.setattr(sandbox_search, "TOTAL_LIMIT", 600)


def test_more_than_a_query_can_give(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    small_cap(monkeypatch)
    load(portal, "contacts", 1500, step=timedelta(milliseconds=10))
    found = ids(Changes(portal.gateway, "contact", START, []).pages())
    assert found == list(range(1500, 0, -1))
    assert not [call for call in portal.sandbox.log.entries if call["status"] >= 400]


def test_instants_that_many_records_share(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    small_cap(monkeypatch)
    load(portal, "contacts", 1000, step=timedelta(microseconds=2500))  # never more than one in a millisecond
    portal.sandbox.load_objects(
        "contacts",
        [
            {"id": str(i), "properties": {"firstname": "x"}, "updatedAt": (START + timedelta(seconds=1)).isoformat()}
            for i in range(5000, 5500)
        ],
    )
    found = ids(Changes(portal.gateway, "contact", START, []).pages())
    assert len(found) == len(set(found)) == 1500
    portal.sandbox.load_objects(
        "contacts",
        [
            {"id": str(i), "properties": {"firstname": "x"}, "updatedAt": (START + timedelta(seconds=1)).isoformat()}
            for i in range(6000, 6700)
        ],
    )
    with pytest.raises(CapReached):
        ids(Changes(portal.gateway, "contact", START, []).pages())


def test_what_changes_while_pages_are_read_is_not_missed(portal: Portal) -> None:
    load(portal, "contacts", 600)
    portal.sandbox.clock.set(START + timedelta(hours=1))
    pages = Changes(portal.gateway, "contact", START, []).pages()
    found = ids(iter([next(pages)]))
    for changed in (1, 300, 599):
        portal.sandbox.patch("contacts", str(changed), {"firstname": "meanwhile"})
    found += ids(pages)
    # those that moved to the front before their page came are found by the next search, all others now, and once
    assert len(found) == len(set(found))
    assert set(range(1, 601)) - set(found) <= {1, 300}
    assert {1, 300, 599} <= set(ids(Changes(portal.gateway, "contact", START + timedelta(minutes=30), []).pages()))


def test_more_properties_than_a_request_takes(portal: Portal) -> None:
    load(portal, "contacts", 130)
    names = [f"a_property_with_a_long_name_that_is_asked_for_{n}" for n in range(80)]
    changes = Changes(portal.gateway, "contact", START + timedelta(seconds=1), ["firstname", *names], mirror.Raw)
    items = [item for page in changes.pages() for item in page]
    assert len(items) == 130
    assert all(msgspec.json.decode(item.properties)["firstname"] == f"n{item.id}" for item in items)
    assert portal.calls("/search") == 1 and portal.calls("/batch/read") == 2


def test_the_index_lags_behind(portal: Portal) -> None:
    portal.sandbox.clock.set(START + timedelta(hours=1))
    load(portal, "contacts", 3)
    portal.sandbox.set_switches(search_lag_seconds=60)
    portal.sandbox.patch("contacts", "2", {"firstname": "fresh"})
    since = START + timedelta(minutes=30)
    assert Changes(portal.gateway, "contact", since, []).total == 0
    portal.sandbox.clock.advance(61)
    assert ids(Changes(portal.gateway, "contact", since, []).pages()) == [2]


def test_archived_records_are_not_counted(portal: Portal) -> None:
    load(portal, "deals", 5)
    portal.sandbox.archive("deals", "3")
    assert count(portal.gateway, "deal") == 4
    tracked = {"propertyName": "dealname", "operator": "EQ", "value": "n4"}
    assert count(portal.gateway, "deal", tracked) == 1
