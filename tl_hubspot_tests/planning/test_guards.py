"""Limits of behaviour §9: defaults, when each applies, what it says."""

import pytest

from tl_hubspot.planning.guards import Counts, GuardSettings, Limit, check


def limit(name: str, counts: Counts, settings: GuardSettings | None = None) -> Limit:
    return next(x for x in check(counts, settings or GuardSettings()) if x.name == name)


@pytest.mark.parametrize(
    ("name", "counts", "maximum", "exceeded"),
    [
        ("creates", Counts(linked=0, creates=9999), None, False),
        ("creates", Counts(linked=1, creates=500), 500, False),
        ("creates", Counts(linked=1, creates=501), 500, True),
        ("creates", Counts(linked=10_000, creates=2000), 2000, False),
        ("creates", Counts(linked=10_000, creates=2001), 2000, True),
        ("updates", Counts(linked=0, updates=9999), None, False),
        ("updates", Counts(linked=100, updates=501), 500, True),
        ("updates", Counts(linked=10_000, updates=5000), 5000, False),
        ("updates", Counts(linked=10_000, updates=5001), 5000, True),
        ("unsubscribes", Counts(linked=0, unsubscribes=25), 25, False),
        ("unsubscribes", Counts(linked=0, unsubscribes=26), 25, True),
        ("unsubscribes", Counts(matched_contacts=1000, unsubscribes=100), 100, False),
        ("unsubscribes", Counts(matched_contacts=1000, unsubscribes=101), 100, True),
        ("new_marketing_contacts", Counts(new_marketing=10**6), None, False),
        ("new_marketing_contacts", Counts(new_marketing=10, marketing_now=990, marketing_tier=1000), 10, False),
        ("new_marketing_contacts", Counts(new_marketing=11, marketing_now=990, marketing_tier=1000), 10, True),
        ("new_marketing_contacts", Counts(new_marketing=1, marketing_now=1200, marketing_tier=1000), 0, True),
        ("vanished_contacts", Counts(vanished={"contact": (20, 100)}), 20, False),
        ("vanished_contacts", Counts(vanished={"contact": (21, 100)}), 20, True),
        ("vanished_companies", Counts(vanished={"company": (1, 4)}), 0, True),
        ("vanished_deals", Counts(vanished={"deal": (0, 0)}), 0, False),
    ],
)
def test_defaults(name: str, counts: Counts, maximum: int | None, exceeded: bool) -> None:
    found = limit(name, counts)
    assert (found.maximum, found.exceeded) == (maximum, exceeded)


def test_shares_are_rounded_down_without_float_noise() -> None:
    assert limit("creates", Counts(linked=100), GuardSettings(creates_share=0.29, creates_minimum=0)).maximum == 29
    assert limit("creates", Counts(linked=99), GuardSettings(creates_share=0.29, creates_minimum=0)).maximum == 28


def test_a_limit_says_which_and_by_how_much() -> None:
    found = limit("unsubscribes", Counts(unsubscribes=40))
    assert found.sentence == "40 addresses would be unsubscribed, for good; that is 15 over the limit of 25."
    assert limit("creates", Counts(creates=3)).sentence == "3 records would be created; no limit applies."


def test_order_is_fixed() -> None:
    names = [x.name for x in check(Counts(vanished={"deal": (0, 1), "contact": (0, 1)}))]
    assert names == [
        "creates", "updates", "unsubscribes", "new_marketing_contacts", "vanished_contacts", "vanished_deals",
    ]  # fmt: skip
