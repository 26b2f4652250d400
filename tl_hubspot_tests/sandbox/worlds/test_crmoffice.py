"""What a world's Crmoffice holds: people of the other systems in other spellings, and its own; kept between starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import phonenumbers
import pytest

from tl_hubspot.sandbox.crmoffice import CrmofficeSandbox, values
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.sandbox.worlds import world


def person(first: str, last: str, mobile: str, country: str | None) -> tuple[str, str, str]:
    number = phonenumbers.parse(mobile.replace("00", "+", 1) if mobile.startswith("00") else mobile, country)
    return first, last, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@pytest.mark.parametrize("name", ["subset", "demo"])
def test_some_people_are_met_again(name: str) -> None:
    made = world(name)
    tenant = CrmofficeSandbox()
    made.populate_crmoffice(tenant)
    there = list(tenant.all())
    tenant.close()
    known = {
        person(c["first_name"], c["last_name"], phone["number"], c["addresses"][0]["address"]["country"])
        for c in made.teamleader("contacts")
        for phone in c["telephones"]
        if phone["type"] == "mobile" and c["addresses"] and c["first_name"]
    }
    met = [c for c in there if person(c["givenName"], c["familyName"], c["mobilePhone"], "NO") in known]
    own = [c for c in there if c["title"] == "Kontaktperson"]
    assert len(met) + len(own) == len(there)
    assert len(met) >= 0.4 * len(known)
    assert len(own) == sum(1 for _ in made.teamleader("contacts")) // 20
    assert any(c["directPhone"] is None for c in met)
    assert any(c["company"] for c in met)
    assert {values.problem(field, c[field]) for c in there for field in values.MAPPED} == {None}


def test_the_same_seed_gives_the_same_people() -> None:
    def people() -> list[Any]:
        tenant = CrmofficeSandbox()
        world("subset").populate_crmoffice(tenant)
        found = list(tenant.all())
        tenant.close()
        return found

    assert people() == people()


def test_crmoffice_joins_a_state_that_is_older_than_it(tmp_path: Path) -> None:
    with LocalSystems("subset", state=tmp_path) as systems:
        assert systems.crmoffice is None
        assert not any(name.startswith("CRMOFFICE_") for name in systems.environment())
    with LocalSystems("subset", state=tmp_path, crmoffice="write=put_full") as systems:
        assert systems.crmoffice is not None
        number = systems.crmoffice.count()
        assert number > 20
        systems.crmoffice.delete("1001")
        assert systems.environment()["CRMOFFICE_CAPABILITIES"].startswith("write=put_full,")
    with LocalSystems("subset", state=tmp_path, crmoffice="") as systems:
        assert systems.crmoffice is not None
        assert systems.crmoffice.count() == number - 1
