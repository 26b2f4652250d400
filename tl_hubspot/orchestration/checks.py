"""Asset checks: what a person should look at (warnings), and what must not be pushed (errors that block).

What offends is found by pure functions in `rules.checks` and stored notices and limits of the plan; here they get a
severity, a sentence, and a table of the offending ids. Where the tables looked at are as they were, so is the result.
Of large tables only rows that may offend are read.
"""

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg
import msgspec
import polars as pl

from tl_hubspot import decoding
from tl_hubspot.orchestration.assets.common import PREVIEW
from tl_hubspot.orchestration.resources import WarehouseResource
from tl_hubspot.orchestration.steps import unchanged
from tl_hubspot.rules import checks as rules
from tl_hubspot.warehouse import typed
from tl_hubspot.warehouse.store import Warehouse

_SHOWN = 50
_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


class Tables:
    """What the checks of one asset look at, each table read once."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.read = functools.cache(warehouse.read)

    def existing(self, table: str, *columns: str) -> pl.DataFrame:
        """These columns of the records that Teamleader has."""
        return self.read(f"select {', '.join(columns)} from {table} where deleted_at is null")


Offenders = Callable[[Tables], pl.DataFrame]


@dataclass(frozen=True)
class Check:
    """One check of an asset: it passes when there are no offenders. A blocking one keeps `hubspot_sync` of the same run
    from starting; the others warn."""

    name: str
    description: str
    offenders: Offenders
    blocking: bool = False


def asset_checks(asset: str, *checks: Check, of: Sequence[str] = ()) -> dg.AssetChecksDefinition:
    """All checks of one asset in one step: Dagster's events for a step cost more than most checks.

    `of`: the tables that decide what they find, which is looked for again only when one of them differs.
    """
    key = dg.AssetKey(asset.split("."))

    @dg.multi_asset_check(
        name=f"{asset.replace('.', '__')}__checks",
        specs=[dg.AssetCheckSpec(c.name, asset=key, description=c.description, blocking=c.blocking) for c in checks],
    )
    def results(warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
        known = _Known(warehouse.store, asset, of) if of else None
        found = known.results() if known else None
        if found is None:
            tables = Tables(warehouse.store)
            found = [_found(check, tables) for check in checks]
            if known:
                known.remember(found)
        for check, result in zip(checks, found, strict=True):
            yield _result(key, check, result)

    return results


class _Found(msgspec.Struct):
    """What one check found: how many records, and the first rows; only columns that cannot hold personal data."""

    offending: int
    columns: list[str]
    rows: list[list[str]]


class _Known:
    """What the checks of an asset found when the tables that they look at were last like this."""

    def __init__(self, warehouse: Warehouse, asset: str, of: Sequence[str]) -> None:
        self.warehouse, self.name = warehouse, f"checks of {asset}"
        self.made_of = unchanged.fingerprint(warehouse, of, {})

    def results(self) -> list[_Found] | None:
        text = unchanged.result_of(self.warehouse, self.name, self.made_of)
        return None if text is None else decoding.decode(text, type=list[_Found])

    def remember(self, found: list[_Found]) -> None:
        with self.warehouse.transaction() as con:
            unchanged.remember(con, self.name, self.made_of, None, msgspec.json.encode(found).decode())


def _found(check: Check, tables: Tables) -> _Found:
    found = check.offenders(tables)
    shown = [name for name in found.columns if name in _COLUMNS]
    return _Found(
        found.height,
        shown,
        [[_as_text(value) for value in row] for row in found.head(_SHOWN).select(shown).iter_rows()],
    )


def _result(key: dg.AssetKey, check: Check, found: _Found) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"offending": found.offending}
    if found.offending:
        metadata["records"] = dg.MetadataValue.table(
            [dg.TableRecord(dict(zip(found.columns, row, strict=True))) for row in found.rows],
            schema=dg.TableSchema([dg.TableColumn(name, "string") for name in found.columns]),
        )
    severity = _ERROR if check.blocking else _WARN
    return dg.AssetCheckResult(
        asset_key=key, check_name=check.name, passed=not found.offending, severity=severity, metadata=metadata
    )


_COLUMNS = PREVIEW | {
    "also_fits",
    "is_loaded",
    "hubspot_ids",
    "candidates",
    "unknown",
    "field",
    "changed_at",
    "position",
    "message",
    "name",
    "value",
    "maximum",
}


def _as_text(value: Any) -> str:
    if isinstance(value, pl.Series | list):
        return ", ".join(str(v) for v in value)
    return "" if value is None else str(value)


def _unreadable(tables: Tables, table: str) -> pl.DataFrame:
    with tables.warehouse.connect() as con:
        return typed.stored_unreadable(con, table)


def _rejected(tables: Tables, stream: str) -> pl.DataFrame:
    query = "select id, field, reason, is_loaded from teamleader.rejected where stream = ? order by all"
    return tables.warehouse.read(query, [stream])


def _notices(code: str) -> Offenders:
    return lambda tables: tables.read(f"select * exclude (found_by) from sync.notices where code = '{code}'")


def _limits(tables: Tables, *names: str) -> pl.DataFrame:
    """Exceeded limits of the latest plan whose name starts with one of `names`."""
    rows = tables.read("select limits from sync.runs order by started_at desc limit 1")
    limits = json.loads((rows.item() if rows.height else None) or "[]")
    over = [limit for limit in limits if limit["exceeded"] and limit["name"].startswith(names)]
    return pl.DataFrame(
        [{"name": limit["name"], "value": str(limit["value"]), "maximum": str(limit["maximum"])} for limit in over],
        schema=dict.fromkeys(("name", "value", "maximum"), pl.String()),
    )


def _blocking(name: str, description: str, *limits: str) -> Check:
    return Check(name, description, lambda w: _limits(w, *limits), blocking=True)


def _links_to_unknown(tables: Tables) -> pl.DataFrame:
    known = "(select id from teamleader.{} where deleted_at is null)"
    contacts, companies = known.format("contacts"), known.format("companies")
    links = tables.read(f"{_LINKS} contact_id not in {contacts} or company_id not in {companies}")
    sides = (
        tables.warehouse.read(f"from {of} where id in (from _ids)", _ids=links.select(id=column))
        for of, column in ((contacts, "contact_id"), (companies, "company_id"))
    )
    return rules.links_to_unknown(links, *sides)


_CONTACTS = (
    "select teamleader_id, address, reason, duplicate_of, opted_out, changed_at, as_of from decisions.contacts where"
)
_SHARED = "select address from decisions.contacts where address is not null group by address having count(*) > 1"
_LINKS = "select contact_id, company_id from teamleader.contact_company_links where"
_DEALS = "select * from decisions.deals where reason in ('no_contact', 'unmapped_stage')"
_VAT = ("id", "vat_number", "primary_address")
_GUARDS = ("creates", "updates", "unsubscribes", "new_marketing")

CHECKS = [
    asset_checks(
        "decisions.contacts",
        Check(
            "duplicate_addresses",
            "Contacts that share an e-mail address; one of them is synchronised.",
            lambda w: rules.duplicate_addresses(w.read(f"{_CONTACTS} address in ({_SHARED})")),
        ),
        Check(
            "opt_outs_without_address",
            "Opted-out contacts without an e-mail address: there is nobody to unsubscribe.",
            lambda w: rules.opt_outs_without_address(w.read(f"{_CONTACTS} opted_out and address is null")),
        ),
        Check(
            "contacts_without_date",
            "Contacts that Teamleader gives no date for; they are skipped.",
            lambda w: rules.contacts_without_date(w.read(f"{_CONTACTS} reason = 'no_date'")),
        ),
        Check(
            "future_dates",
            "Contacts changed in the future; they count as recent.",
            lambda w: rules.contacts_with_future_date(w.read(f"{_CONTACTS} changed_at > as_of")),
        ),
        of=["decisions.contacts"],
    ),
    asset_checks(
        "decisions.companies",
        Check(
            "missing_vat",
            "Companies without a VAT number; they are recognised by domain or name.",
            lambda w: rules.companies_without_vat(w.existing("teamleader.companies", *_VAT)),
        ),
        Check(
            "invalid_vat",
            "Companies whose VAT number fails its check digit; it is kept as typed and not used to recognise them.",
            lambda w: rules.companies_with_invalid_vat(
                w.existing("teamleader.companies", *_VAT),
                w.read("select teamleader_id, vat from decisions.companies where vat is null"),
            ),
        ),
        Check(
            "companies_sharing_vat",
            "Companies with the same VAT number; they are one company in HubSpot.",
            lambda w: rules.companies_sharing_vat(
                w.read("select vat, teamleader_id, duplicate_of from decisions.companies where vat is not null")
            ),
        ),
        Check(
            "companies_fitting_several_groups",
            "Companies that could belong to more than one company in HubSpot.",
            lambda w: rules.companies_fitting_several_groups(
                w.read("select * from decisions.companies where len(also_fits) > 0")
            ),
        ),
        of=["decisions.companies", "teamleader.companies"],
    ),
    asset_checks(
        "decisions.deals",
        Check(
            "deals_without_contact",
            "Deals that name no contact; they are skipped.",
            lambda w: rules.deals_without_contact(w.read(_DEALS)),
        ),
        Check(
            "unmapped_stages",
            "Deals whose phase has no HubSpot stage; they are held until the mapping names one.",
            lambda w: w.read(_DEALS).filter(pl.col("reason") == "unmapped_stage"),
        ),
        of=["decisions.deals"],
    ),
    asset_checks(
        "teamleader.contact_company_links",
        Check(
            "links_to_unknown_ids",
            "Links to contacts or companies that Teamleader did not list.",
            _links_to_unknown,
        ),
        of=["teamleader.contact_company_links", "teamleader.contacts", "teamleader.companies"],
    ),
    *(
        asset_checks(
            f"teamleader.{stream}",
            Check(
                "unreadable_dates",
                "Dates that are there but are no date; they count as missing.",
                partial(_unreadable, table=f"teamleader.{stream}"),
            ),
            Check(
                "rejected",
                "What could not be loaded as it is: set aside when it is no record, else loaded without that field.",
                partial(_rejected, stream=stream),
            ),
            of=[f"teamleader.{stream}", "teamleader.rejected"],
        )
        for stream in ("contacts", "companies", "deals")
    ),
    asset_checks(
        "plan",
        Check(
            "ambiguous_company_match",
            "Companies for which HubSpot has several candidates; the oldest was taken.",
            _notices("ambiguous_company_match"),
        ),
        _blocking("protected_fields", "No protected property may be in the plan.", "protected_fields"),
        _blocking(
            "vanished_records",
            "The share of records that vanished from Teamleader must stay under its limit.",
            "vanished",
        ),
        _blocking(
            "duplicate_teamleader_ids",
            "No two HubSpot records may carry the same teamleader_id.",
            "duplicate_teamleader_ids",
        ),
        _blocking(
            "within_limits",
            "Creates, updates, unsubscribes and new marketing contacts must stay under their limits, unless approved.",
            *_GUARDS,
        ),
    ),
]
