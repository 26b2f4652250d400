"""The consent ledger over several runs and as people ask for it, and marketing contacts up to the tier."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest

from tl_hubspot import cli
from tl_hubspot.errors import ExitCode
from tl_hubspot_tests.e2e.builders import Story, done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")


def events(world: Story, teamleader_id: str) -> list[tuple[str, str, bool | None, bool | None, bool | None]]:
    rows = world.product.read(
        "select event, reason, consent, hubspot_opted_out, hubspot_marketing from sync.consent_ledger"
        " where teamleader_id = ? order by seq",
        [teamleader_id],
    )
    return [tuple(row) for row in rows.rows()]  # type: ignore[misc]


def test_what_was_said_decided_and_done_can_be_shown_and_verified(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = story(make)
    person = world.person_has("eerste@voorbeeld.be", "tweede@voorbeeld.be")
    world.person_has("eigen@voorbeeld.be")
    yes = world.contact("ja@voorbeeld.be")
    no = world.contact("tweede@voorbeeld.be", consent=False)
    own = world.contact("eigen@voorbeeld.be")
    world.contact(None, consent=False)
    assert done(world.sync())
    decided = "changed_within_2_years"
    assert events(world, yes) == [
        ("decided", decided, True, None, None),
        ("marketing_asked", decided, True, False, None),
        ("marketing_confirmed", decided, True, None, True),
    ]
    # the further address that opted out, and the primary one of the same person
    assert [e[:4] for e in events(world, no)] == [
        ("decided", "opted_out", False, False),
        ("unsubscribed", "opted_out", False, True),
        ("unsubscribed", "opted_out", False, True),
    ]
    before = world.product.read("select count(*), count(distinct address_hash) from sync.consent_ledger").row(0)
    assert before == (9, 4), "nobody is named without an address"
    assert done(world.sync())
    assert world.product.read("select count(*) from sync.consent_ledger").item() == 9, "nothing new, nothing added"

    world.edit("contacts", yes, marketing_mails_consent=False)
    world.portal.optout("eigen@voorbeeld.be")
    assert done(world.sync())
    assert [e[:2] for e in events(world, yes)[3:]] == [("decided", "opted_out"), ("unsubscribed", "opted_out")]
    assert events(world, own)[3:] == [("seen_in_hubspot", decided, True, True, True)]
    text = str(world.product.read("select * from sync.consent_ledger").rows())
    assert "voorbeeld" not in text
    key = world.product.data / "pseudonyms.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600

    # as people ask for it
    monkeypatch.setenv("TL_HUBSPOT_DATA", str(world.product.data))

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run(["consent", *arguments])
        return (code, *capsys.readouterr())

    code, out, err = run("verify")
    assert (code, err) == (0, "") and out.startswith("The consent ledger is whole: 12 rows, last hash ")
    noted = json.loads(run("verify", "--json")[1])["last_hash"]
    assert run("verify", "--noted", noted)[0] == 0
    code, out, err = run("show", " JA@voorbeeld.be")
    assert code == 0 and len(out.splitlines()) == 5
    assert "Decided: marketing contact (changed_within_2_years). Teamleader: consent given. HubSpot: no record" in out
    assert "Unsubscribed from all e-mail in HubSpot, confirmed (opted_out). Teamleader: no consent." in out
    by_id: list[dict[str, Any]] = json.loads(run("show", yes, "--json")[1])
    assert [row["seq"] for row in by_id] == sorted(row["seq"] for row in by_id) and len(by_id) == 5
    assert len(json.loads(run("show", person, "--json")[1])) == 3
    code, out, err = run("show", "niemand@voorbeeld.be")
    assert (code, out) == (2, "") and "no row about that person" in err

    for change, said in (
        ("update sync.consent_ledger set consent = true where seq = 4", "row 4 is changed"),
        ("delete from sync.consent_ledger where seq = 12", "row 12 is missing"),
        ("delete from sync.consent_ledger where seq = 1", "row 1 is missing"),
    ):
        with world.product.platform().warehouse.transaction() as con:
            con.execute("create or replace table kept as from sync.consent_ledger")
            con.execute(change)
        code, out, err = run("verify")
        assert (code, out) == (1, "") and said in err
        with world.product.platform().warehouse.transaction() as con:
            con.execute("delete from sync.consent_ledger")
            con.execute("insert into sync.consent_ledger from kept")
            con.execute("drop table kept")
    assert run("verify")[0] == 0
    assert run("verify", "--noted", "0" * 64)[0] == 1


def test_new_marketing_contacts_above_the_tier_are_held(make: Make) -> None:
    world = story(make, TL_HUBSPOT_MARKETING__TIER="3")
    world.portal.set_profile(marketing_contacts_tier=3)
    there = world.person_has("er@voorbeeld.be")
    world.portal.set_marketable(there)
    contacts = [world.contact(f"c{n}@voorbeeld.be") for n in range(4)]
    finished = world.sync()
    assert finished.exit_code == ExitCode.HELD
    assert world.product.writes() == []
    (limit,) = (x for x in json.loads(finished.run["limits"]) if x["exceeded"])
    assert (limit["name"], limit["value"], limit["maximum"]) == ("new_marketing_contacts", 4, 2)
    assert limit["sentence"] == "4 contacts would become marketing contacts; that is 2 over the limit of 2."
    assert world.portal.marketing_tier.raises == []
    assert [e[0] for e in events(world, contacts[0])] == ["decided"], "held: decided, and nothing asked"
    assert done(world.approve(finished.run["digest"]))
    assert world.portal.marketing_tier.count == 5, "a person approved it, so HubSpot raised the tier"
