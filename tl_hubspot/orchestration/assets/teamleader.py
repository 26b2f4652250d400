"""Group teamleader: the external source, and its records as received in the warehouse."""

from typing import Any

import dagster as dg

from tl_hubspot.orchestration.assets.common import result, run_of, spec
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import extract, links, named, phases
from tl_hubspot.orchestration.steps.calls import counted
from tl_hubspot.teamleader.extraction import Stream

_KINDS = {"python", "duckdb"}

SOURCES = [
    dg.AssetSpec(**spec(["teamleader_focus", name], group_name="teamleader_focus", kinds={"teamleader"}))
    for name in (*extract.STREAMS, "reference")
]


def _records(stream: Stream) -> dg.AssetsDefinition:
    table = f"teamleader.{stream}"

    @dg.asset(
        **spec(["teamleader", stream], table, group_name="teamleader", kinds=_KINDS),
        deps=[["teamleader_focus", stream]],
    )
    def records(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
        with run_of(context, platform) as run:
            read = extract.records if run.named is None else named.records
            with counted(platform, run, stream) as facts:
                facts |= read(platform, run, stream) | {"full_read": run.is_full}
                if versions := platform.teamleader.other_versions:
                    facts["answered_in_api_version"] = ", ".join(sorted(versions))
            return result(platform, table, facts)

    return records


@dg.asset(
    **spec(["teamleader", "reference"], "teamleader.reference", group_name="teamleader", kinds=_KINDS),
    deps=[["teamleader_focus", "reference"]],
)
def reference(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        with counted(platform, run, "reference") as facts:
            facts["rows"] = extract.reference(platform, run)
        return result(platform, "teamleader.reference", facts)


@dg.asset(
    **spec(
        ["teamleader", "contact_company_links"],
        "teamleader.contact_company_links",
        group_name="teamleader",
        kinds=_KINDS,
    ),
    deps=[["teamleader", "contacts"], ["teamleader", "companies"]],
)
def contact_company_links(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        read = links.links if run.named is None else named.links
        with counted(platform, run, links.STREAM) as facts:
            facts |= read(platform, run)
        return result(platform, "teamleader.contact_company_links", facts)


@dg.asset(
    **spec(
        ["teamleader", "deal_phase_history"], "teamleader.deal_phase_history", group_name="teamleader", kinds=_KINDS
    ),
    deps=[["teamleader", "contacts"], ["teamleader", "deals"]],
)
def deal_phase_history(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        with counted(platform, run, phases.STREAM) as facts:
            facts |= phases.phase_history(platform, run)
        return result(platform, "teamleader.deal_phase_history", facts)


ASSETS = [
    *SOURCES,
    *(_records(stream) for stream in extract.STREAMS),
    reference,
    contact_company_links,
    deal_phase_history,
]
