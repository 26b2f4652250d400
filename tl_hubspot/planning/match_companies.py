"""Which HubSpot company each eligible group of Teamleader companies is: link, teamleader_id, then VAT, domain, name.

behaviour §4. The keys of Teamleader's companies and their groups come from `rules.companies`; links from `match_links`.
"""

from __future__ import annotations

import polars as pl
import pycountry

from tl_hubspot.planning.match_frames import (
    MATCHES,
    Matching,
    first_match,
    no_notices,
    notices,
    of_entity,
    oldest_first,
)
from tl_hubspot.planning.match_links import free_records, match_linked, resolve
from tl_hubspot.rules import normalize
from tl_hubspot.rules.settings import RuleSettings

KEYS = ("vat", "domain", "name")
"""Keys from strong to weak."""
LOOKED_AT = {
    "eligible.companies": ("teamleader_id", "members"),
    "decisions.companies": ("teamleader_id", "duplicate_of", "also_fits", "vat", "domain", "name_key"),
}
"""Columns of tables with a row per company that matching looks at."""

_COUNTRIES = {
    "belgië": "BE", "belgie": "BE", "belgique": "BE", "belgien": "BE",
    "nederland": "NL", "the netherlands": "NL", "holland": "NL", "pays-bas": "NL", "niederlande": "NL",
    "luxemburg": "LU", "frankrijk": "FR", "frankreich": "FR", "duitsland": "DE", "allemagne": "DE",
    "deutschland": "DE", "verenigd koninkrijk": "GB", "royaume-uni": "GB", "uk": "GB",
}  # fmt: skip
"""Names of countries that people write in HubSpot's free text and that ISO 3166 does not list."""


def match(
    eligible: pl.DataFrame,
    decisions: pl.DataFrame,
    companies: pl.DataFrame,
    mirror: pl.DataFrame,
    links: pl.DataFrame,
    pushed: pl.Series,
    releases: pl.DataFrame,
    settings: RuleSettings,
) -> Matching:
    """Match companies: one row (MATCHES) per row of eligible.companies, in the order of teamleader_id.

    decisions: decisions.companies, all of them, with the keys of the members; companies: teamleader.companies (`id`,
    `updated_at`); mirror: hubspot.companies, archived ones too; links: sync.links; pushed: ids of companies that have
    a shadow; releases: sync.releases; settings: the hosts that never count as a company's domain. The link of any
    member counts for the group; `relinked_from` names the member (or the company gone from Teamleader) that had it.
    Notices: `ambiguous_company_match`, `also_fits`.
    """
    resolved = resolve("company", decisions["teamleader_id"], links, mirror)
    members = _members(eligible, decisions)
    linked = match_linked(
        members.select("teamleader_id", "member", "position"), resolved, of_entity(releases, "company")["teamleader_id"]
    )
    rest = members.join(linked, on="teamleader_id", how="anti")
    candidates = _candidates(rest, hubspot_keys(mirror, free_records(mirror, resolved), settings))
    chosen = _claim(candidates, companies)
    by_key = (
        rest.select("teamleader_id")
        .unique()
        .join(chosen.filter("wins"), on="teamleader_id", how="left")
        .select(
            "teamleader_id",
            "hubspot_id",
            matched_by="key",
            outcome=pl.when(pl.col("hubspot_id").is_null()).then(pl.lit("create")).otherwise(pl.lit("update")),
            reason=pl.lit(None, pl.String),
            relinked_from="vacated_by",
        )
    )
    matches = (
        pl.concat([linked, by_key])
        .with_columns(first_match=first_match(pushed))
        .select(list(MATCHES))
        .sort("teamleader_id")
    )
    ambiguous = chosen.filter(pl.col("candidates") > 1)
    fits = decisions.filter(pl.col("also_fits").list.len() > 0).select(
        "teamleader_id", "duplicate_of", "also_fits", hubspot_id=pl.lit(None, pl.String)
    )
    told = [
        no_notices(),
        notices(
            "ambiguous_company_match",
            "company",
            ambiguous,
            pl.format(
                "{} HubSpot companies fit by {}; a linked one, else the oldest, counts.",
                pl.col("candidates"),
                pl.col("key").replace({"vat": "VAT number"}),
            ),
        ),
        notices(
            "also_fits",
            "company",
            fits,
            pl.format(
                "Joined to company {}, and also fits {}.", pl.col("duplicate_of"), pl.col("also_fits").list.join(", ")
            ),
        ),
    ]
    return Matching(matches, pl.concat(told))


def hubspot_keys(mirror: pl.DataFrame, free: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """Keys of the free HubSpot companies: `hubspot_id`, `createdate`, `vacated_by`, `vat`, `domains`, `name_key`.

    Domains are registrable domains of `domain` and `additional_domains` (an empty list when there is none).
    """
    records = (
        mirror.rename({"id": "hubspot_id"})
        .join(free, on="hubspot_id", how="inner")
        .select(
            "hubspot_id", "createdate", "vacated_by", "name", "domain", "additional_domains", "vat_number", "properties"
        )
    )
    country = _countries(records)
    hosts = pl.concat(
        [
            records.select("hubspot_id", host="domain"),
            records.select("hubspot_id", host="additional_domains").explode("host", empty_as_null=False),
        ]
    ).drop_nulls()
    domains = (
        hosts.with_columns(domain=normalize.domains(hosts["host"], settings.hosts_without_company))
        .drop_nulls()
        .group_by("hubspot_id")
        .agg(domains=pl.col("domain").unique().sort())
    )
    return (
        records.with_columns(
            vat=normalize.vat_numbers(records["vat_number"], country), name_key=normalize.name_key(pl.col("name"))
        )
        .join(domains, on="hubspot_id", how="left")
        .with_columns(pl.col("domains").fill_null([]))
        .select("hubspot_id", "createdate", "vacated_by", "vat", "domains", "name_key")
    )


def _countries(records: pl.DataFrame) -> pl.Series:
    """ISO code of the country that HubSpot's free text names; null when it names none, or the VAT number needs none."""
    text = pl.col("properties").str.json_path_match("$.country").str.strip_chars().str.to_lowercase()
    needed = pl.col("vat_number").str.contains("^[^A-Za-z]*[0-9]")
    frame = records.select(country=pl.when(needed).then(text))
    codes = {name: _country_code(name) for name in frame["country"].drop_nulls().unique()}
    return frame["country"].replace_strict(codes, default=None, return_dtype=pl.String)


def _country_code(name: str) -> str | None:
    if name in _COUNTRIES:
        return _COUNTRIES[name]
    try:
        return str(pycountry.countries.lookup(name).alpha_2)
    except LookupError:
        return None


def _members(eligible: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Members of the eligible groups with their keys: position 0 is the winner; `group_vat` is the group's VAT."""
    return (
        eligible.select("teamleader_id", member="members")
        .explode("member")
        .with_columns(position=pl.int_range(pl.len()).over("teamleader_id").cast(pl.Int32))
        .join(
            decisions.select(member="teamleader_id", vat="vat", domain="domain", name_key="name_key"),
            on="member",
            how="left",
            maintain_order="left",
        )
        .with_columns(group_vat=pl.col("vat").drop_nulls().first().over("teamleader_id"))
    )


def _candidates(members: pl.DataFrame, hubspot: pl.DataFrame) -> pl.DataFrame:
    """Pairs that fit: `teamleader_id`, `position`, `key_rank` (in KEYS), `hubspot_id`, `vacated_by`, `createdate`.

    A key counts only when every stronger key is missing on at least one side, and never against two VAT numbers
    that differ: also not when only another member of the group has the number.
    """
    h = hubspot.rename({"vat": "h_vat", "name_key": "h_name"}).with_columns(
        h_has_domain=pl.col("domains").list.len() > 0
    )
    no_vat = pl.col("vat").is_null() | pl.col("h_vat").is_null()
    no_domain = pl.col("domain").is_null() | ~pl.col("h_has_domain")
    pairs = [
        members.join(h, left_on="vat", right_on="h_vat", how="inner").with_columns(h_vat=pl.col("vat")),
        members.join(
            h.with_columns(h_domain="domains").explode("h_domain"), left_on="domain", right_on="h_domain"
        ).filter(no_vat),
        members.join(h, left_on="name_key", right_on="h_name").filter(no_vat & no_domain),
    ]
    agree = pl.col("group_vat").is_null() | pl.col("h_vat").is_null() | (pl.col("group_vat") == pl.col("h_vat"))
    columns = ["teamleader_id", "position", "hubspot_id", "vacated_by", "createdate"]
    return pl.concat(
        frame.filter(agree).select(*columns, key_rank=pl.lit(rank, pl.Int32)) for rank, frame in enumerate(pairs)
    )


def _claim(candidates: pl.DataFrame, companies: pl.DataFrame) -> pl.DataFrame:
    """One candidate per company: `teamleader_id`, `hubspot_id`, `vacated_by`, `key`, `candidates`, `wins`.

    The winner's keys before its losers', strong before weak; of several records for one key a linked one, else the
    oldest. A record claimed by several companies goes to the strongest key, then the later updated_at, then the
    smallest id.
    """
    first = (
        candidates.sort(
            "teamleader_id", "position", "key_rank", pl.col("vacated_by").is_null(), *oldest_first(), nulls_last=True
        )
        .with_columns(candidates=pl.col("hubspot_id").n_unique().over("teamleader_id", "position", "key_rank"))
        .unique("teamleader_id", keep="first", maintain_order=True)
        .join(companies.select(teamleader_id="id", updated_at="updated_at"), on="teamleader_id", how="left")
    )
    winners = (
        first.sort(
            "hubspot_id",
            "key_rank",
            "updated_at",
            "teamleader_id",
            descending=[False, False, True, False],
            nulls_last=True,
        )
        .unique("hubspot_id", keep="first", maintain_order=True)
        .select("teamleader_id", wins=pl.lit(True))
    )
    return first.join(winners, on="teamleader_id", how="left").select(
        "teamleader_id",
        "hubspot_id",
        "vacated_by",
        key=pl.lit(pl.Series(KEYS)).gather(pl.col("key_rank")),
        candidates="candidates",
        wins=pl.col("wins").fill_null(False),
    )
