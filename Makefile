# Python 3.11 to 3.13, make and a package index are all that is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/installed
SITE := $(VENV)/site-installed

.PHONY: help install demo test check docs pictures bench lock clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

install: $(DONE)  ## Make .venv with the pinned requirements and offkey

$(DONE): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(DONE)  ## The whole job on a synthetic machine, in about a minute
	$(BIN)/offkey demo

test: $(DONE)  ## All tests (real recordings too, where OFFKEY_DATA points to them)
	$(BIN)/python -m pytest

check: $(DONE)  ## Style, types, house rules and fast tests: before every commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

docs: $(SITE)  ## Build the site into site/: runs the tutorial, checks all links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(SITE): requirements/docs.txt $(DONE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

bench: $(DONE)  ## Speed and quality beside other tools (minutes; results in benchmarks/results)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python benchmarks/states.py
	$(BIN)/python benchmarks/thresholds.py
	$(BIN)/python benchmarks/budgets.py
	$(BIN)/python benchmarks/sensitivity.py
	$(BIN)/python benchmarks/localisation.py

pictures: $(DONE)
	$(BIN)/python docs/pictures/draw.py

lock: $(DONE)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --all-extras --group dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --all-extras --group dev --group bench -c requirements/dev.txt pyproject.toml -o requirements/bench.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --group docs -c requirements/dev.txt -o requirements/docs.txt

clean:  ## Remove what was built
	rm -rf $(VENV) offkey-demo site build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
