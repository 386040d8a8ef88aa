# Needs Python >= 3.11 with venv, and make. Everything else is installed into .venv.

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell command -v $(p) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# staff read English and Italian; shoppers these, too: texts of the files of staff are left out
SHOPPERS := de el es fr
STAFF := admin staff* models apps.py desk_*.html
PORT ?= 8000
POSTGRES_URL ?= postgres://postgres@127.0.0.1:5432/postgres
MYSQL_URL ?= mysql://root@127.0.0.1:3306/test

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format types arch browser screenshots pictures test-postgres test-mysql bridges mutants histories stampede payday fuzz bench bench-admin bench-load bench-scale bench-cluster docs messages wheel-test matrix clean

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

screenshots: $(VENV)/dev ## The same, and a picture of each page into screenshots/
	@SCREENSHOTS=screenshots $(BIN)/python -m pytest tests/browser $(ARGS)

pictures: $(VENV)/dev ## The pictures of README and docs, with the present look
	@PICTURES=docs/pictures $(BIN)/python -m pytest -n 0 tests/browser/test_pictures.py tests/browser/test_pictures_of_staff.py

test-postgres: $(VENV)/run ## The tests on PostgreSQL (POSTGRES_URL=…)
	@DATABASE_URL=$(POSTGRES_URL) $(BIN)/python -m pytest $(ARGS)

test-mysql: $(VENV)/mysql ## The tests on MySQL or MariaDB (MYSQL_URL=…)
	@DATABASE_URL=$(MYSQL_URL) $(BIN)/python -m pytest $(ARGS)

mutants: $(VENV)/run ## Put known defects into a copy: the tests must notice each
	@$(BIN)/python .ci/mutants.py $(ARGS)

histories: $(VENV)/run ## Random shops under faults and kill -9 (N=300 SEED=7 DB=url)
	@$(BIN)/python -m tests.histories -n $(or $(N),300) $(if $(SEED),--seed $(SEED)) $(if $(DB),--db $(DB)) $(ARGS)

payday: $(VENV)/run ## 10,000 due cards on file, four workers and kill -9, one charge each (N= DB=url)
	@$(BIN)/python -m tests.histories.payday -n $(or $(N),10000) $(if $(DB),--db $(DB))

stampede: $(VENV)/run ## Everybody at the same moment, one charge each (N=100 DB=url)
	@$(BIN)/python -m tests.histories.stampede -n $(or $(N),100) $(if $(DB),--db $(DB))

bridges: $(VENV)/dev $(VENV)-bridges/ready ## Buy in other people's shops: django-payments, django-oscar
	@$(BIN)/python -m tests.bridges $(ARGS)

fuzz: $(VENV)/dev ## schemathesis against the REST API (N=300 examples an operation)
	@$(BIN)/python -m tests.fuzz -n $(or $(N),300) $(if $(SEED),--seed $(SEED))

bench: $(VENV)-bench/run ## One payment beside the bare floor and other packages (ARGS=--short)
	@POSTGRES_URL=$(POSTGRES_URL) $(VENV)-bench/bin/python -m benchmarks.payment $(ARGS)

bench-growth: $(VENV)/run ## A payment with a million orders behind it; memory (DATABASE_URL=…)
	@$(BIN)/python -m benchmarks.payment.growth $(ARGS)

bench-start: $(VENV)-bench/run ## What a start costs with ours, without, and with others
	@$(VENV)-bench/bin/python -m benchmarks.payment.start $(ARGS)

bench-simulator: $(VENV)/run ## How many payments a second the simulator takes
	@$(BIN)/python -m benchmarks.payment.simulator $(ARGS)

bench-admin: $(VENV)/run ## The admin's pages on a million rows, beside a plain ModelAdmin
	@$(BIN)/python benchmarks/admin_pages.py $(ARGS)

bench-load: $(VENV)-bench/run ## Servers, pools and databases under 64 shoppers at 800 ms
	@$(VENV)-bench/bin/python benchmarks/load.py $(ARGS)

bench-scale: $(VENV)/run ## Pages and plans at 10,000, 1 and 5 million orders (DATABASE_URL=…)
	@$(BIN)/python benchmarks/scale.py $(ARGS)

bench-cluster: $(VENV)-bench/run ## Four web and two Celery processes, one killed
	@$(VENV)-bench/bin/python benchmarks/cluster.py $(ARGS)

docs: $(VENV)/dev ## Write the tables into docs/, build the site into docs/_build/html
	@$(BIN)/python docs/_ext
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

messages: $(VENV)/run ## Collect and compile the translations (needs gettext)
	@$(BIN)/python manage.py makemessages -l it --no-location --no-obsolete "--ignore=$(VENV)*" --ignore=tests
	@cd nexi_payments && ../$(BIN)/django-admin makemessages $(SHOPPERS:%=-l %) --no-location --no-obsolete $(STAFF:%=--ignore=%)
	@$(BIN)/python manage.py compilemessages "--ignore=$(VENV)*"

wheel-test: $(VENV)/dev ## Build the wheel, install it into a new project, pay by the README
	@$(BIN)/python -m tests.wheel

matrix: $(VENV)/run ## The tests on each Python and Django (ARGS="tests/api" PYTHONS=3.13)
	@PYTHONS="$(PYTHONS)" $(BIN)/python .ci/matrix.py $(ARGS)

clean: ## Remove what was made here
	@rm -rf $(VENV) $(VENV)-3.* $(VENV)-bridges .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* *.sqlite3 *.sqlite3-* docs/_build

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

$(VENV)-bridges/ready: tests/bridges/requirements.txt | $(VENV)/bin/python
	@echo "Installing the shops of others …"
	@$(PYTHON) -m venv $(VENV)-bridges
	@$(VENV)-bridges/bin/python -m pip install -q --disable-pip-version-check -r tests/bridges/requirements.txt
	@touch $@

# the other packages, away from what the tests see
$(VENV)-bench/run: requirements.txt benchmarks/requirements.txt | $(VENV)/bin/python
	@echo "Installing the packages to compare with …"
	@$(BIN)/python -m venv $(VENV)-bench
	@$(VENV)-bench/bin/python -m pip install -q --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

# mysqlclient is compiled: it needs the headers (Debian: libmariadb-dev, pkg-config)
$(VENV)/mysql: $(VENV)/run
	@$(BIN)/python -m pip install -q --disable-pip-version-check "mysqlclient>=2.2.1"
	@touch $@
