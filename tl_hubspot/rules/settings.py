"""`RuleSettings`: everything that the rules may be told, checked once.

Reading a configuration file or the environment lives in `config`; turning text into an instant in `windows`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tl_hubspot.rules import data, windows

ConsentFalseMeans = Literal["opt_out", "not_asked"]
DealsClosed = Literal["recent", "linked_only", "never"]


@dataclass(frozen=True)
class RuleSettings:
    """Settings of one evaluation. `as_of` is an aware instant; hosts are lower case without `www.`.

    ValueError when `as_of` is naive or out of range, a zone is unknown, or a choice is not one of its values.
    """

    as_of: datetime
    timezone: str = "Europe/Brussels"
    consent_false_means: ConsentFalseMeans = "opt_out"
    deals_closed: DealsClosed = "recent"
    phase_history_timezone: str = "UTC"
    free_mail_hosts: frozenset[str] = field(default=data.FREE_MAIL_HOSTS, repr=False)
    social_hosts: frozenset[str] = field(default=data.SOCIAL_HOSTS, repr=False)

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ValueError("as_of needs a time zone")
        for name in ("timezone", "phase_history_timezone"):
            zone(getattr(self, name))
        for name, choices in (("consent_false_means", ConsentFalseMeans), ("deals_closed", DealsClosed)):
            value = getattr(self, name)
            if value not in get_args(choices):
                raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(get_args(choices))}")
        windows.require_range(self.as_of)

    @cached_property
    def as_of_utc(self) -> datetime:
        """`as_of` in UTC."""
        return self.as_of.astimezone(UTC)

    @cached_property
    def as_of_date(self) -> date:
        """Calendar date of `as_of` in `timezone`."""
        return self.as_of.astimezone(ZoneInfo(self.timezone)).date()

    @cached_property
    def two_years_ago(self) -> date:
        """Up to and including this date a record counts as not changed for 2 years."""
        return windows.years_before(self.as_of_date, 2)

    @cached_property
    def five_years_ago(self) -> date:
        """Before this date a record is too old."""
        return windows.years_before(self.as_of_date, 5)

    @cached_property
    def hosts_without_company(self) -> frozenset[str]:
        """Hosts that say nothing about a company."""
        return self.free_mail_hosts | self.social_hosts


def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name; ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Europe/Brussels") from None
