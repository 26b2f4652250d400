"""Runs of the whole product in processes of their own that kill themselves at a numbered point, and what is left then.

A point is a place just before or after a transaction of the working database is committed, before a writing call to
HubSpot leaves, or after HubSpot carried one out and before its answer is read. Used by `test_kills` and
`benchmarks/kills.py`; the worlds are in `kill_worlds`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, Run, RunOptions
from tl_hubspot.orchestration.steps import pushing
from tl_hubspot.pushing import opt_outs, records, relations
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.hubspot.object_types import OBJECT_TYPES
from tl_hubspot.warehouse import store
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.e2e import builders
from tl_hubspot_tests.e2e.builders import Story
from tl_hubspot_tests.processes import PROCESSES

_STEPS = builders.steps("sync")  # looked up once, before processes are forked
PLANNED = "planned"
"""Id of the run that all attempts go on with."""

DATABASE = "tl_hubspot.duckdb"
KEPT = (DATABASE, "pseudonyms.key")
"""What an installation consists of, beside its sign-in."""


class Stopped(Exception):
    """The run ended with an error."""


OBJECTS = ("contacts", "companies", "deals")
PAIRS = (("contacts", "companies"), ("deals", "contacts"), ("deals", "companies"))
LOST = (Fault("status", status=502, when="after"), Fault("drop", when="after"))
"""How an answer gets lost after HubSpot has carried a call out."""
_MOMENTS = {"hs_object_id", "lastmodifieddate", "hs_lastmodifieddate", "hs_createdate"}


@dataclass(frozen=True)
class Manner:
    """How a run goes: calls at a time, records and addresses per call."""

    workers: int = 1
    batch: int = 100


# --- in the process that dies ----------------------------------------------------------------------------------------


class _Points:
    """Counts points; kills the process at number `fatal` (from 1), 0: never."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.passed = fatal, list[str]()
        self.step = ""
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        with self._lock:
            self.passed.append(f"{self.step}: {name}")
            if len(self.passed) == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)


class _Mortal(Warehouse):
    def __init__(self, path: Path, points: _Points) -> None:
        super().__init__(path)
        self._points = points

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with super().transaction() as con:
            yield con
            self._points.reach("before commit")
        self._points.reach("after commit")


@dataclass(frozen=True)
class _Task:
    """What a process does: a whole run, or the push of run `goes_on`; dies at point `fatal`, or before a step."""

    folder: Path
    environment: dict[str, str]
    options: RunOptions
    manner: Manner
    fatal: int = 0
    stops_before: str = ""
    goes_on: str = ""


def _process(task: _Task, sender: Any) -> None:
    faulthandler.enable()
    # one thread each: many small frames, and several processes beside each other
    os.environ["POLARS_MAX_THREADS"] = "1"
    store._CONFIG["threads"] = "1"
    limits = ((records, "BATCH"), (opt_outs, "BATCH"), (relations, "WRITE_BATCH"), (relations, "ARCHIVE_BATCH"))
    for module, name in limits:
        setattr(module, name, min(getattr(module, name), task.manner.batch))
    values = task.environment | {"TL_HUBSPOT_DATA": str(task.folder)}
    values["TL_HUBSPOT_HUBSPOT__WORKERS"] = str(task.manner.workers)
    platform = Platform(configuration.load(values, directory=task.folder), task.options)
    platform.sleep = lambda seconds: time.sleep(min(seconds, 0.01))
    points = _Points(task.fatal)
    platform.__dict__["warehouse"] = _Mortal(platform.settings.database, points)
    _watch_calls(platform, points)
    if task.goes_on:
        platform.take_lock()
        opened = Run(task.goes_on, platform.as_of(), task.options.full, task.options)
        platform._runs[task.goes_on] = opened
        pushing.push(platform, opened)
        row = platform.run_row(task.goes_on)
        platform.close()
    else:
        builders.steps = lambda command: [_named(c, points, task.stops_before) for c in _STEPS]
        row = builders.run_assets(platform, PLANNED if task.stops_before else None).run
    sender.send((row["status"], points.passed))


def _watch_calls(platform: Platform, points: _Points) -> None:
    client = platform.hubspot._client
    call_api = client.call_api

    def call(path: str, method: str, *args: Any, **more: Any) -> Any:
        if method == "GET" or path.endswith(("/read", "/search")):
            return call_api(path, method, *args, **more)
        points.reach(f"before {method} {path}")
        try:
            return call_api(path, method, *args, **more)
        finally:
            points.reach(f"after {method} {path}")

    client.call_api = call


def _named(compute: Callable[..., Any], points: _Points, stops_before: str) -> Callable[..., Any]:
    def step(*args: Any) -> Any:
        points.step = compute.__name__
        if compute.__name__ == stops_before:
            os.kill(os.getpid(), signal.SIGKILL)
        return compute(*args)

    return step


# --- in the process that looks on ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """A run that was not killed: its status in `sync.runs`, the points that it passed."""

    status: str
    points: list[str]


class Scene:
    """Two systems and an installation at the moment before a run; every attempt begins there."""

    def __init__(self, story: Story, folder: Path, manner: Manner = Manner(), *, full: bool = False) -> None:
        self.story, self.folder, self.manner = story, folder, manner
        self.once_more = True
        self.portal = story.portal
        self._options = RunOptions(as_of=story.now.isoformat(), full=full)
        self._dumped = self.portal.dump()
        self._number = 0
        base = story.product.data
        folder.mkdir(parents=True, exist_ok=True)
        if (base / "tokens").exists():
            shutil.copytree(base / "tokens", folder / "tokens")
        (folder / "tokens").mkdir(exist_ok=True)
        self._before = base
        self._planned = self.fresh(base)
        assert self.run(self._planned, stops_before="hubspot_sync") is None
        with duckdb.connect(str(self._planned / DATABASE)) as con:
            con.execute("checkpoint")
        assert not self.portal.log.writes()
        self.undisturbed = self.fresh()
        ended = self.push(self.undisturbed)
        assert ended is not None and ended.status == "done", ended
        self.points = ended.points
        self.writes = [(w["method"], w["path"]) for w in self.portal.log.writes()]
        self.expected = self.state(self.undisturbed)

    def fresh(self, base: Path | None = None) -> Path:
        """The portal put back, and a new data folder: as `base`, else after the plan of run PLANNED was made."""
        self.portal.put_back(self._dumped)
        self._number += 1
        data = self.folder / f"data-{self._number}"
        data.mkdir()
        (data / "tokens").symlink_to(self.folder / "tokens")
        for file in (base or self._planned).iterdir():
            if file.is_file() and file.name in KEPT:
                shutil.copy(file, data)
        return data

    def push(self, data: Path, fatal: int = 0) -> Ended | None:
        """Run PLANNED goes on with its push, and dies at point number `fatal`; None when it did."""
        return self._start(data, fatal=fatal, goes_on=PLANNED)

    def run(self, data: Path, fatal: int = 0, stops_before: str = "") -> Ended | None:
        """A whole run, killed at its point number `fatal` or before a step; None when it was."""
        return self._start(data, fatal=fatal, stops_before=stops_before)

    def _start(self, data: Path, **how: Any) -> Ended | None:
        environment = {**self.story.product.systems.environment(), **self.story.product.environment}
        answer, sender = PROCESSES.Pipe(duplex=False)
        task = _Task(data, environment, self._options, self.manner, **how)
        process = PROCESSES.Process(target=_process, args=(task, sender))
        process.start()
        sender.close()
        try:
            ended = Ended(*answer.recv())
        except EOFError:
            ended = None
        process.join()
        if not ended and process.exitcode != -signal.SIGKILL:
            raise Stopped(f"exit code {process.exitcode}")
        return ended

    # --- one attempt each ---

    def kill(self, fatal: int, *later: int) -> None:
        """Kill the push at a point, then the runs that follow at theirs; then all is as if nothing had happened."""
        data = self.fresh()
        assert self.push(data, fatal) is None, f"there is no point {fatal}"
        self._go_on(data, later)

    def kill_whole(self, fatal: int) -> None:
        """Kill a whole run at one of its points."""
        data = self.fresh(self._before)
        self.run(data, fatal)
        self._go_on(data, ())

    def lose(self, number: int, fault: Fault) -> None:
        """The answer of writing call `number` (from 1) is lost: the run goes on or stops; the next puts it right."""
        data = self.fresh()
        method, path = self.writes[number - 1]
        earlier = sum(write == (method, path) for write in self.writes[: number - 1])
        self.portal.faults.add(replace(fault, path=f"^{re.escape(path)}$", method=method, skip=earlier))
        with contextlib.suppress(Stopped):
            self.push(data)
        assert not self.portal.faults.remaining, "the fault was not met"
        self._go_on(data, ())

    def _go_on(self, data: Path, fatal: Sequence[int]) -> None:
        confirmed = self._confirmed(data)
        for number in fatal:
            self.portal.log.clear()
            if self.run(data, number) is not None:
                break  # less was left to do than that
            self._not_repeated(confirmed)
            confirmed += self._confirmed(data)
        self.portal.log.clear()
        ended = self.run(data)
        assert ended is not None and ended.status == "done", f"the next run did not end well: {ended and ended.status}"
        self._not_repeated(confirmed)
        differing = differences(self.expected, self.state(data))
        assert not differing, "\n".join(differing)
        if self.once_more:
            self.portal.log.clear()
            ended = self.run(data)
            assert ended is not None and ended.status == "done" and not self.portal.log.writes(), "one more run writes"
            assert differences(self.expected, self.state(data)) == []
        shutil.rmtree(data)

    def _not_repeated(self, confirmed: Counter[str]) -> None:
        repeated = [unit for write in self.portal.log.writes() for _, unit in _traced(write) if unit in confirmed]
        assert not repeated, f"confirmed before the kill, and written again: {repeated}"

    def _confirmed(self, data: Path) -> Counter[str]:
        """What the journal of a killed run confirms, in the words of `_units`."""
        done = self._done(data)
        traced = [pair for write in self.portal.log.writes() for pair in _traced(write)]
        return Counter(unit for trace, unit in traced if trace in done)

    def _done(self, data: Path) -> set[str]:
        rows = Warehouse(data / DATABASE).read("select trace_id from sync.journal where state = 'done'")
        return set(rows["trace_id"].to_list())

    # --- what is there ---

    def state(self, data: Path) -> dict[str, list[str]]:
        """What HubSpot holds and what the installation remembers, without ids, times and runs."""
        names = self._names()
        state = self._portal_state(names) | self._memory(Warehouse(data / DATABASE), names)
        labels = {i["id"]: i["label"] for p in self.story.portal_pipelines() for i in (p, *p["stages"])}
        for number, label in labels.items():  # ids of what was provisioned differ, texts hold them
            state = {part: [line.replace(number, label) for line in lines] for part, lines in state.items()}
        return {part: sorted(lines) for part, lines in state.items()}

    def _names(self) -> dict[tuple[str, str], str]:
        """(object type, record id) → a name that is the same in every attempt."""
        found = {}
        for object_type in OBJECTS:
            for record in self.portal.all(object_type):
                values = record["properties"]
                name = (
                    values.get("teamleader_id") or values.get("email") or values.get("name") or values.get("dealname")
                )
                found[object_type, record["id"]] = str(name)
        return found

    def _portal_state(self, names: dict[tuple[str, str], str]) -> dict[str, list[str]]:
        state: dict[str, list[str]] = {}
        for object_type in OBJECTS:
            state[object_type] = sorted(
                _line(
                    names[object_type, r["id"]],
                    {n: v for n, v in r["properties"].items() if n not in self._moments(object_type)},
                )
                for r in self.portal.all(object_type)
            )
            state[f"archived {object_type}"] = [r["id"] for r in self.portal.all(object_type, archived=True)]
        for one, other in PAIRS:
            state[f"{one} to {other}"] = sorted(
                _line(name, names[other, a["id"]], a["types"])
                for (kind, id), name in names.items()
                if kind == one
                for a in self.portal.associations(one, id, other)
            )
        store = self.portal.portal.store
        rows = store._db.execute("select address, subscription_id, status from subscriptions").fetchall()
        state["subscriptions"] = sorted(map(str, rows))
        state["pipelines"] = [
            _line(p["label"], [s["label"] for s in p["stages"]]) for p in self.story.portal_pipelines()
        ]
        state["properties"] = sorted(
            f"{kind}.{d.name}" for kind in OBJECTS for d in self.portal.portal.properties.all(OBJECT_TYPES[kind])
        )
        state["marketing contacts"] = [str(self.portal.marketing_tier.count)]
        return state

    def _moments(self, object_type: str) -> set[str]:
        return _MOMENTS | ({"createdate"} if object_type != "deals" else set()) | {"hs_marketable_reason_id"}

    def _memory(self, warehouse: Warehouse, names: dict[tuple[str, str], str]) -> dict[str, list[str]]:
        plural = {"contact": "contacts", "company": "companies", "deal": "deals"}

        def name(kind: str, id: str) -> str:
            return names.get((plural[kind], id), f"{kind} {id} is not in HubSpot")

        read = warehouse.read
        links = read("select entity_type, teamleader_id, hubspot_id from sync.links")
        relations = read("select * from sync.relations")
        requests = read("select * from sync.marketing_requests")
        return {
            "open intents": list(map(str, read("select * from sync.journal where state = 'intended'").iter_rows())),
            "links": sorted(_line(e, t, name(e, h)) for e, t, h in links.iter_rows()),
            "shadows": sorted(
                _line(entity_type, id, json.loads(fields), json.loads(written))
                for entity_type, id, fields, written in read(
                    "select entity_type, teamleader_id, fields, written from sync.shadows"
                ).iter_rows()
            ),
            "relations": sorted(
                _line(name(r["from_type"], r["from_id"]), name(r["to_type"], r["to_id"]), r["origin"])
                for r in relations.iter_rows(named=True)
            ),
            # in which row an address is known does not matter
            "opt-outs": read("select address from sync.opt_outs union select unnest(unsubscribed) from sync.opt_outs")[
                "address"
            ].to_list(),
            "marketing requests": sorted(
                _line(r["teamleader_id"], name("contact", r["hubspot_id"]), r["confirmed"])
                for r in requests.iter_rows(named=True)
            ),
        }


def differences(expected: dict[str, list[str]], found: dict[str, list[str]]) -> list[str]:
    """Lines that are in one of the two only."""
    return [
        f"{part}: {sign} {line}"
        for part in expected
        for sign, one, other in (("missing", expected[part], found[part]), ("too many", found[part], expected[part]))
        for line in (Counter(one) - Counter(other)).elements()
    ]


def _line(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True)


def _traced(write: dict[str, Any]) -> list[tuple[str, str]]:
    """(trace id, what is asked for) per record of a batch of records."""
    body = write["body"]
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not inputs or not isinstance(inputs[0], dict) or "objectWriteTraceId" not in inputs[0]:
        return []
    return [
        (i["objectWriteTraceId"], _line(write["path"], {k: v for k, v in i.items() if k != "objectWriteTraceId"}))
        for i in inputs
    ]


def attempts(scene: Scene) -> Iterator[tuple[str, Callable[[], None]]]:
    """Everything that can be done to a scene: its name, and what tries it (AssertionError says what is wrong)."""
    for number, point in enumerate(scene.points, 1):
        yield f"killed at {number} ({point})", partial(scene.kill, number)
    for number, (method, path) in enumerate(scene.writes, 1):
        for fault in LOST:
            yield (
                f"{fault.kind} after call {number} ({method} {path.split('@')[0]})",
                partial(scene.lose, number, fault),
            )
    for number in range(2, len(scene.points) + 1, 9):
        # the second run dies while it settles, or somewhere in its own push
        yield f"killed at {number}, then while settling", partial(scene.kill, number, 3)
        yield f"killed at {number}, then at {90 + number}", partial(scene.kill, number, 90 + number)
    for number in range(1, 91, 10):
        yield f"killed at {number} of a whole run", partial(scene.kill_whole, number)
