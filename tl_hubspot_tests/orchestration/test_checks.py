"""Every check with input that passes and input that fails; a failing blocking check is an error, all others warn."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tl_hubspot.orchestration import checks as checking
from tl_hubspot.orchestration.checks import CHECKS
from tl_hubspot.orchestration.resources import WarehouseResource
from tl_hubspot.warehouse.rows import frame_of, polars_schema
from tl_hubspot.warehouse.store import Warehouse

pytestmark = pytest.mark.usefixtures("stays_open")

NOW = datetime(2026, 11, 2, 11, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC)
OF_EACH_STREAM = ("unreadable_dates", "rejected")
BY_NAME = {f"{s.asset_key.path[0]}.{s.name}": (c, s) for c in CHECKS for s in c.check_specs if s.name in OF_EACH_STREAM}
BY_NAME |= {s.name: (c, s) for c in CHECKS for s in c.check_specs if s.name not in OF_EACH_STREAM}

LOOKED_AT_EACH_TIME = {key for c in CHECKS for key in c.check_keys if key.asset_key.path == ["plan"]}

Rows = dict[str, list[dict[str, Any]]]


def contact(id: str, **values: Any) -> dict[str, Any]:
    return {"teamleader_id": id, "status": "skip", "reason": "no_date", "as_of": NOW} | values


def run(**values: Any) -> Rows:
    stored = {k: json.dumps(v) for k, v in values.items()}
    return {"sync.runs": [{"run_id": "r", "started_at": NOW, "status": "running"} | stored]}


def limit(name: str, exceeded: bool) -> Rows:
    return run(limits=[{"name": name, "value": 7, "maximum": 5, "exceeded": exceeded, "sentence": "…"}])


FINE = contact("1", status="marketing", reason="changed_within_2_years", address="a@example.be", changed_at=NOW)
COMPANY = {"teamleader_id": "1", "status": "sync", "reason": "eligible_contact", "group_id": "1", "vat": "BE1"}
DEAL = {"teamleader_id": "1", "status": "sync", "reason": "closed"}
NOTICE = {"entity_type": "company", "teamleader_id": "1", "hubspot_id": None, "message": "…", "found_by": "plan"}
LINK = {"contact_id": "1", "company_id": "2"}
REJECTED = {"stream": "deals", "record": "text 1", "field": "", "reason": "It has no id", "is_loaded": False}
KNOWN = {"teamleader.contacts": [{"id": "1", "payload": "{}"}], "teamleader.companies": [{"id": "2", "payload": "{}"}]}

# name of the check → tables that pass, tables that fail
CASES: dict[str, tuple[Rows, Rows]] = {
    "duplicate_addresses": (
        {"decisions.contacts": [FINE]},
        {
            "decisions.contacts": [
                FINE,
                contact("2", reason="duplicate_email", duplicate_of="1", address="a@example.be"),
            ]
        },
    ),
    "opt_outs_without_address": (
        {"decisions.contacts": [contact("1", reason="no_email", consent=True)]},
        {"decisions.contacts": [contact("1", reason="no_email", consent=False, opted_out=True)]},
    ),
    "contacts_without_date": ({"decisions.contacts": [FINE]}, {"decisions.contacts": [contact("1")]}),
    "future_dates": ({"decisions.contacts": [FINE]}, {"decisions.contacts": [FINE | {"changed_at": LATER}]}),
    "missing_vat": (
        {"teamleader.companies": [{"id": "1", "vat_number": "BE 0403.170.701"}]},
        {"teamleader.companies": [{"id": "1", "vat_number": None}]},
    ),
    "invalid_vat": (
        {"teamleader.companies": [{"id": "1", "vat_number": None}], "decisions.companies": [COMPANY | {"vat": None}]},
        {"teamleader.companies": [{"id": "1", "vat_number": "123"}], "decisions.companies": [COMPANY | {"vat": None}]},
    ),
    "companies_sharing_vat": (
        {"decisions.companies": [COMPANY]},
        {"decisions.companies": [COMPANY, COMPANY | {"teamleader_id": "2", "joined_by": "vat", "duplicate_of": "1"}]},
    ),
    "companies_fitting_several_groups": (
        {"decisions.companies": [COMPANY | {"also_fits": []}]},
        {"decisions.companies": [COMPANY | {"also_fits": ["2"]}]},
    ),
    "deals_without_contact": (
        {"decisions.deals": [DEAL]},
        {"decisions.deals": [DEAL | {"status": "skip", "reason": "no_contact"}]},
    ),
    "unmapped_stages": (
        {"decisions.deals": [DEAL]},
        {"decisions.deals": [DEAL | {"status": "held", "reason": "unmapped_stage"}]},
    ),
    "links_to_unknown_ids": (
        KNOWN | {"teamleader.contact_company_links": [LINK]},
        KNOWN | {"teamleader.contact_company_links": [LINK | {"company_id": "3"}]},
    ),
    "ambiguous_company_match": (
        {"sync.notices": [NOTICE | {"code": "email_taken"}]},
        {"sync.notices": [NOTICE | {"code": "ambiguous_company_match"}]},
    ),
    "teamleader.unreadable_dates": (
        {"teamleader.deals": [{"id": "1", "created_at": NOW, "payload": '{"closed_at": null}'}]},
        {"teamleader.deals": [{"id": "1", "created_at": NOW, "payload": '{"closed_at": "soon"}'}]},
    ),
    "teamleader.rejected": (
        {"teamleader.rejected": [REJECTED | {"stream": "contacts"}]},
        {"teamleader.rejected": [REJECTED]},
    ),
    "protected_fields": (limit("protected_fields", False), limit("protected_fields", True)),
    "vanished_records": (limit("creates", True), limit("vanished", True)),
    "duplicate_teamleader_ids": (limit("creates", True), limit("duplicate_teamleader_ids", True)),
    "within_limits": (limit("vanished", True), limit("unsubscribes", True)),
}


def checked(name: str, tables: Rows, folder: Path, loaded_at: datetime = NOW) -> Any:
    warehouse = WarehouseResource(database=str(folder / "tl_hubspot.duckdb"))
    for table, rows in tables.items():
        stamp = {"_loaded_at": loaded_at} if "_loaded_at" in polars_schema(table) else {}
        warehouse.store.append(table, frame_of(table, [row | stamp for row in rows]))
    checks, spec = BY_NAME[name]
    results = list(checks(warehouse=warehouse))  # type: ignore[call-overload]
    assert {(r.asset_key, r.check_name) for r in results} == {(s.asset_key, s.name) for s in checks.check_specs}
    return next(r for r in results if (r.asset_key, r.check_name) == (spec.asset_key, spec.name))


def test_every_check_has_a_case() -> None:
    assert set(CASES) == set(BY_NAME)


@pytest.mark.parametrize("name", CASES)
def test_passes(name: str, tmp_path: Path) -> None:
    result = checked(name, CASES[name][0], tmp_path)
    assert result.passed
    assert result.metadata["offending"].value == 0


@pytest.mark.parametrize("name", CASES)
def test_fails(name: str, tmp_path: Path) -> None:
    result = checked(name, CASES[name][1], tmp_path)
    assert not result.passed
    assert result.metadata["offending"].value >= 1
    blocking = BY_NAME[name][1].blocking
    assert result.severity is (dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN)
    assert "@" not in str(result.metadata["records"]), "no addresses in what Dagster stores"


@pytest.mark.parametrize("name", CASES)
def test_passes_on_an_empty_database(name: str, tmp_path: Path) -> None:
    assert checked(name, {}, tmp_path).passed


@pytest.mark.parametrize("name", CASES)
def test_finds_what_came_since_and_else_says_the_same_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checked(name, CASES[name][0], tmp_path).passed
    warehouse = Warehouse(tmp_path / "tl_hubspot.duckdb")
    for table in CASES[name][0]:
        warehouse.replace(table, frame_of(table, []))
    found = checked(name, CASES[name][1], tmp_path, LATER)
    assert not found.passed
    if not BY_NAME[name][0].check_keys <= LOOKED_AT_EACH_TIME:
        monkeypatch.setattr(checking, "Tables", None)
    again = checked(name, {}, tmp_path)
    assert (again.passed, again.metadata) == (found.passed, found.metadata)
