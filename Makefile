# Needs Python >= 3.11 with venv, and make. Everything else is installed into .venv.

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell command -v $(p) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PORT ?= 8000
POSTGRES_URL ?= postgres://postgres@127.0.0.1:5432/postgres
MYSQL_URL ?= mysql://root@127.0.0.1:3306/test

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format types arch browser test-postgres test-mysql mutants histories stampede bench messages clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/run ## Set up and serve the demo shop on http://127.0.0.1:8000/
	@$(BIN)/python manage.py demo --port $(PORT)

test: $(VENV)/run ## Set up and run the tests on SQLite (ARGS="-k name")
	@$(BIN)/python -m pytest $(ARGS)

check: lint types arch ## Lint, types, layers, then the tests with branch coverage
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m pytest --cov --cov-report= $(ARGS)
	@$(BIN)/coverage report

lint: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q . || (echo "run: make format"; exit 1)
	@$(BIN)/python .ci/refuse_pans.py

format: $(VENV)/dev ## Format the code
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format -q .

types: $(VENV)/dev
	@$(BIN)/mypy nexi_payments demo_shop

arch: $(VENV)/dev
	@PYTHONPATH=. $(BIN)/lint-imports --no-logo 2>/dev/null || PYTHONPATH=. $(BIN)/lint-imports

browser: $(VENV)/dev ## The tests that drive a real Chromium
	@$(BIN)/python -m pytest tests/browser $(ARGS)

test-postgres: $(VENV)/run ## The tests on PostgreSQL (POSTGRES_URL=…)
	@DATABASE_URL=$(POSTGRES_URL) $(BIN)/python -m pytest $(ARGS)

test-mysql: $(VENV)/mysql ## The tests on MySQL or MariaDB (MYSQL_URL=…)
	@DATABASE_URL=$(MYSQL_URL) $(BIN)/python -m pytest $(ARGS)

mutants: $(VENV)/run ## Put known defects into a copy: the tests must notice each
	@$(BIN)/python .ci/mutants.py

histories: $(VENV)/run ## Random shops under faults and kill -9 (N=300 SEED=7 DB=url)
	@$(BIN)/python -m tests.histories -n $(or $(N),300) $(if $(SEED),--seed $(SEED)) $(if $(DB),--db $(DB)) $(ARGS)

stampede: $(VENV)/run ## Everybody at the same moment, one charge each (N=100 DB=url)
	@$(BIN)/python -m tests.histories.stampede -n $(or $(N),100) $(if $(DB),--db $(DB))

bench: $(VENV)/run ## The admin's pages on a million rows (DATABASE_URL=…)
	@$(BIN)/python benchmarks/admin_pages.py $(ARGS)

messages: $(VENV)/run ## Collect and compile the translations (needs gettext)
	@$(BIN)/python manage.py makemessages -l it --no-location --no-obsolete --ignore=$(VENV) --ignore=tests
	@$(BIN)/python manage.py compilemessages --ignore=$(VENV)

clean: ## Remove what was made here
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* *.sqlite3 *.sqlite3-*

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || (echo "Python 3.11 or newer is needed."; exit 1)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Python 3.11 or newer is needed, $(PYTHON) is older."; exit 1)
	@echo "Making the environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || (echo "The venv module is needed (Debian: apt install python3-venv)."; exit 1)

$(VENV)/run: requirements.txt | $(VENV)/bin/python
	@echo "Installing packages …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	@echo "Installing packages for development …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/run

# mysqlclient is compiled: it needs the headers (Debian: libmariadb-dev, pkg-config)
$(VENV)/mysql: $(VENV)/run
	@$(BIN)/python -m pip install -q --disable-pip-version-check "mysqlclient>=2.2.1"
	@touch $@
