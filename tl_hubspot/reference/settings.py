"""The page of the settings: names, types and defaults from `config.settings`, what each is for from here."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from tl_hubspot.config.settings import ENVIRONMENT, Settings
from tl_hubspot.reference.tables import markdown

MEANINGS = {
    "teamleader.auth_url": "where people sign in to Teamleader",
    "teamleader.client_id": "client id of the integration",
    "teamleader.client_secret": "client secret of the integration",
    "teamleader.refresh_token": "first refresh token, instead of `tl-hubspot auth teamleader`",
    "teamleader.api_url": "Teamleader's API",
    "teamleader.rate_limit": "calls per 60 s, all programs of this machine together",
    "teamleader.overlap_seconds": "how far back before the last reading changes are asked for again",
    "teamleader.link_reread_days": "within how many days the links of every company are asked for again",
    "teamleader.link_rereads_per_run": "the most links asked for again in one full run",
    "teamleader.phase_history_timezone": "zone of phase changes that Teamleader gives without one",
    "teamleader.workers": "calls at the same time",
    "teamleader.records_per_commit": "the most records stored together while reading",
    "teamleader.seconds_per_commit": "for how many seconds what is read is gathered before it is stored",
    "hubspot.api_url": "HubSpot's API",
    "hubspot.access_token": "service key or token of a private app",
    "hubspot.rate_limit": "calls per 10 s that the portal allows",
    "hubspot.rate_share": "share of them that the sync may use",
    "hubspot.search_rate": "searches per second",
    "hubspot.mirror": "how HubSpot's records are read; auto: the way with the fewest calls",
    "hubspot.search_overlap_minutes": "how far back before the last reading is searched, because HubSpot's index lags",
    "hubspot.workers": "calls at the same time",
    "hubspot.canary": "records that are pushed alone at first, before the rest; 0: none",
    "crmoffice.auth_url": "where people sign in to Crmoffice",
    "crmoffice.client_id": "client id",
    "crmoffice.client_secret": "client secret",
    "crmoffice.refresh_token": "first refresh token, instead of `tl-hubspot auth crmoffice`",
    "crmoffice.api_url": "Crmoffice's API",
    "crmoffice.capabilities": "what this Crmoffice can do",
    "crmoffice.rate_limit": "calls per 10 s",
    "crmoffice.workers": "calls at the same time",
    "consent.false_means": "an unticked consent box: opted out, or never asked",
    "deals.closed": "which closed deals are synchronised",
    "marketing.method": "how marketing status is asked",
    "marketing.tier": "marketing contacts that the portal has bought",
    "marketing.renewal": "a day on which the contract renews; it returns every year",
    "relations.remove_stale": "remove links that the sync made and Teamleader no longer has",
    "guards.creates_share": "new records, as a share of the linked ones",
    "guards.creates_minimum": "new records that are always allowed",
    "guards.updates_share": "updates, as a share of the linked records",
    "guards.updates_minimum": "updates that are always allowed",
    "guards.unsubscribes_share": "addresses unsubscribed, as a share of the matched contacts",
    "guards.unsubscribes_minimum": "addresses unsubscribed that are always allowed",
    "guards.vanished_share": "records that vanished from Teamleader, as a share of a kind",
    "two_way.flows": "a file of flows of your own instead of the shipped one",
    "automation.crmoffice": "the two-way flow with Crmoffice",
    "automation.crmoffice_minutes": "how often",
    "automation.on": "turns interval, sweep, retention and lost_runs on",
    "automation.interval": "the regular sync; unset: as `on`",
    "automation.interval_minutes": "how often",
    "automation.sweep": "the nightly reading of everything; unset: as `on`",
    "automation.sweep_at": "when",
    "automation.retention": "throwing away what is old; unset: as `on`",
    "automation.retention_at": "when",
    "automation.lost_runs": "ending runs whose process was killed, so that they are tried again; unset: as `on`",
    "automation.changes": "a sync as soon as Teamleader has something new",
    "automation.changes_seconds": "how often it looks",
    "automation.webhooks": "a sync for what webhooks name",
    "automation.webhooks_seconds": "how often it looks",
    "automation.digest": "the e-mail about a day or a week",
    "automation.digest_period": "which of the two",
    "automation.digest_at": "when",
    "automation.alerts": "an e-mail about each run that failed or was held",
    "retention.runs_days": "rows of runs, error files, reports",
    "retention.journal_days": "settled journal; older runs cannot be undone",
    "retention.log_days": "the log",
    "retention.history_days": "earlier versions of records",
    "retention.dagster_days": "Dagster's runs and events",
    "retention.published_days": "earlier analysts' copies",
    "webhooks.secret": "secret part of the receiver's address; unset: one is made",
    "reports.after_each_run": "every run writes its report",
    "mail.host": "mail server; unset: no e-mail is sent",
    "mail.port": "its port",
    "mail.security": "how the connection is encrypted",
    "mail.user": "user name, when it wants a sign-in",
    "mail.password": "password; keep it in the environment or `.env`",
    "mail.from": "sender",
    "mail.to": "recipients, separated by commas",
    "mail.ca_file": "certificate of an authority of your own, in PEM format",
    "mail.timeout_seconds": "how long an answer is waited for",
    "warehouse.catalog": "PostgreSQL database that holds the catalog of a warehouse on DuckLake, like"
    " `postgresql://user:password@host:5432/database`; unset: a DuckDB file in the data folder",
    "warehouse.files": "where the rows of a warehouse on DuckLake are: a folder, or `s3://bucket/prefix`; unset: `lake`"
    " in the data folder",
    "warehouse.name": "schema of that catalog; another one for each deployment",
    "warehouse.s3_endpoint": "address of S3-compatible storage; unset: Amazon's",
    "warehouse.s3_region": "its region",
    "warehouse.s3_key_id": "key that may read, write and delete there",
    "warehouse.s3_secret": "its secret; keep it in the environment or `.env`",
    "timezone": "zone of calendar dates and times of day",
    "data": "data folder",
    "state": "folder of this machine in which calls are counted",
    "mapping": "mapping file; unset: the default one",
    "as_of": "decide as if it were this date or instant; unset: now",
    "full_sweep_hours": "after how many hours all of Teamleader is read again",
    "lock_timeout_seconds": "how long another program's lock on the database is waited for",
}
"""By place in the configuration file. A setting without words here cannot be put on the page: KeyError."""


def page() -> str:
    """The page as Markdown."""
    names = {place: name for name, place in ENVIRONMENT.items()}
    parts = [
        "# Settings",
        "Each can be set as an environment variable, in a file `.env`, or in the configuration file (YAML or TOML) that"
        " `TL_HUBSPOT_CONFIG` names, as `group: {name: value}`. The environment wins over `.env`, which wins over the"
        " file.",
    ]
    rows: dict[str, list[tuple[str, ...]]] = {}
    for place, default, type_ in places(Settings):
        variable = names.get(place) or "TL_HUBSPOT_" + "__".join(place).upper()
        group = place[0] if len(place) > 1 else "general"
        said = MEANINGS[".".join(place)]
        rows.setdefault(group, []).append((f"`{variable}`", said, _choices(type_), _default(place, default)))
    for group, own in rows.items():
        parts += [f"## {group}", markdown(("Variable", "What it is for", "One of", "Default"), own)]
    return "\n\n".join(parts) + "\n"


def places(model: type[BaseModel], above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any, Any]]:
    """(place, default, type) of every setting, in the order of the code."""
    found: list[tuple[tuple[str, ...], Any, Any]] = []
    for name, field in model.model_fields.items():
        here = (*above, field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel) and not above:
            found += places(field.annotation, here)
        else:
            found.append((here, field.default, field.annotation))
    return found


def _choices(type_: Any) -> str:
    literals = [a for t in (type_, *get_args(type_)) for a in get_args(t) if isinstance(a, str)]
    return ", ".join(f"`{a}`" for a in dict.fromkeys(literals))


def _default(place: tuple[str, ...], value: Any) -> str:
    if place in (("state",), ("crmoffice", "capabilities")) or value is None or value == ():
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
