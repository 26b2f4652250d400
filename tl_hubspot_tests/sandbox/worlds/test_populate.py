"""The worlds load into the two sandboxes and come out of them again."""

from collections.abc import Iterator

import pytest
import requests

from tl_hubspot.sandbox.control import Clock, LoopbackServer
from tl_hubspot.sandbox.teamleader import Switches, TeamleaderSandbox
from tl_hubspot.sandbox.worlds import DEFAULT_AS_OF, TEAMLEADER_KINDS, world
from tl_hubspot.sandbox.worlds.subset import company_id, contact_id, deal_id


@pytest.fixture
def teamleader() -> Iterator[TeamleaderSandbox]:
    sandbox = TeamleaderSandbox(clock=Clock(DEFAULT_AS_OF), switches=Switches(rate_limit=None))
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
