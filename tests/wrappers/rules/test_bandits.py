from statistics import NormalDist

import numpy as np
import pytest

from edgewise.wrappers import UCB, Regression, Thompson
from edgewise.wrappers.rules.probability import largest_normal


def test_ucb_poses_every_arm_first(taught):
    assert taught(UCB(), 3, {1: 0.8}).probabilities().tolist() == [0.5, 0, 0.5]


def test_ucb_worked_by_hand(taught):
    # N = [.5, 1], X = [.8, .4]; ln 1.5 = .4055: U = [.8 + .9005, .4 + .6368]
    rule = taught(UCB(discount=0.5, exploration=1.0), 2, {0: [0.9, 0.7]}, {1: 0.4})
    np.testing.assert_allclose(rule.arm_values(), [0.8, 0.4])
    assert rule.probabilities().tolist() == [1, 0]
    # with arm 0 posed again and worth nothing: N = [1.25, .5], X = [.2 / 1.25, .4]
    rule.update(np.array([0]), np.array([0.0]))
    np.testing.assert_allclose(rule.arm_values(), [0.16, 0.4])
    assert rule.probabilities().tolist() == [0, 1]


def test_thompson_of_two_arms_worked_by_hand(taught):
    # gain 1 / 1.1: mu = .8 / 1.1, v = .1 / 1.1; P(first larger) = Phi(mu / sqrt(v + 1))
    rule = taught(Thompson(noise=0.1, drift=0.0), 2, {0: [0.7, 0.9]})
    expected = NormalDist().cdf((0.8 / 1.1) / (0.1 / 1.1 + 1) ** 0.5)
    np.testing.assert_allclose(rule.probabilities(), [expected, 1 - expected], atol=1e-4)


def test_thompson_forgets(taught):
    rule = taught(Thompson(drift=0.05), 2, {0: 0.8}, *[{1: 0.1}] * 50)
    assert rule.variances[0] == 1.0 and rule.means[0] == pytest.approx(0.8 / 1.1)


def test_the_largest_of_normals_agrees_with_draws():
    means, variances = np.array([0.2, 0.5, 0.4, 0.9]), np.array([0.5, 0.02, 0.1, 0.01])
    draws = np.random.default_rng(0).normal(means, np.sqrt(variances), (100_000, 4)).argmax(axis=1)
    expected = np.bincount(draws, minlength=4) / 100_000
    np.testing.assert_allclose(largest_normal(means, variances), expected, atol=5e-3)
    np.testing.assert_allclose(largest_normal(np.zeros(3), np.ones(3)), 1 / 3)


def test_regression_of_a_table_is_a_shrunken_mean(taught):
    # theta = (.8 + .4) / (2 + 1); p = 1 / (1 + exp(-.4))
    rule = taught(Regression(features=[[1, 0], [0, 1]], discount=1.0), 2, {0: [0.8, 0.4]})
    np.testing.assert_allclose(rule.arm_values(), [0.4, 0.0])
    np.testing.assert_allclose(rule.probabilities(), [0.5987, 0.4013], atol=5e-5)


def test_regression_infers_an_arm_between_others(taught):
    steps = [{0: 0.1, 1: 0.6, 3: 0.6, 4: 0.1}] * 40
    values = taught(Regression(), 5, *steps).arm_values()
    assert values.argmax() == 2 and values[2] > 0.6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UCB(discount=0), r"`discount` must be in \(0, 1\], got 0"),
        (lambda: UCB(exploration=-1), "`exploration` must be at least 0, got -1"),
        (lambda: Thompson(noise=0), "`noise` must be positive, got 0"),
        (lambda: Thompson(drift=-1), "`drift` must be at least 0, got -1"),
        (lambda: Regression(temperature=0), "`temperature` must be positive, got 0"),
        (lambda: Regression(discount=2), r"`discount` must be in \(0, 1\], got 2"),
        (lambda: Regression(features=[[1]]).start(2), "`features` must be of 2 arms"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
