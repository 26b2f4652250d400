"""What is not known for certain about Teamleader, or depends on the account, as switches with the default to ship.

Only the values live here; the module that answers the request looks at them each time, so a change works at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from zoneinfo import available_timezones

from tl_hubspot.sandbox.switching import Switchable


@dataclass
class Switches(Switchable):
    """Every switch, settable at run time. Field by field: meaning, then the alternatives."""

    strict: bool = False
    """Unknown keys, filters, sort fields and includes give 400 instead of being ignored."""
    page_size_over_100: Literal["reject", "clamp"] = "reject"
    """`page.size` above 100: 400 or quietly 100."""
    lists_without_status: Literal["all", "active"] = "all"
    """contacts.list and companies.list without a status filter: also the deactivated ones, or not."""
    users_without_status: Literal["active", "all"] = "active"
    """users.list without a status filter."""
    company_id_null: Literal["unlinked", "ignored", "rejected"] = "unlinked"
    """contacts.list with `filter.company_id: null`: those of no company (as since 1.221), as if absent, 400."""
    updated_since: Literal["inclusive", "exclusive"] = "inclusive"
    """`filter.updated_since` of contacts.list and companies.list; deals.list is always inclusive."""
    tie_order: Literal["random", "stable", "reverse"] = "random"
    """Rows with equal sort keys: anew in random order for each request, in the order of entry, or in reverse."""
    undated_sort: Literal["lowest", "highest"] = "lowest"
    """Records without the time that a list is sorted by stand before the oldest, or after the newest."""
    replica_lag: float = 0.0
    """Seconds for which a write is invisible to contacts.list, companies.list and deals.list (not to info)."""
    max_filter_ids: int | None = None
    """More ids than this in `filter.ids` give 400; None: any number."""
    vat_filter: Literal["exact", "normalised"] = "exact"
    """`filter.vat_number` of companies.list: the text as stored, or letters and digits only."""
    link_moves_contact_updated_at: bool = False
    """A new, changed or removed link to a company moves the contact's `updated_at`."""
    link_moves_company_updated_at: bool = False
    """The same for the company's."""
    tag_moves_updated_at: bool = True
    """Adding or removing a tag (tag, untag) moves `updated_at`."""
    deal_move_moves_updated_at: bool = True
    """Moving, winning or losing a deal moves its `updated_at`."""
    related_contacts_cap: int | None = None
    """Most `related_contacts` that companies.info gives; None: all."""
    phase_history_format: Literal["database", "iso"] = "database"
    """`phase_history[].started_at`: `YYYY-MM-DD HH:MM:SS`, or ISO with offset."""
    phase_history_zone: str = "UTC"
    """Time zone in which the database format is written."""
    meta_on_companies_and_deals: bool = False
    """companies.list and deals.list give `meta` with `includes=pagination`; contacts.list never does."""
    sideloading: bool = False
    """The old parameter `include` (singular, dot paths) adds `included` to lists and infos of the three main kinds."""
    api_version: str = "2023-09-26"
    """The version assigned to the integration; the header X-Api-Version can only raise it."""
    reject_fraction_and_z: bool = True
    """Datetimes with a fraction of a second or with `Z` in requests give 400."""
    planning_access: bool = True
    """False: dealPhases.list leaves out `actions`."""
    missing_scopes: list[str] | None = None
    """Scopes that the integration lacks (contacts, companies, deals, users, departments): 403."""
    rate_limit: int | None = 200
    """Calls per sliding `rate_window`; None: no limit and no X-RateLimit headers."""
    rate_window: float = 60.0
    """Seconds of the window."""
    rejected_calls_count: bool = True
    """A 429 counts into the window too."""
    rate_reset_format: Literal["alternate", "milliseconds", "seconds"] = "alternate"
    """X-RateLimit-Reset: `…23.035+0100`, `…24+00:00`, or the two by turns."""
    retry_after: bool = False
    """A 429 carries Retry-After (not documented)."""
    auto_approve: bool = False
    """The authorize page redirects at once instead of asking."""
    replayed_refresh_token: Literal["errors", "oauth"] = "errors"
    """A used or revoked refresh token: 400 with `errors[0].meta.hint`, or 401 with `{"error": "invalid_grant"}`."""
    refresh_revokes_access: bool = False
    """A refresh makes the older access tokens invalid at once."""
    deactivation_webhook: Literal["updated", "deleted", "none"] = "updated"
    """What webhook a deactivated contact or company sends."""
    webhook_drop_rate: float = 0.0
    """Share of deliveries that never leave (0…1)."""
    webhook_duplicate_rate: float = 0.0
    """Share of deliveries that are made twice (0…1)."""
    webhook_reorder: bool = False
    """Deliveries leave in random order."""
    webhook_https_only: bool = False
    """webhooks.register refuses plain http addresses."""

    def check(self) -> None:
        """ValueError when a value does not fit its switch."""
        super().check()
        for name in ("webhook_drop_rate", "webhook_duplicate_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"switch {name} must lie between 0 and 1")
        if self.phase_history_zone not in available_timezones():
            raise ValueError(f"switch phase_history_zone cannot be {self.phase_history_zone!r}")
