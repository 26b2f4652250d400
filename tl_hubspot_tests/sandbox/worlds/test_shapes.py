"""Every record of a world has exactly the properties of Teamleader's `.info`, with values of the documented form."""

import re

import pytest

from tl_hubspot.sandbox.teamleader import ids
from tl_hubspot.sandbox.worlds import TEAMLEADER_KINDS, world

CONTACT = """
    id first_name last_name status salutation vat_number emails telephones website addresses gender birthdate iban bic
    national_identification_number language payment_term invoicing_preferences remarks companies tags custom_fields
    price_list added_at updated_at web_url
"""
COMPANY = """
    id name status business_type vat_number national_identification_number emails telephones website addresses iban bic
    language preferred_currency payment_term invoicing_preferences responsible_user remarks tags custom_fields
    price_list marketing_mails_consent added_at updated_at web_url
"""
DEAL = """
    id title summary reference status lead department estimated_value estimated_closing_date estimated_probability
    weighted_value purchase_order_number current_phase pipeline responsible_user closed_at source phase_history
    quotations lost_reason currency_exchange_rate custom_fields created_at updated_at web_url
"""
REFERENCE = {
    "users": "id account first_name last_name email telephones language function status teams",
    "departments": "id name vat_number currency emails status",
    "dealPipelines": "id name",
    "dealPhases": "id name actions requires_attention_after probability deal_pipeline_id",
    "dealSources": "id name",
    "lostReasons": "id name",
    "businessTypes": "id name country",
}
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
DATABASE_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
DATE = re.compile(r"\d{4}-\d\d-\d\d")


@pytest.fixture(scope="module", params=["subset", "demo"])
def made(request):
    return world(request.param)


def relation(value, *types):
    return value is None or (set(value) == {"type", "id"} and value["type"] in types and ids.is_uuid(value["id"]))


def stamped(record, *names):
    return all(record[name] is None or STAMP.fullmatch(record[name]) for name in names)


def fields(record, made, context):
    definitions = [row["id"] for row in made.teamleader("customFieldDefinitions") if row["context"] == context]
    assert [field["definition"]["id"] for field in record["custom_fields"]] == definitions
    return True


def postal(addresses, required):
    assert not required or len(addresses) == 1
    for entry in addresses:
        assert entry["type"] == "primary"
        assert set(entry["address"]) == {"line_1", "postal_code", "city", "country", "area_level_two"}
        assert entry["address"]["country"] in ("BE", "NL")
    return True


def test_contacts(made):
    for record in made.teamleader("contacts"):
        assert record.keys() - {"marketing_mails_consent"} == set(CONTACT.split())
        assert record.get("marketing_mails_consent") in (True, False, None)
        assert ids.decode(record["id"]) and record["web_url"].endswith(record["id"])
        assert record["status"] in ("active", "deactivated") and record["last_name"]
        assert all(set(entry) == {"type", "email"} for entry in record["emails"])
        assert {entry["type"] for entry in record["telephones"]} <= {"phone", "mobile", "fax"}
        assert record["gender"] in ("female", "male", "unknown")
        assert record["language"] in ("nl", "fr", "en", None)
        assert stamped(record, "added_at", "updated_at") and postal(record["addresses"], True)
        assert fields(record, made, "contact")
        for link in record["companies"]:
            assert set(link) == {"position", "secondary_position", "division", "decision_maker", "company"}
            assert relation(link["company"], "company") and link["decision_maker"] in (True, False)


def test_companies(made):
    for record in made.teamleader("companies"):
        assert record.keys() == set(COMPANY.split())
        assert ids.decode(record["id"]) and record["name"]
        assert {entry["type"] for entry in record["emails"]} <= {"primary", "invoicing"}
        assert {entry["type"] for entry in record["telephones"]} <= {"phone", "fax"}
        assert relation(record["business_type"], "businessType") and relation(record["responsible_user"], "user")
        assert stamped(record, "added_at", "updated_at") and postal(record["addresses"], True)
        assert fields(record, made, "company")


def test_deals(made):
    for record in made.teamleader("deals"):
        assert record.keys() == set(DEAL.split())
        assert record["status"] in ("new", "open", "won", "lost")
        assert set(record["lead"]) == {"customer", "contact_person"}
        assert relation(record["lead"]["customer"], "contact", "company")
        assert relation(record["lead"]["contact_person"], "contact")
        assert relation(record["source"], "dealSource") and relation(record["department"], "department")
        assert relation(record["current_phase"], "dealPhase") and relation(record["pipeline"], "dealPipeline")
        for money in (record["estimated_value"], record["weighted_value"]):
            assert money is None or (set(money) == {"amount", "currency"} and money["amount"] > 0)
        assert 0 <= record["estimated_probability"] <= 1
        assert (record["lost_reason"] is not None) == (record["status"] == "lost")
        assert stamped(record, "created_at", "updated_at", "closed_at") and fields(record, made, "sale")
        assert record["estimated_closing_date"] is None or DATE.fullmatch(record["estimated_closing_date"])
        for entry in record["phase_history"]:
            assert set(entry) == {"phase", "started_at", "started_by"} and DATABASE_STAMP.fullmatch(entry["started_at"])


def test_reference_data(made):
    counts = dict.fromkeys(TEAMLEADER_KINDS, 0)
    for kind, names in REFERENCE.items():
        for record in made.teamleader(kind):
            assert record.keys() == set(names.split()), kind
            assert ids.decode(record["id"]), kind
            counts[kind] += 1
    assert counts["dealPipelines"] == 2 and counts["dealPhases"] == 9 and counts["users"] == 5
    for record in made.teamleader("customFieldDefinitions"):
        select = record["type"] in ("single_select", "multi_select")
        assert ("configuration" in record) == select
        assert record["context"] in ("contact", "company", "sale")


def test_hubspot_records(made):
    for object_type in ("contacts", "companies", "deals"):
        seen = set()
        for record in made.hubspot_objects(object_type):
            assert record["id"].isdecimal() and record["id"] not in seen
            seen.add(record["id"])
            assert all(isinstance(value, str) and value for value in record["properties"].values())
            assert STAMP.fullmatch(record["createdAt"]) and record["createdAt"] <= record["updatedAt"]
            assert record.keys() <= {
                *("id", "properties", "secondary_emails", "marketable", "opted_out", "archived", "createdAt"),
                "updatedAt",
            }
        custom = {definition["name"] for definition in made.hubspot_properties(object_type)}
        needed = {
            name
            for record in made.hubspot_objects(object_type)
            for name in record["properties"]
            if name.startswith("teamleader_") or name == "vat_number"
        }
        assert custom == needed
