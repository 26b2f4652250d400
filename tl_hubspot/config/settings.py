"""Settings: one typed object from environment, `.env` and the configuration file (in that order of strength).

Lives here: names, defaults, limits of values, and clear errors for what cannot be used. What the rules need of it is
handed over as their own small settings objects; the mapping file is read in `config.mapping`.
"""

from __future__ import annotations

import io
import os
import re
import tomllib
from collections.abc import Iterable
from datetime import date
from datetime import time as clock_time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from dotenv import dotenv_values
from dotenv.parser import parse_stream
from platformdirs import user_state_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from tl_hubspot.crmoffice.capabilities import Capabilities, capabilities
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.webhooks.spool import SECRET


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or True)
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password:
        raise ValueError("it must be an address like https://api.example.com, without a user name")
    return value.rstrip("/")


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("it is no time zone; write one like Europe/Brussels") from None
    return value


def _interval(value: int) -> int:
    if value < 1 or (60 % value and (value % 60 or 24 % (value // 60))):
        raise ValueError("it must divide an hour or a day: 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, …")
    return value


def _time_of_day(value: str) -> str:
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", value):
        raise ValueError("it is no time of day; write one like 03:00")
    return value


def _time_as_text(value: Any) -> Any:
    """YAML reads an unquoted 23:30 as a number of minutes, TOML 23:30:00 as a time."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value // 60:02}:{value % 60:02}"
    return f"{value:%H:%M}" if isinstance(value, clock_time) else value


def _date_as_text(value: Any) -> Any:
    """YAML and TOML read an unquoted date as a date."""
    return value.isoformat() if isinstance(value, date) else value


def _url_safe(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not SECRET.fullmatch(value.get_secret_value()):
        raise ValueError("it must have 22 to 128 letters, digits, - and _, as it becomes part of an address")
    return value


def _catalog(value: SecretStr | None) -> SecretStr | None:
    parts = urlsplit(value.get_secret_value()) if value is not None else None
    if parts is not None and not (parts.scheme == "postgresql" and parts.hostname and parts.path.strip("/")):
        raise ValueError("it must be an address like postgresql://user:password@host:5432/database")
    return value


def _capabilities(value: Any) -> Any:
    return capabilities(value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """Addresses in one text are separated by commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=0)]
_Days = Annotated[int, Field(ge=1)]
_TimeOfDay = Annotated[str, BeforeValidator(_time_as_text), AfterValidator(_time_of_day)]
_Url = Annotated[str, AfterValidator(_url)]
_Timezone = Annotated[str, AfterValidator(_timezone)]


class _Group(BaseModel):
    """A group of settings; unknown keys are errors, secrets are never shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class OAuthClient(_Group):
    """What signing in to a system needs."""

    auth_url: _Url | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None


class TeamleaderSettings(OAuthClient):
    """Teamleader Focus: where it is and how to sign in."""

    api_url: _Url = "https://api.focus.teamleader.eu"
    auth_url: _Url = "https://focus.teamleader.eu"
    rate_limit: Annotated[int, Field(ge=1)] = 180
    overlap_seconds: Annotated[int, Field(ge=1)] = 300
    link_reread_days: Annotated[int, Field(ge=1)] = 7
    link_rereads_per_run: _Count = 2_000
    phase_history_timezone: _Timezone = "UTC"
    workers: Annotated[int, Field(ge=1, le=32)] = 8
    records_per_commit: Annotated[int, Field(ge=1)] = 20_000
    seconds_per_commit: Annotated[float, Field(ge=0)] = 15


class HubSpotSettings(_Group):
    """HubSpot: where it is, its token, and our share of its limits."""

    api_url: _Url = "https://api.hubapi.com"
    access_token: SecretStr | None = None
    rate_limit: Annotated[int, Field(ge=1)] = 100
    rate_share: Annotated[float, Field(gt=0, le=1)] = 0.95
    search_rate: Annotated[int, Field(ge=1)] = 4
    mirror: Literal["auto", "list", "search", "keyed"] = "auto"
    search_overlap_minutes: Annotated[int, Field(ge=0)] = 30
    workers: Annotated[int, Field(ge=1, le=64)] = 48
    canary: Annotated[int, Field(ge=0, le=100)] = 10


class CrmofficeSettings(OAuthClient):
    """Crmoffice: where it is, how to sign in, what it can do, and how many calls per 10 s it gets from us."""

    api_url: _Url | None = None
    capabilities: Annotated[Capabilities, BeforeValidator(_capabilities)] = Capabilities()
    rate_limit: Annotated[int, Field(ge=1)] = 100
    workers: Annotated[int, Field(ge=1, le=32)] = 8

    @property
    def is_configured(self) -> bool:
        """Whether anybody has begun to set it up."""
        return any((self.api_url, self.auth_url, self.client_id, self.client_secret, self.refresh_token))


class ConsentSettings(_Group):
    """What an unticked consent box in Teamleader means."""

    false_means: Literal["opt_out", "not_asked"] = "opt_out"


class DealSettings(_Group):
    """Which closed deals are synchronised."""

    closed: Literal["recent", "linked_only", "never"] = "recent"


class MarketingSettings(_Group):
    """How marketing status is asked, how many marketing contacts the portal has bought, and when that renews."""

    method: Literal["import", "workflow", "property_only"] = "import"
    tier: _Count | None = None
    renewal: date | None = None


class RelationSettings(_Group):
    """What happens to associations that Teamleader no longer has."""

    remove_stale: bool = False


class GuardSettings(_Group):
    """Limits above which nothing is pushed until a person approves the plan."""

    creates_share: _Share = 0.2
    creates_minimum: _Count = 500
    updates_share: _Share = 0.5
    updates_minimum: _Count = 500
    unsubscribes_share: _Share = 0.1
    unsubscribes_minimum: _Count = 25
    vanished_share: _Share = 0.2


Part = Literal["interval", "sweep", "retention", "lost_runs", "changes", "webhooks", "digest", "alerts", "crmoffice"]
"""What can run by itself."""


class AutomationSettings(_Group):
    """What runs by itself. `on` turns interval, sweep, retention and lost_runs on; each can be set apart from it."""

    on: bool = False
    interval: bool | None = None
    interval_minutes: Annotated[int, AfterValidator(_interval)] = 15
    sweep: bool | None = None
    sweep_at: _TimeOfDay = "03:00"
    retention: bool | None = None
    retention_at: _TimeOfDay = "04:30"
    lost_runs: bool | None = None
    changes: bool = False
    changes_seconds: Annotated[int, Field(ge=30)] = 60
    webhooks: bool = False
    webhooks_seconds: Annotated[int, Field(ge=30)] = 60
    digest: bool = False
    digest_period: Literal["daily", "weekly"] = "daily"
    digest_at: _TimeOfDay = "07:30"
    alerts: bool = False
    crmoffice: bool = False
    crmoffice_minutes: Annotated[int, AfterValidator(_interval)] = 15

    def runs(self, part: Part) -> bool:
        """Whether this part runs by itself: as it is set, else as `on` says."""
        chosen = getattr(self, part)
        return self.on if chosen is None else bool(chosen)


class WebhookSettings(_Group):
    """Receiving Teamleader's webhooks. Without a secret here one is made and kept in the data folder."""

    secret: Annotated[SecretStr | None, AfterValidator(_url_safe)] = None


class RetentionSettings(_Group):
    """How many days what is no state is kept; see `orchestration.steps.retention` for what never goes."""

    runs_days: _Days = 90
    journal_days: _Days = 90
    log_days: _Days = 365
    history_days: _Days = 730
    dagster_days: _Days = 30
    published_days: _Days = 7


class MailSettings(_Group):
    """The mail server that carries the digest. Without `host` none is sent. The password belongs in the environment."""

    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None
    sender: Annotated[str | None, Field(alias="from")] = None
    to: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    ca_file: Path | None = None
    """Certificate of an authority of one's own; None: those that the machine trusts."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 20

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> MailSettings:
        if self.password is not None and self.security == "none":
            raise ValueError("a password is only sent over an encrypted connection; security must be starttls or tls")
        return self


class TwoWaySettings(_Group):
    """The flows between HubSpot and Crmoffice. `flows`: a file of one's own instead of the shipped one."""

    flows: Path | None = None


class WarehouseSettings(_Group):
    """Where the working database is. Without `catalog`: a DuckDB file in the data folder; with it: on DuckLake."""

    catalog: Annotated[SecretStr | None, AfterValidator(_catalog)] = None
    files: str | None = None
    """Folder, or s3://bucket/prefix; None: `lake` in the data folder."""
    name: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,50}$")] = "tl_hubspot"
    s3_endpoint: _Url | None = None
    s3_region: str | None = None
    s3_key_id: str | None = None
    s3_secret: SecretStr | None = None


class ReportSettings(_Group):
    """The HTML reports. `after_each_run`: written by every run too, not only by `tl-hubspot report`; takes seconds."""

    after_each_run: bool = False


class Settings(_Group):
    """Everything that can be set."""

    teamleader: TeamleaderSettings = TeamleaderSettings()
    hubspot: HubSpotSettings = HubSpotSettings()
    crmoffice: CrmofficeSettings = CrmofficeSettings()
    two_way: TwoWaySettings = TwoWaySettings()
    consent: ConsentSettings = ConsentSettings()
    deals: DealSettings = DealSettings()
    marketing: MarketingSettings = MarketingSettings()
    relations: RelationSettings = RelationSettings()
    guards: GuardSettings = GuardSettings()
    automation: AutomationSettings = AutomationSettings()
    retention: RetentionSettings = RetentionSettings()
    webhooks: WebhookSettings = WebhookSettings()
    reports: ReportSettings = ReportSettings()
    mail: MailSettings = MailSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    timezone: _Timezone = "Europe/Brussels"
    data: Path = Path("data")
    state: Path = Field(default_factory=lambda: user_state_path("tl_hubspot", appauthor=False))
    """Folder of this machine, not of one installation: calls are counted there by all that share a client or token."""
    mapping: Path | None = None
    as_of: Annotated[str | None, BeforeValidator(_date_as_text)] = None
    full_sweep_hours: Annotated[int, Field(ge=1)] = 24
    lock_timeout_seconds: Annotated[float, Field(ge=0)] = 60

    @property
    def database(self) -> Path:
        """The working database."""
        return self.data / "tl_hubspot.duckdb"

    @property
    def published(self) -> Path:
        """The analysts' copy."""
        return self.data / "analytics.duckdb"

    @property
    def log_file(self) -> Path:
        """The JSON log, one line per event."""
        return self.data / "logs" / "sync.jsonl"

    @property
    def reports_folder(self) -> Path:
        """Where the HTML reports lie, with `index.html`."""
        return self.data / "reports"

    @property
    def webhooks_folder(self) -> Path:
        """Where webhook events wait, and their secret."""
        return self.data / "webhooks"

    @property
    def token_store(self) -> Path:
        """Where rotated Teamleader tokens live."""
        return self.data / "tokens" / "teamleader.json"

    @property
    def crmoffice_token_store(self) -> Path:
        """Where rotated Crmoffice tokens live."""
        return self.data / "tokens" / "crmoffice.json"

    def require_teamleader(self, *, token: bool = True) -> None:
        """Raise ConfigurationError unless Teamleader can be called, or (without `token`) a person can sign in to it."""
        store = self.token_store.exists() or not token
        _require(
            "Teamleader",
            {
                "TEAMLEADER_CLIENT_ID": self.teamleader.client_id,
                "TEAMLEADER_CLIENT_SECRET": self.teamleader.client_secret,
                "TEAMLEADER_REFRESH_TOKEN": self.teamleader.refresh_token or (store or None),
            },
        )

    def require_mail(self) -> None:
        """Raise ConfigurationError unless an e-mail can be sent."""
        wanted = {"HOST": self.mail.host, "FROM": self.mail.sender, "TO": self.mail.to}
        _require("The mail server", {f"TL_HUBSPOT_MAIL__{name}": value for name, value in wanted.items()})

    def require_hubspot(self) -> None:
        """Raise ConfigurationError unless HubSpot has a token."""
        _require("HubSpot", {"HUBSPOT_ACCESS_TOKEN": self.hubspot.access_token})

    def require_crmoffice(self, *, token: bool = True) -> None:
        """Raise ConfigurationError unless Crmoffice can be called, or (without `token`) a person can sign in to it."""
        store = self.crmoffice_token_store.exists() or not token
        _require(
            "Crmoffice",
            {
                "CRMOFFICE_API_URL": self.crmoffice.api_url,
                "CRMOFFICE_AUTH_URL": self.crmoffice.auth_url,
                "CRMOFFICE_CLIENT_ID": self.crmoffice.client_id,
                "CRMOFFICE_CLIENT_SECRET": self.crmoffice.client_secret,
                "CRMOFFICE_REFRESH_TOKEN": self.crmoffice.refresh_token or (store or None),
            },
        )


# Environment variable → place in Settings. These names are the stable interface; the same names work in `.env` and at
# the top level of the configuration file.
ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "TEAMLEADER_API_URL": ("teamleader", "api_url"),
    "TEAMLEADER_AUTH_URL": ("teamleader", "auth_url"),
    "TEAMLEADER_RATE_LIMIT": ("teamleader", "rate_limit"),
    "TEAMLEADER_CLIENT_ID": ("teamleader", "client_id"),
    "TEAMLEADER_CLIENT_SECRET": ("teamleader", "client_secret"),
    "TEAMLEADER_REFRESH_TOKEN": ("teamleader", "refresh_token"),
    "HUBSPOT_API_URL": ("hubspot", "api_url"),
    "HUBSPOT_ACCESS_TOKEN": ("hubspot", "access_token"),
    "HUBSPOT_RATE_LIMIT": ("hubspot", "rate_limit"),
    "CRMOFFICE_API_URL": ("crmoffice", "api_url"),
    "CRMOFFICE_AUTH_URL": ("crmoffice", "auth_url"),
    "CRMOFFICE_CLIENT_ID": ("crmoffice", "client_id"),
    "CRMOFFICE_CLIENT_SECRET": ("crmoffice", "client_secret"),
    "CRMOFFICE_REFRESH_TOKEN": ("crmoffice", "refresh_token"),
    "CRMOFFICE_CAPABILITIES": ("crmoffice", "capabilities"),
    "TL_HUBSPOT_DATA": ("data",),
    "TL_HUBSPOT_AS_OF": ("as_of",),
}
_PREFIX = "TL_HUBSPOT_"  # every other setting: TL_HUBSPOT_CONSENT__FALSE_MEANS, TL_HUBSPOT_TIMEZONE, …
_RESERVED = {"TL_HUBSPOT_CONFIG"}
_SYSTEMS = ("TEAMLEADER_", "HUBSPOT_", "CRMOFFICE_")


def load(environment: dict[str, str] | None = None, *, directory: Path | None = None) -> Settings:
    """Settings from `environment` (default: the process's), `.env` in `directory` (default: here) and the configuration
    file named by TL_HUBSPOT_CONFIG.

    Raises:
        ConfigurationError: unreadable file, unknown key, or a value that cannot be.
    """
    directory = directory or Path.cwd()
    # an empty variable counts as not set: shells and compose files pass empty strings for absent values
    given = {k: v for k, v in (os.environ if environment is None else environment).items() if v != ""}
    merged = {**_dotenv(directory / ".env"), **given}
    values: dict[str, Any] = {}
    origins: dict[tuple[str, ...], str] = {}
    config_file = merged.get("TL_HUBSPOT_CONFIG")
    if config_file:
        path = (directory / config_file).expanduser()
        _put_file(values, origins, path)
    for name, value in merged.items():
        where = _place(name)
        if where:
            source = name if name in given else f"{name} in {directory / '.env'}"
            _put(values, where, value)
            origins[where] = source
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise _explained(error, origins) from None


def _place(name: str) -> tuple[str, ...] | None:
    if name in ENVIRONMENT:
        return ENVIRONMENT[name]
    if name.startswith(_PREFIX) and name not in _RESERVED:
        return tuple(name.removeprefix(_PREFIX).lower().split("__"))
    return None


def _put(values: dict[str, Any], where: tuple[str, ...], value: Any) -> None:
    for part in where[:-1]:
        if not isinstance(values.get(part), dict):
            values[part] = {}
        values = values[part]
    values[where[-1]] = value


def _dotenv(path: Path) -> dict[str, str]:
    """Variables of a `.env` file, {} when there is none; a name that looks like ours but is unknown is an error."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The .env file cannot be read: {_reason(error)}", where=str(path)) from None
    for line in parse_stream(io.StringIO(text)):
        if line.error:
            raise ConfigurationError(
                "The .env file is not valid", where=f"{path}, line {line.original.line}", mend="Write NAME=value there"
            )
        if line.key and line.key.startswith(_SYSTEMS) and line.key not in ENVIRONMENT:
            raise ConfigurationError(
                f"Unknown configuration key '{line.key}'",
                where=f"{path}, line {line.original.line}",
                mend=_did_you_mean(line.key, ENVIRONMENT),
            )
    return {k: v for k, v in dotenv_values(stream=io.StringIO(text)).items() if v}


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "it is not UTF-8 text"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known here: {', '.join(known)}"


def _put_file(values: dict[str, Any], origins: dict[tuple[str, ...], str], path: Path) -> None:
    content = _read(path)
    for key, value in content.items():
        where = _place(key) if key.isupper() else (key,)
        if where is None:
            raise ConfigurationError(
                f"Unknown configuration key '{key}'", where=str(path), mend=_did_you_mean(key, ENVIRONMENT)
            )
        if isinstance(value, dict):
            for inner, innermost in value.items():
                _put(values, (*where, str(inner)), innermost)
                origins[*where, str(inner)] = f"{key}.{inner} in {path}"
        elif value is not None:  # `timezone:` with nothing behind it counts as not set
            _put(values, where, value)
        origins[where] = f"{key} in {path}"


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except FileNotFoundError:
        raise ConfigurationError(
            "The configuration file does not exist",
            where=str(path),
            mend="Correct TL_HUBSPOT_CONFIG or create the file",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The configuration file cannot be read: {_reason(error)}", where=str(path), mend="Mend TL_HUBSPOT_CONFIG"
        ) from None
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        detail = getattr(error, "problem", None) or str(error)
        raise ConfigurationError(
            f"The configuration file is not valid: {detail}", where=f"{path}{line}", mend="Mend the syntax there"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(
            "The configuration file must hold names with values", where=str(path), mend="Write lines like 'timezone: …'"
        )
    return {str(k): v for k, v in content.items()}


def _explained(error: ValidationError, origins: dict[tuple[str, ...], str]) -> ConfigurationError:
    """One sentence for the first problem, naming the variable or the line of the file it came from."""
    problem = error.errors(include_input=False, include_url=False)[0]
    where = tuple(str(part) for part in problem["loc"])
    origin = next((origins[where[:n]] for n in range(len(where), 0, -1) if where[:n] in origins), ".".join(where))
    count = error.error_count()
    more = f" ({count - 1} more like this)" if count > 1 else ""
    if problem["type"] == "extra_forbidden":
        mend = _did_you_mean(where[-1], _known(where[:-1]))
        return ConfigurationError(f"Unknown configuration key '{'.'.join(where)}'{more}", where=origin, mend=mend)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "model_type":
        message = f"it is a group; set one of {', '.join(_known(where))}"
    return ConfigurationError(
        f"{'.'.join(where)} cannot be used: {message}{more}", where=origin, mend="Correct its value"
    )


def _known(where: tuple[str, ...]) -> list[str]:
    model: Any = Settings
    for part in where:
        model = model.model_fields[part].annotation
    return list(model.model_fields)


def _require(system: str, values: dict[str, Any]) -> None:
    missing = [name for name, value in values.items() if not value]
    if missing:
        needs_token = f"{system.upper()}_REFRESH_TOKEN" in missing
        sign_in = f", or get the token with `tl-hubspot auth {system.lower()}`" if needs_token else ""
        raise ConfigurationError(
            f"{system} cannot be reached without {', '.join(missing)}",
            mend="Set it in the environment, in a .env file or in the configuration file"
            f"{sign_in}; `tl-hubspot doctor` shows what is missing, `make demo` needs none of it",
        )
