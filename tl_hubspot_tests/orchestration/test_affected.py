"""Computing only what follows from the rows that changed comes to the same as computing everything."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, Run, RunOptions
from tl_hubspot.orchestration.steps import deciding
from tl_hubspot.warehouse.rows import delete, frame_of, upsert

pytestmark = pytest.mark.usefixtures("stays_open")

AS_OF = datetime(2026, 11, 2, 11, tzinfo=UTC)
COMPUTED = [
    *(f"decisions.{name}" for name in ("contacts", "companies", "deals")),
    *(f"eligible.{name}" for name in ("contacts", "companies", "deals", "relations")),
]


@dataclass
class Account:
    """A small account in which much is shared: few addresses and keys, many links. Everything in it is drawn."""

    platform: Platform
    draw: random.Random
    runs: int = 0
    contacts: list[str] = field(default_factory=lambda: [f"c{n}" for n in range(14)])
    companies: list[str] = field(default_factory=lambda: [f"f{n}" for n in range(9)])
    deals: list[str] = field(default_factory=lambda: [f"d{n}" for n in range(10)])

    def run(self, change: Callable[[Any, str], None]) -> Run:
        """A run that finds what `change` does, and decides."""
        self.runs += 1
        run = self.platform.run(f"run-{self.runs}")
        with self.platform.warehouse.transaction() as con:
            change(con, run.run_id)
        return run

    def date(self) -> datetime:
        return AS_OF - timedelta(days=self.draw.choice([1, 300, 700, 740, 1500, 1900]))

    def some(self, ids: list[str], most: int) -> list[str]:
        return self.draw.sample(ids, self.draw.randint(0, min(most, len(ids))))

    def one_of(self, *values: Any) -> Any:
        return self.draw.choice(values)

    def contact(self, id: str) -> dict[str, Any]:
        address = self.one_of(None, "not one", *(f"{name}@a.example" for name in "abcdef"), "A@a.example ")
        return {
            "id": id,
            "status": self.one_of("active", "active", "deactivated"),
            "emails": [{"type": "primary", "email": address}] if address else [],
            "marketing_mails_consent": self.one_of(True, True, False, None),
            "updated_at": self.date(),
            "changed_at": self.date(),
            "deleted_at": self.one_of(*[None] * 6, AS_OF),
        }

    def company(self, id: str) -> dict[str, Any]:
        return {
            "id": id,
            "name": self.one_of("Alpha NV", "Beta BV", "Gamma", "Delta"),
            "status": self.one_of("active", "active", "deactivated"),
            "vat_number": self.one_of(None, None, "BE0123456749", "BE0400378485"),
            "website": self.one_of(None, None, "https://one.example", "https://two.example"),
            "emails": [],
            "updated_at": self.date(),
            "deleted_at": self.one_of(*[None] * 6, AS_OF),
        }

    def deal(self, id: str) -> dict[str, Any]:
        kind = self.one_of("contact", "company")
        return {
            "id": id,
            "status": self.one_of("open", "new", "won", "lost"),
            "customer_type": kind,
            "customer_id": self.one_of(*(self.contacts if kind == "contact" else self.companies)),
            "contact_person_id": self.one_of(None, *self.contacts) if kind == "company" else None,
            "pipeline_id": "p",
            "current_phase_id": self.one_of("known", "other"),
            "created_at": self.date(),
            "closed_at": self.date(),
            "deleted_at": self.one_of(*[None] * 6, AS_OF),
        }

    def change(self, con: Any, run_id: str) -> None:
        """Some records become others, some links and phases come and go, some records are linked to HubSpot."""
        stamp = {"payload": "{}", "_loaded_at": AS_OF + timedelta(seconds=self.runs), "_run_id": run_id}

        def become(table: str, rows: list[dict[str, Any]]) -> None:
            names = list(dict.fromkeys(name for row in rows for name in row))
            upsert(con, table, frame_of(table, rows).select(names)) if rows else None

        few = self.one_of(0, 1, 1, 2, 3) if self.runs > 1 else 99
        become("teamleader.contacts", [self.contact(i) | stamp for i in self.some(self.contacts, few)])
        become("teamleader.companies", [self.company(i) | stamp for i in self.some(self.companies, few)])
        become("teamleader.deals", [self.deal(i) | stamp for i in self.some(self.deals, few)])
        del stamp["payload"]
        pairs = {(self.one_of(*self.contacts), self.one_of(*self.companies)) for _ in range(min(few, 12) * 2)}
        gone = pl.DataFrame(sorted(pairs)[::2], schema={"contact_id": pl.String, "company_id": pl.String}, orient="row")
        delete(con, deciding.LINKS, gone)
        made = [
            {"contact_id": c, "company_id": f, "position": self.one_of("boss", "clerk"), "rank": self.one_of(0, 1, 2)}
            for c, f in sorted(pairs)[1::2]
        ]
        become(deciding.LINKS, [row | stamp for row in made])
        of_deals = self.some(self.deals, few)
        delete(con, "teamleader.deal_phase_history", pl.DataFrame({"deal_id": of_deals[::2]}, {"deal_id": pl.String}))
        phases = [{"deal_id": d, "position": 0, "started_at": self.date().isoformat()} for d in of_deals[1::2]]
        become("teamleader.deal_phase_history", [row | stamp for row in phases])
        linked = [*self.some(self.contacts, few), *self.some(self.companies, few), *self.some(self.deals, few)]
        kinds = {"c": "contact", "f": "company", "d": "deal"}
        rows = [{"entity_type": kinds[i[0]], "teamleader_id": i, "hubspot_id": f"h{i}"} for i in linked]
        query = "select teamleader_id from sync.links"
        known = {id for (id,) in con.execute(query).fetchall()}
        stamped = [row | {"last_run": run_id} for row in rows[1::2]]
        become("sync.links", [row for row in stamped if row["teamleader_id"] in known])
        become("sync.links", [row | {"first_run": run_id} for row in stamped if row["teamleader_id"] not in known])
        keys = pl.DataFrame(rows[::2], {"entity_type": pl.String, "teamleader_id": pl.String, "hubspot_id": pl.String})
        delete(con, "sync.links", keys)


@pytest.fixture
def open_platform(tmp_path: Path) -> Iterator[Callable[[str], Platform]]:
    opened = []

    def made(name: str) -> Platform:
        values = {"TL_HUBSPOT_DATA": str(tmp_path / name), "TL_HUBSPOT_AS_OF": AS_OF.isoformat()}
        opened.append(Platform(configuration.load(values, directory=tmp_path), RunOptions()))
        return opened[-1]

    yield made
    for platform in opened:
        platform.close()


def decide(platform: Platform, run: Run) -> dict[str, dict[str, Any]]:
    """What each step tells."""
    steps = {f"decisions.{step.__name__}": step for step in (deciding.contacts, deciding.companies, deciding.deals)}
    told = {name: step(platform, run) for name, step in steps.items()}
    names = ("contacts", "companies", "deals", "relations")
    return told | {f"eligible.{name}": deciding.eligible_records(platform, run, name) for name in names}


def tables(platform: Platform, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    return {name: platform.warehouse.read(f"select * from {name} order by all").to_dicts() for name in names}


def forget(platform: Platform) -> None:
    with platform.warehouse.transaction() as con:
        con.execute("delete from sync.made_of")


@pytest.mark.parametrize("seed", range(2))
def test_some_rows_decide_the_same_as_all(open_platform: Callable[[str], Platform], seed: int) -> None:
    account, anew = (Account(open_platform(name), random.Random(seed)) for name in ("account", "anew"))
    singled_out = 0
    for _ in range(6):
        told = decide(account.platform, account.run(account.change))
        singled_out += sum("computed_for" in of for of in told.values())
        forget(anew.platform)
        decide(anew.platform, anew.run(anew.change))
        assert tables(account.platform, COMPUTED) == tables(anew.platform, COMPUTED)
    assert singled_out > 10


def test_what_looks_at_a_decision_is_not_made_again_when_the_decision_stays(
    open_platform: Callable[[str], Platform],
) -> None:
    account = Account(open_platform("account"), random.Random(1))
    decide(account.platform, account.run(account.change))

    def rename(con: Any, run_id: str) -> None:
        stamp = {"_loaded_at": AS_OF + timedelta(days=1), "_run_id": run_id}
        known = con.execute("select id from teamleader.contacts where deleted_at is null").fetchall()
        rows = frame_of("teamleader.contacts", [{"id": id, "first_name": "Anders"} | stamp for (id,) in known])
        upsert(con, "teamleader.contacts", rows.select("id", "first_name", *stamp))

    told = decide(account.platform, account.run(rename))
    assert told.pop("decisions.contacts")["computed_for"] > 0
    assert all("unchanged_since_run" in of for of in told.values())
