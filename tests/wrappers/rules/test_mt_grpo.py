"""MT-GRPO's weights against numbers worked by hand."""

import numpy as np
import pytest

from edgewise.wrappers.rules.mt_grpo import MTGRPO
from edgewise.wrappers.rules.signal import Updated


def updated(*gains, size=2):
    """Groups whose updated policy raised the mean of A times the ratio by each of `gains`."""
    advantages = np.tile([1.0, -1.0][:size], (len(gains), 1))
    ratios = 1 + advantages * np.array(gains)[:, None]
    return Updated(advantages, np.log(ratios), np.ones(ratios.shape, bool))


def test_mass_moves_to_arms_that_are_low_and_do_not_improve():
    # I = (.1, 0, .2), J = (.2, .6, .4): s = (.15, .15, .3), g = (-1, -1, 2) / 60
    rule = MTGRPO(optimizer="gradient", learning_rate=1.0, clip=0.5)
    rule.start(3)
    arms = np.arange(3)
    rule.update(arms, np.array([0.2, 0.6, 0.4]))
    rule.learn_after(arms, updated(0.1, 0.0, 0.2))
    np.testing.assert_allclose(rule.logits, [1 / 60, 1 / 60, -2 / 60], atol=1e-12)
    np.testing.assert_allclose(rule.probabilities(), [0.338842, 0.338842, 0.322316], atol=5e-7)
    # I = .1, J = (.3, .6, .6): g = (-.016802, .008611, .008191)
    before = rule.logits
    rule.update(arms, np.array([0.3, 0.6, 0.6]))
    rule.learn_after(arms, updated(0.1, 0.1, 0.1))
    np.testing.assert_allclose(before - rule.logits, [-0.016802, 0.008611, 0.008191], atol=5e-7)
    np.testing.assert_allclose(rule.probabilities(), [0.344512, 0.335867, 0.319621], atol=5e-7)


def test_the_paper_takes_a_mean_and_a_decay_apart_the_code_a_sum_and_one_in_the_gradient():
    # two groups of two with a gain of .02 each: mean .02, sum .08; clipped to .05
    gains = {}
    for variant in ("paper", "code"):
        rule = MTGRPO(variant=variant, optimizer="gradient", learning_rate=1.0, trade=0, clip=0.05)
        rule.start(2)
        rule.update(np.array([0, 0]), np.zeros(2))
        rule.learn_after(np.array([0, 0]), updated(0.02, 0.02))
        gains[variant] = -4 * rule.logits[0]  # g = 1/2 (I - I / 2)
    np.testing.assert_allclose([gains["paper"], gains["code"]], [0.02, 0.05])


def test_adam_moves_each_weight_by_the_learning_rate_at_first():
    for variant in ("paper", "code"):
        rule = MTGRPO(variant=variant)
        rule.start(3)
        rule.update(np.arange(3), np.array([0.2, 0.6, 0.4]))
        rule.learn_after(np.arange(3), updated(0.0, 0.0, 0.05))
        np.testing.assert_allclose(rule.logits, [0.025, -0.025, -0.025], atol=1e-5)


def test_the_decay_of_weights_is_apart_in_the_paper():
    # no gradient: AdamW shrinks xi by 1 - .025 / 2, Adam takes a whole step against it
    found = []
    for variant in ("paper", "code"):
        rule = MTGRPO(variant=variant, weight_decay=0.5, trade=0.0)
        rule.start(2)
        rule.logits = np.array([1.0, -1.0])
        rule.move(np.zeros(2))
        found.append(rule.logits[0])
    np.testing.assert_allclose(found, [0.9875, 0.975], atol=1e-6)


def test_the_code_averages_rewards():
    # .4 at first, then (.4 + .8) / 2; the paper takes the last
    for variant, expected in (("paper", 0.8), ("code", 0.6)):
        rule = MTGRPO(variant=variant)
        rule.start(2)
        for reward in (0.4, 0.8):
            rule.update(np.array([1]), np.array([reward]))
        np.testing.assert_allclose(rule.rewards, [0.0, expected])


def test_what_was_lost_counts_for_nothing():
    advantages, ratios = np.array([[1.0, -1.0, 0.0]]), np.array([[0.1, 0.0, 5.0]])
    part = Updated(advantages, ratios, np.array([[True, True, False]]))
    np.testing.assert_allclose(part.improvements(), [np.expm1(0.1) / 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda u: Updated(u.advantages * np.nan, u.log_ratios, u.verified), "`advantages` must"),
        (lambda u: Updated(u.advantages, u.log_ratios[:1], u.verified), "`log_ratios` must be of"),
        (lambda u: Updated(u.advantages, u.log_ratios, u.verified[:, :1]), "as `verified`"),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(change, message):
    rule = MTGRPO()
    rule.start(2)
    with pytest.raises(ValueError, match=message):
        rule.learn_after(np.array([0, 1]), change(updated(0.1, 0.1)))
    with pytest.raises(ValueError, match=r"`arms` must be in range\(2\)"):
        rule.learn_after(np.array([0, 2]), updated(0.1, 0.1))
    assert not rule.logits.any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MTGRPO(variant="both"), "`variant` must be one of paper, code"),
        (lambda: MTGRPO(optimizer="sgd"), "`optimizer` must be one of adam, gradient"),
        (lambda: MTGRPO(clip=0), "`clip` must be positive, got 0"),
        (lambda: MTGRPO(trade=-1), "`trade` must be at least 0, got -1"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
