"""Routes about single records and lists of records: list, create, read, update, archive, merge, GDPR delete.

Batches are `batches`, search is `search`; what the calls do to a record is `records`.
"""

from __future__ import annotations

import msgspec

from tl_hubspot.sandbox.hubspot.associations import InlineAssociation
from tl_hubspot.sandbox.hubspot.errors import ApiError, not_found
from tl_hubspot.sandbox.hubspot.http import Call, Reply, route
from tl_hubspot.sandbox.hubspot.object_types import ObjectType, object_type
from tl_hubspot.sandbox.hubspot.records import CONTACTS
from tl_hubspot.sandbox.hubspot.scopes import object_read, object_write
from tl_hubspot.sandbox.hubspot.store import Record
from tl_hubspot.sandbox.hubspot.values import Scalar, normalise_email

PAGE_LIMIT, PAGE_LIMIT_WITH_HISTORY = 100, 50
_ROOT = "/crm/v3/objects/{object_type}"
_ONE = f"{_ROOT}/{{id}}"


class CreateBody(msgspec.Struct):
    properties: dict[str, Scalar] = {}
    associations: list[InlineAssociation] | None = None


class UpdateBody(msgspec.Struct):
    properties: dict[str, Scalar]


class MergeBody(msgspec.Struct):
    primaryObjectId: str | int
    objectIdToMerge: str | int


class GdprDeleteBody(msgspec.Struct):
    objectId: str | int
    idProperty: str | None = None


def _show(call: Call, kind: ObjectType, record: Record, names: list[str]) -> dict[str, object]:
    body = call.portal.records.shown(kind, record, names, call.words("propertiesWithHistory"))
    linked = {}
    for word in call.words("associations"):
        to_kind = object_type(word)
        shown = call.portal.associations.inline(kind, record.id, to_kind)
        if shown is not None:
            linked[to_kind.name] = shown
    if linked:
        body["associations"] = linked
    return body


@route("GET", _ROOT, object_read)
def _list(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    highest = PAGE_LIMIT_WITH_HISTORY if call.words("propertiesWithHistory") else PAGE_LIMIT
    limit = call.number("limit", 10, highest)
    names = call.portal.records.selection(kind, call.words("properties"))
    page = call.portal.store.page(kind, call.after(), limit + 1, archived=call.flag("archived"))
    body: dict[str, object] = {"results": [_show(call, kind, record, names) for record in page[:limit]]}
    if len(page) > limit:
        after = str(page[limit - 1].id)
        body["paging"] = {"next": {"after": after, "link": f"{call.path}?limit={limit}&after={after}"}}
    return Reply(200, body)


@route("POST", _ROOT, object_write)
def _create(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    wanted = call.json(CreateBody)
    record = call.portal.records.create(kind, wanted.properties)
    call.portal.associations.add_inline(kind, record.id, wanted.associations or [])
    names = list(dict.fromkeys([*kind.always, *wanted.properties]))
    return Reply(201, call.portal.records.shown(kind, record, names))


@route("GET", _ONE, object_read)
def _read(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    record = call.portal.records.single(
        kind, call.params["id"], call.text("idProperty"), archived=call.flag("archived")
    )
    names = call.portal.records.selection(kind, call.words("properties"))
    return Reply(200, _show(call, kind, record, names))


@route("PATCH", _ONE, object_write)
def _update(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    wanted = call.json(UpdateBody)
    record = call.portal.records.single(kind, call.params["id"], call.text("idProperty"))
    call.portal.records.update(kind, record, wanted.properties)
    names = list(dict.fromkeys([*kind.always, *wanted.properties]))
    return Reply(200, call.portal.records.shown(kind, record, names))


@route("DELETE", _ONE, object_write)
def _archive(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    record = call.portal.records.by_id(kind, call.params["id"])
    if record is not None:
        call.portal.records.archive(kind, record)
    return Reply(204)


@route("POST", f"{_ROOT}/merge", object_write)
def _merge(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    wanted = call.json(MergeBody)
    primary = call.portal.records.single(kind, str(wanted.primaryObjectId), None)
    other = call.portal.records.by_id(kind, str(wanted.objectIdToMerge))
    if other is None:
        raise not_found()
    survivor = call.portal.records.merge(kind, primary, other)
    return Reply(200, call.portal.records.shown(kind, survivor, call.portal.records.selection(kind, [])))


@route("POST", f"{_ROOT}/gdpr-delete", object_write)
def _gdpr_delete(call: Call) -> Reply:
    if object_type(call.params["object_type"]) is not CONTACTS:
        raise ApiError(404, "NOT_FOUND", "No such route.")
    wanted = call.json(GdprDeleteBody)
    text, records = str(wanted.objectId), call.portal.records
    if wanted.idProperty == "email":
        record = records.by_key(CONTACTS, "email", text)
        records.gdpr_delete(record, [normalise_email(text)])
    else:
        record = records.by_id(CONTACTS, text) or records.by_id(CONTACTS, text, archived=True)
        if record is None:
            raise not_found()
        records.gdpr_delete(record, [])
    return Reply(204)
