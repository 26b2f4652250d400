"""The report of one run and the index of runs: facts become a view (`view`), pictures (`charts`) and pages (`write`).

Facts come from `orchestration.steps.gathering`; the look of a page and its parts live in `reporting.pages`.
"""
