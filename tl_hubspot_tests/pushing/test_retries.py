"""When a failed record is tried again, on plans and outcomes written down by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tl_hubspot.pushing import retries
from tl_hubspot.pushing.push import OUTCOMES
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot_tests.pushing.memory import create, plan, relate, unsubscribe, update

NOW = datetime(2026, 11, 2, 11, tzinfo=UTC)
NONE = frame_of("sync.failures", [])


def became(*rows: tuple[str, str, str, str | None]) -> pl.DataFrame:
    names = ("entity_type", "teamleader_id", "bucket", "reason")
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], schema=OUTCOMES)


def after_attempts(number: int, changes: pl.DataFrame) -> pl.DataFrame:
    failures = NONE
    for _ in range(number):
        outcomes = became(("contact", "t1", "failed", "validation_error"))
        failures = frame_of("sync.failures", retries.remembered(outcomes, changes, failures, NOW))
    return failures


def actions(changes: pl.DataFrame) -> list[str]:
    return changes["action"].to_list()


CHANGES = plan(
    create("contact", "t1", email="a@example.be"),
    create("contact", "t2", email="b@example.be"),
    relate("contact", "t1", "company", "k1", (None, "1")),
    unsubscribe("t1", "1", "a@example.be"),
)


def test_waits_grow_and_end_at_a_day() -> None:
    waits = []
    for attempts in range(1, 8):
        [row] = after_attempts(attempts, CHANGES).iter_rows(named=True)
        assert (row["attempts"], row["since"], row["action"]) == (attempts, NOW, "create")
        waits.append(row["next_attempt_at"] - NOW)
    hour = timedelta(hours=1)
    assert waits == [0 * hour, 0 * hour, hour, 4 * hour, 24 * hour, 24 * hour, 24 * hour]


def test_only_the_record_itself_waits() -> None:
    failures = after_attempts(3, CHANGES)
    due, waiting = retries.split(CHANGES, failures, NOW)
    assert actions(due) == ["create", "associate", "unsubscribe"]
    assert due["teamleader_id"][0] == "t2"
    assert waiting["teamleader_id"].to_list() == ["t1"]


def test_due_again_when_the_time_has_come() -> None:
    failures = after_attempts(3, CHANGES)
    assert retries.split(CHANGES, failures, NOW + timedelta(hours=1))[0].equals(CHANGES)
    assert retries.split(CHANGES, NONE, NOW)[0].equals(CHANGES)


def test_a_record_that_differs_is_tried_at_once() -> None:
    failures = after_attempts(5, CHANGES)
    for other in (create("contact", "t1", email="new@example.be"), update("contact", "t1", "9", email="a@example.be")):
        due, waiting = retries.split(plan(other), failures, NOW)
        assert due.height == 1 and waiting.is_empty()


def test_what_succeeded_or_is_no_longer_wanted_is_forgotten() -> None:
    failures = after_attempts(2, CHANGES)
    assert retries.remembered(became(("contact", "t1", "created", None)), CHANGES, failures, NOW) == []
    assert retries.remembered(became(), plan(), failures, NOW) == []


def test_what_waits_or_was_not_reached_stays_as_it_was() -> None:
    failures = after_attempts(4, CHANGES)
    before: list[dict[str, Any]] = failures.to_dicts()
    waits = became(("contact", "t1", "failed", "validation_error"))
    due, _ = retries.split(CHANGES, failures, NOW)
    assert retries.remembered(waits, due, failures, NOW + timedelta(minutes=5)) == before
    stopped = became(("contact", "t1", "failed", "not_attempted"), ("contact", "t2", "failed", "not_attempted"))
    assert retries.remembered(stopped, CHANGES, failures, NOW + timedelta(hours=9)) == before
