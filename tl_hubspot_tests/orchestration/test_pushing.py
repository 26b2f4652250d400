"""Pushing: only the plan that the same run made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import pushing


def test_a_run_that_made_no_plan_pushes_nothing_and_says_so(tmp_path: Path) -> None:
    data = {"TL_HUBSPOT_DATA": str(tmp_path)}
    platform = Platform(configuration.load(data, directory=tmp_path), RunOptions(command="sync"))
    run = platform.run("only-the-last-step")
    with pytest.raises(ConfigurationError, match="made no plan") as refused:
        pushing.push(platform, run)
    assert "Start the whole job" in refused.value.sentence
    platform.close()
