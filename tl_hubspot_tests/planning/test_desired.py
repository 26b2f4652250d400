"""Desired state: what each source yields, fallbacks, cuts, what is left out, and what marked records get."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from tl_hubspot.planning.desired import KEY, Desired, desired, marked
from tl_hubspot.planning.mapping import FieldRule, Mapping
from tl_hubspot.planning.sources import is_source, source_names
from tl_hubspot.planning.transforms import MAX_LENGTH
from tl_hubspot_tests.planning.builders_plan import World, default_mapping, portal, reference


def state(world: World, kind: str) -> Desired:
    own = world.inputs(kind).entities[kind]()
    source = own.source(own.eligible["teamleader_id"])
    return desired(kind, source, own.eligible, own.decisions, reference(), world.mapping, world.portal)


def values(world: World, kind: str) -> dict[str, str | None]:
    (row,) = state(world, kind).frame.drop(KEY).iter_rows(named=True)
    return row


def with_rows(*rows: FieldRule) -> World:
    return World(replace(default_mapping(), fields=(*default_mapping().fields, *rows)))


@pytest.mark.parametrize(
    ("transform", "source", "expected"),
    [
        ("phone", "telephones[phone]", "+31201234567"),
        ("amount", "estimated_value.amount", None),
        ("pipeline", "pipeline", "default"),
        ("stage", "current_phase", "s-won"),
    ],
)
def test_a_transform_gets_what_it_looks_at_beside_its_source(transform: str, source: str, expected: str | None) -> None:
    kind = "contact" if transform == "phone" else "deal"
    world = World(replace(default_mapping(), fields=(FieldRule(kind, source, "p", transform),)))
    address = {"line_1": None, "postal_code": None, "city": None, "country": "NL"}
    world.contact("a", telephones=[{"type": "phone", "number": "020 123 4567"}], primary_address=address)
    amount = {"estimated_value_amount": "1.00", "estimated_value_currency": "USD"}
    world.deal("d", deal_status="won", pipeline_id="p1", current_phase_id="f1", **amount)
    assert values(world, kind) == {"p": expected}


def test_a_contact_with_everything() -> None:
    world = World()
    world.contact(
        "a",
        address="an@example.com",
        opted_out=True,
        status="non_marketing",
        jobtitle=" CEO ",
        first_name=" An ",
        last_name="Peeters",
        salutation="Mevrouw",
        emails=[{"type": "primary", "email": "AN@example.com"}],
        telephones=[
            {"type": "fax", "number": "02 345 67 80"},
            {"type": "mobile", "number": " "},
            {"type": "mobile", "number": "0470 12 34 56"},
            {"type": "mobile", "number": "0471 12 34 56"},
            {"type": "phone", "number": "02 345 67 89"},
        ],
        language="nl",
        website="example.com",
        primary_address={"line_1": "Kerkstraat 1", "postal_code": "9000", "city": "Gent", "country": "BE"},
        changed_at=datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC),
    )
    assert values(world, "contact") == {
        "teamleader_id": "a",
        "email": "an@example.com",
        "firstname": "An",
        "lastname": "Peeters",
        "salutation": "Mevrouw",
        "mobilephone": "+32470123456",
        "phone": "+3223456789",
        "jobtitle": "CEO",
        "hs_language": "nl",
        "website": "https://example.com",
        "address": "Kerkstraat 1",
        "zip": "9000",
        "city": "Gent",
        "country": "Belgium",
        "teamleader_opt_out": "true",
        "teamleader_marketing": "false",
        "teamleader_status": "active",
        "teamleader_changed_at": "2026-03-01T12:30:15.123Z",
        "teamleader_url": "https://t.example/a",
    }


def test_a_contact_with_nothing_is_empty_not_left_out() -> None:
    world = World()
    world.contact(
        "a", first_name=None, last_name=None, changed_at=None, web_url=None, telephones=[], primary_address=None
    )
    row = values(world, "contact")
    filled = {"teamleader_id", "email", "teamleader_opt_out", "teamleader_marketing", "teamleader_status"}
    assert {name for name, value in row.items() if value} == filled
    assert {value for name, value in row.items() if name not in filled} == {""}


def test_a_company_with_everything() -> None:
    world = World()
    world.company(
        "k",
        vat="BE0899623035",
        domain="bakkerij.example",
        name=" Bakkerij BV ",
        vat_number="BE 0899.623.035",
        website="www.bakkerij.example/nl",
        emails=[
            {"type": "invoicing", "email": "x@bakkerij.example"},
            {"type": "primary", "email": "Info@bakkerij.example"},
        ],
        telephones=[{"type": "phone", "number": "010 123 45 67"}],
        primary_address={"line_1": "Dam 1", "postal_code": "1012", "city": "Amsterdam", "country": "NL"},
        business_type_id="b1",
        responsible_user_id="u1",
        web_url="https://t.example/k",
    )
    assert values(world, "company") == {
        "teamleader_id": "k",
        "name": "Bakkerij BV",
        "vat_number": "BE0899623035",
        "domain": "bakkerij.example",
        "website": "https://www.bakkerij.example/nl",
        "teamleader_email": "Info@bakkerij.example",
        "phone": "+31101234567",
        "address": "Dam 1",
        "zip": "1012",
        "city": "Amsterdam",
        "country": "Netherlands",
        "teamleader_business_type": "BV",
        "hubspot_owner_id": "901",
        "teamleader_status": "active",
        "teamleader_url": "https://t.example/k",
    }


def test_a_lost_deal_with_everything() -> None:
    world = World()
    world.deal(
        "d",
        deal_status="lost",
        label=None,
        title="Roll-out",
        reference="2026/17",
        estimated_value_amount="12500.10",
        estimated_value_currency="EUR",
        estimated_closing_date="2026-12-31",
        closed_at=datetime(2026, 10, 1, 8, tzinfo=UTC),
        responsible_user_id="u1",
        source_id="s1",
        lost_reason_id="l1",
        lost_reason_remark=" too dear ",
    )
    row = values(world, "deal")
    assert row["dealname"] == "Roll-out" and row["teamleader_reference"] == "2026/17"
    assert (row["amount"], row["deal_currency_code"]) == ("12500.1", "EUR")
    assert (row["pipeline"], row["dealstage"], row["closedate"]) == ("default", "s-lost", "2026-10-01T08:00:00.000Z")
    assert row["createdate"] == row["teamleader_created_at"] == "2026-01-01T00:00:00.000Z"
    assert row["teamleader_updated_at"] == "2026-01-02T00:00:00.000Z"
    assert (row["teamleader_status"], row["teamleader_label"]) == ("lost", "")
    assert (row["closed_lost_reason"], row["teamleader_source"]) == ("Price, too dear", "Fair")
    assert row["hubspot_owner_id"] == "901"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"lost_reason_id": "l1"}, "Price"),
        ({"lost_reason_remark": "too dear"}, "too dear"),
        ({"lost_reason_id": "unknown"}, ""),
        ({}, ""),
    ],
)
def test_lost_reason(fields: dict[str, Any], expected: str) -> None:
    world = World()
    world.deal("d", **fields)
    assert values(world, "deal")["closed_lost_reason"] == expected


def test_a_new_deal_is_open_and_closes_on_its_estimated_day() -> None:
    world = World()
    world.deal("d", deal_status="new", estimated_closing_date="2026-12-31", label="inactief")
    row = values(world, "deal")
    assert (row["teamleader_status"], row["dealstage"], row["teamleader_label"]) == ("open", "s-new", "inactief")
    assert row["closedate"] == "2026-12-31T00:00:00.000Z"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"title": " ", "reference": "2026/1"}, "2026/1"),
        ({"title": None, "reference": " "}, "Teamleader d"),
        ({"title": "T", "reference": "2026/1"}, "T"),
    ],
)
def test_deal_title_falls_back(fields: dict[str, Any], expected: str) -> None:
    world = World()
    world.deal("d", **fields)
    assert values(world, "deal")["dealname"] == expected


@pytest.mark.parametrize(
    ("name", "domain", "expected"),
    [("", "acme.example", "acme.example"), (None, None, "Teamleader k"), ("A", "b.example", "A")],
)
def test_company_name_falls_back(name: str | None, domain: str | None, expected: str) -> None:
    world = World()
    world.company("k", name=name, domain=domain)
    assert values(world, "company")["name"] == expected


def test_a_long_value_is_cut_and_told() -> None:
    world = World()
    world.company("k", name="é" * (MAX_LENGTH + 1))
    world.company("l", name="é" * MAX_LENGTH)
    found = state(world, "company")
    assert found.frame["name"].str.len_chars().to_list() == [MAX_LENGTH, MAX_LENGTH]
    assert found.notices.select("code", "teamleader_id").rows() == [("truncated", "k")]


def test_what_the_portal_cannot_take_is_left_out_and_told() -> None:
    world = World()
    world.contact("a", language="xx")
    world.deal("d", estimated_value_amount="5", estimated_value_currency="XYZ", responsible_user_id="u2")
    contact, deal = state(world, "contact"), state(world, "deal")
    assert contact.frame["hs_language"].to_list() == [None]
    assert contact.notices.select("code", "teamleader_id").rows() == [("language_not_in_portal", "a")]
    assert deal.frame.select("amount", "deal_currency_code", "hubspot_owner_id").row(0) == (None, None, None)
    assert deal.notices.select("code", "teamleader_id").rows() == [
        ("currency_not_in_portal", "d"),
        ("owner_not_found", "d"),
    ]


def test_notices_hold_no_personal_data() -> None:
    world = World()
    world.contact("a", language="secret")
    world.deal("d", estimated_value_amount="5", estimated_value_currency="SECRET", responsible_user_id="u2")
    for kind in ("contact", "deal"):
        messages = " ".join(state(world, kind).notices["message"])
        assert "secret" not in messages.lower() and "example.com" not in messages


def test_an_unmapped_phase_leaves_pipeline_and_stage_out_and_keeps_the_rest() -> None:
    world = World()
    world.deal("d", status="held", reason="unmapped_stage", current_phase_id="gone")
    row = values(world, "deal")
    assert (row["pipeline"], row["dealstage"], row["dealname"]) == (None, None, "Deal d")


def test_custom_fields_by_label_or_id() -> None:
    world = with_rows(
        FieldRule("contact", "custom_fields[segment]", "segment"),
        FieldRule("contact", "custom_fields[c1]", "segment_id"),
        FieldRule("contact", "custom_fields[Nope]", "nope"),
    )
    world.contact("a", custom_fields=[{"id": "other", "value": "x"}, {"id": "c1", "value": " Gold "}])
    world.contact("b", custom_fields=[])
    world.contact("c", custom_fields=[{"id": "c1", "value": None}])
    frame = state(world, "contact").frame
    assert frame["segment"].to_list() == ["Gold", "", ""]
    assert frame["segment_id"].to_list() == ["Gold", "", ""]
    assert frame["nope"].to_list() == ["", "", ""]


def test_every_fixed_source_can_be_read() -> None:
    for kind in ("contact", "company", "deal"):
        names = [s for s in source_names(kind) if not s.startswith("custom_fields")]
        rows = tuple(FieldRule(kind, source, f"x{n}") for n, source in enumerate(names))
        world = World(Mapping(rows))
        {"contact": world.contact, "company": world.company, "deal": world.deal}[kind]("a")
        frame = state(world, kind).frame
        assert frame.width == len(rows) + 1 and frame.null_count().sum_horizontal().item() == 0
        assert all(is_source(kind, source) for source in names)


def test_only_eligible_records_that_exist_are_desired() -> None:
    world = World()
    world.contact("a")
    world.contact("b", status="skip")
    world.contact("c")
    world.source["contact"]["c"]["deleted_at"] = datetime(2026, 1, 1, tzinfo=UTC)
    assert state(world, "contact").frame[KEY].to_list() == ["a"]


def test_marked_records_get_their_status_and_contacts_no_marketing() -> None:
    ids = pl.Series(["b", "a"])
    contact = marked("contact", ids, "out_of_scope", default_mapping(), portal())
    assert contact.to_dicts() == [
        {KEY: id_, "teamleader_status": "out_of_scope", "teamleader_marketing": "false"} for id_ in ("a", "b")
    ]
    deal = marked("deal", ids, "deleted", default_mapping(), portal())
    assert deal.columns == [KEY, "teamleader_status"] and set(deal["teamleader_status"]) == {"deleted"}


def test_control_characters_and_quotes_survive_as_json() -> None:
    world = World()
    name = 'A "quoted" \\ name\twith\nlines \x01 and é 漢'
    world.company("k", name=name)
    plan = world.plan("company")
    fields = plan.changes["fields"].item()
    assert json.loads(fields)["name"]["new"] == name
    assert fields == json.dumps(json.loads(fields), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
