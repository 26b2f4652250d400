"""Groups crmoffice and two_way: the mirrors, the plan between HubSpot and Crmoffice, and both systems after it.

Each asset does every flow that has fields; flows that only link are done by the last one.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg

from tl_hubspot.errors import HeldByGuard
from tl_hubspot.orchestration import automation
from tl_hubspot.orchestration.assets.common import begin, result, spec
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import publish
from tl_hubspot.orchestration.steps.two_way import cycle


@contextlib.contextmanager
def _cycle_of(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[None]:
    """As `run_of` of the other groups, without a run of Teamleader's flow."""
    if platform.error is not None:
        raise platform.error
    begin(platform)
    try:
        with automation.skipping(context):
            cycle.enter(platform)
        yield
    except BaseException as error:
        platform.error = error
        raise


@dg.asset(
    **spec(["crmoffice", "contacts"], "crmoffice.contacts", group_name="crmoffice", kinds={"crmoffice", "duckdb"})
)
def crmoffice_contacts(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    with _cycle_of(context, platform):
        facts: Counter[str] = Counter()
        for flow in platform.flows:
            if flow.enabled and flow.fields:
                facts.update(cycle.read(platform, flow, context.run.run_id))
        return result(platform, "crmoffice.contacts", facts)


@dg.asset(
    **spec(["two_way", "plan"], group_name="two_way", kinds={"polars", "duckdb"}),
    deps=[["crmoffice", "contacts"]],
)
def two_way_plan(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with _cycle_of(context, platform):
        facts: Counter[str] = Counter()
        for flow in platform.flows:
            if flow.enabled and flow.fields:
                made = cycle.look(platform, flow, context.run.run_id)
                facts.update(made.counts)
                facts["writes"] += made.plan.writes.height
                facts["creations"] += made.plan.creations.height
        return result(platform, None, facts)


@dg.asset(
    **spec(["two_way", "sync"], group_name="two_way", kinds={"hubspot", "crmoffice"}),
    deps=[["two_way", "plan"]],
)
def two_way_sync(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with _cycle_of(context, platform):
        cycles = cycle.carry_out(platform, context.run.run_id)
        publish.publish(platform)
        if any(made.status == "held" for made in cycles):
            raise HeldByGuard(
                "Too many linked records seem deleted, nothing was written",
                where="two-way flow",
                mend="Look at `tl-hubspot crmoffice plan`, which says how to go on",
            )
        facts: Counter[str] = Counter()
        for made in cycles:
            facts.update(made.counts)
        return result(platform, None, facts)


ASSETS = [crmoffice_contacts, two_way_plan, two_way_sync]
