"""What algorithms make of groups of differing size, and that groups of one size are as ever."""

from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise import ReasoningVectorEnv  # noqa: E402
from edgewise.agents.algorithms import grpo, rloo  # noqa: E402
from edgewise.agents.algorithms.catalogue import ALGORITHMS  # noqa: E402
from edgewise.agents.algorithms.filters import FILTERS, SPEED  # noqa: E402
from edgewise.agents.algorithms.losses import per_verified_group  # noqa: E402
from edgewise.agents.algorithms.rollout import collect  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.wrappers import MTGRPO, Updated, vector  # noqa: E402
from edgewise.wrappers.allocation import (  # noqa: E402
    Allocation,
    Allotment,
    Knapsack,
)

CASES = {name: (name, {}) for name in ALGORITHMS} | {
    "grpo of a batch": ("grpo", {"standardize": "batch", "num_minibatches": 3, "num_epochs": 2}),
    "gspo": ("grpo", {"ratio": "sequence", "loss_mean": "sequence", "kl_coef": 0.1}),
    **{f"grpo with {name}": ("grpo", {"filter": name}) for name in ("dapo", "rps", "speed")},
    "rloo with tokens": ("rloo", {"ratio": "token", "kl_coef": 0.1}),
    "reinforce with groups": ("reinforce", {"baseline": "group", "kl_coef": 0.1}),
}
PROBLEMS, SIZE, MOST = 6, 7, 9


@dataclass(eq=False)
class Sized(Allocation):
    """Groups of one size, or of two that alternate."""

    by: int = 0  # more in one group than on average, and fewer in the next
    least: int = 0
    most: int = MOST

    def sizes(self, problems, budget):
        sizes = np.full(len(problems), budget // len(problems))
        sizes[: budget % len(problems)] += 1
        for place in range(0, len(problems) - 1, 2):
            by = min(self.by, sizes[place + 1], MOST - sizes[place])
            sizes[place] += by
            sizes[place + 1] -= by
        return sizes


def trained(bandit, case, allocation):
    """The metrics of some steps, the weights, and the last state of the run."""
    name, arguments = CASES[case]
    most = SIZE if allocation is None else MOST
    base = ReasoningVectorEnv(PROBLEMS * most, task=bandit.Echo, group_size=most)
    allotment = None if allocation is None else Allotment(allocation, SIZE)
    envs = vector.with_rule(base, MTGRPO(), allotment=allotment)
    envs.reset(seed=0)
    envs.lesson.forget()
    config = ALGORITHMS[name].config(
        num_steps=4, learning_rate=0.1, sampling=Sampling(max_tokens=1), **arguments
    )
    policy = bandit.TablePolicy()
    state = ALGORITHMS[name].start(policy, config)
    told = []
    for metrics in ALGORITHMS[name].train(envs, policy, config, state):
        told.append((metrics, envs.records(), state.rollout))
    return told, policy.state_dict(), envs.state_dict()


@pytest.mark.parametrize("case", list(CASES))
def test_equal_sizes_are_bit_for_bit_what_they_are_without_an_allocation(bandit, case):
    plain, weights, state = trained(bandit, case, None)
    told, others, saved = trained(bandit, case, Sized(least=SIZE))
    for (metrics, records, _), (mine, own, rollout) in zip(plain, told, strict=True):
        assert mine == metrics and own == records
        assert rollout.made.all() and rollout.made.shape == (PROBLEMS, SIZE)
    assert all(torch.equal(weight, others[name]) for name, weight in weights.items())
    assert {name: saved[name] for name in state} == state


@pytest.mark.parametrize("case", list(CASES))
def test_groups_of_differing_size_sum_to_the_budget_and_teach(bandit, case):
    told, weights, _ = trained(bandit, case, Sized(by=2, least=5))
    assert any({5, 9} <= set(rollout.made.sum(dim=1).tolist()) for _, _, rollout in told)
    for metrics, records, rollout in told:
        made = rollout.made.sum(dim=1).tolist()
        assert sum(made) == PROBLEMS * SIZE == len(rollout.completions.texts)
        assert metrics["num_tokens"] == PROBLEMS * SIZE and metrics["unverified"] == 0
        kept = [record for record in records if record["kept"]]
        assert [len(record["rewards"]) for record in kept] == made
        assert [len(record["log_ratios"]) for record in kept] == made
        rejected = [len(record["rewards"]) for record in records if not record["kept"]]
        assert metrics["num_extra_rollouts"] == sum(rejected)
        prompts, answers = rollout.completions.tokens.T
        assert all(len(group.unique()) == 1 for group in prompts.split(made))
        assert torch.equal(answers == prompts % 4, rollout.correct[rollout.made])
        found = np.concatenate([record["correct"] for record in kept])
        assert metrics["accuracy"] == pytest.approx(found.mean())
    assert any(weight.any() for weight in weights.values())


def test_what_nobody_could_verify_is_not_what_was_not_made(bandit, monkeypatch):
    monkeypatch.setattr("edgewise.pool.MAX_UNVERIFIED", 1.0)

    class Unsure(bandit.Echo):
        def verify(self, problem, answer):
            return None if answer == "3" else super().verify(problem, answer)

    base = ReasoningVectorEnv(4 * MOST, task=Unsure, group_size=MOST)
    envs = vector.with_rule(base, MTGRPO(), allotment=Allotment(Sized(by=2), SIZE))
    envs.reset(seed=0)
    generator, policy = torch.Generator().manual_seed(0), bandit.TablePolicy()
    rollout = collect(envs, policy, Sampling(max_tokens=1), generator)
    lost = rollout.completions.tokens[:, 1] == 3
    assert 0 < lost.sum() == rollout.metrics()["unverified"]
    assert torch.equal(rollout.verified[rollout.made], ~lost)
    assert len(rollout.counted().texts) == 4 * SIZE - lost.sum()
    advantages = grpo.group_advantages(rollout.rewards, verified=rollout.verified)
    vector.teach(envs, advantages.abs().double().numpy())
    told = iter((~lost).tolist())
    for record in envs.records():
        verified = [next(told) for _ in record["rewards"]]
        assert record.get("verified", [True] * len(verified)) == verified


def test_advantages_are_those_of_each_group_alone():
    rewards = torch.tensor([[1.0, 0.0, 9.0, 9.0], [1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 9.0]])
    made = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0]]).bool()
    found = grpo.group_advantages(rewards, "none", made)
    third = 1 / 3
    expected = [[0.5, -0.5, 0, 0], [0.5, 0.5, -0.5, -0.5], [2 * third, -third, -third, 0]]
    torch.testing.assert_close(found, torch.tensor(expected))
    found = grpo.group_advantages(rewards, "group", made)[0]
    torch.testing.assert_close(found, torch.tensor([0.7071058, -0.7071058, 0, 0]))  # std .707107
    found = per_verified_group(rloo.leave_one_out, rewards, made)
    expected = [[1, -1, 0, 0], [2 * third, 2 * third, -2 * third, -2 * third], [1, -0.5, -0.5, 0]]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))


def test_a_group_of_no_completions_is_sampled_by_nobody(bandit):
    base = ReasoningVectorEnv(4 * MOST, task=bandit.Echo, group_size=MOST)
    generator, policy = torch.Generator().manual_seed(0), bandit.TablePolicy()
    envs = vector.with_rule(base, MTGRPO(), allotment=Allotment(Sized(by=4), 4))
    envs.reset(seed=0)
    rollout = collect(envs, policy, Sampling(max_tokens=1), generator)
    assert rollout.made.sum(dim=1).tolist() == [8, 0, 8, 0]
    assert rollout.made.shape == (4, 8) and len(rollout.completions.texts) == 16
    advantages = grpo.group_advantages(rollout.rewards, verified=rollout.verified)
    assert not advantages[1].any() and not advantages[3].any()
    vector.teach(envs, advantages.abs().double().numpy())
    zeros = np.zeros((4, 8))
    vector.tell_after(envs, Updated(zeros, zeros, rollout.verified.numpy()))
    assert [len(record["rewards"]) for record in envs.records()] == [8, 0, 8, 0]


def test_what_an_earlier_problem_earned_is_not_of_the_next(bandit):
    # what is rejected is posed anew in groups of other sizes
    base = ReasoningVectorEnv(4 * MOST, task=bandit.Echo, group_size=MOST)
    envs = vector.with_rule(base, MTGRPO(), allotment=Allotment(Sized(by=3), SIZE))
    envs.reset(seed=1)
    generator, policy = torch.Generator().manual_seed(0), bandit.TablePolicy()
    for _ in range(5):
        keep = FILTERS["dapo"](rounds=2)
        rollout = collect(envs, policy, Sampling(max_tokens=1), generator, filter=keep)
        assert not rollout.rewards[~rollout.made].any()
        assert not rollout.correct[~rollout.made].any()
        assert not rollout.formatted[~rollout.made].any()
        assert int(rollout.made.sum()) == 4 * SIZE and rollout.verified.equal(rollout.made)


def test_screens_must_be_smaller_than_the_smallest_group(bandit):
    base = ReasoningVectorEnv(4 * MOST, task=bandit.Echo, group_size=MOST)
    envs = vector.with_rule(base, MTGRPO(), allotment=Allotment(Knapsack(4, MOST), SIZE))
    generator, policy = torch.Generator(), bandit.TablePolicy()
    with pytest.raises(ValueError, match="`screen` must be below the least of a group = 4, got 4"):
        collect(envs, policy, Sampling(max_tokens=1), generator, filter=SPEED())
