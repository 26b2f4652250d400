"""No mapping, transform or record makes a request that carries a protected property: what leaves is looked at.

What is protected is said here once more, from SPEC's words and not from the product's function.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tl_hubspot.config.mapping import parse
from tl_hubspot.pushing.push import push
from tl_hubspot.pushing.wire import ProtectedProperty
from tl_hubspot_tests.hubspot.support import Portal
from tl_hubspot_tests.pushing.conftest import SETTINGS
from tl_hubspot_tests.pushing.memory import MemoryLedger, create, plan, update

FAMILIES = ("hs_analytics_source", "hs_latest_source", "hs_analytics_latest_source", "hs_object_source")
NAMES = (
    "Eerste bron",
    "Laatste bron",
    "Original source",
    "Latest source",
    "Original traffic source",
    "Latest traffic source",
)


def protected(name: str, label: str = "") -> bool:
    def words(text: str) -> str:
        return re.sub(r"[\s_]+", " ", text).strip().lower()

    return (
        words(name).replace(" ", "_").startswith(FAMILIES)
        or {words(name), words(label)} & set(map(str.lower, NAMES)) != set()
    )


def spelled(text: str) -> st.SearchStrategy[str]:
    """The text in other letters."""
    return st.tuples(*(st.sampled_from([c.lower(), c.upper()]) for c in text)).map("".join)


endings = st.sampled_from(["", "_data_1", "_DATA_2", "_id", "_timestamp", "_detail_3", "x"])
forbidden = st.one_of(
    st.tuples(st.sampled_from(FAMILIES).flatmap(spelled), endings).map("".join),
    st.sampled_from(NAMES).map(lambda n: n.replace(" ", "_")).flatmap(spelled),
)
allowed = st.sampled_from(["firstname", "city", "jobtitle", "bron_eerste", "source", "my_hs_latest_source"])
names = st.lists(st.one_of(forbidden, allowed), min_size=1, max_size=4, unique=True)
labels = st.one_of(st.sampled_from(NAMES).flatmap(spelled), st.sampled_from(["Bron", "", "Segment", "Eerste bronnen"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=names, shown=labels, entity_type=st.sampled_from(["contact", "company", "deal"]), action=st.booleans())
@example(names=["HS_Analytics_Source"], shown="", entity_type="contact", action=True)
@example(names=["bron_eerste"], shown="eerste BRON", entity_type="deal", action=False)
def test_a_push_that_names_one_sends_nothing(
    portal: Portal, names: list[str], shown: str, entity_type: str, action: bool
) -> None:
    portal.sandbox.log.clear()
    values = dict.fromkeys(names, "x")
    row = create(entity_type, "t1", **values) if action else update(entity_type, "t1", "1", **values)
    marked = SETTINGS if not shown else replace(SETTINGS, labels={(entity_type, "bron_eerste"): shown})
    ledger = MemoryLedger()
    if any(protected(name, shown if name == "bron_eerste" else "") for name in names):
        with pytest.raises(ProtectedProperty):
            push(plan(row), portal.gateway, ledger, marked)
        assert not ledger.journal and not portal.sandbox.log.writes()
    else:
        push(plan(row), portal.gateway, ledger, marked)
    for call in portal.sandbox.log.writes():
        assert not [name for name in _properties(call["body"]) if protected(name)]


@settings(max_examples=200, deadline=None)
@given(
    name=st.one_of(forbidden, allowed),
    label=labels,
    section=st.sampled_from(["contacts", "companies", "deals"]),
    source=st.sampled_from(["first_name", "name", "title", '"custom_fields[Eerste bron]"', "'custom_fields[x]'"]),
    transform=st.sampled_from(["text", "lower", "url", "phone", "option", "bool", "number", "date"]),
    makes=st.booleans(),
)
def test_a_mapping_that_names_one_is_not_loaded(
    name: str, label: str, section: str, source: str, transform: str, makes: bool
) -> None:
    made = f", create: {{type: string, field_type: text, label: {json.dumps(label)}}}" if makes else ""
    text = f"{section}:\n  - {{source: {source}, property: {name}, transform: {transform}{made}}}\n"
    mapping, mistakes = parse(text, "m.yaml", NAMES)
    if mapping is not None:
        written = [(rule.property, label if makes else "") for rule in mapping.fields]
        assert not [pair for pair in written if protected(*pair)]
    elif protected(name, label if makes else ""):
        assert any("protected" in mistake.what for mistake in mistakes), mistakes


def _properties(body: Any) -> set[str]:
    """Names of properties anywhere in the body of a request that writes records."""
    if isinstance(body, list):
        return {name for part in body for name in _properties(part)}
    if not isinstance(body, dict):
        return set()
    own = set(body.get("properties") or ()) if isinstance(body.get("properties"), dict) else set()
    return own | {name for part in body.values() for name in _properties(part)}
