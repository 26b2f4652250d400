"""The part of the plan about one entity type: what is looked at, written and told of its records.

In slices of some thousand records, each read, compared and let go. The plan as a whole is `plan`; which property is
sent is decided in `diff`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

import polars as pl

from tl_hubspot.planning import diff, json_text
from tl_hubspot.planning.desired import KEY, MARKETING, Desired, desired, marked, writable_rules
from tl_hubspot.planning.match_frames import no_notices, notices
from tl_hubspot.planning.plan_inputs import (
    CHANGES,
    OUTCOMES,
    SETTLED,
    MarketingCounts,
    Part,
    PlanInputs,
    PlanSettings,
    no_changes,
)
from tl_hubspot.rules import normalize

PUSH_ORDER = ("company", "contact", "deal")
_ACTION_ORDER = ("update", "mark_deleted", "create", "hold")
OUT_OF_SCOPE = "out_of_scope"
DELETED = "deleted_in_teamleader"


READ = 100_000
"""Records read at once: to find some of them in a table takes as long for these as for a hundred."""
ROWS = 20_000
"""Records of a part; with READ it bounds the memory that planning takes."""


@dataclass(frozen=True)
class EntityPart(Part):
    """`wanted`: KEY and MARKETING of the contacts among the records; `notices` about them."""

    wanted: pl.DataFrame | None = None
    notices: pl.DataFrame = field(default_factory=no_notices)


class Entity:
    """The part of the plan about one entity type."""

    def __init__(self, kind: str, inputs: PlanInputs, settings: PlanSettings) -> None:
        self.kind, self.inputs, self.settings = kind, inputs, settings
        self.own = inputs.entities[kind]()
        self.active = self.own.mirror.filter(~pl.col("archived").fill_null(False))
        self.links = inputs.links.filter(pl.col("entity_type") == kind).select("teamleader_id", "hubspot_id")
        self.rules = writable_rules(kind, settings.mapping, inputs.portal)
        self.matches = self._matches()
        self._written = [pl.DataFrame(schema={"teamleader_id": pl.String, "action": pl.String})]
        self._wanted = [pl.DataFrame(schema={KEY: pl.String, MARKETING: pl.String})]
        self._told = [no_notices()]

    def parts(self) -> Iterator[Callable[[], EntityPart]]:
        """Computations of the parts, in push order; what each needs is read before it is handed out.

        Their results are given to `take`.
        """
        matches = self.matches
        written = matches.select("teamleader_id", "action", "outcome", at=pl.int_range(pl.len())).filter(
            pl.col("outcome").is_in(["update", "create"])
        )
        order = pl.col("action").replace_strict({a: n for n, a in enumerate(_ACTION_ORDER)}, return_dtype=pl.Int8)
        for at in written.sort(order, "teamleader_id").select("at").iter_slices(READ):
            rows = matches[at["at"]]
            ids = rows.filter(pl.col("kind") == "eligible")["teamleader_id"]
            source = self.own.source(ids) if len(ids) else None
            shadows = self.inputs.shadows[self.kind](rows.select(diff.shadow_of()).to_series().drop_nulls())
            held = self.own.held(rows["hubspot_id"].drop_nulls())
            for some in rows.iter_slices(ROWS):
                yield partial(self._part, some, source, shadows, held)
        yield lambda: EntityPart(self._holds())

    def take(self, part: EntityPart) -> None:
        """Remember of a part what is told of the whole."""
        self._written.append(part.changes.filter(pl.col("action") != "hold").select("teamleader_id", "action"))
        if part.wanted is not None:
            self._wanted.append(part.wanted)
        self._told.append(part.notices)

    # --- what is looked at ---

    def _matches(self) -> pl.DataFrame:
        """The matches frame plus the linked records that are out of scope or deleted, with `kind` and `decided`."""
        decided = self.own.decisions.select(
            "teamleader_id", decided="reason", decided_status="status", decided_at=pl.int_range(pl.len())
        )
        eligible = self.own.eligible.select("teamleader_id", eligible_at=pl.int_range(pl.len()))
        matched = (
            self.own.matches.join(decided, on="teamleader_id", how="left")
            .join(eligible, on="teamleader_id", how="left")
            .with_columns(kind=pl.lit("eligible"))
        )
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
        gone = self.own.deleted.alias("teamleader_id").to_frame()
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
        action = pl.when(pl.col("kind") == "deleted").then(pl.lit("mark_deleted")).otherwise("outcome")
        return pl.concat([matched, marks], how="diagonal_relaxed").with_columns(action=action)

    def _desired(self, rows: pl.DataFrame, source: pl.DataFrame | None) -> Desired:
        """Desired state of some rows of `matches`; `source`: those of Teamleader that are eligible, and others."""
        mapping, portal, parts, told = self.settings.mapping, self.inputs.portal, [], no_notices()
        if source is not None:
            # by place: to look for some in all, again and again, would take longer than everything else
            eligible = self.own.eligible[rows["eligible_at"].drop_nulls()]
            decided = self.own.decisions[rows["decided_at"].drop_nulls()]
            own = desired(self.kind, source, eligible, decided, self.inputs.reference, mapping, portal)
            parts, told = [own.frame], own.notices
            if self.kind == "contact" and MARKETING in own.frame.columns:
                marketing = (
                    pl.when(pl.col(KEY).is_in(self.never_asked.implode())).then(pl.lit("false")).otherwise(MARKETING)
                )
                parts = [own.frame.with_columns(marketing.alias(MARKETING))]
        parts += [
            marked(self.kind, rows.filter(pl.col("kind") == kind)["teamleader_id"], kind, mapping, portal)
            for kind in (OUT_OF_SCOPE, "deleted")
        ]
        frame = pl.concat(parts, how="diagonal")
        # the same columns whoever is among the rows: what is left out keeps what was remembered
        left_out = {r.property: pl.lit(None, pl.String) for r in self.rules if r.property not in frame.columns}
        return Desired(frame.with_columns(**left_out), told)

    @cached_property
    def shown_opted_out(self) -> pl.Series:
        """Teamleader ids of contacts that HubSpot shows opted out, or of whose address it shows that on another."""
        shown = self.active.filter(pl.col("opted_out").fill_null(False))
        addresses = normalize.addresses(shown["email"])["address"].drop_nulls()
        by_address = self.own.eligible.filter(pl.col("address").is_in(addresses.implode()))["teamleader_id"]
        return pl.concat([self._matched_to(shown["id"]), by_address]).unique()

    @cached_property
    def never_asked(self) -> pl.Series:
        """Teamleader ids of contacts that are not asked for marketing status, whatever was decided: those shown opted
        out, and those whose HubSpot contact has an address that Teamleader shows opted out."""
        refused = pl.concat([self.inputs.opt_outs["hubspot_id"].drop_nulls(), self.inputs.opted_out_records])
        return pl.concat([self.shown_opted_out, self._matched_to(refused)])

    def _matched_to(self, hubspot_ids: pl.Series) -> pl.Series:
        return self.matches.filter(pl.col("hubspot_id").is_in(hubspot_ids.implode()))["teamleader_id"]

    # --- what is written ---

    def _part(
        self, rows: pl.DataFrame, source: pl.DataFrame | None, shadows: pl.DataFrame, held: pl.DataFrame
    ) -> EntityPart:
        """What becomes of some rows of `matches`; in the other frames are the rows that belong to them, and others."""
        wanted, portal = self._desired(rows, source), self.inputs.portal
        types = {r.property: portal.property_type(self.kind, r.property) or r.type for r in self.rules}
        found = diff.differences(
            wanted.frame,
            rows,
            self._still_true(shadows),
            held,
            self.rules,
            diff.Portal(types, portal.stages.symbols),
        )
        news = rows.join(found, on="teamleader_id", maintain_order="left")
        settled = news.filter((pl.col("fields") == "{}") & (pl.col("outcome") != "create"))
        return EntityPart(
            self._changes(news),
            settled.select(pl.lit(self.kind).alias("entity_type"), *list(SETTLED)[1:]),
            wanted.frame.select(KEY, MARKETING) if MARKETING in wanted.frame.columns else None,
            wanted.notices,
        )

    def _still_true(self, shadows: pl.DataFrame) -> pl.DataFrame:
        """Shadows without the sync's own statements where HubSpot's record carries another Teamleader id.

        People merged two records there: what was pushed to this one (its id, status, decision) is no longer what the
        survivor holds, although nothing changed in Teamleader.
        """
        merged = self.merged
        if merged.is_empty() or shadows.is_empty():
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

    @cached_property
    def merged(self) -> pl.Series:
        """Teamleader ids of records whose HubSpot record carries another one."""
        carried = self.active.select(hubspot_id="id", carried="teamleader_id")
        return (
            self.matches.filter((pl.col("outcome") == "update") & (pl.col("kind") == "eligible"))
            .join(carried, on="hubspot_id")
            .filter((pl.col("carried") != "") & (pl.col("carried") != pl.col("teamleader_id")))["teamleader_id"]
        )

    def _changes(self, rows: pl.DataFrame) -> pl.DataFrame:
        return (
            rows.filter((pl.col("fields") != "{}") | (pl.col("outcome") == "create"))
            .select(
                "teamleader_id",
                "hubspot_id",
                "action",
                "fields",
                entity_type=pl.lit(self.kind),
                reason=pl.when(pl.col("kind") == OUT_OF_SCOPE).then(pl.lit(OUT_OF_SCOPE)).otherwise("decided"),
                details=self._details(),
            )
            .select(list(CHANGES))
        )

    def _holds(self) -> pl.DataFrame:
        held = self.matches.filter((pl.col("outcome") == "held") | (pl.col("decided_status") == "held"))
        return (
            held.sort("teamleader_id")
            .select(
                "teamleader_id",
                "hubspot_id",
                entity_type=pl.lit(self.kind),
                action=pl.lit("hold"),
                reason=pl.coalesce("reason", "decided"),
                fields=pl.lit("{}"),
                details=pl.lit("{}"),
            )
            .select(list(CHANGES))
        )

    def _details(self) -> pl.Expr:
        members = {
            "first_match": json_text.boolean(pl.col("first_match")),
            "matched_by": json_text.or_null(json_text.quoted(pl.col("matched_by"))),
            "reasons_out_of_scope": pl.when(pl.col("kind") == OUT_OF_SCOPE).then(json_text.quoted(pl.col("decided"))),
            "relinked_from": json_text.quoted(pl.col("relinked_from")),
            "shadow": pl.col("shadow"),
        }
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

    def outcomes(self) -> pl.DataFrame:
        """OUTCOMES: exactly one row per source record that exists."""
        written = pl.concat(self._written).filter(pl.col("action").is_in(["update", "create"]))
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

    def notices(self) -> pl.DataFrame:
        """Notices about its records."""
        told = list(self._told)
        deleted = self.matches.join(
            pl.concat(self._written).filter(pl.col("action") == "mark_deleted"), on="teamleader_id", how="semi"
        )
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

    @cached_property
    def wanted(self) -> pl.DataFrame:
        """KEY and MARKETING of all contacts, once all parts were taken."""
        return pl.concat(self._wanted)

    def wanted_marketing(self) -> pl.DataFrame:
        """Contacts that should be marketing and are not: the match with `decided`, for any method."""
        wanted = self.wanted.filter(pl.col(MARKETING) == "true").select(teamleader_id=KEY)
        marketable = self.active.filter(pl.col("marketable").fill_null(False)).select(hubspot_id="id")
        return (
            self.matches.filter(pl.col("outcome").is_in(["update", "create"]))
            .join(wanted, on="teamleader_id", how="semi")
            .join(marketable, on="hubspot_id", how="anti")
        )

    def marketing_counts(self) -> MarketingCounts:
        """How many contacts there are of each kind that a limit is about."""
        return MarketingCounts(
            matched=self.own.matches.filter(pl.col("outcome") == "update").height,
            now=self.active.filter(pl.col("marketable").fill_null(False)).height,
            wanted=self.wanted_marketing().height,
        )

    def marketing_rows(self) -> pl.DataFrame:
        """Rows that ask for marketing status, once per HubSpot record; only with the method `import`."""
        if self.settings.marketing_method != "import":
            return no_changes()
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
        marketable = self.active.filter(pl.col("marketable").fill_null(False)).select(hubspot_id="id")
        unwanted = (
            self.matches.filter(pl.col("outcome") == "update")
            .join(marketable, on="hubspot_id", how="semi")
            .join(
                self.wanted.filter(pl.col(MARKETING) == "false"),
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
