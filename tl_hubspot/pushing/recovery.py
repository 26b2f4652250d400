"""Settle what a crash left open: read HubSpot back and decide for every open intent whether it was carried out.

Nothing is written to HubSpot here. What was not carried out is simply planned again, because nothing was remembered
of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import msgspec

from tl_hubspot.hubspot.associations import READ_BATCH, read_associations
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import BATCH, batch_read
from tl_hubspot.pushing.change import same_value
from tl_hubspot.pushing.ledger import Ledger, Row
from tl_hubspot.pushing.records import KEY
from tl_hubspot.pushing.relations import association_of
from tl_hubspot.pushing.work import chunked

NOT_CARRIED_OUT = "interrupted and not carried out"


def settle_open(
    gateway: HubSpotGateway,
    ledger: Ledger,
    open_intents: Sequence[Row],
    run_id: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Settle rows of `sync.journal` whose state is `intended`; returns how many were carried out after all.

    A created record that is found gets its link. Shadows are not advanced: the next plan finds the values equal in
    HubSpot and only remembers them.
    """
    done = 0
    for intent, hubspot_id, carried_out in _looked_up(gateway, open_intents):
        done += carried_out
        with ledger.together():
            if carried_out and intent["action"] == "create" and hubspot_id:
                link = {name: intent[name] for name in ("entity_type", "teamleader_id")}
                ledger.link([link | {"hubspot_id": hubspot_id, "first_run": intent["run_id"], "last_run": run_id}])
            ledger.settle(
                [
                    {
                        "call_id": intent["call_id"],
                        "trace_id": intent["trace_id"],
                        "hubspot_id": hubspot_id,
                        "state": "done" if carried_out else "failed",
                        "message": None if carried_out else NOT_CARRIED_OUT,
                        "settled_at": now(),
                    }
                ]
            )
    return done


def images(intent: Row) -> dict[str, dict[str, Any]]:
    """The journal's `fields` of one row: property → {"before", "after"}."""
    decoded: dict[str, dict[str, Any]] = msgspec.json.decode(intent["fields"] or "{}")
    return decoded


def _looked_up(gateway: HubSpotGateway, intents: Sequence[Row]) -> Iterator[tuple[Row, str | None, bool]]:
    def kind(intent: Row) -> tuple[str, bool]:
        return intent["entity_type"], intent["action"] == "create"

    for (entity_type, created), group in groupby(sorted(intents, key=kind), key=kind):
        if entity_type == "relation":
            yield from _relations(gateway, list(group))
            continue
        for chunk in chunked(list(group), BATCH):
            yield from _records(gateway, entity_type, chunk, by_key=created)


def _records(
    gateway: HubSpotGateway, entity_type: str, intents: Sequence[Row], *, by_key: bool
) -> Iterator[tuple[Row, str | None, bool]]:
    column = "teamleader_id" if by_key else "hubspot_id"
    keys = list(dict.fromkeys(i[column] for i in intents if i[column]))
    names = list(dict.fromkeys([KEY, *(name for i in intents for name in images(i))]))
    found = batch_read(gateway, entity_type, keys, names, id_property=KEY if by_key else None)
    records = {(r.properties.get(KEY) if by_key else r.id): r for r in found}
    for intent in intents:
        record = records.get(intent[column])
        wanted = {name: image["after"] for name, image in images(intent).items()}
        same = record is not None and all(same_value(v, record.properties.get(n)) for n, v in wanted.items())
        if intent["action"] == "archive":
            yield intent, intent["hubspot_id"], record is None
        else:
            # A record that carries the key was created by that call, whatever a person has edited since.
            yield intent, record.id if record else intent["hubspot_id"], record is not None if by_key else same


def _relations(gateway: HubSpotGateway, intents: Sequence[Row]) -> Iterator[tuple[Row, str | None, bool]]:
    wanted: dict[tuple[str, str], list[tuple[Row, tuple[str, str], bool]]] = {}
    for intent in intents:
        image = images(intent)["association"]
        from_type, to_type, pair = association_of(image["after"] or image["before"])
        wanted.setdefault((from_type, to_type), []).append((intent, pair, image["after"] is not None))
    for (from_type, to_type), entries in wanted.items():
        existing: set[tuple[str, str]] = set()
        for ids in chunked(list(dict.fromkeys(pair[0] for _, pair, _ in entries)), READ_BATCH):
            for part in read_associations(gateway, from_type, to_type, ids):
                existing |= {(a.from_id, a.to_id) for a in part}
        for intent, pair, should_exist in entries:
            yield intent, None, (pair in existing) == should_exist
