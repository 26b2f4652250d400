"""Installations of the two-way flow; the systems of a module are shared, records and data folder are new each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tl_hubspot.sandbox.crmoffice.switches import Switches, capabilities
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot_tests.two_way_engine.installation import Installation

Make = Callable[..., Installation]


@pytest.fixture(scope="module")
def systems() -> Iterator[LocalSystems]:
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False, crmoffice="") as systems:
        yield systems


@pytest.fixture
def make(systems: LocalSystems, tmp_path: Path) -> Make:
    """An installation whose Crmoffice has these capabilities."""

    def build(caps: str = "", **more: str) -> Installation:
        assert systems.crmoffice is not None
        systems.hubspot.reset()
        systems.crmoffice.reset()
        systems.crmoffice.set_switches(**{**vars(Switches()), **capabilities(caps)})
        return Installation(systems, tmp_path, dict(more))

    return build
