"""contacts.list, companies.list and deals.list, and the infos of the three: filters, order, paging, includes.

The JSON pieces come from `shapes`, the tables from `store`; lists of reference data are in `reference`.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.teamleader import times
from tl_hubspot.sandbox.teamleader.errors import not_found
from tl_hubspot.sandbox.teamleader.requests import Call
from tl_hubspot.sandbox.teamleader.shapes import BY_TYPE, DEALS, SHAPES, Record, Row, Shape, joined
from tl_hubspot.sandbox.teamleader.store import Store
from tl_hubspot.sandbox.teamleader.switches import Switches

_TAGS_KEEP_CASE_FROM = "2022-09-15"
_SORT_COLUMNS = {"name": "name", "added_at": "created_at", "created_at": "created_at", "updated_at": "updated_at"}
_PRIME = 2_147_483_647

Conditions = list[tuple[str, list[Any]]]


def list_records(call: Call, store: Store, switches: Switches, now: float, random: Random) -> str:
    """The answer of contacts.list, companies.list or deals.list; `now` in seconds of the virtual clock."""
    shape = SHAPES[call.endpoint.split(".")[0]]
    size, number = call.page(switches)
    conditions = _conditions(shape, call.filter, switches)
    where = " AND ".join(text for text, _ in conditions) or "1"
    parameters = [value for _, values in conditions for value in values]
    table = store.as_listed(shape.kind, now)
    # Only keys are read on the way to a deep page; the pieces are then fetched for its rows alone.
    page = store.query(
        f"SELECT n FROM {table} AS record WHERE {where} ORDER BY {_order(shape, call, switches, random)}"
        " LIMIT ? OFFSET ?",
        [*parameters, size, (number - 1) * size],
    )
    keys = [row["n"] for row in page]
    rows = {
        row["n"]: row
        for row in store.query(
            f"SELECT n, {_list_columns(call)} FROM {table} WHERE n IN ({', '.join('?' * len(keys))})", keys
        )
    }
    items = [joined(dict(rows[key]), *_list_pieces(call)) for key in keys]
    if call.version < _TAGS_KEEP_CASE_FROM and shape is not DEALS:
        items = [_with_lower_tags(item) for item in items]
    answer = f'{{"data":[{",".join(items)}]'
    if "pagination" in call.includes:
        total = store.query(f"SELECT count(*) AS total FROM {table} AS record WHERE {where}", parameters)[0]["total"]
        meta = {"page": {"size": size, "number": number}, "matches": total}
        answer += f',"meta":{msgspec.json.encode(meta).decode()}'
    if call.sideload:
        answer += f',"included":{_included(items, call.sideload, store)}'
    return answer + "}"


def _list_pieces(call: Call) -> tuple[str, ...]:
    pieces = ["base", "list_only"]
    if "custom_fields" in call.includes:
        pieces.append("custom_fields")
    if "second_responsible_user" in call.includes:
        pieces.append("included")
    return tuple(pieces)


def _list_columns(call: Call) -> str:
    return ", ".join(_list_pieces(call))


def _order(shape: Shape, call: Call, switches: Switches, random: Random) -> str:
    sort = call.body.get("sort") or []
    default = "created_at DESC" if shape is DEALS else "name ASC"
    columns = [
        f"{_SORT_COLUMNS.get(entry['field'], entry['field'])} {_direction(entry.get('order') == 'desc', switches)}"
        for entry in sort
    ]
    # A multiplication modulo a prime shuffles the keys differently for each factor, without a function call per row.
    tie = {"stable": "n ASC", "reverse": "n DESC", "random": f"(n * {random.randrange(1, _PRIME)}) % {_PRIME}"}
    return ", ".join([*(columns or [default]), tie[switches.tie_order]])


def _direction(descending: bool, switches: Switches) -> str:
    order = "DESC" if descending else "ASC"
    if switches.undated_sort == "lowest":
        return order
    return f"{order} NULLS {'FIRST' if descending else 'LAST'}"


def _conditions(shape: Shape, filters: dict[str, Any], switches: Switches) -> Conditions:
    conditions: Conditions = []
    if shape is not DEALS and "status" not in filters and switches.lists_without_status == "active":
        conditions.append(("status = ?", ["active"]))
    for name, value in filters.items():
        if value is None and name not in ("company_id", "estimated_closing_date"):
            continue
        conditions.append(_deal_condition(name, value) if shape is DEALS else _condition(shape, name, value, switches))
    return conditions


def _condition(shape: Shape, name: str, value: Any, switches: Switches) -> tuple[str, list[Any]]:
    match name:
        case "ids":
            return _among("id", value)
        case "email":
            return "email = ?", [value["email"]]
        case "company_id" if value is None:
            return "NOT EXISTS (SELECT 1 FROM links WHERE contact_id = record.id)", []
        case "company_id":
            return "id IN (SELECT contact_id FROM links WHERE company_id = ?)", [value]
        case "term":
            return _contains("search", value)
        case "updated_since":
            return f"updated_at {'>=' if switches.updated_since == 'inclusive' else '>'} ?", [times.parse(value)]
        case "tags":
            one = "EXISTS (SELECT 1 FROM json_each(record.tags) WHERE value = ?)"
            return " AND ".join([one] * len(value)) or "1", value
        case "marketing_mails_consent":
            return "consent = ?", [value]
        case "vat_number" if switches.vat_filter == "normalised":
            bare = "upper(replace(replace(replace(replace(vat_number, ' ', ''), '.', ''), '-', ''), '/', ''))"
            return f"{bare} = ?", [re.sub(r"[\s./-]", "", value).upper()]
        case _:
            return f"{name} = ?", [value]


def _deal_condition(name: str, value: Any) -> tuple[str, list[Any]]:
    match name:
        case "ids":
            return _among("id", value)
        case "pipeline_ids":
            return _among("pipeline_id", value)
        case "responsible_user_id":
            return _among(name, value if isinstance(value, list) else [value])
        case "status":
            # "new" is an open deal; it is no filter value of its own.
            return _among("status", [*value, "new"] if "open" in value else value)
        case "customer":
            return "customer_type = ? AND customer_id = ?", [value["type"], value["id"]]
        case "term":
            own, values = _contains("search", value)
            named, more = _contains("name", value)
            customers = " OR ".join(
                f"(customer_type = '{kind.type}' AND customer_id IN (SELECT id FROM {kind.kind} WHERE {named}))"
                for kind in BY_TYPE.values()
                if kind is not DEALS
            )
            return f"({own} OR {customers})", [*values, *more, *more]
        case "updated_since":
            return "updated_at >= ?", [times.parse(value)]
        case "created_before":
            return "created_at <= ?", [times.parse(value)]
        case "estimated_closing_date" if value is None:
            return "estimated_closing_date IS NULL", []
        case "estimated_closing_date_from":
            return "estimated_closing_date >= ?", [value]
        case "estimated_closing_date_until":
            return "estimated_closing_date <= ?", [value]
        case _:
            return f"{name} = ?", [value]


def _among(column: str, values: list[Any]) -> tuple[str, list[Any]]:
    # One JSON parameter: any number of ids, whatever SQLite's limit of parameters.
    return f"{column} IN (SELECT value FROM json_each(?))", [msgspec.json.encode(values).decode()]


def _contains(column: str, term: str) -> tuple[str, list[Any]]:
    return f"instr({column}, ?) > 0", [term.strip().casefold()]


def info(call: Call, store: Store, switches: Switches) -> str:
    """The answer of contacts.info, companies.info or deals.info; 404 for an unknown id."""
    shape = SHAPES[call.endpoint.split(".")[0]]
    found = store.one(f"SELECT * FROM {shape.kind} WHERE id = ?", [call.body["id"]])
    if found is None:
        raise not_found()
    row: Row = dict(found)
    record: Record = decoding.decode(joined(row, "base", "info_only", "custom_fields"))
    extra: Record = decoding.decode(joined(row, "included"))
    if shape is DEALS:
        for entry in record["phase_history"]:
            if switches.phase_history_format == "database":
                entry["started_at"] = times.database(times.parse(entry["started_at"]), switches.phase_history_zone)
        if "second_responsible_user" in call.includes:
            record |= extra
    elif shape.kind == "contacts":
        record["companies"] = store.companies_of(record["id"])
    else:
        if "related_companies" in call.includes:
            record |= extra
        if "related_contacts" in call.includes:
            record["related_contacts"] = store.contacts_of(record["id"], switches.related_contacts_cap)
    text = msgspec.json.encode(record).decode()
    if call.version < _TAGS_KEEP_CASE_FROM and shape is not DEALS:
        text = _with_lower_tags(text)
    included = f',"included":{_included([text], call.sideload, store)}' if call.sideload else ""
    return f'{{"data":{text}{included}}}'


def _with_lower_tags(item: str) -> str:
    record = decoding.decode(item)
    record["tags"] = [tag.lower() for tag in record["tags"]]
    return msgspec.json.encode(record).decode()


_SIDELOADED_NAMES = ("id", "name", "first_name", "last_name", "title", "label")


def _included(items: list[str], paths: list[str], store: Store) -> str:
    """The old sideloading: `{type: [{id, name…}]}` of everything that the dot paths point at."""
    found: dict[str, dict[str, Record]] = {}
    for item in items:
        record = decoding.decode(item)
        for path in paths:
            relation: Any = record
            for name in path.split("."):
                relation = relation.get(name) if isinstance(relation, dict) else None
            if not isinstance(relation, dict) or set(relation) != {"type", "id"}:
                continue
            kind = BY_TYPE[relation["type"]].kind if relation["type"] in BY_TYPE else f"{relation['type']}s"
            target = store.fetch(kind, relation["id"])
            if target is not None:
                short = {name: target[name] for name in _SIDELOADED_NAMES if name in target}
                found.setdefault(relation["type"], {})[relation["id"]] = short
    return msgspec.json.encode({kind: list(records.values()) for kind, records in found.items()}).decode()
