"""What a world is: `World`, its streams of records, its named `Case`s, and how it is loaded into the sandboxes.

No sample data here: the records come from a `Source` (`subset` or `portfolio`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo

from tl_hubspot.sandbox.worlds import crmoffice, reference

Record = dict[str, Any]
Association = tuple[str, str, str, str, int]
"""from_type, to_type, from_id, to_id, associationTypeId (`contacts`, `companies`, `123`, `456`, 1)."""

DEFAULT_AS_OF = datetime(2026, 11, 2, 11, 0, tzinfo=UTC)
"""Noon of 2 November 2026 in Brussels."""
TIMEZONE = ZoneInfo("Europe/Brussels")

TEAMLEADER_KINDS = (*reference.TEAMLEADER, "companies", "contacts", "deals")
"""In loading order."""
HUBSPOT_TYPES = ("companies", "contacts", "deals")
"""In loading order."""

CONTACT_TO_COMPANY_PRIMARY = 1


@dataclass(frozen=True)
class Case:
    """One named edge case and what must have become of it after the FIRST sync at the world's as_of.

    `teamleader_id` names the record that the case is about; for a HubSpot record whose id Teamleader does not have, the
    id that HubSpot holds; empty where only a HubSpot record is meant. Keys of `expected` (what is not there is not
    claimed):

    * `status`, `reason`: the decision. Of a held record only `reason` is given: why it was held.
    * `bucket`: created, updated, unchanged, skipped, held; for deals and companies too.
    * `duplicate_of`: Teamleader id of the winner.
    * `hubspot_id`: the HubSpot record from before the sync that is the record's counterpart.
    * `not_hubspot_id`: a HubSpot record from before that must not have become its counterpart.
    * `properties`: HubSpot values afterwards (strings, None = empty), of the counterpart, else of `untouched`.
    * `untouched`: id of a HubSpot record on which the sync wrote no property at all.
    * `unsubscribed`: addresses opted out of all e-mail in HubSpot afterwards because of this record; [] = no call.
    * `asked`: False when marketing status must not be asked for although the decision says marketing.
    * `associations`: {"companies": […], "contacts": […]}: exactly the associated records afterwards; and
      `company_primary`. A record is written `teamleader:<id>` (the one that carries this teamleader_id) or
      `hubspot:<id>`.
    * `report`: what the report or a check must name: email_taken, ambiguous_company_match, ambiguous_company_group,
      unknown_teamleader_id, future_date, opted_out_without_address.
    """

    name: str
    entity: str
    teamleader_id: str
    spec: str
    story: str
    expected: dict[str, Any] = field(default_factory=dict)


class Source(Protocol):
    """Where a world's records come from; every call starts a new stream."""

    cases: list[Case]
    custom_properties: ClassVar[dict[str, tuple[str, ...]]]
    """Object type → names of the custom properties that its HubSpot records need."""

    def teamleader(self, kind: str) -> Iterator[Record]: ...
    def hubspot_objects(self, object_type: str) -> Iterator[Record]: ...
    def hubspot_associations(self) -> Iterator[Association]: ...


class TeamleaderLoader(Protocol):
    def load(self, kind: str, records: Iterable[Record]) -> int: ...


class HubSpotLoader(Protocol):
    def define_property(self, object_type: str, **definition: Any) -> None: ...
    def load_objects(self, object_type: str, records: Iterable[Record]) -> int: ...
    def load_associations(self, from_type: str, to_type: str, pairs: Iterable[tuple[str, str, int]]) -> int: ...
    def load_owners(self, records: Iterable[Record]) -> int | None: ...


class CrmofficeLoader(Protocol):
    def load(self, records: Iterable[Record]) -> int: ...
    def load_companies(self, records: Iterable[Record]) -> list[str]: ...
    def load_users(self, names: Iterable[str]) -> None: ...


@dataclass(frozen=True)
class World:
    """A reproducible set of systems before the first sync. Every iterator streams: no list of records is ever held."""

    name: str
    seed: int
    as_of: datetime
    source: Source

    @property
    def cases(self) -> list[Case]:
        """The named edge cases; only `subset` has them."""
        return self.source.cases

    def teamleader(self, kind: str) -> Iterator[Record]:
        """Records of one of `TEAMLEADER_KINDS`, in the `.info` shape. ValueError: unknown kind."""
        if kind in reference.TEAMLEADER:
            return (dict(row) for row in reference.TEAMLEADER[kind])
        if kind in TEAMLEADER_KINDS:
            return self.source.teamleader(kind)
        raise ValueError(f"unknown kind {kind!r}, expected one of {', '.join(TEAMLEADER_KINDS)}")

    def hubspot_objects(self, object_type: str) -> Iterator[Record]:
        """What HubSpot holds before the first sync, in the shape of `HubSpotSandbox.load_objects`."""
        if object_type not in HUBSPOT_TYPES:
            raise ValueError(f"unknown object type {object_type!r}, expected one of {', '.join(HUBSPOT_TYPES)}")
        return self.source.hubspot_objects(object_type)

    def hubspot_associations(self) -> Iterator[Association]:
        """Associations in HubSpot before the first sync, in one direction; a primary one implies the unlabelled one."""
        return self.source.hubspot_associations()

    def hubspot_properties(self, object_type: str) -> Iterator[Record]:
        """Definitions of the custom properties that the portal has before the first sync."""
        names = self.source.custom_properties.get(object_type, ())
        return (reference.hubspot_property(object_type, name) for name in names)

    def hubspot_owners(self) -> Iterator[Record]:
        """Owners of the portal (id, email, firstName, lastName)."""
        return (dict(owner) for owner in reference.OWNERS)

    def populate(self, teamleader: TeamleaderLoader, hubspot: HubSpotLoader) -> None:
        """Load everything into two empty sandboxes. Their clocks stay: give them one that starts at `as_of`."""
        for kind in TEAMLEADER_KINDS:
            teamleader.load(kind, self.teamleader(kind))
        hubspot.load_owners(self.hubspot_owners())
        for object_type in HUBSPOT_TYPES:
            for definition in self.hubspot_properties(object_type):
                hubspot.define_property(object_type, **definition)
            hubspot.load_objects(object_type, self.hubspot_objects(object_type))
        for (from_type, to_type), rows in groupby(self.hubspot_associations(), key=itemgetter(0, 1)):
            hubspot.load_associations(from_type, to_type, (row[2:] for row in rows))

    def populate_crmoffice(self, tenant: CrmofficeLoader) -> None:
        """Load some of the people, and some of its own, into an empty Crmoffice."""
        companies = tenant.load_companies(crmoffice.companies(self.teamleader("companies")))
        tenant.load_users(crmoffice.users())
        tenant.load(crmoffice.contacts(self.teamleader("contacts"), self.seed, companies))


def years_ago(as_of: datetime, years: int) -> date:
    """as_of's calendar date in Brussels minus whole years; 29 February becomes 28 February."""
    day = as_of.astimezone(TIMEZONE).date()
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def local(day: date, hour: int = 12, minute: int = 0, second: int = 0) -> datetime:
    """The instant, in UTC, at which the wall clock in Brussels shows this on that day."""
    return datetime.combine(day, time(hour, minute, second), TIMEZONE).astimezone(UTC)
