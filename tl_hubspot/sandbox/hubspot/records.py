"""What happens to CRM records: create, update, archive, merge, GDPR delete, and how one is shown.

Batch accounting is `batches`, paths are `objects`; value checks are `properties`, addresses `addresses`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tl_hubspot.sandbox.hubspot import addresses
from tl_hubspot.sandbox.hubspot.catalog import FREE_MAIL_DOMAINS, LIFECYCLE_STAGES
from tl_hubspot.sandbox.hubspot.errors import (
    ApiError,
    InvalidProperty,
    coordinates,
    invalid_properties,
    not_found,
    value_taken,
)
from tl_hubspot.sandbox.hubspot.object_types import OBJECT_TYPES, ObjectType
from tl_hubspot.sandbox.hubspot.store import Record
from tl_hubspot.sandbox.hubspot.times import parse_instant, to_iso
from tl_hubspot.sandbox.hubspot.values import Scalar, normalise, normalise_email, split_list

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

CONTACTS, COMPANIES, DEALS = OBJECT_TYPES["contacts"], OBJECT_TYPES["companies"], OBJECT_TYPES["deals"]
INTEGRATION, PERSON = "INTEGRATION", "CRM_UI"
_STAGE_ORDER = {value: order for order, (value, _) in enumerate(LIFECYCLE_STAGES)}
_TYPICAL = {
    "contacts": ("email", "firstname", "lastname"),
    "companies": ("name", "domain"),
}
_NOT_IN_HISTORY = frozenset({"lastmodifieddate", "hs_lastmodifieddate"})


class Records:
    """Records of all object types. `values` are as the API gives them; errors are ApiError."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._store = portal.store

    # Finding

    def by_id(
        self, kind: ObjectType, text: str, *, follow_merge: bool = False, archived: bool = False
    ) -> Record | None:
        """The record with this id; None when unknown, archived (or not, as asked), or merged away and not followed."""
        if not text.isdigit() or len(text) > 18:
            return None
        record = self._store.get(kind, int(text))
        while record is not None and record.merged_into is not None:
            if not follow_merge:
                return None
            record = self._store.get(kind, record.merged_into)
        return record if record is not None and record.archived == archived else None

    def was_merged_away(self, kind: ObjectType, text: str) -> bool:
        if not text.isdigit() or len(text) > 18:
            return False
        record = self._store.get(kind, int(text))
        return record is not None and record.merged_into is not None

    def check_key(self, kind: ObjectType, name: str, *, email: bool) -> None:
        """ApiError 400 unless `name` can be an idProperty here (`email`: the address counts as one)."""
        if email and kind is CONTACTS and name == "email":
            return
        if not self._portal.properties.is_unique(kind, name):
            message = f"Unable to perform update/upsert by non-unique {kind.type_id} property {name}"
            raise ApiError(400, "VALIDATION_ERROR", message)

    def by_key(
        self, kind: ObjectType, name: str, value: str, *, secondary: bool = True, archived: bool = False
    ) -> Record | None:
        """The record with this unique value or address; `secondary`: also by a secondary address."""
        wanted = normalise_email(value) if name == "email" else value
        if archived:
            owners = self._store.archived_key_owners(kind, name, wanted)
            return self._store.get(kind, owners[0]) if owners else None
        owner = self._store.key_owner(kind, name, wanted)
        if owner is None or not (owner[1] or secondary):
            return None
        record = self._store.get(kind, owner[0])
        return record if record is not None and not record.archived else None

    def single(self, kind: ObjectType, text: str, id_property: str | None, *, archived: bool = False) -> Record:
        """For calls about one record: old ids of merged records lead to the survivor. ApiError 404."""
        if id_property and id_property != "hs_object_id":
            self.check_key(kind, id_property, email=True)
            secondary = self._portal.switches.get_by_secondary_address
            record = self.by_key(kind, id_property, text, secondary=secondary, archived=archived)
        else:
            record = self.by_id(kind, text, follow_merge=True, archived=archived)
        if record is None:
            raise not_found()
        return record

    # Writing

    def create(self, kind: ObjectType, values: Mapping[str, Scalar], *, source: str = INTEGRATION) -> Record:
        portal = self._portal
        accepted = portal.properties.check(kind, values, {}, trusted=source != INTEGRATION)
        self._check_required(kind, accepted)
        if kind is DEALS:
            self._place_in_pipeline(accepted, {})
        now = portal.now_ms()
        record = Record(self._store.next_id(kind), {}, now, now)
        self._apply(kind, record, accepted, creating=True, source=source)
        stamps = {
            "hs_object_id": str(record.id),
            "hs_createdate": to_iso(now),
            "hs_object_source": source,
            "hs_object_source_label": source,
        }
        if source == INTEGRATION:
            stamps["hs_object_source_id"] = str(portal.profile.app_id)
        if kind in (CONTACTS, COMPANIES, DEALS):
            stamps |= self._traffic_source(kind, source)
        if kind is CONTACTS:
            stamps |= {
                "hs_all_contact_vids": str(record.id),
                "hs_marketable_status": "false",
                "hs_marketable_until_renewal": "false",
            }
        for name, value in stamps.items():
            record.properties.setdefault(name, value)
        record.properties.setdefault("createdate", to_iso(now))
        record.properties[kind.modified] = to_iso(now)
        if kind is CONTACTS and source == INTEGRATION and portal.switches.new_contacts_are_marketing:
            portal.marketing.switch(record, True, "INTEGRATION", str(portal.profile.app_id))
        self._store.insert(kind, [record])
        if kind is CONTACTS:
            self._run_workflow(record, accepted)
            if source == INTEGRATION and portal.switches.auto_associate_companies:
                self._associate_company_by_domain(record)
        return record

    def update(
        self, kind: ObjectType, record: Record, values: Mapping[str, Scalar], *, source: str = INTEGRATION
    ) -> Record:
        accepted = self._portal.properties.check(kind, values, record.properties, trusted=source != INTEGRATION)
        if kind is DEALS:
            self._place_in_pipeline(accepted, record.properties)
        before = dict(record.properties)
        self._apply(kind, record, accepted, creating=False, source=source)
        self.remember(kind, record, before, source)
        self.save(kind, record)
        if kind is CONTACTS:
            self._run_workflow(record, accepted)
        return record

    def save(self, kind: ObjectType, record: Record) -> None:
        """Write a changed record with a new modified date (at least a millisecond after the last one)."""
        record.updated_at = max(self._portal.now_ms(), record.updated_at + 1)
        record.properties[kind.modified] = to_iso(record.updated_at)
        self._store.replace(kind, record)

    def _apply(
        self, kind: ObjectType, record: Record, accepted: Mapping[str, str], *, creating: bool, source: str
    ) -> None:
        """Put accepted values into the record's properties, with everything that follows from them; writes the keys."""
        portal, properties = self._portal, record.properties
        owner = None if creating else record.id
        changes = dict(accepted)
        trusted = source != INTEGRATION
        if kind is CONTACTS and (addresses.PRIMARY in changes or addresses.SECONDARY in changes):
            changes |= addresses.after_change(portal, properties, changes, trusted)
            addresses.check_free(
                portal, owner, [*filter(None, (changes["email"],)), *split_list(changes[addresses.SECONDARY])]
            )
        if not trusted and "lifecyclestage" in changes and _goes_back(properties, changes["lifecyclestage"]):
            del changes["lifecyclestage"]
        unique = [
            name
            for name in portal.properties.unique(kind)
            if name in changes and changes[name] != properties.get(name, "")
        ]
        for name in unique:
            self._check_unique(kind, owner, name, changes[name])
        old_address, old_addresses = properties.get(addresses.PRIMARY), addresses.addresses_of(properties)
        for name, value in changes.items():
            if value == "":
                properties.pop(name, None)
            else:
                properties[name] = value
        for name in unique:
            if not creating:
                self._store.remove_keys(kind, record.id, name)
            if changes[name]:
                self._store.add_keys([(kind.number, name, changes[name], record.id, True)])
        if kind is CONTACTS and addresses.addresses_of(properties) != old_addresses:
            addresses.write_keys(portal, record)
            if properties.get(addresses.PRIMARY) != old_address:
                self._address_changed(record)
        if kind is COMPANIES and ("domain" in changes or "hs_additional_domains" in changes):
            self._store.set_domains(record.id, domains_of(properties))
        if kind is DEALS:
            self._derive_deal(properties)

    def _check_unique(self, kind: ObjectType, owner: int | None, name: str, value: str) -> None:
        if value == "":
            return
        holder = self._store.key_owner(kind, name, value)
        if holder is None and self._portal.switches.archived_keep_unique_values:
            archived = self._store.archived_key_owners(kind, name, value)
            holder = (archived[0], True) if archived else None
        if holder is not None and holder[0] != owner:
            place = coordinates(self._portal.profile.portal_id, kind.legacy, name, value)
            raise value_taken(place, owner, holder[0])

    def _check_required(self, kind: ObjectType, accepted: Mapping[str, str]) -> None:
        given = {name for name, value in accepted.items() if value}
        missing: list[str] = []
        if kind.name in _TYPICAL and not given.intersection(_TYPICAL[kind.name]):
            missing = list(_TYPICAL[kind.name])
        if kind is DEALS:
            needed = ["dealname", "dealstage"]
            if len(self._portal.pipelines.pipeline_options()) > 1:
                needed.append("pipeline")
            missing = [name for name in needed if name not in given]
        if missing:
            message = f"Error creating {kind.legacy}. Some required properties were not set."
            detail = {"message": message, "code": "REQUIRED_PROPERTY_MISSING", "context": {"properties": missing}}
            raise ApiError(400, "VALIDATION_ERROR", message, errors=[detail], context={"properties": missing})

    def _place_in_pipeline(self, accepted: dict[str, str], current: Mapping[str, str]) -> None:
        """Check pipeline and stage together; complete what follows from a stage."""
        if "pipeline" not in accepted and "dealstage" not in accepted:
            return
        pipelines = self._portal.pipelines
        pipeline = accepted.get("pipeline") or current.get("pipeline") or pipelines.pipeline_options()[0][0]
        stage = accepted.get("dealstage") or current.get("dealstage", "")
        stages = pipelines.stages(pipeline)
        if stage and stage not in stages:
            text = f"{stage} was not one of the allowed options: [{', '.join(stages)}]"
            raise invalid_properties(
                [InvalidProperty("dealstage", "INVALID_OPTION", text)], self._portal.profile.portal_id
            )
        accepted["pipeline"] = pipeline
        closes = stage and stages[stage]["isClosed"] == "true"
        if closes and stage != current.get("dealstage") and "closedate" not in accepted:
            accepted["closedate"] = to_iso(self._portal.now_ms())

    def _derive_deal(self, properties: dict[str, str]) -> None:
        metadata = self._portal.pipelines.stages(properties.get("pipeline", "")).get(
            properties.get("dealstage", ""), {}
        )
        closed = metadata.get("isClosed") == "true"
        won = closed and Decimal(metadata.get("probability") or "0") == 1
        properties["hs_is_closed"] = str(closed).lower()
        properties["hs_is_closed_won"] = str(won).lower()
        properties["hs_is_closed_lost"] = str(closed and not won).lower()
        if metadata.get("probability"):
            properties["hs_deal_stage_probability"] = metadata["probability"]
        properties.pop("amount_in_home_currency", None)
        if properties.get("amount"):
            rate = self._portal.account.rate(properties.get("deal_currency_code", ""))
            properties["amount_in_home_currency"] = f"{(Decimal(properties['amount']) * rate).normalize():f}"

    def _traffic_source(self, kind: ObjectType, source: str) -> dict[str, str]:
        latest = "hs_latest_source" if kind is CONTACTS else "hs_analytics_latest_source"
        where = {
            "hs_analytics_source": "OFFLINE",
            "hs_analytics_source_data_1": source,
            "hs_analytics_source_data_2": str(self._portal.profile.app_id),
        }
        return where | {name.replace("hs_analytics_source", latest): value for name, value in where.items()}

    def _address_changed(self, contact: Record) -> None:
        primary = contact.properties.get(addresses.PRIMARY)
        if primary:
            contact.properties["hs_email_domain"] = addresses.domain_of(primary)
        else:
            contact.properties.pop("hs_email_domain", None)
        self._portal.subscriptions.show_on(contact)

    def _run_workflow(self, contact: Record, accepted: Mapping[str, str]) -> None:
        name = self._portal.switches.marketing_workflow_property
        if name is None or name not in accepted:
            return
        wanted = contact.properties.get(name) == "true"
        if self._portal.marketing.switch(contact, wanted, "WORKFLOW", name):
            self.save(CONTACTS, contact)

    def _associate_company_by_domain(self, contact: Record) -> None:
        domain = addresses.domain_of(contact.properties.get(addresses.PRIMARY, ""))
        if not domain or domain in FREE_MAIL_DOMAINS:
            return
        known = self._store.companies_with_domain(domain)
        if known:
            company_id = known[0]
        else:
            company_id = self.create(COMPANIES, {"domain": domain}, source="AUTO_ASSOCIATE_BY_DOMAIN").id
        self._portal.associations.add_default(CONTACTS, COMPANIES, [(contact.id, company_id)])

    def remember(self, kind: ObjectType, record: Record, before: Mapping[str, str], source: str = INTEGRATION) -> None:
        """Add the differences from `before` to the history; call it before `save`."""
        if not self._portal.switches.history:
            return
        after = record.properties
        changed = [
            name
            for name in before.keys() | after.keys()
            if before.get(name) != after.get(name) and name not in _NOT_IN_HISTORY
        ]
        known = self._store.history_names(kind, record.id)
        now = max(self._portal.now_ms(), record.updated_at + 1)
        rows = []
        for name in sorted(changed):
            if name not in known and name in before:
                rows.append((kind.number, record.id, name, record.created_at, before[name], INTEGRATION))
            rows.append((kind.number, record.id, name, now, after.get(name, ""), source))
        self._store.add_history(rows)

    # Leaving

    def archive(self, kind: ObjectType, record: Record) -> None:
        if kind is CONTACTS and self._portal.marketing.is_marketing(record):
            self._portal.marketing.count(-1)
        record.archived, record.archived_at = True, self._portal.now_ms()
        self.save(kind, record)
        self._store.set_keys_archived(kind, record.id, True)
        if kind is COMPANIES:
            self._store.set_domains(record.id, ())
        self._portal.associations.remove_all(kind, record.id)

    def restore(self, kind: ObjectType, record: Record) -> None:
        """Out of the recycle bin (a person can); ApiError 409/400 when an address or unique value is taken by now."""
        if kind is CONTACTS:
            addresses.check_free(self._portal, record.id, addresses.addresses_of(record.properties))
        for name in self._portal.properties.unique(kind):
            self._check_unique(kind, record.id, name, record.properties.get(name, ""))
        record.archived, record.archived_at = False, None
        self.save(kind, record)
        self._store.set_keys_archived(kind, record.id, False)
        if kind is COMPANIES:
            self._store.set_domains(record.id, domains_of(record.properties))
        if kind is CONTACTS and self._portal.marketing.is_marketing(record):
            self._portal.marketing.count(1)

    def gdpr_delete(self, contact: Record | None, known_addresses: Iterable[str]) -> None:
        """Delete a contact for good and block its addresses (or the addresses of nobody)."""
        blocked = list(known_addresses)
        if contact is not None:
            blocked += addresses.addresses_of(contact.properties)
            if not contact.archived and self._portal.marketing.is_marketing(contact):
                self._portal.marketing.count(-1)
            self._portal.associations.remove_all(CONTACTS, contact.id)
            self._store.delete(CONTACTS, contact.id)
            if self._portal.switches.gdpr_deleted_stays_archived:
                created = {"hs_object_id": str(contact.id), "createdate": contact.properties.get("createdate", "")}
                husk = Record(contact.id, created, contact.created_at, self._portal.now_ms())
                husk.archived, husk.archived_at = True, self._portal.now_ms()
                self.save(CONTACTS, husk)
        for address in blocked:
            self._store.put_document("gdpr", address, {"at": to_iso(self._portal.now_ms())})

    def merge(self, kind: ObjectType, primary: Record, other: Record) -> Record:
        """Merge `other` into `primary`; the survivor keeps primary's id, or gets a new one (switch)."""
        if primary.id == other.id:
            raise ApiError(400, "VALIDATION_ERROR", "Cannot merge an object with itself.")
        portal, now = self._portal, self._portal.now_ms()
        if kind is CONTACTS and portal.marketing.is_marketing(primary) and portal.marketing.is_marketing(other):
            portal.marketing.count(-1)
        fills = {name: value for name, value in other.properties.items() if name not in primary.properties}
        survivor = Record(primary.id, fills | primary.properties, primary.created_at, primary.updated_at)
        merged = [*split_list(primary.properties.get("hs_merged_object_ids", "")), str(other.id)]
        merged += split_list(other.properties.get("hs_merged_object_ids", ""))
        gone = [other]
        if portal.switches.merge_changes_id:
            survivor.id = self._store.next_id(kind)
            survivor.created_at = now
            merged.append(str(primary.id))
            gone.append(primary)
        survivor.properties |= {
            "hs_object_id": str(survivor.id),
            "hs_merged_object_ids": ";".join(dict.fromkeys(merged)),
        }
        if kind is CONTACTS:
            self._merge_contacts(survivor, primary, other, now)
        for record in gone:
            self._store.remove_keys(kind, record.id)
            portal.associations.move(kind, record.id, survivor.id)
            if kind is COMPANIES:
                self._store.set_domains(record.id, ())
            record.merged_into = survivor.id
            self._store.replace(kind, record)
        self._store.remove_keys(kind, survivor.id)
        self._store.add_keys(
            (kind.number, name, survivor.properties[name], survivor.id, True)
            for name in portal.properties.unique(kind)
            if survivor.properties.get(name)
        )
        if kind is CONTACTS:
            addresses.write_keys(portal, survivor)
            self._address_changed(survivor)
        if kind is COMPANIES:
            self._store.set_domains(survivor.id, domains_of(survivor.properties))
        self.save(kind, survivor)
        return survivor

    def _merge_contacts(self, survivor: Record, primary: Record, other: Record, now: int) -> None:
        values = survivor.properties
        everybody = [*addresses.addresses_of(primary.properties), *addresses.addresses_of(other.properties)]
        if everybody:
            values["email"] = everybody[0]
            values[addresses.SECONDARY] = ";".join(everybody[1:])
        if not values.get(addresses.SECONDARY):
            values.pop(addresses.SECONDARY, None)
        vids = [str(survivor.id), str(primary.id), *split_list(primary.properties.get("hs_all_contact_vids", ""))]
        vids += [str(other.id), *split_list(other.properties.get("hs_all_contact_vids", ""))]
        values["hs_all_contact_vids"] = ";".join(dict.fromkeys(vids))
        stamps = split_list(primary.properties.get("hs_calculated_merged_vids", ""))
        values["hs_calculated_merged_vids"] = ";".join([*stamps, f"{other.id}:{now}"])
        if self._portal.marketing.is_marketing(other):
            values["hs_marketable_status"] = "true"

    # Showing

    def selection(self, kind: ObjectType, requested: Iterable[str]) -> list[str]:
        """The property names of an answer: HubSpot's defaults, or those asked for and three that always come."""
        asked = [name for name in requested if self._portal.properties.find(kind, name) is not None]
        return list(dict.fromkeys([*kind.always, *asked])) if requested else list(kind.defaults)

    def shown(
        self, kind: ObjectType, record: Record, names: Iterable[str], history: Iterable[str] = ()
    ) -> dict[str, Any]:
        """A SimplePublicObject with these properties (null where empty)."""
        values = record.properties
        body: dict[str, Any] = {
            "id": str(record.id),
            "properties": {name: values.get(name) for name in names},
            "createdAt": to_iso(record.created_at),
            "updatedAt": to_iso(record.updated_at),
            "archived": record.archived,
        }
        if record.archived_at is not None:
            body["archivedAt"] = to_iso(record.archived_at)
        asked = [name for name in history if self._portal.properties.find(kind, name) is not None]
        if asked:
            body["propertiesWithHistory"] = {name: self._history(kind, record, name) for name in asked}
        return body

    def _history(self, kind: ObjectType, record: Record, name: str) -> list[dict[str, Any]]:
        rows = self._store.history(kind, record.id, name)
        if not rows and name in record.properties:
            stamp = record.updated_at if name in _NOT_IN_HISTORY else record.created_at
            rows = [(stamp, record.properties[name], INTEGRATION)]
        return [{"value": value, "timestamp": to_iso(at), "sourceType": source} for at, value, source in rows]

    def as_of(self, kind: ObjectType, record: Record, instant: int) -> dict[str, str]:
        """The properties as they were at an earlier instant, as far as history tells."""
        values = dict(record.properties)
        for name in self._store.history_names(kind, record.id):
            then = next((value for at, value, _ in self._store.history(kind, record.id, name) if at <= instant), "")
            if then:
                values[name] = then
            else:
                values.pop(name, None)
        return values

    # Bulk loading

    def load(self, kind: ObjectType, given: Iterable[LoadedRecord]) -> int:
        """Store records without checking their values (dates are brought to HubSpot's form); ValueError if unknown."""
        known = frozenset(self._portal.properties.names(kind))
        unique = self._portal.properties.unique(kind)
        dates = self._portal.properties.dates(kind)
        records: list[Record] = []
        gone: list[Record] = []
        keys: list[tuple[int, str, str, int, bool]] = []
        for item in given:
            if unknown := item.properties.keys() - known:
                raise ValueError(f"{kind.name} have no property {', '.join(sorted(unknown))}")
            record = self._loaded(kind, item)
            for name in dates.keys() & item.properties.keys():
                if name in record.properties:
                    record.properties[name] = normalise(dates[name], "date", record.properties[name], None, "")
            records.append(record)
            gone += [
                Record(int(old), {"hs_object_id": old}, record.created_at, record.updated_at, merged_into=record.id)
                for old in item.merged_ids
            ]
            keys += [
                (kind.number, name, record.properties[name], record.id, True)
                for name in unique
                if record.properties.get(name)
            ]
            if kind is CONTACTS:
                primary = record.properties.get("email")
                keys += [
                    (kind.number, "email", address, record.id, address == primary)
                    for address in addresses.addresses_of(record.properties)
                ]
        self._store.insert(kind, records)
        self._store.insert(kind, gone)
        archived = {record.id for record in records if record.archived}
        self._store.add_keys(row for row in keys if row[3] not in archived)
        self._store.add_keys((row for row in keys if row[3] in archived), archived=True)
        for record in records:
            if kind is COMPANIES and not record.archived:
                self._store.set_domains(record.id, domains_of(record.properties))
        if kind is CONTACTS:
            live_records = (record for record in records if not record.archived)
            self._portal.marketing.count(sum(map(self._portal.marketing.is_marketing, live_records)))
        return len(records)

    def _loaded(self, kind: ObjectType, item: LoadedRecord) -> Record:
        now = self._portal.now_ms()
        created = now if item.createdAt is None else parse_instant(item.createdAt)
        updated = created if item.updatedAt is None else parse_instant(item.updatedAt)
        record_id = int(item.id) if item.id is not None else self._store.next_id(kind)
        for used in (record_id, *map(int, item.merged_ids)):
            self._store.reserve_id(kind, used)
        values = {name: str(value) for name, value in item.properties.items() if value not in (None, "")}
        values.setdefault("createdate", to_iso(created))
        values |= {"hs_object_id": str(record_id), kind.modified: to_iso(updated), "hs_createdate": to_iso(created)}
        if item.merged_ids:
            values["hs_merged_object_ids"] = ";".join(item.merged_ids)
        if kind is CONTACTS:
            if "email" in values:
                values["email"] = normalise_email(values["email"])
                values.setdefault("hs_email_domain", addresses.domain_of(values["email"]))
            secondary = [*split_list(values.get(addresses.SECONDARY, "")), *item.secondary_emails]
            if secondary:
                values[addresses.SECONDARY] = ";".join(dict.fromkeys(map(normalise_email, secondary)))
            if item.marketable is not None:
                values["hs_marketable_status"] = str(item.marketable).lower()
            values.setdefault("hs_marketable_status", "false")
            values.setdefault("hs_marketable_until_renewal", "false")
            values.setdefault("hs_all_contact_vids", str(record_id))
            if item.opted_out:
                values["hs_email_optout"] = "true"
                for address in addresses.addresses_of(values)[:1]:
                    self._store.set_subscription(address, 0, "UNSUBSCRIBED", None, None, updated)
        if kind is DEALS:
            self._derive_deal(values)
        return Record(record_id, values, created, updated, item.archived, updated if item.archived else None)


class LoadedRecord(msgspec.Struct, forbid_unknown_fields=True):
    """A record for bulk loading; `merged_ids` are ids of records that were merged into it."""

    properties: dict[str, Any]
    id: str | None = None
    secondary_emails: list[str] = []
    marketable: bool | None = None
    opted_out: bool = False
    archived: bool = False
    createdAt: str | None = None
    updatedAt: str | None = None
    merged_ids: list[str] = []


def domains_of(properties: Mapping[str, str]) -> list[str]:
    """The domains of a company, lower case, the main one first."""
    found = [properties.get("domain", ""), *split_list(properties.get("hs_additional_domains", ""))]
    return [domain.strip().lower() for domain in found if domain.strip()]


def _goes_back(properties: Mapping[str, str], stage: str) -> bool:
    """`lifecyclestage` only moves forward unless cleared first."""
    before, after = _STAGE_ORDER.get(properties.get("lifecyclestage", "")), _STAGE_ORDER.get(stage)
    return before is not None and after is not None and after < before
