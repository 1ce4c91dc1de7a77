# SendCraft. `make help` lists every target.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 3
export SENDCRAFT_PORT ?= 8000
export SENDCRAFT_CATCHER_PORT ?= 1025

# mysqlclient needs a compiler, so it is installed only where DATABASE_URL asks for it.
BASE := $(if $(filter mysql:%,$(DATABASE_URL)),requirements.txt,requirements/base.txt)

.PHONY: help run install test test-faults bench screenshots lint lint-types lint-rules format messages requirements docker-up docker-down

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/base.stamp: $(BASE)
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(BASE)
	touch $@

$(VENV)/dev.stamp: $(VENV)/base.stamp requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	touch $@

# Without a compiler there is no mysqlclient, and MariaDB is left out of the benchmark.
$(VENV)/bench.stamp: $(VENV)/dev.stamp requirements/bench.txt requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/bench.txt
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

install: $(VENV)/base.stamp  ## create .venv with what an installation needs

run: $(VENV)/base.stamp  ## start everything on this machine, with demo data
	@exec $(BIN)/python manage.py run

test: $(VENV)/dev.stamp  ## run the whole suite
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

test-faults: $(VENV)/dev.stamp  ## break servers, disks and clocks for long; prints what was lost
	FAULTS=long $(BIN)/pytest -n 0 -m faults --timeout 1800 tests/faults

bench: $(VENV)/bench.stamp  ## measure speed beside django-post-office; BENCH=--quick is shorter
	$(BIN)/python -m bench $(BENCH)

screenshots: $(VENV)/dev.stamp  ## take the pictures of docs/images anew, of a shop made for them
	$(BIN)/python -m tests.screenshots

lint: lint-rules lint-types  ## ruff, mypy, import-linter, migrations, OpenAPI schema

lint-types: $(VENV)/dev.stamp
	$(BIN)/mypy .

lint-rules: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

format: $(VENV)/dev.stamp  ## let ruff format and sort
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: $(VENV)/base.stamp  ## collect and compile the translations
	$(BIN)/python manage.py makemessages --all --no-obsolete --no-location \
	  --ignore .venv --ignore var --ignore '*/tests/*'
	$(BIN)/python manage.py compilemessages --ignore .venv

requirements: $(VENV)/dev.stamp  ## pin requirements/*.txt from *.in
	for pair in base:requirements/base.txt production:requirements.txt dev:requirements/dev.txt \
	  bench:requirements/bench.txt; do \
	  $(BIN)/uv pip compile --quiet --python-version 3.11 --universal --no-emit-index-url \
	    --no-emit-find-links --no-header requirements/$${pair%%:*}.in -o $${pair##*:}; done

docker-up:  ## start the production-shaped stack
	docker compose up --detach --build --wait

docker-down:  ## stop it; the data stays
	docker compose down
