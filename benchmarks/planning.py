"""How long planning takes and how much memory: desired state, differences and plan from generated frames.

Usage: `python benchmarks/planning.py --contacts 100000`. Companies are a fifth, deals three tenths of that. Prints
seconds per scenario and the peak memory of the process; asserts nothing.
"""

from __future__ import annotations

import argparse
import resource
import time
from datetime import UTC, datetime, timedelta

import polars as pl

from tl_hubspot.config import mapping as mapping_file
from tl_hubspot.planning.plan import EntityInputs, Plan, PlanInputs, PlanSettings, build
from tl_hubspot.planning.stages import resolve
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.warehouse.store import frame_of, polars_schema

AS_OF = datetime(2026, 11, 2, 11, tzinfo=UTC)
TABLES = {"contact": "contacts", "company": "companies", "deal": "deals"}


def _complete(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    types = polars_schema(table)
    missing = [pl.lit(None, t).alias(n) for n, t in types.items() if n not in frame.columns]
    return frame.with_columns(missing).select([pl.col(n).cast(t) for n, t in types.items()])


def _numbers(count: int) -> pl.DataFrame:
    i = pl.int_range(count, eager=True)
    return pl.DataFrame({"i": i}).with_columns(
        id=pl.format("tl-{}", pl.col("i").cast(pl.String).str.zfill(7)),
        at=pl.lit(datetime(2024, 1, 1, tzinfo=UTC)) + pl.col("i") * timedelta(seconds=300),
        mobile=pl.format("0470 {}", (100_000 + pl.col("i") % 899_999).cast(pl.String)),
        phone=pl.format("+32 2 {}", (5_000_000 + pl.col("i") % 999_999).cast(pl.String)),
        city=pl.col("i").mod(4).replace_strict({0: "Gent", 1: "Antwerpen", 2: "Luik", 3: "Brugge"}),
    )


def _address() -> pl.Expr:
    line = pl.format("Kerkstraat {}", pl.col("i") % 200)
    return pl.struct(line_1=line, postal_code=pl.lit("9000"), city="city", country=pl.lit("BE"))


def _entity(kind: str, source: pl.DataFrame, decisions: pl.DataFrame, eligible: pl.DataFrame) -> EntityInputs:
    plural = TABLES[kind]
    matches = source.select(
        teamleader_id="id",
        hubspot_id=pl.lit(None, pl.String),
        matched_by=pl.lit(None, pl.String),
        outcome=pl.lit("create"),
        reason=pl.lit(None, pl.String),
        first_match=pl.lit(True),
        relinked_from=pl.lit(None, pl.String),
    )
    if kind == "contact":
        matches = matches.with_columns(
            email_action=pl.lit("set"),
            email_new=eligible["address"],
            email_old=pl.lit(None, pl.String),
            email_keep_old=pl.lit(False),
            email_blocked_by=pl.lit(None, pl.String),
        )
    return EntityInputs(
        _complete(f"teamleader.{plural}", source),
        _complete(f"decisions.{plural}", decisions),
        _complete(f"eligible.{plural}", eligible),
        matches,
        frame_of(f"hubspot.{plural}", []),
    )


def contacts(count: int) -> EntityInputs:
    """Contacts with every field filled."""
    base = _numbers(count)
    source = base.select(
        "id",
        status=pl.lit("active"),
        first_name=pl.lit("An"),
        last_name=pl.format("Peeters {}", "i"),
        salutation=pl.lit("Mevrouw"),
        website=pl.format("bakkerij-{}.example", "i"),
        language=pl.lit("nl"),
        telephones=pl.concat_list(
            pl.struct(type=pl.lit("mobile"), number="mobile"), pl.struct(type=pl.lit("phone"), number="phone")
        ),
        primary_address=_address(),
        changed_at="at",
        web_url=pl.format("https://focus.example/contact/{}", "i"),
    )
    address = pl.format("an{}@bakkerij.example", "i")
    marketing = pl.col("i") % 3 != 0
    decisions = base.select(
        teamleader_id="id",
        status=pl.when(marketing).then(pl.lit("marketing")).otherwise(pl.lit("non_marketing")),
        reason=pl.lit("changed_within_2_years"),
        address=address,
        opted_out=pl.lit(False),
        changed_at="at",
    )
    eligible = base.select(
        teamleader_id="id",
        marketing=marketing,
        reason=pl.lit("changed_within_2_years"),
        address=address,
        jobtitle=pl.lit("CEO"),
    )
    return _entity("contact", source, decisions, eligible)


def companies(count: int) -> EntityInputs:
    """Companies with every field filled."""
    base = _numbers(count)
    source = base.select(
        "id",
        status=pl.lit("active"),
        name=pl.format("Bakkerij {} BV", "i"),
        vat_number=pl.format("BE {}", "i"),
        website=pl.format("bakkerij-{}.example", "i"),
        emails=pl.concat_list(pl.struct(type=pl.lit("primary"), email=pl.format("info@bakkerij-{}.example", "i"))),
        telephones=pl.concat_list(pl.struct(type=pl.lit("phone"), number="phone")),
        primary_address=_address(),
        responsible_user_id=pl.lit("u1"),
        web_url=pl.format("https://focus.example/company/{}", "i"),
    )
    domain = pl.format("bakkerij-{}.example", "i")
    decisions = base.select(teamleader_id="id", status=pl.lit("sync"), reason=pl.lit("eligible_contact"), domain=domain)
    return _entity("company", source, decisions, base.select(teamleader_id="id", domain=domain))


def deals(count: int) -> EntityInputs:
    """Open deals."""
    base = _numbers(count)
    source = base.select(
        "id",
        title=pl.format("Offerte {}", "i"),
        reference=pl.format("2026/{}", "i"),
        status=pl.lit("open"),
        estimated_value_amount=pl.format("{}.50", "i"),
        estimated_value_currency=pl.lit("EUR"),
        estimated_closing_date=pl.lit("2026-12-31"),
        pipeline_id=pl.lit("p1"),
        current_phase_id=pl.lit("f1"),
        responsible_user_id=pl.lit("u1"),
        created_at="at",
        updated_at="at",
        web_url=pl.format("https://focus.example/deal/{}", "i"),
    )
    reason = pl.lit("changed_within_2_years")
    decisions = base.select(teamleader_id="id", status=pl.lit("sync"), reason=reason)
    return _entity("deal", source, decisions, base.select(teamleader_id="id", reason=reason))


def portal(mapping: mapping_file.Mapping, reference: pl.DataFrame) -> Portal:
    """A portal with Dutch as language, one owner and the euro."""
    language = {"object_type": "contact", "name": "hs_language", "type": "enumeration", "options": ["nl", "fr"]}
    stages = resolve(mapping.pipelines, reference, frame_of("hubspot.pipeline_stages", []))
    return Portal(
        frame_of("hubspot.properties", [language]),
        frame_of("hubspot.owners", [{"id": "901", "email": "ann@example.com"}]),
        frame_of("hubspot.currencies", [{"code": "EUR", "is_company_currency": True}]),
        stages,
    )


def pushed(inputs: PlanInputs, plan: Plan, *, remembered: bool) -> PlanInputs:
    """The same inputs after the creates of the plan were pushed; `remembered`: the sync still knows that it did."""
    creates = plan.changes.filter(pl.col("action") == "create").with_columns(
        hubspot_id=pl.format("hs-{}-{}", "entity_type", "teamleader_id"),
        holds=pl.col("details").str.json_path_match("$.shadow"),
    )
    entities = {}
    for kind, own in inputs.entities.items():
        mine = creates.filter(pl.col("entity_type") == kind)
        mirror = mine.select(id="hubspot_id", properties="holds", archived=pl.lit(False))
        found = own.matches.drop("hubspot_id").join(mine.select("teamleader_id", "hubspot_id"), on="teamleader_id")
        matches = found.with_columns(
            outcome=pl.lit("update"), matched_by=pl.lit("link"), first_match=pl.lit(not remembered)
        )
        if kind == "contact":
            matches = matches.with_columns(email_action=pl.lit("none"), email_new=pl.lit(None, pl.String))
        mirror = _complete(f"hubspot.{TABLES[kind]}", mirror)
        entities[kind] = EntityInputs(own.source, own.decisions, own.eligible, matches, mirror)
    shadows = creates.select(
        "entity_type", "teamleader_id", fields="holds", written="holds", run_id=pl.lit(None, pl.String)
    )
    links = creates.select("entity_type", "teamleader_id", "hubspot_id")
    return PlanInputs(
        entities,
        links,
        shadows if remembered else shadows.clear(),
        inputs.reference,
        inputs.portal,
    )


def edited(inputs: PlanInputs) -> PlanInputs:
    """One contact in a hundred gets another city."""
    own = inputs.entities["contact"]
    hit = pl.int_range(pl.len()) % 100 == 0
    moved = pl.col("primary_address").struct.with_fields(city=pl.lit("Hasselt"))
    source = own.source.with_columns(pl.when(hit).then(moved).otherwise("primary_address").alias("primary_address"))
    entities = dict(inputs.entities)
    entities["contact"] = EntityInputs(source, own.decisions, own.eligible, own.matches, own.mirror)
    return PlanInputs(entities, inputs.links, inputs.shadows, inputs.reference, inputs.portal)


def timed(name: str, inputs: PlanInputs, settings: PlanSettings) -> Plan:
    """Plan once and print."""
    wall, cpu = time.perf_counter(), time.process_time()
    plan = build(inputs, settings)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = dict(plan.changes.group_by("action").len().sort("action").iter_rows())
    print(
        f"{name:<42} {wall:6.2f} s wall  {cpu:6.2f} s cpu  peak {peak:6.0f} MiB  {counts} settled {len(plan.settled)}"
    )
    return plan


def main() -> None:
    """Run all scenarios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    count = parser.parse_args().contacts
    mapping = mapping_file.load()
    reference = frame_of(
        "teamleader.reference",
        [
            {"kind": "deal_pipeline", "id": "p1", "name": "Sales"},
            {"kind": "deal_phase", "id": "f1", "name": "New", "parent_id": "p1", "probability": "0.2"},
            {"kind": "user", "id": "u1", "name": "Ann Example", "email": "ann@example.com"},
        ],
    )
    settings = PlanSettings(mapping, AS_OF)
    first = PlanInputs(
        {"contact": contacts(count), "company": companies(count // 5), "deal": deals(count * 3 // 10)},
        frame_of("sync.links", []),
        frame_of("sync.shadows", []),
        reference,
        portal(mapping, reference),
    )
    print(f"{count} contacts, {count // 5} companies, {count * 3 // 10} deals")
    plan = timed("first run, all to be created", first, settings)
    later = pushed(first, plan, remembered=True)
    timed("later run, nothing changed", later, settings)
    timed("later run, 1 % of the contacts edited", edited(later), settings)
    timed("first match, HubSpot holds everything", pushed(first, plan, remembered=False), settings)


if __name__ == "__main__":
    main()
