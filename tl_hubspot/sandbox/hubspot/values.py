"""Property values: what HubSpot accepts for each type and the text it then stores.

Pure; which properties exist is `properties`, what a change means for a record is `records`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection

from tl_hubspot.sandbox.hubspot.times import parse_date, parse_instant, to_iso

MAX_LENGTH = 65_536
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_EMAIL = re.compile(rf"[^@\s,;<>()\[\]\"]{{1,64}}@(?:{_LABEL}\.)+(?:[^\W\d_]{{2,}}|xn--[a-z0-9-]+)")

Scalar = str | int | float | bool | None


class BadValue(Exception):
    """A value that HubSpot refuses: `code` and text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def as_text(value: Scalar) -> str:
    """The string that a JSON scalar stands for; null clears, like the empty string."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def normalise_email(text: str) -> str:
    """The stored form of an address: trimmed, lower case."""
    return text.strip().lower()


def check_email(text: str) -> str:
    address = normalise_email(text)
    if len(address) > 254 or not _EMAIL.fullmatch(address):
        raise BadValue("INVALID_EMAIL", f"Email address {text} is invalid")
    return address


def split_list(text: str) -> list[str]:
    """The parts of a `;`-joined value, without empty ones and repetitions."""
    return list(dict.fromkeys(part.strip() for part in text.split(";") if part.strip()))


def normalise(type_name: str, field_type: str, text: str, options: Collection[str] | None, current: str) -> str:
    """The stored text for a value that is not empty; BadValue when it does not fit.

    `options` are the allowed values of an enumeration (None: any); `current` is what the record holds now, needed for
    multiple checkboxes, where a leading `;` appends.
    """
    if type_name == "number":
        return _number(text)
    if type_name == "date":
        return _date(text)
    if type_name == "datetime":
        return _datetime(text)
    if type_name == "bool":
        lowered = text.strip().lower()
        _check_option(lowered, ("true", "false"), text)
        return lowered
    if type_name == "enumeration":
        return _enumeration(field_type, text, options, current)
    if len(text) > MAX_LENGTH:
        raise BadValue("INVALID_LENGTH", f"Property values cannot be longer than {MAX_LENGTH} characters.")
    return text


def _number(text: str) -> str:
    stripped = text.strip()
    try:
        finite = math.isfinite(float(stripped))
    except ValueError:
        finite = False
    if not finite or "_" in stripped:
        raise BadValue("INVALID_INTEGER", f"{text} was not a valid number.")
    return stripped


def _date(text: str) -> str:
    try:
        return parse_date(text).isoformat()
    except (ValueError, OverflowError) as error:
        raise BadValue("INVALID_DATE", f"{text} was not a valid date: {error}.") from None


def _datetime(text: str) -> str:
    try:
        return to_iso(parse_instant(text))
    except (ValueError, OverflowError):
        raise BadValue("INVALID_DATE", f"{text} was not a valid date and time.") from None


def _enumeration(field_type: str, text: str, options: Collection[str] | None, current: str) -> str:
    if field_type != "checkbox":
        _check_option(text, options, text)
        return text
    chosen = split_list(text)
    for part in chosen:
        _check_option(part, options, part)
    if text.startswith(";"):
        chosen = list(dict.fromkeys(split_list(current) + chosen))
    return ";".join(chosen)


def _check_option(value: str, options: Collection[str] | None, shown: str) -> None:
    if options is not None and value not in options:
        listed = ", ".join(options)
        raise BadValue("INVALID_OPTION", f"{shown} was not one of the allowed options: [{listed}]")
