"""`Told`: a sentence in English that remembers the pattern and the values it was made of.

So it can be said in another language later, by whoever has the pattern in that language; here there is English only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Self

from tl_hubspot.rules.windows import spoken


class Told(str):
    """The English text. `pattern` has names in braces, `values` gives them: texts (also Told), ids, dates."""

    pattern: str
    values: Mapping[str, Any]

    def __new__(cls, text: str, pattern: str = "", values: Mapping[str, Any] | None = None) -> Self:
        self = super().__new__(cls, text)
        self.pattern, self.values = pattern, values or {}
        return self


def told(pattern: str, **values: Any) -> Told:
    """The sentence of that pattern with those values; dates are spoken."""
    shown = {name: spoken(value) if isinstance(value, date) else value for name, value in values.items()}
    return Told(pattern.format(**shown), pattern, values)
