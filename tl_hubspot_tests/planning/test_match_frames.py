"""Ids that are looked up among others, whichever are more."""

from __future__ import annotations

import polars as pl
import pytest

from tl_hubspot.planning.match_frames import are_among


@pytest.mark.parametrize(
    ("ids", "known", "expected"),
    [
        (["a", "b", "a"], ["b"], [False, True, False]),
        (["a"], ["c", "b", "a", "a"], [True]),
        (["a", "b"], [], [False, False]),
        ([], ["a"], []),
        ([], [], []),
    ],
)
def test_ids_among_others(ids: list[str], known: list[str], expected: list[bool]) -> None:
    asked = pl.Series("id", ids, dtype=pl.String)
    assert are_among(asked, pl.Series("other", known, dtype=pl.String)).to_list() == expected


def test_nothing_is_known_in_a_first_run() -> None:
    assert are_among(pl.Series(["a", "b"]), pl.Series([], dtype=pl.Null)).to_list() == [False, False]
