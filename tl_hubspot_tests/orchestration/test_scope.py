"""What a plan has to look at is found in however many steps, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tl_hubspot.orchestration.steps import scope
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot.warehouse.store import Warehouse


def mirrored(id: str, email: str, **row: Any) -> dict[str, Any]:
    return {"id": id, "email": email, "archived": False, "secondary_emails": [], "merged_ids": []} | row


def link(entity_type: str, own: str, theirs: str) -> dict[str, str]:
    return {"entity_type": entity_type, "teamleader_id": own, "hubspot_id": theirs}


def relation(from_id: str, to_type: str, to_id: str) -> dict[str, str]:
    return {"from_type": "deal", "from_id": from_id, "to_type": to_type, "to_id": to_id}


ADDRESSES = {"changed": "x", "same address": "x", "by a second address": "y", "carried": "v", "far": "z", "linked": "u"}
ROWS: dict[str, list[dict[str, Any]]] = {
    "decisions.contacts": [
        *({"teamleader_id": id, "address": f"{name}@a.example"} for id, name in ADDRESSES.items()),
        {"teamleader_id": "lost", "duplicate_of": "carried", "address": "v@a.example"},
    ],
    "hubspot.contacts": [
        mirrored("1", "q@a.example", teamleader_id="carried"),
        mirrored("2", "x@a.example", teamleader_id="carried by who has the address"),
        mirrored("3", "w@a.example", secondary_emails=["x@a.example", "y@a.example"]),
        mirrored("4", " X@a.example", teamleader_id="carried by who has it otherwise"),
        mirrored("5", "s@a.example", teamleader_id="carried by a merged one", merged_ids=["2"]),
        mirrored("9", "z@a.example", teamleader_id="far"),
    ],
    "sync.links": [
        link("contact", "changed", "1"),
        link("contact", "linked", "2"),
        link("contact", "far", "9"),
        link("deal", "deal of a contact", "70"),
        link("deal", "far deal", "90"),
    ],
    "eligible.relations": [relation("deal of a contact", "contact", "linked"), relation("far deal", "contact", "far")],
    "sync.relations": [relation("70", "company", "80"), relation("90", "contact", "9")],
}


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "tl_hubspot.duckdb")
    for table, rows in ROWS.items():
        made.append(table, frame_of(table, rows))
    return made


def test_all_that_hangs_together_is_looked_at(warehouse: Warehouse) -> None:
    found = scope.find(warehouse, {"teamleader.contacts": pl.DataFrame({"id": ["changed"]})})
    assert found is not None
    assert set(found.looked_at["contact"]) == {
        *("changed", "carried", "lost", "same address", "by a second address", "linked"),
        *("carried by who has the address", "carried by who has it otherwise", "carried by a merged one"),
    }
    assert set(found.hubspot["contact"]) == {"1", "2", "3", "4", "5"}
    assert {"deal of a contact", "linked", "lost"} <= set(found.related)
    assert "far deal" not in found.related
    assert {"70", "1", "2"} <= set(found.related_hubspot)
    assert set(found.hubspot["deal"]) == {"70"}
    assert "80" in found.hubspot["company"], "it is at the other end of what is remembered"
