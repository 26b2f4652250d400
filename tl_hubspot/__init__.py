"""tl_hubspot: Teamleader Focus to HubSpot, as a Dagster asset platform on DuckDB and polars.

Holds the version alone; wiring lives in `definitions` (Dagster) and `cli` (commands).
"""

__version__ = "0.1.0"
