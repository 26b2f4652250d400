"""Associations between records: links in both directions, labels, primary company, and their v4 routes.

Every link has its unlabelled (default) type; labels, "Primary" among them, come on top.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.hubspot.errors import ApiError, not_found, validation_error
from tl_hubspot.sandbox.hubspot.http import BATCH_LIMIT, Call, Reply, batch_reply, check_batch_size, route
from tl_hubspot.sandbox.hubspot.object_types import (
    ASSOCIATION_TYPES,
    BY_NUMBER,
    DEFAULT_ASSOCIATIONS,
    PRIMARY_ASSOCIATIONS,
    ObjectType,
    object_type,
)
from tl_hubspot.sandbox.hubspot.scopes import object_read, object_write, pair_read, pair_write

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

CREATE_LIMIT, READ_LIMIT, PAGE_LIMIT = 2000, 1000, 500
_FIRST_LABEL_ID = 1001


class ObjectId(msgspec.Struct):
    id: str | int

    @property
    def number(self) -> int:
        text = str(self.id)
        return int(text) if text.isdigit() and len(text) <= 18 else 0


class AssociationSpec(msgspec.Struct):
    associationTypeId: int
    associationCategory: str


class InlineAssociation(msgspec.Struct):
    to: ObjectId
    types: list[AssociationSpec]


class PairInput(msgspec.Struct):
    from_: ObjectId = msgspec.field(name="from")
    to: ObjectId
    types: list[AssociationSpec] = []


class PairBatch(msgspec.Struct):
    inputs: list[PairInput]


class ArchiveInput(msgspec.Struct):
    from_: ObjectId = msgspec.field(name="from")
    to: list[ObjectId]


class ArchiveBatch(msgspec.Struct):
    inputs: list[ArchiveInput]


class FetchInput(msgspec.Struct):
    id: str | int
    after: str | None = None


class FetchBatch(msgspec.Struct):
    inputs: list[FetchInput]


class LabelCreate(msgspec.Struct):
    label: str
    name: str
    inverseLabel: str | None = None


class LabelUpdate(msgspec.Struct):
    associationTypeId: int
    label: str
    inverseLabel: str | None = None


class LinkType(msgspec.Struct):
    """An association type in one direction, HubSpot's or the portal's own."""

    type_id: int
    inverse: int
    category: str = "HUBSPOT_DEFINED"
    label: str | None = None
    primary: bool = False

    def shown(self) -> dict[str, Any]:
        return {"category": self.category, "typeId": self.type_id, "label": self.label}


class Associations:
    """Links as rows of (from type, from id, to type, to id, type id), each stored in both directions."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._store = portal.store
        self._types: dict[tuple[str, str], dict[int, LinkType]] = {}
        for (from_type, to_type, type_id), item in ASSOCIATION_TYPES.items():
            known = self._types.setdefault((from_type, to_type), {})
            known[type_id] = LinkType(type_id, item.inverse, label=item.label, primary=item.primary)
        for key, body in portal.store.documents("label").items():
            from_type, to_type, _ = key.split("/")
            label = decoding.convert(body, LinkType)
            self._types[from_type, to_type][label.type_id] = label

    def types(self, kind: ObjectType, to_kind: ObjectType) -> dict[int, LinkType]:
        """The types of this direction; ApiError 400 when the two object types cannot be associated."""
        known = self._types.get((kind.name, to_kind.name))
        if known is None:
            raise validation_error(f"{kind.name} and {to_kind.name} cannot be associated.")
        return known

    # Linking

    def add_default(self, kind: ObjectType, to_kind: ObjectType, pairs: Sequence[tuple[int, int]]) -> None:
        """The unlabelled link; the first company of a contact or deal becomes primary (switch)."""
        default = self._default(kind, to_kind)
        self._store.add_associations(
            row for record_id, to_id in pairs for row in self._rows(kind, record_id, to_kind, to_id, default)
        )
        if not self._portal.switches.first_company_becomes_primary:
            return
        if (kind.name, to_kind.name) not in PRIMARY_ASSOCIATIONS:
            return
        owner, company = (to_kind, kind) if kind.name == "companies" else (kind, to_kind)
        first: dict[int, int] = {}
        for record_id, to_id in pairs:
            side = (to_id, record_id) if owner is to_kind else (record_id, to_id)
            first.setdefault(*side)
        primary = self._primary_type(owner, company)
        have_one = self._store.with_association(owner.number, first, company.number, primary.type_id)
        self._store.add_associations(
            row
            for owner_id, company_id in first.items()
            if owner_id not in have_one
            for row in self._rows(owner, owner_id, company, company_id, primary)
        )

    def set_types(
        self, kind: ObjectType, record_id: int, to_kind: ObjectType, to_id: int, specs: Sequence[AssociationSpec]
    ) -> list[str]:
        """Link with these types. Labels replace those on the pair; the unlabelled type alone only adds the link."""
        known = self.types(kind, to_kind)
        wanted = [known[spec.associationTypeId] for spec in self._checked(kind, to_kind, specs)]
        labels = [item for item in wanted if item.label is not None]
        if labels:
            self._unlink(kind, record_id, to_kind, to_id)
        plain = [item for item in wanted if not item.primary]
        self._link(kind, record_id, to_kind, to_id, [self._default(kind, to_kind), *plain])
        if any(item.primary for item in labels):
            side, company = self._primary_side(kind, record_id, to_kind, to_id)
            if side is not None:
                self._set_primary(side, company)
        return [item.label for item in labels if item.label is not None]

    def add_inline(self, kind: ObjectType, record_id: int, wanted: Iterable[InlineAssociation]) -> None:
        """Associations given at creation; ApiError 400 for a wrong type or an unknown record."""
        for item in wanted:
            if not item.types:
                raise validation_error("An association needs at least one type.")
            to_kind = self._target(kind, item.types[0])
            if item.to.number not in self._store.existing_ids(to_kind, [item.to.number]):
                raise _no_record(to_kind, str(item.to.id))
            self.set_types(kind, record_id, to_kind, item.to.number, item.types)

    def _target(self, kind: ObjectType, spec: AssociationSpec) -> ObjectType:
        for (from_type, to_type), known in self._types.items():
            if from_type == kind.name and spec.associationTypeId in known:
                return object_type(to_type)
        raise _wrong_type(kind.name, "any object type", spec)

    def _checked(
        self, kind: ObjectType, to_kind: ObjectType, specs: Sequence[AssociationSpec]
    ) -> Sequence[AssociationSpec]:
        known = self.types(kind, to_kind)
        for spec in specs:
            item = known.get(spec.associationTypeId)
            if item is None or item.category != spec.associationCategory:
                raise _wrong_type(kind.name, to_kind.name, spec)
        return specs

    def check_specs(self, kind: ObjectType, to_kind: ObjectType, inputs: Iterable[PairInput]) -> None:
        for item in inputs:
            if not item.types:
                raise validation_error("An association needs at least one type.")
            self._checked(kind, to_kind, item.types)

    def _default(self, kind: ObjectType, to_kind: ObjectType) -> LinkType:
        self.types(kind, to_kind)
        return self._types[kind.name, to_kind.name][DEFAULT_ASSOCIATIONS[kind.name, to_kind.name].type_id]

    def _link(
        self, kind: ObjectType, record_id: int, to_kind: ObjectType, to_id: int, types: Iterable[LinkType]
    ) -> None:
        self._store.add_associations(row for item in types for row in self._rows(kind, record_id, to_kind, to_id, item))

    def _rows(
        self, kind: ObjectType, record_id: int, to_kind: ObjectType, to_id: int, item: LinkType
    ) -> tuple[tuple[int, int, int, int, int], ...]:
        return (
            (kind.number, record_id, to_kind.number, to_id, item.type_id),
            (to_kind.number, to_id, kind.number, record_id, item.inverse),
        )

    def _unlink(self, kind: ObjectType, record_id: int, to_kind: ObjectType, to_id: int) -> None:
        rows = []
        for a_kind, a_id, b_kind, b_id in ((kind, record_id, to_kind, to_id), (to_kind, to_id, kind, record_id)):
            for type_id in self._store.association_types(a_kind.number, a_id, b_kind.number, b_id):
                rows.append((a_kind.number, a_id, b_kind.number, b_id, type_id))
        self._store.remove_associations(rows)

    # Primary company: of contacts and of deals; at most one each

    def _primary_side(
        self, kind: ObjectType, record_id: int, to_kind: ObjectType, to_id: int
    ) -> tuple[tuple[ObjectType, int] | None, tuple[ObjectType, int]]:
        """(the contact or deal, the company), whichever way round the pair was given; None for other pairs."""
        if (kind.name, to_kind.name) not in PRIMARY_ASSOCIATIONS:
            return None, (to_kind, to_id)
        if kind.name == "companies":
            return (to_kind, to_id), (kind, record_id)
        return (kind, record_id), (to_kind, to_id)

    def _primary_links(self, kind: ObjectType, record_id: int, company: ObjectType) -> list[int]:
        primary = PRIMARY_ASSOCIATIONS[kind.name, company.name].type_id
        links = self._store.associations(kind.number, record_id, company.number)
        return [to_id for to_id, type_id in links if type_id == primary]

    def _set_primary(self, side: tuple[ObjectType, int], company: tuple[ObjectType, int]) -> None:
        (kind, record_id), (company_kind, company_id) = side, company
        primary = PRIMARY_ASSOCIATIONS[kind.name, company_kind.name]
        demoted = [
            row
            for earlier in self._primary_links(kind, record_id, company_kind)
            for row in (
                (kind.number, record_id, company_kind.number, earlier, primary.type_id),
                (company_kind.number, earlier, kind.number, record_id, primary.inverse),
            )
        ]
        self._store.remove_associations(demoted)
        self._link(kind, record_id, company_kind, company_id, [self._primary_type(kind, company_kind)])

    def _primary_type(self, kind: ObjectType, company: ObjectType) -> LinkType:
        return self._types[kind.name, company.name][PRIMARY_ASSOCIATIONS[kind.name, company.name].type_id]

    # Unlinking

    def remove(self, kind: ObjectType, record_id: int, to_kind: ObjectType, to_id: int) -> None:
        """Remove all labels and the link itself."""
        self._unlink(kind, record_id, to_kind, to_id)

    def remove_labels(
        self, kind: ObjectType, record_id: int, to_kind: ObjectType, to_id: int, specs: Iterable[AssociationSpec]
    ) -> None:
        """Remove these labels; removing the unlabelled type removes the link."""
        known = self.types(kind, to_kind)
        for spec in specs:
            item = known.get(spec.associationTypeId)
            if item is None:
                raise _wrong_type(kind.name, to_kind.name, spec)
            if item.label is None:
                self._unlink(kind, record_id, to_kind, to_id)
            else:
                there = (kind.number, record_id, to_kind.number, to_id, item.type_id)
                back = (to_kind.number, to_id, kind.number, record_id, item.inverse)
                self._store.remove_associations([there, back])

    def remove_all(self, kind: ObjectType, record_id: int) -> None:
        for to_number, to_id in {(row[0], row[1]) for row in self._store.all_associations(kind.number, record_id)}:
            self._unlink(kind, record_id, BY_NUMBER[to_number], to_id)

    def move(self, kind: ObjectType, old_id: int, new_id: int) -> None:
        """Give the links of a merged record to the survivor, whose own primary company stays."""
        if old_id == new_id:
            return
        for to_number, to_id, type_id in self._store.all_associations(kind.number, old_id):
            to_kind = BY_NUMBER[to_number]
            item = self._types[kind.name, to_kind.name][type_id]
            if (to_kind, to_id) == (kind, new_id):
                continue
            side, company = self._primary_side(kind, new_id, to_kind, to_id)
            if item.primary and side is not None and self._primary_links(*side, company[0]) not in ([], [company[1]]):
                if side[1] == new_id:
                    continue
                self._set_primary(side, company)
            self._link(kind, new_id, to_kind, to_id, [item])
        self.remove_all(kind, old_id)

    # Showing

    def page(
        self, kind: ObjectType, record_id: int, to_kind: ObjectType, *, after: int = 0, limit: int = PAGE_LIMIT
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Associated records with their types, and the cursor of the next page."""
        known = self.types(kind, to_kind)
        found: dict[int, list[dict[str, Any]]] = {}
        for to_id, type_id in self._store.associations(kind.number, record_id, to_kind.number, after=after):
            if to_id not in found and len(found) == limit:
                return self._shown_links(found), str(next(reversed(found)))
            found.setdefault(to_id, []).append(known[type_id].shown())
        return self._shown_links(found), None

    def _shown_links(self, found: dict[int, list[dict[str, Any]]]) -> list[dict[str, Any]]:
        return [{"toObjectId": self.shown_id(to_id), "associationTypes": types} for to_id, types in found.items()]

    def shown_id(self, number: int) -> int | str:
        return number if self._portal.switches.numeric_association_ids else str(number)

    def inline(self, kind: ObjectType, record_id: int, to_kind: ObjectType) -> dict[str, Any] | None:
        """As in the `associations` of an object; None when there are none."""
        if (kind.name, to_kind.name) not in self._types:
            return None
        links, after = self.page(kind, record_id, to_kind)
        if not links:
            return None
        word = f"{kind.singular}_to_{to_kind.singular}"
        body: dict[str, Any] = {"results": [{"id": str(link["toObjectId"]), "type": word} for link in links]}
        if after is not None:
            link = f"/crm/v4/objects/{kind.name}/{record_id}/associations/{to_kind.name}?after={after}"
            body["paging"] = {"next": {"after": after, "link": link}}
        return body

    # Labels of the portal

    def labels(self, kind: ObjectType, to_kind: ObjectType) -> list[dict[str, Any]]:
        return [item.shown() for item in self.types(kind, to_kind).values()]

    def create_label(self, kind: ObjectType, to_kind: ObjectType, wanted: LabelCreate) -> list[dict[str, Any]]:
        self.types(kind, to_kind)
        number = _FIRST_LABEL_ID + len(self._store.documents("label"))
        same = kind is to_kind and wanted.inverseLabel is None
        inverse = number if same else number + 1
        there = LinkType(number, inverse, "USER_DEFINED", wanted.label)
        back = LinkType(inverse, number, "USER_DEFINED", wanted.inverseLabel or wanted.label)
        for pair, item in (((kind, to_kind), there), ((to_kind, kind), back)):
            self._types[pair[0].name, pair[1].name][item.type_id] = item
            self._store.put_document("label", f"{pair[0].name}/{pair[1].name}/{item.type_id}", item)
        return [there.shown()] if same else [there.shown(), back.shown()]

    def update_label(self, kind: ObjectType, to_kind: ObjectType, wanted: LabelUpdate) -> None:
        item = self._own_label(kind, to_kind, wanted.associationTypeId)
        item.label = wanted.label
        self._store.put_document("label", f"{kind.name}/{to_kind.name}/{item.type_id}", item)
        if wanted.inverseLabel is not None and item.inverse != item.type_id:
            back = self._types[to_kind.name, kind.name][item.inverse]
            back.label = wanted.inverseLabel
            self._store.put_document("label", f"{to_kind.name}/{kind.name}/{back.type_id}", back)

    def delete_label(self, kind: ObjectType, to_kind: ObjectType, type_id: int) -> None:
        item = self._own_label(kind, to_kind, type_id)
        self._store.remove_association_type(item.type_id, item.inverse)
        for pair, number in (((kind, to_kind), item.type_id), ((to_kind, kind), item.inverse)):
            self._types[pair[0].name, pair[1].name].pop(number, None)
            self._store.delete_document("label", f"{pair[0].name}/{pair[1].name}/{number}")

    def _own_label(self, kind: ObjectType, to_kind: ObjectType, type_id: int) -> LinkType:
        item = self.types(kind, to_kind).get(type_id)
        if item is None or item.category != "USER_DEFINED":
            raise not_found(f"Association type {type_id} does not exist.")
        return item


def _wrong_type(from_type: str, to_type: str, spec: AssociationSpec) -> ApiError:
    message = (
        f"One or more association types are not valid between {from_type} and {to_type}: "
        f"{spec.associationCategory} {spec.associationTypeId}"
    )
    return validation_error(message, code="INVALID_ASSOCIATION_TYPE")


def _no_record(kind: ObjectType, text: str) -> ApiError:
    message = f"{kind.legacy} {text} does not exist"
    error = validation_error(message, context={"objectId": [text], "objectType": [kind.name]})
    error.sub_category = "crm.associations.INVALID_OBJECT_IDS"
    return error


# Routes

_PAIRS = "/crm/v4/associations/{from_type}/{to_type}"
_RECORD = "/crm/v4/objects/{object_type}/{id}/associations"


def _kinds(call: Call) -> tuple[ObjectType, ObjectType]:
    return object_type(call.params["from_type"]), object_type(call.params["to_type"])


def _split_existing(
    call: Call, kind: ObjectType, to_kind: ObjectType, inputs: list[PairInput]
) -> tuple[list[tuple[PairInput, int, int]], list[dict[str, Any]]]:
    """Inputs whose two records exist with the ids of these, and an error for each other one; injected faults take their
    part here."""
    store = call.portal.store
    numbers = [(item.from_.number, item.to.number) for item in inputs]
    known = store.existing_ids(kind, (number for number, _ in numbers))
    known_to = store.existing_ids(to_kind, (number for _, number in numbers))
    good, errors = [], []
    for index, (item, (from_id, to_id)) in enumerate(zip(inputs, numbers, strict=True)):
        if poison := call.poisoned(index, item):
            errors.append(poison.standard(fromObjectId=[str(item.from_.id)], toObjectId=[str(item.to.id)]))
        elif call.omitted(index, len(inputs), item) and call.omits_work:
            continue
        elif from_id not in known:
            errors.append(_no_record(kind, str(item.from_.id)).standard())
        elif to_id not in known_to:
            errors.append(_no_record(to_kind, str(item.to.id)).standard())
        else:
            good.append((item, from_id, to_id))
    return good, errors


@route("POST", f"{_PAIRS}/batch/create", pair_write)
def _batch_create(call: Call) -> Reply:
    kind, to_kind = _kinds(call)
    inputs = call.json(PairBatch).inputs
    check_batch_size(inputs, CREATE_LIMIT)
    associations = call.portal.associations
    associations.check_specs(kind, to_kind, inputs)
    good, errors = _split_existing(call, kind, to_kind, inputs)
    results = []
    for index, (item, from_id, to_id) in enumerate(good):
        labels = associations.set_types(kind, from_id, to_kind, to_id, item.types)
        if call.omits_work or not call.omitted(index, len(good), item):
            results.append(_pair(call, kind, from_id, to_kind, to_id, labels))
    return batch_reply(call, results, errors, success=200 if call.dated else 201)


def _pair(
    call: Call, kind: ObjectType, from_id: int, to_kind: ObjectType, to_id: int, labels: list[str]
) -> dict[str, Any]:
    shown = call.portal.associations.shown_id
    return {
        "fromObjectTypeId": kind.type_id,
        "fromObjectId": shown(from_id),
        "toObjectTypeId": to_kind.type_id,
        "toObjectId": shown(to_id),
        "labels": labels,
    }


def _default_results(kind: ObjectType, from_id: int, to_kind: ObjectType, to_id: int) -> list[dict[str, Any]]:
    there = DEFAULT_ASSOCIATIONS[kind.name, to_kind.name]

    def result(a: int, b: int, type_id: int) -> dict[str, Any]:
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}
        return {"from": {"id": str(a)}, "to": {"id": str(b)}, "associationSpec": spec}

    return [result(from_id, to_id, there.type_id), result(to_id, from_id, there.inverse)]


@route("POST", f"{_PAIRS}/batch/associate/default", pair_write)
def _batch_default(call: Call) -> Reply:
    kind, to_kind = _kinds(call)
    inputs = call.json(PairBatch).inputs
    check_batch_size(inputs, CREATE_LIMIT)
    call.portal.associations.types(kind, to_kind)
    good, errors = _split_existing(call, kind, to_kind, inputs)
    results = []
    call.portal.associations.add_default(kind, to_kind, [(from_id, to_id) for _, from_id, to_id in good])
    for index, (item, from_id, to_id) in enumerate(good):
        if call.omits_work or not call.omitted(index, len(good), item):
            results += _default_results(kind, from_id, to_kind, to_id)
    return batch_reply(call, results, errors, multi_status=False)


@route("POST", f"{_PAIRS}/batch/read", pair_read)
def _batch_read(call: Call) -> Reply:
    kind, to_kind = _kinds(call)
    inputs = call.json(FetchBatch).inputs
    check_batch_size(inputs, READ_LIMIT)
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for index, item in enumerate(inputs):
        if call.omitted(index, len(inputs), item):
            continue
        text = str(item.id)
        after = int(item.after) if item.after and item.after.isdigit() else 0
        number = int(text) if text.isdigit() and len(text) <= 18 else 0
        links, cursor = call.portal.associations.page(kind, number, to_kind, after=after)
        if links:
            body: dict[str, Any] = {"from": {"id": text}, "to": links}
            if cursor is not None:
                body["paging"] = {"next": {"after": cursor, "link": f"?after={cursor}"}}
            results.append(body)
        elif call.portal.switches.no_associations_error:
            message = f"No {to_kind.singular} is associated with {kind.singular} {text}."
            error = ApiError(
                404,
                "OBJECT_NOT_FOUND",
                message,
                context={"fromObjectId": [text], "fromObjectType": [kind.type_id], "toObjectType": [to_kind.type_id]},
                sub_category="crm.associations.NO_ASSOCIATIONS_FOUND",
            )
            errors.append(error.standard())
    return batch_reply(call, results, errors)


@route("POST", f"{_PAIRS}/batch/archive", pair_write)
def _batch_archive(call: Call) -> Reply:
    kind, to_kind = _kinds(call)
    inputs = call.json(ArchiveBatch).inputs
    check_batch_size(inputs, BATCH_LIMIT)
    for item in inputs:
        for to in item.to:
            call.portal.associations.remove(kind, item.from_.number, to_kind, to.number)
    return Reply(204)


@route("POST", f"{_PAIRS}/batch/labels/archive", pair_write)
def _batch_archive_labels(call: Call) -> Reply:
    kind, to_kind = _kinds(call)
    inputs = call.json(PairBatch).inputs
    check_batch_size(inputs, CREATE_LIMIT)
    for item in inputs:
        call.portal.associations.remove_labels(kind, item.from_.number, to_kind, item.to.number, item.types)
    return Reply(204)


@route("GET", f"{_PAIRS}/labels", pair_read)
def _labels(call: Call) -> Reply:
    return Reply(200, {"results": call.portal.associations.labels(*_kinds(call))})


@route("POST", f"{_PAIRS}/labels", pair_write)
def _create_label(call: Call) -> Reply:
    return Reply(200, {"results": call.portal.associations.create_label(*_kinds(call), call.json(LabelCreate))})


@route("PUT", f"{_PAIRS}/labels", pair_write)
def _update_label(call: Call) -> Reply:
    call.portal.associations.update_label(*_kinds(call), call.json(LabelUpdate))
    return Reply(204)


@route("DELETE", f"{_PAIRS}/labels/{{type_id}}", pair_write)
def _delete_label(call: Call) -> Reply:
    text = call.params["type_id"]
    call.portal.associations.delete_label(*_kinds(call), int(text) if text.isdigit() else 0)
    return Reply(204)


def _one(call: Call, kind_word: str, id_word: str) -> tuple[ObjectType, int]:
    """The live record in the path; ApiError 404."""
    kind, text = object_type(call.params[kind_word]), call.params[id_word]
    record = call.portal.records.by_id(kind, text, follow_merge=True)
    if record is None:
        raise not_found()
    return kind, record.id


@route("GET", f"{_RECORD}/{{to_type}}", object_read)
def _list(call: Call) -> Reply:
    kind, record_id = _one(call, "object_type", "id")
    to_kind = object_type(call.params["to_type"])
    limit = call.number("limit", PAGE_LIMIT, PAGE_LIMIT)
    links, cursor = call.portal.associations.page(kind, record_id, to_kind, after=call.after(), limit=limit)
    body: dict[str, Any] = {"results": links}
    if cursor is not None:
        body["paging"] = {"next": {"after": cursor, "link": f"{call.path}?after={cursor}"}}
    return Reply(200, body)


@route("PUT", f"{_RECORD}/default/{{to_type}}/{{to_id}}", object_write)
def _put_default(call: Call) -> Reply:
    kind, record_id = _one(call, "object_type", "id")
    to_kind, to_id = _one(call, "to_type", "to_id")
    call.portal.associations.add_default(kind, to_kind, [(record_id, to_id)])
    return batch_reply(call, _default_results(kind, record_id, to_kind, to_id), [])


@route("PUT", f"{_RECORD}/{{to_type}}/{{to_id}}", object_write)
def _put(call: Call) -> Reply:
    kind, record_id = _one(call, "object_type", "id")
    to_kind, to_id = _one(call, "to_type", "to_id")
    specs = call.json(list[AssociationSpec])
    if not specs:
        raise validation_error("An association needs at least one type.")
    labels = call.portal.associations.set_types(kind, record_id, to_kind, to_id, specs)
    return Reply(201, _pair(call, kind, record_id, to_kind, to_id, labels))


@route("DELETE", f"{_RECORD}/{{to_type}}/{{to_id}}", object_write)
def _delete(call: Call) -> Reply:
    kind, text, to_text = object_type(call.params["object_type"]), call.params["id"], call.params["to_id"]
    to_kind = object_type(call.params["to_type"])
    if text.isdigit() and to_text.isdigit():
        call.portal.associations.remove(kind, int(text), to_kind, int(to_text))
    return Reply(204)
