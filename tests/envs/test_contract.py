"""What every registered environment owes its users."""

import json
import pickle
import subprocess
import sys
import time

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env

import edgewise

SPECS = [s for s in gym.registry.values() if str(s.entry_point) == "edgewise.env:ReasoningEnv"]
SPLITS = ("train", "validation", "test")
LADDERS = [
    (spec.id, preset, level)
    for spec in SPECS
    for preset, ladder in gym.make(spec.id).unwrapped.task.presets.items()
    for level in ladder.levels
]
HOSTILE = [
    "", "?", "()", "9" * 10_000, "(" * 199, "[" * 10_000, "1/0", "None", "1and 2", "3(4)", "9**9**9",
    "²", "é", "\0", "\ud800", "\\", "nan", "inf", "-" * 199 + "1", "{}{0}%s", "a" * 100_000,
]  # fmt: skip


@pytest.fixture(params=[spec.id for spec in SPECS])
def env(request):
    return gym.make(request.param)


@pytest.fixture(params=LADDERS, ids=lambda ladder: "-".join(map(str, ladder)))
def ladder(request):
    env_id, preset, level = request.param
    return gym.make(env_id, preset=preset, levels=(level,), allow_ood=True).unwrapped


def problems(env, count, start=0):
    level = env.levels[0]
    for seed in range(start, start + count):
        yield env.pose({"level": level, "params": {}, "problem_seed": seed})[0]


def test_gymnasium_accepts_it(env):
    check_env(env.unwrapped)


def test_module_is_imported_once(env):
    assert type(env.unwrapped.task).__module__.startswith("edgewise.envs.")


def test_tasks_and_problems_are_frozen_and_pickle(ladder):
    hash(ladder.task)
    for problem in problems(ladder, 20):
        assert pickle.loads(pickle.dumps(problem)) == problem
        hash(problem)


def test_solution_is_right(ladder):
    for problem in problems(ladder, 20):
        assert ladder.task.verify(problem, ladder.task.solve(problem)) is True


def test_demonstration_earns_the_full_reward(ladder):
    posed = list(problems(ladder, 20))
    texts = [ladder.demonstrate(problem) for problem in posed]
    outcomes = ladder.score(posed, [()] * 20, texts)
    assert {outcome.reward for outcome in outcomes} == {ladder.preset.rewards[0]}


def test_name_replays_the_problem(ladder):
    ladder.reset(seed=0)
    prompt, info = ladder.reset()
    assert edgewise.pose(info["problem"]).render() == prompt
    name = json.loads(info["problem"])
    options = {key: name[key] for key in ("level", "params", "problem_seed")}
    assert ladder.reset(options=options) == (prompt, info)


def test_name_of_another_version_raises(ladder):
    name = json.loads(ladder.reset(seed=0)[1]["problem"])
    with pytest.raises(ValueError, match="must be of this version"):
        edgewise.pose(json.dumps({**name, "key": "0" * 16}))


def test_same_seed_same_problem_in_another_process(env):
    code = f"import gymnasium as gym, edgewise; print(repr(gym.make({env.spec.id!r}).reset(seed=3)[0]))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == repr(env.reset(seed=3)[0])


def test_every_problem_lies_in_its_split(ladder):
    for split in SPLITS:
        env = gym.make(ladder.spec, split=split).unwrapped
        assert {env.task.split_of(problem) for problem in problems(env, 20)} == {split}


def test_neighbouring_seeds_share_no_problems(ladder):
    assert len(set(problems(ladder, 50)) & set(problems(ladder, 50, start=50))) < 25


@pytest.mark.parametrize("answer", HOSTILE)
def test_verify_survives_any_text(env, answer):
    base = env.unwrapped
    env.reset(seed=0)
    times = []
    for _ in range(3):
        start = time.process_time()
        assert base.task.verify(base.problem, answer) is False
        times.append(time.process_time() - start)
    assert min(times) < 0.1


@pytest.mark.parametrize("split", SPLITS)
def test_generation_is_fast(ladder, split):
    env = gym.make(ladder.spec, split=split).unwrapped
    start = time.process_time()
    for _ in problems(env, 50):
        pass
    assert (time.process_time() - start) / 50 < 0.02


def test_unknown_keywords_and_options_raise(env):
    with pytest.raises(TypeError, match="bogus"):
        gym.make(env.spec.id, bogus=1)
    with pytest.raises(ValueError, match="bogus"):
        env.reset(options={"bogus": 1})


def test_levels_must_exist(env):
    with pytest.raises(ValueError, match=r"`levels` must be among .* got \(99,\)"):
        gym.make(env.spec.id, levels=(99,))


def test_training_on_ood_levels_must_be_allowed(env):
    ood = env.unwrapped.preset.ood
    with pytest.raises(ValueError, match="`levels` must be among"):
        gym.make(env.spec.id, levels=ood)
    with pytest.raises(ValueError, match="`level` must be in"):
        env.reset(options={"level": ood[0]})
    assert gym.make(env.spec.id, levels=ood, split="test").reset(seed=0)
