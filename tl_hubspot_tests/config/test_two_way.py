"""The file of two-way flows: the shipped one holds exactly the four flows, and every mistake is named with its line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from tl_hubspot.config.two_way import load, parse
from tl_hubspot.errors import ConfigurationError, ExitCode
from tl_hubspot.two_way.flows import Flow

SHIPPED = files("tl_hubspot.config").joinpath("two_way.yaml").read_text(encoding="utf-8")
ONE = """
flows:
  - flow: people
    a: Contact
    b: Contacts
    establish: match_or_create
    fields:
      - {a: firstname, b: givenName}
      - {a: phone, b: directPhone, compare: phone}
"""


def good(text: str) -> tuple[Flow, ...]:
    flows, mistakes = parse(text)
    assert not mistakes, mistakes
    return flows


def test_the_shipped_file_holds_exactly_these_flows_and_pairs() -> None:
    pairs = {(f.a, f.b): [(field.a, field.b, field.type, field.compare) for field in f.fields] for f in load()}
    assert pairs == {
        ("Contact", "Contacts"): [
            ("firstname", "givenName", "string", "text"),
            ("lastname", "familyName", "string", "text"),
            ("mobilephone", "mobilePhone", "string", "phone"),
            ("phone", "directPhone", "string", "phone"),
        ],
        ("Contactcompanyassociation", "Contacts"): [],
        ("Product", "Companies"): [],
        ("User", "Contacts"): [],
    }


def test_the_shipped_defaults() -> None:
    contact, association, product, user = load()
    assert contact.establish == "match_or_create" and contact.create_in == ("a", "b")
    assert contact.keys == (("mobilephone", "lastname", "firstname"),)
    assert {(f.policy, f.owner) for f in contact.fields} == {("newest", "teamleader")}
    assert contact.tie_side == "a" and contact.max_skew == timedelta(seconds=120)
    assert contact.deletion == "unlink" and contact.propagate_clear and contact.write == ("a", "b")
    assert (contact.max_delete_ratio, contact.max_delete_minimum, contact.since) == (0.05, 20, None)
    assert association.establish == "derived"
    for flow in (association, product, user):
        assert flow.keys == () and flow.create_in == () and flow.enabled
    assert product.establish == user.establish == "match_only"


def test_what_a_file_may_say() -> None:
    (flow,) = good(
        ONE
        + """
    keys: [[phone], [firstname, phone]]
    on_unmatched: {a: create}
    conflict: {policy: hold, tie_side: b, max_skew_seconds: 5}
    propagate_clear: false
    delete: archive_other
    max_delete_ratio: 0.5
    phone_region: be
    write: {a: false}
    full_sync: false
    since: 2026-11-02T11:00:00Z
"""
    )
    assert flow.keys == (("phone",), ("firstname", "phone")) and flow.create_in == ("b",) and flow.write == ("b",)
    assert {f.policy for f in flow.fields} == {"hold"} and flow.tie_side == "b"
    assert flow.max_skew == timedelta(seconds=5) and flow.max_delete_ratio == 0.5 and flow.phone_region == "BE"
    assert not flow.propagate_clear and flow.deletion == "archive_other"
    assert flow.since == datetime(2026, 11, 2, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("flows: [", 1, "not good YAML"),
        ("", 1, "is empty"),
        ("flows: []\nother: 1", 2, "Unknown key 'other'"),
        ("flows:\n  - {flow: x, a: A}", 2, "A flow needs"),
        ("flows:\n  - {flow: 'X Y', a: A, b: B}", 2, "is no name"),
        (f"{ONE}\n  - {{flow: people, a: A, b: B}}", 11, "stands here twice"),
        (f"{ONE}      - {{a: phone, b: mobilePhone}}", 10, "'phone' of HubSpot is mapped twice"),
        (f"{ONE}      - {{a: mobilephone, b: directPhone}}", 10, "'directPhone' of Crmoffice is mapped twice"),
        (f"{ONE}      - {{a: age, b: age, type: number}}", 10, "Only fields of type string"),
        (f"{ONE}      - {{a: age}}", 10, "A field needs"),
        (f"{ONE}      - {{a: x, b: y, policy: latest}}", 10, "Unknown value 'latest' of 'policy'"),
        (f"{ONE}    keys: [[email]]", 10, "'email' is no field of this flow"),
        (f"{ONE}    keys: [[]]", 10, "at least one part"),
        (f"{ONE}    conflict: {{max_skew_seconds: soon}}", 10, "must be a number"),
        (f"{ONE}    max_delete_ratio: 5", 10, "from 0 to 1"),
        (f"{ONE}    phone_region: XX", 10, "'XX' is no country"),
        (f"{ONE}    full_sync: false", 3, "needs 'since'"),
        (f"{ONE}    full_sync: false\n    since: 2026-11-02", 11, "needs 'since'"),
        (f"{ONE}    since: 2026-11-02T11:00:00Z", 10, "'since' is not used"),
        ("flows:\n  - {flow: x, a: A, b: B, on_unmatched: {a: create}}", 2, "never creates"),
        (
            "flows:\n  - {flow: x, a: A, b: B, establish: filtered, on_unmatched: {a: create}}",
            2,
            "nothing to create",
        ),
        (
            "flows:\n  - {flow: x, a: A, b: B, establish: create_always, fields: [{a: p, b: q}], keys: [[p]]}",
            2,
            "Keys are not used",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int, what: str) -> None:
    flows, mistakes = parse(text)
    assert flows == () and len(mistakes) == 1
    assert (mistakes[0].line, what in mistakes[0].what, bool(mistakes[0].mend)) == (line, True, True), mistakes


def test_all_mistakes_of_a_file_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "flows.yaml"
    path.write_text(SHIPPED.replace("compare: text", "compare: txt"), encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load(path)
    assert error.value.exit_code == ExitCode.USAGE
    assert error.value.sentence.count("'txt'") == 2 and "Did you mean 'text'?" in error.value.sentence
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "none.yaml")
