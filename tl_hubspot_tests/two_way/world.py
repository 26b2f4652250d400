"""Two systems in memory with people who edit them, and what those people may expect of a synchronisation.

Every person's record pair is a history of its own: what was typed where, and what somebody saw and replaced.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tl_hubspot_tests.two_way.oracle import normal

FIELDS = ("firstname", "lastname", "mobilephone", "phone")
PHONES = ("mobilephone", "phone")
SIDES = ("a", "b")
OTHER = {"a": "b", "b": "a"}
POISON = "poison"
START = datetime(2026, 11, 2, 8, tzinfo=UTC)


def form(name: str, value: str) -> str:
    """Normal form of a field's value."""
    return normal(value, "phone" if name in PHONES else "text")


def as_sent(name: str, value: str) -> str:
    """A server that stores what it is sent."""
    return value if value.strip() else ""


def bare(name: str, value: str) -> str:
    """A server that stores numbers as bare E.164, and trims; what is no number it leaves as it is."""
    if name in PHONES and not any(ch.isalpha() for ch in value):
        return "".join(ch for ch in value if ch.isdigit() or ch == "+")
    return value.strip()


def spaced(name: str, value: str) -> str:
    """A server that writes numbers in groups of three."""
    digits = bare(name, value)
    if name not in PHONES or any(ch.isalpha() for ch in digits):
        return digits
    return " ".join(digits[i : i + 3] for i in range(0, len(digits), 3))


@dataclass
class Server:
    """One system: records, when they were made and changed, and the history of every field."""

    side: str
    canonical: Callable[[str, str], str]
    first_id: int
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    owner: dict[str, int] = field(default_factory=dict)
    made: dict[str, datetime] = field(default_factory=dict)
    modified: dict[str, datetime] = field(default_factory=dict)
    history: list[tuple[str, str, str, datetime, bool]] = field(default_factory=list)
    seen: dict[str, dict[str, str]] = field(default_factory=dict)

    def create(self, values: dict[str, str], owner: int, at: datetime, *, ours: bool) -> str:
        new = str(self.first_id + len(self.owner))
        shape = self.canonical if ours else as_sent
        self.records[new] = {name: shape(name, values.get(name) or "") for name in FIELDS}
        self.owner[new], self.made[new], self.modified[new] = owner, at, at
        return new

    def write(self, record: str, values: dict[str, str], at: datetime, *, ours: bool) -> dict[str, str]:
        shape = self.canonical if ours else as_sent
        for name, value in values.items():
            self.records[record][name] = shape(name, value)
            self.history.append((record, name, self.records[record][name], at, ours))
        self.modified[record] = at
        return dict(self.records[record])


@dataclass
class Person:
    """One contact: what was typed, what was seen and replaced by somebody, and where.

    `early`: fields that were edited before both sides had agreed on them for the first time.
    """

    number: int
    kind: str
    typed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    replaced: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    sides: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    last: dict[tuple[str, str], str] = field(default_factory=dict)
    early: set[str] = field(default_factory=set)
    ended: bool = False


KINDS = ("equal", "reformatted", "only_a", "only_b", "phones_differ", "one_empty", "ambiguous")


class World:
    """Both systems, the people, and a clock that every event moves."""

    def __init__(self, seed: int, people: int) -> None:
        self.rng = rng = Random(seed)
        self.clock = START
        shapes = [as_sent, bare, spaced]
        self.servers = {
            "a": Server("a", rng.choice(shapes), 700_000),
            "b": Server("b", rng.choice(shapes), 1_000),
        }
        self.people = [Person(n, rng.choice(KINDS)) for n in range(people)]
        self.typed = 0
        self.linked: set[tuple[str, str]] = set()
        self.agreed: set[tuple[str, str, str]] = set()
        for person in self.people:
            self._born(person)

    def tick(self, seconds: float = 1) -> datetime:
        self.clock += timedelta(seconds=seconds)
        return self.clock

    def _born(self, p: Person) -> None:
        a = {
            "firstname": f"Ann{p.number}",
            "lastname": f"Maes{p.number}",
            "mobilephone": f"+47 9{p.number:07}",
            "phone": f"+47 2{p.number:07}",
        }
        b = dict(a)
        if p.kind == "reformatted":
            b |= {"firstname": f"Ann{p.number} ", "mobilephone": f"00479{p.number:07}"}
        if p.kind == "phones_differ":
            b["phone"] = f"+47 3{p.number:07}"
        if p.kind == "one_empty":
            self.rng.choice([a, b])["phone"] = ""
        sides = {"only_a": "a", "only_b": "b", "ambiguous": "aab"}.get(p.kind, "ab")
        for side in sides:
            values = a if side == "a" else b
            self.servers[side].create(values, p.number, self.clock, ours=False)
            for name in FIELDS:
                p.typed[name].add(values[name])

    def ids(self, side: str, person: Person) -> list[str]:
        """The records of a person on one side."""
        server = self.servers[side]
        return [i for i, owner in server.owner.items() if owner == person.number and i in server.records]

    def edit(self, person: Person, rng: Random, sides: str = "ab") -> None:
        """Somebody types something into one of the records of a person; into its keys only once it is linked."""
        side, name = rng.choice(sides), rng.choice(FIELDS)
        ids = self.ids(side, person)
        if not all((side, i) in self.linked for i in ids):
            name = "phone"
        if not ids:
            return
        record, others = rng.choice(ids), self.ids(OTHER[side], person)
        server = self.servers[side]
        old = server.records[record][name]
        self.typed += 1
        new = {
            "clear": "",
            "reformat": f" {old} " if old else "",
            "same": self.servers[OTHER[side]].records[others[0]][name] if others else old,
            "poison": f"{POISON}{self.typed}",
        }.get(rng.choices(["new", "clear", "reformat", "same", "poison"], [12, 2, 2, 2, 0.3])[0])
        if new is None:
            new = f"+47 4{self.typed:07}" if name in PHONES else f"N{self.typed}{rng.choice(['', ' '])}"
        self.type(person, side, record, name, new)

    def type(self, person: Person, side: str, record: str, name: str, value: str) -> None:
        server = self.servers[side]
        old = server.records[record][name]
        if value == old:
            return
        person.replaced[name].add(form(name, old))
        person.typed[name].add(value)
        person.sides[name].add(side)
        if (side, record, name) not in self.agreed:
            person.early.add(name)
        server.write(record, {name: value}, self.tick(), ours=False)
        person.last[side, name] = server.records[record][name]

    def delete(self, person: Person, rng: Random) -> None:
        """Somebody deletes one of the two records of a person that are linked."""
        side = rng.choice(SIDES)
        ids = self.ids(side, person)
        if not ids or (side, ids[0]) not in self.linked:
            return
        values = self.servers[side].records.pop(ids[0])
        for name, value in values.items():
            person.replaced[name].add(form(name, value))
        person.ended = True

    def possible(self, person: Person, name: str) -> set[str]:
        """P6: everything typed, and what the servers make of it."""
        found = {as_sent(name, value) for value in person.typed[name]} | {""}
        for _ in range(2):
            found |= {server.canonical(name, value) for value in found for server in self.servers.values()}
        return found

    def copies(self, side: str) -> Counter[int]:
        """How many records each person has on a side."""
        server = self.servers[side]
        return Counter(server.owner[i] for i in server.records)
