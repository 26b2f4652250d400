"""`python -m tl_hubspot.reference [FOLDER]`: writes the pages that are made from code into `docs/`, or that folder."""

from __future__ import annotations

import sys
from pathlib import Path

from tl_hubspot.reference.pages import PAGES

if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
