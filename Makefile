# Each target sets up all it needs: Python 3.11 or later, make and git are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-all lint clean

demo: $(VENV)/train
	$(BIN)/edgewise train --env Countdown-v0 --curriculum sec --algorithm grpo

test: $(VENV)/dev lint
	$(BIN)/python -m pytest

test-all: $(VENV)/dev lint
	$(BIN)/python -m pytest -m "slow or not slow"

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

clean:
	rm -rf $(VENV) build dist *.egg-info
