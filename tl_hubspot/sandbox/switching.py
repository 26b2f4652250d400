"""Switches of a sandbox: a dataclass whose fields can be changed by name while it runs, each checked against its type.

What a switch means stands in the system's own `switches`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints


class Switchable:
    """Base of a dataclass of switches. Values may be Literals, numbers (not negative), bools, texts, lists of texts and
    None, as the type of the field says."""

    def __post_init__(self) -> None:
        self.check()

    def change(self, **changes: Any) -> None:
        """Set switches by name. TypeError: unknown name; ValueError: value not allowed (nothing is changed then)."""
        unknown = set(changes) - {field.name for field in fields(self)}  # type: ignore[arg-type]
        if unknown:
            raise TypeError(f"unknown switch: {', '.join(sorted(unknown))}")
        before = {name: getattr(self, name) for name in changes}
        for name, value in changes.items():
            setattr(self, name, value)
        try:
            self.check()
        except ValueError:
            for name, value in before.items():
                setattr(self, name, value)
            raise

    def check(self) -> None:
        """ValueError when a value does not fit its switch."""
        for name, hint in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if not _fits(value, hint):
                raise ValueError(f"switch {name} cannot be {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_args(hint) and get_origin(hint) is not list:
        return any(_fits(value, option) for option in get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if get_origin(hint) is list:
        [item] = get_args(hint)
        return isinstance(value, list) and all(_fits(entry, item) for entry in value)
    return value is None if hint is type(None) else isinstance(value, hint)
