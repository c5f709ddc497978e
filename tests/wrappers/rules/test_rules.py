"""What every rule of the catalogue keeps to, whatever it learns."""

import json

import numpy as np
import pytest

from edgewise.wrappers import CURRICULA, AdaRFT, Groups, make_rule
from edgewise.wrappers.rules.catalogue import example_of
from edgewise.wrappers.rules.rule_record import from_json, to_json
from edgewise.wrappers.rules.signal import Updated, group_advantages

VARIANTS = [
    "sec:draw=normalized_q:signal=progress",
    "sec:draw=epsilon_greedy:decay_unposed=true",
    "e2h-cosine:variant=paper",
    "e2h-adaptive:gaussian=0.5",
    "tscl:estimate=naive:window=3",
    "tscl:estimate=window",
    "tscl:estimate=sampling:absolute=false",
    "tscl:estimate=sampling:temperature=0.1",
    "pac:cold_steps=2",
    "rlve:threshold=0.3:min_problems=1:width=2",
    "dump:count=problems",
    "marin-learnability:curve=informative:mass=0",
    "mt-grpo:variant=code",
    "mt-grpo:optimizer=gradient:learning_rate=5",
    "actor-curator:importance=false:learning_rate=10",
    "frontier:gain=update",
    "frontier:draw=softmax:per_length=false:gain=none",
    "frontier:strength=8",
]
RULES = [*map(example_of, CURRICULA), *VARIANTS]
CHANGED = {  # arguments that take away what the class declares
    "equivariant": ["e2h-adaptive:gaussian=0.5", "frontier:strength=8"],
    "explores": ["e2h-cosine:variant=paper", "tscl:estimate=sampling:temperature=0.1"],
}


def make(text):
    return make_rule(text, num_steps=12)


def batches(num_arms, steps, seed=0):
    """Batches in which later arms are harder, and all get easier."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        arms = rng.integers(num_arms, size=6)
        chance = 1 / (1 + np.exp(arms - step / 4))
        correct = rng.random((6, 4)) < chance[:, None]
        rewards = np.where(correct, 1.0, 0.1)
        lengths = np.ones((6, 4), np.int64)
        yield arms, Groups(rewards, correct, np.abs(group_advantages(rewards)), lengths)


def updated(arms, groups):
    """An update of the policy that changes more where arms are easy."""
    advantages = group_advantages(groups.rewards)
    return Updated(advantages, 0.1 * advantages / (1 + arms[:, None]), groups.verified)


def learned(rule, num_arms, steps, order=None):
    """Return the probabilities at each step, with the arms called by their places in `order`."""
    rule.start(num_arms)
    order = np.arange(num_arms) if order is None else order
    for arms, groups in batches(num_arms, steps):
        yield rule.probabilities()
        rule.update(order[arms], rule.signal(groups, order[arms]))
        if rule.learns_after:
            rule.learn_after(order[arms], updated(arms, groups))
    yield rule.probabilities()


@pytest.mark.parametrize("num_arms", [1, 2, 9])
@pytest.mark.parametrize("text", RULES)
def test_probabilities_are_a_distribution_at_every_step(text, num_arms):
    for probabilities in learned(make(text), num_arms, 20):
        assert probabilities.shape == (num_arms,)
        assert probabilities.min() >= 0 and abs(probabilities.sum() - 1) < 1e-9


@pytest.mark.parametrize("text", RULES)
def test_a_rule_restored_from_json_continues(text):
    rule = make(text)
    list(learned(rule, 5, 7))
    state = json.loads(json.dumps([rule.state_dict(), rule.signal.state_dict()]))
    again = from_json(json.loads(json.dumps(to_json(rule))))
    again.start(5)
    again.load_state_dict(state[0])
    again.signal.load_state_dict(state[1])
    for arms, groups in batches(5, 8, seed=1):
        np.testing.assert_array_equal(again.probabilities(), rule.probabilities())
        for each in (rule, again):
            each.update(arms, each.signal(groups, arms))
            if each.learns_after:
                each.learn_after(arms, updated(arms, groups))


@pytest.mark.parametrize("text", RULES)
def test_start_forgets(text):
    rule = make(text)
    first = list(learned(rule, 4, 9))
    np.testing.assert_array_equal(list(learned(rule, 4, 9)), first)


def declares(text, attribute):
    return getattr(make(text), attribute) and text not in CHANGED[attribute]


@pytest.mark.parametrize("text", RULES)
def test_permuting_the_arms_permutes_the_probabilities_where_the_rule_declares_so(text):
    order = np.array([3, 0, 4, 1, 2])
    own, moved = (np.array(list(learned(make(text), 5, 15, by))) for by in (None, order))
    assert np.allclose(moved[:, order], own, rtol=1e-7, atol=1e-9) == declares(text, "equivariant")


@pytest.mark.parametrize(
    "text", ["e2h-cosine", "e2h-cosine:variant=paper", "e2h-gaussian:beta=1", "regression"]
)
def test_reversing_the_arms_reverses_the_probabilities(text):
    order = np.arange(5)[::-1]
    own, other = (list(learned(make(text), 5, 12, by)) for by in (None, order))
    if text != "regression":  # the way back is the way there
        other.reverse()
    np.testing.assert_allclose(np.array(other)[:, ::-1], own, atol=1e-9)


def test_failing_from_the_hardest_reverses_succeeding_from_the_easiest():
    up, down = AdaRFT(target=0.0), AdaRFT(target=100.0)
    up.start(5), down.start(5)
    for success in (1.0, 0.7, 0.9, 0.2, 0.5, 0.8):
        np.testing.assert_allclose(up.probabilities(), down.probabilities()[::-1])
        up.update(np.array([0]), np.array([success]))
        down.update(np.array([4]), np.array([1 - success]))


@pytest.mark.parametrize("text", ["ucb", "dump", "thompson", "pac:cold_steps=0"])
def test_an_arm_that_was_not_posed_for_long_comes_back(text):
    rule = make(text)
    rule.start(2)
    for arm in (0, 1):  # arm 1 teaches less
        rule.update(np.array([arm]), np.full((1, 2)[: rule.signal_size], 0.5 - 0.4 * arm))
    for _ in range(200):
        rule.update(np.array([0]), np.full((1, 2)[: rule.signal_size], 0.5))
    assert rule.probabilities()[1] > 0.1


@pytest.mark.parametrize("text", [text for text in RULES if declares(text, "explores")])
def test_every_arm_stays_reachable_where_the_rule_declares_so(text):
    assert min(p.min() for p in learned(make(text), 5, 60)) > 0.005


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize(
    ("arms", "change", "message"),
    [
        ([0, 3], lambda signal: signal, r"`arms` must be in range\(3\)"),
        ([-1, 0], lambda signal: signal, r"`arms` must be in range\(3\)"),
        ([0, 1], lambda signal: signal * np.nan, "`signal` must be finite"),
        ([0, 1], lambda signal: signal[:1], "`signal` must have shape"),
        ([], lambda signal: signal[:0], "`arms` must have one dimension and an arm"),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(text, arms, change, message):
    rule = make(text)
    list(learned(rule, 3, 5)) if "[" not in text else rule.start(3)
    before = rule.state_dict()
    signal = np.full((2, rule.signal_size) if rule.signal_size > 1 else 2, 0.5)
    with pytest.raises(ValueError, match=message):
        rule.update(np.array(arms, np.int64), change(signal))
    assert rule.state_dict() == before
    rule.update(np.array([0, 1]), signal)


def test_a_signal_of_two_numbers_is_not_taken_for_one():
    with pytest.raises(ValueError, match=r"`signal` must have shape \(6,\), got \(6, 2\)"):
        list(learned(make("sec:signal=advantage-and-success"), 3, 1))


@pytest.mark.parametrize("text", RULES)
def test_rules_that_do_not_learn_pose_the_same_whatever_is_earned(text):
    found = []
    for level in (0.0, 0.9):
        rule = make(text)
        rule.start(3 if "[" not in text else 2)
        generator, rows = np.random.default_rng(0), []
        for step in range(8):
            rule.resample(generator)
            rows.append(rule.probabilities())
            arms = np.array([step % 2, 1])
            success = np.array([level * (step % 3), level])
            signal = success if rule.signal_size == 1 else np.stack([success] * rule.signal_size, 1)
            rule.update(arms, np.clip(signal, 0, 1))
        found.append(np.array(rows))
    same = np.array_equal(*found)
    assert same or type(rule).learns
