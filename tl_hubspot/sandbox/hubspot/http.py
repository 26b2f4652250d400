"""From HTTP request to handler and back: routing table, authentication, limits, scopes, errors, faults about records.

Handlers register with `route` in the module of their concern; they take a `Call` and give a `Reply`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from tl_hubspot import decoding
from tl_hubspot.sandbox.control import Fault, Receive, Scope, Send
from tl_hubspot.sandbox.hubspot.errors import (
    ApiError,
    InvalidProperty,
    invalid_authentication,
    invalid_json,
    invalid_properties,
    missing_scopes,
    validation_error,
)
from tl_hubspot.sandbox.hubspot.times import to_iso

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

BATCH_LIMIT = 100
T = TypeVar("T")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and JSON body (None: no body)."""

    status: int
    body: Any = None


@dataclass(slots=True)
class Call:
    """One request: percent-decoded path parameters, query (repeated and comma-separated values alike), body."""

    portal: Portal
    method: str
    path: str
    params: dict[str, str]
    query: dict[str, list[str]]
    content: bytes
    fault: Fault | None = None
    dated: bool = False
    """Came by a date-based path (`/crm/objects/2026-09/…`)."""
    form: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    faulted: bool = False
    """The handler dealt with the fault itself."""

    def json(self, kind: type[T]) -> T:
        """The body as `kind`; ApiError 400 when it is not."""
        try:
            return decoding.decode(self.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid_json(str(error)) from None

    def text(self, name: str) -> str | None:
        values = self.query.get(name)
        return values[0] if values else None

    def words(self, name: str) -> list[str]:
        """A list parameter, repeated or comma-separated."""
        return [part for value in self.query.get(name, ()) for part in value.split(",") if part]

    def flag(self, name: str) -> bool:
        return (self.text(name) or "").lower() == "true"

    def number(self, name: str, default: int, highest: int) -> int:
        text = self.text(name)
        if text is None or text == "":
            return default
        if not text.isdigit() or int(text) < 1:
            raise validation_error(f"Invalid {name}: {text}", context={name: [text]})
        if int(text) > highest:
            raise validation_error(f"{name} must be at most {highest}, was {text}.", context={name: [text]})
        return int(text)

    def after(self) -> int:
        text = self.text("after")
        if not text:
            return 0
        if not text.isdigit():
            raise validation_error(f"Invalid paging cursor: {text}", context={"after": [text]})
        return int(text)

    # Faults about single records of a batch

    def poisoned(self, index: int, record: Any) -> ApiError | None:
        """The error that an injected "poison" gives this record of the batch."""
        fault = self.fault
        if fault is None or fault.kind != "poison" or not _is_meant(fault, index, record):
            return None
        self.faulted = True
        problem = InvalidProperty("sandbox_poison", "INVALID_OPTION", "poison was not one of the allowed options: []")
        return invalid_properties([problem], self.portal.profile.portal_id)

    def omitted(self, index: int, total: int, record: Any) -> bool:
        """Whether an injected fault leaves this record out of the answer (omit, truncated: second half, empty: all)."""
        fault = self.fault
        if fault is None:
            return False
        if fault.kind == "omit":
            hit = _is_meant(fault, index, record)
        elif fault.kind == "truncated":
            hit = index >= total // 2
        else:
            hit = fault.kind == "empty"
        self.faulted = self.faulted or hit
        return hit

    @property
    def omits_work(self) -> bool:
        """Whether omitted records are not written either."""
        return self.fault is not None and self.fault.when == "before"


def _is_meant(fault: Fault, index: int, record: Any) -> bool:
    if fault.record is None:
        return index == 0
    return fault.record in _encode(record).decode()


Handler = Callable[[Call], Reply]
Scopes = Callable[[Call], tuple[str, ...]]
"""Alternatives: one of them is enough; none needed when empty."""


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    segments: tuple[str, ...]
    scopes: Scopes
    handler: Handler


_ROUTES: dict[int, list[_Route]] = {}


def route(method: str, path: str, scopes: Scopes | tuple[str, ...]) -> Callable[[Handler], Handler]:
    """Register a handler. `{name}` is a path parameter; among several fits the one with the most literal parts wins."""

    def register(handler: Handler) -> Handler:
        needed = scopes if callable(scopes) else (lambda _call: scopes)
        segments = tuple(path.strip("/").split("/"))
        routes = _ROUTES.setdefault(len(segments), [])
        routes.append(_Route(method, segments, needed, handler))
        routes.sort(key=lambda item: [part.startswith("{") for part in item.segments])
        return handler

    return register


_DATED = r"2026-0[39](?=/|$)"
_ALIASES = tuple(
    (re.compile(f"^{pattern}"), replacement)
    for pattern, replacement in (
        (rf"/crm/objects/{_DATED}/([^/]+)/([^/]+)/associations/", r"/crm/v4/objects/\1/\2/associations/"),
        (rf"/crm/objects/{_DATED}", "/crm/v3/objects"),
        (rf"/crm/associations/{_DATED}", "/crm/v4/associations"),
        (rf"/crm/properties/{_DATED}", "/crm/v3/properties"),
        (rf"/crm/pipelines/{_DATED}", "/crm/v3/pipelines"),
        (rf"/crm/owners/{_DATED}", "/crm/v3/owners"),
        (rf"/crm/imports/{_DATED}", "/crm/v3/imports"),
        (rf"/crm/limits/{_DATED}", "/crm/v3/limits"),
        (rf"/account-info/{_DATED}", "/account-info/v3"),
        (rf"/communication-preferences/{_DATED}/(?=definitions|statuses)", "/communication-preferences/v4/"),
        (rf"/communication-preferences/{_DATED}", "/communication-preferences/v3"),
    )
)
_SCHEMA_ALIAS = (re.compile(r"^/crm/associations/v4(?=/)"), "/crm/v4/associations")


def canonical_path(path: str) -> tuple[str, bool]:
    """The v3/v4 path that a path stands for, and whether it was a date-based one."""
    for pattern, replacement in _ALIASES:
        rewritten, hits = pattern.subn(replacement, path)
        if hits:
            return rewritten, True
    pattern, replacement = _SCHEMA_ALIAS
    return pattern.sub(replacement, path), False


def find_route(method: str, path: str) -> tuple[_Route, dict[str, str]] | int:
    """The route and its decoded parameters for a raw path, or the status (404, 405) when there is none."""
    parts = path.strip("/").split("/")
    other_method = False
    for candidate in _ROUTES.get(len(parts), ()):
        if any(not want.startswith("{") and want != part for want, part in zip(candidate.segments, parts, strict=True)):
            continue
        if candidate.method != method:
            other_method = True
            continue
        named = zip(candidate.segments, parts, strict=True)
        return candidate, {want[1:-1]: unquote(part) for want, part in named if want.startswith("{")}
    return 405 if other_method else 404


class Api:
    """The ASGI app of HubSpot's own routes."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        raw_path = scope.get("raw_path") or scope["path"].encode()
        path, dated = canonical_path(raw_path.decode("latin-1").split("?")[0])
        found = find_route(request.method, path)
        call = Call(
            portal=self._portal,
            method=request.method,
            path=path,
            params=found[1] if not isinstance(found, int) else {},
            query=_query(request),
            content=b"",
            fault=getattr(request.state, "fault", None),
            dated=dated,
        )
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form() as form:
                for name, value in form.multi_items():
                    if isinstance(value, UploadFile):
                        call.files.append((value.filename or name, await value.read()))
                    else:
                        call.form[name] = value
        else:
            call.content = await request.body()
        with self._portal.lock:
            response = self._answer(call, found, request.headers.get("authorization", ""))
        await response(scope, receive, send)

    def _answer(self, call: Call, found: tuple[_Route, dict[str, str]] | int, authorization: str) -> Response:
        portal = self._portal
        headers = {"X-HubSpot-Correlation-Id": portal.uuid()}
        try:
            if authorization != f"Bearer {portal.profile.access_token}":
                raise invalid_authentication()
            headers |= portal.limiter.admit(call.path)
            if isinstance(found, int):
                raise ApiError(found, "NOT_FOUND" if found == 404 else "METHOD_NOT_ALLOWED", "No such route.")
            needed = found[0].scopes(call)
            if needed and all(scope in portal.profile.missing_scopes for scope in needed):
                raise missing_scopes(needed)
            with portal.work():
                if error := _poisoned_single(call):
                    raise error
                reply = _with_fault(call, found[0].handler(call))
        except ApiError as error:
            if error.status == 429 and portal.switches.retry_after_header:
                headers["Retry-After"] = "1" if call.path.endswith("/search") else "10"
            if not (error.status == 429 and call.path.endswith("/search")):
                headers = portal.limiter.headers(call.path) | headers
            reply = Reply(error.status, error.body(headers["X-HubSpot-Correlation-Id"]))
        if reply.body is None:
            return Response(status_code=reply.status, headers=headers)
        return Response(
            _encode(reply.body), status_code=reply.status, headers=headers, media_type="application/json;charset=utf-8"
        )


def _query(request: Request) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        query.setdefault(name, []).append(value)
    return query


def _poisoned_single(call: Call) -> ApiError | None:
    if call.fault is None or call.fault.kind != "poison" or "/batch/" in call.path or call.method == "GET":
        return None
    try:
        record = decoding.decode(call.content) if call.content else {}
    except msgspec.DecodeError:
        return None
    return call.poisoned(0, {"path": call.path, "body": record})


def _with_fault(call: Call, reply: Reply) -> Reply:
    """Cut the results of an answer that its handler did not already cut (lists, searches, reads)."""
    results = reply.body.get("results") if isinstance(reply.body, dict) else None
    if call.fault is None or call.faulted or results is None:
        return reply
    left = [record for index, record in enumerate(results) if not call.omitted(index, len(results), record)]
    body = {**reply.body, "results": left}
    if call.fault.kind in ("truncated", "empty"):
        body.pop("paging", None)
    return Reply(reply.status, body)


def check_batch_size(inputs: Sequence[Any], limit: int) -> None:
    if len(inputs) > limit:
        raise validation_error(f"The number of inputs ({len(inputs)}) is more than the limit of {limit}.")


def batch_reply(
    call: Call, results: list[Any], errors: list[dict[str, Any]], *, success: int = 200, multi_status: bool = True
) -> Reply:
    """A batch answer; results in no particular order. With errors: 207, unless the call or the path knows none."""
    call.portal.random.shuffle(results)
    now = to_iso(call.portal.now_ms())
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if not errors:
        return Reply(success, body)
    body |= {"numErrors": len(errors), "errors": errors}
    return Reply(207 if multi_status and not call.dated else success, body)
