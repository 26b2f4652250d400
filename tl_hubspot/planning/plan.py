"""The plan: every intended HubSpot change with old and new values, what was settled without one, limits and digest.

Assembles what the rules decided, the matching found and `diff` compared; pure. Reading the tables is orchestration,
making the calls is the pushing room.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any, Literal

import polars as pl

from tl_hubspot.planning import diff, guards, json_text, subset
from tl_hubspot.planning.desired import KEY, MARKETING, Desired, desired, marked, writable_rules
from tl_hubspot.planning.guards import Counts, GuardSettings, Limit
from tl_hubspot.planning.mapping import Mapping as FieldMapping
from tl_hubspot.planning.match_frames import NOTICES, no_notices, notices
from tl_hubspot.planning.parallel import side_by_side
from tl_hubspot.planning.protected import PROTECTED_PATTERNS, is_protected
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.rules import normalize

CHANGES: dict[str, pl.DataType] = {
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "action": pl.String(),
    "reason": pl.String(),
    "fields": pl.String(),
    "details": pl.String(),
}
"""Columns of `sync.plan` without run_id and digest; `fields` and `details` are canonical JSON objects."""

OUTCOMES: dict[str, pl.DataType] = {
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "bucket": pl.String(),
    "reason": pl.String(),
}

SETTLED: dict[str, pl.DataType] = {
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "shadow": pl.String(),
}

PUSH_ORDER = ("company", "contact", "deal")
_ACTION_ORDER = ("update", "mark_deleted", "create", "hold")
OUT_OF_SCOPE = "out_of_scope"
DELETED = "deleted_in_teamleader"


@dataclass(frozen=True)
class EntityInputs:
    """One entity's `teamleader` table (deleted ones too), decisions, eligible, matches frame and HubSpot mirror."""

    source: pl.DataFrame
    decisions: pl.DataFrame
    eligible: pl.DataFrame
    matches: pl.DataFrame
    mirror: pl.DataFrame


@dataclass(frozen=True)
class PlanInputs:
    """Everything that a plan is made of.

    `entities`: by entity type, only those that the run may change; `links`: `sync.links` after adoption; `shadows`,
    `marketing_requests`: their `sync` tables; `reference`: `teamleader.reference`; `relations`, `opt_outs`: rows of
    CHANGES (associate, disassociate; unsubscribe); `notices`: frames of notices found before; `vanished`: per entity
    type (vanished in this run, known before); `opted_out_records`: `opt_outs.OptOutPlan.records`; `confined_to`: the
    only records that may change, None for all.
    """

    entities: Mapping[str, EntityInputs]
    links: pl.DataFrame
    shadows: pl.DataFrame
    reference: pl.DataFrame
    portal: Portal
    relations: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANGES))
    opt_outs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANGES))
    marketing_requests: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"teamleader_id": pl.String, "hubspot_id": pl.String})
    )
    notices: Sequence[pl.DataFrame] = ()
    vanished: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    confined_to: subset.Ids | None = None
    opted_out_records: pl.Series = field(default_factory=lambda: pl.Series([], dtype=pl.String))


@dataclass(frozen=True)
class PlanSettings:
    """Choices of the configuration. `marketing_tier`: marketing contacts bought (None: unknown, no limit)."""

    mapping: FieldMapping
    as_of: datetime
    guards: GuardSettings = field(default_factory=GuardSettings)
    marketing_method: Literal["import", "workflow", "property_only"] = "import"
    marketing_tier: int | None = None


@dataclass(frozen=True)
class Plan:
    """The plan: CHANGES in push order, SETTLED, OUTCOMES, notices, limits, and the digest of the changes."""

    changes: pl.DataFrame
    settled: pl.DataFrame
    outcomes: pl.DataFrame
    notices: pl.DataFrame
    limits: list[Limit]
    digest: str

    @property
    def held(self) -> bool:
        """Whether a limit is exceeded: nothing may be pushed until a person approves the digest."""
        return any(limit.exceeded for limit in self.limits)


def build(inputs: PlanInputs, settings: PlanSettings) -> Plan:
    """Make the plan of one run."""
    kinds = [kind for kind in PUSH_ORDER if kind in inputs.entities]
    by_kind = side_by_side({kind: partial(_Entity, kind, inputs, settings) for kind in kinds})
    parts, contacts = list(by_kind.values()), by_kind.get("contact")
    unsubscribe = inputs.opt_outs.select(list(CHANGES))
    marketing = contacts.marketing_rows() if contacts else _no_changes()
    relations = inputs.relations.select(list(CHANGES))
    changes = pl.concat([_no_changes(), *(p.changes for p in parts), relations, unsubscribe, marketing])
    outcomes = pl.concat([pl.DataFrame(schema=OUTCOMES), *(p.outcomes for p in parts)])
    settled = pl.concat([pl.DataFrame(schema=SETTLED), *(p.settled for p in parts)])
    if inputs.confined_to is not None:
        changes = subset.changes(changes, inputs.confined_to)
        outcomes = subset.outcomes(outcomes, inputs.confined_to)
    told = [no_notices(), *inputs.notices, *(p.notices for p in parts)]
    return Plan(
        changes=changes,
        settled=settled,
        outcomes=outcomes,
        notices=pl.concat([t.select(list(NOTICES)) for t in told]).unique(maintain_order=True),
        limits=guards.check(_counts(inputs, settings, changes, contacts), settings.guards),
        digest=digest_of(changes),
    )


class _Entity:
    """The part of the plan about one entity type."""

    def __init__(self, kind: str, inputs: PlanInputs, settings: PlanSettings) -> None:
        self.kind, self.inputs, self.settings = kind, inputs, settings
        self.own = inputs.entities[kind]
        self.active = self.own.mirror.filter(~pl.col("archived").fill_null(False))
        self.links = inputs.links.filter(pl.col("entity_type") == kind).select("teamleader_id", "hubspot_id")
        self.rules = writable_rules(kind, settings.mapping, inputs.portal)
        self.matches = self._matches()
        self.desired = self._desired()
        rows = self._rows()
        # The wide frame is the largest of all: nothing but the marketing column is needed from here on.
        kept = [c for c in (KEY, MARKETING) if c in self.desired.frame.columns]
        self.desired = Desired(self.desired.frame.select(kept), self.desired.notices)
        self.changes = self._changes(rows)
        self.settled = rows.filter((pl.col("fields") == "{}") & (pl.col("outcome") != "create")).select(
            pl.lit(kind).alias("entity_type"), *list(SETTLED)[1:]
        )
        self.outcomes = self._outcomes()
        self.notices = self._notices()

    # --- what is looked at ---

    def _matches(self) -> pl.DataFrame:
        """The matches frame plus the linked records that are out of scope or deleted, with `kind` and `decided`."""
        decided = self.own.decisions.select("teamleader_id", decided="reason", decided_status="status")
        matched = self.own.matches.join(decided, on="teamleader_id", how="left").with_columns(kind=pl.lit("eligible"))
        # A deal whose phase has no stage cannot be created; its other fields still go when HubSpot has it.
        unplaced = (pl.col("decided_status") == "held") & (pl.col("outcome") == "create")
        matched = matched.with_columns(
            outcome=pl.when(unplaced).then(pl.lit("held")).otherwise("outcome"),
            reason=pl.when(unplaced).then("decided").otherwise("reason"),
        )
        # The HubSpot record of a link that a winner took over belongs to the winner's row; one that merely stands in
        # the way of a held record stays with its own.
        written = matched.filter(pl.col("outcome") == "update")
        free = (
            self.links.join(self.active.select(hubspot_id="id"), on="hubspot_id", how="semi")
            .join(written.select("hubspot_id"), on="hubspot_id", how="anti")
            .join(matched, on="teamleader_id", how="anti")
            .sort("teamleader_id")
        )
        gone = self.own.source.filter(pl.col("deleted_at").is_not_null()).select(teamleader_id="id")
        skipped = decided.filter(pl.col("decided_status") == "skip").join(gone, on="teamleader_id", how="anti")
        marked_rows = [
            free.join(skipped, on="teamleader_id").with_columns(kind=pl.lit(OUT_OF_SCOPE)),
            free.join(gone, on="teamleader_id", how="semi").with_columns(
                kind=pl.lit("deleted"), decided=pl.lit(DELETED)
            ),
        ]
        # HubSpot may have merged the records of several: one update per HubSpot record, the one that exists first.
        marks = (
            pl.concat(rows.select("teamleader_id", "hubspot_id", "decided", "kind") for rows in marked_rows)
            .unique("hubspot_id", keep="first", maintain_order=True)
            .with_columns(outcome=pl.lit("update"), matched_by=pl.lit("link"), first_match=pl.lit(False))
        )
        return pl.concat([matched, marks], how="diagonal_relaxed")

    def _desired(self) -> Desired:
        mapping, portal = self.settings.mapping, self.inputs.portal
        own = desired(
            self.kind, self.own.source, self.own.eligible, self.own.decisions, self.inputs.reference, mapping, portal
        )
        if self.kind == "contact" and MARKETING in own.frame.columns:
            marketing = (
                pl.when(pl.col(KEY).is_in(self.never_asked.implode())).then(pl.lit("false")).otherwise(MARKETING)
            )
            own = Desired(own.frame.with_columns(marketing.alias(MARKETING)), own.notices)
        extra = [
            marked(self.kind, self.matches.filter(pl.col("kind") == kind)["teamleader_id"], kind, mapping, portal)
            for kind in (OUT_OF_SCOPE, "deleted")
        ]
        return Desired(pl.concat([own.frame, *extra], how="diagonal"), own.notices)

    @cached_property
    def shown_opted_out(self) -> pl.Series:
        """Teamleader ids of contacts that HubSpot shows opted out, or of whose address it shows that on another."""
        shown = self.active.filter(pl.col("opted_out").fill_null(False))
        addresses = normalize.addresses(shown["email"])["address"].drop_nulls()
        by_address = self.own.eligible.filter(pl.col("address").is_in(addresses.implode()))["teamleader_id"]
        return pl.concat([self._matched_to(shown["id"]), by_address]).unique()

    @property
    def never_asked(self) -> pl.Series:
        """Teamleader ids of contacts that are not asked for marketing status, whatever was decided: those shown opted
        out, and those whose HubSpot contact has an address that Teamleader shows opted out."""
        refused = pl.concat([self.inputs.opt_outs["hubspot_id"].drop_nulls(), self.inputs.opted_out_records])
        return pl.concat([self.shown_opted_out, self._matched_to(refused)])

    def _matched_to(self, hubspot_ids: pl.Series) -> pl.Series:
        return self.matches.filter(pl.col("hubspot_id").is_in(hubspot_ids.implode()))["teamleader_id"]

    # --- what is written ---

    def _rows(self) -> pl.DataFrame:
        """One row per record with news in Teamleader: its match, `fields`, `shadow`."""
        portal = self.inputs.portal
        types = {r.property: portal.property_type(self.kind, r.property) or r.type for r in self.rules}
        shadows = self._still_true(self.inputs.shadows.filter(pl.col("entity_type") == self.kind))
        found = diff.differences(
            self.desired.frame,
            self.matches,
            shadows,
            self.active,
            self.rules,
            diff.Portal(types, portal.stages.symbols),
        )
        return self.matches.join(found, on="teamleader_id")

    def _still_true(self, shadows: pl.DataFrame) -> pl.DataFrame:
        """Shadows without the sync's own statements where HubSpot's record carries another Teamleader id.

        People merged two records there: what was pushed to this one (its id, status, decision) is no longer what the
        survivor holds, although nothing changed in Teamleader.
        """
        carried = self.active.select(hubspot_id="id", carried="teamleader_id")
        merged = (
            self.matches.filter((pl.col("outcome") == "update") & (pl.col("kind") == "eligible"))
            .join(carried, on="hubspot_id")
            .filter((pl.col("carried") != "") & (pl.col("carried") != pl.col("teamleader_id")))["teamleader_id"]
        )
        if merged.is_empty():
            return shadows
        own = {
            r.property for r in self.rules if r.custom and r.source.partition(".")[0] in ("id", "status", "decision")
        }
        affected = pl.col("teamleader_id").is_in(merged.implode())
        stripped = [
            json_text.dumps({name: value for name, value in json.loads(fields).items() if name not in own})
            for fields in shadows.filter(affected)["fields"]
        ]
        return pl.concat(
            [
                shadows.filter(~affected),
                shadows.filter(affected).with_columns(pl.Series("fields", stripped, pl.String())),
            ]
        )

    def _changes(self, rows: pl.DataFrame) -> pl.DataFrame:
        writes = rows.filter((pl.col("fields") != "{}") | (pl.col("outcome") == "create")).select(
            "teamleader_id",
            "hubspot_id",
            "fields",
            action=pl.when(pl.col("kind") == "deleted").then(pl.lit("mark_deleted")).otherwise("outcome"),
            reason=pl.when(pl.col("kind") == OUT_OF_SCOPE).then(pl.lit(OUT_OF_SCOPE)).otherwise("decided"),
            details=self._details(rows.columns),
        )
        held = self.matches.filter((pl.col("outcome") == "held") | (pl.col("decided_status") == "held"))
        holds = held.select(
            "teamleader_id",
            "hubspot_id",
            action=pl.lit("hold"),
            reason=pl.coalesce("reason", "decided"),
            fields=pl.lit("{}"),
            details=pl.lit("{}"),
        )
        order = pl.col("action").replace_strict({a: n for n, a in enumerate(_ACTION_ORDER)}, return_dtype=pl.Int8)
        return (
            pl.concat([writes.select(holds.columns), holds])
            .with_columns(entity_type=pl.lit(self.kind))
            .sort(order, "teamleader_id")
            .select(list(CHANGES))
        )

    def _details(self, columns: Sequence[str]) -> pl.Expr:
        members = {
            "first_match": json_text.boolean(pl.col("first_match")),
            "matched_by": json_text.or_null(json_text.quoted(pl.col("matched_by"))),
            "reasons_out_of_scope": pl.when(pl.col("kind") == OUT_OF_SCOPE).then(json_text.quoted(pl.col("decided"))),
            "shadow": pl.col("shadow"),
        }
        if "relinked_from" in columns:
            members["relinked_from"] = json_text.quoted(pl.col("relinked_from"))
        if self.kind == "contact":
            email = json_text.object_of(
                {
                    "action": json_text.quoted(pl.col("email_action")),
                    "new": json_text.or_null(json_text.quoted(pl.col("email_new"))),
                    "old": json_text.or_null(json_text.quoted(pl.col("email_old"))),
                    "keep_old": json_text.boolean(pl.col("email_keep_old").fill_null(False)),
                }
            )
            members["asked"] = json_text.boolean(~pl.col("teamleader_id").is_in(self.shown_opted_out.implode()))
            members["email"] = pl.when(pl.col("email_action").fill_null("none") != "none").then(email)
        return json_text.object_of(members)

    # --- what is told ---

    def _outcomes(self) -> pl.DataFrame:
        """Exactly one row per source record that exists."""
        written = self.changes.filter(pl.col("action").is_in(["update", "create"])).select("teamleader_id", "action")
        planned = self.matches.select("teamleader_id", "hubspot_id", "outcome", "kind", held_for="reason")
        bucket = (
            pl.when(pl.col("action") == "create")
            .then(pl.lit("created"))
            .when(pl.col("action") == "update")
            .then(pl.lit("updated"))
            .when((pl.col("outcome") == "held") | (pl.col("status") == "held"))
            .then(pl.lit("held"))
            .when(pl.col("kind") == "eligible")
            .then(pl.lit("unchanged"))
            .otherwise(pl.lit("skipped"))
        )
        return (
            self.own.decisions.select("teamleader_id", "status", "reason")
            .join(planned, on="teamleader_id", how="left")
            .join(written, on="teamleader_id", how="left")
            .join(self.links.rename({"hubspot_id": "linked"}), on="teamleader_id", how="left")
            .select(
                "teamleader_id",
                entity_type=pl.lit(self.kind),
                hubspot_id=pl.coalesce("hubspot_id", "linked"),
                bucket=bucket,
                reason=pl.when(pl.col("outcome") == "held").then("held_for").otherwise("reason"),
            )
            .sort("teamleader_id")
            .select(list(OUTCOMES))
        )

    def _notices(self) -> pl.DataFrame:
        told = [self.desired.notices]
        deleted = self.changes.filter(pl.col("action") == "mark_deleted")
        told.append(
            notices(DELETED, self.kind, deleted, f"This {self.kind} was deleted in Teamleader; HubSpot keeps it.")
        )
        if self.kind == "contact":
            taken = self.matches.filter(pl.col("email_blocked_by").is_not_null())
            sentence = pl.format(
                "Its address belongs to HubSpot contact {}: two records to merge by a person.",
                pl.col("email_blocked_by"),
            )
            told.append(notices("email_taken", "contact", taken, sentence))
            told.extend(self._marketing_notices())
            told.append(self._future())
        return pl.concat(told)

    def _future(self) -> pl.DataFrame:
        late = self.own.decisions.filter(pl.col("changed_at") > self.settings.as_of)
        frame = late.select("teamleader_id").join(self.links, on="teamleader_id", how="left")
        return notices("future_date", "contact", frame, "This contact was changed in the future; it counts as recent.")

    # --- marketing status (behaviour §3.5) ---

    def wanted_marketing(self) -> pl.DataFrame:
        """Contacts that should be marketing and are not: the match with `decided`, for any method."""
        wanted = self.desired.frame.filter(pl.col(MARKETING) == "true").select(teamleader_id=KEY)
        marketable = self.active.filter(pl.col("marketable").fill_null(False)).select(hubspot_id="id")
        return (
            self.matches.filter(pl.col("outcome").is_in(["update", "create"]))
            .join(wanted, on="teamleader_id", how="semi")
            .join(marketable, on="hubspot_id", how="anti")
        )

    def marketing_rows(self) -> pl.DataFrame:
        """Rows that ask for marketing status, once per HubSpot record; only with the method `import`."""
        if self.settings.marketing_method != "import" or MARKETING not in self.desired.frame.columns:
            return _no_changes()
        asked_before = self.inputs.marketing_requests.select("teamleader_id", "hubspot_id")
        return (
            self.wanted_marketing()
            .join(asked_before, on=["teamleader_id", "hubspot_id"], how="anti")
            .select(
                "teamleader_id",
                "hubspot_id",
                entity_type=pl.lit("contact"),
                action=pl.lit("marketing"),
                reason="decided",
                fields=pl.lit("{}"),
                details=pl.lit("{}"),
            )
            .sort("teamleader_id")
            .select(list(CHANGES))
        )

    def _marketing_notices(self) -> list[pl.DataFrame]:
        if MARKETING not in self.desired.frame.columns:
            return []
        marketable = self.active.filter(pl.col("marketable").fill_null(False)).select(hubspot_id="id")
        unwanted = (
            self.matches.filter(pl.col("outcome") == "update")
            .join(marketable, on="hubspot_id", how="semi")
            .join(
                self.desired.frame.filter(pl.col(MARKETING) == "false"),
                left_on="teamleader_id",
                right_on=KEY,
                how="semi",
            )
        )
        requests = self.inputs.marketing_requests.select("teamleader_id", "hubspot_id")
        unconfirmed = self.wanted_marketing().join(requests, on=["teamleader_id", "hubspot_id"], how="semi")
        return [
            notices(
                "marketing_needs_person",
                "contact",
                unwanted,
                "A marketing contact in HubSpot that should not be one; only a workflow or a person can change that.",
            ),
            notices(
                "marketing_not_confirmed",
                "contact",
                unconfirmed,
                "Marketing status was asked for this contact, but HubSpot does not show it.",
            ),
        ]


# --- limits -----------------------------------------------------------------------------------------------------------


def _counts(inputs: PlanInputs, settings: PlanSettings, changes: pl.DataFrame, contacts: _Entity | None) -> Counts:
    actions = dict(changes.group_by("action").len().iter_rows())
    opt_outs = inputs.opt_outs if inputs.confined_to is None else subset.changes(inputs.opt_outs, inputs.confined_to)
    existing = opt_outs["details"].str.json_path_match("$.existing") == "true"
    new_marketing = actions.get("marketing", 0)
    if contacts and settings.marketing_method == "workflow":
        new_marketing = len(contacts.wanted_marketing())
    return Counts(
        linked=len(inputs.links),
        creates=actions.get("create", 0),
        updates=actions.get("update", 0) + actions.get("mark_deleted", 0),
        unsubscribes=int(existing.sum()),
        matched_contacts=contacts.own.matches.filter(pl.col("outcome") == "update").height if contacts else 0,
        new_marketing=new_marketing,
        marketing_now=contacts.active.filter(pl.col("marketable").fill_null(False)).height if contacts else 0,
        marketing_tier=settings.marketing_tier,
        vanished={k: v for k, v in inputs.vanished.items() if k in inputs.entities},
    )


# --- digest and views -------------------------------------------------------------------------------------------------


def digest_of(changes: pl.DataFrame) -> str:
    """blake2b over the changes sorted by entity type, Teamleader id, action; `fields` and `details` are canonical."""
    ordered = changes.sort("entity_type", "teamleader_id", "action", "hubspot_id", "details", nulls_last=True)
    # neither sign can stand in an id or in JSON text
    columns = pl.col(list(CHANGES)).fill_null("\0").str.join("\n").cast(pl.Binary)
    digest = hashlib.blake2b(digest_size=32)
    for rows in ordered.iter_slices(20_000):
        for column in rows.select(columns).row(0):
            digest.update(column + b"\n")
    return digest.hexdigest()


def to_json(plan: Plan) -> dict[str, Any]:
    """The document of `plan --json` (behaviour §13); contacts also say `asked`, unsubscribes which addresses."""
    return {
        "digest": plan.digest,
        "held": plan.held,
        "limits": [
            {"name": x.name, "value": x.value, "maximum": x.maximum, "exceeded": x.exceeded, "sentence": x.sentence}
            for x in plan.limits
        ],
        "changes": [_change_json(row) for row in plan.changes.iter_rows(named=True)],
    }


def _change_json(row: dict[str, Any]) -> dict[str, Any]:
    details = json.loads(row["details"])
    shown = {k: row[k] for k in ("entity_type", "teamleader_id", "hubspot_id", "action", "reason")}
    shown["fields"] = json.loads(row["fields"])
    return shown | {k: details[k] for k in ("asked", "addresses", "primary") if k in details}


def protected_fields(plan: Plan, names: Iterable[str], properties: pl.DataFrame) -> list[dict[str, str]]:
    """Protected properties that the plan would write: always empty (behaviour §7); checked on the finished plan.

    `properties`: `hubspot.properties`, for labels. Rows: entity_type, teamleader_id, property.
    """
    names = tuple(names)
    labels = {(t, n): label for t, n, label in properties.select("object_type", "name", "label").iter_rows()}
    found = []
    seen: dict[tuple[str, str], bool] = {}
    # Only texts that hold the beginning of a protected name are looked into: a clean plan costs one pass.
    suspects = {f'"{name}"' for (_, name), label in labels.items() if is_protected(name, label, names)}
    suspects |= {f'"{name.casefold().replace(" ", "_")}"' for name in names} | {f'"{name}"' for name in names}
    suspects |= {f'"{pattern.rstrip("*")}' for pattern in PROTECTED_PATTERNS}
    suspicious = plan.changes.filter(pl.col("fields").str.contains_any(sorted(suspects), ascii_case_insensitive=True))
    for kind, id_, fields in suspicious.select("entity_type", "teamleader_id", "fields").iter_rows():
        for name in json.loads(fields):
            key = (kind, name)
            if key not in seen:
                seen[key] = is_protected(name, labels.get(key), names)
            if seen[key]:
                found.append({"entity_type": kind, "teamleader_id": id_, "property": name})
    return found


def _no_changes() -> pl.DataFrame:
    return pl.DataFrame(schema=CHANGES)
