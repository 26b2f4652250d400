"""Group hubspot: the mirror of the portal."""

from typing import Any

import dagster as dg

from tl_hubspot.orchestration.assets.common import result, run_of, spec
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import associating, mirroring

_KINDS = {"hubspot", "duckdb"}
_DEFINITIONS = ["hubspot", "properties"]


@dg.asset(**spec(_DEFINITIONS, "hubspot.properties", group_name="hubspot", kinds=_KINDS))
def properties(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        return result(platform, "hubspot.properties", mirroring.definitions(platform, run))


def _records(entity_type: str) -> dg.AssetsDefinition:
    table = mirroring.TABLES[entity_type]
    # what changed in Teamleader is looked up in HubSpot whichever way the rest is read
    deps = [_DEFINITIONS, mirroring.SOURCES[entity_type].split(".")]
    if entity_type == "contact":
        deps.append(["teamleader", "contact_company_links"])

    @dg.asset(**spec(table.split("."), table, group_name="hubspot", kinds=_KINDS), deps=deps)
    def records(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
        with run_of(context, platform) as run:
            return result(platform, table, mirroring.records(platform, run, entity_type))

    return records


@dg.asset(
    **spec(["hubspot", "associations"], "hubspot.associations", group_name="hubspot", kinds=_KINDS),
    deps=[*(["hubspot", name] for name in ("contacts", "companies", "deals")), ["eligible", "relations"]],
)
def associations(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        return result(platform, "hubspot.associations", associating.associations(platform, run))


ASSETS = [properties, *(_records(entity_type) for entity_type in mirroring.TABLES), associations]
