"""A warehouse that knows which tables were written while it holds its file: what was found out about the others still
holds, and is not found out again.

Nobody else writes to a file that is held, and whoever does so here gives a statement to a connection of the warehouse.
What a statement may write is read from its text; one that is not understood may have written everything. What is found
out is the business of others.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, cast

import duckdb

from tl_hubspot.warehouse.store import Warehouse

_READS = re.compile(r"(select|from|begin|commit|rollback|set|pragma|checkpoint)\b")
_WRITES = re.compile(r"(?:insert\s+into|update|delete\s+from|alter\s+table)\s+([a-z_]+\.[a-z_]+)\b")
_EVERYTHING = ""


def written_by(statement: str) -> str | None:
    """The table that a statement writes; an empty name when it may be any, None when it writes nothing."""
    text = statement.strip().lower()
    if ";" in text:
        return _EVERYTHING
    if _READS.match(text):
        return None
    written = _WRITES.match(text)
    return written[1] if written else _EVERYTHING


class WatchedWarehouse(Warehouse):
    """As `Warehouse`, with `unless_written`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._written: Counter[str] = Counter()
        self._found: dict[str, tuple[int, int, str]] = {}

    @contextlib.contextmanager
    def connect(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """As ever, and what is written is noted."""
        with super().connect(read_only=read_only) as con:
            yield cast(duckdb.DuckDBPyConnection, _Watched(con, self._written))

    def hold(self) -> None:
        """As ever; what others wrote before is not known."""
        super().hold()
        self._written[_EVERYTHING] += 1

    def unless_written(self, table: str, find: Callable[[], str]) -> str:
        """What `find` says of a table, or said when the table was last like this."""
        if self._held is None or self.lake is not None:
            return find()
        now = self._written[_EVERYTHING], self._written[table]
        known = self._found.get(table)
        if known is None or known[:2] != now:
            known = self._found[table] = (*now, find())
        return known[2]


class _Watched:
    """A connection whose statements are counted by the table that they write: when they are made, and once more when
    they are committed, because others see them only then."""

    def __init__(self, con: duckdb.DuckDBPyConnection, written: Counter[str]) -> None:
        self._con, self._counts, self._open = con, written, set[str]()

        # nothing else: `executemany` and the like would write unseen
        self.register, self.unregister, self.close = con.register, con.unregister, con.close

    def execute(self, statement: str, *arguments: Any, **options: Any) -> Any:
        return self._watch(self._con.execute, statement, arguments, options)

    def sql(self, statement: str, *arguments: Any, **options: Any) -> Any:
        return self._watch(self._con.sql, statement, arguments, options)

    def _watch(self, run: Callable[..., Any], statement: str, arguments: Any, options: Any) -> Any:
        if (table := written_by(statement)) is not None:
            self._open.add(table)
        try:
            return run(statement, *arguments, **options)
        finally:
            if table is not None or statement.strip().lower() == "commit":
                self._counts.update(self._open)
