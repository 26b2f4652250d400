"""Of which records wish, memory and mirror of the associations do not agree: only about those HubSpot has to be asked.

All three are compared as a whole; or, where it is known which rows changed since the last time, of the records that
this may concern, by the same query over fewer rows: the answer is the same. Which rows changed is found in `changed`,
reading associations is `associating`, what the plan does with them `planning.relations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import msgspec
import polars as pl

from tl_hubspot import decoding
from tl_hubspot.orchestration.run import Run
from tl_hubspot.orchestration.steps import changed, unchanged
from tl_hubspot.orchestration.steps.affected import union
from tl_hubspot.orchestration.steps.changed import Changed
from tl_hubspot.orchestration.steps.mirroring import TABLES
from tl_hubspot.orchestration.steps.unchanged import MadeOf
from tl_hubspot.planning.match_emails import addresses
from tl_hubspot.planning.match_links import follow_merges
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.store import Warehouse

_NAME = "doubtful associations"
_MADE_OF = (
    *("eligible.relations", "eligible.contacts", "sync.links", "sync.relations", "hubspot.associations"),
    *TABLES.values(),
)


class Doubts(msgspec.Struct, frozen=True):
    """`records`: from type, to type and HubSpot id of the record that the associations come from; what they follow
    from: `first`, Teamleader and HubSpot id of contacts that will be matched by their address for the first time, and
    `moved`, kind, id and id now of the ends of remembered associations whose record was merged into another one. Each
    sorted."""

    records: list[tuple[str, str, str]]
    first: list[tuple[str, str]]
    moved: list[tuple[str, str, str]]

    @property
    def by_relation(self) -> dict[tuple[str, str], set[str]]:
        """HubSpot ids of `records` by kind of relation."""
        ids: dict[tuple[str, str], set[str]] = {}
        for from_type, to_type, from_id in self.records:
            ids.setdefault((from_type, to_type), set()).add(from_id)
        return ids


def find(warehouse: Warehouse) -> tuple[Doubts, MadeOf | None, Changed | None]:
    """Records whose associations the plan may act on; what this was made of, None where it was known; and which rows of
    that changed since associations were last stored, None where that is not known.

    Wished for and not remembered: it would be written, perhaps as primary. Wished for or remembered and not in the
    mirror: the sync made it since, a person removed it, or records were merged. And contacts that will be matched by
    their address for the first time.
    """
    made_of = unchanged.made_of(warehouse, _MADE_OF, {})
    known = unchanged.result_of(warehouse, _NAME, made_of.fingerprint)
    if known is not None:
        return decoding.decode(known, type=Doubts), None, {}
    rows = changed.since(warehouse, _NAME, made_of)
    before = None if rows is None else unchanged.result_of(warehouse, _NAME)
    if rows is None or before is None:
        return _whole(warehouse), made_of, None
    return _again(warehouse, decoding.decode(before, type=Doubts), rows), made_of, rows


def remember(con: duckdb.DuckDBPyConnection, run: Run, doubts: Doubts, made_of: MadeOf) -> None:
    """Note what was found, before anything of what it was made of is written in the same transaction."""
    unchanged.remember(con, _NAME, made_of, run, msgspec.json.encode(doubts).decode())


def forget(con: duckdb.DuckDBPyConnection) -> None:
    """All associations are read anew: what was found before says nothing of them."""
    con.execute(f"delete from {unchanged.TABLE} where name = ?", [_NAME])


def _whole(warehouse: Warehouse) -> Doubts:
    unlinked = warehouse.read(
        "select teamleader_id, address from eligible.contacts"
        " where teamleader_id not in (select teamleader_id from sync.links where entity_type = 'contact')"
    )
    return _compared(warehouse, _first_matches(warehouse, unlinked), _moved(warehouse), {})


_COMPARED = {
    "wishes": "eligible.relations",
    "links": "sync.links",
    "memory": "sync.relations",
    "mirror": "hubspot.associations",
}


def _compared(
    warehouse: Warehouse, first: pl.DataFrame, moved: pl.DataFrame, some: Mapping[str, pl.DataFrame]
) -> Doubts:
    """Wish, memory and mirror compared: `some` rows of what is in `_COMPARED`, or all that there are."""
    names = {name: f"_{name}" if name in some else table for name, table in _COMPARED.items()}
    frames = {f"_{name}": rows for name, rows in some.items()}
    with warehouse.roomy() as con, registered(con, _first=first, _moved=moved, **frames):
        records = con.execute(_DOUBTFUL.format_map(names)).fetchall()
    return Doubts(sorted(records), sorted(first.iter_rows()), sorted(moved.iter_rows()))


_DOUBTFUL = """
with ends as (
  select entity_type as kind, teamleader_id, hubspot_id from {links}
  union all by name select 'contact' as kind, teamleader_id, hubspot_id from _first
), wished as (
  select r.from_type, f.hubspot_id as from_id, r.to_type, t.hubspot_id as to_id from {wishes} r
  join ends f on f.kind = r.from_type and f.teamleader_id = r.from_id
  left join ends t on t.kind = r.to_type and t.teamleader_id = r.to_id
), remembered as (
  select from_type, coalesce(f.now, from_id) as from_id, to_type, coalesce(t.now, to_id) as to_id from {memory}
  left join _moved f on f.kind = from_type and f.id = from_id
  left join _moved t on t.kind = to_type and t.id = to_id
), mirrored as (
  select from_type, from_id, to_type, to_id from {mirror}
), pairs as (
  from wished anti join remembered using (from_type, from_id, to_type, to_id)
  union all from wished anti join mirrored using (from_type, from_id, to_type, to_id)
  union all from remembered anti join mirrored using (from_type, from_id, to_type, to_id)
)
select distinct from_type, to_type, from_id from pairs
union select 'contact', 'company', hubspot_id from _first
"""


# --- only where something changed ---


def _again(warehouse: Warehouse, before: Doubts, rows: Changed) -> Doubts:
    """As `_whole`, with what was found before `rows` changed.

    What is doubtful now and was not before hangs on a row that changed, by links, addresses and merges as they are now:
    a wish that is no more makes nothing doubtful.
    """
    first, moved = _first_matches(warehouse, _unlinked(warehouse, before, rows)), _moved(warehouse)
    near = _near(warehouse, before, rows, first, moved)
    # what is remembered stands under the id that a record had then
    old = moved.join(near, left_on=["kind", "now"], right_on=["kind", "id"], how="semi").select("kind", "id")
    stored = pl.concat([near.join(moved, on=["kind", "id"], how="anti"), old])
    own = _rows(warehouse, "sync.links", near.select(entity_type="kind", hubspot_id="id"))
    new = first.filter(pl.col("hubspot_id").is_in(near.filter(kind="contact")["id"].implode()))
    own = pl.concat([own.select(kind="entity_type", id="teamleader_id"), _contacts(new["teamleader_id"])])
    wished = _rows(warehouse, "eligible.relations", _at("from", own))
    ends = pl.concat([_ends(wished, "from"), _ends(wished, "to")])
    some = {
        "wishes": wished,
        "links": _rows(warehouse, "sync.links", ends.select(entity_type="kind", teamleader_id="id")),
        "memory": _rows(warehouse, "sync.relations", _at("from", stored)),
        "mirror": _rows(warehouse, "hubspot.associations", _at("from", near)),
    }
    return _compared(warehouse, first, moved, some)


def _near(
    warehouse: Warehouse, before: Doubts, rows: Changed, first: pl.DataFrame, moved: pl.DataFrame
) -> pl.DataFrame:
    """Kind and id of the HubSpot records whose associations may be doubtful now, or were."""

    def changed_ends(table: str, kind: str = "from_type", id: str = "from_id") -> pl.DataFrame:
        return rows[table].select(kind=kind, id=id) if table in rows else _NONE

    matched = _differing(first, before.first)["teamleader_id"]
    linked = pl.concat([changed_ends("sync.links", "entity_type", "teamleader_id"), _contacts(matched)])
    towards = _ends(_rows(warehouse, "eligible.relations", _at("to", linked)), "from")
    wishing = pl.concat([changed_ends("eligible.relations"), linked, towards])
    links = _rows(warehouse, "sync.links", wishing.select(entity_type="kind", teamleader_id="id"))
    new = first.filter(pl.col("teamleader_id").is_in(wishing.filter(kind="contact")["id"].implode()))

    merged = _differing(moved, before.moved)
    towards = _ends(_rows(warehouse, "sync.relations", _at("to", merged.select("kind", "id"))), "from")
    remembering = pl.concat([changed_ends("sync.relations"), merged.select("kind", "id"), towards])
    known = remembering.join(moved, on=["kind", "id"], how="left").select("kind", pl.coalesce("now", "id").alias("id"))

    doubtful = pl.DataFrame(before.records, {"kind": pl.String, "to_type": pl.String, "id": pl.String}, orient="row")
    return pl.concat(
        [
            *(links.select(kind="entity_type", id="hubspot_id"), _contacts(new["hubspot_id"])),
            *(known, merged.select("kind", id="now")),
            *(changed_ends("hubspot.associations"), doubtful.select("kind", "id")),
        ]
    ).unique()


def _unlinked(warehouse: Warehouse, before: Doubts, rows: Changed) -> pl.DataFrame:
    """Eligible contacts without a link of which another HubSpot contact may have the address now: those that changed,
    those that had one, and those with an address of a HubSpot contact that changed."""
    ids = [pl.Series([own for own, _ in before.first], dtype=pl.String)]
    ids += [rows[table]["teamleader_id"] for table in ("eligible.contacts", "sync.links") if table in rows]
    chosen = union(*ids)
    if "hubspot.contacts" in rows:
        mirrored = _rows(warehouse, "hubspot.contacts", rows["hubspot.contacts"], _MIRRORED)
        sharing = _rows(warehouse, "eligible.contacts", addresses(mirrored).select("address"), "teamleader_id")
        chosen = union(chosen, sharing["teamleader_id"])
    people = _rows(warehouse, "eligible.contacts", chosen.to_frame("teamleader_id"), "teamleader_id, address")
    linked = _rows(warehouse, "sync.links", people.select("teamleader_id", entity_type=pl.lit("contact")))
    return people.join(linked, on="teamleader_id", how="anti")


_NONE = pl.DataFrame(schema={"kind": pl.String(), "id": pl.String()})


def _rows(warehouse: Warehouse, table: str, ids: pl.DataFrame, columns: str = "*") -> pl.DataFrame:
    """Rows of `table` whose columns equal a row of `ids`."""
    if ids.is_empty():
        return warehouse.read(f"select {columns} from {table} t limit 0")
    on = " and ".join(f"t.{column} = i.{column}" for column in ids.columns)
    query = f"select {columns} from {table} t where exists (select 1 from _ids i where {on})"
    return warehouse.read(query, _ids=ids.unique())


def _at(end: str, records: pl.DataFrame) -> pl.DataFrame:
    return records.select(pl.col("kind").alias(f"{end}_type"), pl.col("id").alias(f"{end}_id"))


def _ends(relations: pl.DataFrame, end: str) -> pl.DataFrame:
    return relations.select(kind=f"{end}_type", id=f"{end}_id")


def _contacts(ids: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"id": ids}).select(kind=pl.lit("contact"), id="id")


def _differing(now: pl.DataFrame, before: Sequence[tuple[str, ...]]) -> pl.DataFrame:
    """Rows that only one of the two has."""
    both = pl.concat([now, pl.DataFrame(before, now.schema, orient="row")])
    return both.filter(~both.is_duplicated())


# --- what both need ---

_MIRRORED = "id, createdate, email, secondary_emails, archived"


def _first_matches(warehouse: Warehouse, unlinked: pl.DataFrame) -> pl.DataFrame:
    """Those of `unlinked` (eligible contacts: teamleader_id, address) that a HubSpot contact has the address of:
    teamleader_id, hubspot_id."""
    if unlinked.is_empty():
        return pl.DataFrame(schema={"teamleader_id": pl.String(), "hubspot_id": pl.String()})
    # who may have such an address: the mirror has them in small letters, beyond ASCII a normal form differs in more
    contacts = warehouse.read(
        f"select {_MIRRORED} from hubspot.contacts where not archived and"
        " (email in (from _addresses) or len(secondary_emails) > 0 or strlen(email) > length(email))",
        _addresses=unlinked.select("address"),
    )
    return unlinked.join(addresses(contacts), on="address").select("teamleader_id", "hubspot_id")


def _moved(warehouse: Warehouse) -> pl.DataFrame:
    """Remembered ends of associations whose record was merged into another one: kind, id, now."""
    frames = [pl.DataFrame(schema={"kind": pl.String(), "id": pl.String(), "now": pl.String()})]
    for kind, table in TABLES.items():
        away = f"select unnest(merged_ids) from {table} where len(merged_ids) > 0"
        records = warehouse.read(
            f"select id, createdate, archived, merged_ids from {table} where len(merged_ids) > 0 or id in ({away})"
        )
        if records.is_empty():
            continue
        ids = warehouse.read(
            f"select from_id as id from sync.relations where from_type = $1 and from_id in ({away})"
            f" union select to_id from sync.relations where to_type = $1 and to_id in ({away})",
            [kind],
        )["id"]
        ends = follow_merges(ids, records).filter(pl.col("stored_id") != pl.col("hubspot_id"))
        frames.append(ends.select(pl.lit(kind).alias("kind"), id="stored_id", now="hubspot_id"))
    return pl.concat(frames)
