"""Frames are known to SQL by a name, as often as asked, and kept by nobody afterwards."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import TEXTS, frame_of, insert
from tl_hubspot.warehouse.store import Warehouse


def test_a_frame_comes_back_as_it_was() -> None:
    emails = [[{"type": "primary", "email": "ann@example.com"}], [], None]
    frame = pl.DataFrame(
        {
            "id": ["a", "b", None],
            "at": [datetime(2026, 1, 2, tzinfo=UTC), None, None],
            "emails": emails,
            "none": [None] * 3,
        }
    )
    with duckdb.connect(config=dict(TEXTS)) as con, registered(con, _frame=frame):
        con.execute("set TimeZone = 'UTC'")
        found = con.sql("select a.* from _frame a left join _frame b on a.id = b.id where a.id >= 'a' or a.id is null")
        assert_frame_equal(found.pl(), frame.with_columns(pl.col("none").cast(pl.Int32)), check_row_order=False)


def test_a_frame_is_let_go_while_the_transaction_goes_on(made: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """All parts of a plan are stored in one transaction, and together are more than there is room for."""
    handed_over: list[Any] = []
    to_arrow = pl.DataFrame.to_arrow

    def noted(frame: pl.DataFrame, **options: Any) -> Any:
        table = to_arrow(frame, **options)
        handed_over.append(weakref.ref(table))
        return table

    monkeypatch.setattr(pl.DataFrame, "to_arrow", noted)
    with made.transaction() as con:
        for name in ("1", "2"):
            insert(con, "hubspot.owners", frame_of("hubspot.owners", [{"id": name}]))
        gc.collect()
        assert [table() for table in handed_over] == [None, None]
    assert made.count("hubspot.owners") == 2


def test_a_name_is_free_again(made: Warehouse) -> None:
    with made.connect() as con:
        for value in (1, 2):
            with registered(con, _frame=pl.DataFrame({"n": [value]})):
                assert con.execute("select n from _frame").fetchall() == [(value,)]
        with pytest.raises(duckdb.CatalogException):
            con.execute("select n from _frame")
