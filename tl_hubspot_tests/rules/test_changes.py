"""When a contact counts as changed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from tl_hubspot.rules import changes
from tl_hubspot_tests.rules.builders import NOON, at

RECORD: dict[str, Any] = {
    "id": "c1",
    "first_name": "Ann",
    "emails": [{"type": "primary", "email": "ann@example.com"}],
    "tags": ["expo", "vip"],
    "marketing_mails_consent": False,
    "primary_address": {"line_1": None, "country": "BE"},
    "custom_fields": [
        {"definition": {"type": "customFieldDefinition", "id": "d1"}, "value": "Gold"},
        {"definition": {"type": "customFieldDefinition", "id": "d2"}, "value": ["a", "b"]},
    ],
    "updated_at": "2026-01-01T00:00:00+00:00",
    "web_url": "https://focus.example/1",
}


def watched(**values: Any) -> str:
    return changes.watched(json.dumps(RECORD | values))


NOTHING: list[Any] = [None, "", [], False]
UNSET: list[dict[str, Any]] = [{"definition": {"id": f"d{i}"}, "value": value} for i, value in enumerate(NOTHING, 8)]


@pytest.mark.parametrize(
    "values",
    [
        {"updated_at": "2026-02-02T00:00:00+00:00"},
        {"web_url": "https://focus.example/2"},
        {"tags": ["vip", "expo"]},
        {"custom_fields": list(reversed(RECORD["custom_fields"]))},
        {"custom_fields": RECORD["custom_fields"] + UNSET},
        {"salutation": None},
        {"telephones": []},
    ],
)
def test_what_does_not_count(values: dict[str, Any]) -> None:
    assert watched(**values) == watched()


@pytest.mark.parametrize(
    "values",
    [
        {"first_name": "Anna"},
        {"first_name": "ann"},
        {"first_name": None},
        {"status": "deactivated"},
        {"emails": [{"type": "primary", "email": "Ann@example.com"}]},
        {"marketing_mails_consent": True},
        {"marketing_mails_consent": None},
        {"primary_address": {"line_1": "Kerkstraat 1", "country": "BE"}},
        {"tags": ["expo"]},
        {"custom_fields": RECORD["custom_fields"][:1]},
        {"custom_fields": [{**RECORD["custom_fields"][0], "value": "Silver"}, RECORD["custom_fields"][1]]},
        {"added_at": "2020-01-01T00:00:00+00:00"},
        {"a_new_property": 0},
    ],
)
def test_what_counts(values: dict[str, Any]) -> None:
    assert watched(**values) != watched()


def test_the_text_does_not_count() -> None:
    shuffled = json.dumps(dict(reversed(RECORD.items())), indent=3, ensure_ascii=False).encode()
    assert changes.watched(shuffled) == watched()
    for spelled in ("1.5", "1.50", "15e-1"):
        assert changes.watched(f'{{"n": {spelled}, "m": 2}}') == changes.watched('{"m":2.0,"n":1.5}')
    accents = json.dumps(RECORD | {"first_name": "Zoë"}), json.dumps(RECORD | {"first_name": "Zoë"}, ensure_ascii=False)
    assert len({changes.watched(text) for text in accents}) == 1


@pytest.mark.parametrize("payload", ["[]", '"x"', "{", b"\xff"])
def test_not_a_record(payload: str | bytes) -> None:
    with pytest.raises(ValueError):
        changes.watched(payload)


@run(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
)
def test_order_of_keys_never_counts(record: dict[str, Any]) -> None:
    shuffled = dict(sorted(record.items(), reverse=True))
    assert changes.watched(json.dumps(record)) == changes.watched(json.dumps(shuffled, indent=1))


INSTANT = pl.Datetime("us", "UTC")
OLD: dict[str, Any] = {
    "id": pl.String(),
    "updated_at": INSTANT,
    "changed_at": INSTANT,
    "marketing_mails_consent": pl.Boolean(),
    "payload": pl.String(),
    "consent_withdrawn_at": INSTANT,
}
NEW: dict[str, Any] = {
    "id": pl.String(),
    "updated_at": INSTANT,
    "added_at": INSTANT,
    "marketing_mails_consent": pl.Boolean(),
    "payload": pl.String(),
}


ONE, OTHER = '{"first_name": "Ann", "updated_at": "x"}', '{"first_name": "Bea", "updated_at": "x"}'


def versions(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    stored = [] if old is None else [{"id": "c1", "payload": ONE} | old]
    read = [{"id": "c1", "payload": ONE} | new]
    frame = changes.next_versions(pl.DataFrame(stored, schema=OLD), pl.DataFrame(read, schema=NEW), NOON)
    return frame.row(0, named=True)


@pytest.mark.parametrize(
    ("old", "new", "changed_at"),
    [
        # first time seen
        (None, {"updated_at": at("2025-01-01"), "added_at": at("2020-01-01")}, "2025-01-01"),
        (None, {"added_at": at("2020-01-01")}, "2020-01-01"),
        (None, {}, None),
        # a bump of updated_at alone
        (
            {"updated_at": at("2025-01-01"), "changed_at": at("2024-01-01")},
            {"updated_at": at("2026-01-01")},
            "2024-01-01",
        ),
        # a watched field
        (
            {"updated_at": at("2025-01-01"), "changed_at": at("2024-01-01")},
            {"updated_at": at("2026-01-01"), "payload": OTHER},
            "2026-01-01",
        ),
        # a watched field while updated_at stood still
        (
            {"updated_at": at("2025-01-01"), "changed_at": at("2024-01-01")},
            {"updated_at": at("2025-01-01"), "payload": OTHER},
            "2025-01-01",
        ),
        # never back: the link change of a later run stays
        (
            {"updated_at": at("2025-01-01"), "changed_at": at("2026-06-01")},
            {"updated_at": at("2026-01-01"), "payload": OTHER},
            "2026-06-01",
        ),
        ({"changed_at": at("2024-01-01")}, {"payload": OTHER}, "2024-01-01"),
        ({}, {"added_at": at("2020-01-01")}, "2020-01-01"),
    ],
)
def test_changed_at(old: dict[str, Any] | None, new: dict[str, Any], changed_at: str | None) -> None:
    found = versions(old, new)
    assert found["changed_at"] == at(changed_at)
    assert found["is_new"] == (old is None)
    assert found["is_changed"] == (old is not None and "payload" in new)


@pytest.mark.parametrize(
    ("old", "new", "withdrawn"),
    [
        ((True, None), False, "moved"),
        ((False, None), False, None),
        ((None, None), False, None),
        ((False, "2025-01-01"), False, "2025-01-01"),
        ((False, "2025-01-01"), None, "2025-01-01"),
        ((False, "2025-01-01"), True, None),
        ((True, None), None, None),
        ((True, None), True, None),
    ],
)
def test_consent_withdrawn(old: tuple[bool | None, str | None], new: bool | None, withdrawn: str | None) -> None:
    stored = {
        "updated_at": at("2025-01-01"),
        "marketing_mails_consent": old[0],
        "consent_withdrawn_at": at(old[1]),
    }
    for updated_at, moved in ((at("2025-01-01"), NOON), (at("2026-02-01"), at("2026-02-01"))):
        found = versions(stored, {"updated_at": updated_at, "marketing_mails_consent": new})
        expected: datetime | None = moved if withdrawn == "moved" else at(withdrawn)
        assert found["consent_withdrawn_at"] == expected


def test_first_sight_of_no_consent_is_no_withdrawal() -> None:
    assert versions(None, {"marketing_mails_consent": False})["consent_withdrawn_at"] is None


def test_other_columns_and_other_records_do_not_matter() -> None:
    old = pl.DataFrame([{"id": i, "payload": ONE} for i in ("c3", "c9")], schema=OLD)
    new = pl.DataFrame([{"id": i, "payload": ONE} for i in ("c3", "c1")], schema=NEW).with_columns(other=pl.lit("x"))
    found = changes.next_versions(old, new, NOON)
    assert found["id"].to_list() == ["c1", "c3"]
    assert found["is_new"].to_list() == [True, False]


def pairs(*values: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(values, schema={"contact_id": pl.String(), "company_id": pl.String()}, orient="row")


def test_link_changes() -> None:
    stood, moved = {"updated_at": at("2024-01-01"), "touched": False}, {"updated_at": at("2026-10-01"), "touched": True}
    known = pl.DataFrame(
        [
            {"id": "same", **stood},
            {"id": "added", **stood},
            {"id": "removed", **stood},
            {"id": "exchanged", **moved},
            {"id": "later", **moved, "changed_at": at("2027-01-01")},
            {"id": "undated", "updated_at": None, "touched": True},
        ],
        schema={"id": pl.String(), "updated_at": INSTANT, "changed_at": INSTANT, "touched": pl.Boolean()},
    ).with_columns(pl.col("changed_at").fill_null(at("2023-01-01")))
    old = pairs(("same", "k1"), ("removed", "k1"), ("removed", "k2"), ("exchanged", "k1"), ("later", "k1"))
    new = pairs(
        ("same", "k1"), ("added", "k1"), ("removed", "k2"), ("exchanged", "k2"), ("undated", "k1"), ("gone", "k1")
    )
    found = changes.link_changes(old, new, known, NOON)
    assert dict(found.iter_rows()) == {
        "added": NOON,
        "removed": NOON,
        "exchanged": at("2026-10-01"),
        "later": at("2027-01-01"),
        "undated": NOON,
    }
    assert changes.link_changes(new, new, known, NOON).is_empty()
