"""The shared token store against the three ways in which Crmoffice rotates its refresh tokens."""

from __future__ import annotations

import json
import stat

import pytest

from tl_hubspot.crmoffice import contacts
from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.crmoffice.conftest import FIRST_TOKEN, Connected
from tl_hubspot_tests.sandbox.crmoffice.test_reading import with_caps

ROTATIONS = with_caps("", "refresh_rotation=strict", "refresh_rotation=off")


def spent(tenant: Connected) -> None:
    """Every access token has come to its end."""
    tenant.sandbox.store.execute("update tokens set expires = 0 where kind = 'access'")


def refused(tenant: Connected) -> int:
    entries = [e for e in tenant.sandbox.log.entries if e["path"] == "/connect/token"]
    return sum(e["status"] >= 400 for e in entries)


@ROTATIONS
def test_many_renewals_by_many_clients_with_one_store(tenant: Connected) -> None:
    for _ in range(4):
        contacts.count(tenant.client())
        spent(tenant)
    assert refused(tenant) == 0
    kept = json.loads(tenant.store_path.read_text())["refresh_token"]
    assert (kept == FIRST_TOKEN) == (tenant.caps == "refresh_rotation=off")
    assert stat.S_IMODE(tenant.store_path.stat().st_mode) == 0o600


def test_with_grace_a_lost_answer_is_asked_for_again(tenant: Connected) -> None:
    for fault in (Fault("drop", "connect/token", when="after"), Fault("truncated", "connect/token")):
        tenant.sandbox.faults.add(fault)
        contacts.count(tenant.client())
        spent(tenant)
    assert refused(tenant) == 0


@with_caps("refresh_rotation=strict")
def test_strict_means_that_a_lost_answer_needs_a_person(tenant: Connected) -> None:
    tenant.sandbox.faults.add(Fault("drop", "connect/token", when="after"))
    with pytest.raises(CredentialsRefused, match=r"cut off before its answer was stored.*`tl-hubspot auth crmoffice`"):
        contacts.count(tenant.client())
    fresh = tenant.sandbox.refresh_token()
    assert contacts.count(tenant.client(refresh_token=fresh)) == 0


def test_what_a_person_is_told(tenant: Connected) -> None:
    with pytest.raises(ConfigurationError, match=r"no Crmoffice token yet.*CRMOFFICE_REFRESH_TOKEN"):
        contacts.count(tenant.client(refresh_token=None))
    with pytest.raises(CredentialsRefused, match=r"Crmoffice refused the refresh token: it is wrong"):
        contacts.count(tenant.client(refresh_token="guessed"))
    with pytest.raises(CredentialsRefused, match=r"Check CRMOFFICE_CLIENT_ID and CRMOFFICE_CLIENT_SECRET"):
        contacts.count(tenant.client(client_secret="guessed"))
    tenant.sandbox.faults.add(Fault("status", "connect/token", status=418))
    with pytest.raises(BadAnswer, match=r"Check CRMOFFICE_AUTH_URL"):
        contacts.count(tenant.client())
