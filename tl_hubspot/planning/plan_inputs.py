"""What a plan is made of and the frames it consists of; nothing is computed here.

Records come through functions that read some of them: a plan never has all of them in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import polars as pl

from tl_hubspot.planning import subset
from tl_hubspot.planning.guards import GuardSettings
from tl_hubspot.planning.mapping import Mapping as FieldMapping
from tl_hubspot.planning.transforms import Portal

CHANGES: dict[str, pl.DataType] = {
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "action": pl.String(),
    "reason": pl.String(),
    "fields": pl.String(),
    "details": pl.String(),
}
"""Columns of `sync.plan` without run_id and digest; `fields` and `details` are canonical JSON objects."""

OUTCOMES: dict[str, pl.DataType] = {
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "bucket": pl.String(),
    "reason": pl.String(),
}

SETTLED: dict[str, pl.DataType] = {
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "hubspot_id": pl.String(),
    "shadow": pl.String(),
}

Reader = Callable[[pl.Series], pl.DataFrame]
"""Reads the rows of a table that have one of these keys, in any order."""


def rows_of(frame: pl.DataFrame, key: str = "id") -> Reader:
    """Reads them from a frame."""
    return lambda keys: frame.filter(pl.col(key).is_in(keys.implode()))


DECIDED = {
    "contact": ("teamleader_id", "status", "reason", "opted_out", "changed_at"),
    "company": ("teamleader_id", "status", "reason", "vat", "domain"),
    "deal": ("teamleader_id", "status", "reason"),
}
"""Columns of the decisions that a plan looks at."""
ELIGIBLE = {
    "contact": ("teamleader_id", "marketing", "reason", "address", "jobtitle"),
    "company": ("teamleader_id",),
    "deal": ("teamleader_id", "label", "reason"),
}
"""Columns of the eligible records that it looks at."""


@dataclass(frozen=True)
class EntityInputs:
    """One entity's decisions (DECIDED), eligible records (ELIGIBLE), matches frame and HubSpot mirror.

    `source`, `held`: read rows of its `teamleader` and `hubspot` table by `id`; `deleted`: ids of those deleted in
    Teamleader; `mirror`: all rows of the `hubspot` table, `properties` need not be there.
    """

    source: Reader
    deleted: pl.Series
    decisions: pl.DataFrame
    eligible: pl.DataFrame
    matches: pl.DataFrame
    mirror: pl.DataFrame
    held: Reader


@dataclass(frozen=True)
class MarketingCounts:
    """`matched`: contacts that HubSpot had before the run; `now`: marketing contacts there; `wanted`: contacts that
    should be marketing contacts and are not."""

    matched: int = 0
    now: int = 0
    wanted: int = 0


@dataclass(frozen=True)
class PlanInputs:
    """Everything that a plan is made of.

    `entities`: by entity type, only those that the run may change, made when it is their turn; `links`: `sync.links`
    after adoption, of the records that are looked at; `linked`: how many there are in all; `at_rest`: contacts that are
    not looked at, because what was said of them still holds; `shadows`: by entity type, reads rows of `sync.shadows` by
    `teamleader_id`; `marketing_requests`: its `sync` table; `reference`: `teamleader.reference`; `relations`: frames of
    CHANGES (associate, disassociate) in push order; `opt_outs`: rows of CHANGES (unsubscribe); `notices`: frames of
    notices found before; `vanished`: per entity type (vanished in this run, known before); `opted_out_records`:
    `opt_outs.OptOutPlan.records`; `confined_to`: the only records that may change, None for all.
    """

    entities: Mapping[str, Callable[[], EntityInputs]]
    links: pl.DataFrame
    shadows: Mapping[str, Reader]
    reference: pl.DataFrame
    portal: Portal
    linked: int
    at_rest: MarketingCounts = MarketingCounts()
    relations: Iterable[pl.DataFrame] = ()
    opt_outs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANGES))
    marketing_requests: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"teamleader_id": pl.String, "hubspot_id": pl.String})
    )
    notices: Sequence[pl.DataFrame] = ()
    vanished: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    confined_to: subset.Ids | None = None
    opted_out_records: pl.Series = field(default_factory=lambda: pl.Series([], dtype=pl.String))


@dataclass(frozen=True)
class PlanSettings:
    """Choices of the configuration. `marketing_tier`: marketing contacts bought (None: unknown, no limit)."""

    mapping: FieldMapping
    as_of: datetime
    guards: GuardSettings = field(default_factory=GuardSettings)
    marketing_method: Literal["import", "workflow", "property_only"] = "import"
    marketing_tier: int | None = None


@dataclass(frozen=True)
class Part:
    """Some rows of the plan: CHANGES, and SETTLED."""

    changes: pl.DataFrame
    settled: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SETTLED))


def no_changes() -> pl.DataFrame:
    """CHANGES without a row."""
    return pl.DataFrame(schema=CHANGES)
