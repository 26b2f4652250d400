"""When two values are the same: normal forms of text and telephone numbers, and what counts as empty.

Expressions over text columns, no Python per row. In all frames of this package "" is an empty value and null an unknown
one (not returned, no permission, not read).
"""

from __future__ import annotations

import re
from functools import cache

import phonenumbers
import polars as pl

from tl_hubspot.two_way.flows import Compare

_BETWEEN = [*" \t\n\r\f\v\u00a0\u202f()./", *"-‐‑‒–—"]
_NO_NUMBER = f"[^0-9+{''.join(re.escape(ch) for ch in _BETWEEN)}]"
"""What a telephone number does not hold; a text with it is compared as a text, so that no two words are the same."""


def emptied(value: pl.Expr) -> pl.Expr:
    """The value, with white space alone as ""; null stays null."""
    return pl.when(value.is_null() | (value.str.strip_chars() != "")).then(value).otherwise(pl.lit(""))


def normal(value: pl.Expr, compare: Compare, phone_region: str = "") -> pl.Expr:
    """Two values are the same exactly when their normal forms are equal; "" when empty, null when unknown."""
    if compare == "exact":
        return emptied(value)
    text = value.str.strip_chars()
    # plain ASCII is normal as it is; unknown values cost nothing
    odd = pl.when(text.str.contains(r"[^\x00-\x7F]")).then(text)
    text = pl.coalesce(odd.str.normalize("NFC"), text)
    return text if compare == "text" else _phone(text, phone_region)


def _phone(text: pl.Expr, region: str) -> pl.Expr:
    """Digits with country code; of a number without one those of `region`, or as they are where there is no region."""
    number = pl.when(~text.str.contains(_NO_NUMBER)).then(text).str.replace_many(_BETWEEN, [""] * len(_BETWEEN))
    if region:
        code, trunk = _numbering(region)
        abroad, at_home = number.str.extract(r"^(?:\+|00)([0-9][0-9+]*)$"), f"^(?:{trunk})?([0-9][0-9+]*)$"
        digits = pl.coalesce(abroad, pl.lit(code) + number.str.extract(at_home))
        # +32 (0)470 is how many people write it
        digits = digits.str.replace(f"^{code}{trunk}", code) if trunk else digits
    else:
        digits = number.str.extract(r"^(?:\+|00)?([0-9][0-9+]*)$")
    return pl.coalesce(digits.str.replace_all("+", "", literal=True), text)


@cache
def _numbering(region: str) -> tuple[str, str]:
    """Country code and trunk prefix ("" where there is none) of a country."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    trunk = metadata.national_prefix if metadata else None
    return str(phonenumbers.country_code_for_region(region)), trunk or ""
