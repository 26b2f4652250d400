"""What every Celery worker must know; `dagster_celery.app` finds it by its name, so its folder is on PYTHONPATH.

A worker is started with `celery -A dagster_celery.app worker --concurrency=1 --max-tasks-per-child=1`: one process per
run, because DuckDB locks per process and the settings of one account must never reach the run of another.
"""

import os

broker_url = os.environ["DAGSTER_CELERY_BROKER"]
result_backend = os.environ["DAGSTER_CELERY_BACKEND"]
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
"""A busy worker takes no second run that would wait behind its first."""
