"""Resources: the platform of a run, configurable in the launchpad, and the warehouse for everything that only reads.

Clients and settings are made by `orchestration.run.Platform`; nothing is opened before a step needs it.
"""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field

from tl_hubspot.config import settings as configuration
from tl_hubspot.config.settings import Settings
from tl_hubspot.orchestration.run import ENTITIES, Platform, RunOptions, warehouse_of
from tl_hubspot.orchestration.steps import conclude
from tl_hubspot.warehouse.store import Warehouse


class WarehouseResource(DuckDBResource):
    """The working database. Unlike its base: can open read-only, closes after an exception, waits only for locks."""

    lock_timeout_seconds: float = Field(default=60, description="How long to wait for another process's lock.")

    @property
    def store(self) -> Warehouse:
        """Reading and writing frames."""
        return _store(self.database, self.lock_timeout_seconds)

    @contextlib.contextmanager
    def get_connection(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that is closed at the end whatever happens."""
        with self.store.connect(read_only=read_only) as connection:
            yield connection


@functools.cache
def _store(database: str, lock_timeout: float) -> Warehouse:
    """Dagster makes a resource for each step; what was found of the file once is so for all of them."""
    return Warehouse(Path(database), lock_timeout=lock_timeout)


@dataclass(frozen=True)
class OpenedWarehouse:
    """A working database that the UI shows no configuration of: on DuckLake, or the one that a run has open already."""

    store: Warehouse


def warehouse_resource(settings: Settings, platform: Platform | None) -> Any:
    """The working database of the platform, or that the settings name, for what only reads."""
    if platform is not None or settings.warehouse.catalog is not None:
        opened = platform.warehouse if platform else warehouse_of(settings)
        return dg.ResourceDefinition.hardcoded_resource(OpenedWarehouse(opened))
    return WarehouseResource(database=str(settings.database), lock_timeout_seconds=settings.lock_timeout_seconds)


@dg.resource(
    config_schema={
        "as_of": dg.Field(
            dg.Noneable(str), default_value=None, description="Decide as if it were this date or instant; default now."
        ),
        "full": dg.Field(bool, default_value=False, description="Read all of Teamleader again."),
        "only": dg.Field(
            [dg.Enum("EntityType", [dg.EnumValue(entity_type) for entity_type in ENTITIES])],
            default_value=[],
            description="Change only these: contact, company, deal.",
        ),
        "webhook_batch": dg.Field(
            dg.Noneable(str),
            default_value=None,
            description="Read only the records that these webhook events name; set by the sensor teamleader_webhooks.",
        ),
    }
)
def platform_resource(context: dg.InitResourceContext) -> Iterator[Platform]:
    """The platform of one run; what a person typed in the launchpad are its options, its lock goes at the end."""
    given = context.resource_config
    options = RunOptions(
        as_of=given["as_of"],
        full=given["full"],
        only=tuple(given["only"]),
        command="plan" if context.run is not None and context.run.job_name == "plan_only" else "sync",
        webhook_batch=given["webhook_batch"],
    )
    platform = Platform(configuration.load(), options)
    try:
        yield platform
    finally:
        if platform.error is not None and context.run_id in platform.open_runs:
            conclude.stopped(platform, context.run_id, platform.error)
        platform.close()
