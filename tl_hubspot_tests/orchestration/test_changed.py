"""Which rows changed is known exactly, or everything counts as changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import changed, unchanged
from tl_hubspot.warehouse.rows import become, delete, frame_of, touch

pytestmark = pytest.mark.usefixtures("stays_open")

AT = datetime(2026, 11, 2, 11, tzinfo=UTC)
MADE_OF = ["teamleader.contacts", "decisions.contacts", "hubspot.owners"]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = Platform(configuration.load({"TL_HUBSPOT_DATA": str(tmp_path)}, directory=tmp_path), RunOptions())
    yield made
    made.close()


def store(platform: Platform, run_id: str, *ids: str, name: str = "Ann") -> None:
    platform.run(run_id)
    number = int(run_id.removeprefix("run-"))
    row = {"payload": "{}", "first_name": name, "_loaded_at": AT + timedelta(seconds=number), "_run_id": run_id}
    platform.warehouse.upsert("teamleader.contacts", frame_of("teamleader.contacts", [{"id": i} | row for i in ids]))


def since(
    platform: Platform, facts: str = "the same", *, tables: list[str] = MADE_OF, for_rules: bool = False
) -> dict[str, list[str]] | None:
    made_of = unchanged.made_of(platform.warehouse, tables, {"facts": facts})
    found = changed.since(platform.warehouse, "test", made_of, for_rules=for_rules)
    return None if found is None else {table: sorted(keys.to_series()) for table, keys in found.items()}


def computed(platform: Platform, run_id: str, tables: list[str] = MADE_OF) -> None:
    made_of = unchanged.made_of(platform.warehouse, tables, {"facts": "the same"})
    with platform.warehouse.transaction() as con:
        unchanged.remember(con, "test", made_of, platform.run(run_id))


def test_rows_that_were_written_and_rows_that_are_gone(platform: Platform) -> None:
    store(platform, "run-1", "a", "b", "c")
    assert since(platform) is None, "it was never computed"
    computed(platform, "run-1")
    assert since(platform) == {}
    store(platform, "run-2", "b", name="Bo")
    store(platform, "run-2", "d")
    with platform.warehouse.transaction() as con:
        delete(con, "teamleader.contacts", pl.DataFrame({"id": ["c"]}))
    computed(platform, "run-2")
    store(platform, "run-3", "a", name="Al")
    # those of the run that computed may have been written after it
    assert since(platform) == {"teamleader.contacts": ["a", "b", "d"]}


def test_a_row_that_is_gone_is_among_them(platform: Platform) -> None:
    store(platform, "run-1", "a", "b")
    computed(platform, "run-1")
    computed_again = platform.run("run-2")
    with platform.warehouse.transaction() as con:
        delete(con, "teamleader.contacts", pl.DataFrame({"id": ["b"]}))
    assert computed_again.run_id == "run-2"
    assert since(platform) == {"teamleader.contacts": ["a", "b"]}


def test_what_else_counts_is_everything(platform: Platform) -> None:
    store(platform, "run-1", "a")
    computed(platform, "run-1")
    assert since(platform, "others") is None
    platform.warehouse.append("hubspot.owners", frame_of("hubspot.owners", [{"id": "1", "email": "o@a.example"}]))
    assert since(platform) is None, "these rows do not say who wrote them"


def test_rows_that_somebody_else_wrote_are_everything(platform: Platform) -> None:
    store(platform, "run-1", "a")
    computed(platform, "run-1")
    platform.run("run-2")
    computed(platform, "run-2")
    with platform.warehouse.transaction() as con:
        con.execute("update teamleader.contacts set changed_at = ?", [AT])
    assert since(platform) is None


def test_many_are_everything(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed, "FEW", 2)
    store(platform, "run-1", *"abcdef")
    computed(platform, "run-1")
    store(platform, "run-2", "a", name="Bo")
    computed(platform, "run-2")
    assert since(platform) == {}
    store(platform, "run-3", "b", name="Bo")
    assert since(platform) == {"teamleader.contacts": ["a", "b"]}
    store(platform, "run-3", "c", name="Bo")
    assert since(platform) is None


def test_a_computed_table_names_what_became_other_and_whom_it_stood_with(platform: Platform) -> None:
    def decided(id: str, **row: object) -> dict[str, object]:
        return {"teamleader_id": id, "status": "skip", "reason": "too_old"} | row

    rows = [decided("a"), decided("b", duplicate_of="a"), decided("c")]
    platform.warehouse.append("decisions.contacts", frame_of("decisions.contacts", rows))
    store(platform, "run-1", "a")
    computed(platform, "run-1")
    ids = pl.Series(["a", "b", "c"])
    with platform.warehouse.transaction() as con:
        now = frame_of("decisions.contacts", [decided("a", as_of=AT), decided("b", duplicate_of="x")])
        become(con, "decisions.contacts", now, "teamleader_id", ids)
        unchanged.remember(con, "decisions.contacts", "something else", platform.run("run-1"))
    assert since(platform) == {"decisions.contacts": ["a", "b", "c"]}, "c is gone, b left a"
    query = "select teamleader_id, duplicate_of, as_of from decisions.contacts order by all"
    assert platform.warehouse.read(query).rows() == [("a", None, None), ("b", "x", None)]
    with platform.warehouse.transaction() as con:
        touch(con, "decisions.contacts", None)
    assert since(platform) is None


def test_what_everybody_saw_is_forgotten(platform: Platform) -> None:
    store(platform, "run-1", "a", "b", "c")
    for number in range(2, 5):
        with platform.warehouse.transaction() as con:
            delete(con, "teamleader.contacts", pl.DataFrame({"id": ["abc"[number - 2]]}))
        computed(platform, f"run-{number}")
    for _ in range(2):
        assert platform.warehouse.read("select number from sync.touched").rows() == [(3,)], (
            "the last one, for its number"
        )
        platform.run("run-5")


def test_the_rules_hear_of_a_decision_only_when_what_they_look_at_differs(platform: Platform) -> None:
    def decided(id: str, status: str, days: int, winner: str | None = None) -> dict[str, object]:
        return {
            "teamleader_id": id,
            "status": status,
            "changed_at": AT - timedelta(days=days),
            "duplicate_of": winner,
        }

    before = [decided("a", "sync", 1), decided("b", "sync", 1), decided("c", "sync", 1), decided("d", "skip", 1, "a")]
    platform.warehouse.append("decisions.contacts", frame_of("decisions.contacts", before))
    store(platform, "run-1", "a")
    computed(platform, "run-1")
    now = [decided("a", "sync", 2), decided("b", "skip", 1), decided("d", "skip", 2, "a"), decided("e", "sync", 1)]
    with platform.warehouse.transaction() as con:
        frame, ids = frame_of("decisions.contacts", now), pl.Series(["a", "b", "c", "d", "e"])
        become(con, "decisions.contacts", frame, "teamleader_id", ids, ("teamleader_id", "status", "duplicate_of"))
        unchanged.remember(con, "decisions.contacts", "something else", platform.run("run-1"))
    assert since(platform) == {"decisions.contacts": ["a", "b", "c", "d", "e"]}
    assert since(platform, for_rules=True) == {"decisions.contacts": ["b", "c", "e"]}, "those that are gone and new too"


def test_the_rules_hear_of_a_link_only_when_it_comes_or_goes(platform: Platform) -> None:
    def link(id: str, **row: str) -> pl.DataFrame:
        names = ["entity_type", "teamleader_id", *row]
        return frame_of("sync.links", [{"entity_type": "contact", "teamleader_id": id} | row]).select(names)

    tables = ["sync.links"]
    platform.run("run-1")
    for id in "abcd":
        platform.warehouse.upsert("sync.links", link(id, hubspot_id=f"1{id}", first_run="run-1", last_run="run-1"))
    platform.run("run-2")
    computed(platform, "run-2", tables)
    platform.run("run-3")
    platform.warehouse.upsert("sync.links", link("a", hubspot_id="2", last_run="run-3"))
    assert since(platform, tables=tables, for_rules=True) == {"sync.links": []}
    platform.warehouse.upsert("sync.links", link("e", hubspot_id="3", first_run="run-3", last_run="run-3"))
    platform.warehouse.upsert("sync.links", link("f", hubspot_id="4", last_run="run-3"))
    with platform.warehouse.transaction() as con:
        delete(con, "sync.links", pl.DataFrame({"teamleader_id": ["d"]}))

    def names(*, for_rules: bool) -> list[str]:
        made_of = unchanged.made_of(platform.warehouse, tables, {"facts": "the same"})
        found = changed.since(platform.warehouse, "test", made_of, for_rules=for_rules)
        assert found is not None
        return sorted(found["sync.links"]["teamleader_id"])

    assert names(for_rules=True) == ["d", "e", "f"], "of f it is not known when it came"
    assert names(for_rules=False) == ["a", "d", "e", "f"]


def test_many_links_are_everything_to_the_rules_as_well(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed, "MOST", 2)
    tables = ["sync.links"]
    rows = [{"entity_type": "contact", "teamleader_id": id, "first_run": "run-1", "last_run": "run-1"} for id in "abc"]
    platform.run("run-1")
    platform.warehouse.append("sync.links", frame_of("sync.links", rows))
    platform.run("run-2")
    computed(platform, "run-2", tables)
    platform.run("run-3")
    again = [{"entity_type": "contact", "teamleader_id": id, "last_run": "run-3"} for id in "abc"]
    names = ["entity_type", "teamleader_id", "last_run"]
    platform.warehouse.upsert("sync.links", frame_of("sync.links", again).select(names))
    assert since(platform, tables=tables, for_rules=True) is None
