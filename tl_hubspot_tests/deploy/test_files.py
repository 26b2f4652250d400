"""The files of `deploy/` are what the programs that read them take, and agree with each other and with the product."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.workspace.load import location_origins_from_yaml_paths
from jsonschema import Draft202012Validator

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import DATA

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
ONE_MACHINE = ROOT / "tl_hubspot" / "orchestration" / "dagster.yaml"
INSTANCES = (ONE_MACHINE, DEPLOY / "dagster.postgres.yaml", DEPLOY / "dagster.celery.yaml")
VARIABLES = {
    "DAGSTER_PG_HOST": "db.example.com",
    "DAGSTER_PG_PORT": "5433",
    "DAGSTER_PG_DB": "dagster",
    "DAGSTER_PG_USERNAME": "dagster",
    "DAGSTER_PG_PASSWORD": "not-a-real-one",
    "DAGSTER_CELERY_BROKER": "redis://redis.example.com:6379/0",
    "DAGSTER_CELERY_BACKEND": "redis://redis.example.com:6379/1",
}
"""What `local_up.sh` prints, and the environment of the services."""
ONE_RUN_PER_ACCOUNT = {"key": DATA, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
LOCATIONS = ("antwerp", "ghent")
SPECS = Path(__file__).resolve().parents[1] / "specs"
COMPOSE, HELM = (
    Draft202012Validator(json.loads((SPECS / name).read_text()))
    for name in ("compose/compose-spec.json", "helm/values.json")
)
"""What docker compose takes (github.com/compose-spec, Apache-2.0), and what we say of Dagster's chart."""


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def load(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text())
    assert isinstance(content, dict)
    return content


def variables_in(value: Any) -> set[str]:
    """Names in `{env: NAME}`."""
    if isinstance(value, dict):
        own = {value["env"]} if set(value) == {"env"} else set()
        return own.union(*map(variables_in, value.values()))
    return set().union(*map(variables_in, value)) if isinstance(value, list) else set()


# --- dagster.yaml ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", INSTANCES, ids=lambda p: p.name)
def test_dagster_takes_each_instance_and_no_typing_error_in_it(path: Path, tmp_path: Path) -> None:
    content = load(path)
    (tmp_path / "dagster.yaml").write_text(path.read_text())
    assert dagster_instance_config(str(tmp_path))[0].keys() >= content.keys()
    for key, wrong in (("run_retires", content["run_retries"]), ("run_monitoring", {"enable": True})):
        (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(content | {key: wrong}))
        with pytest.raises(dg.DagsterInvalidConfigError):
            dagster_instance_config(str(tmp_path))


def test_what_has_nothing_to_do_with_the_size_is_the_same_for_every_size() -> None:
    one, *larger = map(load, INSTANCES)
    for content in larger:
        assert {key: content[key] for key in one if key != "concurrency"} == {
            key: value for key, value in one.items() if key != "concurrency"
        }
        assert content["concurrency"]["runs"]["tag_concurrency_limits"] == [ONE_RUN_PER_ACCOUNT]
    postgres, celery = larger
    assert {k: v for k, v in celery.items() if k != "run_launcher"} == postgres


def test_each_account_gets_its_own_settings(tmp_path: Path) -> None:
    content = load(DEPLOY / "dagster.celery.yaml")
    paths = content["secrets"]["custom"]["config"]["location_paths"]
    locations = location_origins_from_yaml_paths([str(DEPLOY / "workspace.yaml")])
    assert {origin.location_name for origin in locations} == set(LOCATIONS) == paths.keys()
    assert {origin.loadable_target_origin.module_name for origin in locations} == {"tl_hubspot.definitions"}
    for name in LOCATIONS:
        paths[name] = str(tmp_path / name)
        (tmp_path / name).mkdir()
        (tmp_path / name / ".env").write_text(f"TL_HUBSPOT_DATA=/var/lib/{name}\nHUBSPOT_RATE_LIMIT=100\n")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"secrets": content["secrets"]}))
    loader = InstanceRef.from_dir(str(tmp_path)).secrets_loader
    assert loader is not None
    for name in LOCATIONS:
        settings = configuration.load(dict(loader.get_secrets_for_environment(name)), directory=tmp_path)
        assert settings.data == Path(f"/var/lib/{name}")
    assert loader.get_secrets_for_environment("elsewhere") == {}


def test_celery_takes_the_launcher_and_what_the_workers_know(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dagster_celery", reason="the extra celery is not installed: make extras")
    from dagster_celery.launcher import CeleryRunLauncher

    given = load(DEPLOY / "dagster.celery.yaml")["run_launcher"]
    assert (given["module"], given["class"]) == (CeleryRunLauncher.__module__, CeleryRunLauncher.__name__)
    assert validate_config(dg.Field(CeleryRunLauncher.config_type()).config_type, given["config"]).success
    wrong = given["config"] | {"brokr": "redis://"}
    assert not validate_config(dg.Field(CeleryRunLauncher.config_type()).config_type, wrong).success
    monkeypatch.syspath_prepend(str(DEPLOY))
    from dagster_celery.make_app import make_app

    app = make_app()
    assert app.conf.broker_url == VARIABLES["DAGSTER_CELERY_BROKER"]
    assert app.conf.result_backend == VARIABLES["DAGSTER_CELERY_BACKEND"]
    assert app.conf.worker_disable_prefetch is True


# --- units and compose -----------------------------------------------------------------------------------------------

UNITS = sorted((DEPLOY / "systemd").iterdir())
PROGRAMS = {"dagster-webserver", "dagster-daemon", "tl-hubspot", "celery"}
KNOWN = {
    "Unit": {"Description", "After", "Wants"},
    "Service": {
        *("Type", "User", "Environment", "EnvironmentFile", "WorkingDirectory", "ExecStart", "SuccessExitStatus"),
        *("KillMode", "TimeoutStartSec", "TimeoutStopSec", "Restart", "RestartSec", "UMask", "NoNewPrivileges"),
        *("PrivateTmp", "ProtectSystem", "ProtectHome", "StateDirectory"),
    },
    "Timer": {"OnCalendar", "Persistent"},
    "Install": {"WantedBy"},
}
"""Names that systemd knows, of those our units use: it passes over any other one with a warning."""
VALUES = {
    "Type": "oneshot",
    "KillMode": "mixed",
    "Restart": "on-failure",
    "ProtectSystem": "strict",
    "UMask": r"0[0-7]{3}",
    "NoNewPrivileges|PrivateTmp|ProtectHome|Persistent": "true|false",
    "RestartSec|TimeoutStopSec": r"\d+",
    "TimeoutStartSec": "infinity",
    "SuccessExitStatus": r"\d+",
    "WorkingDirectory": r"/\S+",
    "EnvironmentFile": r"-?/\S+",
    "Environment": r"[A-Z_]+=\S+( [A-Z_]+=\S+)*",
    "ExecStart": r"/opt/tl_hubspot/\.venv/bin/.+",
    "OnCalendar": r"\*:0/\d+|[0-2]\d:[0-5]\d",
    "WantedBy": r"(multi-user|timers)\.target",
}


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_units_hold_nothing_that_systemd_would_pass_over(unit: Path) -> None:
    lines = unit.read_text().replace("\\\n", " ").splitlines()
    section, sections = "", []
    for line in filter(None, map(str.strip, lines)):
        if line.startswith("["):
            section = line.strip("[]")
            sections.append(section)
        elif not line.startswith("#"):
            name, _, value = line.partition("=")
            assert name in KNOWN[section], f"[{section}] {name}"
            for names, form in VALUES.items():
                assert not re.fullmatch(names, name) or re.fullmatch(form, value), line
    kind = {".service": "Service", ".timer": "Timer"}[unit.suffix]
    assert sections[:2] == ["Unit", kind]
    assert sections[2:] in ([], ["Install"])
    assert unit.with_suffix(".service") in UNITS, "a timer starts the service of its name"


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_systemd_takes_each_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for other in UNITS:
        text = other.read_text()
        assert set(re.findall(r"/opt/tl_hubspot/.venv/bin/(\S+)", text)) <= PROGRAMS
        # it looks whether the program exists
        (tmp_path / other.name).write_text(re.sub(r"/opt/tl_hubspot/.venv/bin/\S+", "/bin/true", text))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    ours = [line for line in done.stderr.splitlines() if "tl-hubspot" in line]
    assert (done.returncode, ours) == (0, [])


def test_compose_takes_the_file() -> None:
    problems = list(COMPOSE.iter_errors(load(DEPLOY / "docker-compose.yaml")))
    assert [f"{problem.json_path}: {problem.message}" for problem in problems] == []


def test_services_know_what_their_instance_asks_for() -> None:
    asked = variables_in(load(DEPLOY / "dagster.celery.yaml")) | set(
        re.findall(r'os.environ\["(\w+)"\]', (DEPLOY / "dagster_celery_config.py").read_text())
    )
    assert asked == set(VARIABLES)
    services = load(DEPLOY / "docker-compose.yaml")["services"]
    for name in ("webserver", "daemon", "worker"):
        assert services[name]["environment"].keys() == asked
        for mounted in services[name]["volumes"]:
            source, target, *_ = mounted.split(":")
            if source.startswith("./") and not source.startswith("./accounts/"):
                assert (DEPLOY / source).exists(), source
                assert target.startswith("/opt/dagster/")
    runs = load(DEPLOY / "dagster.celery.yaml")["concurrency"]["runs"]
    assert services["worker"]["deploy"] == {"replicas": runs["max_concurrent_runs"]}
    script = (DEPLOY / "local_up.sh").read_text()
    assert set(re.findall(r"^(DAGSTER_\w+)=", script, re.MULTILINE)) == asked


def test_nothing_is_open_to_the_network_and_no_password_is_written_down() -> None:
    text = (DEPLOY / "docker-compose.yaml").read_text()
    for service in load(DEPLOY / "docker-compose.yaml")["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for name, value in service["environment"].items() if "environment" in service else ():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{\w+:\?.*\}", value), "compose refuses to start without it"
    assert "-h 127.0.0.1" in (DEPLOY / "systemd" / "tl-hubspot-webserver.service").read_text()
    assert re.findall(r"redis://:(?!\$)", text) == []


def test_a_worker_has_one_process_per_run_wherever_it_is_started() -> None:
    """Settings of one account in the environment of a process must not be there for the next run."""
    for path in ("docker-compose.yaml", "systemd/tl-hubspot-worker@.service", "trial.py"):
        text = (DEPLOY / path).read_text()
        assert "--concurrency=1" in text, path
        assert "--max-tasks-per-child=1" in text, path


# --- Kubernetes ------------------------------------------------------------------------------------------------------


def test_values_of_helm_hold_only_what_the_chart_knows() -> None:
    problems = list(HELM.iter_errors(load(DEPLOY / "kubernetes.values.yaml")))
    assert [f"{problem.json_path}: {problem.message}" for problem in problems] == []


def test_values_of_helm_agree_with_the_product_and_with_dagster(tmp_path: Path) -> None:
    values = load(DEPLOY / "kubernetes.values.yaml")
    one = load(ONE_MACHINE)
    daemon = values["dagsterDaemon"]
    queue = {_snake(k): v for k, v in daemon["runCoordinator"]["config"]["queuedRunCoordinator"].items()}
    assert validate_config(dg.Field(QueuedRunCoordinator.config_type()).config_type, queue).success
    assert queue["tag_concurrency_limits"] == [ONE_RUN_PER_ACCOUNT]
    assert {_snake(k): v for k, v in daemon["runRetries"].items()} == one["run_retries"]
    for kind in ("schedule", "sensor"):
        assert values["retention"][kind]["purgeAfterDays"] == one["retention"][kind]["purge_after_days"]
    assert values["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"
    deployments = values["dagster-user-deployments"]["deployments"]
    assert {d["name"] for d in deployments} == set(LOCATIONS)
    folders = set()
    for deployment in deployments:
        folder = configuration.load(deployment["env"], directory=tmp_path).data
        assert folder.is_absolute()
        assert [m["mountPath"] for m in deployment["volumeMounts"]] == [str(folder)]
        assert {m["name"] for m in deployment["volumeMounts"]} == {v["name"] for v in deployment["volumes"]}
        assert deployment["includeConfigInLaunchedRuns"] == {"enabled": True}
        folders.add(folder)
    assert len(folders) == len(deployments), "one run at a time goes by the folder"


def test_kubernetes_takes_what_a_run_of_an_account_gets() -> None:
    pytest.importorskip("dagster_k8s", reason="the extra kubernetes is not installed: make extras")
    from dagster_k8s.container_context import K8sContainerContext

    for deployment in load(DEPLOY / "kubernetes.values.yaml")["dagster-user-deployments"]["deployments"]:
        secrets = [secret["name"] for secret in deployment["envSecrets"]]
        context = K8sContainerContext.create_from_config(
            {
                "k8s": {
                    "env_secrets": secrets,
                    "env_vars": [f"{name}={value}" for name, value in deployment["env"].items()],
                    "volumes": deployment["volumes"],
                    "volume_mounts": deployment["volumeMounts"],
                    "resources": deployment["resources"],
                    "run_k8s_config": {"pod_spec_config": {"security_context": deployment["podSecurityContext"]}},
                }
            }
        )
        assert [s["secret_ref"]["name"] for s in context.run_k8s_config.container_config["env_from"]] == secrets


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda m: f"_{m[0].lower()}", name)


# --- extras ----------------------------------------------------------------------------------------------------------


def test_extras_are_of_the_release_that_the_locked_dagster_is_of() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    library = metadata.version("dagster-duckdb")
    for name in ("postgres", "celery", "kubernetes"):
        for requirement in extras[name]:
            package, _, version = requirement.partition("==")
            assert version, f"{requirement} is not pinned"
            if package.startswith("dagster-"):
                assert version == library, requirement
    for requirement in extras["lake"]:
        assert requirement.partition("==")[2] == metadata.version("duckdb"), "they load in that version alone"
    chart = re.search(r"--version (\S+)", (DEPLOY / "kubernetes.values.yaml").read_text())
    assert chart is not None
    assert chart[1] == metadata.version("dagster")
