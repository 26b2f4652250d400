"""What kind of portal the sandbox is (`Profile`) and how it behaves where HubSpot is unsettled (`Switches`).

Only the two dataclasses and their checks; what a field does is written where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

Tier = Literal["free", "starter", "professional", "enterprise"]

_BURST = {"free": 100, "starter": 100, "professional": 190, "enterprise": 190}
_BURST_WITH_ADD_ON = 250
_DAILY = {"free": 250_000, "starter": 250_000, "professional": 625_000, "enterprise": 1_000_000}
_DAILY_PER_ADD_ON = 1_000_000


@dataclass(frozen=True)
class Profile:
    """The portal: account, tier, token, scopes. Limits in calls per 10 s (`burst`), per day, per second (search)."""

    portal_id: int = 147_000_001
    access_token: str = "pat-eu1-00000000-0000-0000-0000-000000000000"
    missing_scopes: frozenset[str] = frozenset()
    tier: Tier = "professional"
    api_limit_increases: int = 0
    """How many "API limit increase" add-ons (0-2)."""
    burst_limit: int | None = None
    """None: by tier and add-on."""
    daily_limit: int | None = None
    """None: by tier and add-on."""
    search_limit: int = 5
    marketing_enterprise: bool = False
    """Marketing Hub Enterprise: the batch routes of communication preferences answer instead of 403."""
    data_privacy: bool = False
    """Data-privacy settings are on: changing a subscription needs a legal basis."""
    marketing_contacts_tier: int = 1000
    marketing_contacts_step: int = 1000
    """By how much the tier is raised when it is exceeded."""
    company_currency: str = "EUR"
    additional_currencies: tuple[str, ...] = ("GBP", "USD")
    time_zone: str = "Europe/Brussels"
    app_id: int = 20_480_001
    unique_properties_limit: int = 10
    custom_properties_limit: int = 1000

    @property
    def burst(self) -> int:
        if self.burst_limit is not None:
            return self.burst_limit
        return _BURST_WITH_ADD_ON if self.api_limit_increases else _BURST[self.tier]

    @property
    def daily(self) -> int:
        if self.daily_limit is not None:
            return self.daily_limit
        return _DAILY[self.tier] + _DAILY_PER_ADD_ON * min(self.api_limit_increases, 2)


@dataclass(frozen=True)
class Switches:
    """Behaviour that a portal can set, or that the documents leave open: every value is a possible HubSpot."""

    limits: bool = True
    """Rate limits are enforced (headers are sent in either case)."""
    retry_after_header: bool = False
    """429 carries Retry-After (not documented)."""

    search_lag_seconds: float = 0.0
    """How old a change must be before search sees it."""
    property_visibility_seconds: float = 0.0
    """How old a new property definition must be before it can be read or written."""
    import_seconds: float = 0.0
    """How long an import runs; 0: DONE at the first look after STARTED."""

    additional_emails_by_property: Literal["accepted", "ignored", "refused"] = "accepted"
    """Writing `hs_additional_emails` as a property."""
    old_primary_on_email_change: Literal["kept", "dropped"] = "dropped"
    """What becomes of the old address when `email` is changed: kept as secondary, or dropped."""
    get_by_secondary_address: bool = False
    """Single GET and PATCH with idProperty=email find a contact by a secondary address."""
    upsert_promotes_secondary: bool = False
    """Upsert by a secondary address with the same `email` in properties makes it the primary."""
    create_conflict_per_record: bool = False
    """batch/create with trace ids answers 207 with a CONFLICT for an existing address, instead of 409 for the batch."""
    echo_trace_ids: Literal["upsert", "all"] = "upsert"
    """Which batch results echo `objectWriteTraceId`."""
    deal_createdate_writable: bool = True
    merge_changes_id: bool = False
    """A merge gives the survivor a new record id."""
    batch_read_follows_merges: bool = False
    """batch/read by the id of a merged-away record gives the survivor, instead of OBJECT_NOT_FOUND."""
    gdpr_deleted_stays_archived: bool = False
    """A GDPR-deleted contact stays in the list of archived records, without any value; off: it is in no list."""
    recreate_after_gdpr_delete: bool = False
    """A contact may be created with an address that was GDPR-deleted."""
    archived_keep_unique_values: bool = False
    """A unique property value stays taken after its record was archived."""

    unsubscribe_unknown_address: Literal["accepted", "not_found"] = "accepted"
    """Changing the subscription of an address that no contact has."""
    no_associations_error: bool = True
    """Association batch/read reports a record without associations as an error in a 207; off: it is left out."""
    numeric_association_ids: bool = True
    """`toObjectId` is a number (live v4), not a string (newer spec)."""
    first_company_becomes_primary: bool = True
    """The first company associated by the default route becomes primary."""

    auto_associate_companies: bool = False
    """A contact created by the API gets a company by its e-mail domain, created when there is none."""
    new_contacts_are_marketing: bool = False
    """Contacts created by the API become marketing contacts (integration setting)."""
    marketing_workflow_property: str | None = None
    """A workflow sets the marketing status from this contact property whenever it changes."""
    history: bool = True
    """Keep the history of property values (needed by propertiesWithHistory and a search lag)."""
    request_log_bytes: int = 64 * 1024 * 1024
    """How many bytes of request bodies the log keeps."""

    def __post_init__(self) -> None:
        _check_choices(self)


def _check_choices(switches: Switches) -> None:
    hints = get_type_hints(Switches)
    for item in fields(switches):
        hint, value = hints[item.name], getattr(switches, item.name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise ValueError(f"{item.name} must be one of {', '.join(get_args(hint))}")
        if hint is bool and not isinstance(value, bool):
            raise ValueError(f"{item.name} must be true or false")
        if hint in (int, float) and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{item.name} must be a number")


@dataclass
class MarketingTier:
    """The marketing-contact tier of the portal and how often it was raised by itself."""

    limit: int
    count: int = 0
    raises: list[dict[str, Any]] = field(default_factory=list)
    """Each `{"at": ISO, "from": n, "to": n}`."""
