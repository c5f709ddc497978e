"""VIP and Knapsack against numbers worked by hand, and against all other divisions."""

from itertools import product

import numpy as np
import pytest

from edgewise.wrappers.allocation import VIP, Knapsack


def believing(*success, **arguments):
    """An allocation that knows the success of problems a, b, c ..."""
    allocation = VIP(**arguments)
    allocation.observe("abcdefgh"[: len(success)], np.array(success))
    return allocation


@pytest.mark.parametrize(
    ("estimator", "real", "whole", "best", "uniform"),
    [
        ("rloo", [10.545455, 6.727273, 6.727273], [10, 7, 7], 0.231111, 0.245714),
        ("grpo", [11.488228, 6.255886, 6.255886], [12, 6, 6], 0.176389, 0.188125),
    ],
)
def test_sizes_worked_by_hand(estimator, real, whole, best, uniform):
    # a = (1, .36, .36), 24 completions in groups of 4 to 32
    allocation = believing(0.5, 0.1, 0.9, estimator=estimator)
    scales = np.array([1.0, 0.36, 0.36])
    np.testing.assert_allclose(allocation.real_sizes(scales, 24), real, atol=5e-6)
    sizes = allocation.sizes("abc", 24)
    assert sizes.tolist() == whole
    assert allocation.variances(scales, sizes).sum() == pytest.approx(best, abs=5e-7)
    bound = {"rloo": 0.230476, "grpo": 0.176163}[estimator]  # of the real sizes
    found = allocation.variances(scales, np.array(real)).sum()
    assert found == pytest.approx(bound, abs=5e-7)
    even = np.full(3, 8)
    assert allocation.variances(scales, even).sum() == pytest.approx(uniform, abs=5e-7)


@pytest.mark.parametrize("estimator", ["rloo", "grpo"])
def test_no_other_division_has_less_variance(estimator):
    rng = np.random.default_rng(0)
    for budget in (12, 17, 30, 48):
        allocation = believing(*rng.random(3), estimator=estimator, most=16)
        p = allocation.success("abc")
        scales = 4 * p * (1 - p)
        others = [n for n in product(range(4, 17), repeat=3) if sum(n) == budget]
        least = min(allocation.variances(scales, np.array(n)).sum() for n in others)
        sizes = allocation.sizes("abc", budget)
        assert sizes.sum() == budget and tuple(sizes.tolist()) in others
        # greedy: at most a little above the least
        assert allocation.variances(scales, sizes).sum() <= least * 1.02


def test_success_of_one_problem_tells_of_those_that_are_alike():
    # k = exp(-1/2), logit(.75) = 1.098612: m of the other is k times that, or -1 + k 2.098612
    features = {"a": [0.0], "b": [1.0]}
    for prior, mean, success in ((0.0, 0.666342, 0.660684), (-1.0, 0.272873, 0.567798)):
        allocation = VIP(prior=prior, features=features, length=1.0, jitter=1e-12)
        allocation.observe(["a"], np.array([0.75]))
        assert allocation.means["a"] == pytest.approx(1.098612, abs=5e-7)
        assert allocation.means["b"] == pytest.approx(mean, abs=5e-7)
        assert allocation.success("ab") == pytest.approx([0.75, success], abs=5e-7)
        again = VIP(prior=prior, features=features, length=1.0)
        again.load_state_dict(allocation.state_dict())
        assert again.success("ab").tolist() == allocation.success("ab").tolist()


def test_a_problem_that_is_always_solved_gets_the_least():
    assert believing(1.0, 0.5).sizes("ab", 30).tolist() == [4, 26]
    assert VIP().sizes("abc", 24).tolist() == [8, 8, 8]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VIP(estimator="ppo"), "`estimator` must be one of rloo, grpo"),
        (lambda: VIP(most=3), "`most` must be at least `least`, 4, got 3"),
        (lambda: VIP(least=1), r"`least` must be in \[2, 32\], got 1"),
        (lambda: VIP(estimator="grpo", least=2), r"`least` must be in \[3, 32\], got 2"),
        (lambda: VIP(most=10**12), "`most` must be at most 4096, got 1000000000000"),
        (lambda: VIP(length=0), "`length` must be positive, got 0"),
        (lambda: VIP().sizes("abc", 11), r"`budget` must be in \[12, 96\], 4 to 32 .*, got 11"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_knapsack_worked_by_hand():
    # p = (.5, .1, .9, .02), 32 completions in groups of 2 to 16
    allocation = Knapsack(most=16)
    p = np.array([0.5, 0.1, 0.9, 0.02])
    allocation.observe("abcd", p)
    sizes = allocation.sizes("abcd", 32)
    assert sizes.tolist() == [8, 16, 6, 2]
    assert allocation.values(p, sizes).sum() == pytest.approx(0.194984, abs=5e-7)
    assert allocation.values(p, np.full(4, 8)).sum() == pytest.approx(0.178148, abs=5e-7)
    # with many completions p (1 - p)^2, of which the largest, 4/27, is at 1/3
    p = np.array([0.30, 1 / 3, 0.36])
    values = allocation.values(p, np.full(3, 128))
    assert values.argmax() == 1 and values[1] == pytest.approx(0.148148, abs=5e-7)


def test_knapsack_is_as_good_as_the_best_division():
    rng = np.random.default_rng(0)
    for budget in (8, 13, 20, 31):
        allocation, p = Knapsack(least=2, most=12), rng.random(3)
        allocation.observe("abc", p)
        others = [n for n in product(range(2, 13), repeat=3) if sum(n) == budget]
        best = max(allocation.values(p, np.array(n)).sum() for n in others)
        sizes = allocation.sizes("abc", budget)
        assert sizes.sum() == budget
        assert allocation.values(p, sizes).sum() == pytest.approx(best, abs=1e-12)


def test_knapsack_gives_what_is_left_to_the_unsolved_and_remembers():
    allocation = Knapsack(most=10)
    allocation.observe("abc", np.array([1.0, 0.0, 0.5]))
    assert allocation.sizes("abc", 20).tolist() == [2, 8, 10]
    assert allocation.sizes("abc", 25).tolist() == [5, 10, 10]
    again = Knapsack(most=10)
    again.load_state_dict(allocation.state_dict())
    assert again.sizes("abc", 20).tolist() == [2, 8, 10]
    assert Knapsack().sizes("abc", 24).tolist() == [8, 8, 8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"least": 0}, r"`least` must be in \[1, 128\], got 0"), ({"prior": 2}, "`prior` must be in")],
)
def test_knapsack_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Knapsack(**arguments)
