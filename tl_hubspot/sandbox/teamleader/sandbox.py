"""`TeamleaderSandbox`: one local Teamleader account, with everything that users do in the web application.

The HTTP side is `app`; what the API makes of a write request is in `writes`; tables are in `store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any

from tl_hubspot.sandbox.control import Clock, Faults, RequestLog
from tl_hubspot.sandbox.teamleader import times, webhooks
from tl_hubspot.sandbox.teamleader.app import build_app
from tl_hubspot.sandbox.teamleader.defaults import ACCOUNT_ID
from tl_hubspot.sandbox.teamleader.errors import ApiError
from tl_hubspot.sandbox.teamleader.limits import Limiter
from tl_hubspot.sandbox.teamleader.oauth import OAuth
from tl_hubspot.sandbox.teamleader.reference import signed_in
from tl_hubspot.sandbox.teamleader.shapes import SHAPES, Record
from tl_hubspot.sandbox.teamleader.store import Store
from tl_hubspot.sandbox.teamleader.switches import Switches
from tl_hubspot.sandbox.teamleader.writes import WRITES


class TeamleaderSandbox:
    """A stateful Teamleader Focus account on SQLite, for tests and demonstrations.

    `path` is a file that outlives the process, or `:memory:`. `seed` decides the order of ties and the fate of
    webhooks. Kinds are `contacts`, `companies`, `deals`, `users`, `teams`, `departments`, `dealPipelines`,
    `dealPhases`, `dealSources`, `lostReasons`, `businessTypes`, `levelTwoAreas`, `priceLists`, `paymentTerms` and
    `customFieldDefinitions`. Records have the shape of the `.info` answers. LookupError: no such record.
    """

    account_id = ACCOUNT_ID
    clock: Clock
    switches: Switches
    faults: Faults
    log: RequestLog
    store: Store
    oauth: OAuth
    limiter: Limiter
    random: Random

    def __init__(
        self,
        path: str | Path = ":memory:",
        *,
        seed: int = 1,
        clock: Clock | None = None,
        switches: Switches | None = None,
        client_id: str = "sandbox-client",
        client_secret: str = "sandbox-secret",
        refresh_token: str = "sandbox-refresh",
    ) -> None:
        self.clock = clock or Clock()
        self.switches = switches or Switches()
        self.faults = Faults()
        self.log = RequestLog()
        self.store = Store(path)
        self.oauth = OAuth(self.store, client_id, client_secret, refresh_token)
        self.limiter = Limiter()
        self._seed = seed
        self.random = Random(seed)
        self.app = build_app(self)

    # -- what every sandbox has ------------------------------------------------------------------------------------

    def set_switches(self, **changes: Any) -> None:
        """Change switches; TypeError for an unknown name, ValueError for a value that does not fit."""
        self.switches.change(**changes)

    def reset(self) -> None:
        """Back to a fresh account: no records, the first refresh token, no faults, no log. Clock and switches stay."""
        with self.store.lock:
            self.store.clear()
            self.oauth.ensure_first_token()
            self.limiter.clear()
            self.faults.clear()
            self.log.clear()
            self.random.seed(self._seed)

    def close(self) -> None:
        self.store.close()

    def is_write(self, method: str, path: str) -> bool:
        """Whether a request changes data (sign-in does not count)."""
        return path.strip("/") in WRITES

    def error_body(self, status: int) -> dict[str, Any]:
        """The error envelope of a status."""
        known = status in HTTPStatus._value2member_map_
        return ApiError(status, (HTTPStatus(status).phrase if known else "Error", None)).body

    # -- loading and reading ---------------------------------------------------------------------------------------

    def load(self, kind: str, records: Iterable[Record]) -> int:
        """Store many records as they are, without webhooks; returns how many. Load definitions before records.

        A contact's `companies` are its links; a record without `marketing_mails_consent` or `price_list` is answered
        without it. Extra keys: `deal_pipeline_id` of a phase, `is_default` of a pipeline, department or payment term.
        """
        return self.store.load(kind, records)

    def new_id(self, kind: str) -> str:
        """A version-0 UUID never used before for this kind."""
        return self.store.new_id(kind)

    def get(self, kind: str, record_id: str) -> Record:
        """The record in the shape of `.info` (deals with ISO `phase_history`)."""
        with self.store.lock:
            record = self.store.fetch(kind, record_id)
        if record is None:
            raise LookupError(f"no {kind} {record_id}")
        return record

    def count(self, kind: str) -> int:
        return self.store.count(kind)

    def all(self, kind: str) -> Iterator[Record]:
        """Every record, read in batches."""
        return self.store.all(kind)

    # -- what users do ---------------------------------------------------------------------------------------------

    def add(self, kind: str, record: Record) -> str:
        """A new record; what it leaves out is filled as the application would. Returns the id."""
        record = {"id": self.new_id(kind), **record} if "id" not in record else dict(record)
        if kind in SHAPES:
            shape = SHAPES[kind]
            now = self._now_text()
            record.setdefault(shape.created, now)
            record.setdefault("updated_at", record[shape.created])
            with self.store.transaction():
                if kind == "deals":
                    record = self._new_deal(record)
                self.store.put(kind, record, visible_from=self._visible_from())
                self._emit(f"{shape.type}.{'created' if kind == 'deals' else 'added'}", shape.type, record["id"])
        else:
            self.store.load(kind, [record])
        return str(record["id"])

    def update(self, kind: str, record_id: str, **fields: Any) -> None:
        """Change fields; moves `updated_at` to now unless it is one of them."""
        if kind not in SHAPES:
            with self.store.transaction():
                before = self.get(kind, record_id)
                self.store.load(kind, [before | fields])
                if kind == "users" and (before["status"], fields.get("status")) == ("active", "deactivated"):
                    self._emit("user.deactivated", "user", record_id)
            return
        shape = SHAPES[kind]
        with self.store.transaction():
            before = self._change(kind, record_id, {"updated_at": self._now_text()} | fields)
            event: str | None = f"{shape.type}.updated"
            if kind != "deals" and (before["status"], fields.get("status")) == ("active", "deactivated"):
                choice = self.switches.deactivation_webhook
                event = None if choice == "none" else f"{shape.type}.{choice}"
            if event:
                self._emit(event, shape.type, record_id)

    def silent_update(self, kind: str, record_id: str, **fields: Any) -> None:
        """Change fields without moving `updated_at` and without a webhook."""
        with self.store.transaction():
            if kind in SHAPES:
                self._change(kind, record_id, fields)
            else:
                self.store.load(kind, [self.get(kind, record_id) | fields])

    def delete(self, kind: str, record_id: str) -> None:
        """Delete a record for good; a contact or company loses its links."""
        with self.store.transaction():
            if not self.store.remove(kind, record_id, visible_until=self._visible_from()):
                raise LookupError(f"no {kind} {record_id}")
            if kind in SHAPES:
                self._emit(f"{SHAPES[kind].type}.deleted", SHAPES[kind].type, record_id)

    def tag(self, kind: str, record_id: str, tags: Iterable[str]) -> None:
        """Add tags to a contact or company."""
        self._set_tags(kind, record_id, lambda before: [*before, *(tag for tag in tags if tag not in before)])

    def untag(self, kind: str, record_id: str, tags: Iterable[str]) -> None:
        """Take tags from a contact or company."""
        gone = set(tags)
        self._set_tags(kind, record_id, lambda before: [tag for tag in before if tag not in gone])

    def link(
        self, contact_id: str, company_id: str, position: str | None = None, decision_maker: bool = False, **more: Any
    ) -> None:
        """Link a contact to a company; `more` may hold `secondary_position` and `division`."""
        attributes = {"position": position, "decision_maker": decision_maker} | more
        self._change_link(contact_id, company_id, "contact.linkedToCompany", attributes)

    def update_link(self, contact_id: str, company_id: str, **attributes: Any) -> None:
        """Change attributes of a link."""
        if not self.store.linked(contact_id, company_id):
            raise LookupError(f"contact {contact_id} is not linked to company {company_id}")
        self._change_link(contact_id, company_id, "contact.updatedLinkToCompany", attributes)

    def unlink(self, contact_id: str, company_id: str) -> None:
        """Remove a link."""
        if not self.store.linked(contact_id, company_id):
            raise LookupError(f"contact {contact_id} is not linked to company {company_id}")
        self._change_link(contact_id, company_id, "contact.unlinkedFromCompany", None)

    def move(self, deal_id: str, phase_id: str) -> None:
        """Move a deal to another phase; the phase history grows."""
        with self.store.transaction():
            phase = self.get("dealPhases", phase_id)
            deal = self.get("deals", deal_id)
            fields = {
                "current_phase": {"type": "dealPhase", "id": phase_id},
                "pipeline": {"type": "dealPipeline", "id": phase["deal_pipeline_id"]},
                "phase_history": [*deal["phase_history"], self._phase_entry(phase_id)],
            }
            self._progress(deal_id, "deal.moved", fields)

    def win(self, deal_id: str) -> None:
        """Win a deal; it keeps its phase."""
        self._progress(deal_id, "deal.won", {"status": "won", "closed_at": self._now_text(), "lost_reason": None})

    def lose(self, deal_id: str, reason_id: str | None = None, remark: str | None = None) -> None:
        """Lose a deal; it keeps its phase."""
        reason = {"type": "lostReason", "id": reason_id} if reason_id else None
        lost = {"reason": reason, "remark": remark}
        self._progress(deal_id, "deal.lost", {"status": "lost", "closed_at": self._now_text(), "lost_reason": lost})

    # -- sign-in and webhooks --------------------------------------------------------------------------------------

    def revoke(self) -> None:
        """The user withdraws the permission: every token stops working."""
        self.oauth.revoke()

    def access_token(self, seconds: float = 3600) -> str:
        """A working access token without a sign-in."""
        return self.oauth.issue_access_token(self.clock.now().timestamp(), seconds)

    @property
    def pending_webhooks(self) -> list[dict[str, Any]]:
        """The queued deliveries: `{"url", "payload"}`."""
        return webhooks.pending(self.store)

    def deliver_webhooks(self) -> int:
        """Send the queued webhooks now; returns how many requests the receivers accepted."""
        return webhooks.deliver(self.store, self.switches, self.random)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _now_text(self) -> str:
        return times.atom(self.clock.now().timestamp())

    def _visible_from(self) -> float:
        lag = self.switches.replica_lag
        return self.clock.now().timestamp() + lag if lag else 0.0

    def _emit(self, event: str, subject_type: str, subject_id: str) -> None:
        webhooks.emit(self.store, event, subject_type, subject_id)

    def _change(self, kind: str, record_id: str, fields: Record) -> Record:
        """Write changed fields; returns the record as it was."""
        before = self.get(kind, record_id)
        record = before | fields
        if "companies" not in fields:
            record.pop("companies", None)
        if kind == "deals" and "weighted_value" not in fields:
            record["weighted_value"] = weighted(record)
        self.store.put(kind, record, visible_from=self._visible_from())
        return before

    def _set_tags(self, kind: str, record_id: str, change: Any) -> None:
        with self.store.transaction():
            fields = {"tags": change(self.get(kind, record_id)["tags"])}
            if self.switches.tag_moves_updated_at:
                fields["updated_at"] = self._now_text()
            self._change(kind, record_id, fields)
            self._emit(f"{SHAPES[kind].type}.updated", SHAPES[kind].type, record_id)

    def _change_link(self, contact_id: str, company_id: str, event: str, attributes: dict[str, Any] | None) -> None:
        with self.store.transaction():
            for kind, record_id in (("contacts", contact_id), ("companies", company_id)):
                if not self.store.exists(kind, record_id):
                    raise LookupError(f"no {kind} {record_id}")
            if attributes is None:
                self.store.unlink(contact_id, company_id)
            else:
                self.store.link(contact_id, company_id, attributes)
            if self.switches.link_moves_contact_updated_at:
                self._change("contacts", contact_id, {"updated_at": self._now_text()})
            if self.switches.link_moves_company_updated_at:
                self._change("companies", company_id, {"updated_at": self._now_text()})
            self._emit(event, "contact", contact_id)

    def _progress(self, deal_id: str, event: str, fields: Record) -> None:
        with self.store.transaction():
            if self.switches.deal_move_moves_updated_at:
                fields = {"updated_at": self._now_text()} | fields
            self._change("deals", deal_id, fields)
            self._emit(event, "deal", deal_id)

    def _phase_entry(self, phase_id: str, started_at: str | None = None) -> Record:
        return {
            "phase": {"type": "dealPhase", "id": phase_id},
            "started_at": started_at or self._now_text(),
            "started_by": {"type": "user", "id": signed_in(self.store)["id"]},
        }

    def _new_deal(self, record: Record) -> Record:
        pipelines, phases = self.store.reference("dealPipelines"), self.store.reference("dealPhases")
        if record.get("current_phase") is None:
            pipeline = next((p for p in pipelines if p.get("is_default")), pipelines[0])
            wanted = (record.get("pipeline") or {"id": pipeline["id"]})["id"]
            phase = next((phase for phase in phases if phase["deal_pipeline_id"] == wanted), None)
        else:
            phase = next((phase for phase in phases if phase["id"] == record["current_phase"]["id"]), None)
        if phase is None:
            raise LookupError("a deal needs a phase, but its pipeline has none")
        started = record["created_at"]
        filled = {
            "reference": f"{started[:4]}/{self.store.count('deals') + 1}",
            "current_phase": {"type": "dealPhase", "id": phase["id"]},
            "pipeline": {"type": "dealPipeline", "id": phase["deal_pipeline_id"]},
            "department": {"type": "department", "id": self.store.reference("departments")[0]["id"]},
            "estimated_probability": phase["probability"],
            "responsible_user": {"type": "user", "id": signed_in(self.store)["id"]},
            "phase_history": [self._phase_entry(phase["id"], started)],
        } | {name: value for name, value in record.items() if name not in ("current_phase", "pipeline")}
        value = filled.get("estimated_value")
        if "currency_exchange_rate" not in filled and value is not None:
            filled["currency_exchange_rate"] = {"from": value["currency"], "to": "EUR", "rate": 1}
        filled.setdefault("weighted_value", weighted(filled))
        return filled


def weighted(deal: Record) -> Record | None:
    """`weighted_value` of a deal: its value times its probability; None when one is missing."""
    value, probability = deal.get("estimated_value"), deal.get("estimated_probability")
    if value is None or probability is None:
        return None
    return {"amount": round(value["amount"] * probability, 2), "currency": value["currency"]}
