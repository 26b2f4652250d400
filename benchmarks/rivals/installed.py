"""The rivals, installed from PyPI into an environment of their own: made once in `build/rivals`, versions pinned."""

from __future__ import annotations

import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / "build" / "rivals"
PYTHON = ENVIRONMENT / "bin" / "python"
REQUIREMENTS = HERE / "requirements.txt"
RIVALS = ("dlt", "drt-core", "hubspot-api-client", "duckdb")


def install() -> None:
    """Make the environment, or leave it when it holds these versions already."""
    stamp = ENVIRONMENT / ".installed"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return
    print(f"Installing the rivals into {ENVIRONMENT.relative_to(ROOT)} ...", file=sys.stderr)
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True)
    stamp.write_text(REQUIREMENTS.read_text())


def versions() -> dict[str, str]:
    """Versions as installed in that environment."""
    paths = [str(path) for path in ENVIRONMENT.glob("lib/python*/site-packages")]
    found = {d.metadata["Name"].lower(): d.version for d in metadata.distributions(path=paths)}
    return {name: found[name] for name in RIVALS}
