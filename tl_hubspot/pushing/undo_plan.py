"""What an undo of one run would do: the run's journal held against what HubSpot holds now. Reads, never writes.

Taken back is only what still is as the run left it; everything else is listed with a reason. Carrying it out is `undo`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tl_hubspot.hubspot.associations import READ_BATCH, Association, Pair, read_associations
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.mirror import split
from tl_hubspot.hubspot.objects import BATCH, Record, batch_read, get_record
from tl_hubspot.planning.protected import is_protected
from tl_hubspot.pushing.change import EMAIL, SECONDARY_EMAILS, WRITES, Change, same_value
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.records import BESIDE, EXISTED, EXPECTED
from tl_hubspot.pushing.recovery import images
from tl_hubspot.pushing.relations import association_of
from tl_hubspot.pushing.wire import SYMBOLIC
from tl_hubspot.pushing.work import chunked

ARCHIVE = "archive"
REASON = "undone"
ENTITIES = ("company", "contact", "deal")
OWNER = "hubspot_owner_id"
CLOSE_DATE = "closedate"
FILLED_BY_HUBSPOT = frozenset({CLOSE_DATE, "createdate", "deal_currency_code", "domain"})
"""Mapped properties that HubSpot itself fills when a record is created without them."""
FORWARD_ONLY = frozenset({"lifecyclestage"})
IRREVERSIBLE = ("unsubscribe", "marketing")
AS_MADE = (("contact", "company"), ("deal", "contact"), ("deal", "company"))
"""Directions in which the sync makes associations."""

Association_ = tuple[str, str, Pair]
"""(from_type, to_type, pair) in one of the directions of `AS_MADE`."""


@dataclass(frozen=True)
class Left:
    """Something of the run that is not taken back. `property`: None for the whole record or action.

    `code`: changed_since, written_later, gone, merged, protected, consent, forward_only, several_addresses,
    email_taken; of created records also existed, filled_since, linked_since; of associations made_primary, labelled;
    unsubscribe and marketing, which nobody can take back; archive, which only a person can; failed. `message`: what
    HubSpot said.
    """

    entity_type: str
    teamleader_id: str
    hubspot_id: str | None
    property: str | None
    code: str
    message: str | None = None


@dataclass(frozen=True)
class Created:
    """A record that the run created, and what it wrote there."""

    entity_type: str
    teamleader_id: str
    hubspot_id: str
    written: Mapping[str, str]


@dataclass
class Undoing:
    """`changes`: updates of records and associations to take away or to make again; `before`: what the updated fields
    hold now; `archive`: created records that go; `already`: how many things are as before the run already;
    `taken_off`, `put_on`: (HubSpot id, address) of contacts; `left`: everything else."""

    changes: list[Change] = field(default_factory=list)
    archive: list[Created] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    taken_off: list[tuple[str, str]] = field(default_factory=list)
    put_on: list[tuple[str, str]] = field(default_factory=list)
    already: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be written."""
        return not self.changes and not self.archive


@dataclass(frozen=True)
class Rules:
    """`looked_at`: per entity type the properties that only somebody else fills on a record that the run created;
    `protected_names`, `labels`: see `PushSettings`; `marketing`, `opted_out`: the contact's properties of these
    decisions: no undo makes anybody a marketing contact again, or forgets an opt-out."""

    looked_at: Mapping[str, Sequence[str]]
    protected_names: Sequence[str] = ()
    labels: Mapping[tuple[str, str], str] = field(default_factory=dict)
    marketing: str | None = None
    opted_out: str | None = None


@dataclass
class _Written:
    """One record that the run wrote: its fields before the first and after the last call."""

    entity_type: str
    teamleader_id: str
    hubspot_id: str
    created: bool = False
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    beside: str | None = None
    """Further addresses before the run; None when the journal does not tell."""


def look(
    gateway: HubSpotGateway, journal: Sequence[Row], later: Sequence[Row], undos: Iterable[str], rules: Rules
) -> Undoing:
    """Compare the run's calls with HubSpot.

    `journal`: its rows of `sync.journal` with state `done`, oldest first; `later`: such rows of later runs about the
    same records and relations, oldest first; `undos`: ids of the later runs that were undos themselves.
    """
    return _Look(gateway, later, frozenset(undos), rules).at(journal)


class _Look:
    def __init__(self, gateway: HubSpotGateway, later: Sequence[Row], undos: frozenset[str], rules: Rules) -> None:
        self.gateway, self.rules, self.undoing = gateway, rules, Undoing()
        self.later: dict[tuple[str, str], dict[str, tuple[str, bool]]] = {}
        """(entity type, record id or association) → property → last value that a later run wrote, and whether that
        was an undo."""
        for row in later:
            for name, image in images(row).items():
                of = _association_key(image) if row["entity_type"] == "relation" else row["hubspot_id"]
                written = (image["after"] or "", row["run_id"] in undos)
                self.later.setdefault((row["entity_type"], of), {})[name] = written
        self.archived_later = {(r["entity_type"], r["hubspot_id"]) for r in later if r["action"] == ARCHIVE}

    def at(self, journal: Sequence[Row]) -> Undoing:
        written: dict[tuple[str, str], _Written] = {}
        relations: dict[Association_, Row] = {}
        for row in journal:
            if row["entity_type"] == "relation":
                image = images(row)["association"]
                relations[association_of(image["after"] or image["before"])] = row
            elif row["action"] == "create" and row["message"] == EXISTED:
                self._leave(row, None, "existed")
            elif row["action"] in WRITES and row["hubspot_id"]:
                _collect(row, written)
            elif row["action"] == ARCHIVE:
                self._leave(row, None, ARCHIVE)
        self._relations(relations)
        created = [w for w in written.values() if w.created]
        for entity_type in ENTITIES:
            updated = [w for w in written.values() if not w.created and w.entity_type == entity_type]
            for chunk in chunked(updated, BATCH):
                self._updated(entity_type, chunk)
            self._created(entity_type, [w for w in created if w.entity_type == entity_type], set(relations))
        going = {(c.entity_type, c.hubspot_id) for c in self.undoing.archive}
        for row in journal:
            gone = row["action"] == "marketing" and ("contact", row["hubspot_id"]) in going
            if row["action"] in IRREVERSIBLE and not gone:
                self._leave(row, None, row["action"])
        return self.undoing

    def _leave(self, of: Row | _Written, name: str | None, code: str) -> None:
        row = vars(of) if isinstance(of, _Written) else of
        self.undoing.left.append(Left(row["entity_type"], row["teamleader_id"], row["hubspot_id"], name, code))

    def _taken_further(self, entity_type: str, of: str, name: str, ours: str) -> bool:
        """Whether a later run wrote the property, and no undo has brought back what this run had written."""
        last = self.later.get((entity_type, of), {}).get(name)
        return last is not None and not (last[1] and same_value(last[0], ours))

    # --- associations ---

    def _relations(self, rows: Mapping[Association_, Row]) -> None:
        for from_type, to_type in AS_MADE:
            own = {pair: row for (f, t, pair), row in rows.items() if (f, t) == (from_type, to_type)}
            there: dict[Pair, Association] = {}
            for ids in chunked(list(dict.fromkeys(pair[0] for pair in own)), READ_BATCH):
                for found in read_associations(self.gateway, from_type, to_type, ids):
                    there |= {(a.from_id, a.to_id): a for a in found}
            for pair, row in own.items():
                self._relation(from_type, to_type, pair, row, there.get(pair))

    def _relation(self, from_type: str, to_type: str, pair: Pair, row: Row, now: Association | None) -> None:
        image = images(row)["association"]
        was, should_be = image["before"] is not None, image["after"] is not None
        if was and should_be:
            self._leave(row, None, "made_primary")
        elif was == (now is not None):
            self.undoing.already += 1
        elif self._taken_further("relation", _association_key(image), "association", image["after"] or ""):
            self._leave(row, None, "written_later")
        elif now is not None and now.is_labelled:
            self._leave(row, None, "labelled")
        else:
            from_id, to_id = row["teamleader_id"].split(">")
            details = {"from_type": from_type, "from_id": from_id, "to_type": to_type, "to_id": to_id}
            details |= {"from_hubspot_id": pair[0], "to_hubspot_id": pair[1]}
            action = "associate" if was else "disassociate"
            self.undoing.changes.append(Change("relation", row["teamleader_id"], None, action, REASON, details=details))

    # --- records that were there before ---

    def _updated(self, entity_type: str, records: Sequence[_Written]) -> None:
        names = {name for record in records for name in record.after} | {CLOSE_DATE, *_addresses_of(entity_type)}
        ids = [record.hubspot_id for record in records]
        now = {r.id: r.properties for r in batch_read(self.gateway, entity_type, ids, sorted(names))}
        for record in records:
            if record.hubspot_id not in now:
                self._leave(record, None, "gone")
                continue
            held = {name: value or "" for name, value in now[record.hubspot_id].items()}
            fields = self._fields(record, held)
            email = self._address(record, held) if entity_type == "contact" else None
            if email and email["action"] in ("replace_primary", "none"):
                fields[EMAIL] = email["new"]
            if fields or email:
                details = {EXPECTED: {name: held.get(name, "") for name in fields}, "email": email}
                self.undoing.changes.append(
                    Change(entity_type, record.teamleader_id, record.hubspot_id, "update", REASON, fields, details)
                )

    def _fields(self, record: _Written, held: Mapping[str, str]) -> dict[str, str]:
        """Values to set back, addresses left out."""
        own = [n for n in record.after if n not in _addresses_of(record.entity_type)]
        changed = [n for n in own if not same_value(record.before[n], record.after[n])]
        back = {name: record.before[name] for name in changed if self._holds(record, name, held)}
        # A stage means nothing without its pipeline: both go back or none does.
        stays = [
            n for n in SYMBOLIC if n in changed and n not in back and not same_value(record.before[n], held.get(n))
        ]
        if stays:
            for name in [n for n in SYMBOLIC if n in back]:
                del back[name]
                self._leave(record, name, "changed_since")
        if "dealstage" in back and record.entity_type == "deal":
            # HubSpot would put in the present moment when a deal goes to a closed stage without its close date.
            back.setdefault(CLOSE_DATE, held.get(CLOSE_DATE, ""))
        return back

    def _holds(self, record: _Written, name: str, held: Mapping[str, str]) -> bool:
        """Whether the field is to be set back; else it is counted or listed."""
        now, before, after = held.get(name, ""), record.before[name], record.after[name]
        if same_value(before, now):
            self.undoing.already += 1
        elif self._taken_further(record.entity_type, record.hubspot_id, name, after):
            self._leave(record, name, "written_later")
        elif not same_value(after, now):
            self._leave(record, name, "changed_since")
        elif is_protected(name, self.rules.labels.get((record.entity_type, name)), tuple(self.rules.protected_names)):
            self._leave(record, name, "protected")
        elif record.entity_type == "contact" and (
            (name == self.rules.marketing and before == "true") or (name == self.rules.opted_out and after == "true")
        ):
            self._leave(record, name, "consent")
        elif name in FORWARD_ONLY and before:
            self._leave(record, name, "forward_only")
        else:
            return True
        return False

    # --- addresses ---

    def _address(self, record: _Written, held: Mapping[str, str]) -> dict[str, Any] | None:
        """The address part of the change, as `Change.email` reads it; `none` for a primary that is only emptied."""
        primary, further = held.get(EMAIL, "").lower(), _addresses(held.get(SECONDARY_EMAILS))
        if EMAIL in record.after:
            return self._primary(record, primary)
        if SECONDARY_EMAILS in record.after:
            return self._further(record, primary, further)
        return None

    def _primary(self, record: _Written, primary: str) -> dict[str, Any] | None:
        before, after = record.before[EMAIL].lower(), record.after[EMAIL].lower()
        if before == after or not self._holds(record, EMAIL, {EMAIL: primary}):
            return None
        # Without knowledge of the addresses before, none is thrown away.
        keep = record.beside is None or after in _addresses(record.beside)
        if before:
            self.undoing.put_on.append((record.hubspot_id, before))
        if not keep:
            self.undoing.taken_off.append((record.hubspot_id, after))
        action = "replace_primary" if before else "none"
        return {"action": action, "new": before, "old": after, "keep_old": keep}

    def _further(self, record: _Written, primary: str, further: Sequence[str]) -> dict[str, Any] | None:
        before, after = _addresses(record.before[SECONDARY_EMAILS]), _addresses(record.after[SECONDARY_EMAILS])
        added, removed = [a for a in after if a not in before], [a for a in before if a not in after]
        if len(added) > 1 or len(removed) > 1:
            self._leave(record, SECONDARY_EMAILS, "several_addresses")
            return None
        new, old = next(iter(removed), ""), next(iter(added), "")
        is_there = bool(old) and old in further
        is_back = not new or new in (primary, *further)
        if not is_there and old != primary and is_back:
            self.undoing.already += 1
            return None
        if self._taken_further("contact", record.hubspot_id, SECONDARY_EMAILS, record.after[SECONDARY_EMAILS]):
            self._leave(record, SECONDARY_EMAILS, "written_later")
            return None
        if old and not is_there:
            self._leave(record, SECONDARY_EMAILS, "changed_since")
            return None
        if old:
            self.undoing.taken_off.append((record.hubspot_id, old))
        if new and not is_back:
            self.undoing.put_on.append((record.hubspot_id, new))
            action = "replace_secondary" if old else "add_secondary"
            return {"action": action, "new": new, "old": old, "keep_old": False}
        return {"action": "remove_secondary", "new": "", "old": old, "keep_old": False}

    # --- records that the run created ---

    def _created(self, entity_type: str, records: Sequence[_Written], made: set[Association_]) -> None:
        linked = self._linked(entity_type, [record.hubspot_id for record in records], made)
        for chunk in chunked(records, BATCH):
            looked_at = [*self.rules.looked_at.get(entity_type, ()), OWNER, *_addresses_of(entity_type)]
            names = list(dict.fromkeys([*(n for record in chunk for n in record.after), *looked_at]))
            ids = [record.hubspot_id for record in chunk]
            now = {r.id: r for r in batch_read(self.gateway, entity_type, ids, names)}
            for record in chunk:
                code, name = self._touched(record, now.get(record.hubspot_id), looked_at)
                if code is None and record.hubspot_id in linked:
                    code = "linked_since"
                if code is None:
                    self.undoing.archive.append(
                        Created(entity_type, record.teamleader_id, record.hubspot_id, record.after)
                    )
                elif code:
                    self._leave(record, name, code)
                else:
                    self.undoing.already += 1

    def _touched(self, record: _Written, now: Record | None, looked_at: Sequence[str]) -> tuple[str | None, str | None]:
        """(code, property) of what keeps a created record; (None, None) when it goes; "" when it is gone already."""
        entity_type, hubspot_id = record.entity_type, record.hubspot_id
        if now is None:
            if (entity_type, hubspot_id) in self.archived_later:
                return "", None
            return ("merged" if get_record(self.gateway, entity_type, hubspot_id) else ""), None
        for name in self.later.get((entity_type, hubspot_id), {}):
            if self._taken_further(entity_type, hubspot_id, name, record.after.get(name, "")):
                return "written_later", name
        differs = first_difference(record.after, now.properties)
        if differs:
            return "changed_since", differs
        for name in looked_at:
            if now.properties.get(name) and name not in record.after and name not in FILLED_BY_HUBSPOT:
                return "filled_since", name
        return None, None

    def _linked(self, entity_type: str, ids: Sequence[str], made: set[Association_]) -> set[str]:
        """Records that somebody else linked with a contact, company or deal."""
        found: set[str] = set()
        for other in ENTITIES:
            forward = (entity_type, other) in AS_MADE
            for part in chunked(ids, READ_BATCH):
                for associations in read_associations(self.gateway, entity_type, other, part):
                    for a in associations:
                        pair = (a.from_id, a.to_id) if forward else (a.to_id, a.from_id)
                        kind = (entity_type, other) if forward else (other, entity_type)
                        if (*kind, pair) not in made:
                            found.add(a.from_id)
        return found


def first_difference(written: Mapping[str, str], now: Mapping[str, str | None]) -> str | None:
    """The first property that no longer holds what was written; None when all do."""
    for name, value in written.items():
        if name == SECONDARY_EMAILS:
            if set(_addresses(value)) != set(_addresses(now.get(name))):
                return name
        elif not same_value(value, now.get(name)):
            return name
    return None


def _collect(row: Row, written: dict[tuple[str, str], _Written]) -> None:
    # A record written twice in a run goes back to what it was before the first call.
    key = row["entity_type"], row["hubspot_id"]
    record = written.setdefault(key, _Written(row["entity_type"], row["teamleader_id"], row["hubspot_id"]))
    record.created = record.created or row["action"] == "create"
    for name, image in images(row).items():
        record.before.setdefault(name, image["before"] or "")
        record.after[name] = image["after"] or ""
        if BESIDE in image and record.beside is None:
            record.beside = image[BESIDE]


def _association_key(image: Mapping[str, str | None]) -> str:
    return image["after"] or image["before"] or ""


def _addresses_of(entity_type: str) -> tuple[str, ...]:
    """Properties that hold addresses."""
    return (EMAIL, SECONDARY_EMAILS) if entity_type == "contact" else ()


def _addresses(text: str | None) -> list[str]:
    return [address.lower() for address in split(text)]
