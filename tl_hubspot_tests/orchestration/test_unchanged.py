"""A table is computed again exactly when something that it is made of differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, Run, RunOptions
from tl_hubspot.orchestration.steps import deciding, demanded, planning, unchanged
from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.rows import frame_of, polars_schema

pytestmark = pytest.mark.usefixtures("stays_open")

AS_OF = datetime(2026, 11, 2, 11, tzinfo=UTC)
RUN = Run("first", AS_OF, False, RunOptions())


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(configuration.load({"TL_HUBSPOT_DATA": str(tmp_path)}, directory=tmp_path))


def row(table: str, seed: int) -> pl.DataFrame:
    """One row with every simple column filled."""
    values: dict[str, object] = {"VARCHAR": f"v{seed}", "TIMESTAMPTZ": AS_OF, "BOOLEAN": True, "INTEGER": seed}
    filled = {c.name: values[c.type] for c in schema.table(table).columns if c.type in values}
    return pl.DataFrame([filled], schema={n: t for n, t in polars_schema(table).items() if n in filled})


@pytest.mark.parametrize("table", planning._MADE_OF)
def test_a_row_more_in_any_table_counts_and_a_row_less_undoes_it(platform: Platform, table: str) -> None:
    before = unchanged.fingerprint(platform.warehouse, planning._MADE_OF, {})
    platform.warehouse.append(table, row(table, 1))
    more = unchanged.fingerprint(platform.warehouse, planning._MADE_OF, {})
    assert more != before
    platform.warehouse.append(table, row(table, 2))
    assert unchanged.fingerprint(platform.warehouse, planning._MADE_OF, {}) not in (before, more)
    platform.warehouse.replace(table, row(table, 1))
    assert unchanged.fingerprint(platform.warehouse, planning._MADE_OF, {}) == more


@pytest.mark.parametrize("column", ["_loaded_at", "changed_at", "deleted_at", "consent_withdrawn_at"])
def test_every_time_of_a_version_counts(platform: Platform, column: str) -> None:
    platform.warehouse.append("teamleader.contacts", row("teamleader.contacts", 1))
    before = unchanged.fingerprint(platform.warehouse, ["teamleader.contacts"], {})
    with platform.warehouse.transaction() as con:
        con.execute(f"update teamleader.contacts set {column} = ?", [datetime(2026, 11, 3, tzinfo=UTC)])
    assert unchanged.fingerprint(platform.warehouse, ["teamleader.contacts"], {}) != before


@pytest.mark.parametrize("column", ["properties", "archived", "email", "teamleader_id", "opted_out", "marketable"])
def test_every_field_of_the_mirror_counts(platform: Platform, column: str) -> None:
    stored = row("hubspot.contacts", 1).with_columns(pl.lit(AS_OF).alias("_loaded_at"))
    platform.warehouse.append("hubspot.contacts", stored)
    before = unchanged.fingerprint(platform.warehouse, ["hubspot.contacts"], {})
    again = stored.with_columns(pl.lit(datetime(2026, 11, 3, tzinfo=UTC)).alias("_loaded_at"))
    platform.warehouse.upsert("hubspot.contacts", again)
    assert unchanged.fingerprint(platform.warehouse, ["hubspot.contacts"], {}) == before, "read again, the same"
    platform.warehouse.upsert("hubspot.contacts", again.with_columns(pl.lit(None).alias(column)))
    assert unchanged.fingerprint(platform.warehouse, ["hubspot.contacts"], {}) != before


def test_when_something_was_read_or_looked_at_does_not_count(platform: Platform) -> None:
    for table in ("teamleader.companies", "hubspot.owners"):
        platform.warehouse.append(table, row(table, 1))
    before = unchanged.fingerprint(platform.warehouse, planning._MADE_OF, {})
    with platform.warehouse.transaction() as con:
        con.execute("update teamleader.companies set links_read_at = now(), _run_id = 'another'")
        con.execute("update hubspot.owners set _loaded_at = now()")
    assert unchanged.fingerprint(platform.warehouse, planning._MADE_OF, {}) == before


def test_the_day_counts_and_the_hour_does_not(platform: Platform) -> None:
    def facts(instant: datetime) -> dict[str, object]:
        return unchanged.facts_of(platform.rules_at(instant))

    def at(instant: datetime) -> str:
        return unchanged.fingerprint(platform.warehouse, [], facts(instant))

    assert at(AS_OF) == at(AS_OF.replace(hour=20)) != at(AS_OF.replace(day=3))
    # one hour before midnight in UTC it is the next day in Brussels
    assert at(AS_OF) != at(AS_OF.replace(hour=23))


def test_a_computed_table_counts_by_what_it_was_made_of(platform: Platform) -> None:
    before = unchanged.fingerprint(platform.warehouse, ["decisions.contacts"], {})
    with platform.warehouse.transaction() as con:
        unchanged.remember(con, "decisions.contacts", "a", RUN)
    made_of_a = unchanged.fingerprint(platform.warehouse, ["decisions.contacts"], {})
    with platform.warehouse.transaction() as con:
        unchanged.remember(con, "decisions.contacts", "b", RUN)
    assert len({before, made_of_a, unchanged.fingerprint(platform.warehouse, ["decisions.contacts"], {})}) == 3
    assert unchanged.made_by(platform.warehouse, "decisions.contacts", "b") == "first"
    assert unchanged.made_by(platform.warehouse, "decisions.contacts", "a") is None


def test_a_computed_table_counts_by_its_version_where_it_has_one(platform: Platform) -> None:
    def remember(made_of: str, version: str | None) -> str:
        with platform.warehouse.transaction() as con:
            unchanged.remember(con, "decisions.contacts", made_of, RUN, version)
        return unchanged.fingerprint(platform.warehouse, ["decisions.contacts"], {})

    assert unchanged.version(platform.warehouse, "decisions.contacts") is None
    first = remember("a", None)
    assert unchanged.version(platform.warehouse, "decisions.contacts") == "a"
    assert remember("b", "a") == first, "made of something else, and the same came of it"
    assert unchanged.version(platform.warehouse, "decisions.contacts") == "a"
    assert remember("c", "c") != first


def linked(platform: Platform) -> dict[str, object]:
    return deciding.links(platform, RUN)


def test_links_are_adopted_again_when_a_mirror_or_a_link_differs(platform: Platform) -> None:
    person = {"id": "a", "payload": "{}", "_loaded_at": AS_OF}
    platform.warehouse.append("teamleader.contacts", frame_of("teamleader.contacts", [person]))
    assert linked(platform) == {"adopted_contact": 0, "adopted_company": 0, "adopted_deal": 0}
    assert linked(platform) == {"unchanged_since_run": "first"}
    mirrored = {"id": "1", "teamleader_id": "a", "archived": False, "merged_ids": [], "_loaded_at": AS_OF}
    platform.warehouse.append("hubspot.contacts", frame_of("hubspot.contacts", [mirrored]))
    assert linked(platform)["adopted_contact"] == 1
    # what it stored itself is something new to look at, once
    assert linked(platform)["adopted_contact"] == 0
    assert linked(platform) == {"unchanged_since_run": "first"}
    # what a push does: a link is made
    pushed = {"entity_type": "contact", "teamleader_id": "b", "hubspot_id": "2", "first_run": "r", "last_run": "r"}
    platform.warehouse.append("sync.links", frame_of("sync.links", [pushed]))
    assert "unchanged_since_run" not in linked(platform)


def test_contacts_that_need_links_follow_the_contacts_and_the_day(platform: Platform) -> None:
    def kept(as_of: datetime = AS_OF) -> list[str]:
        demanded.keep(platform, replace(RUN, as_of=as_of))
        return sorted(platform.warehouse.read(demanded.TABLE)["id"])

    def person(id: str, changed: datetime) -> dict[str, object]:
        emails = [{"type": "primary", "email": f"{id}@example.be"}]
        return {"id": id, "payload": "{}", "emails": emails, "updated_at": changed, "_loaded_at": AS_OF}

    day = AS_OF.replace(year=AS_OF.year - 5)
    rows = [person("recent", AS_OF), person("old", day - timedelta(days=1)), person("today", day)]
    platform.warehouse.append("teamleader.contacts", frame_of("teamleader.contacts", rows))
    assert kept() == ["recent", "today"]
    assert kept(AS_OF + timedelta(hours=2)) == ["recent", "today"]
    assert kept(AS_OF + timedelta(days=1)) == ["recent"]
    edited = person("old", AS_OF) | {"_loaded_at": AS_OF + timedelta(days=1)}
    platform.warehouse.upsert("teamleader.contacts", frame_of("teamleader.contacts", [edited]))
    assert kept(AS_OF + timedelta(days=1)) == ["old", "recent"]
