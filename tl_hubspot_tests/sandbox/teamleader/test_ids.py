"""Version-0 UUIDs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.sandbox.teamleader import TeamleaderSandbox
from tl_hubspot.sandbox.teamleader.ids import PREFIXES, decode, encode, is_uuid
from tl_hubspot_tests.sandbox.teamleader.openapi import VECTORS


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['prefix']}-{vector['id']}")
def test_published_vectors(vector: dict[str, Any]) -> None:
    assert encode(vector["prefix"], vector["id"]) == vector["uuid"]
    assert decode(vector["uuid"]) == vector["id"]


@settings(deadline=None)
@given(st.sampled_from(sorted(PREFIXES.values())), st.integers(1, 2**52 - 1))
def test_decode_undoes_encode(prefix: str, number: int) -> None:
    uuid = encode(prefix, number)
    assert is_uuid(uuid)
    assert uuid[14] == "0"
    assert uuid[19] in "89ab"
    assert decode(uuid) == number


def test_other_versions_embed_nothing() -> None:
    assert decode("f6871b06-6513-4750-b5e6-ff3503b5a029") is None


def test_new_ids_follow_what_was_loaded() -> None:
    sandbox = TeamleaderSandbox()
    sandbox.load("contacts", [{"id": encode("ContactId", 41), "last_name": "A"}])
    assert sandbox.new_id("contacts") == encode("ContactId", 42)
    assert sandbox.new_id("contacts") == encode("ContactId", 43)
    assert sandbox.new_id("companies") == encode("CompanyId", 1)
    sandbox.close()
