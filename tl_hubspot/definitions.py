"""The one object that Dagster loads. `build_definitions` lets a caller swap the platform; nothing is decided here."""

from __future__ import annotations

import gc

import dagster as dg

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration import automation, checks, two_way_checks
from tl_hubspot.orchestration.assets import decisions, hubspot, sync, teamleader, two_way
from tl_hubspot.orchestration.resources import platform_resource, warehouse_resource
from tl_hubspot.orchestration.run import Platform


def build_definitions(platform: Platform | None = None) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors.

    `platform`: used by every step as it is (the command line and tests); without it each run makes its own from the
    environment and from what was typed in the launchpad.
    """
    settings = platform.settings if platform else configuration.load()
    return dg.Definitions(
        assets=[*teamleader.ASSETS, *hubspot.ASSETS, *decisions.ASSETS, *sync.ASSETS, *two_way.ASSETS],
        asset_checks=[*checks.CHECKS, *two_way_checks.CHECKS],
        jobs=automation.jobs(settings),
        schedules=automation.schedules(settings),
        sensors=automation.sensors(settings),
        resources={"platform": platform or platform_resource, "warehouse": warehouse_resource(settings, platform)},
        # DuckDB locks per process: one process per run needs no lock between its steps, and starts ten times faster
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads; made when asked for, so that importing this module needs no configuration."""
    gc.set_threshold(500_000)  # as the command line does: a large push would be held up again and again
    return build_definitions()
