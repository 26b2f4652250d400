"""Records that hold nonsense: every one ends in exactly one bucket, what cannot be read is told, nothing crashes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tl_hubspot.sandbox.control import ASGIApp, LoopbackServer, Message, Receive, Scope, Send
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.warehouse import typed
from tl_hubspot_tests.cli.terminal import environment_of
from tl_hubspot_tests.e2e.builders import run_assets
from tl_hubspot_tests.e2e.conftest import Product

NOW = "2026-10-01T10:00:00+00:00"
LONG = "x" * 70_000
NOT_DATES = ("not a date", "2024-02-31T10:00:00+00:00", "0000-00-00 00:00:00", "", "infinity", 1_700_000_000, [], {})
FIRST, LAST = "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"
ABSURD = (FIRST, LAST, "2026-10-01 10:00:00")

_FIELDS = (
    *("first_name", "last_name", "salutation", "telephones", "website", "primary_address", "language", "gender"),
    *("birthdate", "tags", "custom_fields", "web_url"),
)
CONTACTS: dict[str, dict[str, Any]] = {
    **{f"updated {value!r}": {"updated_at": value} for value in (*NOT_DATES, *ABSURD)},
    **{f"added {value!r}": {"added_at": value, "updated_at": None} for value in (*NOT_DATES, *ABSURD)},
    **{f"status {value!r}": {"status": value} for value in ("archived", None, 1, [], "")},
    **{
        f"emails {value!r}": {"emails": value}
        for value in (
            None,
            {},
            "a@example.be",
            [[]],
            [None],
            [{}],
            [{"type": "primary", "email": None}],
            [{"email": []}],
        )
    },
    **{f"consent {value!r}": {"marketing_mails_consent": value} for value in (None, "yes", 1, [], {})},
    "everything is a list": {name: [] for name in _FIELDS},
    "everything is an object": {name: {} for name in _FIELDS},
    "everything is null": dict.fromkeys(
        (*_FIELDS, "emails", "added_at", "updated_at", "status", "marketing_mails_consent")
    ),
    "long": {"first_name": LONG, "salutation": "é" * 65_537, "tags": [LONG]},
    "emoji": {"first_name": "👩‍💻🇧🇪", "last_name": "مرحبا \u202eabc\u202c עברית"},
    "control characters": {"first_name": "a\u0000b", "last_name": "line\nline\ttab\r"},
    "birthdate": {"birthdate": "31/02/1980", "language": "klingon", "gender": "other"},
}
COMPANIES: dict[str, dict[str, Any]] = {
    "lists": {
        name: [] for name in ("name", "vat_number", "website", "responsible_user", "business_type", "primary_address")
    },
    "nulls": dict.fromkeys(("name", "vat_number", "website", "status", "emails", "updated_at", "added_at", "tags")),
    "long": {"name": LONG, "website": f"https://{LONG}.be"},
    "website": {"website": "http://[::1/", "vat_number": "BE 0.0.0"},
    "dates": {"updated_at": "2024-02-31T10:00:00+00:00", "added_at": "never"},
}
DEALS: dict[str, dict[str, Any]] = {
    "no lead": {"lead": []},
    "lead of lists": {"lead": {"customer": [], "contact_person": []}},
    "phase unknown": {"current_phase": {"type": "dealPhase", "id": "00000000-0000-0000-0000-0000000000ff"}},
    "phase list": {"current_phase": [], "pipeline": []},
    "status": {"status": "paused"},
    "status null": {"status": None},
    "value list": {"estimated_value": [], "source": [], "lost_reason": [], "responsible_user": []},
    "value text": {"estimated_value": {"amount": "a lot", "currency": "XXX"}, "estimated_probability": 7},
    "closing": {"estimated_closing_date": "2024-02-31", "closed_at": "0001-01-01T00:00:00+00:00", "status": "won"},
    "closing far": {"estimated_closing_date": "9999-12-31", "closed_at": "9999-12-31T23:59:59+00:00", "status": "lost"},
    "closing text": {"estimated_closing_date": "soon", "closed_at": "soon", "status": "won"},
    "created": {"created_at": "not a date"},
    "created never": {"created_at": None, "updated_at": None},
    "created first": {"created_at": "0001-01-01T00:00:00+00:00"},
    "title": {"title": None, "reference": None},
    "title long": {"title": LONG, "reference": []},
    "history": {"phase_history": [{"phase": {"id": "p"}, "started_at": "31 February"}]},
    "history first": {
        "phase_history": [{"phase": {"id": "p"}, "started_at": "0001-01-01 00:00:00", "started_by": None}]
    },
    "history null": {"phase_history": None},
}


class Rewritten:
    """Teamleader with the fields of some records exchanged on their way out, whatever their type."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.changes: dict[str, dict[str, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, collect)
        body = self._changed(b"".join(m.get("body", b"") for m in messages))
        start = messages[0]
        headers = [h for h in start["headers"] if h[0].lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    def _changed(self, body: bytes) -> bytes:
        try:
            answer = json.loads(body)
        except ValueError:
            return body
        data = answer.get("data")
        for record in data if isinstance(data, list) else [data]:
            if isinstance(record, dict):
                record |= {k: v for k, v in self.changes.get(record.get("id", ""), {}).items() if k in record}
        return json.dumps(answer).encode()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """An account full of nonsense after its first sync."""
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as systems:
        teamleader, rewritten = systems.teamleader, Rewritten(systems.teamleader.app)
        person = teamleader.add("contacts", _contact("fine"))
        for name, changes in CONTACTS.items():
            rewritten.changes[teamleader.add("contacts", _contact(name) | _times(changes))] = changes
        for name, changes in COMPANIES.items():
            company = teamleader.add("companies", {"name": name, "added_at": NOW, "updated_at": NOW})
            teamleader.link(person, company)
            rewritten.changes[company] = changes
        pipeline = teamleader.add("dealPipelines", {"name": "Sales", "is_default": True, "status": "open"})
        teamleader.add("dealPhases", {"name": "New", "deal_pipeline_id": pipeline, "probability": 0.1})
        for name, changes in DEALS.items():
            lead = {"customer": {"type": "contact", "id": person}, "contact_person": None}
            deal = {"title": name, "lead": lead, "created_at": NOW, "status": "open"}
            deal |= {k: v for k, v in _times(changes).items() if v is not None}
            rewritten.changes[teamleader.add("deals", deal)] = changes
        with LoopbackServer(rewritten) as server:
            environment = environment_of(systems) | {
                "TEAMLEADER_API_URL": server.url,
                "TL_HUBSPOT_AS_OF": "2026-11-02",
            }
            yield Product(systems, tmp_path_factory.mktemp("nonsense"), environment)


def _times(changes: dict[str, Any]) -> dict[str, Any]:
    """Times that Teamleader itself can sort by, however absurd."""
    return {
        name: changes[name]
        for name in ("added_at", "updated_at", "created_at")
        if name in changes and changes[name] in (FIRST, LAST, None)
    }


def _contact(name: str) -> dict[str, Any]:
    address = "".join(c for c in name if c.isascii() and c.isalnum()).lower() or "x"
    return {
        "first_name": "A",
        "last_name": name,
        "emails": [{"type": "primary", "email": f"{address[:50]}{abs(hash(name)) % 10_000}@example.be"}],
        "marketing_mails_consent": True,
        "added_at": NOW,
        "updated_at": NOW,
    }


def test_nonsense_is_synchronised_skipped_or_held_but_never_stops_the_run(product: Product) -> None:
    finished = product.run()
    assert finished.exit_code == 0, product.read("select * from sync.log where level = 'error'")
    counted = product.read("select entity_type, count(distinct teamleader_id) from sync.outcomes group by all")
    expected = {"contact": len(CONTACTS) + 1, "company": len(COMPANIES), "deal": len(DEALS)}
    assert dict(counted.iter_rows()) == expected


def _outcomes(product: Product, entity: str, table: str, name: str) -> dict[str, tuple[str, str]]:
    """Bucket and reason by the name that a record has in this file."""
    rows = product.read(
        f"select {name}, bucket, reason from sync.outcomes join teamleader.{table} on id = teamleader_id"
        f" where entity_type = '{entity}' and {name} is not null"
    )
    return {row[0]: row[1:] for row in rows.iter_rows()}


def test_what_became_of_them(product: Product) -> None:
    contacts = _outcomes(product, "contact", "contacts", "last_name")
    recent = ("created", "changed_within_2_years")
    expected = {
        "fine": recent,
        "updated 'not a date'": recent,  # it was added recently
        f"updated {LAST!r}": recent,
        f"updated {FIRST!r}": ("skipped", "too_old"),
        "added 'infinity'": ("skipped", "no_date"),
        "added '2024-02-31T10:00:00+00:00'": ("skipped", "no_date"),
        "emails {}": ("skipped", "no_email"),
        "emails [{'email': []}]": ("skipped", "invalid_email"),
        "consent []": ("created", "consent_unknown"),
        "status 'archived'": recent,
    }
    assert {name: contacts[name] for name in expected} == expected
    deals = _outcomes(product, "deal", "deals", "title")
    expected = {
        "no lead": ("skipped", "no_contact"),
        "lead of lists": ("skipped", "no_contact"),
        "phase unknown": ("held", "unmapped_stage"),
        "phase list": ("held", "unmapped_stage"),
        "status": recent,
        "closing far": ("created", "closed"),
        "created first": ("skipped", "too_old"),
        "history": recent,
    }
    assert {name: deals[name] for name in expected} == expected


def test_what_cannot_be_read_is_told(product: Product) -> None:
    codes = set(product.read("select code, entity_type from sync.notices").iter_rows())
    assert codes >= {
        ("truncated", "contact"),
        ("truncated", "company"),
        ("truncated", "deal"),
        ("option_not_in_portal", "contact"),
        ("option_not_in_portal", "deal"),
        ("future_date", "contact"),
        ("currency_not_in_portal", "deal"),
    }
    with product.platform().warehouse.connect() as con:
        unreadable = {t: typed.stored_unreadable(con, f"teamleader.{t}") for t in ("contacts", "companies", "deals")}
    assert unreadable["contacts"]["field"].value_counts().sort("field").rows() == [
        ("added_at", len(NOT_DATES)),
        ("updated_at", len(NOT_DATES)),
    ]
    assert sorted(unreadable["companies"]["field"]) == ["added_at", "updated_at"]
    assert sorted(unreadable["deals"]["field"]) == ["closed_at", "created_at"]


def test_texts_arrive_as_they_are(product: Product) -> None:
    records = {r["properties"].get("lastname"): r["properties"] for r in product.systems.hubspot.all("contacts")}
    assert records["مرحبا \u202eabc\u202c עברית"]["firstname"] == "👩‍💻🇧🇪"
    assert records["long"]["firstname"] == LONG[:65_536]
    shown = {name: value for record in records.values() for name, value in record.items() if value in ("[]", "{}")}
    assert shown == {}


def test_nonsense_is_not_written_again(product: Product) -> None:
    product.forget()
    assert run_assets(product.platform()).exit_code == 0
    assert product.writes() == []
