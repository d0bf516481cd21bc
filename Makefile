# Everything there is to do here; `make help` lists it. Needs Python 3.11 or newer and git, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow redteam lint types docs bench clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Made again when the dependencies change. The log is shown only if something fails.
$(READY): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) was not found: install Python 3.11 or newer, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Captain needs Python 3.11 or newer, and $(PYTHON) is older: name another with make PYTHON=..." >&2; exit 1; }
	@echo "Setting up $(VENV) (once, about a minute)"
	@log=$$(mktemp) && { $(PYTHON) -m venv $(VENV) \
		&& $(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'; } >"$$log" 2>&1 \
		&& rm -f "$$log" || { cat "$$log" >&2; rm -f "$$log"; exit 1; }
	@touch $@

demo: $(READY) ## Watch a whole run on a sample repository, without a model or a key.
	@$(BIN)/captain demo $$(test "$$(id -u)" != 0 || echo --allow-root)

test: $(READY) ## Run the tests, without the slow ones.
	$(BIN)/pytest -q -n auto -m "not slow"

test-slow: $(READY) ## Run the slow tests.
	$(BIN)/pytest -q -n auto -m slow

redteam: $(READY) ## Try every attack in every sandbox and write the table in docs/security.md.
	$(BIN)/python -m tests.redteam.table --try

lint: $(READY) ## Check style, format and import layers.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(READY) ## Check types, of the examples too.
	$(BIN)/mypy
	$(BIN)/mypy examples

docs: $(READY) ## Run every example and every Python block of the docs, and check the links.
	$(BIN)/pytest -q -n auto tests/docs

bench: $(READY) ## Run what is in benchmarks/.
	@set -e; for script in $(wildcard benchmarks/*.py); do echo "$$script"; $(BIN)/python "$$script"; done
	@$(if $(wildcard benchmarks/*.py),,echo "There are no benchmarks yet.")

clean: ## Remove the environment and all caches.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
