"""Marketing contact status: who has it, the tier it is counted against, and the scheduled way back.

Only imports, workflows, settings and persons come here; the CRM API itself cannot write the status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tl_hubspot import decoding
from tl_hubspot.sandbox.hubspot.object_types import OBJECT_TYPES
from tl_hubspot.sandbox.hubspot.profile import MarketingTier
from tl_hubspot.sandbox.hubspot.store import Record
from tl_hubspot.sandbox.hubspot.times import to_iso

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

_CONTACTS = OBJECT_TYPES["contacts"]


class Marketing:
    """The tier is raised by itself when it is exceeded, never refused, and each raise is recorded."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        stored = portal.store.document("marketing", "tier")
        fresh = MarketingTier(portal.profile.marketing_contacts_tier)
        self.tier = decoding.convert(stored, MarketingTier) if stored else fresh

    def is_marketing(self, record: Record) -> bool:
        return record.properties.get("hs_marketable_status") == "true"

    def switch(self, record: Record, wanted: bool, reason_type: str, reason: str) -> bool:
        """Change the record's properties (the caller saves it); returns whether anything changed.

        Up is immediate and counted; down is only scheduled, by `hs_marketable_until_renewal`.
        """
        values = record.properties
        if wanted == self.is_marketing(record) and values.get("hs_marketable_until_renewal") != "true":
            return False
        if not wanted:
            already = values.get("hs_marketable_until_renewal") == "true"
            values["hs_marketable_until_renewal"] = "true"
            return not already
        newly = not self.is_marketing(record)
        values |= {
            "hs_marketable_status": "true",
            "hs_marketable_until_renewal": "false",
            "hs_marketable_reason_type": reason_type,
            "hs_marketable_reason_id": reason,
        }
        if newly:
            self.count(1)
        return True

    def count(self, change: int) -> None:
        """More or fewer marketing contacts; raises the tier in steps when they are too many."""
        if change == 0:
            return
        profile, tier = self._portal.profile, self.tier
        tier.count += change
        before = tier.limit
        while tier.count > tier.limit:
            tier.limit += profile.marketing_contacts_step
        if tier.limit != before:
            raised: dict[str, Any] = {"at": to_iso(self._portal.now_ms()), "from": before, "to": tier.limit}
            tier.raises.append(raised)
        self._portal.store.put_document("marketing", "tier", tier)

    def update_day(self) -> int:
        """The portal's next update date comes: scheduled contacts become non-marketing. Returns how many."""
        due = [
            record.id
            for record in self._portal.store.scan(_CONTACTS)
            if record.properties.get("hs_marketable_until_renewal") == "true"
        ]
        for record_id in due:
            record = self._portal.store.get(_CONTACTS, record_id)
            if record is not None:
                record.properties |= {"hs_marketable_status": "false", "hs_marketable_until_renewal": "false"}
                self._portal.records.save(_CONTACTS, record)
        self.count(-len(due))
        return len(due)
