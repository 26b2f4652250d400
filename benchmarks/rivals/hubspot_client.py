"""What a careful developer writes with HubSpot's own client: changed contacts from a table, by batch/upsert of 100.

Runs in the rivals' environment: `python hubspot_client.py WAREHOUSE STATE`, a DuckDB file with a table `changed` and a
file that keeps how far the last run came. Retries as the README of hubspot-api-client says; errors per record as
HubSpot's batch guide says (objectWriteTraceId). Exit code 1 when a record failed; the next run then sends all again.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import hubspot
from hubspot.crm.contacts import ApiException
from urllib3.util.retry import Retry

BATCH, AT_A_TIME = 100, 8
TRANSIENT = (423, 429, 477, 500, 502, 503, 504)


def upsert(client: Any, rows: list[tuple[Any, ...]]) -> list[str]:
    """Write one batch; returns what went wrong."""
    inputs = [
        {
            "id": teamleader_id,
            "idProperty": "teamleader_id",
            "objectWriteTraceId": teamleader_id,
            "properties": {"firstname": firstname, "lastname": lastname},
        }
        for teamleader_id, firstname, lastname, _ in rows
    ]
    try:
        answer = client.crm.contacts.batch_api.upsert({"inputs": inputs})
    except ApiException as error:
        return [f"{len(rows)} contacts from {rows[0][0]} on: {error.status} {error.body}"]
    return [f"{error.context}: {error.message}" for error in getattr(answer, "errors", None) or []]


def main(warehouse: str, state: Path) -> int:
    since = state.read_text() if state.exists() else "1970-01-01"
    query = (
        "select teamleader_id, firstname, lastname, updated_at from changed where updated_at > ? order by updated_at"
    )
    with duckdb.connect(warehouse, read_only=True) as con:
        rows = con.execute(query, [since]).fetchall()
    retry = Retry(total=8, backoff_factor=1, backoff_max=10, status_forcelist=TRANSIENT, allowed_methods=None)
    client = hubspot.Client.create(
        access_token=os.environ["HUBSPOT_ACCESS_TOKEN"],
        host=os.environ["HUBSPOT_API_URL"],
        retry=retry,
        connection_pool_maxsize=AT_A_TIME,
    )
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        failures = [f for found in pool.map(lambda batch: upsert(client, batch), batches) for f in found]
    print(f"{len(rows)} contacts, {len(failures)} failures", *failures, sep="\n", file=sys.stderr)
    if rows and not failures:
        state.write_text(str(rows[-1][-1]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
