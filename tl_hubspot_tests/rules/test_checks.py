"""Each check with rows that offend and rows that do not."""

from __future__ import annotations

from tl_hubspot.rules import checks
from tl_hubspot.rules.evaluate import evaluate
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import at, company, contact, deal

VAT = "BE0899623035"
SOURCE = b.source(
    contacts=b.contacts(
        contact("c1", email="ann@example.com"),
        contact("c2", email="ANN@example.com", changed="2010-01-01"),
        contact("c3", email=None, marketing_mails_consent=False),
        contact("c4", email=None),
        contact("c5", updated_at=None, added_at=None, changed_at=None),
        contact("c6", changed="2026-11-02T12:00:01"),
        contact("c7", changed="2026-11-02T12:00:00", marketing_mails_consent=False),
    ),
    companies=b.companies(
        company("k1", vat_number=VAT, website="acme.be"),
        company("k2", vat_number="0899.623.035"),
        company("k3", vat_number="BE0899623036"),
        company("k4", vat_number=" "),
        company("k5", website="acme.be"),
        company("k6", vat_number="0403170701", website="acme.be"),
        company("k7", vat_number="0403170701", country=None),
    ),
    contact_company_links=b.links(("c1", "k1"), ("c1", "gone"), ("gone", "k1"), ("gone", "gone")),
    deals=b.deals(deal("d1"), deal("d2", customer_type="company", customer_id="k1"), deal("d3", customer_id="c9")),
    deal_phase_history=b.history(("d1", "2026-01-01 10:00:00"), ("d1", "soon"), ("d2", "01/02/2026")),
)
DECIDED = evaluate(SOURCE, b.settings())


def test_contacts() -> None:
    assert checks.duplicate_addresses(DECIDED.contacts).rows() == [
        ("ann@example.com", "c1", "changed_within_2_years", None),
        ("ann@example.com", "c2", "too_old", None),
    ]
    assert checks.opt_outs_without_address(DECIDED.contacts).rows() == [("c3",)]
    assert checks.contacts_without_date(DECIDED.contacts).rows() == [("c5",)]
    assert checks.contacts_with_future_date(DECIDED.contacts).rows() == [("c6", at("2026-11-02T12:00:01"), b.NOON)]


def test_companies() -> None:
    assert checks.companies_without_vat(SOURCE.companies).rows() == [("k4",), ("k5",)]
    assert checks.companies_with_invalid_vat(SOURCE.companies, DECIDED.companies).rows() == [
        ("k3", "BE0899623036", "BE"),
        ("k7", "0403170701", None),
    ]
    assert checks.companies_sharing_vat(DECIDED.companies).rows() == [(VAT, "k1", None), (VAT, "k2", "k1")]
    assert checks.companies_fitting_several_groups(DECIDED.companies).rows() == [("k5", "k1", "domain", ["k6"])]


def test_deals_and_links() -> None:
    assert checks.deals_without_contact(DECIDED.deals).rows() == [("d2", "k1")]
    assert checks.links_to_unknown(SOURCE.contact_company_links, SOURCE.contacts, SOURCE.companies).rows() == [
        ("c1", "gone", "company"),
        ("gone", "gone", "both"),
        ("gone", "k1", "contact"),
    ]
