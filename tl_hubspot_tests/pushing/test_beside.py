"""Relations of contacts and companies, made while deals are written."""

from __future__ import annotations

from typing import Any

import pytest

from tl_hubspot.pushing import records, relations
from tl_hubspot.pushing.lanes import Load
from tl_hubspot.pushing.work import Work
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.pushing.conftest import SETTINGS, Push
from tl_hubspot_tests.pushing.memory import MemoryLedger, create, plan, relate
from tl_hubspot_tests.pushing.test_relations_and_after import existing, load, related

ASSOCIATE = "/crm/v4/associations/contacts/companies"


@pytest.fixture(autouse=True)
def small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BATCH", 5)
    monkeypatch.setitem(relations.SIZES, "associate", 20)


def deals(count: int) -> list[dict[str, Any]]:
    return [
        create("deal", f"d{n}", dealname=f"Deal {n}", pipeline="teamleader:p1", dealstage="teamleader:ph1")
        for n in range(count)
    ]


def of_deal(number: int, contact: int) -> dict[str, Any]:
    return relate("deal", f"d{number}", "contact", f"t{contact}", (None, str(contact)))


@pytest.mark.parametrize("count", [0, 3, 15, 200])
def test_all_are_made_once_however_many_deals_there_are(
    portal: Portal, ledger: MemoryLedger, run: Push, count: int
) -> None:
    load(portal, 120, 6)
    pairs = [related(portal, i, 5001 + i % 5, primary=i % 3 == 0) for i in range(1, 121)]
    result = run(*deals(count), *pairs, *(of_deal(n, n % 120 + 1) for n in range(count)))
    assert result.stopped is None and result.failed == 0
    assert result.counts == {"associated": 120 + count}
    assert {(c, k) for c, k, _ in existing(portal, 120)} == {(str(i), str(5001 + i % 5)) for i in range(1, 121)}
    assert len(ledger.relations) == 120 + count and not ledger.open()
    paths = [w["path"] for w in portal.sandbox.log.writes()]
    made, written = ([n for n, path in enumerate(paths) if part in path] for part in (ASSOCIATE, "/objects/deals/"))
    assert len(made) <= 10
    if count == 200:
        assert made[0] < written[-1], "they do not wait for the deals"


def test_one_that_fails_is_told_once_and_not_tried_again(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, 60, 3)
    portal.sandbox.archive("contacts", "2")
    gone = relate("contact", "t70", "company", "k5001", (None, "5001"))
    result = run(*deals(10), *(related(portal, i, 5001 + i % 3) for i in range(1, 61)), gone)
    assert result.counts == {"associated": 59, "relations_failed": 1, "relations_skipped": 1}
    assert [r["teamleader_id"] for r in ledger.logged if r["level"] == "error"] == ["t2>k5003"]
    assert [r["reason"] for r in ledger.logged if r["action"] == "skip"] == ["record_not_in_hubspot"]


def test_what_was_answered_is_kept_when_the_deals_cannot_go_on(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, 60, 3)
    portal.sandbox.faults.add(Fault("status", path="/objects/deals/batch/upsert", status=401, skip=60, times=None))
    result = run(*deals(400), *(related(portal, i, 5001 + i % 3) for i in range(1, 61)))
    assert result.stopped is not None
    made = {(r["from_id"], r["to_id"]) for r in ledger.relations.values()}
    assert made and made == {(c, k) for c, k, _ in existing(portal, 60)}
    assert not [r for r in ledger.open() if r["entity_type"] == "relation"]


def test_one_association_in_two_calls_is_counted_and_told_once_for_each_relation(
    portal: Portal, ledger: MemoryLedger
) -> None:
    load(portal, 1, 1)
    work = Work(portal.gateway, ledger, SETTINGS, None)
    answered = []
    for winner in ("t1", "t2"):
        relation = relate("contact", winner, "company", "k5001", ("1", "5001"))
        rows = relations.ready(work, relations.decoded(plan(relation)))
        call = relations.intended(work, Load(("associate", "contact", "company", False), rows))
        answered.append((call, relations.send(work, call)))
    relations.settle(work, answered)
    assert work.counts == {"associated": 2}
    assert [(r["teamleader_id"], r["level"]) for r in ledger.logged] == [("t1>k5001", "info"), ("t2>k5001", "info")]
    assert len(ledger.journal) == 2 and not ledger.open()


def test_a_relation_waits_for_its_records_across_the_parts_of_a_long_plan(
    portal: Portal, run: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "GROUP", 2)
    contacts = [create("contact", f"t{n}", email=f"t{n}@example.be", lastname="x") for n in range(60)]
    companies = [create("company", f"k{n}", name=f"Company {n}") for n in range(30)]
    pairs = [relate("contact", f"t{n}", "company", f"k{n % 30}", (None, None)) for n in range(60)]
    result = run(*companies, *contacts, *pairs)
    assert result.stopped is None and result.failed == 0
    assert result.counts["associated"] == 60 and "relations_skipped" not in result.counts
