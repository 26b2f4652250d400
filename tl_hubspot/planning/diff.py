"""Which properties are sent: desired state against what Teamleader had at the last push and what HubSpot holds now.

The one rule of SPEC §7, for creates, first matches and later runs alike: a value goes when it changed in Teamleader
since the last confirmed push and differs from HubSpot. The rest of the plan is assembled in `plan`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tl_hubspot.planning import json_text
from tl_hubspot.planning.desired import KEY
from tl_hubspot.planning.mapping import EMAIL, SECONDARY_EMAILS, FieldRule
from tl_hubspot.planning.transforms import canonical

CHUNK = 50_000
"""Rows compared at a time: bounds the memory of a first run."""

DIFFERENCES: dict[str, pl.DataType] = {
    "teamleader_id": pl.String(),
    "fields": pl.String(),
    "shadow": pl.String(),
}
"""`fields`: JSON {property: {"old", "new"}}, "{}" when nothing is sent; `shadow`: JSON of the values to remember."""

TOGETHER = ("pipeline", "dealstage")
"""A stage means nothing without its pipeline: sent both or not at all."""
CLOSE_DATE = "closedate"
_CLOSED = ("won", "lost")


@dataclass(frozen=True)
class Portal:
    """What comparing needs of HubSpot: `types` of properties, and `symbols` of stages that exist by now."""

    types: Mapping[str, str]
    symbols: Mapping[str, str]


def differences(
    desired: pl.DataFrame,
    matches: pl.DataFrame,
    shadows: pl.DataFrame,
    mirror: pl.DataFrame,
    rules: Sequence[FieldRule],
    portal: Portal,
) -> pl.DataFrame:
    """DIFFERENCES of the records where Teamleader has something new; the others have no row.

    `desired`: KEY and a text column per property ("" empty, null left out); `matches`: the matches frame, of
    which `update` and `create` rows count; `shadows`: `sync.shadows` of the entity; `mirror`: `hubspot.<entity>`.
    The contact's e-mail follows the matches frame (`email_action` …), everything else the policy of its rule.
    """
    work = _working_frame(desired, matches)
    properties = [r.property for r in rules if r.property in work.columns]
    with_shadow = work.join(
        shadows.select(**{"@shadow_of": "teamleader_id", "@fields": "fields", "@written": "written"}),
        on="@shadow_of",
        how="left",
        maintain_order="left",
    ).with_columns(json_text.object_of({p: _remembered(p) for p in properties}).alias("@now"))
    settled_long_ago = (pl.col("@now") == pl.col("@fields")).fill_null(False) & (pl.col("@email_action") == "none")
    rest = with_shadow.filter(~settled_long_ago).drop("@now")
    by_property = {r.property: r for r in rules if r.property in properties}
    chunks = [_compare(chunk, mirror, by_property, portal) for chunk in rest.iter_slices(CHUNK)]
    return pl.concat([pl.DataFrame(schema=DIFFERENCES), *chunks])


def _working_frame(desired: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    """Desired state with what the matching says, in columns that begin with @."""

    def given(name: str) -> pl.Expr:
        return pl.col(name) if name in matches.columns else pl.lit(None, pl.String)

    is_create = pl.col("outcome") == "create"
    chosen = matches.filter(pl.col("outcome").is_in(["update", "create"])).select(
        pl.col("teamleader_id").alias(KEY),
        pl.col("hubspot_id").alias("@hubspot_id"),
        is_create.alias("@is_create"),
        # A record taken over from another Teamleader record goes on from what was last pushed of that one.
        pl.when(~is_create)
        .then(pl.coalesce(given("relinked_from"), pl.when(~pl.col("first_match")).then("teamleader_id")))
        .alias("@shadow_of"),
        given("email_action").fill_null("none").alias("@email_action"),
        given("email_new").alias("@email_new"),
        given("email_old").alias("@email_old"),
        given("email_blocked_by").alias("@email_blocked_by"),
    )
    work = desired.join(chosen, on=KEY).sort(KEY)
    if EMAIL in work.columns:
        # An address that another HubSpot contact has was not pushed: remembering it would hide it from the next run.
        work = work.with_columns(pl.when(pl.col("@email_blocked_by").is_null()).then(EMAIL).alias(EMAIL))
    return work


def _remembered(property_: str) -> pl.Expr:
    """JSON of the value to remember: null when empty, left out when left out."""
    value = pl.col(property_)
    return pl.when(value == "").then(pl.lit("null")).otherwise(json_text.quoted(value))


def _compare(chunk: pl.DataFrame, mirror: pl.DataFrame, rules: Mapping[str, FieldRule], portal: Portal) -> pl.DataFrame:
    """DIFFERENCES of some rows."""
    properties = sorted(rules)
    before = json_text.columns_of(chunk["@fields"], properties)
    now = {p: _form(chunk[p], p, portal) for p in properties}
    # A value left out is never news.
    changed = {p: chunk[p].is_not_null() & (now[p] != _form(before[p], p, portal)) for p in properties}
    anything = pl.DataFrame(changed).select(pl.any_horizontal(pl.all())).to_series() | (
        chunk["@email_action"] != "none"
    )
    chunk, before = chunk.filter(anything), before.filter(anything)
    changed = {p: c.filter(anything) for p, c in changed.items()}
    now = {p: c.filter(anything) for p, c in now.items()}
    if chunk.is_empty():
        return pl.DataFrame(schema=DIFFERENCES)

    wrote = json_text.columns_of(chunk["@written"], properties)
    holds = _held(chunk["@hubspot_id"], mirror, properties)

    new = {
        p: _sent(rules[p], chunk, now[p], changed[p], wrote[p], _form(holds[p], p, portal), portal)
        for p in properties
        if not (p == EMAIL and rules[p].entity_type == "contact")
    }
    if all(p in new and rules[p].policy == "always" for p in TOGETHER):
        _send_together(new, chunk, changed, holds, portal)
    _send_close_date(new, chunk, holds)
    if EMAIL in properties and EMAIL not in new:
        new |= _email(chunk, holds)

    table = pl.DataFrame(
        [chunk[KEY].alias("teamleader_id")]
        + [c.alias(f"new:{p}") for p, c in new.items()]
        + [holds[p].alias(f"old:{p}") for p in new]
        + [chunk[p].alias(f"now:{p}") for p in properties]
        + [before[p].alias(f"before:{p}") for p in properties]
    )
    fields = {
        p: pl.when(pl.col(f"new:{p}").is_not_null()).then(
            json_text.object_of(
                {"new": json_text.quoted(pl.col(f"new:{p}")), "old": json_text.or_null(_quoted_filled(f"old:{p}"))}
            )
        )
        for p in new
    }
    shadow = {
        p: pl.coalesce(
            pl.when(pl.col(f"now:{p}") == "").then(pl.lit("null")),
            json_text.quoted(pl.coalesce(f"now:{p}", f"before:{p}")),
        )
        for p in properties
    }
    return table.select(
        "teamleader_id", json_text.object_of(fields).alias("fields"), json_text.object_of(shadow).alias("shadow")
    )


def _held(hubspot_ids: pl.Series, mirror: pl.DataFrame, properties: Sequence[str]) -> pl.DataFrame:
    """What HubSpot holds for each id (null: no record yet): a text column per property, and a contact's addresses."""
    columns = ["id", "properties", *(c for c in ("email", "secondary_emails") if c in mirror.columns)]
    rows = pl.DataFrame({"id": hubspot_ids}).join(mirror.select(columns), on="id", how="left", maintain_order="left")
    held = json_text.columns_of(rows["properties"], properties)
    if "secondary_emails" not in columns:
        return held
    further = rows.select(pl.col("secondary_emails").list.sort().list.join(";")).to_series()
    return held.with_columns(rows["email"].alias(EMAIL), further.alias(SECONDARY_EMAILS))


def _quoted_filled(name: str) -> pl.Expr:
    return json_text.quoted(pl.when(pl.col(name) != "").then(name))


def _form(values: pl.Series, property_: str, portal: Portal) -> pl.Series:
    """Comparable form of a column; symbols of stages that exist by now count as their ids."""
    form = canonical(values, portal.types.get(property_, "string"))
    if property_ in TOGETHER and portal.symbols:
        return form.replace(list(portal.symbols), list(portal.symbols.values()))
    return form


def _sent(
    rule: FieldRule,
    chunk: pl.DataFrame,
    now: pl.Series,
    changed: pl.Series,
    wrote: pl.Series,
    held: pl.Series,
    portal: Portal,
) -> pl.Series:
    """The value to send, null where nothing is sent; `now` and `held` in comparable form."""
    if rule.policy == "on_create":
        send = chunk["@is_create"] & (now != "")
    elif rule.policy == "if_empty":
        send = (now != "") & (held == "")
    else:
        written = _form(wrote, rule.property, portal)
        send = (now != held) & (now != "") | (now == "") & (written != "") & (written == held)
    return chunk[rule.property].set(~(changed & send), None)


def _send_together(
    new: dict[str, pl.Series],
    chunk: pl.DataFrame,
    changed: Mapping[str, pl.Series],
    holds: pl.DataFrame,
    portal: Portal,
) -> None:
    """Pipeline and stage count as one field."""
    first, second = TOGETHER
    moved = changed[first] | changed[second]
    differs = pl.Series([False]).new_from_index(0, len(chunk))
    for p in TOGETHER:
        differs |= _form(chunk[p], p, portal) != _form(holds[p], p, portal)
    send = moved & differs & chunk[first].is_not_null() & chunk[second].is_not_null()
    for p in TOGETHER:
        new[p] = chunk[p].set(~send, None)


def _send_close_date(new: dict[str, pl.Series], chunk: pl.DataFrame, holds: pl.DataFrame) -> None:
    """The close date goes with every stage: HubSpot would put in the present moment when a deal is closed without.

    Where the date itself has no news, HubSpot's own date is sent again, so that a person's date survives; an empty one
    stays empty while the deal is open.
    """
    if CLOSE_DATE not in new or "dealstage" not in new:
        return
    held = holds[CLOSE_DATE].fill_null("")
    status = chunk["teamleader_status"] if "teamleader_status" in chunk.columns else pl.Series([None] * len(chunk))
    ours = chunk[CLOSE_DATE].set((chunk[CLOSE_DATE] == "") | ~status.is_in(_CLOSED).fill_null(False), None)
    kept = pl.select(pl.when(held != "").then(held).otherwise(ours)).to_series()
    silent = new["dealstage"].is_not_null() & new[CLOSE_DATE].is_null()
    new[CLOSE_DATE] = pl.select(pl.when(silent).then(kept).otherwise(new[CLOSE_DATE])).to_series()


def _email(chunk: pl.DataFrame, holds: pl.DataFrame) -> dict[str, pl.Series]:
    """The address as the matching decided: the primary, or the whole list of further addresses."""
    action = pl.col("@email_action")
    given_up = pl.when(action == "replace_secondary").then("@email_old").fill_null("")
    old = (
        pl.col(SECONDARY_EMAILS).fill_null("").str.split(";").list.set_difference(pl.concat_list(pl.lit(""), given_up))
    )
    # An address that is the primary already only takes the old one's place.
    new = pl.when(pl.col("@email_new") != pl.col(EMAIL).fill_null("")).then("@email_new").fill_null("")
    further = old.list.set_union(pl.concat_list(new)).list.set_difference(pl.concat_list(pl.lit("")))
    frame = chunk.select("@email_action", "@email_new", "@email_old").with_columns(
        holds[EMAIL], holds[SECONDARY_EMAILS]
    )
    chosen = frame.select(
        pl.when(action.is_in(["set", "replace_primary"])).then("@email_new").alias(EMAIL),
        pl.when(action.is_in(["add_secondary", "replace_secondary"]))
        .then(further.list.sort().list.join(";"))
        .alias(SECONDARY_EMAILS),
    )
    return {EMAIL: chosen[EMAIL], SECONDARY_EMAILS: chosen[SECONDARY_EMAILS]}
