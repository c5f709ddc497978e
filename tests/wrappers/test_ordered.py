import numpy as np
import pytest

from edgewise.wrappers import Ordered


def test_each_arm_has_an_equal_share_of_the_steps():
    rule = Ordered(num_steps=9)
    rule.start(3)
    posed = []
    for _ in range(11):
        posed.append(rule.probabilities().argmax().item())
        rule.update(np.array([0]), np.array([0.0]))
    # floor(3 t / 9): three steps each, and the last arm for as long as training goes on
    assert posed == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]


def test_its_state_is_the_step():
    rule, again = Ordered(num_steps=4), Ordered(num_steps=4)
    for one in (rule, again):
        one.start(2)
    for _ in range(2):
        rule.update(np.array([0]), np.array([0.0]))
    again.load_state_dict(rule.state_dict())
    np.testing.assert_array_equal(again.probabilities(), [0.0, 1.0])


def test_the_length_must_be_positive():
    with pytest.raises(ValueError, match="`num_steps` must be at least 1, got 0"):
        Ordered(num_steps=0)
