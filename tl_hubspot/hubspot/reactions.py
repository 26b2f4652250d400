"""What each bad answer of HubSpot means and what to do about it: one table from status to reaction, and safe words.

Pure: no waiting and no calls here, `gateway` acts on the reaction. Nothing that leaves this module quotes HubSpot's
texts, because those repeat addresses and names; codes, property names and record ids are enough to mend a record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.errors import TlHubspotError, Unreachable


class Action(Enum):
    """What to do with a call that did not succeed."""

    WAIT = "not carried out: wait, then repeat whatever it was"
    REPEAT = "may have been carried out: repeat only what is repeatable"
    REFUSE = "the request itself is wrong: tell the caller"
    CREDENTIALS = "stop: the token or its scopes do not do"
    STOP = "stop: nothing more can be done in this run"


@dataclass(frozen=True)
class Reaction:
    """`waits`: seconds before the first, second, … repeat; when they are used up the call has failed.

    `everybody`: the limit is shared, so all calls wait, not only this one.
    """

    action: Action
    waits: tuple[float, ...] = ()
    why: str = ""
    everybody: bool = False


DAILY = Reaction(Action.STOP, why="the portal's daily limit of calls is used up; it starts again at midnight there")
TEN_SECONDLY = Reaction(
    Action.WAIT, (0.5, 1, 2, 4, 8, 10, 10, 10, 10, 10, 10), "limit of calls per 10 s", everybody=True
)
SECONDLY = Reaction(Action.WAIT, (1, 1, 1, 2, 2, 2, 3, 3, 3, 3), "limit of calls per second")
LOCKED = Reaction(Action.WAIT, (2, 3, 4, 6, 8, 10, 10), "record locked by parallel writing")
MOVING = Reaction(Action.WAIT, (30, 60, 60, 60), "the account is being moved to another data centre", everybody=True)
MOVING_LONG = Reaction(Action.STOP, why="the account is being moved to another data centre, which takes longer")
TROUBLE = Reaction(Action.REPEAT, (0.5, 1, 2, 4, 8), "HubSpot has trouble")
NO_ANSWER = Reaction(Action.REPEAT, (0.5, 1, 2, 4, 8), "no answer")
NOT_SENT = Reaction(Action.WAIT, (0.5, 1, 2, 4, 8), "no connection")
BROKEN = Reaction(Action.REPEAT, (0.5, 1, 2, 4), "an answer that is not whole JSON")
CREDENTIALS = Reaction(Action.CREDENTIALS)
REFUSED = Reaction(Action.REFUSE)

LONGEST_MOVE = 300.0
"""Seconds that a run waits for an account that is being moved (477); beyond that it stops."""

BY_STATUS: dict[int, Reaction] = {
    401: CREDENTIALS,
    403: CREDENTIALS,
    423: LOCKED,
    477: MOVING,
    500: TROUBLE,
    502: TROUBLE,
    503: TROUBLE,
    504: TROUBLE,
    521: TROUBLE,
    523: TROUBLE,
    524: TROUBLE,
}
BY_POLICY: tuple[tuple[str, Reaction], ...] = (
    # The order matters: TEN_SECONDLY_ROLLING contains SECONDLY.
    ("DAILY", DAILY),
    ("TEN_SECONDLY", TEN_SECONDLY),
    ("SECONDLY", SECONDLY),
    ("", TEN_SECONDLY),
)


def react(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> Reaction:
    """The reaction to an answer that is not 2xx. `headers` are looked up case-insensitively by the caller's mapping."""
    if status == 429:
        named = f"{body.get('policyName', '')} {body.get('message', '')}".upper()
        reaction = next(reaction for policy, reaction in BY_POLICY if policy in named)
        return _at_least(reaction, _retry_after(headers))
    if status == 477:
        asked = _retry_after(headers)
        return MOVING_LONG if asked > LONGEST_MOVE else _at_least(MOVING, asked)
    if status >= 500:
        return BY_STATUS.get(status, TROUBLE)
    return BY_STATUS.get(status, REFUSED)


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


def _at_least(reaction: Reaction, seconds: float) -> Reaction:
    if seconds <= 0 or not reaction.waits or seconds > LONGEST_MOVE:
        return reaction
    return Reaction(reaction.action, tuple(max(w, seconds) for w in reaction.waits), reaction.why, reaction.everybody)


# --- what an error says, without values ------------------------------------------------------------------------------

_EXISTING = re.compile(r"Existing ID:\s*(\d+)|(\d+) already has that value")
_CODE = re.compile(r'"error"\s*:\s*"([A-Z_]+)"')
_NAME = re.compile(r'"name"\s*:\s*"([a-z0-9_]+)"')
_COORDINATES = re.compile(r"propertyName=([a-z0-9_]+)")


@dataclass(frozen=True)
class Problem:
    """What HubSpot says is wrong with one request or one record of a batch, free of the values that it quotes."""

    status: int
    category: str
    codes: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    existing_id: str | None = None
    """The other record that already has the address or unique value."""
    scopes: tuple[str, ...] = ()
    correlation_id: str | None = None
    trace_ids: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    """Association errors: (from id, to id)."""
    sub_category: str = ""

    @property
    def reason(self) -> str:
        """HubSpot's category in snake case; `conflict` whenever another record holds the value."""
        return "conflict" if self.is_conflict else (self.category or f"http_{self.status}").lower()

    @property
    def is_conflict(self) -> bool:
        return self.category == "CONFLICT" or self.existing_id is not None or self.status == 409

    @property
    def message(self) -> str:
        """One phrase for the log: category, codes, property names and record ids only."""
        parts = [self.category or f"HTTP {self.status}"]
        if self.codes:
            parts.append(", ".join(self.codes))
        if self.properties:
            parts.append("on " + ", ".join(self.properties))
        if self.existing_id:
            parts.append(f"held by record {self.existing_id}")
        return " ".join(parts)


def problem(error: Mapping[str, Any], status: int, correlation_id: str | None = None) -> Problem:
    """Read a HubSpot error: the body of a 4xx answer, or one entry of `errors` in a 207."""
    details = [d for d in error.get("errors") or () if isinstance(d, Mapping)]
    text = str(error.get("message", ""))
    contexts = [c for c in (error.get("context"), *(d.get("context") for d in details)) if isinstance(c, Mapping)]

    def named(*keys: str) -> tuple[str, ...]:
        found = (value for context in contexts for key in keys for value in _as_list(context.get(key)))
        return tuple(dict.fromkeys(found))

    codes = dict.fromkeys([str(d["code"]) for d in details if d.get("code")] + _CODE.findall(text))
    properties = dict.fromkeys([*named("propertyName"), *_NAME.findall(text), *_COORDINATES.findall(text)])
    existing = _EXISTING.search(text)
    return Problem(
        status=_http_status(error, status),
        category=str(error.get("category") or error.get("errorType") or ""),
        codes=tuple(codes),
        properties=tuple(properties),
        existing_id=next((g for g in existing.groups() if g), None) if existing else None,
        scopes=named("requiredGranularScopes", "requiredScopes", "missingScopes", "scopes"),
        correlation_id=error.get("correlationId") or error.get("id") or correlation_id,
        trace_ids=named("objectWriteTraceId"),
        ids=named("ids", "id"),
        pairs=tuple(zip(named("fromObjectId"), named("toObjectId"), strict=False)),
        sub_category=str(error.get("subCategory") or ""),
    )


def _http_status(error: Mapping[str, Any], status: int) -> int:
    # Inside a 207 a record's own status is only told by its category.
    if status != 207:
        return status
    category = error.get("category")
    return {"CONFLICT": 409, "OBJECT_NOT_FOUND": 404, "RATE_LIMITS": 429}.get(str(category), 400)


def _as_list(value: object) -> list[str]:
    if value is None:
        return []
    return [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]


def body_of(raw: bytes | str | None) -> dict[str, Any]:
    """An error body as a dict; `{}` when it is not a JSON object (proxies answer with HTML)."""
    try:
        decoded = decoding.decode(raw or b"")
    except msgspec.DecodeError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


class Refused(TlHubspotError):
    """HubSpot refused one request (4xx) for a reason that lies in the request; other requests may succeed."""

    def __init__(self, problem: Problem, *, where: str = "") -> None:
        self.problem = problem
        # HubSpot's own refusals have a category; without one it was probably somebody else who answered.
        mend = "" if problem.category else "Check HUBSPOT_API_URL"
        super().__init__(f"HubSpot refused the request: {problem.message}", where=where, mend=mend)


class Trouble(Unreachable):
    """HubSpot answered 5xx to every repeat: it is in trouble, or one record of the call gives it trouble."""

    def __init__(self, status: int, why: str, *, where: str) -> None:
        self.status = status
        super().__init__(
            f"HubSpot did not take the call: {why} (status {status})",
            where=where,
            mend="Run again later: what was confirmed is remembered",
        )


class AnswerLost(Unreachable):
    """A write got no usable answer and must not be repeated blindly: it may have been carried out. Read back first."""
