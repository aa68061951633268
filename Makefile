# Everything runs in .venv, which `make setup` makes; PYTHON=/path/to/python chooses its Python.
.PHONY: setup demo test test-slow lint format bench clean
.DELETE_ON_ERROR:

export PYTHON
export TF_CPP_MIN_LOG_LEVEL ?= 2

BIN := .venv/bin
DEMO := demo
BENCHMARKS = $(shell grep -l '__main__' benchmarks/*.py)

setup: .venv/.installed

.venv/.installed: requirements.txt pyproject.toml tools/setup.sh
	@tools/setup.sh

demo: setup
	@echo "demo: not written yet"

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: setup
	$(BIN)/python -m pytest -m slow

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	@set -e; for file in $(BENCHMARKS); do \
		echo "== $$file"; $(BIN)/python -m "benchmarks.$$(basename $$file .py)"; \
	done

# Leaves .venv and everything that a command has written.
clean:
	rm -rf build .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
