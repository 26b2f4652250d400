"""Adding, changing, deleting, tagging, linking, moving, winning and losing over HTTP and through the Python methods."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_hubspot.sandbox.teamleader import TeamleaderSandbox
from tl_hubspot_tests.sandbox.teamleader import account as a
from tl_hubspot_tests.sandbox.teamleader.conftest import Api, fresh

NOW = "2026-03-02T09:00:00+00:00"


def test_add_contact(api: Api) -> None:
    answer = api.post(
        "contacts.add",
        {
            "last_name": "Segers",
            "emails": [{"type": "primary", "email": "dora@new.example"}],
            "tags": ["Brand New"],
            "custom_fields": [{"id": a.LEVEL, "value": "Silver"}],
        },
    )
    assert answer.status_code == 201
    created = answer.json()["data"]
    assert created["type"] == "contact"
    dora = api.data("contacts.info", {"id": created["id"]})
    assert dora["added_at"] == dora["updated_at"] == NOW
    assert dora["marketing_mails_consent"] is False
    assert dora["status"] == "active"
    values = {field["definition"]["id"]: field["value"] for field in dora["custom_fields"]}
    assert values == {a.LEVEL: "Silver", a.TOPICS: [], a.HOURS: None, a.ACCOUNT_MANAGER: None}
    assert {"tag": "Brand New"} in api.data("tags.list")


def test_update_replaces_collections_and_keeps_the_rest(api: Api) -> None:
    body = {"id": a.ANN, "tags": ["Only"], "emails": [], "custom_fields": [{"id": a.HOURS, "value": 5}]}
    answer = api.post("contacts.update", body)
    assert (answer.status_code, answer.content) == (204, b"")
    ann = api.data("contacts.info", {"id": a.ANN})
    assert (ann["tags"], ann["emails"], ann["first_name"], ann["updated_at"]) == (["Only"], [], "Ann", NOW)
    values = {field["definition"]["id"]: field["value"] for field in ann["custom_fields"]}
    assert values == {a.LEVEL: None, a.TOPICS: [], a.HOURS: 5, a.ACCOUNT_MANAGER: None}
    assert len(ann["companies"]) == 2


def test_partial_update_of_custom_fields(api: Api) -> None:
    fields = [{"id": a.HOURS, "value": 5}]
    api.post("contacts.update", {"id": a.ANN, "custom_fields": fields, "custom_fields_update_strategy": "partial"})
    ann = api.data("contacts.info", {"id": a.ANN})
    values = {field["definition"]["id"]: field["value"] for field in ann["custom_fields"]}
    assert (values[a.LEVEL], values[a.HOURS]) == ("Gold", 5)


MISSING = a.uid("Contact", 99)
REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("contacts.update", {"id": MISSING}, 404),
    ("contacts.tag", {"id": MISSING, "tags": []}, 404),
    ("contacts.linkToCompany", {"id": MISSING, "company_id": a.ACME}, 404),
    ("contacts.linkToCompany", {"id": a.CAS, "company_id": MISSING}, 400),
    ("contacts.updateCompanyLink", {"id": a.CAS, "company_id": a.ACME}, 400),
    ("contacts.unlinkFromCompany", {"id": a.CAS, "company_id": a.ACME}, 400),
    ("companies.add", {"name": "X", "responsible_user_id": MISSING}, 400),
    ("companies.update", {"id": a.ACME, "business_type_id": MISSING}, 400),
    ("deals.create", {"title": "X", "lead": {"customer": {"type": "company", "id": MISSING}}}, 400),
    ("deals.create", {"title": "X", "lead": {"customer": {"type": "contact", "id": a.ANN}}, "phase_id": MISSING}, 400),
    ("deals.update", {"id": a.AUDIT, "estimated_probability": 1.5}, 400),
    ("deals.move", {"id": a.AUDIT, "phase_id": MISSING}, 400),
    ("deals.lose", {"id": a.AUDIT, "reason_id": MISSING}, 400),
    ("deals.win", {"id": MISSING}, 404),
    ("contacts.update", {"id": a.ANN, "custom_fields": [{"id": MISSING, "value": 1}]}, 400),
    ("contacts.update", {"id": a.ANN, "custom_fields": [{"id": a.DEAL_NOTE, "value": "x"}]}, 403),
    ("contacts.update", {"id": a.ANN, "custom_fields": [{"id": a.HOURS, "value": "x"}]}, 400),
    ("contacts.update", {"id": a.ANN, "custom_fields": [{"id": a.HOURS, "value": True}]}, 400),
    ("contacts.update", {"id": a.ANN, "custom_fields": [{"id": a.TOPICS, "value": ["Fire"]}]}, 400),
    (
        "contacts.update",
        {"id": a.ANN, "custom_fields": [{"id": a.ACCOUNT_MANAGER, "value": {"type": "user", "id": MISSING}}]},
        400,
    ),
]


@pytest.mark.parametrize("endpoint, body, status", REFUSED)
def test_refused_writes_change_nothing(api: Api, endpoint: str, body: dict[str, Any], status: int) -> None:
    before = [list(api.sandbox.all(kind)) for kind in ("contacts", "companies", "deals")]
    assert api.post(endpoint, body).status_code == status
    assert [list(api.sandbox.all(kind)) for kind in ("contacts", "companies", "deals")] == before


def test_a_wrong_option_is_named(api: Api) -> None:
    titles = api.titles("contacts.update", {"id": a.ANN, "custom_fields": [{"id": a.LEVEL, "value": "Tin"}]})
    assert titles == [f"The custom field with id {a.LEVEL} has an invalid single selection value"]


def test_tags(api: Api) -> None:
    api.post("contacts.tag", {"id": a.ANN, "tags": ["VIP", "Late"]})
    assert api.data("contacts.info", {"id": a.ANN})["tags"] == ["Expo", "VIP", "Late"]
    api.post("contacts.untag", {"id": a.ANN, "tags": ["Expo", "Never"]})
    assert api.data("contacts.info", {"id": a.ANN})["tags"] == ["VIP", "Late"]
    api.post("companies.untag", {"id": a.ACME, "tags": ["Expo"]})
    assert api.data("companies.info", {"id": a.ACME})["tags"] == []


def test_deal_from_start_to_end(api: Api) -> None:
    lead = {"customer": {"type": "company", "id": a.ACME}, "contact_person_id": a.ANN}
    value = {"amount": 1000, "currency": "EUR"}
    body = {"title": "Pilot", "lead": lead, "estimated_value": value, "estimated_probability": 0.2}
    deal = api.data("deals.create", body)["id"]
    first = api.data("deals.info", {"id": deal})
    assert first["lead"] == {
        "customer": {"type": "company", "id": a.ACME},
        "contact_person": a.relation("contact", a.ANN),
    }
    assert first["current_phase"]["id"] == a.PHASES[0]
    assert first["pipeline"]["id"] == a.SALES
    assert first["weighted_value"] == {"amount": 200, "currency": "EUR"}
    assert first["phase_history"] == [
        {
            "phase": a.relation("dealPhase", a.PHASES[0]),
            "started_at": "2026-03-02 09:00:00",
            "started_by": a.relation("user", a.EVA),
        }
    ]
    api.sandbox.clock.advance(60)
    assert api.post("deals.move", {"id": deal, "phase_id": a.PHASES[4]}).status_code == 204
    moved = api.data("deals.info", {"id": deal})
    assert (moved["current_phase"]["id"], moved["pipeline"]["id"]) == (a.PHASES[4], a.SERVICE)
    assert [entry["started_at"] for entry in moved["phase_history"]] == ["2026-03-02 09:00:00", "2026-03-02 09:01:00"]
    api.sandbox.clock.advance(60)
    api.post("deals.lose", {"id": deal, "reason_id": a.TOO_DEAR, "extra_info": "next year"})
    lost = api.data("deals.info", {"id": deal})
    assert lost["lost_reason"] == {"reason": a.relation("lostReason", a.TOO_DEAR), "remark": "next year"}
    assert lost["closed_at"] == "2026-03-02T09:02:00+00:00"
    # Losing has nothing to do with the phase.
    assert lost["current_phase"]["id"] == a.PHASES[4]
    assert len(lost["phase_history"]) == 2
    api.post("deals.win", {"id": deal})
    (won,) = api.data("deals.list", {"filter": {"ids": [deal]}})
    assert (won["status"], won["lost_reason"]) == ("won", None)


def test_a_deal_of_a_person_has_no_contact_person(api: Api) -> None:
    lead = {"customer": {"type": "contact", "id": a.CAS}, "contact_person_id": a.ANN}
    deal = api.data("deals.create", {"title": "Pilot", "lead": lead})["id"]
    assert api.data("deals.info", {"id": deal})["lead"]["contact_person"] is None


def test_deleting_a_company_unlinks_its_contacts(api: Api) -> None:
    api.post("companies.delete", {"id": a.ACME})
    assert api.data("contacts.info", {"id": a.BEN})["companies"] == []
    assert set(api.ids("contacts.list", {"filter": {"company_id": None}})) == {a.BEN, a.CAS}
    # Its deals stay and point to nothing.
    assert api.data("deals.info", {"id": a.ROLLOUT})["lead"]["customer"]["id"] == a.ACME


def test_python_methods(sandbox: TeamleaderSandbox) -> None:
    person = sandbox.add("contacts", {"last_name": "Nieuw"})
    assert "marketing_mails_consent" not in sandbox.get("contacts", person)
    assert sandbox.get("contacts", person)["added_at"] == NOW
    sandbox.clock.advance(3600)
    sandbox.silent_update("contacts", person, first_name="Stil")
    assert sandbox.get("contacts", person)["updated_at"] == NOW
    sandbox.update("contacts", person, first_name="Luid")
    assert sandbox.get("contacts", person)["updated_at"] == "2026-03-02T10:00:00+00:00"
    sandbox.update("contacts", person, updated_at=None)
    assert sandbox.get("contacts", person)["updated_at"] is None
    sandbox.link(person, a.BOLT, "Owner", True, division="Board")
    assert sandbox.get("contacts", person)["companies"][0]["division"] == "Board"
    sandbox.update("contacts", person, companies=[])
    assert sandbox.get("contacts", person)["companies"] == []
    assert sandbox.count("contacts") == 4
    assert {record["id"] for record in sandbox.all("contacts")} == {a.ANN, a.BEN, a.CAS, person}
    sandbox.delete("contacts", person)
    for act in (sandbox.get, sandbox.delete, sandbox.update, sandbox.silent_update):
        with pytest.raises(LookupError):
            act("contacts", person)
    with pytest.raises(LookupError):
        sandbox.unlink(a.CAS, a.ACME)
    with pytest.raises(KeyError):
        sandbox.load("people", [{"id": person}])
    with pytest.raises(ValueError, match="no UUID"):
        sandbox.load("contacts", [{"id": "1"}])
    deal = sandbox.add("deals", {"title": "Own", "lead": {"customer": a.relation("contact", a.CAS)}})
    sandbox.lose(deal, a.TOO_DEAR, "why")
    assert sandbox.get("deals", deal)["lost_reason"]["remark"] == "why"
    phase = sandbox.add("dealPhases", {"name": "Late", "deal_pipeline_id": a.SALES})
    sandbox.move(deal, phase)
    sandbox.silent_update("dealPhases", phase, name="Later")
    assert sandbox.get("dealPhases", phase)["name"] == "Later"
    assert sandbox.count("dealPhases") == 6


def test_a_loaded_record_comes_back_as_it_was(sandbox: TeamleaderSandbox) -> None:
    before = {kind: list(sandbox.all(kind)) for kind in ("contacts", "companies", "deals")}
    for kind, records in before.items():
        assert sandbox.load(kind, records) == len(records)
        assert list(sandbox.all(kind)) == records


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["link", "update", "unlink", "drop contact", "drop company"]),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    max_size=15,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS)
def test_links_are_the_same_from_both_sides(_served: Api, operations: list[tuple[str, int, int]]) -> None:
    api = _served
    fresh(api)
    people, firms = ([a.uid(kind, n) for n in range(1, 4)] for kind in ("Contact", "Company"))
    api.sandbox.load("contacts", [{"id": i, "last_name": "X"} for i in people])
    api.sandbox.load("companies", [{"id": i, "name": "X"} for i in firms])
    expected: dict[tuple[str, str], bool] = {}
    for operation, m, n in operations:
        pair = (people[m], firms[n])
        body = {"id": pair[0], "company_id": pair[1]}
        match operation:
            case "link":
                if api.post("contacts.linkToCompany", body | {"decision_maker": n == 1}).status_code == 204:
                    expected[pair] = n == 1
            case "update":
                if api.post("contacts.updateCompanyLink", body | {"decision_maker": True}).status_code == 204:
                    assert pair in expected
                    expected[pair] = True
            case "unlink":
                removed = api.post("contacts.unlinkFromCompany", body).status_code == 204
                assert removed == (pair in expected)
                expected.pop(pair, None)
            case _:
                side = 0 if operation == "drop contact" else 1
                api.post("companies.delete" if side else "contacts.delete", {"id": pair[side]})
                expected = {other: maker for other, maker in expected.items() if other[side] != pair[side]}
    from_contacts, from_companies, from_filter = {}, {}, set()
    for person in api.ids("contacts.list"):
        for link in api.data("contacts.info", {"id": person})["companies"]:
            from_contacts[person, link["company"]["id"]] = link["decision_maker"]
    for firm in api.ids("companies.list"):
        for link in api.data("companies.info", {"id": firm, "includes": "related_contacts"})["related_contacts"]:
            from_companies[link["id"], firm] = link["is_decision_maker"]
        from_filter |= {(person, firm) for person in api.ids("contacts.list", {"filter": {"company_id": firm}})}
    assert from_contacts == from_companies == expected
    assert from_filter == set(expected)
    unlinked = set(api.ids("contacts.list", {"filter": {"company_id": None}}))
    assert unlinked == set(api.ids("contacts.list")) - {person for person, _ in expected}
