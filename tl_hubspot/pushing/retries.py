"""When a record that failed is tried again: at once a few times, then less and less often, never given up. Pure.

A record that is different now (in Teamleader or in HubSpot), and one that a person released, is tried at once. What
failed is remembered in `sync.failures`; unsubscribing never waits.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import polars as pl

from tl_hubspot.pushing.change import WRITES
from tl_hubspot.pushing.ledger import Row

WAITS = (timedelta(0), timedelta(0), timedelta(hours=1), timedelta(hours=4), timedelta(hours=24))
"""How long after the first, second, … failure the record is left alone; after more failures the last of these."""
NOT_ATTEMPTED = "not_attempted"
_KEY = ["entity_type", "teamleader_id"]
_OF_OUTCOME = (*_KEY, "hubspot_id", "reason", "message", "http_status", "correlation_id")


def split(changes: pl.DataFrame, failures: pl.DataFrame, now: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(due, waiting): rows of a plan to push now, and rows of `sync.failures` whose record has to wait.

    `failures`: rows of `sync.failures`.
    """
    left = failures.filter(pl.col("next_attempt_at") > now)
    if left.is_empty():
        return changes, left
    written = changes.filter(pl.col("action").is_in(WRITES)).join(left.select(_KEY), on=_KEY, how="semi")
    same = written.select(*_KEY, intended=intended(written))
    waiting = left.join(same, on=[*_KEY, "intended"], how="semi")
    rows = waiting.select(_KEY).with_columns(pl.lit(list(WRITES)).alias("action")).explode("action")
    return changes.join(rows, on=[*_KEY, "action"], how="anti", maintain_order="left"), waiting


def intended(changes: pl.DataFrame) -> pl.Series:
    """Fingerprint per row of a plan of what it would write."""
    texts = (
        "\n".join(value or "" for value in row) for row in changes.select("action", "hubspot_id", "fields").iter_rows()
    )
    return pl.Series("intended", [hashlib.sha256(text.encode()).hexdigest() for text in texts], pl.String)


def remembered(outcomes: pl.DataFrame, due: pl.DataFrame, failures: pl.DataFrame, now: datetime) -> list[Row]:
    """The rows of `sync.failures` after a push: what failed now, and what still waits or was not reached.

    `outcomes`: what became of records, those that wait among them; `due`: the rows of the plan that were pushed;
    `failures`: the rows before, of the same entities.
    """
    before = {(row["entity_type"], row["teamleader_id"]): row for row in failures.iter_rows(named=True)}
    failed = outcomes.filter(pl.col("bucket") == "failed")
    written = due.filter(pl.col("action").is_in(WRITES)).join(failed, on=_KEY, how="semi")
    prints = written.select(*_KEY, "action").with_columns(intended(written))
    wanted = {(kind, key): (action, text) for kind, key, action, text in prints.iter_rows()}
    rows: list[Row] = []
    for outcome in failed.iter_rows(named=True):
        key = outcome["entity_type"], outcome["teamleader_id"]
        known = before.get(key)
        if key not in wanted or outcome["reason"] == NOT_ATTEMPTED:
            rows += [known] if known else []
            continue
        action, text = wanted[key]
        attempts = (known["attempts"] if known else 0) + 1
        rows.append(
            {name: outcome[name] for name in _OF_OUTCOME}
            | {"action": action, "since": known["since"] if known else now, "attempts": attempts, "intended": text}
            | {"next_attempt_at": now + WAITS[min(attempts, len(WAITS)) - 1]}
        )
    return rows
