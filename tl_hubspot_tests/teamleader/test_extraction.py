"""What is read beside the lists: links both ways, phase history, small lists, a second look; a whole world."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from tl_hubspot.errors import BadAnswer, CredentialsRefused, Unreachable
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.worlds import world
from tl_hubspot.teamleader.extraction import Extraction, Link, PhaseEntry, Presence
from tl_hubspot.warehouse.schema import TEAMLEADER
from tl_hubspot_tests.teamleader.conftest import Account

REFERENCE_KINDS = (
    *("users", "departments", "dealPipelines", "dealPhases", "dealSources", "lostReasons", "businessTypes"),
    "customFieldDefinitions",
)


def people(account: Account, count: int) -> list[str]:
    return [account.sandbox.add("contacts", {"last_name": f"Name {number}"}) for number in range(count)]


def firms(account: Account, count: int) -> list[str]:
    return [account.sandbox.add("companies", {"name": f"Company {number}"}) for number in range(count)]


def pairs(links: Any) -> set[tuple[str, str, str | None, bool | None]]:
    return {
        (link.contact_id, link.company_id, link.position, link.decision_maker) for one in links for link in one.links
    }


def test_a_whole_world_arrives_and_both_ways_give_the_same_links(account: Account) -> None:
    sample = world("subset")
    for kind in (*REFERENCE_KINDS, "companies", "contacts", "deals"):
        account.sandbox.load(kind, sample.teamleader(kind))
    extraction = account.extraction()
    ids = {}
    for kind in ("contacts", "companies", "deals"):
        records = [record for batch in getattr(extraction, kind)() for record in batch.records]
        truth = {record["id"]: record for record in account.sandbox.all(kind)}
        ids[kind] = [record.id for record in records]
        assert sorted(ids[kind]) == sorted(truth)
        for record in records:
            received = json.loads(record.payload)
            assert all(truth[record.id][key] == value for key, value in received.items() if key in truth[record.id])
    by_contact = list(extraction.links_by_contact(ids["contacts"]))
    by_company = list(extraction.links_by_company(ids["companies"]))
    assert pairs(by_contact) == pairs(by_company)
    assert pairs(by_contact)
    unlinked = extraction.unlinked_contacts(ids["contacts"]) or frozenset[str]()
    assert set(unlinked) == {links.owner_id for links in by_contact if not links.links}


def test_companies_in_the_order_of_the_contact(account: Account) -> None:
    [person] = people(account, 1)
    first, second, third = firms(account, 3)
    account.sandbox.link(person, second, position="CFO", decision_maker=True)
    account.sandbox.link(person, third)
    account.sandbox.link(person, first, position="Owner")
    [links] = account.extraction().links_by_contact([person])
    assert links.found
    assert links.links == (
        Link(person, second, "CFO", True, 0),
        Link(person, third, None, False, 1),
        Link(person, first, "Owner", False, 2),
    )
    [links] = account.extraction().links_by_company([second])
    assert links.links == (Link(person, second, "CFO", True, None),)


def test_a_deleted_owner_is_not_found_and_one_without_links_is_empty(account: Account) -> None:
    extraction = account.extraction()
    gone = account.sandbox.new_id("contacts")
    [person] = people(account, 1)
    assert [(links.found, links.links) for links in extraction.links_by_contact([gone, person])] == [
        (False, ()),
        (True, ()),
    ]
    gone_company = account.sandbox.new_id("companies")
    assert [links.found for links in extraction.links_by_company([gone_company])] == [False]
    assert [history.found for history in extraction.phase_history([account.sandbox.new_id("deals")])] == [False]


@pytest.mark.parametrize("cap", [None, 20, 100])
def test_a_company_whose_contacts_are_cut_short_is_completed(account: Account, cap: int | None) -> None:
    account.sandbox.set_switches(related_contacts_cap=cap)
    persons = people(account, 130)
    big, middle, small = firms(account, 3)
    for number, person in enumerate(persons):
        account.sandbox.link(person, big, position=f"Job {number}", decision_maker=number % 2 == 0)
        if number < 40:
            account.sandbox.link(person, middle)
        if number < 3:
            account.sandbox.link(person, small)
    extraction = account.extraction(workers=1)
    read = {links.owner_id: links for links in extraction.links_by_company([big, middle, small])}
    assert {link.contact_id for link in read[big].links} == set(persons)
    assert {link.contact_id for link in read[middle].links} == set(persons[:40])
    assert {link.contact_id for link in read[small].links} == set(persons[:3])
    positions = {link.contact_id: (link.position, link.decision_maker) for link in read[big].links}
    assert positions == {person: (f"Job {number}", number % 2 == 0) for number, person in enumerate(persons)}
    if cap is None:
        # The biggest proved complete, so the others need no proof, and no contact had to be read on its own.
        assert account.sandbox.log.count("contacts.info") == 0
        assert account.sandbox.log.count("contacts.list") < 20


@pytest.mark.parametrize("behaviour", ["unlinked", "ignored", "rejected"])
def test_unlinked_contacts_only_if_the_filter_works(account: Account, behaviour: str) -> None:
    account.sandbox.set_switches(company_id_null=behaviour, strict=False)
    persons = people(account, 150)
    [company] = firms(account, 1)
    for person in persons[:60]:
        account.sandbox.link(person, company)
    account.sandbox.update("contacts", persons[-1], status="deactivated")
    unlinked = account.extraction().unlinked_contacts(persons)
    assert unlinked == (frozenset(persons[60:]) if behaviour == "unlinked" else None)
    # those who proved to have none, and nobody else, were looked at
    assert account.sandbox.log.count("contacts.info") == (5 if behaviour == "unlinked" else 0)


def test_companies_wait_for_the_proof_that_spares_them_theirs(account: Account) -> None:
    persons = people(account, 60)
    companies = firms(account, 12)
    for number, company in enumerate(companies):
        for person in persons[: 60 - number]:
            account.sandbox.link(person, company)
    read = list(account.extraction(workers=8).links_by_company(companies))
    assert [len(links.links) for links in read] == [60 - number for number in range(12)]
    # at most the few that overtook the largest one needed a proof of their own, of two calls
    assert account.sandbox.log.count("contacts.list") <= 2 * 8


@pytest.mark.parametrize("refused", [1, 30])
def test_records_that_may_not_be_seen_are_told_from_their_links(account: Account, refused: int) -> None:
    persons = people(account, 30)
    [company] = firms(account, 1)
    for person in persons:
        account.sandbox.link(person, company)
    account.sandbox.faults.add(Fault("status", "contacts.info", status=403, times=refused))
    extraction = account.extraction()
    read = list(extraction.links_by_contact(persons))
    assert sum(not links.found for links in read) == refused
    assert all(bool(links.links) == links.found for links in read)
    assert extraction.refusal is not None and "contacts.info" in str(extraction.refusal)


def test_a_filter_that_tells_the_wrong_contacts_is_not_believed(account: Account) -> None:
    persons = people(account, 40)
    [company] = firms(account, 1)
    for person in persons[:20]:
        account.sandbox.link(person, company)

    def other_company(endpoint: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if endpoint == "contacts.list":
            body["filter"]["company_id"] = company
            return body
        return None

    account.meddler.before = other_company
    assert account.extraction().unlinked_contacts(persons) is None


@pytest.mark.parametrize(
    ("form", "started"), [("database", "2026-10-01 09:00:00"), ("iso", "2026-10-01T09:00:00+00:00")]
)
def test_phase_history_as_received(account: Account, form: str, started: str) -> None:
    account.sandbox.set_switches(phase_history_format=form)
    sample = world("subset")
    for kind in REFERENCE_KINDS:
        account.sandbox.load(kind, sample.teamleader(kind))
    phases = [phase["id"] for phase in account.sandbox.all("dealPhases")]
    [person] = people(account, 1)
    customer = {"customer": {"type": "contact", "id": person}}
    account.sandbox.clock.set(datetime(2026, 10, 1, 9, 0, 0, tzinfo=UTC))
    deal = account.sandbox.add("deals", {"title": "Deal", "lead": customer})
    account.sandbox.clock.advance(86_400)
    account.sandbox.move(deal, phases[1])
    [history] = account.extraction().phase_history([deal])
    assert history.found
    assert history.entries[0].started_at == started
    assert history.entries[-1].phase_id == phases[1]
    assert all(isinstance(entry, PhaseEntry) and entry.started_by for entry in history.entries)


def test_a_second_look(account: Account) -> None:
    here, gone, hidden = people(account, 3)
    account.sandbox.delete("contacts", gone)
    extraction = account.extraction(workers=1)
    account.sandbox.faults.add(Fault("status", "contacts.info", status=403, skip=2))
    assert dict(extraction.exists("contacts", [here, gone, hidden])) == {
        here: Presence.PRESENT,
        gone: Presence.GONE,
        hidden: Presence.HIDDEN,
    }
    deal = account.sandbox.new_id("deals")
    assert list(extraction.exists("deals", [deal])) == [(deal, Presence.GONE)]
    assert list(extraction.exists("companies", [])) == []


# -- small lists -------------------------------------------------------------------------------------------------------


def reference(account: Account, **arguments: Any) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in account.extraction().reference(**arguments):
        rows.setdefault(row["kind"], []).append(row)
    return rows


def test_reference_rows_have_the_columns_of_their_table(account: Account) -> None:
    sample = world("subset")
    for kind in REFERENCE_KINDS:
        account.sandbox.load(kind, sample.teamleader(kind))
    rows = reference(account)
    [table] = [table for table in TEAMLEADER if table.name == "teamleader.reference"]
    columns = [name for name in table.column_names if not name.startswith("_")]
    assert all(list(row) == columns for kind in rows.values() for row in kind)
    sources = {
        "user": "users",
        "deal_pipeline": "dealPipelines",
        "deal_phase": "dealPhases",
        "deal_source": "dealSources",
        "lost_reason": "lostReasons",
        "custom_field_definition": "customFieldDefinitions",
    }
    for kind, source in sources.items():
        truth = {record["id"]: record for record in account.sandbox.all(source)}
        assert {row["id"] for row in rows[kind]} == set(truth), kind
        for row in rows[kind]:
            record, received = truth[row["id"]], json.loads(row["payload"])
            assert received["id"] == row["id"]
            match kind:
                case "user":
                    assert row["name"] == f"{record['first_name']} {record['last_name']}"
                    assert row["email"] == record["email"]
                case "deal_phase":
                    assert row["parent_id"] == record["deal_pipeline_id"]
                    assert float(row["probability"]) == record["probability"]
                case "custom_field_definition":
                    assert row["name"] == record["label"]
                    assert (row["type"], row["context"]) == (record["type"], record["context"])
                case _:
                    assert row["name"] == record["name"]
    assert [row["position"] for row in rows["deal_source"]] == list(range(len(rows["deal_source"])))
    assert sum(row["is_default"] for row in rows["deal_pipeline"]) == 1


def test_deal_fields_have_the_documented_context(account: Account) -> None:
    account.sandbox.load(
        "customFieldDefinitions",
        [{"id": account.sandbox.new_id("customFieldDefinitions"), "context": "deal", "type": "date", "label": "Due"}],
    )
    assert '"context":"sale"' in reference(account)["custom_field_definition"][0]["payload"].replace(" ", "")
    assert reference(account)["custom_field_definition"][0]["context"] == "deal"


def test_deactivated_users_are_read_too(account: Account) -> None:
    user = account.sandbox.add("users", {"first_name": "Old", "last_name": "Hand", "status": "deactivated"})
    assert user in {row["id"] for row in reference(account)["user"]}


def test_legal_forms_by_country_and_lists_of_several_pages(account: Account) -> None:
    sources = [{"id": account.sandbox.new_id("dealSources"), "name": f"Source {n:03}"} for n in range(230)]
    account.sandbox.load("dealSources", sources)
    rows = reference(account, countries=["NL", "BE", "NL"])
    ids = [row["id"] for row in rows["deal_source"]]
    assert set(ids) >= {source["id"] for source in sources}
    assert len(ids) == len(set(ids))
    asked = [entry["body"] for entry in account.sandbox.log.entries if "businessTypes" in entry["path"]]
    assert asked == [{"country": "BE"}, {"country": "NL"}]
    assert {row["name"] for row in rows["business_type"]} >= {"VOF", "NV/SA"}


@pytest.mark.parametrize("skip", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["empty", "truncated"])
def test_a_slip_in_a_small_list_loses_nothing(account: Account, kind: Any, skip: int) -> None:
    sources = [{"id": account.sandbox.new_id("dealSources"), "name": f"Source {n:03}"} for n in range(200)]
    account.sandbox.load("dealSources", sources)
    account.sandbox.faults.add(Fault(kind, "dealSources.list", skip=skip))
    assert {row["id"] for row in reference(account)["deal_source"]} >= {source["id"] for source in sources}


def test_a_small_list_that_repeats_itself_does_not_go_on_for_ever(account: Account) -> None:
    account.sandbox.load(
        "dealSources", [{"id": account.sandbox.new_id("dealSources"), "name": f"Source {n}"} for n in range(230)]
    )
    account.meddler.before = lambda endpoint, body: (
        {**body, "page": {"size": 100, "number": 1}} if "page" in body else None
    )
    with pytest.raises(BadAnswer, match="repeats the same page"):
        account.extraction().reference()


# -- many calls at once ------------------------------------------------------------------------------------------------


def test_progress_is_told_and_answers_come_in_the_order_asked(account: Account) -> None:
    told: list[tuple[str, int, int | None]] = []
    persons = people(account, 25)
    extraction = Extraction(account.client(), on_progress=lambda *args: told.append(args))
    assert [links.owner_id for links in extraction.links_by_contact([*persons, persons[0]])] == persons
    assert told == [("contact links", number, 25) for number in range(1, 26)]
    told.clear()
    assert sum(len(batch.records) for batch in extraction.contacts()) == 25
    assert told[-1] == ("contacts", 25, None)


def test_only_as_much_is_asked_ahead_as_the_workers_can_carry(account: Account) -> None:
    persons = people(account, 60)
    links = account.extraction(workers=3).links_by_contact(persons)
    for _ in range(10):
        next(links)
    links.close()  # type: ignore[attr-defined]
    assert account.sandbox.log.count("contacts.info") <= 10 + 2 * 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("teamleader")]


def test_one_failing_call_ends_the_reading_with_its_own_words(account: Account) -> None:
    persons = people(account, 60)
    account.sandbox.faults.add(Fault("status", "contacts.info", status=500, times=None, skip=20))
    with pytest.raises(Unreachable, match="status 500"):
        list(account.extraction().links_by_contact(persons))


def test_a_missing_scope_ends_the_reading(account: Account) -> None:
    account.sandbox.set_switches(missing_scopes=["companies"])
    with pytest.raises(CredentialsRefused, match="scope `companies`"):
        list(account.extraction().companies())


def test_access_names_each_list_that_may_not_be_read(account: Account) -> None:
    assert set(account.extraction().access().values()) == {None}
    account.sandbox.set_switches(missing_scopes=["deals", "users"])
    access = account.extraction().access()
    refused = {endpoint: str(refusal) for endpoint, refusal in access.items() if refusal}
    assert set(refused) == {"deals.list", "dealPipelines.list", "dealPhases.list", "dealSources.list", "users.list"}
    assert "scope `users`" in refused["users.list"]
    assert account.extraction().account_id() == account.sandbox.account_id


def test_records_of_another_shape_are_not_taken(account: Account) -> None:
    account.sandbox.faults.add(Fault("status", "contacts.list", status=200, body={"data": [{"name": "no id"}]}))
    handed_on = [record.id for batch in account.extraction().contacts() for record in batch.records]
    assert handed_on == [None]
    account.sandbox.faults.add(Fault("status", "companies.info", status=200, body={"data": {"id": "x"}}))
    with pytest.raises(BadAnswer, match="expected shape"):
        list(account.extraction().links_by_company([account.sandbox.new_id("companies")]))
