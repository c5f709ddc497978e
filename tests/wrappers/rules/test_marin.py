"""Marin's samplers against numbers worked from their formulas."""

import numpy as np
import pytest

from edgewise.wrappers.rules.marin import MarinGradePrior, MarinLearnability, MarinThompson
from edgewise.wrappers.rules.probability import floored, informative_chance


def told(rule):
    """Two steps of groups of 8: arm 0 has 16 and 24 of 32 right, arm 1 has 1 and 2 of 32."""
    rule.start(2)
    arms = np.repeat([0, 1], 4)
    for right, mixed in (
        ([4, 4, 4, 4, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0]),
        ([8, 6, 5, 5, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1, 0, 0]),
    ):
        rows = [[float(k), 8.0, float(both), 10.0] for k, both in zip(right, mixed, strict=True)]
        rule.update(arms, np.array(rows))
    return rule


def test_counts_decay():
    # solved .95 x 16 + 24, .95 x 1 + 2; samples .95 x 32 + 32; groups .95 x 4 + 4
    rule = told(MarinLearnability(mass=0.0))
    expected = [[39.2, 2.95], [62.4, 62.4], [6.8, 2.95], [7.8, 7.8]]
    np.testing.assert_allclose(rule.counts, expected)
    np.testing.assert_allclose(rule.arm_values(), [0.234568, 0.057573], atol=5e-7)
    curve = told(MarinLearnability(mass=0.0, curve="informative"))
    np.testing.assert_allclose(curve.arm_values(), [0.976550, 0.397325], atol=5e-7)
    np.testing.assert_allclose(
        told(MarinThompson(mass=0.0)).arm_values(), [0.795918, 0.403061], atol=5e-7
    )


def test_reversion_pulls_toward_even_odds():
    # solved .95 (16 + 1) + 24 + 1; samples .95 (32 + 2) + 32 + 2; so too the groups
    rule = told(MarinThompson())
    expected = [[41.15, 4.9], [66.3, 66.3], [8.75, 4.9], [11.7, 11.7]]
    np.testing.assert_allclose(rule.counts, expected)
    np.testing.assert_allclose(rule.arm_values(), [0.711679, 0.430657], atol=5e-7)
    curve = told(MarinLearnability(curve="informative"))
    a, b = curve.beliefs()
    np.testing.assert_allclose(a / (a + b), [0.617130, 0.086384], atol=5e-7)
    np.testing.assert_allclose(curve.arm_values(), [0.978500, 0.514587], atol=5e-7)


def test_the_prior_falls_linearly_over_the_arms():
    rule = MarinGradePrior()
    rule.start(14)
    a, b = rule.beliefs()
    np.testing.assert_allclose(a[[0, 7, 13]], 1 + 8 * np.array([0.85, 0.419231, 0.05]), atol=5e-6)
    np.testing.assert_allclose(a + b, 10)


def test_the_floor_is_of_normalized_weights():
    # .9 / .91, .01 / .91 raised to .025, of 1.014011
    found = floored(np.array([0.9, 0.01]), 0.05)
    np.testing.assert_allclose(found, [0.975345, 0.024655], atol=5e-7)
    np.testing.assert_allclose(floored(np.zeros(4), 0.05), 0.25)


def test_a_mixed_group_needs_both_outcomes():
    # 1 - 2 (1/2)^8; 0 at the ends
    np.testing.assert_allclose(informative_chance(np.array([0.5, 0.0, 1.0]), 8), [0.9921875, 0, 0])


def test_weights_are_drawn_from_the_beliefs_and_kept_until_the_next_draw():
    rule, rng = told(MarinThompson(floor=0.0)), np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        rule.resample(rng)
        drawn.append(rule.drawn)
        np.testing.assert_allclose(rule.probabilities(), rule.drawn / rule.drawn.sum())
    np.testing.assert_allclose(np.mean(drawn, axis=0), [0.711679, 0.430657], atol=0.01)
    again = MarinThompson(floor=0.0)
    again.start(2)
    again.load_state_dict(rule.state_dict())
    np.testing.assert_array_equal(again.probabilities(), rule.probabilities())


def test_a_starved_arm_returns():
    rule = MarinLearnability()
    rule.start(2)
    rule.update(np.zeros(50, int) + 1, np.tile([0.0, 8.0, 0.0, 5.0], (50, 1)))
    barren = rule.probabilities()[1]
    for _ in range(200):
        rule.update(np.array([0]), np.array([[4.0, 8.0, 1.0, 5.0]]))
    assert barren < 0.03 and rule.probabilities()[1] > 0.4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MarinThompson(decay=0), r"`decay` must be in \(0, 1\], got 0"),
        (lambda: MarinThompson(mass=-1), "`mass` must be at least 0, got -1"),
        (lambda: MarinThompson(floor=2), r"`floor` must be in \[0, 1\], got 2"),
        (lambda: MarinLearnability(curve="p"), "`curve` must be one of variance, informative"),
        (lambda: MarinGradePrior(easiest=2), r"`easiest` must be in \[0, 1\], got 2"),
        (lambda: MarinGradePrior(strength=-1), "`strength` must be at least 0, got -1"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
