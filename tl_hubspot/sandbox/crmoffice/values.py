"""What the server thinks of values that a client sends: limits and canonical forms. Pure.

Which fields exist and what is stored is in `contacts`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

NAMES = ("givenName", "familyName")
PHONES = ("mobilePhone", "directPhone")
MAPPED = (*NAMES, *PHONES)
"""The four strings that can be mapped."""

LONGEST = 255
_PHONE = re.compile(r"[0-9 \u00a0+()\-./]*")
_DIGITS = range(3, 21)


def is_empty(value: str | None) -> bool:
    """Whether a text is stored as null."""
    return value is None or not value.strip()


def problem(name: str, value: Any) -> str | None:
    """Code of what is wrong with a value of one of the four names or `title`; None when it may be stored."""
    if value is not None and not isinstance(value, str):
        return "type"
    if value is None or is_empty(value):
        return None
    if len(value) > LONGEST:
        return "too_long"
    if any(unicodedata.category(character) == "Cc" for character in value):
        return "invalid"
    if name in PHONES:
        digits = sum(character.isdigit() for character in value)
        if not _PHONE.fullmatch(value) or digits not in _DIGITS:
            return "invalid_phone"
    return None


def canonical(name: str, value: str, country_code: str) -> str:
    """The form in which a value that may be stored is kept; applying it twice changes nothing."""
    if name in NAMES:
        return " ".join(unicodedata.normalize("NFC", value).split())
    kept = "".join(character for character in value if character.isdigit() or character == "+")
    number = kept[:1] + kept[1:].replace("+", "")
    if number.startswith("00"):
        number = f"+{number[2:]}"
    if re.fullmatch(r"\d{8}", number):
        number = country_code + number
    norwegian = re.fullmatch(r"\+47(\d{8})", number)
    if not norwegian:
        return number
    n = norwegian[1]
    groups = (n[:3], n[3:5], n[5:]) if n[0] in "49" else (n[:2], n[2:4], n[4:6], n[6:])
    return " ".join(("+47", *groups))
