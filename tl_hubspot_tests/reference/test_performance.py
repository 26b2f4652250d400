"""docs/performance.md is what the script makes of the stored results, and says of a promise whether it was kept."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules that make the page; scripts find each other by their folder."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import flames
    import page

    yield page, flames
    for name in ("page", "page_words", "flames"):
        sys.modules.pop(name, None)


def result(benchmark: str, case: str, records: int, **figures: float) -> dict[str, Any]:
    machine = {"cores": 2, "processor": "one", "memory_gib": 4, "system": "Linux"}
    rows = [{"case": case, "records": records, **figures}]
    told = {"benchmark": benchmark, "machine": machine, "versions": {}, "rows": rows}
    return told | {"measured_at": "2026-11-02T11:00", "loop_seconds": [0.5, 0.6]}


def test_the_page_is_made_of_the_results(scripts: Any) -> None:
    page, _ = scripts
    text = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert page.page(page.results(), page.profiles()) == text, "run python benchmarks/page.py"
    assert all((DOCS / image).is_file() for image in re.findall(r"\]\((images/[^)]+)\)", text))


def test_a_promise_is_kept_broken_or_reckoned(scripts: Any) -> None:
    page, _ = scripts

    def line(what: str, *told: dict[str, Any]) -> str:
        return next(row for row in page.page(list(told), {}).splitlines() if row.startswith(f"| {what} |"))

    load, whole = "load contacts from JSON pages", "`tl-hubspot sync`, nothing changed"
    assert "| 0.50 × |" in line(load, result("load", "first", 1_000_000, seconds=30.0)) and "| yes |" in line(
        load, result("load", "first", 1_000_000, seconds=30.0)
    )
    assert "**no**" in line(load, result("load", "first", 1_000_000, seconds=61.0))
    sized = [result("load", "first", n, seconds=1 + n / 20_000) for n in (10_000, 100_000)]
    assert "so about 51.0 s | yes" in line(load, *sized)
    assert "not measured" in line(whole, *sized)
    # two sizes, ten times as many records, less than ten times the seconds
    assert "| 0.60 |" in line("Load Teamleader's contacts from JSON pages: first", *sized)


def test_a_profile_keeps_our_own_frames(scripts: Any) -> None:
    _, flames = scripts
    stacks = [
        "<module> (load.py:9);take (tl_hubspot/orchestration/steps/extract.py:90);execute (duckdb/__init__.py:5) 60",
        "<module> (load.py:9);take (tl_hubspot/orchestration/steps/extract.py:95);_open (tl_hubspot/x/store.py:1) 39",
        "<module> (load.py:1);seldom (tl_hubspot/rules/told.py:1) 1",
        "wait (threading.py:2) 100",
    ]
    assert list(flames.boxes(stacks)) == [
        {"name": "extract.take", "depth": 0, "start": 0.0, "end": 0.495},
        {"name": "store.open", "depth": 1, "start": 0.0, "end": 0.195},
    ]
