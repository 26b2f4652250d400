"""When two values are the same: normal forms of text and telephone numbers, and what counts as empty.

Expressions over text columns, no Python per row. In all frames of this package "" is an empty value and null an unknown
one (not returned, no permission, not read).
"""

from __future__ import annotations

from functools import cache

import phonenumbers
import polars as pl

from tl_hubspot.two_way.flows import Compare

_NO_NUMBER = r"[^0-9\s\x{00A0}\x{202F}+()./‐‑‒–—-]"
"""What a telephone number does not hold; a text with it is compared as a text, so that no two words are the same."""


def emptied(value: pl.Expr) -> pl.Expr:
    """The value, with white space alone as ""; null stays null."""
    return pl.when(value.is_null() | (value.str.strip_chars() != "")).then(value).otherwise(pl.lit(""))


def normal(value: pl.Expr, compare: Compare, phone_region: str = "") -> pl.Expr:
    """Two values are the same exactly when their normal forms are equal; "" when empty, null when unknown."""
    if compare == "exact":
        return emptied(value)
    text = value.str.strip_chars().str.normalize("NFC")
    return text if compare == "text" else _phone(text, phone_region)


def _phone(text: pl.Expr, region: str) -> pl.Expr:
    """Digits with country code; of a number without one those of `region`, or as they are where there is no region."""
    kept = text.str.replace_all(r"[^0-9+]", "")
    digits = kept.str.replace_all("+", "", literal=True)
    if region:
        code, trunk = _numbering(region)
        international = kept.str.starts_with("+") | digits.str.starts_with("00")
        full = pl.when(kept.str.starts_with("+")).then(digits).otherwise(digits.str.strip_prefix("00"))
        full = pl.when(international).then(full).otherwise(code + digits.str.strip_prefix(trunk))
        # +32 (0)470 is how many people write it
        digits = full.str.replace(f"^{code}{trunk}", code) if trunk else full
    else:
        digits = pl.when(kept.str.starts_with("+")).then(digits).otherwise(digits.str.strip_prefix("00"))
    return pl.when(text.str.contains(_NO_NUMBER) | (digits == "")).then(text).otherwise(digits)


@cache
def _numbering(region: str) -> tuple[str, str]:
    """Country code and trunk prefix ("" where there is none) of a country."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    trunk = metadata.national_prefix if metadata else None
    return str(phonenumbers.country_code_for_region(region)), trunk or ""
