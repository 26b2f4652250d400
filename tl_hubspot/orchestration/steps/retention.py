"""What is no state goes when it is old: log, settled journal, rows of runs, versions that a newer one has replaced for
long, Dagster's runs, log files, older copies.

Never goes: records and their marks of deletion, links, what was pushed, opt-outs, the consent ledger, tombstones,
releases, open journal entries, the newest version of a record, the newest run of each kind and the newest that pushed
each kind of record, the published copy that readers get. How long everything else stays is set in
`config.settings.RetentionSettings`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import msgspec
from dagster._core.storage.event_log import SqliteEventLogStorage

from tl_hubspot import decoding
from tl_hubspot.orchestration.run import DATA, ENTITIES, Platform
from tl_hubspot.orchestration.steps.planning import pushed_run
from tl_hubspot.warehouse import history, schema

# table → (setting, what is old: rows before the instant `?`)
_OLD_ROWS = {
    "sync.log": ("log_days", "timestamp < ?"),
    "sync.journal": ("journal_days", "state <> 'intended' and coalesce(settled_at, intended_at) < ?"),
    "sync.runs": (
        "runs_days",
        "coalesce(finished_at, started_at) < ? and run_id not in (select run_id from sync.runs qualify row_number()"
        " over (partition by command, status order by started_at desc) = 1)"
        + "".join(
            f" and run_id not in (select run_id from sync.runs where {pushed_run(e)} order by finished_at desc limit 1)"
            for e in ENTITIES
        ),
    ),
}
_BATCH = 200


def tidy(platform: Platform, instance: dg.DagsterInstance | None) -> dict[str, int]:
    """Throw away what is older than the settings say; nobody else may be working on the data folder meanwhile.

    Returns how many rows went per table, how many runs of Dagster, files and copies, and the size of the database in
    bytes before and after. Without `instance` Dagster's runs stay.

    Raises:
        AnotherRun: a run is going on.
        ConfigurationError: there is no database yet.
    """
    settings, now = platform.settings, platform.clock()
    platform.earlier("There is nothing to tidy yet")
    platform.take_lock()
    days = settings.retention
    freed = {"bytes_before": platform.warehouse.size()}
    for table, (setting, old) in _OLD_ROWS.items():
        freed[table] = _delete(platform, table, old, now - timedelta(days=getattr(days, setting)))
    freed["history"] = _history(platform, now - timedelta(days=days.history_days))
    with platform.warehouse.connect() as con:
        con.execute("checkpoint").fetchall()  # gives the space back to the file, for new rows
    freed["bytes_after"] = platform.warehouse.size()
    if instance is not None:
        freed["dagster_runs"] = _dagster(instance, settings.data, now - timedelta(days=days.dagster_days))
    freed["log_files"] = _log_files(settings.log_file, now, days.log_days)
    freed["error_files"] = _older(settings.log_file.parent.glob("error-*.txt"), now - timedelta(days=days.runs_days))
    freed["reports"] = _older(settings.reports_folder.glob("*.html"), now - timedelta(days=days.runs_days))
    current = settings.published.resolve()
    copies = (p for p in settings.data.glob(f"{settings.published.stem}.*.duckdb") if p.resolve() != current)
    freed["published_copies"] = _older(copies, now - timedelta(days=days.published_days))
    return freed


def _delete(platform: Platform, table: str, old: str, before: datetime) -> int:
    with platform.warehouse.transaction() as con:
        return int(con.execute(f"delete from {table} where {old}", [before]).fetchall()[0][0])


def _history(platform: Platform, before: datetime) -> int:
    """Versions that were replaced before the oldest run that may still be asked about: the last one begun `before`."""
    with platform.warehouse.transaction() as con:
        query = "select max(number) from history.runs where started_at < ?"
        oldest = con.execute(query, [before]).fetchall()[0][0]
        if oldest is None:
            return 0
        gone = 0
        for table in filter(lambda t: history.is_kept(t.name), schema.TEAMLEADER):
            kept, key = schema.history_of(table).name, ", ".join(table.key)
            every = f"select {key}, _run from {kept} union all select {key}, _run from {history.numbered(table.name)}"
            same = " and ".join(f"h.{c} = l.{c}" for c in table.key)
            newer = f"select 1 from ({every}) l where {same} and l._run > h._run and l._run <= {oldest}"
            gone += con.execute(f"delete from {kept} h where exists ({newer})").fetchall()[0][0]
        # an earlier state cannot be told any more: asking for it is then an error, not a wrong answer
        con.execute(f"delete from history.runs where number < {oldest}")
        return gone


def _dagster(instance: dg.DagsterInstance, data: Path, before: datetime) -> int:
    """Finished runs with their events and output; the newest of each job and the newest that ended well stay."""
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    # in a home of our own every run is ours, the older ones without a tag too
    own = Path(instance.root_directory) == (data / "dagster").resolve()
    tags = {} if own else {DATA: str(data.resolve())}
    newest: set[tuple[str, bool]] = set()
    old: list[str] = []
    cursor = None
    while records := instance.get_run_records(dg.RunsFilter(statuses=finished, tags=tags), limit=_BATCH, cursor=cursor):
        for record in records:  # newest first
            run = record.dagster_run
            kinds = {(run.job_name, False), (run.job_name, run.status is dg.DagsterRunStatus.SUCCESS)}
            if record.create_timestamp.astimezone(UTC) < before and kinds <= newest:
                old.append(run.run_id)
            newest |= kinds
        cursor = records[-1].dagster_run.run_id
    for run_id in old:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        if isinstance(storage := instance.event_log_storage, SqliteEventLogStorage):
            Path(storage.path_for_shard(run_id)).unlink(missing_ok=True)  # Dagster empties it and leaves it
    return len(old)


def _log_files(log: Path, now: datetime, days: int) -> int:
    """The log starts a new file every month; a file goes when its newest line is too old."""
    began = _first_day(log)
    closed = log.with_name(f"{log.stem}-until-{now:%Y-%m-%d}{log.suffix}")
    if began is not None and (began.year, began.month) != (now.year, now.month) and not closed.exists():
        log.rename(closed)
    gone = 0
    for path in log.parent.glob(f"{log.stem}-until-*{log.suffix}"):
        until = date.fromisoformat(path.stem.removeprefix(f"{log.stem}-until-"))
        if until < (now - timedelta(days=days)).date():
            path.unlink()
            gone += 1
    return gone


def _first_day(log: Path) -> date | None:
    """Day of the first line; None without a line that can be read."""
    try:
        with log.open("rb") as file:
            return decoding.decode(file.readline(), type=_Line).timestamp.date()
    except (OSError, msgspec.MsgspecError):
        return None


class _Line(msgspec.Struct):
    timestamp: datetime


def _older(paths: Iterable[Path], before: datetime) -> int:
    gone = 0
    for path in paths:
        if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
            path.unlink()
            gone += 1
    return gone
