"""A curriculum works on any environment, under and over other wrappers, with any agent."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import ClipReward, RecordEpisodeStatistics, TimeLimit, TransformReward
from gymnasium.wrappers import vector as gymnasium_vector

from edgewise.wrappers import SEC, Curriculum, vector

MEMBERS = [{"id": "Countdown-v0", "levels": (1, 2)}, {"id": "Blocksworld-v0", "levels": (1,)}]


def single(around, beneath, **options):
    """An environment under a curriculum of groups of 2, between other wrappers."""
    return around(Curriculum(beneath(gym.make(**options)), SEC(), group_size=2))


def play(env, num_episodes):
    """An agent that has heard of `reset` and `step`: every second answer is right."""
    infos = []
    for episode in range(num_episodes):
        infos.append(env.reset(seed=0 if episode == 0 else None)[1])
        base = env.unwrapped
        problem = base.problem[1] if isinstance(base.problem, tuple) else base.problem
        env.step("?" if episode % 2 else rf"\boxed{{{getattr(problem, 'solution', None)}}}")
    return infos


@pytest.mark.parametrize("around", [lambda env: env, lambda env: ClipReward(env, 0.0, 0.5)])
@pytest.mark.parametrize(
    "beneath", [lambda env: env, lambda env: TimeLimit(env, 5), RecordEpisodeStatistics]
)
@pytest.mark.parametrize("options", [{"id": "Countdown-v0"}, {"id": "Mixture-v0", "envs": MEMBERS}])
def test_an_agent_that_never_heard_of_curricula_teaches_it(options, beneath, around):
    env = single(around, beneath, **options)
    infos = play(env, 12)
    arms = [info["arm"] for info in infos]
    assert arms[::2] == arms[1::2] and set(arms) <= set(range(3))
    rule = env.get_wrapper_attr("lesson").rule
    posed = [arm for arm, info in zip(arms, infos, strict=True) if "Countdown" in info["problem"]]
    assert all(rule.values[arm] > 0 for arm in set(posed[:-2]))  # one right of two
    state = env.get_wrapper_attr("state_dict")()
    assert state["rule"]["values"] == rule.values.tolist()


def test_rewards_that_another_wrapper_changes_are_those_that_teach():
    changed = lambda env: TransformReward(env, lambda reward: 1.0)  # noqa: E731
    env = single(lambda env: env, changed, id="Countdown-v0")
    play(env, 6)
    assert env.lesson.rule.values.tolist() == [0, 0, 0]  # all rewards are the same


@pytest.mark.parametrize("options", [{"id": "Countdown-v0"}, {"id": "Mixture-v0", "envs": MEMBERS}])
@pytest.mark.parametrize(
    "around", [lambda envs: envs, lambda envs: gymnasium_vector.ClipReward(envs, 0.0, 0.5)]
)
@pytest.mark.parametrize(
    "beneath",
    [lambda envs: envs, gymnasium_vector.RecordEpisodeStatistics, vector.PromptFormat],
)
def test_many_environments_under_and_over_other_wrappers(options, beneath, around):
    made = gym.make_vec(num_envs=16, group_size=4, **options)
    envs = around(curriculum := vector.Curriculum(beneath(made), SEC()))
    for step in range(3):
        _, infos = envs.reset(seed=0 if step == 0 else None)
        assert (
            infos["arm"].shape == (16,) and (np.ptp(infos["arm"].reshape(4, 4), axis=1) == 0).all()
        )
        problems = [p[1] if isinstance(p, tuple) else p for p in envs.unwrapped.problems]
        solutions = [rf"\boxed{{{getattr(problem, 'solution', None)}}}" for problem in problems]
        envs.step([text for solution in solutions for text in (solution, "?", "?", "?")])
    metrics = vector.teach(envs, np.ones((4, 4)))
    assert sum(metrics[f"arm/{arm}_count"] for arm in range(3)) == 4
    assert curriculum.lesson.rule.values.max() > 0
    assert [record["place"] for record in curriculum.records()] == [0, 1, 2, 3]
