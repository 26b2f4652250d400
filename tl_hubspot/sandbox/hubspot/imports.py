"""Imports: CSV files that create and update records asynchronously, on the virtual clock; and their routes.

How a row's values become a record is `records`; the marketing status that an import may set is `marketing`.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.hubspot.errors import ApiError, not_found, validation_error
from tl_hubspot.sandbox.hubspot.http import Call, Reply, route
from tl_hubspot.sandbox.hubspot.object_types import BY_NUMBER, DEFAULT_ASSOCIATIONS, ObjectType
from tl_hubspot.sandbox.hubspot.records import COMPANIES, CONTACTS
from tl_hubspot.sandbox.hubspot.store import Record
from tl_hubspot.sandbox.hubspot.times import parse_instant, to_iso, to_ms

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

PARALLEL = 3
_PAGE_LIMIT = 500
_DATE_FORMATS = {"YEAR_MONTH_DAY": "%Y-%m-%d", "MONTH_DAY_YEAR": "%m-%d-%Y", "DAY_MONTH_YEAR": "%d-%m-%Y"}
_ERROR_TYPES = {
    "INVALID_EMAIL": "INVALID_EMAIL",
    "INVALID_OPTION": "INVALID_ENUMERATION_OPTION",
    "INVALID_INTEGER": "COULD_NOT_PARSE_NUMBER",
    "INVALID_DATE": "COULD_NOT_PARSE_DATE",
    "PROPERTY_DOESNT_EXIST": "PROPERTY_DEFINITION_NOT_FOUND",
    "READ_ONLY_VALUE": "FAILED_VALIDATION",
    "INVALID_LENGTH": "FAILED_VALIDATION",
}
Operation = Literal["CREATE", "UPDATE", "UPSERT"]


class ColumnMapping(msgspec.Struct):
    columnObjectTypeId: str
    columnName: str
    propertyName: str | None = None
    columnType: str | None = None
    idColumnType: str | None = None
    foreignKeyType: Any = None

    @property
    def kind(self) -> str:
        return self.columnType or self.idColumnType or "STANDARD"


class ImportPage(msgspec.Struct):
    columnMappings: list[ColumnMapping]
    hasHeader: bool = True


class ImportFile(msgspec.Struct):
    fileName: str
    fileImportPage: ImportPage
    fileFormat: str = "CSV"
    dateFormat: str | None = None


class ImportRequest(msgspec.Struct):
    files: list[ImportFile]
    name: str = ""
    importOperations: dict[str, Operation] = {}
    dateFormat: str | None = None
    timeZone: str | None = None
    marketableContactImport: bool = False


class _RowError(Exception):
    """A row (or a value, with `column`) that cannot be imported; `kind` is an errorType of the API."""

    def __init__(self, kind: str, text: str, *, column: int | None = None, value: str | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.column = column
        self.value = value


class Imports:
    """Imports in the order of their creation. Their work is done when the clock has reached their end."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._imports: dict[str, dict[str, Any]] = portal.store.documents("import")
        self._open = [key for key, body in self._imports.items() if body["state"] not in ("DONE", "FAILED", "CANCELED")]

    def all(self) -> list[dict[str, Any]]:
        """Latest first."""
        return list(reversed(self._imports.values()))

    def get(self, import_id: str) -> dict[str, Any]:
        if import_id not in self._imports:
            raise not_found(f"Import {import_id} does not exist.")
        return self._imports[import_id]

    def start(self, request_text: str, files: list[tuple[str, bytes]]) -> dict[str, Any]:
        """Accept an import; ApiError 400 for a request that cannot be understood."""
        try:
            request = decoding.decode(request_text, type=ImportRequest)
        except msgspec.DecodeError as error:
            raise validation_error(f"Invalid importRequest: {error}") from None
        names = {name for name, _ in files}
        for item in request.files:
            if item.fileName not in names:
                raise validation_error(f"File {item.fileName} was not uploaded.")
            if item.fileFormat != "CSV":
                raise validation_error(f"File format {item.fileFormat} is not supported by this sandbox.")
            self._check_mappings(item)
        if not request.files:
            raise validation_error("An import needs at least one file.")
        now = self._portal.now_ms()
        import_id = str(70_000_001 + len(self._imports))
        running = sum(self._imports[key]["state"] in ("STARTED", "PROCESSING") for key in self._open)
        body = {
            "id": import_id,
            "state": "STARTED" if running < PARALLEL else "DEFERRED",
            "importName": request.name,
            "importSource": "API",
            "importRequestJson": decoding.decode(request_text),
            "optOutImport": False,
            "mappedObjectTypeIds": sorted({kind.type_id for item in request.files for kind in self._kinds(item)}),
            "metadata": {"counters": {}, "fileIds": [f"{import_id}{number}" for number in range(len(files))]},
            "createdAt": to_iso(now),
            "updatedAt": to_iso(now),
            "startsMs": now,
        }
        body["metadata"]["objectLists"] = []
        for name, content in files:
            self._portal.store.add_import_file(import_id, name, content)
        self._open.append(import_id)
        return self._save(body)

    def _kinds(self, item: ImportFile) -> list[ObjectType]:
        kinds = []
        for mapping in item.fileImportPage.columnMappings:
            number = mapping.columnObjectTypeId.removeprefix("0-")
            if not number.isdigit() or int(number) not in BY_NUMBER:
                raise validation_error(f"Unknown object type id {mapping.columnObjectTypeId}.")
            if BY_NUMBER[int(number)] not in kinds:
                kinds.append(BY_NUMBER[int(number)])
        return kinds

    def _check_mappings(self, item: ImportFile) -> None:
        for kind in self._kinds(item):
            for mapping in _mappings(item, kind):
                name = mapping.propertyName
                if mapping.kind == "HUBSPOT_OBJECT_ID" or (
                    name is None and mapping.kind == "FLEXIBLE_ASSOCIATION_LABEL"
                ):
                    continue
                if name is None:
                    raise validation_error(f"Column {mapping.columnName} has no property.")
                if self._portal.properties.find(kind, name) is None:
                    raise validation_error(f"Property {name} does not exist.", code="PROPERTY_DEFINITION_NOT_FOUND")
                if mapping.kind == "HUBSPOT_ALTERNATE_ID" and not self._is_key(kind, name):
                    raise validation_error(f"Property {name} cannot be an alternate id.", code="INVALID_ALTERNATE_ID")

    def _is_key(self, kind: ObjectType, name: str) -> bool:
        if (kind, name) in ((CONTACTS, "email"), (COMPANIES, "domain")):
            return True
        return self._portal.properties.is_unique(kind, name)

    def cancel(self, import_id: str) -> None:
        body = self.get(import_id)
        if import_id not in self._open:
            raise validation_error(f"Import {import_id} is already {body['state']}.")
        self._finish(body, "CANCELED")

    def run_due(self) -> None:
        """Bring every open import to where the clock says it is."""
        if not self._open:
            return
        now, seconds = self._portal.now_ms(), self._portal.switches.import_seconds
        running = 0
        for import_id in list(self._open):
            body = self._imports[import_id]
            if body["state"] == "DEFERRED":
                if running >= PARALLEL:
                    continue
                body |= {"state": "STARTED", "startsMs": now}
            if now >= body["startsMs"] + seconds * 1000:
                self._run(body)
            else:
                running += 1
                if body["state"] == "STARTED":
                    self._save(body | {"state": "PROCESSING", "updatedAt": to_iso(now)})

    def _finish(self, body: dict[str, Any], state: str) -> None:
        self._open.remove(body["id"])
        self._portal.store.drop_import_files(body["id"])
        self._save(body | {"state": state, "updatedAt": to_iso(self._portal.now_ms())})

    def _save(self, body: dict[str, Any]) -> dict[str, Any]:
        self._imports[body["id"]] = body
        self._portal.store.put_document("import", body["id"], body)
        return body

    # The work

    def _run(self, body: dict[str, Any]) -> None:
        request = decoding.convert(body["importRequestJson"], ImportRequest)
        counters: Counter[str] = Counter()
        kinds = {kind for item in request.files for kind in self._kinds(item)}
        # An import of several object types creates contacts as non-marketing whatever it asks for.
        marketing = request.marketableContactImport and kinds == {CONTACTS}
        for item in request.files:
            content = self._portal.store.import_file(body["id"], item.fileName) or b""
            for line, row in _rows(item, content):
                counters["TOTAL_ROWS"] += 1
                try:
                    with self._portal.store.transaction():
                        self._import_row(body, request, item, line, row, counters, marketing)
                except _RowError as error:
                    counters["ERRORS"] += 1
                    self._add_error(body, line, row, error)
        body["metadata"]["counters"] = dict(counters)
        self._finish(body, "DONE")

    def _import_row(
        self,
        body: dict[str, Any],
        request: ImportRequest,
        item: ImportFile,
        line: int,
        row: dict[str, str],
        counters: Counter[str],
        marketing: bool,
    ) -> None:
        written: list[tuple[ObjectType, Record]] = []
        for kind in self._kinds(item):
            operation = request.importOperations.get(kind.type_id, "UPSERT")
            record, values = self._match(kind, item, row)
            if record is None and operation == "UPDATE":
                raise _RowError("UPDATE_ONLY_IMPORT", "The row matches no record and the import only updates.")
            if record is not None and operation == "CREATE":
                raise _RowError("CREATE_ONLY_IMPORT", "The row matches a record and the import only creates.")
            new = record is None
            record = self._write(body, request, item, kind, line, row, record, values, counters)
            counters["CREATED_OBJECTS" if new else "UPDATED_OBJECTS"] += 1
            counters["UNIQUE_OBJECTS_WRITTEN"] += 1
            if marketing and self._portal.marketing.switch(record, True, "IMPORT", body["importName"]):
                self._portal.records.save(CONTACTS, record)
            written.append((kind, record))
        for (kind, record), (to_kind, other) in itertools.pairwise(written):
            if (kind.name, to_kind.name) in DEFAULT_ASSOCIATIONS:
                self._portal.associations.add_default(kind, to_kind, [(record.id, other.id)])

    def _match(self, kind: ObjectType, item: ImportFile, row: dict[str, str]) -> tuple[Record | None, dict[str, str]]:
        """The record that a row means, and its values by property."""
        records = self._portal.records
        record: Record | None = None
        values: dict[str, str] = {}
        for mapping in _mappings(item, kind):
            text = row.get(mapping.columnName, "").strip()
            if mapping.kind == "HUBSPOT_OBJECT_ID":
                record = records.by_id(kind, text, follow_merge=True)
                if record is None:
                    raise _RowError("INVALID_OBJECT_ID", f"Record {text} does not exist.", value=text)
                continue
            if mapping.propertyName is None:
                continue
            values[mapping.propertyName] = text
            name = mapping.propertyName
            named = mapping.kind == "HUBSPOT_ALTERNATE_ID" or name == "email"
            if record is None and text and named and self._is_key(kind, name):
                record = self._by_alternate_id(kind, name, text)
        return record, values

    def _by_alternate_id(self, kind: ObjectType, name: str, text: str) -> Record | None:
        if kind is COMPANIES and name == "domain":
            found = self._portal.store.companies_with_domain(text.lower())
            if len(found) > 1:
                raise _RowError("MULTIPLE_COMPANIES_WITH_THIS_DOMAIN", f"Several companies have {text}.", value=text)
            return self._portal.store.get(kind, found[0]) if found else None
        return self._portal.records.by_key(kind, name, text)

    def _write(
        self,
        body: dict[str, Any],
        request: ImportRequest,
        item: ImportFile,
        kind: ObjectType,
        line: int,
        row: dict[str, str],
        record: Record | None,
        values: dict[str, str],
        counters: Counter[str],
    ) -> Record:
        """Write a row; a value that does not fit is reported and left out, the rest is written."""
        left = {name: self._converted(kind, request, item, name, text) for name, text in values.items() if text}
        while True:
            try:
                if record is None:
                    written = self._portal.records.create(kind, left, source="IMPORT")
                elif left:
                    written = self._portal.records.update(kind, record, left, source="IMPORT")
                else:
                    written = record
                counters["PROPERTY_VALUES_EMITTED"] += len(left)
                return written
            except ApiError as error:
                bad = [
                    detail["context"]["propertyName"][0]
                    for detail in error.errors
                    if "propertyName" in detail.get("context", {})
                ]
                if not bad:
                    kind_of_error = "SECONDARY_EMAIL_WRITE_FAILURE" if error.status == 409 else "FAILED_VALIDATION"
                    if "already has that value" in error.message:
                        kind_of_error = "DUPLICATE_UNIQUE_PROPERTY_VALUE"
                    if "required properties" in error.message:
                        kind_of_error = "MISSING_REQUIRED_PROPERTY"
                    raise _RowError(kind_of_error, error.message) from None
                for name, detail in zip(bad, error.errors, strict=True):
                    column = [mapping.propertyName for mapping in item.fileImportPage.columnMappings].index(name)
                    error_type = _ERROR_TYPES.get(detail["code"], "FAILED_VALIDATION")
                    found = _RowError(error_type, detail["message"], column=column, value=left.pop(name))
                    counters["ERRORS"] += 1
                    self._add_error(body, line, row, found)

    def _converted(self, kind: ObjectType, request: ImportRequest, item: ImportFile, name: str, text: str) -> str:
        """A cell as the API would take it: option labels become values, dates are read in the import's format."""
        definition = self._portal.properties.find(kind, name)
        if definition is None:
            return text
        if definition.type == "enumeration":
            shown = self._portal.properties.shown(kind, definition)
            labels = {option.label.lower(): option.value for option in shown.options}
            known = {option.value for option in shown.options}
            return text if text in known else labels.get(text.lower(), text)
        if definition.type in ("date", "datetime"):
            return _as_date(definition.type, text, item.dateFormat or request.dateFormat, request.timeZone)
        return text

    def _add_error(self, body: dict[str, Any], line: int, row: dict[str, str], error: _RowError) -> None:
        entry: dict[str, Any] = {
            "errorType": error.kind,
            "errorMessage": error.text,
            "createdAt": self._portal.now_ms(),
            "sourceData": {
                "fileId": int(body["metadata"]["fileIds"][0]),
                "lineNumber": line,
                "rowData": list(row.values()),
                "additionalRowData": [],
                "containsEncryptedProperties": False,
            },
        }
        if error.value is not None:
            entry["invalidValue"] = error.value
        if error.column is not None:
            entry["knownColumnNumber"] = error.column
        self._portal.store.add_import_error(body["id"], entry)


def _mappings(item: ImportFile, kind: ObjectType) -> list[ColumnMapping]:
    return [mapping for mapping in item.fileImportPage.columnMappings if mapping.columnObjectTypeId == kind.type_id]


def _rows(item: ImportFile, content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, values by column name); without a header the columns are those of the mappings, in their order."""
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    names = [mapping.columnName for mapping in item.fileImportPage.columnMappings]
    if item.fileImportPage.hasHeader:
        names = next(reader, names)
    for cells in reader:
        if cells:
            yield reader.line_num, dict(zip(names, cells, strict=False))


def _as_date(type_name: str, text: str, date_format: str | None, time_zone: str | None) -> str:
    normal = text.strip().replace("/", "-").replace(".", "-") if len(text.strip()) <= 10 else text.strip()
    try:
        parsed = datetime.strptime(normal, _DATE_FORMATS[date_format or "YEAR_MONTH_DAY"])
    except (ValueError, KeyError):
        try:
            return to_iso(parse_instant(text)) if type_name == "datetime" else text
        except (ValueError, OverflowError):
            return text
    if type_name == "date":
        return parsed.date().isoformat()
    return to_iso(to_ms(parsed.replace(tzinfo=ZoneInfo(time_zone) if time_zone else UTC)))


# Routes

_SCOPES = ("crm.import",)
_ROOT = "/crm/v3/imports"


def _shown(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "startsMs"}


@route("POST", _ROOT, _SCOPES)
def _start(call: Call) -> Reply:
    if "importRequest" not in call.form or not call.files:
        raise validation_error("An import is a multipart form with importRequest and files.")
    return Reply(200, _shown(call.portal.imports.start(call.form["importRequest"], call.files)))


@route("GET", _ROOT, _SCOPES)
def _list(call: Call) -> Reply:
    limit, after = call.number("limit", 20, _PAGE_LIMIT), call.after()
    found = [body for body in call.portal.imports.all() if not after or int(body["id"]) < after]
    answer: dict[str, Any] = {"results": [_shown(body) for body in found[:limit]]}
    if len(found) > limit:
        cursor = found[limit - 1]["id"]
        answer["paging"] = {"next": {"after": cursor, "link": f"{_ROOT}?after={cursor}"}}
    return Reply(200, answer)


@route("GET", f"{_ROOT}/{{id}}", _SCOPES)
def _read(call: Call) -> Reply:
    return Reply(200, _shown(call.portal.imports.get(call.params["id"])))


@route("POST", f"{_ROOT}/{{id}}/cancel", _SCOPES)
def _cancel(call: Call) -> Reply:
    call.portal.imports.cancel(call.params["id"])
    now = to_iso(call.portal.now_ms())
    return Reply(200, {"status": "COMPLETE", "startedAt": now, "completedAt": now})


@route("GET", f"{_ROOT}/{{id}}/errors", _SCOPES)
def _errors(call: Call) -> Reply:
    body = call.portal.imports.get(call.params["id"])
    limit = call.number("limit", 100, _PAGE_LIMIT)
    found = call.portal.store.import_errors(body["id"], call.after(), limit + 1)
    answer: dict[str, Any] = {"results": found[:limit]}
    if len(found) > limit:
        cursor = found[limit - 1]["id"]
        answer["paging"] = {"next": {"after": cursor, "link": f"{_ROOT}/{body['id']}/errors?after={cursor}"}}
    return Reply(200, answer)
