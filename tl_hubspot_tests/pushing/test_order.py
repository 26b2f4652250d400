"""Pure parts of the push: order of address changes, spreading of associations over calls, equality of values."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_hubspot.pushing.addresses import levels
from tl_hubspot.pushing.change import Change, PlannedChanges, same_value
from tl_hubspot.pushing.relations import association_of


def takes(key: str, old: str | None, new: str, *, action: str = "replace_primary", keep_old: bool = False) -> Change:
    email = {"action": action, "new": new, "old": old, "keep_old": keep_old}
    return Change("contact", key, key, "update", None, {}, {"email": email})


def as_keys(found: tuple[list[list[Change]], list[Change]]) -> tuple[list[list[str]], list[str]]:
    ordered, circular = found
    return [[c.teamleader_id for c in level] for level in ordered], [c.teamleader_id for c in circular]


def test_nothing() -> None:
    assert as_keys(levels([])) == ([], [])


def test_a_chain_starts_with_the_one_that_takes_a_free_address() -> None:
    chain = [takes("1", "a", "b"), takes("2", "b", "c"), takes("3", "c", "d")]
    assert as_keys(levels(chain)) == ([["3"], ["2"], ["1"]], [])


def test_an_address_that_is_kept_is_not_waited_for() -> None:
    assert as_keys(levels([takes("1", "a", "b", keep_old=True), takes("2", "x", "a")])) == ([["1", "2"]], [])


def test_secondary_addresses_free_too() -> None:
    changes = [takes("1", None, "b", action="add_secondary"), takes("2", "b", "c", action="replace_secondary")]
    assert as_keys(levels(changes)) == ([["2"], ["1"]], [])


def test_a_swap_is_broken_open_at_one_place() -> None:
    ordered, circular = as_keys(levels([takes("1", "a", "b"), takes("2", "b", "a")]))
    assert circular == ["1"] and ordered == [["2"], ["1"]]


@st.composite
def rings_and_chains(draw: st.DrawFn) -> list[Change]:
    """Contacts whose new address is anybody's old one: every shape that can happen, circles of any length too."""
    count = draw(st.integers(1, 9))
    new = draw(st.permutations(range(count + 3)))
    changes = [takes(str(i), f"a{i}", f"a{new[i]}", keep_old=draw(st.booleans())) for i in range(count)]
    return draw(st.permutations([c for i, c in enumerate(changes) if new[i] != i]))


@given(rings_and_chains())
def test_no_address_is_taken_before_it_is_free(changes: list[Change]) -> None:
    ordered, circular = levels(changes)
    assert sorted(c.teamleader_id for level in ordered for c in level) == sorted(c.teamleader_id for c in changes)
    taken = {c.email.frees for c in changes if c.email and c.email.frees}
    for change in circular:
        assert change.email and change.email.frees
        taken.discard(change.email.frees)
    for level in ordered:
        for change in level:
            assert change.email and change.email.new not in taken
        taken -= {c.email.frees for c in level if c.email}


@pytest.mark.parametrize(
    ("ours", "hubspots", "same"),
    [
        ("12.50", "12.5", True),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z", True),
        ("2026-01-02T00:00:00Z", "1767312000000", True),
        ("2026-01-02T04:04:05+01:00", "2026-01-02T03:04:05Z", True),
        ("Ann@Example.be", "ann@example.be", True),
        ("", None, True),
        (" Ann ", "Ann", True),
        ("12", "13", False),
        ("Ann", None, False),
        ("", "Ann", False),
        ("0032", "32", False),
        ("ann", "ANN", False),
        ("2026-01-02", "Ann", False),
    ],
)
def test_same_value(ours: str, hubspots: str | None, same: bool) -> None:
    assert same_value(ours, hubspots) is same


def test_changes_of_a_plan() -> None:
    frame = pl.DataFrame(
        {
            "entity_type": ["contact"],
            "teamleader_id": ["t1"],
            "hubspot_id": ["7"],
            "action": ["update"],
            "reason": ["changed"],
            "fields": ['{"phone":{"old":"1","new":null},"hs_additional_emails":{"old":null,"new":"b@x.be"}}'],
            "details": [
                '{"shadow":{"phone":null},"email":{"action":"add_secondary","new":"B@x.be","old":null,"keep_old":false}}'
            ],
        }
    )
    (change,) = PlannedChanges(frame)
    assert change.fields == {"phone": ""} and change.shadow == {"phone": None}
    assert change.email and change.email.is_secondary and change.email.new == "b@x.be" and change.email.frees is None


def test_the_journals_text_of_an_association_is_read_back() -> None:
    assert association_of("contact:1>company:2") == ("contact", "company", ("1", "2"))
