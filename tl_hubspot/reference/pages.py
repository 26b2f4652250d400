"""Which pages are made from code, and by what."""

from __future__ import annotations

import json
from collections.abc import Callable

from tl_hubspot.config import mapping_schema
from tl_hubspot.reference import commands, reasons, settings, tables


def _schema() -> str:
    return json.dumps(mapping_schema.schema(), ensure_ascii=False, indent=2) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "reasons.md": reasons.page,
    "settings.md": settings.page,
    "tables.md": tables.page,
    mapping_schema.FILE: _schema,
}
"""File in `docs/` → what makes its text."""
