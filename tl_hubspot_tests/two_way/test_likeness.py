"""Whose a new record is when the answer does not say, whatever a system makes of the values."""

from __future__ import annotations

from tl_hubspot.two_way.likeness import apart, whose
from tl_hubspot_tests.two_way.builders import ANN, BOB, FLOW


def test_records_that_look_alike_are_never_in_one_group() -> None:
    twin = {**ANN, "firstname": " Ann ", "mobilephone": "0470 12 34 56"}
    assert apart({"1": ANN, "2": BOB}, FLOW) == [{"1": ANN, "2": BOB}]
    assert apart({"1": ANN, "2": twin, "3": BOB, "4": ANN}, FLOW) == [{"1": ANN, "3": BOB}, {"2": twin}, {"4": ANN}]


def test_records_are_told_by_what_survives_another_form() -> None:
    stored = {"8": {**BOB, "firstname": "Bob "}, "9": {**ANN, "mobilephone": "0470123456", "phone": "0032 2 123 45 67"}}
    assert whose({"1": ANN, "2": BOB}, stored, FLOW) == {"1": "9", "2": "8"}


def test_the_last_one_needs_no_likeness_and_several_are_not_guessed() -> None:
    other = {**ANN, "lastname": "MAES"}
    assert whose({"1": ANN, "2": BOB}, {"8": BOB, "9": other}, FLOW) == {"1": "9", "2": "8"}
    assert whose({"1": ANN, "2": BOB}, {"8": {**BOB, "lastname": "CLAES"}, "9": other}, FLOW) == {}
    assert whose({"1": ANN, "2": BOB}, {"8": BOB}, FLOW) == {"2": "8"}
