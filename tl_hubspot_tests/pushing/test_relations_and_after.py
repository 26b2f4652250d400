"""Relations, opt-outs and marketing requests over HTTP, each with what can go wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tl_hubspot.hubspot.mirror import read_associations
from tl_hubspot.pushing import relations
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.pushing.conftest import Push
from tl_hubspot_tests.pushing.memory import MemoryLedger, marketing, relate, unsubscribe


def load(portal: Portal, contacts: int, companies: int) -> None:
    portal.sandbox.load_objects(
        "contacts", [{"id": str(i), "properties": {"email": f"c{i}@example.be"}} for i in range(1, contacts + 1)]
    )
    portal.sandbox.load_objects(
        "companies", [{"id": str(i), "properties": {"name": f"k{i}"}} for i in range(5001, 5001 + companies)]
    )


def related(portal: Portal, contact: int, company: int, **options: Any) -> dict[str, Any]:
    return relate("contact", f"t{contact}", "company", f"k{company}", (str(contact), str(company)), **options)


def existing(portal: Portal, contacts: int) -> set[tuple[str, str, bool]]:
    ids = [str(i) for i in range(1, contacts + 1)]
    rows = [r for batch in read_associations(portal.gateway, "contact", "company", ids) for r in batch]
    return {(r["from_id"], r["to_id"], r["is_primary"]) for r in rows}


def test_the_first_company_becomes_primary_and_the_others_do_not(
    portal: Portal, ledger: MemoryLedger, run: Push
) -> None:
    load(portal, 1, 3)
    run(related(portal, 1, 5002), related(portal, 1, 5001, primary=True), related(portal, 1, 5003))
    assert existing(portal, 1) == {("1", "5001", True), ("1", "5002", False), ("1", "5003", False)}
    assert {r["origin"] for r in ledger.relations.values()} == {"made"} and len(ledger.relations) == 3


def test_a_primary_that_a_person_chose_stays(portal: Portal, run: Push) -> None:
    load(portal, 1, 2)
    portal.sandbox.load_associations("contacts", "companies", [("1", "5001", 279), ("1", "5001", 1)])
    run(related(portal, 1, 5002))
    assert existing(portal, 1) == {("1", "5001", True), ("1", "5002", False)}


def test_many_contacts_of_one_company(portal: Portal, run: Push) -> None:
    load(portal, 300, 2)
    result = run(*(related(portal, i, 5001 + i % 2) for i in range(1, 301)))
    assert len(existing(portal, 300)) == 300 and result.counts == {"associated": 300}
    assert portal.calls("associate/default") == 1


def test_calls_in_flight_never_touch_one_company(portal: Portal, run: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(relations.SIZES, "associate", 20)
    load(portal, 200, 5)
    result = run(*(related(portal, i, 5001 + i % 5) for i in range(1, 201)))
    assert result.counts == {"associated": 200} and len(existing(portal, 200)) == 200
    assert 10 <= portal.calls("associate/default") <= 15


def test_a_record_that_is_gone_fails_its_relation_only(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, 3, 1)
    portal.sandbox.archive("contacts", "2")
    result = run(*(related(portal, i, 5001) for i in (1, 2, 3)))
    assert result.counts == {"associated": 2, "relations_failed": 1} and result.failed == 1
    assert {k[1] for k in ledger.relations} == {"1", "3"}
    (entry,) = [r for r in ledger.logged if r["level"] == "error"]
    assert entry["teamleader_id"] == "t2>k5001" and entry["action"] == "fail"


@pytest.mark.parametrize("kind", ["omit", "empty"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_pairs_that_the_answer_leaves_out_are_looked_up(portal: Portal, run: Push, kind: Any, when: Any) -> None:
    load(portal, 3, 1)
    portal.sandbox.faults.add(Fault(kind, path="associate/default", when=when))
    result = run(*(related(portal, i, 5001) for i in (1, 2, 3)))
    made, failed = (result.counts.get(name, 0) for name in ("associated", "relations_failed"))
    assert made == len(existing(portal, 3)) and made + failed == 3
    if when == "after":
        assert result.counts == {"associated": 3}


def test_lost_answers_and_locks(portal: Portal, run: Push) -> None:
    load(portal, 3, 1)
    portal.sandbox.faults.add(Fault("status", path="associate/default", status=423))
    portal.sandbox.faults.add(Fault("drop", path="associate/default", when="after"))
    assert run(*(related(portal, i, 5001) for i in (1, 2, 3))).counts == {"associated": 3}
    assert sum(portal.time.slept) >= 2.5


def test_two_relations_of_one_pair_are_sent_once(portal: Portal, run: Push) -> None:
    load(portal, 1, 1)
    duplicate = relate("contact", "t1", "company", "loser", ("1", "5001"))
    assert run(related(portal, 1, 5001), duplicate).counts == {"associated": 2}


def test_stale_relations_are_taken_away(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, 2, 1)
    run(related(portal, 1, 5001), related(portal, 2, 5001))
    result = run(related(portal, 1, 5001, action="disassociate"))
    assert result.counts == {"disassociated": 1}
    assert {c for c, *_ in existing(portal, 2)} == {"2"} and {k[1] for k in ledger.relations} == {"2"}


def test_a_relation_to_a_record_that_hubspot_does_not_have(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    result = run(relate("contact", "t1", "company", "k1", ("1", None)))
    assert result.counts == {"relations_skipped": 1} and not portal.sandbox.log.writes()
    assert ledger.logged[0]["reason"] == "record_not_in_hubspot"


@pytest.mark.parametrize("enterprise", [True, False])
def test_an_opt_out_of_a_secondary_address_takes_the_primary_too(
    portal: Portal, ledger: MemoryLedger, run: Push, enterprise: bool
) -> None:
    if enterprise:
        portal.sandbox.set_profile(marketing_enterprise=True)
    load(portal, 3, 0)
    result = run(unsubscribe("t1", "1", "second@example.be", "c1@example.be"), unsubscribe("t2", "2", "c2@example.be"))
    shown = {r["id"]: r["properties"].get("hs_email_optout") for r in portal.sandbox.all("contacts")}
    assert shown["1"] == shown["2"] == "true" and shown["3"] != "true"
    assert result.counts == {"unsubscribed": 2}
    assert ledger.opt_outs["second@example.be"]["unsubscribed"] == ["second@example.be", "c1@example.be"]
    assert "@" not in str([r["message"] for r in ledger.logged]) and not ledger.open()


def test_an_opt_out_that_is_refused_is_not_remembered(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, 2, 0)
    body = {"status": "error", "category": "VALIDATION_ERROR", "message": "no"}
    portal.sandbox.faults.add(Fault("status", path="c1@example.be", status=400, body=body, times=None))
    result = run(unsubscribe("t1", "1", "c1@example.be"), unsubscribe("t2", "2", "c2@example.be"))
    assert result.counts == {"unsubscribed": 1, "unsubscribes_failed": 1} and list(ledger.opt_outs) == ["c2@example.be"]


def test_marketing_is_one_import_of_ids(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, 5, 0)
    result = run(*(marketing(f"t{i}", str(i)) for i in range(1, 5)))
    assert result.counts == {"marketing_confirmed": 4} and portal.calls("/imports/?$", "POST") == 1
    assert {t: r["confirmed"] for t, r in ledger.marketing_requests.items()} == {f"t{i}": True for i in range(1, 5)}


def test_a_slow_import_stays_asked(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    portal.sandbox.set_switches(import_seconds=9000)
    load(portal, 1, 0)
    result = run(marketing("t1", "1"))
    assert result.counts == {"marketing_unconfirmed": 1} and result.failed == 0
    assert ledger.marketing_requests["t1"]["confirmed"] is False and not ledger.open()


def test_a_contact_that_the_import_refuses_is_a_failure(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, 2, 0)
    portal.sandbox.set_switches(import_seconds=9000)
    error = {"id": "1", "createdAt": 0, "errorType": "INVALID_RECORD_ID", "sourceData": {"rowData": ["2"]}}
    portal.sandbox.faults.add(Fault("status", path="/errors", status=200, body={"results": [error]}))
    result = run(marketing("t1", "1"), marketing("t2", "2"))
    assert result.counts == {"marketing_unconfirmed": 1, "marketing_failed": 1} and result.failed == 1
    assert list(ledger.marketing_requests) == ["t1"]
    assert [(e["teamleader_id"], e["event"]) for e in ledger.consents[2:]] == [("t2", "marketing_failed")]


def test_whoever_opted_out_since_the_plan_was_made_is_not_asked(
    portal: Portal, ledger: MemoryLedger, run: Push
) -> None:
    load(portal, 5, 0)
    portal.sandbox.patch("contacts", "3", {"hs_additional_emails": "third@example.be;other@example.be"})
    portal.sandbox.patch("contacts", "4", {"hs_additional_emails": "fourth@example.be"})
    for address in ("c2@example.be", "third@example.be"):
        portal.sandbox.optout(address)
    portal.sandbox.archive("contacts", "5")
    result = run(*(marketing(f"t{i}", str(i)) for i in (1, 2, 3, 4, 5)))
    assert result.counts == {"marketing_confirmed": 2, "marketing_skipped": 3} and result.failed == 0
    marketable = {
        r["id"] for r in portal.sandbox.all("contacts") if r["properties"].get("hs_marketable_status") == "true"
    }
    assert marketable == {"1", "4"}
    left = {e["teamleader_id"]: e["reason"] for e in ledger.consents if e["event"] == "not_asked"}
    assert left == {"t2": "opted_out_in_hubspot", "t3": "opted_out_in_hubspot", "t5": "deleted_in_hubspot"}
    assert portal.calls("/batch/read", "POST") == 2, "one before the import, one after it"


def test_secondary_addresses_are_asked_for_by_v3_where_v4_is_gone(portal: Portal, run: Push) -> None:
    load(portal, 2, 0)
    for number in ("1", "2"):
        portal.sandbox.patch("contacts", number, {"hs_additional_emails": f"s{number}@example.be"})
    portal.sandbox.optout("s1@example.be")
    gone = Fault("status", path="/communication-preferences/v4", status=410, body={}, times=None)
    portal.sandbox.faults.add(gone)
    assert run(marketing("t1", "1"), marketing("t2", "2")).counts == {"marketing_confirmed": 1, "marketing_skipped": 1}


@pytest.mark.parametrize("enterprise", [True, False])
def test_a_contact_whose_opt_out_failed_is_not_asked(
    portal: Portal, ledger: MemoryLedger, run: Push, enterprise: bool
) -> None:
    if enterprise:
        portal.sandbox.set_profile(marketing_enterprise=True)
        portal.sandbox.faults.add(Fault("status", path="batch/unsubscribe-all", status=403, body={}))
    load(portal, 2, 0)
    body = {"status": "error", "category": "VALIDATION_ERROR", "message": "no"}
    portal.sandbox.faults.add(Fault("status", path="c1@example.be", status=400, body=body, times=None))
    result = run(unsubscribe("t1", "1", "c1@example.be"), marketing("t9", "1"), marketing("t2", "2"))
    assert result.counts == {"unsubscribes_failed": 1, "marketing_confirmed": 1, "marketing_skipped": 1}
    assert [(e["teamleader_id"], e["event"], e["reason"]) for e in ledger.consents] == [
        ("t1", "unsubscribe_failed", "validation_error"),
        ("t9", "not_asked", "opt_out_failed"),
        ("t2", "marketing_asked", "test"),
        ("t2", "marketing_confirmed", "test"),
    ]


def test_the_import_may_need_a_scope_that_is_missing(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    load(portal, 1, 1)
    portal.sandbox.set_profile(missing_scopes=frozenset({"crm.import"}))
    result = run(related(portal, 1, 5001), marketing("t1", "1"))
    assert result.counts == {"associated": 1} and "crm.import" in str(result.stopped)
