"""Transforms and canonical forms, case by case; the quick way for telephone numbers against phonenumbers itself."""

from datetime import UTC, datetime
from typing import Any

import phonenumbers
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.planning.mapping import FieldRule
from tl_hubspot.planning.transforms import TRANSFORMS, Context, Portal, apply, as_text, canonical
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot_tests.planning.builders_plan import definition, portal, stage_rows

ADDRESS = pl.Struct(dict.fromkeys(("line_1", "postal_code", "city", "country"), pl.String()))


def address(country: str | None) -> dict[str, Any]:
    return {"line_1": None, "postal_code": None, "city": None, "country": country}


def transformed(
    transform: str, values: list[Any], *, entity: str = "contact", own: Portal | None = None, **columns: pl.Series
) -> list[str | None]:
    rule = FieldRule(entity, "x", "hs_language" if transform == "language" else "x", transform)
    frame = pl.DataFrame(columns)
    text = as_text(pl.DataFrame({"x": values})).to_series()
    return apply(text, Context(rule, frame, own or portal(), "BE")).to_list()


def phones(*numbers: tuple[str, str | None]) -> list[str | None]:
    countries = pl.Series([address(c) for _, c in numbers], dtype=ADDRESS)
    return transformed("phone", [n for n, _ in numbers], primary_address=countries)


@pytest.mark.parametrize(
    ("typed", "country", "expected"),
    [
        ("0470 12 34 56", "BE", "+32470123456"),
        ("0470/12.34.56", None, "+32470123456"),
        ("0470/12.34.56", " be ", "+32470123456"),
        ("+32 (0)470 12 34 56", "NL", "+32470123456"),
        ("0032 2 345 67 89", "BE", "+3223456789"),
        ("02 345 67 89", "BE", "+3223456789"),
        ("06 12345678", "NL", "+31612345678"),
        ("06 12345678", "BE", "06 12345678"),
        ("0470 12 34", "BE", "0470 12 34"),
        ("470123456", "BE", "+32470123456"),
        ("+1 202-555-0143", "BE", "+12025550143"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("02 345 67 89 ext. 12", "BE", "02 345 67 89 ext. 12"),
        ("bel mij", "BE", "bel mij"),
        ("12", "XX", "12"),
        ("621 123 456", "LU", "+352621123456"),
        ("", "BE", ""),
    ],
)
def test_phone(typed: str, country: str | None, expected: str) -> None:
    assert phones((typed, country)) == [expected]


def test_phone_keeps_rows_apart() -> None:
    pairs = [("0470 12 34 56", "BE"), ("0470 12 34 56", "NL"), ("", None), ("0470 12 34 56", "BE")]
    assert phones(*pairs) == ["+32470123456", "0470 12 34 56", "", "+32470123456"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.from_regex(r"\A(\+|00|0)(32|31|33|49|352)?[ (]?0?[1-9][0-9 ./-]{5,11}\Z"),
                st.from_regex(r"\A0[1-9][0-9]{7,9}\Z"),
                st.text("0123456789+ ()-/.", min_size=1, max_size=16),
            ),
            st.sampled_from(["BE", "NL", "FR", "DE", "LU", "GB", ""]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_the_quick_way_for_telephone_numbers_says_what_phonenumbers_says(pairs: list[tuple[str, str]]) -> None:
    def slow(typed: str, country: str) -> str:
        typed = typed.strip()
        try:
            number = phonenumbers.parse(typed, country or "BE")
        except phonenumbers.NumberParseException:
            return typed
        if number.extension or not phonenumbers.is_valid_number(number):
            return typed
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    assert phones(*pairs) == [slow(*pair) for pair in pairs]


@pytest.mark.parametrize(
    ("transform", "value", "expected"),
    [
        ("text", " \u00a0An \u2003", "An"),
        ("text", None, ""),
        ("text", "  ", ""),
        ("text", True, "true"),
        ("text", datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00.000Z"),
        ("lower", " AN@Example.com ", "an@example.com"),
        ("country", "be", "Belgium"),
        ("country", "BO", "Bolivia"),
        ("country", "Belgique", "Belgique"),
        ("url", "example.com/a", "https://example.com/a"),
        ("url", "HTTP://example.com", "HTTP://example.com"),
        ("url", "//example.com", "https://example.com"),
        ("number", "1200.50", "1200.5"),
        ("number", "1E+3", "1000"),
        ("number", "123456789012345678.123456789", "123456789012345678.123456789"),
        ("number", "-0.00", "0"),
        ("number", "007", "7"),
        ("number", "many", None),
        ("number", "NaN", None),
        ("bool", "TRUE", "true"),
        ("bool", False, "false"),
        ("bool", "perhaps", None),
        ("datetime", "2026-03-01T01:30:00+01:00", "2026-03-01T00:30:00.000Z"),
        ("datetime", "2026-03-01", "2026-03-01T00:00:00.000Z"),
        ("datetime", "soon", None),
        ("date", "2026-03-01", "2026-03-01"),
        ("date", "2026-02-30", None),
        ("list", '["a","b c",null,""]', "a;b c"),
        ("list", "[broken", "[broken"),
        ("list", "plain", "plain"),
    ],
)
def test_values(transform: str, value: Any, expected: str | None) -> None:
    assert transformed(transform, [value]) == [expected]


def test_deal_status_that_is_no_option_is_left_out() -> None:
    options = (("open", "Open"), ("won", "Won"), ("lost", "Lost"))
    rule = FieldRule("deal", "status", "teamleader_status", "deal_status", options=options)
    text = pl.Series(["new", "open", "won", "paused"])
    values = apply(text, Context(rule, pl.DataFrame(), portal(), "BE")).to_list()
    assert values == ["open", "open", "won", None]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("nl", "nl"), ("NL-BE", "nl-be"), ("nl_BE", "nl-be"), ("fr-be", "fr"), ("jp", None), ("xx", None), ("", "")],
)
def test_language(typed: str, expected: str | None) -> None:
    assert transformed("language", [typed]) == [expected]


def test_language_codes_that_are_country_codes() -> None:
    rows = [definition("contact", "hs_language", "enumeration", options=["ja", "el", "nl-nl"])]
    assert transformed("language", ["jp", "gr", "nl"], own=portal(rows)) == ["ja", "el", None]


def test_option_takes_the_portals_spelling_and_our_own_options() -> None:
    rows = [definition("contact", "x", "enumeration", options=["Gold", "Silver"])]
    assert transformed("option", ["gold", "Silver;GOLD", "Iron", ""], own=portal(rows)) == [
        "Gold",
        "Silver;Gold",
        None,
        "",
    ]
    rule = FieldRule("contact", "x", "x", "option", options=(("mine", "Mine"),), custom=True)
    column = apply(pl.Series(["mine", "gold"]), Context(rule, pl.DataFrame(), portal(rows), "BE"))
    assert column.to_list() == ["mine", "Gold"]


def test_owner_by_address_whatever_its_case() -> None:
    assert transformed("owner", ["ANN@example.com", "bob@example.com", ""]) == ["901", None, ""]


def test_amount_and_currency_go_together() -> None:
    currencies = pl.Series(["EUR", "usd", "eur", None])
    amounts = transformed("amount", ["10.50", "5", "", "7"], entity="deal", estimated_value_currency=currencies)
    assert amounts == ["10.5", None, "", "7"]
    assert transformed("currency", ["EUR", "usd", "eur", None], entity="deal") == ["EUR", None, "EUR", ""]


def test_currencies_fall_back_to_the_options_of_the_property() -> None:
    rows = [definition("deal", "deal_currency_code", "enumeration", options=["USD"])]
    bare = Portal(frame_of("hubspot.properties", rows), portal().owners, frame_of("hubspot.currencies", []))
    assert transformed("currency", ["USD", "EUR"], entity="deal", own=bare) == ["USD", None]


def test_vat_number_is_normalised_else_as_typed() -> None:
    keys = pl.Series(["BE0899623035", None], dtype=pl.String)
    assert transformed("vat", ["BE 899.623.035", "12-34"], entity="company", decision_vat=keys) == [
        "BE0899623035",
        "12-34",
    ]


def test_stage_follows_status_before_phase_and_unmapped_is_left_out() -> None:
    rows = {
        "pipeline_id": pl.Series(["p1", "p1", "p1", "p1", "p9", "p9"]),
        "current_phase_id": pl.Series(["f1", "f2", "f1", "gone", "f1", "f1"]),
        "status": pl.Series(["open", "won", "lost", "new", "open", "won"]),
    }
    assert len(stage_rows()) == 4
    stages = transformed("stage", list("abcdef"), entity="deal", **rows)
    assert stages == ["s-new", "s-won", "s-lost", None, None, None]
    pipelines = transformed("pipeline", list("abcdef"), entity="deal", **rows)
    assert pipelines == ["default", "default", "default", None, None, None]


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("number", "1200.50", "1200.5"),
        ("number", "1.2e3", "1200"),
        ("number", "-0", "0"),
        ("datetime", "2026-03-01T00:00:00Z", "2026-03-01T01:00:00+01:00"),
        ("datetime", "1772323200000", "2026-03-01T00:00:00.000Z"),
        ("date", "1772323200000", "2026-03-01"),
        ("bool", "True", "true"),
        ("enumeration", "b;a", ";a;b"),
        ("string", " An ", "An"),
        ("string", None, ""),
    ],
)
def test_equal_meanings_have_one_form(type_: str, one: str | None, other: str) -> None:
    forms = canonical(pl.Series([one, other], dtype=pl.String), type_)
    assert forms[0] == forms[1]


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("number", "1200.5", "1200.51"),
        ("number", "9007199254740993", "9007199254740992"),
        ("datetime", "2026-03-01T00:00:00.001Z", "2026-03-01T00:00:00Z"),
        ("string", "an", "An"),
        ("string", "1.0", "1"),
        ("enumeration", "a", "A"),
        ("bool", "", "false"),
    ],
)
def test_other_meanings_have_another_form(type_: str, one: str, other: str) -> None:
    forms = canonical(pl.Series([one, other]), type_)
    assert forms[0] != forms[1]


@given(st.lists(st.one_of(st.none(), st.text(max_size=12), st.decimals(allow_nan=True).map(str)), max_size=8))
@settings(max_examples=40, deadline=None)
def test_canonical_forms_are_stable(values: list[str | None]) -> None:
    for type_ in ("string", "number", "datetime", "date", "bool", "enumeration"):
        once = canonical(pl.Series(values, dtype=pl.String), type_)
        assert once.null_count() == 0
        assert canonical(once, type_).to_list() == once.to_list()


def test_every_transform_keeps_empty_values_empty() -> None:
    own = {
        "primary_address": pl.Series([address("BE")], dtype=ADDRESS),
        "decision_vat": pl.Series([None], dtype=pl.String),
        "estimated_value_currency": pl.Series(["EUR"]),
        "pipeline_id": pl.Series(["p1"]),
        "current_phase_id": pl.Series(["f1"]),
        "status": pl.Series(["open"]),
    }
    assert {name: transformed(name, [""], **own) for name in TRANSFORMS} == {name: [""] for name in TRANSFORMS}
