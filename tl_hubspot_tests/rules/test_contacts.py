"""The contact rules, each with its boundaries, and opt-outs by address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tl_hubspot.rules import contacts
from tl_hubspot.warehouse.rows import polars_schema
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import at, contact

MARKETING = ("marketing", "changed_within_2_years")
OLDER = ("non_marketing", "changed_2_to_5_years")
TOO_OLD = ("skip", "too_old")
OPTED_OUT = ("non_marketing", "opted_out")


def decide(*rows: dict[str, Any], linked: set[str] = frozenset(), **settings: Any) -> dict[str, dict[str, Any]]:  # type: ignore[assignment]
    return b.rows(contacts.decide(b.contacts(*rows), linked, b.settings(**settings)))


def outcome(*rows: dict[str, Any], **more: Any) -> tuple[str, str]:
    first = decide(*rows, **more)[rows[0]["id"]]
    return first["status"], first["reason"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, MARKETING),
        ({"email": None}, ("skip", "no_email")),
        ({"emails": None}, ("skip", "no_email")),
        ({"email": " \u00a0\t"}, ("skip", "no_email")),
        ({"emails": [{"type": "primary", "email": None}]}, ("skip", "no_email")),
        ({"email": "ann at example.com"}, ("skip", "invalid_email")),
        ({"updated_at": None, "added_at": None, "changed_at": None}, ("skip", "no_date")),
        ({"updated_at": None, "changed_at": None, "added_at": at("2025-01-01")}, MARKETING),
        ({"changed": "2021-11-01"}, TOO_OLD),
        ({"status": "deactivated"}, ("skip", "deactivated")),
        ({"marketing_mails_consent": False}, OPTED_OUT),
        ({"marketing_mails_consent": None}, ("non_marketing", "consent_unknown")),
        ({"changed": "2024-11-02"}, OLDER),
        ({"changed": "2027-05-01"}, MARKETING),
        # first hit wins
        ({"email": None, "changed": "2015-01-01", "marketing_mails_consent": False}, ("skip", "no_email")),
        ({"email": "x", "status": "deactivated"}, ("skip", "invalid_email")),
        ({"changed": "2015-01-01", "status": "deactivated"}, TOO_OLD),
        ({"changed": "2023-01-01", "marketing_mails_consent": False}, OPTED_OUT),
    ],
)
def test_reasons(values: dict[str, Any], expected: tuple[str, str]) -> None:
    assert outcome(contact("c1", **values)) == expected


def test_deactivated_but_linked() -> None:
    row = contact("c1", status="deactivated")
    assert outcome(row, linked={"c1"}) == ("non_marketing", "deactivated")
    assert outcome(row | {"marketing_mails_consent": False}, linked={"c1"}) == OPTED_OUT
    assert outcome(row | {"marketing_mails_consent": None}, linked={"c1"}) == ("non_marketing", "consent_unknown")


# 2026-11-02 in Brussels: limits 2024-11-02 and 2021-11-02, Brussels is at +01:00 on both
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("2024-11-03T12:00:00", MARKETING),
        ("2024-11-02T23:00:00", MARKETING),  # midnight in Brussels, 3 November there
        ("2024-11-02T22:59:59", OLDER),
        ("2024-11-02T00:00:00", OLDER),
        ("2024-11-01T23:00:00", OLDER),
        ("2021-11-02T22:59:59", OLDER),
        ("2021-11-01T23:00:00", OLDER),  # midnight in Brussels, 2 November there
        ("2021-11-01T22:59:59", TOO_OLD),
    ],
)
def test_limits(changed: str, expected: tuple[str, str]) -> None:
    assert outcome(contact("c1", changed=changed)) == expected


@pytest.mark.parametrize(
    ("as_of", "changed", "expected"),
    [
        # midnight in Brussels is 22:00 UTC in summer, 23:00 in winter
        ("2026-07-01T21:59:00", "2024-07-02T12:00:00", MARKETING),
        ("2026-07-01T22:00:00", "2024-07-02T12:00:00", OLDER),
        ("2026-12-01T22:59:00", "2024-12-01T23:00:00", MARKETING),
        # 31 March 2024 and 27 October 2024 are days on which the clocks changed
        ("2026-03-31T10:00:00", "2024-03-30T23:00:00", OLDER),
        ("2026-03-31T10:00:00", "2024-03-31T22:00:00", MARKETING),
        ("2026-10-27T11:00:00", "2024-10-27T22:59:59", OLDER),
        ("2026-10-27T11:00:00", "2024-10-27T23:00:00", MARKETING),
        # two years before 28 February and 1 March 2026, around 29 February 2024
        ("2026-02-28T11:00:00", "2024-02-29T11:00:00", MARKETING),
        ("2026-03-01T11:00:00", "2024-02-29T11:00:00", OLDER),
        # two years before 29 February 2028 is 28 February 2026
        ("2028-02-29T11:00:00", "2026-02-28T11:00:00", OLDER),
        ("2028-02-29T11:00:00", "2026-03-01T11:00:00", MARKETING),
        # five years before 29 February 2028 is 28 February 2023
        ("2028-02-29T11:00:00", "2023-02-28T11:00:00", OLDER),
        ("2028-02-29T11:00:00", "2023-02-27T11:00:00", TOO_OLD),
    ],
)
def test_limits_on_awkward_days(as_of: str, changed: str, expected: tuple[str, str]) -> None:
    instant = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    assert outcome(contact("c1", changed=changed), as_of=instant) == expected


def test_the_calendar_is_that_of_the_configured_zone() -> None:
    row = contact("c1", changed="2024-11-02T23:30:00")
    assert outcome(row) == MARKETING
    assert outcome(row, timezone="UTC") == OLDER


def test_changed_at_counts_not_updated_at() -> None:
    assert outcome(contact("c1", updated_at=at("2026-10-01"), changed_at=at("2022-01-01"))) == OLDER


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({}, {"status": "deactivated", "changed": "2026-10-01"}),
        ({"changed": "2026-05-02"}, {"changed": "2026-05-01"}),
        ({"added_at": at("2014-01-01")}, {"added_at": at("2014-01-02")}),
        ({}, {"added_at": None}),
        ({"id": "c1"}, {"id": "c2"}),
        ({"marketing_mails_consent": None}, {"changed": "2022-01-01"}),
    ],
)
def test_duplicates(winner: dict[str, Any], loser: dict[str, Any]) -> None:
    first = contact("w", email="Ann@Example.com") | _ready(winner)
    second = contact("x", email=" ann@example.COM ") | _ready(loser)
    found = decide(second, first, linked={"x"})
    assert (found[second["id"]]["status"], found[second["id"]]["reason"]) == ("skip", "duplicate_email")
    assert found[second["id"]]["duplicate_of"] == first["id"]
    assert found[first["id"]]["status"] != "skip"
    assert found[first["id"]]["duplicate_of"] is None


def _ready(values: dict[str, Any]) -> dict[str, Any]:
    if "changed" in values:
        values = values | {"changed_at": at(values["changed"]), "updated_at": at(values["changed"])}
        del values["changed"]
    return values


def test_contacts_stopped_earlier_do_not_compete() -> None:
    found = decide(
        contact("c1", email="a@example.com", changed="2024-01-01"),
        contact("c2", email="a@example.com", changed="2026-01-01", status="deactivated"),
        contact("c3", email="a@example.com", changed="2020-01-01"),
    )
    assert {k: v["reason"] for k, v in found.items()} == {
        "c1": "changed_2_to_5_years",
        "c2": "deactivated",
        "c3": "too_old",
    }


@pytest.mark.parametrize(
    "other",
    [
        {"changed": "2010-01-01"},
        {"status": "deactivated"},
        {"updated_at": None, "added_at": None, "changed_at": None},
        {"changed": "2026-04-01"},
    ],
)
def test_opt_out_belongs_to_the_address(other: dict[str, Any]) -> None:
    refused = contact("c2", email="ANN@example.com", marketing_mails_consent=False, **other)
    found = decide(contact("c1", email="ann@example.com"), refused, contact("c3"))
    assert (found["c1"]["status"], found["c1"]["reason"]) == OPTED_OUT
    assert (found["c1"]["opted_out"], found["c1"]["opted_out_by"], found["c1"]["consent"]) == (True, "c2", True)
    assert found["c2"]["opted_out"]
    assert found["c3"]["opted_out_by"] is None


def test_opted_out_by_itself_before_others() -> None:
    found = decide(*(contact(f"c{i}", email="a@example.com", marketing_mails_consent=False) for i in (1, 2)))
    assert {k: v["opted_out_by"] for k, v in found.items()} == {"c1": "c1", "c2": "c2"}


def test_opt_out_without_address_or_with_a_wrong_one() -> None:
    found = decide(
        contact("c1", email=None, marketing_mails_consent=False),
        contact("c2", email=None),
        contact("c3", email="A..B@example.com", marketing_mails_consent=False),
        contact("c4", email="a..b@example.com"),
    )
    assert {k: v["opted_out"] for k, v in found.items()} == {"c1": True, "c2": False, "c3": True, "c4": True}
    assert found["c4"]["address"] == "a..b@example.com"
    assert found["c4"]["reason"] == "invalid_email"


@pytest.mark.parametrize(
    ("consent", "withdrawn", "expected"),
    [
        (False, None, MARKETING),
        (False, "2026-01-01", OPTED_OUT),
        (None, "2026-01-01", OPTED_OUT),
        (None, None, ("non_marketing", "consent_unknown")),
        (True, None, MARKETING),
    ],
)
def test_false_may_mean_not_asked(consent: bool | None, withdrawn: str | None, expected: tuple[str, str]) -> None:
    row = contact("c1", marketing_mails_consent=consent, consent_withdrawn_at=at(withdrawn))
    assert outcome(row, consent_false_means="not_asked") == expected


def test_first_primary_address_that_is_not_blank() -> None:
    entries = [
        {"type": "invoicing", "email": "first@example.com"},
        {"type": "primary", "email": "  "},
        {"type": "primary", "email": "Second@Example.com"},
        {"type": "primary", "email": "third@example.com"},
    ]
    assert decide(contact("c1", emails=entries))["c1"]["address"] == "second@example.com"
    assert decide(contact("c1", emails=entries[:2]))["c1"]["address"] == "first@example.com"
    assert decide(contact("c1", emails=[{"type": None, "email": "a@example.com"}]))["c1"]["address"] == "a@example.com"


def test_shape_is_that_of_the_table() -> None:
    for frame in (b.contacts(contact("c2"), contact("c1", email=None)), b.contacts()):
        decided = contacts.decide(frame, {"c1"}, b.settings())
        assert dict(decided.schema) == polars_schema("decisions.contacts")
        assert decided["teamleader_id"].to_list() == sorted(frame["id"])
    assert b.rows(decided) == {}
