"""The analysts' copy: a version of the working database that nobody writes to."""

from __future__ import annotations

from tl_hubspot.orchestration.run import Platform


def publish(platform: Platform) -> dict[str, object]:
    """Publish `analytics.duckdb`; returns its version and size in bytes."""
    version = platform.warehouse.publish(platform.settings.published)
    return {"version": version.name, "bytes": version.stat().st_size}
