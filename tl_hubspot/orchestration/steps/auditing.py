"""The audit: linked records read back by id, with everything that the sync confirmed about them; writes nothing.

What counts as drift is decided in `planning.audit`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from tl_hubspot import decoding
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.hubspot import mirror
from tl_hubspot.hubspot.associations import READ_BATCH
from tl_hubspot.hubspot.mirror import Wanted
from tl_hubspot.orchestration.run import ENTITIES, Platform
from tl_hubspot.orchestration.steps import deciding, preflight
from tl_hubspot.orchestration.steps.mirroring import TABLES
from tl_hubspot.planning import audit as compare
from tl_hubspot.planning.desired import writable_rules
from tl_hubspot.planning.preflight import effective
from tl_hubspot.planning.relations import PAIR, follow
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.warehouse.rows import frame_of

_OPEN = "select distinct entity_type, hubspot_id from sync.journal where state = 'intended'"
_UNDONE = """
select entity_type, hubspot_id, action, fields from sync.journal
where state = 'done' and run_id in (select run_id from sync.runs where command = 'undo') order by intended_at
"""


def audit(platform: Platform, *, size: int | None, seed: int, values: bool) -> dict[str, Any]:
    """Drift of all linked records, or of `size` of each kind; the answer is ready for JSON.

    `values`: tell what was written and what is there, not only where. Raises ConfigurationError when nothing was
    synchronised yet, AnotherRun while a run is going on, and whatever keeps HubSpot from being read.
    """
    platform.settings.require_hubspot()
    if not platform.warehouse.exists():
        raise ConfigurationError(
            "Nothing was synchronised yet",
            where=str(platform.settings.data),
            mend="Run `tl-hubspot sync` first, or set TL_HUBSPOT_DATA to the folder of an earlier run",
        )
    try:
        platform.take_lock()
        looked_at, unsettled, drift = _Audit(platform, size, seed).look()
    finally:
        platform.close()
    counts = Counter(drift.select("entity_type", "field", "kind").iter_rows())
    shown = list(compare.DRIFT) if values else [c for c in compare.DRIFT if c not in ("written", "now")]
    return {
        "looked_at": looked_at,
        "sample": size,
        "seed": None if size is None else seed,
        "unsettled": unsettled,
        "drift_count": drift.height,
        "counts": [
            {"entity_type": e, "field": f, "kind": k, "count": n}
            for (e, f, k), n in sorted(counts.items(), key=lambda c: (-c[1], str(c[0])))
        ],
        "drift": drift.select(shown).to_dicts(),
    }


class _Audit:
    def __init__(self, platform: Platform, size: int | None, seed: int) -> None:
        self.platform, self.size, self.seed = platform, size, seed
        self.gateway, self.read = platform.hubspot, platform.warehouse.read
        properties = preflight.properties(platform)
        self.portal = Portal(
            properties=properties,
            owners=pl.DataFrame(),
            currencies=pl.DataFrame(),
            stages=deciding.deal_stages(platform),
        )
        self.mapping = effective(platform.mapping, properties)
        links = self.read("select entity_type, teamleader_id, hubspot_id from sync.links")
        waiting = self.read(_OPEN)
        # What an interrupted run was writing is settled by the next one; until then nobody knows what should be there.
        self.links = links.join(waiting, on=["entity_type", "hubspot_id"], how="anti")
        self.unsettled = links.height - self.links.height
        self.chosen: dict[str, pl.DataFrame] = {}
        self.found: dict[str, pl.DataFrame] = {}
        self.states: dict[str, dict[str, str]] = {}

    def look(self) -> tuple[dict[str, int], int, pl.DataFrame]:
        """(records looked at per kind, records left out because a run was interrupted, drift)."""
        parts = [part for entity_type in ENTITIES for part in self._records(entity_type)]
        parts += [self._associations(), *self._contacts()]
        drift = pl.concat([pl.DataFrame(schema=compare.DRIFT), *parts])
        addresses = set(self.read("select hubspot_id, address from sync.undone_addresses").iter_rows())
        drift = compare.with_undone(drift, self._undone(), addresses)
        return {e: self.chosen[e].height for e in ENTITIES}, self.unsettled, drift

    def _records(self, entity_type: str) -> list[pl.DataFrame]:
        own = self.links.filter(pl.col("entity_type") == entity_type)
        ids = compare.sample(own["hubspot_id"].to_list(), self.size, self.seed)
        links = own.filter(pl.col("hubspot_id").is_in(ids))
        rules = writable_rules(entity_type, self.mapping, self.portal)
        wanted = self._wanted(entity_type, [rule.property for rule in rules])
        rows = mirror.look_up(self.gateway, wanted, ids).rows
        found = frame_of(TABLES[entity_type], rows)
        self.chosen[entity_type], self.found[entity_type] = links, found
        self.states[entity_type] = compare.states(ids, found)
        self.platform.progress(f"HubSpot {entity_type} records", len(ids), len(ids))
        shadows = self.read("select * from sync.shadows where entity_type = ?", [entity_type])
        confirmed = links.join(shadows.select("teamleader_id", "fields", "written"), on="teamleader_id")
        there = {r.property: self.portal.property_type(entity_type, r.property) for r in rules}
        types = {name: type_ for name, type_ in there.items() if type_ is not None}
        return [
            compare.records(entity_type, links, self.states[entity_type]),
            compare.fields(entity_type, confirmed, found, rules, types, self.portal.stages.symbols),
        ]

    def _wanted(self, entity_type: str, properties: list[str]) -> Wanted:
        vat = self.platform.mapping.property_for("company", "vat_number") or "vat_number"
        return Wanted(entity_type, tuple(properties), vat)

    def _associations(self) -> pl.DataFrame:
        remembered = follow(self.read("sync.relations"), self.found).filter(pl.col("origin") == "made")

        def there(side: str) -> pl.Expr:
            # of a record that was not looked at nothing is known: only the association itself tells
            known = {f"{e}:{i}": s == compare.ACTIVE for e in ENTITIES for i, s in self.states[e].items()}
            key = pl.concat_str(f"{side}_type", pl.lit(":"), f"{side}_id")
            return key.replace_strict(known, default=side == "to", return_dtype=pl.Boolean)

        remembered = remembered.filter(there("from") & there("to"))
        existing = [pl.DataFrame(schema=dict.fromkeys(PAIR, pl.String))]
        for (from_type, to_type), part in remembered.partition_by("from_type", "to_type", as_dict=True).items():
            ids = part["from_id"].unique().sort().to_list()
            for start in range(0, len(ids), READ_BATCH):
                chunk = ids[start : start + READ_BATCH]
                for rows in mirror.read_associations(self.gateway, str(from_type), str(to_type), chunk):
                    existing.append(pl.DataFrame(rows, infer_schema_length=None).select(PAIR) if rows else existing[0])
        return compare.associations(remembered, pl.concat(existing), self.links)

    def _contacts(self) -> list[pl.DataFrame]:
        found, links = self.found["contact"], self.chosen["contact"]
        opt_outs = self.read("sync.opt_outs")
        if self.size is None:
            # unsubscribed people that are nobody's link count too
            known = set(found["email"].drop_nulls())
            others = {a for a in opt_outs["unsubscribed"].explode().drop_nulls() if a not in known}
            rows = mirror.read_by_key(self.gateway, self._wanted("contact", []), sorted(others), "email")
            found = pl.concat([found, frame_of(TABLES["contact"], rows)]).unique(
                "id", keep="first", maintain_order=True
            )
        requests = self.read("sync.marketing_requests").join(links, on=["teamleader_id", "hubspot_id"], how="semi")
        return [compare.subscribed_again(opt_outs, found, self.links), compare.not_marketing(requests, found)]

    def _undone(self) -> compare.Undone:
        """What undos wrote, the last of each."""
        undone: dict[tuple[str, str, str], str] = {}
        for row in self.read(_UNDONE).iter_rows(named=True):
            if row["action"] == "archive":
                undone[row["entity_type"], row["hubspot_id"], "archived"] = ""
            for name, image in decoding.decode(row["fields"] or "{}").items():
                if row["entity_type"] == "relation" and row["action"] == "disassociate":
                    (from_type, from_id), (to_type, _) = (end.split(":") for end in image["before"].split(">"))
                    undone[from_type, from_id, to_type] = ""
                elif row["entity_type"] != "relation":
                    undone[row["entity_type"], row["hubspot_id"], name] = image["after"] or ""
        return undone
