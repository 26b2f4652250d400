"""Property definitions and groups: HubSpot's own from the catalog, the portal's custom ones from the store.

Also decides whether a set of values may be written (`check`); what a write then does is `records`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.hubspot.catalog import CATALOG, GROUPS, SUBSCRIPTIONS, HubSpotProperty, group_of
from tl_hubspot.sandbox.hubspot.errors import (
    ApiError,
    InvalidProperty,
    invalid_properties,
    not_found,
    objects_not_found,
    validation_error,
)
from tl_hubspot.sandbox.hubspot.http import BATCH_LIMIT, Call, Reply, batch_reply, check_batch_size, route
from tl_hubspot.sandbox.hubspot.object_types import OBJECT_TYPES, ObjectType, object_type
from tl_hubspot.sandbox.hubspot.times import to_iso
from tl_hubspot.sandbox.hubspot.values import BadValue, Scalar, as_text, check_email, normalise, split_list

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_FIELD_TYPES = {
    "string": {"text", "textarea", "phonenumber", "html", "file", "calculation_equation"},
    "phone_number": {"phonenumber", "text"},
    "number": {"number", "text", "calculation_equation"},
    "date": {"date"},
    "datetime": {"date"},
    "enumeration": {"select", "radio", "checkbox", "booleancheckbox", "calculation_equation"},
    "bool": {"booleancheckbox", "radio", "select", "calculation_equation"},
}


class Option(msgspec.Struct, omit_defaults=True):
    label: str
    value: str
    hidden: bool
    displayOrder: int = -1
    description: str = ""


class OptionInput(msgspec.Struct):
    label: str
    value: str
    hidden: bool = False
    displayOrder: int = -1
    description: str = ""

    def option(self) -> Option:
        return Option(self.label, self.value, self.hidden, self.displayOrder, self.description)


class ModificationMetadata(msgspec.Struct, omit_defaults=True):
    archivable: bool
    readOnlyDefinition: bool
    readOnlyValue: bool
    readOnlyOptions: bool | None = None


class Definition(msgspec.Struct, omit_defaults=True):
    """A property definition, member by member as HubSpot answers it."""

    name: str
    label: str
    type: str
    fieldType: str
    groupName: str
    description: str
    options: list[Option]
    displayOrder: int
    calculated: bool
    externalOptions: bool
    hasUniqueValue: bool
    hidden: bool
    formField: bool
    archived: bool
    modificationMetadata: ModificationMetadata
    dataSensitivity: str = ""
    hubspotDefined: bool = False
    referencedObjectType: str = ""
    textDisplayHint: str = ""
    createdAt: str = ""
    updatedAt: str = ""
    archivedAt: str = ""
    createdMs: int = 0


class PropertyCreate(msgspec.Struct):
    name: str
    label: str
    groupName: str
    type: str
    fieldType: str
    options: list[OptionInput] = []
    hasUniqueValue: bool = False
    description: str = ""
    displayOrder: int = -1
    hidden: bool = False
    formField: bool = False
    externalOptions: bool = False


class PropertyUpdate(msgspec.Struct):
    label: str | None = None
    groupName: str | None = None
    type: str | None = None
    fieldType: str | None = None
    options: list[OptionInput] | None = None
    description: str | None = None
    displayOrder: int | None = None
    hidden: bool | None = None
    formField: bool | None = None


class GroupCreate(msgspec.Struct):
    name: str
    label: str
    displayOrder: int = -1


class GroupUpdate(msgspec.Struct):
    label: str | None = None
    displayOrder: int | None = None


class PropertyName(msgspec.Struct):
    name: str


class BatchCreate(msgspec.Struct):
    inputs: list[PropertyCreate]


class BatchNames(msgspec.Struct):
    inputs: list[PropertyName]
    archived: bool = False


class Properties:
    """Definitions of all object types; kept in memory, custom and changed ones also in the store."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._live: dict[str, dict[str, Definition]] = {}
        self._archived: dict[str, dict[str, Definition]] = {}
        self._options: dict[tuple[str, str], Collection[str] | None] = {}
        self.groups: dict[str, dict[str, dict[str, Any]]] = {}
        for kind in OBJECT_TYPES.values():
            self._live[kind.name] = {item.name: _from_catalog(kind, item) for item in CATALOG[kind.name]}
            if kind.name == "contacts":
                for number, subscription, *_ in SUBSCRIPTIONS:
                    optout = _optout_property(f"hs_email_optout_{number}", subscription)
                    self._live[kind.name][optout.name] = optout
            self._archived[kind.name] = {}
            for name, body in portal.store.documents(f"property:{kind.name}").items():
                definition_ = decoding.convert(body, Definition)
                (self._archived if definition_.archived else self._live)[kind.name][name] = definition_
            self.groups[kind.name] = {
                name: {"name": name, "label": label, "displayOrder": order, "archived": False}
                for order, (name, label) in enumerate(GROUPS[kind.name])
            }
            for name, body in portal.store.documents(f"group:{kind.name}").items():
                self.groups[kind.name][name] = body

    # Definitions

    def find(self, kind: ObjectType, name: str) -> Definition | None:
        """The definition that the API sees now (a new one may not be visible yet)."""
        found = self._live[kind.name].get(name)
        if found is not None and found.createdMs:
            delay = self._portal.switches.property_visibility_seconds
            if delay and self._portal.now_ms() < found.createdMs + delay * 1000:
                return None
        return found

    def names(self, kind: ObjectType) -> Collection[str]:
        return self._live[kind.name].keys()

    def unique(self, kind: ObjectType) -> list[str]:
        return [item.name for item in self._live[kind.name].values() if item.hasUniqueValue]

    def dates(self, kind: ObjectType) -> dict[str, str]:
        """Name → type of the date and datetime properties."""
        return {item.name: item.type for item in self._live[kind.name].values() if item.type in ("date", "datetime")}

    def is_unique(self, kind: ObjectType, name: str) -> bool:
        found = self.find(kind, name)
        return found is not None and found.hasUniqueValue

    def all(self, kind: ObjectType, *, archived: bool = False) -> list[Definition]:
        if archived:
            return [self.shown(kind, item) for item in self._archived[kind.name].values()]
        return [self.shown(kind, item) for item in self._live[kind.name].values() if self.find(kind, item.name)]

    def shown(self, kind: ObjectType, definition: Definition) -> Definition:
        """As answered: with the options and the read-only flag that depend on the rest of the portal."""
        options = self._portal_options(kind, definition.name)
        read_only = self.read_only(kind, definition)
        metadata = msgspec.structs.replace(definition.modificationMetadata, readOnlyValue=read_only)
        return msgspec.structs.replace(
            definition,
            options=options if options is not None else definition.options,
            modificationMetadata=metadata,
            createdMs=0,
        )

    def read_only(self, kind: ObjectType, definition: Definition) -> bool:
        switches = self._portal.switches
        if kind.name == "contacts" and definition.name == "hs_additional_emails":
            return switches.additional_emails_by_property == "refused"
        if kind.name == "deals" and definition.name == "createdate":
            return not switches.deal_createdate_writable
        return definition.modificationMetadata.readOnlyValue

    def _portal_options(self, kind: ObjectType, name: str) -> list[Option] | None:
        if kind.name == "deals":
            if name == "pipeline":
                return [Option(label, value, False) for value, label in self._portal.pipelines.pipeline_options()]
            if name == "dealstage":
                return [Option(label, value, False) for value, label in self._portal.pipelines.stage_options()]
            if name == "deal_currency_code":
                return [Option(code, code, False) for code in self._portal.account.currencies()]
        return None

    def _allowed(self, kind: ObjectType, definition: Definition) -> Collection[str] | None:
        """Values of an enumeration that may be written; None: any."""
        dynamic = self._portal_options(kind, definition.name)
        if dynamic is not None:
            return [option.value for option in dynamic]
        if definition.name == "hubspot_owner_id":
            return self._portal.owners.active_ids()
        if definition.externalOptions:
            return None
        key = (kind.name, definition.name)
        if key not in self._options:
            self._options[key] = {option.value: None for option in definition.options}.keys()
        return self._options[key]

    # Values

    def check(
        self,
        kind: ObjectType,
        values: Mapping[str, Scalar],
        current: Mapping[str, str],
        *,
        trusted: bool = False,
    ) -> dict[str, str]:
        """The stored text per property ("" clears); ApiError 400 naming every value that is not valid.

        `trusted` writes (a person, HubSpot itself) may set read-only properties.
        """
        accepted: dict[str, str] = {}
        problems: list[InvalidProperty] = []
        for name, value in values.items():
            definition = self.find(kind, name)
            if definition is None:
                problems.append(InvalidProperty(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
                continue
            if not trusted and self.read_only(kind, definition):
                text = f'"{name}" is a read only property; its value cannot be set.'
                problems.append(InvalidProperty(name, "READ_ONLY_VALUE", text))
                continue
            try:
                accepted[name] = self._value(kind, definition, as_text(value), current.get(name, ""))
            except BadValue as error:
                problems.append(InvalidProperty(name, error.code, error.message))
        if problems:
            raise invalid_properties(problems, self._portal.profile.portal_id)
        return accepted

    def _value(self, kind: ObjectType, definition: Definition, text: str, current: str) -> str:
        if text == "":
            return ""
        if kind.name == "contacts" and definition.name == "email":
            return check_email(text) if text.strip() else ""
        if kind.name == "contacts" and definition.name == "hs_additional_emails":
            addresses = [check_email(part) for part in split_list(text)]
            before = split_list(current) if text.startswith(";") else []
            return ";".join(dict.fromkeys(before + addresses))
        if definition.type not in ("enumeration", "bool"):
            options: Collection[str] | None = None
        else:
            options = self._allowed(kind, definition)
        return normalise(definition.type, definition.fieldType, text, options, current)

    # Changes

    def create(self, kind: ObjectType, wanted: PropertyCreate) -> Definition:
        if wanted.name in self._live[kind.name]:
            raise ApiError(
                409,
                "OBJECT_ALREADY_EXISTS",
                f"A property named '{wanted.name}' already exists.",
                sub_category="Properties.PROPERTY_WITH_NAME_EXISTS",
            )
        self._check_definition(kind, wanted)
        now = self._portal.now_ms()
        definition = Definition(
            name=wanted.name,
            label=wanted.label,
            type=wanted.type,
            fieldType=wanted.fieldType,
            groupName=wanted.groupName,
            description=wanted.description,
            options=[option.option() for option in wanted.options],
            displayOrder=wanted.displayOrder,
            calculated=wanted.fieldType == "calculation_equation",
            externalOptions=wanted.externalOptions,
            hasUniqueValue=wanted.hasUniqueValue,
            hidden=wanted.hidden,
            formField=wanted.formField,
            archived=False,
            modificationMetadata=ModificationMetadata(
                archivable=True,
                readOnlyDefinition=False,
                readOnlyValue=wanted.fieldType == "calculation_equation",
                readOnlyOptions=False if wanted.type == "enumeration" else None,
            ),
            dataSensitivity="non_sensitive",
            createdAt=to_iso(now),
            updatedAt=to_iso(now),
            createdMs=now,
        )
        self._archived[kind.name].pop(wanted.name, None)
        self._save(kind, definition)
        return self.shown(kind, definition)

    def _check_definition(self, kind: ObjectType, wanted: PropertyCreate) -> None:
        if not _NAME.fullmatch(wanted.name):
            text = f'The property name "{wanted.name}" must start with a letter and hold only a-z, 0-9 and _.'
            raise validation_error(text, code="INVALID_PROPERTY_NAME", context={"name": [wanted.name]})
        self._check_shape(kind, wanted.groupName, wanted.type, wanted.fieldType, wanted.options)
        if wanted.hasUniqueValue:
            if wanted.type not in ("string", "number", "phone_number"):
                raise validation_error("Only text and number properties can have unique values.")
            if len(self.unique(kind)) >= self._portal.profile.unique_properties_limit:
                limit = self._portal.profile.unique_properties_limit
                raise validation_error(
                    f"You can only have {limit} unique properties for {kind.legacy}.",
                    code="UNIQUE_PROPERTY_LIMIT_EXCEEDED",
                )
        custom = sum(not item.hubspotDefined for item in self._live[kind.name].values())
        if custom >= self._portal.profile.custom_properties_limit:
            raise validation_error("You have reached the limit of custom properties.", code="PROPERTY_LIMIT_EXCEEDED")

    def _check_shape(
        self, kind: ObjectType, group: str, type_name: str, field_type: str, options: list[OptionInput]
    ) -> None:
        if group not in self.groups[kind.name]:
            raise validation_error(f"Property group {group} does not exist.", code="PROPERTY_GROUP_DOESNT_EXIST")
        if type_name not in _FIELD_TYPES:
            raise validation_error(f"Invalid property type {type_name}.", code="INVALID_TYPE")
        if field_type not in _FIELD_TYPES[type_name]:
            raise validation_error(f"Field type {field_type} does not fit type {type_name}.", code="INVALID_FIELD_TYPE")
        values = [option.value for option in options]
        if type_name == "bool" and sorted(values) != ["false", "true"]:
            raise validation_error(
                "Boolean properties must have exactly two options, true and false.", code="INVALID_BOOLEAN_OPTION"
            )
        if len(set(values)) != len(values):
            raise validation_error("Property option values must be unique.", code="DUPLICATE_OPTION")

    def update(self, kind: ObjectType, name: str, wanted: PropertyUpdate) -> Definition:
        definition = self._live[kind.name].get(name)
        if definition is None:
            raise _no_property(name)
        metadata = definition.modificationMetadata
        shape = (wanted.type, wanted.fieldType, wanted.groupName)
        if metadata.readOnlyDefinition and any(value is not None for value in shape):
            raise validation_error(f"Property {name} cannot be changed.", code="READ_ONLY_DEFINITION")
        if wanted.options is not None and metadata.readOnlyOptions is not False and definition.type != "bool":
            raise validation_error(f"Options of property {name} cannot be changed.", code="READ_ONLY_OPTIONS")
        changes = {
            field: value
            for field in (
                "label",
                "groupName",
                "type",
                "fieldType",
                "description",
                "displayOrder",
                "hidden",
                "formField",
            )
            if (value := getattr(wanted, field)) is not None
        }
        options = definition.options
        if wanted.options is not None:
            options = [option.option() for option in wanted.options]
        changed = msgspec.structs.replace(
            definition, **changes, options=options, updatedAt=to_iso(self._portal.now_ms())
        )
        if not definition.hubspotDefined:
            inputs = [OptionInput(option.label, option.value, option.hidden) for option in options]
            self._check_shape(kind, changed.groupName, changed.type, changed.fieldType, inputs)
        self._save(kind, changed)
        return self.shown(kind, changed)

    def archive(self, kind: ObjectType, name: str) -> None:
        definition = self._live[kind.name].get(name)
        if definition is None:
            raise _no_property(name)
        if not definition.modificationMetadata.archivable:
            raise validation_error(f"Property {name} cannot be archived.", code="CANNOT_DELETE_HUBSPOT_PROPERTY")
        if kind.name == "contacts" and name == self._portal.switches.marketing_workflow_property:
            raise validation_error(f"Property {name} is used by a workflow.", code="CANNOT_DELETE_PROPERTY_IN_USE")
        archived = msgspec.structs.replace(definition, archived=True, archivedAt=to_iso(self._portal.now_ms()))
        del self._live[kind.name][name]
        self._save(kind, archived)

    def _save(self, kind: ObjectType, definition: Definition) -> None:
        target = self._archived if definition.archived else self._live
        target[kind.name][definition.name] = definition
        self._options.pop((kind.name, definition.name), None)
        self._portal.store.put_document(f"property:{kind.name}", definition.name, definition)

    # Groups

    def create_group(self, kind: ObjectType, wanted: GroupCreate) -> dict[str, Any]:
        if wanted.name in self.groups[kind.name]:
            raise ApiError(409, "OBJECT_ALREADY_EXISTS", f"A property group named '{wanted.name}' already exists.")
        body = {"name": wanted.name, "label": wanted.label, "displayOrder": wanted.displayOrder, "archived": False}
        return self._save_group(kind, body)

    def update_group(self, kind: ObjectType, name: str, wanted: GroupUpdate) -> dict[str, Any]:
        body = dict(self.group(kind, name))
        if wanted.label is not None:
            body["label"] = wanted.label
        if wanted.displayOrder is not None:
            body["displayOrder"] = wanted.displayOrder
        return self._save_group(kind, body)

    def group(self, kind: ObjectType, name: str) -> dict[str, Any]:
        if name not in self.groups[kind.name]:
            raise not_found(f"Property group {name} does not exist.")
        return self.groups[kind.name][name]

    def archive_group(self, kind: ObjectType, name: str) -> None:
        self.group(kind, name)
        if any(item.groupName == name for item in self._live[kind.name].values()):
            raise validation_error(f"Property group {name} has active properties.", code="GROUP_WITH_ACTIVE_PROPERTIES")
        del self.groups[kind.name][name]
        self._portal.store.delete_document(f"group:{kind.name}", name)

    def _save_group(self, kind: ObjectType, body: dict[str, Any]) -> dict[str, Any]:
        self.groups[kind.name][body["name"]] = body
        self._portal.store.put_document(f"group:{kind.name}", body["name"], body)
        return body


def _no_property(name: str) -> ApiError:
    return not_found(f'Property "{name}" does not exist')


def _from_catalog(kind: ObjectType, item: HubSpotProperty) -> Definition:
    read_only = "r" in item.flags
    enumeration = item.type == "enumeration"
    return Definition(
        name=item.name,
        label=item.label,
        type=item.type,
        fieldType=item.field_type,
        groupName=group_of(kind.name, item.name),
        description="",
        options=[Option(label, value, False, order) for order, (value, label) in enumerate(item.options)],
        displayOrder=-1,
        calculated="c" in item.flags,
        externalOptions="e" in item.flags,
        hasUniqueValue=False,
        hidden="h" in item.flags,
        formField=not read_only and not enumeration,
        archived=False,
        modificationMetadata=ModificationMetadata(
            archivable=False,
            readOnlyDefinition=True,
            readOnlyValue=read_only,
            readOnlyOptions=(read_only or "e" in item.flags or item.name == "hs_language") if enumeration else None,
        ),
        dataSensitivity="non_sensitive",
        hubspotDefined=True,
        referencedObjectType="OWNER" if item.name == "hubspot_owner_id" else "",
        textDisplayHint="domain_name" if "d" in item.flags else "",
        createdAt="2019-08-06T02:41:08.029Z",
        updatedAt="2024-03-05T10:12:35.120Z",
    )


def _optout_property(name: str, subscription: str) -> Definition:
    item = HubSpotProperty(name, f"Opted out of email: {subscription}", "enumeration", "booleancheckbox", "r")
    definition = _from_catalog(OBJECT_TYPES["contacts"], item)
    definition.options = [Option("Yes", "true", False), Option("No", "false", False)]
    return definition


# Routes


def _schema_scopes(call: Call, access: str) -> tuple[str, ...]:
    kind = object_type(call.params["object_type"])
    schemas = f"crm.schemas.{kind.name}.{access}"
    return (schemas, f"crm.objects.{kind.name}.read") if access == "read" else (schemas,)


def _read_scopes(call: Call) -> tuple[str, ...]:
    return _schema_scopes(call, "read")


def _write_scopes(call: Call) -> tuple[str, ...]:
    return _schema_scopes(call, "write")


_ROOT = "/crm/v3/properties/{object_type}"


@route("GET", _ROOT, _read_scopes)
def _list(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    return Reply(200, {"results": call.portal.properties.all(kind, archived=call.flag("archived"))})


@route("POST", _ROOT, _write_scopes)
def _create(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    return Reply(201, call.portal.properties.create(kind, call.json(PropertyCreate)))


@route("POST", f"{_ROOT}/batch/create", _write_scopes)
def _batch_create(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    inputs = call.json(BatchCreate).inputs
    check_batch_size(inputs, BATCH_LIMIT)
    results, errors = [], []
    for wanted in inputs:
        try:
            results.append(call.portal.properties.create(kind, wanted))
        except ApiError as error:
            errors.append(error.standard(name=[wanted.name]))
    return batch_reply(call, results, errors, success=201)


@route("POST", f"{_ROOT}/batch/read", _read_scopes)
def _batch_read(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    body = call.json(BatchNames)
    check_batch_size(body.inputs, BATCH_LIMIT)
    known = {item.name: item for item in call.portal.properties.all(kind, archived=body.archived)}
    missing = [wanted.name for wanted in body.inputs if wanted.name not in known]
    results = [known[wanted.name] for wanted in body.inputs if wanted.name in known]
    errors = [objects_not_found("PROPERTY", missing).standard()] if missing else []
    return batch_reply(call, results, errors)


@route("POST", f"{_ROOT}/batch/archive", _write_scopes)
def _batch_archive(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    inputs = call.json(BatchNames).inputs
    check_batch_size(inputs, BATCH_LIMIT)
    for wanted in inputs:
        if wanted.name in call.portal.properties.names(kind):
            call.portal.properties.archive(kind, wanted.name)
    return Reply(204)


@route("GET", f"{_ROOT}/groups", _read_scopes)
def _list_groups(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    return Reply(200, {"results": list(call.portal.properties.groups[kind.name].values())})


@route("POST", f"{_ROOT}/groups", _write_scopes)
def _create_group(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    return Reply(201, call.portal.properties.create_group(kind, call.json(GroupCreate)))


@route("GET", f"{_ROOT}/groups/{{group}}", _read_scopes)
def _read_group(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    return Reply(200, call.portal.properties.group(kind, call.params["group"]))


@route("PATCH", f"{_ROOT}/groups/{{group}}", _write_scopes)
def _update_group(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    return Reply(200, call.portal.properties.update_group(kind, call.params["group"], call.json(GroupUpdate)))


@route("DELETE", f"{_ROOT}/groups/{{group}}", _write_scopes)
def _archive_group(call: Call) -> Reply:
    call.portal.properties.archive_group(object_type(call.params["object_type"]), call.params["group"])
    return Reply(204)


@route("GET", f"{_ROOT}/{{name}}", _read_scopes)
def _read(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    known = {item.name: item for item in call.portal.properties.all(kind, archived=call.flag("archived"))}
    if call.params["name"] not in known:
        raise _no_property(call.params["name"])
    return Reply(200, known[call.params["name"]])


@route("PATCH", f"{_ROOT}/{{name}}", _write_scopes)
def _update(call: Call) -> Reply:
    kind = object_type(call.params["object_type"])
    return Reply(200, call.portal.properties.update(kind, call.params["name"], call.json(PropertyUpdate)))


@route("DELETE", f"{_ROOT}/{{name}}", _write_scopes)
def _archive(call: Call) -> Reply:
    call.portal.properties.archive(object_type(call.params["object_type"]), call.params["name"])
    return Reply(204)
