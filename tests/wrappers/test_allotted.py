"""Groups of differing size, from what an allocation says to what a rule is told."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest

import edgewise
from edgewise.wrappers import SEC, MoPPS, Random
from edgewise.wrappers.allocation import (
    ALLOCATIONS,
    VIP,
    Allocation,
    Allotment,
    Knapsack,
    make_allocation,
)
from edgewise.wrappers.rules.signal import Updated, group_advantages
from edgewise.wrappers.vector import teach, tell_after, with_rule


@dataclass(eq=False)
class Fixed(Allocation):
    """The sizes that it is given, in turn; the last for ever."""

    given: tuple
    least: int = 0
    most: int = 6

    def __post_init__(self):
        self.told = []

    def sizes(self, problems, budget):
        self.told.append((list(problems), budget))
        return np.array(self.given[min(len(self.told), len(self.given)) - 1])

    def observe(self, problems, success):
        self.told.append((list(problems), success.tolist()))


def made(given, rule=None, num_problems=3, group_size=3):
    """A curriculum over Countdown whose groups have the sizes `given`."""
    envs = gym.make_vec("Countdown-v0", num_envs=num_problems * 6, group_size=6)
    allotment = Allotment(Fixed(given), group_size)
    return with_rule(envs, rule or Random(), pool_size=20, allotment=allotment)


def test_environments_beyond_the_size_of_their_group_are_done():
    envs = made([(2, 6, 1)])
    _, infos = envs.reset(seed=0)
    assert infos["size"].tolist() == [2] * 6 + [6] * 6 + [1] * 6
    asked = np.arange(18) % 6 < infos["size"]
    answers = [None] * 18
    _, rewards, done, _, infos = envs.step(answers)  # those that are asked wait
    assert (done == ~asked).all() and not rewards.any()
    _, _, done, _, infos = envs.step(["no" if live else None for live in asked])
    assert done.all() and (infos["_correct"] == asked).all()


def test_a_rule_is_told_of_the_completions_that_were_made():
    envs = made([(2, 4, 3)], rule=SEC())
    envs.reset(seed=0)
    envs.step(["no"] * 18)
    advantages = np.array([[1, 2, 9, 9], [1, 2, 3, 4], [1, 2, 6, 9]], float)
    made_here = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0]], bool)
    metrics = teach(envs, advantages * made_here)
    assert metrics["abs_advantage"] == pytest.approx((3 + 10 + 9) / 9)
    records = envs.records()
    assert [record["abs_advantages"] for record in records] == [[1, 2], [1, 2, 3, 4], [1, 2, 6]]
    assert [len(record["rewards"]) for record in records] == [2, 4, 3]
    assert all("verified" not in record for record in records)
    signal = envs.lesson.rule.signal
    groups = envs.lesson._observed[0].groups
    assert signal(groups, np.zeros(3, int)).tolist() == [1.5, 2.5, 3.0]


def test_what_an_update_did_is_recorded_for_the_completions_that_were_made():
    envs = made([(2, 4, 3)], rule=edgewise.wrappers.MTGRPO())
    envs.reset(seed=0)
    envs.step(["no"] * 18)
    teach(envs, np.zeros((3, 4)))
    mask = np.arange(4) < np.array([[2], [4], [3]])
    tell_after(envs, Updated(np.full((3, 4), 2.0) * mask, np.full((3, 4), 0.1) * mask, mask))
    assert [record["log_ratios"] for record in envs.records()] == [[0.1] * 2, [0.1] * 4, [0.1] * 3]


def test_an_allocation_is_told_of_arms_once_each_or_of_problems():
    envs = made([(2, 4, 3)])
    _, infos = envs.reset(seed=0)
    envs.step(["no"] * 18)
    envs.learn()
    allocation = envs.lesson.allotment.allocation
    (arms, budget), (known, success) = allocation.told
    assert arms == [str(arm) for arm in infos["arm"][::6]] and budget == 9
    assert sorted(known) == sorted(set(arms)) and success == [0.0] * len(known)
    envs = made([(2, 4, 3)], rule=MoPPS())
    _, infos = envs.reset(seed=0)
    names = envs.lesson.allotment.allocation.told[0][0]
    assert [envs.lesson.rule.rows[name] for name in names] == infos["arm"][::6].tolist()


def test_success_is_pooled_over_the_groups_of_an_arm():
    allotment = Allotment(Fixed([()]), 3)
    right = np.array([[True, False, False], [True, True, True], [False, True, False]])
    counted = np.array([[True, True, False], [True, True, True], [False, False, False]])
    groups = edgewise.wrappers.Groups(right * 1.0, right, right * 1.0, right * 1, counted)
    allotment.observe(["a", "a", "b"], groups)
    assert allotment.allocation.told == [(["a"], [4 / 5])]  # of b nothing is known


def test_groups_that_are_posed_anew_share_what_they_had():
    envs = made([(2, 4, 3), (1, 4), (5, 0)])
    envs.reset(seed=0)
    envs.step(["no"] * 18)
    mask = np.repeat([True, False, True], 6)
    _, infos = envs.reset(options={"reset_mask": mask})
    assert infos["size"][::6].tolist() == [1, 4, 4]
    assert envs.lesson.allotment.allocation.told[1][1] == 5
    envs.step(["no"] * 18)
    _, infos = envs.reset(options={"reset_mask": mask})
    assert infos["size"][::6].tolist() == [5, 4, 0]
    envs.step(["no"] * 18)
    metrics = teach(envs, np.ones((3, 6)))
    # 9 completions of 1, the rejected 2 + 3 + 4 of 0; groups of none and of one teach nothing
    assert metrics["abs_advantage"] == 9 / 18
    sizes = [(record["kept"], len(record["rewards"])) for record in envs.records()]
    kept, rejected = sizes[:3], sizes[3:]
    assert kept == [(True, 5), (True, 4), (True, 0)]
    assert sorted(rejected) == [(False, 1), (False, 2), (False, 3), (False, 4)]


def test_the_state_of_an_allocation_is_saved_with_that_of_the_rule():
    def envs_of():
        envs = gym.make_vec("Countdown-v0", num_envs=3 * 8, group_size=8)
        return with_rule(envs, Random(), allotment=Allotment(VIP(most=8), 6))

    envs, again = envs_of(), envs_of()
    envs.reset(seed=0)
    envs.step(["no"] * 24)
    again.load_state_dict(envs.state_dict())
    learned = envs.lesson.allotment.allocation.means
    assert learned and again.lesson.allotment.allocation.means == learned
    assert again.reset()[1]["size"].tolist() == envs.reset()[1]["size"].tolist()


def test_advantages_are_of_the_completions_that_were_made():
    # where no agent gives its own
    envs = made([(2, 4, 3)])
    envs.reset(seed=0)
    envs.step(["no"] * 18)
    batch = envs.lesson._batch
    batch.rewards[:] = [[1, 0, 7, 7, 7, 7], [1, 1, 0, 0, 7, 7], [1, 0, 0, 7, 7, 7]]
    envs.learn()
    found = envs.records()
    for record, rewards in zip(found, ([1, 0], [1, 1, 0, 0], [1, 0, 0]), strict=True):
        expected = np.abs(group_advantages(np.array([rewards], float)))[0]
        assert record["abs_advantages"] == expected.tolist()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([(2, 4)], r"`sizes` must be 3 integers"),
        ([(2.0, 4.0, 3.0)], r"`sizes` must be 3 integers, got float64"),
        ([(2, 4, 4)], "`sizes` must sum to 9, got 10"),
        ([(-1, 4, 6)], r"`sizes` must be in \[0, 6\]"),
        ([(1, 1, 7)], r"`sizes` must be in \[0, 6\]"),
    ],
)
def test_sizes_that_are_no_division_of_the_budget_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        made(given).reset(seed=0)


def test_averages_beyond_the_bounds_are_refused():
    with pytest.raises(ValueError, match=r"`group_size` must be in \[4, 32\], the bounds .* got 2"):
        Allotment(VIP(), 2)
    envs = gym.make_vec("Countdown-v0", num_envs=12, group_size=6)
    with pytest.raises(ValueError, match=r"`most` must be at most 6, the group_size .* got 32"):
        with_rule(envs, Random(), allotment=Allotment(VIP(), 8))


def test_allocations_are_made_by_name():
    assert make_allocation("none") is None
    assert make_allocation("vip:estimator=grpo:most=9").estimator == "grpo"
    assert isinstance(make_allocation("knapsack"), Knapsack)
    for text, message in {
        "vop": "`allocation` must be one of none, vip, knapsack, got 'vop'; did you mean 'vip'?",
        "vip:lest=3": "`vip argument` must be one of",
        "vip:least=1": r"`least` must be in \[2, 32\], got 1",
    }.items():
        with pytest.raises(ValueError, match=message.replace("?", r"\?")):
            make_allocation(text)
    assert all(kind.paper for kind in ALLOCATIONS.values())
