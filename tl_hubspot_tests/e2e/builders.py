"""Stories for end-to-end tests: a few records, a clock, and several runs of the product, each as cheap as it can be.

A run here is what the assets of the job do, in its order, without Dagster's bookkeeping and the analysts' copy; the
commands themselves are run by `test_subset` and others. What records look like comes from `sandbox.worlds.shapes`.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from types import SimpleNamespace
from typing import Any

import httpx
import polars as pl
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

from tl_hubspot.config import settings as configuration
from tl_hubspot.definitions import build_definitions
from tl_hubspot.errors import ExitCode, HeldByGuard, TlHubspotError
from tl_hubspot.orchestration import automation
from tl_hubspot.orchestration.execute import Finished
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import conclude, releasing
from tl_hubspot.planning import plan as plans
from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.hubspot.subscriptions import ALL
from tl_hubspot.sandbox.worlds import reference, shapes
from tl_hubspot_tests.e2e.conftest import Make, Product

START = datetime(2026, 11, 2, 11, 0, tzinfo=UTC)
"""When every story begins."""
YEAR = timedelta(days=365)
PIPELINE = reference.PIPELINES[0]["id"]
PHASES = reference.PHASES_OF[PIPELINE]
USER = reference.USERS[0]["id"]
NO_PACING = {"TEAMLEADER_RATE_LIMIT": "100000", "HUBSPOT_RATE_LIMIT": "100000"}


@cache
def steps(command: str) -> list[Callable[..., Any]]:
    """What the assets of a command's job do, in the order in which Dagster would have them."""
    definitions = build_definitions(Platform(configuration.load({})))
    graph = definitions.resolve_asset_graph()
    job = definitions.resolve_job_def({"sync": "sync", "plan": "plan_only", "approve": "approve"}[command])
    wanted = job.asset_layer.executable_asset_keys
    keys = [k for k in graph.toposorted_asset_keys if k in wanted and k.path != automation.PUBLISHED]
    computes = [graph.get(key).assets_def.op.compute_fn for key in keys]
    return [compute.decorated_fn for compute in computes if isinstance(compute, DecoratedOpFunction)]


def run_assets(platform: Platform, run_id: str | None = None) -> Finished:
    """As `orchestration.execute`: the assets of the command's job in their order, but for the copy; no Dagster events.

    The platform is closed afterwards. Raises what stopped the run.
    """
    run_id = run_id or str(uuid.uuid4())
    context = SimpleNamespace(run=SimpleNamespace(run_id=run_id))

    def finished() -> Finished:
        row = platform.run_row(run_id)
        return Finished(conclude.exit_code(row["status"]), row)

    platform.as_of()
    try:
        for compute in steps(platform.options.command):
            compute(context, platform)
        return finished()
    except HeldByGuard:
        return finished()
    except TlHubspotError as error:
        conclude.stopped(platform, run_id, error)
        raise
    finally:
        platform.close()


@dataclass
class Story:
    """One installation beside two systems that begin without records; `sync` moves the clock on and runs."""

    product: Product
    numbers: Any = field(default_factory=lambda: count(1))

    # --- the clock ---

    @property
    def now(self) -> datetime:
        """What both systems believe the time to be."""
        return self.product.systems.clock.now()

    def ago(self, years: float = 0, days: float = 0) -> datetime:
        """An instant before now."""
        return self.now - years * YEAR - timedelta(days=days)

    # --- Teamleader ---

    @property
    def teamleader(self) -> Any:
        """The Teamleader account."""
        return self.product.systems.teamleader

    def contact(self, email: str | None, *, changed: datetime | None = None, **more: Any) -> str:
        """A new contact with this primary address, last edited at `changed`; returns its id."""
        changed = changed or self.ago(days=30)
        number = next(self.numbers)
        values: dict[str, Any] = {
            "first_name": f"Voornaam{number}",
            "last_name": f"Achternaam{number}",
            "emails": [("primary", email)] if email else [],
            "added_at": min(changed, START - 6 * YEAR),
            "updated_at": changed,
        } | more
        return self._add("contacts", shapes.contact(self.teamleader.new_id("contacts"), **values))

    def company(self, name: str, *, changed: datetime | None = None, **more: Any) -> str:
        """A new company; returns its id."""
        changed = changed or self.ago(days=30)
        values: dict[str, Any] = {"name": name, "added_at": changed, "updated_at": changed} | more
        return self._add("companies", shapes.company(self.teamleader.new_id("companies"), **values))

    def deal(
        self,
        title: str,
        customer: tuple[str, str],
        *,
        created: datetime | None = None,
        phases: Sequence[tuple[int, datetime]] = (),
        **more: Any,
    ) -> str:
        """A new deal; `phases` are (place in the first pipeline, start), the last one is current. Returns its id."""
        created = created or self.ago(days=30)
        steps = [(PHASES[place], at) for place, at in (phases or [(0, created)])]
        values: dict[str, Any] = {
            "reference": f"2026/{next(self.numbers)}",
            "created_at": created,
            "updated_at": max(at for _, at in steps),
            "phases": steps,
            "current_phase": steps[-1][0],
            "pipeline": PIPELINE,
            "user": USER,
            "department": reference.DEPARTMENTS[0]["id"],
        } | more
        deal = shapes.deal(self.teamleader.new_id("deals"), title=title, customer=customer, **values)
        return self._add("deals", deal)

    def _add(self, kind: str, record: dict[str, Any]) -> str:
        # as it stands, whatever its dates: `add` would take its age for the moment of entry
        self.teamleader.load(kind, [record])
        return str(record["id"])

    def edit(self, kind: str, teamleader_id: str, **fields: Any) -> None:
        """A person changes fields in Teamleader now."""
        self.teamleader.update(kind, teamleader_id, **fields)

    def mail(self, teamleader_id: str, *addresses: str) -> None:
        """A person gives a contact these addresses, the first one as primary."""
        kinds = ["primary", *("invoicing" for _ in addresses[1:])]
        entries = [{"type": k, "email": a} for k, a in zip(kinds, addresses, strict=True)]
        self.edit("contacts", teamleader_id, emails=entries)

    # --- HubSpot ---

    @property
    def portal(self) -> Any:
        """The HubSpot portal."""
        return self.product.systems.hubspot

    def held(self, object_type: str, teamleader_id: str) -> dict[str, Any]:
        """Values of the HubSpot record that carries the id; empty ones left out."""
        record = self.product.hubspot(object_type, teamleader_id)
        assert record is not None, f"no HubSpot {object_type} carries {teamleader_id}"
        return {name: value for name, value in record["properties"].items() if value not in (None, "")}

    def id_of(self, object_type: str, teamleader_id: str) -> str:
        """HubSpot id of the record that carries the id."""
        record = self.product.hubspot(object_type, teamleader_id)
        assert record is not None, f"no HubSpot {object_type} carries {teamleader_id}"
        return str(record["id"])

    def addresses(self, teamleader_id: str) -> tuple[str | None, set[str]]:
        """Primary and further addresses of the HubSpot contact that carries the id."""
        values = self.held("contacts", teamleader_id)
        further = values.get("hs_additional_emails", "")
        return values.get("email"), {a for a in further.split(";") if a}

    def related(self, from_type: str, teamleader_id: str, to_type: str) -> dict[str, list[int]]:
        """HubSpot ids of associated records with their association types."""
        found = self.portal.associations(from_type, self.id_of(from_type, teamleader_id), to_type)
        return {a["id"]: a["types"] for a in found}

    def person_has(self, email: str, *further: str, **properties: Any) -> str:
        """A contact that a person made in HubSpot, with further addresses; returns its HubSpot id."""
        record = self.portal.create("contacts", {"email": email, **properties})
        if further:
            self.portal.patch("contacts", record["id"], {"hs_additional_emails": ";".join(further)})
        return str(record["id"])

    def portal_pipelines(self) -> list[dict[str, Any]]:
        """Deal pipelines with their stages, as the API shows them."""
        url = self.product.systems.environment()["HUBSPOT_API_URL"]
        token = {"Authorization": f"Bearer {self.portal.profile.access_token}"}
        return list(httpx.get(f"{url}/crm/v3/pipelines/deals", headers=token).json()["results"])

    def resubscribe(self, address: str) -> None:
        """The person behind the address subscribes again, by HubSpot's own form (no API does that)."""
        with self.portal.portal.work():
            subscriptions = self.portal.portal.subscriptions
            subscriptions._store.set_subscription(address, ALL, "SUBSCRIBED", None, None, self.portal.portal.now_ms())
            subscriptions._show(address)

    def fail(self, kind: str, path: str, **more: Any) -> None:
        """HubSpot misbehaves; see `Fault`."""
        self.portal.faults.add(Fault(kind, path, **more))  # type: ignore[arg-type]

    # --- runs ---

    def sync(self, minutes: float = 20, **options: Any) -> Finished:
        """The clock moves on, then one run at that instant; the request logs hold this run only."""
        self.product.systems.clock.advance(60 * minutes)
        self.product.forget()
        return self._run(self.product.platform(as_of=self.now.isoformat(), **options))

    def plan(self, **options: Any) -> dict[str, Any]:
        """`plan --json` now."""
        self.product.systems.clock.advance(1)
        self.product.forget()
        platform = self.product.platform(as_of=self.now.isoformat(), command="plan", **options)
        finished = self._run(platform)
        from tl_hubspot.orchestration.steps.planning import stored_plan

        return plans.to_json(stored_plan(platform, finished.run))

    def approve(self, digest: str) -> Finished:
        """A person approves the held plan."""
        self.product.forget()
        return self._run(self.product.platform(command="approve", approved=digest))

    def release(self, entity_type: str, teamleader_id: str) -> None:
        """A person releases a held record."""
        releasing.release(self.product.platform(), entity_type, teamleader_id)

    def _run(self, platform: Platform) -> Finished:
        platform.sleep = lambda seconds: time.sleep(min(seconds, 0.01))
        platform.__dict__["warehouse"] = self.product.warehouse
        return run_assets(platform)

    # --- what a run said ---

    def outcome(self, entity_type: str, teamleader_id: str) -> tuple[str, str]:
        """(bucket, reason) of the latest run."""
        row = self.product.outcome(entity_type, teamleader_id)
        return row["bucket"], row["reason"]

    def decision(self, kind: str, teamleader_id: str) -> dict[str, Any]:
        """The row of decisions.<kind>."""
        rows = self.product.read(f"select * from decisions.{kind}")
        return rows.row(by_predicate=pl.col("teamleader_id") == teamleader_id, named=True)

    def notices(self) -> set[tuple[str, str | None]]:
        """(code, teamleader_id) of what the latest run reports."""
        return set(self.product.read("select code, teamleader_id from sync.notices").iter_rows())

    def logged(self, action: str) -> list[str]:
        """Teamleader ids in the log rows of an action, all runs."""
        rows = self.product.read("select teamleader_id from sync.log where action = ? order by timestamp", [action])
        return rows["teamleader_id"].to_list()

    def unsubscribed(self) -> list[str]:
        """Addresses in unsubscribe calls of the latest run that the portal accepted."""
        found: list[str] = []
        for call in self.product.writes():
            if "unsubscribe-all" in call["path"] and call["status"] < 300:
                body = call["body"] or {}
                found += body.get("inputs") or [call["path"].split("/")[-2].replace("%40", "@")]
        return sorted(found)

    def written(self, path: str) -> list[dict[str, Any]]:
        """Inputs of the latest run's writing calls whose path holds `path`."""
        bodies = [w["body"] for w in self.product.writes() if path in w["path"]]
        return [i for b in bodies if isinstance(b, dict) for i in b.get("inputs", [])]


def story(make: Make, **environment: str) -> Story:
    """A new story: reference data in both systems, no records, the clock at START."""
    product = make("empty", **NO_PACING, **environment)
    for kind, records in reference.TEAMLEADER.items():
        product.systems.teamleader.load(kind, [dict(r) for r in records])
    product.systems.hubspot.load_owners(dict(o) for o in reference.OWNERS)
    product.systems.clock.set(START)
    return Story(product)


def second_installation(first: Story) -> Story:
    """Another installation beside the same two systems: an empty data folder but for its sign-in to Teamleader."""
    data = first.product.data.parent / f"{first.product.data.name}-second"
    data.mkdir()
    shutil.copytree(first.product.data / "tokens", data / "tokens")
    return Story(Product(first.product.systems, data, first.product.environment), first.numbers)


def done(finished: Finished) -> bool:
    """Whether everything was confirmed."""
    return finished.exit_code == ExitCode.DONE
