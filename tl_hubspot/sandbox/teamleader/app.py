"""The HTTP side: routing, versions, sign-in check, limit, and the faults that only the application can commit.

Each request is read in `requests`; answers come from `lists`, `reference`, `writes`, `webhooks` and `oauth`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tl_hubspot import decoding
from tl_hubspot.sandbox.control import ControlMiddleware, control_routes
from tl_hubspot.sandbox.teamleader import lists, reference, requests, webhooks
from tl_hubspot.sandbox.teamleader.errors import ApiError, bad
from tl_hubspot.sandbox.teamleader.oauth import Refusal
from tl_hubspot.sandbox.teamleader.requests import Call
from tl_hubspot.sandbox.teamleader.switches import Switches
from tl_hubspot.sandbox.teamleader.writes import WRITES

if TYPE_CHECKING:
    from tl_hubspot.sandbox.teamleader.sandbox import TeamleaderSandbox

VERSIONS = (
    *("2018-09-12", "2018-10-30", "2019-01-24", "2019-03-13", "2019-07-03", "2019-10-09", "2020-01-01", "2020-05-01"),
    *("2021-09-01", "2022-09-15", "2023-09-26"),
)

_JSON = "application/json; charset=utf-8"
_CREATING = {"contacts.add", "companies.add", "deals.create"}
_SCOPES = {"contacts": "contacts", "companies": "companies", "departments": "departments", "users": "users"} | {
    "teams": "users",
    **dict.fromkeys(("deals", "dealPipelines", "dealPhases", "dealSources"), "deals"),
}

Reader = Callable[["TeamleaderSandbox", Call], str | dict[str, Any]]

READS: dict[str, Reader] = {
    **dict.fromkeys(("contacts.list", "companies.list", "deals.list"), lambda s, c: _list(s, c)),
    **dict.fromkeys(("contacts.info", "companies.info", "deals.info"), lambda s, c: lists.info(c, s.store, s.switches)),
    **dict.fromkeys(
        (
            *("users.list", "teams.list", "departments.list", "dealPipelines.list", "dealPhases.list"),
            *("dealSources.list", "lostReasons.list", "customFieldDefinitions.list", "businessTypes.list"),
            *("levelTwoAreas.list", "priceLists.list", "paymentTerms.list"),
        ),
        lambda s, c: reference.list_reference(c, s.store, s.switches),
    ),
    "users.me": lambda s, c: reference.me(s.store),
    "users.info": lambda s, c: reference.user_info(c, s.store),
    "departments.info": lambda s, c: reference.department_info(c, s.store),
    "customFieldDefinitions.info": lambda s, c: reference.custom_field_info(c, s.store, s.switches),
    "tags.list": lambda s, c: reference.tags(c, s.store, s.switches),
    "currencies.exchangeRates": lambda s, c: reference.exchange_rates(c),
    "migrate.id": lambda s, c: reference.migrate_id(c, s.store),
    "webhooks.list": lambda s, c: webhooks.registered(s.store),
    "accounts.projects-v2-status": lambda s, c: {"data": {"status": "projects-v2"}},
}


def _list(sandbox: TeamleaderSandbox, call: Call) -> str:
    now = sandbox.clock.now().timestamp()
    return lists.list_records(call, sandbox.store, sandbox.switches, now, sandbox.random)


def build_app(sandbox: TeamleaderSandbox) -> Starlette:
    """The ASGI application of one sandbox."""

    async def authorize(request: Request) -> Response:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        now = sandbox.clock.now().timestamp()
        status, html, target = sandbox.oauth.authorize(query, sandbox.switches, now)
        if target is not None:
            return Response(status_code=status, headers={"Location": target})
        return Response(html, status, media_type="text/html")

    async def token(request: Request) -> Response:
        raw = await request.body()
        try:
            form = _form(raw, request.headers.get("content-type", ""))
            answer = sandbox.oauth.grant(form, sandbox.switches, sandbox.clock.now().timestamp())
        except Refusal as refusal:
            return _answer(refusal.status, refusal.body)
        except ApiError as error:
            return _answer(error.status, error.body)
        return _answer(200, answer)

    async def api(request: Request) -> Response:
        raw = await request.body()
        with sandbox.store.lock:
            return _api(sandbox, request, raw)

    return Starlette(
        routes=[
            *control_routes(sandbox),
            Route("/oauth2/authorize", authorize, methods=["GET"]),
            Route("/oauth2/access_token", token, methods=["POST"]),
            Route("/{endpoint:path}", api, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ],
        middleware=[Middleware(ControlMiddleware, sandbox=sandbox)],
    )


def _api(sandbox: TeamleaderSandbox, request: Request, raw: bytes) -> Response:
    endpoint = request.path_params["endpoint"]
    headers = {"X-Api-Version": sandbox.switches.api_version}
    try:
        headers["X-Api-Version"] = version = _version(request.headers.get("x-api-version"), sandbox.switches)
        now = sandbox.clock.now().timestamp()
        refused = sandbox.oauth.why_refused(request.headers.get("authorization"), now)
        if refused:
            raise ApiError(401, (refused, None))
        passes, limit_headers = sandbox.limiter.admit(now, sandbox.switches)
        headers |= limit_headers
        if not passes:
            raise ApiError(429, ("Too Many Requests", None))
        _check_route(endpoint, request.method)
        _check_scope(endpoint, sandbox.switches)
        call = requests.read(endpoint, request.method, raw, request.url.query, version, sandbox.switches)
        status, answer = _carry_out(sandbox, call)
    except ApiError as error:
        status, answer = error.status, error.body
    return _answer(status, _spoilt(answer, request), headers)


def _carry_out(sandbox: TeamleaderSandbox, call: Call) -> tuple[int, str | dict[str, Any] | None]:
    if call.endpoint in READS:
        return 200, READS[call.endpoint](sandbox, call)
    with sandbox.store.transaction():
        answer = WRITES[call.endpoint](sandbox, call)
    return (201 if call.endpoint in _CREATING else 204), answer


def _version(wanted: str | None, switches: Switches) -> str:
    """The version in force: the assigned one, or a later one that the header asks for."""
    if wanted is None:
        return switches.api_version
    try:
        date.fromisoformat(wanted)
    except ValueError as error:
        raise bad("X-Api-Version must be valid") from error
    return max([switches.api_version, *(version for version in VERSIONS if version <= wanted)])


def _check_route(endpoint: str, method: str) -> None:
    if endpoint not in READS and endpoint not in WRITES:
        raise ApiError(404, ("Not Found", None))
    by_get = endpoint.endswith((".list", ".info")) or endpoint.startswith("migrate.")
    if method != "POST" and not (method == "GET" and by_get):
        raise ApiError(405, ("Method Not Allowed", None))


def _check_scope(endpoint: str, switches: Switches) -> None:
    scope = _SCOPES.get(endpoint.split(".")[0])
    if scope and endpoint != "users.me" and scope in (switches.missing_scopes or ()):
        raise ApiError(403, (HTTPStatus.FORBIDDEN.phrase, None))


def _form(raw: bytes, content_type: str) -> dict[str, Any]:
    if "json" not in content_type:
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        return decoding.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise bad("The request body is not valid JSON") from error


def _spoilt(answer: str | dict[str, Any] | None, request: Request) -> str | dict[str, Any] | bytes | None:
    """The answer after a "truncated" or "empty" fault, if one was switched on for this request."""
    fault = request.state.fault
    if fault is None or answer is None:
        return answer
    if fault.kind == "empty":
        return {"data": []}
    if fault.kind == "truncated":
        whole = _encoded(answer)
        return whole[: len(whole) // 2]
    return answer


def _encoded(answer: str | bytes | dict[str, Any] | None) -> bytes:
    if answer is None:
        return b""
    if isinstance(answer, bytes):
        return answer
    return answer.encode() if isinstance(answer, str) else msgspec.json.encode(answer)


def _answer(
    status: int, answer: str | bytes | dict[str, Any] | None, headers: dict[str, str] | None = None
) -> Response:
    content = _encoded(answer)
    return Response(content, status, headers=headers, media_type=_JSON if content else None)
