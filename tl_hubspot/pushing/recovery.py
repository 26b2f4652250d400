"""Settle what a crash left open: read HubSpot back, say of every open intent what became of it, remember what stands.

Nothing is written to HubSpot here. What was not carried out is simply planned again, because nothing was remembered
of it; what was is remembered as the push would have done, so that it is never sent twice. A field that holds neither
what it held nor what was to be written was changed by somebody else: that value stays, and it is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal

from tl_hubspot import decoding
from tl_hubspot.hubspot.associations import READ_BATCH, read_associations
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.marketing import MarketingOutcome, asked_before
from tl_hubspot.hubspot.mirror import split
from tl_hubspot.hubspot.objects import BATCH, batch_read
from tl_hubspot.hubspot.subscriptions import Subscriptions
from tl_hubspot.pushing import addresses, marketing, opt_outs, relations
from tl_hubspot.pushing.change import EMAIL, SECONDARY_EMAILS, Change, same_value
from tl_hubspot.pushing.ledger import Ledger, Row
from tl_hubspot.pushing.records import KEY, to_remember
from tl_hubspot.pushing.wire import SYMBOL, SYMBOLIC
from tl_hubspot.pushing.work import PushSettings, Work, chunked

NOT_CARRIED_OUT = "interrupted and not carried out"
CARRIED_OUT = "interrupted after it was carried out"
CHANGED = "interrupted, and somebody else has changed it since"
NOTICE = "changed_while_interrupted"

State = Literal["done", "failed", "changed"]


@dataclass
class Recovered:
    """How many open intents had been carried out, had not, and were overtaken by somebody else; `notices` of those."""

    done: int = 0
    failed: int = 0
    changed: int = 0
    notices: list[Row] = field(default_factory=list)


@dataclass
class _Finding:
    """What became of one open intent, and the rows that remember it, by method of the ledger."""

    intent: Row
    change: Change
    is_planned: bool
    """Not of an undo, which changes nothing that is remembered."""
    state: State = "failed"
    hubspot_id: str | None = None
    fields: list[str] = field(default_factory=list)
    """Those that somebody else changed."""
    remember: dict[str, list[Row]] = field(default_factory=dict)


def settle_open(
    gateway: HubSpotGateway,
    ledger: Ledger,
    open_intents: Sequence[Row],
    plan: Iterable[Change],
    run_id: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Recovered:
    """Settle rows of `sync.journal` whose state is `intended`. `plan`: the changes that they were to carry out; of an
    intent without one (an undo) only the outcome is settled."""
    work = Work(gateway, ledger, PushSettings(run_id=run_id, now=now), None)
    planned = {(c.key, c.action): c for c in plan}
    recovered = Recovered()
    for findings in _found(work, open_intents, planned):
        settled, logged = [], []
        remember: dict[str, list[Row]] = {}
        for finding in findings:
            change, hubspot_id, state = finding.change, finding.hubspot_id, finding.state
            setattr(recovered, state, getattr(recovered, state) + 1)
            message = {"done": CARRIED_OUT, "failed": NOT_CARRIED_OUT, "changed": CHANGED}[state]
            if state == "changed":
                message = f"{message}: {', '.join(finding.fields)}"
                work.notice(NOTICE, change, hubspot_id, f"{message}; that value stays until Teamleader changes it")
            settlement = work.settlement(finding.intent, hubspot_id=hubspot_id)
            settled.append(settlement | {"state": state, "message": message})
            if state != "failed":
                level = "info" if state == "done" else "warning"
                logged.append(work.log_row(change, hubspot_id, level=level, message=message))
            for method, rows in finding.remember.items():
                remember.setdefault(method, []).extend(rows)
        with ledger.together():
            ledger.settle(settled)
            for method, rows in remember.items():
                getattr(ledger, method)(rows)
            ledger.log(logged)
    recovered.notices = work.notices
    return recovered


def images(intent: Row) -> dict[str, dict[str, Any]]:
    """The journal's `fields` of one row: property → {"before", "after"}."""
    decoded: dict[str, dict[str, Any]] = decoding.decode(intent["fields"] or "{}")
    return decoded


# --- reading back, a kind of call at a time --------------------------------------------------------------------------

Planned = Mapping[tuple[tuple[str, str], str], Change]


def _found(work: Work, intents: Sequence[Row], planned: Planned) -> Iterator[list[_Finding]]:
    readers = {
        "relation": _relations,
        "unsubscribe": _opt_outs,
        "marketing": _marketing,
        "create": _creates,
        "addresses": _addresses,
        "update": _updates,
        "archive": _archived,
    }

    def kind(intent: Row) -> tuple[str, str, str]:
        action = "relation" if intent["entity_type"] == "relation" else intent["action"]
        if action not in readers:  # mark_deleted writes fields too
            action = "update"
        if action == "update" and (intent["trace_id"] == addresses.VACATE or SECONDARY_EMAILS in images(intent)):
            action = "addresses"
        # an import is one call for all
        return intent["entity_type"], action, intent["call_id"] if action == "marketing" else ""

    for (_, action, _), group in groupby(sorted(intents, key=kind), key=kind):
        rows = list(group)
        for part in [rows] if action in ("marketing", "relation") else chunked(rows, BATCH):
            findings = [_finding(i, planned) for i in part]
            readers[action](work, findings)
            yield findings


def _finding(intent: Row, planned: Planned) -> _Finding:
    """Not carried out, until HubSpot says otherwise."""
    key = intent["entity_type"], intent["teamleader_id"]
    change = planned.get((key, intent["action"]))
    unknown = Change(*key, intent["hubspot_id"], intent["action"], None)
    return _Finding(intent, change or unknown, change is not None, hubspot_id=intent["hubspot_id"])


def _creates(work: Work, findings: Sequence[_Finding]) -> None:
    """A record that carries the key was created by that call, whatever a person has edited since."""
    records = _read(work, findings, "teamleader_id", id_property=KEY)
    for finding in findings:
        record = records.get(finding.intent["teamleader_id"])
        if record is not None:
            finding.state, finding.hubspot_id = "done", record[_ID]
            sent = {name: image["after"] for name, image in images(finding.intent).items()}
            _remember(work, finding, sent, sent)


def _updates(work: Work, findings: Sequence[_Finding]) -> None:
    records = _read(work, findings, "hubspot_id")
    for finding in findings:
        record = records.get(finding.hubspot_id)
        if record is None:
            continue
        told = images(finding.intent)
        written = {n: i["after"] for n, i in told.items() if same_value(i["after"], record.get(n))}
        as_before = {n for n, i in told.items() if same_value(i["before"], record.get(n))}
        waiting = as_before - written.keys()
        if len(written) == len(told):
            finding.state = "done"
        elif len(as_before) < len(told):
            finding.state = "changed"
            # all fields of a record are written at once: when some are as before, somebody set these back
            finding.fields = sorted(told.keys() - written.keys() - as_before) or sorted(waiting)
        if finding.state != "failed":
            _remember(work, finding, {n: i["after"] for n, i in told.items() if n not in waiting}, written)


def _archived(work: Work, findings: Sequence[_Finding]) -> None:
    """An undo archives what its run created: HubSpot does not give archived records by id."""
    records = _read(work, findings, "hubspot_id")
    for finding in findings:
        if finding.hubspot_id not in records:
            finding.state = "done"


def _remember(work: Work, finding: _Finding, seen: Mapping[str, str], written: Mapping[str, str]) -> None:
    """What the push would have remembered: of the fields sent those in `seen`, `written` as the sync's own."""
    change, intent = finding.change, finding.intent
    if finding.state == "done" and finding.hubspot_id and (finding.is_planned or intent["action"] == "create"):
        link = work.link_row(change, finding.hubspot_id)
        finding.remember["link"] = [link | {"first_run": intent["run_id"]}]
    sent = {name: image["after"] for name, image in images(intent).items()}
    symbols = {change.fields[n]: sent[n] for n in SYMBOLIC if change.fields.get(n, "").startswith(SYMBOL) and n in sent}
    shadow = to_remember(change, written, symbols)
    known = {
        name: value
        for name, value in shadow.items()
        if (name in seen or name not in sent) and not (name in SYMBOLIC and (value or "").startswith(SYMBOL))
    }
    if finding.is_planned and (known or written):
        finding.remember["shadow"] = [work.shadow_row(change, known, written)]


def _addresses(work: Work, findings: Sequence[_Finding]) -> None:
    """Further addresses count one by one: those that others put beside them are nobody's business."""
    records = _read(work, findings, "hubspot_id", EMAIL, SECONDARY_EMAILS)
    for finding in findings:
        record = records.get(finding.hubspot_id)
        if record is None:
            continue
        have = {a.lower() for a in (record.get(EMAIL) or "", *split(record.get(SECONDARY_EMAILS))) if a}
        (image,) = images(finding.intent).values()
        before, after = (set(split(image[side])) for side in ("before", "after"))
        come, go = after - before, before - after
        if come <= have and not go & have:
            finding.state = "done"
            if finding.is_planned and finding.intent["trace_id"] != addresses.VACATE:
                finding.remember["link"] = [work.link_row(finding.change, finding.hubspot_id or "")]
                finding.remember["shadow"] = [addresses.shadow_of(work, finding.change)]
        elif finding.is_planned and come and come <= have:
            # the old one has still to go: the next plan must know that the new one stands for it
            finding.remember["shadow"] = [work.shadow_row(finding.change, {}, {SECONDARY_EMAILS: ";".join(come)})]


def _relations(work: Work, findings: Sequence[_Finding]) -> None:
    wanted: dict[tuple[str, str], list[tuple[_Finding, tuple[str, str], bool]]] = {}
    for finding in findings:
        image = images(finding.intent)["association"]
        from_type, to_type, pair = relations.association_of(image["after"] or image["before"])
        wanted.setdefault((from_type, to_type), []).append((finding, pair, image["after"] is not None))
    for (from_type, to_type), entries in wanted.items():
        existing: set[tuple[str, str]] = set()
        for ids in chunked(list(dict.fromkeys(pair[0] for _, pair, _ in entries)), READ_BATCH):
            for part in read_associations(work.gateway, from_type, to_type, ids):
                existing |= {(a.from_id, a.to_id) for a in part}
        for finding, pair, should_exist in entries:
            if (pair in existing) != should_exist:
                continue
            finding.state = "done"
            row = relations.relation_row(from_type, to_type, pair)
            if not finding.is_planned:
                continue
            if finding.intent["action"] == "associate":
                finding.remember["relation"] = [row | {"origin": "made", "run_id": work.settings.run_id}]
            else:
                finding.remember["forget_relation"] = [row]


def _opt_outs(work: Work, findings: Sequence[_Finding]) -> None:
    wanted = {id(f): opt_outs.addresses_of(f.change) for f in findings}
    gone = Subscriptions(work.gateway).opted_out(sorted(set().union(*wanted.values())))
    for finding in findings:
        left = wanted[id(finding)]
        if left and left <= gone:
            finding.state = "done"
            parts = [finding.change]
        else:
            # one of several: each is known by itself, the others are planned again
            parts = [replace(finding.change, details={"address": a, "addresses": [a]}) for a in sorted(left & gone)]
        finding.remember["opt_out"] = [opt_outs.row(work, part) for part in parts]
        finding.remember["consent"] = [e for part in parts for e in opt_outs.consents(work, part, finding.hubspot_id)]


def _marketing(work: Work, findings: Sequence[_Finding]) -> None:
    intent = findings[0].intent
    ids = [str(f.hubspot_id) for f in findings]
    outcome: MarketingOutcome = asked_before(work.gateway, ids, marketing.name_of(intent["run_id"], intent["call_id"]))
    for finding, hubspot_id in zip(findings, ids, strict=True):
        if hubspot_id in outcome.confirmed or (outcome.asked and hubspot_id not in outcome.errors):
            finding.state = "done"
            finding.remember["marketing_request"] = [marketing.request_row(work, finding.change, hubspot_id, outcome)]
        if hubspot_id in outcome.confirmed:
            event = work.consent_row(finding.change, hubspot_id, "marketing_confirmed", hubspot_marketing=True)
            finding.remember["consent"] = [event]


_ID = "@id"


def _read(
    work: Work, findings: Sequence[_Finding], column: str, *names: str, id_property: str | None = None
) -> dict[str | None, dict[str, str | None]]:
    """What HubSpot's records hold now, by the value of that column of the intents; `_ID`: record id."""
    keys = list(dict.fromkeys(f.intent[column] for f in findings if f.intent[column]))
    wanted = list(dict.fromkeys([KEY, *(names or (name for f in findings for name in images(f.intent)))]))
    entity_type = findings[0].intent["entity_type"]
    found = batch_read(work.gateway, entity_type, keys, wanted, id_property=id_property)
    return {(r.properties.get(KEY) if id_property else r.id): {**r.properties, _ID: r.id} for r in found}
