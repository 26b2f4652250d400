"""Carrying a plan out: records are made, deleted and changed, each intent stored before its call and its outcome after.

Before a write both records are read again; a pair of which anything differs from what the plan was made with waits for
the next cycle. Of up to a hundred pairs HubSpot is written first, in one call, then Crmoffice record by record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from tl_hubspot.errors import TlHubspotError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.two_way import memory, reading, recovering
from tl_hubspot.orchestration.steps.two_way.sides import Answer, Seen, Values
from tl_hubspot.orchestration.steps.two_way.sides import Side as System
from tl_hubspot.two_way import bookkeeping
from tl_hubspot.two_way.flows import SIDES, SYSTEM, Flow, Side
from tl_hubspot.two_way.frames import HOLDS, Plan

_PAIRS = 50
"""Pairs between whose re-reading and writing little time passes: what HubSpot reads with history in one call."""


@dataclass
class Execution:
    """One flow's plan on its way. `done` counts; `failed`: records that a system refused."""

    platform: Platform
    flow: Flow
    systems: Mapping[Side, System]
    run_id: str
    done: Counter[str] = field(default_factory=Counter)

    def carry_out(self, plan: Plan) -> None:
        """Everything of the plan that needs a call. Raises what stopped it, after every outcome was stored."""
        self._create(plan.creations)
        self._delete(plan.deletions)
        self._write(plan)

    # ------------------------------------------------------------------ creations

    def _create(self, creations: pl.DataFrame) -> None:
        flow, total = self.flow, creations.height
        creations = self._not_refused_lately(creations)
        for side in SIDES:
            own = creations.filter(pl.col("side") == side)
            for start in range(0, own.height, self.systems[side].batch):
                part = own.slice(start, self.systems[side].batch)
                with self.platform.warehouse.transaction() as con:
                    memory.intend_creations(con, flow, part, self.platform.clock())
                wanted: dict[str, Values] = {
                    row["source_id"]: {n: row[n] for n in flow.names if row[n] is not None}
                    for row in part.iter_rows(named=True)
                }
                answers = dict(self.systems[side].create(wanted))
                self._made(side, part, answers)
                self.platform.progress("Records made", self.done["created"], total)
                _raise(answers)

    def _made(self, side: Side, creations: pl.DataFrame, answers: Mapping[str, Answer]) -> None:
        flow, at = self.flow, self.platform.clock()
        done = {source: answer for source, answer in answers.items() if answer.state == "done"}
        rows = [
            {"side": side, "source_id": source, "id": answer.id, **{n: answer.values.get(n) for n in flow.names}}
            for source, answer in done.items()
        ]
        shape = dict.fromkeys(("side", "source_id", "id", *flow.names), pl.String)
        refused = {s: a for s, a in answers.items() if a.state not in ("done", "unknown")}
        settled = creations.filter(pl.col("source_id").is_in([*done, *refused]))
        with self.platform.warehouse.transaction() as con:
            new_links, shadows = bookkeeping.created(
                creations,
                pl.DataFrame(rows, schema=shape),
                memory.links_of(con, flow, creations),
                flow,
                at,
            )
            memory.put(con, "links", flow, new_links)
            memory.put(con, "shadows", flow, shadows)
            memory.settle(con, "create_intents", flow, settled)
            memory.put(con, "holds", flow, self._held_creations(side, creations, refused, at))
            new = {answer.id: answer.values for answer in done.values() if answer.id}
            reading.remember(con, flow, side, new, at, self.run_id)
        self.done["created"] += len(done)
        self.done[f"created_in_{SYSTEM[side].lower()}"] += len(done)
        self.done["failed"] += len(refused)
        self.done["unknown"] += len(answers) - len(done) - len(refused)

    def _not_refused_lately(self, creations: pl.DataFrame) -> pl.DataFrame:
        """Creations without those that were refused with the same values, until their time has come."""
        query = "select link_id, value from two_way.holds where flow = ? and until > ?"
        holds = self.platform.warehouse.read(query, [self.flow.name, self.platform.clock()])
        rows = creations.with_columns(hold=_held_name(), was=_content(self.flow))
        waiting = rows.join(holds, left_on=["hold", "was"], right_on=["link_id", "value"], how="semi")
        self.done["waiting"] += waiting.height
        return creations.join(waiting, on=["side", "source_id"], how="anti")

    def _held_creations(
        self, side: Side, creations: pl.DataFrame, refused: Mapping[str, Answer], at: datetime
    ) -> pl.DataFrame:
        """HOLDS of creations that were refused, under a name of their own in place of a pair's."""
        rows = creations.filter(pl.col("source_id").is_in(list(refused))).select(
            link_id=_held_name(), side="side", id="source_id", source_id="source_id", field=pl.lit("record"),
            value=_content(self.flow), pre_image=pl.lit(""), rule=pl.lit("create"),
        )  # fmt: skip
        reasons = [
            {"side": side, "id": source, "field": None, "reason": ", ".join(sorted({c for _, c in answer.problems}))}
            for source, answer in refused.items()
        ]
        return bookkeeping.refused(rows, _reasons(reasons), self._holds(), at)

    def _holds(self) -> pl.DataFrame:
        query = f"select {', '.join(HOLDS)} from two_way.holds where flow = ?"
        return self.platform.warehouse.read(query, [self.flow.name]).cast(HOLDS)  # type: ignore[arg-type]

    # ------------------------------------------------------------------ deletions

    def _delete(self, deletions: pl.DataFrame) -> None:
        for side in SIDES:
            own = deletions.filter(pl.col("side") == side)
            for start in range(0, own.height, self.systems[side].batch):
                part = own.slice(start, self.systems[side].batch)
                seen = self.systems[side].read(part["id"])
                now = bookkeeping.values(side, recovering.frame(seen, self.flow), self.flow)
                with self.platform.warehouse.connect() as con:
                    part = bookkeeping.unedited(part, now, memory.shadows_of(con, self.flow, part))
                edited = self.systems[side].delete([i for i in part["id"] if i in seen], seen)
                part = part.filter(~pl.col("id").is_in(sorted(edited)))
                with self.platform.warehouse.transaction() as con:
                    known = memory.links_of(con, self.flow, part)
                    memory.put(con, "links", self.flow, bookkeeping.deleted(part, known))
                    reading.forget(con, self.flow, side, part["id"])
                self.done["deleted"] += part.height

    # ------------------------------------------------------------------ updates

    def _write(self, plan: Plan) -> None:
        pairs = plan.writes["link_id"].unique(maintain_order=True)
        for start in range(0, len(pairs), _PAIRS):
            part = plan.writes.filter(pl.col("link_id").is_in(pairs.slice(start, _PAIRS).implode()))
            self._write_part(part, plan.conflicts)
            self.platform.progress("Pairs", min(start + _PAIRS, len(pairs)), len(pairs))

    def _write_part(self, writes: pl.DataFrame, conflicts: pl.DataFrame) -> None:
        flow, at = self.flow, self.platform.clock()
        asked = {side: recovering.ids_of(writes, side) for side in SIDES}
        # HubSpot last, in one call: what is read of Crmoffice record by record would be time for edits there
        seen = {side: self.systems[side].read(asked[side]) for side in reversed(SIDES)}
        now = {side: bookkeeping.values(side, recovering.frame(seen[side], flow), flow) for side in SIDES}
        go, given_up = bookkeeping.rechecked(writes, pl.concat(now.values()))
        marks = [seen[r["side"]][r["id"]].changed_at(r["field"]) for r in go.iter_rows(named=True)]
        intents = go.with_columns(read_at=pl.Series(marks, dtype=memory.INTENTS["read_at"]))
        with self.platform.warehouse.transaction() as con:
            for side in SIDES:
                # what may go is as the mirror has it
                other = {i: seen[side][i].values for i in recovering.ids_of(given_up, side) if i in seen[side]}
                reading.remember(con, flow, side, other, at, self.run_id)
                reading.forget(con, flow, side, set(asked[side]) - seen[side].keys())
            memory.intend_writes(con, flow, intents, at)
            memory.log(con, flow, conflicts.join(go, on=["link_id", "field"], how="semi"))
        self.done["given_up"] += given_up["link_id"].n_unique()
        for side in SIDES:
            own = intents.filter(pl.col("side") == side)
            if own.height:
                changes = {
                    str(record): dict(rows.select("field", "value").iter_rows())
                    for (record,), rows in own.partition_by("id", as_dict=True, maintain_order=True).items()
                }
                answers = self.systems[side].write(changes, seen[side])
                self._settle(side, own, answers, seen[side], now[side])
                _raise(answers)

    def _settle(
        self,
        side: Side,
        intents: pl.DataFrame,
        answers: Mapping[str, Answer],
        seen: Mapping[str, Seen],
        before: pl.DataFrame,
    ) -> None:
        """Store what became of the writes to one side."""
        flow, at, writes = self.flow, self.platform.clock(), intents.drop("read_at")
        done = {i: a.values for i, a in answers.items() if a.state == "done"}
        over = [i for i, a in answers.items() if a.state in ("refused", "held", "changed", "gone")]
        written = writes.filter(pl.col("id").is_in(list(done)))
        told = bookkeeping.values(side, recovering.frame({i: Seen(i, v) for i, v in _whole(done, flow)}, flow), flow)
        confirmed = bookkeeping.confirmed(written, told, flow, from_response=True)
        reasons = [
            {"side": side, "id": i, "field": name, "reason": code}
            for i, a in answers.items()
            if a.state in ("refused", "held")
            for name, code in a.problems
        ]
        # HubSpot tells afterwards whether an edit landed in between; Crmoffice has If-Match for that, or nothing
        after = self.systems["a"].read(done) if side == "a" and done else {}
        with self.platform.warehouse.transaction() as con:
            memory.log(con, flow, recovering.lost_edits(con, confirmed, intents, after, flow, at))
            memory.put(con, "shadows", flow, confirmed.shadows)
            if self.systems[side].writes_whole:
                passed = bookkeeping.after_put(memory.shadows_of(con, flow, writes), written, before, told)
                memory.put(con, "shadows", flow, passed)
            memory.put(con, "holds", flow, bookkeeping.refused(writes, _reasons(reasons), self._holds(), at))
            memory.settle(con, "write_intents", flow, confirmed.settled)
            memory.settle(con, "write_intents", flow, writes.filter(pl.col("id").is_in(over)))
            kept = {i: _merged(seen[i].values, values) for i, values in done.items()}
            reading.remember(con, flow, side, kept, at, self.run_id)
            reading.forget(con, flow, side, [i for i in over if answers[i].state == "gone"])
        self.done["updated"] += len(done)
        self.done[f"updated_in_{SYSTEM[side].lower()}"] += len(done)
        self.done["unguarded"] += 0 if self.systems[side].sees_edits else len(done)
        self.done["given_up"] += sum(1 for i in over if answers[i].state in ("changed", "gone"))
        self.done["failed"] += sum(1 for i in over if answers[i].state == "refused")
        self.done["unknown"] += len(answers) - len(done) - len(over)


def _whole(records: Mapping[str, Values], flow: Flow) -> list[tuple[str, Values]]:
    return [(i, {name: values.get(name) for name in flow.names}) for i, values in records.items()]


def _merged(before: Values, answered: Values) -> Values:
    return {**before, **{name: value for name, value in answered.items() if value is not None}}


def _reasons(rows: list[dict[str, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(("side", "id", "field", "reason"), pl.String))


def _held_name() -> pl.Expr:
    return pl.concat_str(pl.lit("new:"), "side", pl.lit(":"), "source_id")


def _content(flow: Flow) -> pl.Expr:
    return pl.concat_str([pl.col(name).fill_null("") for name in flow.names], separator="\x1f")


def _raise(answers: Mapping[str, Answer]) -> None:
    """What made further calls useless, once everything is stored."""
    stopped: list[TlHubspotError] = [answer.stopped for answer in answers.values() if answer.stopped is not None]
    if stopped:
        raise stopped[0]
