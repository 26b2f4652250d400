"""Records of HubSpot: pages, batch reads and batch writes in which every input is accounted for.

A batch answer is matched by `objectWriteTraceId` or key, never by position. Which records are written, and what is
remembered of it, is decided in `pushing`; rows for the warehouse are made in `mirror`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Literal, TypeVar

import msgspec

from tl_hubspot.errors import BadAnswer
from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.reactions import AnswerLost, Problem, Refused, Trouble, problem
from tl_hubspot.hubspot.routes import Route

OBJECT_TYPES = {"contact": "contacts", "company": "companies", "deal": "deals"}
"""Our entity types → HubSpot's words in paths."""

PAGE = 100
BATCH = 100
LONGEST_QUERY = 6000
"""Characters of a query string up to which pages are asked with their properties (414 lies above 8,000)."""

R = TypeVar("R")


class Record(msgspec.Struct):
    """One record as HubSpot gives it: values are text, or None when empty."""

    id: str
    properties: dict[str, str | None] = {}
    createdAt: str | None = None
    updatedAt: str | None = None
    archived: bool = False


class _Next(msgspec.Struct):
    after: str = ""


class Paging(msgspec.Struct):
    """`next.after` is the place to go on from."""

    next: _Next | None = None

    @property
    def after(self) -> str:
        return self.next.after if self.next else ""


class Page(msgspec.Struct, Generic[R]):
    """One page of a list."""

    results: list[R] = []
    paging: Paging | None = None

    @property
    def after(self) -> str:
        """Where the next page starts; empty on the last one."""
        return self.paging.after if self.paging else ""


def pages(
    gateway: HubSpotGateway,
    route: Route,
    item: Any = dict[str, Any],
    *,
    path: Mapping[str, str] | None = None,
    query: Sequence[tuple[str, Any]] = (),
    confirm_end: bool = False,
) -> Iterator[list[Any]]:
    """Pages of items of type `item` of any of HubSpot's lists that go on with `after`.

    `confirm_end`: an end is only believed when asking again gives the same, because a cut or empty 2xx looks like one.
    Raises BadAnswer when the server sends us in a circle, or cannot agree with itself on the end.
    """

    def ask(after: str) -> Page[Any]:
        asked = [*query, *([("after", after)] if after else [])]
        return gateway.call(route, answer=Page[item], path=path, query=asked) or Page()

    after, seen = "", set[str]()
    while True:
        page = ask(after)
        if confirm_end and not page.after:
            page = _agreed(partial(ask, after), page, route)
        yield page.results
        after = page.after
        if not after:
            return
        if after in seen:
            raise BadAnswer("HubSpot's pages go in a circle", where=f"{route.method} {route.path}")
        seen.add(after)


def _agreed(ask: Callable[[], Page[Any]], last: Page[Any], route: Route) -> Page[Any]:
    """A last page that two answers in a row agree on, or a page after which the list goes on."""
    for _ in range(4):
        again = ask()
        if again.after or len(again.results) == len(last.results):
            return again
        last = again
    raise BadAnswer("HubSpot's list ends in a different place each time", where=f"{route.method} {route.path}")


def list_records(
    gateway: HubSpotGateway, entity_type: str, properties: Sequence[str], *, archived: bool = False, item: Any = Record
) -> Iterator[list[Any]]:
    """All records, in pages of at most 100 (`item` shaped like `Record`). Properties that the portal does not have
    are left out by HubSpot without complaint. Too many properties for a URL are read by batch instead."""
    names = list(dict.fromkeys(properties))
    query: list[tuple[str, Any]] = [("limit", PAGE), ("archived", "true" if archived else "false")]
    wanted = [("properties", name) for name in names]
    in_url = sum(len(name) + len("&properties=") for name in names) <= LONGEST_QUERY
    listed: Iterator[list[Any]] = pages(
        gateway,
        routes.LIST,
        item if in_url else Record,
        path={"type": OBJECT_TYPES[entity_type]},
        query=query + wanted if in_url else query,
        confirm_end=not archived,
    )
    for page in listed:
        if in_url or not page:
            yield page
        else:
            yield batch_read(gateway, entity_type, [r.id for r in page], names, archived=archived, item=item)


def get_record(
    gateway: HubSpotGateway, entity_type: str, record_id: str, properties: Sequence[str] = ()
) -> Record | None:
    """One record, or None when there is none (deleted or archived). The id of a record that was merged away gives the
    surviving one, whose `id` then differs."""
    try:
        record: Record = gateway.call(
            routes.GET,
            answer=Record,
            path={"type": OBJECT_TYPES[entity_type], "id": record_id},
            query=[("properties", name) for name in properties],
            expect=(404,),
        )
        return record
    except Refused as refused:
        if refused.problem.status == 404:
            return None
        raise


def batch_read(
    gateway: HubSpotGateway,
    entity_type: str,
    keys: Sequence[str],
    properties: Sequence[str],
    *,
    id_property: str | None = None,
    archived: bool = False,
    item: Any = Record,
) -> list[Any]:
    """The records of at most 100 different keys (record ids, or values of `id_property`); those that do not exist are
    absent. For `email` request `email` and `hs_additional_emails`: the answer does not say which address matched."""
    _check_batch(keys)
    if not keys:
        return []
    # the published document requires all three
    body: dict[str, Any] = {
        "inputs": [{"id": key} for key in keys],
        "properties": list(properties),
        "propertiesWithHistory": [],
    }
    if id_property:
        body["idProperty"] = id_property
    answer: Page[Any] = (
        gateway.call(
            routes.BATCH_READ,
            answer=Page[item],
            path={"type": OBJECT_TYPES[entity_type]},
            query=[("archived", "true")] if archived else [],
            body=body,
        )
        or Page()
    )
    return answer.results


@dataclass(frozen=True, slots=True)
class Write:
    """One input of a batch write: `key` is a record id (update) or the value of the unique property (upsert)."""

    trace_id: str
    key: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one input. `missing`: the answer does not mention it, so it may or may not have been written.

    `properties`: those of the answer, as they are stored now; of one that is not there nothing is known.
    """

    state: Literal["done", "failed", "missing"]
    hubspot_id: str | None = None
    new: bool | None = None
    problem: Problem | None = None
    properties: Mapping[str, str | None] = field(default_factory=dict)


MISSING = Written("missing")
BatchOutcome = dict[str, Written]
"""Trace id → what became of it; has exactly the trace ids that went in."""


def batch_update(gateway: HubSpotGateway, entity_type: str, writes: Sequence[Write]) -> BatchOutcome:
    """Update at most 100 different records by record id."""
    return _batch_write(gateway, routes.BATCH_UPDATE, entity_type, writes, None)


def batch_upsert(
    gateway: HubSpotGateway, entity_type: str, writes: Sequence[Write], id_property: str = "teamleader_id"
) -> BatchOutcome:
    """Create or update at most 100 records by the value of a unique property; may be repeated without harm."""
    return _batch_write(gateway, routes.BATCH_UPSERT, entity_type, writes, id_property)


@dataclass(frozen=True)
class Created:
    """What became of new records: `outcome` has every trace id that went in. `untold`: records that were made, of which
    the answer does not say from which input; these inputs are `missing`."""

    outcome: BatchOutcome
    untold: list[Record] = field(default_factory=list)


def batch_create(gateway: HubSpotGateway, entity_type: str, wanted: Mapping[str, Mapping[str, str]]) -> Created:
    """Make at most 100 records, trace id → properties. Never repeated: of an answer that was lost all are `missing`."""
    _check_batch(list(wanted))
    # HubSpot's document calls `associations` required
    inputs = [
        {"properties": dict(values), "associations": [], "objectWriteTraceId": trace}
        for trace, values in wanted.items()
    ]
    try:
        answer: _BatchAnswer = gateway.call(
            routes.BATCH_CREATE, answer=_BatchAnswer, path={"type": OBJECT_TYPES[entity_type]}, body={"inputs": inputs}
        )
    except AnswerLost:
        return Created(dict.fromkeys(wanted, MISSING))
    except Refused as refused:
        if len(wanted) == 1 or refused.problem.status not in _SPLIT:
            return Created({trace: Written("failed", problem=refused.problem) for trace in wanted})
        middle, rows = (len(wanted) + 1) // 2, list(wanted.items())
        halves = [batch_create(gateway, entity_type, dict(half)) for half in (rows[:middle], rows[middle:])]
        return Created(halves[0].outcome | halves[1].outcome, halves[0].untold + halves[1].untold)
    outcome = dict.fromkeys(wanted, MISSING)
    for found in (problem(error, 207) for error in answer.errors):
        traces = found.trace_ids if len(wanted) > 1 else wanted
        outcome |= {trace: Written("failed", problem=found) for trace in traces if trace in wanted}
    untold = []
    for made in answer.results:
        if made.objectWriteTraceId in outcome:
            outcome[made.objectWriteTraceId] = Written("done", made.id, made.new, properties=made.properties)
        else:
            untold.append(Record(made.id, made.properties))
    return Created(outcome, untold)


def batch_archive(gateway: HubSpotGateway, entity_type: str, ids: Sequence[str]) -> Problem | None:
    """Move at most 100 different records to the recycle bin, where a person can restore them for 90 days. None when
    they are there now, also those that were before; what is wrong otherwise, and then none of them is sure to be."""
    _check_batch(ids)
    if not ids:
        return None
    try:
        inputs = [{"id": i} for i in ids]
        gateway.call(routes.BATCH_ARCHIVE, path={"type": OBJECT_TYPES[entity_type]}, body={"inputs": inputs})
    except Refused as refused:
        return refused.problem
    return None


class _Result(msgspec.Struct):
    id: str
    properties: dict[str, str | None] = {}
    new: bool | None = None
    objectWriteTraceId: str | None = None


class _BatchAnswer(msgspec.Struct):
    results: list[_Result] = []
    errors: list[dict[str, Any]] = []


_SPLIT = {400, 409, 413, 414, 422}
"""Statuses of a whole batch that can be the fault of one record in it."""


def _batch_write(
    gateway: HubSpotGateway, route: Route, entity_type: str, writes: Sequence[Write], id_property: str | None
) -> BatchOutcome:
    _check_batch([w.key for w in writes])
    if len({w.trace_id for w in writes}) != len(writes):
        raise ValueError("trace ids of a batch must differ")
    if not writes:
        return {}
    try:
        return _write(gateway, route, entity_type, writes, id_property)
    except Trouble as trouble:
        return _isolate(gateway, route, entity_type, writes, id_property, trouble)


def _write(
    gateway: HubSpotGateway, route: Route, entity_type: str, writes: Sequence[Write], id_property: str | None
) -> BatchOutcome:
    inputs = [
        {"id": w.key, "properties": dict(w.properties), "objectWriteTraceId": w.trace_id}
        | ({"idProperty": id_property} if id_property else {})
        for w in writes
    ]
    try:
        answer: _BatchAnswer = (
            gateway.call(route, answer=_BatchAnswer, path={"type": OBJECT_TYPES[entity_type]}, body={"inputs": inputs})
            or _BatchAnswer()
        )
    except Refused as refused:
        if len(writes) == 1 or refused.problem.status not in _SPLIT:
            return {w.trace_id: Written("failed", problem=refused.problem) for w in writes}
        return _halves(gateway, route, entity_type, writes, id_property)

    outcome: BatchOutcome = {}
    by_trace = {w.trace_id: w.trace_id for w in writes}
    by_key = {w.key: w.trace_id for w in writes}
    for result in answer.results:
        own_key = result.properties.get(id_property) if id_property else result.id
        trace = by_trace.get(result.objectWriteTraceId or "") or by_key.get(own_key or "")
        if trace:
            outcome[trace] = Written("done", hubspot_id=result.id, new=result.new, properties=result.properties)
    nobodys: list[Problem] = []
    for error in answer.errors:
        found = problem(error, 207)
        traces = [by_trace[t] for t in found.trace_ids if t in by_trace] or [
            by_key[i] for i in found.ids if i in by_key
        ]
        for trace in traces:
            outcome[trace] = Written("failed", problem=found)
        if not traces:
            nobodys.append(found)

    left = [w for w in writes if w.trace_id not in outcome]
    if left and nobodys:
        # An error that names no record: alone it can only be this one's, else send again what is left, apart.
        if len(writes) == 1:
            outcome[left[0].trace_id] = Written("failed", problem=nobodys[0])
        else:
            outcome |= _halves(gateway, route, entity_type, left, id_property)
        return outcome
    return outcome | {w.trace_id: MISSING for w in left}


def _isolate(
    gateway: HubSpotGateway,
    route: Route,
    entity_type: str,
    writes: Sequence[Write],
    id_property: str | None,
    trouble: Trouble,
) -> BatchOutcome:
    """Find the one record that makes HubSpot stumble (5xx). When both halves do, it is HubSpot itself: give up."""
    if len(writes) == 1:
        raise trouble
    outcome: BatchOutcome = {}
    stumbling: list[tuple[Sequence[Write], Trouble]] = []
    middle = (len(writes) + 1) // 2
    for half in (writes[:middle], writes[middle:]):
        try:
            outcome |= _write(gateway, route, entity_type, half, id_property)
        except Trouble as raised:
            stumbling.append((half, raised))
    if len(stumbling) == 2:
        raise trouble
    for half, again in stumbling:
        if len(half) == 1:
            outcome[half[0].trace_id] = Written("failed", problem=Problem(again.status, ""))
        else:
            outcome |= _isolate(gateway, route, entity_type, half, id_property, again)
    return outcome


def _halves(
    gateway: HubSpotGateway, route: Route, entity_type: str, writes: Sequence[Write], id_property: str | None
) -> BatchOutcome:
    middle = (len(writes) + 1) // 2
    outcome = _write(gateway, route, entity_type, writes[:middle], id_property)
    if writes[middle:]:
        outcome |= _write(gateway, route, entity_type, writes[middle:], id_property)
    return outcome


def _check_batch(keys: Sequence[str]) -> None:
    if len(keys) > BATCH:
        raise ValueError(f"a batch holds at most {BATCH} records, not {len(keys)}")
    if len(set(keys)) != len(keys):
        raise ValueError("a batch must not hold a record twice: HubSpot refuses it as a whole")
