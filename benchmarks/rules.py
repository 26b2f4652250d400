"""How long the rules take and how much memory they need, on generated frames; prints, asserts nothing.

`python benchmarks/rules.py --contacts 100000`: companies are a fifth of the contacts, deals three tenths. Names and
addresses are made up. Measure on one core with `taskset -c 0` and `POLARS_MAX_THREADS=1`.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tl_hubspot.rules import companies, contacts, deals, eligible
from tl_hubspot.rules.ageing import ageing
from tl_hubspot.rules.changes import watched
from tl_hubspot.rules.evaluate import Source
from tl_hubspot.rules.settings import RuleSettings

AS_OF = datetime(2026, 11, 2, 12, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
EMAILS = pl.List(pl.Struct({"type": pl.String, "email": pl.String}))
ADDRESS = pl.Struct(dict.fromkeys(("line_1", "postal_code", "city", "country"), pl.String))


def belgian_number(rng: random.Random) -> str:
    first = rng.randrange(1_000_000, 12_000_000)
    return (
        f"BE 0{first // 10_000:03d}.{first // 10 % 1000:03d}.0"
        if first % 50 == 0
        else f"BE{first:08d}{97 - first % 97:02d}"
    )


def generated(count: int, rng: random.Random) -> Source:
    def instant(years: float = 8) -> datetime:
        return AS_OF - timedelta(seconds=rng.randrange(int(years * 365 * 86400)))

    def email(i: int) -> list[dict[str, str]]:
        odd = rng.random()
        if odd < 0.03:
            return []
        if odd < 0.05:
            return [{"type": "primary", "email": f"Zoë.{i}@müller-{i % 97}.de"}]
        number = rng.randrange(i + 1) if odd < 0.10 else i
        return [{"type": "primary", "email": f" Person.{number}@Company{number % (count // 5)}.be"}]

    people = [
        {
            "id": f"c{i:08d}",
            "status": "deactivated" if rng.random() < 0.1 else "active",
            "emails": email(i),
            "marketing_mails_consent": rng.choice([True, True, True, False, None]),
            "consent_withdrawn_at": None,
            "added_at": instant(12),
            "updated_at": (changed := instant()),
            "changed_at": changed,
        }
        for i in range(count)
    ]
    firms = count // 5
    organisations: list[dict[str, Any]] = [
        {
            "id": f"k{i:08d}",
            "name": f"Société {i} {rng.choice(['NV', 'BV', 'bvba', '& Zonen', ''])}",
            "status": "active",
            "vat_number": belgian_number(rng) if rng.random() < 0.7 else rng.choice([None, "", f"NL{i:09d}B01"]),
            "website": f"https://www.company{rng.randrange(i + 1) if rng.random() < 0.1 else i}.be/contact",
            "emails": [],
            "primary_address": {"line_1": None, "postal_code": None, "city": None, "country": "BE"},
            "added_at": instant(12),
            "updated_at": instant(),
        }
        for i in range(firms)
    ]
    sales = [
        {
            "id": f"d{i:08d}",
            "status": rng.choice(["open", "open", "won", "lost"]),
            "customer_type": rng.choice(["contact", "company"]),
            "customer_id": f"c{rng.randrange(count):08d}",
            "contact_person_id": f"c{rng.randrange(count):08d}",
            "pipeline_id": "p1",
            "current_phase_id": f"f{rng.randrange(6)}",
            "created_at": (created := instant()),
            "closed_at": created + timedelta(days=90),
            "updated_at": created + timedelta(days=90),
        }
        for i in range(count * 3 // 10)
    ]
    pairs = {(f"c{i:08d}", f"k{rng.randrange(firms):08d}") for i in range(count) for _ in range(1 + i % 2)}
    moves = [(deal["id"], j, instant().strftime("%Y-%m-%d %H:%M:%S")) for deal in sales[::2] for j in range(3)]
    links = {"contact_id": pl.String, "company_id": pl.String, "position": pl.String, "rank": pl.Int32}
    return Source(
        contacts=pl.DataFrame(
            people, schema_overrides={"emails": EMAILS} | instants(people[0]), infer_schema_length=None
        ),
        companies=pl.DataFrame(
            organisations,
            schema_overrides={"emails": EMAILS, "primary_address": ADDRESS} | instants(organisations[0]),
            infer_schema_length=None,
        ),
        deals=pl.DataFrame(sales, schema_overrides=instants(sales[0]), infer_schema_length=None),
        contact_company_links=pl.DataFrame(
            [(*pair, "Manager", 0) for pair in sorted(pairs)], schema=links, orient="row"
        ),
        deal_phase_history=pl.DataFrame(
            moves, schema={"deal_id": pl.String, "position": pl.Int32, "started_at": pl.String}, orient="row"
        ),
        linked_contacts=pl.Series([p["id"] for p in people[::2]]),
        linked_companies=pl.Series([o["id"] for o in organisations[::2]]),
        linked_deals=pl.Series([s["id"] for s in sales[::2]]),
        mapped=deals.MappedStages({("p1", f"f{i}") for i in range(5)}, {"p1"}),
    )


def instants(row: dict[str, Any]) -> dict[str, Any]:
    return {name: INSTANT for name in row if name.endswith("_at")}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def timed(what: str) -> Iterator[None]:
    start, cpu = time.perf_counter(), time.process_time()
    yield
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(f"{what:28s} {seconds:7.2f} s   {cpu:7.2f} s cpu   peak {peak():6.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--ageing", type=int, default=0, metavar="DAYS", help="look this many days ahead as well")
    arguments = parser.parse_args()
    source = generated(arguments.contacts, random.Random(1))
    settings = RuleSettings(as_of=AS_OF)
    print(f"{source.contacts.height} contacts, {source.companies.height} companies, {source.deals.height} deals")
    print(f"{'frames alone':28s} {'':35s}peak {peak():6.0f} MiB")
    links = source.contact_company_links
    with timed("all rules"):
        with timed("  contacts"):
            people = contacts.decide(source.contacts, source.linked_contacts, settings)
        with timed("  companies: group"):
            groups = companies.group(source.companies, settings)
        with timed("  companies: decide"):
            firms = companies.decide(groups, links, people, source.linked_companies, settings)
        with timed("  deals"):
            sales = deals.decide(
                source.deals, source.deal_phase_history, people, source.linked_deals, source.mapped, settings
            )
        with timed("  eligible"):
            tables = [
                eligible.contacts(people, firms, links),
                eligible.companies(firms),
                open_deals := eligible.deals(sales, firms),
                eligible.relations(open_deals, people, firms, links),
            ]
    print("eligible contacts, companies, deals, relations:", *(table.height for table in tables))
    payload = '{"id": "c1", "first_name": "Zoë", "emails": [{"type": "primary", "email": "z@example.com"}], "tags": []}'
    with timed("watched fields of contacts"):
        for _ in range(arguments.contacts):
            watched(payload)
    if arguments.ageing:
        with timed(f"ageing, {arguments.ageing} days"):
            rows = ageing(source, settings, arguments.ageing).height
        print("changes ahead:", rows)


if __name__ == "__main__":
    main()
