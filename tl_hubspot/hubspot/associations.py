"""Associations (v4): read them, make them, take them away; every pair is accounted for.

Which pairs should exist is decided in `planning`; how pairs are spread over calls so that no two calls in flight touch
the same record is decided in `pushing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import OBJECT_TYPES, Paging
from tl_hubspot.hubspot.reactions import Problem, Refused, problem

READ_BATCH = 1000
WRITE_BATCH = 2000
ARCHIVE_BATCH = 100

PRIMARY_TYPE_IDS = {("contact", "company"): 1, ("deal", "company"): 5}
"""HUBSPOT_DEFINED types that mark the primary company; every other pair has no primary."""
UNLABELLED_TYPE_IDS = {("contact", "company"): 279, ("deal", "contact"): 3, ("deal", "company"): 341}
"""HUBSPOT_DEFINED types of the default route, in the directions in which the sync makes associations."""

Pair = tuple[str, str]
"""(from record id, to record id)"""


@dataclass(frozen=True, slots=True)
class Association:
    """One association as read: `is_primary` when it carries the primary label, `is_labelled` when it carries one that
    the sync never gives."""

    from_id: str
    to_id: str
    is_primary: bool
    is_labelled: bool = False


class _Id(msgspec.Struct):
    id: str


class _Type(msgspec.Struct):
    typeId: int


class _To(msgspec.Struct):
    # A number in live answers, text in the newer documents.
    toObjectId: int | str
    associationTypes: list[_Type] = []


class _From(msgspec.Struct):
    # `from` is a Python keyword.
    origin: _Id = msgspec.field(name="from")
    to: list[_To] = []
    paging: Paging | None = None


class _ReadAnswer(msgspec.Struct):
    results: list[_From] = []
    errors: list[dict[str, Any]] = []


def read_associations(
    gateway: HubSpotGateway, from_type: str, to_type: str, ids: Sequence[str]
) -> Iterator[list[Association]]:
    """Associations of up to 1,000 records, in batches; a record without any is simply absent."""
    if len(ids) > READ_BATCH:
        raise ValueError(f"at most {READ_BATCH} records per call")
    primary = PRIMARY_TYPE_IDS.get((from_type, to_type))
    ours = {primary, UNLABELLED_TYPE_IDS.get((from_type, to_type))}
    inputs: list[dict[str, str]] = [{"id": i} for i in ids]
    while inputs:
        answer: _ReadAnswer = (
            gateway.call(
                routes.ASSOCIATIONS_READ,
                answer=_ReadAnswer,
                path={"from_type": OBJECT_TYPES[from_type], "to_type": OBJECT_TYPES[to_type]},
                body={"inputs": inputs},
            )
            or _ReadAnswer()
        )
        yield [
            Association(
                result.origin.id,
                str(to.toObjectId),
                is_primary=any(t.typeId == primary for t in to.associationTypes),
                is_labelled=any(t.typeId not in ours for t in to.associationTypes),
            )
            for result in answer.results
            for to in result.to
        ]
        inputs = [
            {"id": result.origin.id, "after": result.paging.after}
            for result in answer.results
            if result.paging and result.paging.after
        ]


class _Made(msgspec.Struct):
    """A pair in the answer; the labelled and the default route name their ends differently."""

    fromObjectId: int | str | None = None
    toObjectId: int | str | None = None
    origin: _Id | None = msgspec.field(name="from", default=None)
    to: _Id | None = None

    @property
    def pair(self) -> Pair:
        if self.origin and self.to:
            return self.origin.id, self.to.id
        return str(self.fromObjectId), str(self.toObjectId)


class _WriteAnswer(msgspec.Struct):
    results: list[_Made] = []
    errors: list[dict[str, Any]] = []


PairOutcome = dict[Pair, Problem | None]
"""Pair → None when it exists now, else what is wrong; has exactly the pairs that went in."""

NOT_MENTIONED = Problem(status=0, category="MISSING_IN_ANSWER")


def associate(
    gateway: HubSpotGateway, from_type: str, to_type: str, pairs: Sequence[Pair], *, primary: bool = False
) -> PairOutcome:
    """Make at most 2,000 associations; those that exist already stay as they are.

    Without `primary` the default route is used, because it alone leaves labels that people gave to the pair. A pair
    that the answer does not mention is looked up before it is called failed.
    """
    if len(pairs) > WRITE_BATCH or len(set(pairs)) != len(pairs):
        raise ValueError(f"at most {WRITE_BATCH} different pairs per call")
    outcome = _associate(gateway, from_type, to_type, pairs, primary) if pairs else {}
    unsure = [pair for pair, wrong in outcome.items() if wrong is NOT_MENTIONED]
    for start in range(0, len(unsure), READ_BATCH):
        ids = list(dict.fromkeys(pair[0] for pair in unsure[start : start + READ_BATCH]))
        for found in read_associations(gateway, from_type, to_type, ids):
            outcome |= {(a.from_id, a.to_id): None for a in found if (a.from_id, a.to_id) in outcome}
    return outcome


def _associate(
    gateway: HubSpotGateway, from_type: str, to_type: str, pairs: Sequence[Pair], primary: bool
) -> PairOutcome:
    type_id = PRIMARY_TYPE_IDS[from_type, to_type] if primary else None
    types = {"types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]} if primary else {}
    try:
        answer: _WriteAnswer = (
            gateway.call(
                routes.ASSOCIATE if primary else routes.ASSOCIATE_DEFAULT,
                answer=_WriteAnswer,
                path={"from_type": OBJECT_TYPES[from_type], "to_type": OBJECT_TYPES[to_type]},
                body={"inputs": [{"from": {"id": a}, "to": {"id": b}} | types for a, b in pairs]},
            )
            or _WriteAnswer()
        )
    except Refused as refused:
        if len(pairs) == 1 or refused.problem.status not in (400, 404, 409):
            return dict.fromkeys(pairs, refused.problem)
        middle = len(pairs) // 2
        return _associate(gateway, from_type, to_type, pairs[:middle], primary) | _associate(
            gateway, from_type, to_type, pairs[middle:], primary
        )
    outcome: PairOutcome = dict.fromkeys(pairs, NOT_MENTIONED)
    for made in answer.results:
        # Both directions are listed; the other one is nobody's input.
        if made.pair in outcome:
            outcome[made.pair] = None
    for error in answer.errors:
        found = problem(error, 207)
        for pair in found.pairs:
            if pair in outcome:
                outcome[pair] = found
        if not found.pairs:
            for pair in pairs:
                if outcome[pair] is NOT_MENTIONED and (not found.ids or set(pair) & set(found.ids)):
                    outcome[pair] = found
    return outcome


def disassociate(gateway: HubSpotGateway, from_type: str, to_type: str, pairs: Sequence[Pair]) -> PairOutcome:
    """Take away all associations between the two records of each pair (at most 100 different `from` records)."""
    targets: dict[str, list[str]] = {}
    for from_id, to_id in pairs:
        targets.setdefault(from_id, []).append(to_id)
    if len(targets) > ARCHIVE_BATCH:
        raise ValueError(f"at most {ARCHIVE_BATCH} records per call")
    try:
        gateway.call(
            routes.DISASSOCIATE,
            path={"from_type": OBJECT_TYPES[from_type], "to_type": OBJECT_TYPES[to_type]},
            body={"inputs": [{"from": {"id": a}, "to": [{"id": b} for b in bs]} for a, bs in targets.items()]},
        )
    except Refused as refused:
        if len(pairs) == 1:
            return dict.fromkeys(pairs, refused.problem)
        middle = len(pairs) // 2
        return disassociate(gateway, from_type, to_type, pairs[:middle]) | disassociate(
            gateway, from_type, to_type, pairs[middle:]
        )
    return dict.fromkeys(pairs, None)
