"""The tables that a plan is made of, as frames: all of their rows, or those of the records in a scope.

Which records that are is found in `scope`; the plan is made in `planning`.
"""

from __future__ import annotations

from collections.abc import Callable, Set

import polars as pl

from tl_hubspot.orchestration.steps.affected import LINKS
from tl_hubspot.orchestration.steps.deciding import MIRRORS, SOURCES
from tl_hubspot.orchestration.steps.scope import PLURALS, Scope
from tl_hubspot.planning.mapping import SECONDARY_EMAILS
from tl_hubspot.planning.plan_inputs import DECIDED, ELIGIBLE, EntityInputs, MarketingCounts, Reader
from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot.warehouse.store import Warehouse

_LONG = (*MIRRORS.values(), "sync.shadows")
"""Tables with long texts in each row."""


class Tables:
    """Tables as frames: all of their rows, or those that `scope` names.

    Those of a scope are few, and to find them takes a pass over all, long texts included: they are read once. Of all
    rows nothing is kept: of a large account it is cheaper to read a table again than to hold it.
    """

    def __init__(self, warehouse: Warehouse, scope: Scope | None) -> None:
        self._warehouse, self._scope = warehouse, scope
        self._kept: dict[str, pl.DataFrame] = {}

    def __call__(self, table: str, columns: str = "*", where: str = "true") -> pl.DataFrame:
        """A table; of those about records or relations only rows in the scope."""
        if columns == "*" and table in (MIRRORS["contact"], MIRRORS["deal"]):
            columns = "* exclude (properties)"  # by far the largest, and wanted of some rows only
        return self._read(table, columns, where)

    def looked_at(self, entity_type: str) -> Callable[..., pl.DataFrame]:
        """Reads tables of that kind of record; those that stand beside are left out."""

        def read(table: str, columns: str = "*", where: str = "true", key: str = "teamleader_id") -> pl.DataFrame:
            if self._scope is None:
                return self._read(table, columns, where)
            return self._read(table, columns, f"{where} and {key} in (from _keys)", self._scope.looked_at[entity_type])

        return read

    def reader(self, table: str, columns: str = "*", key: str = "id", where: str = "true") -> Reader:
        """Reads rows of a table by key; when there are none, with all its columns."""

        def some(keys: pl.Series) -> pl.DataFrame:
            if keys.is_empty():
                return frame_of(table, [])
            return self._read(table, columns, f"{where} and {key} in (from _keys)", keys)

        return some

    def _read(self, table: str, columns: str, where: str, keys: pl.Series | None = None) -> pl.DataFrame:
        frames = {} if keys is None else {"_keys": keys.to_frame()}
        if self._scope is None:
            return self._warehouse.read(f"select {columns} from {table} where {where}", None, **frames)
        if table not in self._kept:
            condition, ids = in_scope(self._scope, table)
            frames_of, names = {name: of.to_frame() for name, of in ids.items()}, ", ".join(columns_of(table))
            if table in _LONG:
                self._kept[table] = self._warehouse.pick(table, condition, names, **frames_of)
            else:
                query = f"select {names} from {table} where {condition}"
                self._kept[table] = self._warehouse.read(query, None, **frames_of)
        return self._warehouse.read(
            f"select {columns} from _rows where {where}", None, _rows=self._kept[table], **frames
        )

    def are_looked_at(self, entity_type: str) -> pl.Expr:
        """Whether `teamleader_id` is one of a record that is looked at."""
        if self._scope is None:
            return pl.lit(True)
        return pl.col("teamleader_id").is_in(self._scope.looked_at[entity_type].implode())

    def existing(self, entity_type: str, *columns: str) -> pl.DataFrame:
        """These columns of the records that Teamleader has, deleted ones left out."""
        return self(SOURCES[entity_type], ", ".join(columns), "deleted_at is null")

    def ids(self, entity_type: str) -> pl.Series:
        """Ids of the records that Teamleader has."""
        return self.existing(entity_type, "id").get_column("id")

    def links(self) -> pl.DataFrame:
        """Which HubSpot record belongs to which of Teamleader's."""
        return self("sync.links", "entity_type, teamleader_id, hubspot_id")

    def winners(self, entity_type: str) -> pl.DataFrame:
        """Duplicates and what they count for, see `relations.Records`."""
        columns = "teamleader_id, duplicate_of as winner"
        return self(f"decisions.{PLURALS[entity_type]}", columns, "duplicate_of is not null")

    def pushed_addresses(self) -> pl.DataFrame:
        """What the sync last pushed of the addresses of contacts, see `match_contacts.match`."""
        columns = (
            "teamleader_id, fields->>'$.email' as address, written->>'$.email' as wrote,"
            f" written->>'$.{SECONDARY_EMAILS}' as added"
        )
        return self("sync.shadows", columns, "entity_type = 'contact'")

    def pushed(self, entity_type: str) -> pl.Series:
        """Ids of the records that have a shadow."""
        return self("sync.shadows", "teamleader_id", f"entity_type = '{entity_type}'").get_column("teamleader_id")

    def at_rest(self) -> MarketingCounts:
        """Contacts out of the scope."""
        if self._scope is None:
            return MarketingCounts()
        others = "entity_type = 'contact' and bucket = 'unchanged' and teamleader_id not in (from _ids)"
        marketing = "marketable and not coalesce(archived, false) and id not in (from _ids)"
        known = {
            "sync.planned_outcomes": (others, self._scope.looked_at["contact"]),
            "hubspot.contacts": (marketing, self._scope.hubspot["contact"]),
        }
        matched, now = (
            self._warehouse.read(f"select count(*) from {table} where {where}", _ids=ids.to_frame()).item()
            for table, (where, ids) in known.items()
        )
        return MarketingCounts(matched=matched, now=now)


def in_scope(scope: Scope, table: str) -> tuple[str, dict[str, pl.Series]]:
    """SQL condition on the rows of a table, and the sets of ids that it names; all rows of small tables."""
    room, _, name = table.partition(".")
    for entity_type, plural in PLURALS.items():
        if name == plural:
            key = {"teamleader": "id", "hubspot": "id"}.get(room, "teamleader_id")
            ids = scope.hubspot[entity_type] if room == "hubspot" else scope.known(entity_type)
            return f"{key} in (from _ids)", {"_ids": ids}
    if table in ("sync.links", "sync.shadows"):
        kinds = (f"entity_type = '{e}' and teamleader_id in (from _{e})" for e in PLURALS)
        return f"({' or '.join(kinds)})", {f"_{e}": scope.known(e) for e in PLURALS}
    if table in ("eligible.relations", LINKS):
        return f"{'from_id' if name == 'relations' else 'contact_id'} in (from _ids)", {"_ids": scope.related}
    if table in ("sync.relations", "hubspot.associations"):
        return "from_id in (from _ids)", {"_ids": scope.related_hubspot}
    return "true", {}


def entity_inputs(tables: Tables, entity_type: str, matches: pl.DataFrame, drawn_on: Set[str]) -> EntityInputs:
    """What a plan is made of about one kind of record; `matches`: those of the records that are looked at; `drawn_on`:
    columns that the mapping draws on, the other ones of the source are left out."""
    source, mirror, plural = SOURCES[entity_type], MIRRORS[entity_type], PLURALS[entity_type]
    chosen = tables.looked_at(entity_type)
    return EntityInputs(
        source=tables.reader(source, ", ".join(c for c in columns_of(source) if c.strip('"') in drawn_on)),
        deleted=chosen(source, "id", "deleted_at is not null", "id").get_column("id"),
        decisions=chosen(f"decisions.{plural}", ", ".join(DECIDED[entity_type])),
        eligible=chosen(f"eligible.{plural}", ", ".join(ELIGIBLE[entity_type])),
        matches=matches,
        mirror=tables(mirror, "* exclude (properties)"),
        held=tables.reader(mirror),
    )


def shadows(tables: Tables, entity_type: str) -> Reader:
    """Reads rows of `sync.shadows` by Teamleader id."""
    columns = "teamleader_id, fields, written"
    return tables.reader("sync.shadows", columns, "teamleader_id", f"entity_type = '{entity_type}'")


def columns_of(table: str) -> list[str]:
    """Columns that a plan may look at."""
    return [f'"{name}"' for name in schema.table(table).column_names if name != "payload"]
