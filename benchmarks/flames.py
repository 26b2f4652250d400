"""A flame graph of a profile, small enough for a page: `python benchmarks/flames.py RAW TITLE --json FILE`.

RAW is what `py-spy record --format raw --output RAW -- python benchmarks/load.py --measure …` wrote: a stack and its
number of samples on each line. Of each stack the frames in our own code are kept; what took less than 1 % is left out.
py-spy is no dependency: install it beside the product where you profile.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

SMALLEST = 0.01
_OWN = re.compile(r"^(\S+) \((?:\S*/)?tl_hubspot/(\S+?)\.py:\d+\)$")


def boxes(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Boxes of the graph: `name`, `depth`, and `start` and `end` as shares of all samples."""
    root: dict[str, Any] = {"samples": 0, "calls": {}}
    for line in lines:
        stack, _, samples = line.rpartition(" ")
        at, number = root, int(samples)
        root["samples"] += number
        for name in _own(stack.split(";")):
            at = at["calls"].setdefault(name, {"samples": 0, "calls": {}})
            at["samples"] += number
    yield from _below(root, 0.0, 0, root["samples"])


def _own(stack: list[str]) -> Iterator[str]:
    last = ""
    for frame in stack:
        if found := _OWN.match(frame):
            name = f"{found[2].rpartition('/')[2]}.{found[1].removeprefix('_')}"
            if name != last:
                yield name
            last = name


def _below(node: dict[str, Any], start: float, depth: int, samples: int) -> Iterator[dict[str, Any]]:
    for name, call in sorted(node["calls"].items(), key=lambda item: -item[1]["samples"]):
        share = call["samples"] / samples
        if share >= SMALLEST:
            yield {"name": name, "depth": depth, "start": round(start, 4), "end": round(start + share, 4)}
            yield from _below(call, start, depth + 1, samples)
        start += share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path)
    parser.add_argument("title")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    given = parser.parse_args()
    found = list(boxes(given.raw.read_text().splitlines()))
    given.json.write_text(json.dumps({"profile": given.title, "boxes": found}) + "\n")
    print(f"{len(found)} boxes")


if __name__ == "__main__":
    main()
