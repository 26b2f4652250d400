"""What every sandbox shares: virtual clock, switchable faults, request log, control routes, loopback server.

Nothing here knows a system: routes, error bodies and the meaning of poison/omit/truncated/empty are in each sandbox's
own package.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal, Protocol, get_args

import msgspec
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tl_hubspot import decoding

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTROL_PREFIX = "/_sandbox/"
FaultKind = Literal["status", "drop", "slow", "poison", "omit", "truncated", "empty"]
_APP_FAULTS = ("poison", "omit", "truncated", "empty")


def isoformat(instant: datetime) -> str:
    """`2026-01-31T09:30:00.123Z`: ISO 8601 in UTC with milliseconds."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock:
    """Virtual UTC clock: runs with real time plus an offset. `start=None` means the real time."""

    def __init__(self, start: datetime | None = None) -> None:
        self._offset = timedelta(0)
        if start is not None:
            self.set(start)

    def now(self) -> datetime:
        """Aware UTC instant."""
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)

    def set(self, instant: datetime) -> None:
        """Jump to an instant; a naive one is taken as UTC."""
        aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        self._offset = aware - datetime.now(UTC)


@dataclass
class Fault:
    """One switchable fault. The first matching fault in the order of addition applies to a request.

    status, drop and slow are done by `ControlMiddleware`; poison, omit, truncated and empty by the system's own app.
    """

    kind: FaultKind
    path: str = ""
    """Regular expression searched in the (percent-decoded) request path."""
    method: str | None = None
    times: int | None = 1
    """How many matching requests it hits; None = all."""
    skip: int = 0
    """Let the first N matching requests pass."""
    when: Literal["before", "after"] = "before"
    """Before or after the work was carried out."""
    status: int = 503
    body: dict[str, Any] | str | None = None
    """None: the system's own error body for that status."""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    """Real seconds that a slow answer takes longer."""
    record: str | None = None
    """poison/omit: substring of the record's JSON or key; None = first record of the batch."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"unknown kind of fault {self.kind!r}")
        re.compile(self.path)

    def matches(self, method: str, path: str) -> bool:
        if self.method is not None and self.method.upper() != method.upper():
            return False
        return re.search(self.path, path) is not None


class Faults:
    """The faults still to happen, in the order of addition. Safe for use by several threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on; returns the counting copy that `remaining` shows."""
        own = replace(fault, headers=dict(fault.headers))
        with self._lock:
            self._faults.append(own)
        return own

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, already counted down, or None."""
        with self._lock:
            for fault in self._faults:
                if not fault.matches(method, path):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    @property
    def remaining(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)


@dataclass(slots=True)
class _Logged:
    number: int
    at: str
    method: str
    path: str
    query: str
    status: int
    write: bool
    body: bytes


class RequestLog:
    """Every request answered, oldest first. Bodies are kept up to `body_bytes` in all; the oldest are let go first.

    An entry: `number` (from 1), `at` (ISO, virtual clock), `method`, `path` (percent-decoded), `query`,
    `status` (0 when the connection was dropped), `write` (bool), `body` (parsed JSON, or None).
    """

    def __init__(self, body_bytes: int = 64 * 1024 * 1024) -> None:
        self.body_bytes = body_bytes
        self._entries: list[_Logged] = []
        self._with_body: deque[_Logged] = deque()
        self._held = 0
        self._number = 0
        self._lock = threading.Lock()

    def add(self, *, at: str, method: str, path: str, query: str, status: int, write: bool, body: bytes) -> None:
        keep = body if body[:1] in (b"{", b"[") else b""
        with self._lock:
            self._number += 1
            entry = _Logged(self._number, at, method, path, query, status, write, keep)
            self._entries.append(entry)
            if keep:
                self._with_body.append(entry)
                self._held += len(keep)
            while self._held > self.body_bytes:
                oldest = self._with_body.popleft()
                self._held -= len(oldest.body)
                oldest.body = b""

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._with_body.clear()
            self._held = 0

    def _copy(self) -> list[_Logged]:
        with self._lock:
            return list(self._entries)

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [_as_dict(entry) for entry in self._copy()]

    def writes(self) -> list[dict[str, Any]]:
        return [_as_dict(entry) for entry in self._copy() if entry.write]

    def count(self, path_regex: str = "", method: str | None = None) -> int:
        pattern = re.compile(path_regex)
        return sum(
            1
            for entry in self._copy()
            if pattern.search(entry.path) and (method is None or entry.method == method.upper())
        )


def _as_dict(entry: _Logged) -> dict[str, Any]:
    body = None
    if entry.body:
        try:
            body = decoding.decode(entry.body)
        except msgspec.DecodeError:
            body = None
    return {
        "number": entry.number,
        "at": entry.at,
        "method": entry.method,
        "path": entry.path,
        "query": entry.query,
        "status": entry.status,
        "write": entry.write,
        "body": body,
    }


class Sandbox(Protocol):
    """What the middleware and the control routes need of a sandbox."""

    clock: Clock
    faults: Faults
    log: RequestLog
    switches: Any
    """A dataclass instance."""

    def set_switches(self, **changes: Any) -> None:
        """Change switches; an unknown name is a TypeError, a bad value a ValueError."""

    def reset(self) -> None:
        """Back to an empty system without faults or log; clock and switches stay."""

    def is_write(self, method: str, path: str) -> bool:
        """Whether a request changes data in this system (a search by POST does not)."""

    def error_body(self, status: int) -> dict[str, Any] | str | None:
        """The system's own error body for a status, for injected faults."""


class ControlMiddleware:
    """Outermost ASGI layer: logs requests, stamps `Date` from the virtual clock, applies status, drop and slow faults.

    The other kinds of fault are handed to the app in `request.state.fault` (None when there is none).
    Requests to `/_sandbox/…` pass untouched and unlogged.
    """

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self.app = app
        self.sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        body = await _read_body(receive)
        if body is None:
            return
        fault = self.sandbox.faults.take(method, path)
        scope.setdefault("state", {})["fault"] = fault if fault and fault.kind in _APP_FAULTS else None
        at = isoformat(self.sandbox.clock.now())
        logged = False

        def log(status: int) -> None:
            nonlocal logged
            logged = True
            self.sandbox.log.add(
                at=at,
                method=method,
                path=path,
                query=scope.get("query_string", b"").decode("latin-1"),
                status=status,
                write=self.sandbox.is_write(method, path),
                body=body,
            )

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Logged before anything leaves, so that a client that has its answer finds the entry.
                log(message["status"])
                headers = list(message.get("headers", ()))
                if not any(name.lower() == b"date" for name, _ in headers):
                    headers.append((b"date", format_datetime(self.sandbox.clock.now(), usegmt=True).encode()))
                message = {**message, "headers": headers}
            await send(message)

        try:
            if fault is None or fault.kind in _APP_FAULTS:
                await self.app(scope, _replay(body, receive), answer)
            elif fault.kind == "slow":
                if fault.when == "before":
                    await asyncio.sleep(fault.seconds)
                held: list[Message] = []
                await self.app(scope, _replay(body, receive), _into(held))
                if fault.when == "after":
                    await asyncio.sleep(fault.seconds)
                for message in held:
                    await answer(message)
            else:
                if fault.when == "after":
                    await self.app(scope, _replay(body, receive), _into([]))
                if fault.kind == "drop":
                    log(0)
                    await _drop_connection(receive)
                else:
                    await _send_fault(fault, self.sandbox.error_body, answer)
        finally:
            if not logged:
                log(500)


async def _read_body(receive: Receive) -> bytes | None:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _into(messages: list[Message]) -> Send:
    async def collect(message: Message) -> None:
        messages.append(message)

    return collect


async def _drop_connection(receive: Receive) -> None:
    # ASGI has no message for "hang up", but uvicorn's receive is a method of the cycle that owns the transport.
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("connection dropped by an injected fault")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_fault(fault: Fault, own_body: Callable[[int], dict[str, Any] | str | None], send: Send) -> None:
    body = own_body(fault.status) if fault.body is None else fault.body
    if isinstance(body, dict):
        content, media_type = msgspec.json.encode(body), "application/json;charset=utf-8"
    else:
        content, media_type = (body or "").encode(), "text/html;charset=utf-8"
    headers = {"content-type": media_type, "content-length": str(len(content))}
    headers |= {name.lower(): value for name, value in fault.headers.items()}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": fault.status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


class _ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    advance_seconds: float = 0.0
    now: datetime | None = None


def control_routes(sandbox: Sandbox) -> list[Route]:
    """JSON routes below `/_sandbox/`: requests, faults, clock, reset, switches. Bad input: 400 `{"error": text}`."""

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            sandbox.log.clear()
            return _json({"requests": []})
        entries = sandbox.log.writes() if "writes" in request.query_params else sandbox.log.entries
        return _json({"requests": entries})

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            sandbox.faults.clear()
        elif request.method == "POST":
            sandbox.faults.add(decoding.decode(await request.body(), type=Fault))
        return _json({"faults": [asdict(fault) for fault in sandbox.faults.remaining]})

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            change = decoding.decode(await request.body(), type=_ClockChange)
            if change.now is not None:
                sandbox.clock.set(change.now)
            sandbox.clock.advance(change.advance_seconds)
        return _json({"now": isoformat(sandbox.clock.now())})

    async def reset(request: Request) -> Response:
        sandbox.reset()
        return _json({"reset": True})

    async def switches(request: Request) -> Response:
        if request.method == "POST":
            sandbox.set_switches(**decoding.decode(await request.body(), type=dict[str, Any]))
        return _json({"switches": asdict(sandbox.switches)})

    return [
        Route("/_sandbox/requests", _checked(requests), methods=["GET", "DELETE"]),
        Route("/_sandbox/faults", _checked(faults), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/clock", _checked(clock), methods=["GET", "POST"]),
        Route("/_sandbox/reset", _checked(reset), methods=["POST"]),
        Route("/_sandbox/switches", _checked(switches), methods=["GET", "POST"]),
    ]


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


def _checked(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def checked(request: Request) -> Response:
        try:
            return await handler(request)
        except (ValueError, TypeError, re.error) as error:
            return _json({"error": str(error)}, 400)

    return checked


class LoopbackServer:
    """uvicorn in a daemon thread on 127.0.0.1; `port=0` takes a free port. Use `start`/`stop` or `with`."""

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self._app = app
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a trailing slash; only meaningful once started when `port` was 0."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> str:
        """Start serving; returns the base URL once requests are accepted. OSError when the port is taken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self._port))
        except OSError:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            log_config=None,
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            date_header=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, daemon=True, name=f"loopback-{self._port}"
        )
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the loopback server did not start")
            time.sleep(0.005)
        self._server, self._thread = server, thread
        return self.url

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._server = self._thread = None

    def __enter__(self) -> LoopbackServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
