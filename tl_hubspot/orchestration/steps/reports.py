"""The HTML reports in the data folder: one file per run, named by its id, and the index of runs beside them.

Facts come from `gathering`, pages from `reporting.report`; drawing imports slowly, so it is imported when asked for.
"""

from __future__ import annotations

from pathlib import Path

from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import gathering

INDEX = "index.html"


def write(platform: Platform, wanted: str) -> Path:
    """Write the report of the run that `wanted` names (see `finding`), and the index anew; returns the report's path.

    ConfigurationError when there is no such run, or the folder cannot be written to.
    """
    from tl_hubspot.reporting import pages
    from tl_hubspot.reporting.report import make

    facts = gathering.gather(platform, wanted)
    folder = platform.settings.reports_folder
    path = pages.write(folder / f"{facts.run['run_id']}.html", make.page(facts))
    written = frozenset(file.stem for file in folder.glob("*.html"))
    pages.write(folder / INDEX, make.index(facts, written))
    return path
