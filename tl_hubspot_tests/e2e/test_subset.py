"""Every edge case of the rules, end to end: the subset's hand-written expectations against what the systems hold."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from tl_hubspot.sandbox.worlds import Case, world
from tl_hubspot_tests.e2e.conftest import Make, Product

CASES = world("subset").cases
TYPES = {"contact": "contacts", "company": "companies", "deal": "deals"}


@pytest.fixture(scope="module")
def synced(make: Make) -> Product:
    """The subset after its first sync."""
    product = make("subset")
    finished = product.run()
    assert finished.exit_code == 0, finished.run
    return product


def _record(product: Product, case: Case) -> dict[str, Any] | None:
    if "hubspot_id" in case.expected:
        return product.systems.hubspot.get(TYPES[case.entity], case.expected["hubspot_id"])
    if "untouched" in case.expected:
        return product.systems.hubspot.get(TYPES[case.entity], case.expected["untouched"])
    return product.hubspot(TYPES[case.entity], case.teamleader_id)


def _of(kind: str) -> list[Any]:
    return [pytest.param(c, id=c.name) for c in CASES if kind in c.expected]


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c.name) for c in CASES if {"status", "reason"} & c.expected.keys()]
)
def test_decision(synced: Product, case: Case) -> None:
    if case.expected.get("bucket") == "held":
        assert synced.outcome(case.entity, case.teamleader_id)["reason"] == case.expected["reason"]
        return
    rows = synced.read(f"select * from decisions.{TYPES[case.entity]}")
    row = next(r for r in rows.iter_rows(named=True) if r["teamleader_id"] == case.teamleader_id)
    for name in ("status", "reason", "duplicate_of"):
        if name in case.expected:
            assert row[name] == case.expected[name], case.story


@pytest.mark.parametrize("case", _of("bucket"))
def test_bucket(synced: Product, case: Case) -> None:
    assert synced.outcome(case.entity, case.teamleader_id)["bucket"] == case.expected["bucket"], case.story


@pytest.mark.parametrize("case", _of("hubspot_id"))
def test_matched_to_the_record_that_was_there(synced: Product, case: Case) -> None:
    links = synced.read(f"select teamleader_id, hubspot_id from sync.links where entity_type = '{case.entity}'")
    assert dict(links.iter_rows()).get(case.teamleader_id) == case.expected["hubspot_id"], case.story


@pytest.mark.parametrize("case", _of("not_hubspot_id"))
def test_not_matched_to_a_wrong_record(synced: Product, case: Case) -> None:
    links = synced.read(f"select teamleader_id, hubspot_id from sync.links where entity_type = '{case.entity}'")
    assert dict(links.iter_rows()).get(case.teamleader_id) != case.expected["not_hubspot_id"], case.story


@pytest.mark.parametrize("case", _of("properties"))
def test_properties(synced: Product, case: Case) -> None:
    record = _record(synced, case)
    assert record is not None, case.story
    for name, value in case.expected["properties"].items():
        assert (record["properties"].get(name) or None) == value, f"{name}: {case.story}"


@pytest.mark.parametrize("case", _of("untouched"))
def test_untouched(synced: Product, case: Case) -> None:
    record_id = case.expected["untouched"]
    bodies = [w["body"] for w in synced.writes() if f"/objects/{TYPES[case.entity]}/" in w["path"]]
    inputs = [i for b in bodies if isinstance(b, dict) for i in b.get("inputs", [])]
    assert all(i.get("id") != record_id for i in inputs), case.story


@pytest.mark.parametrize("case", _of("unsubscribed"))
def test_unsubscribed(synced: Product, case: Case) -> None:
    expected = case.expected["unsubscribed"]
    if expected:
        for address in expected:
            assert any(address in json.dumps(w) or _quoted(address) in w["path"] for w in _unsubscribes(synced)), (
                case.story
            )
        return
    rows = synced.read("select teamleader_id from sync.log where action = 'unsubscribe'")
    assert case.teamleader_id not in rows["teamleader_id"].to_list(), case.story


def _unsubscribes(product: Product) -> list[dict[str, Any]]:
    return [w for w in product.writes() if "unsubscribe-all" in w["path"]]


def _quoted(address: str) -> str:
    return address.replace("@", "%40")


@pytest.mark.parametrize("case", _of("asked"))
def test_marketing_is_not_asked(synced: Product, case: Case) -> None:
    rows = synced.read("select teamleader_id from sync.marketing_requests")
    assert (case.teamleader_id in rows["teamleader_id"].to_list()) is case.expected["asked"], case.story


def _found(product: Product, case: Case, to_type: str) -> list[tuple[str, list[int]]]:
    """Associated records as `teamleader:<id>` or `hubspot:<id>`, with their association types."""
    sandbox = product.systems.hubspot
    from_type, record = next(
        (kind, found)
        for kind in TYPES.values()
        for found in [product.hubspot(kind, case.teamleader_id) or _before(product, case, kind)]
        if found is not None
    )
    names = []
    for association in sandbox.associations(from_type, record["id"], to_type):
        carried = sandbox.get(to_type, association["id"])["properties"].get("teamleader_id")
        names.append((f"teamleader:{carried}" if carried else f"hubspot:{association['id']}", association["types"]))
    return names


def _before(product: Product, case: Case, object_type: str) -> dict[str, Any] | None:
    if "hubspot_id" not in case.expected:
        return None
    return product.systems.hubspot.get(object_type, case.expected["hubspot_id"])


@pytest.mark.parametrize("case", _of("associations") + _of("company_primary"))
def test_associations(synced: Product, case: Case) -> None:
    for to_type, expected in case.expected.get("associations", {}).items():
        assert {name for name, _ in _found(synced, case, to_type)} == set(expected), case.story
    if "company_primary" in case.expected:
        primary = [name for name, types in _found(synced, case, "companies") if 1 in types]
        assert primary == [case.expected["company_primary"]], case.story


REPORTED_BY_CHECK = {
    "opted_out_without_address": "select teamleader_id from decisions.contacts"
    " where reason = 'no_email' and not consent",
    "ambiguous_company_group": "select teamleader_id from decisions.companies where len(also_fits) > 0",
}


@pytest.mark.parametrize("case", _of("report"))
def test_reported(synced: Product, case: Case) -> None:
    code = case.expected["report"]
    if code in REPORTED_BY_CHECK:
        assert case.teamleader_id in synced.read(REPORTED_BY_CHECK[code])["teamleader_id"].to_list(), case.story
        return
    notices = synced.read("sync.notices").rows(named=True)
    assert any(n["code"] == code and n["teamleader_id"] == case.teamleader_id for n in notices), case.story


def test_second_run_writes_nothing_and_buckets_add_up(synced: Product) -> None:
    synced.forget()
    finished = synced.run()
    assert finished.exit_code == 0
    assert synced.writes() == []
    buckets = synced.read(
        "select entity_type, count(*) n, count(distinct teamleader_id) d from sync.outcomes group by all"
    )
    assert {row[0]: row[1:] for row in buckets.iter_rows()} == {
        "contact": (50, 50),
        "company": (10, 10),
        "deal": (10, 10),
    }
    assert (
        synced.read("select count(*) from sync.outcomes where bucket in ('created', 'updated', 'failed')").item() == 0
    )


def test_a_run_in_which_nothing_changed_computes_nothing_and_says_the_same(synced: Product) -> None:
    synced.run()
    tables = ("decisions.contacts", "decisions.companies", "decisions.deals")
    before = {table: synced.read(f"select * exclude (as_of) from {table}") for table in tables}
    outcomes = synced.read("select * exclude (run_id) from sync.outcomes order by all")
    notices = synced.read("select * from sync.notices where found_by = 'plan' order by all")
    made = synced.read("select name, run_id from sync.made_of where name <> 'sync.plan' order by name")
    synced.forget()
    finished = synced.run(as_of="2026-11-02T18:00:00+01:00")
    assert synced.writes() == [] and finished.exit_code == 0
    assert synced.read("select name, run_id from sync.made_of where name <> 'sync.plan' order by name").equals(made)
    for table, frame in before.items():
        assert synced.read(f"select * exclude (as_of) from {table}").sort(pl.all()).equals(frame.sort(pl.all()))
        assert synced.read(f"select distinct as_of from {table}").item() == finished.run["as_of"]
    assert synced.read("select * exclude (run_id) from sync.outcomes order by all").equals(outcomes)
    assert synced.read("select distinct run_id from sync.outcomes").item() == finished.run["run_id"]
    assert notices.height
    assert synced.read("select * from sync.notices order by all").equals(notices)


def test_every_record_has_a_row_in_the_log(synced: Product) -> None:
    logged = synced.read("select distinct entity_type, teamleader_id from sync.log where entity_type <> 'relation'")
    assert logged.height == 70
    lines = (synced.data / "logs" / "sync.jsonl").read_text().splitlines()
    assert len(lines) == synced.read("select count(*) from sync.log").item()
    assert "@" not in "".join(lines), "the log holds no addresses"
