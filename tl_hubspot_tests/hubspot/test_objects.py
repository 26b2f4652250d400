"""Batches: every row of HubSpot's batch behaviour, every input accounted for."""

from __future__ import annotations

from typing import Any

import pytest

from tl_hubspot.errors import BadAnswer, Unreachable
from tl_hubspot.hubspot import objects
from tl_hubspot.hubspot.objects import (
    MISSING,
    Write,
    batch_create,
    batch_read,
    batch_update,
    batch_upsert,
    get_record,
    list_records,
)
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.hubspot.support import Portal


def load(portal: Portal, count: int) -> list[str]:
    portal.sandbox.load_objects(
        "contacts", [{"id": str(1000 + i), "properties": {"email": f"c{i}@example.be"}} for i in range(count)]
    )
    return [str(1000 + i) for i in range(count)]


def updates(ids: list[str], **properties: str) -> list[Write]:
    return [Write(f"t{i}", i, properties) for i in ids]


def test_all_pages_are_listed(portal: Portal) -> None:
    ids = load(portal, 250)
    portal.sandbox.archive("contacts", ids[0])
    assert [r.id for page in list_records(portal.gateway, "contact", ["email"]) for r in page] == ids[1:]
    archived = [r for page in list_records(portal.gateway, "contact", ["email"], archived=True) for r in page]
    assert [(r.id, r.archived) for r in archived] == [(ids[0], True)]
    # Three pages and a confirmed end, then the archived ones.
    assert portal.calls() == 5


@pytest.mark.parametrize("kind", ["empty", "truncated"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_a_list_that_is_cut_short_is_not_believed(portal: Portal, kind: Any, skip: int) -> None:
    ids = load(portal, 250)
    portal.sandbox.faults.add(Fault(kind, skip=skip))
    assert [r.id for page in list_records(portal.gateway, "contact", ["email"]) for r in page] == ids


def test_undefined_properties_are_left_out_and_empty_ones_are_none(portal: Portal) -> None:
    load(portal, 1)
    ((record,),) = list_records(portal.gateway, "contact", ["email", "phone", "teamleader_id"])
    assert record.properties["phone"] is None and "teamleader_id" not in record.properties


def test_many_properties_are_read_by_batch_so_that_no_url_grows_too_long(portal: Portal) -> None:
    ids = load(portal, 150)
    names = ["email", *(f"not_there_{'x' * 60}_{i}" for i in range(120))]
    found = [r for page in list_records(portal.gateway, "contact", names) for r in page]
    assert {r.id for r in found} == set(ids) and all(r.properties["email"] for r in found)
    assert portal.calls("batch/read") == 2 and portal.calls("contacts$", "GET") == 3
    assert max(len(e["query"]) for e in portal.sandbox.log.entries) < objects.LONGEST_QUERY


def test_pages_that_go_in_a_circle_are_not_believed(portal: Portal) -> None:
    page = {"results": [], "paging": {"next": {"after": "7"}}}
    portal.sandbox.faults.add(Fault("status", status=200, body=page, times=None))
    with pytest.raises(BadAnswer, match="circle"):
        list(list_records(portal.gateway, "contact", []))


def test_batch_read_leaves_absent_records_out(portal: Portal) -> None:
    ids = load(portal, 3)
    assert {r.id for r in batch_read(portal.gateway, "contact", [*ids, "99999"], ["email"])} == set(ids)


def test_batch_read_by_secondary_address(portal: Portal) -> None:
    portal.sandbox.load_objects(
        "contacts", [{"properties": {"email": "a@example.be"}, "secondary_emails": ["b@example.be"]}]
    )
    keys, names = ["b@example.be"], ["email", "hs_additional_emails"]
    (found,) = batch_read(portal.gateway, "contact", keys, names, id_property="email")
    assert found.properties == {"email": "a@example.be", "hs_additional_emails": "b@example.be"} | {
        name: found.properties[name] for name in found.properties if name not in names
    }


def test_one_bad_record_does_not_stop_the_other_99(ready: Portal) -> None:
    ids = load(ready, 100)
    writes = updates(ids, firstname="Ann")
    writes[41] = Write(writes[41].trace_id, ids[41], {"teamleader_status": "nonsense"})
    outcome = batch_update(ready.gateway, "contact", writes)
    assert set(outcome) == {w.trace_id for w in writes}
    failed = outcome.pop(writes[41].trace_id)
    assert failed.state == "failed" and failed.problem
    assert (failed.problem.codes, failed.problem.properties) == (("INVALID_OPTION",), ("teamleader_status",))
    assert failed.problem.correlation_id or failed.problem.status == 400
    assert all(w.state == "done" for w in outcome.values())
    assert ready.calls("batch/update") == 1


def test_results_belong_to_their_inputs_whatever_the_order(ready: Portal) -> None:
    ids = load(ready, 60)
    outcome = batch_update(ready.gateway, "contact", [Write(f"t{i}", i, {"firstname": f"n{i}"}) for i in ids])
    assert {outcome[f"t{i}"].hubspot_id for i in ids} == set(ids)
    assert all(outcome[f"t{i}"].hubspot_id == i for i in ids)


def test_upsert_tells_new_from_known(ready: Portal) -> None:
    first = batch_upsert(ready.gateway, "contact", [Write("a", "tl-1", {"email": "a@example.be"})])
    again = batch_upsert(
        ready.gateway,
        "contact",
        [Write("a", "tl-1", {"firstname": "Ann"}), Write("b", "tl-2", {"email": "b@example.be"})],
    )
    assert first["a"].new is True and again["a"].new is False and again["b"].new is True
    assert first["a"].hubspot_id == again["a"].hubspot_id != again["b"].hubspot_id


def test_a_taken_address_is_a_conflict_of_that_record_alone(ready: Portal) -> None:
    (holder,) = load(ready, 1)
    outcome = batch_upsert(
        ready.gateway,
        "contact",
        [Write("a", "tl-1", {"email": "c0@example.be"}), Write("b", "tl-2", {"email": "free@example.be"})],
    )
    assert outcome["b"].state == "done"
    assert outcome["a"].problem and outcome["a"].problem.is_conflict and outcome["a"].problem.existing_id == holder


NEW = {f"t{n}": {"lastname": f"Maes{n}"} for n in range(4)}


@pytest.mark.parametrize("echo", ["upsert", "all"])
def test_of_new_records_each_is_accounted_for_whether_or_not_the_answer_names_its_input(
    ready: Portal, echo: str
) -> None:
    ready.sandbox.set_switches(echo_trace_ids=echo)
    ready.sandbox.faults.add(Fault("poison", path="batch/create", record="Maes1"))
    made = batch_create(ready.gateway, "contact", NEW)
    assert ready.calls("batch/create") == 1
    stored = {record["properties"]["lastname"]: record["id"] for record in ready.sandbox.all("contacts")}
    assert stored.keys() == {"Maes0", "Maes2", "Maes3"}
    assert made.outcome["t1"].state == "failed"
    if echo == "all":
        assert {made.outcome[f"t{n}"].hubspot_id for n in (0, 2, 3)} == set(stored.values()) and made.untold == []
    else:
        assert {made.outcome[f"t{n}"].state for n in (0, 2, 3)} == {"missing"}
        assert {record.properties["lastname"]: record.id for record in made.untold} == stored


def test_new_records_are_sent_once_when_the_answer_is_lost_and_apart_when_the_batch_is_refused(ready: Portal) -> None:
    ready.sandbox.faults.add(Fault("status", path="batch/create", when="after", status=502))
    assert batch_create(ready.gateway, "contact", NEW).outcome == dict.fromkeys(NEW, MISSING)
    assert ready.calls("batch/create") == 1 and len(list(ready.sandbox.all("contacts"))) == 4
    taken = {"a": {"email": "a@example.be"}, "b": {"email": "b@example.be"}, "c": {"email": "c@example.be"}}
    ready.sandbox.create("contacts", {"email": "b@example.be"})
    made = batch_create(ready.gateway, "contact", taken)
    assert made.outcome["b"].problem and made.outcome["b"].problem.is_conflict
    assert {record.properties["email"] for record in made.untold} == {"a@example.be", "c@example.be"}


def test_a_deleted_record_is_not_found(ready: Portal) -> None:
    ids = load(ready, 3)
    ready.sandbox.archive("contacts", ids[1])
    outcome = batch_update(ready.gateway, "contact", updates(ids, firstname="Ann"))
    assert [outcome[f"t{i}"].state for i in ids] == ["done", "failed", "done"]
    problem = outcome[f"t{ids[1]}"].problem
    assert problem and problem.reason == "object_not_found"


@pytest.mark.parametrize("changes_id", [True, False])
def test_a_merged_away_record_is_missing_and_found_by_get(ready: Portal, changes_id: bool) -> None:
    ready.sandbox.set_switches(merge_changes_id=changes_id)
    ids = load(ready, 3)
    survivor = ready.sandbox.merge("contacts", ids[0], ids[1])
    outcome = batch_update(ready.gateway, "contact", updates([ids[1], ids[2]], firstname="Ann"))
    assert outcome[f"t{ids[1]}"] == MISSING and outcome[f"t{ids[2]}"].state == "done"
    found = get_record(ready.gateway, "contact", ids[1], ["email"])
    assert found and found.id == survivor


def test_a_record_that_does_not_exist_is_none(portal: Portal) -> None:
    assert get_record(portal.gateway, "contact", "404404") is None


def test_an_answer_that_leaves_one_out(ready: Portal) -> None:
    ids = load(ready, 5)
    ready.sandbox.faults.add(Fault("omit", path="batch/update", record=ids[2]))
    outcome = batch_update(ready.gateway, "contact", updates(ids, firstname="Ann"))
    assert [outcome[f"t{i}"].state for i in ids] == ["done", "done", "missing", "done", "done"]


def test_an_empty_success_is_no_success(ready: Portal) -> None:
    ids = load(ready, 5)
    ready.sandbox.faults.add(Fault("empty", path="batch/update"))
    outcome = batch_update(ready.gateway, "contact", updates(ids, firstname="Ann"))
    assert [outcome[f"t{i}"] for i in ids] == [MISSING] * 5


def test_an_unexplained_refusal_of_a_whole_batch_is_narrowed_down(ready: Portal) -> None:
    """HubSpot answers 400 for the batch again and again, as long as the one record is in it."""
    ids = load(ready, 16)
    body = {"status": "error", "category": "VALIDATION_ERROR", "message": "no"}
    # 16 → 8 + 8 → … : the first half stays bad down to the first record.
    ready.sandbox.faults.add(Fault("status", path="batch/update", status=400, body=body, times=5))
    outcome = batch_update(ready.gateway, "contact", updates(ids, firstname="Ann"))
    assert [outcome[f"t{i}"].state for i in ids] == ["failed"] + ["done"] * 15


def test_a_record_that_makes_hubspot_stumble_does_not_stop_the_others(ready: Portal) -> None:
    """503 to all six attempts of the whole batch, of its first half, and of its first record."""
    ids = load(ready, 4)
    ready.sandbox.faults.add(Fault("status", path="batch/update", status=503, times=12))
    ready.sandbox.faults.add(Fault("status", path="batch/update", status=503, times=6, skip=1))
    outcome = batch_update(ready.gateway, "contact", updates(ids, firstname="Ann"))
    assert [outcome[f"t{i}"].state for i in ids] == ["failed", "done", "done", "done"]
    problem = outcome[f"t{ids[0]}"].problem
    assert problem and problem.reason == "http_503"


def test_hubspot_in_trouble_is_not_taken_for_a_bad_record(ready: Portal) -> None:
    ids = load(ready, 100)
    ready.sandbox.faults.add(Fault("status", path="batch/update", status=503, times=None))
    with pytest.raises(Unreachable):
        batch_update(ready.gateway, "contact", updates(ids, firstname="Ann"))
    assert ready.calls("batch/update") == 18


def test_poison_in_a_batch(ready: Portal) -> None:
    ids = load(ready, 10)
    ready.sandbox.faults.add(Fault("poison", path="batch/update", record=ids[4]))
    outcome = batch_update(ready.gateway, "contact", updates(ids, firstname="Ann"))
    assert [i for i in ids if outcome[f"t{i}"].state == "failed"] == [ids[4]]


@pytest.mark.parametrize("echo", ["upsert", "all"])
def test_trace_ids_may_or_may_not_come_back(ready: Portal, echo: str) -> None:
    ready.sandbox.set_switches(echo_trace_ids=echo)
    ids = load(ready, 5)
    outcome = batch_update(ready.gateway, "contact", updates(ids, firstname="Ann"))
    assert all(outcome[f"t{i}"].hubspot_id == i for i in ids)


def test_wrong_use_is_refused_before_any_call(portal: Portal) -> None:
    with pytest.raises(ValueError, match="at most 100"):
        batch_update(portal.gateway, "contact", [Write(str(i), str(i), {}) for i in range(101)])
    with pytest.raises(ValueError, match="twice"):
        batch_update(portal.gateway, "contact", [Write("a", "1", {}), Write("b", "1", {})])
    with pytest.raises(ValueError, match="trace"):
        batch_update(portal.gateway, "contact", [Write("a", "1", {}), Write("a", "2", {})])
    assert batch_update(portal.gateway, "contact", []) == {} and portal.calls() == 0
