"""Dagster's own event log on SQLite, with connections that stay open for the length of a run in this process.

Dagster opens, compiles for and closes a connection for each of the hundreds of events of a run, and every close makes
SQLite write its log back into the file; that takes longer than most runs have to do besides. Events are written in a
thread beside the run, in their order, mostly while the run waits for DuckDB or an answer. The files are the same, so
the web server and runs that it launches read and write them as ever.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import sqlalchemy as db
from dagster._core.events import EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.base import AssetRecord
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData

_OPEN = 3
"""Files kept open: the index and the runs that were written last."""


class OpenEventLog(SqliteEventLogStorage):
    """Event log that keeps its connections until it is disposed of.

    Whoever reads through it finds all events stored before. When a run has ended, others find all of its events too.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, db.Engine] = OrderedDict()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="event-log")
        self._unwritten: deque[Future[None]] = deque()
        self._local = threading.local()
        self._there: set[str] = set()
        self._records: dict[dg.AssetKey, AssetRecord] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, str]
    ) -> OpenEventLog:
        """As Dagster makes it from an instance's settings."""
        return cls(inst_data=inst_data, **config_value)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event soon, the last one of a run at once. Raises what storing an earlier one raised."""
        while self._unwritten and self._unwritten[0].done():
            self._unwritten.popleft().result()
        self._unwritten.append(self._writer.submit(self._store, event))
        if event.dagster_event is not None and event.dagster_event.asset_key is not None:
            self._records.pop(event.dagster_event.asset_key, None)
        if event.dagster_event is not None and event.dagster_event.event_type in EVENT_TYPE_TO_PIPELINE_RUN_STATUS:
            self._write_all()

    def get_asset_records(self, asset_keys: Sequence[dg.AssetKey] | None = None) -> Sequence[AssetRecord]:
        """Records of assets, each read once between two of its events: every step asks for those that it is made of."""
        if asset_keys is None:
            return super().get_asset_records()
        if new := [key for key in asset_keys if key not in self._records]:
            self._records |= {record.asset_entry.asset_key: record for record in super().get_asset_records(new)}
        return [self._records[key] for key in asset_keys if key in self._records]

    def has_secondary_index(self, name: str) -> bool:
        """Whether a summary of events is complete; one that is stays so, so that it is asked for once."""
        return self._is_there(f"summary {name}", lambda: super(OpenEventLog, self).has_secondary_index(name))

    def has_asset_key_col(self, column_name: str) -> bool:
        """Whether the files are new enough to have this column; asked for once."""
        return self._is_there(column_name, lambda: super(OpenEventLog, self).has_asset_key_col(column_name))

    def _has_asset_key_col_on_connection(self, conn: db.Connection, column_name: str) -> bool:
        looked_up = super()._has_asset_key_col_on_connection
        return self._is_there(column_name, lambda: looked_up(conn, column_name))

    def _is_there(self, what: str, look: Callable[[], bool]) -> bool:
        if what not in self._there and look():
            self._there.add(what)
        return what in self._there

    def _store(self, event: dg.EventLogEntry) -> None:
        self._local.stores = True
        super().store_event(event)

    def _write_all(self) -> None:
        while self._unwritten:
            self._unwritten.popleft().result()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[db.Connection]:
        if not getattr(self._local, "stores", False):
            self._write_all()
        with self._db_lock:
            with self._engine(shard).begin() as connection:
                yield connection
            if shard != INDEX_SHARD_NAME:
                # the web server watches the file; what was written stands beside it until the connection is closed
                os.utime(self.path_for_shard(shard))

    def _engine(self, shard: str) -> db.Engine:
        engine = self._engines.get(shard)
        if engine is None:
            arguments = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
            engine = db.create_engine(
                self.conn_string_for_shard(shard), poolclass=db.pool.QueuePool, connect_args=arguments
            )
            # a power cut may cost the last events, never the file; the journal of writes is not kept here
            db.event.listen(engine, "connect", lambda raw, _: raw.execute("pragma synchronous = normal"))
            self._initdb(engine)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        while len(self._engines) > _OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return engine

    def dispose(self) -> None:
        """Write what is still to be written and close everything."""
        self._write_all()
        self._writer.shutdown()
        super().dispose()
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def open_instance(home: Path) -> dg.DagsterInstance:
    """The Dagster instance of that folder; with another storage than SQLite exactly as its settings say."""
    ref = InstanceRef.from_dir(str(home))
    ours = ref.storage_data is not None and ref.storage_data.class_name == "DagsterSqliteStorage"
    if ours and ref.event_storage_data is not None:
        storage = {
            "module": OpenEventLog.__module__,
            "class": OpenEventLog.__name__,
            "config": dict(ref.event_storage_data.config_dict),
        }
        ref = InstanceRef.from_dir(str(home), overrides={"event_log_storage": storage})
    return dg.DagsterInstance.from_ref(ref)
