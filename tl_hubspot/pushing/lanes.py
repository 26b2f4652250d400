"""Which relations go in the next call: full calls, no record in two calls at a time (HubSpot would answer 423), primary
companies first, and what is taken away last.

Pure: `relations` makes the calls, `beside` says when.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

Kind = tuple[str, str, str, bool]
"""(action, from_type, to_type, primary)"""
KIND = ("action", "from_type", "to_type", "primary")
PAIR = ["from_id", "to_id"]
ASSOCIATE = "associate"


@dataclass(frozen=True, eq=False)
class Load:
    """What goes in one call. `rows`: all relations of its pairs; two may stand for one association."""

    kind: Kind
    rows: pl.DataFrame

    @property
    def pairs(self) -> pl.DataFrame:
        """`from_id`, `to_id`, each pair once."""
        return self.rows.select(PAIR).unique(maintain_order=True)


class Lanes:
    """Relations that may be made, until they are. `sizes`: action → most pairs in a call.

    Rows have the columns KIND and PAIR and whatever else the caller likes to have back.
    """

    def __init__(self, sizes: dict[str, int]) -> None:
        self._sizes = sizes
        self._waiting: dict[Kind, pl.DataFrame] = {}
        self._under_way: list[Load] = []
        self._asked_in_vain: bool | None = None
        """With which `last` there was no call, if nothing has changed since: looking costs more than the answer."""

    @property
    def under_way(self) -> int:
        """Calls taken and not yet done."""
        return len(self._under_way)

    @property
    def open(self) -> int:
        """Relations in no call that is done."""
        return sum(rows.height for rows in [*self._waiting.values(), *(load.rows for load in self._under_way)])

    def add(self, rows: pl.DataFrame) -> None:
        """More relations that may be made."""
        for part in rows.partition_by(KIND, maintain_order=True):
            kind: Kind = part.select(KIND).row(0)
            known = self._waiting.get(kind)
            self._waiting[kind] = part if known is None else pl.concat([known, part])
        self._asked_in_vain = None

    def take(self, *, last: bool = False) -> Load | None:
        """The next call, if there is one now. `last`: nothing will be added, so that a call need not be full."""
        if self._asked_in_vain == last:
            return None
        for kind in sorted(self._waiting, key=_order):
            if kind[0] != ASSOCIATE and not self._all_associated(last):
                break
            if (load := self._of(kind, last)) is not None:
                self._under_way.append(load)
                return load
        self._asked_in_vain = last
        return None

    def done(self, load: Load) -> None:
        """The call has ended, however."""
        self._under_way.remove(load)
        self._asked_in_vain = None

    def _all_associated(self, last: bool) -> bool:
        kinds = [*self._waiting, *(load.kind for load in self._under_way)]
        return last and all(action != ASSOCIATE for action, *_ in kinds)

    def _of(self, kind: Kind, last: bool) -> Load | None:
        action, from_type, to_type, primary = kind
        waiting, size = self._waiting[kind], self._sizes[action]
        taken = [self._is_busy(from_type, "from_id"), self._is_busy(to_type, "to_id")]
        first = self._waiting.get((action, from_type, to_type, True))
        # The first company that a contact gets becomes its primary one by itself.
        if not primary and first is not None:
            taken.append(pl.col("from_id").is_in(first["from_id"].implode()))
        free = waiting.filter(~pl.any_horizontal(taken))
        pairs = free.select(PAIR).unique(maintain_order=True).head(size)
        is_all = free.height == waiting.height and pairs.height < size
        if not (pairs.height == size or (last and pairs.height and (is_all or not self._under_way))):
            return None
        rows = free.join(pairs, on=PAIR, how="semi", maintain_order="left")
        left = waiting.join(pairs, on=PAIR, how="anti", maintain_order="left")
        if left.is_empty():
            del self._waiting[kind]
        else:
            self._waiting[kind] = left
        return Load(kind, rows)

    def _is_busy(self, record_type: str, end: str) -> pl.Expr:
        """Whether the record at this end is in a call under way."""
        ids = [
            load.rows[column].alias("id")
            for load in self._under_way
            for column, of in (("from_id", load.kind[1]), ("to_id", load.kind[2]))
            if of == record_type
        ]
        return pl.col(end).is_in(pl.concat(ids).implode()) if ids else pl.lit(False)


def _order(kind: Kind) -> tuple[str, str, str, bool]:
    return kind[0], kind[1], kind[2], not kind[3]
