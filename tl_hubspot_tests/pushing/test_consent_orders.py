"""Consent in every order of events on both sides: nobody who opted out is asked for, nobody is subscribed by us.

Many people live through an order of events each, side by side in one portal; every run reads HubSpot by HTTP, decides,
plans and pushes contacts as the product does. What happens to everybody (faults, a killed run) goes by runs.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tl_hubspot.config import mapping as mapping_file
from tl_hubspot.errors import TlHubspotError
from tl_hubspot.hubspot import mirror
from tl_hubspot.hubspot.provision import PropertyWanted
from tl_hubspot.planning import match_contacts, preflight
from tl_hubspot.planning.adopt import adopt
from tl_hubspot.planning.opt_outs import plan_opt_outs
from tl_hubspot.planning.plan import build
from tl_hubspot.planning.plan_inputs import EntityInputs, PlanInputs, PlanSettings, rows_of
from tl_hubspot.planning.stages import resolve
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.pushing.change import Change, PlannedChanges
from tl_hubspot.pushing.push import PushSettings, push
from tl_hubspot.pushing.recovery import settle_open
from tl_hubspot.rules import companies as company_rules
from tl_hubspot.rules import contacts as contact_rules
from tl_hubspot.rules import eligible
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.hubspot.subscriptions import ALL
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot_tests.hubspot.support import Portal as OpenPortal
from tl_hubspot_tests.hubspot.support import portal as open_portal
from tl_hubspot_tests.pushing.memory import MemoryLedger

all_ways = pytest.mark.skipif("TL_HUBSPOT_ALL_WAYS" not in os.environ, reason="minutes: TL_HUBSPOT_ALL_WAYS=1")

NOW = datetime(2026, 11, 2, 11, tzinfo=UTC)
RULES = RuleSettings(as_of=NOW)
MAPPING = mapping_file.load()
Row = dict[str, Any]


class Killed(Exception):
    """The process ends here."""


class DyingLedger(MemoryLedger):
    """A memory that kills the push at the given call of a method."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at: dict[str, int] = {}

    def _die(self, method: str) -> None:
        if method in self.dies_at:
            self.dies_at[method] -= 1
            if self.dies_at[method] <= 0:
                self.dies_at.clear()
                raise Killed

    def opt_out(self, rows: Sequence[Row]) -> None:
        self._die("opt_out")
        super().opt_out(rows)

    def marketing_request(self, rows: Sequence[Row]) -> None:
        self._die("marketing_request")
        super().marketing_request(rows)

    def consent(self, events: Sequence[Row]) -> None:
        if any(e["event"] == "marketing_asked" for e in events):
            self._die("asked")
        super().consent(events)


@dataclass
class World:
    """Teamleader contacts, a portal, what the sync remembers, and what went wrong."""

    opened: OpenPortal
    teamleader: dict[str, Row] = field(default_factory=dict)
    ledger: DyingLedger = field(default_factory=DyingLedger)
    late: list[str] = field(default_factory=list)
    """Addresses that unsubscribe in HubSpot once the next plan is made."""
    resubscribed: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)
    pushed: list[Change] = field(default_factory=list)
    """The plan of the last run: what its open intents were to carry out."""
    runs: int = 0

    def __post_init__(self) -> None:
        sandbox = self.opened.sandbox
        marketing = sandbox.portal.marketing
        switch = marketing.switch

        def watched(record: Any, wanted: bool, reason_type: str, reason: str) -> bool:
            if reason_type == "IMPORT":
                self._asked(record)
            return switch(record, wanted, reason_type, reason)

        marketing.switch = watched  # type: ignore[method-assign]
        self._definitions()

    @property
    def sandbox(self) -> Any:
        return self.opened.sandbox

    def _definitions(self) -> None:
        found = mirror.read_definitions(self.opened.gateway)
        properties = frame_of("hubspot.properties", found.properties)
        wanted, _ = preflight.check(MAPPING, properties)
        self.wanted = tuple(
            PropertyWanted(w.object_type, w.name, w.label, w.type, w.field_type, w.options, w.unique)
            for w in wanted
            if w.object_type == "contact"
        )
        stages = resolve(
            MAPPING.pipelines, frame_of("teamleader.reference", []), frame_of("hubspot.pipeline_stages", [])
        )
        self.facts = Portal(
            properties,
            frame_of("hubspot.owners", []),
            frame_of("hubspot.currencies", found.currencies),
            stages,
        )

    # --- what may never happen ---

    def refused(self) -> set[str]:
        """Addresses that Teamleader shows opted out: an unticked box of any contact."""
        return {t["emails"][0]["email"] for t in self.teamleader.values() if t["marketing_mails_consent"] is False}

    def _out(self, address: str) -> bool:
        return bool(self.sandbox.portal.subscriptions.opted_out(address))

    def _asked(self, record: Any) -> None:
        """An import makes this record a marketing contact, now."""
        values = record.properties
        addresses = {values.get("email"), *values.get("hs_additional_emails", "").split(";")} - {None, ""}
        linked = [t for (_, t), row in self.ledger.links.items() if row["hubspot_id"] == str(record.id)]
        addresses |= {self.teamleader[t]["emails"][0]["email"] for t in linked}
        for address in sorted(addresses):
            if address in self.refused():
                self.violations.append(f"run {self.runs}: {address} asked, though Teamleader shows it opted out")
            if self._out(address):
                self.violations.append(f"run {self.runs}: {address} asked, though HubSpot shows it opted out")

    def check(self, *, complete: bool) -> None:
        """After a run; `complete`: nothing went wrong in it."""
        for call in self.sandbox.log.writes():
            path = call["path"].rstrip("/")
            if "communication-preferences" in path and not path.endswith(("unsubscribe-all", "v3/unsubscribe")):
                self.violations.append(f"run {self.runs}: {path} was called")
        known = set()
        for record in self.sandbox.all("contacts"):
            values = record["properties"]
            known |= {values.get("email"), *values.get("hs_additional_emails", "").split(";")} - {None, ""}
        if complete:
            self.violations += [
                f"run {self.runs}: {address} is still subscribed"
                for address in sorted(self.refused() & known)
                if not self._out(address) and address not in self.resubscribed
            ]
        self.was_out = getattr(self, "was_out", set())
        self.violations += [
            f"run {self.runs}: {address} was subscribed by us"
            for address in self.was_out
            if not self._out(address) and address not in self.resubscribed
        ]
        self.was_out |= {address for address in known if self._out(address)}
        assert not self.violations, "\n".join(self.violations[:10])

    # --- one run ---

    def run(self) -> bool:
        """Settle, read, decide, plan, push, remember; returns whether it got to its end without a failure."""
        self.runs += 1
        self.sandbox.log.clear()
        complete = False
        with contextlib.suppress(Killed, TlHubspotError):
            complete = self._run()
        self.sandbox.faults.clear()
        self.ledger.dies_at.clear()
        self.check(complete=complete)
        return complete

    def _run(self) -> bool:
        gateway, ledger = self.opened.gateway, self.ledger
        settle_open(gateway, ledger, ledger.open(), self.pushed, f"run-{self.runs}", lambda: NOW)
        people = frame_of("teamleader.contacts", self.teamleader.values())
        wanted = mirror.Wanted("contact", tuple(MAPPING.properties("contact")))
        held = frame_of(
            "hubspot.contacts",
            [
                row
                for archived in (False, True)
                for rows in mirror.read_list(gateway, wanted, archived=archived)
                for row in rows
            ],
        )
        links = adopt("contact", people["id"], frame_of("sync.links", ledger.links.values()), held).links
        for row in links.iter_rows(named=True):
            known = ledger.links.get(("contact", row["teamleader_id"]), {"first_run": "adopted", "last_run": "adopted"})
            ledger.links["contact", row["teamleader_id"]] = known | row
        decided = contact_rules.decide(people, links["teamleader_id"], RULES)
        none = frame_of("teamleader.contact_company_links", [])
        companies = company_rules.decide(
            company_rules.group(frame_of("teamleader.companies", []), RULES), none, decided, [], RULES
        )
        chosen = eligible.contacts(decided, companies, none)
        shadows = self._shadows()
        addresses = shadows.select(
            "teamleader_id",
            address=pl.col("fields").str.json_path_match("$.email"),
            wrote=pl.col("written").str.json_path_match("$.email"),
            added=pl.col("written").str.json_path_match("$.hs_additional_emails"),
        )
        links_frame = frame_of("sync.links", ledger.links.values())
        matching = match_contacts.match(chosen, decided, held, links_frame, addresses, frame_of("sync.releases", []))
        opted_out = plan_opt_outs(decided, held, matching.matches, frame_of("sync.opt_outs", ledger.opt_outs.values()))
        for address in opted_out.forget["address"]:
            del ledger.opt_outs[address]
        plan = build(
            PlanInputs(
                {
                    "contact": lambda: EntityInputs(
                        source=rows_of(people),
                        deleted=people.filter(pl.col("deleted_at").is_not_null())["id"],
                        decisions=decided,
                        eligible=chosen,
                        matches=matching.matches,
                        mirror=held,
                        held=rows_of(held),
                    )
                },
                links_frame,
                {"contact": rows_of(shadows, "teamleader_id")},
                frame_of("teamleader.reference", []),
                self.facts,
                links_frame.height,
                opt_outs=opted_out.changes,
                marketing_requests=frame_of("sync.marketing_requests", ledger.marketing_requests.values()),
                opted_out_records=opted_out.records,
            ),
            PlanSettings(preflight.effective(MAPPING, self.facts.properties), NOW),
        )
        self.pushed = list(PlannedChanges(plan.changes))
        late, self.late = self.late, []
        for address in late:
            self.sandbox.optout(address)
        settings = PushSettings(run_id=f"run-{self.runs}", properties=self.wanted, now=lambda: NOW)
        result = push(plan.changes, gateway, ledger, settings)
        if result.stopped is not None:
            return False
        self._settle(plan.settled, chosen)
        return result.failed == 0

    def _shadows(self) -> pl.DataFrame:
        import json

        rows = [
            {
                "entity_type": kind,
                "teamleader_id": id_,
                "fields": json.dumps({n: v for n, v in kept["fields"].items() if v is not None}, sort_keys=True),
                "written": json.dumps({n: v for n, v in kept["written"].items() if v is not None}, sort_keys=True),
            }
            for (kind, id_), kept in self.ledger.shadows.items()
        ]
        return frame_of("sync.shadows", rows)

    def _settle(self, settled: pl.DataFrame, chosen: pl.DataFrame) -> None:
        stamp = {"first_run": "settled", "last_run": "settled"}
        for row in settled.iter_rows(named=True):
            pair = {name: row[name] for name in ("entity_type", "teamleader_id", "hubspot_id")}
            self.ledger.link([pair | stamp])
            key = {name: row[name] for name in ("entity_type", "teamleader_id")}
            self.ledger.shadow([key | {"fields": row["shadow"], "written": "{}", "run_id": "settled"}])
        marketing = set(chosen.filter("marketing")["teamleader_id"])
        for id_ in self.ledger.marketing_requests.keys() - marketing:
            del self.ledger.marketing_requests[id_]


@dataclass
class Person:
    """One person in both systems, and what may happen to them."""

    world: World
    number: int
    addresses: int = 0

    def __post_init__(self) -> None:
        self.id = f"t{self.number}"
        # half of them have said nothing yet: to be asked for later, with all that has happened until then
        self.contact(self.id, self.new_address(), consent=True if self.number % 8 < 4 else None)
        if self.number % 2:
            # HubSpot has this person already, every other time under a further address
            primary = self.new_address() if self.number % 4 == 1 else self.address
            record = self.world.sandbox.create("contacts", {"email": primary})
            if primary != self.address:
                self.world.sandbox.patch("contacts", record["id"], {"hs_additional_emails": self.address})

    def new_address(self) -> str:
        self.addresses += 1
        return f"p{self.number}.{self.addresses}@voorbeeld.be"

    def contact(self, id_: str, address: str, consent: bool | None = True, days: int = 30) -> None:
        at = NOW - timedelta(days=days)
        self.world.teamleader[id_] = {
            "id": id_,
            "status": "active",
            "last_name": id_,
            "emails": [{"type": "primary", "email": address}],
            "marketing_mails_consent": consent,
            "added_at": NOW - timedelta(days=900),
            "updated_at": at,
            "changed_at": at,
        }

    @property
    def own(self) -> Row:
        return self.world.teamleader[self.id]

    @property
    def address(self) -> str:
        return str(self.own["emails"][0]["email"])

    @property
    def record(self) -> Row | None:
        """The HubSpot contact, if there is one."""
        find = self.world.sandbox.find
        row = self.world.ledger.links.get(("contact", self.id))
        if row is not None:
            found: Row = self.world.sandbox.get("contacts", row["hubspot_id"])
            return None if found["archived"] else found
        return find("contacts", "email", self.address)  # type: ignore[no-any-return]

    @property
    def further(self) -> list[str]:
        record = self.record
        return [a for a in (record or {"properties": {}})["properties"].get("hs_additional_emails", "").split(";") if a]

    # --- Teamleader ---

    def _set(self, **values: Any) -> None:
        self.own.update(values)

    def consent_on(self) -> None:
        self._set(marketing_mails_consent=True)

    def consent_off(self) -> None:
        self._set(marketing_mails_consent=False)

    def consent_unknown(self) -> None:
        self._set(marketing_mails_consent=None)

    def address_changes(self) -> None:
        self._set(emails=[{"type": "primary", "email": self.new_address()}])

    def twin_without_consent(self) -> None:
        self.contact(f"{self.id}off", self.address, consent=False, days=40)

    def twin_with_consent_wins(self) -> None:
        self.contact(f"{self.id}on", self.address, consent=True, days=3)

    def somebody_without_consent_has_the_further_address(self) -> None:
        for address in self.further[:1]:
            self.contact(f"{self.id}further", address, consent=False)

    def deactivated(self) -> None:
        self._set(status="deactivated")

    def three_years_pass(self) -> None:
        self._set(changed_at=NOW - timedelta(days=3 * 365))

    def six_years_pass(self) -> None:
        self._set(changed_at=NOW - timedelta(days=6 * 365))

    def edited(self) -> None:
        self._set(changed_at=NOW, status="active")

    # --- HubSpot ---

    def unsubscribes(self) -> None:
        record = self.record
        self.world.sandbox.optout(record["properties"].get("email", self.address) if record else self.address)

    def unsubscribes_between_plan_and_push(self) -> None:
        self.world.late.append(self.address)

    def unsubscribes_the_further_address(self) -> None:
        for address in self.further:
            self.world.sandbox.optout(address)

    def subscribes_again(self) -> None:
        portal = self.world.sandbox.portal
        for address in {self.address, *self.further, (self.record or {"properties": {}})["properties"].get("email")}:
            if address and portal.subscriptions.opted_out(address):
                self.world.resubscribed.add(address)
                with portal.work():
                    portal.store.set_subscription(address, ALL, "SUBSCRIBED", None, None, portal.now_ms())
                    portal.subscriptions._show(address)

    def set_to_marketing(self) -> None:
        if record := self.record:
            self.world.sandbox.set_marketable(record["id"])

    def merged(self) -> None:
        if record := self.record:
            other = self.world.sandbox.create("contacts", {"email": self.new_address()})
            self.world.sandbox.merge("contacts", other["id"], record["id"])

    def merged_into_somebody_opted_out(self) -> None:
        if record := self.record:
            address = self.new_address()
            other = self.world.sandbox.create("contacts", {"email": address})
            self.world.sandbox.optout(address)
            self.world.sandbox.merge("contacts", record["id"], other["id"])

    def further_address_added(self) -> None:
        if record := self.record:
            addresses = ";".join([*self.further, self.new_address()])
            self.world.sandbox.patch("contacts", record["id"], {"hs_additional_emails": addresses})

    def further_addresses_removed(self) -> None:
        if record := self.record:
            self.world.sandbox.patch("contacts", record["id"], {"hs_additional_emails": ""})

    def another_primary_chosen(self) -> None:
        if (record := self.record) and (further := self.further):
            primary = record["properties"].get("email")
            patch = self.world.sandbox.patch
            patch("contacts", record["id"], {"hs_additional_emails": "", "email": further[0]})
            if primary:
                patch("contacts", record["id"], {"hs_additional_emails": ";".join([*further[1:], primary])})


EVENTS = tuple(
    name
    for name, value in vars(Person).items()
    if callable(value) and not name.startswith("_") and name not in ("new_address", "contact")
)
_NO = {"status": "error", "category": "VALIDATION_ERROR", "message": "no"}
UNSUBSCRIBE, IMPORTS = "unsubscribe-all", "/imports"


def _faulty(*faults: Fault) -> Callable[[World], None]:
    def happens(world: World) -> None:
        for fault in faults:
            world.sandbox.faults.add(fault)

    return happens


def _killed(method: str, call: int = 1) -> Callable[[World], None]:
    return lambda world: world.ledger.dies_at.update({method: call})


TROUBLES: dict[str, Callable[[World], None]] = {
    "opt-outs answer 500": _faulty(Fault("status", path=UNSUBSCRIBE, status=500, times=None)),
    "some opt-outs answer 500 after they were done": _faulty(
        Fault("status", path=UNSUBSCRIBE, status=500, when="after", skip=1, times=7)
    ),
    "opt-outs are forbidden": _faulty(Fault("status", path=UNSUBSCRIBE, status=403, times=None)),
    "every third opt-out is refused": _faulty(
        *(Fault("status", path=UNSUBSCRIBE, method="POST", status=400, body=_NO, skip=2) for _ in range(9))
    ),
    "batches are not allowed": lambda world: world.sandbox.set_profile(marketing_enterprise=False),
    "batches are allowed": lambda world: world.sandbox.set_profile(marketing_enterprise=True),
    "the import is refused": _faulty(Fault("status", path=IMPORTS, method="POST", status=400, body=_NO)),
    "the answer to the import is lost": _faulty(Fault("drop", path=IMPORTS, method="POST", when="after")),
    "imports answer 500": _faulty(Fault("status", path=IMPORTS, status=500, times=None)),
    "reading before the import fails": _faulty(Fault("status", path="batch/read", status=500, times=None)),
    "killed at the first opt-out": _killed("opt_out"),
    "killed at the third opt-out": _killed("opt_out", 3),
    "killed before the import": _killed("asked"),
    "killed after the import": _killed("marketing_request"),
}


def live(
    orders: Sequence[Sequence[str]], troubles: Sequence[str] = (), *, enterprise: bool = True, begun: bool = True
) -> None:
    """Every person lives through an order, one event and one run after the other; `troubles`: what happens to the runs
    after the first event. Two more runs then find everything done. `begun`: there was a run before all that."""
    with open_portal(limits=False) as opened:
        opened.gateway.close()
        opened.gateway = opened.connect(rate_limit=100_000)
        opened.sandbox.set_profile(marketing_enterprise=enterprise, tier="enterprise", marketing_contacts_tier=10**6)
        world = World(opened)
        people = [Person(world, number) for number in range(len(orders))]
        if begun:
            assert world.run()
        for step in range(max(map(len, orders))):
            for person, order in zip(people, orders, strict=True):
                if step < len(order):
                    getattr(person, order[step])()
            if step < len(troubles):
                TROUBLES[troubles[step]](world)
            world.run()
        assert world.run()
        world.run()
        assert world.sandbox.log.writes() == []


def orders_of(length: int) -> Iterator[tuple[str, ...]]:
    return itertools.product(EVENTS, repeat=length)


def test_orders_of_up_to_three_events() -> None:
    dice = random.Random(1)
    short = [*orders_of(1), *dice.sample(list(orders_of(2)), 50), *dice.sample(list(orders_of(3)), 90)]
    dice.shuffle(short)
    live(short, begun=False)


def test_long_orders_among_troubles() -> None:
    dice = random.Random(2)
    troubles = list(TROUBLES)
    dice.shuffle(troubles)
    orders = [dice.choices(EVENTS, k=8) for _ in range(24)]
    live(orders, troubles[:8], enterprise=False)


@all_ways
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("first", EVENTS)
def test_all_orders_of_up_to_three_events(first: str, seed: int) -> None:
    orders = [(first, *rest) for length in range(3) for rest in orders_of(length)]
    random.Random(seed).shuffle(orders)  # what a person begins with goes by its place
    live(orders, begun=bool(seed % 2))


@all_ways
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_all_pairs_of_events_with_a_trouble(trouble: str, place: int) -> None:
    troubles = ["batches are allowed" if place % 2 else "batches are not allowed"] * 3
    troubles[place] = trouble
    pairs = [(*pair[:place], pair[-1] if place > 1 else pair[place], pair[-1]) for pair in orders_of(2)]
    live(pairs, troubles, enterprise=bool(place % 2))


@all_ways
@pytest.mark.parametrize("seed", range(20))
def test_random_orders_among_random_troubles(seed: int) -> None:
    dice = random.Random(1000 + seed)
    troubles = [dice.choice(list(TROUBLES)) for _ in range(12)]
    live([dice.choices(EVENTS, k=12) for _ in range(40)], troubles, enterprise=bool(seed % 2))
