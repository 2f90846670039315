# `make demo` and `make test` do all of the set-up themselves, in a virtual environment inside the tree.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo test test-real check format clean

help:
	@echo "make demo       the whole story on the embedded model, offline, in minutes"
	@echo "make test       the default tests (no network, no GPU)"
	@echo "make test-real  tests on a real model and real data (see CONTRIBUTING.md)"
	@echo "make check      format, lint, types, import contracts"
	@echo "make format     put the code into the project's format"
	@echo "make clean      remove the environment and the tools' caches; runs stay"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $(READY)

demo: $(READY)
	$(BIN)/forgetless demo $(ARGS)

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not real and not gpu" $(ARGS)

test-real: $(READY)
	$(BIN)/python -m pytest -m real $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --no-cache . # its cache does not notice that a module has moved
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --no-cache --fix .

clean:
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
