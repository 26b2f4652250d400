"""Which records a plan has to look at: those that changed or were not at rest, and whatever is compared with them.

At rest is a record of which the last plan intended nothing: no change, nothing held, nothing to remember. Where nothing
changed of such a record, what was said of it still holds, and a plan without it says the same. What changed is found in
`changed`; the plan itself is made in `planning`, by the same code over fewer rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from tl_hubspot.orchestration.run import ENTITIES
from tl_hubspot.orchestration.steps.affected import LINKS, union
from tl_hubspot.orchestration.steps.changed import FEW, MOST, Changed, keys_of
from tl_hubspot.planning.mapping import SECONDARY_EMAILS
from tl_hubspot.rules import normalize
from tl_hubspot.warehouse.store import Warehouse

PLURALS = {"contact": "contacts", "company": "companies", "deal": "deals"}


@dataclass(frozen=True)
class Scope:
    """Ids by entity type: `looked_at` and `beside` in Teamleader, `hubspot` in HubSpot; `related`, `related_hubspot`:
    of the records whose relations to others are looked at, see `plan_relations`.

    beside: records that are at rest, at the other end of a relation of one that is looked at.
    """

    looked_at: Mapping[str, pl.Series]
    beside: Mapping[str, pl.Series]
    hubspot: Mapping[str, pl.Series]
    related: pl.Series
    related_hubspot: pl.Series

    def known(self, entity_type: str) -> pl.Series:
        """Those that are looked at, and those beside."""
        return union(self.looked_at[entity_type], self.beside[entity_type])

    def tells_of(self) -> pl.Expr:
        """Whether a row of `sync.notices` is about a record, or a relation of one, that is looked at."""
        told = pl.lit(False)
        for entity_type, ids in self.looked_at.items():
            nameless = pl.col("teamleader_id").is_null() & pl.col("hubspot_id").is_in(
                self.hubspot[entity_type].implode()
            )
            own = pl.col("teamleader_id").is_in(ids.implode()).fill_null(False) | nameless.fill_null(False)
            told |= (pl.col("entity_type") == entity_type) & own
        related = pl.col("teamleader_id").str.split(">").list.first().is_in(self.related.implode())
        return told | ((pl.col("entity_type") == "relation") & related.fill_null(False))

    @property
    def size(self) -> int:
        """Records that are looked at."""
        return sum(len(ids) for ids in self.looked_at.values())


def find(warehouse: Warehouse, changed: Changed) -> Scope | None:
    """What follows from `changed`, the rows that changed since the last plan; None when that is a great part of all."""
    if "sync.tombstones" in changed:  # they do not say whose they are
        return None
    growing = _Growing(warehouse)
    growing.seed_changed(changed)
    growing.seed_not_at_rest()
    return growing.with_relations() if growing.close(growing.grow) else None


Linked = Mapping[str, tuple[pl.Series, pl.Series]]
"""By entity type ids in Teamleader and in HubSpot."""


def linked(warehouse: Warehouse, changed: Changed) -> Linked | None:
    """Records that changed and whatever links, ids that HubSpot's records carry, and merges there tie to them."""
    growing = _Growing(warehouse)
    growing.seed_changed(changed)
    return {e: (growing.own[e], growing.hubspot[e]) for e in ENTITIES} if growing.close(growing.follow_links) else None


class _Growing:
    """Sets of ids that grow until they are closed under whatever matching compares."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.own = dict.fromkeys(ENTITIES, _NONE)
        self.hubspot = dict.fromkeys(ENTITIES, _NONE)
        self.addresses = _NONE
        self._merges: dict[str, pl.DataFrame] = {}
        self._odd: pl.DataFrame | None = None
        self._asked: dict[str, pl.Series] = {}
        self._rows: dict[str, pl.DataFrame] = {}

    # --- where it begins ---

    def seed_changed(self, changed: Changed) -> None:
        """Records that changed."""
        for entity_type, plural in PLURALS.items():
            for room, column in (("teamleader", "id"), ("decisions", "teamleader_id"), ("eligible", "teamleader_id")):
                self._add(entity_type, keys_of(changed, f"{room}.{plural}", column))
            self._add_hubspot(entity_type, keys_of(changed, f"hubspot.{plural}", "id"))
            for table in ("sync.links", "sync.shadows"):
                self._add(entity_type, keys_of(changed, table, "teamleader_id", entity_type=entity_type))
            self._add(entity_type, keys_of(changed, "eligible.relations", "from_id", from_type=entity_type))
            for table in ("sync.relations", "hubspot.associations"):
                self._add_hubspot(entity_type, keys_of(changed, table, "from_id", from_type=entity_type))
        self._add("contact", keys_of(changed, "sync.marketing_requests", "teamleader_id"))
        self._add("contact", keys_of(changed, LINKS, "contact_id"))
        self._add_hubspot("contact", keys_of(changed, "sync.undone_addresses", "hubspot_id"))
        self.addresses = union(self.addresses, keys_of(changed, "sync.opt_outs", "address"))

    def seed_not_at_rest(self) -> None:
        """Records of which the last plan said something, or the last push."""
        for entity_type in ENTITIES:
            for table, condition in _NOT_AT_REST.items():
                query = f"select teamleader_id from {table} where entity_type = '{entity_type}' and {condition}"
                self._add(entity_type, self._read(query))
        # a relation is named by both its ids; one that is none of a kind finds nothing
        relations = "select split_part(teamleader_id, '>', 1) from sync.plan where entity_type = 'relation'"
        for entity_type in ("contact", "deal"):
            self._add(entity_type, self._read(relations))
        # what was told of a record holds while nothing changes, but for what time alone puts right
        self._add("contact", self._read("select teamleader_id from sync.notices where code = 'future_date'"))

    # --- how it grows ---

    def close(self, grow: Callable[[str], None]) -> bool:
        """Grow until nothing is added; False when that is a great part of everything."""
        growing = set(ENTITIES)
        while growing:
            for entity_type in sorted(growing):
                before = self._sizes(entity_type)
                grow(entity_type)
                if self._sizes(entity_type) == before:
                    growing.remove(entity_type)
                total = self._warehouse.count(f"decisions.{PLURALS[entity_type]}")
                if self.own[entity_type].len() > max(FEW, min(MOST, total // 4)):
                    return False
        return True

    def _sizes(self, entity_type: str) -> tuple[int, int, int]:
        return self.own[entity_type].len(), self.hubspot[entity_type].len(), self.addresses.len()

    def grow(self, entity_type: str) -> None:
        """Add whatever matching compares with what is there."""
        self.follow_links(entity_type)
        if entity_type == "contact":
            self._share_addresses()
        if entity_type == "company":
            self._join_groups()

    def follow_links(self, entity_type: str) -> None:
        """Links, Teamleader ids that HubSpot's records carry, and HubSpot's merges: both ways."""
        merges = self._merged(entity_type)
        own = self.own[entity_type]
        self._add_hubspot(entity_type, self._links(entity_type, "teamleader_id", own)["hubspot_id"])
        self._add_hubspot(entity_type, self._mirror(entity_type, "teamleader_id", own)["id"])
        theirs = self.hubspot[entity_type]
        self._add_hubspot(entity_type, merges.filter(pl.col("old").is_in(theirs.implode()))["id"])
        self._add_hubspot(entity_type, merges.filter(pl.col("id").is_in(theirs.implode()))["old"])
        theirs = self.hubspot[entity_type]
        self._add(entity_type, self._links(entity_type, "hubspot_id", theirs)["teamleader_id"])
        self._add(entity_type, self._mirror(entity_type, "id", theirs)["teamleader_id"])

    def _share_addresses(self) -> None:
        """All that have or had the same address, in either system."""
        mirrored = self._mirror("contact", "id", self.hubspot["contact"])
        texts = [
            self._decisions("teamleader_id", self.own["contact"])["address"],
            *self._pushed_addresses(self.own["contact"]),
            mirrored["email"],
            mirrored["secondary_emails"].explode(),
        ]
        found = normalize.addresses(union(*texts))["address"]
        self.addresses = union(self.addresses, found, *texts)
        self._add("contact", self._decisions("address", self.addresses)["teamleader_id"])
        self._add_hubspot("contact", self._mirror("contact", "email", self.addresses)["id"])
        self._add_hubspot("contact", self._ask(_FURTHER_OWNERS, self.addresses))
        if self._odd is None:
            odd = self._warehouse.read(_ODD_ADDRESSES)
            self._odd = odd.with_columns(normalize.addresses(odd["text"])["address"])
        owners = self._odd.filter(pl.col("address").is_in(self.addresses.implode()))["id"]
        self._add_hubspot("contact", owners)

    def _join_groups(self) -> None:
        """Companies that are the same; and for one that has no HubSpot record, all records that are nobody's."""
        groups = "select group_id from decisions.companies where teamleader_id in (from _ids)"
        self._add("company", self._ask(groups, self.own["company"]))
        members = "select teamleader_id from decisions.companies where group_id in (from _ids)"
        self._add("company", self._ask(members, self.own["company"]))
        if self._ask(_WITHOUT_RECORD, self.own["company"]).len():
            self._add_hubspot("company", self._read(_NOBODYS))

    # --- relations ---

    def with_relations(self) -> Scope:
        """With the records at the other ends."""
        beside = dict.fromkeys(ENTITIES, _NONE)
        towards = self._towards("eligible.relations", self.own)
        related = union(self.own["contact"], self.own["deal"], towards, self._remembering())
        # what those that lost to one are related to counts for it
        related = union(related, self._decisions("duplicate_of", related)["teamleader_id"])
        beside["contact"] = union(related, self._read(_PEOPLE_OF_DEALS, related))
        winners = self._decisions("teamleader_id", beside["contact"])["duplicate_of"]
        beside["contact"] = union(beside["contact"], winners)
        beside["deal"] = related
        firms = union(self._read(_FIRMS_OF_CONTACTS, related), self._read(_FIRMS_OF_DEALS, related))
        groups = "select group_id from decisions.companies where teamleader_id in (from _ids)"
        beside["company"] = union(firms, self._read(groups, firms))
        related_hubspot = union(*(self._records(e, related) for e in ("contact", "deal")))
        wished = self._others("eligible.relations", related)
        remembered = self._others("sync.relations", related_hubspot)

        hubspot = {}
        for entity_type in ENTITIES:
            beside[entity_type] = union(beside[entity_type], wished.filter(to_type=entity_type)["to_id"])
            ends = remembered.filter(to_type=entity_type)["to_id"]
            found = union(self._records(entity_type, beside[entity_type]), ends)
            linked = self._links(entity_type, "hubspot_id", found)["teamleader_id"]
            beside[entity_type] = union(beside[entity_type], linked)
            hubspot[entity_type] = union(
                self.hubspot[entity_type], found, self._records(entity_type, beside[entity_type])
            )
        return Scope(self.own, beside, hubspot, related, related_hubspot)

    def _remembering(self) -> pl.Series:
        """Records that the sync related to those that are looked at."""
        linked = "select teamleader_id from sync.links where entity_type <> 'company' and hubspot_id in (from _ids)"
        return self._read(linked, self._towards("sync.relations", self.hubspot))

    def _towards(self, table: str, ids: Mapping[str, pl.Series]) -> pl.Series:
        """Records that a table relates to one of the ids of companies and contacts."""
        asked = pl.concat([pl.DataFrame({"id": ids[e]}).select("id", kind=pl.lit(e)) for e in ("company", "contact")])
        of_asked = "exists (select 1 from _ids i where t.to_id = i.id and t.to_type = i.kind)"
        return union(self._warehouse.read(f"select from_id from {table} t where {of_asked}", _ids=asked)["from_id"])

    def _others(self, table: str, ids: pl.Series) -> pl.DataFrame:
        """`to_type`, `to_id` of the relations from one of the ids."""
        return self._warehouse.read(
            f"select to_type, to_id from {table} where from_id in (from _ids)", _ids=ids.to_frame()
        )

    def _records(self, entity_type: str, ids: pl.Series) -> pl.Series:
        """HubSpot's records of these, with those merged into them."""
        merges, linked = self._merged(entity_type), self._links(entity_type, "teamleader_id", ids)["hubspot_id"]
        found = union(linked, self._mirror(entity_type, "teamleader_id", ids)["id"])
        found = union(found, merges.filter(pl.col("old").is_in(found.implode()))["id"])
        return union(found, merges.filter(pl.col("id").is_in(found.implode()))["old"])

    # --- reading ---

    def _merged(self, entity_type: str) -> pl.DataFrame:
        """`id`, `old`: HubSpot records and those merged into them."""
        if entity_type not in self._merges:
            query = "select id, unnest(merged_ids) as old from hubspot.{} where len(merged_ids) > 0"
            self._merges[entity_type] = self._warehouse.read(query.format(PLURALS[entity_type]))
        return self._merges[entity_type]

    def _links(self, entity_type: str, column: str, ids: pl.Series) -> pl.DataFrame:
        """`teamleader_id`, `hubspot_id` of the links with one of the ids in that column."""
        query = f"select teamleader_id, hubspot_id from sync.links where entity_type = '{entity_type}'"
        return self._known(query, "teamleader_id", column, ids)

    def _mirror(self, entity_type: str, column: str, ids: pl.Series) -> pl.DataFrame:
        """HubSpot's records with one of the ids in that column."""
        columns = "id, teamleader_id, email, secondary_emails" if entity_type == "contact" else "id, teamleader_id"
        return self._known(f"select {columns} from hubspot.{PLURALS[entity_type]} where true", "id", column, ids)

    def _decisions(self, column: str, ids: pl.Series) -> pl.DataFrame:
        """Decisions on contacts with one of the ids in that column."""
        query = "select teamleader_id, address, duplicate_of from decisions.contacts where true"
        return self._known(query, "teamleader_id", column, ids)

    def _known(self, query: str, key: str, column: str, ids: pl.Series) -> pl.DataFrame:
        """Rows of the query with one of the ids in that column, each read from the table once: a row that was found by
        another column is not looked for by its `key`."""
        asked = self._not_asked(f"{query} by {column}", ids)
        if query not in self._rows:
            self._rows[query] = self._warehouse.read(f"{query} limit 0")
        if asked.len():
            found = self._warehouse.read(f"{query} and {column} in (from _ids)", _ids=asked.to_frame())
            self._rows[query] = pl.concat([self._rows[query], found]).unique(key)
            self._not_asked(f"{query} by {key}", found[key])
        return self._rows[query].filter(pl.col(column).is_in(ids.implode()))

    def _read(self, query: str, ids: pl.Series | None = None) -> pl.Series:
        if ids is None:
            return self._warehouse.read(query).to_series()
        if ids.is_empty():
            return _NONE
        return self._warehouse.read(query, _ids=ids.to_frame()).to_series()

    def _ask(self, query: str, ids: pl.Series) -> pl.Series:
        """What the query finds for those of the ids for which it was not asked before."""
        return self._read(query, self._not_asked(query, ids))

    def _pushed_addresses(self, ids: pl.Series) -> list[pl.Series]:
        ids = self._not_asked("pushed addresses", ids)
        columns = ", ".join(f"{text} as n{n}" for n, text in enumerate(_PUSHED_ADDRESSES))
        of_contacts = "entity_type = 'contact' and teamleader_id in (from _ids)"
        return self._warehouse.pick("sync.shadows", of_contacts, columns, _ids=ids.to_frame()).get_columns()

    def _not_asked(self, what: str, ids: pl.Series) -> pl.Series:
        """Those of the ids for which that was not asked before."""
        asked = self._asked.get(what, _NONE)
        self._asked[what] = union(asked, ids)
        return ids.filter(~ids.is_in(asked.implode()))

    def _add(self, entity_type: str, ids: pl.Series) -> None:
        self.own[entity_type] = union(self.own[entity_type], ids)

    def _add_hubspot(self, entity_type: str, ids: pl.Series) -> None:
        self.hubspot[entity_type] = union(self.hubspot[entity_type], ids)


_NONE = pl.Series([], dtype=pl.String)
_NOT_AT_REST = {
    "sync.plan": "true",
    "sync.settled": "true",
    "sync.releases": "true",
    "sync.planned_outcomes": "bucket not in ('unchanged', 'skipped')",
    "sync.outcomes": "bucket not in ('unchanged', 'skipped')",
}
_PUSHED_ADDRESSES = ("fields->>'$.email'", "written->>'$.email'", f"written->>'$.{SECONDARY_EMAILS}'")
_FURTHER_OWNERS = """
select id from (select id, unnest(secondary_emails) as e from hubspot.contacts where len(secondary_emails) > 0)
where e in (from _ids)
"""
_ODD_ADDRESSES = """
select id, text from (
  select id, email as text from hubspot.contacts
  union all select id, unnest(secondary_emails) from hubspot.contacts where len(secondary_emails) > 0
) where strlen(text) <> length(text) or text <> lower(text) or contains(text, ' ')
"""
"""Those that may stand there otherwise than in their normal form. (To trim takes four times as long.)"""
_WITHOUT_RECORD = """
select teamleader_id from eligible.companies where teamleader_id in (from _ids)
and teamleader_id not in (select teamleader_id from sync.links where entity_type = 'company')
"""
_NOBODYS = """
select id from hubspot.companies where not archived
and id not in (select hubspot_id from sync.links where entity_type = 'company' and hubspot_id is not null)
"""
_PEOPLE_OF_DEALS = """
select unnest([case when customer_type = 'contact' then customer_id end, contact_person_id]) from teamleader.deals
where id in (from _ids)
"""
_FIRMS_OF_CONTACTS = f"select company_id from {LINKS} where contact_id in (from _ids)"
_FIRMS_OF_DEALS = "select customer_id from teamleader.deals where customer_type = 'company' and id in (from _ids)"
