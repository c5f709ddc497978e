import numpy as np
import pytest

from edgewise.wrappers import Ordered, Reverse


def posed(rule, steps):
    rule.start(3)
    for _ in range(steps):
        yield rule.probabilities().argmax().item()
        rule.update(np.array([0]), np.array([0.0]))


def test_each_arm_has_an_equal_share_of_the_steps():
    # floor(3 t / 9): three steps each, and the last arm for as long as training goes on
    assert list(posed(Ordered(num_steps=9), 11)) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]
    assert list(posed(Reverse(num_steps=9), 11)) == [2, 2, 2, 1, 1, 1, 0, 0, 0, 0, 0]


def test_the_length_must_be_positive():
    with pytest.raises(ValueError, match="`num_steps` must be at least 1, got 0"):
        Ordered(num_steps=0)
