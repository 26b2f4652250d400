"""The memory of a push on DuckDB: links with their shadows, opt-outs, relations, log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.warehouse.store import Warehouse

NOW = datetime(2026, 11, 2, 11, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "tl_hubspot.duckdb")


@pytest.fixture
def ledger(warehouse: Warehouse, tmp_path: Path) -> WarehouseLedger:
    return WarehouseLedger(warehouse, tmp_path / "sync.jsonl")


def link(teamleader_id: str, hubspot_id: str, run_id: str = "run", kind: str = "contact") -> dict[str, Any]:
    pair = {"entity_type": kind, "teamleader_id": teamleader_id, "hubspot_id": hubspot_id}
    return pair | {"first_run": run_id, "last_run": run_id}


def shadow(
    teamleader_id: str, fields: dict[str, Any], written: dict[str, Any], kind: str = "contact"
) -> dict[str, Any]:
    row = {"entity_type": kind, "teamleader_id": teamleader_id, "run_id": "run"}
    return row | {"fields": json.dumps(fields), "written": json.dumps(written)}


def shadows(warehouse: Warehouse) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    rows = warehouse.read("select teamleader_id, fields, written from sync.shadows").iter_rows()
    return {id_: (json.loads(fields), json.loads(written)) for id_, fields, written in rows}


def links(warehouse: Warehouse) -> dict[str, str]:
    return dict(warehouse.read("select teamleader_id, hubspot_id from sync.links").iter_rows())


def test_a_hubspot_record_that_goes_to_another_takes_what_was_pushed_to_it_along(
    warehouse: Warehouse, ledger: WarehouseLedger
) -> None:
    ledger.link([link("loser", "1"), link("company", "1", kind="company")])
    ledger.shadow([shadow("loser", {"email": "a@voorbeeld.be", "phone": "1"}, {"phone": "1"})])
    ledger.shadow([shadow("company", {"name": "Acme"}, {}, kind="company")])
    ledger.link([link("winner", "1", "later")])
    # the address was blocked and is not part of what is confirmed: the old one stays known
    ledger.shadow([shadow("winner", {"phone": None, "city": "Gent"}, {"city": "Gent"})])
    assert links(warehouse) == {"winner": "1", "company": "1"}
    assert shadows(warehouse) == {
        "winner": ({"email": "a@voorbeeld.be", "city": "Gent"}, {"phone": "1", "city": "Gent"}),
        "company": ({"name": "Acme"}, {}),
    }


def test_own_memory_counts_more_than_that_of_a_record_merged_into_it(
    warehouse: Warehouse, ledger: WarehouseLedger
) -> None:
    ledger.link([link("a", "1"), link("b", "2")])
    ledger.shadow([shadow("a", {"city": "Gent"}, {"city": "Gent"}), shadow("b", {"city": "Aalst"}, {"zip": "9300"})])
    ledger.link([link("b", "1", "later")])
    assert links(warehouse) == {"b": "1"}
    assert shadows(warehouse) == {"b": ({"city": "Aalst"}, {"city": "Gent", "zip": "9300"})}


@pytest.mark.parametrize(
    ("hubspot_id", "matched_by", "story"),
    [
        ("1", "link", ("first", "email")),  # written again
        ("1", "teamleader_id", ("first", "email")),  # found by the id that the sync itself put there
        ("2", "link", ("first", "email")),  # HubSpot merged its record into another
        ("2", "created", ("second", "created")),  # made again after it was released
        ("2", "duplicate", ("second", "duplicate")),  # the record of a duplicate that went
    ],
)
def test_a_link_remembers_how_the_pair_came_about(
    warehouse: Warehouse, ledger: WarehouseLedger, hubspot_id: str, matched_by: str, story: tuple[str, str]
) -> None:
    ledger.link([link("a", "1", "first") | {"matched_by": "email"}])
    ledger.link([link("a", hubspot_id, "second") | {"matched_by": matched_by}])
    row = warehouse.read("select hubspot_id, last_run, first_run, matched_by from sync.links").row(0)
    assert row == (hubspot_id, "second", *story)


def test_addresses_unsubscribed_earlier_stay_known(warehouse: Warehouse, ledger: WarehouseLedger) -> None:
    row = {"address": "a@voorbeeld.be", "run_id": "run", "at": NOW}
    ledger.opt_out([row | {"unsubscribed": ["a@voorbeeld.be"]}])
    ledger.opt_out([row | {"unsubscribed": ["privaat@voorbeeld.be"]}])
    stored = warehouse.read("select unsubscribed from sync.opt_outs").item()
    assert list(stored) == ["a@voorbeeld.be", "privaat@voorbeeld.be"]


def test_what_fails_inside_a_block_leaves_nothing(
    warehouse: Warehouse, ledger: WarehouseLedger, tmp_path: Path
) -> None:
    entry = {"timestamp": NOW, "run_id": "run", "entity_type": "contact", "teamleader_id": "a", "action": "create"}
    with pytest.raises(RuntimeError), ledger.together():
        ledger.link([link("a", "1")])
        ledger.log([entry])
        raise RuntimeError
    assert links(warehouse) == {} and warehouse.count("sync.log") == 0
    assert not (tmp_path / "sync.jsonl").exists()
    ledger.log([entry])
    assert warehouse.count("sync.log") == 1
    assert json.loads((tmp_path / "sync.jsonl").read_text())["teamleader_id"] == "a"


def test_a_record_that_is_written_twice_in_one_go_is_merged_in_that_order(
    warehouse: Warehouse, ledger: WarehouseLedger
) -> None:
    first = shadow("a", {"city": "Gent", "fax": None}, {"city": "Gent", "phone": "1"})
    second = shadow("a", {"city": "Aalst", "zip": "9300"}, {"city": None})
    ledger.shadow([first, shadow("b", {"city": "Mons"}, {}), second])
    both = {"a": ({"city": "Aalst", "zip": "9300"}, {"phone": "1"}), "b": ({"city": "Mons"}, {})}
    assert shadows(warehouse) == both
    ledger.shadow([shadow("b", {"city": None}, {"zip": "7000"})])
    assert shadows(warehouse) == both | {"b": ({}, {"zip": "7000"})}


def test_the_log_file_says_when_as_the_table_does(
    warehouse: Warehouse, ledger: WarehouseLedger, tmp_path: Path
) -> None:
    ledger.log([{"timestamp": NOW.replace(microsecond=5), "run_id": "run", "action": "skip"}])
    line = json.loads((tmp_path / "sync.jsonl").read_text())
    assert line["timestamp"] == "2026-11-02T11:00:00.000005Z"
    assert datetime.fromisoformat(line["timestamp"]) == warehouse.read("select timestamp from sync.log").item()
