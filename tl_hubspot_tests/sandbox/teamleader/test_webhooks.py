"""Webhooks: registration, thin messages, delivery to a real receiver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tl_hubspot.sandbox.control import LoopbackServer
from tl_hubspot_tests.sandbox.teamleader import account as a
from tl_hubspot_tests.sandbox.teamleader.conftest import Api


class Receiver:
    """A web server that writes down what it is sent."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.url = ""

    async def take(self, request: Request) -> Response:
        if self.status == 200:
            self.got.append(await request.json())
        return Response(status_code=self.status)


@pytest.fixture(scope="module")
def _receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with LoopbackServer(Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])) as server:
        receiver.url = f"{server.url}/hook"
        yield receiver


@pytest.fixture
def receiver(_receiver: Receiver, api: Api) -> Receiver:
    _receiver.got.clear()
    _receiver.status = 200
    return _receiver


def _events(api: Api) -> list[tuple[str, str]]:
    return [(entry["payload"]["type"], entry["payload"]["subject"]["id"]) for entry in api.sandbox.pending_webhooks]


ALL = [
    *("contact.added", "contact.updated", "contact.deleted", "contact.linkedToCompany"),
    *("contact.unlinkedFromCompany", "contact.updatedLinkToCompany", "company.added", "company.updated"),
    *("company.deleted", "deal.created", "deal.updated", "deal.deleted", "deal.moved", "deal.won", "deal.lost"),
    "user.deactivated",
]


def test_registrations(api: Api) -> None:
    for url, types in (
        ("https://b.example/hook", ["deal.won", "contact.added"]),
        ("https://a.example/hook", ["deal.won"]),
        ("https://b.example/hook", ["deal.lost"]),
    ):
        assert api.post("webhooks.register", {"url": url, "types": types}).status_code == 204
    assert api.data("webhooks.list") == [
        {"url": "https://a.example/hook", "types": ["deal.won"]},
        {"url": "https://b.example/hook", "types": ["contact.added", "deal.lost", "deal.won"]},
    ]
    api.post("webhooks.unregister", {"url": "https://b.example/hook", "types": ["deal.won", "deal.lost"]})
    api.post("webhooks.unregister", {"url": "https://a.example/hook", "types": ["deal.won"]})
    assert api.data("webhooks.list") == [{"url": "https://b.example/hook", "types": ["contact.added"]}]
    assert api.titles("webhooks.register", {"url": "ftp://a.example", "types": []}) == ["url must be valid"]


def test_what_happens_is_told(api: Api) -> None:
    api.post("webhooks.register", {"url": "https://a.example", "types": ALL})
    person = api.data("contacts.add", {"last_name": "Nieuw"})["id"]
    firm = api.data("companies.add", {"name": "Nieuw"})["id"]
    link = {"id": person, "company_id": firm}
    api.post("contacts.update", {"id": person, "first_name": "A"})
    api.post("contacts.linkToCompany", link)
    api.post("contacts.updateCompanyLink", link | {"position": "CEO"})
    api.post("contacts.unlinkFromCompany", link)
    api.post("companies.tag", {"id": firm, "tags": ["T"]})
    deal = api.data("deals.create", {"title": "X", "lead": {"customer": {"type": "contact", "id": person}}})["id"]
    api.post("deals.update", {"id": deal, "title": "Y"})
    api.post("deals.move", {"id": deal, "phase_id": a.PHASES[2]})
    api.post("deals.lose", {"id": deal})
    api.post("deals.win", {"id": deal})
    for kind, record_id in (("deals", deal), ("contacts", person), ("companies", firm)):
        api.post(f"{kind}.delete", {"id": record_id})
    api.sandbox.update("users", a.EVA, status="deactivated")
    assert _events(api) == [
        ("contact.added", person),
        ("company.added", firm),
        ("contact.updated", person),
        ("contact.linkedToCompany", person),
        ("contact.updatedLinkToCompany", person),
        ("contact.unlinkedFromCompany", person),
        ("company.updated", firm),
        ("deal.created", deal),
        ("deal.updated", deal),
        ("deal.moved", deal),
        ("deal.lost", deal),
        ("deal.won", deal),
        ("deal.deleted", deal),
        ("contact.deleted", person),
        ("company.deleted", firm),
        ("user.deactivated", a.EVA),
    ]


def test_silent_changes_loads_and_refusals_are_not_told(api: Api) -> None:
    api.post("webhooks.register", {"url": "https://a.example", "types": ALL})
    api.sandbox.silent_update("contacts", a.ANN, first_name="A")
    api.sandbox.load("contacts", [{"id": a.uid("Contact", 50), "last_name": "L"}])
    api.post("contacts.update", {"id": a.ANN, "custom_fields": [{"id": a.LEVEL, "value": "Tin"}]})
    assert _events(api) == []


def test_delivery(api: Api, receiver: Receiver) -> None:
    api.post("webhooks.register", {"url": receiver.url, "types": ["contact.updated"]})
    api.sandbox.update("contacts", a.ANN, first_name="A")
    api.sandbox.update("companies", a.ACME, name="B")
    assert api.sandbox.deliver_webhooks() == 1
    assert receiver.got == [
        {
            "type": "contact.updated",
            "subject": {"type": "contact", "id": a.ANN},
            "account": {"type": "account", "id": api.sandbox.account_id},
        }
    ]
    assert api.sandbox.pending_webhooks == []


def test_what_a_receiver_does_not_take_is_sent_again(api: Api, receiver: Receiver) -> None:
    api.post("webhooks.register", {"url": receiver.url, "types": ["contact.updated"]})
    api.sandbox.update("contacts", a.ANN, first_name="A")
    receiver.status = 500
    assert api.sandbox.deliver_webhooks() == 0
    assert len(api.sandbox.pending_webhooks) == 1
    receiver.status = 200
    assert api.sandbox.deliver_webhooks() == 1
    assert (len(receiver.got), api.sandbox.pending_webhooks) == (1, [])


def test_drops_duplicates_and_order(api: Api, receiver: Receiver) -> None:
    api.post("webhooks.register", {"url": receiver.url, "types": ["contact.added"]})

    def sent(**switches: object) -> list[str]:
        receiver.got.clear()
        api.sandbox.set_switches(**switches)
        ids = [api.sandbox.add("contacts", {"last_name": "N"}) for _ in range(12)]
        api.sandbox.deliver_webhooks()
        got = [entry["subject"]["id"] for entry in receiver.got]
        assert set(got) <= set(ids)
        return [str(ids.index(record_id)) for record_id in got]

    straight = [str(n) for n in range(12)]
    assert sent() == straight
    assert sent(webhook_drop_rate=1.0) == []
    assert 0 < len(sent(webhook_drop_rate=0.5)) < 12
    assert sent(webhook_drop_rate=0.0, webhook_duplicate_rate=1.0) == [n for n in straight for _ in range(2)]
    shuffled = sent(webhook_duplicate_rate=0.0, webhook_reorder=True)
    assert shuffled != straight
    assert sorted(shuffled) == sorted(straight)
