"""How many calls a reading of Teamleader takes at least, and which way to the links takes fewer: numbers only.

`extraction` and `orchestration.steps` carry it out and note here what they made. Nothing is called here.

The computed minimum of a stream is the fewest calls that read what is demanded, with one record per `.info` and
100 per page:

* list: per status, one call per 100 records begun, and one more when the last page is full (`list_calls`);
* small lists: one call each, and one per pipeline for its phases (`reference_calls`);
* links, all of them: the cheaper of two ways (`LinkPlan`), reckoned with what turned out to be there;
* links of changed records, and those read again because they are old: one call per record, and one per contact of
  whose companies the order is not known;
* phase history: one call per deal whose decision needs it and whose history is not known.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil, floor
from typing import Literal

from tl_hubspot.teamleader.endpoints import PAGE_SIZE

SEVERAL_COMPANIES = 0.1
"""Share of linked contacts assumed to have several companies while it is not known."""
MANY_SEVERAL_COMPANIES = 0.6
"""More than that is not expected of any account."""
UNLINKED = 0.1
"""Share of contacts assumed to have no company while it is not known."""
PROBES = 5
"""Contacts said to have no company that are looked at one by one, before the others are believed."""

Way = Literal["companies.info", "contacts.info", "none"]


@dataclass(frozen=True)
class LinkPlan:
    """Calls of the two ways to all links of the contacts that need them.

    `by_company`: companies.info of every company, then contacts.info of the contacts that have several, as only the
    contact knows which of its companies is listed first. `by_contact`: contacts.info of every contact that may have a
    company.
    """

    companies: int
    contacts: int
    by_company: int
    by_contact: int

    @property
    def way(self) -> Way:
        """The endpoint whose records carry the links; contacts.info when both take the same number."""
        if not self.companies or not self.contacts:
            return "none"
        return "contacts.info" if self.by_contact <= self.by_company else "companies.info"

    @property
    def calls(self) -> int:
        """Calls of the cheaper way."""
        return 0 if self.way == "none" else min(self.by_company, self.by_contact)

    @property
    def is_open(self) -> bool:
        """Which way is cheaper hangs on how many contacts have several companies."""
        return self.companies < self.contacts <= self.companies + ceil(MANY_SEVERAL_COMPANIES * self.contacts)

    @property
    def probe(self) -> Literal["no", "look", "yes"]:
        """Whether to list the contacts without a company, to leave them out.

        "look": it pays only if there are more than `break_even` of them, which one call shows.
        """
        if self.way == "none":
            return "no"
        if self.by_contact <= self.by_company:
            saved, cost = UNLINKED * self.contacts, list_calls(round(UNLINKED * self.contacts)) + 1 + PROBES
            return "yes" if cost < saved else "no"
        return "look" if self.break_even < self.contacts else "no"

    @property
    def break_even(self) -> int:
        """So many contacts without a company make the way by contact, with the list of them, the cheaper one."""
        more = self.by_contact - self.by_company
        return max(0, ceil((more + PROBES + 1) * PAGE_SIZE / (PAGE_SIZE - 1)))


def plan_links(companies: int, contacts: int, several: float = SEVERAL_COMPANIES) -> LinkPlan:
    """The plan for `companies` (all of them) and `contacts` (those that need links and may have a company).

    `several`: share of the contacts that have several companies. One company alone needs no order.
    """
    order = ceil(contacts * several) if companies > 1 else 0
    return LinkPlan(companies, contacts, companies + order, contacts)


def list_calls(records: int) -> int:
    """Calls that read a list of so many records: a full last page does not show that it is the last."""
    return records // PAGE_SIZE + 1


def reference_calls(pipelines: int) -> int:
    """Calls that read the small lists: users, pipelines, sources, lost reasons, legal forms, custom fields, phases."""
    return 6 + pipelines


def rereads(owners: int, days: float, gap: float) -> int:
    """How many of `owners` to read again now, so that with a reading every `gap` days each has its turn in `days`."""
    return ceil(owners / max(1, floor(days / max(gap, 1 / 24))))


def minutes(calls: int, calls_per_minute: int) -> float:
    """How long the calls take at this rate."""
    return calls / calls_per_minute


@dataclass
class CallBook:
    """Calls per stream of one run: `planned` beforehand (streams whose size was not known are absent), `minimum` as
    computed from what was there, `made` in fact with every repeat."""

    planned: Counter[str] = field(default_factory=Counter)
    minimum: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
