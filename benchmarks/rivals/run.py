"""The product beside dlt, drt and HubSpot's own client, all in one run on the same local systems over real HTTP.

Usage: `python benchmarks/rivals/run.py` (about three quarters of an hour, most of it waiting for limits of calls).
Writes `benchmarks/results/rivals.json` and, from it, `docs/rivals.md`. `--small` tries everything in a few minutes with
fewer records and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import extraction
import installed
import loading
import page
from stage import TEAMLEADER_LIMIT, Stage

from tl_hubspot.sandbox.serve import HUBSPOT_CALLS, LocalSystems

LATENCY = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="fewer records, nothing is written")
    parser.add_argument("--part", choices=("extraction", "loading"), help="only this part; nothing is written")
    given = parser.parse_args()
    installed.install()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", file=sys.stderr, flush=True)

    contacts = 300 if given.small else 1_000
    sizes = loading.Sizes(3, 120, 250) if given.small else loading.Sizes()
    parts: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(prefix="rivals-") as folder,
        LocalSystems("generated", contacts=contacts) as systems,
    ):
        stage = Stage(systems, Path(folder), LATENCY)
        if given.part != "loading":
            parts["extraction"] = extraction.measure(stage, say)
        if given.part != "extraction":
            for parts["loading"] in loading.measure(stage, sizes, say):
                if not (given.small or given.part):
                    store(parts, stage)
                    say("docs/rivals.md is written")
    if given.small or given.part:
        json.dump(parts, sys.stdout, indent=1)


def store(parts: dict[str, Any], stage: Stage) -> None:
    """The results so far, and the page made from them."""
    results = {
        "benchmark": "rivals",
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"},
        "versions": {"python": platform.python_version(), **installed.versions()},
        "conditions": {
            "latency_seconds": LATENCY,
            "hubspot_calls_per_10_s": HUBSPOT_CALLS,
            "teamleader_calls_per_minute": TEAMLEADER_LIMIT,
            "stood_still_seconds": round(stage.stood_still, 1),
        },
        **parts,
    }
    page.RESULTS.parent.mkdir(exist_ok=True)
    page.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    page.PAGE.write_text(page.text(results))


if __name__ == "__main__":
    main()
