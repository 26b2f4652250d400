"""Reading Teamleader's records over real HTTP, run after run: what counts as a change, earlier states, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.errors import BadAnswer, Unreachable
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import extract, links, phases
from tl_hubspot.sandbox.control import ASGIApp, Fault, LoopbackServer, Message, Receive, Scope, Send
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.teamleader.extraction import Batch, Record, Stream

pytestmark = pytest.mark.usefixtures("stays_open")

START = datetime(2026, 11, 2, 11, tzinfo=UTC)
BEFORE = "2026-10-01T10:00:00+00:00"
Rows = list[Any]


class Front:
    """Stands before the local Teamleader and may exchange what it answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.rows: Callable[[str, Rows], Rows | None] | None = None
        """Gets the endpoint and the rows of a list; may change them, or return others."""
        self.text: Callable[[bytes], bytes] = bytes
        self.headers: dict[bytes, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, collect)
        body = b"".join(m.get("body", b"") for m in messages)
        endpoint = scope["path"].strip("/")
        if self.rows is not None and endpoint.endswith(".list"):
            answer = json.loads(body)
            if "data" in answer:
                changed = self.rows(endpoint, answer["data"])
                body = json.dumps(answer if changed is None else answer | {"data": changed}).encode()
        body = self.text(body)
        headers = {k.lower(): v for k, v in messages[0]["headers"]} | self.headers
        headers[b"content-length"] = str(len(body)).encode()
        await send({**messages[0], "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": body})


class Desk:
    """An account, a data folder, and runs of the reading steps."""

    def __init__(self, systems: LocalSystems, front: Front, url: str, folder: Path) -> None:
        self.systems, self.front, self.folder = systems, front, folder
        self.account = systems.teamleader
        self.environment = systems.environment() | {"TEAMLEADER_API_URL": url, "TL_HUBSPOT_DATA": str(folder)}
        self.platform: Platform = self.a_platform()

    def a_platform(self, **options: Any) -> Platform:
        values = self.environment | {"TL_HUBSPOT_AS_OF": self.systems.clock.now().isoformat()}
        platform = Platform(configuration.load(values, directory=self.folder), RunOptions(**options))
        platform.sleep = lambda seconds: None
        return platform

    def read(self, run_id: str, *, streams: tuple[Stream, ...] = extract.STREAMS, **options: Any) -> dict[str, int]:
        """One run an hour later; returns the counts of contacts."""
        self.systems.clock.advance(3600)
        self.platform = platform = self.a_platform(**options)
        try:
            run = platform.run(run_id)
            counts = {stream: extract.records(platform, run, stream) for stream in streams}
            if streams == extract.STREAMS:
                links.links(platform, run)
                phases.phase_history(platform, run)
            return counts[streams[0]]
        finally:
            platform.close()

    def contact(self, **values: Any) -> str:
        values = {"last_name": "Peeters", "added_at": BEFORE, "updated_at": BEFORE} | values
        return self.account.add("contacts", values)

    def query(self, query: str) -> list[tuple[Any, ...]]:
        return self.platform.warehouse.read(query).rows()

    def stored(self, id: str) -> dict[str, Any]:
        frame = self.platform.warehouse.read("select * from teamleader.contacts where id = ?", [id])
        return frame.row(0, named=True)

    def as_of(self, run_id: str, id: str) -> dict[str, Any] | None:
        query = f"select * from teamleader.contacts_as_of('{run_id}') where id = '{id}'"
        rows = self.platform.warehouse.read(query)
        return rows.row(0, named=True) if rows.height else None

    def rejected(self) -> list[tuple[Any, ...]]:
        """What is set aside or told of contacts: field, reason, whether the record is loaded."""
        return self.query(
            "select field, reason, is_loaded from teamleader.rejected where stream = 'contacts' order by all"
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as systems:
        systems.clock.set(START)
        front = Front(systems.teamleader.app)
        with LoopbackServer(front) as server:
            yield Desk(systems, front, server.url, tmp_path)


# --- what counts as a change ------------------------------------------------------------------------------------------


def test_when_a_contact_was_changed_and_how_it_was_before(desk: Desk) -> None:
    bumped, edited, silent, reordered, swapped = (desk.contact(tags=["a", "b"]) for _ in range(5))
    for id in (reordered, swapped):
        entries = [{"type": "primary", "email": "a@example.be"}, {"type": "invoicing", "email": "b@example.be"}]
        desk.account.silent_update("contacts", id, emails=entries)
    desk.read("first")
    at_first = desk.stored(edited)["changed_at"]
    assert at_first == datetime.fromisoformat(BEFORE)

    desk.account.update("contacts", bumped)
    desk.account.update("contacts", edited, last_name="Janssens")
    desk.account.silent_update("contacts", silent, last_name="Claes")
    desk.account.update("contacts", reordered, tags=["b", "a"])
    desk.account.update("contacts", swapped, emails=list(reversed(desk.account.get("contacts", swapped)["emails"])))
    edited_at = desk.systems.clock.now().replace(microsecond=0)
    counts = desk.read("second")
    assert (counts["new"], counts["changed"]) == (0, 4)
    moved = {id: desk.stored(id)["changed_at"] - at_first > timedelta(0) for id in (bumped, edited, reordered, swapped)}
    assert moved == {bumped: False, edited: True, reordered: False, swapped: True}
    assert abs(desk.stored(edited)["changed_at"] - edited_at) < timedelta(seconds=5)
    assert desk.stored(bumped)["updated_at"] > at_first, "the bump itself is stored"
    assert desk.stored(silent)["last_name"] == "Peeters", "not to be seen in an increment"

    counts = desk.read("third", full=True)
    assert (counts["changed"], counts["unchanged"]) == (1, 4)
    # updated_at stood still, so there is no later time to tell
    assert (desk.stored(silent)["last_name"], desk.stored(silent)["changed_at"]) == ("Claes", at_first)

    names = {
        run: {id: (desk.as_of(run, id) or {})["last_name"] for id in (edited, silent)}
        for run in ("first", "second", "third")
    }
    assert names == {
        "first": {edited: "Peeters", silent: "Peeters"},
        "second": {edited: "Janssens", silent: "Peeters"},
        "third": {edited: "Janssens", silent: "Claes"},
    }
    assert desk.query("select count(*) from history.contacts") == [(4 + 1,)]


def test_order_of_keys_tags_and_custom_fields_is_no_version(desk: Desk) -> None:
    fields = []
    for label in ("Size", "Colour"):
        definition = {"id": desk.account.new_id("customFieldDefinitions"), "label": label, "type": "single_line"}
        desk.account.load(
            "customFieldDefinitions", [definition | {"context": "contact", "group": None, "required": False}]
        )
        fields.append({"definition": {"type": "customFieldDefinition", "id": definition["id"]}, "value": label})
    id = desk.contact(tags=["a", "b"], custom_fields=fields)
    desk.read("first")

    def shuffle(endpoint: str, rows: Rows) -> Rows | None:
        if endpoint != "contacts.list":
            return None
        return [
            {key: row[key][::-1] if key in ("tags", "custom_fields") else row[key] for key in reversed(row)}
            for row in rows
        ]

    desk.front.rows = shuffle
    counts = desk.read("second", full=True)
    assert (counts["changed"], counts["unchanged"]) == (0, 1)
    assert desk.query("select count(*) from history.contacts") == [(0,)]
    assert desk.stored(id)["tags"] == ["a", "b"]


def test_a_field_that_changes_its_type(desk: Desk) -> None:
    id = desk.contact(first_name="An")
    desk.read("first")

    def other(endpoint: str, rows: Rows) -> None:
        for row in rows if endpoint == "contacts.list" else []:
            row["first_name"] = {"nl": row["first_name"]}

    desk.front.rows = other
    counts = desk.read("second", full=True)
    assert (counts["changed"], counts["rejected"]) == (1, 1)
    assert desk.rejected() == [("first_name", "It is an object where a text is expected", True)]
    stored = desk.stored(id)
    assert (stored["first_name"], stored["last_name"]) == (None, "Peeters")
    assert json.loads(stored["payload"])["first_name"] == {"nl": "An"}
    desk.read("still so", full=True)
    told = desk.query("select _run_id from teamleader.rejected")
    assert told == [("second",)], "told once, since when it is so"
    desk.front.rows = None
    desk.read("third", full=True)
    assert desk.stored(id)["first_name"] == "An"
    assert desk.rejected() == []
    assert (desk.as_of("second", id) or {})["first_name"] is None


def test_links_and_phases_as_of_a_run(desk: Desk) -> None:
    person = desk.contact(emails=[{"type": "primary", "email": "an@example.be"}])
    one, other = (desk.account.add("companies", {"name": n, "added_at": BEFORE, "updated_at": BEFORE}) for n in "AB")
    pipeline = desk.account.add("dealPipelines", {"name": "Sales", "is_default": True, "status": "open"})
    first, second = (
        desk.account.add("dealPhases", {"name": n, "deal_pipeline_id": pipeline, "probability": 0.1}) for n in "XY"
    )
    lead = {"customer": {"type": "contact", "id": person}, "contact_person": None}
    # made long ago and not touched since, so that its phases decide
    old = (START - timedelta(days=900)).isoformat()
    deal = desk.account.add("deals", {"title": "D", "lead": lead, "created_at": old, "status": "open"})
    desk.account.link(person, one)
    desk.read("first", full=True)
    changed_at = desk.stored(person)["changed_at"]
    desk.account.unlink(person, one)
    desk.account.link(person, other)
    desk.account.move(deal, second)
    desk.read("second", full=True)
    assert desk.stored(person)["changed_at"] > changed_at, "another company counts as a change"
    assert (desk.as_of("first", person) or {})["changed_at"] == changed_at
    assert desk.stored(person)["_run_id"] == "second", "and is its version, though nothing of it was read"
    pairs = "select company_id from teamleader.contact_company_links_as_of('{}')"
    assert [desk.query(pairs.format(run)) for run in ("first", "second")] == [[(one,)], [(other,)]]
    current = "select current_phase_id from teamleader.deals_as_of('{}')"
    assert [desk.query(current.format(run)) for run in ("first", "second")] == [[(first,)], [(second,)]]
    history = "select phase_id from teamleader.deal_phase_history_as_of('{}') order by position"
    read = [desk.query(history.format(run)) for run in ("first", "second")]
    assert read[-1] == desk.query("select phase_id from teamleader.deal_phase_history order by position")
    with desk.platform.warehouse.transaction() as con:
        con.execute("update teamleader.contact_company_links set rank = null")
    desk.read("third")
    ranks = "select rank from teamleader.contact_company_links_as_of('{}')"
    assert [desk.query(ranks.format(run)) for run in ("second", "third")] == [[(None,)], [(0,)]]


def test_deleted_records(desk: Desk) -> None:
    gone, stays = desk.contact(), desk.contact()
    desk.read("first")
    desk.account.delete("contacts", gone)
    assert desk.read("second")["deleted"] == 0, "an increment does not show it"
    assert desk.read("third", full=True)["deleted"] == 1
    assert desk.stored(gone)["deleted_at"] is not None
    assert (desk.as_of("second", gone) or {})["deleted_at"] is None
    assert (desk.as_of("third", gone) or {})["deleted_at"] is not None
    assert desk.stored(stays)["deleted_at"] is None


# --- bad input --------------------------------------------------------------------------------------------------------


def test_what_is_no_record_stops_nothing(desk: Desk) -> None:
    fine = [desk.contact(last_name=f"N{n}") for n in range(5)]
    twin = fine[0]

    def spoil(endpoint: str, rows: Rows) -> Rows | None:
        if endpoint != "contacts.list" or not rows:
            return None
        older = next((dict(r) for r in rows if r["id"] == twin), None)
        more = [{**older, "last_name": "Older"}, dict(older)] if older else []
        return [None, 17, *more, *rows, {"last_name": "Nobody"}, {"id": 4711, "last_name": "Number"}]

    desk.front.rows = spoil
    counts = desk.read("first")
    assert counts["read"] == counts["new"] == 5
    expected = [
        ("", "A newer record on the same page has the same id", False),
        ("", "It has no id", False),
        ("", "It is no record but a number", False),
        ("", "It is no record but null", False),
        ("", "Its id is not one that Teamleader gives", False),
    ]
    assert desk.rejected() == expected
    assert desk.stored(twin)["last_name"] == "N0"
    found = desk.query("select id, payload from teamleader.rejected where reason like 'A newer%'")
    assert [(id, json.loads(payload)["last_name"]) for id, payload in found] == [(twin, "Older")]
    desk.read("second", full=True)
    assert desk.rejected() == expected, "the same again is not told again"
    assert desk.read("quiet")["deleted"] == 0
    desk.front.rows = None
    desk.read("third", full=True)
    assert desk.rejected() == []


def test_unknown_fields_bad_dates_and_half_characters_are_loaded(desk: Desk) -> None:
    new, undated, half = desk.contact(last_name="A"), desk.contact(last_name="B"), desk.contact(last_name="C")

    def spoil(endpoint: str, rows: Rows) -> None:
        for row in rows if endpoint == "contacts.list" else []:
            row |= {"shoe_size": {"eu": 43}} if row["id"] == new else {}
            row |= {"added_at": "31 February"} if row["id"] == undated else {}

    desk.front.rows = spoil
    desk.front.text = lambda body: body.replace(b'"C"', rb'"Caf\ud83d"')
    counts = desk.read("first")
    assert (counts["new"], counts["unreadable_dates"], counts["rejected"]) == (3, 1, 1)
    assert json.loads(desk.stored(new)["payload"])["shoe_size"] == {"eu": 43}
    assert (desk.stored(undated)["added_at"], desk.stored(undated)["last_name"]) == (None, "B")
    assert desk.stored(half)["last_name"] == "Caf\ufffd"
    assert desk.rejected() == [("last_name", "A character in it was damaged on the way", True)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([{"last_name": f"N{n}"} for n in range(100)], "holds nothing that is a record"),
        ({"id": "x"}, "is no list"),
    ],
)
def test_a_list_that_is_none(desk: Desk, data: Any, says: str) -> None:
    desk.contact()
    desk.read("first")
    desk.front.rows = lambda endpoint, rows: data if endpoint == "contacts.list" else None
    with pytest.raises(BadAnswer, match=says):
        desk.read("second", full=True)
    assert desk.query("select count(*) from teamleader.contacts where deleted_at is null") == [(1,)]


def test_another_version_of_the_api_is_noted_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.contact()
    desk.front.headers = {b"x-api-version": b"2027-01-01"}
    desk.read("first")
    assert desk.platform.teamleader.other_versions == {"2027-01-01"}
    assert [r.getMessage() for r in caplog.records if "version" in r.getMessage()] == [
        "Teamleader answers in version 2027-01-01 of its API; 2023-09-26 was asked for"
    ]


# --- watermarks and readings broken off -------------------------------------------------------------------------------


def marks(desk: Desk) -> dict[str, Any]:
    frame = desk.platform.warehouse.read("select * from sync.watermarks where stream = 'contacts'")
    return frame.row(0, named=True)


def test_the_watermark_is_the_servers_time_and_the_next_run_overlaps(desk: Desk) -> None:
    desk.contact()
    desk.read("first")
    began = marks(desk)["read_until"]
    assert abs(began - desk.systems.clock.now()) < timedelta(minutes=1), "not the time of this machine"
    desk.account.log.clear()
    desk.read("second")
    bodies = [call["body"] for call in desk.account.log.entries if call["path"] == "/contacts.list"]
    since = {body["filter"]["updated_since"] for body in bodies if "updated_since" in body["filter"]}
    assert all(datetime.fromisoformat(text) <= began - timedelta(seconds=300) for text in since)
    assert marks(desk)["read_until"] > began


@pytest.fixture
def broken(desk: Desk) -> Desk:
    """A desk whose first reading of 250 contacts broke off after two pages were stored."""
    desk.environment["TL_HUBSPOT_TEAMLEADER__RECORDS_PER_COMMIT"] = "100"
    for n in range(250):
        desk.contact(updated_at=(START - timedelta(days=9, minutes=-n)).isoformat())
    desk.account.faults.add(Fault("status", "/contacts.list", times=None, skip=2, status=503))
    with pytest.raises(Unreachable):
        desk.read("first", streams=("contacts",))
    desk.account.faults.clear()
    assert desk.query("select count(*) > 0 from teamleader.contacts") == [(True,)]
    assert desk.query("select count(*) from sync.watermarks") == [(0,)]
    return desk


def test_a_reading_that_broke_off_is_gone_on_with(broken: Desk) -> None:
    began = broken.query("select as_of, read_from, run_id from sync.unfinished")[0]
    late = broken.contact(last_name="Late", updated_at=broken.systems.clock.now().isoformat(timespec="seconds"))
    counts = broken.read("second", streams=("contacts",))
    assert counts["went_on"] == 1
    assert broken.query("select count(*) from teamleader.contacts where deleted_at is null") == [(251,)]
    assert broken.stored(late)["last_name"] == "Late"
    assert broken.query("select count(*) from sync.unfinished union all select count(*) from sync.seen") == [(0,), (0,)]
    # it is as old as its beginning, but what changed until now was read as well
    assert marks(broken)["full_as_of"] == began[0]
    assert marks(broken)["read_until"] > began[1]


def test_what_cannot_be_stored_ends_the_reading_where_it_was(broken: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = broken.query("select count(*) from teamleader.contacts")
    see, calls = extract._see, []

    def full(con: Any, stream: Stream, names: Collection[str]) -> None:
        see(con, stream, names)
        calls.append(len(names))
        raise OSError("no space left")

    monkeypatch.setattr(extract, "_see", full)
    with pytest.raises(OSError, match="no space left"):
        broken.read("second", streams=("contacts",))
    assert len(calls) == 1, "nothing after it is stored"
    assert broken.query("select count(*) from teamleader.contacts") == before
    monkeypatch.undo()
    broken.read("third", streams=("contacts",))
    assert broken.query("select count(*), count(distinct id) from teamleader.contacts") == [(250, 250)]


def test_what_was_edited_meanwhile_among_those_read_is_read(broken: Desk) -> None:
    [(id,)] = broken.query("select id from teamleader.contacts order by updated_at limit 1")
    broken.account.update("contacts", id, last_name="Edited")
    broken.read("second", streams=("contacts",))
    assert broken.stored(id)["last_name"] == "Edited"


def test_those_seen_before_it_broke_off_count_as_seen(broken: Desk) -> None:
    ids = [id for (id,) in broken.query("select id from teamleader.contacts order by updated_at")]
    broken.account.delete("contacts", ids[0])
    assert broken.read("second", streams=("contacts",))["deleted"] == 0
    # gone since it was seen: the next sweep finds it
    assert broken.read("third", streams=("contacts",), full=True)["deleted"] == 1
    asked = [call["path"] for call in broken.account.log.entries if call["path"] == "/contacts.info"]
    assert len(asked) == 1, "nobody else was looked at"


@pytest.mark.parametrize(("hours", "went_on"), [(23, 1), (25, 0), (-1, 0)])
def test_one_that_is_old_begins_anew(broken: Desk, hours: int, went_on: int) -> None:
    with broken.platform.warehouse.transaction() as con:
        con.execute("update sync.unfinished set began_at = ?", [datetime.now(UTC) - timedelta(hours=hours)])
    assert broken.read("second", streams=("contacts",))["went_on"] == went_on
    assert broken.query("select count(*) from teamleader.contacts") == [(250,)]


def test_changes_are_no_use_when_all_is_to_be_read(desk: Desk) -> None:
    desk.contact()
    desk.read("first", streams=("contacts",))
    changed = [desk.contact(updated_at=desk.systems.clock.now().isoformat(timespec="seconds")) for _ in range(150)]
    desk.environment["TL_HUBSPOT_TEAMLEADER__RECORDS_PER_COMMIT"] = "50"
    desk.account.faults.add(Fault("status", "/contacts.list", times=None, skip=3, status=503))
    with pytest.raises(Unreachable):
        desk.read("second", streams=("contacts",))
    assert desk.query("select is_full from sync.unfinished") == [(False,)]
    desk.account.faults.clear()
    assert desk.read("third", streams=("contacts",), full=True)["went_on"] == 0
    assert desk.query("select count(*) from teamleader.contacts") == [(len(changed) + 1,)]


def test_a_list_that_was_read_is_not_read_again_because_another_was_not(desk: Desk) -> None:
    desk.contact()
    desk.read("first", streams=("contacts",))
    desk.account.log.clear()
    assert desk.read("second")["read"] == 0, "only what changed"
    as_of = dict(desk.query("select stream, full_as_of from sync.watermarks"))
    assert as_of["contacts"] < as_of["companies"] == as_of["deals"]
    desk.systems.clock.advance(24 * 3600)
    assert desk.read("third")["read"] == 1, "a day later all of it"
    frame = pl.DataFrame(desk.query("select full_as_of from sync.watermarks"), orient="row")
    assert frame.n_unique() == 1, "all lists are as old as each other again"


@pytest.mark.parametrize(
    ("records", "seconds", "stored"),
    [(2, 60.0, [["a", "b"], ["c"]]), (100, 0.0, [["a"], ["b"], ["c"]]), (100, 60.0, [["a", "b", "c"]])],
)
def test_pages_are_gathered_up_to_a_number_or_a_time(records: int, seconds: float, stored: list[list[str]]) -> None:
    limits = configuration.TeamleaderSettings(records_per_commit=records, seconds_per_commit=seconds)
    pages = [Batch("contacts", [Record(id, b"{}")], START) for id in "abc"]
    joined = list(extract._joined(pages, limits))
    assert [[record.id for record in batch.records] for batch, _ in joined] == stored
    assert [is_last for _, is_last in joined] == [False] * (len(stored) - 1) + [True]
