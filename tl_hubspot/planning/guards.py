"""Guards: limits on what one plan may do before a person must approve it (behaviour §9).

Pure arithmetic on counts. Counting is done in `plan`; holding the run and approving is orchestration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import floor


@dataclass(frozen=True)
class GuardSettings:
    """Shares (0 to 1) and the counts below which a share does not hold a run."""

    creates_share: float = 0.2
    creates_minimum: int = 500
    updates_share: float = 0.5
    updates_minimum: int = 500
    unsubscribes_share: float = 0.1
    unsubscribes_minimum: int = 25
    vanished_share: float = 0.2


@dataclass(frozen=True)
class Limit:
    """One limit: what was counted, how much is allowed (None: not applied), and a sentence for people."""

    name: str
    value: int
    maximum: int | None
    exceeded: bool
    sentence: str


@dataclass(frozen=True)
class Counts:
    """What a plan does, and what it is measured against.

    `linked`: records linked before the run; `matched_contacts`: contacts that HubSpot had before the run;
    `marketing_now`, `marketing_tier`: marketing contacts in HubSpot and how many the portal has bought (None: unknown);
    `vanished`: per entity type (records that vanished from Teamleader in this run, records known before).
    """

    linked: int = 0
    creates: int = 0
    updates: int = 0
    unsubscribes: int = 0
    matched_contacts: int = 0
    new_marketing: int = 0
    marketing_now: int = 0
    marketing_tier: int | None = None
    vanished: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def check(counts: Counts, settings: GuardSettings = GuardSettings()) -> list[Limit]:
    """All limits, exceeded or not, in a fixed order."""
    creates = max(settings.creates_minimum, _share(settings.creates_share, counts.linked))
    updates = max(settings.updates_minimum, _share(settings.updates_share, counts.linked))
    unsubscribes = max(settings.unsubscribes_minimum, _share(settings.unsubscribes_share, counts.matched_contacts))
    room = None if counts.marketing_tier is None else max(0, counts.marketing_tier - counts.marketing_now)
    limits = [
        _limit("creates", counts.creates, creates if counts.linked else None, "records would be created"),
        _limit("updates", counts.updates, updates if counts.linked else None, "records would be updated"),
        _limit("unsubscribes", counts.unsubscribes, unsubscribes, "addresses would be unsubscribed, for good"),
        _limit("new_marketing_contacts", counts.new_marketing, room, "contacts would become marketing contacts"),
    ]
    for entity_type, (vanished, known) in sorted(counts.vanished.items()):
        maximum = _share(settings.vanished_share, known)
        what = f"of {known} {_PLURAL.get(entity_type, entity_type)} have vanished from Teamleader"
        limits.append(_limit(f"vanished_{_PLURAL.get(entity_type, entity_type)}", vanished, maximum, what))
    return limits


_PLURAL = {"contact": "contacts", "company": "companies", "deal": "deals"}


def _share(share: float, of: int) -> int:
    # Rounded first: 0.29 * 100 is 28.999… as a float.
    return floor(round(share * of, 6))


def _limit(name: str, value: int, maximum: int | None, what: str) -> Limit:
    if maximum is None:
        return Limit(name, value, None, False, f"{value} {what}; no limit applies.")
    if value <= maximum:
        return Limit(name, value, maximum, False, f"{value} {what}; the limit is {maximum}.")
    return Limit(name, value, maximum, True, f"{value} {what}; that is {value - maximum} over the limit of {maximum}.")
