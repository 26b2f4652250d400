"""What in HubSpot is no longer as the sync last confirmed it: the remembered state against what was read back now.

Pure. What was confirmed stands in `sync.shadows` and its neighbours; reading HubSpot is orchestration. A drift is
information, no fault: people may change what they like.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from tl_hubspot.planning import json_text
from tl_hubspot.planning.diff import CLOSE_DATE, TOGETHER
from tl_hubspot.planning.mapping import EMAIL, FieldRule
from tl_hubspot.planning.transforms import canonical
from tl_hubspot.rules import normalize

DRIFT: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "field": pl.String(),
    "written": pl.String(),
    "now": pl.String(),
}
"""One drift per row. kind: changed, emptied, filled (the sync had emptied it), teamleader_id for a property; archived,
deleted or merged for a record; association, subscribed_again, not_marketing; undone where an undo of ours did it.
`written`: what the sync last confirmed, `now`: what is there ("" empty)."""

ACTIVE, ARCHIVED, DELETED, MERGED = "active", "archived", "deleted", "merged"
KEY = "teamleader_id"
OPTED_OUT, MARKETABLE = "hs_email_optout", "hs_marketable_status"

Undone = Mapping[tuple[str, str, str], str]
"""(entity type, HubSpot id, property) → value that an undo wrote there."""


def sample(ids: Collection[str], size: int | None, seed: int) -> list[str]:
    """`size` of the ids, the same ones for the same seed; all of them without a size or when there are no more."""
    ordered = sorted(ids)
    if size is None or size >= len(ordered):
        return ordered
    return sorted(random.Random(seed).sample(ordered, size))


def states(ids: Collection[str], mirror: pl.DataFrame) -> dict[str, str]:
    """State of each linked record id by what was read back (rows of `hubspot.*`, survivors of merges too)."""
    found = dict(mirror.select("id", "archived").iter_rows())
    merged = {i for ids_ in mirror["merged_ids"].drop_nulls() for i in ids_}
    return {
        i: (ARCHIVED if found[i] else ACTIVE) if i in found else MERGED if i in merged else DELETED for i in sorted(ids)
    }


def records(entity_type: str, links: pl.DataFrame, states: Mapping[str, str]) -> pl.DataFrame:
    """DRIFT of linked records that are no longer there. `links`: rows of sync.links of that type."""
    state = pl.col("hubspot_id").replace_strict(dict(states), default=ACTIVE, return_dtype=pl.String)
    gone = links.filter(state != ACTIVE).with_columns(kind=state)
    return _drift(gone, entity_type, field=pl.lit(None, pl.String), written=pl.lit(None), now=pl.lit(None))


def fields(
    entity_type: str,
    confirmed: pl.DataFrame,
    mirror: pl.DataFrame,
    rules: Sequence[FieldRule],
    types: Mapping[str, str],
    symbols: Mapping[str, str],
) -> pl.DataFrame:
    """DRIFT of the properties of records that are active.

    `confirmed`: `teamleader_id`, `hubspot_id`, and `fields`, `written` of sync.shadows; `mirror`: rows of `hubspot.*`;
    `types`: property → HubSpot's type of those that the portal has; `symbols`: of stages, see `diff.Portal`.

    With the policy `always` HubSpot held Teamleader's value after the last push, written or found there; a property
    with another policy is only looked at where the sync wrote it.
    """
    properties = [r.property for r in rules if r.property in types]
    columns = ["id", "properties", *(c for c in (EMAIL, "secondary_emails") if c in mirror.columns)]
    active = mirror.filter(~pl.col("archived").fill_null(False)).select(columns)
    work = confirmed.join(active, left_on="hubspot_id", right_on="id", how="inner").sort("teamleader_id")
    if work.is_empty() or not properties:
        return pl.DataFrame(schema=DRIFT)
    said, wrote, holds = (json_text.columns_of(work[c], properties) for c in ("fields", "written", "properties"))
    found = [pl.DataFrame(schema=DRIFT)]
    for rule in (r for r in rules if r.property in properties):
        p = rule.property
        if entity_type == "contact" and p == EMAIL:
            found.append(_address(work, said[p], wrote[p]))
            continue
        expected = said[p] if rule.policy == "always" else wrote[p]
        forms = pl.DataFrame(
            {
                "expected": expected,
                "wrote": wrote[p],
                "now": holds[p].fill_null(""),
                "@expected": _form(expected, types[p], symbols if p in TOGETHER else {}),
                "@wrote": _form(wrote[p], types[p], symbols if p in TOGETHER else {}),
                "@now": _form(holds[p], types[p], {}),
            }
        )
        # An empty value is only expected where the sync itself emptied the property.
        emptied = pl.col("expected").is_null() & (pl.col("wrote") == "")
        differs = pl.when(emptied).then(pl.col("@now") != "").otherwise(pl.col("@now") != pl.col("@expected"))
        looked_at = pl.col("expected").is_not_null() | emptied
        if p == CLOSE_DATE:
            # It travels with every stage, with a person's own date where there is one.
            differs &= pl.col("wrote").is_null() | (pl.col("@now") != pl.col("@wrote"))
        rows = pl.concat([work.select("teamleader_id", "hubspot_id"), forms], how="horizontal").filter(
            looked_at & differs
        )
        kind = (
            pl.when(pl.lit(p == KEY))
            .then(pl.lit("teamleader_id"))
            .when(pl.col("@now") == "")
            .then(pl.lit("emptied"))
            .when(emptied)
            .then(pl.lit("filled"))
            .otherwise(pl.lit("changed"))
        )
        written = pl.col("expected").fill_null("")
        found.append(
            _drift(rows.with_columns(kind=kind), entity_type, field=pl.lit(p), written=written, now=pl.col("now"))
        )
    return pl.concat(found)


def _form(values: pl.Series, type_: str, symbols: Mapping[str, str]) -> pl.Series:
    form = canonical(values, type_)
    return form.replace(list(symbols), list(symbols.values())) if symbols else form


def _address(work: pl.DataFrame, said: pl.Series, wrote: pl.Series) -> pl.DataFrame:
    """The primary address where the sync wrote it; else Teamleader's address has to be one of the contact's."""

    def normal(values: pl.Series) -> pl.Series:
        return pl.select(
            pl.coalesce(normalize.addresses(values)["address"], values.str.strip_chars().str.to_lowercase())
        ).to_series()

    further = work.select("hubspot_id", address="secondary_emails").explode("address").drop_nulls()
    further = further.with_columns(address=normal(further["address"]), is_further=pl.lit(True)).unique()
    rows = pl.concat(
        [
            work.select("teamleader_id", "hubspot_id", now=pl.col(EMAIL).fill_null("")),
            pl.DataFrame({"written": said, "address": normal(said), "wrote": normal(wrote), "emptied": wrote == ""}),
        ],
        how="horizontal",
    ).with_columns(primary=pl.Series(normal(work[EMAIL])).fill_null(""))
    rows = rows.join(further, on=["hubspot_id", "address"], how="left", maintain_order="left")
    ours = (pl.col("wrote") == pl.col("address")).fill_null(False)
    is_there = (pl.col("primary") == pl.col("address")) | (~ours & pl.col("is_further").fill_null(False))
    filled = pl.col("address").is_null() & pl.col("emptied").fill_null(False) & (pl.col("primary") != "")
    drifted = rows.filter((pl.col("address").is_not_null() & ~is_there) | filled)
    kind = (
        pl.when(pl.col("primary") == "")
        .then(pl.lit("emptied"))
        .when(pl.col("address").is_null())
        .then(pl.lit("filled"))
        .otherwise(pl.lit("changed"))
    )
    written = pl.col("written").fill_null("")
    return _drift(drifted.with_columns(kind=kind), "contact", field=pl.lit(EMAIL), written=written, now=pl.col("now"))


def associations(remembered: pl.DataFrame, existing: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """DRIFT of associations that the sync made and that are gone.

    `remembered`: rows of sync.relations whose both records are there; `existing`: `from_type`, `from_id`, `to_type`,
    `to_id` as read back; `links`: sync.links.
    """
    gone = remembered.filter(pl.col("origin") == "made").join(
        existing, on=["from_type", "from_id", "to_type", "to_id"], how="anti"
    )
    named = gone.join(
        links.select("teamleader_id", from_type="entity_type", from_id="hubspot_id"),
        on=["from_type", "from_id"],
        how="left",
    ).sort("from_type", "from_id", "to_type", "to_id")
    return named.select(
        kind=pl.lit("association"),
        entity_type="from_type",
        teamleader_id="teamleader_id",
        hubspot_id="from_id",
        field="to_type",
        written="to_id",
        now=pl.lit(""),
    )


def subscribed_again(opt_outs: pl.DataFrame, mirror: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """DRIFT of addresses that the sync unsubscribed and that HubSpot shows as subscribed (it shows it of primaries).

    `opt_outs`: sync.opt_outs; `mirror`: rows of hubspot.contacts; `links`: rows of sync.links of contacts.
    """
    done = opt_outs.select(address="unsubscribed").explode("address").drop_nulls().unique()
    again = (
        mirror.filter(~pl.col("archived").fill_null(False) & ~pl.col("opted_out").fill_null(False))
        .join(done, left_on=EMAIL, right_on="address", how="semi")
        .select(hubspot_id="id", kind=pl.lit("subscribed_again"))
        .join(links.select("hubspot_id", "teamleader_id"), on="hubspot_id", how="left", maintain_order="left")
        .sort("hubspot_id")
    )
    return _drift(again, "contact", field=pl.lit(OPTED_OUT), written=pl.lit("true"), now=pl.lit("false"))


def not_marketing(requests: pl.DataFrame, mirror: pl.DataFrame) -> pl.DataFrame:
    """DRIFT of contacts for which marketing status was asked (sync.marketing_requests) and that do not have it."""
    without = mirror.filter(~pl.col("archived").fill_null(False) & ~pl.col("marketable").fill_null(False))
    rows = requests.join(without.select(hubspot_id="id"), on="hubspot_id", how="semi").sort("teamleader_id")
    rows = rows.with_columns(kind=pl.lit("not_marketing"))
    return _drift(rows, "contact", field=pl.lit(MARKETABLE), written=pl.lit("true"), now=pl.lit("false"))


def with_undone(drift: pl.DataFrame, undone: Undone, addresses: Collection[tuple[str, str]]) -> pl.DataFrame:
    """Drift that an undo of ours made is called `undone`. `addresses`: (HubSpot id, address) that an undo took off."""
    if not undone and not addresses:
        return drift
    kinds = [
        "undone"
        if _same(undone.get((row["entity_type"], row["hubspot_id"], row["field"] or row["kind"])), row["now"])
        or (row["field"] == EMAIL and (row["hubspot_id"], row["written"]) in addresses)
        else row["kind"]
        for row in drift.iter_rows(named=True)
    ]
    return drift.with_columns(pl.Series("kind", kinds, pl.String()))


def _same(undone: str | None, now: str | None) -> bool:
    return undone is not None and undone.strip() == (now or "").strip()


def _drift(rows: pl.DataFrame, entity_type: str, *, field: pl.Expr, written: pl.Expr, now: pl.Expr) -> pl.DataFrame:
    return rows.select(
        "kind",
        "teamleader_id",
        "hubspot_id",
        entity_type=pl.lit(entity_type),
        field=field,
        written=written.cast(pl.String),
        now=now.cast(pl.String),
    ).select(list(DRIFT))
