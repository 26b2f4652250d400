"""What a Crmoffice tenant can do: configured as one string, never discovered.

`name=value` pairs joined by commas, for example `write=put_full,etag=1,canonicalises=mobilePhone+directPhone`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal

MAPPED = ("givenName", "familyName", "mobilePhone", "directPhone")
"""The four texts of a contact that can be mapped."""


@dataclass(frozen=True)
class Capabilities:
    """The capabilities with their defaults. 1 and 0 in the string are True and False here."""

    write: Literal["patch", "put_full"] = "patch"
    """The one verb that updates a contact."""
    modified_timestamp: bool = False
    """Contacts carry `modifiedAt`."""
    since_filter: bool = False
    """Lists can be asked for what changed since an instant."""
    delete_feed: bool = False
    """There is a list of deletions."""
    etag: bool = False
    """A write can be made conditional on the version that was read."""
    idempotency_key: bool = False
    """A creation can be repeated under its key."""
    page_style: Literal["offset", "none", "cursor"] = "offset"
    """How lists are divided."""
    canonicalises: tuple[str, ...] = ()
    """Fields whose values the server rewrites; for information, what was stored is read back."""
    required_fields: tuple[str, ...] = ()
    """Fields that are never empty after a write."""
    refresh_rotation: Literal["grace", "strict", "off"] = "grace"
    """What becomes of a refresh token that was used; for information, every new one is stored."""

    def __str__(self) -> str:
        """The whole string, every capability named."""
        return ",".join(f"{item.name}={_text(getattr(self, item.name))}" for item in fields(self))


_CHOICES: dict[str, tuple[str, ...]] = {
    "write": ("patch", "put_full"),
    "page_style": ("offset", "none", "cursor"),
    "refresh_rotation": ("grace", "strict", "off"),
}
_DEFAULTS = Capabilities()


def capabilities(text: str) -> Capabilities:
    """Capabilities of a string; what it does not name has the default. ValueError: unknown name or value."""
    given: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition("=")
        if name not in (known := [item.name for item in fields(Capabilities)]):
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise ValueError(f"'{name}' is no capability; {hint}")
        if name in given:
            raise ValueError(f"{name} is given twice")
        given[name] = _value(name, value)
    return Capabilities(**given)


def _value(name: str, value: str) -> Any:
    default = getattr(_DEFAULTS, name)
    if isinstance(default, tuple):
        names = () if value == "-" else tuple(value.split("+"))
        if wrong := [item for item in names if item not in MAPPED]:
            raise ValueError(f"{name} has '{wrong[0]}'; write - or names of {', '.join(MAPPED)} joined by +")
        return names
    choices = ("0", "1") if isinstance(default, bool) else _CHOICES[name]
    if value not in choices:
        raise ValueError(f"{name} is '{value}'; write one of {', '.join(choices)}")
    return value == "1" if isinstance(default, bool) else value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return ("+".join(value) or "-") if isinstance(value, tuple) else str(value)
