"""Rules that ask are told what an update did, and others cost nothing."""

from dataclasses import dataclass

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

torch = pytest.importorskip("torch")

from edgewise import ReasoningVectorEnv  # noqa: E402
from edgewise.agents.algorithms.catalogue import ALGORITHMS  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.wrappers import MTGRPO, ActorCurator, Balanced, Updated, vector  # noqa: E402


@dataclass(eq=False)
class Asking(Balanced):
    """Remember what updates did."""

    @property
    def learns_after(self):
        return True

    def start(self, num_arms):
        super().start(num_arms)
        self.told = []

    def learn_after(self, arms, updated):
        super().learn_after(arms, updated)
        self.told.append((arms, updated))


def trained(bandit, name, rule, **arguments):
    """Train a step, and return envs, policy, state, metrics and log-probabilities before."""
    envs = vector.Curriculum(ReasoningVectorEnv(64, task=bandit.Echo, group_size=8), rule)
    envs.reset(seed=0)
    envs.lesson.forget()
    algorithm = ALGORITHMS[name]
    arguments = {"learning_rate": 0.1, "sampling": Sampling(max_tokens=1), **arguments}
    config = algorithm.config(num_steps=1, **arguments)
    policy, before = bandit.TablePolicy(), bandit.TablePolicy()
    state = algorithm.start(policy, config)
    (metrics,) = algorithm.train(envs, policy, config, state)
    return envs, policy, before, state, metrics


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_ratios_are_those_of_the_updated_policy(bandit, name):
    envs, policy, before, state, metrics = trained(bandit, name, rule := Asking())
    ((arms, updated),) = rule.told
    completions = state.rollout.completions
    with torch.no_grad():
        change = (policy.logprobs(completions) - before.logprobs(completions)) * completions.mask
    change = (change.sum(dim=1) / completions.mask.sum(dim=1)).view(8, 8).numpy()
    used = updated.advantages != 0
    np.testing.assert_allclose(updated.log_ratios[used], change[used], atol=1e-6)
    assert not updated.log_ratios[~used].any() and np.abs(change[used]).max() > 0.01
    np.testing.assert_allclose(np.abs(updated.advantages), state.abs_advantages, atol=1e-6)
    assert arms.tolist() == state.rollout.infos["arm"].tolist()
    assert metrics["num_scored_tokens"] == used.sum()
    assert updated.improvements().mean() > 0  # the step was one of ascent
    records = [record for record in envs.records() if record["kept"]]
    assert [record["log_ratios"] for record in records] == updated.log_ratios.tolist()
    assert [record["advantages"] for record in records] == updated.advantages.tolist()


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_rules_that_do_not_ask_cost_and_record_nothing(bandit, name):
    envs, *_, metrics = trained(bandit, name, Balanced())
    assert "num_scored_tokens" not in metrics and "log_ratios" not in envs.records()[0]


@pytest.mark.parametrize("rule", [MTGRPO(), ActorCurator(learning_rate=10.0)])
def test_the_rules_that_ask_move(bandit, rule):
    trained(bandit, "grpo", rule, num_minibatches=4)
    assert np.ptp(rule.probabilities()) > 0


def test_the_order_of_calls_is_checked(bandit):
    envs = bandit.make(16)
    part = Updated(*np.zeros((2, 2, 8)), np.ones((2, 8), bool))
    with pytest.raises(ResetNeeded, match="call `learn` before `learn_after`"):
        vector.tell_after(envs, part)
    assert not vector.asks_after(envs)
    vector.tell_after(envs.env, part)  # without a curriculum nothing happens
