"""The write actions of the API: what a checked request body means for the record, and which references must exist.

What else a change brings with it (dates, webhooks, history) is in `sandbox`; reading and checking is in `requests`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tl_hubspot.sandbox.teamleader import webhooks
from tl_hubspot.sandbox.teamleader.errors import ApiError, bad, not_found
from tl_hubspot.sandbox.teamleader.requests import Call
from tl_hubspot.sandbox.teamleader.shapes import BY_TYPE, SHAPES, Record

if TYPE_CHECKING:
    from tl_hubspot.sandbox.teamleader.sandbox import TeamleaderSandbox

Answer = dict[str, Any] | None
"""The body of a 201, or None for a 204."""

_RELATIONS = {
    "business_type_id": ("business_type", "businessType", "businessTypes"),
    "responsible_user_id": ("responsible_user", "user", "users"),
    "second_responsible_user_id": ("second_responsible_user", "user", "users"),
    "price_list_id": ("price_list", "priceList", "priceLists"),
    "source_id": ("source", "dealSource", "dealSources"),
    "department_id": ("department", "department", "departments"),
    "phase_id": ("current_phase", "dealPhase", "dealPhases"),
}
"""Writable key → property, type and kind of what it points to."""

_CONTEXT = {"contacts": "contact", "companies": "company", "deals": "deal"}


def _add(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    kind = call.endpoint.split(".")[0]
    fields = _fields(sandbox, kind, call.body, {})
    if kind != "deals":
        # In a new record the box for marketing mails is off.
        fields.setdefault("marketing_mails_consent", False)
    record_id = sandbox.add(kind, fields)
    return {"data": {"type": SHAPES[kind].type, "id": record_id}}


def _update(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    kind = call.endpoint.split(".")[0]
    before = _existing(sandbox, kind, call)
    body = {name: value for name, value in call.body.items() if name != "id"}
    sandbox.update(kind, before["id"], **_fields(sandbox, kind, body, before))
    return None


def _delete(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    kind = call.endpoint.split(".")[0]
    sandbox.delete(kind, _existing(sandbox, kind, call)["id"])
    return None


def _tag(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    kind, action = call.endpoint.split(".")
    record_id = _existing(sandbox, kind, call)["id"]
    (sandbox.tag if action == "tag" else sandbox.untag)(kind, record_id, call.body["tags"])
    return None


def _link(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    contact_id = _existing(sandbox, "contacts", call)["id"]
    company_id = _referred(sandbox, "companies", call.body["company_id"], "company_id")
    attributes = {name: call.body[name] for name in ("position", "decision_maker") if name in call.body}
    match call.endpoint:
        case "contacts.linkToCompany":
            sandbox.link(contact_id, company_id, **attributes)
        case _ if not sandbox.store.linked(contact_id, company_id):
            raise bad("The contact is not linked to this company", "company_id")
        case "contacts.updateCompanyLink":
            sandbox.update_link(contact_id, company_id, **attributes)
        case _:
            sandbox.unlink(contact_id, company_id)
    return None


def _move(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    deal_id = _existing(sandbox, "deals", call)["id"]
    sandbox.move(deal_id, _referred(sandbox, "dealPhases", call.body["phase_id"], "phase_id"))
    return None


def _win(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    sandbox.win(_existing(sandbox, "deals", call)["id"])
    return None


def _lose(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    deal_id = _existing(sandbox, "deals", call)["id"]
    reason_id = call.body.get("reason_id")
    if reason_id is not None:
        _referred(sandbox, "lostReasons", reason_id, "reason_id")
    sandbox.lose(deal_id, reason_id, call.body.get("extra_info"))
    return None


def _register(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    webhooks.register(call, sandbox.store, sandbox.switches)
    return None


def _unregister(sandbox: TeamleaderSandbox, call: Call) -> Answer:
    webhooks.unregister(call, sandbox.store)
    return None


WRITES: dict[str, Callable[[TeamleaderSandbox, Call], Answer]] = {
    **dict.fromkeys(("contacts.add", "companies.add", "deals.create"), _add),
    **dict.fromkeys(("contacts.update", "companies.update", "deals.update"), _update),
    **dict.fromkeys(("contacts.delete", "companies.delete", "deals.delete"), _delete),
    **dict.fromkeys(("contacts.tag", "contacts.untag", "companies.tag", "companies.untag"), _tag),
    **dict.fromkeys(("contacts.linkToCompany", "contacts.updateCompanyLink", "contacts.unlinkFromCompany"), _link),
    "deals.move": _move,
    "deals.win": _win,
    "deals.lose": _lose,
    "webhooks.register": _register,
    "webhooks.unregister": _unregister,
}


def _existing(sandbox: TeamleaderSandbox, kind: str, call: Call) -> Record:
    record = sandbox.store.fetch(kind, call.body["id"])
    if record is None:
        raise not_found()
    return record


def _referred(sandbox: TeamleaderSandbox, kind: str, record_id: str, field: str) -> str:
    """The id of something that a body points to. A missing one is a 400, not a 404."""
    if not sandbox.store.exists(kind, record_id):
        raise bad(f"{field} must be valid", field)
    return record_id


def _fields(sandbox: TeamleaderSandbox, kind: str, body: dict[str, Any], before: Record) -> Record:
    """The record's properties that a body sets; collections replace the old ones whole."""
    fields: Record = {}
    for name, value in body.items():
        match name:
            case "custom_fields":
                partial = body.get("custom_fields_update_strategy") == "partial"
                fields[name] = _custom_fields(sandbox, kind, value, before.get(name, []) if partial else [])
            case "custom_fields_update_strategy":
                pass
            case "addresses":
                fields[name] = [_address(sandbox, entry, f"addresses.{n}") for n, entry in enumerate(value)]
            case "emails":
                fields[name] = [entry for entry in value if entry["email"] is not None]
            case "telephones" | "tags":
                fields[name] = value or []
            case "lead":
                fields[name] = _lead(sandbox, value)
            case "currency":
                rate = {"from": value["code"], "to": "EUR", "rate": value["exchange_rate"]}
                fields["currency_exchange_rate"] = rate
            case _ if name in _RELATIONS:
                target, kind_of, reference = _RELATIONS[name]
                given = None if value is None else _referred(sandbox, reference, value, name)
                fields[target] = given and {"type": kind_of, "id": given}
            case _:
                fields[name] = value
    _check_probability(fields)
    return fields


def _check_probability(fields: Record) -> None:
    probability = fields.get("estimated_probability")
    if probability is not None and not 0 <= probability <= 1:
        raise bad("estimated_probability must be valid", "estimated_probability")


def _address(sandbox: TeamleaderSandbox, entry: Record, path: str) -> Record:
    address = dict(entry["address"])
    area = address.pop("area_level_two_id", None)
    if area is not None:
        _referred(sandbox, "levelTwoAreas", area, f"{path}.address.area_level_two_id")
    if entry["type"] == "primary":
        address.pop("addressee", None)
    address["area_level_two"] = area and {"type": "area_level_two", "id": area}
    return {"type": entry["type"], "address": address}


def _lead(sandbox: TeamleaderSandbox, lead: Record) -> Record:
    customer = lead["customer"]
    _referred(sandbox, BY_TYPE[customer["type"]].kind, customer["id"], "lead.customer.id")
    person = lead.get("contact_person_id")
    if person is not None:
        _referred(sandbox, "contacts", person, "lead.contact_person_id")
    if customer["type"] == "contact":
        person = None
    return {"customer": customer, "contact_person": person and {"type": "contact", "id": person}}


def _custom_fields(sandbox: TeamleaderSandbox, kind: str, given: list[Record], before: list[Record]) -> list[Record]:
    definitions = {definition["id"]: definition for definition in sandbox.store.reference("customFieldDefinitions")}
    values = {field["definition"]["id"]: field["value"] for field in before}
    for index, field in enumerate(given):
        definition = definitions.get(field.get("id", ""))
        if definition is None:
            raise bad(f"custom_fields.{index}.id must be valid", f"custom_fields.{index}.id")
        if definition["context"] != _CONTEXT[kind]:
            raise ApiError(403, ("No access to custom field context", f"custom_fields.{index}.id"))
        value = field.get("value")
        _check_value(sandbox, definition, value)
        values[definition["id"]] = value
    return [
        {"definition": {"type": "customFieldDefinition", "id": name}, "value": value} for name, value in values.items()
    ]


_TYPES: dict[str, Any] = {
    **dict.fromkeys(("single_line", "multi_line", "email", "telephone", "url", "date", "single_select"), str),
    **dict.fromkeys(("money", "integer", "number", "auto_increment"), (int, float)),
    **dict.fromkeys(("company", "contact", "product", "user"), dict),
    "boolean": bool,
    "multi_select": list,
}


def _check_value(sandbox: TeamleaderSandbox, definition: Record, value: Any) -> None:
    if value is None:
        return
    field_type, wrong = definition["type"], f"The custom field with id {definition['id']} has an invalid"
    if not isinstance(value, _TYPES[field_type]) or (isinstance(value, bool) and field_type != "boolean"):
        raise bad(f"{wrong} value")
    configuration = definition.get("configuration", {})
    if field_type in ("single_select", "multi_select") and not configuration.get("extra_option_allowed"):
        options = {option["value"] for option in configuration.get("options", [])}
        if not options.issuperset([value] if isinstance(value, str) else value):
            raise bad(f"{wrong} {'single' if field_type == 'single_select' else 'multiple'} selection value")
    if field_type in BY_TYPE or field_type == "user":
        kind = "users" if field_type == "user" else BY_TYPE[field_type].kind
        if value.get("type") != field_type or not sandbox.store.exists(kind, str(value.get("id"))):
            raise bad(f"{wrong} relation value")
