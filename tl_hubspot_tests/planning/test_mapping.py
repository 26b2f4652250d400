"""The mapping as data: the default rows are exactly the documented ones."""

from __future__ import annotations

from pathlib import Path

from tl_hubspot.planning.mapping import POLICIES, REQUIRED, FieldRule, Mapping
from tl_hubspot.planning.sources import SOURCES
from tl_hubspot.planning.transforms import TRANSFORMS
from tl_hubspot_tests.planning.builders_plan import default_mapping

STATUS = ("active", "deactivated", "deleted", "out_of_scope")
DEFAULT = {
    "contact": """
        id + teamleader_id string unique
        emails[primary] email string
        first_name firstname string
        last_name lastname string
        salutation salutation string
        telephones[mobile] mobilephone string
        telephones[phone] phone string
        link.position jobtitle string
        language hs_language enumeration
        website website string
        primary_address.line_1 address string
        primary_address.postal_code zip string
        primary_address.city city string
        primary_address.country country string
        decision.opted_out + teamleader_opt_out bool
        decision.marketing + teamleader_marketing bool
        status + teamleader_status enumeration
        changed_at + teamleader_changed_at datetime
        web_url + teamleader_url string
    """,
    "company": """
        id + teamleader_id string unique
        name name string
        vat_number + vat_number string
        decision.domain domain string
        website website string
        emails[primary] + teamleader_email string
        telephones[phone] phone string
        primary_address.line_1 address string
        primary_address.postal_code zip string
        primary_address.city city string
        primary_address.country country string
        business_type + teamleader_business_type string
        responsible_user hubspot_owner_id enumeration
        status + teamleader_status enumeration
        web_url + teamleader_url string
    """,
    "deal": """
        id + teamleader_id string unique
        title dealname string
        estimated_value.amount amount number
        estimated_value.currency deal_currency_code enumeration
        pipeline pipeline enumeration
        current_phase dealstage enumeration
        closing_date closedate datetime
        created_at createdate datetime
        created_at + teamleader_created_at datetime
        updated_at + teamleader_updated_at datetime
        status + teamleader_status enumeration
        decision.label + teamleader_label enumeration
        lost_reason closed_lost_reason string
        source + teamleader_source string
        reference + teamleader_reference string
        responsible_user hubspot_owner_id enumeration
        web_url + teamleader_url string
    """,
}


def described(rule: FieldRule) -> str:
    custom, unique = "+ " if rule.custom else "", " unique" if rule.unique else ""
    return f"{rule.source} {custom}{rule.property} {rule.type}{unique}"


def test_the_default_file_holds_exactly_the_documented_rows() -> None:
    for entity_type, text in DEFAULT.items():
        assert [described(r) for r in default_mapping().of(entity_type)] == [
            x.strip() for x in text.split("\n") if x.strip()
        ]


def test_teamleader_is_the_master_of_every_default_row() -> None:
    assert {r.policy for r in default_mapping().fields} == {"always"}


def test_options_of_the_default_properties() -> None:
    options = {(r.entity_type, r.property): [v for v, _ in r.options] for r in default_mapping().fields if r.options}
    assert options == {
        ("contact", "teamleader_status"): list(STATUS),
        ("company", "teamleader_status"): list(STATUS),
        ("deal", "teamleader_status"): ["open", "won", "lost", "deleted", "out_of_scope"],
        ("deal", "teamleader_label"): ["inactief"],
    }


def test_rest_of_the_default_file() -> None:
    mapping = default_mapping()
    assert mapping.property_group == ("teamleader", "Teamleader") and mapping.default_country == "BE"
    assert mapping.pipelines.mode == "provision"
    assert mapping.protected_names == (
        "Eerste bron", "Laatste bron", "Original source", "Latest source", "Original traffic source",
        "Latest traffic source",
    )  # fmt: skip
    assert [r.property for r in mapping.fields if r.when_writable] == ["deal_currency_code", "createdate"]


def test_every_required_row_is_in_the_default_file() -> None:
    for entity_type, required in REQUIRED.items():
        for property_, source in required.items():
            assert default_mapping().property_for(entity_type, source) == property_


def test_views_of_a_mapping() -> None:
    rules = (
        FieldRule("contact", "first_name", "b"),
        FieldRule("contact", "last_name", "a"),
        FieldRule("deal", "title", "c"),
    )
    mapping = Mapping(rules)
    assert mapping.properties("contact") == ["a", "b"] and mapping.of("deal") == rules[2:]
    assert mapping.property_for("contact", "nothing") is None
    assert mapping.without({("contact", "a")}).properties("contact") == ["b"]


def test_the_documentation_names_every_source_transform_policy_and_default_row() -> None:
    path = Path(__file__).parents[2] / "docs" / "mapping.md"
    text = path.read_text(encoding="utf-8")
    names = {name for kind in SOURCES for name in SOURCES[kind]} | set(TRANSFORMS) | set(POLICIES)
    assert {name for name in names if f"`{name}`" not in text} == set()
    for rule in default_mapping().fields:
        assert f"| `{rule.source}` | {'+ ' if rule.custom else ''}`{rule.property}` | {rule.type}" in text
