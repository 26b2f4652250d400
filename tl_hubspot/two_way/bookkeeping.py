"""What is remembered after a call: shadows of what was confirmed, links of what was made, back-off of what was refused.

Answers that never came are `recovery`. Storing the results in one transaction, and the intents before the call, is the
engine's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from tl_hubspot.two_way.compare import emptied, normal
from tl_hubspot.two_way.flows import OTHER, Flow, Side
from tl_hubspot.two_way.frames import HOLDS, LINKS, SHADOWS, WRITES, empty
from tl_hubspot.two_way.matching import link_id

VALUES: dict[str, pl.DataType] = {
    "side": pl.String(),
    "id": pl.String(),
    "field": pl.String(),
    "value": pl.String(),
}
"""Values of single fields, as read or as answered; null where the system did not tell."""

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=5), timedelta(days=1)
"""How long a refused value is not sent again; doubled with every further refusal."""

NOT_SENT = "keys_unknown"
"""A reason for which nothing was sent: the next cycle looks again, as no system was troubled."""

_FIELD_OF_SIDE = ["side", "id", "field"]


def values(side: Side, records: pl.DataFrame, flow: Flow) -> pl.DataFrame:
    """VALUES of records (`id` and a column per field)."""
    long = records.select("id", *flow.names).unpivot(flow.names, index="id", variable_name="field")
    return long.select(pl.lit(side).alias("side"), "id", "field", emptied(pl.col("value").cast(pl.String)))


def rechecked(writes: pl.DataFrame, read: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """WRITES that may still go, and those to be given up until the next cycle, by what both records hold now (VALUES).

    All writes of a link are given up when any of their fields, on either side, is not what the plan was made with.
    """
    target = read.select(*_FIELD_OF_SIDE, target="value")
    source = read.select(side=pl.col("side").replace(OTHER), source_id="id", field="field", source="value")
    checked = writes.join(target, on=_FIELD_OF_SIDE, how="left").join(
        source, on=["side", "source_id", "field"], how="left"
    )
    stands = pl.col("target").eq_missing(pl.col("pre_image")) & pl.col("source").eq_missing(pl.col("value"))
    given_up = checked.filter(~stands).select("link_id").unique()
    return writes.join(given_up, on="link_id", how="anti"), writes.join(given_up, on="link_id", how="semi")


@dataclass(frozen=True)
class Settled:
    """SHADOWS to set, WRITES whose intents are done with, and WRITES whose intents stay open."""

    shadows: pl.DataFrame
    settled: pl.DataFrame
    still_open: pl.DataFrame


def confirmed(writes: pl.DataFrame, answered: pl.DataFrame, flow: Flow, *, from_response: bool) -> Settled:
    """After successful calls: the shadow becomes what the source held and what the target stores (VALUES).

    A value from the response of the write counts as it is. One from a re-read counts only where it is the same as what
    was sent, else somebody may have changed it since; then, and where the value was not told, the intent stays open.
    """
    told = writes.join(answered.rename({"value": "stored"}), on=_FIELD_OF_SIDE, how="left")
    told = told.with_columns(emptied(pl.col("stored")))
    counts = pl.col("stored").is_not_null()
    if not from_response:
        counts = counts & (same("stored", "value", flow) | pl.col("stored").eq_missing(pl.col("value")))
    done = told.filter(counts)
    return Settled(
        shadow_rows(done, pl.col("value"), pl.col("stored")),
        done.select(list(WRITES)),
        told.filter(~counts.fill_null(False)).select(list(WRITES)),
    )


def same(one: str, other: str, flow: Flow) -> pl.Expr:
    """Whether two columns are the same for the comparator of the row's `field`; false where one is unknown."""
    alike = pl.lit(False)
    for field in flow.fields:
        forms = [normal(pl.col(name), field.compare, flow.phone_region) for name in (one, other)]
        alike = pl.when(pl.col("field") == field.name).then(forms[0] == forms[1]).otherwise(alike)
    return alike.fill_null(False)


def shadow_rows(rows: pl.DataFrame, source: pl.Expr, target: pl.Expr) -> pl.DataFrame:
    """SHADOWS of rows with `link_id`, `field`, `side` (the target's)."""
    is_a = pl.col("side") == "a"
    return rows.select(
        "link_id",
        "field",
        a=pl.when(is_a).then(target).otherwise(source),
        b=pl.when(is_a).then(source).otherwise(target),
    ).sort("link_id", "field")


def after_put(
    shadows: pl.DataFrame, writes: pl.DataFrame, before: pl.DataFrame, answered: pl.DataFrame
) -> pl.DataFrame:
    """SHADOWS of the fields that a full PUT passed through, and the server stored in another form.

    shadows: SHADOWS of the links; before: VALUES as they were read for the PUT; answered: VALUES of its response. Only
    where the value passed through was the shadow's: one that is still to be propagated must stay a change.
    """
    touched = writes.select("link_id", "field")
    records = writes.select("link_id", "side", "id").unique()
    passed = (
        shadows.join(touched, on=["link_id", "field"], how="anti")
        .join(records, on="link_id")
        .join(before.rename({"value": "before"}), on=_FIELD_OF_SIDE)
        .join(answered.rename({"value": "stored"}), on=_FIELD_OF_SIDE)
        .with_columns(emptied(pl.col("before")), emptied(pl.col("stored")))
    )
    is_a = pl.col("side") == "a"
    own, others = pl.when(is_a).then("a").otherwise("b"), pl.when(is_a).then("b").otherwise("a")
    moved = passed.filter((pl.col("before") == own) & (pl.col("stored") != own))
    return shadow_rows(moved, others, pl.col("stored"))


def created(
    creations: pl.DataFrame, made: pl.DataFrame, links: pl.DataFrame, flow: Flow, at: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """LINKS (new ones, and restored ones with the id of the new record) and SHADOWS after records were made.

    made: `side`, `source_id`, `id` of the new record, and per field what it stores (null: not told, then there is no
    shadow and the next cycle judges the field as a first link).
    """
    rows = creations.join(made, on=["side", "source_id"], suffix="_stored")
    is_a = pl.col("side") == "a"
    fresh = rows.with_columns(
        a_id=pl.when(is_a).then("id").otherwise("source_id"),
        b_id=pl.when(is_a).then("source_id").otherwise("id"),
    )
    fresh = fresh.with_columns(link_id=pl.coalesce("link_id", link_id("a_id", "b_id")))
    kept = links.select("link_id", how_was="how", made_at="created_at")
    new_links = fresh.join(kept, on="link_id", how="left").select(
        "link_id",
        "a_id",
        "b_id",
        state=pl.lit("linked"),
        reason=pl.lit(None, pl.String),
        how=pl.coalesce("how_was", pl.lit("created")),
        created_at=pl.coalesce("made_at", pl.lit(at)),
    )
    parts = [empty(SHADOWS)]
    for name in flow.names:
        own = fresh.with_columns(pl.lit(name).alias("field"), stored=emptied(pl.col(f"{name}_stored")))
        own = own.filter(pl.col(name).is_not_null() & pl.col("stored").is_not_null())
        parts.append(shadow_rows(own, pl.col(name), pl.col("stored")))
    return new_links.cast(LINKS).sort("link_id"), pl.concat(parts).sort("link_id", "field")  # type: ignore[arg-type]


def unedited(deletions: pl.DataFrame, read: pl.DataFrame, shadows: pl.DataFrame) -> pl.DataFrame:
    """DELETIONS of records that hold what was agreed last, or are gone; the others wait for the next cycle.

    read: VALUES of the records as they are now; shadows: SHADOWS.
    """
    own = deletions.join(read, on=["side", "id"]).join(shadows, on=["link_id", "field"], how="left")
    agreed = pl.when(pl.col("side") == "a").then("a").otherwise("b")
    edited = own.filter(pl.col("value").is_not_null() & pl.col("value").ne_missing(agreed))
    return deletions.join(edited, on="link_id", how="anti")


def deleted(deletions: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """LINKS that are broken because the record that was left was archived as well."""
    side = pl.col("side").replace(OTHER)
    gone = links.join(deletions.select("link_id", "side"), on="link_id")
    return gone.with_columns(state=pl.lit("broken"), reason=pl.concat_str(pl.lit("deleted_"), side)).select(list(LINKS))


def refused(writes: pl.DataFrame, reasons: pl.DataFrame, holds: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """HOLDS of writes that a system refused.

    reasons: `side`, `id`, `field` (null: the answer named none), `reason`. Where no field of the call is meant, because
    the answer named none or one that was not sent, all fields of the call are.
    """
    named = reasons.join(writes.select(_FIELD_OF_SIDE), on=_FIELD_OF_SIDE, how="semi")
    whole = reasons.join(named, on=_FIELD_OF_SIDE, how="anti").drop("field").unique(["side", "id"])
    hit = pl.concat(
        [
            writes.join(named, on=_FIELD_OF_SIDE),
            writes.join(named, on=_FIELD_OF_SIDE, how="anti").join(whole, on=["side", "id"]),
        ]
    )
    before = holds.select("link_id", "side", "field", "value", "attempts")
    hit = hit.join(before, on=["link_id", "side", "field", "value"], how="left").with_columns(
        attempts=pl.col("attempts").fill_null(0) + 1
    )
    doubled = pl.min_horizontal(pl.lit(2) ** (pl.col("attempts") - 1), pl.lit(LONGEST_WAIT // FIRST_WAIT))
    wait = pl.duration(seconds=doubled.cast(pl.Int64) * int(FIRST_WAIT.total_seconds()))
    until = pl.lit(at) + pl.when(pl.col("reason") == NOT_SENT).then(pl.duration()).otherwise(wait)
    return hit.with_columns(until=until).select(list(HOLDS)).cast(HOLDS).sort("link_id", "field")  # type: ignore[arg-type]
