# Each goal starts from nothing but Python 3.11+, its venv module and make.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
COMPILE := --quiet --universal --generate-hashes --no-header --no-annotate

.PHONY: help rehearse test lint bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make rehearse   install the kit, then train, write a submission and score it"
	@echo "make test       install the test tools, then lint, types, import contract and tests"
	@echo "make lint       all of that but the tests"
	@echo "make bench      measure the kit against plain Keras, pandas and the machine's arithmetic"
	@echo "make lock       choose all versions anew (needs uv)"
	@echo "make clean      remove the environment and the caches"

rehearse: .venv/kit
	$(BIN)/kit rehearse --preset quick

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile
	KERAS_BACKEND=jax $(BIN)/python -m pytest --numprocesses 2 tests/training

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Each program writes its own section of benchmarks/RESULTS.md
bench: .venv/kit
	for section in matrix_rate epochs time_to_accuracy csv_reading start_up; do \
		$(BIN)/python -m benchmarks.$$section || exit; done

# The build backend is locked like everything else, so pip builds the kit without isolation.
.venv/kit: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

.venv/dev: requirements-dev.lock .venv/kit
	$(PIP) install --require-hashes -r requirements-dev.lock
	touch $@

lock:
	uv pip compile pyproject.toml --group build $(COMPILE) -o requirements.lock
	uv pip compile pyproject.toml --group build $(COMPILE) --extra jax --group dev -c requirements.lock -o requirements-dev.lock


clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache
