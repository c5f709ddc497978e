"""Where arms have an end, `random` draws as if all their problems were shuffled together."""

import pytest

torch = pytest.importorskip("torch")

from edgewise import Preset, ReasoningVectorEnv  # noqa: E402
from edgewise.agents.training.parts import CurriculumPart, arm_sizes  # noqa: E402
from edgewise.problem_set import ProblemSet  # noqa: E402


class Rows(ProblemSet[int]):
    """As many numbers as a level says."""

    presets = {"toy": Preset("{}", {1: {"count": 5}, 2: {"count": 15}})}

    def rows(self, split, *, count):
        return tuple(range(count))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return answer == str(problem)

    def solve(self, problem):
        return str(problem)


def test_random_is_told_the_sizes_of_the_arms():
    envs = ReasoningVectorEnv(4, task=Rows)
    assert arm_sizes(envs) == [5, 15]
    rule = CurriculumPart("random", 3).make(envs)
    rule.start(2)
    assert rule.probabilities().tolist() == [0.25, 0.75]
    given = CurriculumPart("random:sizes=[1,1]", 3).make(envs)
    assert given.sizes == (1, 1)


def test_arms_without_an_end_are_all_alike(bandit):
    envs = ReasoningVectorEnv(4, task=bandit.Echo)
    assert arm_sizes(envs) is None
    assert CurriculumPart("random", 3).make(envs).sizes is None
