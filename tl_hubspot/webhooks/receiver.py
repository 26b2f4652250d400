"""The receiver: an ASGI application that takes Teamleader's webhooks, and serving it until the process is told to stop.

It answers 2xx only once the event is on disk (`spool`), and reads nothing but the type and the ids. Which events
matter, and what they lead to, is decided by the run that drains the spool.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import signal
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tl_hubspot import decoding
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.webhooks.spool import Event, Spool

BODY_LIMIT = 64 * 1024
"""Bytes; a webhook has about 200."""
BODY_SECONDS = 10.0
_CONNECTIONS = 200

_TYPE = re.compile(r"[A-Za-z]{1,50}\.[A-Za-z]{1,50}")
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_log = logging.getLogger(__name__)


class _Relation(msgspec.Struct):
    id: str | None = None


class _Payload(msgspec.Struct):
    type: str
    subject: _Relation | None = None
    account: _Relation | None = None


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class Receiver:
    """ASGI application: POST /SECRET with an event. 200 stored, 404 wrong secret, 405, 408, 413, 400, 503 disk trouble.

    Answers have no body. Events that arrive while others are being stored are stored together, with one write.
    """

    def __init__(self, spool: Spool, secret: str) -> None:
        self._spool = spool
        self._secret = secret.encode()
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._storing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers: dict[str, str] = {}
        try:
            status = await self._take(Request(scope, receive))
        except _Refused as refused:
            # the rest of a body that was not read must not be taken for the next request
            status, headers = refused.status, {"Connection": "close"}
        if status == 405:
            headers["Allow"] = "POST"
        await Response(status_code=status, headers=headers)(scope, receive, send)

    async def _take(self, request: Request) -> int:
        given = request.scope["path"].removeprefix("/").encode(errors="replace")
        if not hmac.compare_digest(given, self._secret):
            raise _Refused(404)
        if request.method != "POST":
            raise _Refused(405)
        event = _event(await _body(request))
        try:
            await self._keep(event)
        except OSError as error:
            _log.error("A webhook could not be stored: %s", error.strerror)
            return 503
        return 200

    async def _keep(self, event: Event) -> None:
        """Return when the event is on disk."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, stored))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
        await stored

    async def _store(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            error: Exception | None = None
            try:
                await asyncio.to_thread(self._spool.append, [event for event, _ in group])
            except Exception as raised:
                error = raised if isinstance(raised, OSError) else OSError(0, type(raised).__name__)
            for _, stored in group:
                if stored.done():  # its sender has hung up
                    continue
                if error is None:
                    stored.set_result(None)
                else:
                    stored.set_exception(error)
        self._storing = None


async def _body(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length) > BODY_LIMIT:
        raise _Refused(413)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise _Refused(413)
    except TimeoutError:
        raise _Refused(408) from None
    except ClientDisconnect:
        raise _Refused(400) from None
    return bytes(body)


def _event(body: bytes) -> Event:
    try:
        payload = decoding.decode(body, type=_Payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _Refused(400) from None
    # anything may come from outside: what does not look like an event type or an id is no such thing, and not kept
    if not _TYPE.fullmatch(payload.type):
        raise _Refused(400)
    return Event(payload.type, _id(payload.subject), _id(payload.account), datetime.now(UTC))


def _id(relation: _Relation | None) -> str | None:
    text = relation.id if relation else None
    return text if text is not None and _ID.fullmatch(text) else None


def serve(spool: Spool, secret: str, *, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` gets the address (without the secret) once requests are taken.

    ConfigurationError when the address cannot be used.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_CONNECTIONS)
    except OSError as error:
        raise ConfigurationError(
            f"The receiver cannot listen: {error.strerror or error}",
            where=f"{host}:{port}",
            mend="Choose another --host or --port",
        ) from None
    server = uvicorn.Server(
        uvicorn.Config(
            Receiver(spool, secret),
            log_config=None,
            # the path is the secret: neither requests nor attempts at websockets may be logged
            access_log=False,
            ws="none",
            log_level="error",
            lifespan="off",
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=10,
        )
    )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    # in the main thread uvicorn would end the process by the signal that it caught
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="webhooks")
    thread.start()
    while not server.started and thread.is_alive():
        stopped.wait(0.01)
    address, bound = listener.getsockname()[:2]
    announce(f"http://{f'[{address}]' if ':' in address else address}:{bound}")
    while thread.is_alive() and not stopped.wait(1):
        pass
    server.should_exit = True
    thread.join()
