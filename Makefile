# Two commands for everybody: `make demo` and `make test`. The rest is for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export DAGSTER_DISABLE_TELEMETRY := 1
# byte code is cached even where the environment says otherwise: without it every start costs twice the time
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test extras check audit dev docs bench rivals lock clean

demo: $(STAMP)
	@$(BIN)/tl-hubspot demo

test: $(STAMP)
	@$(BIN)/pytest -n 3 --dist worksteal

# every optional part: with PostgreSQL and Redis on this machine `TL_HUBSPOT_ALL_WAYS=1 make test` then tries several workers
extras: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement deploy/requirements.lock

check: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory audit

# known weaknesses of the locked dependencies; where the index does not tell of any, it says how many it could not look up
LOCKS := requirements.lock deploy/requirements.lock
audit: $(STAMP)
	@$(BIN)/pip-audit $(addprefix --requirement ,$(LOCKS)) --disable-pip --no-deps --progress-spinner off >$(VENV)/audit.txt 2>&1 \
		|| (cat $(VENV)/audit.txt; exit 1)
	@echo "Dependencies: no known weakness; $$(grep -c 'could not be audited' $(VENV)/audit.txt) of" \
		"$$(cat $(LOCKS) | grep -o '^[^ ;]*==[^ ;]*' | sort -u | wc -l) could not be looked up"

dev: $(STAMP)
	@$(BIN)/tl-hubspot dev

# the pages made from code, then the site in build/site
docs: $(STAMP)
	@$(BIN)/python -m tl_hubspot.reference
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Documentation: build/site/index.html"

# small sizes, in under ten minutes; figures are stored in $(FIGURES), those of docs/performance.md in benchmarks/results
FIGURES := build/bench
bench: $(STAMP)
	@$(BIN)/python benchmarks/load.py --contacts 10000 --json $(FIGURES)/load-10000.json
	@$(BIN)/python benchmarks/decide_and_plan.py --contacts 10000 --json $(FIGURES)/decide_and_plan-10000.json
	@$(BIN)/python benchmarks/publish.py --contacts 10000 --json $(FIGURES)/publish-10000.json
	@$(BIN)/python benchmarks/whole_run.py --contacts 2000 --json $(FIGURES)/whole_run-2000.json
	@$(BIN)/python benchmarks/journal.py --json $(FIGURES)/journal.json
	@$(BIN)/python benchmarks/push_rate.py --records 20000 --latency 0.1 1.5 --json $(FIGURES)/push_rate.json
	@$(BIN)/python benchmarks/two_way_planner.py --links 100000 --json $(FIGURES)/two_way_planner-100000.json
	@$(BIN)/python benchmarks/two_way.py --contacts 10000 --edits 200 --json $(FIGURES)/two_way-10000.json
	@$(BIN)/python benchmarks/calls.py --contacts 1000 --json $(FIGURES)/calls-1000.json
	@$(BIN)/python benchmarks/mirror.py --portal 5000 --teamleader 500 --json $(FIGURES)/mirror-5000.json
	@$(BIN)/python benchmarks/push.py --contacts 10000 --json $(FIGURES)/push-10000.json

# beside dlt, drt and HubSpot's own client, into docs/rivals.md: three quarters of an hour
rivals: $(STAMP)
	@$(BIN)/python benchmarks/rivals/run.py

$(STAMP): requirements.lock pyproject.toml
	@echo "Installing into $(VENV) (once, about a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is " + sys.version)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(STAMP)

# exact versions of everything, for every platform and Python from 3.11 on: for work on it (a database on DuckLake is tried
# there), and what an installation of deploy/ needs
LOCK := uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --constraints
lock: $(STAMP)
	@$(BIN)/python -m pip install --quiet uv
	@echo 'duckdb==1.5.5' | $(BIN)/$(LOCK) - --extra dev --extra lake --output-file requirements.lock pyproject.toml
	@$(BIN)/$(LOCK) requirements.lock $(addprefix --extra ,lake postgres celery kubernetes) \
		--output-file deploy/requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) data/demo build *.egg-info
