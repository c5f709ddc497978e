"""How much of a reward is chance, by numbers worked by hand and by games of known noise."""

import numpy as np
import pytest

pytest.importorskip("torch")

from edgewise.agents.soar.check import CheckRow, Noise


def test_the_estimates_by_hand():
    # variances of the rows 2, 2 and 8; means 1, 3 and 8, whose variance is 13
    found = Noise.of(np.array([[0.0, 2.0], [2.0, 4.0], [6.0, 10.0]]))
    assert found.noise**2 == pytest.approx(4) and found.spread**2 == pytest.approx(13 - 4 / 2)
    assert found.mean == 4 and found.reliability == pytest.approx(11 / 13)
    assert found.known == pytest.approx(3 * 11 / 13)


def test_the_estimates_are_those_that_rewards_were_made_of():
    rng = np.random.default_rng(0)
    rewards = rng.normal(0, 0.02, (2_000, 1)) + rng.normal(0, 0.04, (2_000, 4))
    found = Noise.of(rewards)
    assert found.spread == pytest.approx(0.02, rel=0.1) and found.noise == pytest.approx(
        0.04, rel=0.05
    )
    assert found.reliability == pytest.approx(0.5, rel=0.1)


def test_a_spread_below_what_noise_makes_of_none_is_none():
    found = Noise.of(np.array([[0.0, 2.0], [2.0, 0.0]]))
    assert (found.spread, found.reliability, found.known) == (0, 0, 0)
    assert Noise.of(np.zeros((3, 2))).reliability == 0


@pytest.mark.parametrize("shape", [(1, 4), (4, 1)])
def test_one_data_set_or_student_says_nothing(shape):
    with pytest.raises(ValueError, match=rf"got \({shape[0]}, {shape[1]}\)"):
        Noise.of(np.zeros(shape))


def test_a_row_with_a_crash_or_one_student_has_no_noise():
    assert CheckRow("a", [[0.1, None], [0.2, 0.1]], 0.01).noise() is None
    assert CheckRow("a", [[0.1], [0.2]], 0.01).noise() is None
    assert CheckRow("a", [[0.1, 0.3], [0.2, 0.2]], 0.01).noise() == Noise.of(
        np.array([[0.1, 0.3], [0.2, 0.2]])
    )
