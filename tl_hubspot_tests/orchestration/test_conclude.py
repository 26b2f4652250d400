"""How a run ends: buckets that do not add up stop it; what was logged once is not logged again."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.errors import ConfigurationError, ExitCode, TlHubspotError
from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import conclude, looked_at, pushing, unchanged
from tl_hubspot.pushing.push import OUTCOMES, PushResult
from tl_hubspot.warehouse.rows import frame_of, polars_schema
from tl_hubspot_tests.pushing.memory import plan, update

pytestmark = pytest.mark.usefixtures("stays_open")


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Two contacts, decided and planned; what is logged of them is compared in several parts."""
    monkeypatch.setattr(looked_at, "AT_ONCE", 1)
    settings = configuration.load({"TL_HUBSPOT_DATA": str(tmp_path)}, directory=tmp_path)
    made = Platform(settings, RunOptions(as_of="2026-11-02", only=("contact",)))
    contacts = [{"id": id, "payload": "{}"} for id in ("a", "b")]
    made.warehouse.append("teamleader.contacts", frame_of("teamleader.contacts", contacts))
    decided = [{"teamleader_id": id, "status": "skip", "reason": "too_old"} for id in ("a", "b")]
    made.warehouse.append("decisions.contacts", frame_of("decisions.contacts", decided))
    return made


def planned(platform: Platform, *ids: str, plan: str = "of all", built_on: str | None = None) -> None:
    """A plan of that fingerprint; `built_on`: that of the plan which stands for all records but those looked at."""
    with platform.warehouse.transaction() as con:
        unchanged.remember(con, "sync.plan", plan, None, built_on)
    rows = [{"entity_type": "contact", "teamleader_id": i, "bucket": "skipped", "reason": "too_old"} for i in ids]
    platform.warehouse.replace("sync.planned_outcomes", frame_of("sync.planned_outcomes", rows))


def push(platform: Platform, run_id: str) -> str:
    run = platform.run(run_id)
    try:
        return conclude.pushed(platform, run, PushResult(pl.DataFrame(schema=OUTCOMES)), plan())
    finally:
        platform.close()


@pytest.mark.parametrize(("ids", "twice"), [(("a",), 0), ((), 0), (("a", "b", "c"), 0), (("a", "a"), 1)])
def test_buckets_that_do_not_add_up_stop_the_run(platform: Platform, ids: tuple[str, ...], twice: int) -> None:
    planned(platform, *ids)
    what = f"The buckets do not add up: {len(ids)} outcomes, {twice} of them twice, for 2 contact records"
    with pytest.raises(TlHubspotError, match=what):
        push(platform, "run")
    assert platform.warehouse.count("sync.outcomes") == 0


def test_an_outcome_twice_stops_the_run_where_only_some_records_are_looked_at(platform: Platform) -> None:
    planned(platform, "a", "b")
    push(platform, "first")
    known = platform.warehouse.read("select fingerprint from sync.made_of where name = 'outcomes of the plan'").item()
    looked_at_now = frame_of("sync.looked_at", [{"entity_type": "contact", "teamleader_id": "a"}])
    platform.warehouse.replace("sync.looked_at", looked_at_now)
    platform.warehouse.replace("sync.outcomes", frame_of("sync.outcomes", []))
    planned(platform, "a", "a", plan="another", built_on=known)
    with pytest.raises(TlHubspotError, match="2 outcomes, 1 of them twice, for 2 contact records"):
        push(platform, "second")


def test_each_record_is_in_one_bucket_and_its_decision_is_logged_once(platform: Platform) -> None:
    planned(platform, "a", "b")
    assert push(platform, "first") == "done"
    assert platform.warehouse.read("select bucket, count(*) from sync.outcomes group by all").rows() == [("skipped", 2)]
    assert platform.warehouse.count("sync.log") == 2
    assert push(platform, "second") == "done"
    assert platform.warehouse.count("sync.log") == 2, "nothing new, nothing logged"
    counts = json.loads(platform.run_row("second")["counts"])
    assert counts["contact"] == {"buckets": {"skipped": 2}, "reasons": {"skipped/too_old": 2}}


def test_only_outcomes_that_differ_are_written_and_another_decision_is_logged(platform: Platform) -> None:
    planned(platform, "a", "b")
    push(platform, "first")
    row = {"entity_type": "contact", "teamleader_id": "b", "bucket": "unchanged", "reason": "too_old"}
    planned(platform, "a", plan="another")
    platform.warehouse.append("sync.planned_outcomes", frame_of("sync.planned_outcomes", [row]))
    push(platform, "second")
    stored = platform.warehouse.read("select teamleader_id, bucket, reason, run_id from sync.outcomes order by all")
    assert stored.rows() == [("a", "skipped", "too_old", "second"), ("b", "unchanged", "too_old", "second")]
    # the bucket and the reason are the same, what was decided is not
    platform.warehouse.upsert("decisions.contacts", pl.DataFrame({"teamleader_id": ["a"], "status": ["duplicate"]}))
    planned(platform, "a", plan="a third")
    platform.warehouse.append("sync.planned_outcomes", frame_of("sync.planned_outcomes", [row]))
    push(platform, "third")
    logged = platform.warehouse.read("select teamleader_id from sync.log where run_id = 'third'")
    assert logged.rows() == [("a",)]
    # a contact that Teamleader deletes leaves
    platform.warehouse.upsert("teamleader.contacts", pl.DataFrame({"id": ["b"], "deleted_at": [platform.clock()]}))
    planned(platform, "a", plan="a fourth")
    push(platform, "fourth")
    assert platform.warehouse.read("select teamleader_id, run_id from sync.outcomes").rows() == [("a", "fourth")]


@pytest.mark.parametrize("concluded", [True, False])
def test_after_a_plan_of_few_records_these_alone_are_looked_at(platform: Platform, concluded: bool) -> None:
    planned(platform, "a", "b", plan="first")
    push(platform, "first")
    if not concluded:
        planned(platform, "a", "b", plan="never pushed")
    planned(platform, plan="second", built_on="first" if concluded else "never pushed")
    rows = [{"entity_type": "contact", "teamleader_id": i, "bucket": "unchanged", "reason": "too_old"} for i in "ab"]
    platform.warehouse.append("sync.planned_outcomes", frame_of("sync.planned_outcomes", rows))
    looked = [{"entity_type": "contact", "teamleader_id": "b"}]
    platform.warehouse.append("sync.looked_at", frame_of("sync.looked_at", looked))
    push(platform, "second")
    stored = platform.warehouse.read("select bucket, run_id from sync.outcomes order by teamleader_id").rows()
    assert stored == [("skipped" if concluded else "unchanged", "second"), ("unchanged", "second")]


def test_a_plan_of_which_an_upgrade_forgot_the_origin_is_not_pushed(platform: Platform) -> None:
    planned(platform, "a", "b")
    with platform.warehouse.transaction() as con:
        con.execute("delete from sync.made_of")
    platform.run("resumed")
    platform.close_run("resumed", "running", digest="of the plan")
    with pytest.raises(ConfigurationError, match="made before the tables were brought to this version"):
        pushing.push(platform, platform.run("resumed"))
    platform.close()
    assert platform.warehouse.count("sync.outcomes") == 0


def test_what_the_push_says_stands_over_the_plan(platform: Platform) -> None:
    planned(platform, "a", "b")
    became = {"entity_type": "contact", "teamleader_id": "a", "hubspot_id": "7", "bucket": "failed", "reason": "x"}
    outcomes = pl.DataFrame([became], schema=OUTCOMES)
    notice = {"code": "email_taken", "entity_type": "contact", "teamleader_id": "a", "message": "Taken."}
    run = platform.run("run")
    result = PushResult(outcomes, notices=[notice | {"hubspot_id": None}])
    assert conclude.pushed(platform, run, result, plan(update("contact", "a", "7", city="Gent"))) == "failed_records"
    platform.close()
    assert platform.warehouse.read("select teamleader_id, reason, attempts from sync.failures").rows() == [
        ("a", "x", 1)
    ]
    stored = platform.warehouse.read("select teamleader_id, hubspot_id, bucket, reason from sync.outcomes order by all")
    assert stored.rows() == [("a", "7", "failed", "x"), ("b", None, "skipped", "too_old")]
    assert platform.warehouse.read("select code, found_by from sync.notices").rows() == [("email_taken", "push")]


def test_a_run_that_stopped_says_why(platform: Platform) -> None:
    platform.run("run")
    conclude.stopped(platform, "run", TlHubspotError("It rained", where="outside", mend="Wait"))
    row = platform.run_row("run")
    platform.close()
    assert row["status"] == "stopped"
    assert row["finished_at"] is not None
    assert row["error"] == "It rained (outside). Wait."
    conclude.stopped(platform, "another", TlHubspotError("Before it was opened"))
    assert platform.warehouse.count("sync.runs") == 1


def test_exit_codes() -> None:
    known = {s: conclude.exit_code(s) for s in ("done", "planned", "failed_records", "held", "stopped", "running")}
    assert known == {
        "done": ExitCode.DONE,
        "planned": ExitCode.DONE,
        "failed_records": ExitCode.RECORDS_FAILED,
        "held": ExitCode.HELD,
        "stopped": ExitCode.STOPPED,
        "running": ExitCode.STOPPED,
    }


def test_together_is_all_or_nothing_and_the_log_file_equals_the_log(platform: Platform, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "sync.jsonl"
    ledger = WarehouseLedger(platform.warehouse, path)
    row = dict.fromkeys(polars_schema("sync.log")) | {"timestamp": platform.clock(), "run_id": "r", "action": "skip"}

    def everything(stop: bool) -> None:
        with ledger.together():
            link = {"entity_type": "contact", "teamleader_id": "a", "hubspot_id": "1"}
            ledger.link([link | {"first_run": "r", "last_run": "r"}])
            ledger.log([row | {"teamleader_id": "a", "message": "é 👩‍💻"}])
            ledger.log([row | {"teamleader_id": "b"}])
            if stop:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        everything(stop=True)
    assert platform.warehouse.count("sync.links") == platform.warehouse.count("sync.log") == 0
    assert not path.exists()
    everything(stop=False)
    stored = platform.warehouse.read("select * from sync.log order by teamleader_id").rows(named=True)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["message"] for line in lines] == [r["message"] for r in stored] == ["é 👩‍💻", None]
    assert all(line.keys() == r.keys() for line, r in zip(lines, stored, strict=True))
