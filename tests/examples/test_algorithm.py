"""An algorithm is added in three files: its own, a line of the catalogue, and its test."""

import re
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tests.examples.tree import apply, copy_of_tree, run

COMMIT = Path(__file__).with_name("algorithm.patch")
OWN = "tests/agents/algorithms/test_opo.py"
TOUCHED = ["agents/algorithms/catalogue.py", "agents/algorithms/opo.py", OWN]


@pytest.fixture
def tree(tmp_path):
    """A copy of the project with the commit."""
    copied = copy_of_tree(tmp_path)
    assert sorted(apply(COMMIT, copied)) == TOUCHED
    return copied


def test_a_commit_that_adds_an_algorithm_applies_and_is_clean(tree):
    run(tree, "ruff", "check", *TOUCHED)
    run(tree, "ruff", "format", "--check", *TOUCHED)


@pytest.fixture
def opo(tree, monkeypatch):
    """The module that the commit adds, in this process."""
    pytest.importorskip("torch")
    name = "edgewise.agents.algorithms.opo"
    spec = spec_from_file_location(name, tree / TOUCHED[1])
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_algorithm_of_the_commit_learns(opo, bandit):
    from edgewise.agents.policies.options import Sampling

    sampling = Sampling(max_tokens=1)
    config = opo.OPOConfig(num_steps=15, learning_rate=0.5, sampling=sampling)
    policy = bandit.TablePolicy()
    state = opo.start(policy, config)
    rewards = [step["reward"] for step in opo.train(bandit.make(), policy, config, state)]
    assert len(rewards) == 15 and rewards[0] < 0.5 < rewards[-1]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torch") is None, reason="algorithms need torch")
def test_a_commit_that_adds_an_algorithm_passes_its_tests(tree):
    shared = [f"tests/agents/algorithms/test_{name}.py" for name in ("catalogue", "unverified")]
    said = run(tree, "pytest", "-q", "-p", "no:cacheprovider", OWN, *shared, "-k", "opo")
    assert int(re.search(r"(\d+) passed", said)[1]) > 5
