"""Which companies are the same, who wins, and which groups are eligible."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from tl_hubspot.rules import companies, contacts
from tl_hubspot.warehouse.rows import polars_schema
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import at, company, contact

VAT, OTHER_VAT, THIRD_VAT = "BE0899623035", "BE0403170701", "BE0400378485"


def group(*rows: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """group_id and joined_by of each company; the same for every order of rows."""
    found = [
        {k: (r["group_id"], r["joined_by"], tuple(r["also_fits"])) for k, r in b.rows(_group(order), "id").items()}
        for order in list(permutations(rows))[:24]
    ]
    assert all(other == found[0] for other in found)
    return {k: v[:2] for k, v in found[0].items()}


def _group(rows: Any) -> Any:
    return companies.group(b.companies(*rows), b.settings())


def also_fits(*rows: dict[str, Any]) -> dict[str, list[str]]:
    return {k: r["also_fits"] for k, r in b.rows(_group(rows), "id").items() if r["also_fits"]}


def test_nothing_in_common() -> None:
    assert group(company("k1"), company("k2", website="acme.be"), company("k3", name=None)) == {
        "k1": ("k1", None),
        "k2": ("k2", None),
        "k3": ("k3", None),
    }


def test_companies_without_any_key_stay_alone() -> None:
    rows = [company(id, name="...", website="www.facebook.com/acme", email="ann@gmail.com") for id in ("k1", "k2")]
    assert group(*rows) == {"k1": ("k1", None), "k2": ("k2", None)}


def test_same_vat_whatever_else() -> None:
    rows = company("k1", vat_number="BE 0899.623.035", website="a.be"), company("k2", vat_number=VAT, website="b.be")
    assert group(*rows) == {"k1": ("k1", None), "k2": ("k1", "vat")}


def test_different_vat_never() -> None:
    same = {"name": "Acme", "website": "acme.be"}
    assert group(company("k1", vat_number=VAT, **same), company("k2", vat_number=OTHER_VAT, **same)) == {
        "k1": ("k1", None),
        "k2": ("k2", None),
    }


def test_different_vat_never_through_a_third() -> None:
    rows = (
        company("k1", vat_number=VAT, website="acme.be"),
        company("k2", vat_number=OTHER_VAT, website="acme.be", updated="2026-02-01"),
        company("k3", website="acme.be"),
    )
    assert group(*rows) == {"k1": ("k1", None), "k2": ("k2", None), "k3": ("k2", "domain")}
    assert also_fits(*rows) == {"k3": ["k1"]}


def test_without_vat_by_domain() -> None:
    rows = (
        company("k1", vat_number=VAT, website="acme.be"),
        company("k2", website="https://www.acme.be", updated="2026-09-01"),
        company("k3", email="info@acme.be", vat_number="wrong"),
        company("k4", website="facebook.com/acme", email="info@acme.be"),
    )
    assert group(*rows) == {
        "k1": ("k1", None),
        "k2": ("k1", "domain"),
        "k3": ("k1", "domain"),
        "k4": ("k1", "domain"),
    }


def test_domain_before_name() -> None:
    rows = company("k1", name="Acme", website="a.be"), company("k2", name="Acme", website="b.be")
    assert group(*rows) == {"k1": ("k1", None), "k2": ("k2", None)}


def test_without_vat_and_domain_by_name() -> None:
    rows = (
        company("k1", name="Acme NV", vat_number=VAT),
        company("k2", name="ACME"),
        company("k3", name="Foo", website="foo.be"),
        company("k4", name="Foo bvba", updated="2026-09-01"),
        company("k5", name="Bar"),
        company("k6", name="Bar BV"),
    )
    assert group(*rows[:4]) == {"k1": ("k1", None), "k2": ("k1", "name"), "k3": ("k4", "name"), "k4": ("k4", None)}
    assert group(*rows[4:]) == {"k5": ("k5", None), "k6": ("k5", "name")}


def test_a_name_leads_to_a_member_that_joined_by_domain() -> None:
    rows = (
        company("k1", name="Acme Holding", vat_number=VAT, website="acme.be"),
        company("k2", name="Acme Services", website="acme.be"),
        company("k3", name="Acme Services"),
    )
    assert group(*rows) == {"k1": ("k1", None), "k2": ("k1", "domain"), "k3": ("k1", "name")}


def test_several_groups_by_name() -> None:
    rows = (
        company("k1", name="Acme", vat_number=VAT, updated="2026-01-01"),
        company("k2", name="Acme", vat_number=OTHER_VAT, updated="2026-03-01"),
        company("k3", name="Acme", vat_number=THIRD_VAT, updated="2026-09-01", status="deactivated"),
        company("k4", name="Acme", updated="2026-10-01"),
    )
    assert group(*rows)["k4"] == ("k2", "name")
    assert also_fits(*rows) == {"k4": ["k1", "k3"]}


def test_a_company_that_joins_may_win() -> None:
    rows = (
        company("k1", vat_number=VAT, website="acme.be", status="deactivated"),
        company("k2", website="acme.be"),
        company("k3", vat_number=VAT, status="deactivated"),
    )
    assert group(*rows) == {"k1": ("k2", "domain"), "k2": ("k2", None), "k3": ("k2", "vat")}


def test_what_joins_in_one_step_cannot_change_that_step() -> None:
    """k3 makes k1's group the better one; k4 still goes where it would have gone before."""
    rows = (
        company("k1", vat_number=VAT, website="acme.be", status="deactivated", updated="2026-01-01"),
        company("k2", vat_number=OTHER_VAT, website="acme.be", status="deactivated", updated="2026-02-01"),
        company("k3", website="acme.be", updated="2026-03-01"),
        company("k4", website="acme.be", updated="2026-04-01"),
    )
    assert {k: v[0] for k, v in group(*rows).items()} == {"k1": "k1", "k2": "k4", "k3": "k4", "k4": "k4"}
    assert also_fits(*rows) == {"k3": ["k1"], "k4": ["k1"]}


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({"id": "z", "updated": "2020-01-01"}, {"status": "deactivated"}),
        ({"id": "z", "updated": "2020-01-01", "vat_number": VAT}, {}),
        ({"id": "z", "updated": "2026-02-01"}, {}),
        ({"id": "z", "added_at": at("2014-01-01")}, {}),
        ({"id": "z"}, {"added_at": None}),
        ({"id": "z"}, {"updated_at": None}),
        ({"id": "a"}, {}),
    ],
)
def test_winner(winner: dict[str, Any], loser: dict[str, Any]) -> None:
    rows = company(**{"website": "acme.be"} | winner), company("k", **{"website": "acme.be"} | loser)
    assert {found[0] for found in group(*rows).values()} == {winner["id"]}


def decide(
    rows: list[dict[str, Any]], people: list[dict[str, Any]], *pairs: tuple[Any, ...], linked: Any = ()
) -> dict[str, dict[str, Any]]:
    settings = b.settings()
    decided = companies.decide(
        companies.group(b.companies(*rows), settings),
        b.links(*pairs),
        contacts.decide(b.contacts(*people), set(), settings),
        linked,
        settings,
    )
    assert dict(decided.schema) == polars_schema("decisions.companies")
    return b.rows(decided)


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ({}, ("sync", "eligible_contact")),
        ({"changed": "2022-01-01"}, ("sync", "eligible_contact")),
        ({"marketing_mails_consent": False}, ("sync", "eligible_contact")),
        ({"changed": "2020-01-01"}, ("skip", "no_eligible_contact")),
        ({"email": None}, ("skip", "no_eligible_contact")),
    ],
)
def test_eligible_by_a_contact(person: dict[str, Any], expected: tuple[str, str]) -> None:
    found = decide([company("k1"), company("k2")], [contact("c1", **person)], ("c1", "k1"))
    assert (found["k1"]["status"], found["k1"]["reason"]) == expected
    assert found["k1"]["eligible_contact"] == ("c1" if expected[0] == "sync" else None)
    assert (found["k2"]["status"], found["k2"]["reason"]) == ("skip", "no_eligible_contact")


def test_eligible_by_a_contact_that_lost_as_duplicate() -> None:
    people = [contact("c1", email="a@example.com", changed="2026-01-01"), contact("c2", email="a@example.com")]
    found = decide([company("k1")], people, ("c1", "k1"))
    assert (found["k1"]["reason"], found["k1"]["eligible_contact"]) == ("eligible_contact", "c2")


def test_eligible_by_a_member_of_the_group() -> None:
    rows = [company("k1", vat_number=VAT), company("k2", vat_number=VAT, status="deactivated")]
    found = decide(rows, [contact("c1")], ("c1", "k2"), ("c1", "unknown"), ("unknown", "k1"), linked={"k2"})
    assert (found["k1"]["status"], found["k1"]["reason"]) == ("sync", "eligible_contact")
    assert (found["k2"]["status"], found["k2"]["reason"]) == ("skip", "duplicate_company")
    assert found["k2"]["duplicate_of"] == found["k2"]["group_id"] == "k1"
    assert (found["k1"]["linked"], found["k2"]["linked"]) == (False, True)
    assert found["k2"]["source_status"] == "deactivated"


def test_deactivated_companies_are_treated_as_active_ones() -> None:
    found = decide([company("k1", status="deactivated")], [contact("c1")], ("c1", "k1"))
    assert found["k1"]["status"] == "sync"


def test_duplicate_before_eligibility() -> None:
    rows = [company("k1", name="Acme"), company("k2", name="Acme")]
    found = decide(rows, [], ("c1", "k1"))
    assert {k: r["reason"] for k, r in found.items()} == {"k1": "no_eligible_contact", "k2": "duplicate_company"}


def test_keys_as_stored() -> None:
    row = company("k1", name="Acme N.V.", vat_number="0899.623.035", website="http://www.acme.be", country="BE")
    found = decide([row, company("k2", name="", primary_address=None, vat_number="0899.623.035", emails=None)], [])
    assert [found["k1"][key] for key in companies.KEYS] == [VAT, "acme.be", "acme"]
    assert [found["k2"][key] for key in companies.KEYS] == [None, None, None]


def test_nothing_at_all() -> None:
    assert decide([], []) == {}
