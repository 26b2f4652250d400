"""Which way a type is read: by number of calls, by what can be built upon, and by what the settings ask for."""

from __future__ import annotations

import pytest

from tl_hubspot.hubspot.ways import FEW_PAGES, choose, list_calls


@pytest.mark.parametrize(
    ("portal", "archived", "more", "way"),
    [
        # a portal of few pages is read whole, whatever search would cost
        (1_800, 0, {"changed": 0}, "list"),
        (100 * (FEW_PAGES - 2), 100, {"changed": 0, "keys": 1}, "list"),
        (100 * (FEW_PAGES - 1), 100, {"changed": 0}, "search"),
        # nothing changed in a large one
        (100_000, 500, {"changed": 0}, "search"),
        (100_000, 500, {"changed": 5_000, "looked_up": 400}, "search"),
        # the whole was changed (a first import): a search counts for three calls and gives two pages
        (100_000, 0, {"changed": 100_000}, "list"),
        # nothing to build upon
        (100_000, 0, {"changed": 0, "complete": "full run"}, "list"),
        (100_000, 0, {"complete": "first reading"}, "list"),
        # far more records than Teamleader has
        (1_000_000, 0, {"complete": "first reading", "keys": 40_000}, "keyed"),
        (1_000_000, 0, {"changed": 30_000, "keys": 40_000}, "keyed"),
        (1_000_000, 0, {"changed": 2_000, "keys": 40_000}, "search"),
        (30_000, 0, {"complete": "first reading", "keys": 40_000}, "list"),
        # by the settings, where it is open
        (100_000, 0, {"changed": 0, "forced": "list"}, "list"),
        (50, 0, {"changed": 40, "forced": "search"}, "search"),
        (50, 0, {"changed": 40, "complete": "first reading", "forced": "search"}, "list"),
        (50, 0, {"keys": 3_000, "forced": "keyed"}, "keyed"),
        (50, 0, {"forced": "keyed"}, "list"),
    ],
)
def test_way(portal: int, archived: int, more: dict[str, object], way: str) -> None:
    choice = choose(portal, archived, **more)  # type: ignore[arg-type]
    assert choice.way == way
    assert choice.way in choice.calls and choice.calls["list"] == list_calls(portal, archived)


def test_the_reason_names_the_numbers() -> None:
    choice = choose(100_000, 500, changed=450, looked_up=120)
    assert dict(choice.calls) == {"list": 1006, "search": 14}
    assert choice.reason == "fewest calls, 14 (against list 1006)"
    first = choose(100_000, 0, complete="first reading")
    assert first.reason == "first reading: fewest calls, 1002"
