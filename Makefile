# Needs Python 3.10 to 3.13 and pip, nothing else. Another interpreter: make PYTHON=python3.12 demo
PYTHON ?= python3
VENV ?= .venv
OUTPUT ?= demo-output
# Test processes. Each gets one thread for torch, so that they share the cores, and two for the kernels, so that what
# runs in parallel is tested in parallel.
JOBS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count())')

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off

# The second name is what newer pips read for the packages that build ours.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
# Compiled kernels survive from one run to the next, and a read-only home folder does no harm.
export NUMBA_CACHE_DIR ?= $(abspath $(VENV))/numba-cache

.PHONY: help demo test lint types floors unit scene scene-packages clean

help:
	@echo "make demo    install into $(VENV), register the sample, leave a report in $(OUTPUT)/"
	@echo "make test    style, types, floors and tests; one by one: make lint types floors unit"
	@echo "make scene   tests on 3D Slicer's scene and views, without the application"
	@echo "make clean   remove $(VENV) and $(OUTPUT)/"

demo: $(VENV)/.runtime
	$(BIN)/sphericalreg demo --output $(OUTPUT)
	@echo "Report: $(abspath $(OUTPUT))/report.html"

test: lint types floors unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

floors: $(VENV)/.test
	$(BIN)/lint-imports

unit: export NUMBA_NUM_THREADS ?= 2
unit: export OMP_NUM_THREADS ?= 1
unit: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS)

# Slicer's own libraries are large, and their views open slowly: apart from the other tests, which say at their end what
# was left out.
scene: export NUMBA_NUM_THREADS ?= 2
scene: export OMP_NUM_THREADS ?= 1
scene: $(VENV)/.scene
	$(BIN)/python -m pytest -n $(JOBS) Testing/Python/scene Testing/Python/module

# With these, `make test` runs them too, in place of skipping them.
scene-packages: $(VENV)/.scene

clean:
	rm -rf $(VENV) $(OUTPUT)

# Each stamp is newer than what it was made from; without a change nothing is installed twice.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; (3, 10) <= v[:2] <= (3, 13) or sys.exit( \
	"SphericalReg needs Python 3.10 to 3.13, and $(PYTHON) is %d.%d: make PYTHON=python3.12 ..." % v[:2])'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# torch first: what depends on it must find it there and not bring another build of it.
$(VENV)/.runtime: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) torch
	$(PIP) --editable ".[learned]"
	@touch $@

$(VENV)/.test: $(VENV)/.runtime
	$(PIP) --editable ".[test,evaluation,learned,datasets]"
	@touch $@

$(VENV)/.scene: $(VENV)/.test
	$(PIP) --editable ".[test,evaluation,learned,datasets,scene]"
	@touch $@
