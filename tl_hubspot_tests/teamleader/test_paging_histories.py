"""Histories: a full reading and increments of a list that people change between the pages, on a server with faults.

Whatever happens, a reading is complete or fails, and after a last quiet increment the newest versions that were stored
are the truth. `TL_HUBSPOT_HISTORIES=5000` runs so many at random instead of the few that are always the same.
"""

from __future__ import annotations

import json
import os
import random
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from tl_hubspot.errors import TlHubspotError
from tl_hubspot.sandbox.control import Clock, Fault, LoopbackServer
from tl_hubspot.sandbox.teamleader import TeamleaderSandbox
from tl_hubspot.sandbox.teamleader.shapes import joined
from tl_hubspot.teamleader import paging, stretches
from tl_hubspot.teamleader.client import TeamleaderClient
from tl_hubspot.teamleader.extraction import Extraction
from tl_hubspot_tests.transport.virtual_time import VirtualTime

START = datetime(2024, 3, 1, 12, 0, 0, tzinfo=UTC)
NOW = datetime(2026, 10, 1, 9, 0, 0, tzinfo=UTC)
HISTORIES = int(os.environ.get("TL_HUBSPOT_HISTORIES", "0"))
NAMES = {"contacts": "last_name", "companies": "name", "deals": "title"}

FAULTS = ("empty", "cut", "repeated", "broken", "500", "429", "drop", "drop after", "html")


@dataclass(frozen=True)
class Story:
    """What a history is made of. Everything else comes from `seed`."""

    kind: str = "contacts"
    groups: tuple[tuple[int, int], ...] = ((1, 1),)
    """Seconds since the group before, and how many records share that second."""
    undated: int = 0
    page_size: int = 6
    tie_order: str = "random"
    updated_since: str = "inclusive"
    undated_sort: str = "lowest"
    lists_without_status: str = "all"
    replica_lag: int = 0
    shows_new_at_old_place: bool = False
    """The list is sorted by what the replica has, but shows records as they are now."""
    ends_now: bool = False
    """The records were all edited just before the first reading."""
    busy: float = 0.5
    """How likely it is that somebody does something between two calls (and then once more)."""
    faulty: float = 0.0
    """How likely a call meets a fault."""
    faults: tuple[str, ...] = FAULTS
    increments: int = 2
    is_long: bool = False
    """Lists of a few pages are already read in several stretches at a time."""
    seed: int = 0


@dataclass
class Server:
    """Stands before the sandbox as an ASGI application: people act before each list is read, some answers go wrong."""

    sandbox: TeamleaderSandbox
    story: Story
    random: Random
    quiet: bool = True
    deleted: set[str] = field(default_factory=set)
    flipped: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    acts: int = 0
    calls: int = 0
    _ids: list[str] = field(default_factory=list)
    _last: bytes | None = None
    _empty: int = 0
    _repeated: set[bytes] = field(default_factory=set)
    """Requests whose last answer was one to another request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_list = scope["path"].endswith(".list")
        fault = None
        if is_list:
            self.calls += 1
            assert self.calls < 20_000, "a reading does not end"
        if is_list and not self.quiet:
            self.people()
            if self.random.random() < self.story.faulty:
                fault = self.random.choice(self.story.faults)
        if fault in ("500", "429", "drop", "drop after", "html"):
            self._prepare(fault)
        messages: list[Any] = []
        request = await receive()

        async def again() -> Any:
            return request

        async def collect(message: Any) -> None:
            messages.append(message)

        await self.sandbox.app(scope, again, collect)
        body = b"".join(message.get("body", b"") for message in messages)
        if is_list and messages and messages[0]["status"] == 200:
            body = self._spoilt(fault, body, request.get("body", b""))
        for message in messages:
            if message["type"] == "http.response.start":
                headers = [item for item in message["headers"] if item[0].lower() != b"content-length"]
                await send({**message, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        if messages:
            await send({"type": "http.response.body", "body": body})

    def forget(self) -> None:
        """Answers are repeated within one reading."""
        self._last, self._empty = None, 0

    def _prepare(self, fault: str) -> None:
        match fault:
            case "500" | "429":
                self.sandbox.faults.add(Fault("status", r"\.list", status=int(fault)))
            case "html":
                self.sandbox.faults.add(Fault("status", r"\.list", status=200, body="<html></html>"))
            case _:
                self.sandbox.faults.add(Fault("drop", r"\.list", when="after" if "after" in fault else "before"))

    def _spoilt(self, fault: str | None, body: bytes, request: bytes) -> bytes:
        if fault == "html":
            return body
        try:
            rows = json.loads(body)["data"]
        except ValueError:
            return body
        if self.story.shows_new_at_old_place:
            rows = [self._fresh(row) for row in rows]
        honest = json.dumps({"data": rows}).encode()
        answer = honest
        match fault:
            case "empty":
                answer = b'{"data": []}'
            case "cut":
                answer = json.dumps({"data": rows[: self.random.randrange(len(rows) + 1)]}).encode()
            case "repeated" if request not in self._repeated:
                answer = self._last or honest
            case "broken":
                return honest[: len(honest) // 2]
        self._repeated.discard(request)
        if answer != honest and fault == "repeated":
            self._repeated.add(request)
        # Nobody can tell a list that is always empty from one that has nothing.
        self._empty = self._empty + 1 if answer == b'{"data": []}' != honest else 0
        if self._empty > 2:
            answer, self._empty = honest, 0
        if answer == honest:
            self._last = honest
        return answer

    def _fresh(self, row: dict[str, Any]) -> dict[str, Any]:
        found = self.sandbox.store.one(f"SELECT * FROM {self.story.kind} WHERE id = ?", [row["id"]])
        return row if found is None else json.loads(joined(dict(found), "base", "list_only", "custom_fields"))

    # -- people --------------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        story, sandbox = self.story, self.sandbox
        times: list[datetime | None] = []
        at = START
        for gap, count in story.groups:
            at += timedelta(seconds=gap)
            times += [at] * count
        if story.ends_now:
            shift = NOW - at
            times = [instant and instant + shift for instant in times]
        if story.kind != "deals":
            times += [None] * story.undated
        self.random.shuffle(times)
        records = []
        for number, instant in enumerate(times):
            text = None if instant is None else instant.isoformat(timespec="seconds")
            record: dict[str, Any] = {"id": sandbox.new_id(story.kind), NAMES[story.kind]: f"Name {number % 3}"}
            if story.kind == "deals":
                record |= {"created_at": text, "updated_at": text}
            else:
                status = self.random.choice(["active", "active", "deactivated"])
                record |= {"status": status, "added_at": START.isoformat(timespec="seconds"), "updated_at": text}
            records.append(record)
        sandbox.load(story.kind, records)
        self._ids = [record["id"] for record in records]

    def people(self) -> None:
        sandbox, kind, chance = self.sandbox, self.story.kind, self.random
        sandbox.clock.advance(chance.choice([0, 0, 1, 3]))
        # Fewer changes between two calls than half a page, on average: else a reading could not come to the end.
        for _ in range(2):
            if chance.random() >= self.story.busy:
                return
            self.acts += 1
            match chance.choice(["edit", "edit", "delete", "add", "flip", "crowd", "import"]):
                case "edit" if self._ids:
                    self._edit(chance.choice(self._ids))
                case "delete" if self._ids:
                    id = self._ids.pop(chance.randrange(len(self._ids)))
                    sandbox.delete(kind, id)
                    self.deleted.add(id)
                case "flip" if self._ids and kind != "deals":
                    id = chance.choice(self._ids)
                    status = sandbox.get(kind, id)["status"]
                    sandbox.update(kind, id, status="active" if status == "deactivated" else "deactivated")
                    self.flipped.add(id)
                    self.touched.add(id)
                case "crowd" if chance.random() < 0.3:
                    for id in chance.sample(self._ids, min(len(self._ids), self.story.page_size + 1)):
                        self._edit(id)
                case "import" if chance.random() < 0.3:
                    for _ in range(chance.randrange(2 * self.story.page_size)):
                        self._add()
                case _:
                    self._add()

    def _edit(self, id: str) -> None:
        field = "title" if self.story.kind == "deals" else "website"
        self.sandbox.update(self.story.kind, id, **{field: f"https://{self.acts}.example"})
        self.touched.add(id)

    def _add(self) -> None:
        id = self.sandbox.add(self.story.kind, {NAMES[self.story.kind]: f"New {self.acts}"})
        self._ids.append(id)
        self.touched.add(id)


class InProcess(BaseAdapter):
    """Carries requests to an ASGI application in the same thread, one at a time, without a socket."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self._app = app
        self._turn = threading.Lock()

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        with self._turn:
            return self._send(request)

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        body = request.body or b""
        message = {"type": "http.request", "body": body.encode() if isinstance(body, str) else body}
        messages: list[Any] = []

        async def receive() -> Any:
            return message

        async def send(answer: Any) -> None:
            messages.append(answer)

        scope = {
            "type": "http",
            "method": request.method,
            "path": request.path_url,
            "query_string": b"",
            "headers": [(k.lower().encode(), str(v).encode()) for k, v in request.headers.items()],
        }
        try:
            # Nothing in the sandbox waits for anything, so one step takes it to the end.
            self._app(scope, receive, send).send(None)
        except StopIteration:
            pass
        except ConnectionResetError as error:
            raise requests.ConnectionError(error) from None
        response = requests.Response()
        response.status_code = messages[0]["status"]
        response.headers.update({k.decode(): v.decode() for k, v in messages[0]["headers"]})
        response.raw = HTTPResponse(BytesIO(messages[1]["body"]), preload_content=False)
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        pass


class StillClock(Clock):
    """Time passes only where a story says so, so that a history is the same each time."""

    def __init__(self) -> None:
        self._now = NOW

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def set(self, instant: datetime) -> None:
        self._now = instant


class History:
    """Reads one story's list as a consumer does, and compares with what really happened."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.story = story
        self.sandbox = TeamleaderSandbox(seed=story.seed, clock=StillClock())
        self.sandbox.set_switches(
            strict=True,
            tie_order=story.tie_order,
            updated_since=story.updated_since,
            undated_sort=story.undated_sort,
            lists_without_status=story.lists_without_status,
            replica_lag=float(story.replica_lag),
        )
        self.server = Server(self.sandbox, story, Random(story.seed))
        self.folder = folder
        self.stored: dict[str, dict[str, Any]] = {}
        self.failures = 0

    def client(self, url: str) -> TeamleaderClient:
        time = VirtualTime(on_sleep=self.sandbox.clock.advance)
        return TeamleaderClient(
            api_url=url,
            auth_url=url,
            client_id="sandbox-client",
            client_secret="sandbox-secret",
            refresh_token="sandbox-refresh",
            token_store_path=self.folder / "teamleader.json",
            sleep=time.sleep,
            clock=time.clock,
        )

    def run(self, url: str | None = None) -> None:
        self.server.fill()
        with self.client(url or "http://teamleader.test") as client:
            if url is None:
                client._session.mount("http://", InProcess(self.server))
            extraction = Extraction(client)
            self.server.quiet = False
            since: datetime | None = None
            for number in range(self.story.increments + 1):
                since = self.read(extraction, since)
                if number < self.story.increments:
                    self.sandbox.clock.advance(self.server.random.choice([0, 10, 200, 400, 4000]))
            self.server.quiet = True
            self.sandbox.faults.clear()
            self.sandbox.clock.advance(self.story.replica_lag + 1)
            self.read(extraction, since)
        # A reading may fail, never fall short; it only has a reason to when answers contradict each other.
        assert not self.failures or self.story.faulty or self.story.shows_new_at_old_place or self.story.busy
        self.compare()

    def read(self, extraction: Extraction, since: datetime | None) -> datetime | None:
        """One reading; `since` of the next one, the same again when it failed."""
        lists = set(self.records())
        touched = self.server.touched
        self.server.touched, self.server.flipped = set(), set()
        given: set[str] = set()
        versions: set[tuple[str, bytes]] = set()
        self.server.forget()
        watermark: datetime | None = None
        try:
            for batch in getattr(extraction, self.story.kind)(since):
                watermark = watermark or batch.watermark
                assert batch.watermark == watermark
                assert len({record.id for record in batch.records}) == len(batch.records)
                for record in batch.records:
                    # The one version may be shown in both lists: new, but still at its old place.
                    assert (record.id, record.payload) not in versions or self.story.shows_new_at_old_place, record.id
                    assert record.id is not None
                    versions.add((record.id, record.payload))
                    given.add(record.id)
                    self.stored[record.id] = json.loads(record.payload)
        except TlHubspotError:
            self.failures += 1
            assert not self.server.quiet
            return since
        if since is None:
            # what was edited meanwhile may be left to the next increment
            there = lists - self.server.deleted - self.server.flipped - self.server.touched
            if self.story.replica_lag:
                # What the replica did not show at first was not there throughout.
                there -= touched
            assert there <= given, sorted(id[-3:] for id in there - given)
        assert watermark is not None
        return watermark

    def records(self) -> dict[str, dict[str, Any]]:
        return {record["id"]: record for record in self.sandbox.all(self.story.kind)}

    def compare(self) -> None:
        truth = self.records()
        assert set(truth) <= set(self.stored)
        assert set(self.stored) - set(truth) <= self.server.deleted
        names = ("updated_at", "status", "title") if self.story.kind == "deals" else ("updated_at", "status", "website")
        assert {id: [self.stored[id].get(name) for name in names] for id in truth} == {
            id: [record.get(name) for name in names] for id, record in truth.items()
        }


def tell(story: Story, *, http: bool = False) -> History:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "PAGE_SIZE", story.page_size)
        if story.is_long:
            patch.setattr(TeamleaderClient, "useful_together", property(lambda client: client.workers))
            patch.setattr(paging, "_SHORT", 1)
            patch.setattr(paging, "_FAR", 2)
            patch.setattr(stretches, "WORTH", 1)
        random.seed(story.seed)
        history = History(story, Path(folder))
        try:
            if http:
                with LoopbackServer(history.server) as server:
                    history.run(server.url)
            else:
                history.run()
        finally:
            history.sandbox.close()
    return history


sizes = st.one_of(st.integers(1, 3), st.integers(1, 40))
stories = st.builds(
    Story,
    kind=st.sampled_from(["contacts", "companies", "deals"]),
    groups=st.lists(st.tuples(st.sampled_from([1, 1, 2, 60, 5000]), sizes), max_size=12).map(tuple),
    undated=st.sampled_from([0, 0, 0, 2, 5, 20]),
    page_size=st.integers(4, 9),
    tie_order=st.sampled_from(["random", "stable", "reverse"]),
    updated_since=st.sampled_from(["inclusive", "exclusive"]),
    undated_sort=st.sampled_from(["lowest", "highest"]),
    lists_without_status=st.sampled_from(["all", "active"]),
    replica_lag=st.sampled_from([0, 0, 5, 60]),
    shows_new_at_old_place=st.booleans(),
    ends_now=st.booleans(),
    busy=st.sampled_from([0.0, 0.2, 0.5]),
    faulty=st.sampled_from([0.0, 0.0, 0.1, 0.3]),
    faults=st.one_of(st.just(FAULTS), st.sampled_from(FAULTS).map(lambda fault: (fault,))),
    increments=st.integers(0, 4),
    is_long=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)


@settings(
    max_examples=HISTORIES or 12,
    derandomize=not HISTORIES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(stories)
def test_every_history_ends_with_the_truth(story: Story) -> None:
    history = tell(story)
    event("a reading failed" if history.failures else "all readings were complete")


IMPORTS = ((1, 130), (1, 230), (60, 40), (5000, 101), (1, 20))


@pytest.mark.parametrize(("kind", "ties"), [("contacts", "random"), ("companies", "stable"), ("deals", "random")])
def test_a_history_with_pages_of_a_hundred(kind: str, ties: str) -> None:
    tell(Story(kind, IMPORTS, 3, page_size=100, tie_order=ties, updated_since="exclusive", faulty=0.1, seed=5))


@pytest.mark.parametrize("kind", ["contacts", "companies", "deals"])
def test_a_history_over_http(kind: str) -> None:
    groups = ((1, 9), (1, 17), (60, 4), (5000, 30))
    tell(Story(kind, groups, undated=2, updated_since="exclusive", replica_lag=5, faulty=0.15, seed=11), http=True)


# What histories found, as short as they could be made.
FOUND = {
    "a first look of an increment, cut to what was edited after it began": Story(
        "companies", ((1, 38), (60, 17)), page_size=4, ends_now=True, faulty=0.3, faults=("cut",), increments=2
    ),
    "a page of a crowd that repeats the one after it": Story(
        groups=((1, 24), (1, 2), (60, 3), (1, 36), (5000, 6)),
        page_size=8,
        tie_order="stable",
        faulty=0.1,
        faults=("repeated",),
    ),
    "the other end cut twice, so that it brings nothing new": Story(
        groups=((1, 3), (60, 12), (1, 21), (1, 2), (2, 36)), page_size=9, busy=0.0, faulty=0.3, faults=("cut",)
    ),
    "a first answer that was empty by mistake, everything edited just now": Story(
        "companies", ((1, 14), (1, 40), (2, 13)), page_size=7, ends_now=True, busy=0.0, faulty=0.1, faults=("empty",)
    ),
    "a repeated page that makes the filter look inclusive": Story(
        groups=((60, 13), (1, 23), (1, 30)), page_size=4, updated_since="exclusive", faulty=0.2, faults=("repeated",)
    ),
    "a crowd followed only by records edited just now": Story(
        groups=((5000, 37), (1, 30)), page_size=8, ends_now=True, busy=0.2
    ),
    "a crowd that people leave": Story("deals", ((1, 60), (1, 30)), page_size=8, busy=0.5, increments=1),
    "the answer to another question, as short as if the list were that short": Story(
        groups=((60, 3), (5000, 2), (1, 1)),
        undated=20,
        undated_sort="highest",
        page_size=5,
        lists_without_status="active",
        replica_lag=60,
        shows_new_at_old_place=True,
        busy=0.0,
        faulty=0.1,
        increments=1,
        seed=2557456944,
    ),
    "another page instead of the other end, after one that was cut": Story(
        "companies",
        (
            (1, 19),
            (1, 21),
            (1, 9),
            (5000, 3),
            (1, 1),
            (1, 24),
            (2, 3),
            (2, 12),
            (60, 20),
            (1, 16),
            (1, 1),
            (5000, 1),
            (2, 7),
            (2, 1),
        ),
        undated_sort="highest",
        page_size=4,
        tie_order="stable",
        replica_lag=5,
        busy=0.2,
        faulty=0.3,
        increments=0,
        is_long=True,
        seed=1155411373,
    ),
    "more undated records than a page, after the newest": Story(
        groups=((60, 17), (1, 7)), undated=20, undated_sort="highest", page_size=5, busy=0.0
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_histories_found(name: str) -> None:
    for seed in range(20) if HISTORIES else [FOUND[name].seed]:
        tell(replace(FOUND[name], seed=seed))
