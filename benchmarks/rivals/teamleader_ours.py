"""The product's own reading steps into its database: `python teamleader_ours.py contacts companies deals links`.

Settings come from the environment, as always. No decisions, no HubSpot: what dlt is compared with.
"""

from __future__ import annotations

import sys
import uuid

from tl_hubspot.config import settings
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import extract, links


def main(names: list[str]) -> None:
    platform = Platform(settings.load(), RunOptions())
    run = platform.run(str(uuid.uuid4()))
    for name in names:
        if name == "links":
            links.links(platform, run)
        else:
            extract.records(platform, run, name)
    platform.close()


if __name__ == "__main__":
    main(sys.argv[1:])
