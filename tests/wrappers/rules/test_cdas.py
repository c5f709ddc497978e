"""CDAS against numbers worked by hand."""

import numpy as np
import pytest

from edgewise.wrappers import Groups
from edgewise.wrappers.rules.cdas import CDAS


def groups(*right, size=4):
    correct = np.arange(size) < np.array(right)[:, None]
    return Groups(
        correct.astype(float), correct, np.zeros(correct.shape), np.ones(correct.shape, np.int64)
    )


def test_difficulty_and_ability_worked_by_hand():
    # expected .5: d = (.25, -.5) / 2; R = .125 / 2
    rule = CDAS()
    rule.start(["a", "b"], [0.0, 0.0])
    rule.observe(["a", "b"], groups(1, 4))
    np.testing.assert_allclose(rule.levels, [0.125, -0.25])
    assert rule.ability == pytest.approx(0.0625)
    # expected (.484380, .577495), s = 3
    rule.observe(["a", "b"], groups(2, 4))
    np.testing.assert_allclose(rule.levels, [0.078127, -0.307502], atol=5e-7)
    assert rule.ability == pytest.approx(0.114687, abs=5e-7)


def test_half_of_a_batch_is_from_each_side_and_the_other_fills_a_lack():
    rule, rng = CDAS(), np.random.default_rng(0)
    rule.start(list("abcdef"), [0.0] * 6)
    rule.visits[:] = 1
    rule.levels = np.array(
        [-0.3, -0.2, 0.0, 0.1, 0.4, 0.9]
    )  # R = 0: three at or below, three above
    assert rule.propose(4, rng) == ["c", "b", "d", "e"]
    assert rule.propose(3, rng) == ["c", "b", "d"]
    rule.ability = 0.5  # one above
    assert rule.propose(4, rng) == ["e", "d", "c", "f"]
    rule.ability = 1.0
    assert set(rule.propose(6, rng)) == set("abcdef")
    rule.ability = -1.0
    assert rule.propose(2, rng) == ["a", "b"]


def test_the_first_batch_is_random():
    rule = CDAS()
    rule.start(list("abcd"), [0.0, 30.0, 60.0, 100.0])
    first = {rule.propose(1, np.random.default_rng(seed))[0] for seed in range(40)}
    assert first == set("abcd")
