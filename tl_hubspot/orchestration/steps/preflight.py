"""Before a run reads anything: settings that are complete, and a portal that can take what the mapping writes.

Compares and refuses only. What is wrong with a property is known by `planning.preflight`; making what is missing is the
push's business.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import recovering
from tl_hubspot.planning import preflight
from tl_hubspot.warehouse.rows import frame_of


def enter(platform: Platform, run_id: str) -> Run:
    """The run of that id; when it is opened, what can be refused is refused, and what a crash left open is settled."""
    if run_id not in platform.open_runs:
        settings(platform)
        run = platform.run(run_id)
        portal(platform)
        recovering.recover(platform, run.run_id)
    return platform.run(run_id)


def settings(platform: Platform) -> None:
    """ConfigurationError for missing credentials, a mapping file with mistakes, an as_of that is no date; no call."""
    platform.settings.require_teamleader()
    platform.settings.require_hubspot()
    _ = platform.mapping
    platform.as_of()


def portal(platform: Platform) -> None:
    """ConfigurationError that names every property that the portal would refuse."""
    _, problems = preflight.check(platform.mapping, properties(platform))
    _refuse(problems)


def custom_fields(platform: Platform, reference: pl.DataFrame) -> None:
    """ConfigurationError that names every mapped custom field that Teamleader does not have (rows of its lists)."""
    _, problems = preflight.check(platform.mapping, properties(platform), reference)
    _refuse(problems)


def properties(platform: Platform) -> pl.DataFrame:
    """The portal's property definitions as rows of `hubspot.properties`, read once per run."""
    return frame_of("hubspot.properties", platform.definitions.properties)


def _refuse(problems: Sequence[preflight.Problem]) -> None:
    if problems:
        first, rest = problems[0], problems[1:]
        also = "".join(f"; also {problem.what} ({problem.where})" for problem in rest)
        raise ConfigurationError(first.what, where=first.where, mend=f"{first.mend}{also}")
