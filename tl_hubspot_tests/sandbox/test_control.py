"""The parts that all sandboxes share, over real HTTP: clock, faults, log, control routes, loopback server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tl_hubspot.sandbox.control import (
    Clock,
    ControlMiddleware,
    Fault,
    Faults,
    LoopbackServer,
    RequestLog,
    control_routes,
)


@dataclass(frozen=True)
class CounterSwitches:
    step: int = 1


class Counter:
    """A minimal system: POST /count adds `switches.step`, GET shows the total and the fault it was handed."""

    def __init__(self) -> None:
        self.clock, self.faults, self.log, self.switches = Clock(), Faults(), RequestLog(), CounterSwitches()
        self.total = 0
        routes = [Route("/count", self.count, methods=["GET", "POST"]), Route("/broken", self.broken)]
        self.app = ControlMiddleware(Starlette(routes=routes + control_routes(self)), self)

    async def count(self, request: Request) -> JSONResponse:
        if request.method == "POST":
            await request.json()
            self.total += self.switches.step
        fault = request.state.fault
        return JSONResponse({"total": self.total, "fault": fault.kind if fault else None})

    async def broken(self, request: Request) -> JSONResponse:
        raise RuntimeError("broken on purpose")

    def set_switches(self, **changes: Any) -> None:
        self.switches = replace(self.switches, **changes)

    def reset(self) -> None:
        self.total = 0
        self.faults.clear()
        self.log.clear()

    def is_write(self, method: str, path: str) -> bool:
        return method == "POST"

    def error_body(self, status: int) -> dict[str, Any]:
        return {"own": status}


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def http(counter: Counter) -> Iterator[httpx.Client]:
    with LoopbackServer(counter.app) as server, httpx.Client(base_url=server.url) as client:
        yield client


def test_clock_runs_and_jumps() -> None:
    start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    clock = Clock(start)
    assert timedelta(0) <= clock.now() - start < timedelta(seconds=60)
    clock.advance(3600)
    assert timedelta(hours=1) <= clock.now() - start < timedelta(hours=1, seconds=60)
    clock.set(datetime(2020, 2, 29))
    assert clock.now().date() == datetime(2020, 2, 29).date()
    assert clock.now().tzinfo is UTC


def test_faults_skip_count_down_and_filter() -> None:
    faults = Faults()
    faults.add(Fault("status", path="^/a", method="post", skip=1, times=2))
    assert faults.take("GET", "/a") is None
    assert faults.take("POST", "/b") is None
    assert faults.take("POST", "/a") is None
    assert faults.remaining[0].skip == 0
    assert [faults.take("POST", "/a") is not None for _ in range(3)] == [True, True, False]
    assert faults.remaining == []
    faults.add(Fault("drop", times=None))
    assert all(faults.take("PUT", "/x") for _ in range(5))
    assert len(faults.remaining) == 1
    faults.clear()
    assert faults.take("PUT", "/x") is None


def test_a_fault_can_be_added_twice() -> None:
    faults, fault = Faults(), Fault("status")
    faults.add(fault)
    faults.add(fault)
    assert [faults.take("GET", "/") is not None for _ in range(3)] == [True, True, False]
    assert fault.times == 1


@pytest.mark.parametrize("arguments", [{"kind": "fire"}, {"kind": "status", "path": "("}])
def test_a_wrong_fault_is_refused_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises((ValueError, re.error)):
        Fault(**arguments)


def test_log_keeps_entries_but_bounds_bodies() -> None:
    log = RequestLog(body_bytes=20)
    for number in range(4):
        log.add(at="t", method="POST", path=f"/p/{number}", query="", status=200, write=True, body=b'{"n":%d}' % number)
    assert [entry["body"] for entry in log.entries] == [None, None, {"n": 2}, {"n": 3}]
    assert log.count("/p/") == 4
    assert log.count("/p/3", "post") == 1
    assert log.count(method="GET") == 0
    log.clear()
    assert log.entries == []


def test_requests_are_logged_before_the_answer_arrives(counter: Counter, http: httpx.Client) -> None:
    for number in range(50):
        http.post("/count?a=1", json={"number": number})
        assert counter.log.count() == number + 1
    last = counter.log.entries[-1]
    assert last | {"at": ""} == {
        "number": 50,
        "at": "",
        "method": "POST",
        "path": "/count",
        "query": "a=1",
        "status": 200,
        "write": True,
        "body": {"number": 49},
    }
    http.get("/count")
    assert len(counter.log.writes()) == 50


def test_a_bug_in_an_app_is_logged_as_500(counter: Counter, http: httpx.Client) -> None:
    assert http.get("/broken").status_code == 500
    assert counter.log.entries[0]["status"] == 500


def test_date_header_follows_the_virtual_clock(counter: Counter, http: httpx.Client) -> None:
    counter.clock.set(datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC))
    date = parsedate_to_datetime(http.get("/count").headers["date"])
    assert abs(date - counter.clock.now()) < timedelta(seconds=60)


@pytest.mark.parametrize(("when", "total"), [("before", 0), ("after", 1)])
def test_status_fault(counter: Counter, http: httpx.Client, when: Any, total: int) -> None:
    counter.faults.add(Fault("status", when=when, status=429, headers={"Retry-After": "3"}))
    answer = http.post("/count", json={})
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (429, {"own": 429}, "3")
    assert http.get("/count").json() == {"total": total, "fault": None}
    assert [entry["status"] for entry in counter.log.entries] == [429, 200]


def test_status_fault_with_its_own_body(counter: Counter, http: httpx.Client) -> None:
    counter.faults.add(Fault("status", status=502, body="<html>Bad Gateway</html>"))
    counter.faults.add(Fault("status", status=500, body={"message": "x"}))
    answer = http.get("/count")
    assert (answer.status_code, answer.text) == (502, "<html>Bad Gateway</html>")
    assert answer.headers["content-type"].startswith("text/html")
    assert http.get("/count").json() == {"message": "x"}


@pytest.mark.parametrize(("when", "total"), [("before", 0), ("after", 1)])
def test_drop_fault_hangs_up_without_an_answer(counter: Counter, http: httpx.Client, when: Any, total: int) -> None:
    counter.faults.add(Fault("drop", method="POST", when=when))
    with pytest.raises(httpx.TransportError):
        http.post("/count", json={})
    assert http.get("/count").json()["total"] == total
    assert counter.log.entries[0]["status"] == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_slow_fault_is_slow_and_still_answers(counter: Counter, http: httpx.Client, when: Any) -> None:
    counter.faults.add(Fault("slow", when=when, seconds=0.3))
    with pytest.raises(httpx.ReadTimeout):
        http.post("/count", json={}, timeout=httpx.Timeout(5, read=0.05))
    counter.faults.clear()
    assert http.get("/count").status_code == 200


@pytest.mark.parametrize("kind", ["poison", "omit", "truncated", "empty"])
def test_faults_about_records_are_handed_to_the_app(counter: Counter, http: httpx.Client, kind: Any) -> None:
    counter.faults.add(Fault(kind))
    assert [http.get("/count").json()["fault"] for _ in range(2)] == [kind, None]


def test_control_routes(counter: Counter, http: httpx.Client) -> None:
    http.post("/_sandbox/faults", json={"kind": "status", "status": 500, "times": None})
    assert http.get("/count").status_code == 500
    assert http.get("/_sandbox/faults").json()["faults"][0] | {"path": "^/count"} == {
        "kind": "status",
        "path": "^/count",
        "method": None,
        "times": None,
        "skip": 0,
        "when": "before",
        "status": 500,
        "body": None,
        "headers": {},
        "seconds": 0.0,
        "record": None,
    }
    http.delete("/_sandbox/faults")
    assert http.post("/count", json={}).json()["total"] == 1
    assert http.post("/_sandbox/switches", json={"step": 5}).json() == {"switches": {"step": 5}}
    assert http.post("/count", json={}).json()["total"] == 6
    assert [entry["path"] for entry in http.get("/_sandbox/requests").json()["requests"]] == ["/count"] * 3
    assert len(http.get("/_sandbox/requests?writes").json()["requests"]) == 2
    http.delete("/_sandbox/requests")
    assert http.get("/_sandbox/requests").json() == {"requests": []}
    now = http.post("/_sandbox/clock", json={"now": "2030-01-01T00:00:00Z"}).json()["now"]
    assert now.startswith("2030-01-01T00:0")
    assert http.post("/_sandbox/clock", json={"advance_seconds": 86400}).json()["now"].startswith("2030-01-02T00:0")
    assert http.get("/_sandbox/clock").json()["now"].startswith("2030-01-02T00:0")
    http.post("/_sandbox/reset")
    assert http.get("/count").json()["total"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"kind": "fire"}),
        ("faults", {"kind": "status", "path": "("}),
        ("switches", {"nonsense": 1}),
        ("clock", {"advance_second": 1}),
        ("clock", {"now": "yesterday"}),
    ],
)
def test_control_routes_refuse_bad_input(http: httpx.Client, path: str, body: dict[str, Any]) -> None:
    answer = http.post(f"/_sandbox/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_taken_port_is_an_error_and_stop_frees_it(counter: Counter) -> None:
    server = LoopbackServer(counter.app)
    url = server.start()
    port = int(url.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="in use"):
        LoopbackServer(counter.app, port).start()
    server.stop()
    with LoopbackServer(counter.app, port) as again:
        assert again.url == url
        assert httpx.get(f"{url}/count").status_code == 200
