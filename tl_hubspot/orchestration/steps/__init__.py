"""The work of each asset: read, call a system or a pure function, write. No Dagster here, no rules, no HTTP details."""
