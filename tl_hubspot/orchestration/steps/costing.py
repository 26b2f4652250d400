"""What pushing a plan costs: calls to HubSpot, and marketing contacts against what the portal has bought.

The arithmetic stands in `planning.forecast` and `planning.marketing_cost`; here its inputs are read.
"""

from __future__ import annotations

import polars as pl

from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import published
from tl_hubspot.planning.marketing_cost import MarketingCost, next_renewal
from tl_hubspot.planning.plan import Plan
from tl_hubspot.rules import ageing


def marketing(platform: Platform, plan: Plan) -> MarketingCost:
    """Marketing contacts now, after the plan, and up to the next renewal."""
    settings, warehouse = platform.settings.marketing, platform.warehouse
    rules = published.rules(platform, warehouse, "contact")
    renewal = settings.renewal and next_renewal(settings.renewal, rules.as_of_date)
    readings = warehouse.read("select base from sync.readings where entity_type = 'contact'")["base"]
    return MarketingCost(
        method=settings.method,
        now=warehouse.count("hubspot.contacts", "marketable and not archived"),
        new=next((limit.value for limit in plan.limits if limit.name == "new_marketing_contacts"), 0),
        bought=settings.tier,
        renewal=renewal,
        ageing=_ageing(platform, (renewal - rules.as_of_date).days) if renewal else None,
        is_complete="keyed" not in readings,
    )


def _ageing(platform: Platform, days: int) -> int:
    """Contacts that are marketing now and will not be, if nobody edits them."""
    rules = published.rules(platform, platform.warehouse, "contact")
    found = ageing.ageing(published.tables(platform, platform.warehouse), rules, days)
    leaving = found.filter(pl.col("old_status") == "marketing", pl.col("status") != "marketing")
    return leaving["teamleader_id"].n_unique()
