"""Whole pushes over HTTP: order, accounting, faults, what is remembered and what is not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from tl_hubspot.hubspot.mirror import read_pipeline_stages
from tl_hubspot.pushing.push import PushResult, push
from tl_hubspot.pushing.wire import ProtectedProperty
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.hubspot.support import portal as open_portal
from tl_hubspot_tests.pushing.conftest import SETTINGS, Push
from tl_hubspot_tests.pushing.memory import MemoryLedger, create, marketing, plan, relate, row, unsubscribe, update


def buckets(result: PushResult) -> dict[str, tuple[str, str | None]]:
    return {r["teamleader_id"]: (r["bucket"], r["reason"]) for r in result.outcomes.iter_rows(named=True)}


def contacts(portal: Portal) -> dict[str, dict[str, Any]]:
    """Teamleader id → properties."""
    return {r["properties"].get("teamleader_id"): r["properties"] for r in portal.sandbox.all("contacts")}


def load(portal: Portal, count: int, **properties: str) -> list[str]:
    portal.sandbox.load_objects(
        "contacts",
        [
            {"id": str(1000 + i), "properties": {"email": f"c{i}@example.be", "teamleader_id": f"t{i}"} | properties}
            for i in range(count)
        ],
    )
    return [str(1000 + i) for i in range(count)]


def test_an_empty_plan_is_no_call(portal: Portal, run: Push) -> None:
    result = run()
    assert result.outcomes.is_empty() and result.protected_writes == 0 and portal.calls() == 0
    assert run(row("contact", "t1", "1", "hold")).outcomes.is_empty() and portal.calls() == 0


def test_a_first_import(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    result = run(
        create("company", "k1", name="Acme", domain="acme.be"),
        create("contact", "t1", email="ann@acme.be", teamleader_marketing="true"),
        create("contact", "t2", email="bob@acme.be", teamleader_marketing="false"),
        create("deal", "d1", dealname="Roof", pipeline="teamleader:p1", dealstage="teamleader:ph2"),
        relate("contact", "t1", "company", "k1", primary=True),
        relate("contact", "t2", "company", "k1", primary=True),
        relate("deal", "d1", "contact", "t1"),
        relate("deal", "d1", "company", "k1"),
        unsubscribe("t2", None, "bob@acme.be"),
        marketing("t1", None),
    )
    assert set(buckets(result).values()) == {("created", "test")} and result.outcomes.height == 4
    assert result.failed == 0 and result.protected_writes == 0 and result.stopped is None
    assert result.counts == {"associated": 4, "unsubscribed": 1, "marketing_confirmed": 1}
    ann, bob = contacts(portal)["t1"], contacts(portal)["t2"]
    assert ann["hs_marketable_status"] == "true" and bob["hs_email_optout"] == "true"
    deal = next(portal.sandbox.all("deals"))
    stage = next(s for s in read_pipeline_stages(portal.gateway) if s["stage_label"] == "Offer sent")
    assert deal["properties"]["dealstage"] == stage["stage_id"]
    company = ledger.hubspot_id("company", "k1")
    linked = portal.sandbox.associations("contacts", str(ledger.hubspot_id("contact", "t1")), "companies")
    assert company and company in str(linked)
    assert not ledger.open() and len(ledger.done()) == 10
    assert ledger.shadows["deal", "d1"]["fields"]["dealstage"] == stage["stage_id"]
    assert ledger.shadows["contact", "t1"]["written"]["email"] == "ann@acme.be"
    assert ledger.opt_outs["bob@acme.be"]["unsubscribed"] == ["bob@acme.be"]
    assert ledger.marketing_requests["t1"]["confirmed"] is True
    assert {r["action"] for r in ledger.logged} == {"create", "associate", "unsubscribe", "marketing"}
    assert not re.search(r"@|Roof|Acme", str([r["message"] for r in ledger.logged]))


def test_the_order_of_calls(portal: Portal, run: Push) -> None:
    load(portal, 1)
    run(
        marketing("t9", None),
        unsubscribe("t0", "1000", "c0@example.be"),
        relate("contact", "t0", "company", "k1", ("1000", None)),
        create("deal", "d1", dealname="Roof", pipeline="teamleader:p1", dealstage="teamleader:ph2"),
        create("contact", "t9", email="new@example.be"),
        update("contact", "t0", "1000", firstname="Ann"),
        create("company", "k1", name="Acme"),
    )
    short = r".*/(\w+/batch/\w+|unsubscribe-all|imports)/?.*"
    paths = [re.sub(short, r"\1", e["path"]) for e in portal.sandbox.log.writes()]
    wanted = ["companies/batch/upsert", "contacts/batch/update", "contacts/batch/upsert", "deals/batch/upsert"]
    assert paths[:4] == wanted
    assert [p for p in paths[4:] if "unsubscribe" not in p] == ["companies/batch/associate", "imports"]
    assert "unsubscribe-all" in paths[5:-1]


def test_missing_properties_and_pipelines_are_made_first(ledger: MemoryLedger) -> None:
    with open_portal(property_visibility_seconds=0.5) as fresh:
        deal = create("deal", "d1", dealname="Roof", pipeline="teamleader:p1", dealstage="teamleader:p1:won")
        result = push(plan(deal), fresh.gateway, ledger, SETTINGS)
        assert buckets(result) == {"d1": ("created", "test")} and result.provisioned.created


def test_large_plans_go_in_batches_of_100_and_every_row_has_one_outcome(
    portal: Portal, ledger: MemoryLedger, run: Push
) -> None:
    ids = load(portal, 250)
    rows = [update("contact", f"t{i}", hubspot_id, firstname=f"n{i}") for i, hubspot_id in enumerate(ids)]
    rows += [create("contact", f"new{i}", email=f"new{i}@example.be") for i in range(130)]
    result = run(*rows)
    assert sorted(b for b, _ in buckets(result).values()) == ["created"] * 130 + ["updated"] * 250
    assert portal.calls("batch/update") == 4 and portal.calls("batch/upsert") == 3, "ten of each first"
    assert {c["firstname"] for c in contacts(portal).values() if "firstname" in c} >= {f"n{i}" for i in range(250)}
    inputs = [i for e in portal.sandbox.log.writes() for i in e["body"]["inputs"]]
    assert len({i["objectWriteTraceId"] for i in inputs}) == len(inputs) == 380
    assert not ledger.open()


def test_the_before_image_is_what_hubspot_held_at_that_moment(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, 1, phone="1", firstname="Old")
    portal.sandbox.patch("contacts", "1000", {"phone": "2"})
    run(row("contact", "t0", "1000", "update", {"phone": "3", "firstname": ""}, old={"phone": "1"}))
    (entry,) = ledger.done()
    assert entry["fields"] == '{"firstname":{"after":"","before":"Old"},"phone":{"after":"3","before":"2"}}'


def test_one_bad_record_fails_with_its_reason_and_the_next_run_tries_again(
    portal: Portal, ledger: MemoryLedger, run: Push
) -> None:
    ids = load(portal, 3)
    rows = [update("contact", f"t{i}", hubspot_id, teamleader_status="active") for i, hubspot_id in enumerate(ids)]
    rows[1] = update("contact", "t1", ids[1], teamleader_status="nonsense")
    company = create("company", "k1", name="Acme")
    result = run(
        *rows,
        company,
        relate("contact", "t1", "company", "k1", (ids[1], None)),
        relate("contact", "t2", "company", "k1", (ids[2], None)),
        marketing("t1", ids[1]),
    )
    assert buckets(result)["t1"] == ("failed", "validation_error")
    failed = result.outcomes.row(by_predicate=pl.col("bucket") == "failed", named=True)
    assert "INVALID_OPTION" in failed["message"] and failed["http_status"] == 400
    assert result.counts == {"associated": 1, "relations_skipped": 1, "marketing_skipped": 1}
    assert ("contact", "t1") not in ledger.shadows and ledger.hubspot_id("contact", "t1") is None
    assert {r["state"] for r in ledger.journal.values() if r["teamleader_id"] == "t1"} == {"failed"}
    log = [(r["action"], r["level"], r["reason"]) for r in ledger.logged if r["teamleader_id"] == "t1"]
    assert ("fail", "error", "validation_error") in log and ("skip", "warning", "record_failed") in log


@pytest.mark.parametrize("kind", ["omit", "empty"])
def test_a_2xx_that_leaves_records_out_was_carried_out_after_all(
    portal: Portal, ledger: MemoryLedger, run: Push, kind: Any
) -> None:
    """Written and only left out of the answer: reading back finds it."""
    ids = load(portal, 3)
    for path in ("contacts/batch/update", "contacts/batch/upsert"):
        portal.sandbox.faults.add(Fault(kind, path=path, when="after"))
    result = run(
        *(update("contact", f"t{i}", h, firstname="Ann") for i, h in enumerate(ids)),
        create("contact", "t9", email="new@example.be"),
    )
    assert {b for b, _ in buckets(result).values()} == {"updated", "created"} and not ledger.open()
    assert ledger.hubspot_id("contact", "t9")


@pytest.mark.parametrize("kind", ["omit", "empty"])
def test_a_2xx_that_did_nothing_is_a_failure_of_those_records(
    portal: Portal, ledger: MemoryLedger, run: Push, kind: Any
) -> None:
    (hubspot_id,) = load(portal, 1)
    for path in ("contacts/batch/update", "contacts/batch/upsert"):
        portal.sandbox.faults.add(Fault(kind, path=path))
    result = run(
        update("contact", "t0", hubspot_id, firstname="Ann"),
        create("contact", "t9", email="new@example.be"),
        unsubscribe("t9", None, "new@example.be"),
    )
    assert set(buckets(result).values()) == {("failed", "missing_in_answer")}
    assert not ledger.shadows and not ledger.links and not ledger.open()
    assert result.counts == {"unsubscribes_skipped": 1} and portal.calls("unsubscribe-all") == 0


@pytest.mark.parametrize("kind", ["drop", "status"])
def test_a_lost_answer_makes_no_second_record(portal: Portal, run: Push, kind: Any) -> None:
    portal.sandbox.faults.add(Fault(kind, path="batch/upsert", when="after", status=502))
    result = run(*(create("contact", f"t{i}", email=f"c{i}@example.be") for i in range(20)))
    assert {b for b, _ in buckets(result).values()} == {"created"} and len(contacts(portal)) == 20
    assert len(list(portal.sandbox.all("contacts"))) == 20


@pytest.mark.parametrize("changes_id", [True, False])
@pytest.mark.parametrize("follows", [True, False])
def test_a_merged_record_is_followed_to_its_survivor(
    portal: Portal, ledger: MemoryLedger, run: Push, changes_id: bool, follows: bool
) -> None:
    portal.sandbox.set_switches(merge_changes_id=changes_id, batch_read_follows_merges=follows)
    ids = load(portal, 3)
    survivor = portal.sandbox.merge("contacts", ids[0], ids[1])
    result = run(
        update("contact", "t1", ids[1], firstname="Ann"),
        update("contact", "t2", ids[2], firstname="Bob"),
        create("company", "k1", name="Acme"),
        relate("contact", "t1", "company", "k1", (ids[1], None)),
    )
    assert buckets(result)["t1"] == ("updated", "test") and ledger.hubspot_id("contact", "t1") == survivor
    assert portal.sandbox.get("contacts", survivor)["properties"]["firstname"] == "Ann"
    assert len(portal.sandbox.associations("contacts", survivor, "companies")) == 1


def test_two_links_to_one_survivor_are_not_both_written(portal: Portal, run: Push) -> None:
    ids = load(portal, 2)
    portal.sandbox.merge("contacts", ids[0], ids[1])
    result = run(update("contact", "t0", ids[0], firstname="A"), update("contact", "t1", ids[1], firstname="B"))
    assert sorted(buckets(result).values()) == [("failed", "claimed_by_other"), ("updated", "test")]


def test_a_record_deleted_since_the_plan_fails_and_is_not_made_again(portal: Portal, run: Push) -> None:
    ids = load(portal, 2)
    portal.sandbox.archive("contacts", ids[0])
    result = run(update("contact", "t0", ids[0], firstname="A"), update("contact", "t1", ids[1], firstname="B"))
    assert buckets(result) == {"t0": ("failed", "deleted_in_hubspot"), "t1": ("updated", "test")}


def test_a_create_whose_address_is_taken_is_a_conflict(portal: Portal, run: Push) -> None:
    load(portal, 1)
    result = run(create("contact", "t8", email="c0@example.be"), create("contact", "t9", email="new@example.be"))
    assert buckets(result) == {"t8": ("failed", "conflict"), "t9": ("created", "test")}


def test_protected_properties_stop_everything_before_the_first_call(
    portal: Portal, ledger: MemoryLedger, run: Push
) -> None:
    ids = load(portal, 1)
    for name in ("hs_latest_source", "hs_analytics_source_data_1", "hs_object_source_id"):
        with pytest.raises(ProtectedProperty, match=name):
            run(create("company", "k1", name="Acme"), update("contact", "t0", ids[0], firstname="A", **{name: "x"}))
    labelled = replace(SETTINGS, labels={("contact", "bron_eerste"): "Eerste bron"})
    with pytest.raises(ProtectedProperty, match="bron_eerste"):
        run(update("contact", "t0", ids[0], bron_eerste="x"), settings=labelled)
    assert portal.calls() == 0 and not ledger.journal


def test_a_pipeline_that_cannot_be_made_fails_its_deals_only(ledger: MemoryLedger, portal: Portal, run: Push) -> None:
    result = run(
        create("deal", "d1", dealname="A", pipeline="teamleader:p7", dealstage="teamleader:ph70"),
        create("deal", "d2", dealname="B", pipeline="teamleader:p1", dealstage="teamleader:ph1"),
    )
    assert buckets(result) == {"d1": ("failed", "unmapped_stage"), "d2": ("created", "test")}


def test_a_push_that_stops_remembers_what_was_confirmed(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    body = {"policyName": "DAILY", "message": "You have reached your daily limit."}
    portal.sandbox.faults.add(Fault("status", path="contacts/batch/upsert", status=429, body=body, times=None))
    result = run(
        create("company", "k1", name="Acme"),
        create("contact", "t1", email="ann@example.be"),
        create("deal", "d1", dealname="Roof", pipeline="teamleader:p1", dealstage="teamleader:ph1"),
    )
    assert result.stopped is not None and "daily limit" in str(result.stopped)
    assert buckets(result) == {
        "k1": ("created", "test"),
        "t1": ("failed", "not_attempted"),
        "d1": ("failed", "not_attempted"),
    }
    assert ledger.hubspot_id("company", "k1") and [r["teamleader_id"] for r in ledger.open()] == ["t1"]


def test_a_push_that_stops_in_the_middle_settles_what_was_under_way(
    portal: Portal, ledger: MemoryLedger, run: Push
) -> None:
    """The second of many batches meets the end of the daily limit; batches that were on their way still count."""
    body = {"policyName": "DAILY", "message": "You have reached your daily limit."}
    portal.sandbox.faults.add(Fault("status", path="batch/upsert", status=429, body=body, skip=1, times=None))
    rows = [create("contact", f"t{i}", email=f"c{i}@example.be") for i in range(1000)]
    result = run(*rows, settings=replace(SETTINGS, canary=0))
    created = {t for t, (bucket, _) in buckets(result).items() if bucket == "created"}
    assert len(created) == 100 == len(list(portal.sandbox.all("contacts"))) and result.outcomes.height == 1000
    assert {t for _, t in ledger.links} == created == set(contacts(portal))


def test_values_are_cleared_and_marks_are_written(portal: Portal, run: Push) -> None:
    (hubspot_id,) = load(portal, 1, phone="1")
    run(row("contact", "t0", hubspot_id, "mark_deleted", {"teamleader_status": "deleted", "phone": ""}))
    now = contacts(portal)["t0"]
    assert now["teamleader_status"] == "deleted" and not now.get("phone")


def test_progress_is_told(portal: Portal, ledger: MemoryLedger) -> None:
    told: list[tuple[str, int, int]] = []
    rows = [create("contact", f"t{i}", email=f"c{i}@example.be") for i in range(150)]
    push(plan(*rows), portal.gateway, ledger, SETTINGS, lambda *what: told.append(what))
    assert told[-1] == ("contacts", 150, 150) and len(told) == 2
