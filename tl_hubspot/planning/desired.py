"""The desired state: what HubSpot should hold of each Teamleader record, one text column per property.

"" is empty in Teamleader, null is left out: neither written nor remembered. What differs from HubSpot, and what of that
may be written, is `diff`; sources and transforms stand in their own modules.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tl_hubspot.planning import sources
from tl_hubspot.planning.mapping import FieldRule, Mapping
from tl_hubspot.planning.match_frames import no_notices, notices
from tl_hubspot.planning.protected import is_protected
from tl_hubspot.planning.sources import expression, records
from tl_hubspot.planning.transforms import MAX_LENGTH, TRANSFORMS, Context, Portal, apply, as_text

KEY = "@teamleader_id"
"""The key column; no property name begins with @, and `teamleader_id` is a property itself."""

STATUS = "teamleader_status"
MARKETING = "teamleader_marketing"

_LEFT_OUT = {
    "language_not_in_portal": "The language of this {} is no option in HubSpot; it is left out.",
    "currency_not_in_portal": "The currency of this {} is not set up in HubSpot; amount and currency are left out.",
    "owner_not_found": "The responsible user of this {} is no owner in HubSpot; the owner is left out.",
}


@dataclass(frozen=True)
class Desired:
    """`frame`: KEY and one text column per property, sorted by key; `notices`: what was left out or cut."""

    frame: pl.DataFrame
    notices: pl.DataFrame


def writable_rules(entity_type: str, mapping: Mapping, portal: Portal) -> list[FieldRule]:
    """Rows of the mapping without protected properties, by name or by the label that the portal gives them."""
    return [
        rule
        for rule in mapping.of(entity_type)
        if not is_protected(rule.property, rule.label, mapping.protected_names)
        and not is_protected(rule.property, portal.label(entity_type, rule.property), mapping.protected_names)
    ]


def columns(entity_type: str, mapping: Mapping, portal: Portal) -> set[str]:
    """Columns of `teamleader.<entity>` that the desired state depends on; names that it has not may be among them."""
    rules = writable_rules(entity_type, mapping, portal)
    beside = {name for rule in rules for name in TRANSFORMS[rule.transform].beside}
    return sources.columns(entity_type, [r.source for r in rules]) | beside


def desired(
    entity_type: str,
    source: pl.DataFrame,
    eligible: pl.DataFrame,
    decisions: pl.DataFrame,
    reference: pl.DataFrame,
    mapping: Mapping,
    portal: Portal,
) -> Desired:
    """Desired state of every eligible record.

    `source`: `columns` of `teamleader.<entity>`; `eligible`, `decisions`: their tables; `reference`:
    `teamleader.reference`.
    """
    rules = writable_rules(entity_type, mapping, portal)
    frame = records(entity_type, source, eligible, decisions, reference, [r.source for r in rules])
    said = as_text(frame.select(expression(r.source, entity_type).alias(r.property) for r in rules))
    told = [no_notices()]
    columns = []
    for rule in rules:
        column = apply(said[rule.property], Context(rule, frame, portal, mapping.default_country))
        told.append(_left_out(rule, frame["id"], column))
        columns.append(column)
    state = pl.DataFrame(columns)
    long = state.select(pl.all().str.len_chars() > MAX_LENGTH)
    for rule in rules:
        if long[rule.property].any():
            told.append(_truncated(rule, frame["id"], long[rule.property]))
            state = state.with_columns(pl.col(rule.property).str.slice(0, MAX_LENGTH))
    unique = pl.concat(told).unique(["code", "teamleader_id"], keep="first", maintain_order=True)
    return Desired(state.insert_column(0, frame["id"].alias(KEY)), unique)


def marked(entity_type: str, ids: pl.Series, status: str, mapping: Mapping, portal: Portal) -> pl.DataFrame:
    """Desired state of linked records that are `out_of_scope` or `deleted`: their status, contacts also no marketing.

    Everything else is left out, so that nothing else is written (behaviour §3.2, §5, §8).
    """
    rules = {r.property for r in writable_rules(entity_type, mapping, portal)}
    frame = pl.DataFrame({KEY: ids.cast(pl.String).sort()})
    return frame.with_columns(
        *([pl.lit(status).alias(STATUS)] if STATUS in rules else []),
        *([pl.lit("false").alias(MARKETING)] if MARKETING in rules and entity_type == "contact" else []),
    )


def _left_out(rule: FieldRule, ids: pl.Series, column: pl.Series) -> pl.DataFrame:
    code = TRANSFORMS[rule.transform].left_out
    if code is None or not column.null_count():
        return no_notices()
    other = "A value of this {} does not fit the property " + rule.property + "; it is left out."
    return _notices(code, rule.entity_type, ids.filter(column.is_null()), _LEFT_OUT.get(code, other))


def _truncated(rule: FieldRule, ids: pl.Series, long: pl.Series) -> pl.DataFrame:
    message = f"A value of this {{}} is longer than {MAX_LENGTH} characters; {rule.property} is cut there."
    return _notices("truncated", rule.entity_type, ids.filter(long.fill_null(False)), message)


def _notices(code: str, entity_type: str, ids: pl.Series, message: str) -> pl.DataFrame:
    frame = pl.DataFrame({"teamleader_id": ids}).with_columns(hubspot_id=pl.lit(None, pl.String))
    return notices(code, entity_type, frame, message.format(entity_type))
