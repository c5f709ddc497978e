"""Frontier against numbers worked by hand."""

import numpy as np
import pytest

from edgewise.wrappers.rules.frontier import Frontier
from edgewise.wrappers.rules.probability import beta_quantiles, largest_draw
from edgewise.wrappers.rules.signal import Updated


def outcomes(right, length, size=8):
    """Groups of `size` with so many right, of completions of that many characters."""
    return np.array([[float(k), float(size), float(0 < k < size), length] for k in right])


def told(rule):
    """Two steps: arm 0 has 16 and 24 of 32 right, arm 1 has 1 and 2 of 32 and is half as long."""
    rule.start(2)
    for first, second in (([4, 4, 4, 4], [1, 0, 0, 0]), ([8, 6, 5, 5], [1, 1, 0, 0])):
        signal = np.concatenate([outcomes(first, 20.0), outcomes(second, 10.0)])
        rule.update(np.repeat([0, 1], 4), signal)
    return rule


def test_beliefs_decay_and_revert():
    # right .95 (16 + 1) + 24 + 1 = 41.15, .95 (1 + 1) + 2 + 1 = 4.9, of .95 (32 + 2) + 34 = 66.3
    a, b = told(Frontier()).beliefs()
    np.testing.assert_allclose(a, [42.15, 5.9])
    np.testing.assert_allclose(a + b, [68.3, 68.3])
    a, b = told(Frontier(mass=0.0, strength=4.0)).beliefs()  # priors 4 x .85, 4 x .05
    np.testing.assert_allclose(a, [1 + 3.4 + 39.2, 1 + 0.2 + 2.95])
    np.testing.assert_allclose(a + b, 2 + 4 + 62.4)


def test_worth_worked_by_hand():
    # chances (.978500, .514587); lengths 20 and 10 in a mean of 15; slopes .25 and 1 / 32
    np.testing.assert_allclose(
        told(Frontier(gain="none", per_length=False)).arm_values(), [0.978500, 0.514587], atol=5e-7
    )
    np.testing.assert_allclose(
        told(Frontier(gain="none")).arm_values(), [0.733875, 0.771881], atol=5e-7
    )
    rule = told(Frontier())
    np.testing.assert_allclose(rule.gains(), [8 / 9, 1 / 9], atol=1e-6)
    np.testing.assert_allclose(rule.arm_values(), [1.386208, 0.857645], atol=1e-6)


def test_the_gain_of_an_update():
    # means .06 and -.02, of |.08|; a loss halves at most, with gamma 4
    rule = Frontier(gain="update", gain_weight=4.0, per_length=False)
    rule.start(2)
    utilities = np.array([[0.05, 0.07], [-0.02, -0.02]])
    rule.learn_after(np.array([0, 1]), Updated(utilities, np.zeros((2, 2)), np.ones((2, 2), bool)))
    np.testing.assert_allclose(rule.gains(), [0.75, -0.25], atol=1e-6)
    even = np.full(2, 0.5)
    np.testing.assert_allclose(rule.worth(even), 0.9921875 * np.array([2.0, 0.5]))
    assert rule.learns_after and not Frontier().learns_after


def test_softmax_draws_in_proportion_to_worth_above_a_floor():
    # .733875 and .771881 of 1.505756
    rule = told(Frontier(gain="none", draw="softmax"))
    np.testing.assert_allclose(rule.probabilities(), [0.487380, 0.512620], atol=1e-6)
    # worth 0 and .9922: floor .1 of 1.1
    rule = Frontier(gain="none", draw="softmax", floor=0.2, mass=0.0, decay=1.0)
    rule.start(2)
    rule.counts[:] = [[0, 1e7], [1e9, 2e7]]
    np.testing.assert_allclose(rule.probabilities(), [1 / 11, 10 / 11], atol=1e-4)


def test_thompson_is_the_chance_of_the_largest_draw():
    rule, rng = told(Frontier(floor=0.0)), np.random.default_rng(0)
    drawn = rule.worth(rng.beta(*rule.beliefs(), size=(20_000, 2)))
    np.testing.assert_allclose(
        rule.probabilities()[0], (drawn[:, 0] > drawn[:, 1]).mean(), atol=0.015
    )


def test_one_lucky_completion_does_not_make_an_arm():
    # SEC's mean |A| of one in eight is .62, two thirds of the largest, at once
    rule = Frontier(gain="none")
    rule.start(2)
    for step in range(20):
        lucky = 1 if step == 19 else 0
        rule.update(np.array([0, 1]), outcomes([4, lucky], 10.0))
    assert rule.probabilities()[1] < 0.05


def test_an_arm_that_starved_comes_back():
    rule = Frontier(gain="none")
    rule.start(2)
    for _ in range(20):
        rule.update(np.array([0, 1]), outcomes([4, 0], 10.0))
    starved = rule.probabilities()[1]
    for _ in range(200):
        rule.update(np.array([0]), outcomes([7], 10.0))
    assert starved < 0.05 and rule.probabilities()[1] > 0.3


def test_quantiles_of_beta():
    # Beta(1, 1) is uniform, the quantile of Beta(2, 1) is sqrt, that of Beta(1, 300) known too
    levels = np.array([0.05, 0.5, 0.9])
    found = beta_quantiles(np.array([1.0, 2.0, 1.0]), np.array([1.0, 1.0, 300.0]), levels)
    expected = [levels, np.sqrt(levels), 1 - (1 - levels) ** (1 / 300)]
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_the_largest_draw():
    # arm 0 draws .3 or .1, arm 1 .2; equal arms share
    np.testing.assert_allclose(largest_draw(np.array([[0.1, 0.3], [0.2, 0.2]])), [0.5, 0.5])
    np.testing.assert_allclose(largest_draw(np.array([[0.3, 0.1], [0.3, 0.3]])), [0.25, 0.75])
    np.testing.assert_allclose(largest_draw(np.zeros((5, 4))), 0.2)
    np.testing.assert_allclose(largest_draw(np.zeros((1, 4))), 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Frontier(gain="gradient"), "`gain` must be one of none, progress, update"),
        (lambda: Frontier(draw="greedy"), "`draw` must be one of thompson, softmax"),
        (lambda: Frontier(decay=0), r"`decay` must be in \(0, 1\], got 0"),
        (lambda: Frontier(strength=-1), "`strength` must be at least 0, got -1"),
        (lambda: Frontier(window=1), "`window` must be at least 2, got 1"),
        (lambda: Frontier(temperature=0), "`temperature` must be positive, got 0"),
        (lambda: Frontier(floor=2), r"`floor` must be in \[0, 1\], got 2"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
