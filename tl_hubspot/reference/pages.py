"""Which pages are made from code, and by what."""

from __future__ import annotations

from collections.abc import Callable

from tl_hubspot.reference import tables

PAGES: dict[str, Callable[[], str]] = {"tables.md": tables.page}
"""File in `docs/` → what makes its text."""
