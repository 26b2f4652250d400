"""Which associations to make in HubSpot, which are there already, and which a person removed (behaviour §6).

A relation is written once, like a field: what the sync made or found is remembered in `sync.relations`. Which
relations should exist is decided in `rules.eligible`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from tl_hubspot.planning.match_frames import no_notices, notices
from tl_hubspot.planning.match_links import follow_merges, resolve
from tl_hubspot.rules.eligible import in_order

PAIR = ["from_type", "from_id", "to_type", "to_id"]
ENTITIES = ("contact", "company", "deal")
KINDS = (("contact", "company"), ("deal", "contact"), ("deal", "company"))
ROWS = 50_000
"""Relations of a part of a plan."""
DEAL_COLUMNS = ("id", "customer_type", "customer_id", "contact_person_id")
"""Columns of `teamleader.deals` that say what a deal is related to."""


@dataclass(frozen=True)
class Records:
    """What relations need to know of one entity type: the matches, ids that Teamleader has, sync.links, the mirror.

    winners: `teamleader_id`, `winner` of records that count for another one (duplicates); others stand for themselves.
    """

    matches: pl.DataFrame
    source_ids: pl.Series
    mirror: pl.DataFrame
    winners: pl.DataFrame


@dataclass(frozen=True)
class RelationPlan:
    """What to do about relations.

    writes, removals: relations to make and to take away, a contact's primary company before its others: PAIR in
    Teamleader ids, `from_hubspot_id`, `to_hubspot_id`, `exists` (in HubSpot), `primary`; found: rows of sync.relations
    that HubSpot has already, origin found; forget: rows of sync.relations (PAIR) to drop, because neither side has the
    relation any more; notices: removed_by_person, stale_relation.
    """

    writes: pl.DataFrame
    removals: pl.DataFrame
    found: pl.DataFrame
    forget: pl.DataFrame
    notices: pl.DataFrame

    def changes(self, entities: Collection[str] = ENTITIES) -> Iterator[pl.DataFrame]:
        """Rows of the plan (associate, disassociate) between records of those kinds, some thousand at a time."""
        both = pl.col("from_type").is_in(list(entities)) & pl.col("to_type").is_in(list(entities))
        for frame, action, reason in (
            (self.writes, "associate", "related_in_teamleader"),
            (self.removals, "disassociate", "not_related_in_teamleader"),
        ):
            for rows in frame.filter(both).iter_slices(ROWS):
                yield _changes(action, reason, rows)


def in_teamleader(contact_company_links: pl.DataFrame, deals: pl.DataFrame) -> pl.DataFrame:
    """Every relation that Teamleader has, eligible or not: PAIR in Teamleader ids as Teamleader names them.

    contact_company_links and deals: the tables of that name in `teamleader`. A deal belongs to its customer and to its
    contact person.
    """
    customer = pl.col("customer_type")
    parts = [
        contact_company_links.select(
            from_type=pl.lit("contact"), from_id="contact_id", to_type=pl.lit("company"), to_id="company_id"
        ),
        deals.select(
            from_type=pl.lit("deal"),
            from_id="id",
            to_type=pl.lit("contact"),
            to_id=pl.when(customer == "contact").then("customer_id").otherwise("contact_person_id"),
        ),
        deals.filter(customer == "company").select(
            from_type=pl.lit("deal"), from_id="id", to_type=pl.lit("company"), to_id="customer_id"
        ),
    ]
    return pl.concat(parts).drop_nulls()


def plan_relations(
    desired: pl.DataFrame,
    present: Callable[[], pl.DataFrame],
    records: Mapping[str, Records],
    links: Callable[[], pl.DataFrame],
    associations: pl.DataFrame,
    remembered: pl.DataFrame,
    *,
    remove_stale: bool = False,
) -> RelationPlan:
    """Compare the relations that should exist with those of HubSpot.

    desired: eligible.relations; present: see `in_teamleader`; records: per entity type; links: sync.links;
    associations: hubspot.associations; remembered: sync.relations. What is to be called is read only when relations may
    be gone. A relation of a held record waits. A relation that the sync made and Teamleader no longer has is reported,
    or removed with remove_stale; only relations of records that are matched count for that, because nothing else is
    written to the others.
    """
    known = follow(remembered, {e: r.mirror for e, r in records.items()}).with_columns(remembered=pl.lit(True))
    existing = associations.select(*PAIR, "is_primary")
    # one kind after the other: less is in memory at a time, and ids alone are quicker to compare
    state = pl.concat(_state(kind, desired, existing, known, records) for kind in KINDS)
    # one that exists is written once more when it still has to become the first primary
    writes = state.filter(~pl.col("remembered") & (~pl.col("exists") | pl.col("primary")))
    found = state.filter(pl.col("exists") & ~pl.col("remembered") & ~pl.col("primary"))
    removed = state.filter(pl.col("remembered") & ~pl.col("exists"))

    # what is wanted is not gone: on most days that leaves nothing to look at
    wanted_there = state.select("from_type", "to_type", from_id="from_hubspot_id", to_id="to_hubspot_id")
    doubtful = known.join(wanted_there, on=PAIR, how="anti")
    gone = _gone(doubtful, existing, desired, present, records, links)
    stale = gone.filter(pl.col("exists") & (pl.col("origin") == "made") & pl.col("matched"))
    forget = gone.filter(~pl.col("exists") & pl.col("matched"))
    told = [
        no_notices(),
        notices(
            "removed_by_person",
            "relation",
            _named(removed),
            pl.format(
                "The {} has no link to this {} in HubSpot any more: a person removed it, it stays removed.",
                pl.col("from_type"),
                pl.col("to_type"),
            ),
        ),
        notices(
            "stale_relation",
            "relation",
            _named(stale),
            pl.format(
                "Teamleader no longer links this {} to this {}; the link in HubSpot is "
                + ("removed." if remove_stale else "kept."),
                pl.col("from_type"),
                pl.col("to_type"),
            ),
        ),
    ]
    return RelationPlan(
        writes=_ordered(writes),
        removals=_ordered(stale if remove_stale else stale.clear()),
        found=found.select(
            "from_type", "to_type", from_id="from_hubspot_id", to_id="to_hubspot_id", origin=pl.lit("found")
        )
        .select(*PAIR, "origin")
        .sort(PAIR),
        forget=forget.select("from_type", "to_type", from_id="stored_from", to_id="stored_to").select(PAIR).sort(PAIR),
        notices=pl.concat(told),
    )


def _state(
    kind: tuple[str, str],
    desired: pl.DataFrame,
    existing: pl.DataFrame,
    known: pl.DataFrame,
    records: Mapping[str, Records],
) -> pl.DataFrame:
    """Desired relations of one kind (from and to type) between records that are not held: _OF_A_CHANGE, `remembered`.

    HubSpot's ids are null of records that are created in this run. desired, existing, known: those of all kinds.
    """
    from_type, to_type = kind
    own = (pl.col("from_type") == from_type) & (pl.col("to_type") == to_type)
    desired, known = desired.filter(own), known.filter(own)
    existing = existing.filter(own).unique(["from_id", "to_id"], keep="any")
    # in the order of desired, which is the one to sort by in the end: to sort what is sorted takes next to no time
    state = desired.select("from_id", "to_id", "is_first").unique(
        ["from_id", "to_id"], keep="first", maintain_order=True
    )
    for side, entity in (("from", from_type), ("to", to_type)):
        ready = records[entity].matches.filter(pl.col("outcome") != "held")
        ids = {f"{side}_id": "teamleader_id", f"{side}_hubspot_id": "hubspot_id"}
        state = state.join(ready.select(**ids), on=f"{side}_id", maintain_order="left")
    there = {"from_hubspot_id": "from_id", "to_hubspot_id": "to_id"}
    state = (
        state.join(existing.select(**there, exists=pl.lit(True)), on=list(there), how="left", maintain_order="left")
        .join(known.select("remembered", **there), on=list(there), how="left", maintain_order="left")
        .with_columns(pl.col("exists", "remembered").fill_null(False))
    )
    primary = pl.lit(False)
    if (from_type, to_type) == ("contact", "company"):
        has_one = existing.filter("is_primary")["from_id"]
        state = state.sort(in_order("from_id", "to_id"))
        wants_one = pl.col("is_first") & ~pl.col("from_hubspot_id").is_in(has_one.implode()).fill_null(False)
        primary = wants_one & pl.when(wants_one).then("from_id").is_first_distinct()
    return state.select(
        pl.lit(from_type).alias("from_type"),
        "from_id",
        pl.lit(to_type).alias("to_type"),
        "to_id",
        *there,
        "exists",
        "remembered",
        primary=primary.fill_null(False),
    )


def follow(remembered: pl.DataFrame, mirrors: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """sync.relations with the ids of merged records replaced: PAIR, `origin`, `stored_from`, `stored_to`.

    `mirrors`: rows of hubspot.contacts, .companies and .deals by entity type, the survivors of merges among them.
    """
    frame = remembered.select(*PAIR, "origin", stored_from="from_id", stored_to="to_id")
    for side in ("from", "to"):
        ends = pl.concat(
            follow_merges(frame.filter(pl.col(f"{side}_type") == entity)[f"{side}_id"], mirrors[entity]).select(
                pl.lit(entity).alias(f"{side}_type"), pl.col("stored_id").alias(f"{side}_id"), "hubspot_id"
            )
            for entity in ENTITIES
        )
        frame = (
            frame.join(ends, on=[f"{side}_type", f"{side}_id"], how="left")
            .with_columns(pl.coalesce("hubspot_id", f"{side}_id").alias(f"{side}_id"))
            .drop("hubspot_id")
        )
    return frame.sort(*PAIR, pl.col("origin") != "made", "stored_from", "stored_to").unique(
        PAIR, keep="first", maintain_order=True
    )


def _gone(
    known: pl.DataFrame,
    existing: pl.DataFrame,
    desired: pl.DataFrame,
    present: Callable[[], pl.DataFrame],
    records: Mapping[str, Records],
    links: Callable[[], pl.DataFrame],
) -> pl.DataFrame:
    """Those of the remembered relations `known` that Teamleader no longer has, with the Teamleader ids of both sides.

    Columns: those of `known` with PAIR in Teamleader ids, `from_hubspot_id`, `to_hubspot_id`, `exists` (in HubSpot),
    `matched` (both records are linked, and the first one is written in this run).
    """
    if known.is_empty():
        nothing = {"from_id": pl.String, "to_id": pl.String, "matched": pl.Boolean}
        return known.rename({"from_id": "from_hubspot_id", "to_id": "to_hubspot_id"}).with_columns(
            *(pl.lit(None, dtype).alias(name) for name, dtype in nothing.items()),
            exists=pl.lit(False),
            primary=pl.lit(False),
        )
    linked = links()
    back = pl.concat(_teamleader_ids(entity, records[entity], linked) for entity in ENTITIES)
    winner = pl.concat(
        records[entity].winners.select(kind=pl.lit(entity), teamleader_id="teamleader_id", winner="winner")
        for entity in ENTITIES
    )
    still = pl.concat([_counting(present(), winner), desired.select(PAIR)]).unique()
    return (
        known.rename({"from_id": "from_hubspot_id", "to_id": "to_hubspot_id"})
        .join(
            back.select(from_type="kind", from_hubspot_id="hubspot_id", from_id="teamleader_id", matched="matched"),
            on=["from_type", "from_hubspot_id"],
            how="inner",
        )
        .join(
            back.select(to_type="kind", to_hubspot_id="hubspot_id", to_id="teamleader_id"),
            on=["to_type", "to_hubspot_id"],
            how="inner",
        )
        .join(still, on=PAIR, how="anti")
        .join(
            existing.select(
                "from_type", "to_type", from_hubspot_id="from_id", to_hubspot_id="to_id", exists=pl.lit(True)
            ).unique(),
            on=["from_type", "to_type", "from_hubspot_id", "to_hubspot_id"],
            how="left",
        )
        .with_columns(pl.col("exists").fill_null(False), primary=pl.lit(False))
    )


def _teamleader_ids(entity: str, record: Records, links: pl.DataFrame) -> pl.DataFrame:
    """`kind`, `hubspot_id`, `teamleader_id` (the winner among duplicates), `matched`: a match comes before a link."""
    matched = record.matches.filter(pl.col("outcome") == "update").select(
        "hubspot_id", "teamleader_id", matched=pl.lit(True)
    )
    linked = resolve(entity, record.source_ids, links, record.mirror).select(
        "hubspot_id", "teamleader_id", matched=pl.lit(False)
    )
    return (
        pl.concat([matched, linked])
        .sort("hubspot_id", ~pl.col("matched"), "teamleader_id")
        .unique("hubspot_id", keep="first", maintain_order=True)
        .join(record.winners, on="teamleader_id", how="left")
        .select(
            "hubspot_id",
            "matched",
            kind=pl.lit(entity),
            teamleader_id=pl.coalesce("winner", "teamleader_id"),
        )
    )


def _counting(present: pl.DataFrame, winner: pl.DataFrame) -> pl.DataFrame:
    """Relations of Teamleader between the records that count: duplicates replaced by their winners."""
    frame = present.select(PAIR)
    for side in ("from", "to"):
        frame = (
            frame.join(
                winner.rename({"kind": f"{side}_type", "teamleader_id": f"{side}_id"}),
                on=[f"{side}_type", f"{side}_id"],
                how="left",
            )
            .with_columns(pl.coalesce("winner", f"{side}_id").alias(f"{side}_id"))
            .drop("winner")
        )
    return frame


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        teamleader_id=pl.concat_str("from_id", pl.lit(">"), "to_id"), hubspot_id=pl.lit(None, pl.String)
    )


_OF_A_CHANGE = [*PAIR, "from_hubspot_id", "to_hubspot_id", "exists", "primary"]


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Contacts to companies, then deals to contacts and companies; a primary company first."""
    primary = pl.when("primary").then(pl.lit("0")).otherwise(pl.lit("1"))
    return frame.select(_OF_A_CHANGE).sort(in_order("from_type", "to_type", primary, "from_id", "to_id"))


def _changes(action: str, reason: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of the plan."""
    # in the order of the alphabet: canonical JSON, on which the digest of a plan rests
    return frame.select(
        entity_type=pl.lit("relation"),
        teamleader_id=pl.concat_str("from_id", pl.lit(">"), "to_id"),
        hubspot_id=pl.lit(None, pl.String),
        action=pl.lit(action),
        reason=pl.lit(reason),
        fields=pl.lit("{}"),
        details=pl.struct(sorted(_OF_A_CHANGE)).struct.json_encode(),
    )
