import json
from dataclasses import fields

import numpy as np
import pytest

from edgewise.wrappers import (
    SIGNALS,
    AdvantageAndSuccess,
    Groups,
    Learnability,
    MeanAbsAdvantage,
    MeanReward,
    Progress,
    Random,
    RewardVariance,
    SuccessRate,
)
from edgewise.wrappers.lessons.kinds import of_arms, of_groups
from edgewise.wrappers.rules.signal import group_advantages

ARMS = np.array([0, 1])


def groups(*rewards):
    """Groups with rewards of SEC: 1 right, .1 wrong, 0 without an answer."""
    earned = np.array(rewards)
    return Groups(
        earned, earned == 1, np.abs(group_advantages(earned)), np.ones(earned.shape, np.int64)
    )


def test_signals_worked_by_hand():
    told = groups([1, 1, 0.1, 0], [0.1, 0.1, 0, 0])
    np.testing.assert_allclose(MeanReward()(told, ARMS), [0.525, 0.05])
    np.testing.assert_allclose(SuccessRate()(told, ARMS), [0.5, 0.0])
    np.testing.assert_allclose(Learnability()(told, ARMS), [0.25, 0.0])
    # deviations of the second: .05 each, 4 x .0025 / 3
    np.testing.assert_allclose(RewardVariance()(told, ARMS)[1], 0.01 / 3)
    # .05 / sqrt(.01 / 3)
    np.testing.assert_allclose(AdvantageAndSuccess()(told, ARMS)[1], [0.8660, 0.0], atol=5e-5)


@pytest.mark.parametrize("wrong", [0.0, 0.1])
def test_the_mean_advantage_of_every_number_of_right_ones(wrong):
    # k of 8 right: sqrt(7 k (8 - k)) / 32, whatever right and wrong earn
    told = groups(*([1.0] * k + [wrong] * (8 - k) for k in range(9)))
    expected = [0, 0.619, 0.810, 0.906, 0.935, 0.906, 0.810, 0.619, 0]
    signal = MeanAbsAdvantage()(told, np.arange(9))
    np.testing.assert_allclose(signal, expected, atol=5e-4)


def test_a_signal_does_not_see_the_order_of_completions_nor_of_problems():
    told, order = groups([1, 1, 0.1, 0], [0.1, 1, 0, 0]), [2, 0, 3, 1]
    for name, kind in SIGNALS.items():
        one, other = kind(), kind()
        one.start(2), other.start(2)
        moved = Groups(*(getattr(told, f.name)[::-1][:, order] for f in fields(Groups)))
        np.testing.assert_allclose(other(moved, ARMS[::-1])[::-1], one(told, ARMS), err_msg=name)


def test_one_completion_has_no_variance():
    assert RewardVariance()(groups([1], [0]), ARMS).tolist() == [0, 0]


def test_progress_is_the_change_of_an_arm_since_it_was_last_posed():
    signal = Progress(of=SuccessRate())
    signal.start(2)
    assert signal(groups([1, 1], [1, 0]), np.array([0, 0])).tolist() == [1.0, 0.5]
    # the mean of arm 0 was .75
    assert signal(groups([1, 0], [1, 1]), ARMS).tolist() == [-0.25, 1.0]
    again = Progress(of=SuccessRate())
    again.start(2)
    again.load_state_dict(json.loads(json.dumps(signal.state_dict())))
    now = groups([1, 1], [0, 0])
    assert again(now, ARMS).tolist() == signal(now, ARMS).tolist() == [0.5, -1.0]


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_are_finite_and_of_each_problem(name):
    signal = SIGNALS[name]()
    signal.start(2)
    told = signal(groups([0, 0, 0], [1, 1, 1]), ARMS)
    assert len(told) == 2 and np.isfinite(told).all()


def test_shaped_rewards_differ_where_nothing_is_right():
    rule = Random()
    rule.start(2)
    half = [0.1] * 4 + [0.0] * 4
    told = groups(half, half)
    metrics = {**of_groups(told), **of_arms(ARMS, told, rule)}
    assert metrics["abs_advantage"] == pytest.approx(0.935, abs=5e-4)
    assert metrics["effective_prompt_ratio"] == 1.0
    assert metrics["abs_advantage_correct"] == metrics["effective_prompt_ratio_correct"] == 0.0
    assert metrics["arm/0_accuracy"] == 0.0 and metrics["distance_from_uniform"] == 0.0
