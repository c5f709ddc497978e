"""Whether numbers can make a target, against every expression, and against what is known of ones."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

from edgewise.envs.countdown.file import is_reachable
from edgewise.envs.countdown.task import Countdown


def every(values):
    """All values of all expressions over `values`, by joining two at a time."""
    if len(values) == 1:
        return {values[0]}
    found = set()
    for i, j in permutations(range(len(values)), 2):
        rest = [value for place, value in enumerate(values) if place not in (i, j)]
        one, two = values[i], values[j]
        made = {one + two, one - two, one * two} | ({one / two} if two else set())
        found.update(*(every([*rest, value]) for value in made))
    return found


@pytest.mark.parametrize(("count", "largest"), [(1, 9), (2, 9), (3, 9), (4, 3), (4, 9)])
def test_it_is_what_trying_every_expression_finds(count, largest):
    rng = np.random.default_rng([count, largest])
    for _ in range(3 if count < 4 else 1):
        numbers = rng.integers(largest + 1, size=count).tolist()
        made = every(list(map(Fraction, numbers)))
        targets = {*range(60), *(int(value) for value in made if value >= 0)}
        for target in sorted(targets)[:500]:
            assert is_reachable(numbers, target) == (target in made), (numbers, target)


@pytest.mark.parametrize(("count", "most"), [(2, 2), (3, 3), (4, 4), (5, 6), (6, 9)])
def test_of_ones_it_is_as_far_as_is_known(count, most):
    """Of n ones the largest value is 3 ** (n / 3) where n is a multiple of 3, as for six: 9."""
    tried = range(most - 1, most + 3)
    assert [is_reachable((1,) * count, target) for target in tried] == [True, True, False, False]


@pytest.mark.parametrize("num_numbers", [5, 6])
def test_what_an_expression_makes_is_reached(num_numbers):
    rng = np.random.default_rng(num_numbers)
    for _ in range(4):
        problem = Countdown().generate(rng, num_numbers=num_numbers, max_target=5_000)
        assert is_reachable(problem.numbers, problem.target)


def test_zeros_and_large_numbers_are_exact():
    assert is_reachable((0, 0, 5), 0) and is_reachable((0, 5), 5) and not is_reachable((0, 0), 1)
    near = 10**9
    assert is_reachable((near, near, near, near), near**4)
    assert not is_reachable((near, near, near, near), near**4 - 1)
    assert is_reachable((3, 3, 8, 8), 24)  # 8 / (3 - 8 / 3), through a fraction
