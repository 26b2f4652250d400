"""Opt-outs over several runs: carried over once, never taken back, held when there are too many of them."""

from __future__ import annotations

import pytest

from tl_hubspot.errors import ConfigurationError, ExitCode
from tl_hubspot_tests.e2e.builders import Story, done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("looked_at", "stays_open")


def opted_out(world: Story, address: str) -> bool:
    return bool(world.portal.subscriptions(address)["opted_out"])


def test_opt_outs_are_carried_over_once_and_never_taken_back(make: Make) -> None:
    world = story(make)
    world.person_has("herziet@voorbeeld.be")
    secondary = world.person_has("eerste@voorbeeld.be", "tweede@voorbeeld.be")
    old = world.person_has("oud@voorbeeld.be")
    world.person_has("hubspot@voorbeeld.be")
    world.portal.optout("hubspot@voorbeeld.be")
    later = world.contact("later@voorbeeld.be")
    again = world.contact("herziet@voorbeeld.be", consent=False)
    second = world.contact("tweede@voorbeeld.be", consent=False)
    skipped = world.contact("oud@voorbeeld.be", consent=False, changed=world.ago(years=6))
    unknown = world.contact("onbekend@voorbeeld.be", consent=False, changed=world.ago(years=6))
    created = world.contact("nieuw@voorbeeld.be", consent=False)
    quiet = world.contact("hubspot@voorbeeld.be")
    nobody = world.contact(None, consent=False)

    assert done(world.sync())
    assert world.unsubscribed() == [
        "eerste@voorbeeld.be",
        "herziet@voorbeeld.be",
        "nieuw@voorbeeld.be",
        "oud@voorbeeld.be",
        "tweede@voorbeeld.be",
    ]
    assert world.outcome("contact", later) == ("created", "changed_within_2_years")
    assert world.outcome("contact", created) == ("created", "opted_out")
    assert world.id_of("contacts", second) == secondary
    assert world.held("contacts", second)["email"] == "eerste@voorbeeld.be"
    assert world.outcome("contact", skipped) == ("skipped", "too_old")
    assert "teamleader_id" not in world.portal.get("contacts", old)["properties"]
    assert world.outcome("contact", unknown) == ("skipped", "too_old")
    assert world.portal.find("contacts", "email", "onbekend@voorbeeld.be") is None
    assert world.outcome("contact", nobody) == ("skipped", "no_email")
    # HubSpot's own opt-out: the decision keeps its reason, marketing is not asked
    assert world.decision("contacts", quiet)["reason"] == "changed_within_2_years"
    assert world.held("contacts", quiet)["teamleader_marketing"] == "false"
    assert world.held("contacts", quiet).get("hs_marketable_status") != "true"
    assert world.held("contacts", later)["hs_marketable_status"] == "true"

    # the box is switched off later; a person who subscribes again in HubSpot is left in peace
    world.edit("contacts", later, marketing_mails_consent=False)
    world.resubscribe("herziet@voorbeeld.be")
    assert done(world.sync())
    assert world.unsubscribed() == ["later@voorbeeld.be"]
    assert not opted_out(world, "herziet@voorbeeld.be")
    assert world.held("contacts", later)["teamleader_marketing"] == "false"
    assert world.held("contacts", later)["teamleader_opt_out"] == "true"
    assert world.outcome("contact", again) == ("unchanged", "opted_out")

    # consent comes back in Teamleader: the address stays unsubscribed and no marketing status is asked
    world.edit("contacts", later, marketing_mails_consent=True)
    world.edit("contacts", created, first_name="Nieuwe")
    assert done(world.sync())
    assert world.unsubscribed() == []
    assert opted_out(world, "later@voorbeeld.be")
    assert world.decision("contacts", later)["status"] == "marketing"
    assert world.held("contacts", later)["teamleader_opt_out"] == "false"
    assert world.held("contacts", later)["teamleader_marketing"] == "false"
    assert not [w for w in world.product.writes() if "imports" in w["path"] or "subscribe" in w["path"]]

    # off once more, still unsubscribed in HubSpot: nothing to send; the whole story never subscribed anybody
    world.edit("contacts", later, marketing_mails_consent=False)
    assert done(world.sync())
    assert world.unsubscribed() == []
    assert done(world.sync())
    assert world.product.writes() == []


def test_not_asked_waits_for_an_opt_out_that_it_sees(make: Make) -> None:
    world = story(make, TL_HUBSPOT_CONSENT__FALSE_MEANS="not_asked")
    never = world.contact("nooit@voorbeeld.be", consent=False)
    leaves = world.contact("weg@voorbeeld.be", consent=True)
    assert done(world.sync())
    assert world.unsubscribed() == []
    assert not world.decision("contacts", never)["opted_out"]
    world.edit("contacts", leaves, marketing_mails_consent=False)
    world.edit("contacts", never, last_name="Bijgewerkt")
    assert done(world.sync())
    assert world.unsubscribed() == ["weg@voorbeeld.be"]
    assert world.outcome("contact", leaves) == ("updated", "opted_out")
    assert not opted_out(world, "nooit@voorbeeld.be")
    assert done(world.sync())
    assert world.product.writes() == []


def test_too_many_opt_outs_are_held_and_approved_once(make: Make) -> None:
    world = story(make, TL_HUBSPOT_GUARDS__UNSUBSCRIBES_MINIMUM="1", TL_HUBSPOT_GUARDS__UNSUBSCRIBES_SHARE="0")
    addresses = [f"a{n}@voorbeeld.be" for n in range(3)]
    for address in addresses:
        world.person_has(address)
    contacts = [world.contact(a, consent=False) for a in addresses]
    unaffected = world.contact("rest@voorbeeld.be")

    planned = world.plan()
    assert planned["held"]
    assert world.product.writes() == []
    finished = world.sync(minutes=1)
    assert finished.exit_code == ExitCode.HELD
    assert finished.run["digest"] == planned["digest"]
    assert world.product.writes() == []
    assert world.product.hubspot("contacts", unaffected) is None
    assert {world.outcome("contact", c) for c in [*contacts, unaffected]} == {("held", "guard")}
    limit = next(x for x in planned["limits"] if x["exceeded"])
    assert (limit["name"], limit["value"], limit["maximum"]) == ("unsubscribes", 3, 1)

    approved = world.approve(planned["digest"])
    assert approved.exit_code == ExitCode.DONE
    assert world.unsubscribed() == addresses
    assert world.outcome("contact", unaffected)[0] == "created"
    with pytest.raises(ConfigurationError):
        world.approve(planned["digest"])
    assert world.product.writes() == []
    assert done(world.sync())
    assert world.product.writes() == []


def test_batch_of_an_enterprise_portal(make: Make) -> None:
    world = story(make)
    world.portal.set_profile(tier="enterprise", marketing_enterprise=True)
    for n in range(4):
        world.person_has(f"b{n}@voorbeeld.be")
        world.contact(f"b{n}@voorbeeld.be", consent=False)
    world.fail("omit", "unsubscribe-all", record="b2@voorbeeld.be")
    assert done(world.sync())
    calls = [w for w in world.product.writes() if "unsubscribe-all" in w["path"]]
    assert len(calls) == 2, "one batch, and one call for the address that its answer left out"
    assert all(opted_out(world, f"b{n}@voorbeeld.be") for n in range(4))
    assert done(world.sync())
    assert world.product.writes() == []
