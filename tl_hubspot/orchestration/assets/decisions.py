"""Groups sync (links), decisions and eligible: the rules over both systems' records."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from tl_hubspot.orchestration.assets.common import result, run_of, spec
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import deciding

_POLARS = {"polars", "duckdb"}
Step = Callable[[Platform, Run], dict[str, Any]]


@dg.asset(
    **spec(["sync", "links"], "sync.links", group_name="sync", kinds=_POLARS),
    deps=[
        *(["teamleader", name] for name in ("contacts", "companies", "deals")),
        *(["hubspot", name] for name in ("contacts", "companies", "deals")),
    ],
)
def links(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
    with run_of(context, platform) as run:
        return result(platform, "sync.links", deciding.links(platform, run))


def _table(name: str, step: Step, group: str, deps: list[list[str]]) -> dg.AssetsDefinition:
    table = f"{group}.{name}"

    @dg.asset(**spec([group, name], table, group_name=group, kinds=_POLARS), deps=deps)
    def computed(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[Any]:
        with run_of(context, platform) as run:
            return result(platform, table, step(platform, run))

    return computed


def _decisions(name: str, step: Step, *deps: list[str]) -> dg.AssetsDefinition:
    return _table(name, step, "decisions", [["teamleader", name], ["sync", "links"], *deps])


def _eligible(name: str, *deps: list[str]) -> dg.AssetsDefinition:
    return _table(name, lambda p, r: deciding.eligible_records(p, r, name), "eligible", list(deps))


_LINKS = ["teamleader", "contact_company_links"]
_CONTACTS, _COMPANIES, _DEALS = (["decisions", name] for name in ("contacts", "companies", "deals"))

ASSETS = [
    links,
    # the set of companies of a contact is part of when it was changed
    _decisions("contacts", deciding.contacts, _LINKS),
    _decisions("companies", deciding.companies, _LINKS, _CONTACTS),
    _decisions(
        "deals",
        deciding.deals,
        ["teamleader", "deal_phase_history"],
        ["teamleader", "reference"],
        ["hubspot", "properties"],
        _CONTACTS,
    ),
    _eligible("contacts", _CONTACTS, _COMPANIES, _LINKS),
    _eligible("companies", _COMPANIES),
    _eligible("deals", _DEALS, _COMPANIES),
    _eligible("relations", ["eligible", "deals"], _CONTACTS, _COMPANIES, _LINKS),
]
