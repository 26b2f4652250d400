"""The capability string: what it means, what is wrong with one, and that both ends mean the same."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_hubspot.config import settings
from tl_hubspot.crmoffice.capabilities import MAPPED, Capabilities, capabilities
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.sandbox.crmoffice import Switches
from tl_hubspot.sandbox.crmoffice.switches import capabilities as switches

NAMES = st.lists(st.sampled_from(MAPPED), unique=True).map(lambda names: "+".join(names) or "-")
FLAGS = ("modified_timestamp", "since_filter", "delete_feed", "etag", "idempotency_key")
VALUES = {
    "write": st.sampled_from(["patch", "put_full"]),
    "page_style": st.sampled_from(["offset", "none", "cursor"]),
    "refresh_rotation": st.sampled_from(["grace", "strict", "off"]),
    "canonicalises": NAMES,
    "required_fields": NAMES,
    **dict.fromkeys(FLAGS, st.sampled_from("01")),
}
STRINGS = st.fixed_dictionaries({}, optional=VALUES).map(lambda given: ",".join(f"{n}={v}" for n, v in given.items()))


@given(STRINGS)
def test_client_and_server_read_a_string_alike(text: str) -> None:
    ours = capabilities(text)
    assert str(ours) == Switches(**switches(text)).capabilities
    assert capabilities(str(ours)) == ours


def test_defaults() -> None:
    assert capabilities("") == Capabilities()
    assert len(fields(Capabilities)) == 10
    assert capabilities(" etag=1 , canonicalises=- ").etag is True


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("etags=1", "'etags' is no capability; did you mean etag?"),
        ("colour=1", "'colour' is no capability; known are write, modified_timestamp, "),
        ("etag=yes", "etag is 'yes'; write one of 0, 1"),
        ("etag", "etag is ''; write one of 0, 1"),
        ("write=post", "write is 'post'; write one of patch, put_full"),
        ("required_fields=title", "required_fields has 'title'; write - or names of givenName, "),
        ("etag=1,etag=0", "etag is given twice"),
    ],
)
def test_what_is_wrong_is_said_when_the_settings_are_read(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        settings.load({"CRMOFFICE_CAPABILITIES": text})
    assert says in raised.value.sentence
    assert "CRMOFFICE_CAPABILITIES" in raised.value.sentence
    assert raised.value.exit_code == 2


def test_settings() -> None:
    loaded = settings.load({"CRMOFFICE_CAPABILITIES": "etag=1", "CRMOFFICE_API_URL": "https://x.crmoffice.example/"})
    assert loaded.crmoffice.capabilities == Capabilities(etag=True)
    assert loaded.crmoffice.api_url == "https://x.crmoffice.example"
    assert loaded.crmoffice.is_configured
    assert settings.load({}).crmoffice.capabilities == Capabilities()
    assert not settings.load({}).crmoffice.is_configured
    with pytest.raises(ConfigurationError, match=r"without CRMOFFICE_AUTH_URL, CRMOFFICE_CLIENT_ID, .*auth crmoffice"):
        loaded.require_crmoffice()
