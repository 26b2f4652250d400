"""What runs by itself: jobs, schedules, sensors, and the rule that there is one run at a time. Off unless switched on.

What a run does lives in the assets, what the change sensor asks Teamleader in `steps.probing`, what is thrown away in
`steps.retention`, what is sent by e-mail in `mails`; when each part runs is set in
`config.settings.AutomationSettings`.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import msgspec

from tl_hubspot import decoding
from tl_hubspot.config.settings import Part, Settings
from tl_hubspot.errors import TlHubspotError
from tl_hubspot.orchestration import mails
from tl_hubspot.orchestration.run import DATA, AnotherRun, Platform, is_going_on
from tl_hubspot.orchestration.steps import probing, retention
from tl_hubspot.webhooks.spool import Spool

PLAN = ["plan"]
SYNC = ["hubspot_sync"]
PUBLISHED = ["published", "analytics"]

PART = "tl_hubspot/automation"
"""Tag of a run that started by itself; its value is the part that asked for it."""

_CRMOFFICE = dg.AssetSelection.groups("crmoffice", "two_way")
_EVERYTHING = dg.AssetSelection.all().materializable() - _CRMOFFICE
_STARTING_UP = 120.0
"""Seconds that a run may take from its start until it holds the run lock."""
_LOOKING_FOR_LOST = 30
_LONGEST_PAUSE = 3600.0
_GOING_ON = {dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING}
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    *_GOING_ON,
]


def _tags(settings: Settings) -> dict[str, str]:
    # a retry after a crash starts over: what the lost run had planned is of that run only
    return {DATA: str(settings.data.resolve()), "dagster/retry_strategy": "ALL_STEPS"}


def jobs(settings: Settings) -> list[Any]:
    """Every job: `sync`, `plan_only`, `approve`, `crmoffice`, `tidy`, `digest`."""
    return [
        dg.define_asset_job(
            "sync",
            selection=_EVERYTHING,
            tags=_tags(settings),
            description="Read both systems, decide, plan, push the differences, publish.",
        ),
        dg.define_asset_job(
            "plan_only",
            selection=_EVERYTHING - dg.AssetSelection.assets(SYNC, PUBLISHED),
            tags=_tags(settings),
            description="Everything up to the plan; changes nothing in HubSpot.",
        ),
        dg.define_asset_job(
            "approve",
            selection=dg.AssetSelection.assets(PLAN, SYNC, PUBLISHED),
            tags=_tags(settings),
            description="Push a plan that was held; started by `tl-hubspot approve DIGEST`.",
        ),
        dg.define_asset_job(
            "crmoffice",
            selection=_CRMOFFICE,
            tags=_tags(settings),
            description="One cycle between HubSpot and Crmoffice: read both, plan, write what differs, publish.",
        ),
        dg.GraphDefinition(
            "tidy",
            node_defs=[_tidy],
            description="Throw away what is no state and older than the settings `retention` say.",
        ).to_job(tags=_tags(settings)),
        dg.GraphDefinition(
            "digest",
            node_defs=[mails.send_digest],
            description="Send the e-mail about the runs of a day or a week, when there is something to say.",
        ).to_job(tags=_tags(settings)),
    ]


@dg.op(
    name="throw_away",
    out=dg.Out(dg.Nothing),
    description="Old rows of the log, the settled journal and the runs, Dagster's old runs, log files, older copies.",
)
def _tidy(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
    with skipping(context):
        context.add_output_metadata(retention.tidy(platform, context.instance))


# ---------------------------------------------------------------------- one run at a time


def going_on(instance: dg.DagsterInstance, settings: Settings, *, part: Part | None = None) -> str | None:
    """Why no further run may be asked for now, None when one may.

    Any run that waits or goes on counts; with `part` only one that this part asked for: it may wait behind another.
    """
    for run in _unfinished(instance, settings):
        if part is None or run.tags.get(PART) == part:
            waits = run.status is dg.DagsterRunStatus.QUEUED
            return f"Run {run.run_id[:8]} of {run.job_name} {'waits for its turn' if waits else 'is going on'}."
    if part is None and is_going_on(settings.data):
        return "A run is going on that was started at the command line."
    return None


def _unfinished(instance: dg.DagsterInstance, settings: Settings) -> list[dg.DagsterRun]:
    """Runs of this data folder that wait or go on; one whose process is gone is ended on the way.

    A process that was killed cannot say so, and nothing else would: its run would keep every later one waiting. Whoever
    goes on holds the run lock, and the system lets go of the lock of a process that is gone.
    """
    ours = _tags(settings)[DATA]
    found = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        run = record.dagster_run
        if run.tags.get(DATA, ours) != ours:
            continue
        long_enough = record.start_time is not None and time.time() - record.start_time > _STARTING_UP
        if DATA in run.tags and run.status in _GOING_ON and long_enough and not is_going_on(settings.data):
            instance.report_run_failed(run, "The process of this run is gone without a word: killed, or the machine.")
        else:
            found.append(run)
    return found


@contextlib.contextmanager
def skipping(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Iterator[None]:
    """A run that started by itself and finds another one going on ends as canceled and says why: that is no failure."""
    try:
        yield
    except AnotherRun as error:
        if PART not in context.run.tags:
            raise
        context.instance.report_run_canceling(context.run, message=f"Skipped: {error.what}. Nothing was done.")
        raise dg.DagsterExecutionInterruptedError from error


def _request(part: Part, options: Mapping[str, Any], *, key: str | None = None) -> dg.RunRequest:
    """A run with these options of the launchpad."""
    config = {"resources": {"platform": {"config": dict(options)}}} if options else {}
    return dg.RunRequest(run_key=key, run_config=config, tags={PART: part})


# ---------------------------------------------------------------------- schedules


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Interval, nightly sweep, retention, digest, and the flow between HubSpot and Crmoffice."""
    chosen = settings.automation
    minutes = chosen.interval_minutes
    return [
        _schedule(
            settings,
            "interval",
            "interval_sync",
            _every(minutes),
            f"Runs `sync` every {minutes} minutes; not while another run waits or goes on.",
        ),
        _schedule(
            settings,
            "sweep",
            "nightly_sweep",
            _daily(chosen.sweep_at),
            f"Runs `sync` over all of Teamleader every day at {chosen.sweep_at} ({settings.timezone}): finds silent"
            " changes, changed links and deletions. Waits for its turn while another run goes on.",
            full=True,
        ),
        _schedule(
            settings,
            "retention",
            "nightly_tidy",
            _daily(chosen.retention_at),
            f"Runs `tidy` every day at {chosen.retention_at} ({settings.timezone}): throws away what is no state and"
            " older than the settings `retention` say. Waits for its turn while another run goes on.",
            job="tidy",
        ),
        _schedule(
            settings,
            "digest",
            "digest_mail",
            _daily(chosen.digest_at) if chosen.digest_period == "daily" else f"{_daily(chosen.digest_at)[:-1]}1",
            f"Sends the {chosen.digest_period} e-mail at {chosen.digest_at} ({settings.timezone}), weekly ones"
            " on Mondays, about what the runs wrote, what failed, what waits for a person; none when there is nothing.",
            job="digest",
        ),
        _schedule(
            settings,
            "crmoffice",
            "crmoffice_sync",
            _every(chosen.crmoffice_minutes),
            f"Runs `crmoffice` every {chosen.crmoffice_minutes} minutes: what was edited in HubSpot or Crmoffice"
            " goes to the other one. Waits for its turn while another run goes on.",
            job="crmoffice",
        ),
    ]


def _every(minutes: int) -> str:
    return f"*/{minutes} * * * *" if minutes < 60 else f"0 */{minutes // 60} * * *"


def _daily(at: str) -> str:
    hour, minute = at.split(":")
    return f"{int(minute)} {int(hour)} * * *"


def _schedule(
    settings: Settings, part: Part, name: str, cron: str, description: str, *, job: str = "sync", full: bool = False
) -> dg.ScheduleDefinition:
    running = settings.automation.runs(part)

    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
        description=description,
        tags=_shown(part),
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # a daily run must not be lost to a short one that happens to go on: it waits, at most once
        reason = going_on(context.instance, settings, part=None if part == "interval" else part)
        return dg.SkipReason(reason) if reason else _request(part, {"full": True} if full else {})

    return tick


def _shown(part: Part) -> Mapping[str, str]:
    return {PART: part}


# ---------------------------------------------------------------------- sensors


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Every sensor: changes in Teamleader, webhooks received from it, runs that were lost, and runs that failed."""
    return [changes(settings), webhooks(settings), lost_runs(settings), mails.alerts(settings)]


def lost_runs(settings: Settings) -> dg.SensorDefinition:
    """Ends runs whose process is gone, wherever it ran; Dagster then starts them once more."""
    running = settings.automation.runs("lost_runs")

    @dg.sensor(
        name="lost_runs",
        minimum_interval_seconds=_LOOKING_FOR_LOST,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description=f"Looks every {_LOOKING_FOR_LOST} seconds whether the process of a run is gone without a word and"
        " ends that run as failed: it is tried again once, and does not keep the next ones waiting.",
        tags=_shown("lost_runs"),
    )
    def lost(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        unfinished = _unfinished(context.instance, settings)
        return dg.SkipReason(f"Runs that wait or go on: {len(unfinished)}.")

    return lost


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the change sensor knows Teamleader to be synchronised, by Teamleader's clock.

    After it asked for a run: `until` when the changes that it saw end, `asked` when that was (seconds since 1970, our
    clock), `tries` how often. `since` moves on only when a run that began after `asked` ended well.
    """

    since: datetime
    until: datetime | None = None
    asked: float = 0.0
    tries: int = 0

    @property
    def key(self) -> str:
        """Run key: the same changes and the same try never make a second run."""
        return f"{self.since.isoformat()}/{self.tries}"

    def text(self) -> str:
        """As Dagster stores it."""
        return msgspec.json.encode(self).decode()


def _cursor(text: str | None) -> Cursor | None:
    try:
        return decoding.decode(text or "", type=Cursor)
    except msgspec.MsgspecError:
        return None


def changes(settings: Settings) -> dg.SensorDefinition:
    """Starts `sync` when Teamleader has something new (three cheap calls), and again until a run ended well."""
    running = settings.automation.runs("changes")
    seconds = settings.automation.changes_seconds

    @dg.sensor(
        name="teamleader_changes",
        job_name="sync",
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description=f"Asks Teamleader every {seconds} seconds whether a record changed (three calls) and starts `sync`"
        " when one did; asks again, at growing distances, until a run that began after the change ended well.",
        tags=_shown("changes"),
    )
    def teamleader_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if reason := going_on(context.instance, settings):
            return dg.SkipReason(reason)
        cursor, now = _cursor(context.cursor), time.time()
        if cursor is not None and cursor.until is not None:
            if _ended_well(context.instance, settings, cursor.asked):
                cursor = Cursor(cursor.until)
            elif now < (again := cursor.asked + min(seconds * 2**cursor.tries, _LONGEST_PAUSE)):
                at = datetime.fromtimestamp(again, UTC)
                return dg.SkipReason(
                    f"The run for the last changes did not end well; the next try is at {at:%H:%M} UTC."
                )
        try:
            seen = probing.changed_since(Platform(settings), cursor.since if cursor else datetime.now(UTC))
        except TlHubspotError as error:
            return dg.SkipReason(error.sentence)
        if cursor is None:
            return dg.SensorResult(
                cursor=Cursor(seen.until).text(), skip_reason=f"First look: changes count from {seen.until} on."
            )
        if not seen.changed:
            return dg.SensorResult(cursor=Cursor(seen.until).text(), skip_reason="Nothing changed in Teamleader.")
        cursor = Cursor(cursor.since, seen.until, now, cursor.tries + 1)
        events: list[Any] = [
            dg.AssetMaterialization(["teamleader_focus", stream], metadata={"changed_since": cursor.since.isoformat()})
            for stream in seen.changed
        ]
        return dg.SensorResult(
            run_requests=[_request("changes", {}, key=cursor.key)], asset_events=events, cursor=cursor.text()
        )

    return teamleader_changes


def _ended_well(instance: dg.DagsterInstance, settings: Settings, since: float) -> bool:
    """Whether a whole run (one that started by itself is, but for webhooks) began after `since` and ended well."""
    filters = dg.RunsFilter(job_name="sync", statuses=[dg.DagsterRunStatus.SUCCESS], tags={DATA: _tags(settings)[DATA]})
    latest = instance.get_run_records(filters, limit=20)
    whole = [r for r in latest if r.dagster_run.tags.get(PART, "webhooks") != "webhooks"]
    return any((r.start_time or 0.0) >= since for r in whole)


_PATIENCE = timedelta(minutes=15)
"""After a run that did not get as far as storing what its events name, when no new events come."""


def webhooks(settings: Settings) -> dg.SensorDefinition:
    """Starts `sync` for just the records that received webhooks name; asks Teamleader nothing."""
    running = settings.automation.runs("webhooks")
    seconds = settings.automation.webhooks_seconds

    @dg.sensor(
        name="teamleader_webhooks",
        job_name="sync",
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description=f"Looks every {seconds} seconds whether webhooks came (`tl-hubspot webhooks serve`) and starts"
        " `sync` for the records that they name, unless a run waits or goes on.",
        tags=_shown("webhooks"),
    )
    def teamleader_webhooks(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # events that come meanwhile wait, and go together into the next run
        if reason := going_on(context.instance, settings):
            return dg.SkipReason(reason)
        try:
            batch = Spool(settings.webhooks_folder).drain(_PATIENCE)
        except OSError as error:
            return dg.SkipReason(f"The webhook events cannot be read: {error.strerror}")
        if batch is None:
            return dg.SkipReason("No webhooks came.")
        return _request("webhooks", {"webhook_batch": batch}, key=batch)

    return teamleader_webhooks
