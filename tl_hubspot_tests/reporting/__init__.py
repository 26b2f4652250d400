"""Tests of `tl_hubspot.planning`: pure functions on small frames, no Dagster, no HTTP, no database."""
