"""A synchronisation of two in-memory systems that does what the planner, bookkeeping and recovery say, and can be hurt.

Everything that an engine must do around the pure functions, in the order it must do it: intents before calls, look-ups
before deletions, re-reading before writes. `Faults` says what goes wrong in one cycle.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import polars as pl

from tl_hubspot.two_way import bookkeeping, frames, recovery
from tl_hubspot.two_way.clocks import TIMES
from tl_hubspot.two_way.flows import Flow
from tl_hubspot.two_way.frames import Memory, Plan, System
from tl_hubspot.two_way.plan import plan
from tl_hubspot_tests.two_way.world import FIELDS, OTHER, POISON, SIDES, World

TEXTS = dict.fromkeys(("id", *FIELDS), pl.String())


@dataclass(frozen=True)
class Faults:
    """Shares of records that are hit, and the moment at which the process dies."""

    unknown: float = 0
    stale: float = 0
    race: float = 0
    late_race: float = 0
    lost_answer: float = 0
    lost_request: float = 0
    silent: float = 0
    doubled: float = 0
    crash: str = ""
    skewed: bool = False


CRASHES = ("after_plan", "after_intents", "mid_calls", "after_calls")
CALM = Faults()


class Crashed(Exception):
    """The process died."""


@dataclass
class Did:
    """What one cycle did."""

    plan: Plan = field(default_factory=Plan)
    calls: list[tuple[str, str]] = field(default_factory=list)
    made: int = 0
    refused: int = 0


@dataclass
class Engine:
    """State that survives a crash: memory and the conflict log. `without` takes a safety away: see the mutants."""

    world: World
    flow: Flow
    memory: Memory = field(default_factory=Memory)
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    read_at: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    creations_at: datetime | None = None
    polls: list[datetime] = field(default_factory=list)
    without: str = ""
    happened: Counter[str] = field(default_factory=Counter)
    """What went wrong, how often."""

    def _hits(self, what: str, share: float, rng: Random) -> bool:
        hit = rng.random() < share
        self.happened[what] += hit
        return hit

    def _die(self, place: str) -> None:
        self.happened[f"crash {place}"] += 1
        raise Crashed

    # --- reading ---

    def _frame(self, side: str, ids: list[str] | None = None) -> pl.DataFrame:
        records = self.world.servers[side].records
        rows = [{"id": i, **records[i]} for i in (records if ids is None else ids) if i in records]
        return pl.DataFrame(rows, schema=TEXTS)

    def read(self, side: str, rng: Random, faults: Faults) -> System:
        server = self.world.servers[side]
        rows = []
        for record, values in server.records.items():
            before = server.seen.get(record, values)
            shown = before if rng.random() < faults.stale else values
            self.happened["stale"] += shown != values
            row: dict[str, Any] = {"id": record, **shown}
            if self._hits("doubled", faults.doubled, rng):
                rows.append({"id": record, **before})
            # a record that may be the twin of another shows its key: an unknown one cannot be told to be ambiguous
            ambiguous = self.world.people[server.owner[record]].kind == "ambiguous"
            for name in FIELDS:
                if not (ambiguous and name != "phone") and self._hits("unknown", faults.unknown, rng):
                    row[name] = None
            rows.append(row)
        server.seen = {record: dict(values) for record, values in server.records.items()}
        times = pl.DataFrame(schema=TIMES)
        if faults.skewed:
            drawn = [
                {"id": row["id"], "field": name, "at": self.world.clock + timedelta(hours=rng.uniform(-9, 9))}
                for row in rows
                for name in FIELDS
                if rng.random() < 0.5
            ]
            times = pl.DataFrame(drawn, schema=TIMES)
            self.happened["skewed"] += times.height
        previous = self.polls[-2] if len(self.polls) > 1 else None
        records = pl.DataFrame(rows, schema=TEXTS)
        return System(records, poll=self.world.clock, previous_poll=previous, times=times)

    # --- one cycle ---

    def cycle(self, rng: Random, faults: Faults = CALM) -> Did:
        """One cycle; raises Crashed when the faults say so."""
        did = Did()
        self.world.tick(300)
        self.polls.append(self.world.clock)
        self.recover()
        a, b = self.read("a", rng, faults), self.read("b", rng, faults)
        made = plan(a, b, self.memory, self.flow, self.world.clock)
        assert made.stops.is_empty(), made.stops
        if made.suspected.height:
            a, b = self._looked_up(a, "a", made), self._looked_up(b, "b", made)
            made = plan(a, b, self.memory, self.flow, self.world.clock)
        did.plan = made
        self._store(made)
        if faults.crash == "after_plan":
            self._die("after_plan")
        self._race("race", rng, faults.race)
        self._create(made.creations, rng, faults, did)
        self._write(made, rng, faults, did)
        return did

    def _looked_up(self, system: System, side: str, made: Plan) -> System:
        gone = made.suspected.filter(pl.col("side") == side).select(
            "id", outcome=pl.lit("gone"), survivor=pl.lit(None, pl.String)
        )
        return replace(system, looked_up=gone)

    def _store(self, made: Plan) -> None:
        links = pl.concat([self.memory.links, made.links]).unique("link_id", keep="last", maintain_order=True)
        self._link(links)
        self.memory = replace(self.memory, intervals=made.intervals)
        self.remember(made.shadows)
        self.log(made.conflicts.filter(pl.col("kind") == "held"))

    def _link(self, links: pl.DataFrame) -> None:
        self.memory = replace(self.memory, links=links)
        self.world.linked = {(side, i) for side in SIDES for i in links[f"{side}_id"]}

    def remember(self, rows: pl.DataFrame) -> None:
        """Sets shadows."""
        if self.without == "second shadow":
            rows = rows.with_columns(b="a")
        shadows = pl.concat([self.shadow_rows(), rows]).unique(["link_id", "field"], keep="last", maintain_order=True)
        self.memory = replace(self.memory, shadows=frames.wide(shadows, FIELDS))
        known = shadows.join(self.memory.links, on="link_id").select("a_id", "b_id", "field")
        self.world.agreed = {(side, i, f) for *ids, f in known.rows() for side, i in zip(SIDES, ids, strict=True)}

    def shadow_rows(self) -> pl.DataFrame:
        wide = self.memory.shadows
        parts = [
            wide.select("link_id", pl.lit(n).alias("field"), a=f"a:{n}", b=f"b:{n}").drop_nulls()
            for n in FIELDS
            if f"a:{n}" in wide.columns
        ]
        return pl.concat([frames.empty(frames.SHADOWS), *parts])

    def log(self, entries: pl.DataFrame) -> None:
        """Conflicts that are not logged yet."""
        known = set(self.memory.logged)
        self.conflicts += [row for row in entries.iter_rows(named=True) if row["conflict_id"] not in known]
        ids = [row["conflict_id"] for row in self.conflicts]
        self.memory = replace(self.memory, logged=pl.Series("conflict_id", ids, pl.String))

    def _race(self, what: str, rng: Random, share: float) -> None:
        for person in self.world.people:
            if self._hits(what, share, rng):
                self.world.edit(person, rng)

    # --- calls ---

    def _create(self, creations: pl.DataFrame, rng: Random, faults: Faults, did: Did) -> None:
        if creations.is_empty():
            return
        if self.without != "intents":
            self.memory = replace(self.memory, creations=creations)
        self.creations_at = self.world.tick()
        if faults.crash == "after_intents":
            self._die("after_intents")
        answers, settled = [], []
        for row in creations.iter_rows(named=True):
            if faults.crash == "mid_calls" and rng.random() < 0.3:
                self._die("mid_calls")
            if self._hits("lost request", faults.lost_request, rng):
                continue
            side, key = row["side"], {"side": row["side"], "source_id": row["source_id"]}
            values = {name: row[name] for name in FIELDS if row[name] is not None}
            if side == "b" and any(POISON in value for value in values.values()):
                settled.append(key)
                did.refused += 1
                continue
            server = self.world.servers[side]
            owner = self.world.servers[OTHER[side]].owner[row["source_id"]]
            new = server.create(values, owner, self.world.tick(), ours=True)
            did.made += 1
            if not self._hits("lost answer", faults.lost_answer, rng):
                answers.append({**key, "id": new, **server.records[new]})
                settled.append(key)
        self._race("late race", rng, faults.late_race)
        if faults.crash == "after_calls":
            self._die("after_calls")
        schema = {"side": pl.String(), "source_id": pl.String(), **TEXTS}
        done = pl.DataFrame(answers, schema=schema)
        new_links, shadows = bookkeeping.created(creations, done, self.memory.links, self.flow, self.world.clock)
        self._made(new_links, shadows)
        kept = creations.join(
            pl.DataFrame(settled, schema={"side": pl.String(), "source_id": pl.String()}),
            on=["side", "source_id"],
            how="anti",
        )
        if self.without != "intents":
            self.memory = replace(self.memory, creations=kept)

    def _made(self, new_links: pl.DataFrame, shadows: pl.DataFrame) -> None:
        links = pl.concat([self.memory.links, new_links]).unique("link_id", keep="last", maintain_order=True)
        self._link(links)
        self.remember(shadows)

    def _values(self, writes: pl.DataFrame) -> pl.DataFrame:
        ids = {side: writes.filter(pl.col("side") == side)["id"].to_list() for side in SIDES}
        for side in SIDES:
            ids[side] += writes.filter(pl.col("side") == OTHER[side])["source_id"].to_list()
        return pl.concat([bookkeeping.values(s, self._frame(s, sorted(set(ids[s]))), self.flow) for s in SIDES])

    def _write(self, made: Plan, rng: Random, faults: Faults, did: Did) -> None:
        writes = made.writes
        if self.without != "re-check":
            writes, _ = bookkeeping.rechecked(made.writes, self._values(made.writes))
        if writes.is_empty():
            return
        if self.without != "intents":
            self.memory = replace(self.memory, writes=writes)
        self.log(made.conflicts.join(writes, on=["link_id", "field"], how="semi"))
        read_at = self.world.tick()
        self.read_at |= {(r["side"], r["id"], r["field"]): read_at for r in writes.iter_rows(named=True)}
        if faults.crash == "after_intents":
            self._die("after_intents")
        stamps = {side: dict(self.world.servers[side].modified) for side in SIDES}
        self._race("late race", rng, faults.late_race)
        answered, dropped, refused = [], [], []
        for (side, record), rows in sorted(writes.partition_by("side", "id", as_dict=True).items()):
            if faults.crash == "mid_calls" and rng.random() < 0.3:
                self._die("mid_calls")
            server = self.world.servers[side]
            values = dict(rows.select("field", "value").iter_rows())
            if self._hits("lost request", faults.lost_request, rng):
                continue
            if record not in server.records:
                dropped.append(rows)
                continue
            if side == "b" and server.modified[record] != stamps[side][record]:
                # If-Match did not match: nothing was stored
                dropped.append(rows)
                continue
            bad = [name for name, value in values.items() if side == "b" and POISON in value]
            if bad:
                refused += [{"side": side, "id": record, "field": name, "reason": "invalid"} for name in bad]
                dropped.append(rows)
                did.refused += 1
                continue
            stored = server.write(record, values, self.world.tick(), ours=True)
            did.calls.append((side, record))
            if not self._hits("lost answer", faults.lost_answer, rng):
                told = {n: None if self._hits("silent", faults.silent, rng) else stored[n] for n in values}
                answered += [{"side": side, "id": record, "field": n, "value": v} for n, v in told.items()]
        if faults.crash == "after_calls":
            self._die("after_calls")
        done = bookkeeping.confirmed(
            writes, pl.DataFrame(answered, schema=bookkeeping.VALUES), self.flow, from_response=True
        )
        self.remember(done.shadows)
        self.remember(done.shadows)
        self._lost_edits(done.settled)
        still_open = done.still_open
        if dropped:
            still_open = still_open.join(pl.concat(dropped), on=["link_id", "field"], how="anti")
        if refused:
            reasons = pl.DataFrame(refused, schema=dict.fromkeys(("side", "id", "field", "reason"), pl.String()))
            holds = bookkeeping.refused(writes, reasons, self.memory.holds, self.world.clock)
            holds = pl.concat([self.memory.holds, holds]).unique(["link_id", "side", "field"], keep="last")
            self.memory = replace(self.memory, holds=holds)
        if self.without != "intents":
            self.memory = replace(self.memory, writes=still_open)

    def _lost_edits(self, writes: pl.DataFrame) -> None:
        """HubSpot tells the history of a property; Crmoffice has If-Match instead."""
        own = writes.filter(pl.col("side") == "a")
        times = [self.read_at[r["side"], r["id"], r["field"]] for r in own.iter_rows(named=True)]
        own = own.with_columns(read_at=pl.Series(times, dtype=pl.Datetime("us", "UTC")))
        history = [
            {"side": "a", "id": i, "field": f, "value": v, "at": at, "ours": ours}
            for i, f, v, at, ours in self.world.servers["a"].history
        ]
        entries = pl.DataFrame(history, schema=recovery.HISTORY)
        entries = entries.join(own.select("side", "id", "field", "read_at"), on=["side", "id", "field"])
        entries = entries.filter(pl.col("at") > pl.col("read_at")).drop("read_at")
        self.log(recovery.lost_edits(own, entries, self.memory.links, self.flow, self.world.clock))

    # --- after a crash, and after lost answers ---

    def recover(self) -> None:
        """Settles open intents by reading back."""
        if self.memory.creations.height:
            assert self.creations_at is not None
            linked = {side: set(self.memory.links[f"{side}_id"]) for side in SIDES}
            rows = [
                {"side": side, "id": i, **values}
                for side in SIDES
                for i, values in self.world.servers[side].records.items()
                if i not in linked[side] and self.world.servers[side].made[i] >= self.creations_at
            ]
            candidates = pl.DataFrame(rows, schema={"side": pl.String(), **TEXTS})
            found = recovery.recovered_creations(
                self.memory.creations, candidates, self.memory.links, self.flow, self.world.clock
            )
            assert found.ambiguous.is_empty(), (found.ambiguous, self.memory.creations, candidates)
            self._made(found.links, found.shadows)
            self.memory = replace(self.memory, creations=self.memory.creations.clear())
        if self.memory.writes.height:
            intents = self.memory.writes
            found_values = self._values(intents).with_columns(touched=pl.lit(None, pl.Boolean))
            touched = [
                any(
                    (i, f) == (r["id"], r["field"]) and at > self.read_at.get((r["side"], i, f), at)
                    for i, f, _, at, _ in self.world.servers[r["side"]].history
                )
                for r in found_values.iter_rows(named=True)
            ]
            found_values = found_values.with_columns(touched=pl.Series(touched, dtype=pl.Boolean))
            settled = recovery.recovered(intents, found_values, self.shadow_rows(), self.flow)
            gone = settled.still_open.height
            self.remember(settled.shadows)
            self._lost_edits(settled.settled)
            self.memory = replace(self.memory, writes=intents.clear() if gone else settled.still_open)
