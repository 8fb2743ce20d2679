# krypto-engine: `make run` on a fresh machine does everything. Needed: Python 3.11 or newer, git, make.

CONFIG ?= docs/examples/first-bot.yml
SPEED ?= 720
FOR ?= 12h
ARGS ?=

# The first interpreter that is new enough; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
STAMP := .venv/.setup-done

.DEFAULT_GOAL := help
.PHONY: help setup run exchange outside test coverage planted prove fuzz lint fmt check bench docs lock sbom audit mutants clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with the pinned packages (again only if the pins changed)

run: $(STAMP) ## Run the main job: a paper bot, fast, on the simulated market (CONFIG, SPEED, FOR)
	@trap : INT; $(BIN)/krypto-engine run -c $(CONFIG) --speed $(SPEED) --for $(FOR) $(ARGS) || [ $$? -eq 130 ]

exchange: $(STAMP) ## Open a local exchange that speaks Binance spot (ARGS for its options)
	@$(BIN)/python -m tests.exchange_server $(ARGS)

outside: $(STAMP) ## Prove the local exchange with clients that nobody here wrote
	@$(BIN)/python -m tests.exchange_server.outside

test: $(STAMP) ## Run all tests on all cores (ARGS for pytest)
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

coverage: $(STAMP) ## Prove that tests take every branch of protocol, reconciliation, recovery, store, trailing, exchange answers
	@$(BIN)/python -m pytest -n auto --dist worksteal -q --cov --cov-branch --cov-report=term-missing:skip-covered \
		--cov-report=json:build/coverage.json \
		tests/core tests/store tests/exchanges tests/runtime tests/simulation/test_duties.py \
		tests/simulation/test_executing.py tests/simulation/test_failed_sync.py tests/simulation/test_first_look.py \
		tests/simulation/test_others.py tests/simulation/test_reconciled_trades.py \
		tests/simulation/test_reconciling.py tests/simulation/test_waiting_market.py \
		tests/cli/test_recover.py tests/cli/test_recover_copies.py tests/cli/test_recover_refused.py \
		tests/cli/test_restore.py tests/live/test_recovery_*.py $(ARGS)
	@$(BIN)/python -m tests.covered build/coverage.json

planted: $(STAMP) ## Break promises on purpose, in copies, and see their tests fail
	@$(BIN)/python -m tests.planted

prove: $(STAMP) ## Run a short campaign of simulated worlds, and see that it kills every planted bug
	@$(BIN)/krypto-engine prove --seeds 300 --schedules 20000
	@$(BIN)/python -m tests.prove $(ARGS)

fuzz: $(STAMP) ## Put made-up input to events, configurations and payloads, a minute each (ARGS="--seconds 3600")
	@$(BIN)/python -m tests.fuzz all $(ARGS)

lint: $(STAMP) ## Check style, format, types, the dependency rule and the links in the documents
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/tidy/links.py

fmt: $(STAMP) ## Format the code and mend what can be mended mechanically
	@$(BIN)/ruff check --fix --quiet --exit-zero && $(BIN)/ruff format

check: lint test ## Check style and run all tests; .ci/run does that, sbom, audit, planted and outside

bench: $(STAMP) ## Measure the speeds that docs/ promises
	@$(BIN)/python -m tests.perf $(ARGS)

docs: $(STAMP) ## Write again the pages of docs/ that are made from code and tests
	@$(BIN)/python -m tests.docs $(ARGS)

lock: $(STAMP) ## Resolve the dependencies afresh into requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --upgrade \
		--custom-compile-command 'make lock' --quiet --output-file requirements.lock

sbom: $(STAMP) ## List the locked packages in build/sbom.json (CycloneDX)
	@$(BIN)/python -m tests.supply sbom

audit: $(STAMP) ## Ask whether locked packages have known vulnerabilities
	@$(BIN)/python -m tests.supply audit

mutants: $(STAMP) ## Change the code that must not be wrong, bit by bit, and see its tests fail: an hour (ARGS, --every 1: all)
	@test -d .venv/mutation || $(PIP) install --quiet --target .venv/mutation 'mutmut>=3.8,<4'
	@$(BIN)/python -m tests.mutants $(ARGS)

clean: ## Remove .venv and caches; data/ stays
	@rm -rf .venv .fuzz .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist mutants
	@find engine cli tests -name __pycache__ -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@test -n '$(PYTHON)' || { echo 'krypto-engine needs Python 3.11 or newer, and none was found:' \
		'install one, or name it with make PYTHON=/path/to/python3.11.' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'krypto-engine needs Python 3.11' \
		'or newer, and $(PYTHON) is not: name a newer one with make PYTHON=/path/to/python3.11.' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make virtual environments:' \
		'install its venv module (Debian and Ubuntu: apt install python3-venv) and try again.' >&2; exit 1; }
	@echo 'Setting up .venv with the pinned packages: about a minute, only this once.'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@{ $(PIP) install --require-hashes --only-binary :all: -r requirements.lock && \
		$(PIP) install --no-deps --no-build-isolation --editable . ; } >.venv/setup.log 2>&1 || { \
		grep -i error .venv/setup.log | tail -n 4 >&2; echo 'The packages could not be installed: the lines above say why,' \
		'.venv/setup.log tells the whole story. If the network was away, make setup tries again.' >&2; exit 1; }
	@touch $@ && echo 'Set up.'
