"""What the address of a page says of a record, and the numbers that Teamleader's older addresses have."""

from __future__ import annotations

import pytest

from tl_hubspot.orchestration.steps.looking_up import Page, old_number, page_of
from tl_hubspot.sandbox.teamleader import ids

ID = "00ec284d-3b6f-0d3e-9930-5fa4b9f05396"


@pytest.mark.parametrize(
    ("text", "page"),
    [
        (f"https://focus.teamleader.eu/contact_detail.php?id={ID}", Page("Teamleader", "contact", ID)),
        (f"focus.teamleader.eu/company_detail.php?x=1&id={ID}#top", Page("Teamleader", "company", ID)),
        ("https://focus.teamleader.eu/sale_detail.php?id=4711", Page("Teamleader", "deal", "4711")),
        (f"https://focus.teamleader.eu/web/deals/{ID}/edit", Page("Teamleader", "deal", ID)),
        (f"HTTPS://Focus.Teamleader.eu/Contact_detail.php?ID={ID.upper()}", Page("Teamleader", "contact", ID)),
        ("https://app.hubspot.com/contacts/12345/record/0-1/77", Page("HubSpot", "contact", "77", "12345")),
        ("https://app.hubspot.com/contacts/12345/record/0-1/77/view/1", Page("HubSpot", "contact", "77", "12345")),
        ("app-eu1.hubspot.com/contacts/12345/record/0-2/77/?eschref=x", Page("HubSpot", "company", "77", "12345")),
        ("https://app.hubspot.com/contacts/12345/deal/77", Page("HubSpot", "deal", "77", "12345")),
        ("https://app.hubspot.com/sales/12345/deal/77/", Page("HubSpot", "deal", "77", "12345")),
        ("https://app.hubspot.com/contacts/12345/objects/0-2/77", Page("HubSpot", "company", "77", "12345")),
        ("https://app.hubspot.com/contacts/12345/record/0-48/77", None),
        ("https://focus.teamleader.eu/", None),
        (f"https://teamleader.eu.example.com/contact_detail.php?id={ID}", None),
        ("https://[broken", None),
        ("somebody@teamleader.eu", None),
        (ID, None),
        ("4711", None),
        ("", None),
    ],
)
def test_page_of(text: str, page: Page | None) -> None:
    assert page_of(text) == page


@pytest.mark.parametrize("number", [1, 4711, 2**31])
def test_old_numbers_stand_in_ids_of_version_0(number: int) -> None:
    assert old_number(ids.encode("DealId", number)) == number


def test_other_ids_have_no_number() -> None:
    assert old_number("6ba7b810-9dad-41d1-80b4-00c04fd430c8") is None
    assert old_number("c1") is None
