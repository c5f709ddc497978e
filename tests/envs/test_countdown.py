import hashlib

import gymnasium as gym
import pytest

from edgewise.envs.countdown import Countdown, Problem
from edgewise.task import Unsolvable

PROBLEM = Problem((4, 1, 8, 7), 24, "(8 - 4) * (7 - 1)")


@pytest.mark.parametrize(
    "answer",
    [
        "(8 - 4) * (7 - 1)",
        "(7-1)*(8-4)",
        "-(4 - 8)*(7 - 1)",
        r"(8-4) \times (7-1)",
        " (8−4)×(7−1) ",
    ],
)
def test_every_right_form_counts(answer):
    assert Countdown().verify(PROBLEM, answer)


@pytest.mark.parametrize(
    "answer", ["8 * 4 - 7", "8 * 4 - 8", "(8 - 4) * 7 - 4", "24", "4*1*8*7/7-8+0"]
)
def test_near_misses_do_not(answer):
    assert not Countdown().verify(PROBLEM, answer)


def test_fractions_are_exact():
    assert Countdown().verify(Problem((8, 8, 3, 3), 24, ""), "8 / (3 - 8 / 3)")


def test_power_is_not_an_operation():
    assert not Countdown().verify(Problem((2, 3), 8, ""), "2 ** 3")


def test_prompt_of_the_paper():
    prompt = Countdown().prompt(Problem((5, 17, 91), 113, ""), Countdown.presets["sec"].template)
    assert prompt == (
        "Using the numbers [5, 17, 91], create an equation that equals 113. You can only use basic "
        "arithmetic operations (+, -, *, /) and each number should be used exactly once. Return "
        r"the final answer in \boxed{}, for example \boxed{(1 + 2) / 3}."
    )


@pytest.mark.parametrize("numbers", [(8, 8, 3, 3), (1, 3, 4, 6), (5, 5, 5, 1), (4, 1, 8, 7)])
def test_a_missing_solution_is_searched(numbers):
    problem = Problem(numbers, 24)
    assert Countdown().verify(problem, Countdown().solve(problem))


def test_the_search_ends():
    with pytest.raises(Unsolvable, match="cannot be made"):
        Countdown().solve(Problem((1, 1, 1, 1), 99))


def test_the_test_set_is_frozen():
    env = gym.make("Countdown-v0", split="test").unwrapped
    posed = [env.pose({"level": 2, "params": {}, "problem_seed": seed})[0] for seed in range(200)]
    text = "\n".join(map(env.task.canonical, posed))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "6df8836c17a18507"
