PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint bench readme clean

help:
	@echo "make demo    create $(VENV), install factory, and make a small set with the embedded model"
	@echo "make test    install what the tests need and run lint, types, import directions and all tests"
	@echo "make bench   print the benchmarks: start-up, duplicate removal"
	@echo "make lint    run lint, types and import directions alone"
	@echo "make readme  write the table of steps in README.md anew"
	@echo "make clean   remove $(VENV) and what tools left behind; outputs/ stays"

$(VENV)/.installed: pyproject.toml
	@echo "Creating $(VENV) and installing factory and its embedded models (about 400 MB, a minute or two) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "factory needs Python 3.11 or newer; name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e .
	@$(BIN)/factory models get smollm2
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	@echo "Running the built-in recipe quickstart on a dozen seeds with the embedded 135M model (two or three minutes on two cores) ..."
	@$(BIN)/factory run quickstart --limit 12

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest

bench-calls: $(VENV)/.installed-dev
	$(BIN)/python tests/bench/bench_calls.py

bench: $(VENV)/.installed-dev
	$(BIN)/python tests/bench/bench_start.py
	$(BIN)/python tests/bench/bench_rouge.py

readme: $(VENV)/.installed-dev
	$(BIN)/python tests/test_readme.py

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
