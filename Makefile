# Needs Python 3.11 or newer with pip and venv; everything else is set up in .venv on the first run.

PYTHON ?= python3
VENV := .venv/bin
# How many processes run the project's own tests; 0 is this one process.
WORKERS ?= 2

# Only from make's command line: BASE_URL or TARGET exported for some other tool must not choose what is judged.
given = $(if $(filter command,$(firstword $(origin $(1)))),$($(1)))
quoted = '$(subst ','\'',$(1))'
PHASE := $(VENV)/python -m scripts.phase

# Playwright's driver keeps there what Node has compiled: it starts sooner.
export NODE_COMPILE_CACHE := $(CURDIR)/.cache/node
# A machine may be set to keep no compiled Python; then each of many processes would compile all of it.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help verify test serve lock clean python set-up format lint types contracts unit specification self-proof mutants

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

verify: set-up ## judge the bundled server; BASE_URL=https://… [TARGET=file] judges a deployment; ARGS="…" goes to pytest
	@$(VENV)/python -m pytest \
	  $(if $(call given,BASE_URL),--base-url $(call quoted,$(call given,BASE_URL))) \
	  $(if $(call given,TARGET),--target $(call quoted,$(call given,TARGET))) $(call given,ARGS)

test: SET_UP_OPTIONS := --complete
test: format lint types contracts unit specification self-proof ## everything that continuous integration runs

format: set-up ## is the code formatted (ruff)
	@$(PHASE) format $(VENV)/ruff format --check .

lint: set-up ## ruff's rules
	@$(PHASE) lint $(VENV)/ruff check .

types: set-up ## mypy, strict
	@$(PHASE) types $(VENV)/mypy src steps tests scripts

contracts: set-up ## who may import whom
	@$(PHASE) contracts $(VENV)/lint-imports

unit: set-up ## the project's own tests, storage on SQLite and PostgreSQL, in WORKERS=2 processes
	@$(PHASE) unit $(VENV)/python -m pytest tests --numprocesses $(WORKERS) $(call given,ARGS)

specification: set-up ## the specification against the bundled server
	@$(VENV)/python -m pytest $(call given,ARGS)

self-proof: set-up ## every check seen to fail, a fault at a time; ARGS=--whole runs everything for each
	@$(PHASE) self-proof $(VENV)/python -m tests.self_proof $(call given,ARGS)

mutants: set-up ## small changes of the reference server that nobody named, judged; ARGS="--sample 0" takes all
	@$(PHASE) mutants $(VENV)/python -m tests.mutants --jobs $(WORKERS) $(call given,ARGS)

serve: set-up ## the bundled server by itself; ARGS="--port 8080 …" goes to pdpp serve
	@$(VENV)/pdpp serve $(call given,ARGS)

set-up: python ## the virtual environment, the locked packages, the programs for Node, a browser
	@$(PYTHON) -m scripts.set_up $(SET_UP_OPTIONS)

lock: python ## re-resolve the locks, keeping the versions that still fit; ARGS=--upgrade takes the newest
	@$(PYTHON) -m scripts.set_up --only-installers
	@$(VENV)/python -m scripts.lock $(call given,ARGS)

clean: ## remove everything that set-up and tests made, except reports
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'Python 3.11 or newer is needed and "$(PYTHON)" is not one: name it with make PYTHON=python3.12 …' >&2; exit 1; }
