"""Long lists are read in several stretches at a time: complete, with few calls more, and to be gone on with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random

import pytest

from tl_hubspot.teamleader.client import TeamleaderClient
from tl_hubspot.teamleader.extraction import Position
from tl_hubspot.teamleader.stretches import SideBySide, Stretch
from tl_hubspot_tests.teamleader.conftest import Account
from tl_hubspot_tests.teamleader.test_paging import DAY, NOW, START, Times, fill, same, spread

LONG: dict[str, Times] = {
    "even": spread(6000, 3600),
    "all but a few of one week, years ago": spread(300, 2 * DAY)[200:] + spread(5800, 100),
    "a thousand in one second in the middle": [
        *spread(2600, 3600),
        *same(1000, 3600 * 2600),
        *spread(2600, 3600, 3600 * 2601),
    ],
    "edited just now": spread(5600, 3600) + spread(150, 1, int((NOW - START).total_seconds()) - 149),
}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers take so long that calls have to be made side by side."""
    monkeypatch.setattr(TeamleaderClient, "useful_together", property(lambda client: client.workers))


def test_while_answers_are_fast_one_call_after_the_other_is_enough(account: Account) -> None:
    fill(account, "companies", LONG["even"], statuses=False)
    assert sum(len(batch.records) for batch in account.extraction().companies()) == 6000
    assert account.sandbox.log.count("companies.list") == 61 + 1 + 3


@pytest.mark.parametrize(("seconds", "limit", "useful"), [(0.2, 180, 1), (0.5, 180, 3), (0.5, 60, 1), (1.5, 9999, 8)])
def test_how_many_calls_are_useful_together(account: Account, seconds: float, limit: int, useful: int) -> None:
    client = account.client(rate_limit=limit)
    assert client.useful_together == 1, "before the first answer"

    now = [0.0]
    client._clock = lambda: now[0]
    session = client._session.post

    def post(*arguments: object, **named: object) -> object:
        now[0] += seconds
        return session(*arguments, **named)

    client._session.post = post  # type: ignore[assignment, method-assign]
    for _ in range(3):
        client.call("users.me", {})
    assert client.useful_together == useful


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("layout", LONG)
@pytest.mark.parametrize("kind", ["companies", "deals"])
def test_a_long_list_is_read_once_with_few_calls_more(account: Account, kind: str, layout: str) -> None:
    account.sandbox.set_switches(tie_order="stable")
    ids = fill(account, kind, LONG[layout], statuses=False)
    read = [record.id for batch in getattr(account.extraction(), kind)() for record in batch.records]
    assert sorted(map(str, read)) == sorted(ids)
    calls = account.sandbox.log.count(f"{kind}.list")
    crowd = 45 if "second" in layout else 0
    assert calls <= len(ids) / 99 + 20 + crowd, calls


@pytest.mark.usefixtures("slow")
def test_several_calls_are_under_way_at_a_time(account: Account) -> None:
    fill(account, "companies", LONG["even"], statuses=False)
    client, together, most = account.client(workers=4), 0, 0
    lock, call = threading.Lock(), client.call

    def counted(endpoint: str, body: dict[str, object]) -> object:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        try:
            return call(endpoint, body)
        finally:
            with lock:
                together -= 1

    client.call = counted  # type: ignore[assignment, method-assign]
    extraction = account.extraction()
    extraction._client = client
    assert sum(len(batch.records) for batch in extraction.companies()) == 6000
    assert 2 <= most <= 4


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("kind", ["companies", "deals"])
def test_a_reading_that_is_broken_off_goes_on_from_its_position(account: Account, kind: str) -> None:
    ids = fill(account, kind, LONG["even"], statuses=False)
    random, given, position = Random(3), set[str | None](), None
    reads = getattr(account.extraction(), kind)
    for _ in range(4):
        for _, batch in zip(range(random.randrange(12, 40)), reads(position=position), strict=False):
            given |= {record.id for record in batch.records}
            position = batch.position
        assert isinstance(position, Position)
        assert isinstance(position.until, datetime)
    for batch in reads(position=position):
        given |= {record.id for record in batch.records}
    assert given == set(ids)


@dataclass(frozen=True)
class Item:
    key: int


def read_of(items: list[int], stops: frozenset[int] = frozenset(), begins: threading.Event | None = None) -> object:
    def read(stretch: Stretch) -> Iterator[tuple[list[Item], int]]:
        at = stretch.low
        assert begins is None or begins.wait(30)
        while at < stretch.until:
            page = [key for key in items if key >= at][:10]
            if at in stops or not page:
                return
            at = page[-1] + 1
            yield [Item(key) for key in page], at

    return read


def side_by_side(items: list[int], read: object, looked: threading.Event | None = None) -> SideBySide[Item]:
    def look(at: int) -> int | None:
        if looked:
            looked.set()
        return next((key for key in items if key >= at), None)

    whole = Stretch(items[0], items[-1], len(items) / (items[-1] - items[0]), items[0])
    return SideBySide(read, look, whole, workers=4, page_size=10)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [1, 7])
def test_each_item_is_given_by_one_stretch(step: int) -> None:
    items = list(range(5, 5 + step * 3000, step))
    looked = threading.Event()  # the first page comes once somebody looked where to divide
    reading = side_by_side(items, read_of(items, begins=looked), looked)
    given = [item.key for rows in reading for item in rows]
    assert sorted(given) == items[:-1], "the last one is where somebody else goes on"
    assert reading.sure == items[-1]
    assert len(reading._all) > 1, "there were several"


def test_what_is_sure_ends_at_the_first_stretch_that_could_not_go_on() -> None:
    items = list(range(3000))
    reading = side_by_side(items, read_of(items, frozenset({items[100]})))
    given = {item.key for rows in reading for item in rows}
    assert reading.sure == 100
    assert given >= set(range(100))


def test_an_error_ends_the_reading() -> None:
    items = list(range(3000))

    def read(stretch: Stretch) -> Iterator[tuple[list[Item], int]]:
        yield [Item(stretch.low)], stretch.low + 1
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        list(side_by_side(items, read))
