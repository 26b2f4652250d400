"""Reading only the records that webhook events name, instead of everything that changed. Moves no watermark.

What events name is computed in `teamleader.webhooks`; storing is the business of `extract` and `links`. What such a
run misses, the next ordinary one reads: it starts where the last ordinary one ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.errors import BadAnswer
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import extract
from tl_hubspot.orchestration.steps import links as all_links
from tl_hubspot.teamleader.client import TeamleaderClient
from tl_hubspot.teamleader.endpoints import PAGE_SIZE
from tl_hubspot.teamleader.extraction import Batch, Record, Stream

# what a list of contacts or companies without a status holds is not documented
_STATUSES: list[dict[str, Any]] = [{"status": "active"}, {"status": "deactivated"}]
_FILTERS: dict[Stream, list[dict[str, Any]]] = {"contacts": _STATUSES, "companies": _STATUSES, "deals": [{}]}
_COUNTS = ("read", "new", "changed", "unchanged", "deleted", "unreadable_dates")


class _Head(msgspec.Struct):
    id: str


def records(platform: Platform, run: Run, stream: Stream) -> dict[str, int]:
    """The named records of `stream`; with deals also the contacts and companies of theirs that nobody has read yet.

    A known record that its list does not show is asked for by id: only 404 is a deletion. Returns the counts of
    `extract.records`, and how many were named.
    """
    assert run.named is not None
    ids = run.named.records[stream]
    counts = dict.fromkeys(_COUNTS, 0)
    seen = _read(platform, run, stream, ids, counts)
    known = platform.warehouse.read(f"select id from teamleader.{stream} where deleted_at is null")["id"]
    counts["deleted"] = extract.mark_deleted(platform, run, stream, (ids - seen) & set(known))
    if stream == "deals":
        of_deals = f"from teamleader.deals where _run_id = '{run.run_id}'"
        _complete(platform, run, "contacts", f"select contact_person_id as id {of_deals}", counts)
        customers = f"select customer_id as id {of_deals} and customer_type ="
        _complete(platform, run, "contacts", f"{customers} 'contact'", counts)
        _complete(platform, run, "companies", f"{customers} 'company'", counts)
    return counts | {"named": len(ids)}


def links(platform: Platform, run: Run) -> dict[str, int]:
    """Links of the named contacts and companies, and the records at their other end that nobody has read yet."""
    counts = all_links.links(platform, run)
    of_links = f"from teamleader.contact_company_links where _run_id = '{run.run_id}'"
    stored = dict.fromkeys(_COUNTS, 0)
    _complete(platform, run, "contacts", f"select contact_id as id {of_links}", stored)
    _complete(platform, run, "companies", f"select company_id as id {of_links}", stored)
    return counts | {"also_read": stored["read"]}


def _complete(platform: Platform, run: Run, stream: Stream, wanted: str, counts: dict[str, int]) -> None:
    """Read the records among `wanted` (a query of ids) that the table lacks: their own event was lost or is late."""
    query = (
        f"select distinct id from ({wanted}) where id is not null and id not in (select id from teamleader.{stream})"
    )
    _read(platform, run, stream, platform.warehouse.read(query)["id"].to_list(), counts)


def _read(platform: Platform, run: Run, stream: Stream, ids: Collection[str], counts: dict[str, int]) -> set[str]:
    """Read and store records by id; returns the ids that their list shows."""
    seen: set[str] = set()
    for batch in _by_id(platform.teamleader, stream, ids):
        with platform.warehouse.transaction() as con:
            extract.store(con, platform, run, extract.receive(batch), counts)
        seen.update(record.id for record in batch.records if record.id is not None)
        platform.progress(stream, len(seen), len(ids))
    return seen


def _by_id(client: TeamleaderClient, stream: Stream, ids: Collection[str]) -> Iterator[Batch]:
    wanted = sorted(ids)
    for start in range(0, len(wanted), PAGE_SIZE):
        some = wanted[start : start + PAGE_SIZE]
        for status in _FILTERS[stream]:
            answer = client.call(
                f"{stream}.list",
                {
                    "filter": {"ids": some, **status},
                    "includes": "custom_fields",
                    "page": {"size": PAGE_SIZE, "number": 1},
                },
            )
            try:
                rows = decoding.decode(answer.data, type=list[msgspec.Raw])
                found = {decoding.decode(row, type=_Head).id: bytes(row) for row in rows}
            except msgspec.MsgspecError:
                raise BadAnswer("Teamleader's list holds something that is not a record", where=stream) from None
            if found.keys() - some:
                raise BadAnswer("Teamleader ignores the filter `ids`", where=f"{stream}.list")
            yield Batch(stream, [Record(id, payload) for id, payload in found.items()], answer.server_time)
