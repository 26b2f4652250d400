"""`--subset`: the first steps of an installation with a few records, then all of them."""

from __future__ import annotations

from typing import Any

from tl_hubspot_tests.e2e.builders import run_assets
from tl_hubspot_tests.e2e.conftest import Make, Product

KINDS = {"contact": 4, "company": 2, "deal": 2}


def _left_out(product: Product) -> int:
    return int(product.read("select count(*) from sync.outcomes where reason = 'not_in_subset'").item())


def _rows(product: Product) -> dict[str, int]:
    return dict(product.read("select entity_type, count(*) from sync.outcomes group by all").iter_rows())


def _carrying(product: Product) -> dict[str, set[str]]:
    """Teamleader ids that HubSpot records carry."""
    found: dict[str, set[Any]] = {}
    for kind, plural in (("contact", "contacts"), ("company", "companies"), ("deal", "deals")):
        records = product.systems.hubspot.all(plural)
        found[kind] = {r["properties"]["teamleader_id"] for r in records if r["properties"].get("teamleader_id")}
    return found


def test_a_few_records_first_then_all(make: Make) -> None:
    product = make("subset", TL_HUBSPOT_MARKETING__TIER="0")
    held = run_assets(product.platform(subset="4,2,2"))
    assert held.exit_code == 3
    assert product.writes() == []
    before = _carrying(product)
    assert run_assets(product.platform(command="approve", approved=held.run["digest"])).exit_code == 0, "as that subset"
    new = {kind: len(ids - before[kind]) for kind, ids in _carrying(product).items()}
    assert all(0 < new[kind] <= most for kind, most in KINDS.items()), new
    assert _left_out(product) > 10
    written = product.read("select distinct entity_type, teamleader_id from sync.journal")["entity_type"]
    assert all(n <= KINDS.get(kind, 99) for kind, n in written.value_counts().iter_rows())
    rows = _rows(product)

    del product.environment["TL_HUBSPOT_MARKETING__TIER"]
    product.forget()
    assert run_assets(product.platform()).exit_code == 0
    assert product.writes() != []
    assert _left_out(product) == 0
    assert _rows(product) == rows, "every record has its outcome both times"
