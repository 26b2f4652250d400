"""Groups sync and published: the plan, HubSpot itself (the push), and the analysts' copy."""

from typing import Any

import dagster as dg

from tl_hubspot.orchestration.assets import lineage
from tl_hubspot.orchestration.assets.common import result, run_of, spec
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import planning, publish, pushing
from tl_hubspot.reporting.links import portal_page


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


@dg.asset(**spec(["hubspot_sync"], group_name="sync", kinds={"hubspot"}), deps=[["plan"]])
def hubspot_sync(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        facts = pushing.push(platform, run) | lineage.of_mapping(platform.mapping)
        account = platform.warehouse.read("hubspot.account")
        if account.height and (page := portal_page(account.row(0, named=True))):
            facts["in_hubspot"] = dg.MetadataValue.url(page)
        return result(platform, None, facts)


@dg.asset(**spec(["published", "analytics"], group_name="published", kinds={"duckdb"}), deps=[["hubspot_sync"]])
def analytics(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        facts = publish.publish(platform)
        if "report" in facts:
            facts["report"] = dg.MetadataValue.path(str(facts["report"]))
        else:
            facts["report"] = f"tl-hubspot report {run.run_id[:8]} writes it (docs/reports.md)"
        return result(platform, None, facts)


ASSETS = [plan, hubspot_sync, analytics]
