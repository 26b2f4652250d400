"""Associations of records that are no more are forgotten, whether all are looked at or only what changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tl_hubspot.orchestration.steps.associating import _leave_out_inactive
from tl_hubspot.orchestration.steps.changed import Changed
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot.warehouse.store import Warehouse

Pair = tuple[str, str, str, str]
FINE: Pair = ("contact", "1", "company", "1")
OF_ARCHIVED: Pair = ("deal", "1", "contact", "2")
OF_GONE: Pair = ("deal", "1", "company", "3")
FROM_ARCHIVED: Pair = ("deal", "2", "company", "1")


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    made = Warehouse(tmp_path / "tl_hubspot.duckdb")

    def store(table: str, rows: list[dict[str, Any]]) -> None:
        made.append(table, frame_of(table, rows))

    for kind, archived in (("contacts", "2"), ("companies", ""), ("deals", "2")):
        store(f"hubspot.{kind}", [{"id": id, "archived": id == archived} for id in ("1", "2")])
    names = ("from_type", "from_id", "to_type", "to_id")
    pairs = (FINE, OF_ARCHIVED, OF_GONE, FROM_ARCHIVED)
    store("hubspot.associations", [dict(zip(names, pair, strict=True)) for pair in pairs])
    yield made


def ids(**of: str) -> Changed:
    return {f"hubspot.{kind}": pl.DataFrame({"id": [id]}) for kind, id in of.items()}


def association(pair: Pair) -> Changed:
    return {"hubspot.associations": pl.DataFrame([pair], ["from_type", "from_id", "to_type", "to_id"], orient="row")}


@pytest.mark.parametrize(
    ("changed", "gone"),
    [
        (None, {OF_ARCHIVED, OF_GONE, FROM_ARCHIVED}),
        ({}, set()),
        (ids(contacts="1", companies="2", deals="1"), set()),
        (ids(contacts="2"), {OF_ARCHIVED}),
        (ids(companies="3"), {OF_GONE}),
        (ids(deals="2"), {FROM_ARCHIVED}),
        (association(OF_ARCHIVED), {OF_ARCHIVED}),
        (association(FROM_ARCHIVED), {FROM_ARCHIVED}),
        (association(FINE), set()),
    ],
)
def test_associations_of_records_that_are_no_more_go(
    warehouse: Warehouse, changed: Changed | None, gone: set[Pair]
) -> None:
    with warehouse.transaction() as con:
        _leave_out_inactive(con, changed)
    left = warehouse.read("select from_type, from_id, to_type, to_id from hubspot.associations").rows()
    assert set(left) == {FINE, OF_ARCHIVED, OF_GONE, FROM_ARCHIVED} - gone
