# Each goal starts from nothing but Python 3.11+, its venv module and make.
PYTHON ?= python3
PYTHON312 ?= python3.12
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
KAGGLE := .venv-kaggle/bin/python
KAGGLE_PIP := $(KAGGLE) -m pip --quiet --disable-pip-version-check
KAGGLE_WORK := .venv-kaggle/work
KAGGLE_RUN := cd $(KAGGLE_WORK) && PYTHONPATH= KERAS_HOME=$(CURDIR)/$(KAGGLE_WORK)/keras ../bin/python
# One more than the processors of a small machine: some tests wait for another process
WORKERS := --numprocesses 3 --dist loadfile --no-loadscope-reorder
# Those whose result depends on the backend
JAX_TESTS := -m "not any_backend" $(addprefix tests/training/test_,augmentation.py fitting.py model_file.py normalization.py predictor.py)
# Some environments forbid it, but it saves each process of a test a third of a second
export PYTHONDONTWRITEBYTECODE :=
COMPILE := --quiet --universal --generate-hashes --no-header --no-annotate

.PHONY: help rehearse test test-kaggle lint docs bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make rehearse   install the kit, then train, write a submission and score it"
	@echo "make test       install the test tools, then lint, types, import contract and tests"
	@echo "make test-kaggle  test the wheel beside the versions that Kaggle has (needs Python 3.12)"
	@echo "make lint       all of that but the tests"
	@echo "make docs       build the documentation as a site"
	@echo "make bench      measure the kit against plain Keras, pandas and the machine's arithmetic"
	@echo "make lock       choose all versions anew (needs uv)"
	@echo "make clean      remove the environment and the caches"

rehearse: .venv/kit
	$(BIN)/kit rehearse --preset quick

test: lint
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(WORKERS) $(JAX_TESTS)
	$(BIN)/python -m pytest $(WORKERS)

# pip itself checks, without the network, that Kaggle's versions are all that the wheel needs. The tests
# run in a folder without the kit's source, so that they test the wheel.
test-kaggle: .venv-kaggle/pins .venv/kit
	rm -rf $(KAGGLE_WORK)
	mkdir -p $(addprefix $(KAGGLE_WORK)/,data docs keras/datasets)
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir $(KAGGLE_WORK) .
	$(KAGGLE_PIP) uninstall --yes digit-kit
	$(KAGGLE_PIP) freeze --all > $(KAGGLE_WORK)/before
	$(KAGGLE_PIP) install --no-index $(KAGGLE_WORK)/*.whl
	$(KAGGLE_PIP) freeze --all | grep -v ^digit-kit > $(KAGGLE_WORK)/after
	diff $(KAGGLE_WORK)/before $(KAGGLE_WORK)/after
	$(KAGGLE_PIP) install --requirement requirements-kaggle-tests.txt
	$(KAGGLE_PIP) install --no-index --requirement requirements-kaggle.txt
	$(KAGGLE_PIP) check
	cp -r tests pyproject.toml $(KAGGLE_WORK)
	cp data/README.md data/mnist.npz $(KAGGLE_WORK)/data
	cp data/mnist.npz $(KAGGLE_WORK)/keras/datasets
	cp docs/digit_recognizer.ipynb $(KAGGLE_WORK)/docs
	$(KAGGLE_RUN) -c 'import kit; assert "site-packages" in kit.__file__, kit'
	$(KAGGLE_RUN) -m pytest $(WORKERS) tests/training tests/data tests/cli tests/kaggle \
		tests/test_notebook.py
	export KERAS_BACKEND=jax && $(KAGGLE_RUN) -m pytest $(WORKERS) $(JAX_TESTS)

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: .venv/dev
	$(BIN)/python -m sphinx --quiet --fail-on-warning -c docs . docs/_site
	@echo "Open docs/_site/docs/index.html"

# Each program writes its own section of benchmarks/RESULTS.md
bench: .venv/kit
	for section in matrix_rate epochs time_to_accuracy csv_reading start_up report drawing; do \
		$(BIN)/python -m benchmarks.$$section || exit; done

# The build backend is locked like everything else, so pip builds the kit without isolation.
.venv/kit: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

.venv-kaggle/pins: requirements-kaggle.txt
	$(PYTHON312) -m venv --clear .venv-kaggle
	$(KAGGLE_PIP) install --requirement requirements-kaggle.txt
	touch $@

.venv/dev: requirements-dev.lock .venv/kit
	$(PIP) install --require-hashes -r requirements-dev.lock
	touch $@

lock:
	uv pip compile pyproject.toml --extra images --extra search --extra serve --group build $(COMPILE) -o requirements.lock
	uv pip compile pyproject.toml --extra images --extra search --extra serve --extra jax --group build --group dev $(COMPILE) -c requirements.lock -o requirements-dev.lock

clean:
	rm -rf .venv .venv-kaggle docs/_site .hypothesis .mypy_cache .pytest_cache .ruff_cache
