"""Counts of calls per system: reads, writes, retries, refusals for speed.

Only counting: pacing lives in `limits`, what a call means in each system's client.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass
class Calls:
    """Counts of one system. Every request sent is a read or a write; `retries` and `rate_limited` are among them."""

    reads: int = 0
    writes: int = 0
    retries: int = 0
    """Requests sent again after a failure of any kind (429 included)."""
    rate_limited: int = 0
    """Requests answered 429."""


class CallMeter:
    """Counts calls of all systems of a run; may be shared by all threads."""

    def __init__(self) -> None:
        self._systems: dict[str, Calls] = {}
        self._lock = threading.Lock()

    def count(self, system: str, kind: Literal["reads", "writes", "retries", "rate_limited"], number: int = 1) -> None:
        """Add `number` to one count of a system (`teamleader`, `hubspot`, `crmoffice`)."""
        with self._lock:
            calls = self._systems.setdefault(system, Calls())
            setattr(calls, kind, getattr(calls, kind) + number)

    def snapshot(self) -> dict[str, dict[str, int]]:
        """`{system: {"reads", "writes", "retries", "rate_limited"}}`, a copy."""
        with self._lock:
            return {system: asdict(calls) for system, calls in sorted(self._systems.items())}
