"""Transforms of the mapping file: from a Teamleader value to the text that HubSpot takes; and `canonical` forms.

Vectorised over Series; Python looks only at the unique odd values. Sources stand in `sources`, comparing in `diff`.
Convention: "" is an empty value, null a value that is left out (neither written nor remembered).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache, cached_property
from typing import Any

import phonenumbers
import polars as pl
import polars.selectors as cs
import pycountry

from tl_hubspot.planning.mapping import FieldRule
from tl_hubspot.planning.stages import Stages

MAX_LENGTH = 65_536
"""Characters that a HubSpot text property takes (behaviour §7)."""

ISO_INSTANT = "%Y-%m-%dT%H:%M:%S%.3fZ"


@dataclass(frozen=True)
class Portal:
    """What HubSpot offers: frames `hubspot.properties`, `.owners`, `.currencies`, and the resolved stages."""

    properties: pl.DataFrame
    owners: pl.DataFrame
    currencies: pl.DataFrame
    stages: Stages = field(default_factory=Stages)

    @cached_property
    def definitions(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Rows of `hubspot.properties` by object type and name."""
        return {(row["object_type"], row["name"]): row for row in self.properties.iter_rows(named=True)}

    def options(self, object_type: str, name: str) -> frozenset[str]:
        """Option values of a property; empty when it has none or is not there yet."""
        return frozenset(self.definitions.get((object_type, name), {}).get("options") or ())

    def property_type(self, object_type: str, name: str) -> str | None:
        """Type of a property in this portal; None when it is not there yet."""
        return self.definitions.get((object_type, name), {}).get("type")

    def label(self, object_type: str, name: str) -> str | None:
        """Label of a property in this portal; None when it is not there yet."""
        return self.definitions.get((object_type, name), {}).get("label")

    def currency_codes(self) -> frozenset[str]:
        """Currencies that deals may have; without a list of them, the options of the currency property."""
        codes = self.currencies["code"].drop_nulls().str.to_uppercase().to_list()
        return frozenset(codes) or self.options("deal", "deal_currency_code")


@dataclass(frozen=True)
class Context:
    """What a transform may look at besides its own value: the rule, the whole records (same rows), and the portal."""

    rule: FieldRule
    records: pl.DataFrame
    portal: Portal
    default_country: str


@dataclass(frozen=True)
class Transform:
    """One transform: the HubSpot type that it yields, its meaning, the notice for values that it leaves out.

    `source`: the only source that it can work on (it looks at the rest of the record too); None: any. `beside`: other
    columns of `teamleader.<entity>` that it looks at.
    """

    name: str
    type: str
    meaning: str
    function: Callable[[pl.Series, Context], pl.Series]
    left_out: str | None = None
    source: str | None = None
    beside: tuple[str, ...] = ()


def apply(text: pl.Series, context: Context) -> pl.Series:
    """Text of a source (see `as_text`) → text for HubSpot: "" where the source is empty, null where it is left out."""
    result = TRANSFORMS[context.rule.transform].function(text, context)
    return pl.select(pl.when(text == "").then(pl.lit("")).otherwise(result).alias(context.rule.property)).to_series()


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of any type as trimmed text, "" for null.

    Instants become ISO text in UTC with milliseconds, booleans `true` and `false`.
    """
    instants = cs.datetime()
    return frame.with_columns(instants.dt.convert_time_zone("UTC").dt.strftime(ISO_INSTANT)).select(
        pl.all().cast(pl.String).str.strip_chars().fill_null("")
    )


# --- canonical forms -------------------------------------------------------------------------------------------------


def canonical(values: pl.Series, type_: str) -> pl.Series:
    """Texts in one form per meaning, so that equal values of a HubSpot type are equal texts; null becomes "".

    number: plain decimal without idle zeros; datetime: ISO UTC with milliseconds (from any ISO form or epoch
    milliseconds); date: YYYY-MM-DD; bool: lower case; enumeration: options sorted; string: trimmed as HubSpot trims.
    What cannot be read stays as it is.
    """
    text = values.cast(pl.String).fill_null("").str.strip_chars()
    function = _CANONICAL.get(type_)
    return function(text) if function else text


def _canonical_number(text: pl.Series) -> pl.Series:
    simple = text.str.contains(r"^-?(0|[1-9]\d*)(\.\d+)?$")
    idle = simple & text.str.contains(r"\..*0$")
    if idle.any():
        short = text.str.replace(r"\.?0+$", "")
        text = pl.select(pl.when(idle).then(short).otherwise(text)).to_series()
    return _repair(text, (simple & (text != "-0")) | (text == ""), _plain_decimal)


def _plain_decimal(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) > 100:
        return text
    plain = format(number, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in {"-0", ""} else plain


_INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


def _canonical_datetime(text: pl.Series) -> pl.Series:
    return _repair(text, text.str.contains(_INSTANT) | (text == ""), _iso_instant)


def _canonical_date(text: pl.Series) -> pl.Series:
    good = text.str.contains(r"^\d{4}-\d\d-\d\d$")
    return _repair(text, good | (text == ""), lambda t: _iso_instant(t)[:10] if _instant(t) else t)


def _iso_instant(text: str) -> str:
    instant = _instant(text)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z" if instant else text


def _instant(text: str) -> datetime | None:
    try:
        if text.lstrip("-").isdigit() and len(text) > 8:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
        instant = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _canonical_options(text: pl.Series) -> pl.Series:
    return _repair(text, ~text.str.contains(";", literal=True), lambda t: ";".join(sorted({*t.split(";")} - {""})))


_CANONICAL: dict[str, Callable[[pl.Series], pl.Series]] = {
    "number": _canonical_number,
    "datetime": _canonical_datetime,
    "date": _canonical_date,
    "bool": lambda t: t.str.to_lowercase(),
    "enumeration": _canonical_options,
}


def _repair(values: pl.Series, good: pl.Series, function: Callable[[str], str | None]) -> pl.Series:
    """Values that are not good, replaced by what the function makes of each distinct one."""
    odd = values.filter(~good).unique().drop_nulls().to_list()
    if not odd:
        return values
    table = pl.DataFrame({"old": odd, "new": [function(v) for v in odd]}, schema={"old": pl.String, "new": pl.String})
    joined = pl.DataFrame({"old": values, "good": good}).join(table, on="old", how="left", maintain_order="left")
    return joined.select(pl.when("good").then("old").otherwise("new").alias(values.name))[values.name]


# --- transforms ------------------------------------------------------------------------------------------------------


def _same(text: pl.Series, context: Context) -> pl.Series:
    return text


def _number(text: pl.Series, context: Context) -> pl.Series:
    number = _canonical_number(text)
    return number.set(~number.str.contains(r"^-?\d+(\.\d+)?$"), None)


def _amount(text: pl.Series, context: Context) -> pl.Series:
    currency = as_text(context.records.select("estimated_value_currency")).to_series()
    return _number(text, context).set(_currency(currency, context).is_null() & (currency != ""), None)


def _currency(text: pl.Series, context: Context) -> pl.Series:
    code = text.str.to_uppercase()
    return code.set(~code.is_in(sorted(context.portal.currency_codes())), None)


def _bool(text: pl.Series, context: Context) -> pl.Series:
    truth = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}
    return text.str.to_lowercase().replace_strict(truth, default=None, return_dtype=pl.String)


def _datetime(text: pl.Series, context: Context) -> pl.Series:
    instant = _canonical_datetime(text)
    # up to the seconds: with what follows polars takes five times as long
    moment = instant.str.head(19).str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False)
    return instant.set(moment.is_null() | ~instant.str.contains(_INSTANT), None)


def _date(text: pl.Series, context: Context) -> pl.Series:
    date = _canonical_date(text)
    return date.set(date.str.to_date("%Y-%m-%d", strict=False).is_null(), None)


def _url(text: pl.Series, context: Context) -> pl.Series:
    bare = ~text.str.contains(r"^[A-Za-z][A-Za-z0-9+.-]*://")
    return pl.select(pl.when(bare).then("https://" + text.str.strip_prefix("//")).otherwise(text))["literal"]


def _vat(text: pl.Series, context: Context) -> pl.Series:
    return pl.select(pl.coalesce(context.records["decision_vat"], text)).to_series()


def _country(text: pl.Series, context: Context) -> pl.Series:
    return text.str.to_uppercase().replace_strict(_country_names(), default=text, return_dtype=pl.String)


@cache
def _country_names() -> dict[str, str]:
    return {c.alpha_2: getattr(c, "common_name", c.name) for c in pycountry.countries}


_OLD_LANGUAGES = {"jp": "ja", "gr": "el", "cz": "cs", "dk": "da"}
"""Country codes that Teamleader has used as language codes."""


def _language(text: pl.Series, context: Context) -> pl.Series:
    options = {o.lower(): o for o in context.portal.options(context.rule.entity_type, context.rule.property)}

    def option(code: str) -> str | None:
        code = code.lower().replace("_", "-")
        base = code.split("-")[0]
        return next((options[c] for c in (code, base, _OLD_LANGUAGES.get(base, "")) if c in options), None)

    return _repair(text, text == "", option)


def _option(text: pl.Series, context: Context) -> pl.Series:
    # Options of ours that the portal does not have yet are provisioned before anything is pushed.
    ours = frozenset(value for value, _ in context.rule.options)
    options = ours | context.portal.options(context.rule.entity_type, context.rule.property)
    by_lower = {o.lower(): o for o in sorted(options, reverse=True)}

    def choose(value: str) -> str | None:
        chosen = [v if v in options else by_lower.get(v.lower()) for v in value.split(";")]
        return ";".join(v for v in chosen if v) if all(chosen) else None

    return _repair(text, text == "", choose)


def _list(text: pl.Series, context: Context) -> pl.Series:
    def joined(value: str) -> str:
        items = json.loads(value)
        return ";".join(str(item) for item in items if item not in (None, "")) if isinstance(items, list) else value

    return _repair(text, ~text.str.contains(r"^\[.*\]$"), lambda v: _or_same(joined, v))


def _or_same(function: Callable[[str], str], value: str) -> str:
    try:
        return function(value)
    except ValueError:
        return value


def _lower(text: pl.Series, context: Context) -> pl.Series:
    return text.str.to_lowercase()


def _deal_status(text: pl.Series, context: Context) -> pl.Series:
    return _option(text.replace("new", "open"), context)


def _owner(text: pl.Series, context: Context) -> pl.Series:
    owners = context.portal.owners.drop_nulls("email").sort("id").unique("email", keep="first")
    ids = dict(zip(owners["email"].str.to_lowercase(), owners["id"], strict=True))
    return text.str.to_lowercase().replace_strict(ids, default=None, return_dtype=pl.String)


def _pipeline(text: pl.Series, context: Context) -> pl.Series:
    return _staged(context)["hubspot_pipeline"]


def _stage(text: pl.Series, context: Context) -> pl.Series:
    return _staged(context)["hubspot_stage"]


def _staged(context: Context) -> pl.DataFrame:
    """HubSpot pipeline and stage of each deal; both null where the deal's place is not mapped."""
    stages = context.portal.stages
    status = pl.col("status")
    stage = pl.when(status == "won").then("won").when(status == "lost").then("lost").otherwise("hubspot_stage")
    return (
        context.records.select("pipeline_id", phase_id="current_phase_id", status="status")
        .join(stages.phases, on=["pipeline_id", "phase_id"], how="left", maintain_order="left")
        .join(stages.closed, on="pipeline_id", how="left", maintain_order="left")
        .select(hubspot_stage=stage, hubspot_pipeline=pl.when(stage.is_not_null()).then("hubspot_pipeline"))
    )


# --- telephone numbers -----------------------------------------------------------------------------------------------

_REGIONS = ("BE", "NL", "FR", "DE", "LU")
"""Countries whose ordinary numbers are recognised without Python; all have 00 as international prefix."""


def _phone(text: pl.Series, context: Context) -> pl.Series:
    """E.164 when the number is valid for its country (`primary_address.country`, else the default), else as typed."""
    if not (text != "").any():
        return text
    country = context.records["primary_address"].struct.field("country").cast(pl.String).str.strip_chars()
    rows = pl.DataFrame({"typed": text, "country": country.str.to_uppercase().fill_null("")}).with_columns(
        country=pl.when(pl.col("country") == "").then(pl.lit(context.default_country)).otherwise("country"),
        at=pl.int_range(pl.len()),
    )
    numbers = rows.filter(pl.col("typed") != "")
    found = pl.concat([pl.DataFrame(schema={"at": pl.Int64, "e164": pl.String}), *_ordinary(numbers)])
    odd = numbers.join(found, on="at", how="anti")
    distinct = odd.select("typed", "country").unique()
    parsed = pl.Series("e164", [_e164(*number) for number in distinct.iter_rows()], dtype=pl.String)
    of_odd = odd.join(distinct.with_columns(parsed), on=["typed", "country"]).select("at", "e164")
    return rows.join(pl.concat([found, of_odd]), on="at", how="left", maintain_order="left").select(
        pl.coalesce("e164", "typed")
    )["e164"]


def _e164(typed: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return None
    # E.164 has no place for an extension: such a number stays as typed rather than losing it.
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _ordinary(numbers: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """`at`, `e164` of the plainly written fixed and mobile numbers of `_REGIONS` among those (typed, country, at).

    Built from the patterns of phonenumbers itself, so that both ways always agree; 100,000 numbers would otherwise
    take many seconds.
    """
    digits = pl.col("typed").str.replace_all(r"[ ./()-]", "")
    plain = numbers.filter(pl.col("typed").str.contains(r"^(\+|0)[0-9 ./()-]*$")).with_columns(digits=digits)
    for region in _REGIONS:
        numbering = _numbering(region)
        written = plain.select("at", *numbering.parts).drop_nulls("national")
        if written.is_empty():
            continue
        written = written.with_columns(numbering.ordinary)
        yield written.filter("ordinary").select("at", e164=numbering.e164)
        others = written.filter(~pl.col("ordinary") & pl.col("home"))
        if others.height:
            yield others.filter(numbering.invalid).select("at", e164=pl.lit(None, pl.String))


@dataclass(frozen=True)
class _Numbering:
    """The patterns of one country as expressions: `parts` of `digits` (`home`, `national`), and of those the others."""

    parts: tuple[pl.Expr, pl.Expr]
    ordinary: pl.Expr
    invalid: pl.Expr
    e164: pl.Expr


@cache
def _numbering(region: str) -> _Numbering:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    code = str(metadata.country_code)
    trunk = metadata.national_prefix == "0"
    abroad = pl.col("digits").str.extract(rf"^(?:\+|00){code}{'0?' if trunk else ''}([1-9]\d*)$", 1)
    own = pl.col("digits").str.extract(r"^0([1-9]\d*)$", 1)
    home = (pl.col("country") == region) & trunk
    national = pl.col("national")
    valid = _matches(national, metadata.mobile) | _matches(national, metadata.fixed_line)
    # of no kind at all, with or without the trunk prefix: the library would call it invalid as well
    of_no_kind = ~_of_any_kind(national, metadata) & ~_of_any_kind("0" + national, metadata)
    return _Numbering(
        parts=(home.alias("home"), pl.coalesce(abroad, pl.when(home).then(own)).alias("national")),
        ordinary=(valid & _matches(national, metadata.general_desc)).alias("ordinary"),
        invalid=of_no_kind,
        e164=(pl.lit("+" + code) + national).alias("e164"),
    )


_KINDS = ("fixed_line mobile toll_free premium_rate shared_cost personal_number voip pager uan voicemail").split()  # noqa: SIM905


def _of_any_kind(national: pl.Expr, metadata: phonenumbers.PhoneMetadata) -> pl.Expr:
    return pl.any_horizontal(_matches(national, getattr(metadata, kind)) for kind in _KINDS)


def _matches(national: pl.Expr, description: phonenumbers.PhoneNumberDesc | None) -> pl.Expr:
    if description is None or not description.national_number_pattern:
        return pl.lit(False)
    match = national.str.contains(f"^(?:{description.national_number_pattern})$")
    lengths = [n for n in description.possible_length if n > 0]
    return match & national.str.len_bytes().is_in(lengths) if lengths else match


_PLACE = ("pipeline_id", "current_phase_id", "status")
TRANSFORMS: dict[str, Transform] = {
    t.name: t
    for t in (
        Transform("text", "string", "trimmed", _same),
        Transform("lower", "string", "trimmed, lower case", _lower),
        Transform(
            "phone",
            "string",
            "E.164 when valid for the record's country, else as typed",
            _phone,
            beside=("primary_address",),
        ),
        Transform("country", "string", "country code → English name; anything else as typed", _country),
        Transform("url", "string", "`https://` added when the scheme is missing", _url),
        Transform("vat", "string", "normalised, like `BE0899623035`; invalid → as typed", _vat, source="vat_number"),
        Transform("list", "string", "several values, separated by `;`", _list),
        Transform("number", "number", "decimal number, else left out", _number, "not_a_number"),
        Transform("bool", "bool", "`true` or `false`, else left out", _bool, "not_a_boolean"),
        Transform("datetime", "datetime", "instant, else left out", _datetime, "not_a_date"),
        Transform("date", "date", "day, else left out", _date, "not_a_date"),
        Transform("option", "enumeration", "an option of the property, else left out", _option, "option_not_in_portal"),
        Transform(
            "language",
            "enumeration",
            "an option of the property (`nl-BE` → `nl-be`, else `nl`), else left out",
            _language,
            "language_not_in_portal",
        ),
        Transform(
            "owner",
            "enumeration",
            "the owner with the same e-mail address, else left out",
            _owner,
            "owner_not_found",
            "responsible_user",
        ),
        Transform(
            "amount",
            "number",
            "decimal; left out when the portal does not have its currency",
            _amount,
            "currency_not_in_portal",
            "estimated_value.amount",
            ("estimated_value_currency",),
        ),
        Transform(
            "currency",
            "enumeration",
            "a currency that the portal has, else left out",
            _currency,
            "currency_not_in_portal",
            "estimated_value.currency",
        ),
        Transform(
            "deal_status", "enumeration", "`new` → `open`", _deal_status, "option_not_in_portal", source="status"
        ),
        Transform(
            "pipeline", "enumeration", "HubSpot pipeline, see `pipelines`", _pipeline, source="pipeline", beside=_PLACE
        ),
        Transform(
            "stage",
            "enumeration",
            "HubSpot stage; closed deals go to the closed ones",
            _stage,
            source="current_phase",
            beside=_PLACE,
        ),
    )
}
"""By name. A transform with `source` works only on that source; `phone` needs an address, so not for deals."""
