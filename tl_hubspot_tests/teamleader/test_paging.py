"""Reading lists completely: whatever the order of ties, the filter's edge, edits on the way and slips of the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest

from tl_hubspot.errors import BadAnswer, TlHubspotError
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.teamleader.client import Answer, TeamleaderClient
from tl_hubspot.teamleader.extraction import Batch
from tl_hubspot.teamleader.paging import OVERLAP, Keyset, Walk
from tl_hubspot_tests.teamleader.conftest import Account

START = datetime(2024, 3, 1, 12, 0, 0, tzinfo=UTC)
NOW = datetime(2026, 10, 1, 9, 0, 0, tzinfo=UTC)

Times = list[datetime | None]


DAY = 86_400


def spread(count: int, step: int = 7, begin: int = 0) -> Times:
    return [START + timedelta(seconds=begin + step * number) for number in range(count)]


def timeless(count: int) -> Times:
    return [None] * count


def same(count: int, second: int) -> Times:
    return [START + timedelta(seconds=second)] * count


LAYOUTS: dict[str, Times] = {
    "one": spread(1),
    "one full page": spread(100),
    "two full pages": spread(200),
    "spread": spread(457),
    "100 in one second": same(100, 5),
    "101 in one second": same(101, 5),
    "200 in one second and nothing else": same(200, 5),
    "250 in one second in the middle": spread(130) + same(250, 20_000) + spread(130, begin=2 * DAY),
    "two crowded seconds side by side": same(60, 0) + same(90, 1) + same(90, 2) + same(120, 3) + same(5, 4),
    "pairs of crowded seconds": same(150, 1) + same(150, 2) + same(150, 60) + same(149, 61),
    "records without a time": timeless(3) + spread(210),
    "250 records without a time": timeless(250) + spread(20),
    "in the future": spread(20) + [NOW + timedelta(days=number) for number in range(130)],
}


def text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds")


def fill(account: Account, kind: str, times: Times, *, seed: int = 1, statuses: bool = True) -> list[str]:
    """Load records with these times (created_at of deals, updated_at of the others) in random order; their ids."""
    account.sandbox.clock.set(NOW)
    random = Random(seed)
    order = list(times)
    random.shuffle(order)
    records = []
    for number, instant in enumerate(order):
        record: dict[str, Any] = {"id": account.sandbox.new_id(kind)}
        if kind == "deals":
            record |= {"title": f"Deal {number % 7}", "created_at": text(instant), "updated_at": text(START)}
        else:
            status = random.choice(["active", "active", "active", "deactivated"]) if statuses else "active"
            record |= {"status": status, "added_at": text(START), "updated_at": text(instant)}
            # Few names and one time of entry: no further sort tells these records apart.
            record |= {"name": f"Company {number % 3}"} if kind == "companies" else {"last_name": f"Name {number % 3}"}
        records.append(record)
    account.sandbox.load(kind, records)
    return [record["id"] for record in records]


def gather(batches: Iterable[Batch], store: dict[str, dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    """What a consumer ends with: later batches win. Nothing is given twice in one batch or in one version."""
    store = {} if store is None else store
    versions: set[tuple[str, bytes]] = set()
    for batch in batches:
        ids = [record.id for record in batch.records]
        assert len(ids) == len(set(ids))
        for record in batch.records:
            assert (record.id, record.payload) not in versions
            versions.add((record.id, record.payload))
            store[record.id] = json.loads(record.payload)
            assert store[record.id]["id"] == record.id
    return store


def check_requests(account: Account, list_name: str) -> None:
    for entry in account.sandbox.log.entries:
        if list_name in entry["path"]:
            assert entry["body"]["page"]["size"] == 100
            assert entry["body"]["includes"] == "custom_fields"


@pytest.mark.parametrize("since", ["inclusive", "exclusive"])
@pytest.mark.parametrize("ties", ["random", "stable", "reverse"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_record_once(account: Account, layout: str, ties: str, since: str) -> None:
    account.sandbox.set_switches(tie_order=ties, updated_since=since)
    ids = fill(account, "companies", LAYOUTS[layout])
    read = [record.id for batch in account.extraction().companies() for record in batch.records]
    assert sorted(read) == sorted(ids)
    check_requests(account, "companies.list")


@pytest.mark.parametrize("ties", ["random", "stable", "reverse"])
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "without" not in name])
def test_every_deal_once(account: Account, layout: str, ties: str) -> None:
    account.sandbox.set_switches(tie_order=ties)
    ids = fill(account, "deals", LAYOUTS[layout])
    read = [record.id for batch in account.extraction().deals() for record in batch.records]
    assert sorted(read) == sorted(ids)
    check_requests(account, "deals.list")


@pytest.mark.parametrize("default", ["all", "active"])
def test_deactivated_contacts_are_read_whatever_the_list_shows_by_default(account: Account, default: str) -> None:
    account.sandbox.set_switches(lists_without_status=default)
    ids = fill(account, "contacts", spread(50))
    store = gather(account.extraction().contacts())
    assert sorted(store) == sorted(ids)
    assert {record["status"] for record in store.values()} == {"active", "deactivated"}
    assert all("custom_fields" in record and "marketing_mails_consent" not in record for record in store.values())


def test_the_calls_are_few(account: Account) -> None:
    fill(account, "contacts", spread(1000), statuses=False)
    gather(account.extraction().contacts())
    # Ten pages that each begin with the last record of the one before, so eleven, and one from the other end. No
    # deactivated ones: looked for from both ends, and once more.
    assert account.sandbox.log.count("contacts.list") == 11 + 1 + 3


@pytest.mark.parametrize(("count", "calls"), [(0, 3), (1, 2), (2, 2), (50, 2), (99, 2), (100, 3), (198, 3), (199, 4)])
def test_calls_of_a_small_list(account: Account, count: int, calls: int) -> None:
    fill(account, "deals", spread(count))
    assert len(gather(account.extraction().deals())) == count
    assert account.sandbox.log.count("deals.list") == calls


def test_memory_does_not_grow_with_the_list(account: Account) -> None:
    fill(account, "contacts", spread(1500), statuses=False)
    walk = Walk(account.client(), Keyset("contacts.list", "updated_at", "updated_since"))
    most = 0
    for _ in walk:
        most = max(most, len(walk._seen))
    assert most <= 200


# -- increments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["contacts", "companies", "deals"])
def test_nothing_there_still_gives_the_servers_time(account: Account, kind: str) -> None:
    account.sandbox.clock.set(NOW)
    [batch] = getattr(account.extraction(), kind)()
    assert batch.stream == kind
    assert batch.records == []
    assert timedelta(0) <= batch.server_time - NOW < timedelta(minutes=1)
    assert batch.watermark == batch.server_time - OVERLAP


@pytest.mark.parametrize("kind", ["contacts", "companies"])
@pytest.mark.parametrize("since", ["inclusive", "exclusive"])
def test_an_increment_is_what_changed_since(account: Account, kind: str, since: str) -> None:
    account.sandbox.set_switches(updated_since=since)
    fill(account, kind, spread(300) + timeless(1))
    border = START + timedelta(seconds=7 * 180)
    store = gather(getattr(account.extraction(), kind)(border))
    times = sorted(datetime.fromisoformat(record["updated_at"]) for record in store.values())
    assert times == [instant for instant in spread(300) if instant and instant >= border]


def test_an_increment_of_deals_goes_by_their_last_update(account: Account) -> None:
    ids = fill(account, "deals", spread(300))
    changed = Random(2).sample(ids, 130)
    for id in changed:
        account.sandbox.update("deals", id, title="Changed")
    store = gather(account.extraction().deals(NOW - timedelta(hours=1)))
    assert sorted(store) == sorted(changed)
    assert {record["title"] for record in store.values()} == {"Changed"}


def test_an_increment_without_changes_is_proven_by_one_call_per_list(account: Account) -> None:
    for kind in ("contacts", "companies", "deals"):
        fill(account, kind, spread(300))
        assert not gather(getattr(account.extraction(), kind)(NOW))
    assert account.sandbox.log.count("contacts.list") == account.sandbox.log.count("companies.list") == 2
    # Deals cannot be sorted by their last update: nothing comes from either end.
    assert account.sandbox.log.count("deals.list") == 3


def test_an_increment_of_a_page_is_one_call_per_list(account: Account) -> None:
    fill(account, "contacts", spread(300), statuses=False)
    border = START + timedelta(seconds=7 * 201)
    assert len(gather(account.extraction().contacts(border))) == 99
    # None is deactivated: looked for from both ends, and once more.
    assert account.sandbox.log.count("contacts.list") == 1 + 3


# -- changes while reading ---------------------------------------------------------------------------------------------


class Users:
    """People who work in Teamleader while it is read: before each list request some of them do something."""

    def __init__(self, account: Account, kind: str, seed: int, busy: float = 0.7) -> None:
        self.account, self.kind, self.random, self.busy = account, kind, Random(seed), busy
        self.ids = [record["id"] for record in account.sandbox.all(kind)]
        self.deleted: set[str] = set()
        self.flipped: set[str] = set()
        self.acted = 0

    def __call__(self, endpoint: str, body: dict[str, Any]) -> None:
        sandbox = self.account.sandbox
        sandbox.clock.advance(self.random.choice([0, 0, 1, 3]))
        while self.random.random() < self.busy:
            self.acted += 1
            id = self.random.choice(self.ids)
            match self.random.choice(["edit", "edit", "delete", "add", "flip", "crowd"]):
                case "edit":
                    sandbox.update(self.kind, id, website=f"https://{self.acted}.example")
                case "delete" if len(self.ids) > 50:
                    sandbox.delete(self.kind, id)
                    self.ids.remove(id)
                    self.deleted.add(id)
                case "flip" if self.kind != "deals":
                    status = sandbox.get(self.kind, id)["status"]
                    sandbox.update(self.kind, id, status="active" if status == "deactivated" else "deactivated")
                    self.flipped.add(id)
                case "crowd":
                    for other in self.random.sample(self.ids, 12):
                        sandbox.update(self.kind, other, website="https://crowd.example")
                case _:
                    name = {"contacts": "last_name", "companies": "name", "deals": "title"}[self.kind]
                    self.ids.append(sandbox.add(self.kind, {name: f"New {self.acted}"}))


def run_with_users(account: Account, kind: str, layout: Times, seed: int) -> None:
    before = set(fill(account, kind, layout, seed=seed))
    users = Users(account, kind, seed)
    account.meddler.before = users
    extraction = account.extraction()
    store: dict[str, dict[str, Any]] = {}
    batches = list(getattr(extraction, kind)())
    gather(batches, store)
    assert users.acted
    # Whatever was there all the time was read, even if it was edited, twice or at an awkward moment.
    assert before - users.deleted - users.flipped <= set(store)
    gather(getattr(extraction, kind)(batches[0].watermark), store)
    account.meddler.before = None
    batches = list(getattr(extraction, kind)(batches[0].watermark))
    gather(batches, store)
    truth = {record["id"]: record for record in account.sandbox.all(kind)}
    # An increment does not tell of deletions; everything else is exactly as in Teamleader.
    assert set(truth) <= set(store)
    assert set(store) - set(truth) <= users.deleted
    for id, record in truth.items():
        assert {key: store[id][key] for key in ("updated_at", "status")} == {
            key: record[key] for key in ("updated_at", "status")
        }
        assert store[id].get("website") == (record.get("website") if kind != "deals" else None)


BUSY_LAYOUTS: dict[str, Times] = {
    "spread": spread(420),
    "crowded": spread(40) + same(260, 900) + same(120, 901) + spread(60, begin=DAY),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("layout", BUSY_LAYOUTS)
@pytest.mark.parametrize(
    ("kind", "switches"),
    [
        ("contacts", {"updated_since": "inclusive", "tie_order": "random"}),
        ("contacts", {"updated_since": "exclusive", "tie_order": "random"}),
        ("companies", {"updated_since": "inclusive", "tie_order": "stable"}),
        ("contacts", {"updated_since": "exclusive", "tie_order": "reverse"}),
        ("companies", {"updated_since": "inclusive", "tie_order": "random", "replica_lag": 40.0}),
        ("deals", {"tie_order": "random"}),
        ("deals", {"tie_order": "stable"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_nothing_is_lost_while_people_work(
    account: Account, kind: str, switches: dict[str, Any], layout: str, seed: int
) -> None:
    account.sandbox.set_switches(**switches)
    if "replica_lag" in switches:
        run_with_lag(account, kind, BUSY_LAYOUTS[layout], seed)
    else:
        run_with_users(account, kind, BUSY_LAYOUTS[layout], seed)


def run_with_lag(account: Account, kind: str, layout: Times, seed: int) -> None:
    fill(account, kind, layout, seed=seed)
    account.meddler.before = users = Users(account, kind, seed, busy=0.5)
    extraction = account.extraction()
    store: dict[str, dict[str, Any]] = {}
    batches = list(getattr(extraction, kind)())
    gather(batches, store)
    account.meddler.before = None
    account.sandbox.clock.advance(60)
    gather(getattr(extraction, kind)(batches[0].watermark), store)
    truth = {record["id"]: record["updated_at"] for record in account.sandbox.all(kind)}
    assert {id: store[id]["updated_at"] for id in truth} == truth
    assert set(store) - set(truth) <= users.deleted


def test_an_edit_while_reading_comes_again_in_its_new_version(account: Account) -> None:
    ids = fill(account, "contacts", spread(300), statuses=False)
    first = sorted(account.sandbox.all("contacts"), key=lambda record: record["updated_at"])[0]["id"]
    versions: list[str | None] = []
    for batch in account.extraction().contacts():
        if not versions:
            account.sandbox.update("contacts", first, first_name="Later")
        versions += [json.loads(record.payload)["first_name"] for record in batch.records if record.id == first]
    assert len(versions) == 2
    assert versions[0] != versions[1] == "Later"
    assert len(ids) == 300


def test_a_record_that_shows_its_new_time_at_its_old_place_does_not_carry_the_reader_away(account: Account) -> None:
    fill(account, "contacts", spread(450), statuses=False)
    rows = account.sandbox.store.query("SELECT id, base FROM contacts ORDER BY updated_at")
    # The last record of each page: the list still sorts it by its old time, but shows the new one.
    for place in (99, 100, 198, 199, 297, 298):
        fresh = json.loads(rows[place]["base"].join("{}") if rows[place]["base"][0] != "{" else rows[place]["base"])
        old = fresh["updated_at"]
        account.sandbox.store.execute(
            "UPDATE contacts SET base = replace(base, ?, ?) WHERE id = ?",
            [f'"updated_at":"{old}"', f'"updated_at":"{text(NOW)}"', rows[place]["id"]],
        )
    store = gather(account.extraction().contacts())
    assert len(store) == 450
    assert sum(record["updated_at"] == text(NOW) for record in store.values()) == 6


def test_properties_in_another_order_each_time_end_no_later(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = fill(account, "contacts", spread(1))
    random, call, calls = Random(4), TeamleaderClient.call, 0

    def in_any_order(client: TeamleaderClient, endpoint: str, body: dict[str, Any]) -> Answer:
        nonlocal calls
        calls += 1
        assert calls < 30, "the reading does not end"
        answer = call(client, endpoint, body)
        rows = [dict(random.sample(list(row.items()), len(row))) for row in json.loads(bytes(answer.data))]
        return replace(answer, data=msgspec.Raw(json.dumps(rows).encode()))

    monkeypatch.setattr(TeamleaderClient, "call", in_any_order)
    for since in (None, START):
        read = [record.id for batch in account.extraction().contacts(since) for record in batch.records]
        assert set(read) == set(ids)


# -- slips of the server -----------------------------------------------------------------------------------------------

SLIPS = {
    "empty": Fault("empty", "contacts.list"),
    "empty twice": Fault("empty", "contacts.list", times=2),
    "truncated": Fault("truncated", "contacts.list", times=2),
    "429": Fault("status", "contacts.list", status=429, times=2),
    "500": Fault("status", "contacts.list", status=500, times=2),
    "html": Fault("status", "contacts.list", status=200, body="<html></html>"),
    "drop": Fault("drop", "contacts.list", when="after"),
}


@pytest.mark.parametrize(
    ("slip", "since"), [*((slip, "inclusive") for slip in SLIPS), ("empty", "exclusive"), ("empty twice", "exclusive")]
)
def test_a_slip_at_any_page_loses_nothing(account: Account, slip: str, since: str) -> None:
    account.sandbox.set_switches(updated_since=since)
    ids = fill(account, "contacts", spread(110) + same(130, 2000) + spread(60, step=60))
    calls = account.sandbox.log.count
    gather(account.extraction().contacts())
    whole = calls("contacts.list")
    for skip in range(0, whole + 2, 2):
        account.sandbox.faults.clear()
        fault = SLIPS[slip]
        account.sandbox.faults.add(
            Fault(
                fault.kind,
                fault.path,
                times=fault.times,
                skip=skip,
                status=fault.status,
                body=fault.body,
                when=fault.when,
            )
        )
        store = gather(account.extraction().contacts())
        assert sorted(store) == sorted(ids), skip


def repeated(pages: set[int], times: int | None) -> Callable[[str, dict[str, Any]], dict[str, Any] | None]:
    left = [10**9 if times is None else times]

    def before(endpoint: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if body.get("page", {}).get("number") in pages and left[0]:
            left[0] -= 1
            return {**body, "page": {**body["page"], "number": 1}}
        return None

    return before


def without(*keys: str) -> Callable[[str, dict[str, Any]], dict[str, Any] | None]:
    def before(endpoint: str, body: dict[str, Any]) -> dict[str, Any] | None:
        changed = {key: value for key, value in body.items() if key not in keys}
        if "filter" in changed:
            changed["filter"] = {key: value for key, value in changed["filter"].items() if key not in keys}
        return changed

    return before


@pytest.mark.parametrize("kind", ["contacts", "deals"])
def test_a_short_page_in_the_middle_is_not_the_end(account: Account, kind: str) -> None:
    ids = fill(account, kind, spread(300), statuses=False)
    short = Random(3)

    def shorten(endpoint: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if short.random() < 0.5:
            return {**body, "page": {"size": 37, "number": body["page"]["number"]}}
        return None

    account.meddler.before = shorten
    assert sorted(gather(getattr(account.extraction(), kind)())) == sorted(ids)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_repeated_page_loses_nothing(account: Account, times: int) -> None:
    ids = fill(account, "contacts", same(420, 9), statuses=False)
    account.meddler.before = repeated({2, 3, 4}, times)
    assert sorted(gather(account.extraction().contacts())) == sorted(ids)


@pytest.mark.parametrize(
    ("kind", "layout", "meddling", "what"),
    [
        ("contacts", same(420, 9), repeated({2, 3, 4, 5, 6, 7, 8, 9}, None), "repeats the same page|shows only"),
        ("contacts", spread(300), without("updated_since"), "ignores the filter `updated_since`"),
        ("contacts", spread(300), without("sort"), "ignores the sort by `updated_at`"),
        ("deals", spread(300), without("created_before"), "ignores the filter `created_before`"),
        ("deals", same(300, 9), without("page"), "repeats the same page"),
        ("contacts", same(300, 9), without("page"), "repeats the same page"),
    ],
    ids=["page", "updated_since", "sort", "created_before", "paging deals", "paging"],
)
def test_a_server_that_ignores_the_question_is_noticed(
    account: Account, kind: str, layout: Times, meddling: Any, what: str
) -> None:
    fill(account, kind, layout, statuses=False)
    account.sandbox.set_switches(tie_order="stable")
    account.meddler.before = meddling
    with pytest.raises(BadAnswer, match=what):
        gather(getattr(account.extraction(), kind)())


@pytest.mark.parametrize("kind", ["contacts", "deals"])
@pytest.mark.parametrize("skip", [3, 4, 5, 6])
def test_a_list_that_stays_empty_in_the_middle_is_not_believed(account: Account, kind: str, skip: int) -> None:
    fill(account, kind, spread(500), statuses=False)
    account.sandbox.faults.add(Fault("empty", f"{kind}.list", times=None, skip=skip))
    with pytest.raises(TlHubspotError, match="ends before records that exist"):
        gather(getattr(account.extraction(), kind)())


@pytest.mark.parametrize("since", ["inclusive", "exclusive"])
def test_a_list_whose_end_was_deleted_meanwhile_is_believed(account: Account, since: str) -> None:
    account.sandbox.set_switches(updated_since=since)
    ids = fill(account, "contacts", spread(150), statuses=False)
    seen: set[str] = set()
    for batch in account.extraction().contacts():
        seen |= {record.id for record in batch.records}
        if len(seen) == 150:
            for id in ids:
                account.sandbox.delete("contacts", id)
    assert seen == set(ids)
