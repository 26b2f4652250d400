"""Whatever goes wrong on the way: pushing the same plan until nothing fails ends in exactly what the plan says."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tl_hubspot.hubspot.mirror import read_associations
from tl_hubspot.pushing.change import PlannedChanges
from tl_hubspot.pushing.recovery import settle_open
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.pushing.conftest import Push
from tl_hubspot_tests.pushing.memory import MemoryLedger, address, create, marketing, plan, relate, unsubscribe, update

PATHS = ("batch/upsert", "batch/update", "batch/read", "batch/associate", "unsubscribe-all", "imports", "secondary", "")
STATUSES = (400, 423, 429, 477, 500, 502, 503, 504)


def fault(dice: random.Random) -> Fault:
    kind: Any = dice.choice(["status", "status", "drop", "omit", "empty", "truncated", "poison"])
    return Fault(
        kind,
        path=dice.choice(PATHS),
        times=dice.randint(1, 4),
        skip=dice.randint(0, 6),
        when=dice.choice(["before", "after"]),
        status=dice.choice(STATUSES),
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_end_is_what_the_plan_says(portal: Portal, ledger: MemoryLedger, run: Push, seed: int) -> None:
    dice = random.Random(seed)
    portal.sandbox.set_switches(old_primary_on_email_change=dice.choice(["kept", "dropped"]))
    portal.sandbox.load_objects(
        "contacts",
        [
            {"id": str(i), "properties": {"email": f"old{i}@example.be", "teamleader_id": f"t{i}"}}
            for i in range(1, 131)
        ],
    )
    rows = [
        *(create("company", f"k{i}", name=f"Company {i}") for i in range(12)),
        *(update("contact", f"t{i}", str(i), firstname=f"n{i}") for i in range(11, 131)),
        # Ten contacts hand their addresses round.
        *(
            address(f"t{i}", str(i), "replace_primary", f"old{i % 10 + 1}@example.be", f"old{i}@example.be")
            for i in range(1, 11)
        ),
        *(create("contact", f"t{i}", email=f"new{i}@example.be") for i in range(131, 251)),
        *(
            relate("contact", f"t{i}", "company", f"k{i % 12}", (str(i) if i < 131 else None, None))
            for i in range(1, 251)
        ),
        *(unsubscribe(f"t{i}", str(i), f"old{i}@example.be") for i in range(20, 26)),
        *(marketing(f"t{i}", str(i)) for i in range(40, 60)),
    ]
    for _ in range(8):
        portal.sandbox.faults.add(fault(dice))
    for _ in range(12):
        result = run(*rows)
        records = sum(r["action"] in ("create", "update") for r in rows)
        assert result.outcomes.height == records and result.protected_writes == 0
        settle_open(portal.gateway, ledger, ledger.open(), PlannedChanges(plan(*rows)), "run-2")
        assert not ledger.open()
        if result.stopped is None and result.failed == 0 and not portal.sandbox.faults.remaining:
            break
    portal.sandbox.faults.clear()
    assert result.stopped is None and result.failed == 0

    contacts = {r["properties"]["teamleader_id"]: r for r in portal.sandbox.all("contacts")}
    assert len(contacts) == portal.sandbox.count("contacts") == 250 and portal.sandbox.count("companies") == 12
    assert all(contacts[f"t{i}"]["properties"]["firstname"] == f"n{i}" for i in range(11, 131))
    for i in range(1, 11):
        assert contacts[f"t{i}"]["properties"]["email"] == f"old{i % 10 + 1}@example.be"
        assert not contacts[f"t{i}"]["properties"].get("hs_additional_emails")
    assert all(contacts[f"t{i}"]["properties"]["hs_email_optout"] == "true" for i in range(20, 26))
    assert all(contacts[f"t{i}"]["properties"]["hs_marketable_status"] == "true" for i in range(40, 60))
    ids = [r["id"] for r in contacts.values()]
    pairs = [r for batch in read_associations(portal.gateway, "contact", "company", ids) for r in batch]
    assert len(pairs) == 250 == len(ledger.relations)
    assert {t for kind, t in ledger.links if kind == "contact"} == set(contacts)
