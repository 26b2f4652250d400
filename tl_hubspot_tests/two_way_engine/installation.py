"""One installation beside a local HubSpot and Crmoffice, and people who edit there; a cycle is `crmoffice sync`.

`Portals` is the world of the planner's tests with real systems in it, so that the same promises can be asked of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from tl_hubspot.config import settings as configuration
from tl_hubspot.config.two_way import load
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps.two_way import cycle, memory
from tl_hubspot.orchestration.steps.two_way.cycle import Cycle
from tl_hubspot.sandbox.crmoffice import CrmofficeSandbox
from tl_hubspot.sandbox.crmoffice.values import canonical
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.two_way.frames import Memory
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.two_way.engine import Did
from tl_hubspot_tests.two_way.world import FIELDS, KINDS, OTHER, SIDES, Person, Server, World, as_sent

FLOW = load()[0]
THEIRS = dict(zip(FIELDS, ("givenName", "familyName", "mobilePhone", "directPhone"), strict=True))


@dataclass
class Installation:
    """The product with a data folder of its own."""

    systems: LocalSystems
    data: Path
    more: dict[str, str] = field(default_factory=dict)

    @property
    def crmoffice(self) -> CrmofficeSandbox:
        assert self.systems.crmoffice is not None
        return self.systems.crmoffice

    @property
    def environment(self) -> dict[str, str]:
        limits = {"TL_HUBSPOT_CRMOFFICE__RATE_LIMIT": "100000", "HUBSPOT_RATE_LIMIT": "100000"}
        return {**self.systems.environment(), **limits, "TL_HUBSPOT_DATA": str(self.data), **self.more}

    def flows(self, change: Callable[[str], str]) -> None:
        """The shipped file of flows with a change."""
        shipped = (Path(configuration.__file__).parent / "two_way.yaml").read_text(encoding="utf-8")
        changed = change(shipped)
        assert changed != shipped
        path = self.data / "flows.yaml"
        path.write_text(changed, encoding="utf-8")
        self.more["TL_HUBSPOT_TWO_WAY__FLOWS"] = str(path)

    def platform(self, **options: Any) -> Platform:
        settings = configuration.load(self.environment, directory=self.data)
        platform = Platform(settings, RunOptions(command="crmoffice", **options))
        platform.__dict__["warehouse"] = self.warehouse
        platform.clock = self.systems.clock.now
        platform.sleep = lambda seconds: time.sleep(min(seconds, 0.05))
        return platform

    def cycle(self, *, writes: bool = True, full: bool = False) -> Cycle:
        """One cycle of the contacts' flow."""
        platform = self.platform()
        try:
            return (cycle.sync if writes else cycle.plan)(platform, full=full)[0]
        finally:
            platform.close()

    def approve(self, digest: str) -> Cycle:
        """`tl-hubspot approve DIGEST`."""
        platform = self.platform(approved=digest)
        try:
            return cycle.approve(platform)[0]
        finally:
            platform.close()

    @cached_property
    def warehouse(self) -> Warehouse:
        """The working database; one for all cycles, which begin sooner so."""
        return Warehouse(self.data / "tl_hubspot.duckdb")

    def read(self, query: str) -> pl.DataFrame:
        return self.warehouse.read(query)

    def person(self, side: str = "ab", **values: str) -> tuple[str, str]:
        """The same person in both systems, or in one ("" for the other); returns the ids."""
        shown = {"firstname": "Ann", "lastname": "Maes", "mobilephone": "+47 91234567", "phone": "", **values}
        a = self.systems.hubspot.create("contacts", {k: v for k, v in shown.items() if v})["id"] if "a" in side else ""
        theirs = {THEIRS[k]: v or None for k, v in shown.items()}
        return a, self.crmoffice.add(**theirs) if "b" in side else ""

    def hubspot(self, record: str) -> dict[str, str]:
        properties = self.systems.hubspot.get("contacts", record)["properties"]
        return {name: properties.get(name) or "" for name in FIELDS}

    def crm(self, record: str) -> dict[str, str]:
        found = self.crmoffice.get(record)
        return {name: found[theirs] or "" for name, theirs in THEIRS.items()}

    def edit(self, side: str, record: str, **values: str) -> None:
        """Somebody types."""
        self.systems.clock.advance(1)
        if side == "a":
            self.systems.hubspot.patch("contacts", record, values)
        else:
            self.crmoffice.update(record, **{THEIRS[name]: value or None for name, value in values.items()})
        self.systems.clock.advance(1)

    def written(self) -> list[tuple[str, str]]:
        """Side and record of every change that was sent since `forget` and not refused, once per call."""
        calls: list[tuple[str, str]] = []
        for entry in self.systems.hubspot.log.writes():
            if entry["path"].endswith("/batch/update"):
                body = entry["body"] if isinstance(entry["body"], dict) else json.loads(entry["body"])
                calls += [("a", item["id"]) for item in body["inputs"]]
        for entry in self.crmoffice.log.writes():
            if entry["method"] in ("PATCH", "PUT") and entry["status"] != 422:
                calls.append(("b", entry["path"].rpartition("/")[2]))
        return calls

    def made(self) -> int:
        """Records that were asked for since `forget` and not refused."""
        made = 0
        for entry in self.systems.hubspot.log.writes():
            if entry["path"].endswith("/batch/create") and entry["status"] != 400:
                body = entry["body"] if isinstance(entry["body"], dict) else json.loads(entry["body"])
                made += len(body["inputs"])
        posts = [e for e in self.crmoffice.log.writes() if e["method"] == "POST"]
        return made + sum(1 for entry in posts if entry["status"] != 422)

    def forget(self) -> None:
        """Empty the request logs."""
        self.systems.hubspot.log.clear()
        self.crmoffice.log.clear()


# ---------------------------------------------------------------------- the world of the promises


class _Portal(Server):
    """One real system; `records` is how it stood when somebody looked last."""

    def __init__(self, side: str, installation: Installation) -> None:
        super().__init__(side, self._canonical, 0)
        self.installation = installation

    def _canonical(self, name: str, value: str) -> str:
        switches = self.installation.crmoffice.switches
        if self.side == "b" and THEIRS[name] in switches.canonicalises:
            return canonical(THEIRS[name], value, switches.country_code) or ""
        return as_sent(name, value)

    def refresh(self) -> None:
        one = self.installation
        if self.side == "a":
            found = {r["id"]: one.hubspot(r["id"]) for r in one.systems.hubspot.all("contacts")}
        else:
            found = {r["id"]: one.crm(r["id"]) for r in one.crmoffice.all()}
        self.records = found
        for record in found.keys() - self.owner.keys():
            # keys are only edited once a record is linked, and then its owner is known
            self.owner[record] = int(found[record]["lastname"].strip().removeprefix("Maes"))

    def create(self, values: dict[str, str], owner: int, at: datetime, *, ours: bool) -> str:
        new = "".join(self.installation.person(self.side, **values))
        self.owner[new] = owner
        self.records[new] = {name: values.get(name) or "" for name in FIELDS}
        return new

    def write(self, record: str, values: dict[str, str], at: datetime, *, ours: bool) -> dict[str, str]:
        self.installation.edit(self.side, record, **values)
        one = self.installation
        self.records[record] = one.hubspot(record) if self.side == "a" else one.crm(record)
        return self.records[record]


class Portals(World):
    """People in both systems; the clock is the systems'."""

    def __init__(self, seed: int, people: int, installation: Installation) -> None:
        self.installation = installation
        self.rng = Random(seed)
        self.servers = {side: _Portal(side, installation) for side in SIDES}
        self.people = [Person(n, self.rng.choice(KINDS)) for n in range(people)]
        self.typed = 0
        self.linked, self.agreed = set(), set()
        for person in self.people:
            self._born(person)

    @property  # type: ignore[override]
    def clock(self) -> datetime:
        return self.installation.systems.clock.now()

    def tick(self, seconds: float = 1) -> datetime:
        self.installation.systems.clock.advance(seconds)
        return self.clock

    def delete(self, person: Person, rng: Random) -> None:
        before = {side: dict(self.servers[side].records) for side in SIDES}
        super().delete(person, rng)
        for record in before["a"].keys() - self.servers["a"].records.keys():
            self.installation.systems.hubspot.archive("contacts", record)
        for record in before["b"].keys() - self.servers["b"].records.keys():
            self.installation.crmoffice.delete(record)

    def type(self, person: Person, side: str, record: str, name: str, value: str) -> None:
        """A PUT rewrites also what it passes through: there people write as Crmoffice does."""
        passes = side == "b" and self.installation.crmoffice.switches.write == "put_full"
        super().type(person, side, record, name, self.servers[side].canonical(name, value) if passes else value)

    def refresh(self) -> None:
        for server in self.servers.values():
            server.refresh()  # type: ignore[attr-defined]


@dataclass
class HttpEngine:
    """The product as the promises look at an engine."""

    world: Portals
    memory: Memory = field(default_factory=Memory)
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    calm: bool = True
    before_calls: Callable[[], None] = lambda: None

    def cycle(self, rng: Random) -> Did:
        one = self.world.installation
        self.world.tick(300)
        self.before_calls()
        one.forget()
        try:
            made = one.cycle()
            assert made.status != "held", made.plan.stops
            calls = one.written()
            waits = made.plan.held.filter(~pl.col("reason").is_in(["conflict", "writing_off"])).height
            refused = made.counts.get("failed", 0) + made.counts.get("waiting", 0) + waits
            return Did(made.plan, calls if self.calm else sorted(set(calls)), one.made(), refused)
        finally:
            self.look()

    def look(self) -> None:
        """What the product remembers now, and how both systems stand."""
        one = self.world.installation
        self.conflicts = one.read("two_way.conflicts").to_dicts()
        self.memory = memory.load(one.warehouse, FLOW)
        ids = self.memory.links.select("link_id", "a_id", "b_id")
        self.world.linked = {(side, i) for side in SIDES for i in ids[f"{side}_id"]}
        known = one.read("two_way.shadows").join(ids, on="link_id").select("a_id", "b_id", "field")
        self.world.agreed = {(side, i, f) for *pair, f in known.rows() for side, i in zip(SIDES, pair, strict=True)}
        for side in SIDES:
            owner, others = self.world.servers[side].owner, self.world.servers[OTHER[side]].owner
            for row in ids.iter_rows(named=True):
                if row[f"{OTHER[side]}_id"] in others:
                    owner.setdefault(row[f"{side}_id"], others[row[f"{OTHER[side]}_id"]])
        self.world.refresh()
