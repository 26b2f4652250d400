"""The worlds load into the two sandboxes and come out of them again."""

from collections.abc import Iterator

import pytest
import requests

from tl_hubspot.sandbox.control import Clock, LoopbackServer
from tl_hubspot.sandbox.hubspot import HubSpotSandbox
from tl_hubspot.sandbox.teamleader import Switches, TeamleaderSandbox
from tl_hubspot.sandbox.worlds import DEFAULT_AS_OF, TEAMLEADER_KINDS, world
from tl_hubspot.sandbox.worlds.subset import company_id, contact_id, deal_id


@pytest.fixture
def teamleader() -> Iterator[TeamleaderSandbox]:
    sandbox = TeamleaderSandbox(clock=Clock(DEFAULT_AS_OF), switches=Switches(rate_limit=None))
    yield sandbox
    sandbox.close()


@pytest.fixture
def hubspot() -> Iterator[HubSpotSandbox]:
    sandbox = HubSpotSandbox(clock=Clock(DEFAULT_AS_OF))
    yield sandbox
    sandbox.close()


def load(teamleader, made):
    return {kind: teamleader.load(kind, made.teamleader(kind)) for kind in TEAMLEADER_KINDS}


def test_teamleader_gives_back_what_was_loaded(teamleader):
    made = world("subset")
    load(teamleader, made)
    for kind in ("contacts", "companies", "deals"):
        for record in made.teamleader(kind):
            stored = teamleader.get(kind, record["id"])
            for name, value in record.items():
                if name != "phase_history":
                    assert stored[name] == value, (kind, name)


def test_teamleader_over_http(teamleader):
    made = world("subset")
    load(teamleader, made)
    with LoopbackServer(teamleader.app) as server, requests.Session() as session:
        answer = session.post(
            f"{server.url}/oauth2/access_token",
            data={
                "client_id": "sandbox-client",
                "client_secret": "sandbox-secret",
                "grant_type": "refresh_token",
                "refresh_token": "sandbox-refresh",
            },
            timeout=10,
        )
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

        def call(path, **body):
            answer = session.post(f"{server.url}/{path}", json=body, timeout=10)
            assert answer.status_code == 200, answer.text
            return answer.json()["data"]

        listed = call("contacts.list", page={"size": 100, "number": 1})
        assert {record["id"] for record in listed} == {record["id"] for record in made.teamleader("contacts")}
        by_id = {record["id"]: record for record in listed}
        assert "marketing_mails_consent" not in by_id[contact_id(37)]
        assert by_id[contact_id(38)]["marketing_mails_consent"] is None
        assert by_id[contact_id(11)]["updated_at"] is None
        info = call("companies.info", id=company_id("B"), includes="related_contacts")
        assert {link["id"] for link in info["related_contacts"]} == {contact_id(15), contact_id(49)}
        links = call("contacts.info", id=contact_id(49))["companies"]
        assert [link["company"]["id"] for link in links] == [company_id(letter) for letter in "ABC"]
        history = call("deals.info", id=deal_id(4))["phase_history"]
        assert [entry["started_at"] for entry in history] == ["2021-11-01 23:00:00", "2024-11-02 22:59:59"]
        assert len(call("dealPipelines.list")) == 2


def test_demo_loads_into_teamleader(teamleader):
    counts = load(teamleader, world("demo"))
    assert (counts["contacts"], counts["companies"], counts["deals"]) == (1000, 200, 300)
    assert counts["customFieldDefinitions"] == 5


def test_subset_populates_both(teamleader, hubspot):
    made = world("subset")
    made.populate(teamleader, hubspot)
    assert [teamleader.count(kind) for kind in ("contacts", "companies", "deals")] == [50, 10, 10]
    for object_type in ("contacts", "companies", "deals"):
        living = {record["id"]: record["properties"] for record in hubspot.all(object_type)}
        gone = {record["id"]: record["properties"] for record in hubspot.all(object_type, archived=True)}
        loaded = list(made.hubspot_objects(object_type))
        assert len(living) + len(gone) == len(loaded)
        for record in loaded:
            stored = (gone if record.get("archived") else living)[record["id"]]
            for name, value in record["properties"].items():
                assert stored[name] == value, record["id"]
    assert {record["id"] for record in hubspot.all("contacts", archived=True)} == {"9045", "9046"}
    assert hubspot.find("contacts", "teamleader_id", contact_id(40))["id"] == "9040"
    assert hubspot.find("companies", "teamleader_id", company_id("I"))["id"] == "8009"
    assert hubspot.get("contacts", "9039")["properties"]["hs_email_optout"] == "true"
    assert hubspot.get("contacts", "9036")["properties"]["hs_additional_emails"].endswith("@klant36.example")
    assert [(link["id"], set(link["types"])) for link in hubspot.associations("contacts", "9050", "companies")] == [
        ("8090", {279, 1})
    ]
    assert hubspot.marketing_tier.count == 0


def test_what_cases_claim_unchanged_is_so_before_the_sync(teamleader, hubspot):
    """A case that promises an untouched record names values that it has from the start."""
    made = world("subset")
    made.populate(teamleader, hubspot)
    untouched = [case for case in made.cases if "untouched" in case.expected]
    assert len(untouched) >= 4
    for case in untouched:
        for object_type in ("contacts", "companies"):
            try:
                properties = hubspot.get(object_type, case.expected["untouched"])["properties"]
            except KeyError:
                continue
            for name, value in case.expected["properties"].items():
                assert properties.get(name) == value, case.name


def test_demo_populates_both(teamleader, hubspot):
    made = world("demo")
    made.populate(teamleader, hubspot)
    assert (teamleader.count("contacts"), hubspot.count("contacts"), hubspot.count("companies")) == (1000, 273, 70)
    assert hubspot.count("deals") == 0
    owners = {owner["email"] for owner in made.hubspot_owners()}
    assert len(owners) == 4
    assert 40 <= hubspot.marketing_tier.count <= 110
    primary = [link for *_, link in made.hubspot_associations()]
    assert len(primary) >= 40
