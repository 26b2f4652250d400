"""One contact over the API: reading it, and what a write makes of it.

Canonical forms are in `values`, lists in `lists`, who may ask at all in `app`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.control import isoformat
from tl_hubspot.sandbox.crmoffice import values
from tl_hubspot.sandbox.crmoffice.errors import ApiError, Problem, bad, not_found
from tl_hubspot.sandbox.crmoffice.store import Record, Store, complete
from tl_hubspot.sandbox.crmoffice.switches import Switches

WRITABLE = (*values.MAPPED, "company", "title")
_IGNORED = ("id", "modifiedAt")
_ANSWER_SECONDS = 86_400.0
_MESSAGES = {
    "type": "It has another type.",
    "too_long": f"It has more than {values.LONGEST} characters.",
    "invalid": "It has control characters.",
    "invalid_phone": "It is no telephone number.",
    "required": "It must not be empty.",
    "unknown": "There is no such field.",
    "unknown_reference": "There is no such company.",
    "empty_record": "A contact needs a name or a telephone number.",
}


@dataclass
class Answer:
    """Status, body and headers of a success."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def shown(number: int, record: Record, modified: float, switches: Switches) -> Record:
    """A contact as answers show it."""
    answer: Record = {"id": str(number), **record}
    for name in switches.absent_keys:
        del answer[name]
    if switches.modified_timestamp:
        answer["modifiedAt"] = isoformat(datetime.fromtimestamp(modified, UTC))
    return answer


def read(store: Store, switches: Switches, number: int) -> Answer:
    """The contact as it is now. ApiError 404."""
    record, modified, version = _existing(store, number)
    etag = {"ETag": f'"{number}-{version}"'} if switches.etag else {}
    return Answer(200, shown(number, record, modified, switches), etag)


def create(store: Store, switches: Switches, raw: bytes, headers: Mapping[str, str], now: float) -> Answer:
    """A new contact; the first answer again when its `Idempotency-Key` was used before."""
    key = headers.get("idempotency-key") if switches.idempotency_key else None
    digest = hashlib.sha256(raw).hexdigest()
    store.execute("delete from answers where at <= ?", now - _ANSWER_SECONDS)
    before = store.one("select * from answers where key = ?", key) if key else None
    if before is not None:
        if before["request"] != digest:
            raise ApiError(409, "This Idempotency-Key was used with another body.")
        return Answer(**decoding.decode(before["answer"]))
    given = _object(raw)
    record = _accepted(store, switches, given, complete({}))
    if all(record[name] is None for name in values.MAPPED):
        raise _invalid([("", "empty_record")])
    number = store.insert(record, now)
    answer = read(store, switches, number)
    answer.status, answer.headers["Location"] = 201, f"contacts/{number}"
    if key:
        text = msgspec.json.encode(answer).decode()
        store.execute("insert into answers values (?, ?, ?, ?)", key, digest, text, now)
    return answer


def update(
    store: Store, switches: Switches, number: int, raw: bytes, headers: Mapping[str, str], now: float, *, whole: bool
) -> Answer:
    """Change the keys sent; with `whole` every writable key left out becomes null."""
    before, _, version = _existing(store, number)
    _check_precondition(switches, headers, number, version)
    given = _object(raw)
    if whole:
        given = dict.fromkeys(WRITABLE) | given
    after = _accepted(store, switches, given, before)
    if after != before:
        store.replace(number, after, now)
    return read(store, switches, number)


def delete(store: Store, switches: Switches, number: int, headers: Mapping[str, str], now: float) -> Answer:
    """Delete a contact. ApiError 404 when it is gone already."""
    _, _, version = _existing(store, number)
    _check_precondition(switches, headers, number, version)
    store.remove(number, now)
    return Answer(204)


def _existing(store: Store, number: int) -> tuple[Record, float, int]:
    found = store.contact(number)
    if found is None:
        raise not_found()
    return found


def _check_precondition(switches: Switches, headers: Mapping[str, str], number: int, version: int) -> None:
    wanted = headers.get("if-match") if switches.etag else None
    if wanted is None or wanted.strip() == "*":
        return
    if f'"{number}-{version}"' not in (tag.strip() for tag in wanted.split(",")):
        raise ApiError(412, "The contact has changed since.")


def _object(raw: bytes) -> Record:
    try:
        given = decoding.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise bad("The body is not valid JSON.") from None
    if not isinstance(given, dict):
        raise bad("The body must be one JSON object.")
    return given


def _accepted(store: Store, switches: Switches, given: Record, before: Record) -> Record:
    """The record with what was sent; ApiError 422 with every mistake.

    A value equal to the stored one is never refused, and rewritten only if it could be stored anew.
    """
    after, problems = dict(before), list[tuple[str, str]]()
    for name, value in given.items():
        if name in _IGNORED:
            continue
        if name not in WRITABLE:
            problems.append((name, "unknown"))
        elif name == "company":
            code = _company_problem(store, value) if value != before["company"] else None
            problems += [(name, code)] if code else []
            after[name] = value
        elif code := values.problem(name, value):
            if value != before[name]:
                problems.append((name, code))
        elif values.is_empty(value):
            after[name] = None
        elif name in switches.canonicalises:
            after[name] = values.canonical(name, value, switches.country_code)
        else:
            after[name] = value
    wrong = {name for name, _ in problems}
    problems += [(name, "required") for name in switches.required_fields if after[name] is None and name not in wrong]
    if problems:
        raise _invalid(problems)
    return after


def _company_problem(store: Store, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"id"} or not isinstance(value["id"], str):
        return "type"
    return None if store.has_company(value["id"]) else "unknown_reference"


def _invalid(problems: list[tuple[str, str]]) -> ApiError:
    fields: list[Problem] = [(name, code, _MESSAGES[code]) for name, code in problems]
    return ApiError(422, "Nothing of the request was stored.", fields=fields)
