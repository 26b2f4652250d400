"""Rows of the mirror tables: the columns of the schema, archived records, merged ids, associations, definitions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from tl_hubspot.hubspot import mirror
from tl_hubspot.sandbox.hubspot.profile import Profile
from tl_hubspot.warehouse.schema import table
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.hubspot.support import portal as open_portal

INTERNAL = ["_loaded_at", "_run_id"]


def flat(batches: Iterator[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch]


def everything(portal: Portal, entity_type: str, *properties: str) -> list[dict[str, Any]]:
    wanted = mirror.Wanted(entity_type, properties)
    return [r for archived in (False, True) for r in flat(mirror.read_list(portal.gateway, wanted, archived=archived))]


def columns(name: str) -> set[str]:
    return {c for c in table(name).column_names if c not in INTERNAL}


def test_contacts(ready: Portal) -> None:
    ready.sandbox.load_objects(
        "contacts",
        [
            {
                "id": "501",
                "properties": {"email": "Ann@Example.be", "firstname": "Ann", "teamleader_id": "tl-1"},
                "secondary_emails": ["ann@old.be", "ann@older.be"],
                "marketable": True,
                "createdAt": "2020-01-02T03:04:05.000Z",
            },
            {"id": "502", "properties": {"email": "bob@example.be"}, "opted_out": True},
            {"id": "503", "properties": {"firstname": "No address"}, "archived": True},
        ],
    )
    rows = {r["id"]: r for r in everything(ready, "contact", "firstname", "not_defined")}
    assert set(rows) == {"501", "502", "503"}
    assert all(set(r) == columns("hubspot.contacts") for r in rows.values())
    ann, bob, gone = rows["501"], rows["502"], rows["503"]
    assert (ann["email"], ann["secondary_emails"]) == ("ann@example.be", ["ann@old.be", "ann@older.be"])
    assert (ann["teamleader_id"], ann["marketable"], ann["opted_out"]) == ("tl-1", True, False)
    assert ann["createdate"] == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert msgspec.json.decode(ann["properties"])["firstname"] == "Ann"
    assert (bob["marketable"], bob["opted_out"], bob["secondary_emails"]) == (False, True, [])
    assert gone["archived"] and gone["email"] is None and not ann["archived"]


def test_a_first_run_meets_no_own_properties(portal: Portal) -> None:
    portal.sandbox.load_objects("companies", [{"properties": {"name": "Acme"}}])
    (row,) = everything(portal, "company", "vat_number", "teamleader_status")
    assert row["teamleader_id"] is None and row["vat_number"] is None and row["name"] == "Acme"


@pytest.mark.parametrize("changes_id", [True, False])
def test_merged_ids(ready: Portal, changes_id: bool) -> None:
    ready.sandbox.set_switches(merge_changes_id=changes_id)
    ready.sandbox.load_objects("contacts", [{"id": str(i), "properties": {"firstname": str(i)}} for i in (601, 602)])
    survivor = ready.sandbox.merge("contacts", "601", "602")
    (row,) = [r for r in everything(ready, "contact") if not r["archived"]]
    assert row["id"] == survivor and set(row["merged_ids"]) == {"601", "602"} - {survivor}


@pytest.mark.parametrize("follows", [True, False])
@pytest.mark.parametrize("changes_id", [True, False])
def test_whether_records_exist(ready: Portal, changes_id: bool, follows: bool) -> None:
    ready.sandbox.set_switches(merge_changes_id=changes_id, batch_read_follows_merges=follows)
    given = [{"id": str(i), "properties": {"firstname": str(i)}} for i in range(601, 606)]
    ready.sandbox.load_objects("contacts", given)
    ready.sandbox.archive("contacts", "603")
    ready.sandbox.gdpr_delete("604")
    survivor = ready.sandbox.merge("contacts", "601", "602")
    asked = ["601", "602", "603", "604", "605", "999"]
    found = mirror.look_up(ready.gateway, mirror.Wanted("contact"), asked)
    assert {r["id"]: r["archived"] for r in found.rows} == {survivor: False, "603": True, "605": False}
    assert set(found.gone) == {"602", "604", "999"} | ({"601"} if changes_id else set())
    assert mirror.look_up(ready.gateway, mirror.Wanted("contact"), []) == mirror.LookedUp([], [])


def test_by_address_a_record_is_found_by_each_of_its_own(ready: Portal) -> None:
    ready.sandbox.load_objects(
        "contacts", [{"id": "501", "properties": {"email": "ann@example.be"}, "secondary_emails": ["ann@old.be"]}]
    )
    keys = ["ann@example.be", "ann@old.be", *(f"nobody{n}@example.be" for n in range(150))]
    (row,) = mirror.read_by_key(ready.gateway, mirror.Wanted("contact"), keys, "email")
    assert row["id"] == "501" and row["secondary_emails"] == ["ann@old.be"]
    assert ready.calls("/batch/read") == 2


def test_only_the_properties_that_are_needed(ready: Portal) -> None:
    assert len(mirror.Wanted("deal").names) == 4
    list(mirror.read_list(ready.gateway, mirror.Wanted("contact", ("city", "email")), archived=False))
    (asked, _) = (entry for entry in ready.sandbox.log.entries)
    assert sorted(parse_qs(asked["query"])["properties"]) == [
        *("city", "createdate", "email", "hs_additional_emails", "hs_calculated_merged_vids", "hs_email_optout"),
        *("hs_marketable_status", "hs_merged_object_ids", "lastmodifieddate", "teamleader_id"),
    ]


def test_companies_and_deals(ready: Portal) -> None:
    ready.sandbox.load_objects(
        "companies",
        [
            {
                "id": "701",
                "properties": {"name": "Acme", "domain": "acme.be", "hs_additional_domains": "acme.com;acme.eu"}
                | {"vat_number": "BE0899623035"},
            }
        ],
    )
    ready.sandbox.load_objects("deals", [{"id": "801", "properties": {"dealname": "D", "teamleader_id": "d-1"}}])
    (company,) = everything(ready, "company")
    (deal,) = everything(ready, "deal", "amount")
    assert set(company) == columns("hubspot.companies") and set(deal) == columns("hubspot.deals")
    assert company["additional_domains"] == ["acme.com", "acme.eu"] and company["vat_number"] == "BE0899623035"
    assert deal["teamleader_id"] == "d-1"


@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.parametrize("complains", [True, False])
def test_associations(portal: Portal, numeric: bool, complains: bool) -> None:
    portal.sandbox.set_switches(numeric_association_ids=numeric, no_associations_error=complains)
    count = 1205
    portal.sandbox.load_objects("contacts", [{"id": str(i), "properties": {"firstname": "x"}} for i in range(1, count)])
    portal.sandbox.load_objects("companies", [{"id": str(i), "properties": {"name": "x"}} for i in (9001, 9002)])
    portal.sandbox.load_associations(
        "contacts", "companies", [("1", "9001", 279), ("1", "9001", 1), ("1", "9002", 279)]
    )
    portal.sandbox.load_associations("contacts", "companies", [("1200", "9001", 279)])
    ids = [str(i) for i in range(1, count)]
    rows = flat(mirror.read_associations(portal.gateway, "contact", "company", ids))
    assert all(set(r) == columns("hubspot.associations") for r in rows)
    assert sorted((r["from_id"], r["to_id"], r["is_primary"]) for r in rows) == [
        ("1", "9001", True),
        ("1", "9002", False),
        ("1200", "9001", False),
    ]
    assert portal.calls("associations") == 2


def test_a_company_with_more_associations_than_a_page(portal: Portal) -> None:
    portal.sandbox.load_objects("companies", [{"id": "9001", "properties": {"name": "x"}}])
    portal.sandbox.load_objects("contacts", [{"id": str(i), "properties": {"firstname": "x"}} for i in range(1, 1301)])
    portal.sandbox.load_associations("companies", "contacts", [("9001", str(i), 280) for i in range(1, 1301)])
    rows = flat(mirror.read_associations(portal.gateway, "company", "contact", ["9001"]))
    assert {r["to_id"] for r in rows} == {str(i) for i in range(1, 1301)} and len(rows) == 1300


def test_definitions(ready: Portal) -> None:
    ready.sandbox.load_owners([{"id": str(i), "email": f"Owner{i}@example.be"} for i in range(1, 131)])
    found = mirror.read_definitions(ready.gateway)
    for name, rows in (
        ("hubspot.properties", found.properties),
        ("hubspot.pipeline_stages", found.pipeline_stages),
        ("hubspot.owners", found.owners),
        ("hubspot.currencies", found.currencies),
    ):
        assert rows and all(set(r) == columns(name) for r in rows), name
    properties = {(r["object_type"], r["name"]): r for r in found.properties}
    assert properties["contact", "hs_marketable_status"]["read_only"]
    assert not properties["contact", "firstname"]["read_only"]
    assert properties["deal", "teamleader_id"]["unique_value"]
    assert set(properties["contact", "teamleader_status"]["options"]) == {
        "active",
        "deactivated",
        "deleted",
        "out_of_scope",
    }
    stages = {r["stage_id"]: r for r in found.pipeline_stages}
    assert stages["closedwon"]["is_closed"] and float(stages["closedwon"]["probability"]) == 1.0
    assert not stages["appointmentscheduled"]["is_closed"]
    assert len(found.owners) == 130 and found.owners[0]["email"] == found.owners[0]["email"].lower()
    assert {r["code"]: r["is_company_currency"] for r in found.currencies} == {"EUR": True, "GBP": False, "USD": False}
    assert found.account.time_zone == "Europe/Brussels" and found.account.company_currency == "EUR"
    assert found.account.calls_per_day and found.account.calls_today is not None


def test_a_portal_without_the_scope_for_currencies_has_its_own_one() -> None:
    with open_portal(
        Profile(missing_scopes=frozenset({"settings.currencies.read"}), additional_currencies=())
    ) as opened:
        assert mirror.read_definitions(opened.gateway).currencies == [{"code": "EUR", "is_company_currency": True}]


def test_instants() -> None:
    assert mirror.instant("1577934245000") == mirror.instant("2020-01-02T03:04:05Z")
    assert mirror.instant("yesterday") is None and mirror.instant(None) is None
