"""What a plan costs in marketing contacts: how many there are, how many it adds, what was bought, when that changes.

Pure arithmetic. HubSpot raises the number that is paid for by itself as soon as it is exceeded, and lowers it at the
renewal only: a contact that stops being a marketing contact is free again from the renewal on, not before.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

from tl_hubspot.rules.windows import first_day_reaching, spoken


@dataclass(frozen=True)
class MarketingCost:
    """`now`: marketing contacts in HubSpot; `new`: those that the plan adds; `bought`: how many are paid for.

    `renewal`: the day on which the contract renews next; `ageing`: contacts that time alone makes non-marketing up to
    then. None: not known. `is_complete`: all of HubSpot was counted, not only what concerns Teamleader.
    """

    method: Literal["import", "workflow", "property_only"]
    now: int
    new: int
    bought: int | None = None
    renewal: date | None = None
    ageing: int | None = None
    is_complete: bool = True

    @property
    def then(self) -> int:
        """Marketing contacts once the plan is pushed."""
        return self.now + self.new

    @property
    def over(self) -> int:
        """How many of them are more than what was bought; 0 when that is not known."""
        return max(0, self.then - self.bought) if self.bought is not None else 0

    def sentences(self) -> list[str]:
        """For a person."""
        at_least = "" if self.is_complete else "at least "
        told = [f"HubSpot has {at_least}{_people(self.now)} now; this plan adds {self.new:,}: {self.then:,} in all."]
        if self.method == "property_only":
            told.append("Only teamleader_marketing is written: who becomes a marketing contact is decided in HubSpot.")
        if self.bought is None:
            told.append("How many were bought is not known: set TL_HUBSPOT_MARKETING__TIER.")
        elif self.over:
            told.append(
                f"That is {self.over:,} more than the {self.bought:,} that were bought: HubSpot would raise the number"
                f" by itself and charge for it from that day on, and not lower it before {self._renewal()}."
            )
        else:
            told.append(f"Of the {self.bought:,} that were bought {self.bought - self.then:,} remain.")
        if self.ageing is not None:
            told.append(
                f"Up to {self._renewal()} the passing of time makes {self.ageing:,} of them non-marketing; HubSpot"
                " counts them until then, and a workflow or a person has to change them."
            )
        elif self.new:
            told.append("When the contract renews is not known: set TL_HUBSPOT_MARKETING__RENEWAL to that date.")
        return told

    def _renewal(self) -> str:
        return f"the renewal on {spoken(self.renewal)}" if self.renewal else "the next renewal"

    def to_json(self) -> dict[str, Any]:
        """The numbers."""
        return asdict(self) | {"then": self.then, "over": self.over}


def next_renewal(renewal: date, today: date) -> date:
    """The first yearly return of `renewal` after `today`."""
    years = max(0, today.year - renewal.year)
    return next(day for n in (years, years + 1) if (day := first_day_reaching(renewal, n)) > today)


def _people(number: int) -> str:
    return f"{number:,} marketing contact" + "s" * (number != 1)
