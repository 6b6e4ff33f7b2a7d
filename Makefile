# What people and CI do here. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo up test check prove-quick prove proof bench bench-quick format proto openapi lock

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
PIP := $(BIN)/pip -qq --disable-pip-version-check
COMPILE := build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --annotation-style line --custom-compile-command "make lock" $(ARGS) pyproject.toml -

# Where there is a gigabyte of memory for it, tests write there: on disks they wait half their time.
IN_MEMORY = $(shell [ -w /dev/shm ] && [ "$$(df -Pk /dev/shm | awk 'END { print $$4 }')" -gt 1000000 ] && \
	echo TMPDIR=/dev/shm)

# buf and protoc look for their plugins here.
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## List what can be done.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.run ## Install what running needs into .venv; does nothing when nothing changed.

setup-dev: .venv/.dev ## Install what testing needs, too.

.venv/.run: requirements/run.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed." >&2; exit 1; }
	@echo "Installing what running needs into .venv ..."
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements/run.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.lock .venv/.run
	@echo "Installing what testing needs into .venv ..."
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

demo: setup ## Start everything and take a rider through it (ARGS=--exit ends afterwards).
	@$(BIN)/headway demo $(ARGS)

up: setup ## Start everything and stay until Ctrl-C.
	@$(BIN)/headway up $(ARGS)

test: setup-dev ## Run the tests but for the fault runs (ARGS go to pytest).
	@$(IN_MEMORY) $(BIN)/pytest --ignore=tests/faults --numprocesses=2 --dist=loadfile -m "not release" $(ARGS)

check: setup-dev ## Check format, lint, types and, with tests/architecture, imports, names, sizes, contracts, locks.
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/pytest --quiet tests/architecture

prove-quick: setup-dev ## Break things on purpose, as much as CI has time for (ARGS=--seed=N takes other dice).
	@rm -rf build/proof
	@$(BIN)/pytest tests/faults -m "not release" --timeout=900 --numprocesses=2 --dist=worksteal $(ARGS)

prove: setup-dev ## Break things on purpose for hours, as before a release.
	@rm -rf build/proof
	@$(BIN)/pytest tests/faults --timeout=7200 --numprocesses=2 --dist=worksteal $(ARGS)

proof: ## Write the counts of the last of these two into docs/proof.md.
	@$(BIN)/python -m tests.faults.proof

format: setup-dev ## Put the code into its form and mend what ruff can mend.
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

proto: setup-dev ## Generate proto/gen from the contracts.
	@rm -rf proto/gen
	@$(BIN)/python proto/generate.py

openapi: setup-dev ## Write gateway/openapi.json from the routes.
	@$(BIN)/python -m gateway.openapi

.venv/.bench: requirements/bench.lock .venv/.dev
	@echo "Installing what measuring needs into .venv ..."
	@$(PIP) install --require-hashes -r requirements/bench.lock
	@touch $@

bench: .venv/.bench ## Measure beside peers and write docs/benchmarks.md (half an hour; ARGS=NAME for some).
	@$(BIN)/python -m bench $(ARGS)

bench-quick: .venv/.bench ## The same, one pair each and nothing written.
	@$(BIN)/python -m bench --quick $(ARGS)

lock: ## Pin what pyproject.toml asks for (ARGS=--upgrade takes the newest).
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/pip install -qq --disable-pip-version-check uv
	@echo hatchling | $(COMPILE) --extra dev --output-file requirements/dev.lock
	@echo hatchling | $(COMPILE) --constraint requirements/dev.lock --output-file requirements/run.lock
	@echo hatchling | $(COMPILE) --extra dev --extra bench --constraint requirements/dev.lock --output-file requirements/bench.lock
	@rm -rf build/lock
