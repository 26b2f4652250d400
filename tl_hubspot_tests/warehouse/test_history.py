"""Versions that are no more: what makes one, what does not, and the tables as of any run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as run_settings
from hypothesis import strategies as st

from tl_hubspot.warehouse import history, schema
from tl_hubspot.warehouse.rows import delete, frame_of, insert, upsert
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.warehouse.conftest import on_both

CONTACTS, LINKS = "teamleader.contacts", "teamleader.contact_company_links"
HISTORY_OF_LINKS = "history.contact_company_links"
START = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture
def warehouse(made: Warehouse) -> Warehouse:
    return made


def begin(warehouse: Warehouse, run: str) -> None:
    with warehouse.transaction() as con:
        history.begin(con, run, START)


def contacts(run: str, **names: str) -> pl.DataFrame:
    rows = [{"id": id, "first_name": name, "payload": "{}", "_run_id": run} for id, name in names.items()]
    return frame_of(CONTACTS, rows).drop("links_read_at")


def as_of(warehouse: Warehouse, run: str, columns: str = "id, first_name") -> list[tuple[Any, ...]]:
    return warehouse.read(f"select {columns} from teamleader.contacts_as_of('{run}') order by all").rows()


@on_both
def test_the_rows_as_they_stood_after_each_run(warehouse: Warehouse) -> None:
    begin(warehouse, "first")
    warehouse.upsert(CONTACTS, contacts("first", c1="Ann", c2="Bo"))
    begin(warehouse, "second")
    warehouse.upsert(CONTACTS, contacts("second", c1="Anna", c3="Cas"))
    begin(warehouse, "idle")
    begin(warehouse, "third")
    with warehouse.transaction() as con:
        delete(con, CONTACTS, pl.DataFrame({"id": ["c2", "unknown"]}))
    assert as_of(warehouse, "first") == [("c1", "Ann"), ("c2", "Bo")]
    assert as_of(warehouse, "second") == [("c1", "Anna"), ("c2", "Bo"), ("c3", "Cas")]
    assert as_of(warehouse, "idle") == as_of(warehouse, "second")
    assert as_of(warehouse, "third") == [("c1", "Anna"), ("c3", "Cas")]
    assert as_of(warehouse, "third", "_run_id") == [("second",), ("second",)], "stamps are those of the version"
    kept = warehouse.read("select id, first_name, _run, _removed from history.contacts order by all").rows()
    assert kept == [("c1", "Ann", 1, False), ("c2", "Bo", 1, False), ("c2", None, 4, True)], "and nothing that is now"
    with pytest.raises(duckdb.InvalidInputException, match="There is no run fourth"):
        as_of(warehouse, "fourth")


def test_what_is_read_again_unchanged_adds_no_version(warehouse: Warehouse) -> None:
    for run in ("first", "second"):
        begin(warehouse, run)
        warehouse.upsert(CONTACTS, contacts(run, c1="Ann"))
    assert warehouse.count("history.contacts") == 0
    assert warehouse.read(f"select id, _run_id from {CONTACTS}").rows() == [("c1", "first")]


def test_when_something_was_last_asked_is_no_version(warehouse: Warehouse) -> None:
    begin(warehouse, "first")
    warehouse.upsert(CONTACTS, contacts("first", c1="Ann", c2="Bo"))
    begin(warehouse, "second")
    asked = pl.DataFrame({"id": ["c1"], "links_read_at": [START], "_loaded_at": [START], "_run_id": ["second"]})
    assert warehouse.upsert(CONTACTS, asked).updated == 1
    stamps = f"select links_read_at, _loaded_at, _run_id from {CONTACTS} where id = 'c1'"
    assert warehouse.read(stamps).rows() == [(START, None, "first")], "stamps are those of the version"
    assert warehouse.count("history.contacts") == 0
    # with another change it is one, and the columns that the frame lacks stay
    later = START + timedelta(days=1)
    warehouse.upsert(CONTACTS, pl.DataFrame({"id": ["c1"], "links_read_at": [later], "changed_at": [START]}))
    assert warehouse.read(stamps).rows() == [(later, None, "second")]
    rows = warehouse.read("select id, first_name, changed_at, _run from history.contacts").rows()
    assert rows == [("c1", "Ann", None, 1)]
    assert as_of(warehouse, "second", "id, first_name, changed_at") == [("c1", "Ann", START), ("c2", "Bo", None)]


def test_a_run_leaves_one_version_however_often_it_writes(warehouse: Warehouse) -> None:
    begin(warehouse, "first")
    for name in ("Ann", "Anna", "Anne"):
        warehouse.upsert(CONTACTS, contacts("first", c1=name).with_columns(_loaded_at=pl.lit(START)))
    assert warehouse.count("history.contacts") == 0
    begin(warehouse, "second")
    later = pl.lit(START + timedelta(days=1))
    for name in ("Other", "Another"):
        warehouse.upsert(CONTACTS, contacts("second", c1=name).with_columns(_loaded_at=later))
    assert warehouse.read("select first_name, _run from history.contacts").rows() == [("Anne", 1)]
    warehouse.upsert(CONTACTS, contacts("second", c1="Anne").with_columns(_loaded_at=later))
    assert warehouse.count("history.contacts") == 0, "back where it was, so the second run changed nothing"
    assert warehouse.read(f"select _loaded_at, _run_id from {CONTACTS}").rows() == [(START, "first")]


def links(*pairs: str) -> pl.DataFrame:
    rows = [{"contact_id": p[0], "company_id": p[1], "rank": 0} for p in pairs]
    return frame_of(LINKS, rows)


def test_links_go_and_come_back(warehouse: Warehouse) -> None:
    seen = []
    for run, pairs in {"r1": ["aK", "aL"], "r2": ["aL"], "r3": ["aK", "aL"], "r4": []}.items():
        begin(warehouse, run)
        with warehouse.transaction() as con:
            # as the steps do: everything of an owner is deleted and written anew
            delete(con, LINKS, pl.DataFrame({"contact_id": ["a"]}))
            insert(con, LINKS, links(*pairs))
        seen.append(
            warehouse.read("select company_id, _run, _removed from history.contact_company_links order by all").rows()
        )
    assert seen[:2] == [[], [("K", 1, False), ("K", 2, True)]], "what was written anew is no new version"
    assert seen[3][-1] == ("L", 4, True)
    query = "select company_id from teamleader.contact_company_links_as_of('{}') order by all"
    found = {run: warehouse.read(query.format(run))["company_id"].to_list() for run in ("r1", "r2", "r3", "r4")}
    assert found == {"r1": ["K", "L"], "r2": ["L"], "r3": ["K", "L"], "r4": []}


def test_a_transaction_that_fails_leaves_no_version(warehouse: Warehouse) -> None:
    begin(warehouse, "first")
    with pytest.raises(RuntimeError), warehouse.transaction() as con:
        upsert(con, CONTACTS, contacts("first", c1="Ann"))
        raise RuntimeError
    assert warehouse.count("history.contacts") == 0


STEPS = st.lists(
    st.lists(st.tuples(st.sampled_from(["put", "take"]), st.sampled_from("abc"), st.sampled_from("xy")), max_size=4),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """Links with their history and what notes their changes, in memory."""
    with duckdb.connect() as con:
        for name in schema.SCHEMAS:
            con.execute(f"create schema {name}")
        for name in (LINKS, HISTORY_OF_LINKS, "history.runs", "sync.touched"):
            con.execute(schema.table(name).ddl())
        con.execute(next(macro for macro in history.macros() if LINKS in macro))
        yield con


@run_settings(deadline=None, max_examples=25)
@given(STEPS)
def test_any_sequence_of_runs(database: duckdb.DuckDBPyConnection, runs: list[list[tuple[str, str, str]]]) -> None:
    for name in (LINKS, HISTORY_OF_LINKS, "history.runs", "sync.touched"):
        database.execute(f"delete from {name}")
    truth: dict[str, dict[str, str]] = {}
    now: dict[str, str] = {}
    for number, steps in enumerate(runs):
        history.begin(database, f"r{number}", START)
        for what, id, job in steps:
            if what == "put":
                now[id] = job
                upsert(database, LINKS, links(f"{id}K").with_columns(position=pl.lit(job)))
            else:
                now.pop(id, None)
                delete(database, LINKS, pl.DataFrame({"contact_id": [id]}))
        truth[f"r{number}"] = dict(now)
    query = "select contact_id, position from teamleader.contact_company_links_as_of('{}')"
    assert {run: dict(database.execute(query.format(run)).fetchall()) for run in truth} == truth
    query = f"select contact_id, position, _removed from {HISTORY_OF_LINKS} order by contact_id, _run"
    versions = database.execute(query).fetchall()
    assert all(before != after for before, after in pairwise(versions)), "two versions of the same state"
    last = {id: (job, is_removed) for id, job, is_removed in versions}
    assert all(last.get(id) != (job, False) for id, job in now.items()), "nothing that is now"


def test_every_kept_table_has_its_query(warehouse: Warehouse) -> None:
    begin(warehouse, "r")
    for table in sorted(schema.KEEPS_HISTORY):
        described = schema.table(table)
        rows = [dict.fromkeys(described.key, "1") | ({"position": 1} if "position" in described.key else {})]
        warehouse.append(table, frame_of(table, rows))
        assert warehouse.read(f"select * from {table}_as_of('r')").height == 1
        assert schema.table(table.replace("teamleader.", "history.")).key == (*described.key, "_run")
