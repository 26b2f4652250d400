"""What one run is: its options, its instant, its row in `sync.runs`, and the parts that its steps share.

Assets ask the Platform for everything that is not a frame: settings, warehouse, clients, the run itself. The steps'
work stands in `orchestration.assets`; nothing here decides or computes.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock, Timeout

from tl_hubspot.config import mapping as mapping_file
from tl_hubspot.config import two_way as flows_file
from tl_hubspot.config.settings import Settings
from tl_hubspot.crmoffice.client import CrmofficeClient
from tl_hubspot.errors import ConfigurationError, WarehouseError
from tl_hubspot.hubspot import mirror
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.planning.mapping import Mapping
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.windows import as_of_instant
from tl_hubspot.teamleader.calls import CallBook
from tl_hubspot.teamleader.client import TeamleaderClient
from tl_hubspot.teamleader.webhooks import Named, named
from tl_hubspot.transport.meter import CallMeter
from tl_hubspot.two_way.flows import Flow
from tl_hubspot.warehouse import history
from tl_hubspot.warehouse.lake import Bucket, Lake
from tl_hubspot.warehouse.rows import frame_of, insert
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot.warehouse.watched import WatchedWarehouse
from tl_hubspot.webhooks.spool import Spool

ENTITIES = ("contact", "company", "deal")
_FORGET_TOUCHED = """
delete from sync.touched where number <= (select min(touched) from sync.made_of where parts is not null)
and number < (select max(number) from sync.touched)
"""
"""What everybody who asks has seen already; the last one stays, for its number."""
Progress = Callable[[str, int, int | None], None]
_log = logging.getLogger(__name__)
DATA = "tl_hubspot/data"
"""Tag in Dagster of every run of a job of ours: the data folder that it works on, and whose run lock it takes."""
_LOCK = ".run.lock"
_LOOKS = 0.5
"""Seconds in which somebody who only looks whether a run is going on has let go of the lock again."""


class AnotherRun(WarehouseError):
    """Another run is going on for this data folder; nothing was begun."""


@dataclass(frozen=True)
class RunOptions:
    """What a person asked for.

    `as_of`: date or instant, None for the setting or now; `full`: read all of Teamleader again; `only`: entities that
    may be changed (empty: all); `command`: sync, plan, approve or undo; `approved`: digest pushed over the limits;
    `webhook_batch`: drained webhook events, of Teamleader only the records that they name are read; `subset`: the most
    contacts, companies and deals that are changed, like `50,10,10`, None for all.
    """

    as_of: str | None = None
    full: bool = False
    only: tuple[str, ...] = ()
    command: str = "sync"
    approved: str | None = None
    webhook_batch: str | None = None
    subset: str | None = None

    @property
    def entities(self) -> tuple[str, ...]:
        """Entities that this run may change."""
        return tuple(e for e in ENTITIES if e in self.only) or ENTITIES


@dataclass(frozen=True)
class Run:
    """One run: id, instant of evaluation, whether all of Teamleader is read, and the options.

    `named`: the only records of Teamleader that are read; None for those that changed, or all.
    """

    run_id: str
    as_of: datetime
    is_full: bool
    options: RunOptions
    named: Named | None = None


@dataclass
class Platform:
    """Settings, warehouse and clients of one account and portal, shared by the steps of a run."""

    settings: Settings
    options: RunOptions = RunOptions()
    progress: Progress = lambda stream, done, total: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    """How the clients wait before they try again."""
    meter: CallMeter = field(default_factory=CallMeter)
    book: CallBook = field(default_factory=CallBook)
    """Calls to Teamleader per stream: computed and made."""
    error: BaseException | None = None
    """The first error that a step raised: Dagster keeps only its text."""
    before_step: tuple[float, dict[str, dict[str, int]]] = (0.0, {})
    """The clock (time.monotonic) and the meter when the step began that goes on."""
    _runs: dict[str, Run] = field(default_factory=dict)
    _lock: FileLock | None = None

    @cached_property
    def warehouse(self) -> Warehouse:
        """The working database."""
        return warehouse_of(self.settings)

    def earlier(self, otherwise: str) -> Warehouse:
        """The working database of earlier runs; ConfigurationError that says `otherwise` where there is none: to look
        must not make one."""
        if not self.warehouse.exists():
            raise ConfigurationError(
                otherwise,
                where=str(self.settings.data),
                mend="Set TL_HUBSPOT_DATA to the folder of an earlier run",
            )
        return self.warehouse

    @cached_property
    def spool(self) -> Spool:
        """Webhook events that wait."""
        return Spool(self.settings.webhooks_folder)

    @cached_property
    def mapping(self) -> Mapping:
        """The mapping file."""
        return mapping_file.load(self.settings.mapping)

    @cached_property
    def flows(self) -> tuple[Flow, ...]:
        """The flows between HubSpot and Crmoffice; ConfigurationError names every mistake in their file."""
        return flows_file.load(self.settings.two_way.flows)

    @cached_property
    def teamleader(self) -> TeamleaderClient:
        """Client of Teamleader; ConfigurationError without credentials."""
        self.settings.require_teamleader()
        s = self.settings.teamleader
        return TeamleaderClient(
            api_url=s.api_url,
            auth_url=s.auth_url,
            client_id=s.client_id or "",
            client_secret=_reveal(s.client_secret),
            refresh_token=_reveal(s.refresh_token) or None,
            token_store_path=self.settings.token_store,
            rate_limit=s.rate_limit,
            meter=self.meter,
            workers=s.workers,
            state=self.settings.state,
            sleep=self.sleep,
        )

    @cached_property
    def hubspot(self) -> HubSpotGateway:
        """Gateway to HubSpot; ConfigurationError without a token."""
        self.settings.require_hubspot()
        s = self.settings.hubspot
        return HubSpotGateway(
            api_url=s.api_url,
            access_token=_reveal(s.access_token),
            rate_limit=s.rate_limit,
            rate_share=s.rate_share,
            search_rate=s.search_rate,
            workers=s.workers,
            meter=self.meter,
            state=self.settings.state,
            sleep=self.sleep,
        )

    @cached_property
    def crmoffice(self) -> CrmofficeClient:
        """Client of Crmoffice; ConfigurationError without an address or credentials."""
        self.settings.require_crmoffice()
        s = self.settings.crmoffice
        return CrmofficeClient(
            api_url=s.api_url or "",
            auth_url=s.auth_url or "",
            client_id=s.client_id or "",
            client_secret=_reveal(s.client_secret),
            refresh_token=_reveal(s.refresh_token) or None,
            token_store_path=self.settings.crmoffice_token_store,
            capabilities=s.capabilities,
            rate_limit=s.rate_limit,
            meter=self.meter,
            workers=s.workers,
            state=self.settings.state,
            sleep=self.sleep,
        )

    @cached_property
    def definitions(self) -> mirror.Definitions:
        """What the portal allows, read once per run: properties, pipelines, owners, currencies."""
        return mirror.read_definitions(self.hubspot)

    def rules(self, run: Run) -> RuleSettings:
        """What the rules need to know in this run."""
        return self.rules_at(run.as_of)

    def rules_at(self, as_of: datetime) -> RuleSettings:
        """What the rules need to know at an instant."""
        return RuleSettings(
            as_of=as_of,
            timezone=self.settings.timezone,
            consent_false_means=self.settings.consent.false_means,
            deals_closed=self.settings.deals.closed,
            phase_history_timezone=self.settings.teamleader.phase_history_timezone,
        )

    def as_of(self) -> datetime:
        """The instant asked for, else the setting, else now; ConfigurationError when it cannot be read.

        An approved plan is made again at the instant of the run that was held.
        """
        if self.options.approved is not None:
            instant: datetime = self._held_run(self.options.approved)["as_of"]
            return instant
        text = self.options.as_of or self.settings.as_of
        try:
            return as_of_instant(text, self.settings.timezone, self.clock())
        except ValueError as error:
            raise ConfigurationError(
                f"as_of cannot be read: {error}",
                where="--as-of" if self.options.as_of else "TL_HUBSPOT_AS_OF",
                mend="Write a date (2026-11-21) or an instant (2026-11-21T12:00:00+01:00)",
            ) from None

    def _held_run(self, digest: str) -> dict[str, Any]:
        """What the latest run with that plan went by; ConfigurationError when there is none."""
        query = "select as_of, subset from sync.runs where digest = ? order by started_at desc limit 1"
        known = self.warehouse.exists()  # to look must not make one
        held = self.warehouse.read(query, [digest]) if known else pl.DataFrame()
        if held.is_empty():
            raise ConfigurationError(
                f"No plan has the digest {digest}",
                where=str(self.settings.data),
                mend="Copy the digest from the held run; `tl-hubspot plan` prints it",
            )
        return held.row(0, named=True)

    def run(self, run_id: str) -> Run:
        """The run of that id; opened in `sync.runs` the first time, and the run lock is taken."""
        if run_id not in self._runs:
            self.take_lock()
            self._runs[run_id] = self._open(run_id)
        return self._runs[run_id]

    @property
    def open_runs(self) -> tuple[str, ...]:
        """Ids of the runs that were opened."""
        return tuple(self._runs)

    def close(self) -> None:
        """Let go of the database and of the run lock."""
        if self._lock is not None:
            self.warehouse.release()
            self._lock.release()
            self._lock = None

    def take_lock(self) -> None:
        """Be the only one that works on this data folder, until `close`; AnotherRun when somebody else is."""
        if self._lock is not None:
            return
        if not self.settings.data.is_dir():
            self.warehouse.count("sync.runs")  # makes the data folder, or says why it cannot be used
        lock = _run_lock(self.settings.data)
        try:
            lock.acquire(timeout=_LOOKS)
        except Timeout:
            raise AnotherRun(
                "Another run is going on for this data folder",
                where=str(self.settings.data),
                mend="Wait until it is done; the Dagster UI shows it",
            ) from None
        except OSError:
            self.warehouse.count("sync.runs")
            raise
        self._lock = lock
        self.warehouse.hold()

    def reads_everything(self, as_of: datetime) -> bool:
        """Whether a run at that instant reads all of Teamleader: asked for, or due (`full_sweep_hours`)."""
        streams = "('contacts', 'companies', 'deals', 'links')"
        query = f"select min(full_as_of) as at, count(*) as n from sync.watermarks where stream in {streams}"
        last = self.warehouse.read(query).row(0)
        # records of all three kinds and their links were read in full, less than a day of as_of time ago
        recent = (
            last[1] == 4 and last[0] is not None and as_of - last[0] < timedelta(hours=self.settings.full_sweep_hours)
        )
        return self.options.full or not recent

    def _open(self, run_id: str) -> Run:
        as_of = self.as_of()
        is_full = self.options.command != "undo" and self.reads_everything(as_of)
        options = self.options
        if options.approved is not None:
            options = replace(options, subset=self._held_run(options.approved)["subset"])
        run = Run(run_id, as_of, is_full, options, None if is_full else self._named())
        started_at = self.clock()
        row = {
            "run_id": run_id,
            "command": options.command,
            "subset": options.subset,
            "as_of": as_of,
            "is_full": run.is_full,
            "started_at": started_at,
            "status": "running",
            "protected_writes": 0,
        }
        with self.warehouse.transaction() as con:
            # whoever holds the run lock is the only one: a row that still says otherwise is of a run that was killed
            con.execute(
                "update sync.runs set status = 'stopped', finished_at = ? where status = 'running'", [self.clock()]
            )
            insert(con, "sync.runs", frame_of("sync.runs", [row]))
            history.begin(con, run_id, started_at)
            con.execute(_FORGET_TOUCHED)
        self.warehouse.run_id = run_id
        return run

    def _named(self) -> Named | None:
        if self.options.webhook_batch is None:
            return None
        drained = self.spool.read(self.options.webhook_batch)
        if drained.unreadable:
            _log.warning("Webhook events that a crash cut short and that are left out: %d", drained.unreadable)
        return named((event.type, event.subject_id) for event in drained.events)

    def close_run(self, run_id: str, status: str, **columns: Any) -> None:
        """Store how the run ended; dict and list values are stored as JSON."""
        if self.options.webhook_batch is not None and status != "stopped":
            # everything that was read is stored, and so is the plan
            self.spool.acknowledge(self.options.webhook_batch)
        values = {k: json.dumps(v, sort_keys=True) if isinstance(v, dict | list) else v for k, v in columns.items()}
        values |= {"run_id": run_id, "status": status, "finished_at": self.clock()}
        values.setdefault("calls", json.dumps(self.meter.snapshot(), sort_keys=True))
        names = list(values)
        row = frame_of("sync.runs", [values]).select(names)
        self.warehouse.upsert("sync.runs", row)

    def run_row(self, run_id: str) -> dict[str, Any]:
        """The row of `sync.runs`."""
        return self.warehouse.read("select * from sync.runs where run_id = ?", [run_id]).row(0, named=True)


def warehouse_of(settings: Settings, *, lock_timeout: float | None = None) -> Warehouse:
    """The working database that the settings name; `lock_timeout` in seconds instead of theirs."""
    chosen = settings.warehouse
    lake = None
    if chosen.catalog is not None:
        bucket = Bucket(chosen.s3_endpoint, chosen.s3_region, chosen.s3_key_id, _reveal(chosen.s3_secret) or None)
        files = chosen.files or str((settings.data / "lake").resolve())
        lake = Lake(_reveal(chosen.catalog), files, chosen.name, bucket)
    wait = settings.lock_timeout_seconds if lock_timeout is None else lock_timeout
    return WatchedWarehouse(settings.database, lake=lake, lock_timeout=wait)


def is_going_on(data: Path) -> bool:
    """Whether a run works on this data folder now, wherever it was started; a killed one counts as over."""
    if not (data / _LOCK).exists():
        return False
    lock = _run_lock(data)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _run_lock(data: Path) -> FileLock:
    return FileLock(data / _LOCK)


def source(warehouse: Warehouse, table: str, columns: Collection[str] = ()) -> pl.DataFrame:
    """Records that exist in Teamleader (deleted ones left out): the columns, or all but the payload text."""
    names = ", ".join(columns) or "* exclude (payload)"
    return warehouse.read(f"select {names} from {table} where deleted_at is null")


def _reveal(secret: Any) -> str:
    return secret.get_secret_value() if secret is not None else ""
