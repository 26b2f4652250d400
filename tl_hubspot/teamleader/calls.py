"""How to read the links between contacts and companies with the fewest calls: a pure plan with its numbers.

Nothing is called here: `extraction` carries the plan out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil
from typing import Literal

from tl_hubspot.teamleader.endpoints import PAGE_SIZE

SEVERAL_COMPANIES = 0.1
"""Share of linked contacts assumed to have several companies while it is not known."""


@dataclass(frozen=True)
class LinkPlan:
    """What to read. Numbers are calls; `way` names the endpoint whose records carry the links."""

    way: Literal["companies.info", "contacts.info", "none"]
    company_ids: frozenset[str]
    """To read with `links_by_company`, and then by contact those that have several, for their order."""
    contact_ids: frozenset[str]
    """To read with `links_by_contact`."""
    calls: int
    calls_by_company: int
    calls_by_contact: int
    probe_worthwhile: bool
    """It is not known which contacts are linked, and finding out may save more calls than it costs."""
    probe_calls: int

    def minutes(self, calls_per_minute: int) -> float:
        """How long the calls take at this rate."""
        return self.calls / calls_per_minute


def plan_calls(
    companies: Collection[str],
    contacts: Collection[str],
    *,
    linked: Collection[str] | None = None,
    all_contacts: int | None = None,
    several_companies: float = SEVERAL_COMPANIES,
) -> LinkPlan:
    """The cheapest way to know the links of `contacts` (those inside the import window) to `companies` (all of them).

    A: companies.info of every company, then contacts.info of the contacts that have several, as only the contact
    knows which of its companies is listed first. B: contacts.info of every contact that may be linked. `linked` are
    the contacts known to have a company (`Extraction.unlinked_contacts` gives the others); None when that is unknown.
    `all_contacts` is the size of the list that finding out would have to read.
    """
    wanted = frozenset(contacts)
    if not wanted or not companies:
        return LinkPlan("none", frozenset(), frozenset(), 0, 0, 0, False, 0)
    candidates = wanted if linked is None else wanted & frozenset(linked)
    # A contact with several companies takes at least two of the links; nobody else needs a second look.
    order_calls = ceil(len(candidates) * several_companies) if len(companies) > 1 else 0
    by_company = len(companies) + order_calls
    by_contact = len(candidates)
    # Of either status: records without a time (looked for twice), and the last, confirming page.
    probe_calls = ceil((all_contacts or len(wanted)) / PAGE_SIZE) + 8 if linked is None else 0
    by_contact_is_cheaper = by_contact <= by_company
    way: Literal["companies.info", "contacts.info", "none"] = "companies.info"
    if by_contact_is_cheaper:
        way = "contacts.info" if candidates else "none"
    return LinkPlan(
        way=way,
        company_ids=frozenset() if by_contact_is_cheaper else frozenset(companies),
        contact_ids=candidates if by_contact_is_cheaper else frozenset(),
        calls=min(by_company, by_contact),
        calls_by_company=by_company,
        calls_by_contact=by_contact,
        # The reading by company stays as dear as it is, whatever the probe shows.
        probe_worthwhile=linked is None and probe_calls < min(len(companies), by_contact),
        probe_calls=probe_calls,
    )
