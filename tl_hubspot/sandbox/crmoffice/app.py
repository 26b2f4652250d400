"""The HTTP side: routing, sign-in check, limit, and the faults that only the application can commit.

Answers come from `contacts`, `lists` and `oauth`. Injected faults: `poison` refuses the writes of a contact (422) and
fails its reading (500), `omit` leaves a record out of a list, `empty` shows a list without records, `truncated` cuts
an answer in half.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tl_hubspot.sandbox.control import ControlMiddleware, Fault, control_routes
from tl_hubspot.sandbox.crmoffice import contacts, lists
from tl_hubspot.sandbox.crmoffice.contacts import Answer
from tl_hubspot.sandbox.crmoffice.errors import ApiError, not_found
from tl_hubspot.sandbox.crmoffice.oauth import Refusal
from tl_hubspot.sandbox.crmoffice.values import MAPPED

if TYPE_CHECKING:
    from tl_hubspot.sandbox.crmoffice.sandbox import CrmofficeSandbox

_JSON = "application/json; charset=utf-8"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def build_app(sandbox: CrmofficeSandbox) -> Starlette:
    """The ASGI application of one sandbox."""

    async def authorize(request: Request) -> Response:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        try:
            with sandbox.store.lock:
                target = sandbox.oauth.authorize(query, sandbox.clock.now().timestamp())
        except ApiError as error:
            return _response(error.status, error.body)
        return Response(status_code=302, headers={"Location": target})

    async def token(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        try:
            answer = sandbox.oauth.grant(form, request.headers.get("authorization"), sandbox.clock.now().timestamp())
        except Refusal as refusal:
            return _response(refusal.status, refusal.body)
        return _response(200, _cut(answer, request.state.fault), {"Cache-Control": "no-store"})

    async def discovery(_: Request) -> Response:
        error = not_found()
        return _response(error.status, error.body)

    async def resource(request: Request) -> Response:
        raw = await request.body()
        try:
            with sandbox.store.lock:
                answer = _resource(sandbox, request, raw)
        except ApiError as error:
            return _response(error.status, error.body, error.headers)
        return _response(answer.status, _cut(answer.body, request.state.fault), answer.headers)

    return Starlette(
        routes=[
            *control_routes(sandbox),
            Route("/connect/authorize", authorize, methods=["GET"]),
            Route("/connect/token", token, methods=["POST"]),
            Route("/.well-known/openid-configuration", discovery, methods=["GET"]),
            Route("/{path:path}", resource, methods=_METHODS),
        ],
        middleware=[Middleware(ControlMiddleware, sandbox=sandbox)],
    )


def _resource(sandbox: CrmofficeSandbox, request: Request, raw: bytes) -> Answer:
    now = sandbox.clock.now().timestamp()
    sandbox.oauth.check(request.headers.get("authorization"), now)
    sandbox.limiter.admit(now, sandbox.switches.rate_limit)
    path = request.path_params["path"]
    handlers = _handlers(sandbox, path, request, raw, now)
    if not handlers:
        raise not_found()
    if request.method not in handlers:
        allowed = ", ".join(handlers)
        raise ApiError(405, f"Allowed here: {allowed}.", headers={"Allow": allowed})
    fault: Fault | None = request.state.fault
    if fault is not None and fault.kind == "poison":
        _poison(fault, request.method, path, raw)
    answer = handlers[request.method]()
    if fault is not None and isinstance(answer.body, dict) and "items" in answer.body:
        answer.body = _spoilt(answer.body, fault)
    return answer


def _handlers(
    sandbox: CrmofficeSandbox, path: str, request: Request, raw: bytes, now: float
) -> dict[str, Callable[[], Answer]]:
    """The methods of a path with what carries them out; {} when there is no such path."""
    store, switches, headers = sandbox.store, sandbox.switches, request.headers
    query = request.query_params
    whole = switches.write == "put_full"
    match path.split("/"):
        case ["contacts"]:
            return {
                "GET": lambda: Answer(200, lists.contacts(store, switches, query, now)),
                "POST": partial(contacts.create, store, switches, raw, headers, now),
            }
        case ["contacts", "deleted"] if switches.delete_feed:
            return {"GET": lambda: Answer(200, lists.deleted(store, query))}
        case ["contacts", number] if number.isascii() and number.isdigit() and len(number) < 19 and number[0] != "0":
            n = int(number)
            return {
                "GET": partial(contacts.read, store, switches, n),
                "PUT" if whole else "PATCH": partial(
                    contacts.update, store, switches, n, raw, headers, now, whole=whole
                ),
                "DELETE": partial(contacts.delete, store, switches, n, headers, now),
            }
        case ["companies"]:
            return {"GET": lambda: Answer(200, lists.companies(store, switches, query))}
        case ["users"]:
            return {"GET": lambda: Answer(200, lists.users(store))}
    return {}


def _poison(fault: Fault, method: str, path: str, raw: bytes) -> None:
    """A contact that cannot be handled, whatever is done to it."""
    if fault.record is not None and fault.record not in path and fault.record.encode() not in raw:
        return
    if method == "GET":
        raise ApiError(500, "Something went wrong.")
    sent = [name for name in MAPPED if f'"{name}"'.encode() in raw]
    fields = [(name, "invalid", "It is not accepted.") for name in sent[:1]]
    raise ApiError(422, "Nothing of the request was stored.", fields=fields)


def _spoilt(envelope: dict[str, Any], fault: Fault) -> dict[str, Any]:
    if fault.kind == "empty":
        return {"items": [], "total": 0, "next": None}
    if fault.kind == "omit":
        items = envelope["items"]
        wanted = fault.record or ""
        left_out = next((n for n, item in enumerate(items) if wanted in msgspec.json.encode(item).decode()), None)
        return envelope | {"items": [item for n, item in enumerate(items) if n != left_out]}
    return envelope


def _cut(body: Any, fault: Fault | None) -> Any:
    if fault is None or fault.kind != "truncated" or body is None:
        return body
    whole = msgspec.json.encode(body)
    return whole[: len(whole) // 2]


def _response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(content, status, headers=headers, media_type=_JSON if content else None)
