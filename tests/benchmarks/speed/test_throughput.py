"""The table of speeds covers every environment and level, and its answers are right."""

import gymnasium as gym
import pytest

from edgewise.benchmarks.speed.throughput import COLUMNS, completion, line, run, settings


def test_every_preset_and_level_is_measured():
    places = [tuple(setting.values()) for setting in settings()]
    assert len(set(places)) == len(places)
    assert {("Countdown-v0", "sec", level) for level in (1, 2, 3, 4)} <= set(places)
    assert {env_id for env_id, *_ in places} <= set(gym.registry)


def test_a_row_has_every_figure():
    setting = {"env": "Countdown-v0", "preset": "sec", "level": 1}
    record = run(setting, num_repeats=1)
    assert all(record[name] > 0 for name in COLUMNS)
    assert len(line(setting, record).split()) == 3 + len(COLUMNS) + 2 + 1


@pytest.mark.parametrize("preset", ["sec", "e2h", "seedling"])
def test_the_episodes_are_right(preset):
    env = gym.make("Countdown-v0", preset=preset)
    env.reset(seed=0)
    base = env.unwrapped
    assert env.step(completion(base, base.task.solve(base.problem)))[1] == 1.0
