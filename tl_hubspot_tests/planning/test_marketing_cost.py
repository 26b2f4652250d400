"""What a plan costs in marketing contacts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tl_hubspot.planning.marketing_cost import MarketingCost, next_renewal


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"bought": 1_000},
            [
                "HubSpot has 72 marketing contacts now; this plan adds 298: 370 in all.",
                "1,000 that were bought 630 remain",
            ],
        ),
        ({"bought": 370}, ["Of the 370 that were bought 0 remain."]),
        (
            {"bought": 300},
            ["That is 70 more than the 300", "not lower it before the next renewal", "MARKETING__RENEWAL"],
        ),
        (
            {"bought": 300, "renewal": date(2027, 3, 1), "ageing": 66},
            ["before the renewal on 1 March 2027", "time makes 66 of them non-marketing"],
        ),
        ({}, ["How many were bought is not known: set TL_HUBSPOT_MARKETING__TIER."]),
        ({"is_complete": False}, ["HubSpot has at least 72"]),
        ({"method": "property_only"}, ["Only teamleader_marketing is written"]),
        ({"now": 1, "new": 0}, ["HubSpot has 1 marketing contact now; this plan adds 0: 1 in all."]),
    ],
)
def test_sentences(values: dict[str, Any], expected: list[str]) -> None:
    cost = MarketingCost(**({"method": "import", "now": 72, "new": 298} | values))
    text = " ".join(cost.sentences())
    assert all(part in text for part in expected), text


@pytest.mark.parametrize(
    ("renewal", "today", "expected"),
    [
        ("2027-03-01", "2026-11-02", "2027-03-01"),
        ("2024-03-01", "2026-11-02", "2027-03-01"),
        ("2024-11-02", "2026-11-02", "2027-11-02"),
        ("2024-11-03", "2026-11-02", "2026-11-03"),
        ("2024-02-29", "2026-11-02", "2027-03-01"),
    ],
)
def test_next_renewal(renewal: str, today: str, expected: str) -> None:
    assert next_renewal(date.fromisoformat(renewal), date.fromisoformat(today)) == date.fromisoformat(expected)
