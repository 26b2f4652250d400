"""Processes for tests, forked from one that has everything imported: each costs little more than its work."""

from __future__ import annotations

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        *("tl_hubspot.cli", "tl_hubspot.definitions", "dagster._cli"),
        *("tl_hubspot_tests.e2e.extracting", "tl_hubspot_tests.e2e.killing"),
    ]
)
