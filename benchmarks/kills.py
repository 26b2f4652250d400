"""Kills runs wherever something becomes durable or is sent, loses every answer, and counts what came of it.

`python benchmarks/kills.py` tries every place of two small worlds, with `--variants` of their variants too (several
calls at a time in batches of two, the batch route for opt-outs, a HubSpot that keeps replaced addresses): an hour or
more. `--part 1/3` does each third attempt. Ends with exit code 1 when any attempt ended otherwise than the run that was
never disturbed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests are not installed

from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot_tests.e2e import kill_worlds
from tl_hubspot_tests.e2e.conftest import Product
from tl_hubspot_tests.e2e.killing import Manner, Scene, Stopped, attempts

ALONE, TOGETHER = Manner(), Manner(workers=3, batch=2)
VARIANTS: list[tuple[dict[str, Any], Manner]] = [
    ({}, ALONE),
    ({"enterprise": True}, TOGETHER),
    ({"old_primary_on_email_change": "kept"}, ALONE),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", choices=["first", "later"], help="one of them (default: both)")
    parser.add_argument("--variants", action="store_true", help="the variants as well")
    parser.add_argument("--part", default="1/1", help="share of the attempts, as 2/3")
    parser.add_argument(
        "--once", action="store_true", help="leave out the run after the next, which must write nothing"
    )
    given = parser.parse_args()
    tried = wrong = 0
    for world in [given.world] if given.world else ["first", "later"]:
        for more, manner in VARIANTS if given.variants else VARIANTS[:1]:
            with tempfile.TemporaryDirectory() as folder:
                found = _try(world, more, manner, Path(folder), given)
            tried, wrong = tried + found[0], wrong + found[1]
    print(f"{tried} attempts, {wrong} ended otherwise")
    return 1 if wrong else 0


def _try(world: str, more: dict[str, Any], manner: Manner, folder: Path, given: argparse.Namespace) -> tuple[int, int]:
    """Attempts made, and how many of them ended otherwise."""
    part, parts = map(int, given.part.split("/"))
    tried = wrong = 0
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as systems:
        (folder / "base").mkdir()
        story = getattr(kill_worlds, world)(lambda _, **values: Product(systems, folder / "base", values), **more)
        scene = Scene(story, folder / "scene", manner, full=world == "later")
        scene.once_more = not given.once
        print(
            f"{world} {more or ''} {manner}: {len(scene.points)} points, {len(scene.writes)} writing calls", flush=True
        )
        for number, (what, attempt) in enumerate(attempts(scene)):
            if number % parts != part - 1:
                continue
            began, outcome = time.perf_counter(), "as undisturbed"
            tried += 1
            try:
                attempt()
            except (AssertionError, Stopped) as error:
                wrong, outcome = wrong + 1, f"OTHERWISE: {error}"
            print(f"  {what}: {outcome} ({time.perf_counter() - began:.1f} s)", flush=True)
    return tried, wrong


if __name__ == "__main__":
    sys.exit(main())
