"""The environment refuses what is wrong, and its problems' names hold all that made them."""

import copy
import json
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from hypothesis import given, settings
from hypothesis import strategies as st

import edgewise
from edgewise import Frame, ReasoningEnv
from edgewise.envs.countdown.task import Countdown

OVERRIDES = [
    {"rewards": (2.0, 0.5, -1.0)},
    {"template": r"Make {target} of {numbers} in \boxed{{}}."},
    {"answer": "answer"},
    {"frame": Frame(before="Q: ", after=" A:", stop=("\n",))},
    {"frame": {"after": "Well,", "stop": ["\n", "."]}},
    {"preset": "e2h", "rewards": [1, 0, 0], "frame": {"before": "Be brief."}},
]


@pytest.mark.parametrize("overrides", OVERRIDES)
def test_names_hold_the_overrides(overrides):
    env = gym.make("Countdown-v0", split="test", **overrides)
    prompt, info = env.reset(seed=0, options={"level": 3})
    again = edgewise.pose(info["problem"])
    assert again.preset == env.unwrapped.preset and again.split == "test"
    assert again.render() == prompt and again.preset_name.endswith("+")
    assert hash(again.preset.frame) == hash(env.unwrapped.preset.frame)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    seed=st.integers(0, 2**63 - 1),
    level=st.sampled_from([1, 2, 3]),
    split=st.sampled_from(["train", "validation", "test"]),
    params=st.sampled_from([{}, {"max_target": 50}, {"max_number": 12, "max_target": 200}]),
)
def test_every_name_is_posed_again(seed, level, split, params):
    env = gym.make("Countdown-v0", split=split)
    options = {"level": level, "problem_seed": seed, "params": params}
    prompt, info = env.reset(options=options)
    again = edgewise.pose(info["problem"])
    assert again.render() == prompt and again.problem == env.unwrapped.problem
    _, reward, *_ = again.step(rf"\boxed{{{env.unwrapped.task.solve(again.problem)}}}")
    assert reward == 1.0


def test_a_name_of_no_registered_environment_is_refused():
    env = ReasoningEnv(Countdown)
    _, info = env.reset(seed=0)
    with pytest.raises(ValueError, match="`name` must be of a registered environment"):
        edgewise.pose(info["problem"])


@pytest.mark.parametrize(
    "options",
    [
        {"level": None, "problem_seed": None, "params": None},
        {"level": np.int64(2)},
        {"problem_seed": np.int64(5)},
        {"problem_seed": 2**63 - 1},
    ],
)
def test_options_may_be_open_or_of_numpy(options):
    env = gym.make("Countdown-v0")
    prompt, info = env.reset(seed=0, options=options)
    assert edgewise.pose(info["problem"]).render() == prompt
    assert all(isinstance(info[key], int) for key in ("level", "problem_seed"))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"level": 0}, ValueError, r"`level` must be in \[1, 2, 3\], got 0"),
        ({"level": 4}, ValueError, r"`level` must be in \[1, 2, 3\], got 4"),
        ({"level": "2"}, ValueError, r"`level` must be in \[1, 2, 3\], got '2'"),
        ({"problem_seed": -1}, ValueError, "`problem_seed` must be an int in .* got -1"),
        ({"problem_seed": 2**63}, ValueError, "`problem_seed` must be an int in "),
        ({"problem_seed": 1.5}, ValueError, "`problem_seed` must be an int in .* got 1.5"),
        ({"problem_seed": "1"}, ValueError, "`problem_seed` must be an int in .* got '1'"),
        ({"params": {"bogus": 1}}, TypeError, "bogus"),
        ({"params": {"draws": "bogus"}}, ValueError, "`draws` must be one of"),
        ({"params": {"num_numbers": 1}}, ValueError, "`num_numbers` must be at least 2, got 1"),
    ],
)
def test_wrong_options_raise(options, error, message):
    with pytest.raises(error, match=message):
        gym.make("Countdown-v0").reset(options=options)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"preset": "sek"}, ValueError, "`preset` must be .* got 'sek'; did you mean 'sec'?"),
        ({"split": "tset"}, ValueError, "`split` must be .* got 'tset'; did you mean 'test'?"),
        ({"answer": "box"}, ValueError, "`answer` must be one of .* got 'box'"),
        ({"rewards": (1.0, 0.0)}, ValueError, "`rewards` must be three"),
        ({"frame": {"bogus": 1}}, TypeError, "bogus"),
        ({"frame": {"opening": "x"}}, ValueError, "`opening` must be the end of"),
        ({"levels": ()}, ValueError, r"`levels` must be among \[1, 2, 3\]"),
        ({"arms": "subject"}, ValueError, "`arms` must be None or a list for Countdown"),
        ({"arms": [{"level": 9}]}, ValueError, r"`level` must be in \[1, 2, 3\], got 9"),
    ],
)
def test_wrong_keywords_raise(keywords, error, message):
    with pytest.raises(error, match=message):
        gym.make("Countdown-v0", **keywords)


def test_a_step_needs_a_reset():
    env = gym.make("Countdown-v0")
    with pytest.raises(ResetNeeded):
        env.step("")
    env.reset(seed=0)
    env.step("")
    with pytest.raises(ResetNeeded):
        env.step("")


@pytest.mark.parametrize("action", [None, 1, b"text", ["text"]])
def test_an_action_must_be_a_text(action):
    env = gym.make("Countdown-v0")
    env.reset(seed=0)
    with pytest.raises(TypeError, match="`action` must be a str"):
        env.step(action)


@pytest.mark.parametrize("level", [0, 4, "1"])
def test_an_evaluation_set_is_of_a_level(level):
    with pytest.raises(ValueError, match="`level` must be in"):
        edgewise.evaluation_set(gym.make("Countdown-v0"), level)


def test_a_copy_draws_its_own_problems():
    env = gym.make("Countdown-v0")
    env.reset(seed=0)
    twin = copy.deepcopy(env)
    assert [twin.reset()[0] for _ in range(3)] == [env.reset()[0] for _ in range(3)]
    options = {"level": 2, "problem_seed": 7}
    assert twin.reset(options=options) == env.reset(options=options)


def test_the_state_of_a_run_is_json():
    env = gym.make("Countdown-v0").unwrapped
    env.reset(seed=0)
    state = json.loads(json.dumps(env.state_dict()))
    expected = env.reset()[0]
    again = gym.make("Countdown-v0").unwrapped
    again.reset(seed=1)
    again.load_state_dict(state)
    assert again.reset()[0] == expected


def test_edgewise_imports_nothing_heavy():
    code = "import edgewise, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "sympy", "matplotlib", "scipy", "pandas", "edgewise.agents"}
    assert not heavy & set(done.stdout.split())
