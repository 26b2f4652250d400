"""Batch create, read, update, upsert and archive of records: who is answered how when some inputs are bad.

What happens to one record is `records`; this module is HubSpot's accounting of a hundred of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tl_hubspot.sandbox.hubspot.associations import InlineAssociation
from tl_hubspot.sandbox.hubspot.errors import (
    OBJECT_NOT_FOUND,
    ApiError,
    coordinates,
    objects_not_found,
    validation_error,
)
from tl_hubspot.sandbox.hubspot.http import BATCH_LIMIT, Call, Reply, batch_reply, check_batch_size, route
from tl_hubspot.sandbox.hubspot.object_types import ObjectType, object_type
from tl_hubspot.sandbox.hubspot.records import CONTACTS
from tl_hubspot.sandbox.hubspot.scopes import object_read, object_write
from tl_hubspot.sandbox.hubspot.store import Record
from tl_hubspot.sandbox.hubspot.values import Scalar, normalise_email

HISTORY_LIMIT = 50


class WriteInput(msgspec.Struct):
    """One input of batch/update and batch/upsert."""

    id: str | int
    properties: dict[str, Scalar] = {}
    idProperty: str | None = None
    objectWriteTraceId: str | None = None

    @property
    def key(self) -> str:
        return str(self.id)


class CreateInput(msgspec.Struct):
    """One input of batch/create."""

    properties: dict[str, Scalar] = {}
    associations: list[InlineAssociation] | None = None
    objectWriteTraceId: str | None = None


class ReadId(msgspec.Struct):
    id: str | int


class WriteBatch(msgspec.Struct):
    inputs: list[WriteInput]


class CreateBatch(msgspec.Struct):
    inputs: list[CreateInput]


class ReadBatch(msgspec.Struct):
    inputs: list[ReadId]
    idProperty: str | None = None
    properties: list[str] | None = None
    propertiesWithHistory: list[str] | None = None


class ArchiveBatch(msgspec.Struct):
    inputs: list[ReadId]


class _Missing(Exception):
    """The record that an input means does not exist; `place` are the coordinates of the unique value it went by."""

    def __init__(self, text: str, place: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.place = place


def _traced(inputs: Sequence[WriteInput] | Sequence[CreateInput]) -> bool:
    """Whether every input has its own trace id; only then are errors told apart."""
    traces = [item.objectWriteTraceId for item in inputs]
    return all(traces) and len(set(traces)) == len(traces)


def _write_each(
    call: Call,
    kind: ObjectType,
    inputs: Sequence[Any],
    work: Callable[[Any], dict[str, Any] | None],
    *,
    success: int = 200,
    whole: Callable[[ApiError], bool] = lambda _error: False,
) -> Reply:
    """Write input by input. Untraced, or when `whole` says so, the first refusal is that of the batch.

    `work` gives the record as shown, None for an input that silently vanishes; it raises ApiError or `_Missing`.
    """
    traced = _traced(inputs)
    echo = call.path.endswith("/upsert") or call.portal.switches.echo_trace_ids == "all"
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    missing: list[_Missing] = []
    for index, item in enumerate(inputs):
        omitted = call.omitted(index, len(inputs), item)
        if omitted and call.omits_work:
            continue
        try:
            with call.portal.store.transaction():
                if poison := call.poisoned(index, item):
                    raise poison
                shown = work(item)
        except ApiError as error:
            if not traced or whole(error):
                raise
            errors.append(error.standard(objectWriteTraceId=[item.objectWriteTraceId]))
        except _Missing as gone:
            if traced:
                errors.append(_missing_error(kind, [gone]).standard(objectWriteTraceId=[item.objectWriteTraceId]))
            else:
                missing.append(gone)
        else:
            if shown is not None and not omitted:
                if echo and item.objectWriteTraceId:
                    shown["objectWriteTraceId"] = item.objectWriteTraceId
                results.append(shown)
    if missing:
        errors.append(_missing_error(kind, missing).standard())
    return batch_reply(call, results, errors, success=success)


def _missing_error(kind: ObjectType, missing: list[_Missing]) -> ApiError:
    places = [gone.place for gone in missing if gone.place]
    error = objects_not_found(kind.legacy, [gone.text for gone in missing if not gone.place])
    if places:
        return ApiError(404, OBJECT_NOT_FOUND, error.message, context={"missingObjectPropertyValueCoordinates": places})
    return error


def _check_distinct(inputs: Sequence[WriteInput]) -> None:
    """ApiError 400 naming ids that occur twice; counts for traced batches as well."""
    seen: set[tuple[str | None, str]] = set()
    twice: dict[str, None] = {}
    for item in inputs:
        key = normalise_email(item.key) if item.idProperty == "email" else item.key
        if (item.idProperty, key) in seen:
            twice[item.key] = None
        seen.add((item.idProperty, key))
    if twice:
        raise validation_error(f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique")


def _written(call: Call, kind: ObjectType, record: Record, properties: dict[str, Scalar]) -> dict[str, Any]:
    names = dict.fromkeys([*kind.always, *properties])
    return call.portal.records.shown(kind, record, names)


_ROOT = "/crm/v3/objects/{object_type}/batch"


@route("POST", f"{_ROOT}/create", object_write)
def _create(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    inputs = call.json(CreateBatch).inputs
    check_batch_size(inputs, BATCH_LIMIT)

    def create(item: CreateInput) -> dict[str, Any]:
        record = call.portal.records.create(kind, item.properties)
        call.portal.associations.add_inline(kind, record.id, item.associations or [])
        return _written(call, kind, record, item.properties)

    def whole(error: ApiError) -> bool:
        return error.status == 409 and not call.portal.switches.create_conflict_per_record

    return _write_each(call, kind, inputs, create, success=201, whole=whole)


@route("POST", f"{_ROOT}/update", object_write)
def _update(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    inputs = call.json(WriteBatch).inputs
    check_batch_size(inputs, BATCH_LIMIT)
    records = call.portal.records
    for name in {item.idProperty for item in inputs if item.idProperty}:
        records.check_key(kind, name, email=False)
    _check_distinct(inputs)

    def update(item: WriteInput) -> dict[str, Any] | None:
        if item.idProperty:
            record = records.by_key(kind, item.idProperty, item.key)
            if record is None:
                raise _Missing(item.key, _place(call, kind, item))
        else:
            if _vanishes(call, kind, item.key):
                return None
            record = _by_record_id(call, kind, item.key)
        records.update(kind, record, item.properties)
        return _written(call, kind, record, item.properties)

    return _write_each(call, kind, inputs, update)


@route("POST", f"{_ROOT}/upsert", object_write)
def _upsert(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    inputs = call.json(WriteBatch).inputs
    check_batch_size(inputs, BATCH_LIMIT)
    records = call.portal.records
    for name in {item.idProperty for item in inputs if item.idProperty}:
        records.check_key(kind, name, email=True)
    _check_distinct(inputs)

    def upsert(item: WriteInput) -> dict[str, Any] | None:
        values = dict(item.properties)
        if item.idProperty is None:
            if _vanishes(call, kind, item.key):
                return None
            record: Record | None = _by_record_id(call, kind, item.key)
        else:
            record = records.by_key(kind, item.idProperty, item.key)
        new = record is None
        if record is None:
            values[item.idProperty or ""] = item.key
            record = records.create(kind, values)
        else:
            if item.idProperty == "email":
                _keep_primary(call, record, item.key, values)
            records.update(kind, record, values)
        return _written(call, kind, record, item.properties) | {"new": new}

    return _write_each(call, kind, inputs, upsert)


def _keep_primary(call: Call, record: Record, key: str, values: dict[str, Scalar]) -> None:
    """An upsert by a secondary address that repeats it as `email` does not make it primary (switch)."""
    same = isinstance(values.get("email"), str) and normalise_email(str(values["email"])) == normalise_email(key)
    if same and not call.portal.switches.upsert_promotes_secondary:
        values["email"] = record.properties.get("email", "")


def _vanishes(call: Call, kind: ObjectType, key: str) -> bool:
    """Inputs that HubSpot drops without a word: records merged away, and addresses given as record ids."""
    if kind is CONTACTS and "@" in key:
        return True
    return call.portal.records.was_merged_away(kind, key)


def _by_record_id(call: Call, kind: ObjectType, key: str) -> Record:
    if not key.isdigit():
        raise validation_error(f"Invalid object ID: {key}. Object IDs are numeric.")
    record = call.portal.records.by_id(kind, key)
    if record is None:
        raise _Missing(key)
    return record


def _place(call: Call, kind: ObjectType, item: WriteInput) -> str:
    return coordinates(call.portal.profile.portal_id, kind.legacy, item.idProperty or "", item.key)


@route("POST", f"{_ROOT}/read", object_read)
def _read(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    body = call.json(ReadBatch)
    history = body.propertiesWithHistory or []
    check_batch_size(body.inputs, HISTORY_LIMIT if history else BATCH_LIMIT)
    records, archived = call.portal.records, call.flag("archived")
    key = None if body.idProperty == "hs_object_id" else body.idProperty
    if key:
        records.check_key(kind, key, email=True)
    names = records.selection(kind, body.properties or [])
    wanted = [str(item.id) for item in body.inputs]
    found: dict[int, Record] = {}
    missing: list[str] = []
    follow = call.portal.switches.batch_read_follows_merges
    for index, text in enumerate(wanted):
        if call.omitted(index, len(wanted), text):
            continue
        if key:
            record = records.by_key(kind, key, text, archived=archived)
        else:
            record = records.by_id(kind, text, archived=archived, follow_merge=follow)
        if record is None:
            missing.append(text)
        else:
            found[record.id] = record
    results = [records.shown(kind, record, names, history) for record in found.values()]
    errors = [objects_not_found(kind.legacy, missing).standard()] if missing else []
    return batch_reply(call, results, errors)


@route("POST", f"{_ROOT}/archive", object_write)
def _archive(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    inputs = call.json(ArchiveBatch).inputs
    check_batch_size(inputs, BATCH_LIMIT)
    for text in dict.fromkeys(str(item.id) for item in inputs):
        record = call.portal.records.by_id(kind, text)
        if record is not None:
            call.portal.records.archive(kind, record)
    return Reply(204)
