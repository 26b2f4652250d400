"""Source rows with sensible defaults, and random sources for properties. Fake people only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import strategies as st

from tl_hubspot.rules.deals import MappedStages
from tl_hubspot.rules.evaluate import Source
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.warehouse.rows import frame_of

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
MAPPED = MappedStages(frozenset({("p1", "f1"), ("p1", "f2")}), frozenset({"p1"}))


def at(text: str | None) -> datetime | None:
    """An instant in UTC from `2024-11-02` or `2024-11-02T12:00:00`."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def settings(**changes: Any) -> RuleSettings:
    return RuleSettings(**({"as_of": NOON} | changes))


def contact(id: str, **values: Any) -> dict[str, Any]:
    """A contact with an address of its own, consent, and changed half a year ago."""
    email = values.pop("email", f"{id}@example.com")
    changed = values.pop("changed", "2026-05-01")
    row = {
        "id": id,
        "status": "active",
        "emails": [] if email is None else [{"type": "primary", "email": email}],
        "marketing_mails_consent": True,
        "added_at": at("2015-01-01"),
        "updated_at": at(changed),
        "changed_at": at(changed),
    }
    return row | values


def contacts(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame_of("teamleader.contacts", rows)


def company(id: str, **values: Any) -> dict[str, Any]:
    """A company without any key but its own name."""
    country, updated = values.pop("country", "BE"), values.pop("updated", "2026-01-01")
    email = values.pop("email", None)
    row = {
        "id": id,
        "name": f"Company {id}",
        "status": "active",
        "emails": [] if email is None else [{"type": "primary", "email": email}],
        "primary_address": {"line_1": None, "postal_code": None, "city": None, "country": country},
        "added_at": at("2015-01-01"),
        "updated_at": at(updated),
    }
    return row | values


def companies(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame_of("teamleader.companies", rows)


def deal(id: str, **values: Any) -> dict[str, Any]:
    """An open deal of contact c1 in a mapped phase, created half a year ago."""
    row = {
        "id": id,
        "status": "open",
        "customer_type": "contact",
        "customer_id": "c1",
        "pipeline_id": "p1",
        "current_phase_id": "f1",
        "created_at": at("2026-05-01"),
    }
    for name in ("created_at", "closed_at"):
        if isinstance(values.get(name), str):
            values[name] = at(values[name])
    return row | values


def deals(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame_of("teamleader.deals", rows)


def links(*pairs: tuple[Any, ...]) -> pl.DataFrame:
    """From (contact, company, position, rank); the last two may be left out."""
    names = ("contact_id", "company_id", "position", "rank")
    return frame_of("teamleader.contact_company_links", [dict(zip(names, pair, strict=False)) for pair in pairs])


def history(*entries: tuple[str, str]) -> pl.DataFrame:
    """From (deal, started_at)."""
    rows = [{"deal_id": deal, "position": i, "started_at": text} for i, (deal, text) in enumerate(entries)]
    return frame_of("teamleader.deal_phase_history", rows)


def source(**parts: Any) -> Source:
    """A source with empty tables where none is given."""
    whole: dict[str, Any] = {
        "contacts": contacts(),
        "companies": companies(),
        "deals": deals(),
        "contact_company_links": links(),
        "deal_phase_history": history(),
        "linked_contacts": set(),
        "linked_companies": set(),
        "linked_deals": set(),
        "mapped": MAPPED,
    }
    return Source(**(whole | parts))


def rows(frame: pl.DataFrame, key: str = "teamleader_id") -> dict[str, dict[str, Any]]:
    """Rows by id."""
    return {row[key]: row for row in frame.iter_rows(named=True)}


def outcomes(frame: pl.DataFrame) -> dict[str, tuple[str, str]]:
    """Status and reason by id."""
    return {key: (row["status"], row["reason"]) for key, row in rows(frame).items()}


# ---------------------------------------------------------------------- random sources

_DAYS = st.sampled_from(
    [
        *("2016-02-29", "2020-02-28", "2021-11-01", "2021-11-02", "2021-11-03", "2023-06-15"),
        *("2024-02-29", "2024-11-01", "2024-11-02", "2024-11-03", "2026-10-30", "2027-01-01"),
    ]
)
_INSTANTS = st.builds(lambda day, hour: at(f"{day}T{hour:02d}:30:00"), _DAYS, st.sampled_from([0, 11, 22, 23]))
_EMAILS = st.sampled_from(
    [
        [],
        [("primary", " ")],
        [("primary", "Ann@Example.com ")],
        [("primary", "ann@example.com")],
        [("primary", "no")],
        [("invoicing", "bob@example.com"), ("primary", "eve@müller.be")],
        [("primary", "bob@example.com")],
    ]
)
_VATS = st.sampled_from([None, "", "BE0899623035", "0899.623.035", "0403.170.701", "BE0899623036"])
_SITES = st.sampled_from([None, "acme.be", "https://www.acme.be/x", "foo.be", "facebook.com/acme"])
_NAMES = st.sampled_from([None, "Acme NV", "ACME", "Foo & Bar", "foo bar bvba"])


def _ids(prefix: str, most: int) -> st.SearchStrategy[list[str]]:
    return st.integers(0, most).map(lambda n: [f"{prefix}{i}" for i in range(1, n + 1)])


@st.composite
def contact_frames(draw: st.DrawFn) -> pl.DataFrame:
    made = [
        {
            "id": id,
            "status": draw(st.sampled_from(["active", "deactivated", None])),
            "emails": [{"type": t, "email": e} for t, e in draw(_EMAILS)],
            "marketing_mails_consent": draw(st.sampled_from([True, False, None])),
            "consent_withdrawn_at": draw(st.none() | _INSTANTS),
            "added_at": draw(st.none() | _INSTANTS),
            "updated_at": draw(st.none() | _INSTANTS),
        }
        for id in draw(_ids("c", 6))
    ]
    for row in made:
        row["changed_at"] = row["updated_at"] or row["added_at"]
    return contacts(*made)


@st.composite
def company_frames(draw: st.DrawFn) -> pl.DataFrame:
    return companies(
        *(
            company(
                id,
                name=draw(_NAMES),
                vat_number=draw(_VATS),
                website=draw(_SITES),
                status=draw(st.sampled_from(["active", "deactivated"])),
                updated=draw(_DAYS),
            )
            for id in draw(_ids("k", 7))
        )
    )


@st.composite
def deal_frames(draw: st.DrawFn) -> pl.DataFrame:
    parties = st.sampled_from([None, "c1", "c2", "c3", "k1", "unknown"])
    return deals(
        *(
            deal(
                id,
                status=draw(st.sampled_from(["new", "open", "won", "lost", None])),
                customer_type=draw(st.sampled_from(["contact", "company", None])),
                customer_id=draw(parties),
                contact_person_id=draw(parties),
                pipeline_id=draw(st.sampled_from(["p1", "p2", None])),
                current_phase_id=draw(st.sampled_from(["f1", "f3", None])),
                created_at=draw(st.none() | _INSTANTS),
                closed_at=draw(st.none() | _INSTANTS),
            )
            for id in draw(_ids("d", 4))
        )
    )


@st.composite
def sources(draw: st.DrawFn) -> Source:
    sides = st.tuples(st.sampled_from(["c1", "c2", "c3", "c9"]), st.sampled_from(["k1", "k2", "k3", "k9"]))
    pairs = draw(st.lists(sides, unique=True, max_size=6))
    moves = st.sampled_from(["2021-11-02 10:00:00", "2024-11-02T23:30:00+00:00", "2026-10-01 08:00:00", "?"])
    return source(
        contacts=draw(contact_frames()),
        companies=draw(company_frames()),
        deals=draw(deal_frames()),
        contact_company_links=links(*((c, k, f"job at {k}", i) for i, (c, k) in enumerate(pairs))),
        deal_phase_history=history(*draw(st.lists(st.tuples(st.sampled_from(["d1", "d2"]), moves), max_size=3))),
        linked_contacts=draw(st.sets(st.sampled_from(["c1", "c2", "c3"]))),
        linked_companies=draw(st.sets(st.sampled_from(["k1", "k2"]))),
        linked_deals=draw(st.sets(st.sampled_from(["d1", "d2"]))),
    )


def any_settings() -> st.SearchStrategy[RuleSettings]:
    return st.builds(
        settings,
        consent_false_means=st.sampled_from(["opt_out", "not_asked"]),
        deals_closed=st.sampled_from(["recent", "linked_only", "never"]),
    )
