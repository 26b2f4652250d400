"""Associations belong to whom their contact is linked to; references go through links and are never emptied."""

from __future__ import annotations

import polars as pl

from tl_hubspot.two_way import frames
from tl_hubspot.two_way.derived import REFERENCES, derived, resolved
from tl_hubspot.two_way.frames import System
from tl_hubspot_tests.two_way.builders import ANN, NOW, linked, rows

NONE = frames.empty(frames.LINKS)


def associations(*pairs: tuple[str, str], complete: bool = True) -> System:
    schema = {"id": pl.String(), "contact_id": pl.String()}
    return System(pl.DataFrame(pairs, schema=schema, orient="row"), complete=complete)


def test_associations_are_linked_to_the_record_of_their_contact() -> None:
    contacts = linked(("1", "9", ANN)).links
    changed, unmatched = derived(associations(("1-50", "1"), ("1-51", "1"), ("2-50", "2")), NONE, contacts, NOW)
    assert rows(changed, "a_id", "b_id", "state", "how") == [
        ("1-50", "9", "linked", "derived"),
        ("1-51", "9", "linked", "derived"),
    ]
    assert rows(unmatched, "side", "id", "reason") == [("a", "2-50", "contact_not_linked")]
    again, _ = derived(associations(("1-50", "1"), ("1-51", "1")), changed, contacts, NOW)
    assert again.is_empty()


def test_a_derived_link_ends_with_its_association_or_its_contact() -> None:
    contacts = linked(("1", "9", ANN)).links
    both, _ = derived(associations(("1-50", "1"), ("1-51", "1")), NONE, contacts, NOW)
    gone, _ = derived(associations(("1-50", "1")), both, contacts, NOW)
    assert rows(gone, "a_id", "state", "reason") == [("1-51", "broken", "deleted_a")]
    unread, _ = derived(associations(("1-50", "1"), complete=False), both, contacts, NOW)
    assert unread.is_empty()
    broken = contacts.with_columns(state=pl.lit("broken"))
    ended, unmatched = derived(associations(("1-50", "1"), ("1-51", "1")), both, broken, NOW)
    assert set(ended["reason"]) == {"contact_unlinked"} and unmatched.height == 2


def test_references_take_the_primary_one_else_the_lowest_and_never_become_empty() -> None:
    companies = linked(("50", "500", ANN), ("7", "700", ANN), ("60", "600", ANN)).links
    references = pl.DataFrame(
        [("1", "50", False), ("1", "7", False), ("2", "50", True), ("2", "7", False), ("3", "99", True),
         ("4", "99", True), ("4", "60", False)],
        schema=REFERENCES,
        orient="row",
    )  # fmt: skip
    assert rows(resolved(references, companies), "id", "value", "is_one_of_several") == [
        ("1", "700", True),
        ("2", "500", True),
        ("3", None, False),
        ("4", "600", False),
    ]
