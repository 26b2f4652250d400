"""Here every database is made by the product, none is a copy."""

from __future__ import annotations

import pytest

from tl_hubspot.warehouse import store
from tl_hubspot_tests.conftest import MAKES_ANEW


@pytest.fixture(autouse=True)
def made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_open", MAKES_ANEW)
