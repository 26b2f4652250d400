"""Associations between records: made and taken away in large calls that never touch one record twice at a time.

Which relations should exist is decided in `planning.relations`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest

from tl_hubspot.hubspot.associations import ARCHIVE_BATCH, WRITE_BATCH, Pair, PairOutcome, associate, disassociate
from tl_hubspot.pushing.change import Change
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.work import Work, chunked, grouped

STEP = "relations"
GROUP = 4
"""Calls whose intents, or outcomes, become durable at once."""
Kind = tuple[str, str, str, bool]
"""(action, from_type, to_type, primary)"""


@dataclass
class _Relation:
    change: Change
    kind: Kind
    pair: Pair


@dataclass
class _Call:
    kind: Kind
    relations: dict[Pair, list[_Relation]]
    intentions: dict[Pair, Row] = field(default_factory=dict)


def push(work: Work, changes: Sequence[Change]) -> None:
    """Carry out rows `associate` and `disassociate`. A relation of a record that failed is left to the next run."""
    kinds: dict[Kind, list[_Relation]] = {}
    skipped: list[Row] = []
    for change in changes:
        relation = _ready(work, change, skipped)
        if relation is not None:
            kinds.setdefault(relation.kind, []).append(relation)
    if skipped:
        work.counts["relations_skipped"] += len(skipped)
        work.ledger.log(skipped)
    done = len(changes) - sum(map(len, kinds.values()))
    # Primary companies go first: the first company that a contact gets by the default route becomes primary by itself.
    for kind in sorted(kinds, key=lambda k: (k[0], k[1], k[2], not k[3])):
        by_pair: dict[Pair, list[_Relation]] = {}
        for relation in kinds[kind]:
            by_pair.setdefault(relation.pair, []).append(relation)
        size = WRITE_BATCH if kind[0] == "associate" else ARCHIVE_BATCH
        for calls in rounds(list(by_pair), work.gateway.together, size):
            planned = _planned(work, kind, [{pair: by_pair[pair] for pair in pairs} for pairs in calls])
            for answered in grouped(work.gateway.run(partial(_send, work), planned), GROUP):
                _settle(work, answered)
                done += sum(len(same) for call, _ in answered for same in call.relations.values())
                work.progress(STEP, done, len(changes))


def rounds(pairs: Sequence[Pair], lanes: int, size: int) -> Iterator[list[Sequence[Pair]]]:
    """Calls of at most `size` pairs, in rounds: calls of one round share no record, so none locks out another (423)."""
    needed = min(lanes, -(-len(pairs) // size))
    if needed <= 1:
        yield from ([part] for part in chunked(pairs, size))
        return
    filled: list[list[Pair]] = [[] for _ in range(needed)]
    for group in sorted(_connected(pairs), key=len, reverse=True):
        min(filled, key=len).extend(group)
    for calls in zip_longest(*(chunked(lane, size) for lane in filled)):
        yield [call for call in calls if call]


def _connected(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Pairs grouped so that two groups share no record."""
    parent: dict[tuple[int, str], tuple[int, str]] = {}

    def root(node: tuple[int, str]) -> tuple[int, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for from_id, to_id in pairs:
        parent[root((0, from_id))] = root((1, to_id))
    groups: dict[tuple[int, str], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(root((0, pair[0])), []).append(pair)
    return list(groups.values())


def _ready(work: Work, change: Change, skipped: list[Row]) -> _Relation | None:
    details = change.details
    ends = [
        ((details["from_type"], details["from_id"]), details.get("from_hubspot_id")),
        ((details["to_type"], details["to_id"]), details.get("to_hubspot_id")),
    ]
    ids = [work.hubspot_id(key, planned) for key, planned in ends]
    if any(work.failed(key) for key, _ in ends) or not all(ids):
        reason = "record_failed" if any(work.failed(key) for key, _ in ends) else "record_not_in_hubspot"
        skipped.append(work.skip_row(change, reason))
        return None
    primary = bool(details.get("primary")) and change.action == "associate"
    kind = (change.action, details["from_type"], details["to_type"], primary)
    return _Relation(change, kind, (str(ids[0]), str(ids[1])))


def _planned(work: Work, kind: Kind, calls: Sequence[dict[Pair, list[_Relation]]]) -> Iterator[_Call]:
    for part in chunked(calls, GROUP):
        intended = [_intention(work, kind, relations) for relations in part]
        work.ledger.intend([row for call in intended for row in call.intentions.values()])
        yield from intended


def _intention(work: Work, kind: Kind, relations: dict[Pair, list[_Relation]]) -> _Call:
    call = _Call(kind, relations)
    call_id = work.new_call()
    for place, (pair, same) in enumerate(relations.items()):
        images = association_image(kind, pair, existed=bool(same[0].change.details.get("exists")))
        call.intentions[pair] = work.intention(call_id, f"{call_id}-{place}", same[0].change, None, images)
    return call


def association_image(kind: Kind, pair: Pair, *, existed: bool = False) -> dict[str, dict[str, str | None]]:
    """How the journal tells of one association: `association` → before and after, `contact:1>company:2` or null.

    One that `existed` was only made the primary one: it is before and after.
    """
    text = f"{kind[1]}:{pair[0]}>{kind[2]}:{pair[1]}"
    if kind[0] == "disassociate":
        return {"association": {"before": text, "after": None}}
    return {"association": {"before": text if existed else None, "after": text}}


def relation_row(from_type: str, to_type: str, pair: Pair) -> Row:
    """What names one association in `sync.relations`."""
    return {"from_type": from_type, "from_id": pair[0], "to_type": to_type, "to_id": pair[1]}


def association_of(text: str) -> tuple[str, str, Pair]:
    """(from_type, to_type, pair) of a text made by `association_image`."""
    (from_type, from_id), (to_type, to_id) = (end.split(":") for end in text.split(">"))
    return from_type, to_type, (from_id, to_id)


def _send(work: Work, call: _Call) -> PairOutcome:
    """Called in a worker thread."""
    action, from_type, to_type, primary = call.kind
    pairs = list(call.relations)
    if action == "associate":
        return associate(work.gateway, from_type, to_type, pairs, primary=primary)
    return disassociate(work.gateway, from_type, to_type, pairs)


def _settle(work: Work, answered: Sequence[tuple[_Call, PairOutcome]]) -> None:
    made: list[Row] = []
    gone: list[Row] = []
    settled: list[Row] = []
    logged: list[Row] = []
    for call, pair, problem in ((c, p, problem) for c, outcome in answered for p, problem in outcome.items()):
        action, from_type, to_type, _ = call.kind
        message = problem.message if problem else None
        settled.append(work.settlement(call.intentions[pair], hubspot_id=None, message=message))
        for relation in call.relations[pair]:
            if problem is None:
                work.counts["associated" if action == "associate" else "disassociated"] += 1
                logged.append(work.log_row(relation.change, None, message=f"{from_type} to {to_type}"))
            else:
                work.counts["relations_failed"] += 1
                logged.append(work.failure_row(relation.change, None, problem.reason, problem.message, problem))
        if problem is None:
            row = relation_row(from_type, to_type, pair)
            if action == "associate":
                made.append(row | {"origin": "made", "run_id": work.settings.run_id})
            else:
                gone.append(row)
    with work.ledger.together():
        work.ledger.settle(settled)
        work.ledger.relation(made)
        work.ledger.forget_relation(gone)
        work.ledger.log(logged)
