import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

pytest.importorskip("torch")

from edgewise import ReasoningVectorEnv
from edgewise.benchmarks.simulation.env import Simulated, SimulatedVectorEnv


def pair(num_arms=3, **options):
    """The environment of arrays, and the one that poses the same task text by text."""
    arrays = SimulatedVectorEnv(12, group_size=4, num_arms=num_arms, rewards=(1.0, 0.1))
    levels = tuple(range(1, num_arms + 1))
    texts = ReasoningVectorEnv(
        12, group_size=4, task=Simulated, levels=levels, rewards=(1.0, 0.1, 0.1)
    )
    return arrays, texts


@pytest.mark.parametrize(
    "options",
    [
        None,
        {"level": 2},
        {"groups": [{"level": 3}, {"level": 1, "problem_seed": 9}, {}]},
        {"groups": [{"level": 3}, {}, {}, {"level": 1}], "own": slice(1, 4)},
    ],
)
def test_it_is_the_vector_env_of_texts(options):
    arrays, texts = pair()
    mask = np.repeat([False, True, False], 4)
    actions = ["1", "0", None, "1"] * 3
    played = (played_by(envs, options, mask, actions) for envs in (arrays, texts))
    for one, two in zip(*played, strict=True):
        for mine, theirs in zip(one[:-1], two[:-1], strict=True):
            np.testing.assert_array_equal(mine, theirs)
        for key in ("level", "problem_seed", "correct", "_correct", "_level"):
            if key in two[-1]:
                shown = two[-1].get(f"_{key}", True)
                np.testing.assert_array_equal(one[-1][key] * shown, two[-1][key] * shown)
    assert arrays.state_dict() == texts.state_dict()


def played_by(envs, options, mask, actions):
    """What two resets and three steps return."""
    words = {None: None, "0": "0", "1": "1"}
    if not isinstance(envs, SimulatedVectorEnv):
        words = {None: None, "0": r"\boxed{0}", "1": r"\boxed{1}"}
    yield envs.reset(seed=5, options=options)
    yield envs.step([words[action] for action in actions])
    yield envs.step([words["0"]] * 12)
    yield envs.reset(options={"reset_mask": mask})
    yield envs.step([words["1"]] * 12)


def test_a_state_restored_continues():
    envs, again = (SimulatedVectorEnv(8, group_size=4) for _ in range(2))
    envs.reset(seed=0)
    again.reset(seed=1)
    again.load_state_dict(envs.state_dict())
    assert envs.reset()[0] == again.reset()[0]


def test_the_single_environment_is_in_order():
    env = gym.Wrapper(SimulatedVectorEnv(1).env)
    prompt, info = env.reset(seed=0, options={"level": 4})
    assert prompt == f"4 {info['problem_seed']}"
    assert env.step(r"\boxed{1}")[4]["correct"]


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        (
            lambda envs: SimulatedVectorEnv(num_arms=101),
            ValueError,
            r"`num_arms` must be in \[1, 100\]",
        ),
        (lambda envs: SimulatedVectorEnv(5, group_size=2), ValueError, "`group_size` must divide"),
        (lambda envs: envs.step(["1"] * 4), ResetNeeded, "call `reset`"),
        (lambda envs: envs.reset() and envs.step(["1"]), ValueError, "`actions` must have 4 texts"),
        (
            lambda envs: envs.reset() and envs.step(["2"] * 4),
            ValueError,
            "`actions` must be '1' or '0'",
        ),
        (lambda envs: envs.reset(options={"level": 10}), ValueError, "`level` must be in"),
    ],
)
def test_what_is_wrong_is_refused(wrong, kind, message):
    with pytest.raises(kind, match=message):
        wrong(SimulatedVectorEnv(4, group_size=2))
