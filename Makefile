# Each target sets up all it needs: Python 3.11 or later, make and git are enough.
PYTHON ?= python3
VENV := .venv
OLDEST := .venv-oldest
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-all test-oldest lint clean

demo: $(VENV)/train
	$(BIN)/edgewise train --env Countdown-v0 --curriculum sec --algorithm grpo --output runs/demo --report

test: $(VENV)/dev lint
	$(BIN)/python -m pytest

test-all: $(VENV)/dev lint
	$(BIN)/python -m pytest -m "slow or not slow"

test-oldest: $(OLDEST)/done
	$(OLDEST)/bin/python -m pytest tests/core tests/envs tests/wrappers

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict -p edgewise

# torch first and pinned: without it, the newest build comes with gigabytes of CUDA packages
$(VENV)/train: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train]"
	touch $@

$(VENV)/dev: $(VENV)/train
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train,dev]" --config-settings editable_mode=strict
	touch $@

# the oldest gymnasium and numpy that are supported; that numpy has wheels for Python 3.11 at most
$(OLDEST)/done: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --constraint constraints-oldest.txt --editable . pytest hypothesis
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) build dist *.egg-info
