"""What a run leaves behind, prints, or shows in the list of processes holds no secret; the token store is private."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.e2e.conftest import Make, Product

NEVER_SHOWN = "pat-eu1-5ec2e75e-0000-4000-8000-5ec2e75ec2e7"
"""A HubSpot token that is refused, so that it also meets error messages."""


def run(product: Product, *arguments: str, **environment: str) -> tuple[int, bytes, set[bytes]]:
    """(exit code, everything printed, command lines of all processes seen meanwhile)."""
    values = {**os.environ, **product.systems.environment(), "TL_HUBSPOT_DATA": str(product.data), **environment}
    lines: set[bytes] = set()
    command = [sys.executable, "-m", "tl_hubspot", *arguments]
    with subprocess.Popen(command, env=values, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        while process.poll() is None:
            lines |= {_read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        return process.returncode, process.stdout.read(), lines


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def secrets(product: Product) -> dict[str, bytes]:
    """Every secret that the product was given or got: what it is → its text."""
    environment = product.systems.environment()
    names = ("HUBSPOT_ACCESS_TOKEN", "TEAMLEADER_CLIENT_SECRET", "TEAMLEADER_REFRESH_TOKEN")
    found = {name: environment[name].encode() for name in names} | {"a refused token": NEVER_SHOWN.encode()}
    for store in stores(product):
        kept = json.loads(store.read_text())
        texts = {k: v for k, v in kept.items() if k.endswith("_token") and v}
        assert texts, "the store holds tokens"
        found |= {f"{name} of the store": text.encode() for name, text in texts.items()}
    return found


def stores(product: Product) -> list[Path]:
    found = [p for p in (product.data / "tokens").rglob("*.json") if p.is_file()]
    assert found
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the list of processes is read from /proc")
def test_no_secret_is_left_printed_or_listed(make: Make) -> None:
    product = make("subset")
    state = product.data / "state"
    product.systems.hubspot.faults.add(Fault("status", path="/contacts/batch/upsert", status=502, times=2))
    product.systems.teamleader.faults.add(Fault("status", path="deals.list", status=500))
    printed = b""
    listed: set[bytes] = set()
    for arguments, environment, expected in (
        (("sync",), {}, 0),
        (("plan", "--json"), {}, 0),
        (("sync",), {"HUBSPOT_ACCESS_TOKEN": NEVER_SHOWN}, 4),
        (("doctor",), {"HUBSPOT_ACCESS_TOKEN": NEVER_SHOWN}, None),
        (("explain", "contact", "0"), {}, None),
    ):
        code, output, lines = run(product, *arguments, TL_HUBSPOT_STATE=str(state), **environment)
        assert expected is None or code == expected, output.decode()
        assert output
        printed += output
        listed |= lines
    assert any(b"tl_hubspot" in line for line in listed)

    private = set(stores(product))
    searched = 0
    for name, text in secrets(product).items():
        assert text not in printed, f"{name} was printed"
        assert not [line for line in listed if text in line], f"{name} is in the list of processes"
        for path in product.data.rglob("*"):
            if path.is_file() and path not in private:
                searched += 1
                assert text not in path.read_bytes(), f"{name} is in {path.relative_to(product.data)}"
    assert searched > 100
    assert {"tl_hubspot.duckdb", "analytics.duckdb"} <= {p.name for p in product.data.glob("*.duckdb")}


def test_what_is_private_is_for_its_owner_alone(make: Make, tmp_path: Path) -> None:
    product = make("subset")
    product.data = tmp_path / "new"
    old = os.umask(0o022)
    try:
        assert product.run().exit_code == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE(product.data.stat().st_mode) == 0o700
    for path in (product.data / "tokens").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name
