"""Which HubSpot properties are never written: the sources that HubSpot itself keeps, and names or labels set by people.

One answer for three places that ask: the mapping loader, the planner and the last step before a request leaves.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

PROTECTED_PATTERNS: tuple[str, ...] = (
    "hs_analytics_source*",
    "hs_latest_source*",
    "hs_analytics_latest_source*",
    "hs_object_source*",
)

DEFAULT_PROTECTED_NAMES: tuple[str, ...] = (
    "Eerste bron",
    "Laatste bron",
    "Original source",
    "Latest source",
    "Original traffic source",
    "Latest traffic source",
)


def is_protected(
    name: str, label: str | None = None, configured_names: Iterable[str] = DEFAULT_PROTECTED_NAMES
) -> bool:
    """Whether the property with that internal name (and label, when known) must never be written.

    Case and runs of white space do not count. A configured name is compared with the label, the internal name, and the
    internal name that HubSpot makes of such a label (`Eerste bron` → `eerste_bron`).
    """
    name = _plain(name)
    if any(fnmatchcase(name, pattern) for pattern in PROTECTED_PATTERNS):
        return True
    configured = {_plain(n) for n in configured_names} - {""}
    return bool(configured & {name, name.replace("_", " "), _plain(label or "")})


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
