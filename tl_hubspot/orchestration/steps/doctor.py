"""Everything that a sync needs, looked at one by one and without changing anything: findings in a fixed order.

Each look is a small function that yields findings; an error of the product becomes a finding and the next look goes on
with what there is. Words and layout of the list are in `reporting.checklist`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from tl_hubspot.config.settings import Settings
from tl_hubspot.errors import ConfigurationError, CredentialsRefused, ExitCode, TlHubspotError
from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.reactions import Refused
from tl_hubspot.hubspot.routes import Route
from tl_hubspot.orchestration.run import Platform, warehouse_of
from tl_hubspot.orchestration.steps import crmoffice_check
from tl_hubspot.orchestration.steps import doctor_choices as choices
from tl_hubspot.orchestration.steps import preflight as portal
from tl_hubspot.planning import preflight, stages
from tl_hubspot.reporting.checklist import Finding
from tl_hubspot.teamleader.extraction import Extraction
from tl_hubspot.warehouse.rows import frame_of

_LOCK_SECONDS = 2.0
_LONGEST_WAIT = 0.5
"""Seconds between tries: who runs the doctor wants to know now, not after a minute of patience."""
_FEW_CALLS = 0.1
"""Share of the daily calls below which it says so."""

Look = Callable[["_Patient"], Iterator[Finding]]


@dataclass
class _Patient:
    """What later looks use of earlier ones."""

    platform: Platform
    reference: pl.DataFrame | None = None
    """Teamleader's small lists, None when they cannot be read."""


def examine(load: Callable[[], Settings]) -> Iterator[Finding]:
    """All findings, each as soon as it is known. `load` reads the configuration."""
    try:
        settings = load()
    except ConfigurationError as error:
        yield Finding.of("Configuration", error)
        return
    patient = _Patient(Platform(settings, sleep=lambda seconds: time.sleep(min(seconds, _LONGEST_WAIT))))
    failed: set[str] = set()
    for topic, look, needs in _LOOKS:
        if lacking := [system for system in needs if system in failed]:
            failed.add(topic)
            yield Finding(
                topic,
                "warning",
                f"Not looked at, because of the problem with {lacking[0]}.",
                "Mend that first, then run `tl-hubspot doctor` again.",
                looked=False,
            )
            continue
        try:
            for finding in look(patient):
                if finding.level == "problem":
                    failed.add(topic)
                yield finding
        except TlHubspotError as error:
            failed.add(topic)
            yield Finding.of(topic, error)


# --- this machine ----------------------------------------------------------------------------------------------------


def _configuration(patient: _Patient) -> Iterator[Finding]:
    settings = patient.platform.settings
    as_of = patient.platform.as_of()
    fixed = settings.as_of is not None
    yield Finding(
        "Configuration",
        "warning" if fixed else "ok",
        f"Read without mistakes; rules are decided as of {'a fixed time' if fixed else 'now'},"
        f" {as_of:%Y-%m-%d %H:%M} UTC, dates in {settings.timezone}.",
        "Remove TL_HUBSPOT_AS_OF unless you want to stay at that time." if fixed else "",
    )


def _data(patient: _Patient) -> Iterator[Finding]:
    settings = patient.platform.settings
    folder = settings.data.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        why = "it cannot be written to" if existing.is_dir() else "it is a file"
        raise ConfigurationError(
            f"The data folder cannot be used: {why}",
            where=str(existing),
            mend="Set TL_HUBSPOT_DATA to a folder that you may write to",
        )
    warehouse = warehouse_of(settings, lock_timeout=_LOCK_SECONDS)
    if not warehouse.exists():
        yield Finding("Data folder", "ok", f"{folder} can be written to; the first run makes the database.")
        return
    links = warehouse.count("sync.links")
    yield Finding("Data folder", "ok", f"{folder} holds a database with {links:,} linked records.")
    last = warehouse.read("select command, status, started_at from sync.runs order by started_at desc limit 1")
    for command, status, started_at in last.iter_rows():
        fine = status in ("done", "planned", "running")
        yield Finding(
            "Data folder",
            "ok" if fine else "warning",
            f"The last run ({command}, {started_at:%Y-%m-%d %H:%M} UTC) is {status.replace('_', ' ')}.",
            "" if fine else "`tl-hubspot explain` and sync.outcomes say why; the next run goes on from there.",
        )


def _mapping(patient: _Patient) -> Iterator[Finding]:
    mapping = patient.platform.mapping
    rows = ", ".join(
        f"{len(mapping.of(e))} {name}" for e, name in (("contact", "contact"), ("company", "company"), ("deal", "deal"))
    )
    names = len(mapping.protected_names)
    yield Finding("Mapping", "ok", f"{mapping.file} has {rows} fields; {names} names are protected and never written.")


def _consent(patient: _Patient) -> Iterator[Finding]:
    settings = patient.platform.settings
    warehouse = warehouse_of(settings, lock_timeout=_LOCK_SECONDS)
    begun = warehouse.exists() and warehouse.count("sync.links")
    yield from choices.consent(settings, is_first=not begun)


# --- Teamleader ------------------------------------------------------------------------------------------------------


def _teamleader(patient: _Patient) -> Iterator[Finding]:
    if missing := choices.teamleader_credentials(patient.platform.settings):
        yield missing
        return
    client = patient.platform.teamleader
    extraction = Extraction(client)
    account = extraction.account_id()
    yield Finding("Teamleader", "ok", f"{client.api_url} answers; signed in to account {account}.")
    refused: dict[str, list[str]] = {}
    for name, refusal in extraction.access().items():
        if refusal is not None:
            refused.setdefault(refusal.mend, []).append(name)
    for mend, names in refused.items():  # one scope covers several lists
        yield Finding.of(
            "Teamleader",
            CredentialsRefused(f"Teamleader does not allow {', '.join(names)}", where=client.api_url, mend=mend),
        )
    if not refused:
        yield Finding("Teamleader", "ok", "All lists that the sync reads may be read.")
        patient.reference = frame_of("teamleader.reference", extraction.reference())


# --- HubSpot ---------------------------------------------------------------------------------------------------------

_READS: tuple[tuple[str, Route, dict[str, str]], ...] = (
    *((f"crm.objects.{name}.read", routes.LIST, {"type": name}) for name in ("contacts", "companies", "deals")),
    *(
        (f"crm.schemas.{name}.read", routes.PROPERTY_LIST, {"type": name})
        for name in ("contacts", "companies", "deals")
    ),
    ("crm.objects.owners.read", routes.OWNER_LIST, {}),
    ("crm.import", routes.IMPORT_LIST, {}),
    ("communication_preferences.read_write", routes.DEFINITIONS_V3, {}),
)
_WRITES = (
    "crm.objects.contacts.write, crm.objects.companies.write, crm.objects.deals.write, crm.schemas.contacts.write,"
    " crm.schemas.companies.write, crm.schemas.deals.write, communication_preferences.read_write and crm.import"
)


def _hubspot(patient: _Patient) -> Iterator[Finding]:
    if missing := choices.hubspot_credentials(patient.platform.settings):
        yield missing
        return
    gateway = patient.platform.hubspot
    details = gateway.call(routes.ACCOUNT_DETAILS, answer=dict[str, Any])
    kind = str(details.get("accountType") or "unknown").lower().replace("_", " ")
    portal_id = details.get("portalId")
    yield Finding("HubSpot", "ok", f"{gateway.api_url} answers; the token is of portal {portal_id} (account: {kind}).")
    refused = 0
    for scope, route, path in _READS:
        try:
            gateway.call(route, path=path, expect=(403,))
        except Refused as refusal:
            refused += 1
            scopes = ", ".join(refusal.problem.scopes) or scope
            lacking = CredentialsRefused(
                f"HubSpot's access token lacks a scope: {scopes}",
                where=f"{route.method} {route.path}",
                mend=f"Add it in HubSpot under {choices.KEYS}",
            )
            yield Finding.of("HubSpot", lacking)
    if not refused:
        _ = patient.platform.definitions  # what the later looks go by; a failure belongs here
        yield Finding("HubSpot", "ok", f"All {len(_READS)} kinds of reading were tried and are allowed.")
    yield Finding(
        "HubSpot",
        "warning",
        "The right to write cannot be tried without writing.",
        f"See in HubSpot under {choices.KEYS} that the token has {_WRITES}.",
    )


def _calls(patient: _Patient) -> Iterator[Finding]:
    account = patient.platform.definitions.account
    settings = patient.platform.settings.hubspot
    pace = f"at most {int(settings.rate_limit * settings.rate_share):,} calls per 10 s"
    if account.calls_per_day is None or account.calls_today is None:
        yield Finding("Calls", "ok", f"HubSpot does not tell how many calls are left today; the sync makes {pace}.")
        return
    left = max(account.calls_per_day - account.calls_today, 0)
    few = left < account.calls_per_day * _FEW_CALLS
    yield Finding(
        "Calls",
        "warning" if few else "ok",
        f"{left:,} of {account.calls_per_day:,} HubSpot calls are left today; the sync makes {pace}.",
        "A first sync needs about one call per 50 records: start it after midnight in the portal's time zone."
        if few
        else "",
    )


def _properties(patient: _Patient) -> Iterator[Finding]:
    mapping = patient.platform.mapping
    wanted, problems = preflight.check(mapping, portal.properties(patient.platform), patient.reference)
    for problem in problems:
        error = ConfigurationError(problem.what, where=problem.where, mend=problem.mend)
        yield Finding.of("Properties", error)
    made = [f"{p.object_type}.{p.name}" for p in wanted if p.action == "create"]
    grown = [f"{p.object_type}.{p.name}" for p in wanted if p.action == "extend"]
    if made:
        yield Finding("Properties", "ok", f"The first sync creates {len(made)} properties: {', '.join(made)}.")
    if grown:
        yield Finding("Properties", "ok", f"The next sync adds options to {', '.join(grown)}.")
    if not wanted and not problems:
        yield Finding("Properties", "ok", "HubSpot has every property that the mapping writes.")


def _pipelines(patient: _Patient) -> Iterator[Finding]:
    assert patient.reference is not None
    found = frame_of("hubspot.pipeline_stages", patient.platform.definitions.pipeline_stages)
    resolved = stages.resolve(patient.platform.mapping.pipelines, patient.reference, found)
    for problem in resolved.problems:
        yield Finding("Pipelines", "problem", problem, "Mend `pipelines` in the mapping file.", ExitCode.USAGE)
    for pipeline in resolved.to_provision:
        labels = ", ".join(stage.label for stage in pipeline.stages)
        what = f"stages in the pipeline {pipeline.label}" if pipeline.pipeline_id else f"the pipeline {pipeline.label}"
        yield Finding("Pipelines", "ok", f"The next sync creates {what}: {labels}.")
    if not resolved.to_provision and not resolved.problems:
        yield Finding("Pipelines", "ok", "Every pipeline and phase of Teamleader has its place in HubSpot.")


# --- Crmoffice -------------------------------------------------------------------------------------------------------


def _crmoffice(patient: _Patient) -> Iterator[Finding]:
    if patient.platform.settings.crmoffice.is_configured:
        yield from crmoffice_check.examine(patient.platform.crmoffice)


# --- what only a person can see or choose -----------------------------------------------------------------------------


def _chosen(look: Callable[[Settings], Iterator[Finding]]) -> Look:
    return lambda patient: look(patient.platform.settings)


_LOOKS: tuple[tuple[str, Look, tuple[str, ...]], ...] = (
    ("Configuration", _configuration, ()),
    ("Data folder", _data, ()),
    ("Mapping", _mapping, ()),
    ("Consent", _consent, ()),
    ("Teamleader", _teamleader, ()),
    ("HubSpot", _hubspot, ()),
    ("Calls", _calls, ("HubSpot",)),
    ("Properties", _properties, ("Mapping", "HubSpot")),
    ("Pipelines", _pipelines, ("Mapping", "Teamleader", "HubSpot")),
    ("Marketing", _chosen(choices.marketing), ()),
    ("Companies", _chosen(choices.automatic_companies), ()),
    ("Mail", _chosen(choices.mail), ()),
    (crmoffice_check.TOPIC, _crmoffice, ()),
)

TOPICS = tuple(topic for topic, _, _ in _LOOKS)
"""What is looked at, in order."""
