"""Random histories of people who edit in two real systems over HTTP, with crashes, lost answers and races; P1 to P26.

A world is many people, and every person's contact is a history of its own, as in the planner's tests, whose promises
are asked here too. The worlds have each capability of Crmoffice both ways.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from random import Random
from typing import Any

import pytest

from tl_hubspot.crmoffice.capabilities import Capabilities
from tl_hubspot.orchestration.steps.two_way import memory, reading
from tl_hubspot.orchestration.steps.two_way.executing import Execution
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.two_way import promises
from tl_hubspot_tests.two_way_engine.conftest import Make
from tl_hubspot_tests.two_way_engine.installation import HttpEngine, Portals

pytestmark = pytest.mark.usefixtures("stays_open")

PEOPLE = 35
ALL = "givenName+familyName+mobilePhone+directPhone"
WORLDS = {
    "usual": "",
    "whole": f"write=put_full,etag=1,modified_timestamp=1,page_style=cursor,canonicalises={ALL},"
    "required_fields=familyName,idempotency_key=1",
    "changes": "since_filter=1,delete_feed=1,modified_timestamp=1,page_style=none,refresh_rotation=strict",
}
KINDS_OF_TROUBLE = ("crash after_creations", "crash after_calls", "edit", "race", "late race", "stale", "deletion")
SMALL = {"changes": 0}
"""Where only changes are read although there are few records."""


class Crashed(BaseException):
    """The process died."""


class Course:
    """What goes wrong in one cycle: a crash at a place, edits at a place, answers that are lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, engine: HttpEngine, rng: Random) -> None:
        self.engine, self.rng = engine, rng
        self.happened: Counter[str] = Counter()
        self.crash = ""
        self.race = self.late_race = 0.0
        self._around(monkeypatch, Execution, "carry_out", before=self._planned)
        self._around(monkeypatch, Execution, "_settle", before=lambda: self._die("after_calls"))
        self._around(monkeypatch, Execution, "_made", before=lambda: self._die("after_creations"))
        self._around(monkeypatch, memory, "intend_writes", after=self._intended)

    def _around(
        self,
        monkeypatch: pytest.MonkeyPatch,
        place: Any,
        name: str,
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        inner = getattr(place, name)

        def outer(*args: Any, **more: Any) -> Any:
            before()
            made = inner(*args, **more)
            after()
            return made

        monkeypatch.setattr(place, name, outer)

    def _planned(self) -> None:
        self._die("after_plan")
        self._edit("race", self.race, "ab")

    def _intended(self) -> None:
        # where Crmoffice has no versions, an edit in this moment is overwritten unseen
        has_versions = self.engine.world.installation.crmoffice.switches.etag
        self._edit("late race", self.late_race, "ab" if has_versions else "a")

    def _die(self, place: str) -> None:
        if self.crash == place:
            self.happened[f"crash {place}"] += 1
            raise Crashed

    def _edit(self, what: str, share: float, sides: str) -> None:
        for person in self.engine.world.people:
            if self.rng.random() < share:
                before = self.engine.world.typed
                self.engine.world.edit(person, self.rng, sides)
                self.happened[what] += self.engine.world.typed - before

    def _lost(self, count: int) -> list[Fault]:
        """Calls that are carried out, and whose answers never come: HubSpot's updates are sent a second time then."""
        one = self.engine.world.installation
        crmoffice, hubspot = one.crmoffice.faults, one.systems.hubspot.faults
        return [
            fault
            for _ in range(count)
            for fault in (
                crmoffice.add(Fault("drop", "contacts", "POST", when="after", skip=1)),
                crmoffice.add(Fault("status", r"contacts/\d", self.verb, when="after", status=502, skip=1)),
                hubspot.add(Fault("status", "batch/create$", "POST", when="after", status=502)),
                hubspot.add(Fault("status", "batch/update$", "POST", when="after", status=502)),
            )
        ]

    @property
    def verb(self) -> str:
        """The one that updates a contact."""
        return "PUT" if self.engine.world.installation.crmoffice.switches.write == "put_full" else "PATCH"

    def cycle(self, **faults: Any) -> None:
        """One cycle in which this goes wrong, after some people edited."""
        one, lag = self.engine.world.installation, faults.get("lag", 0.0)
        self.crash = faults.get("crash", "")
        self.race, self.late_race = faults.get("race", 0.0), faults.get("late_race", 0.0)

        def begin() -> None:
            self._edit("edit", faults.get("edits", 0.4), "ab")
            ids = [int(contact["id"]) for contact in one.crmoffice.all()]
            since = self.engine.world.clock.timestamp() - lag
            self.happened["stale"] += len(one.crmoffice.store.shown_before(ids, since)) if lag else 0

        self.engine.before_calls = begin
        one.crmoffice.set_switches(list_lag=lag, absent_keys=faults.get("absent", []))
        planted = self._lost(faults.get("lost", 0))
        self.engine.calm = not planted
        if faults.get("limited"):
            for system in (one.crmoffice, one.systems.hubspot):
                planted.append(system.faults.add(Fault("status", "contacts", status=429, headers={"Retry-After": "1"})))
        with suppress(Crashed):
            promises.after_every_cycle(self.engine, self.engine.cycle(self.rng))  # type: ignore[arg-type]
        for fault in planted:
            what = "limited" if fault.status == 429 else f"lost {fault.method} {fault.path}"
            self.happened[what] += fault.times == 0
        one.crmoffice.faults.clear()
        one.systems.hubspot.faults.clear()
        one.crmoffice.set_switches(list_lag=0.0, absent_keys=[])
        self.engine.before_calls = lambda: None
        self.crash, self.race, self.late_race, self.engine.calm = "", 0.0, 0.0, True


@pytest.mark.parametrize("world", WORLDS)
def test_p1_to_p26_hold_over_http(world: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SMALL", SMALL.get(world, reading.SMALL))
    one = make(WORLDS[world])
    one.flows(lambda text: text.replace("delete: unlink", "max_delete_ratio: 1\n    delete: unlink"))
    rng = Random(f"seed of {world}")
    engine = HttpEngine(Portals(rng.randrange(2**32), PEOPLE, one))
    course = Course(monkeypatch, engine, rng)
    course.cycle(crash="after_creations", lost=1)
    course.cycle(late_race=0.3, race=0.2)
    for person in engine.world.people[:3]:
        engine.world.delete(person, rng)
        course.happened["deletion"] += person.ended
    course.cycle(crash="after_calls", lag=30.0, race=0.1)
    # where a whole record has one time, an edit of any field makes a conflict of every write of which nobody knows
    course.cycle(edits=0.0 if one.crmoffice.switches.modified_timestamp else 0.4, limited=world == "usual")
    course.cycle(lost=2, absent=[] if "put_full" in WORLDS[world] else ["directPhone"])
    promises.judge(engine)  # type: ignore[arg-type]
    assert engine.memory.links.height >= PEOPLE // 2
    assert engine.conflicts, "a course in which nothing is in conflict proves little"
    assert {what for what in KINDS_OF_TROUBLE if not course.happened[what]} == set(), course.happened
    assert course.happened["limited"] == (2 if world == "usual" else 0)
    assert sum(n for what, n in course.happened.items() if what.startswith("lost")) >= 3, course.happened


def test_the_worlds_have_each_capability_both_ways() -> None:
    for name in (item.name for item in fields(Capabilities)):
        assert {f"{name}=" in caps for caps in WORLDS.values()} == {True, False}, name
    assert len(WORLDS) * PEOPLE >= 100
