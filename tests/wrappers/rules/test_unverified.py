"""What could not be verified is nothing to a rule: as if it had not been completed."""

import numpy as np
import pytest

from edgewise import Preset, ReasoningEnv, ReasoningVectorEnv, Task
from edgewise.wrappers import (
    PROBLEM_CURRICULA,
    SIGNALS,
    Curriculum,
    Groups,
    MeanReward,
    MoPPS,
    Random,
    SuccessRate,
    make_rule,
    vector,
)
from edgewise.wrappers.lessons.batch import SCHEMA, as_current
from edgewise.wrappers.lessons.kinds import ArmLesson, of_groups, of_posed
from edgewise.wrappers.rules.catalogue import example_of
from edgewise.wrappers.rules.signal import group_advantages, spread

POOL = (list("abcdefgh"), np.linspace(0.0, 100.0, 8).tolist())


def groups(rewards, verified=None):
    """Groups in which 1 is right."""
    earned = np.array(rewards, dtype=np.float64)
    told = np.ones(earned.shape, np.bool_) if verified is None else verified
    advantages = np.abs(group_advantages(earned, told))
    lengths = np.ones(earned.shape, np.int64)
    return Groups(earned, earned == 1, advantages, lengths, told)


def alike(rng, num_groups=6, size=4):
    """The same groups twice: with a completion in each that is not verified, and without it."""
    rewards = np.where(rng.random((num_groups, size)) < rng.random((num_groups, 1)), 1.0, 0.1)
    places = rng.integers(size + 1, size=num_groups).tolist()
    with_one = np.array([np.insert(row, at, 0.0) for row, at in zip(rewards, places, strict=True)])
    verified = np.arange(size + 1) != np.array(places)[:, None]
    return groups(with_one, verified), groups(rewards)


def test_advantages_worked_by_hand():
    rewards = np.array([[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    verified = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0]], dtype=np.bool_)
    # of 1, 0, 1: mean 2/3, deviation sqrt(1/3); of 1, 0: mean 1/2, deviation sqrt(1/2); of one: 0
    expected = [[0.57735, -1.1547, 0.57735, 0.0], [0.70711, -0.70711, 0.0, 0.0], [0.0] * 4]
    np.testing.assert_allclose(group_advantages(rewards, verified), expected, atol=1e-5)
    assert spread(rewards, verified).tolist() == [True, True, False]
    told = groups(rewards, verified)
    assert told.informative.tolist() == [True, True, False]
    np.testing.assert_allclose(SuccessRate()(told, np.arange(3)), [2 / 3, 1 / 2, 0.0])


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("seed", range(5))
def test_a_signal_is_that_of_the_groups_without_it(name, seed):
    rng = np.random.default_rng(seed)
    one, other = SIGNALS[name](), SIGNALS[name]()
    one.start(3), other.start(3)
    for _ in range(3):
        told, without = alike(rng)
        arms = rng.integers(3, size=6)
        np.testing.assert_array_equal(one(told, arms), other(without, arms))
    assert one.state_dict() == other.state_dict()


@pytest.mark.parametrize("name", PROBLEM_CURRICULA)
def test_a_rule_over_problems_learns_the_same_without_it(name):
    rng = np.random.default_rng(0)
    one, other = make_rule(example_of(name), num_steps=9), make_rule(example_of(name), num_steps=9)
    one.start(*POOL), other.start(*POOL)
    for _ in range(5):
        told, without = alike(rng)
        names = rng.permutation(POOL[0])[:6].tolist()
        one.observe(names, told), other.observe(names, without)
    assert one.state_dict() == other.state_dict()


def test_beliefs_count_what_was_verified():
    rule = MoPPS()
    rule.start(*POOL)
    before = rule.belief[0].copy()
    rule.observe(["a"], groups([[1.0, 0.0, 0.0, 0.0]], np.array([[1, 1, 0, 0]], np.bool_)))
    kept = rule.discount * before + (1 - rule.discount) * np.array(rule.prior)
    assert rule.belief[0].tolist() == (kept + 1).tolist()


def test_metrics_are_those_of_the_groups_without_it():
    told, without = alike(np.random.default_rng(0))
    arms = np.array([0, 0, 1, 1, 2, 2])
    assert of_groups(told) == pytest.approx(of_groups(without))
    assert of_posed(arms, told, 3) == of_posed(arms, without, 3)


class Listener(Random):
    """Remember what it was told."""

    def start(self, num_arms):
        super().start(num_arms)
        self.told = []

    def update(self, arms, signal):
        self.told.append((arms.tolist(), signal.tolist()))


def lesson(rewards, verified):
    """A batch under a rule of mean rewards, before it is learned."""
    made = ArmLesson(Listener(signal=MeanReward()), 3, np.shape(rewards))
    made.seed(0)
    made.draw(np.ones(len(rewards), np.bool_))
    for group, (row, which) in enumerate(zip(rewards, verified, strict=True)):
        made.set_outcomes(group, row, [False] * len(row), np.array(which) == 1, [0] * len(row))
    return made


def test_groups_of_fewer_than_two_are_not_heard_of():
    made = lesson([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [[1, 1, 0], [1, 0, 0]])
    arms = made.arms.tolist()
    made.learn()
    assert made.rule.told == [(arms[:1], [0.5])]
    assert [record.get("verified") for record in made.records()] == [
        [True, True, False],
        [True, False, False],
    ]
    made = lesson([[1.0, 0.0, 0.0]], [[1, 0, 0]])
    made.learn()
    assert made.rule.told == [] and made.metrics == {} and len(made.records()) == 1
    made = lesson([[1.0], [0.0]], [[1], [0]])  # one completion is all there is
    made.learn()
    assert made.rule.told[0][1] == [1.0]


def test_an_unfinished_batch_is_taken_up_with_what_was_verified():
    made, again = (lesson([[1.0, 0.0]], [[1, 0]]) for _ in range(2))
    again.forget()
    again.load_batch(made.batch())
    assert again.verified.tolist() == [[True, False]]
    early = {name: value for name, value in made.batch().items() if name != "verified"}
    again.forget()
    again.load_batch(early)
    assert again.verified.all()


def test_records_tell_of_it_only_where_there_is_some():
    made = lesson([[1.0, 0.0]], [[1, 1]])
    made.learn()
    assert "verified" not in made.records()[0]
    assert as_current({"schema": 2, "round": 1}, 0)["round"] == 1
    assert as_current({"schema": SCHEMA, "round": 1}, 0)["round"] == 1
    with pytest.raises(ValueError, match=r"`schema` must be in \[1, 3\], got 4"):
        as_current({"schema": 4}, 0)


class Unsure(Task[int]):
    """Nobody can verify the answer "?"."""

    presets = {"toy": Preset("{}", {1: {}}, rewards=(1.0, 0.1, 0.0))}

    def generate(self, rng):
        return int(rng.integers(50))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return None if answer == "?" else answer == str(problem)

    def solve(self, problem):
        return str(problem)


def test_wrappers_remember_what_was_verified():
    rule = Listener(signal=SuccessRate())
    envs = vector.Curriculum(ReasoningVectorEnv(4, task=Unsure, group_size=4), rule)
    prompts, _ = envs.reset(seed=0)
    texts = [prompts[0], "?", "no", "?"]
    _, rewards, _, _, infos = envs.step([rf"\boxed{{{text}}}" for text in texts])
    assert rewards.tolist() == [1.0, 0.0, 0.1, 0.0]
    assert infos["verified"].tolist() == [True, False, True, False]
    assert infos["correct"].tolist() == [True, False, False, False]
    envs.learn()
    assert rule.told == [([0], [0.5])]

    env = Curriculum(ReasoningEnv(Unsure), Listener(signal=SuccessRate()), group_size=4)
    seeds = (0, None, None, None)
    for seed, text in zip(seeds, ["right", "?", "no", "?"], strict=True):
        prompt, _ = env.reset(seed=seed)
        info = env.step(rf"\boxed{{{prompt if text == 'right' else text}}}")[4]
        assert info["verified"] == (text != "?") and info["correct"] == (text == "right")
    env.learn()
    assert env.lesson.rule.told == [([0], [0.5])]
