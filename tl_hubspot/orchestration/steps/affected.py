"""Which rows of a computed table follow from rows that changed: ids by id, closed under whatever the rules compare.

The rules (`rules`) given only these rows, and what they look at beside them, decide the same as given all. Reads
tables; what changed is found in `changed`, and what is computed of it stands in `deciding`.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from tl_hubspot.orchestration.steps import changed
from tl_hubspot.orchestration.steps.changed import FEW, Changed
from tl_hubspot.orchestration.steps.unchanged import MadeOf
from tl_hubspot.rules import companies as company_rules
from tl_hubspot.rules import contacts as contact_rules
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.warehouse.store import Warehouse

LINKS = "teamleader.contact_company_links"


class _TooMany(Exception):
    """More follows than is worth singling out."""


def ids_affected(
    warehouse: Warehouse, table: str, made_of: MadeOf, affected: Callable[[Affected], pl.Series]
) -> pl.Series | None:
    """What `affected` says of the changes since `table` was computed; None: all that there are.

    `made_of`: what it is made of now.
    """
    rows = changed.since(warehouse, table, made_of, for_rules=True)
    if rows is None:
        return None
    try:
        return affected(Affected(warehouse, rows))
    except _TooMany:
        return None


class Affected:
    """What follows from rows that changed."""

    def __init__(self, warehouse: Warehouse, rows: Changed) -> None:
        self._read, self._changed, self._count = warehouse.read, rows, warehouse.count

    # --- decisions ---

    def contacts(self, rules: RuleSettings) -> pl.Series:
        """Contacts to decide: those that changed, and all that have an address which one of them has or had."""
        seeds = union(self._ids("teamleader.contacts"), self._linked("contact"))
        stored = self._column("select address from decisions.contacts where teamleader_id in (from _ids)", seeds)
        columns = ", ".join(contact_rules.LOOKED_AT)
        now = self._some(f"select {columns} from teamleader.contacts where id in (from _ids)", seeds)
        addresses = union(stored, contact_rules.prepare(now, rules)["address"])
        sharing = self._column("select teamleader_id from decisions.contacts where address in (from _ids)", addresses)
        return self._few(union(seeds, sharing), "decisions.contacts")

    def companies(self, rules: RuleSettings) -> pl.Series:
        """Companies to decide: those that changed, those of contacts decided otherwise, and all that share a key with
        one of them, or with one that does, and so on."""
        people = self._ids("decisions.contacts")
        seeds = union(
            self._ids("teamleader.companies"),
            self._linked("company"),
            self._ids(LINKS, "company_id"),
            self._column(f"select company_id from {LINKS} where contact_id in (from _ids)", people),
        )
        columns = ", ".join(company_rules.LOOKED_AT)
        now = self._some(
            f"select {columns} from teamleader.companies where id in (from _ids)", self._ids("teamleader.companies")
        )
        keys = company_rules.keys(now, rules)
        found = seeds.clear()
        while seeds.len() > found.len():
            found = self._few(seeds, "decisions.companies")
            stored = self._some(
                f"select {', '.join(company_rules.KEYS)} from decisions.companies where teamleader_id in (from _ids)",
                found,
            )
            for key in company_rules.KEYS:
                values = union(stored[key], keys[key])
                sharing = f"select teamleader_id from decisions.companies where {key} in (from _ids)"
                seeds = union(seeds, self._column(sharing, values))
        return found

    def deals(self) -> pl.Series:
        """Deals to decide: those that changed, and those of contacts decided otherwise."""
        people = self._ids("decisions.contacts")
        of_people = self._column(
            "select teamleader_id from decisions.deals where source_contact_id in (from _ids)", people
        )
        seeds = union(
            self._ids("teamleader.deals"),
            self._ids("teamleader.deal_phase_history", "deal_id"),
            self._linked("deal"),
            of_people,
        )
        return self._few(seeds, "decisions.deals")

    # --- eligible ---

    def eligible_contacts(self) -> pl.Series:
        """Contacts decided otherwise, those whose links or whose companies' groups differ; who lost and who won."""
        seeds = union(
            self._ids("decisions.contacts"),
            self._ids(LINKS, "contact_id"),
            self._column(f"select contact_id from {LINKS} where company_id in (from _ids)", self._members()),
        )
        winners = "select duplicate_of from decisions.contacts where teamleader_id in (from _ids)"
        return self._few(union(seeds, self._column(winners, seeds)), "decisions.contacts")

    def eligible_companies(self) -> pl.Series:
        """Groups of companies decided otherwise."""
        seeds = self._ids("decisions.companies")
        groups = "select group_id from decisions.companies where teamleader_id in (from _ids)"
        return self._few(union(seeds, self._column(groups, seeds)), "decisions.companies")

    def eligible_deals(self) -> pl.Series:
        """Deals decided otherwise, and those of a group of companies that was."""
        of_groups = "select teamleader_id from decisions.deals where company_id in (from _ids)"
        return self._few(
            union(self._ids("decisions.deals"), self._column(of_groups, self._members())), "decisions.deals"
        )

    def relations(self) -> pl.Series:
        """Contacts and deals whose relations may differ."""
        return union(self.eligible_contacts(), self.eligible_deals())

    def _members(self) -> pl.Series:
        """Companies of the groups that were decided otherwise."""
        groups = self.eligible_companies()
        members = "select teamleader_id from decisions.companies where group_id in (from _ids)"
        return union(groups, self._column(members, groups))

    # --- reading ---

    def _ids(self, table: str, column: str | None = None) -> pl.Series:
        return changed.keys_of(self._changed, table, column)

    def _linked(self, entity_type: str) -> pl.Series:
        return changed.keys_of(self._changed, "sync.links", "teamleader_id", entity_type=entity_type)

    def _some(self, query: str, ids: pl.Series) -> pl.DataFrame:
        return self._read(query, _ids=ids.to_frame())

    def _column(self, query: str, ids: pl.Series) -> pl.Series:
        return self._some(query, ids).to_series() if ids.len() else pl.Series([], dtype=pl.String)

    def _few(self, ids: pl.Series, table: str) -> pl.Series:
        if ids.len() > max(FEW, self._count(table) // 4):
            raise _TooMany
        return ids


def union(*ids: pl.Series) -> pl.Series:
    """All of them, once."""
    return pl.concat([i.rename("id") for i in ids]).drop_nulls().unique()
