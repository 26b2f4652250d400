"""The pages made from code are those in `docs/`, and say all that the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tl_hubspot.reference.pages import PAGES
from tl_hubspot.warehouse import schema

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_the_one_that_the_code_makes(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `python -m tl_hubspot.reference`"


def test_every_table_has_its_place_on_the_page() -> None:
    page = PAGES["tables.md"]()
    assert [line[4:] for line in page.splitlines() if line.startswith("### ")] == [t.name for t in schema.TABLES]
    assert all(c.meaning for t in schema.TABLES for c in t.columns)
