"""Intervals worked by hand, and how often they hold the truth."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from edgewise.agents.statistics import (
    NUM_RESAMPLES,
    Stratum,
    hierarchical_bootstrap,
    hierarchical_draws,
    mean_interval,
    paired_difference,
    pass_at_k,
    run_counts,
    sign_flip_test,
    stratified_bootstrap,
    wilson,
)


def test_problems_are_what_counts_and_not_completions():
    # rates 1, .5, 0, .5: variance .1667, standard error .2041, as 6 of 4 problems: no more than 4 count
    # with t(3) = 3.182 and n = 4: centre .5, half 3.182 / 2 / sqrt(4 + 10.13)
    rates = np.array([1, 0.5, 0, 0.5])
    found = wilson([Stratum(rates)])
    assert (found.low, found.high) == pytest.approx((0.0767, 0.9233), abs=1e-3)
    wide = wilson([Stratum(np.repeat([1.0, 0.0], 50))], num_samples=800)
    alike = wilson([Stratum(np.full(100, 0.5))], num_samples=800)
    # 8 samples each: 800 if no problem is like another, 100 if all samples of a problem are the same
    assert wide.high - wide.low == pytest.approx(2 * 1.984 * 0.0493, abs=2e-3)
    assert alike.high - alike.low == pytest.approx(2 * 1.984 * 0.0176, abs=2e-3)


def test_an_interval_at_the_end_has_a_width():
    # Wilson's at 0 of n is [0, z2 / (n + z2)], with t(199) squared = 3.8886
    found = wilson([Stratum(np.zeros(200))], num_samples=1600)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(3.8886 / 203.8886, abs=1e-5)


def test_strata_weigh_as_they_are_told():
    strata = [Stratum(np.array([1.0, 1.0]), 3), Stratum(np.array([0.0, 0.0]), 1)]
    assert wilson(strata).value == 0.75


@pytest.mark.parametrize("mean", [0.02, 0.2, 0.5, 0.95])
def test_ninety_five_of_a_hundred_hold_the_truth(mean):
    rng, num_runs, held, naive = np.random.default_rng(0), 500, 0, 0
    for _ in range(num_runs):
        chances = rng.beta(mean * 2, (1 - mean) * 2, size=200)  # problems differ
        rates = rng.binomial(8, chances) / 8
        found = wilson([Stratum(rates)], num_samples=1600)
        held += found.low <= mean <= found.high
        half = 1.96 * np.sqrt(rates.mean() * (1 - rates.mean()) / 1600)
        naive += abs(rates.mean() - mean) <= half
    assert 0.92 < held / num_runs < 0.98
    assert naive / num_runs < 0.85  # as if all completions were independent


def test_pass_at_k_is_unbiased():
    # of 5 samples with 2 right, two drawn are both wrong in 3 of 10 ways
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)
    assert pass_at_k(5, 0, 5) == 0.0 and pass_at_k(5, 1, 5) == 1.0
    assert [pass_at_k(4, correct, 2) for correct in (1, 0)] == [0.5, 0.0]


def test_a_small_stratum_of_great_weight_is_not_diluted_by_a_large_one():
    # equal weights: the standard error is that of 1 / (.25 / 30 + .25 / 600) = 114 problems, not 630
    ends = wilson([Stratum(np.ones(30)), Stratum(np.ones(600))])
    z2 = 1.9637**2  # of t(628)
    assert 1 - ends.low == pytest.approx(z2 / (1 / (0.25 / 30 + 0.25 / 600) + z2), abs=1e-4)


def test_the_interval_of_a_mean_is_students():
    # mean 2, standard deviation 1, t(.975, 2) = 4.303, error 1 / sqrt(3)
    found = mean_interval([1.0, 2.0, 3.0])
    assert (found.value, found.low, found.high) == pytest.approx((2.0, -0.484, 4.484), abs=1e-3)
    assert found.half_width == pytest.approx(2.4841, abs=1e-4)
    assert np.isnan(mean_interval([1.0]).half_width)


def test_the_sign_flip_test_is_exact_for_few_problems():
    # of 2^4 ways to flip the signs of four equal differences, 2 give a sum as large
    found = sign_flip_test([Stratum(np.ones(4))], np.random.default_rng(0), 20_000)
    assert found == pytest.approx(2 / 16, abs=0.01)
    assert sign_flip_test([Stratum(np.zeros(9))], np.random.default_rng(0), 100) == 1.0


def test_under_the_null_p_is_small_as_often_as_it_says():
    rng, found = np.random.default_rng(1), []
    for _ in range(400):
        ability = rng.beta(1, 1, 40)  # of problems, shared by both agents
        one, two = (rng.binomial(8, ability) / 8 for _ in range(2))
        found.append(sign_flip_test([Stratum(two - one)], rng, 500))
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.08


def test_scipys_permutation_test_agrees():
    from scipy.stats import permutation_test

    rng = np.random.default_rng(3)
    one, two = rng.binomial(8, 0.5, (2, 30)) / 8

    def far(first, second, axis):
        return np.abs((second - first).mean(axis=axis))

    theirs = permutation_test(
        (one, two), far, permutation_type="samples", alternative="greater", rng=rng
    ).pvalue
    assert sign_flip_test([Stratum(two - one)], rng) == pytest.approx(theirs, abs=0.02)


def test_paired_differences_draw_problems_within_strata():
    # differences of 1 and -1, half each, 100 problems: the standard error is .1
    coin = Stratum(np.repeat([1.0, -1.0], 50))
    found = paired_difference([coin], np.random.default_rng(0))
    assert found.value == 0 and found.half_width == pytest.approx(1.96 * 0.1, abs=0.01)
    # a second level without any spread halves the error, and shifts the mean
    both = [Stratum(coin.rates, 0.5), Stratum(np.ones(7), 0.5)]
    found = paired_difference(both, np.random.default_rng(0))
    assert found.value == 0.5 and found.half_width == pytest.approx(1.96 * 0.05, abs=0.005)
    alone = [Stratum(np.array([0.25]))]  # one problem: nothing else to draw
    assert str(paired_difference(alone, np.random.default_rng(0))) == "0.250 [0.250, 0.250]"


@pytest.mark.parametrize("draws", [1, 2])
def test_draws_depend_on_the_generator_alone(draws):
    samples = [np.arange(5.0), np.arange(9.0)]
    statistic = lambda one, two: one.mean(axis=-1) + two.max(axis=-1)  # noqa: E731
    found = [
        stratified_bootstrap(statistic, samples, np.random.default_rng(draws)) for _ in range(2)
    ]
    assert found[0] == found[1] and found[0].value == 10


def test_the_nested_bootstrap_of_one_number_is_that_number():
    found = hierarchical_bootstrap(
        [np.full((2, 3, 10), 0.25)], np.random.default_rng(0), shared=True
    )
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))


@pytest.mark.parametrize("shared", [True, False])
def test_the_nested_bootstrap_covers_what_differs_between_groups(shared):
    # one group gains 1 on every problem, the other 0: a resample has 0, 1/2 or 1 of the first
    runs = np.stack([np.ones((4, 50)), np.zeros((4, 50))])
    draws = hierarchical_draws([runs], np.random.default_rng(0), shared=shared)
    values, counts = np.unique(draws.round(9), return_counts=True)
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert (counts / NUM_RESAMPLES).tolist() == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_shared_problems_are_drawn_once_for_all_runs():
    # a coin on each of 400 problems, equal in all 4 runs: the error of the mean is .5 / 20 if the runs
    # share the draw, and half of that if each has its own
    coins = np.tile(np.repeat([0.0, 1.0], 200), (1, 4, 1))
    shared, own = (
        hierarchical_draws([coins], np.random.default_rng(0), shared=flag).std()
        for flag in (True, False)
    )
    assert shared == pytest.approx(0.025, rel=0.05)
    # a run drawn twice of four has two draws of its own: 1/4 of the variance, on average
    assert own == pytest.approx(0.0125, rel=0.05)


def test_levels_count_alike_whatever_their_size():
    levels = [np.ones((1, 1, 2)), np.zeros((1, 1, 98))]
    assert hierarchical_bootstrap(levels, np.random.default_rng(0), shared=True).value == 0.5


def test_runs_are_drawn_within_the_groups_that_were_drawn():
    counts = run_counts([3, 1], np.random.default_rng(0), 4_000)
    first, second = counts[:, :3].sum(axis=1), counts[:, 3]
    assert set(first.tolist()) == {0, 3, 6} and (first / 3 + second == 2).all()
    assert counts.mean(axis=0) == pytest.approx([1, 1, 1, 1], abs=0.05)
    # in a group that was drawn twice each of 6 draws is of one of its 3 runs
    assert counts[first == 6, 0].var() == pytest.approx(6 * 2 / 9, rel=0.15)


def test_nested_intervals_cover_the_truth():
    rng, covered = np.random.default_rng(5), 0
    for _ in range(150):
        groups = rng.normal(0, 1, (10, 1, 1))
        values = groups + rng.normal(0, 1, (10, 3, 1)) + rng.normal(0, 1, (10, 3, 8))
        draws = hierarchical_draws([values], rng, shared=False, num_resamples=200)
        low, high = np.percentile(draws, (2.5, 97.5))
        covered += low <= 0 <= high
    assert 0.88 < covered / 150 < 0.99
