"""Lists and infos of reference data: users, teams, departments, pipelines, phases, custom field definitions and so on.

These are small, so they are filtered and sorted in Python. Contacts, companies and deals are in `lists`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tl_hubspot.sandbox.teamleader import ids
from tl_hubspot.sandbox.teamleader.defaults import ACCOUNT_ID, CURRENCIES
from tl_hubspot.sandbox.teamleader.errors import bad, not_found
from tl_hubspot.sandbox.teamleader.requests import Call
from tl_hubspot.sandbox.teamleader.shapes import Record
from tl_hubspot.sandbox.teamleader.store import Store
from tl_hubspot.sandbox.teamleader.switches import Switches

_OPTIONS_WITH_IDS_FROM = "2023-09-26"
_TAGS_KEEP_CASE_FROM = "2022-09-15"


@dataclass(frozen=True)
class _List:
    """How one list endpoint answers: fields of an item, order, and what `term` looks at."""

    fields: tuple[str, ...]
    paged: bool = True
    order: tuple[str, ...] = ()
    """Default sort; empty: order of entry."""
    term: tuple[str, ...] = ()


_USER = ("id", "account", "first_name", "last_name", "email", "telephones", "language", "function", "status", "teams")
_DEPARTMENT = ("id", "name", "vat_number", "currency", "emails", "status")

_LISTS = {
    "users": _List(_USER, order=("first_name", "last_name"), term=("first_name", "last_name", "email", "function")),
    "teams": _List(("id", "name", "team_lead", "members"), paged=False, order=("name",), term=("name",)),
    "departments": _List(_DEPARTMENT, paged=False),
    "dealPipelines": _List(("id", "name"), term=("name",)),
    "dealPhases": _List(("id", "name", "actions", "requires_attention_after", "probability")),
    "dealSources": _List(("id", "name"), order=("name",), term=("name",)),
    "lostReasons": _List(("id", "name"), order=("name",)),
    "customFieldDefinitions": _List(
        ("id", "context", "type", "label", "group", "required", "configuration"), order=("label",)
    ),
    "businessTypes": _List(("id", "name", "country"), paged=False, order=("name",)),
    "levelTwoAreas": _List(("id", "name", "country"), paged=False),
    "priceLists": _List(("id", "name", "calculation_method"), paged=False, order=("name",)),
    "paymentTerms": _List(("id", "type", "days"), paged=False),
}

Answer = dict[str, Any]


def list_reference(call: Call, store: Store, switches: Switches) -> Answer:
    """The answer of any list in `_LISTS`."""
    kind = call.endpoint.split(".")[0]
    spec = _LISTS[kind]
    records = _sorted(_filtered(kind, spec, call, store, switches), spec, call)
    matches = len(records)
    answer: Answer = {}
    if spec.paged:
        size, number = call.page(switches)
        records = records[(number - 1) * size : number * size]
        if "pagination" in call.includes:
            answer["meta"] = {"page": {"size": size, "number": number}, "matches": matches}
    if kind in ("dealPipelines", "paymentTerms"):
        everything = store.reference(kind)
        default = next(
            (r["id"] for r in everything if r.get("is_default")), everything[0]["id"] if everything else None
        )
        answer["meta"] = answer.get("meta", {}) | {"default": default}
    return {"data": [_item(kind, spec.fields, record, call, switches) for record in records]} | answer


def _filtered(kind: str, spec: _List, call: Call, store: Store, switches: Switches) -> list[Record]:
    filters = {name: value for name, value in call.filter.items() if value is not None}
    if kind == "users" and "status" not in filters and switches.users_without_status == "active":
        filters["status"] = ["active"]
    if call.body.get("country") is not None:
        filters["country"] = call.body["country"]
    tests: list[Callable[[Record], bool]] = [_test(name, value, spec) for name, value in filters.items()]
    return [record for record in store.reference(kind) if all(test(record) for test in tests)]


def _test(name: str, value: Any, spec: _List) -> Callable[[Record], bool]:
    if name == "ids":
        wanted = set(value)
        return lambda record: record["id"] in wanted
    if name == "term":
        term = value.strip().casefold()
        return lambda record: any(term in (record[field] or "").casefold() for field in spec.term)
    if name == "team_lead_id":
        return lambda record: (record["team_lead"] or {}).get("id") == value
    if isinstance(value, list):
        return lambda record: record.get(name) in value
    return lambda record: record.get(name) == value


def _sorted(records: list[Record], spec: _List, call: Call) -> list[Record]:
    sort = call.body.get("sort") or [{"field": name} for name in spec.order]
    for entry in reversed(sort):
        records = sorted(records, key=_sort_key(entry["field"]), reverse=entry.get("order") == "desc")
    return records


def _sort_key(name: str) -> Callable[[Record], Any]:
    if name == "default_department":
        return lambda record: not record.get("is_default", False)
    return lambda record: str(record.get(name) or "").casefold()


def _item(kind: str, fields: tuple[str, ...], record: Record, call: Call, switches: Switches) -> Record:
    item = {name: record[name] for name in fields if name in record}
    if kind == "customFieldDefinitions":
        return _definition(item, call, in_list=call.endpoint.endswith(".list"))
    if kind == "dealPhases" and not switches.planning_access:
        del item["actions"]
    if kind == "levelTwoAreas" and call.body.get("language"):
        item["name"] = record.get("names", {}).get(call.body["language"], item["name"])
    return item


def _definition(item: Record, call: Call, *, in_list: bool) -> Record:
    # The documents say "deal", the live system "sale".
    if item["context"] == "deal":
        item["context"] = "sale"
    if item["type"] not in ("single_select", "multi_select"):
        item.pop("configuration", None)
        return item
    configuration = {"options": [], "extra_option_allowed": False, "default_value": None} | item.get(
        "configuration", {}
    )
    if not in_list:
        del configuration["default_value"]
    if call.version < _OPTIONS_WITH_IDS_FROM:
        configuration["options"] = [option["value"] for option in configuration["options"]]
    return item | {"configuration": configuration}


def custom_field_info(call: Call, store: Store, switches: Switches) -> Answer:
    record = _found(store, "customFieldDefinitions", call.body["id"])
    return {"data": _item("customFieldDefinitions", _LISTS["customFieldDefinitions"].fields, record, call, switches)}


def department_info(call: Call, store: Store) -> Answer:
    record = _found(store, "departments", call.body["id"])
    more = ("address", "telephones", "website", "iban", "bic", "fiscal_regime")
    return {"data": {name: record[name] for name in (*_DEPARTMENT, *more)}}


def user_info(call: Call, store: Store) -> Answer:
    record = _found(store, "users", call.body["id"])
    included = ("external_rate",) if "external_rate" in call.includes else ()
    return {"data": {name: record[name] for name in (*_USER, "time_zone", *included)}}


def me(store: Store) -> Answer:
    """users.me: the user who signed in, which is the first active one."""
    more = ("email_verification_status", "time_zone", "preferences")
    record = signed_in(store)
    return {"data": {name: record[name] for name in (*_USER, *more) if name != "status"}}


def signed_in(store: Store) -> Record:
    """The user on whose behalf the tokens act."""
    users = store.reference("users")
    return next((user for user in users if user["status"] == "active"), users[0])


def _found(store: Store, kind: str, record_id: str) -> Record:
    record = store.fetch(kind, record_id)
    if record is None:
        raise not_found()
    return record


def tags(call: Call, store: Store, switches: Switches) -> Answer:
    """tags.list: every tag of the account in alphabetical order."""
    size, number = call.page(switches)
    names = [row["tag"] for row in store.query("SELECT tag FROM tags")]
    if call.version < _TAGS_KEEP_CASE_FROM:
        names = list({name.lower() for name in names})
    names.sort(key=lambda name: (name.casefold(), name))
    return {"data": [{"tag": name} for name in names[(number - 1) * size : number * size]]}


def exchange_rates(call: Call) -> Answer:
    base = CURRENCIES[call.body["base"]][2]
    return {
        "data": [
            {"code": code, "symbol": symbol, "name": name, "exchange_rate": round(rate / base, 6)}
            for code, (symbol, name, rate) in CURRENCIES.items()
        ]
    }


_MIGRATED = {
    "contact": "contacts",
    "company": "companies",
    "deal": "deals",
    "user": "users",
    "department": "departments",
    "dealPhase": "dealPhases",
    "customField": "customFieldDefinitions",
}


def migrate_id(call: Call, store: Store) -> Answer:
    """migrate.id: the UUID of an old integer id; 404 when this account has no such record."""
    for name in ("type", "id"):
        if name not in call.body:
            raise bad(f"{name} must be present", name)
    old_type, number = call.body["type"], call.body["id"]
    if number != int(number) or number < 1:
        raise bad("id must be valid", "id")
    if old_type == "account":
        found = ACCOUNT_ID if number == 1 else None
    else:
        kind = _MIGRATED.get(old_type)
        uuid = ids.encode(ids.PREFIXES[kind], int(number)) if kind else None
        found = uuid if kind and uuid and store.exists(kind, uuid) else None
    if found is None:
        raise not_found()
    return {"data": {"type": old_type, "id": found}}
