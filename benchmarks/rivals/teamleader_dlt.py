"""Teamleader's lists into DuckDB with dlt's REST API source. Runs in the rivals' environment.

`python teamleader_dlt.py FOLDER RESOURCE ...`: the pipeline's state and `warehouse.duckdb` are in the folder. The
first run reads everything, later ones what changed. Follows dlthub.com/docs, "REST API source": POST bodies with
placeholders, `page_body_path`, incremental loading, merge by primary key, a child resource per parent record,
`parallelized`; and "Requests helper" for waiting out a limit of 200 calls a minute. Sorted by the time of creation,
which no edit moves: Teamleader's own order (by name) and that of the last update both lose rows to edits.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source

os.environ |= {
    "RUNTIME__REQUEST_MAX_ATTEMPTS": "12",
    "RUNTIME__REQUEST_MAX_RETRY_DELAY": "20",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "EXTRACT__WORKERS": "8",
}


def listed(name: str, created: str) -> dict[str, Any]:
    """contacts.list, companies.list or deals.list."""
    return {
        "name": name,
        "endpoint": {
            "path": f"{name}.list",
            "method": "POST",
            "json": {
                "page": {"size": 100, "number": 1},
                "sort": [{"field": created, "order": "asc"}],
                "filter": {"updated_since": "{incremental.start_value}"},
            },
            "data_selector": "data",
            "incremental": {
                "cursor_path": "updated_at",
                "initial_value": "2000-01-01T00:00:00+00:00",
                "on_cursor_value_missing": "include",
            },
            "paginator": {
                "type": "page_number",
                "base_page": 1,
                "page_body_path": "page.number",
                "total_path": None,
                "stop_after_empty_page": True,
            },
        },
    }


LINKS: dict[str, Any] = {
    "name": "company_info",
    "parallelized": True,
    "endpoint": {
        "path": "companies.info",
        "method": "POST",
        "json": {"id": "{resources.companies.id}", "includes": "related_contacts"},
        "data_selector": "data",
        "paginator": "single_page",
    },
}
RESOURCES = {
    "contacts": listed("contacts", "added_at"),
    "companies": listed("companies", "added_at"),
    "deals": listed("deals", "created_at"),
    "company_info": LINKS,
}


def main(folder: Path, names: list[str]) -> None:
    pipeline = dlt.pipeline(
        "teamleader",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(folder / "warehouse.duckdb")),
        dataset_name="teamleader",
    )
    source = rest_api_source(
        {
            "client": {
                "base_url": os.environ["TEAMLEADER_API_URL"],
                "auth": {"type": "bearer", "token": os.environ["TEAMLEADER_ACCESS_TOKEN"]},
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
            "resources": [RESOURCES[name] for name in names],
        }
    )
    pipeline.run(source)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
