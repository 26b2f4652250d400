"""What was received, before it is stored: which of it are records, and which of their fields are not as they should be.

Nothing is dropped: what cannot be a record is set aside, a field of another shape is left out of the typed columns, and
both are told (`teamleader.rejected`). Dates that are no dates are found by `typed`, where they are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
import polars as pl

from tl_hubspot import decoding
from tl_hubspot.warehouse import typed

_WORDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
_DAMAGED = "\ufffd"
_ESCAPED_DAMAGE = re.compile(r"\\u[fF]{3}[dD]")
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FLAGS = (0, 1, "0", "1", "false", "true")


@dataclass(frozen=True, slots=True)
class Intake:
    """`records`: id, payload, readable (the payload without the fields that cannot be read; null where it has none of
    them); `rejected`: rows of `teamleader.rejected` without stream and stamps; `names`: of everything received, as in
    its column `record`."""

    records: pl.DataFrame
    rejected: list[dict[str, Any]]
    names: list[str]


def sort_out(table: str, received: Iterable[tuple[str | None, bytes]]) -> Intake:
    """Sort records of a list (id, JSON text); an id of None: it has none, or a newer record on the same page has it."""
    check = decoding.decoder(_shape(table)).decode
    texts: dict[str, str] = {}
    readable: dict[str, str] = {}
    rejected: list[dict[str, Any]] = []
    names = []
    for id, payload in received:
        text = payload.decode()
        if id is None:
            name = f"text {blake2b(payload, digest_size=16).hexdigest()}"
            rejected.append(_set_aside(name, text))
        else:
            name = id
            texts[id] = text
            if not _is_sound(payload, text, check):
                readable[id], faults = _readable(table, text)
                rejected += [
                    {"record": id, "field": field, "id": id, "reason": reason, "is_loaded": True, "payload": text}
                    for field, reason in faults.items()
                ]
        names.append(name)
    columns = {"id": list(texts), "payload": list(texts.values()), "readable": [readable.get(id) for id in texts]}
    records = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String()))
    return Intake(records, rejected, names)


def _set_aside(name: str, text: str) -> dict[str, Any]:
    value = _loads(text)
    id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(value, dict):
        reason = f"It is no record but {_words(value)}"
    elif id is None:
        reason = "It has no id"
    elif isinstance(id, str) and _ID.fullmatch(id):
        reason = "A newer record on the same page has the same id"
    else:
        reason = "Its id is not one that Teamleader gives"
    known = id if isinstance(id, str) else None
    return {"record": name, "field": "", "id": known, "reason": reason, "is_loaded": False, "payload": text}


def _is_sound(payload: bytes, text: str, check: Callable[[bytes], Any]) -> bool:
    """Whether the text, the same as `payload`, needs no closer look; `check` raises when its shape is another."""
    if _DAMAGED in text or ("\\u" in text and _ESCAPED_DAMAGE.search(text)):
        return False
    try:
        check(payload)
        return True
    except (msgspec.MsgspecError, ValueError):
        return False


def _readable(table: str, text: str) -> tuple[str, dict[str, str]]:
    """The text with fields of another shape as null, and why, by field."""
    record = _loads(text)
    faults: dict[str, str] = {}
    for field, expected in typed.structure(table).items():
        if field in record:
            found: dict[str, str] = {}
            record[field] = _pruned(record[field], expected, field, found)
            faults |= found
    faults |= {
        field: "A character in it was damaged on the way"
        for field, value in record.items()
        if field not in faults and any(_DAMAGED in part for part in _texts(value))
    }
    return json.dumps(record), faults


def _pruned(value: Any, expected: Any, path: str, faults: dict[str, str]) -> Any:
    """`value` with null where it is not as `expected` (the notation of `typed.structure`)."""
    if value is None or value in ([], {}) or expected == "JSON":
        return value  # PHP writes every empty value as []
    if expected == "BOOLEAN" and value in _FLAGS:
        return value
    wanted = type(expected) if isinstance(expected, dict | list) else bool if expected == "BOOLEAN" else str
    if wanted is str and isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, wanted):
        faults[path] = f"It is {_words(value)} where {_words(wanted())} is expected"
        return None
    if isinstance(value, dict):
        return {k: _pruned(v, expected.get(k, "JSON"), f"{path}.{k}", faults) for k, v in value.items()}
    if isinstance(value, list):
        return [_pruned(v, expected[0], f"{path}[{n}]", faults) for n, v in enumerate(value)]
    return value


def _loads(text: str) -> Any:
    # numbers stay as they are written, however long: DuckDB reads them as text anyway
    return json.loads(text, parse_float=str, parse_int=lambda digits: int(digits) if len(digits) < 20 else digits)


def _words(value: Any) -> str:
    return _WORDS.get(type(value), "null")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


@cache
def _shape(table: str) -> Any:
    return _type(typed.structure(table))


def _type(expected: Any) -> Any:
    """The structure as a msgspec type: what it accepts needs no closer look."""
    if expected == "JSON":
        return msgspec.Raw
    if isinstance(expected, dict):
        return msgspec.defstruct("Received", [(k, _type(v), None) for k, v in expected.items()], gc=False) | None
    if isinstance(expected, list):
        return list[_type(expected[0])] | None  # type: ignore[misc]
    return bool | None if expected == "BOOLEAN" else str | int | float | None
