"""What the pushing room needs remembered, as a protocol: batches of rows shaped like the `sync.*` tables.

The implementation on DuckDB lives in `warehouse`; nothing here knows SQL. All methods are called from one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import polars as pl

Row = dict[str, Any]
Rows = Sequence[Row] | pl.DataFrame
"""Rows, or a frame with a column per key; columns that a frame lacks are null."""


class Ledger(Protocol):
    """Durable memory of a push. Rows have exactly the columns of their table unless said otherwise."""

    def together(self) -> AbstractContextManager[None]:
        """What is called inside becomes durable at once or not at all (one transaction); committed on leaving
        the outermost one."""
        ...

    def intend(self, rows: Rows) -> None:
        """New rows of `sync.journal` with state `intended`; durable when this returns, before the call is made."""
        ...

    def settle(self, rows: Rows) -> None:
        """Outcomes for `sync.journal`: call_id, trace_id, hubspot_id, state (done, failed or changed), message,
        settled_at; found by both ids."""
        ...

    def link(self, rows: Rows) -> None:
        """Confirmed pairs for `sync.links`. `first_run` and `matched_by` count only for a new pair. A HubSpot record
        has one link: rows of other Teamleader ids with the same entity_type and hubspot_id go (a group got
        another winner)."""
        ...

    def shadow(self, rows: Rows) -> None:
        """Confirmed values for `sync.shadows`: `fields` and `written` (JSON objects) are merged into what is
        remembered, property by property."""
        ...

    def relation(self, rows: Rows) -> None:
        """Associations made or found, for `sync.relations`; one that is known keeps its origin."""
        ...

    def forget_relation(self, rows: Rows) -> None:
        """Associations that the sync took away: from_type, from_id, to_type, to_id."""
        ...

    def opt_out(self, rows: Sequence[Row]) -> None:
        """Opt-outs carried over, for `sync.opt_outs`."""
        ...

    def marketing_request(self, rows: Sequence[Row]) -> None:
        """Marketing status asked for, for `sync.marketing_requests`."""
        ...

    def consent(self, events: Sequence[Row]) -> None:
        """What was done about marketing e-mail, for the hash-chained `sync.consent_ledger`: `run_id`, `at`,
        `teamleader_id`, `hubspot_id`, `address` (None: the contact's own), `event`, `reason`, and what HubSpot showed
        (`hubspot_opted_out`, `hubspot_marketing`; left out where nothing new is known)."""
        ...

    def log(self, rows: Rows) -> None:
        """Rows of `sync.log`; the JSON lines file is written from the same rows."""
        ...
