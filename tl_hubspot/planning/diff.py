"""Which properties are sent: desired state against what Teamleader had at the last push and what HubSpot holds now.

The one rule of behaviour §7, for creates, first matches, later runs alike: a value goes when it changed in Teamleader
since the last confirmed push and differs from HubSpot. The rest of the plan is assembled in `plan`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from tl_hubspot.planning import json_text
from tl_hubspot.planning.desired import KEY, STATUS
from tl_hubspot.planning.mapping import EMAIL, SECONDARY_EMAILS, FieldRule
from tl_hubspot.planning.transforms import canonical

DIFFERENCES: dict[str, pl.DataType] = {
    "teamleader_id": pl.String(),
    "fields": pl.String(),
    "shadow": pl.String(),
}
"""`fields`: JSON {property: {"old", "new"}}, "{}" when nothing is sent; `shadow`: JSON of the values to remember, null
those to forget. A create has none: exactly what is sent is to be remembered."""

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
    work = work.join(
        shadows.select(**{"@shadow_of": "teamleader_id", "@fields": "fields", "@written": "written"}),
        on="@shadow_of",
        how="left",
    )
    # The same text as was stored is the common case: such records are not looked at further.
    creates, updates = work.filter("@is_create"), work.filter(~pl.col("@is_create"))
    text = json_text.object_of({p: _not_empty(pl.col(p)) for p in properties})
    is_new = pl.col("@fields").is_null() | (pl.col("@email_action") != "none")
    told_before = updates.filter(~is_new)
    if told_before.height:
        updates = pl.concat([updates.filter(is_new), told_before.filter(text != pl.col("@fields"))])
    by_property = {r.property: r for r in rules if r.property in properties}
    chunks = [
        _compare(chunk, mirror, by_property, portal, creates=are_created)
        for are_created, chunk in ((True, creates), (False, updates))
        if chunk.height
    ]
    return pl.concat([pl.DataFrame(schema=DIFFERENCES), *chunks])


def shadow_of() -> pl.Expr:
    """Of a row of the matches frame: the Teamleader id whose shadow says what was last pushed; null for none."""
    # A record taken over from another Teamleader record goes on from what was last pushed of that one.
    own = pl.when(~pl.col("first_match")).then("teamleader_id")
    return pl.when(pl.col("outcome") == "update").then(pl.coalesce("relinked_from", own))


def _working_frame(desired: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    """Desired state with what the matching says, in columns that begin with @."""

    def given(name: str) -> pl.Expr:
        return pl.col(name) if name in matches.columns else pl.lit(None, pl.String)

    is_create = pl.col("outcome") == "create"
    chosen = matches.filter(pl.col("outcome").is_in(["update", "create"])).select(
        pl.col("teamleader_id").alias(KEY),
        pl.col("hubspot_id").alias("@hubspot_id"),
        is_create.alias("@is_create"),
        shadow_of().alias("@shadow_of"),
        given("email_action").fill_null("none").alias("@email_action"),
        given("email_new").alias("@email_new"),
        given("email_old").alias("@email_old"),
        given("email_blocked_by").alias("@email_blocked_by"),
    )
    work = desired.join(chosen, on=KEY)
    if EMAIL in work.columns:
        # An address that another HubSpot contact has was not pushed: remembering it would hide it from the next run.
        work = work.with_columns(pl.when(pl.col("@email_blocked_by").is_null()).then(EMAIL).alias(EMAIL))
    return work


def _not_empty(value: pl.Expr) -> pl.Expr:
    """JSON of a value; null when it is empty or left out."""
    return json_text.quoted(pl.when(value != "").then(value))


def _to_remember(p: str) -> pl.Expr:
    """JSON of the value to remember: what is left out keeps what was remembered, what became empty is forgotten."""
    value, before = pl.coalesce(f"said:{p}", f"remembered:{p}"), pl.col(f"remembered:{p}")
    return pl.coalesce(_not_empty(value), pl.when(before.is_not_null()).then(pl.lit("null")))


def _compare(
    chunk: pl.DataFrame, mirror: pl.DataFrame, rules: Mapping[str, FieldRule], portal: Portal, *, creates: bool
) -> pl.DataFrame:
    """DIFFERENCES of some rows, all of them creates or none.

    Works on one wide frame; `said:p` is what Teamleader says, `remembered:p` what it said at the last push, `holds:p`
    what HubSpot holds, and `now:p`, `before:p`, `wrote:p`, `held:p` are comparable forms.
    """
    properties = sorted(rules)
    if creates:
        # nothing is compared: only whether there is a value matters, which of all forms that of options alone changes
        portal = Portal({p: t for p, t in portal.types.items() if t == "enumeration"}, {})
    said, nothing = chunk.select(properties), _constant(chunk.height, [*properties, SECONDARY_EMAILS], None)
    empty = _constant(chunk.height, properties, "")
    remembered = nothing if creates else json_text.columns_of(chunk["@fields"], properties)
    wide = _wide(
        said=said,
        remembered=remembered,
        now=_forms(said, portal),
        before=empty if creates else _forms(remembered, portal),
    ).with_columns(_changed(p).alias(f"changed:{p}") for p in properties)
    wide = pl.concat([chunk.select(KEY, _AT), wide], how="horizontal")
    if creates:
        wide = pl.concat([wide, _wide(holds=nothing, wrote=empty, held=empty)], how="horizontal")
    else:
        wide = wide.filter(pl.any_horizontal(f"changed:{p}" for p in properties) | (pl.col("@email_action") != "none"))
        wrote = json_text.columns_of(wide["@written"], properties)
        holds = _held(wide["@hubspot_id"], mirror, properties)
        forms = {"wrote": _forms(wrote, portal), "held": _forms(holds.select(properties), portal)}
        wide = pl.concat([wide, _wide(holds=holds, **forms)], how="horizontal")
    if wide.is_empty():
        return pl.DataFrame(schema=DIFFERENCES)

    new = {p: _sent(rule) for p, rule in rules.items()}
    if all(p in rules and rules[p].policy == "always" for p in TOGETHER):
        new |= _together()
    if EMAIL in rules and rules[EMAIL].entity_type == "contact":
        new |= _email()
    wide = wide.with_columns(value.alias(f"new:{p}") for p, value in new.items())
    if CLOSE_DATE in rules and "dealstage" in rules:
        wide = wide.with_columns(_close_date(properties).alias(f"new:{CLOSE_DATE}"))
    sent = [p for p in new if _is_any(wide[f"new:{p}"])]
    kept = [p for p in properties if _is_any(wide[f"said:{p}"]) or _is_any(wide[f"remembered:{p}"])]
    shadow = pl.lit(None, pl.String) if creates else json_text.object_of({p: _to_remember(p) for p in kept})
    return wide.select(
        pl.col(KEY).alias("teamleader_id"),
        json_text.object_of({p: _old_and_new(p, creates=creates) for p in sent}).alias("fields"),
        shadow.alias("shadow"),
    )


def _is_any(values: pl.Series) -> bool:
    """Whether any of the values is not null."""
    return values.null_count() < len(values)


def _constant(rows: int, properties: Sequence[str], value: str | None) -> pl.DataFrame:
    """A text column per property that holds the same value everywhere."""
    column = pl.repeat(value, rows, dtype=pl.String, eager=True)
    return pl.DataFrame([column.alias(p) for p in dict.fromkeys(properties)])


_AT = cs.starts_with("@") - cs.by_name(KEY)


def _wide(**frames: pl.DataFrame) -> pl.DataFrame:
    """Frames side by side, their columns prefixed with the name of the frame."""
    named = [frame.rename({c: f"{name}:{c}" for c in frame.columns}) for name, frame in frames.items()]
    return pl.concat(named, how="horizontal")


def _forms(values: pl.DataFrame, portal: Portal) -> pl.DataFrame:
    """Comparable forms of columns; symbols of stages that exist by now count as their ids."""
    some = [p for p in values.columns if _is_any(values[p])]
    text = values.with_columns(pl.col(some).cast(pl.String).str.strip_chars()).fill_null("")
    typed = [canonical(text[p], t) for p in some if (t := portal.types.get(p, "string")) != "string"]
    staged = [p for p in TOGETHER if p in some and portal.symbols]
    return text.with_columns(typed).with_columns(
        pl.col(staged).replace(list(portal.symbols), list(portal.symbols.values()))
    )


def _changed(p: str) -> pl.Expr:
    """Whether Teamleader's value is another than at the last push; a value left out is never news."""
    return pl.col(f"said:{p}").is_not_null() & (pl.col(f"now:{p}") != pl.col(f"before:{p}"))


def _sent(rule: FieldRule) -> pl.Expr:
    """The value to send, null where nothing is sent."""
    p = rule.property
    now, held, wrote = pl.col(f"now:{p}"), pl.col(f"held:{p}"), pl.col(f"wrote:{p}")
    if rule.policy == "on_create":
        send = pl.col("@is_create") & (now != "")
    elif rule.policy == "if_empty":
        send = (now != "") & (held == "")
    else:
        overwrite, clear = (now != "") & (now != held), (now == "") & (wrote != "") & (wrote == held)
        send = overwrite | clear
    return pl.when(pl.col(f"changed:{p}") & send).then(f"said:{p}")


def _together() -> dict[str, pl.Expr]:
    """Pipeline and stage count as one field."""
    moved = pl.any_horizontal(f"changed:{p}" for p in TOGETHER)
    differs = pl.any_horizontal(pl.col(f"now:{p}") != pl.col(f"held:{p}") for p in TOGETHER)
    placed = pl.all_horizontal(pl.col(f"said:{p}").is_not_null() for p in TOGETHER)
    return {p: pl.when(moved & differs & placed).then(f"said:{p}") for p in TOGETHER}


def _close_date(properties: Sequence[str]) -> pl.Expr:
    """The close date goes with every stage: HubSpot would put in the present moment when a deal is closed without.

    Where the date itself has no news, HubSpot's own date is sent again, so that a person's date survives; an empty one
    stays empty while the deal is open.
    """
    new, holds, said = (pl.col(f"{name}:{CLOSE_DATE}") for name in ("new", "holds", "said"))
    closed = pl.col(f"said:{STATUS}").is_in(_CLOSED) if STATUS in properties else pl.lit(False)
    kept = pl.when(holds != "").then(holds).otherwise(pl.when(closed & (said != "")).then(said))
    return pl.coalesce(new, pl.when(pl.col("new:dealstage").is_not_null()).then(kept))


def _email() -> dict[str, pl.Expr]:
    """The address as the matching decided: the primary, or the whole list of further addresses."""
    action, address = pl.col("@email_action"), pl.col("@email_new")
    nothing = pl.concat_list(pl.lit(""))
    given_up = pl.concat_list(pl.when(action == "replace_secondary").then("@email_old").fill_null(""))
    old = pl.col(f"holds:{SECONDARY_EMAILS}").fill_null("").str.split(";").list.set_difference(given_up)
    # An address that is the primary already only takes the old one's place.
    added = pl.concat_list(pl.when(address != pl.col(f"holds:{EMAIL}").fill_null("")).then(address).fill_null(""))
    further = old.list.set_union(added).list.set_difference(nothing).list.sort().list.join(";")
    return {
        EMAIL: pl.when(action.is_in(["set", "replace_primary"])).then(address),
        SECONDARY_EMAILS: pl.when(action.is_in(["add_secondary", "replace_secondary"])).then(further),
    }


def _old_and_new(p: str, *, creates: bool) -> pl.Expr:
    new, old = pl.col(f"new:{p}"), pl.col(f"holds:{p}")
    if creates:
        return json_text.quoted(new, before='{"new":', after=',"old":null}')
    before = json_text.or_null(json_text.quoted(pl.when(old != "").then(old)))
    return pl.concat_str(json_text.quoted(new, before='{"new":', after=',"old":'), before, pl.lit("}"))


def _held(hubspot_ids: pl.Series, mirror: pl.DataFrame, properties: Sequence[str]) -> pl.DataFrame:
    """What HubSpot holds for each id (null: no record yet): a text column per property, and a contact's addresses."""
    columns = ["id", "properties", *(c for c in ("email", "secondary_emails") if c in mirror.columns)]
    rows = pl.DataFrame({"id": hubspot_ids}).join(mirror.select(columns), on="id", how="left", maintain_order="left")
    held = json_text.columns_of(rows["properties"], properties)
    if "secondary_emails" not in columns:
        return held
    several = pl.col("secondary_emails").list.len() > 1
    ordered = rows.filter(several).select(pl.col("secondary_emails").list.sort().list.join(";")).to_series()
    further = rows.select(pl.col("secondary_emails").list.join(";")).to_series()
    further = further.scatter(rows.select(several.arg_true()).to_series(), ordered)
    return held.with_columns(rows["email"].alias(EMAIL), further.alias(SECONDARY_EMAILS))
