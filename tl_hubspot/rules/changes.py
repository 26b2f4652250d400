"""When a contact was changed: watched fields compared, versions compared, links compared.

Pure comparison of what is stored with what was just read. Reading and storing live in `orchestration`; what the
resulting `changed_at` decides lives in `contacts`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl

NOT_WATCHED = frozenset({"updated_at", "web_url"})
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_ANY_ORDER = ("tags", "custom_fields")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_INSTANT = pl.Datetime("us", "UTC")


def watched(payload: bytes | str) -> str:
    """The watched fields of a contacts.list record given as JSON text, as canonical text: equal when they say the same.

    Watched is everything but updated_at and web_url. White space, the spelling of numbers, the order of keys, of tags
    and of custom fields do not count, nor does the difference between absent and empty: Teamleader lists every custom
    field definition on every contact, so that a new definition would otherwise look like an edit of all of them.
    ValueError when the text is not a JSON object.
    """
    record = _parsed(payload)
    if not isinstance(record, dict):
        raise ValueError("a contact must be a JSON object")
    stable = record | {key: _stable(key, record[key]) for key in _ANY_ORDER if key in record}
    return _CANONICAL.encode({k: v for k, v in stable.items() if v not in _EMPTY and k not in NOT_WATCHED})


def same_record(old: bytes | str, new: bytes | str) -> bool:
    """Whether two JSON texts say the same: order of keys, of tags and of custom fields does not count."""
    return old == new or _unordered(_parsed(old)) == _unordered(_parsed(new))


def _unordered(record: Any) -> Any:
    if not isinstance(record, dict):
        return record
    return record | {key: sorted(record[key], key=_text) for key in _ANY_ORDER if isinstance(record.get(key), list)}


def _parsed(payload: bytes | str) -> Any:
    return _READER.decode(payload if isinstance(payload, str) else payload.decode())


def _number(text: str) -> float:
    """100.0 is 100: how a number is written depends on the server's mood."""
    number = float(text)
    return int(number) if number.is_integer() else number


# Python refuses to make an integer of thousands of digits
_READER = json.JSONDecoder(parse_float=_number, parse_int=lambda text: int(text) if len(text) < 4000 else text)


def _stable(key: str, value: Any) -> Any:
    """Lists that Teamleader may give in any order, sorted; unset custom fields (false counts as unset) dropped."""
    if not isinstance(value, list):
        return value
    if key == "tags":
        return sorted(value, key=_text)
    if key == "custom_fields":
        is_set = [f for f in value if not (isinstance(f, dict) and _is_unset(f.get("value")))]
        return sorted(is_set, key=_text)
    return value


def _is_unset(value: Any) -> bool:
    return value is False or value in _EMPTY


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def next_versions(old: pl.DataFrame, new: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """What each newly read contact becomes: id, changed_at, consent_withdrawn_at, is_new, is_changed; sorted by id.

    `old`: stored versions (id, payload, updated_at, changed_at, marketing_mails_consent, consent_withdrawn_at);
    `new`: read ones (id, payload, updated_at, added_at, marketing_mails_consent); other columns are ignored.
    is_changed: a watched field differs. changed_at never moves back.
    consent_withdrawn_at is set when consent is seen to go from true to false (updated_at when that moved, else
    `as_of`), stays while consent is false or unknown, and goes when it is true.
    """
    stored = old.select(
        "id",
        old_updated_at="updated_at",
        old_changed_at="changed_at",
        old_consent="marketing_mails_consent",
        stored="payload",
        old_withdrawn_at="consent_withdrawn_at",
    )
    pairs = new.select("id", "updated_at", "added_at", "marketing_mails_consent", "payload").join(
        stored, on="id", how="left", maintain_order="left"
    )
    differs = [
        before is not None and before != now and watched(before) != watched(now)
        for before, now in pairs.select("stored", "payload").iter_rows()
    ]
    pairs = pairs.with_columns(pl.Series("is_changed", differs, pl.Boolean()))
    is_changed = pl.col("is_changed")
    consent = pl.col("marketing_mails_consent")
    withdrawn_now = (pl.col("old_consent").eq(True) & consent.eq(False)).fill_null(False)
    moved = (pl.col("updated_at") > pl.col("old_updated_at")).fill_null(False)
    return pairs.select(
        "id",
        changed_at=pl.when(is_changed)
        .then(pl.max_horizontal("old_changed_at", pl.col("updated_at")))
        .otherwise(pl.col("old_changed_at"))
        .fill_null(pl.coalesce("updated_at", "added_at")),
        consent_withdrawn_at=pl.when(consent.eq_missing(pl.lit(True)))
        .then(pl.lit(None, _INSTANT))
        .when(withdrawn_now)
        .then(pl.when(moved).then(pl.col("updated_at")).otherwise(_lit(as_of)))
        .otherwise(pl.col("old_withdrawn_at")),
        is_new=pl.col("stored").is_null(),
        is_changed=is_changed,
    ).sort("id")


def link_changes(
    old_pairs: pl.DataFrame, new_pairs: pl.DataFrame, contacts: pl.DataFrame, as_of: datetime
) -> pl.DataFrame:
    """Contacts whose set of companies changed, with the resulting changed_at: id, changed_at; sorted by id.

    `old_pairs`, `new_pairs`: contact_id, company_id, both for the same contacts and companies (a link that was merely
    not read before is not a new link: leave the first reading out). `contacts`: id, updated_at, changed_at (as
    `next_versions` gave it) and `touched` (updated_at moved in this run). The time of the change is updated_at where
    that moved, else `as_of`; changed_at never moves back.
    """
    keys = ["contact_id", "company_id"]
    old, new = old_pairs.select(keys), new_pairs.select(keys)
    differing = pl.concat([new.join(old, on=keys, how="anti"), old.join(new, on=keys, how="anti")])
    time = pl.when("touched").then(pl.coalesce("updated_at", _lit(as_of))).otherwise(_lit(as_of))
    return (
        contacts.filter(pl.col("id").is_in(differing["contact_id"].unique().implode()))
        .select("id", changed_at=pl.max_horizontal("changed_at", time))
        .sort("id")
    )


def _lit(instant: datetime) -> pl.Expr:
    return pl.lit(instant.astimezone(UTC), _INSTANT)
