"""Writing a contact: by PATCH or whole by PUT, under the version that was read, and what is stored comes back."""

from __future__ import annotations

import pytest

from tl_hubspot.crmoffice import contacts, writes
from tl_hubspot.crmoffice.reactions import Changed, KeysUnknown, OutcomeUnknown, Refused
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.crmoffice.conftest import Connected
from tl_hubspot_tests.sandbox.crmoffice.test_reading import with_caps

BOTH = with_caps("write=patch,etag=1", "write=put_full,etag=1", "write=patch", "write=put_full")


def someone(tenant: Connected) -> str:
    [company] = tenant.sandbox.load_companies([{"orgNr": "914778271"}])
    return tenant.sandbox.add(
        givenName="Ada", familyName="Berg", mobilePhone="ask at the desk", title="Dr", company={"id": company}
    )


@BOTH
def test_only_the_changes_are_changed(tenant: Connected) -> None:
    number, client = someone(tenant), tenant.client()
    before = tenant.sandbox.get(number)
    stored = writes.update(client, contacts.get(client, number), {"givenName": "Åse", "familyName": None})
    assert tenant.sandbox.get(number) == before | {"givenName": "Åse", "familyName": None}
    assert stored.values == {
        "givenName": "Åse",
        "familyName": None,
        "mobilePhone": "ask at the desk",
        "directPhone": None,
    }
    assert stored.is_current
    [sent] = tenant.sandbox.log.writes()
    if client.capabilities.write == "patch":
        assert (sent["method"], sent["body"]) == ("PATCH", {"givenName": "Åse", "familyName": None})
    else:
        assert sent["method"] == "PUT"
    # what was stored can be written on without another reading
    assert writes.update(client, stored, {"givenName": "Bo"}).values["givenName"] == "Bo"
    assert tenant.counts == {"reads": 1, "writes": 2, "retries": 0, "rate_limited": 0}


@BOTH
def test_an_edit_between_reading_and_writing(tenant: Connected) -> None:
    number, client = someone(tenant), tenant.client()
    seen = contacts.get(client, number)
    tenant.sandbox.update(number, directPhone="22 33 44 55")
    if client.capabilities.etag:
        with pytest.raises(Changed, match="precondition_failed"):
            writes.update(client, seen, {"givenName": "Åse"})
        with pytest.raises(Changed):
            writes.delete(client, seen)
        assert tenant.sandbox.get(number)["givenName"] == "Ada"
        writes.update(client, contacts.get(client, number), {"givenName": "Åse"})
        assert tenant.sandbox.get(number)["directPhone"] == "22 33 44 55"
    else:
        writes.update(client, seen, {"givenName": "Åse"})
        survived = tenant.sandbox.get(number)["directPhone"] == "22 33 44 55"
        assert survived == (client.capabilities.write == "patch"), "a whole write takes the edit away: the known window"


@with_caps("write=put_full", "write=patch")
def test_what_is_unknown_is_not_emptied(tenant: Connected) -> None:
    number, client = someone(tenant), tenant.client()
    tenant.sandbox.set_switches(absent_keys=["title", "mobilePhone"])
    seen = contacts.get(client, number)
    if client.capabilities.write == "put_full":
        with pytest.raises(KeysUnknown) as raised:
            writes.update(client, seen, {"givenName": "Åse"})
        assert raised.value.names == ("mobilePhone", "title")
        assert tenant.sandbox.log.writes() == []
    else:
        writes.update(client, seen, {"givenName": "Åse"})
    assert tenant.sandbox.get(number)["title"] == "Dr"


@with_caps("canonicalises=mobilePhone+givenName", "")
def test_the_stored_form_comes_back(tenant: Connected) -> None:
    client = tenant.client()
    created = writes.create(client, {"givenName": " Ada", "mobilePhone": "0047 912-34-567"}, key="k")
    stored = ("Ada", "+47 912 34 567") if tenant.caps else (" Ada", "0047 912-34-567")
    assert (created.values["givenName"], created.values["mobilePhone"]) == stored
    assert contacts.get(client, created.id).values == created.values


@with_caps("required_fields=familyName")
def test_a_required_field(tenant: Connected) -> None:
    client = tenant.client()
    with pytest.raises(Refused, match="familyName required"):
        writes.create(client, {"givenName": "Ada"}, key="k")


def test_delete(tenant: Connected) -> None:
    number, client = someone(tenant), tenant.client()
    writes.delete(client, contacts.get(client, number))
    assert tenant.sandbox.count() == 0


def test_what_the_client_never_does(tenant: Connected) -> None:
    number, client = someone(tenant), tenant.client()
    seen = contacts.get(client, number)
    [[listed]] = contacts.read(client)
    with pytest.raises(ValueError, match="read it by its id"):
        writes.update(client, listed, {"givenName": "Åse"})
    for name in ("title", "company", "id", "email"):
        with pytest.raises(ValueError, match="never written"):
            writes.update(client, seen, {name: "x"})
        with pytest.raises(ValueError, match="never written"):
            writes.create(client, {name: "x"}, key="k")
    assert tenant.sandbox.log.writes() == []


@pytest.mark.parametrize("body", [{}, {"id": 7}, {"id": "7"}])
def test_a_write_answered_with_something_else(tenant: Connected, body: dict[str, object]) -> None:
    number, client = someone(tenant), tenant.client()
    seen = contacts.get(client, number)
    tenant.sandbox.faults.add(Fault("status", "contacts", method="PATCH", status=200, body=body, when="after"))
    with pytest.raises(OutcomeUnknown, match="not known what was stored"):
        writes.update(client, seen, {"givenName": "Åse"})


def test_a_poisonous_contact_harms_no_other(tenant: Connected) -> None:
    good, bad = (tenant.sandbox.add(givenName=name) for name in ("Ada", "Bo"))
    client = tenant.client()
    seen = [contacts.get(client, number) for number in (bad, good)]
    tenant.sandbox.faults.add(Fault("poison", "contacts/", times=None, record=bad))
    with pytest.raises(Refused, match="givenName invalid"):
        writes.update(client, seen[0], {"givenName": "Cy"})
    assert writes.update(client, seen[1], {"givenName": "Cy"}).values["givenName"] == "Cy"
