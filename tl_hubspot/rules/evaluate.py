"""All decisions at once from one bundle of source frames: for questions about one record, ageing and benchmarks.

The pipeline decides table by table with the same functions (`contacts`, `companies`, `deals`); nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from tl_hubspot.rules import companies, contacts, deals
from tl_hubspot.rules.deals import MappedStages
from tl_hubspot.rules.settings import RuleSettings


@dataclass(frozen=True)
class Source:
    """The tables `teamleader.*` without deleted records, the ids that have a HubSpot record, the mapped stages."""

    contacts: pl.DataFrame
    companies: pl.DataFrame
    deals: pl.DataFrame
    contact_company_links: pl.DataFrame
    deal_phase_history: pl.DataFrame
    linked_contacts: Collection[str] | pl.Series
    linked_companies: Collection[str] | pl.Series
    linked_deals: Collection[str] | pl.Series
    mapped: MappedStages


@dataclass(frozen=True)
class Prepared:
    """The part of the facts that stays the same whatever the date, and the source."""

    source: Source
    contacts: pl.DataFrame
    groups: pl.DataFrame
    deals: pl.DataFrame


@dataclass(frozen=True)
class Decisions:
    """The tables `decisions.*`."""

    contacts: pl.DataFrame
    companies: pl.DataFrame
    deals: pl.DataFrame


def prepare(source: Source, settings: RuleSettings) -> Prepared:
    """Normal forms, opt-outs, company groups, dates of status changes: the slow part, once for many dates."""
    return Prepared(
        source,
        contacts.prepare(source.contacts, settings),
        companies.group(source.companies, settings),
        deals.prepare(source.deals, source.deal_phase_history, source.mapped, settings),
    )


def decide(prepared: Prepared, settings: RuleSettings) -> Decisions:
    """All decisions at `settings.as_of`; the other settings must be those of `prepare`."""
    source = prepared.source
    contact_facts = contacts.facts(prepared.contacts, source.linked_contacts, settings)
    contact_decisions = contacts.decision(contact_facts, settings)
    return Decisions(
        contact_decisions,
        companies.decide(
            prepared.groups, source.contact_company_links, contact_decisions, source.linked_companies, settings
        ),
        deals.decision(deals.facts(prepared.deals, contact_decisions, source.linked_deals, settings), settings),
    )


def evaluate(source: Source, settings: RuleSettings) -> Decisions:
    """All decisions of a source."""
    return decide(prepare(source, settings), settings)
