"""Behaviour §5: deals match by link and teamleader_id only, never by title."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tl_hubspot.planning.match_deals import match
from tl_hubspot_tests.planning import builders_match as b


def row(
    hubspot: list[b.Row],
    *,
    linked: dict[str, str] | None = None,
    released: tuple[str, ...] = (),
    status: str = "sync",
    reason: str = "closed",
    pushed: tuple[str, ...] = (),
) -> b.Row:
    matching = match(
        b.frame("eligible.deals", [{"teamleader_id": "T1"}]),
        b.frame("decisions.deals", [{"teamleader_id": "T1", "status": status, "reason": reason}]),
        b.hubspot_deals(*hubspot),
        b.links("deal", linked),
        pl.Series(pushed, dtype=pl.String),
        b.releases("deal", *released),
    )
    assert matching.notices.is_empty()
    return b.by_id(matching)["T1"]


def found(deal: b.Row) -> tuple[Any, ...]:
    return deal["outcome"], deal["hubspot_id"], deal["matched_by"], deal["reason"]


@pytest.mark.parametrize(
    ("hubspot", "linked", "expected"),
    [
        pytest.param([{"id": "1"}], {"T1": "1"}, ("update", "1", "link", None), id="link"),
        pytest.param(
            [{"id": "1", "teamleader_id": "T1"}], None, ("update", "1", "teamleader_id", None), id="carries it"
        ),
        pytest.param([{"id": "9", "merged_ids": ["1"]}], {"T1": "1"}, ("update", "9", "link", None), id="merged"),
        pytest.param([{"id": "1", "properties": '{"dealname": "T1"}'}], None, ("create", None, None, None), id="title"),
        pytest.param(
            [{"id": "1", "archived": True}], {"T1": "1"}, ("held", "1", "link", "deleted_in_hubspot"), id="archived"
        ),
        pytest.param([], {"T1": "1"}, ("held", "1", "link", "deleted_in_hubspot"), id="gone"),
    ],
)
def test_match(hubspot: list[b.Row], linked: dict[str, str] | None, expected: tuple[Any, ...]) -> None:
    assert found(row(hubspot, linked=linked)) == expected


def test_released() -> None:
    deal = row([{"id": "1", "archived": True}], linked={"T1": "1"}, released=("T1",), pushed=("T1",))
    assert found(deal) == ("create", None, None, None)
    assert deal["first_match"]


def test_first_match() -> None:
    assert row([{"id": "1"}], linked={"T1": "1"})["first_match"]
    assert not row([{"id": "1"}], linked={"T1": "1"}, pushed=("T1",))["first_match"]


def test_unmapped_stage_is_held_while_hubspot_does_not_have_the_deal() -> None:
    assert found(row([], status="held", reason="unmapped_stage")) == ("held", None, None, "unmapped_stage")


def test_unmapped_stage_of_a_linked_deal_still_gets_its_other_fields() -> None:
    deal = row([{"id": "1"}], linked={"T1": "1"}, status="held", reason="unmapped_stage")
    assert found(deal) == ("update", "1", "link", None)


def test_a_record_goes_to_one_deal() -> None:
    matching = match(
        b.frame("eligible.deals", [{"teamleader_id": "T2"}, {"teamleader_id": "T1"}]),
        b.frame("decisions.deals", [{"teamleader_id": i, "status": "sync"} for i in ("T1", "T2")]),
        b.hubspot_deals({"id": "3", "merged_ids": ["1", "2"], "teamleader_id": "T2"}),
        b.links("deal", {"T1": "1", "T2": "2"}),
        pl.Series([], dtype=pl.String),
        b.releases("deal"),
    )
    rows = b.by_id(matching)
    assert found(rows["T2"]) == ("update", "3", "link", None)
    assert found(rows["T1"]) == ("held", "3", "link", "claimed_by_other")
