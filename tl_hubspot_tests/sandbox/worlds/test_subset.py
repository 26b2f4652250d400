"""The subset holds every edge case, and its records really are what the cases say."""

from datetime import UTC, date, datetime, timedelta

import pytest
from stdnum.eu import vat

from tl_hubspot.sandbox.worlds import DEFAULT_AS_OF, world
from tl_hubspot.sandbox.worlds.subset import company_id, contact_id, deal_id
from tl_hubspot_tests.sandbox.worlds import oracle

LEAP_DAY = datetime(2028, 2, 29, 11, tzinfo=UTC)
SUMMER_MIDNIGHT = datetime(2027, 7, 14, 22, 30, tzinfo=UTC)  # the 15th in Brussels
KINDS = {"contact": "contacts", "company": "companies", "deal": "deals"}
KEYS = {
    *("status", "reason", "bucket", "duplicate_of", "hubspot_id", "not_hubspot_id", "properties", "untouched"),
    *("unsubscribed", "asked", "associations", "company_primary", "report"),
}

NAMES = {
    "contact": """
        no_email_empty_list no_email_only_white_space opted_out_without_address email_of_other_type
        email_white_space_and_upper_case email_primary_before_other_type email_international_domain
        invalid_email_last_label_of_digits invalid_email_two_dots invalid_email_one_label
        invalid_email_accent_in_local_part invalid_email_local_part_of_65 no_date added_at_stands_in_for_updated_at
        changed_in_the_future exactly_two_years two_years_less_one_day_at_midnight two_years_and_one_day
        exactly_five_years_at_midnight five_years_and_one_second five_years_less_one_day deactivated_never_linked
        deactivated_but_linked linked_becomes_too_old duplicate_active_before_deactivated
        duplicate_winner_takes_over_link duplicate_latest_changed_at duplicate_winner duplicate_earliest_added_at
        duplicate_loser_opts_winner_out duplicate_smallest_id duplicate_smallest_id_winner opted_out_known_to_hubspot
        opted_out_created_by_the_run opted_out_unknown_to_hubspot opted_out_although_skipped skipped_is_no_duplicate
        opted_out_by_skipped_contact opted_out_secondary_address consent_absent consent_null
        opted_out_in_hubspot_already matched_by_teamleader_id matched_by_primary_address protected_property_kept
        matched_by_secondary_address claims_by_primary_first claimed_by_other deleted_in_hubspot
        archived_with_same_address email_taken plus_tag_is_another_address unknown_teamleader_id
        unrelated_hubspot_contact
    """,
    "company": """
        company_by_vat_of_nine_digits company_claimed_by_stronger_key company_domain_private_suffix
        company_by_additional_domain company_ambiguous_match company_by_name company_free_mail_and_social_network
        company_vat_differs company_with_other_vat_untouched duplicate_company_by_vat
        company_eligible_by_losers_contact company_without_eligible_contact company_by_teamleader_id
        company_eligible_by_duplicate_contact company_deactivated_but_synced company_fits_two_groups
        company_vat_check_digits_wrong
    """,
    "deal": """
        deal_no_contact deal_linked_becomes_skip deal_contact_not_eligible deal_open_changed_recently
        deal_by_contact_person deal_inactive deal_open_too_old deal_won_recently deal_closed_too_old
        deal_closed_old_but_linked deal_without_history deal_title_empty deal_contact_does_not_exist
    """,
    "relation": """
        deal_of_contact_gets_no_company deal_company_not_synced deal_of_duplicate_loser many_companies_per_contact
        many_contacts_per_company primary_company_kept losers_company_for_winner contact_of_losing_company
        contact_of_losing_company_by_vat
    """,
}
REASONS = {
    "contact": """
        no_email invalid_email no_date too_old deactivated duplicate_email opted_out consent_unknown
        changed_within_2_years changed_2_to_5_years claimed_by_other deleted_in_hubspot
    """,
    "company": "eligible_contact no_eligible_contact duplicate_company",
    "deal": """
        no_contact contact_not_eligible changed_within_2_years inactive too_old closed closed_too_old
    """,
}
REPORTS = """
    email_taken ambiguous_company_match ambiguous_company_group unknown_teamleader_id future_date
    opted_out_without_address
"""


@pytest.fixture(scope="module")
def subset():
    return world("subset")


def test_exactly_fifty_ten_ten(subset):
    assert [sum(1 for _ in subset.teamleader(kind)) for kind in ("contacts", "companies", "deals")] == [50, 10, 10]


@pytest.mark.parametrize("entity", NAMES)
def test_every_case_is_there_once(subset, entity):
    assert sorted(case.name for case in subset.cases if case.entity == entity) == sorted(NAMES[entity].split())


@pytest.mark.parametrize("entity", REASONS)
def test_every_reason_occurs(subset, entity):
    found = {case.expected["reason"] for case in subset.cases if case.entity == entity and "reason" in case.expected}
    assert found == set(REASONS[entity].split())


def test_every_report_occurs(subset):
    assert {case.expected["report"] for case in subset.cases if "report" in case.expected} == set(REPORTS.split())


def test_cases_refer_to_records_that_exist(subset):
    ids = {entity: {record["id"] for record in subset.teamleader(kind)} for entity, kind in KINDS.items()}
    everything = set().union(*ids.values())
    hubspot = {record["id"] for kind in KINDS.values() for record in subset.hubspot_objects(kind)}
    for case in subset.cases:
        expected = case.expected
        assert expected.keys() <= KEYS, case.name
        assert case.spec.startswith("§") and case.story.endswith("."), case.name
        if "untouched" not in expected:
            assert case.teamleader_id in (everything if case.entity == "relation" else ids[case.entity]), case.name
        named = [expected.get(key) for key in ("hubspot_id", "not_hubspot_id", "untouched") if key in expected]
        assert set(named) <= hubspot, case.name
        assert expected.get("duplicate_of") in everything | {None}, case.name
        linked = [record for records in expected.get("associations", {}).values() for record in records]
        for record in linked:
            system, _, id = record.partition(":")
            assert id in {"teamleader": everything, "hubspot": hubspot}[system], case.name
        assert expected.get("company_primary") in [*linked, None], case.name


@pytest.mark.parametrize("as_of", [DEFAULT_AS_OF, LEAP_DAY, SUMMER_MIDNIGHT], ids=["default", "leap_day", "midnight"])
@pytest.mark.parametrize("seed", [1, 20260])
def test_contacts_are_what_their_cases_say(as_of, seed):
    subset = world("subset", as_of=as_of, seed=seed)
    reasons = oracle.contact_reasons(subset.teamleader("contacts"), as_of, oracle.carried(subset, "contacts"))
    checked = 0
    for case in subset.cases:
        if case.entity == "contact" and "status" in case.expected:
            expected = case.expected
            assert reasons[case.teamleader_id] == (expected["reason"], expected.get("duplicate_of")), case.name
            checked += 1
    assert checked >= 45


@pytest.mark.parametrize("as_of", [DEFAULT_AS_OF, LEAP_DAY, SUMMER_MIDNIGHT], ids=["default", "leap_day", "midnight"])
def test_deals_are_what_their_cases_say(as_of):
    subset = world("subset", as_of=as_of)
    linked = oracle.carried(subset, "contacts")
    contacts = oracle.contact_reasons(subset.teamleader("contacts"), as_of, linked)
    deals = oracle.deal_reasons(subset.teamleader("deals"), contacts, linked, oracle.carried(subset, "deals"), as_of)
    expected = {
        case.teamleader_id: case.expected["reason"]
        for case in subset.cases
        if case.entity == "deal" and "reason" in case.expected
    }
    assert deals == expected
    assert set(expected) == {deal_id(number) for number in range(1, 11)}


def test_boundaries_lie_on_both_sides_of_midnight(subset):
    by_id = {record["id"]: record["updated_at"] for record in subset.teamleader("contacts")}
    assert by_id[contact_id(14)] == "2024-11-02T22:59:59+00:00"
    assert by_id[contact_id(15)] == "2024-11-02T23:00:00+00:00"
    assert by_id[contact_id(17)] == "2021-11-01T23:00:00+00:00"
    assert by_id[contact_id(18)] == "2021-11-01T22:59:59+00:00"
    assert oracle.day(oracle.instant(by_id[contact_id(15)])) == date(2024, 11, 3)


def test_properties_named_by_cases_of_known_addresses(subset):
    """What a case says of an address agrees with the contact's own entry."""
    contacts = {record["id"]: record for record in subset.teamleader("contacts")}
    checked = 0
    for case in subset.cases:
        created = case.expected.get("bucket") == "created" and case.entity == "contact"
        if created and "email" in case.expected.get("properties", {}):
            assert oracle.address(contacts[case.teamleader_id]) == case.expected["properties"]["email"], case.name
            checked += 1
    assert checked >= 15


def test_opted_out_addresses_belong_to_the_contact_or_its_hubspot_record(subset):
    contacts = {record["id"]: record for record in subset.teamleader("contacts")}
    hubspot = {record["id"]: record for record in subset.hubspot_objects("contacts")}
    for case in subset.cases:
        for email in case.expected.get("unsubscribed", []):
            known = {oracle.address(contacts[case.teamleader_id])}
            if "hubspot_id" in case.expected:
                known.add(hubspot[case.expected["hubspot_id"]]["properties"]["email"])
            assert email in known, case.name


def test_addresses_in_hubspot_are_unique_among_living_contacts(subset):
    seen = [
        email
        for record in subset.hubspot_objects("contacts")
        if not record.get("archived")
        for email in (record["properties"]["email"], *record.get("secondary_emails", ()))
    ]
    assert len(seen) == len(set(seen))
    assert all(email == email.strip().lower() for email in seen)


def test_company_numbers(subset):
    number = {record["id"]: record["vat_number"] for record in subset.teamleader("companies")}
    nine_digits = number[company_id("A")]
    assert nine_digits[0] == "1" and vat.is_valid(f"BE0{nine_digits}")
    assert vat.is_valid(number[company_id("C")])
    assert vat.compact(number[company_id("F")]) == vat.compact(number[company_id("G")])
    assert vat.is_valid(number[company_id("F")])
    assert not vat.is_valid(number[company_id("J")])


def test_as_of_moves_everything_with_it():
    earlier, later = world("subset"), world("subset", as_of=DEFAULT_AS_OF + timedelta(days=1000))
    assert [case.name for case in earlier.cases] == [case.name for case in later.cases]
    assert {r["updated_at"] for r in earlier.teamleader("contacts")}.isdisjoint(
        {r["updated_at"] for r in later.teamleader("contacts")} - {None}
    )
