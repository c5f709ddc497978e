"""Environments of skyrl-gym, made by its own `make` from rows of `edgewise export`."""

import json

import gymnasium as gym
import pytest

skyrl_gym = pytest.importorskip("skyrl_gym")

import edgewise  # noqa: E402
from edgewise.agents.integrations import named, skyrl  # noqa: E402
from edgewise.agents.integrations.export import export  # noqa: E402

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("default")]


def make(row, **config):
    return skyrl_gym.make(skyrl.ID, env_config=config, extras=row)


def test_rewards_of_exported_rows_are_ours(tmp_path):
    env = gym.make("Countdown-v0", preset="e2h", split="test")
    export(env, "verl", 5, tmp_path / "rows.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 20
    for row in rows:
        name = row["reward_model"]["ground_truth"]
        posed = edgewise.pose(name)
        for answer in (posed.demonstrate(posed.problem), "no", "\\boxed{1}\\boxed{2} {{7*7}}"):
            made = make(row)
            shown, _ = made.init(row["prompt"])
            found = made.step(answer)
            outcome = named.score([name], [answer], begun=False)[0]
            assert shown == row["prompt"]
            assert found["reward"] == outcome.reward and found["done"]
            assert found["metadata"]["correct"] == outcome.correct


def test_an_episode_of_several_turns():
    base = edgewise.env.unwrap(gym.make("Blocksworld-v0", preset="seedling", interactive=True))
    problem, info = base.pose({"level": 2, "params": {}, "problem_seed": 0})
    row = {"reward_model": {"ground_truth": info["problem"]}}
    made, actions = make(row), base.task.solve(problem).split(",")
    made.init([{"role": "user", "content": base.prompt(problem)}])
    for place, action in enumerate(actions, start=1):
        found = made.step(rf"\boxed{{{action.strip()}}}")
        assert found["done"] is (place == len(actions))
        assert bool(found["observations"]) is not found["done"]
    assert found["reward"] == 1.0
    bounded = make(row, max_turns=1)
    bounded.init([])
    assert bounded.step(rf"\boxed{{{actions[0].strip()}}}")["done"] or len(actions) == 1


ROWS = [{}, {"reward_model": {"ground_truth": 3}}, {"reward_model": None}, None, [], "x"]
ROWS += [{"reward_model": "x"}, {"reward_model": [1]}]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_rows_without_a_name_are_refused(row):
    with pytest.raises(ValueError, match="`extras` must have the name of a problem"):
        make(row)


@pytest.mark.parametrize("most", ["x", 0, -1, True, 1.5, None, []])
def test_turns_that_are_no_count_are_refused(most):
    _, info = gym.make("Countdown-v0").reset(seed=0)
    with pytest.raises(ValueError, match="`max_turns` must be a whole number from 1"):
        make({"reward_model": {"ground_truth": info["problem"]}}, max_turns=most)


def test_after_its_end_an_episode_takes_no_answer():
    _, info = gym.make("Countdown-v0").reset(seed=0)
    made = make({"reward_model": {"ground_truth": info["problem"]}})
    made.init([])
    assert made.step("\ud800" + "a" * 2_000_000)["reward"] == 0.0
    with pytest.raises(gym.error.ResetNeeded):
        made.step("again")
