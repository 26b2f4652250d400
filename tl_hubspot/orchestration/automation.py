"""Jobs, the hourly schedule and the sensor that asks Teamleader whether anything changed; off unless switched on."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from tl_hubspot.config.settings import Settings
from tl_hubspot.errors import TlHubspotError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import probing

PLAN = ["plan"]
SYNC = ["hubspot_sync"]
PUBLISHED = ["published", "analytics"]

_EVERYTHING = dg.AssetSelection.all().materializable()

sync_job = dg.define_asset_job(
    "sync", selection=_EVERYTHING, description="Read both systems, decide, plan, push the differences, publish."
)
plan_job = dg.define_asset_job(
    "plan_only",
    selection=_EVERYTHING - dg.AssetSelection.assets(SYNC, PUBLISHED),
    description="Everything up to the plan; changes nothing in HubSpot.",
)
approve_job = dg.define_asset_job(
    "approve",
    selection=dg.AssetSelection.assets(PLAN, SYNC, PUBLISHED),
    description="Push a plan that was held; started by `tl-hubspot approve DIGEST`.",
)


def schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Runs `sync` every hour (automation.schedule_cron)."""
    running = settings.automation.schedule
    return dg.ScheduleDefinition(
        name="hourly_sync",
        job=sync_job,
        cron_schedule=settings.automation.schedule_cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
        description="Synchronise every hour. Off unless TL_HUBSPOT_AUTOMATION__SCHEDULE is true.",
    )


def sensor(settings: Settings) -> dg.SensorDefinition:
    """Starts `sync` when Teamleader says that something changed since the cursor (three cheap calls)."""
    running = settings.automation.sensor

    @dg.sensor(
        name="teamleader_changes",
        job=sync_job,
        minimum_interval_seconds=settings.automation.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Asks Teamleader for the number of changed records and starts a run when there are any. Off unless"
        " TL_HUBSPOT_AUTOMATION__SENSOR is true.",
    )
    def teamleader_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.cursor is None:
            now = datetime.now(UTC).isoformat()
            return dg.SensorResult(cursor=now, skip_reason=f"First look: changes count from {now} on.")
        try:
            seen = probing.changed_since(Platform(settings), datetime.fromisoformat(context.cursor))
        except TlHubspotError as error:
            return dg.SkipReason(error.sentence)
        if not seen.changed:
            return dg.SensorResult(cursor=seen.until.isoformat(), skip_reason="Nothing changed in Teamleader.")
        key = hashlib.sha256(json.dumps(seen.latest, sort_keys=True).encode()).hexdigest()[:32]
        events: list[Any] = [
            dg.AssetMaterialization(["teamleader_focus", stream], metadata={"changed_since": context.cursor})
            for stream in seen.changed
        ]
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=key)], asset_events=events, cursor=seen.until.isoformat()
        )

    return teamleader_changes
