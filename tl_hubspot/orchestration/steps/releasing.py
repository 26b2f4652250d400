"""A person lets a held record be synchronised again, or one that failed be tried again at once."""

from __future__ import annotations

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration import tombstones
from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.deciding import SOURCES
from tl_hubspot.warehouse.rows import frame_of, upsert


def release(platform: Platform, entity_type: str, teamleader_id: str) -> None:
    """Remember the release; the next sync of the record uses it up."""
    warehouse = platform.earlier("Nothing was read yet")
    if not warehouse.read(f"select id from {SOURCES[entity_type]} where id = ?", [teamleader_id]).height:
        raise ConfigurationError(
            f"Teamleader has no {entity_type} {teamleader_id}", mend="Give the Teamleader id of a record that was read"
        )
    now = platform.clock()
    row = {"entity_type": entity_type, "teamleader_id": teamleader_id, "released_at": now}
    with warehouse.transaction() as con:
        upsert(con, "sync.releases", frame_of("sync.releases", [row]))
        tombstones.release(con, platform.settings.data, now, entity_type, teamleader_id)
        con.execute(
            "update sync.failures set next_attempt_at = ? where entity_type = ? and teamleader_id = ?",
            [now, entity_type, teamleader_id],
        )
    ledger = WarehouseLedger(warehouse, platform.settings.log_file)
    logged = {
        "timestamp": now,
        "entity_type": entity_type,
        "teamleader_id": teamleader_id,
        "action": "release",
        "reason": "released",
        "level": "info",
        "message": "Released by a person: the next sync looks at it as if it were new.",
    }
    ledger.log([logged])
