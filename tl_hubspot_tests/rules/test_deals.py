"""The deal rules, each with its boundaries; stages, labels and the contact that counts."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tl_hubspot.rules import contacts, deals, demand
from tl_hubspot.warehouse.rows import polars_schema
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import at, contact, deal

RECENT = ("sync", "changed_within_2_years", "")
INACTIVE = ("sync", "inactive", "inactief")
TOO_OLD = ("skip", "too_old", "")
CLOSED = ("sync", "closed", "")
CLOSED_TOO_OLD = ("skip", "closed_too_old", "")
PEOPLE = [
    contact("c1"),
    contact("c2", email="c1@example.com", changed="2026-01-01"),
    contact("c3", changed="2020-01-01"),
    contact("c4"),
]


def decide(
    row: dict[str, Any], *moves: str, linked: bool = False, mapped: Any = b.MAPPED, **settings: Any
) -> dict[str, Any]:
    chosen = b.settings(**settings)
    decided = deals.decide(
        b.deals(row),
        b.history(("other", "2026-10-10 10:00:00"), *((row["id"], text) for text in moves)),
        contacts.decide(b.contacts(*PEOPLE), set(), chosen),
        {row["id"]} if linked else set(),
        mapped,
        chosen,
    )
    assert dict(decided.schema) == polars_schema("decisions.deals")
    return decided.row(0, named=True)


def outcome(row: dict[str, Any], *moves: str, **more: Any) -> tuple[str, str, str]:
    found = decide(row, *moves, **more)
    return found["status"], found["reason"], found["label"]


@pytest.mark.parametrize(
    ("values", "reason", "source_contact", "counts", "company"),
    [
        ({"customer_id": None}, "no_contact", None, None, None),
        ({"customer_type": None}, "no_contact", None, None, None),
        ({"customer_type": "company", "customer_id": "k1"}, "no_contact", None, None, "k1"),
        ({"customer_id": "c3"}, "contact_not_eligible", "c3", "c3", None),
        ({"customer_id": "unknown"}, "contact_not_eligible", "unknown", "unknown", None),
        ({"customer_id": "c1", "contact_person_id": "c4"}, "changed_within_2_years", "c1", "c1", None),
        ({"customer_id": "c2"}, "changed_within_2_years", "c2", "c1", None),
        (
            {"customer_type": "company", "customer_id": "k1", "contact_person_id": "c4"},
            "changed_within_2_years",
            "c4",
            "c4",
            "k1",
        ),
        (
            {"customer_type": "company", "customer_id": "k1", "contact_person_id": "c3"},
            "contact_not_eligible",
            "c3",
            "c3",
            "k1",
        ),
    ],
)
def test_contact(values: dict[str, Any], reason: str, source_contact: Any, counts: Any, company: Any) -> None:
    found = decide(deal("d1", **values))
    assert found["reason"] == reason
    assert (found["source_contact_id"], found["contact_id"], found["company_id"]) == (source_contact, counts, company)


# limits in Brussels: 2024-11-02 and 2021-11-02, at +01:00
@pytest.mark.parametrize(
    ("created", "moves", "expected"),
    [
        ("2026-01-01", [], RECENT),
        ("2024-11-02T23:00:00", [], RECENT),
        ("2024-11-02T22:59:59", [], INACTIVE),
        ("2021-11-01T23:00:00", [], INACTIVE),
        ("2021-11-01T22:59:59", [], TOO_OLD),
        ("2015-01-01", ["2026-01-01 10:00:00"], RECENT),
        ("2015-01-01", ["2024-11-02 23:00:00"], RECENT),
        ("2015-01-01", ["2024-11-02 22:59:59"], TOO_OLD),
        ("2015-01-01", ["2024-11-03T00:00:00+01:00"], RECENT),
        ("2015-01-01", ["2024-11-02T23:59:59+01:00"], TOO_OLD),
        ("2023-01-01", ["2024-11-02 22:59:59", "2022-01-01 10:00:00"], INACTIVE),
        ("2015-01-01", ["2026-01-01 10:00:00", "2016-01-01 10:00:00"], RECENT),
        ("2015-01-01", ["soon", ""], TOO_OLD),
        (None, ["2026-01-01 10:00:00"], RECENT),
        (None, ["2022-01-01 10:00:00"], TOO_OLD),
        (None, [], TOO_OLD),
        ("2027-05-05", [], RECENT),
    ],
)
@pytest.mark.parametrize("status", ["new", "open"])
def test_open(created: str | None, moves: list[str], expected: tuple[str, str, str], status: str) -> None:
    row = deal("d1", status=status, created_at=created, closed_at="2026-10-01")
    assert outcome(row, *moves) == expected
    assert outcome(row, *moves, linked=True) == expected


@pytest.mark.parametrize(
    ("closed", "moves", "linked", "mode", "expected"),
    [
        ("2026-01-01", [], False, "recent", CLOSED),
        ("2024-11-02T23:00:00", [], False, "recent", CLOSED),
        ("2024-11-02T22:59:59", [], False, "recent", CLOSED_TOO_OLD),
        ("2024-11-02T22:59:59", [], True, "recent", CLOSED),
        ("2020-01-01", ["2026-01-01 10:00:00"], False, "recent", CLOSED),
        (None, [], False, "recent", CLOSED_TOO_OLD),
        ("2026-01-01", [], False, "linked_only", CLOSED_TOO_OLD),
        ("2026-01-01", [], True, "linked_only", CLOSED),
        ("2020-01-01", [], True, "linked_only", CLOSED),
        ("2026-01-01", [], True, "never", CLOSED_TOO_OLD),
        ("2026-01-01", [], False, "never", CLOSED_TOO_OLD),
    ],
)
@pytest.mark.parametrize("status", ["won", "lost"])
def test_closed(closed: str | None, moves: list[str], linked: bool, mode: str, expected: Any, status: str) -> None:
    row = deal("d1", status=status, created_at="2019-01-01", closed_at=closed)
    assert outcome(row, *moves, linked=linked, deals_closed=mode) == expected


def test_status_changed_at() -> None:
    row = deal("d1", created_at="2020-01-01", closed_at="2025-05-05")
    assert decide(row, "2023-03-03 10:00:00")["status_changed_at"] == at("2023-03-03T10:00:00")
    won = decide(row | {"status": "won"}, "2023-03-03 10:00:00")
    assert won["status_changed_at"] == at("2025-05-05")
    assert won["status_changed_on"].isoformat() == "2025-05-05"
    assert won["created_on"].isoformat() == "2020-01-01"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, RECENT),
        ({"current_phase_id": "f9"}, ("held", "unmapped_stage", "")),
        ({"current_phase_id": None}, ("held", "unmapped_stage", "")),
        ({"pipeline_id": "p2"}, ("held", "unmapped_stage", "")),
        ({"pipeline_id": None}, ("held", "unmapped_stage", "")),
        ({"current_phase_id": "f9", "created_at": "2023-01-01"}, ("held", "unmapped_stage", "inactief")),
        # won and lost go to the closed stages whatever the phase
        ({"current_phase_id": "f9", "status": "won"}, CLOSED),
        ({"pipeline_id": "p2", "status": "lost"}, ("held", "unmapped_stage", "")),
        # what is skipped is not held
        ({"current_phase_id": "f9", "created_at": "2015-01-01"}, TOO_OLD),
        ({"current_phase_id": "f9", "customer_id": None}, ("skip", "no_contact", "")),
    ],
)
def test_stages(values: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert outcome(deal("d1", **values)) == expected


def test_nothing_mapped() -> None:
    assert outcome(deal("d1"), mapped=deals.MappedStages(frozenset(), frozenset()))[0] == "held"


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2017-05-01 12:00:00", "UTC", "2017-05-01T12:00:00"),
        ("2017-05-01T12:00:00", "UTC", "2017-05-01T12:00:00"),
        ("2017-05-01 12:00:00", "Europe/Brussels", "2017-05-01T10:00:00"),
        ("2017-12-01 12:00:00", "Europe/Brussels", "2017-12-01T11:00:00"),
        ("2017-05-01T12:00:00+00:00", "Europe/Brussels", "2017-05-01T12:00:00"),
        ("2017-05-01T12:00:00+0200", "UTC", "2017-05-01T10:00:00"),
        ("2017-05-01T12:00:00Z", "Europe/Brussels", "2017-05-01T12:00:00"),
        ("2017-05-01 12:00:00 ", "UTC", "2017-05-01T12:00:00"),
        ("2017-05-01T12:00:00.250+00:00", "UTC", "2017-05-01T12:00:00.250"),
        # an hour that the clocks skipped, and one that they showed twice
        ("2024-03-31 02:30:00", "Europe/Brussels", "2024-03-31T01:30:00"),
        ("2024-10-27 02:30:00", "Europe/Brussels", "2024-10-27T00:30:00"),
        ("", "UTC", None),
        ("01/05/2017", "UTC", None),
        ("2017-02-30 12:00:00", "UTC", None),
    ],
)
def test_both_forms_of_started_at(text: str, zone: str, expected: str | None) -> None:
    assert deals.started_at(pl.Series([text]), zone).item() == at(expected)


def test_zone_of_the_phase_history_is_configurable() -> None:
    row = deal("d1", created_at="2015-01-01")
    # half an hour before midnight in Brussels, when read as UTC half an hour after it
    assert outcome(row, "2024-11-02 23:30:00") == RECENT
    assert outcome(row, "2024-11-02 23:30:00", phase_history_timezone="Europe/Brussels") == TOO_OLD


def test_shape_without_rows() -> None:
    settings = b.settings()
    decided = deals.decide(
        b.deals(), b.history(), contacts.decide(b.contacts(), set(), settings), set(), b.MAPPED, settings
    )
    assert dict(decided.schema) == polars_schema("decisions.deals")


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        ({"created_at": "2026-01-01"}, False),
        ({"created_at": "2020-01-01", "updated_at": at("2026-01-01")}, True),
        ({"created_at": "2020-01-01", "updated_at": None}, True),
        ({"created_at": "2020-01-01", "updated_at": at("2024-11-02")}, False),
        (
            {"created_at": "2020-01-01", "updated_at": at("2026-01-01"), "status": "won", "closed_at": "2026-01-01"},
            False,
        ),
        (
            {"created_at": "2020-01-01", "updated_at": at("2026-01-01"), "status": "open", "closed_at": "2026-01-01"},
            True,
        ),
    ],
)
def test_demand_for_phase_history(values: dict[str, Any], needed: bool) -> None:
    row = deal("d1", **values)
    assert demand.phase_history(b.deals(row), b.settings()).height == int(needed)
