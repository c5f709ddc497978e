"""Intervals worked by hand, and how often they hold the truth."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from edgewise.benchmarks.evaluation.intervals import Stratum, estimate, rates_of


def test_problems_are_what_counts_and_not_completions():
    # rates 1, .5, 0, .5: variance .1667, standard error .2041, as 6 of 4 problems: no more than 4 count
    # with t(3) = 3.182 and n = 4: centre .5, half 3.182 / 2 / sqrt(4 + 10.13)
    rates = np.array([1, 0.5, 0, 0.5])
    found = estimate([Stratum(rates)])
    assert (found.low, found.high) == pytest.approx((0.0767, 0.9233), abs=1e-3)
    wide = estimate([Stratum(np.repeat([1.0, 0.0], 50))], most=800)
    alike = estimate([Stratum(np.full(100, 0.5))], most=800)
    # 8 samples each: 800 if no problem is like another, 100 if all samples of a problem are the same
    assert wide.high - wide.low == pytest.approx(2 * 1.984 * 0.0493, abs=2e-3)
    assert alike.high - alike.low == pytest.approx(2 * 1.984 * 0.0176, abs=2e-3)


def test_an_interval_at_the_end_has_a_width():
    # Wilson's at 0 of n is [0, z2 / (n + z2)], with t(199) squared = 3.8886
    found = estimate([Stratum(np.zeros(200))], most=1600)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(3.8886 / 203.8886, abs=1e-5)


def test_strata_weigh_as_they_are_told():
    strata = [Stratum(np.array([1.0, 1.0]), 3), Stratum(np.array([0.0, 0.0]), 1)]
    assert estimate(strata).value == 0.75


@pytest.mark.parametrize("mean", [0.02, 0.2, 0.5, 0.95])
def test_ninety_five_of_a_hundred_hold_the_truth(mean):
    rng, num_runs, held, naive = np.random.default_rng(0), 500, 0, 0
    for _ in range(num_runs):
        chances = rng.beta(mean * 2, (1 - mean) * 2, size=200)  # problems differ
        rates = rng.binomial(8, chances) / 8
        found = estimate([Stratum(rates)], most=1600)
        held += found.low <= mean <= found.high
        half = 1.96 * np.sqrt(rates.mean() * (1 - rates.mean()) / 1600)
        naive += abs(rates.mean() - mean) <= half
    assert 0.92 < held / num_runs < 0.98
    assert naive / num_runs < 0.85  # as if all completions were independent


def test_pass_at_k_of_each_problem():
    # 1 of 4 right: one of two is right in 3 of 6 pairs
    assert rates_of([[True, False, False, False], [False] * 4], 2).tolist() == [0.5, 0.0]


def test_a_small_stratum_of_great_weight_is_not_diluted_by_a_large_one():
    # equal weights: the standard error is that of 1 / (.25 / 30 + .25 / 600) = 114 problems, not 630
    ends = estimate([Stratum(np.ones(30)), Stratum(np.ones(600))])
    z2 = 1.9637**2  # of t(628)
    assert 1 - ends.low == pytest.approx(z2 / (1 / (0.25 / 30 + 0.25 / 600) + z2), abs=1e-4)
