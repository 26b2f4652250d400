"""The hash chain of the consent ledger: each row carries a hash over itself and the hash before it.

Pure: rows in, rows or a finding out. A row that was changed, removed, inserted or moved breaks the chain; that the last
rows are missing shows only against the head (number of rows and last hash), which is kept apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import msgspec

GENESIS = "0" * 64
"""What stands before the first row."""

SAID = (
    *("at", "run_id", "teamleader_id", "hubspot_id", "address_hash", "event"),
    *("consent", "opted_out", "hubspot_opted_out", "hubspot_marketing", "decision", "reason"),
)
"""Columns that a hash covers, besides `seq` and `previous_hash`."""


@dataclass(frozen=True)
class Head:
    """The end of a chain: number of rows, and the hash of the last one."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True)
class Broken:
    """The first row at which the chain does not hold; `what`: one phrase."""

    seq: int
    what: str


def hash_of(seq: int, said: Sequence[Any], previous_hash: str) -> str:
    """sha256 over a JSON list: `seq`, the values of SAID in their order (the instant in UTC), the hash before."""
    at, *rest = said
    return hashlib.sha256(msgspec.json.encode([seq, at.astimezone(UTC), *rest, previous_hash])).hexdigest()


def chained(rows: Iterable[Sequence[Any]], head: Head) -> Iterator[tuple[int, str, str]]:
    """(`seq`, `previous_hash`, `hash`) of each row (the values of SAID) as they go on after `head`."""
    seq, previous = head.seq, head.hash
    for said in rows:
        seq += 1
        own = hash_of(seq, said, previous)
        yield seq, previous, own
        previous = own


def first_break(rows: Iterable[Mapping[str, Any]], head: Head) -> Broken | None:
    """Where the chain does not hold; None when it does. `rows`: the whole ledger in the order of `seq`."""
    last = Head()
    for row in rows:
        expected = last.seq + 1
        if row["seq"] != expected:
            what = "there twice" if row["seq"] == last.seq else "missing"
            return Broken(last.seq if row["seq"] == last.seq else expected, what)
        if row["previous_hash"] != last.hash:
            return Broken(expected, "not the one that followed the row before it")
        if row["hash"] != hash_of(expected, [row[name] for name in SAID], last.hash):
            return Broken(expected, "changed")
        last = Head(expected, row["hash"])
    if last.seq < head.seq:
        return Broken(last.seq + 1, "missing")
    if last != head:
        return Broken(last.seq, "not the last one that was written")
    return None
