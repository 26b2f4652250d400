"""A later run looks only at what changed, what was not at rest, and what is compared with it."""

from __future__ import annotations

from tl_hubspot_tests.e2e.builders import run_assets
from tl_hubspot_tests.e2e.conftest import Make


def test_a_run_after_few_changes_looks_at_few_records(make: Make, looked_at: list[int]) -> None:
    product = make("generated", contacts=60)
    for _ in range(2):  # the second one reads what the first one wrote
        run_assets(product.platform())
        product.systems.clock.advance(900)
    records = product.read("select count(*) from sync.outcomes").item()
    marketing = product.read("select teamleader_id from decisions.contacts where status = 'marketing'")
    contact = marketing["teamleader_id"][0]
    product.systems.teamleader.update("contacts", contact, first_name="Anders")
    product.forget()
    before = len(looked_at)
    run_assets(product.platform())
    assert len(product.writes()) == 1
    product.systems.clock.advance(900)
    product.systems.teamleader.update("contacts", contact, first_name="Nogmaals")
    run_assets(product.platform())
    assert len(product.writes()) == 2
    assert len(looked_at) == before + 2
    assert looked_at[-1] < records / 4
