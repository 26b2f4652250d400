"""The page that sets the product beside others says what was measured, whoever is better."""

from __future__ import annotations

import copy
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "rivals" / "page.py"))


@pytest.fixture(scope="module")
def results(page: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page["RESULTS"].read_text())
    return found


def test_the_page_is_made_from_the_results(page: dict[str, Any], results: dict[str, Any]) -> None:
    assert page["PAGE"].read_text() == page["text"](results), "python benchmarks/rivals/page.py makes it anew"


def test_a_rival_that_is_better_is_named(page: dict[str, Any], results: dict[str, Any]) -> None:
    other = copy.deepcopy(results)
    other["loading"]["drt_rest_api"]["load_1000"] |= {"hubspot_calls": 7, "seconds": 3.25}
    ours = other["loading"]["tl_hubspot"]["load_1000"]
    said = f"drt, REST API destination takes 7 instead of {ours['hubspot_calls']:,} HubSpot calls and 3.25 instead of"
    better = page["text"](other).split("### Where a rival is better")[1].split("### Where tl_hubspot is better")[0]
    assert said in better
    assert said not in page["text"](results)
