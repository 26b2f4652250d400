"""The assets, one module per group; each asset is a few lines: take the run, call a step, return metadata."""
