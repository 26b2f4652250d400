"""Frames that SQL on an open connection knows by a name for a while. What is stored of them is `rows`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import duckdb
import polars as pl


@contextlib.contextmanager
def registered(con: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """Frames that SQL knows by these names meanwhile (never by the name of a variable: it might find another one)."""
    lent = {name: _Lent(frame) for name, frame in frames.items()}
    for name, frame in lent.items():
        con.register(name, frame)
    try:
        yield
    finally:
        for name, frame in lent.items():
            con.unregister(name)
            frame.take_back()


class _Lent:
    """A frame for DuckDB to read until it is taken back: whatever is registered in a transaction is kept until that
    ends, and with it the frame, were it registered itself."""

    def __init__(self, frame: pl.DataFrame) -> None:
        # texts of the newest kind cannot be compared where DuckDB has a filter applied
        self._table: Any = frame.to_arrow(compat_level=pl.CompatLevel.oldest())

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)

    def take_back(self) -> None:
        """Let it go."""
        self._table = None
