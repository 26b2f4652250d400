"""Source paths of the mapping file: Teamleader's own words, and what they yield from the tables.

Each source is one polars expression over the entity's records (see `records`). Changing a value on its way to HubSpot
is `transforms`; which records are taken is the rules' business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

_LIST = re.compile(r"^(emails|telephones)\[(\w+)\]$")
CUSTOM_FIELD = re.compile(r"^custom_fields\[(.+)\]$")
_LIST_TYPES = {
    ("contact", "emails"): ("primary",),
    ("contact", "telephones"): ("phone", "mobile", "fax"),
    ("company", "emails"): ("primary", "invoicing"),
    ("company", "telephones"): ("phone", "fax"),
}


@dataclass(frozen=True)
class Source:
    """One source: what it means, and its expression over the records frame."""

    name: str
    meaning: str
    expression: pl.Expr


def _text(name: str) -> pl.Expr:
    return pl.col(name).str.strip_chars()


def _filled(name: str) -> pl.Expr:
    """The trimmed text, null when blank."""
    text = _text(name)
    return pl.when(text != "").then(text)


def _common(kind: str) -> list[Source]:
    return [
        Source("id", f"Teamleader id of the {kind}", pl.col("id")),
        Source("web_url", f"link to the {kind} in Teamleader", _text("web_url")),
        Source("updated_at", "last update according to Teamleader", pl.col("updated_at")),
    ]


def _person_or_company() -> list[Source]:
    address = [
        Source(
            f"primary_address.{part}", f"{meaning} of the primary address", pl.col("primary_address").struct.field(part)
        )
        for part, meaning in (
            ("line_1", "street and number"),
            ("postal_code", "postal code"),
            ("city", "city"),
            ("country", "country code"),
        )
    ]
    return [
        *address,
        Source("website", "website as typed", _text("website")),
        Source("language", "language code", _text("language")),
        Source("tags", "tags, separated by `;`", pl.col("tags").list.join(";")),
        Source("marketing_mails_consent", "the consent box of this record alone", pl.col("marketing_mails_consent")),
        Source("added_at", "when it was added to Teamleader", pl.col("added_at")),
        Source(
            "status", "`active` or `deactivated`; `deleted`, `out_of_scope` when the sync says so", pl.col("status")
        ),
    ]


_RESPONSIBLE = [
    Source("responsible_user", "e-mail address of the responsible user", pl.col("responsible_user_email")),
    Source("responsible_user.name", "name of the responsible user", pl.col("responsible_user_name")),
]

_FALLBACK = pl.format("Teamleader {}", pl.col("id"))

_SOURCES: dict[str, list[Source]] = {
    "contact": [
        *_common("contact"),
        *_person_or_company(),
        Source("first_name", "first name", _text("first_name")),
        Source("last_name", "last name", _text("last_name")),
        Source("salutation", "salutation", _text("salutation")),
        Source("gender", "gender", pl.col("gender")),
        Source("birthdate", "date of birth", pl.col("birthdate")),
        Source("changed_at", "last manual change (the date that the rules use)", pl.col("changed_at")),
        Source("decision.marketing", "whether the contact should be a marketing contact", pl.col("decision_marketing")),
        Source("decision.opted_out", "whether the address is opted out", pl.col("decision_opted_out")),
        Source("decision.reason", "reason code of the decision", pl.col("decision_reason")),
        Source("link.position", "position on the link to the first-listed eligible company", _text("link_position")),
    ],
    "company": [
        *_common("company"),
        *_person_or_company(),
        *_RESPONSIBLE,
        Source(
            "name",
            "name; when empty the domain, else `Teamleader <id>`",
            pl.coalesce(_filled("name"), pl.col("decision_domain"), _FALLBACK),
        ),
        Source("vat_number", "VAT number as typed", _text("vat_number")),
        Source("national_identification_number", "national number", _text("national_identification_number")),
        Source("business_type", "name of the business type", pl.col("business_type_name")),
        Source("decision.domain", "registrable domain of the website, else of the e-mail", pl.col("decision_domain")),
    ],
    "deal": [
        *_common("deal"),
        *_RESPONSIBLE,
        Source(
            "title",
            "title; when empty the reference, else `Teamleader <id>`",
            pl.coalesce(_filled("title"), _filled("reference"), _FALLBACK),
        ),
        Source("reference", "reference", _text("reference")),
        Source(
            "status", "`new`, `open`, `won`, `lost`; `deleted`, `out_of_scope` when the sync says so", pl.col("status")
        ),
        Source("estimated_value.amount", "amount", pl.col("estimated_value_amount")),
        Source("estimated_value.currency", "currency code", pl.col("estimated_value_currency")),
        Source("estimated_closing_date", "estimated closing date", pl.col("estimated_closing_date")),
        Source("estimated_probability", "probability, 0 to 1", pl.col("estimated_probability")),
        Source("pipeline", "pipeline (id)", pl.col("pipeline_id")),
        Source("pipeline.name", "name of the pipeline", pl.col("pipeline_name")),
        Source("current_phase", "phase (id)", pl.col("current_phase_id")),
        Source("current_phase.name", "name of the phase", pl.col("current_phase_name")),
        Source("source", "name of the source", pl.col("source_name")),
        Source(
            "lost_reason",
            "name of the lost reason, then the remark",
            pl.concat_str("lost_reason_name", _filled("lost_reason_remark"), separator=", ", ignore_nulls=True),
        ),
        Source("closed_at", "when it was won or lost", pl.col("closed_at")),
        Source(
            "closing_date",
            "`closed_at`, else `estimated_closing_date` (midnight UTC of that day)",
            pl.coalesce(
                pl.col("closed_at"),
                _text("estimated_closing_date")
                .str.slice(0, 10)
                .str.to_datetime("%Y-%m-%d", time_zone="UTC", strict=False),
            ),
        ),
        Source("created_at", "when it was created", pl.col("created_at")),
        Source("decision.label", "`inactief` or empty", pl.col("decision_label")),
        Source("decision.reason", "reason code of the decision", pl.col("decision_reason")),
    ],
}

SOURCES: dict[str, dict[str, Source]] = {kind: {s.name: s for s in rows} for kind, rows in _SOURCES.items()}
"""Sources with a fixed name; besides them `emails[type]`, `telephones[type]` and `custom_fields[label or id]`."""

_REFERENCES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "contact": (),
    "company": (
        ("business_type", "business_type_id", "business_type"),
        ("user", "responsible_user_id", "responsible_user"),
    ),
    "deal": (
        ("user", "responsible_user_id", "responsible_user"),
        ("deal_source", "source_id", "source"),
        ("lost_reason", "lost_reason_id", "lost_reason"),
        ("deal_pipeline", "pipeline_id", "pipeline"),
        ("deal_phase", "current_phase_id", "current_phase"),
    ),
}


def source_names(entity_type: str) -> list[str]:
    """Every source path of that entity, for messages and documentation."""
    lists = [f"{what}[{t}]" for (kind, what), types in _LIST_TYPES.items() if kind == entity_type for t in types]
    return [*SOURCES[entity_type], *lists, "custom_fields[label or id]"]


def is_source(entity_type: str, source: str) -> bool:
    """Whether the mapping file may name that source (a custom field is checked against Teamleader by `preflight`)."""
    if source in SOURCES[entity_type] or custom_field(source):
        return True
    found = _LIST.match(source)
    return bool(found and found[2] in _LIST_TYPES.get((entity_type, found[1]), ()))


def custom_field(source: str) -> str | None:
    """Label or definition id that a `custom_fields[…]` source names; None for any other source."""
    found = CUSTOM_FIELD.match(source)
    return found[1].strip() if found else None


def definition_ids(entity_type: str, label_or_id: str, reference: pl.DataFrame) -> list[str]:
    """Definition ids that a `custom_fields[…]` source means, by id, else by label (case and outer space ignored)."""
    own = reference.filter((pl.col("kind") == "custom_field_definition") & (pl.col("context") == entity_type))
    by_id = own.filter(pl.col("id") == label_or_id)
    found = by_id if len(by_id) else own.filter(_text("name").str.to_lowercase() == label_or_id.strip().lower())
    return sorted(found["id"].to_list())


def expression(source: str, entity_type: str) -> pl.Expr:
    """Expression of a source over `records`; KeyError for a name that is none."""
    if custom_field(source):
        return pl.col(source)
    found = _LIST.match(source)
    if entity_type == "contact" and source == "emails[primary]":
        return pl.col("decision_address")
    if found:
        value = pl.element().struct.field("email" if found[1] == "emails" else "number").str.strip_chars()
        entry = value.filter((pl.element().struct.field("type") == found[2]) & (value != ""))
        return pl.col(found[1]).list.eval(entry).list.first()
    return SOURCES[entity_type][source].expression


def columns(entity_type: str, sources: Iterable[str]) -> set[str]:
    """Columns of `teamleader.<entity>` that these sources draw on, and names of others that `records` adds."""
    sources = list(sources)
    drawn_on = {name for source in sources for name in expression(source, entity_type).meta.root_names()}
    custom = {"custom_fields"} if any(map(custom_field, sources)) else set()
    return {"id", "deleted_at"} | {key for _, key, _ in _REFERENCES[entity_type]} | drawn_on | custom


def records(
    entity_type: str,
    source: pl.DataFrame,
    eligible: pl.DataFrame,
    decisions: pl.DataFrame,
    reference: pl.DataFrame,
    sources: Iterable[str],
) -> pl.DataFrame:
    """The eligible rows of `teamleader.<entity>` with everything that sources draw on, sorted by id.

    Columns of the table, plus `decision_*`, `link_position`, `<reference>_name`, `responsible_user_email`, and one
    column per `custom_fields[…]` source.
    """
    frame = source.filter(pl.col("deleted_at").is_null()).join(_decided(entity_type, eligible, decisions), on="id")
    for kind, key, prefix in _REFERENCES[entity_type]:
        names = reference.filter(pl.col("kind") == kind).select(
            pl.col("id").alias(key),
            _filled("name").alias(f"{prefix}_name"),
            *([_filled("email").str.to_lowercase().alias(f"{prefix}_email")] if kind == "user" else []),
        )
        frame = frame.join(names.unique(key), on=key, how="left")
    return _with_custom_fields(entity_type, frame, reference, sources).sort("id")


def _decided(entity_type: str, eligible: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """What the rules say about each eligible record, keyed by `id`."""
    if entity_type == "contact":
        return eligible.select(
            id="teamleader_id",
            decision_address="address",
            decision_marketing="marketing",
            decision_reason="reason",
            link_position="jobtitle",
        ).join(decisions.select(id="teamleader_id", decision_opted_out="opted_out"), on="id", how="left")
    if entity_type == "company":
        # The winner's own keys: a group's VAT number may have come from another member.
        own = decisions.select(id="teamleader_id", decision_vat="vat", decision_domain="domain")
        return eligible.select(id="teamleader_id").join(own, on="id", how="left")
    return eligible.select(id="teamleader_id", decision_label="label", decision_reason="reason")


def _with_custom_fields(
    entity_type: str, frame: pl.DataFrame, reference: pl.DataFrame, sources: Iterable[str]
) -> pl.DataFrame:
    wanted = {s: definition_ids(entity_type, label, reference) for s in sources if (label := custom_field(s))}
    if not wanted:
        return frame
    values = (
        frame.select(record="id", field="custom_fields")
        .explode("field")
        .drop_nulls("field")
        .unnest("field")
        .filter(pl.col("id").is_in(sorted({i for ids in wanted.values() for i in ids})))
    )
    for source, ids in wanted.items():
        own = values.filter(pl.col("id").is_in(ids)).unique("record").select(id="record", **{source: "value"})
        frame = frame.join(own, on="id", how="left")
    return frame
