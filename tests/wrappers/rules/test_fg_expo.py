"""FG-ExPO's weights against numbers worked by hand."""

import numpy as np
import pytest

from edgewise.wrappers import FGExPO, Groups


def earned(*counts, size=8):
    right = np.arange(size) < np.array(counts)[:, None]
    return Groups(right * 1.0, right, right * 0.5, right * 9)


def started(names="abc", **arguments):
    rule = FGExPO(**arguments)
    rule.start(list(names), [0.0] * len(names))
    return rule


def test_success_is_averaged_and_weighed_by_a_gaussian():
    # .9 x .5 + .1 x 1, then .9 x .55 + .1 x 7/8
    rule = started()
    rule.observe(["a"], earned(8))
    assert rule.success[0] == pytest.approx(0.55)
    np.testing.assert_allclose(np.exp(rule.log_weights()), [0.989848, 1, 1], atol=5e-7)
    rule.observe(["a"], earned(7))
    assert rule.success[0] == pytest.approx(0.5825)
    assert np.exp(rule.log_weights()[0]) == pytest.approx(0.972602, abs=5e-7)


def test_what_is_solved_or_dead_keeps_a_third_of_the_largest_weight():
    rule = started(momentum=0.0)
    rule.observe(["a", "b"], earned(8, 0))
    np.testing.assert_allclose(np.exp(rule.log_weights()), [0.360448, 0.360448, 1], atol=5e-7)


def test_problems_are_drawn_by_their_weights():
    rule, rng = started(momentum=0.0), np.random.default_rng(0)
    rule.observe(["a", "b"], earned(8, 0))
    drawn = [rule.propose(1, rng)[0] for _ in range(2000)]
    assert drawn.count("c") / 2000 == pytest.approx(1 / 1.720896, abs=0.04)


def test_no_problem_is_too_far_to_be_drawn():
    rule = started(momentum=0.0, width=1e-3)  # exp(-125000)
    rule.observe(["a", "b", "c"], earned(8, 8, 0))
    assert sorted(rule.propose(3, np.random.default_rng(0))) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "`width` must be positive, got 0"),
        ({"momentum": 1}, r"`momentum` must be in \[0, 1\), got 1"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        FGExPO(**arguments)
