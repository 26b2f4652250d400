"""Comparing only what changed finds the same doubtful associations as comparing everything."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import doubtful, unchanged
from tl_hubspot.orchestration.steps.associating import RELATIONS
from tl_hubspot.orchestration.steps.mirroring import TABLES
from tl_hubspot.warehouse.rows import become, delete, frame_of, upsert

AT = datetime(2026, 11, 2, 11, tzinfo=UTC)
SEEDS, ROUNDS = 2, 8
OWN = [f"t{n}" for n in range(8)]
UNLINKED = {("contact", id) for id in OWN[:3]}
THEIRS = [str(n) for n in range(9)]
"""Ids of either system, of every kind."""
ADDRESSES = [f"{name}@a.example" for name in "abcdef"]
WISHED = """
with ends as (
  select entity_type as kind, teamleader_id, hubspot_id from sync.links
  union select 'contact', e.teamleader_id, h.id from eligible.contacts e join hubspot.contacts h on h.email = e.address
)
select distinct r.from_type, f.hubspot_id as from_id, r.to_type, t.hubspot_id as to_id from eligible.relations r
join ends f on f.kind = r.from_type and f.teamleader_id = r.from_id
join ends t on t.kind = r.to_type and t.teamleader_id = r.to_id
"""
REMEMBERED = """
select from_type, from_id, to_type, to_id from sync.relations where from_id not in
(select unnest(merged_ids) from hubspot.contacts union all select unnest(merged_ids) from hubspot.deals)
"""
Way = Callable[[duckdb.DuckDBPyConnection, dict[str, Any]], None]


@dataclass
class World:
    """A few records that are related, linked, merged and read at random."""

    platform: Platform
    draw: random.Random
    runs: int = 0

    def run(self, *ways: Way) -> None:
        """Another run changes rows in these ways, as the product does."""
        self.runs += 1
        run_id = self.platform.run(f"run-{self.runs}").run_id
        stamp = {"_run_id": run_id, "_loaded_at": AT + timedelta(seconds=self.runs)}
        with self.platform.warehouse.transaction() as con:
            for way in ways:
                way(con, stamp)
            # a computed table is told by what it was made of
            for table in ("eligible.relations", "eligible.contacts"):
                unchanged.remember(con, table, f"{self.runs}", None)

    def begin(self) -> None:
        """Everything is related, and linked but for a few contacts."""
        some = [self.wish, self.decide, self.write]
        self.run(self.link_all, *(way for _ in range(8) for way in some), self.agree)

    def change(self) -> None:
        """One or two changes, of a state in which there is little doubt."""
        some = [self.wish, self.decide, self.link, self.remember, self.mirror, self.write, self.unlink]
        self.run(*self.draw.sample(some, self.draw.choice((1, 1, 2))))

    def settle(self) -> None:
        """What a push and a reading come to."""
        self.run(self.agree)

    def agree(self, con: duckdb.DuckDBPyConnection, stamp: dict[str, Any]) -> None:
        frame = frame_of("sync.relations", con.execute(WISHED).pl())
        upsert(con, "sync.relations", frame.with_columns(run_id=pl.lit(stamp["_run_id"])))
        known = con.execute(REMEMBERED).pl().with_columns(pl.lit(value).alias(name) for name, value in stamp.items())
        upsert(con, "hubspot.associations", frame_of("hubspot.associations", known))

    def some(self, ids: list[str]) -> list[str]:
        return self.draw.sample(ids, self.draw.randint(1, 3))

    def related(self, ids: list[str], from_id: str) -> list[dict[str, Any]]:
        return [
            {"from_type": f, "from_id": from_id, "to_type": t, "to_id": self.draw.choice(ids)}
            for f, t in self.draw.sample(RELATIONS, 2)
        ]

    def wish(self, con: duckdb.DuckDBPyConnection, stamp: dict[str, Any]) -> None:
        ids = self.some(OWN)
        frame = frame_of("eligible.relations", [row for id in ids for row in self.related(OWN, id)])
        become(con, "eligible.relations", frame, "from_id", pl.Series(ids))

    def decide(self, con: duckdb.DuckDBPyConnection, stamp: dict[str, Any]) -> None:
        ids = self.some(OWN)
        rows = [{"teamleader_id": id, "address": self.draw.choice(ADDRESSES)} for id in ids[1:]]
        become(con, "eligible.contacts", frame_of("eligible.contacts", rows), "teamleader_id", pl.Series(ids))

    def link_all(self, con: duckdb.DuckDBPyConnection, stamp: dict[str, Any]) -> None:
        pairs = [(kind, id) for kind in TABLES for id in OWN if (kind, id) not in UNLINKED]
        rows = [{"entity_type": k, "teamleader_id": id, "hubspot_id": self.draw.choice(THEIRS)} for k, id in pairs]
        upsert(con, "sync.links", frame_of("sync.links", rows).with_columns(last_run=pl.lit(stamp["_run_id"])))

    def link(self, con: duckdb.DuckDBPyConnection, stamp: dict[str, Any]) -> None:
        row = {"entity_type": self.draw.choice([*TABLES]), "last_run": stamp["_run_id"]}
        rows = [row | {"teamleader_id": id, "hubspot_id": self.draw.choice(THEIRS)} for id in self.some(OWN)]
        upsert(con, "sync.links", frame_of("sync.links", rows))

    def unlink(self, con: duckdb.DuckDBPyConnection, stamp: dict[str, Any]) -> None:
        delete(con, "sync.links", pl.DataFrame({"entity_type": ["contact"], "teamleader_id": [self.draw.choice(OWN)]}))

    def remember(self, con: duckdb.DuckDBPyConnection, stamp: dict[str, Any]) -> None:
        for id in self.some(THEIRS):
            delete(con, "sync.relations", pl.DataFrame({"from_id": [id]}))
            rows = [row | {"run_id": stamp["_run_id"]} for row in self.related(THEIRS, id)]
            upsert(con, "sync.relations", frame_of("sync.relations", rows[self.draw.randint(0, 1) :]))

    def mirror(self, con: duckdb.DuckDBPyConnection, stamp: dict[str, Any]) -> None:
        for id in self.some(THEIRS):
            delete(con, "hubspot.associations", pl.DataFrame({"from_id": [id]}))
            remembered = "select from_type, from_id, to_type, to_id from sync.relations where from_id = ?"
            rows = [*con.execute(remembered, [id]).pl().iter_rows(named=True), *self.related(THEIRS, id)]
            frame = frame_of("hubspot.associations", [row | stamp for row in rows[self.draw.randint(0, 1) :]])
            upsert(con, "hubspot.associations", frame.unique(["from_type", "from_id", "to_type", "to_id"]))

    def write(self, con: duckdb.DuckDBPyConnection, stamp: dict[str, Any]) -> None:
        kind = self.draw.choice([*TABLES])
        if self.draw.random() < 0.2:
            delete(con, TABLES[kind], pl.DataFrame({"id": self.some(THEIRS)}))
        rows: list[dict[str, Any]] = []
        for id in self.some(THEIRS):
            row = {"id": id, "createdate": AT, "archived": self.draw.random() < 0.2}
            row["merged_ids"] = self.draw.sample(THEIRS, self.draw.choice((0, 0, 0, 1)))
            if kind == "contact":
                some = [*ADDRESSES, ADDRESSES[0].upper(), "é@a.example", None]
                row |= {"email": self.draw.choice(some), "secondary_emails": self.draw.sample(ADDRESSES, 1)}
            rows.append(row | stamp)
        upsert(con, TABLES[kind], frame_of(TABLES[kind], rows))


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = Platform(configuration.load({"TL_HUBSPOT_DATA": str(tmp_path)}, directory=tmp_path), RunOptions())
    made.warehouse.hold()
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_only_what_changed_gives_what_everything_gives(
    platform: Platform, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, warehouse, whole = World(platform, random.Random(seed)), platform.warehouse, doubtful._whole
    compared = []
    monkeypatch.setattr(doubtful, "_whole", lambda warehouse: compared.append(1) or whole(warehouse))
    world.begin()
    for number in range(ROUNDS):
        found, made_of, _ = doubtful.find(warehouse)
        assert found == whole(warehouse)
        with warehouse.transaction() as con:
            assert made_of is not None
            doubtful.remember(con, platform.run(f"run-{world.runs}"), found, made_of)
        (world.settle if number % 2 else world.change)()
    assert compared == [1], "only the first time everything was compared"


def test_the_same_is_not_compared_again(platform: Platform) -> None:
    world = World(platform, random.Random(1))
    world.begin()
    found, made_of, _ = doubtful.find(platform.warehouse)
    assert made_of is not None
    with platform.warehouse.transaction() as con:
        doubtful.remember(con, platform.run("run-1"), found, made_of)
    assert doubtful.find(platform.warehouse) == (found, None, {})


def test_an_address_and_a_merge_that_are_no_more(platform: Platform) -> None:
    """Neither the relations nor the links change; the contact of a deal is not found any more, and a deal stands alone
    again under whose id associations are remembered."""
    warehouse = platform.warehouse

    def write(number: int, **tables: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
        run = platform.run(f"run-{number}")
        stamp = {
            "_run_id": run.run_id,
            "run_id": run.run_id,
            "last_run": run.run_id,
            "_loaded_at": AT + timedelta(seconds=number),
        }
        for name, rows in tables.items():
            table = name.replace("_", ".", 1)
            known = frame_of(table, []).columns
            warehouse.upsert(table, frame_of(table, [row | {k: stamp[k] for k in stamp if k in known} for row in rows]))
        found, made_of, _ = doubtful.find(warehouse)
        assert found == doubtful._whole(warehouse)
        with warehouse.transaction() as con:
            assert made_of is not None
            doubtful.remember(con, run, found, made_of)
        return found.records

    def ends(from_id: str, to_type: str, to_id: str) -> dict[str, Any]:
        return {"from_type": "deal", "from_id": from_id, "to_type": to_type, "to_id": to_id}

    def link(kind: str, own: str, theirs: str) -> dict[str, Any]:
        return {"entity_type": kind, "teamleader_id": own, "hubspot_id": theirs}

    person, deal = {"id": "2", "archived": False}, {"id": "7", "archived": False}
    assert write(
        1,
        eligible_contacts=[{"teamleader_id": "p", "address": "a@a.example"}],
        eligible_relations=[ends("d", "contact", "p"), ends("e", "company", "f")],
        sync_links=[link("deal", "d", "1"), link("deal", "e", "7"), link("company", "f", "3")],
        sync_relations=[ends("1", "contact", "2"), ends("6", "company", "3")],
        hubspot_associations=[ends("1", "contact", "2"), ends("7", "company", "3")],
        hubspot_contacts=[person | {"email": "a@a.example"}],
        hubspot_deals=[deal | {"merged_ids": ["6"]}],
    ) == [("contact", "company", "2")]
    lost = ("deal", "contact", "1")
    assert write(2, hubspot_contacts=[person | {"email": "b@a.example"}]) == [lost]
    alone = [("deal", "company", "6"), ("deal", "company", "7")]
    assert write(3, hubspot_deals=[deal | {"merged_ids": []}]) == [*alone, lost]
