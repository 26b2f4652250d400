"""What waits for a person is listed with the command that settles it, and that command does so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tl_hubspot_tests.cli.conftest import terminal  # noqa: F401 - a fixture
from tl_hubspot_tests.cli.terminal import Terminal
from tl_hubspot_tests.two_way_engine.conftest import Make
from tl_hubspot_tests.two_way_engine.installation import Installation

pytestmark = pytest.mark.usefixtures("stays_open")


def held(one: Installation, terminal: Terminal) -> list[dict[str, Any]]:  # noqa: F811
    ended = terminal("crmoffice", "held", "--json", **one.environment)
    assert (ended.code, ended.err) == (0, "")
    rows: list[dict[str, Any]] = json.loads(ended.out)["waiting"]
    shown = terminal("crmoffice", "held", **one.environment).out
    assert all(row["command"] in shown for row in rows if row["command"])
    assert bool(rows) != ("Nothing waits for you" in shown and not rows)
    return rows


def settle(one: Installation, terminal: Terminal, command: str) -> str:  # noqa: F811
    """Run a command as it is shown."""
    program, *arguments = command.split()
    assert program == "tl-hubspot"
    ended = terminal(*arguments, **one.environment)
    assert ended.code == 0, ended
    return ended.out


def test_people_who_look_the_same_are_told_apart_by_a_person(make: Make, terminal: Terminal) -> None:  # noqa: F811
    one = make()
    a1, b1 = one.person(phone="+47 22222222")
    a2, _ = one.person("a", phone="+47 33333333")
    alone = [one.person("b", firstname="Bo", mobilephone="+47 98765432")[1] for _ in range(2)]
    assert one.cycle().counts["ambiguous"] == 5
    pairs, without = held(one, terminal)
    assert (pairs["kind"], pairs["hubspot_ids"], pairs["crmoffice_ids"]) == ("ambiguous", sorted([a1, a2]), [b1])
    assert (without["hubspot_ids"], without["crmoffice_ids"], without["command"]) == ([], sorted(alone), None)

    assert terminal("crmoffice", "link", a2, "999", **one.environment).line.startswith("Crmoffice has no contact 999")
    assert "are linked" in settle(one, terminal, f"tl-hubspot crmoffice link {a2} {b1}")
    again = terminal("crmoffice", "link", a1, b1, **one.environment)
    assert again.code == 2 and f"is linked with HubSpot contact {a2} already" in again.line
    one.cycle()
    assert one.read("select a_id, b_id, how from two_way.links order by how").rows()[-1] == (a2, b1, "operator")
    assert one.crm(b1)["phone"] == one.hubspot(a2)["phone"]
    assert one.hubspot(a1)["phone"] == "+47 22222222", "the other one is left as it is"
    assert [row["crmoffice_ids"] for row in held(one, terminal)] == [sorted(alone)]


def test_a_pair_that_ended_stays_apart_until_a_person_releases_it(make: Make, terminal: Terminal) -> None:  # noqa: F811
    one = make()
    a, b = one.person()
    other, _ = one.person(firstname="Bo", mobilephone="+47 98765432")
    one.cycle()
    one.systems.hubspot.archive("contacts", a)
    one.cycle()
    one.cycle()
    [row] = held(one, terminal)
    assert (row["kind"], row["reason"], row["crmoffice_id"]) == ("ended", "deleted_a", b)
    assert "deleted in HubSpot" in terminal("crmoffice", "held", **one.environment).out
    refused = terminal("crmoffice", "link", a, b, **one.environment)
    assert refused.code == 2 and "HubSpot has no contact" in refused.line
    assert "Released" in settle(one, terminal, row["command"])
    one.cycle()
    [(new,)] = one.read(f"select a_id from two_way.links where state = 'linked' and a_id <> '{other}'").rows()
    assert new != a and one.hubspot(new) == one.crm(b)
    assert held(one, terminal) == []
    assert terminal("crmoffice", "release", row["pair"], **one.environment).code == 2


def test_a_refused_value_is_listed_until_it_is_over_and_can_be_sent_at_once(
    make: Make,
    terminal: Terminal,  # noqa: F811
) -> None:
    one = make()
    a, b = one.person()
    one.cycle()
    one.edit("a", a, phone="call me")
    one.person("a", lastname="Peeters", mobilephone="ask her")
    one.cycle()
    value, record = held(one, terminal)
    assert (value["field"], value["system"], value["reason"], value["attempts"]) == (
        "phone", "Crmoffice", "invalid_phone", 1,
    )  # fmt: skip
    assert "it is no telephone number" in value["what"] and (record["field"], record["crmoffice_id"]) == (None, None)
    one.forget()
    one.cycle()
    assert one.crmoffice.log.writes() == [], "not before its time"
    settle(one, terminal, value["command"])
    one.cycle()
    assert len(one.crmoffice.log.writes()) == 1
    one.edit("a", a, phone="+47 22222222")
    one.cycle()
    assert one.crm(b)["phone"] == "+47 22222222"
    assert [row["kind"] for row in held(one, terminal)] == ["refused"], "only the contact that was not made is left"


def test_a_conflict_and_a_stop_are_listed(make: Make, terminal: Terminal) -> None:  # noqa: F811
    one = make()
    one.flows(lambda text: text.replace("policy: newest", "policy: hold"))
    a, b = one.person()
    one.cycle()
    one.edit("a", a, lastname="Maas")
    one.edit("b", b, lastname="Moes")
    one.cycle()
    [row] = held(one, terminal)
    assert (row["kind"], row["field"], row["hubspot_id"]) == ("conflict", "lastname", a)
    settle(one, terminal, row["command"])
    assert held(one, terminal) == []
    one.cycle()
    assert one.crm(b)["lastname"] == "Maas"

    one.crmoffice.delete(b)
    one.cycle()
    [row] = held(one, terminal)
    assert (row["kind"], row["reason"]) == ("stopped", "held")
    assert "Stopped" not in row["error"] and "Crmoffice" in row["error"]
