"""A few records of a large push go first; when HubSpot does not hold what was sent, the rest stays here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tl_hubspot.pushing.canary import CanaryStopped, parts
from tl_hubspot.pushing.change import Change
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.pushing.conftest import SETTINGS, Push
from tl_hubspot_tests.pushing.memory import MemoryLedger, create, update


def inputs(portal: Portal, path: str) -> list[int]:
    """How many records each writing call held."""
    return [len(call["body"]["inputs"]) for call in portal.sandbox.log.writes() if path in call["path"]]


@pytest.mark.parametrize(
    ("number", "size", "expected"),
    [(100, 10, [0, 100]), (101, 10, [10, 91]), (500, 0, [0, 500]), (1_000, 7, [7, 993]), (0, 10, [0, 0])],
)
def test_parts(number: int, size: int, expected: list[int]) -> None:
    changes = [Change("contact", str(n), None, "create", None) for n in range(number)]
    made = [list(part) for part in parts(changes, size)]
    assert [len(part) for part in made] == expected
    assert sorted(c.teamleader_id for part in made for c in part) == sorted(c.teamleader_id for c in changes)


def test_what_is_well_goes_on(portal: Portal, run: Push) -> None:
    result = run(*(create("contact", f"t{n}", email=f"c{n}@example.be") for n in range(150)))
    assert result.stopped is None and result.failed == 0
    assert inputs(portal, "contacts/batch/upsert")[0] == 10
    assert sorted(inputs(portal, "contacts/batch/upsert")) == [10, 40, 100]
    assert portal.calls("contacts/batch/read") == 1


def test_what_fails_as_a_whole_stops_after_a_few(portal: Portal, ledger: MemoryLedger, run: Push) -> None:
    rows = [create("contact", f"t{n}", email=f"c{n}@example.be", teamleader_status="nonsense") for n in range(150)]
    result = run(*rows)
    assert isinstance(result.stopped, CanaryStopped)
    assert "first 10 of 150 contacts all failed" in result.stopped.sentence
    reasons = result.outcomes["reason"].value_counts().sort("count")
    assert reasons["count"].to_list() == [10, 140] and reasons["reason"][1] == "not_attempted"
    assert len(ledger.journal) == 10


def test_records_that_are_not_there_stop_it_but_only_when_looked_for_twice(portal: Portal, run: Push) -> None:
    nothing = '{"status": "COMPLETE", "results": [], "startedAt": "2026-11-02T11:00:00Z", "completedAt": null}'
    portal.sandbox.faults.add(Fault("status", path="contacts/batch/read", status=200, body=nothing))
    assert run(*(create("contact", f"t{n}", email=f"c{n}@example.be") for n in range(150))).stopped is None
    portal.sandbox.faults.add(Fault("status", path="companies/batch/read", status=200, body=nothing, times=2))
    result = run(*(create("company", f"k{n}", name=f"Firm {n}") for n in range(150)))
    assert "does not know 10 of them" in str(result.stopped) and "undo run-1" in str(result.stopped)
    assert portal.sandbox.count("companies") == 10


def test_values_that_do_not_arrive_stop_it(portal: Portal, run: Push) -> None:
    portal.sandbox.load_objects("contacts", [{"id": str(1_000 + n), "properties": {}} for n in range(150)])
    lost = ", ".join(f'{{"id": "{1_000 + n * 15}", "properties": {{"city": null}}}}' for n in range(10))
    body = f'{{"status": "COMPLETE", "results": [{lost}]}}'
    portal.sandbox.faults.add(Fault("status", path="contacts/batch/read", status=200, body=body, skip=1, times=2))
    result = run(*(update("contact", f"t{n}", str(1_000 + n), city="Gent") for n in range(150)))
    assert "does not hold city on 10 of them" in str(result.stopped)
    assert sum(r["properties"].get("city") == "Gent" for r in portal.sandbox.all("contacts")) == 10


def test_some_that_fail_do_not_stop_it(portal: Portal, run: Push) -> None:
    rows = [
        create("contact", f"t{n}", email=f"c{n}@example.be", **({"teamleader_status": "nonsense"} if n % 30 else {}))
        for n in range(150)
    ]
    result = run(*rows)
    assert result.stopped is None and result.failed == 145


def test_it_can_be_switched_off(portal: Portal, run: Push) -> None:
    rows = [create("contact", f"t{n}", email=f"c{n}@example.be") for n in range(150)]
    assert run(*rows, settings=replace(SETTINGS, canary=0)).failed == 0
    assert sorted(inputs(portal, "contacts/batch/upsert")) == [50, 100]
