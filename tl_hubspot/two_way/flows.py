"""What a two-way flow is: two object types, how they find each other, which fields stay equal and by which policy.

Side `a` is HubSpot, side `b` Crmoffice. Reading the file is `config.two_way`; what the values lead to stands in
`merge`, `links`, `matching` and `plan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Side = Literal["a", "b"]
Establish = Literal["match_only", "match_or_create", "create_always", "filtered", "create_if_referenced", "derived"]
Compare = Literal["text", "phone", "exact"]
Policy = Literal["newest", "prefer_a", "prefer_b", "hold"]
Deletion = Literal["unlink", "archive_other", "restore"]
Owner = Literal["teamleader", "nobody"]

SIDES: tuple[Side, Side] = ("a", "b")
OTHER: dict[Side, Side] = {"a": "b", "b": "a"}
SYSTEM: dict[Side, str] = {"a": "HubSpot", "b": "Crmoffice"}
ESTABLISH: tuple[Establish, ...] = (
    "match_only", "match_or_create", "create_always", "filtered", "create_if_referenced", "derived",
)  # fmt: skip
COMPARE: tuple[Compare, ...] = ("text", "phone", "exact")
POLICIES: tuple[Policy, ...] = ("newest", "prefer_a", "prefer_b", "hold")
DELETIONS: tuple[Deletion, ...] = ("unlink", "archive_other", "restore")
OWNERS: tuple[Owner, ...] = ("teamleader", "nobody")


@dataclass(frozen=True)
class Field:
    """One pair of properties that stays equal.

    `owner` teamleader: where a conflict is between a change that Teamleader made in HubSpot and one in Crmoffice,
    Teamleader's wins whatever the policy (`hold` excepted); a change in Crmoffice alone still goes to HubSpot.
    """

    a: str
    b: str
    type: str = "string"
    compare: Compare = "text"
    policy: Policy = "newest"
    owner: Owner = "teamleader"

    @property
    def name(self) -> str:
        """The name of the field in frames: HubSpot's."""
        return self.a


@dataclass(frozen=True)
class Flow:
    """One flow. Everything besides the two object types has the default of the specification.

    `keys`: tuples of names of fields, tried in order; `create_in`: the sides on which a record is made for one that
    has no counterpart; `write`: the sides that may be written; `since`: pairs and creations need a record made at that
    time or later (None: everything is synchronised); `phone_region`: ISO country of numbers that have none, "" for
    none: they compare by their digits.
    """

    name: str
    a: str
    b: str
    establish: Establish = "match_only"
    keys: tuple[tuple[str, ...], ...] = ()
    create_in: tuple[Side, ...] = ()
    fields: tuple[Field, ...] = ()
    tie_side: Side = "a"
    max_skew: timedelta = timedelta(seconds=120)
    propagate_clear: bool = True
    deletion: Deletion = "unlink"
    max_delete_ratio: float = 0.05
    max_delete_minimum: int = 20
    phone_region: str = ""
    enabled: bool = True
    write: tuple[Side, ...] = ("a", "b")
    since: datetime | None = None
    dry_run: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the fields."""
        return [field.name for field in self.fields]

    def compare(self, name: str) -> Compare:
        """The comparator of a field."""
        return next(field.compare for field in self.fields if field.name == name)
