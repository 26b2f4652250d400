"""What Dagster loads: assets, checks, jobs, the launchpad; and a run as the UI starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.definitions import build_definitions
from tl_hubspot.orchestration.assets import common, lineage
from tl_hubspot.orchestration.assets.descriptions import DESCRIPTIONS
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.cli.terminal import Ended, environment_of, forked

ASSETS = {
    "teamleader_focus": {"contacts", "companies", "deals", "reference"},
    "teamleader": {"contacts", "companies", "deals", "reference", "contact_company_links", "deal_phase_history"},
    "hubspot": {"properties", "contacts", "companies", "deals", "associations"},
    "sync": {"sync/links", "plan", "hubspot_sync"},
    "decisions": {"contacts", "companies", "deals"},
    "eligible": {"contacts", "companies", "deals", "relations"},
    "published": {"analytics"},
    "crmoffice": {"contacts"},
    "two_way": {"plan", "sync"},
}
KINDS = {
    "teamleader_focus": {"teamleader"},
    "teamleader": {"python", "duckdb"},
    "hubspot": {"hubspot", "duckdb"},
    "decisions": {"polars", "duckdb"},
    "eligible": {"polars", "duckdb"},
    "published": {"duckdb"},
}
MORE = ("_per_second", "_repeated")
BLOCKING = {"protected_fields", "vanished_records", "duplicate_teamleader_ids", "within_limits"}


def platform(tmp_path: Path, **environment: str) -> Platform:
    return Platform(configuration.load({"TL_HUBSPOT_DATA": str(tmp_path), **environment}, directory=tmp_path))


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    return build_definitions(platform(tmp_path))


def test_definitions_load_without_touching_anything(definitions: dg.Definitions, tmp_path: Path) -> None:
    dg.Definitions.validate_loadable(definitions)
    assert list(tmp_path.iterdir()) == []


def test_assets_groups_and_kinds(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    found: dict[str, set[str]] = {}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        group = str(node.group_name)
        name = key.to_user_string().removeprefix(f"{group}/") if group != "sync" else key.to_user_string()
        found.setdefault(group, set()).add(name)
        assert node.description == DESCRIPTIONS[key.to_user_string()]
        assert node.owners == ["team:crm"]
        if group in KINDS:
            assert node.kinds == KINDS[group]
    assert found == ASSETS
    assert len(DESCRIPTIONS) == len(graph.get_all_asset_keys()), "every description is of an asset"


def test_nothing_is_decided_before_both_systems_were_read(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    above = {str(k) for k in graph.get_ancestor_asset_keys(dg.AssetKey(["hubspot_sync"]))}
    read = {
        str(dg.AssetKey([group, name]))
        for group in ("teamleader", "hubspot", "decisions", "eligible")
        for name in ASSETS[group]
    }
    assert read <= above


def test_checks_and_which_of_them_block(definitions: dg.Definitions) -> None:
    specs = [spec for check in definitions.asset_checks or () for spec in check.check_specs]
    assert {s.name for s in specs if s.blocking} == BLOCKING
    assert all(s.asset_key == dg.AssetKey(["plan"]) for s in specs if s.blocking)
    assert all(s.description for s in specs)
    assert len({(s.asset_key, s.name) for s in specs}) == len(specs)


def test_each_asset_can_be_materialized_alone_with_its_checks(definitions: dg.Definitions) -> None:
    everything = definitions.resolve_implicit_global_asset_job_def()
    for key in everything.asset_layer.executable_asset_keys:
        alone = everything.get_subset(asset_selection={key})
        assert {node.name.removesuffix("__checks") for node in alone.graph.nodes} == {key.to_python_identifier()}


def test_lineage_leads_from_every_mapped_property_to_a_field_of_teamleader(
    definitions: dg.Definitions, tmp_path: Path
) -> None:
    """Through tables and columns that exist, to assets that exist."""
    assets = definitions.resolve_asset_graph().get_all_asset_keys()
    mapping = platform(tmp_path).mapping
    pushed = lineage.of_mapping(mapping)["dagster/column_lineage"].deps_by_column
    assert set(pushed) == {f"{rule.entity_type}.{rule.property}" for rule in mapping.fields}
    for deps in pushed.values():
        assert deps
        for dep in deps:
            assert dep.asset_key in assets
            assert dep.column_name in schema.table(".".join(dep.asset_key.path)).column_names
    (mobile,) = pushed["contact.mobilephone"]
    assert (mobile.asset_key.path, mobile.column_name) == (["teamleader", "contacts"], "telephones")
    read = lineage.of_table("teamleader.contacts")["dagster/column_lineage"].deps_by_column
    (field,) = read[mobile.column_name]
    assert (field.asset_key.path, field.column_name) == (["teamleader_focus", "contacts"], "telephones")
    assert {"address", "marketing"} == {
        d.column_name for n in ("email", "teamleader_marketing") for d in pushed[f"contact.{n}"]
    }
    assert "changed_at" not in read


def test_a_step_tells_its_own_calls_and_their_rate(tmp_path: Path) -> None:
    of_run = platform(tmp_path)
    of_run.meter.count("teamleader", "reads", 400)
    common.begin(of_run)
    of_run.meter.count("hubspot", "reads", 3)
    of_run.meter.count("hubspot", "writes", 2)
    of_run.meter.count("hubspot", "retries")
    told = common.result(of_run, None, {"created": 0}).metadata
    assert told is not None and told.keys() == {"created", *(f"hubspot_calls{more}" for more in ("", *MORE))}
    assert (told["hubspot_calls"], told["hubspot_calls_repeated"]) == (5, 1)
    assert told["hubspot_calls_per_second"] > 0


def test_jobs(definitions: dg.Definitions) -> None:
    assert {job.name for job in definitions.jobs or ()} == {
        "sync",
        "plan_only",
        "approve",
        "crmoffice",
        "tidy",
        "digest",
    }
    nodes = {name: set(definitions.resolve_job_def(name).graph.node_dict) for name in ("sync", "plan_only", "approve")}
    assert "hubspot_sync" in nodes["sync"]
    assert not any(node.startswith(("two_way", "crmoffice")) for node in nodes["sync"] | nodes["plan_only"])
    assert not {"hubspot_sync", "published__analytics"} & nodes["plan_only"]
    assert {"plan", "hubspot_sync"} <= nodes["approve"]
    assert not any(node.startswith("teamleader__") for node in nodes["approve"])


def test_launchpad_of_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TL_HUBSPOT_DATA", str(tmp_path))
    job = build_definitions().resolve_job_def("sync")
    good = {"resources": {"platform": {"config": {"as_of": "2026-11-02", "full": True, "only": ["contact"]}}}}
    assert dg.validate_run_config(job, good)["resources"]["platform"]["config"]["full"] is True
    for wrong in ({"asof": "2026-11-02"}, {"full": "yes"}, {"only": "contact"}, {"only": ["contacts"]}):
        with pytest.raises(dg.DagsterInvalidConfigError):
            dg.validate_run_config(job, {"resources": {"platform": {"config": wrong}}})


def _job(tmp_path: Path, environment: dict[str, str]) -> Ended:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    places = {"TL_HUBSPOT_DATA": str(tmp_path / "data"), "DAGSTER_HOME": str(home)}
    arguments = ("job", "execute", "-m", "tl_hubspot.definitions", "-j", "sync")
    return forked(tmp_path, *arguments, environment=environment | places, timeout=200, program="dagster")


def test_a_run_as_the_ui_starts_it_is_held_by_a_blocking_check_and_else_pushes(tmp_path: Path) -> None:
    with LocalSystems("subset", teamleader_limit=False, hubspot_limit=False) as systems:
        environment = environment_of(systems)
        guards = {"TL_HUBSPOT_GUARDS__UNSUBSCRIBES_SHARE": "0", "TL_HUBSPOT_GUARDS__UNSUBSCRIBES_MINIMUM": "0"}
        held = _job(tmp_path, environment | guards)
        assert held.code != 0
        assert "within_limits" in held.err
        assert systems.hubspot.log.writes() == [], "a blocking check keeps the push from starting"
        pushed = _job(tmp_path, environment)
        assert pushed.code == 0, pushed.err[-2000:]
        assert systems.hubspot.log.writes() != []
        wrong = _job(tmp_path, environment | {"HUBSPOT_ACCESS_TOKEN": "pat-wrong"})
        assert wrong.code != 0
    runs = Warehouse(tmp_path / "data" / "tl_hubspot.duckdb").read("select status from sync.runs order by started_at")
    assert runs["status"].to_list() == ["held", "done", "stopped"]
    assert (tmp_path / "data" / "analytics.duckdb").exists()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are listed by Linux")
def test_loading_the_program_starts_no_thread_of_polars() -> None:
    """A process that is forked from one with such threads hangs at its first frame."""
    looking = "print([t.joinpath('comm').read_text() for t in pathlib.Path('/proc/self/task').iterdir()])"
    code = f"import pathlib, tl_hubspot.definitions; {looking}"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "polars-0" not in told.stdout
