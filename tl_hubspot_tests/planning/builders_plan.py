"""Small worlds for planning tests: rows in, plan out, and what HubSpot holds after a push of that plan.

Only inputs and a stand-in for HubSpot's storage; nothing here decides what the plan decides.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import cache, partial
from typing import Any

import polars as pl

from tl_hubspot.config import mapping as mapping_file
from tl_hubspot.planning import desired, json_text
from tl_hubspot.planning.mapping import Mapping
from tl_hubspot.planning.match_frames import MATCHES
from tl_hubspot.planning.plan import Plan, build
from tl_hubspot.planning.plan_inputs import (
    CHANGES,
    DECIDED,
    ELIGIBLE,
    EntityInputs,
    PlanInputs,
    PlanSettings,
    Reader,
    rows_of,
)
from tl_hubspot.planning.stages import resolve
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.warehouse.rows import frame_of, polars_schema

AS_OF = datetime(2026, 11, 2, 11, tzinfo=UTC)
TABLES = {"contact": "contacts", "company": "companies", "deal": "deals"}
STANDARD = {
    "contact": {
        "email": "string", "firstname": "string", "lastname": "string", "salutation": "string", "mobilephone": "string",
        "phone": "string", "jobtitle": "string", "hs_language": "enumeration", "website": "string", "address": "string",
        "zip": "string", "city": "string", "country": "string", "hs_analytics_source": "enumeration",
    },
    "company": {
        "name": "string", "domain": "string", "website": "string", "phone": "string", "address": "string",
        "zip": "string", "city": "string", "country": "string", "hubspot_owner_id": "enumeration",
    },
    "deal": {
        "dealname": "string", "amount": "number", "deal_currency_code": "enumeration", "pipeline": "enumeration",
        "dealstage": "enumeration", "closedate": "datetime", "createdate": "datetime", "closed_lost_reason": "string",
        "hubspot_owner_id": "enumeration",
    },
}  # fmt: skip
LANGUAGES = ["nl", "nl-be", "fr", "en", "de"]
REFERENCE = [
    {"kind": "deal_pipeline", "id": "p1", "name": "Sales", "position": 0},
    {"kind": "deal_phase", "id": "f1", "name": "New", "parent_id": "p1", "position": 0, "probability": "0.2"},
    {"kind": "deal_phase", "id": "f2", "name": "Proposal", "parent_id": "p1", "position": 1, "probability": "0.5"},
    {"kind": "user", "id": "u1", "name": "Ann Example", "email": "Ann@example.com"},
    {"kind": "user", "id": "u2", "name": "Bob Example", "email": "bob@example.com"},
    {"kind": "business_type", "id": "b1", "name": "BV"},
    {"kind": "deal_source", "id": "s1", "name": "Fair"},
    {"kind": "lost_reason", "id": "l1", "name": "Price"},
    {"kind": "custom_field_definition", "id": "c1", "name": "Segment", "context": "contact", "type": "single_select"},
]
STAGES = [
    ("default", "Sales", "s-new", "New", False, "0.2", 0),
    ("default", "Sales", "s-proposal", "Proposal", False, "0.5", 1),
    ("default", "Sales", "s-won", "Won", True, "1.0", 2),
    ("default", "Sales", "s-lost", "Lost", True, "0.0", 3),
]


def definition(object_type: str, name: str, type_: str = "string", **more: Any) -> dict[str, Any]:
    """A row of hubspot.properties."""
    row = {"object_type": object_type, "name": name, "label": name.title(), "type": type_, "read_only": False}
    return row | {"unique_value": False, "options": []} | more


def standard_properties() -> list[dict[str, Any]]:
    """HubSpot's own properties that the default mapping writes."""
    rows = [definition(kind, name, type_) for kind, own in STANDARD.items() for name, type_ in own.items()]
    for row in rows:
        if row["name"] == "hs_language":
            row["options"] = LANGUAGES
    return rows


def reference(rows: list[dict[str, Any]] | None = None) -> pl.DataFrame:
    """teamleader.reference."""
    return frame_of("teamleader.reference", REFERENCE if rows is None else rows)


def stage_rows(rows: list[tuple[Any, ...]] | None = None) -> pl.DataFrame:
    """hubspot.pipeline_stages."""
    names = ("pipeline_id", "pipeline_label", "stage_id", "stage_label", "is_closed", "probability", "position")
    chosen = STAGES if rows is None else rows
    return frame_of("hubspot.pipeline_stages", [dict(zip(names, r, strict=True)) for r in chosen])


@cache
def default_mapping() -> Mapping:
    """The default mapping file."""
    return mapping_file.load()


def portal(properties: list[dict[str, Any]] | None = None, mapping: Mapping | None = None) -> Portal:
    """A portal with HubSpot's own properties, one owner, EUR and the stages of STAGES."""
    rules = (mapping or default_mapping()).pipelines
    return Portal(
        frame_of("hubspot.properties", standard_properties() if properties is None else properties),
        frame_of("hubspot.owners", [{"id": "901", "email": "ann@example.com"}]),
        frame_of("hubspot.currencies", [{"code": "EUR", "is_company_currency": True}]),
        resolve(rules, reference(), stage_rows()),
    )


def changes_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of the plan made elsewhere (relations, opt-outs)."""
    return pl.DataFrame(rows, schema=CHANGES)


class World:
    """Teamleader records with their decisions, and what HubSpot and the sync remember of them."""

    def __init__(self, mapping: Mapping | None = None) -> None:
        self.mapping = mapping or default_mapping()
        self.portal = portal(mapping=self.mapping)
        self.source: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in TABLES}
        self.decisions: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in TABLES}
        self.eligible: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in TABLES}
        self.matches: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in TABLES}
        self.mirror: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in TABLES}
        self.links: dict[tuple[str, str], str] = {}
        self.shadows: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.relations = changes_frame([])
        self.opt_outs = changes_frame([])
        self.settings: dict[str, Any] = {}
        self.vanished: dict[str, tuple[int, int]] = {}

    # --- Teamleader ---

    def contact(self, id_: str, *, status: str = "marketing", reason: str | None = None, **fields: Any) -> None:
        """A contact and its decision; `status` marketing, non_marketing or skip."""
        address = fields.pop("address", f"{id_}@example.com")
        opted_out = fields.pop("opted_out", False)
        jobtitle = fields.pop("jobtitle", None)
        reason = reason or {"marketing": "changed_within_2_years", "skip": "too_old"}.get(
            status, "changed_2_to_5_years"
        )
        base = {
            "id": id_,
            "status": "active",
            "first_name": "An",
            "last_name": id_,
            "web_url": f"https://t.example/{id_}",
        }
        base |= {"changed_at": datetime(2026, 1, 1, tzinfo=UTC)}
        self.source["contact"][id_] = base | fields
        self.decisions["contact"][id_] = {
            "teamleader_id": id_, "status": status, "reason": reason, "address": address, "opted_out": opted_out,
            "changed_at": base["changed_at"],
        }  # fmt: skip
        row = {"marketing": status == "marketing", "reason": reason, "address": address, "jobtitle": jobtitle}
        self._eligible("contact", id_, status != "skip", **row)

    def company(
        self, id_: str, *, status: str = "sync", vat: str | None = None, domain: str | None = None, **fields: Any
    ) -> None:
        """A company and its decision; `status` sync or skip."""
        self.source["company"][id_] = {"id": id_, "status": "active", "name": f"Company {id_}"} | fields
        reason = "eligible_contact" if status == "sync" else "no_eligible_contact"
        row = {"teamleader_id": id_, "status": status, "reason": reason, "vat": vat, "domain": domain}
        self.decisions["company"][id_] = row
        self._eligible("company", id_, status == "sync", members=[id_], vat=vat, domain=domain)

    def deal(self, id_: str, *, status: str = "sync", reason: str = "changed_within_2_years", label: str | None = None,
             deal_status: str = "open", **fields: Any) -> None:  # fmt: skip
        """A deal and its decision; `status` sync, skip or held."""
        base = {"id": id_, "title": f"Deal {id_}", "status": deal_status, "pipeline_id": "p1", "current_phase_id": "f1"}
        base |= {"created_at": datetime(2026, 1, 1, tzinfo=UTC), "updated_at": datetime(2026, 1, 2, tzinfo=UTC)}
        self.source["deal"][id_] = base | fields
        row = {"teamleader_id": id_, "status": status, "reason": reason, "label": label, "created_on": date(2026, 1, 1)}
        self.decisions["deal"][id_] = row
        self._eligible("deal", id_, status != "skip", label=label, reason=reason)

    def edit(self, kind: str, id_: str, **fields: Any) -> None:
        """An edit in Teamleader."""
        self.source[kind][id_] |= fields

    def delete(self, kind: str, id_: str) -> None:
        """Deleted in Teamleader."""
        self.source[kind][id_]["deleted_at"] = AS_OF
        for table in (self.decisions, self.eligible, self.matches):
            table[kind].pop(id_, None)

    def _eligible(self, kind: str, id_: str, wanted: bool, **row: Any) -> None:
        self.eligible[kind].pop(id_, None)
        if wanted:
            self.eligible[kind][id_] = {"teamleader_id": id_} | row
            self.matches[kind].setdefault(id_, {})

    # --- HubSpot ---

    def holds(self, kind: str, hubspot_id: str, properties: dict[str, Any] | None = None, **columns: Any) -> None:
        """A HubSpot record."""
        self.mirror[kind][hubspot_id] = {"id": hubspot_id, "archived": False, "properties": properties or {}} | columns

    def person(self, kind: str, hubspot_id: str, **properties: Any) -> None:
        """A person's edit in HubSpot."""
        self.mirror[kind][hubspot_id]["properties"] |= properties

    def matched(self, kind: str, id_: str, hubspot_id: str | None = None, **row: Any) -> None:
        """What the matching says about a record; by default update of that HubSpot record, found by e-mail."""
        self.matches[kind][id_] = {"hubspot_id": hubspot_id} | row

    def linked(
        self, kind: str, id_: str, hubspot_id: str, shadow: dict[str, Any], written: dict[str, Any] | None = None
    ) -> None:
        """A link with what was last pushed."""
        self.links[kind, id_] = hubspot_id
        self.shadows[kind, id_] = {"fields": shadow, "written": shadow if written is None else written}
        self.matches[kind][id_] = {"hubspot_id": hubspot_id, "matched_by": "link"}

    # --- planning ---

    def inputs(self, *kinds: str, shuffle: int | None = None) -> PlanInputs:
        """Inputs of a plan of those entities (all by default); `shuffle`: seed of another row order."""

        def mixed(frame: pl.DataFrame) -> pl.DataFrame:
            return frame if shuffle is None else frame.sample(fraction=1, shuffle=True, seed=shuffle)

        def entity(kind: str) -> EntityInputs:
            source = mixed(frame_of(f"teamleader.{TABLES[kind]}", self.source[kind].values()))
            mirror = mixed(self._mirror(kind))
            drawn_on = desired.columns(kind, self.mapping, self.portal)
            decisions = mixed(frame_of(f"decisions.{TABLES[kind]}", self.decisions[kind].values()))
            eligible = mixed(frame_of(f"eligible.{TABLES[kind]}", self.eligible[kind].values()))
            return EntityInputs(
                source=rows_of(source.select(c for c in source.columns if c in drawn_on)),
                deleted=source.filter(pl.col("deleted_at").is_not_null())["id"],
                decisions=decisions.select(DECIDED[kind]),
                eligible=eligible.select(ELIGIBLE[kind]),
                matches=mixed(self._matches(kind)),
                mirror=mirror.drop("properties"),
                held=rows_of(mirror),
            )

        links = [{"entity_type": k, "teamleader_id": t, "hubspot_id": h} for (k, t), h in self.links.items()]

        def shadows(kind: str) -> Reader:
            rows = [
                {"teamleader_id": t} | {name: json_text.dumps(value) for name, value in s.items()}
                for (k, t), s in self.shadows.items()
                if k == kind
            ]
            return rows_of(mixed(frame_of("sync.shadows", rows)), "teamleader_id")

        return PlanInputs(
            {kind: partial(entity, kind) for kind in kinds or TABLES},
            mixed(frame_of("sync.links", links)),
            {kind: shadows(kind) for kind in TABLES},
            reference(),
            self.portal,
            len(links),
            relations=[self.relations],
            opt_outs=self.opt_outs,
            marketing_requests=frame_of("sync.marketing_requests", self.requests),
            vanished=self.vanished,
        )

    def plan(self, *kinds: str, shuffle: int | None = None) -> Plan:
        """The plan of those entities."""
        return build(self.inputs(*kinds, shuffle=shuffle), PlanSettings(self.mapping, AS_OF, **self.settings))

    def _matches(self, kind: str) -> pl.DataFrame:
        rows = []
        for id_, given in self.matches[kind].items():
            if id_ not in self.eligible[kind]:
                continue
            found = given.get("hubspot_id")
            row = {
                "teamleader_id": id_, "hubspot_id": None, "matched_by": "email" if found else None,
                "outcome": "update" if found else "create", "reason": None, "relinked_from": None,
                "first_match": (kind, id_) not in self.shadows,
            }  # fmt: skip
            if kind == "contact":
                held = self.mirror[kind].get(found or "", {})
                address = self.eligible[kind][id_]["address"]
                known = address in (held.get("email"), *(held.get("secondary_emails") or []))
                row |= {
                    "email_action": "none" if known else ("add_secondary" if held.get("email") else "set"),
                    "email_new": None if known else address, "email_old": None, "email_keep_old": False,
                    "email_blocked_by": None,
                }  # fmt: skip
            rows.append(row | given)
        schema: dict[str, Any] = dict(MATCHES)
        if kind == "contact":
            schema |= {"email_action": pl.String, "email_new": pl.String, "email_old": pl.String}
            schema |= {"email_keep_old": pl.Boolean, "email_blocked_by": pl.String}
        return pl.DataFrame(rows, schema=schema)

    def _mirror(self, kind: str) -> pl.DataFrame:
        rows = [row | {"properties": json.dumps(row["properties"])} for row in self.mirror[kind].values()]
        names = polars_schema(f"hubspot.{TABLES[kind]}")
        return frame_of(f"hubspot.{TABLES[kind]}", [{k: v for k, v in row.items() if k in names} for row in rows])

    # --- a push ---

    def push(self, plan: Plan) -> None:
        """What HubSpot holds and the sync remembers after every change of the plan was confirmed."""
        for row in plan.changes.filter(pl.col("action").is_in(["create", "update", "mark_deleted"])).iter_rows(
            named=True
        ):
            self._push_record(row)
        for row in plan.settled.iter_rows(named=True):
            key = (row["entity_type"], row["teamleader_id"])
            self.links[key] = row["hubspot_id"]
            before = self.shadows.get(key, {"written": {}})
            fields = _merged(before.get("fields", {}), json.loads(row["shadow"]))
            self.shadows[key] = {"fields": fields, "written": before["written"]}
            self.matches[row["entity_type"]][row["teamleader_id"]] = {
                "hubspot_id": row["hubspot_id"],
                "matched_by": "link",
            }
        for row in plan.changes.filter(pl.col("action") == "marketing").iter_rows(named=True):
            hubspot_id = row["hubspot_id"] or self.links["contact", row["teamleader_id"]]
            self.mirror["contact"][hubspot_id]["marketable"] = True
            self.requests.append({"teamleader_id": row["teamleader_id"], "hubspot_id": hubspot_id})

    def _push_record(self, row: dict[str, Any]) -> None:
        kind, id_ = row["entity_type"], row["teamleader_id"]
        details, fields = json.loads(row["details"]), json.loads(row["fields"])
        hubspot_id = row["hubspot_id"] or f"new-{kind}-{id_}"
        record = self.mirror[kind].setdefault(hubspot_id, {"id": hubspot_id, "archived": False, "properties": {}})
        for name, value in fields.items():
            record["properties"][name] = value["new"] or None
        if kind == "contact" and "email" in details:
            if "email" in fields:
                record["email"] = fields["email"]["new"]
            if "hs_additional_emails" in fields:
                record["secondary_emails"] = fields["hs_additional_emails"]["new"].split(";")
        before = {} if row["action"] == "create" else self.shadows.get((kind, id_), {})
        news = {n: v["new"] or None for n, v in fields.items()}
        remember = news if row["action"] == "create" else details["shadow"]
        self.shadows[kind, id_] = {
            "fields": _merged(before.get("fields", {}), remember),
            "written": before.get("written", {}) | news,
        }
        self.links[kind, id_] = hubspot_id
        if id_ in self.eligible[kind]:
            self.matches[kind][id_] = {"hubspot_id": hubspot_id, "matched_by": "link"}


def _merged(before: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (before | news).items() if value is not None}


def rows(plan: Plan, action: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
    """Changes of a plan with fields and details as objects."""
    chosen = [
        row | {"fields": json.loads(row["fields"]), "details": json.loads(row["details"])}
        for row in plan.changes.iter_rows(named=True)
    ]
    return [r for r in chosen if action in (None, r["action"]) and kind in (None, r["entity_type"])]


def new(plan: Plan, id_: str, kind: str = "contact") -> dict[str, str]:
    """Property → new value of the write of one record; {} when it is not written."""
    found = [r for r in rows(plan, kind=kind) if r["teamleader_id"] == id_ and r["fields"]]
    assert len(found) <= 1
    return {name: value["new"] for name, value in found[0]["fields"].items()} if found else {}


def bucket(plan: Plan, kind: str, id_: str) -> tuple[str, str]:
    """(bucket, reason) of one source record."""
    row = plan.outcomes.filter((pl.col("entity_type") == kind) & (pl.col("teamleader_id") == id_))
    assert len(row) == 1
    return row["bucket"][0], row["reason"][0]


def codes(plan: Plan) -> list[tuple[str, str | None]]:
    """(code, teamleader_id) of the notices."""
    return sorted(plan.notices.select("code", "teamleader_id").iter_rows())
