"""Column lineage as Dagster shows it: from the fields of Teamleader Focus to the tables, from there to HubSpot.

Which columns a property comes from is known by `planning.lineage`, which field a column has by `warehouse.schema`. The
open-source UI draws no lineage of columns, so a column's description names what it comes from too.
"""

from typing import Any

import dagster as dg

from tl_hubspot.planning.lineage import origins
from tl_hubspot.planning.mapping import Mapping
from tl_hubspot.warehouse import schema

_SCHEMA, _LINEAGE = "dagster/column_schema", "dagster/column_lineage"
_WRITTEN = {"always": "always", "if_empty": "only where HubSpot has nothing", "on_create": "only when it is made"}


def of_table(table: str) -> dict[str, Any]:
    """Metadata of a table: each column comes from the field that Teamleader gives it by; {} for tables of ours."""
    stream = table.removeprefix("teamleader.")
    if stream not in ("contacts", "companies", "deals"):
        return {}
    from_ = dg.AssetKey(["teamleader_focus", stream])
    return {
        _LINEAGE: dg.TableColumnLineage(
            {
                c.name: [dg.TableColumnDep(from_, c.source)]
                for c in schema.table(table).columns
                if c.source not in ("", "computed", f"{stream}.list")
            }
        )
    }


def of_mapping(mapping: Mapping) -> dict[str, Any]:
    """Metadata of HubSpot after the push: a column per mapped property, and the columns that it comes from."""
    columns, deps = [], {}
    known = origins(mapping)
    for rule in mapping.fields:
        name = f"{rule.entity_type}.{rule.property}"
        how = f"from `{rule.source}` in Teamleader, transform {rule.transform}, written {_WRITTEN[rule.policy]}"
        columns.append(dg.TableColumn(name, rule.type, description=how))
        deps[name] = [
            dg.TableColumnDep(dg.AssetKey(o.table.split(".")), o.column) for o in known[rule.entity_type, rule.property]
        ]
    return {_SCHEMA: dg.TableSchema(columns=columns), _LINEAGE: dg.TableColumnLineage(deps)}
