"""Owners: the users that `hubspot_owner_id` may name, and their two routes. Owners cannot be written by the API."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from tl_hubspot.sandbox.hubspot.errors import not_found
from tl_hubspot.sandbox.hubspot.http import Call, Reply, route
from tl_hubspot.sandbox.hubspot.times import to_iso

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

_SCOPES = ("crm.objects.owners.read", "automation")
_PAGE = 100
_PAGE_LIMIT = 500


class LoadedOwner(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    email: str
    firstName: str = ""
    lastName: str = ""
    archived: bool = False
    userId: int | None = None


class Owners:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._owners: dict[str, dict[str, Any]] = portal.store.documents("owner")
        self._active = self._list_active()

    def _list_active(self) -> Collection[str]:
        return {owner["id"]: None for owner in self._owners.values() if not owner["archived"]}.keys()

    def active_ids(self) -> Collection[str]:
        return self._active

    def load(self, given: Iterable[LoadedOwner]) -> int:
        now, count = to_iso(self._portal.now_ms()), 0
        for item in given:
            owner: dict[str, Any] = {
                "id": item.id,
                "email": item.email,
                "type": "PERSON",
                "firstName": item.firstName,
                "lastName": item.lastName,
                "createdAt": now,
                "updatedAt": now,
                "archived": item.archived,
            }
            user_id = item.userId or int(item.id) % 2_000_000_000
            owner["userIdIncludingInactive"] = user_id
            if not item.archived:
                owner["userId"] = user_id
            self._owners[item.id] = owner
            self._portal.store.put_document("owner", item.id, owner)
            count += 1
        self._active = self._list_active()
        return count

    def all(self, *, archived: bool, email: str | None = None) -> list[dict[str, Any]]:
        """In the order of ids."""
        found = [owner for owner in self._owners.values() if owner["archived"] == archived]
        if email:
            found = [owner for owner in found if owner["email"].lower() == email.lower()]
        return sorted(found, key=lambda owner: int(owner["id"]))


@route("GET", "/crm/v3/owners", _SCOPES)
def _list(call: Call) -> Reply:
    limit = call.number("limit", _PAGE, _PAGE_LIMIT)
    found = call.portal.owners.all(archived=call.flag("archived"), email=call.text("email"))
    rest = [owner for owner in found if int(owner["id"]) > call.after()]
    body: dict[str, Any] = {"results": rest[:limit]}
    if len(rest) > limit:
        after = rest[limit - 1]["id"]
        body["paging"] = {"next": {"after": after, "link": f"{call.path}?limit={limit}&after={after}"}}
    return Reply(200, body)


@route("GET", "/crm/v3/owners/{id}", _SCOPES)
def _read(call: Call) -> Reply:
    name = "userId" if call.text("idProperty") == "userId" else "id"
    for owner in call.portal.owners.all(archived=call.flag("archived")):
        if str(owner.get(name)) == call.params["id"]:
            return Reply(200, owner)
    raise not_found("owner does not exist")
