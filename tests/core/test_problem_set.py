"""Rows are posed once an epoch, and a state continues where it stopped."""

from dataclasses import dataclass

import gymnasium as gym

import edgewise
from edgewise import Preset, ProblemSet, ReasoningEnv

ROWS = {
    ("train", "a"): tuple(range(5)),
    ("train", "b"): tuple(range(10, 13)),
    ("validation", "a"): (100,),
    ("test", "a"): (5, 6),
    ("test", "b"): (7,),
}


@dataclass(frozen=True)
class Table(ProblemSet[int]):
    presets = {"toy": Preset("{}", {1: {"part": "a"}, 2: {"part": "b"}})}

    def rows(self, split, *, part):
        return ROWS[split, part]

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return answer == str(problem)

    def solve(self, problem):
        return str(problem)


def draw(env, count, **options):
    return [int(env.reset(options=options or None)[0]) for _ in range(count)]


def test_rows_are_drawn_without_replacement():
    env = ReasoningEnv(Table)
    env.reset(seed=1, options={"level": 2})
    one, two = draw(env, 5, level=1), draw(env, 5, level=1)
    assert sorted(one) == sorted(two) == [0, 1, 2, 3, 4] and one != two


def test_the_problem_seed_is_the_row_and_splits_are_official():
    env = ReasoningEnv(Table, split="test")
    prompt, info = env.reset(options={"level": 1, "problem_seed": 1})
    assert prompt == "6" and info["problem_seed"] == 1


def test_state_continues_the_order():
    env, again = ReasoningEnv(Table), ReasoningEnv(Table)
    env.reset(seed=0)
    draw(env, 3)
    again.load_state_dict(env.state_dict())
    assert draw(again, 12) == draw(env, 12)


def test_a_mixture_has_an_arm_for_each_task_and_level():
    members = ["Countdown-v0", {"id": "Countdown-v0", "preset": "e2h", "levels": (1, 2)}]
    env = gym.make("Mixture-v0", envs=members)
    arms = env.get_wrapper_attr("arms")
    assert len(arms) == 5 and arms[3] == {"env": 1, "level": 1}
    prompt, info = env.reset(seed=0, options=arms[3])
    assert "<answer>" in prompt and edgewise.pose(info["problem"]).render() == prompt
    solution = env.unwrapped.problem[1].solution
    assert env.step(f"<think>.</think><answer>{solution}</answer>")[1] == 1.0


def test_a_mixture_is_posed_in_groups():
    envs = gym.make_vec("Mixture-v0", num_envs=32, group_size=2, envs=["Countdown-v0"] * 2)
    prompts, info = envs.reset(seed=0)
    assert set(info["env"].tolist()) == {0, 1} and prompts[0] == prompts[1]
    again = gym.make_vec(gym.envs.registration.EnvSpec.from_json(envs.spec.to_json()))
    assert again.reset(seed=0)[0] == prompts
