"""Settings: every name, which source wins, and what never shows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tl_hubspot.config.settings import ENVIRONMENT, GuardSettings, load
from tl_hubspot.crmoffice.capabilities import Capabilities
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import warehouse_of
from tl_hubspot.planning import guards

VALUES = {
    "TEAMLEADER_RATE_LIMIT": "42",
    "HUBSPOT_RATE_LIMIT": "43",
    "TL_HUBSPOT_DATA": "/somewhere/else",
    "TL_HUBSPOT_AS_OF": "2026-11-02",
    "CRMOFFICE_CAPABILITIES": str(Capabilities(etag=True)),
}
OTHERS = {"CRMOFFICE_CAPABILITIES": str(Capabilities(write="put_full"))}


def value_of(name: str) -> str:
    return VALUES.get(name) or (f"https://{name.lower().replace('_', '-')}.example" if name.endswith("_URL") else name)


def shown(settings: Any, name: str) -> str:
    for part in ENVIRONMENT[name]:
        settings = getattr(settings, part)
    return settings.get_secret_value() if isinstance(settings, SecretStr) else str(settings)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_every_name_works_in_all_three_places_and_the_environment_wins(name: str, tmp_path: Path) -> None:
    value = value_of(name)
    assert shown(load({name: value}, directory=tmp_path), name) == value
    (tmp_path / "tl.yaml").write_text(f"{name}: '{value}'\n")
    from_file = {"TL_HUBSPOT_CONFIG": "tl.yaml"}
    assert shown(load(from_file, directory=tmp_path), name) == value
    other = OTHERS.get(name, value + "0")
    (tmp_path / ".env").write_text(f"{name}={other}\n")
    assert shown(load(from_file, directory=tmp_path), name) == other, ".env wins over the file"
    assert shown(load(from_file | {name: value}, directory=tmp_path), name) == value, "the environment wins over .env"
    assert shown(load(from_file | {name: ""}, directory=tmp_path), name) == other, "an empty variable is none"


def test_every_group_can_be_set_by_variable_and_file(tmp_path: Path) -> None:
    (tmp_path / "tl.toml").write_text("full_sweep_hours = 6\n[guards]\ncreates_share = 0.5\nupdates_minimum = 7\n")
    environment = {
        "TL_HUBSPOT_CONFIG": "tl.toml",
        "TL_HUBSPOT_GUARDS__CREATES_SHARE": "0.1",
        "TL_HUBSPOT_MARKETING__TIER": "2000",
    }
    settings = load(environment, directory=tmp_path)
    assert (settings.guards.creates_share, settings.guards.updates_minimum) == (0.1, 7)
    assert (settings.marketing.tier, settings.full_sweep_hours) == (2000, 6)


@pytest.mark.parametrize(("file", "text"), [("a.yaml", "as_of: 2026-11-02\n"), ("a.toml", "as_of = 2026-11-02\n")])
def test_an_unquoted_date_is_a_date(file: str, text: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    assert load({"TL_HUBSPOT_CONFIG": file}, directory=tmp_path).as_of == "2026-11-02"


def test_empty_files_and_keys_without_value_count_as_not_set(tmp_path: Path) -> None:
    (tmp_path / "tl.yaml").write_text("timezone:\nguards: {}\n")
    (tmp_path / ".env").write_text("\ufeff# from an editor that begins files with a mark\nHUBSPOT_RATE_LIMIT=9\n")
    settings = load({"TL_HUBSPOT_CONFIG": "tl.yaml"}, directory=tmp_path)
    assert settings.timezone == "Europe/Brussels"
    assert settings.hubspot.rate_limit == 9


def test_defaults_are_those_of_the_public_interface(tmp_path: Path) -> None:
    settings = load({}, directory=tmp_path)
    assert (settings.teamleader.rate_limit, settings.hubspot.rate_limit) == (180, 100)
    assert (str(settings.data), settings.timezone, settings.full_sweep_hours) == ("data", "Europe/Brussels", 24)
    assert (settings.consent.false_means, settings.deals.closed, settings.marketing.method) == (
        "opt_out",
        "recent",
        "import",
    )
    guards = settings.guards
    assert (guards.creates_share, guards.creates_minimum, guards.updates_share, guards.updates_minimum) == (
        0.2,
        500,
        0.5,
        500,
    )
    assert (guards.unsubscribes_share, guards.unsubscribes_minimum, guards.vanished_share) == (0.1, 25, 0.2)
    assert not settings.automation.on
    assert not any(settings.automation.runs(part) for part in ("interval", "sweep", "retention", "changes", "webhooks"))


@pytest.mark.parametrize("name", [n for n in ENVIRONMENT if n.endswith(("SECRET", "TOKEN"))])
def test_secrets_never_show(name: str, tmp_path: Path) -> None:
    settings = load({name: "hunter2"}, directory=tmp_path)
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()
    with pytest.raises(ConfigurationError) as error:
        load({name: "hunter2", "TL_HUBSPOT_TIMEZONE": "nowhere"}, directory=tmp_path)
    assert "hunter2" not in str(error.value)


def test_missing_credentials_are_all_named_at_once(tmp_path: Path) -> None:
    settings = load({"TL_HUBSPOT_DATA": str(tmp_path)}, directory=tmp_path)
    with pytest.raises(ConfigurationError) as error:
        settings.require_teamleader()
    assert "TEAMLEADER_CLIENT_ID, TEAMLEADER_CLIENT_SECRET, TEAMLEADER_REFRESH_TOKEN" in error.value.sentence


def test_a_token_store_stands_in_for_the_first_refresh_token(tmp_path: Path) -> None:
    environment = {
        "TL_HUBSPOT_DATA": str(tmp_path),
        "TEAMLEADER_CLIENT_ID": "id",
        "TEAMLEADER_CLIENT_SECRET": "secret",
    }
    settings = load(environment, directory=tmp_path)
    settings.token_store.parent.mkdir()
    settings.token_store.write_text("{}")
    settings.require_teamleader()


def test_limits_of_the_configuration_are_those_of_the_plan() -> None:
    assert GuardSettings().model_dump() == asdict(guards.GuardSettings())


@pytest.mark.parametrize(
    "address", ["postgres.example.com", "mysql://u:secret-word@h/d", "postgresql://u:secret-word@h"]
)
def test_the_catalog_of_a_warehouse_is_an_address_of_postgresql(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"postgresql://user:password@host:5432/database") as refused:
        load({"TL_HUBSPOT_WAREHOUSE__CATALOG": address}, directory=tmp_path)
    assert "secret-word" not in refused.value.sentence


def test_a_warehouse_is_a_file_unless_a_catalog_is_named(tmp_path: Path) -> None:
    given = {"TL_HUBSPOT_DATA": str(tmp_path / "data")}
    assert warehouse_of(load(given, directory=tmp_path)).lake is None
    given |= {
        "TL_HUBSPOT_WAREHOUSE__CATALOG": "postgresql://u:secret-word@h:5433/d",
        "TL_HUBSPOT_WAREHOUSE__NAME": "antwerp",
    }
    lake = warehouse_of(load(given, directory=tmp_path)).lake
    assert lake is not None
    assert lake.where == f"antwerp at h:5433/d, files in {tmp_path / 'data' / 'lake'}"
    assert "secret-word" not in repr(lake)
