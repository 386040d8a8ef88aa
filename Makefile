# Needs Python >= 3.11 with venv, and make. Everything else is installed into .venv.

PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell command -v $(p) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PORT ?=
POSTGRES_URL ?= postgres://postgres@127.0.0.1:5432/postgres
MYSQL_URL ?= mysql://root@127.0.0.1:3306/test
# staff read English and Italian; shoppers these, too: texts of the files of staff are left out
SHOPPERS := de el es fr
STAFF := admin staff* models apps.py enums phone_order_card.html verify_card.html

# pytest on all cores; ARGS="-n 0" for one process. NO_SKIPS=1: a skipped test is a failure
WORKERS ?= auto
REPORT = .reports/$@.xml
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(if $(COVERAGE),--cov --cov-report=) $(if $(NO_SKIPS),--junitxml=$(REPORT)) $(ARGS)
AFTER = $(if $(NO_SKIPS),@$(BIN)/python .ci/no_skips.py $(REPORT))

# one lock for Python 3.11 and newer, on every platform
LOCK = $(VENV)-release/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo clean test test-postgres test-mysql browser matrix bridges hosts mutants check lint format histories fuzz bench docs pictures messages wheel-test lock audit sbom full

help: ## Show what there is
	@sed -nE -e 's/^##@ (.*)/\n\1/p' -e 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 18

##@ Use

demo: $(VENV)/run ## Set up and serve the demo shop on http://127.0.0.1:8000/ or the next free port (PORT=, ARGS=--no-serve)
	@$(BIN)/python manage.py demo $(if $(PORT),--port $(PORT)) $(ARGS)

clean: ## Remove what was made here
	@rm -rf $(VENV) $(VENV)-3.* $(VENV)-bench $(VENV)-bridges $(VENV)-release sbom .reports .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.* *.sqlite3 *.sqlite3-* docs/_build

##@ Test

test: $(VENV)/run ## All tests but those in a browser, on SQLite and all cores (ARGS="-k name", ARGS="-n 0", COVERAGE=1)
	@$(if $(COVERAGE),rm -f .coverage .coverage.*)
	@$(PYTEST)
	@$(if $(COVERAGE),$(BIN)/coverage report)
	$(AFTER)

test-postgres: $(VENV)/run ## The same on PostgreSQL (POSTGRES_URL=url); CI: ARGS="-m database"
	@DATABASE_URL=$(POSTGRES_URL) $(PYTEST)
	$(AFTER)

test-mysql: $(VENV)/mysql ## The same on MySQL or MariaDB (MYSQL_URL=url); CI: ARGS="-m mariadb"
	@DATABASE_URL=$(MYSQL_URL) $(PYTEST)
	$(AFTER)

browser: $(VENV)/dev ## The tests in a browser: they drive Chromium (SCREENSHOTS=folder)
	@$(PYTEST) tests/browser
	$(AFTER)

matrix: $(VENV)/run ## The tests on each Python and Django (PYTHONS=3.13 DJANGO=5.2|floors ARGS="tests/api")
	@$(BIN)/python .ci/matrix.py $(ARGS)

bridges: $(VENV)/dev $(VENV)-bridges/ready ## Buy in shops on django-payments, django-oscar, django-salesman and Wagtail
	@$(BIN)/python -m tests.integrations $(ARGS)

hosts: $(VENV)/run ## The life of a payment in four foreign projects (DATABASE_URL=mysql://…: that on MariaDB, too)
	@$(BIN)/python -m pytest -q -p no:cacheprovider tests/hosts/test_four_projects.py $(ARGS)

mutants: $(VENV)/run ## Put known defects into a copy: the tests must notice each (ARGS='"name"')
	@$(BIN)/python .ci/mutants.py $(ARGS)

full: ## All that .ci/run does and more, with everything in full: for the night
	@.ci/run --full

##@ Check

check: lint ## Lint, then the tests with branch coverage
	@$(MAKE) -s test COVERAGE=1

lint: $(VENV)/dev ## Style, prose, types, layers, migrations, card numbers, workflows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q . || (echo "run: make format"; exit 1)
	@$(BIN)/python .ci/refuse_pans.py
	@$(BIN)/python .ci/prose.py
	@PYTHONPATH=. $(BIN)/lint-imports --no-logo 2>/dev/null || PYTHONPATH=. $(BIN)/lint-imports
	@$(BIN)/mypy
	@DATABASE_URL=sqlite://:memory: $(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema -q --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/zizmor -q --offline .github

format: $(VENV)/dev ## Format the code
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format -q .

##@ Gateway and faults

histories: $(VENV)/run ## Random shops under faults and kill -9 (N=300 SEED=7 DB=url); NAME=stampede, due_charges, post_charge, virtual_time
	@$(BIN)/python -m tests.histories$(if $(NAME),.$(NAME)) $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED)) $(if $(DB),--db $(DB)) $(ARGS)

fuzz: $(VENV)/dev ## schemathesis against the REST API (N=300 examples an operation, SEED=)
	@$(BIN)/python -m tests.fuzz $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED)) $(ARGS)

##@ Benchmarks

bench: $(VENV)-bench/run ## One payment beside other packages; NAME=load and others: NAME=list
	@POSTGRES_URL=$(POSTGRES_URL) $(VENV)-bench/bin/python -m benchmarks $(or $(NAME),payment) $(ARGS)

##@ Docs

docs: $(VENV)/dev ## Write the tables into docs/, build the site into docs/_build/html
	@$(BIN)/python docs/_ext
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@! grep -rEl '<(script|link|img)[^>]*(src|href)="?https?:' docs/_build/html --include='*.html' || (echo "a page loads something from elsewhere"; exit 1)

pictures: $(VENV)/dev ## Draw the pictures of README and docs anew, in Chromium (PICTURES=docs/pictures)
	@$(BIN)/python -m tests.browser.pictures $(or $(PICTURES),docs/pictures)

messages: $(VENV)/run ## Collect and compile the translations (needs gettext)
	@$(BIN)/python manage.py makemessages -l it --no-location --no-obsolete "--ignore=$(VENV)*" --ignore=tests
	@cd nexi_payments && ../$(BIN)/django-admin makemessages $(SHOPPERS:%=-l %) --no-location --no-obsolete $(STAFF:%=--ignore=%)
	@$(BIN)/python manage.py compilemessages "--ignore=$(VENV)*"

##@ Release

lock: $(VENV)-release/ready ## Write the locks anew: the newest releases that requirements*.txt allow, with their hashes
	@$(LOCK) requirements.txt -o requirements.lock
	@$(LOCK) -c requirements.lock requirements-dev.txt -o requirements-dev.lock
	@$(LOCK) requirements-release.txt -o requirements-release.lock

audit: $(VENV)-release/ready ## Look for published holes in what the locks install, and in what a shop installs
	@for lock in requirements.lock requirements-dev.lock requirements-release.lock; do \
		$(VENV)-release/bin/pip-audit --require-hashes --disable-pip -r $$lock || exit 1; done
	@$(VENV)-release/bin/pip-audit -r tests/integrations/requirements.txt
	@$(VENV)-release/bin/pip-audit -r requirements.txt

sbom: $(VENV)/dev $(VENV)-release/ready ## Write the bill of materials of the wheel in dist/ (CycloneDX) into sbom/
	@$(BIN)/python .ci/sbom.py --tools $(VENV)-release/bin $(or $(ARGS),dist)

wheel-test: $(VENV)/dev ## Build the wheel, install it into a new project, pay by the README (ARGS=dist keeps it there)
	@$(BIN)/python -m tests.wheel $(ARGS)

# -- environments ---------------------------------------------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || (echo "Python 3.11 or newer is needed."; exit 1)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "Python 3.11 or newer is needed, $(PYTHON) is older."; exit 1)
	@echo "Making the environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || (echo "The venv module is needed (Debian: apt install python3-venv)."; exit 1)

# by the locks: exactly these files, and pip refuses any other. LOCKED= takes what requirements.txt allows today
LOCKED ?= 1
INSTALL = $(BIN)/python -m pip install -q --disable-pip-version-check
FROM = $(if $(LOCKED),--require-hashes -r $(1).lock,-r $(1).txt)

$(VENV)/run: requirements.txt requirements.lock | $(BIN)/python
	@echo "Installing packages …"
	@$(INSTALL) $(call FROM,requirements)
	@touch $@

$(VENV)/dev: requirements-dev.txt requirements-dev.lock requirements.txt requirements.lock | $(BIN)/python
	@echo "Installing packages for development …"
	@$(INSTALL) $(call FROM,requirements-dev)
	@touch $@ $(VENV)/run

$(VENV)-release/ready: requirements-release.txt requirements-release.lock | $(BIN)/python
	@echo "Installing the tools of a release …"
	@$(PYTHON) -m venv $(VENV)-release
	@$(VENV)-release/bin/python -m pip install -q --disable-pip-version-check $(call FROM,requirements-release)
	@touch $@

$(VENV)-bridges/ready: tests/integrations/requirements.txt | $(BIN)/python
	@echo "Installing the shops of others …"
	@$(PYTHON) -m venv $(VENV)-bridges
	@$(VENV)-bridges/bin/python -m pip install -q --disable-pip-version-check -r tests/integrations/requirements.txt
	@touch $@

# the other packages, away from what the tests see
$(VENV)-bench/run: requirements.txt benchmarks/requirements.txt | $(BIN)/python
	@echo "Installing the packages to compare with …"
	@$(BIN)/python -m venv $(VENV)-bench
	@$(VENV)-bench/bin/python -m pip install -q --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

# mysqlclient is compiled: it needs the headers (Debian: libmariadb-dev, pkg-config)
$(VENV)/mysql: $(VENV)/run
	@$(BIN)/python -m pip install -q --disable-pip-version-check "mysqlclient>=2.2.1"
	@touch $@
