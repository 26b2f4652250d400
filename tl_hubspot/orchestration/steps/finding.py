"""Which run a person means: its id, the beginning of its id, or `latest`."""

from __future__ import annotations

from typing import Any

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.warehouse.store import Warehouse

LATEST = "latest"
_MEND = "Copy the id from `tl-hubspot runs`, its first characters are enough; or write latest"


def find(warehouse: Warehouse, wanted: str, *, pushed: bool = False) -> dict[str, Any]:
    """The row of `sync.runs`. ConfigurationError when no run, or more than one, is meant.

    `pushed`: `latest` means the latest run that wrote to HubSpot by a plan (sync or approve).
    """
    if wanted.lower() == LATEST:
        wrote = (
            "where command in ('sync', 'approve')"
            " and exists (select 1 from sync.journal j where j.run_id = r.run_id and j.state = 'done')"
        )
        found = warehouse.read(f"from sync.runs r {wrote if pushed else ''} order by started_at desc limit 1")
    else:
        found = warehouse.read("from sync.runs where starts_with(run_id, ?) limit 2", [wanted.lower()])
    if found.is_empty():
        what = f"No run has an id that begins with {wanted}" if wanted.lower() != LATEST else "There is no such run yet"
        raise ConfigurationError(what, where=str(warehouse.path.parent), mend=_MEND)
    if found.height > 1:
        raise ConfigurationError(f"Several runs have an id that begins with {wanted}", mend="Write more of the id")
    return found.row(0, named=True)
