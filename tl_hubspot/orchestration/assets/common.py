"""What all assets share: entering a run, column schema and previews as metadata, owners.

A preview never shows personal data: columns that may hold it are left out by name.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from tl_hubspot.orchestration import automation
from tl_hubspot.orchestration.assets import lineage
from tl_hubspot.orchestration.assets.descriptions import DESCRIPTIONS
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import preflight
from tl_hubspot.warehouse import schema

OWNERS = ["team:crm"]
# Only ids, codes, dates, counts and flags may be shown; everything else could name or reach a person.
PREVIEW = frozenset(
    """id teamleader_id hubspot_id entity_type status reason duplicate_of changed_on as_of linked source_status consent
    opted_out label deal_status created_on status_changed_on bucket action marketing kind type object_type read_only
    contact_id company_id deal_id from_type from_id to_type to_id is_primary is_first rank archived marketable group_id
    joined_by pipeline_id stage_id phase_id position is_closed code added_at updated_at created_at createdate
    unique_value field_type run_id first_company_id""".split()  # noqa: SIM905
)


@contextlib.contextmanager
def run_of(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Run]:
    """The run of this step. The first error of a step is kept for who started the run, and ends the run: steps that do
    not depend on the failed one fail with the same error, instead of going on reading for nothing."""
    if platform.error is not None:
        raise platform.error
    begin(platform)
    try:
        with automation.skipping(context):
            run = preflight.enter(platform, context.run.run_id)
        yield run
    except BaseException as error:
        platform.error = error
        raise


def begin(platform: Platform) -> None:
    """Remember where a step begins, so that it tells its own calls only."""
    platform.before_step = time.monotonic(), platform.meter.snapshot()


def spec(key: list[str], table: str | None = None, **arguments: Any) -> dict[str, Any]:
    """Arguments of an asset: key, description, owners, and, for a table, its column schema."""
    metadata: dict[str, Any] = {}
    if table is not None:
        described = schema.table(table)
        metadata["dagster/table_name"] = table
        metadata["dagster/column_schema"] = dg.TableSchema(
            columns=[
                dg.TableColumn(c.name, c.type, description=c.meaning + (f" (from {c.source})" if c.source else ""))
                for c in described.columns
            ]
        )
    told = DESCRIPTIONS["/".join(key)]
    return {"key": key, "description": told, "owners": OWNERS, "metadata": metadata, **arguments}


def result(platform: Platform, table: str | None, facts: Mapping[str, Any]) -> dg.MaterializeResult[Any]:
    """Metadata of a materialization: row count, preview and lineage of its table, the step's numbers, its calls and
    their rate, as numbers that Dagster plots."""
    metadata: dict[str, Any] = dict(facts)
    if table is not None:
        metadata |= lineage.of_table(table)
        metadata["dagster/row_count"] = platform.warehouse.count(table)
        metadata["preview"] = dg.MetadataValue.md(preview(platform, table))
    return dg.MaterializeResult(metadata=metadata | _calls(platform))


def _calls(platform: Platform) -> dict[str, float]:
    """Calls of this step per system that it called, how many per second, and how many of them were repeats."""
    began, before = platform.before_step
    seconds = max(time.monotonic() - began, 0.001)
    facts: dict[str, float] = {}
    for system, now in platform.meter.snapshot().items():
        made = {name: count - before.get(system, {}).get(name, 0) for name, count in now.items()}
        if calls := made["reads"] + made["writes"]:
            facts[f"{system}_calls"] = calls
            facts[f"{system}_calls_per_second"] = round(calls / seconds, 1)
            facts[f"{system}_calls_repeated"] = made["retries"]
    return facts


def preview(platform: Platform, table: str) -> str:
    """First rows as Markdown, without columns that may hold personal data."""
    names = [c for c in schema.table(table).column_names if c in PREVIEW]
    columns = ", ".join(f'"{c}"' for c in names)
    return markdown(platform.warehouse.read(f"select {columns} from {table} limit 5"))


def markdown(frame: pl.DataFrame) -> str:
    """A frame as a Markdown table."""
    if frame.is_empty():
        return "no rows"
    lines = [" | ".join(frame.columns), " | ".join("---" for _ in frame.columns)]
    lines += [" | ".join("" if v is None else str(v) for v in row) for row in frame.iter_rows()]
    return "\n".join(f"| {line} |" for line in lines)
