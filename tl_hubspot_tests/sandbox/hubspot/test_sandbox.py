"""The sandbox as an object: loading, a file that outlives the process, determinism, a person's hands, control."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tl_hubspot.sandbox.control import Clock, LoopbackServer
from tl_hubspot.sandbox.hubspot import HubSpotSandbox, Profile, Switches

CONTACTS = "/crm/v3/objects/contacts"


def test_loaded_records_stand_as_they_were_given(sandbox: HubSpotSandbox) -> None:
    count = sandbox.load_objects(
        "contacts",
        [
            {
                "id": "51",
                "properties": {"email": "A@x.be", "firstname": "An", "hs_analytics_source": "PAID_SEARCH", "city": ""},
                "secondary_emails": ["B@x.be"],
                "marketable": True,
                "opted_out": True,
                "createdAt": "2024-01-02T03:04:05Z",
                "updatedAt": "2025-01-02T03:04:05.678Z",
                "merged_ids": ["7", "8"],
            },
            {"properties": {"lastname": "No address"}},
            {"id": "9", "properties": {"email": "gone@x.be"}, "archived": True},
        ],
    )
    assert count == 3
    first = sandbox.get("contacts", "51")
    values = first["properties"]
    assert (first["createdAt"], first["updatedAt"]) == ("2024-01-02T03:04:05.000Z", "2025-01-02T03:04:05.678Z")
    assert (values["email"], values["hs_additional_emails"]) == ("a@x.be", "b@x.be")
    assert (values["hs_marketable_status"], values["hs_email_optout"]) == ("true", "true")
    assert values["hs_merged_object_ids"] == "7;8"
    assert "city" not in values
    assert sandbox.get("contacts", "8")["id"] == "51"
    assert sandbox.subscriptions("a@x.be")["opted_out"] is True
    assert sandbox.marketing_tier.count == 1
    assert [item["id"] for item in sandbox.all("contacts", archived=True)] == ["9"]
    assert sandbox.find("contacts", "email", "gone@x.be") is None
    generated = [item["id"] for item in sandbox.all("contacts") if item["id"] != "51"]
    assert int(generated[0]) > 51
    assert int(sandbox.create("contacts", {"email": "new@x.be"})["id"]) > int(generated[0])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"properties": {"nope": "1"}}], "nope"),
        ([{"properties": {}, "colour": "red"}], "colour"),
    ],
)
def test_what_cannot_be_loaded_is_named(sandbox: HubSpotSandbox, records: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sandbox.load_objects("contacts", records)


def test_a_taken_address_cannot_be_loaded(sandbox: HubSpotSandbox) -> None:
    sandbox.load_objects("contacts", [{"properties": {"email": "a@x.be"}}])
    with pytest.raises(Exception, match="UNIQUE"):
        sandbox.load_objects("contacts", [{"properties": {"email": "b@x.be"}, "secondary_emails": ["a@x.be"]}])
    assert sandbox.count("contacts") == 1


def test_loading_streams(sandbox: HubSpotSandbox) -> None:
    total = 12_000
    assert sandbox.load_objects("contacts", ({"properties": {"email": f"a{n}@x.be"}} for n in range(total))) == total
    assert sandbox.count("contacts") == total
    assert sum(1 for _ in sandbox.all("contacts")) == total


def test_state_outlives_the_object(tmp_path: Path) -> None:
    path = str(tmp_path / "portal.sqlite")
    first = HubSpotSandbox(path)
    first.define_property("contacts", name="own", label="Own", type="string", fieldType="text", hasUniqueValue=True)
    contact = first.create("contacts", {"email": "a@x.be", "own": "1"})["id"]
    company = first.create("companies", {"name": "C"})["id"]
    first.add_association("contacts", contact, "companies", company, 1)
    first.load_owners([{"id": "5", "email": "o@x.be", "firstName": "O", "lastName": "P"}])
    first.optout("a@x.be")
    first.set_marketable(contact)
    first.close()
    second = HubSpotSandbox(path)
    values = second.get("contacts", contact)["properties"]
    assert (values["own"], values["hs_email_optout"], values["hs_marketable_status"]) == ("1", "true", "true")
    assert second.associations("contacts", contact, "companies") == [{"id": company, "types": [1, 279]}]
    assert second.marketing_tier.count == 1
    assert second.patch("contacts", contact, {"hubspot_owner_id": "5"})
    with pytest.raises(Exception, match="already has that value"):
        second.create("contacts", {"email": "b@x.be", "own": "1"})
    assert second.create("contacts", {"email": "c@x.be"})["id"] > contact
    second.close()


def test_the_same_seed_gives_the_same_answers() -> None:
    def answers(seed: int) -> list[Any]:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        sandbox = HubSpotSandbox(seed=seed, clock=Clock(start), switches=Switches(limits=False))
        headers = {"Authorization": f"Bearer {sandbox.profile.access_token}"}
        inputs = [{"properties": {"email": f"a{n}@x.be"}} for n in range(20)]
        with LoopbackServer(sandbox.app) as server, httpx.Client(base_url=server.url, headers=headers) as http:
            created = http.post(f"{CONTACTS}/batch/create", json={"inputs": inputs})
            missing = http.get(f"{CONTACTS}/1").json()["correlationId"]
        sandbox.close()
        return [[item["id"] for item in created.json()["results"]], missing]

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)


def test_a_person_may_write_what_the_api_may_not(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    contact = sandbox.create("contacts", {"email": "a@x.be", "hs_analytics_source": "PAID_SEARCH"})["id"]
    assert sandbox.get("contacts", contact)["properties"]["hs_object_source"] == "CRM_UI"
    sandbox.set_switches(additional_emails_by_property="refused")
    sandbox.patch("contacts", contact, {"hs_additional_emails": "b@x.be", "hs_latest_source": "DIRECT_TRAFFIC"})
    assert sandbox.find("contacts", "email", "b@x.be") is not None
    assert sandbox.log.entries == []


def test_removing_links_by_hand(sandbox: HubSpotSandbox) -> None:
    contact = sandbox.create("contacts", {"email": "a@x.be"})["id"]
    company = sandbox.create("companies", {"name": "C"})["id"]
    sandbox.add_association("contacts", contact, "companies", company, 1)
    sandbox.remove_association("companies", company, "contacts", contact)
    assert sandbox.associations("contacts", contact, "companies") == []
    sandbox.gdpr_delete(contact)
    with pytest.raises(KeyError):
        sandbox.get("contacts", contact)


def test_reset_empties_everything(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.define_property("contacts", name="own", label="Own", type="string", fieldType="text")
    sandbox.create("contacts", {"email": "a@x.be"})
    sandbox.set_switches(search_lag_seconds=3)
    http.get(CONTACTS)
    assert http.post("/_sandbox/reset").json() == {"reset": True}
    assert sandbox.count("contacts") == 0
    assert sandbox.log.entries == []
    assert http.get("/crm/v3/properties/contacts/own").status_code == 404
    assert sandbox.switches.search_lag_seconds == 3
    assert sandbox.create("contacts", {"email": "a@x.be"})["id"] == "100000000001"


def test_switches_over_http(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    answer = http.post("/_sandbox/switches", json={"old_primary_on_email_change": "kept", "search_lag_seconds": 2})
    assert answer.json()["switches"]["old_primary_on_email_change"] == "kept"
    assert sandbox.switches.search_lag_seconds == 2
    for bad in ({"nope": 1}, {"old_primary_on_email_change": "lost"}, {"limits": "yes"}, {"search_lag_seconds": "x"}):
        assert http.post("/_sandbox/switches", json=bad).status_code == 400
    assert sandbox.switches.limits is False


def test_clock_over_http_moves_records(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    http.post("/_sandbox/clock", json={"now": "2030-05-06T07:08:09Z"})
    created = http.post(CONTACTS, json={"properties": {"email": "a@x.be"}}).json()
    assert created["createdAt"].startswith("2030-05-06T07:0")
    assert "06 May 2030 07:0" in http.get(CONTACTS).headers["date"]


def test_a_profile_of_its_own() -> None:
    sandbox = HubSpotSandbox(profile=Profile(access_token="pat-na1-other", company_currency="USD"))
    headers = {"Authorization": "Bearer pat-na1-other"}
    with LoopbackServer(sandbox.app) as server, httpx.Client(base_url=server.url, headers=headers) as http:
        assert http.get("/settings/v3/currencies/company-currency").json()["id"] == "USD"
    sandbox.close()


def test_two_threads_do_not_disturb_each_other(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    from concurrent.futures import ThreadPoolExecutor

    contact = sandbox.create("contacts", {"email": "a@x.be"})["id"]

    def by_http(number: int) -> int:
        body = {"properties": {"city": f"C{number}"}}
        return http.patch(f"{CONTACTS}/{contact}", json=body).status_code

    def by_hand(number: int) -> str:
        found: str = sandbox.patch("contacts", contact, {"zip": str(number)})["properties"]["zip"]
        return found

    with ThreadPoolExecutor(4) as pool:
        statuses = [pool.submit(by_http, number) for number in range(20)]
        zips = [pool.submit(by_hand, number) for number in range(20)]
        assert {item.result() for item in statuses} == {200}
        assert [item.result() for item in zips] == [str(number) for number in range(20)]
    assert len(sandbox.log.entries) == 20


def test_a_portal_is_put_back_as_it_was(http: httpx.Client, sandbox: HubSpotSandbox) -> None:
    sandbox.create("contacts", {"email": "a@x.be"})
    sandbox.optout("a@x.be")
    dumped = sandbox.dump()
    sandbox.define_property("contacts", name="own", label="Own", type="string", fieldType="text")
    later = sandbox.create("contacts", {"email": "b@x.be"})["id"]
    sandbox.set_marketable(later)
    http.get(CONTACTS)
    sandbox.put_back(dumped)
    assert [r["properties"]["email"] for r in sandbox.all("contacts")] == ["a@x.be"]
    assert sandbox.subscriptions("a@x.be")["opted_out"] and sandbox.marketing_tier.count == 0
    assert sandbox.log.entries == [] and http.get("/crm/v3/properties/contacts/own").status_code == 404
    assert sandbox.create("contacts", {"email": "c@x.be"})["id"] == later
