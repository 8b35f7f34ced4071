# Two commands to know: `make run` and `make test`. Everything lives in .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where bytecode is not kept, every kernel compiles pandas and all the rest again: two seconds each.
export PYTHONDONTWRITEBYTECODE :=

SCALE ?= 1000000

.PHONY: run demo test-demo bench bench-large bench-redshift bench-recommend test test-athena test-redshift test-dbt test-browser test-deploy test-airflow test-clone test-package notebooks samples lint format lock lab clean help

help:           ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 16

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "This needs Python 3.11 as '$(PYTHON)'. Install it, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11, 5) <= sys.version_info < (3, 12))' || { echo "This needs Python 3.11, at least 3.11.5; '$(PYTHON)' is $$($(PYTHON) -V). Name another: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Building the environment in $(VENV) (about a minute, once) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --no-compile --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: $(READY)   ## the whole workbook on the samples, with DuckDB
	@$(BIN)/engagement run

SHOP := demo/node_modules/.ready
$(SHOP): demo/package-lock.json
	@command -v npm >/dev/null || { echo "This needs Node.js 18 or newer, with npm: apt-get install nodejs npm"; exit 1; }
	@cd demo && npm ci --silent
	@touch $@

demo: $(READY) $(SHOP) ## a shop in a browser, and what becomes of its events within a minute (Node.js)
	@$(BIN)/engagement demo

test: $(READY)  ## every test that needs no Java, browser or database server
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-athena: $(READY) ## the tests against a real Trino (Java 17 and Maven)
	@$(BIN)/python -m pytest -m athena -n 3 --dist loadfile --no-loadscope-reorder tests/athena tests/warehouse tests/sql

test-redshift: $(READY) ## the tests against a real PostgreSQL (Debian's postgresql), then test-dbt
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { echo "This needs PostgreSQL 13 or newer: apt-get install postgresql"; exit 1; }
	@$(BIN)/python -m pytest -m postgres -n 0 tests/postgres tests/warehouse/test_warehouse.py
	@$(MAKE) --no-print-directory test-dbt

DBT := .venv-dbt
$(DBT)/.ready: tests/dbt/requirements.lock
	@echo "Building dbt's environment in $(DBT) (about a minute, once) ..."
	@$(PYTHON) -m venv --clear $(DBT)
	@$(DBT)/bin/python -m pip install --quiet --no-deps --requirement tests/dbt/requirements.lock
	@touch $@

test-dbt: $(READY) $(DBT)/.ready ## exported dbt projects, run by dbt on PostgreSQL and DuckDB (Debian's postgresql)
	@$(BIN)/python -m pytest -m dbt -n 0 tests/dbt/live

BROWSER := .venv-browser
$(BROWSER)/.ready: tests/browser/requirements.lock
	@$(PYTHON) -m venv --clear $(BROWSER)
	@$(BROWSER)/bin/python -m pip install --quiet --no-deps --requirement tests/browser/requirements.lock
	@touch $@

test-browser: $(READY) $(BROWSER)/.ready ## the report, the pages and JupyterLab in a real browser (Debian's chromium)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { echo "This needs a browser: apt-get install chromium"; exit 1; }
	@$(BROWSER)/bin/python -m pytest --confcutdir=tests/browser -p no:cacheprovider tests/browser

LIVE := .venv-demo
$(LIVE)/.ready: tests/demo/live/requirements.lock tests/demo/live/package-lock.json
	@$(PYTHON) -m venv --clear $(LIVE)
	@$(LIVE)/bin/python -m pip install --quiet --no-deps --requirement tests/demo/live/requirements.lock
	@cd tests/demo/live && npm ci --silent
	@touch $@

test-demo: $(READY) $(SHOP) $(LIVE)/.ready ## the demo in a real browser, and RudderStack's own SDKs (Node.js, Debian's chromium)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { echo "This needs a browser: apt-get install chromium"; exit 1; }
	@$(LIVE)/bin/python -m pytest --confcutdir=tests/demo/live -p no:cacheprovider tests/demo/live

DEPLOY := .venv-deploy
$(DEPLOY)/.ready: tests/deploy/requirements.lock
	@$(PYTHON) -m venv --clear $(DEPLOY)
	@$(DEPLOY)/bin/python -m pip install --quiet --no-deps --requirement tests/deploy/requirements.lock
	@touch $@

test-deploy: $(DEPLOY)/.ready ## the templates and values under deploy/, linted and checked
	@$(DEPLOY)/bin/python -m pytest --confcutdir=tests/deploy -p no:cacheprovider tests/deploy

AIRFLOW := .venv-airflow
$(AIRFLOW)/.ready: tests/airflow/requirements.lock
	@$(PYTHON) -m venv --clear $(AIRFLOW)
	@$(AIRFLOW)/bin/python -m pip install --quiet --no-deps --no-compile --requirement tests/airflow/requirements.lock
	@touch $@

$(AIRFLOW)-3.0/.ready: tests/airflow/requirements-3.0.lock
	@$(PYTHON) -m venv --clear $(AIRFLOW)-3.0
	@$(AIRFLOW)-3.0/bin/python -m pip install --quiet --no-deps --no-compile --requirement tests/airflow/requirements-3.0.lock
	@touch $@

test-airflow: $(READY) $(AIRFLOW)/.ready $(AIRFLOW)-3.0/.ready ## the DAGs in a real Airflow 3, and their import in 3.0
	@$(AIRFLOW)/bin/python -m pytest -c tests/airflow/pytest.ini --rootdir=. --confcutdir=tests/airflow -p no:cacheprovider tests/airflow

test-clone: $(READY) ## the README's `make run`, twice, in a fresh clone
	@$(BIN)/python tests/project/clone.py

test-package: $(READY) ## a wheel in a fresh environment: init, run, a team's own models, an upgrade
	@$(BIN)/python tests/project/package.py

notebooks: $(READY) ## execute the notebooks in place, so that their outputs are committed
	@$(BIN)/python tests/notebooks/refresh.py

samples: $(READY) ## make data/samples again
	@$(BIN)/engagement generate --profile samples

bench: $(READY) ## measure flattening against others (SCALE=200000 for fewer events)
	@$(BIN)/python -m bench --events $(SCALE)

bench-large: $(READY) ## measure it on SCALE events and on ten times as many, those with the dashboards' tables
	@$(BIN)/python -m bench --events $(SCALE) --parts large
	@$(BIN)/python -m bench --events $$(( 10 * $(SCALE) )) --parts aggregates --memory-limit 3GB

bench-redshift: $(READY) ## measure the models on PostgreSQL beside DuckDB (Debian's postgresql)
	@$(BIN)/python -m bench.postgres --events $(SCALE)

bench-recommend: $(READY) ## measure exports and baselines of recommendations on SCALE interactions and ten times as many
	@$(BIN)/python -m bench.recommend --interactions $(SCALE)
	@$(BIN)/python -m bench.recommend --interactions $$(( 10 * $(SCALE) ))

lint: $(READY)  ## formats, style, types, SQL
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --processes 2 lib

format: $(READY) ## put the format right
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock:           ## pin the newest versions of what pyproject.toml names
	@$(PYTHON) tests/project/lock.py

lab: $(READY)   ## JupyterLab, at the project's folder
	@$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(LAB_OPTIONS)

clean:          ## remove what runs made (not the environment, nor what erasures have left)
	@if [ -x $(BIN)/engagement ]; then $(BIN)/engagement clean --all --params params/local.yaml; \
	elif [ -d runs/erasures ]; then \
		echo "People were erased here: only '$(BIN)/engagement clean --all' can tell what has to stay. Nothing was removed; 'make $(READY)' builds it."; exit 1; \
	else rm -rf runs warehouse; fi
