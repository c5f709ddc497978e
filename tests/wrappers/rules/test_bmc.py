"""BMC against numbers worked by hand."""

import numpy as np
import pytest

from edgewise.wrappers import Groups
from edgewise.wrappers.rules.bmc import BMC, pooled


def groups(*right, size=8):
    correct = np.arange(size) < np.array(right)[:, None]
    return Groups(
        correct.astype(float), correct, np.zeros(correct.shape), np.ones(correct.shape, np.int64)
    )


def test_constants_follow_from_the_group_size():
    # eps = 1 / 64, m = ln 63, (m / 3.5)^2
    rule = BMC()
    rule.start(["a"], [0.0])
    assert rule.epsilon == 0.015625 and rule.largest == pytest.approx(4.143135, abs=5e-7)
    assert rule.variances[0] == pytest.approx(1.401271, abs=5e-7)


def test_a_belief_is_averaged_until_all_were_posed_and_then_forgets_by_surprise():
    # 2 of 8: v = .75, x = ln 3, mu = ln 3 / 2
    rule = BMC()
    rule.start(["a"], [0.0])
    rule.observe(["a"], groups(2))
    assert (rule.means[0], rule.counts[0]) == (pytest.approx(0.549306, abs=5e-7), 2.0)
    assert rule.variances[0] == pytest.approx(1.401271, abs=5e-7)
    # 4 of 8: x = m, s = 3.035962, l = .2, lambda = 1.2; the variance is at its cap, (m / 3)^2
    rule.surprise(0, rule.largest, 1)
    assert rule.counts[0] == pytest.approx(1.2)
    assert rule.means[0] == pytest.approx(3.544163, abs=5e-7)
    assert rule.variances[0] == pytest.approx(1.907285, abs=5e-7)


def test_what_does_not_surprise_is_believed_more():
    # s = 0: l = 2, lambda = 3, sigma^2 = 1.401271 x 2 / 3 + ln(1 + 3 x 1 / 1) / 3
    rule = BMC()
    rule.start(["a"], [0.0])
    rule.counts[:], rule.ages[:] = 2.0, 3
    rule.surprise(0, 0.0, 1)
    assert (rule.means[0], rule.counts[0]) == (0.0, 3.0)
    assert rule.variances[0] == pytest.approx(0.934181 + np.log(4) / 3, abs=1e-6)


def test_a_node_pools_its_children():
    # tau = 2.25 - .25; weights 1 / 2.3 and 1 / 2.2
    mean, variance, tau = pooled(np.array([1.5, -1.5]), np.array([0.3, 0.2]))
    assert tau == pytest.approx(2.0) and mean == pytest.approx(-0.033333, abs=5e-7)
    assert variance == pytest.approx(1.124444, abs=5e-7)
    assert pooled(np.array([0.5]), np.array([0.3]))[2] == 0.0


def test_every_problem_is_posed_once_before_any_is_posed_again():
    rule, rng = BMC(), np.random.default_rng(0)
    rule.start(list("abcdef"), [0.0, 0.0, 0.0, 100.0, 100.0, 100.0])
    first = rule.propose(4, rng)
    rule.observe(first, groups(0, 4, 8, 4))
    second = rule.propose(4, rng)
    assert set(first) | set(second[:2]) == set("abcdef") and len(set(second)) == 4


def test_the_cluster_of_the_largest_signal_is_drawn_from_until_it_is_empty():
    rule, rng = BMC(), np.random.default_rng(0)
    rule.start(list("abcdef"), [0.0, 0.0, 0.0, 100.0, 100.0, 100.0])
    rule.seen[:] = True
    rule.variances[:] = 0.05
    rule.means[:] = [-4, -4, -4, 4, 4, 3]
    first = [rule.propose(1, rng)[0] for _ in range(200)]
    assert np.mean([name in "def" for name in first]) > 0.8
    assert len(set(rule.propose(5, rng))) == 5


def test_others_grow_old():
    rule = BMC()
    rule.start(["a", "b", "c"], [0.0] * 3)
    for name in "aab":
        rule.observe([name], groups(4))
    assert rule.ages.tolist() == [1, 0, 3]


def test_groups_of_one_are_refused():
    with pytest.raises(ValueError, match="`group_size` must be at least 2, got 1"):
        BMC(group_size=1)
