"""Normal forms: e-mail address, enterprise number, registrable domain, company name key.

Vectorised: polars for the ordinary rows, Python once per distinct odd value. No network, no cache files. What the
normal forms decide lives in `contacts`, `companies` and `planning`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Collection

import idna
import polars as pl
import tldextract
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError

from tl_hubspot.rules import data

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}\.)+(?:[a-z]{{1,63}}|xn--[a-z0-9-]{{0,58}}[a-z0-9])"
_ADDRESS = rf"^{_ATOM}(?:\.{_ATOM})*@{_DOMAIN}$"
_HOST_LABELS = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_PLAIN_HOST = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.[a-z]{2,63}$"
# The property White_Space of Unicode, which is also what polars strips.
_WHITE_SPACE = "".join(map(chr, (*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)))) + "\u2028\u2029"
_WHITE_SPACE += "\u202f\u205f\u3000"

MAX_ADDRESS = 254
MAX_LOCAL_PART = 64


def first_email(column: str = "emails") -> pl.Expr:
    """The first non-blank entry of type `primary`, else of any type, trimmed; null when there is none.

    `column` is List[Struct[type, email]].
    """
    email = pl.element().struct.field("email").str.strip_chars()
    primary = pl.element().struct.field("type").eq_missing(pl.lit("primary"))
    entries = pl.col(column)
    return pl.coalesce(
        entries.list.eval(email.filter((email != "") & primary)).list.first(),
        entries.list.eval(email.filter(email != "")).list.first(),
    )


def addresses(texts: pl.Series) -> pl.DataFrame:
    """Columns `address` (normalised; null when blank) and `is_valid` for each text, in the same order.

    An address that is not valid keeps its normalised text: what people typed wrongly in two places is still the same.
    """
    frame = pl.DataFrame({"text": texts.cast(pl.String)}).select(pl.col("text").str.strip_chars())
    frame = frame.with_columns(pl.when(pl.col("text") != "").then(pl.col("text")).alias("text"))
    # of ASCII every character takes one byte: counting is quicker than any pattern
    is_ascii = pl.col("text").str.len_bytes() == pl.col("text").str.len_chars()
    folded = _through_python(frame["text"], ~is_ascii, _fold_address)
    frame = frame.select(pl.when(is_ascii).then(pl.col("text").str.to_lowercase()).otherwise(folded).alias("address"))
    local = pl.col("address").str.find("@", literal=True)
    return frame.with_columns(
        # whether it fits is found without looking where its parts begin, which takes ten times as long
        is_valid=(
            pl.col("address").str.contains(_ADDRESS)
            & (local <= MAX_LOCAL_PART)
            & (pl.col("address").str.len_bytes() <= MAX_ADDRESS)
        ).fill_null(False)
    )


def address(text: str | None) -> str | None:
    """One normalised address; None when blank or not valid."""
    row = addresses(pl.Series([text], dtype=pl.String)).row(0, named=True)
    return row["address"] if row["is_valid"] else None


def _fold_address(text: str) -> str:
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip(_WHITE_SPACE)).lower())
    local, at, domain = folded.rpartition("@")
    return f"{local}{at}{_punycode(domain) or domain}"


def _punycode(domain: str) -> str | None:
    """The domain in ASCII, lower case; None when it is not a possible domain."""
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None


def domains(texts: pl.Series, without_company: Collection[str]) -> pl.Series:
    """Registrable domain in punycode of each website, host or e-mail address; null when there is none.

    Public suffix list with its private part. A host in `without_company`, or below one, counts as none.
    """
    frame = pl.DataFrame({"text": texts.cast(pl.String)}).select(
        host=pl.col("text")
        .str.to_lowercase()
        .str.strip_chars()
        .str.replace(r"^(?:https?:/*|https?//+|[a-z][a-z0-9+.-]*://+|mailto:|//+)", "")
        .str.strip_chars_start()
        .str.replace(r"(?s)[/?#\\\s,;|].*$", "")
        .str.replace(r"^.*@", "")
        .str.replace(r":[0-9]*$", "")
        .str.strip_chars(".")
    )
    excluded = frozenset(without_company)
    # Most hosts: a name under a suffix of one label, www before it or not, about which the list has nothing to say.
    bare = pl.col("host").str.strip_prefix("www.")
    plain = bare.str.contains(_PLAIN_HOST) & ~pl.any_horizontal(
        text.is_in(names)
        for text in (pl.col("host"), bare, "*." + bare, bare.str.replace(r"^[^.]*", "*"))
        for names in (_suffix_list().implode(), pl.Series(sorted(excluded), dtype=pl.String).implode())
    )
    frame = frame.with_columns(plain=pl.when(plain).then(bare), odd=pl.when(~plain).then("host"))
    odd = _through_python(frame["odd"], pl.lit(True), lambda host: _registrable(host, excluded))
    return frame.select(pl.coalesce("plain", odd)).to_series().alias(texts.name)


def registrable_domain(text: str | None, without_company: Collection[str]) -> str | None:
    """Registrable domain of one text; see `domains`."""
    value: str | None = domains(pl.Series([text], dtype=pl.String), without_company)[0]
    return value


@functools.cache
def _suffixes() -> tldextract.TLDExtract:
    return tldextract.TLDExtract(
        cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True, include_psl_private_domains=True
    )


@functools.cache
def _suffix_list() -> pl.Series:
    return pl.Series(sorted(_suffixes().tlds), dtype=pl.String)


def _registrable(host: str, excluded: frozenset[str]) -> str | None:
    ascii_host = host if host.isascii() else _punycode(host)
    if not ascii_host or not _HOST_LABELS.fullmatch(ascii_host):
        return None
    labels = ascii_host.split(".")
    if any(".".join(labels[i:]) in excluded for i in range(len(labels) - 1)):
        return None
    parts = _suffixes().extract_str(ascii_host)
    if parts.suffix:
        return parts.top_domain_under_public_suffix or None
    # The list's own rule for what it does not name: the last label is the suffix. A number is no name.
    return None if labels[-1].isdigit() else ".".join(labels[-2:])


def vat_numbers(texts: pl.Series, countries: pl.Series) -> pl.Series:
    """Enterprise number with country code (`BE0899623035`) of each text; null when missing or its check digit is wrong.

    `countries` holds the ISO code of each row's address, used when the number has no country code of its own.
    """
    frame = pl.DataFrame({"text": texts.cast(pl.String), "country": countries.cast(pl.String)}).select(
        text=pl.col("text").str.to_uppercase().str.strip_chars(), country=pl.col("country").str.to_uppercase()
    )
    plain = pl.col("text").str.replace_all(r"[ ./-]", "")
    number = (
        pl.when(pl.col("country") == "BE")
        .then(plain.str.extract("^(?:BE)?([01]?[0-9]{9})$", 1))
        .otherwise(plain.str.extract("^BE([01]?[0-9]{9})$", 1))
        .str.zfill(10)
    )
    frame = frame.with_columns(belgian=number)
    digits = pl.col("belgian").cast(pl.Int64)
    # The last two digits are 97 less the rest modulo 97.
    sound = (digits > 0) & ((digits // 100 + digits % 100) % 97 == 0)
    frame = frame.with_columns(
        belgian=pl.when(sound).then(pl.lit("BE") + pl.col("belgian")),
        odd=pl.when(pl.col("belgian").is_null()).then(
            pl.col("text") + pl.lit("\t") + pl.col("country").str.strip_chars().fill_null("")
        ),
    )
    odd = _through_python(frame["odd"], pl.lit(True), _vat_of_odd_text)
    return frame.select(pl.coalesce("belgian", odd)).to_series().alias(texts.name)


def vat_number(text: str | None, country: str | None) -> str | None:
    """Enterprise number of one text; see `vat_numbers`."""
    value: str | None = vat_numbers(pl.Series([text], dtype=pl.String), pl.Series([country], dtype=pl.String))[0]
    return value


_VAT_COUNTRIES = frozenset(code.upper() for code in eu_vat.MEMBER_STATES) | {"EL"}
_GLUED_LABEL = re.compile(rf"^(?:{'|'.join(data.VAT_LABELS)})+(?:NR|NO)?")


@functools.lru_cache(maxsize=50_000)  # the same are asked for by the rules and by matching
def _vat_of_odd_text(text_and_country: str) -> str | None:
    text, _, country = text_and_country.partition("\t")
    number = ""
    for token in re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text)):
        # Austria writes ATU before its digits; every other word of three letters is prose.
        is_word = token.isalpha() and (len(token) > 2 or token in data.VAT_WORDS or (token == "N" and not number))
        if not is_word or token == "ATU":
            number += token
    number = _GLUED_LABEL.sub("", number)
    for candidate in (number, country + number):
        code = {"GR": "EL"}.get(candidate[:2], candidate[:2])
        # A number of zeros passes the check of some countries, and belongs to nobody.
        if code in _VAT_COUNTRIES and candidate[2:].strip("0"):
            try:
                return str(eu_vat.validate(code + candidate[2:]))
            except ValidationError:
                continue
    return None


_LEGAL_FORMS_AT_END = rf"(?: (?:{'|'.join(data.LEGAL_FORMS)}))+$"
_WITHOUT_DECOMPOSITION = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}


def name_key(name: pl.Expr) -> pl.Expr:
    """Company name for comparison; null when nothing is left of it.

    Case and accents ignored, dots and apostrophes vanish, other punctuation is a space, legal forms dropped at the end
    (a name that is nothing but a legal form keeps it).
    """
    key = (
        # Decomposed, the acute accent that people type for an apostrophe would leave a space.
        name.str.replace_all("´", "'", literal=True)
        .str.normalize("NFKD")
        .str.to_lowercase()
        .str.replace_all(r"[\x{0300}-\x{036F}.'’‘‛ʼ`′]", "")
        .str.replace_many(_WITHOUT_DECOMPOSITION)
        .str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
        .str.strip_chars()
        .str.replace(_LEGAL_FORMS_AT_END, "")
    )
    return pl.when(key != "").then(key)


def _through_python(texts: pl.Series, which: pl.Expr, function: Callable[[str], str | None]) -> pl.Series:
    """`function` of the texts that `which` selects, called once per distinct value; null for the others."""
    frame = texts.alias("text").to_frame()
    distinct = frame.filter(which & pl.col("text").is_not_null())["text"].unique()
    results = pl.DataFrame(
        {"text": distinct, "result": [function(text) for text in distinct]},
        schema={"text": pl.String, "result": pl.String},
    )
    return frame.join(results, on="text", how="left", maintain_order="left")["result"]
