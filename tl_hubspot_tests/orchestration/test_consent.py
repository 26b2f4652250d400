"""What the consent ledger says of many contacts, said part by part."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration import consent
from tl_hubspot.orchestration.run import Platform, Run, RunOptions
from tl_hubspot.orchestration.steps import looked_at, pushing, unchanged
from tl_hubspot.warehouse.rows import frame_of

AT = datetime(2026, 11, 2, 11, tzinfo=UTC)


def said(folder: Path) -> list[tuple[str, ...]]:
    platform = Platform(configuration.load({"TL_HUBSPOT_DATA": str(folder)}, directory=folder.parent))
    rows = [
        {"teamleader_id": id, "address": f"{id}@a.example", "consent": id != "c", "opted_out": id == "c"}
        | {"status": "marketing", "reason": "changed_within_2_years"}
        for id in "abcdefg"
    ]
    platform.warehouse.append("decisions.contacts", frame_of("decisions.contacts", rows))
    planned = [{"entity_type": "contact", "teamleader_id": row["teamleader_id"]} for row in rows]
    platform.warehouse.append("sync.planned_outcomes", frame_of("sync.planned_outcomes", planned))
    with platform.warehouse.transaction() as con:
        unchanged.remember(con, "sync.plan", "of all", None)
    assert len(looked_at.all_of(platform.warehouse)) == (4 if looked_at.AT_ONCE == 2 else 1)
    pushing._decided(platform, Run("run", AT, False, RunOptions()))
    told = "select teamleader_id, event, consent, opted_out, decision from sync.consent_ledger order by all"
    found = platform.warehouse.read(told).rows()
    assert platform.warehouse.read("select seq from sync.consent_ledger order by seq")["seq"].to_list() == [
        *range(1, 8)
    ]
    assert platform.warehouse.count(consent.FACTS) == 7
    return found


def test_parts_say_what_the_whole_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = said(tmp_path / "whole")
    monkeypatch.setattr(looked_at, "AT_ONCE", 2)
    assert said(tmp_path / "parts") == whole
