# make run   sets up and shows the whole thing on this machine
# make test  sets up and runs the tests
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help run test check bench docs clean

help:            ## say what can be made
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo 'Python has no venv here. On Debian: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: .venv/ready ## start mock and adapter, send the scenarios, show what happened
	@$(BIN)/kykysilta demo $(ARGS)

test: .venv/ready ## run all tests
	$(BIN)/pytest -n auto -q $(ARGS)

check: .venv/ready ## formatting, lint, types, floors
	$(BIN)/ruff format --check adapter tests benchmarks scripts
	$(BIN)/ruff check adapter tests benchmarks scripts
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready ## measure, as ratios inside one run
	@for each in mapping validation consent delivery; do $(BIN)/python benchmarks/$$each.py; done

clean:           ## remove what was set up
	rm -rf .venv
