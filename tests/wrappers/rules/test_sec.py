import json

import numpy as np
import pytest

from edgewise.wrappers import SEC, Groups, SuccessRate
from edgewise.wrappers.rules.rule_record import from_json, to_json
from edgewise.wrappers.rules.signal import group_advantages

STEPS = [{0: 0.8, 1: 0.4}, {0: 0.6, 1: 0.7, 2: 0.1}, {0: 0.2, 1: 0.9}]


def learned(rule):
    rule.start(3)
    for step in STEPS:
        rule.update(np.array(list(step)), np.array(list(step.values())))
    return rule


def test_an_arm_not_posed_keeps_its_value():
    # Q = [.4, .2, 0], then [.5, .45, .05], then [.35, .675, .05]
    rule = learned(SEC(learning_rate=0.5))
    np.testing.assert_allclose(rule.values, [0.35, 0.675, 0.05])
    np.testing.assert_allclose(rule.probabilities(), [0.3200, 0.4429, 0.2371], atol=5e-5)


def test_or_decays_as_in_the_released_code():
    # Q = [.4, .2, 0], then [.5, .45, .05], then [.35, .675, .025]
    rule = learned(SEC(learning_rate=0.5, decay_unposed=True))
    np.testing.assert_allclose(rule.values, [0.35, 0.675, 0.025])
    np.testing.assert_allclose(rule.probabilities(), [0.3219, 0.4455, 0.2326], atol=5e-5)


@pytest.mark.parametrize(
    ("num_steps", "expected"), [(1, [0.4018, 0.3289, 0.2693]), (2, [0.3863, 0.3674, 0.2463])]
)
def test_the_first_two_steps(num_steps, expected, taught):
    rule = taught(SEC(learning_rate=0.5), 3, *STEPS[:num_steps])
    np.testing.assert_allclose(rule.probabilities(), expected, atol=5e-5)


def test_problems_of_an_arm_count_alike(taught):
    # r = (.9 + .3 + .3) / 3 = .5, one problem at a time or together
    np.testing.assert_allclose(taught(SEC(), 2, {0: [0.9, 0.3, 0.3]}).values, [0.25, 0.0])


def test_signal_is_the_mean_absolute_advantage():
    # 2 of 8 right: mean |A| = 0.810 with the unbiased deviation; equal rewards teach nothing
    rewards = np.array([[1.0, 1, 0, 0, 0, 0, 0, 0], [1.0] * 8])
    groups = Groups(rewards, rewards > 0, np.abs(group_advantages(rewards)), rewards > 0)
    np.testing.assert_allclose(SEC().signal(groups, np.array([0, 1])), [0.810, 0.0], atol=5e-4)
    np.testing.assert_allclose(
        SEC(signal=SuccessRate()).signal(groups, np.array([0, 1])), [0.25, 1.0]
    )


def test_a_rule_goes_to_json_and_back():
    rule = from_json(json.loads(json.dumps(to_json(SEC(temperature=0.2, signal=SuccessRate())))))
    assert type(rule) is SEC and rule.temperature == 0.2 and rule.signal == SuccessRate()


def test_state_is_restored():
    rule = SEC()
    rule.start(3)
    rule.load_state_dict(learned(SEC(learning_rate=0.5)).state_dict())
    np.testing.assert_allclose(rule.values, [0.35, 0.675, 0.05])


@pytest.mark.parametrize("temperature", [0, -1])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match=f"`temperature` must be positive, got {temperature}"):
        SEC(temperature=temperature)


def drawn(values, **arguments):
    rule = SEC(**arguments)
    rule.start(len(values))
    rule.values[:] = values
    return rule.probabilities()


def test_normalized_values_are_at_least_a_hundredth():
    # [.35, .675, .05] / 1.075; [.01, .4] / .41
    p = drawn([0.35, 0.675, 0.05], draw="normalized_q")
    np.testing.assert_allclose(p, [0.3256, 0.6279, 0.0465], atol=5e-5)
    np.testing.assert_allclose(drawn([-0.2, 0.4], draw="normalized_q"), [0.0244, 0.9756], atol=5e-5)


def test_epsilon_greedy_gives_the_others_epsilon():
    np.testing.assert_allclose(drawn([0.3, 0.6, 0.1], draw="epsilon_greedy"), [0.05, 0.9, 0.05])
    np.testing.assert_allclose(drawn([0.6, 0.6, 0.1], draw="epsilon_greedy"), [0.475, 0.475, 0.05])
    assert drawn([0.6], draw="epsilon_greedy").tolist() == [1.0]


def test_the_draw_must_exist():
    with pytest.raises(ValueError, match=r"`draw` must be one of .*; did you mean 'boltzmann'"):
        SEC(draw="boltzman")
    with pytest.raises(ValueError, match=r"`epsilon` must be in \[0, 1\], got 2"):
        SEC(epsilon=2)
