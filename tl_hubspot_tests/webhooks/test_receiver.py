"""The receiver over real HTTP: what it answers, what it keeps, what it never says."""

from __future__ import annotations

import json
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_hubspot.sandbox.control import LoopbackServer
from tl_hubspot.webhooks.receiver import BODY_LIMIT, Receiver
from tl_hubspot.webhooks.spool import Event, Spool
from tl_hubspot_tests.cli.terminal import Terminal
from tl_hubspot_tests.webhooks.conftest import Serve

SECRET = "s3cret-" + "x" * 30
ID = "427ee6bc-d6c5-0e69-867b-dc3f9321ff4d"
ACCOUNT = "1f3e77ef-9c8c-0d6a-a1e5-3b2e9c8f7a60"
EVENT = {
    "type": "contact.linkedToCompany",
    "subject": {"type": "contact", "id": ID},
    "account": {"type": "account", "id": ACCOUNT},
}


class Running:
    """A receiver in a thread."""

    def __init__(self, address: str, spool: Spool, client: httpx.Client) -> None:
        self.client = client
        self.url = f"{address}/{SECRET}"
        self.address = address
        self.spool = spool

    def kept(self) -> list[Event]:
        batch = self.spool.drain()
        if batch is None:
            return []
        events = self.spool.read(batch).events
        self.spool.acknowledge(batch)
        return events

    def raw(self, *parts: bytes) -> bytes:
        """Send bytes as they are; returns the first line of the answer."""
        parts_of = urlsplit(self.address)
        assert parts_of.hostname and parts_of.port
        with socket.create_connection((parts_of.hostname, parts_of.port), timeout=10) as connection:
            for part in parts:
                connection.sendall(part)
            return connection.makefile("rb").readline()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    spool = Spool(tmp_path_factory.mktemp("data") / "webhooks")
    with LoopbackServer(Receiver(spool, SECRET)) as server, httpx.Client() as client:
        yield Running(server.url, spool, client)


def test_an_event_is_on_disk_when_it_is_answered(running: Running) -> None:
    answer = running.client.post(running.url, json=EVENT)
    assert (answer.status_code, answer.content) == (200, b"")
    line = json.loads((running.spool.folder / "incoming.jsonl").read_text())
    assert set(line) == {"type", "subject_id", "account_id", "received_at"}
    (event,) = running.kept()
    assert (event.type, event.subject_id, event.account_id) == (EVENT["type"], ID, ACCOUNT)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        f"/{SECRET}x",
        f"/{SECRET[:-1]}",
        f"/x/{SECRET}",
        f"/{SECRET}/",
        "/%00%ff",
        "/caf%C3%A9",
        f"/{SECRET.upper()}",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_without_the_secret_there_is_nothing(running: Running, path: str, method: str) -> None:
    answer = running.client.request(method, running.address + path, json=EVENT)
    assert (answer.status_code, answer.content) == (404, b"")
    assert running.kept() == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(running: Running, method: str) -> None:
    answer = running.client.request(method, running.url)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_too_large_by_its_header_or_by_its_body(running: Running) -> None:
    assert running.client.post(running.url, content=b"x" * (BODY_LIMIT + 1)).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(BODY_LIMIT // 1024 + 2):
            yield b" " * 1024

    assert running.client.post(running.url, content=endless()).status_code == 413
    fitting = json.dumps(EVENT).encode().ljust(BODY_LIMIT)
    assert running.client.post(running.url, content=fitting).status_code == 200
    assert len(running.kept()) == 1
    # a length that is announced is refused before anything is sent
    head = f"POST /{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".encode()
    assert b" 413 " in running.raw(head)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"contact.updated"',
        b"{}",
        b'{"type": null}',
        b'{"type": 7}',
        b'{"type": "contact"}',
        b'{"type": "ann@example.com"}',
        b'{"type": "a.b", "subject": "x"}',
        b'{"type": "a.b", "subject": {"id": 7}}',
        b'{"type": "\xff.b"}',
        b'{"type": "' + b"a" * 60 + b'.b"}',
        b"[" * 60_000,
        b'{"type": "a.b", "x": ' + b"[" * 60_000,
    ],
)
def test_what_is_no_event(running: Running, body: bytes) -> None:
    assert running.client.post(running.url, content=body).status_code == 400
    assert running.kept() == []
    assert running.client.post(running.url, json=EVENT).status_code == 200
    assert len(running.kept()) == 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.text(max_size=5) | st.sampled_from(["contact.updated", ID]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["type", "subject", "account", "id"]), inner, max_size=4)
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_nothing_that_is_sent_makes_it_fail(running: Running, body: bytes) -> None:
    assert running.client.post(running.url, content=body).status_code in (200, 400)
    for event in running.kept():
        assert event.subject_id in (None, ID)


def test_no_more_than_type_and_ids_is_kept(running: Running) -> None:
    payload = EVENT | {
        "type": "ticket.somethingNew",
        "subject": {"type": "ann@example.com", "id": "Ann Peeters", "email": "ann@example.com"},
        "account": {"id": "ann@example.com"},
        "data": {"first_name": "Ann"},
    }
    assert running.client.post(running.url, json=payload).status_code == 200, "types that nobody knows yet are kept too"
    assert "nn" not in (running.spool.folder / "incoming.jsonl").read_text()
    (event,) = running.kept()
    assert (event.type, event.subject_id, event.account_id) == ("ticket.somethingNew", None, None)


def test_a_sender_that_hangs_up_or_talks_nonsense_does_no_harm(running: Running) -> None:
    parts = urlsplit(running.address)
    assert parts.hostname and parts.port
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(f'POST /{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{{"type"'.encode())
    assert b" 400 " in running.raw(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    upgrade = b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    assert b" 405 " in running.raw(b"GET /" + SECRET.encode() + b" HTTP/1.1\r\n" + upgrade + key)
    assert running.client.post(running.url, json=EVENT).status_code == 200
    assert len(running.kept()) == 1


def test_many_at_once_are_stored_together(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    append = Spool.append

    def counting(self: Spool, events: list[Event]) -> None:
        writes.append(len(events))
        append(self, events)

    monkeypatch.setattr(Spool, "append", counting)
    subjects = [str(uuid.UUID(int=n)) for n in range(200)]
    with httpx.Client(limits=httpx.Limits(max_connections=20)) as client, ThreadPoolExecutor(20) as pool:

        def send(subject: str) -> int:
            return client.post(running.url, json=EVENT | {"subject": {"id": subject}}).status_code

        assert set(pool.map(send, subjects)) == {200}
    assert sorted(e.subject_id or "" for e in running.kept()) == sorted(subjects)
    assert sum(writes) == 200


def test_a_disk_that_takes_nothing_is_said_and_not_for_ever(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "webhooks")
    blocked = spool.folder / "incoming.jsonl"
    with LoopbackServer(Receiver(spool, SECRET)) as server:
        blocked.mkdir(parents=True)  # even root cannot write to a folder
        assert httpx.post(f"{server.url}/{SECRET}", json=EVENT).status_code == 503
        blocked.rmdir()
        assert httpx.post(f"{server.url}/{SECRET}", json=EVENT).status_code == 200
    assert spool.waiting() == 1


# ---------------------------------------------------------------------- as a process of its own


def test_served_until_stopped_and_the_secret_is_never_said(serve: Serve) -> None:
    receiver = serve()
    secret = receiver.spool.secret()
    assert receiver.post(ID) == 200
    assert httpx.get(receiver.url).status_code == 405
    assert httpx.post(receiver.url, content=b"nonsense").status_code == 400
    assert httpx.post(f"{receiver.address}/wrong", json=EVENT).status_code == 404
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    httpx.get(receiver.url, headers=upgrade)
    blocked = receiver.spool.folder / "incoming.jsonl"
    receiver.spool.drain()
    blocked.mkdir()
    assert receiver.post(ID) == 503
    out, err = receiver.stop()
    assert receiver.process.returncode == 0
    assert secret not in out + err
    assert ID not in out + err
    assert out == ""
    assert "could not be stored" in err
    assert "Traceback" not in err
    assert stat_of(receiver.spool.folder / "secret") == 0o600
    assert receiver.spool.secret() == secret, "the next one has the same"


def stat_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_killed_after_its_answer_the_event_is_there(serve: Serve) -> None:
    receiver = serve(TL_HUBSPOT_WEBHOOKS__SECRET=SECRET)
    url = f"{receiver.address}/{SECRET}"
    subjects = [str(uuid.UUID(int=n)) for n in range(40)]
    with httpx.Client() as client, ThreadPoolExecutor(4) as pool:
        confirmed = []
        for subject, answer in zip(subjects, pool.map(lambda s: _sent(client, url, s), subjects), strict=True):
            if answer == 200:
                confirmed.append(subject)
            if len(confirmed) == 20:
                os.kill(receiver.process.pid, signal.SIGKILL)
    assert len(confirmed) >= 20
    batch = receiver.spool.drain()
    assert batch is not None
    assert set(confirmed) <= {e.subject_id for e in receiver.spool.read(batch).events}
    assert not (receiver.spool.folder / "secret").exists(), "the setting is the secret"


def _sent(client: httpx.Client, url: str, subject: str) -> int:
    try:
        return client.post(url, json=EVENT | {"subject": {"id": subject}}).status_code
    except httpx.HTTPError:
        return 0


def test_what_cannot_be_served(running: Running, terminal: Terminal) -> None:
    port = running.address.rpartition(":")[2]
    taken = terminal("webhooks", "serve", "--port", port)
    assert taken.code == 2
    assert "cannot listen" in taken.line and f"127.0.0.1:{port}" in taken.line
    weak = terminal("webhooks", "serve", "--port", port, TL_HUBSPOT_WEBHOOKS__SECRET="a/b?c")
    assert weak.code == 2
    assert "it must have 22 to 128 letters" in weak.line
    assert "a/b?c" not in weak.line
