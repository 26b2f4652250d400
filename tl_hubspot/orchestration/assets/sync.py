"""Groups sync and published: the plan, HubSpot itself (the push), and the analysts' copy."""

from typing import Any

import dagster as dg

from tl_hubspot.orchestration.assets.common import OWNERS, result, run_of, spec
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import planning, publish, pushing


@dg.asset(
    **spec(["plan"], "sync.plan", group_name="sync", kinds={"polars", "duckdb"}),
    deps=[
        *(["eligible", name] for name in ("contacts", "companies", "deals", "relations")),
        ["hubspot", "associations"],
        ["hubspot", "properties"],
    ],
)
def plan(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        return result(platform, "sync.plan", planning.plan(platform, run))


@dg.asset(
    key=["hubspot_sync"],
    group_name="sync",
    kinds={"hubspot"},
    owners=OWNERS,
    deps=[["plan"]],
    description="HubSpot after the plan was pushed: every change confirmed, failed with a reason, or held.",
)
def hubspot_sync(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        return result(platform, None, pushing.push(platform, run))


@dg.asset(
    key=["published", "analytics"],
    group_name="published",
    kinds={"duckdb"},
    owners=OWNERS,
    deps=[["hubspot_sync"]],
    description="analytics.duckdb: a consistent copy of all tables that may be read while a run writes.",
)
def analytics(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with run_of(context, platform):
        return result(platform, None, publish.publish(platform))


ASSETS = [plan, hubspot_sync, analytics]
