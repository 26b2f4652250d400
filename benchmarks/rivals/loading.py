"""Bringing changed contacts to HubSpot: few, some and many; nothing changed; killed in the middle; one that is refused.

Every contestant begins at the same state of HubSpot and is held against the same truth: the changed contacts have their
new first names and kept the last names that people gave some of them in HubSpot, all others are as they were, and there
is no record more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial

from extraction import Dlt, Facts
from loaders import RIVALS, Changed, DrtHubspot, Loader, Ours
from stage import Stage

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.worlds import shapes

REFUSED = "Onaanvaardbaar"
"""First name of the contact that HubSpot refuses."""
Contact = tuple[str | None, ...]
"""teamleader_id, firstname, lastname, email."""


@dataclass(frozen=True)
class Sizes:
    """How many contacts are changed in a case."""

    few: int = 10
    some: int = 1_000
    many: int = 10_000


class Loading:
    """All cases, one after another: what the product pushed in one is what the next begins with."""

    def __init__(self, stage: Stage, sizes: Sizes, say: Callable[[str], None]) -> None:
        self.stage, self.sizes, self.say = stage, sizes, say
        self.portal, self.teamleader = stage.systems.hubspot, stage.systems.teamleader
        self.ours = Ours(stage)
        self.rivals = [kind(stage) for kind in RIVALS]
        self.loaders: list[Loader] = [*self.rivals, self.ours]
        self.people: list[str] = []
        self.found: Facts = {"sizes": [sizes.few, sizes.some, sizes.many]}
        self.found |= {loader.name: {} for loader in self.loaders}
        self.late: dict[str, Callable[[], None]] = {}

    def measure(self) -> Iterator[Facts]:
        """Runs everything, the contestant that waits most of the time last and its longest case at the end; gives what
        was found up to there before each of its cases, and after the last."""
        self._fill()
        for size in (self.sizes.few, self.sizes.some):
            self._load(size)
        self._nothing_changed()
        self._killed()
        self._load(self.sizes.many)
        self._refused()
        self.say("only the slowest is left")
        yield self.found
        for case in sorted(self.late, key=lambda case: case == f"load_{self.sizes.many}"):
            self.late[case]()
            yield self.found

    def _each(self, case: str, act: Callable[[Loader], Facts]) -> None:
        """Everybody in turn, the product last; the slowest later."""

        def noted(loader: Loader) -> None:
            self.found[loader.name][case] = facts = act(loader)
            self.say(f"{loader.name}, {case}: {facts}")

        for loader in self.loaders:
            if isinstance(loader, DrtHubspot):
                self.late[case] = partial(noted, loader)
            else:
                noted(loader)

    # --- what is there ---

    def _fill(self) -> None:
        """Contacts that were synchronised before: the product's first run creates them."""
        at = self.stage.systems.clock.now() - timedelta(days=30)
        for number in range(self.sizes.many):
            self.people.append(self.teamleader.new_id("contacts"))
            record = shapes.contact(
                self.people[-1],
                first_name=f"Voornaam{number}",
                last_name=f"Achternaam{number}",
                emails=[("primary", f"persoon{number}@klant{number}.example")],
                added_at=at - timedelta(days=300) + timedelta(seconds=number),
                updated_at=at + timedelta(seconds=number),
            )
            self.teamleader.load("contacts", [record])
        self.ours.sync()
        self.say("the first run is done")

    def _edit(self, number: int, case: str) -> list[Changed]:
        """So many contacts get another first name in Teamleader; the rows that say so."""
        self.stage.systems.clock.advance(900)
        changed = []
        for place, id in enumerate(self.people[:number]):
            row = Changed(id, f"{case} {place}", f"Achternaam{place}", self._now())
            self.teamleader.update("contacts", id, first_name=row.firstname)
            changed.append(row)
        return changed

    def _now(self) -> str:
        return self.stage.systems.clock.now().astimezone(UTC).isoformat(timespec="microseconds")

    def _edit_in_hubspot(self, number: int, case: str) -> None:
        """People give that many contacts another last name in HubSpot."""
        ids = {row[0]: id for id, row in self._contacts().items()}
        for person in self.people[:number]:
            self.portal.patch("contacts", ids[person], {"lastname": f"Anders {case}"})

    def _contacts(self) -> dict[str, Contact]:
        """Every HubSpot contact by its record id."""
        names = ("teamleader_id", "firstname", "lastname", "email")
        return {r["id"]: tuple(r["properties"].get(name) for name in names) for r in self.portal.all("contacts")}

    def _outcome(self, before: dict[str, Contact], changed: list[Changed]) -> Facts:
        """Held against the truth; `overwritten` are last names that people had changed in HubSpot."""
        wanted = {row.teamleader_id: row for row in changed}
        after = self._contacts()
        pairs = [(wanted[row[0]], row, after.get(id)) for id, row in before.items() if row[0] in wanted]
        others = [id for id, row in before.items() if row[0] not in wanted and after.get(id) != row]
        by_people = [(was, now) for row, was, now in pairs if was[2] != row.lastname]
        return {
            "changed": len(wanted),
            "written": sum(now is not None and now[1] == row.firstname for row, _, now in pairs),
            "edited_by_people": len(by_people),
            "overwritten": sum(now is None or now[2] != was[2] for was, now in by_people),
            "others_changed": len(others),
            "more": len(after) - len(before),
        }

    # --- the cases ---

    def _load(self, number: int) -> None:
        """Everybody loads the same."""
        self._edit_in_hubspot(max(1, number // 100), f"Stap{number}")
        changed = self._edit(number, f"Stap{number}")
        self.ours.plan()
        start, before = self.portal.dump(), self._contacts()

        def load(loader: Loader) -> Facts:
            self.portal.put_back(start)
            loader.fresh(changed)
            facts = self.stage.measure(loader.load(), loader.environment(), loader.folder)
            return _shown(facts) | self._outcome(before, changed)

        self._each(f"load_{number}", load)

    def _nothing_changed(self) -> None:
        """Once more without a change: the rivals with the table as it was, and dlt before them; the product a sync."""
        clock = self.stage.systems.clock
        clock.advance(900)
        self.teamleader.update("contacts", self.people[-1], first_name="De laatste")
        clock.advance(900)
        self.ours.sync()
        dlt = Dlt(self.stage, "unchanged-dlt")
        names = ("contacts", "companies", "deals", "links")
        self.stage.run(dlt.command(names), self.stage.environment(dlt.folder), dlt.folder)
        clock.advance(900)
        self.found["dlt"] = {"nothing_changed": (facts := dlt.read(names))}
        self.say(f"dlt, nothing changed: {facts}")

        def once_more(loader: Loader) -> Facts:
            return _shown(self.stage.measure(loader.again(), loader.environment(), loader.folder))

        self._each("nothing_changed", once_more)

    def _killed(self) -> None:
        """Killed when half of the contacts are written, then run again."""
        changed = self._edit(self.sizes.some, "Onderbroken")
        self.ours.plan()
        start, before = self.portal.dump(), self._contacts()

        def kill(loader: Loader) -> Facts:
            self.portal.put_back(start)
            loader.fresh(changed)
            half, path, log = len(changed) // 2 // loader.per_call, loader.each_write, self.portal.log

            def is_half() -> bool:
                return log.count(path, "PATCH") + log.count(f"{path}up(date|sert)", "POST") >= half

            facts = self.stage.measure(loader.load(), loader.environment(), loader.folder, killed_when=is_half)
            first, killed = self._written(before), facts["exit_code"] == -9
            again = self.stage.measure(loader.again(), loader.environment(), loader.folder)
            told = {"killed": killed, "written_before": len(first), "written_again": len(first & self._written(before))}
            return told | _shown(again) | self._outcome(before, changed)

        self._each("killed", kill)

    def _written(self, contacts: dict[str, Contact]) -> set[str]:
        """Teamleader ids of the contacts in the writing calls that HubSpot carried out."""
        found: set[str] = set()
        for call in self.portal.log.writes():
            if "/contacts/" in call["path"] and 200 <= call["status"] < 300:
                body = call["body"] or {}
                found |= {i["id"] for i in body["inputs"]} if "inputs" in body else {call["path"].split("/")[-1]}
        return {str(contacts[id][0]) if id in contacts else id for id in found}

    def _refused(self) -> None:
        """HubSpot refuses one of the contacts (400)."""
        changed = self._edit(self.sizes.some, "Geweigerd")
        refused = changed[len(changed) // 3]._replace(firstname=REFUSED)
        changed[len(changed) // 3] = refused
        self.teamleader.update("contacts", refused.teamleader_id, first_name=REFUSED)
        self.ours.plan()
        start, before = self.portal.dump(), self._contacts()

        def refuse(loader: Loader) -> Facts:
            self.portal.put_back(start)
            loader.fresh(changed)
            facts = self.stage.measure(loader.load(), loader.environment(), loader.folder, prepare=self._poison)
            return _shown(facts) | {"kept": loader.kept()} | self._outcome(before, changed)

        self._each("refused", refuse)

    def _poison(self) -> None:
        """One fault a call: calls that are searched for the contact are not made slower."""
        rest = self.portal.faults.remaining
        self.portal.faults.clear()
        writing = r"contacts/(batch/up(date|sert)|[0-9a-f-]{36})$"
        for fault in (Fault("poison", writing, record=REFUSED, times=None), *rest):
            self.portal.faults.add(fault)


def _shown(facts: Facts) -> Facts:
    """Without what the command printed, and which Teamleader calls they were."""
    return {name: value for name, value in facts.items() if name not in ("said", "by_path")}


def measure(stage: Stage, sizes: Sizes, say: Callable[[str], None]) -> Iterator[Facts]:
    """All cases; gives `{"sizes": […], contestant: {case: facts}}`, more each time."""
    return Loading(stage, sizes, say).measure()
