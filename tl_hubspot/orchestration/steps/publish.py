"""The analysts' copy: a version of the working database that nobody writes to; and the report, where runs write one."""

from __future__ import annotations

import logging

from tl_hubspot.errors import TlHubspotError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.finding import LATEST

_log = logging.getLogger(__name__)


def publish(platform: Platform) -> dict[str, object]:
    """Publish `analytics.duckdb`; returns its version and size in bytes."""
    version = platform.warehouse.publish(platform.settings.published)
    told: dict[str, object] = {"version": version.name, "bytes": version.stat().st_size}
    if platform.settings.reports.after_each_run:
        from tl_hubspot.orchestration.steps import reports

        try:
            told["report"] = str(reports.write(platform, LATEST))
        except TlHubspotError as error:  # what was pushed is pushed: a page that cannot be written is no failed run
            _log.warning("The report was not written. %s", error.sentence)
    return told
