"""What episodes of several turns owe: over every environment, with attempts and tools."""

import json
from functools import cache

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import edgewise
from edgewise.env import unwrap
from edgewise.judging import takes_turns
from edgewise.registration import load_task
from edgewise.scoring import score
from edgewise.wrappers import Attempts, Tools, vector

RULES = {"attempts": {"most": 3, "discount": 0.5, "explain": True}, "tools": ["calculator"]}
OWN = [
    ("Blocksworld-v0", {"interactive": True, "max_turns": 3}),
    ("Guess-v0", {}),
]  # turns of their own
IDS = [
    spec.id
    for spec in gym.registry.values()
    if str(spec.entry_point) == "edgewise.env:ReasoningEnv"
    and spec.namespace is None
    and "requires" not in spec.kwargs
    and spec.id != "ARC1D-Dataset-v0"
]
EPISODES = [
    *((env_id, RULES) for env_id in IDS),
    *OWN,
    *((one, {**more, **RULES}) for one, more in OWN),
    ("Countdown-v0", {"attempts": 2}),
    ("Countdown-v0", {"tools": {"tools": ["calculator"], "style": "json", "max_calls": 2}}),
]
HOSTILE = [
    "", "no answer", r"\boxed{?}", "<answer>1</answer>", "<calculator>9^9^9^9</calculator>", "\0\ud800",
    "<think><calculator>1+1</calculator>", r"\boxed{<calculator>2</calculator>}", "<tool_call>{}</tool_call>",
    '<tool_call>{"name": "calculator", "arguments": {"expression": "1/3"}}</tool_call>',
    r"\boxed{" * 300, "9" * 2_000, "<calculator>" * 200 + "</calculator>" * 200,
]  # fmt: skip
MOST = 3 * 60 + 8  # turns of any of them


@pytest.fixture(params=EPISODES, ids=lambda one: "-".join([one[0], *one[1]]))
def episode(request):
    return request.param


def texts_for(env, rng):
    """A hostile text, a wrong answer, or at times the right one."""
    solution = env.task.solve(env.problem)
    right = env.as_completion(rf"\boxed{{{solution}}}")
    return [*HOSTILE, env.as_completion(r"\boxed{0}"), right][int(rng.integers(len(HOSTILE) + 2))]


def played(env, rng):
    """Play an episode; return its actions, and what each led to."""
    actions, steps = [], []
    while not (steps and (steps[-1][2] or steps[-1][3])):
        actions.append(texts_for(unwrap(env), rng))
        steps.append(env.step(actions[-1]))
        assert len(steps) < MOST
    return actions, steps


def test_whatever_is_said_an_episode_ends_once_and_is_paid_at_its_end(episode):
    env_id, options = episode
    env, rng = gym.make(env_id, **options), np.random.default_rng(0)
    for seed in range(4):
        env.reset(seed=seed)
        _, steps = played(env, rng)
        assert [step[1] for step in steps[:-1]] == [0.0] * (len(steps) - 1)
        assert [step[2] or step[3] for step in steps] == [False] * (len(steps) - 1) + [True]
        assert not (steps[-1][2] and steps[-1][3])  # a verdict, or a limit
        assert all(step[0] for step in steps[:-1]) and not steps[-1][0]
        assert all(
            {"correct", "verified", "formatted", "answer"} <= step[4].keys() for step in steps
        )
        with pytest.raises(ResetNeeded):
            env.unwrapped.step("more")


def test_a_name_rebuilds_the_whole_episode_from_its_actions(episode):
    env_id, options = episode
    env, rng = gym.make(env_id, **options), np.random.default_rng(1)
    prompt, info = env.reset(seed=1)
    actions, steps = played(env, rng)
    again = edgewise.pose(info["problem"])
    assert again.render() == prompt
    assert [again.step(action) for action in actions] == steps
    found = score(info["problem"], *actions, "more")
    assert found["reward"] == sum(step[1] for step in steps)
    assert found["correct"] == any(step[4]["correct"] for step in steps)


def test_the_vector_form_is_the_single_one_and_members_end_at_their_own_turns(episode):
    env_id, options = episode
    envs = gym.make_vec(env_id, num_envs=6, group_size=3, **options)
    prompts, infos = envs.reset(seed=2)
    assert [len(set(infos["problem"][i : i + 3])) for i in (0, 3)] == [1, 1]
    singles, expected = [], []
    for i in range(6):
        env = edgewise.pose(infos["problem"][i])
        assert env.render() == prompts[i]
        actions, steps = played(env, np.random.default_rng(i))
        singles.append(actions)
        expected.append(steps)
    for turn in range(max(map(len, singles))):
        actions = [one[turn] if turn < len(one) else "late" for one in singles]
        observations, rewards, terminated, truncated, told = envs.step(actions)
        for i, steps in enumerate(expected):
            if turn < len(steps):
                found = (observations[i], rewards[i], terminated[i], truncated[i])
                assert found == steps[turn][:4]
                assert {key: told[key][i] for key in steps[turn][4]} == steps[turn][4]
            else:
                assert (observations[i], rewards[i], told["_correct"][i]) == ("", 0.0, False)
                assert (terminated[i], truncated[i]) == steps[-1][2:4]
    with pytest.raises(ResetNeeded):
        envs.step(["more"] * 6)


@cache
def levels(env_id):
    return [
        (name, level)
        for name, preset in load_task(gym.spec(env_id).kwargs["task"]).presets.items()
        for level in preset.levels
    ]


@pytest.mark.parametrize("env_id", IDS)
def test_no_explanation_contains_the_solution_or_the_answer(env_id):
    for name, level in levels(env_id):
        env = unwrap(gym.make(env_id, preset=name, allow_ood=True))
        if level not in env.preset.levels:  # a file has as many as its keywords say
            continue
        problems = [env.draw(level, seed) for seed in range(2)]
        solutions = [env.task.solve(problem) for problem in problems]
        for problem, solution in zip(problems, solutions, strict=True):
            wrong = [other for other in solutions if not env.task.verify(problem, other)]
            for answer in (*wrong, *HOSTILE, "no marker", solution[: len(solution) // 2]):
                told = env.task.explain(problem, answer)
                assert isinstance(told, str) and len(told) < 200 and solution not in told
                assert "marker" not in told
                assert env.task.explain(problem, answer) == told


@pytest.mark.parametrize("env_id", IDS)
def test_the_turns_of_a_worked_episode_earn_the_full_reward(env_id):
    for options in ({}, {"interactive": True})[: 1 + (env_id == "Blocksworld-v0")]:
        env = unwrap(
            gym.make(env_id, preset="seedling" if env_id in ("Guess-v0",) else None, **options)
        )
        try:
            env.reset(seed=3)
            env.demonstrate(env.problem)
        except NotImplementedError:
            return
        history = []
        while not (history and history[-1].done):
            answers = [outcome.answer for outcome in history]
            text = env.demonstrate(env.problem, answers)
            history += env.score([env.problem], [history], [text])
        assert history[-1].reward == env.preset.rewards[0]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_wrappers_are_the_keywords_and_are_rebuilt_from_the_spec(order):
    def wrapped(env, where):
        layers = [
            lambda env: where.Attempts(env, 3, discount=0.5, explain=True),
            lambda env: where.Tools(env, ["calculator"]),
        ]
        for place in order:
            env = layers[place](env)
        return env

    env = wrapped(gym.make("Countdown-v0"), edgewise.wrappers)
    by_keyword = gym.make("Countdown-v0", **RULES)
    assert env.reset(seed=0) == by_keyword.reset(seed=0) == gym.make(env.spec).reset(seed=0)
    envs = wrapped(gym.make_vec("Countdown-v0", num_envs=2), vector)
    assert (
        envs.reset(seed=0)[1]["problem"][0]
        == gym.make_vec("Countdown-v0", num_envs=2, **RULES).reset(seed=0)[1]["problem"][0]
    )


def test_wrappers_want_a_reset_are_given_once_and_reach_the_members_of_a_mixture():
    env = gym.make("Countdown-v0")
    env.reset(seed=0)
    env = Attempts(env, 2)
    with pytest.raises(ResetNeeded):
        env.step("1")
    with pytest.raises(ValueError, match="given once"):
        Attempts(env, 2)
    mixed = Tools(gym.make("Mixture-v0", envs=["Countdown-v0", "Guess-v0"]), ["calculator"])
    _, info = mixed.reset(seed=0)
    assert json.loads(info["problem"])["overrides"]["tools"]["max_calls"] == 8
    assert mixed.step("<calculator>1</calculator>")[0] == "<result>1</result>"


def test_what_takes_turns_is_known():
    for env_id, options in EPISODES:
        env = unwrap(gym.make(env_id, **options))
        env.reset(seed=0)
        assert takes_turns(env, env.problem)
    env = unwrap(gym.make("Countdown-v0", attempts=1))
    env.reset(seed=0)
    assert not takes_turns(env, env.problem)
