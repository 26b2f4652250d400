"""What is known of a table holds until the table is written, whoever writes it, and not while others may."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tl_hubspot.warehouse.rows import frame_of, insert
from tl_hubspot.warehouse.watched import WatchedWarehouse, written_by

ONE = frame_of("hubspot.owners", [{"id": "1"}])


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("select 1 from sync.links", None),
        ("\n from sync.links anti join a using (id)", None),
        ("insert into sync.links by name select * from _frame", "sync.links"),
        ("\n update sync.plan set run_id = ?", "sync.plan"),
        ("Delete From history.contacts h where _removed", "history.contacts"),
        ("alter table sync.plan alter column run_id set data type varchar using 'a'", "sync.plan"),
        ("with a as (select 1) delete from sync.links", ""),
        ("select 1; delete from sync.links", ""),
        ("create or replace table sync.links as select 1", ""),
        ('update "sync"."links" set last_run = 1', ""),
        ("insert or replace into sync.links select 1", ""),
        ("truncate sync.links", ""),
    ],
)
def test_what_a_statement_writes(statement: str, table: str | None) -> None:
    assert written_by(statement) == table


def test_known_until_it_is_written_and_once_more_when_that_is_committed(tmp_path: Path) -> None:
    warehouse = WatchedWarehouse(tmp_path / "test.duckdb")
    other = WatchedWarehouse(tmp_path / "other.duckdb")
    looks = 0

    def look(at: WatchedWarehouse = warehouse, table: str = "hubspot.owners") -> tuple[str, int]:
        nonlocal looks
        looks = 0

        def count() -> str:
            nonlocal looks
            looks += 1
            return str(at.count(table))

        return at.unless_written(table, count), looks

    assert [look(), look()] == [("0", 1), ("0", 1)], "others may write to a file that is not held"
    warehouse.hold()
    assert [look(), look()] == [("0", 1), ("0", 0)]
    warehouse.append("hubspot.currencies", frame_of("hubspot.currencies", [{"code": "EUR"}]))
    assert look() == ("0", 0), "another table"
    with warehouse.transaction() as con:
        insert(con, "hubspot.owners", ONE)
        assert look() == ("0", 1), "not yet to be seen"
    assert [look(), look()] == [("1", 1), ("1", 0)]
    with warehouse.connect() as con:
        con.sql("delete from hubspot.owners")
    assert look() == ("0", 1)
    with pytest.raises(duckdb.Error), warehouse.transaction() as con:
        insert(con, "hubspot.owners", ONE)
        con.execute("no statement")
    assert look()[0] == "0"
    warehouse.release()
    warehouse.append("hubspot.owners", ONE)
    warehouse.hold()
    assert look() == ("1", 1)
    warehouse.release()
    assert look(other) == ("0", 1)
