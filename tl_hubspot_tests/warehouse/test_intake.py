"""What was received, sorted: records, fields that cannot be read, and what is no record; nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from tl_hubspot.warehouse.intake import Intake, sort_out
from tl_hubspot.warehouse.typed import typed

ID = "c5f3eb02-0768-0b3d-9a3c-fa1d7bdcb3bb"
CONTACTS = "teamleader.contacts"
CONNECTION = duckdb.connect()


def taken(record: Any, id: str | None = ID, table: str = CONTACTS) -> Intake:
    return sort_out(table, [(id, json.dumps(record).encode())])


def faults(table: str = CONTACTS, **record: Any) -> dict[str, str]:
    found = taken({"id": ID} | record, table=table)
    assert all(row["is_loaded"] and row["record"] == row["id"] == ID for row in found.rejected)
    assert found.records["id"].to_list() == [ID]
    return {row["field"]: row["reason"] for row in found.rejected}


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"first_name": "Ann", "a_new_field": {"of": ["any", {"kind": 1}]}},
        {"first_name": None, "emails": None, "tags": None, "custom_fields": None, "marketing_mails_consent": None},
        {"first_name": [], "emails": {}, "primary_address": [], "marketing_mails_consent": []},
        {"first_name": 17, "birthdate": 1.5},
        {"emails": [{"type": "primary", "email": None}, {}, None], "tags": [None, "a"]},
        {"marketing_mails_consent": 0},
        {"custom_fields": [{"definition": {"id": "d"}, "value": {"type": "company", "id": "k"}}, {"value": [1]}]},
        {"added_at": "not a date", "updated_at": 17},
        {"first_name": "\U0001f469"},
    ],
)
def test_what_is_loaded_without_a_word(record: dict[str, Any]) -> None:
    assert faults(**record) == {}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"first_name": {"nl": "An"}}, {"first_name": "It is an object where a text is expected"}),
        ({"first_name": ["An"]}, {"first_name": "It is a list where a text is expected"}),
        ({"first_name": True}, {"first_name": "It is true or false where a text is expected"}),
        ({"emails": "a@example.be"}, {"emails": "It is a text where a list is expected"}),
        (
            {"emails": [{"type": "primary", "email": ["x"]}]},
            {"emails[0].email": "It is a list where a text is expected"},
        ),
        ({"emails": ["a@example.be", {}]}, {"emails[0]": "It is a text where an object is expected"}),
        ({"tags": [["a"], "b"]}, {"tags[0]": "It is a list where a text is expected"}),
        ({"primary_address": "Dorp 1"}, {"primary_address": "It is a text where an object is expected"}),
        (
            {"marketing_mails_consent": "perhaps"},
            {"marketing_mails_consent": "It is a text where true or false is expected"},
        ),
        ({"last_name": "Pe\ufffd"}, {"last_name": "A character in it was damaged on the way"}),
        (
            {"first_name": [1], "status": {"is": "active"}},
            {
                "first_name": "It is a list where a text is expected",
                "status": "It is an object where a text is expected",
            },
        ),
    ],
)
def test_fields_of_another_shape(record: dict[str, Any], expected: dict[str, str]) -> None:
    assert faults(**record) == expected


def test_the_other_fields_of_a_record_are_read() -> None:
    record = {"id": ID, "first_name": {"nl": "An"}, "last_name": "Peeters", "tags": [["a"], "b"], "birthdate": 1e400}
    found = taken(record | {"emails": [{"type": "primary", "email": "an@example.be"}, 17]})
    row = typed(CONNECTION, CONTACTS, found.records).row(0, named=True)
    assert (row["first_name"], row["last_name"], row["tags"]) == (None, "Peeters", [None, "b"])
    assert [e and e["email"] for e in row["emails"]] == ["an@example.be", None]
    assert json.loads(row["payload"])["first_name"] == {"nl": "An"}, "the payload is kept as received"


@pytest.mark.parametrize(
    ("record", "reason", "id"),
    [
        (17, "It is no record but a number", None),
        (None, "It is no record but null", None),
        ("text", "It is no record but a text", None),
        ([{"id": ID}], "It is no record but a list", None),
        ({"first_name": "Ann"}, "It has no id", None),
        ({"id": None}, "It has no id", None),
        ({"id": 17}, "Its id is not one that Teamleader gives", None),
        ({"id": "17"}, "Its id is not one that Teamleader gives", "17"),
        ({"id": ID, "first_name": "Ann"}, "A newer record on the same page has the same id", ID),
    ],
)
def test_what_is_no_record_is_set_aside(record: Any, reason: str, id: str | None) -> None:
    found = taken(record, id=None)
    assert found.records.is_empty()
    [row] = found.rejected
    assert (row["reason"], row["id"], row["field"], row["is_loaded"]) == (reason, id, "", False)
    assert json.loads(row["payload"]) == record
    assert found.names == [row["record"]] == taken(record, id=None).names


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "email", "x"]), inner),
    max_leaves=6,
)
FIELDS = ("first_name", "emails", "telephones", "primary_address", "tags", "custom_fields", "marketing_mails_consent")


@run(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from([*FIELDS, "updated_at", "unknown"]), ANY))
def test_any_record_is_loaded(record: dict[str, Any]) -> None:
    found = taken({"id": ID} | record)
    row = typed(CONNECTION, CONTACTS, found.records).row(0, named=True)
    assert row["id"] == ID
    for name in ("first_name", "marketing_mails_consent"):
        value = record.get(name)
        told = any(r["field"] == name for r in found.rejected)
        assert (row[name] is None) <= (value in (None, "", [], {}) or told), "a value went without a word"
