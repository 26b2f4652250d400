"""Which of several new records is whose, where the answer to making them does not say: by what they hold.

A system may store a value in another form, so only what survives that is compared: texts in normal form, the end of a
telephone number. A few records at a time; pairs of whole systems are found in `matching`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from tl_hubspot.two_way.flows import Compare, Flow

_KEPT_DIGITS = 6
"""Last digits of a number: country codes and trunk prefixes come and go in front of them."""

Values = Mapping[str, str | None]


def apart(wanted: Mapping[str, Values], flow: Flow) -> list[dict[str, Values]]:
    """The records in groups within which no two look alike; one group as a rule."""
    groups: list[tuple[set[tuple[str, ...]], dict[str, Values]]] = []
    for key, values in wanted.items():
        look = _look(values, flow)
        free = next((group for group in groups if look not in group[0]), None)
        if free is None:
            free = (set(), {})
            groups.append(free)
        free[0].add(look)
        free[1][key] = values
    return [members for _, members in groups]


def whose(wanted: Mapping[str, Values], made: Mapping[str, Values], flow: Flow) -> dict[str, str]:
    """Key of `wanted` → id of `made`, of those that can be told: `wanted` is a group of `apart`, and each record that
    was made is of one of them."""
    by_look: dict[tuple[str, ...], list[str]] = {}
    for i, values in made.items():
        by_look.setdefault(_look(values, flow), []).append(i)
    same = {key: by_look.get(_look(values, flow), []) for key, values in wanted.items()}
    found = {key: ids[0] for key, ids in same.items() if len(ids) == 1}
    keys, rest = wanted.keys() - found.keys(), made.keys() - found.values()
    return found | (dict(zip(keys, rest, strict=True)) if len(keys) == len(rest) == 1 else {})


def _look(values: Values, flow: Flow) -> tuple[str, ...]:
    return tuple(_kept(values.get(field.name) or "", field.compare) for field in flow.fields)


def _kept(value: str, compare: Compare) -> str:
    if compare == "phone" and (digits := "".join(ch for ch in value if ch.isdigit())):
        return digits[-_KEPT_DIGITS:]
    return unicodedata.normalize("NFC", value.strip())
