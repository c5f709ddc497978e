"""A step of an algorithm is read in few files: its own, and the three that all algorithms share."""

import sys
from inspect import getsource
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.catalogue import ALGORITHMS  # noqa: E402
from edgewise.agents.algorithms.hyperparameters import GRPOConfig, OnPolicyConfig  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402

FOLDER = Path(__file__).parents[3] / "agents" / "algorithms"
SHARED = {"on_policy.py", "rollout.py", "losses.py"}
BESIDE = {  # what a step calls, but nobody has to read to follow it
    "after.py",  # what rules that ask are told after it
    "anticipation.py",  # verifiers that start early, which changes no number
    "catalogue.py",
    "config.py",
    "hyperparameters.py",  # of all algorithms; those of GRPO are counted below
    "entropy.py",  # a bonus, none by default
    "filters.py",  # which has none by default
    "finite.py",  # what is refused
    "length.py",  # rules of the token limit, of which none is on by default
    "optimizer.py",  # AdamW
}


def files_of_a_step(bandit, name):
    """The files of agents/algorithms in which a function runs during one step."""
    called = set()

    def profile(frame, event, argument):
        called.add(frame.f_code.co_filename)

    policy, config = bandit.TablePolicy(), ALGORITHMS[name].config(sampling=Sampling(max_tokens=1))
    envs, state = bandit.make(16), ALGORITHMS[name].start(policy, config)
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        next(ALGORITHMS[name].train(envs, policy, config, state))
    finally:
        sys.setprofile(before)
    paths = [Path(path).resolve() for path in called if not path.startswith("<")]
    return {path.name for path in paths if path.parent == FOLDER}


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_a_step_is_read_in_the_algorithms_own_file_and_three_others(bandit, name):
    own = Path(ALGORITHMS[name].module().__file__).name
    found = files_of_a_step(bandit, name)
    assert SHARED | {own} <= found
    assert found <= SHARED | {own} | BESIDE | {"token_rewards.py"}


def test_a_step_of_grpo_is_less_than_800_lines(bandit):
    read = files_of_a_step(bandit, "grpo") - BESIDE
    assert read == SHARED | {"grpo.py"}
    lines = [len((FOLDER / name).read_text(encoding="utf-8").splitlines()) for name in read]
    configs = (OnPolicyConfig, GRPOConfig)
    assert sum(lines) + sum(len(getsource(config).splitlines()) for config in configs) < 800
