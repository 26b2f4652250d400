"""Which addresses to unsubscribe in HubSpot because Teamleader shows them opted out (behaviour §3.3).

Opt-out belongs to the address. Nothing here ever subscribes anybody; whether a contact may be asked for marketing
status is decided with the rest of the plan.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tl_hubspot.planning.match_emails import addresses
from tl_hubspot.rules import normalize


@dataclass(frozen=True)
class OptOutPlan:
    """changes: rows of the plan with action unsubscribe; forget: addresses of sync.opt_outs to drop (`address`);
    records: HubSpot ids of all contacts that have an opted-out address, also those that need no call any more."""

    changes: pl.DataFrame
    forget: pl.DataFrame
    records: pl.Series


LOOKED_AT = ("teamleader_id", "address", "opted_out", "consent")
"""Columns of `decisions.contacts` that opt-outs depend on."""


def plan_opt_outs(
    decisions: pl.DataFrame, mirror: pl.DataFrame, matches: pl.DataFrame, opt_outs: pl.DataFrame
) -> OptOutPlan:
    """Compare Teamleader's opt-outs with HubSpot.

    decisions: decisions.contacts, skipped ones too; mirror: hubspot.contacts; matches: the contacts' matches frame;
    opt_outs: sync.opt_outs. An address counts as HubSpot's when it is there after this run's changes of addresses;
    any other gets no call. When it is a secondary address, the primary is unsubscribed with it. Nothing is sent for
    what HubSpot shows as opted out (it shows it of the primary only) or what was sent before. A row of sync.opt_outs
    is dropped when Teamleader shows consent for its address again; that never subscribes anybody.
    """
    has_address = decisions.filter(pl.col("address").is_not_null())
    refused = has_address.filter(pl.col("opted_out").fill_null(False))
    consented = has_address.filter(pl.col("consent").fill_null(False)).join(refused, on="address", how="anti")
    forget = opt_outs.join(consented, on="address", how="semi").select("address").unique().sort("address")
    kept = opt_outs.join(forget, on="address", how="anti")
    before = addresses(mirror)
    shown = before.filter(
        pl.col("is_primary")
        & pl.col("hubspot_id").is_in(
            mirror.filter(pl.col("opted_out").fill_null(False) & ~pl.col("archived").fill_null(False))["id"].implode()
        )
    )
    done = pl.concat([kept["address"], kept["unsubscribed"].explode(), shown["address"]]).drop_nulls().unique()
    after = _after_the_run(before, matches)
    primaries = after.filter("is_primary").select("record", primary="address")
    hit = after.join(_speaker(refused, matches), on="address", how="inner").join(primaries, on="record", how="left")
    calls = (
        pl.concat([hit.with_columns(unsubscribe="address"), hit.with_columns(unsubscribe="primary")])
        .filter(pl.col("unsubscribe").is_not_null() & ~pl.col("unsubscribe").is_in(done.implode()))
        # an address is unsubscribed once, in its own row when it has one
        .sort("unsubscribe", pl.col("unsubscribe") != pl.col("address"), "address")
        .unique("unsubscribe", keep="first", maintain_order=True)
        .with_columns(existed=pl.col("unsubscribe").is_in(before["address"].implode()))
        .sort("teamleader_id", "address", pl.col("unsubscribe") != pl.col("address"), "unsubscribe")
        .group_by("teamleader_id", "hubspot_id", "address", maintain_order=True)
        .agg(addresses="unsubscribe", existing=pl.col("existed").any())
    )
    changes = calls.select(
        entity_type=pl.lit("contact"),
        teamleader_id="teamleader_id",
        hubspot_id="hubspot_id",
        action=pl.lit("unsubscribe"),
        reason=pl.lit("opted_out"),
        fields=pl.lit("{}"),
        details=pl.struct("address", "addresses", "existing").struct.json_encode(),
    )
    return OptOutPlan(changes, forget, hit["hubspot_id"].drop_nulls().unique())


def _speaker(refused: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    """`address`, `teamleader_id`: the contact in whose name an address is unsubscribed, a matched one first."""
    matched = matches.filter(pl.col("outcome") != "held")["teamleader_id"]
    return (
        refused.select("address", "teamleader_id")
        .sort("address", ~pl.col("teamleader_id").is_in(matched.implode()), "teamleader_id")
        .unique("address", keep="first", maintain_order=True)
    )


def _after_the_run(before: pl.DataFrame, matches: pl.DataFrame) -> pl.DataFrame:
    """Addresses that HubSpot has after this run: `address`, `hubspot_id` (null when created), `record`, `is_primary`.

    record: the HubSpot id, or the Teamleader id of a contact that the run creates.
    """
    acting = matches.filter(pl.col("email_action") != "none")
    acting = acting.with_columns(
        old=normalize.addresses(acting["email_old"])["address"],
        leads=pl.col("email_action").is_in(["set", "replace_primary"]),
    )
    leaving = acting.filter(pl.col("old").is_not_null() & ~pl.col("email_keep_old")).select("hubspot_id", address="old")
    led = acting.filter("leads")["hubspot_id"].drop_nulls()
    stays = (
        before.join(leaving, on=["hubspot_id", "address"], how="anti")
        .join(acting.select(address="email_new"), on="address", how="anti")
        .select(
            "address",
            "hubspot_id",
            record="hubspot_id",
            is_primary=pl.col("is_primary") & ~pl.col("hubspot_id").is_in(led.implode()),
        )
    )
    comes = acting.select(
        "hubspot_id",
        address="email_new",
        record=pl.coalesce("hubspot_id", pl.lit("new ") + pl.col("teamleader_id")),
        is_primary="leads",
    )
    return pl.concat([stays, comes.select("address", "hubspot_id", "record", "is_primary")])
