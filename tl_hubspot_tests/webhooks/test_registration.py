"""Registering at Teamleader, what events name, and the commands, against a Teamleader over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.config import settings as configuration
from tl_hubspot.errors import BadAnswer, ConfigurationError, Unreachable
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.sandbox.teamleader.requests import SCHEMAS
from tl_hubspot.teamleader import webhooks
from tl_hubspot.teamleader.client import Forbidden, TeamleaderClient
from tl_hubspot.teamleader.webhooks import TYPES, named
from tl_hubspot.webhooks.spool import Spool
from tl_hubspot_tests.cli.terminal import Terminal, environment_of
from tl_hubspot_tests.webhooks.test_spool import event

SECRET = "secret-of-the-tests-0123456789"
BASE = "https://hooks.example.com/teamleader"


@pytest.fixture(scope="module")
def systems() -> Iterator[LocalSystems]:
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as running:
        yield running


@pytest.fixture
def client(systems: LocalSystems, tmp_path: Path) -> Iterator[TeamleaderClient]:
    environment = environment_of(systems) | {"TL_HUBSPOT_DATA": str(tmp_path)}
    platform = Platform(configuration.load(environment, directory=tmp_path), sleep=lambda seconds: None)
    systems.teamleader.store.execute("delete from webhooks")
    systems.teamleader.log.clear()
    yield platform.teamleader
    systems.teamleader.faults.clear()


def registered(systems: LocalSystems) -> dict[str, set[str]]:
    rows = systems.teamleader.store.query("select url, type from webhooks")
    urls: dict[str, set[str]] = {}
    for row in rows:
        urls.setdefault(row["url"], set()).add(row["type"])
    return urls


def writes(systems: LocalSystems) -> list[str]:
    return [e["path"].strip("/") for e in systems.teamleader.log.entries if not e["path"].endswith((".list", "token"))]


def test_every_type_is_one_that_teamleader_knows_and_has_an_id_to_read() -> None:
    known = SCHEMAS["webhooks.register"]["properties"]["types"]["items"]["enum"]
    assert set(TYPES) <= set(known)
    # all events about the three kinds of records, so that none is forgotten
    assert set(TYPES) == {t for t in known if t.split(".")[0] in ("contact", "company", "deal")}
    for name in TYPES:
        assert sum(len(ids) for ids in named([(name, "a")]).records.values()) == 1


def test_what_events_name() -> None:
    events = [
        ("contact.updated", "c1"),
        ("contact.linkedToCompany", "c2"),
        ("contact.added", "c3"),
        ("company.updated", "k1"),
        ("company.added", "k2"),
        ("deal.updated", "d1"),
        ("deal.moved", "D2"),
        ("deal.deleted", "d3"),
        ("deal.moved", None),
        ("ticket.closed", "t1"),
        ("user.deactivated", "u1"),
    ]
    found = named(events)
    assert found.records == {
        "contacts": {"c1", "c2", "c3"},
        "companies": {"k1", "k2"},
        "deals": {"d1", "d2", "d3"},
    }
    assert (found.linked_contacts, found.linked_companies, found.moved_deals) == ({"c2", "c3"}, {"k2"}, {"d2"})


EVENTS = st.tuples(st.sampled_from([*TYPES, "ticket.closed"]), st.sampled_from("abc") | st.none())


@settings(deadline=None)
@given(st.lists(EVENTS), st.randoms())
def test_order_and_repetition_mean_nothing(events: list[tuple[str, str | None]], random: Random) -> None:
    shuffled = [*events, *events]
    random.shuffle(shuffled)
    assert named(shuffled) == named(events)


def test_register_twice_and_unregister(client: TeamleaderClient, systems: LocalSystems) -> None:
    url = f"{BASE}/{SECRET}"
    (registration,) = webhooks.register(client, BASE + "/", SECRET)
    assert registered(systems) == {url: set(TYPES)}
    assert (registration.url, registration.types) == (url, frozenset(TYPES))
    assert writes(systems) == ["webhooks.register"]
    webhooks.register(client, BASE, SECRET)
    assert writes(systems) == ["webhooks.register"], "nothing to do, nothing done"
    assert webhooks.unregister(client, secret=SECRET) == [registration]
    assert registered(systems) == {}
    assert webhooks.unregister(client, secret=SECRET) == []
    assert writes(systems) == ["webhooks.register", "webhooks.unregister"]


def test_exactly_the_types_that_are_needed_and_nobody_elses_address(
    client: TeamleaderClient, systems: LocalSystems
) -> None:
    other = "https://other.example.com/hook"
    for url, types in ((f"{BASE}/{SECRET}", ["deal.won", "ticket.closed"]), (other, ["deal.won"])):
        for name in types:
            systems.teamleader.store.execute("insert into webhooks values (?, ?)", [url, name])
    webhooks.register(client, BASE, SECRET)
    assert registered(systems) == {f"{BASE}/{SECRET}": set(TYPES), other: {"deal.won"}}
    webhooks.register(client, BASE, "an-older-secret-0123456789")
    assert [r.url for r in webhooks.unregister(client, secret=None)] == []
    assert [r.url for r in webhooks.unregister(client, secret="unknown")] == []
    assert len(webhooks.unregister(client, secret=None, base=BASE)) == 2
    assert registered(systems) == {other: {"deal.won"}}


@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example.com",
        "hooks.example.com",
        "ftp://x",
        "https://",
        "https://x/?a=b",
        "https://u:p@x",
        "https://[",
    ],
)
def test_an_address_that_teamleader_would_not_call(client: TeamleaderClient, address: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot call that address"):
        webhooks.register(client, address, SECRET)


def test_troubles_on_the_way(client: TeamleaderClient, systems: LocalSystems) -> None:
    faults = systems.teamleader.faults
    for fault in (
        Fault("status", r"webhooks\.register", status=503, times=2),
        Fault("drop", r"webhooks\.register", when="after"),
        Fault("status", r"webhooks\.register", status=429),
        Fault("status", r"webhooks\.register", status=401),
    ):
        faults.add(fault)
    webhooks.register(client, BASE, SECRET)
    assert registered(systems) == {f"{BASE}/{SECRET}": set(TYPES)}
    assert faults.remaining == []
    for fault, kind in (
        (Fault("status", r"webhooks\.list", status=403), Forbidden),
        (Fault("status", r"webhooks\.list", status=503, times=None), Unreachable),
        (Fault("truncated", r"webhooks\.list"), BadAnswer),
    ):
        faults.clear()
        faults.add(fault)
        with pytest.raises(kind):
            webhooks.registrations(client)
    faults.clear()
    # Teamleader's own words may hold the address: they are not repeated
    systems.teamleader.store.execute("delete from webhooks")
    body = {"errors": [{"title": f"{BASE}/{SECRET} must be valid", "status": 400}]}
    faults.add(Fault("status", r"webhooks\.register", status=400, body=body))
    with pytest.raises(BadAnswer) as refused:
        webhooks.register(client, BASE, SECRET)
    assert SECRET not in refused.value.sentence


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"{BASE}/{SECRET}", f"{BASE}/***"),
        ("https://x.example.com/", "https://x.example.com/***"),
        ("https://x.example.com", "https://x.example.com/***"),
        ("https://me:pass@x.example.com:8443/a?token=1#b", "https://x.example.com:8443/***"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    registration = webhooks.Registration(url, frozenset({"deal.won"}))
    assert registration.shown == shown
    assert SECRET not in repr(registration)


# ---------------------------------------------------------------------- commands


def test_commands(terminal: Terminal, systems: LocalSystems, caplog: pytest.LogCaptureFixture) -> None:
    systems.teamleader.store.execute("delete from webhooks")
    environment = environment_of(systems)
    said: list[str] = []

    def run(*arguments: str, code: int = 0) -> str:
        ended = terminal("webhooks", *arguments, **environment)
        said.extend([ended.out, ended.err])
        assert ended.code == code, ended
        return " ".join((ended.out + ended.err).split())

    assert run("list") == "Nothing is registered at Teamleader. Events that wait for a run: 0"
    assert run("sync") == "No webhooks came."
    assert "Nothing of this kind" in run("unregister")
    assert not (terminal.folder / "data" / "webhooks").exists(), "to look makes nothing"
    assert "cannot call that address" in run("register", "--url", "http://hooks.example.com", code=2)
    shown = run("register", "--url", BASE)
    spool = Spool(terminal.folder / "data" / "webhooks")
    secret = spool.secret()
    assert registered(systems) == {f"{BASE}/{secret}": set(TYPES)}
    assert shown.startswith(f"{BASE}/*** sent: company.added, ")
    assert run("register", "--url", BASE) == shown
    systems.teamleader.store.execute("insert into webhooks values (?, ?)", ["https://other.example.com/h", "deal.won"])
    systems.teamleader.store.execute("delete from webhooks where type = 'deal.lost'")
    listed = json.loads(terminal("webhooks", "list", "--json", **environment).out)
    assert listed["events_waiting"] == 0
    assert [(r["url"], r["ours"], r["missing"] == ["deal.lost"]) for r in listed["webhooks"]] == [
        (f"{BASE}/***", True, True),
        ("https://other.example.com/***", False, False),
    ]
    assert "not sent, register again: deal.lost" in run("list")
    assert run("unregister") == f"Not registered any more: {BASE}/***"
    assert registered(systems) == {"https://other.example.com/h": {"deal.won"}}
    assert secret not in "".join(said) + caplog.text
    assert terminal("webhooks", "register", **environment).code == 2


def test_sync_by_hand_uses_what_came(terminal: Terminal, systems: LocalSystems) -> None:
    environment = environment_of(systems)
    spool = Spool(terminal.folder / "data" / "webhooks")
    spool.append([event(1)])
    refused = terminal("webhooks", "sync", **environment | {"HUBSPOT_ACCESS_TOKEN": "pat-wrong"})
    assert refused.code == 4
    assert spool.waiting() == 1, "they wait for the next try"
    done = terminal("webhooks", "sync", **environment)
    assert done.code == 0, done
    assert "Done: everything is confirmed." in done.out
    assert spool.waiting() == 0
