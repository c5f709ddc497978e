"""The loss of GRPO and its variants against their formulas, and that skipped groups are counted."""

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.grpo import (  # noqa: E402
    GRPOConfig,
    clipped_loss,
    group_advantages,
    improve,
    start,
    train,
)
from edgewise.agents.algorithms.losses import token_weights  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402


@pytest.mark.parametrize(
    ("standardize", "expected"),
    [
        # deviations .5, -.5 and 0; unbiased: sqrt(.5) in the group, .5 over 1, 0, 1, 1
        ("group", [0.5**0.5, -(0.5**0.5)]),
        ("batch", [1.0, -1.0]),
        ("none", [0.5, -0.5]),
    ],
)
def test_advantages_are_standardized_by_one_deviation(standardize, expected):
    advantages = group_advantages(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), standardize)
    torch.testing.assert_close(advantages[0], torch.tensor(expected), atol=1e-5, rtol=0)
    assert not advantages[1].any()


@pytest.mark.parametrize("standardize", ["group", "batch", "none"])
def test_equal_rewards_have_advantages_of_exactly_0(standardize):
    rewards = torch.cat([torch.full((1, 6), 0.1), torch.rand(1, 6)])
    assert not group_advantages(rewards, standardize)[0].any()


@pytest.mark.parametrize(("right", "expected"), [(1, 0.619), (2, 0.810), (3, 0.906), (4, 0.935)])
@pytest.mark.parametrize("wrong", [0.0, 0.1])
def test_mean_absolute_advantage_of_eight_binary_rewards(right, expected, wrong):
    rewards = torch.full((1, 8), wrong)
    rewards[0, :right] = 1.0
    assert group_advantages(rewards).abs().mean().item() == pytest.approx(expected, abs=1e-3)


RATIO = torch.tensor([[2.0, 2.0], [2.0, 9.0]])
ADVANTAGES = torch.tensor([1.0, -1.0])
MASK = torch.tensor([[1.0, 1.0], [1.0, 0.0]])  # the last token is padding


def loss_of(ratios, **arguments):
    config = GRPOConfig(**arguments)
    weights = token_weights(MASK, config.loss_mean, max_tokens=4)
    return clipped_loss(ratios.log(), torch.zeros(2, 2), ADVANTAGES, weights, config)


@pytest.mark.parametrize(
    ("loss_mean", "expected"),
    [
        # min(2, 1.2) twice for A = 1; min(-2, -1.2) once for A = -1
        ("token", -(1.2 + 1.2 - 2.0) / 3),
        ("sequence", -((1.2 + 1.2) / 2 - 2.0) / 2),
        ("constant", -(1.2 + 1.2 - 2.0) / (2 * 4)),
    ],
)
def test_loss_is_clipped_masked_and_averaged(loss_mean, expected):
    loss, metrics = loss_of(RATIO, loss_mean=loss_mean)
    torch.testing.assert_close(loss, torch.tensor(expected))
    assert metrics["clip_ratio"] == 1.0


def test_the_upper_bound_may_differ():
    # min(2, 1.5) twice; A = -1 is not bounded from above
    loss, _ = loss_of(RATIO, clip_eps_high=0.5)
    torch.testing.assert_close(loss, torch.tensor(-(1.5 + 1.5 - 2.0) / 3))
    # 0.5 is below 1 - 0.2: max(0.5, 0.8) for A = -1
    ratio = torch.tensor([[1.0, 1.0], [0.5, 1.0]])
    loss, metrics = loss_of(ratio, clip_eps_high=0.5)
    torch.testing.assert_close(loss, torch.tensor(-(1.0 + 1.0 - 0.8) / 3))
    assert metrics["clip_ratio"] == pytest.approx(1 / 3)


def test_the_ratio_of_a_sequence_is_the_geometric_mean_of_its_tokens():
    # sqrt(1.44 * 1) = 1.2 < 1.3 where the first token alone would be clipped; 2 for A = -1
    ratio = torch.tensor([[1.44, 1.0], [2.0, 9.0]])
    loss, metrics = loss_of(ratio, ratio="sequence", loss_mean="sequence", clip_eps=0.3)
    torch.testing.assert_close(loss, torch.tensor(-(1.2 - 2.0) / 2))
    assert metrics["clip_ratio"] == pytest.approx(1 / 3)


def test_a_penalty_keeps_the_policy_near_its_start(bandit):
    moved = []
    for kl_coef in (0.0, 10.0):
        policy, envs = bandit.TablePolicy(), bandit.make()
        config = GRPOConfig(num_steps=20, learning_rate=0.05, kl_coef=kl_coef)
        metrics = list(train(envs, policy, config, start(policy, config)))
        moved.append(policy.logits.abs().mean().item())
    assert moved[1] < 0.5 * moved[0] and metrics[-1]["kl"] > 0


class Counting(TransformersPolicy):
    """Counts the rows of each pass."""

    def logprobs(self, completions):
        if torch.is_grad_enabled():
            self.rows = [*getattr(self, "rows", []), len(completions.mask)]
        return super().logprobs(completions)


@pytest.fixture
def answered(tiny_model):
    """A policy, and 8 completions of different lengths, of which 4 have an advantage."""
    policy = Counting.load(tiny_model)
    sampling = Sampling(max_tokens=24)
    prompts = ["1 + 1 = ", "[3, 5] -> 8: "] * 4
    completions = policy.generate(prompts, sampling, torch.Generator().manual_seed(0))
    assert completions.mask.sum(dim=1).unique().numel() > 1
    return policy, completions, torch.tensor([0.0, 0.0, 1.0, -0.5, 0.0, 0.7, 0.0, -1.2])


@pytest.mark.parametrize("loss_mean", ["token", "sequence", "constant"])
@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_gradients_are_those_of_all_groups_without_passes_for_those_that_have_none(
    answered, loss_mean, ratio
):
    policy, completions, advantages = answered
    config = GRPOConfig(
        loss_mean=loss_mean, ratio=ratio, max_grad_norm=1e9, sampling=Sampling(max_tokens=24)
    )
    weights = token_weights(completions.mask, loss_mean, 24)
    logprobs = policy.logprobs(completions)
    loss, _ = clipped_loss(logprobs, completions.logprobs, advantages, weights, config)
    expected = torch.autograd.grad(loss, list(policy.parameters()))
    metrics = improve(policy, completions, advantages, config, start(policy, config))
    assert policy.rows == [8, 4]
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-6)
    for weight, gradient in zip(policy.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, atol=1e-6, rtol=1e-4)


def test_a_minibatch_without_a_gradient_is_an_update_without_a_pass(answered):
    policy, completions, advantages = answered
    config = GRPOConfig(num_minibatches=8)
    state = start(policy, config)
    improve(policy, completions, advantages, config, state)
    assert policy.rows == [1, 1, 1, 1]
    assert {moments["step"].item() for moments in state.optimizer.state.values()} == {8}
    before = [weight.clone() for weight in policy.parameters()]
    improve(policy, completions, advantages * 0, config, start(policy, config))
    assert policy.rows == [1, 1, 1, 1]
    assert all(map(torch.equal, before, policy.parameters()))


def test_a_divergence_in_the_loss_needs_every_completion(answered):
    policy, completions, advantages = answered
    config = GRPOConfig(kl_coef=0.1, kl_estimator="k2", learning_rate=1e-2, num_epochs=2)
    state = start(policy, config)
    improve(policy, completions, advantages * 0, config, state)  # nothing but the divergence
    assert policy.rows == [8, 8]
    improve(policy, completions, advantages, config, state)  # moves away from the reference
    assert improve(policy, completions, advantages, config, state)["kl"] > 0
    with torch.no_grad():
        fixed = state.reference.logprobs(completions)
    torch.testing.assert_close(fixed, completions.logprobs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("weighted", "times"), [(False, 1.0), (True, 1.5)])
def test_a_divergence_is_not_weighted_by_the_importance_unless_asked(bandit, weighted, times):
    class Elsewhere(bandit.TablePolicy):
        """Draws as the learner does, and says that it had half the probability."""

        def generate(self, *arguments):
            drawn = super().generate(*arguments)
            return replace(drawn, logprobs=drawn.logprobs - math.log(2) * drawn.mask)

    found = []
    for cap in (None, 1.5):  # the first step of Adam has no scale
        policy = Elsewhere() if cap else bandit.TablePolicy()
        arguments = {"num_epochs": 2, "kl_coef": 1e-9, "kl_weighted": weighted}
        config = GRPOConfig(num_steps=1, learning_rate=0.1, importance_cap=cap, **arguments)
        (metrics,) = train(bandit.make(64), policy, config, start(policy, config))
        found.append(metrics["kl"])
    assert found[0] > 0 and found[1] == pytest.approx(times * found[0], rel=0.01)
