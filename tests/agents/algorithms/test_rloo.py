"""RLOO's advantages, both of its losses and its penalty against numbers worked by hand."""

import math

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.losses import token_weights  # noqa: E402
from edgewise.agents.algorithms.rloo import (  # noqa: E402
    RLOOConfig,
    clipped_loss,
    improve,
    leave_one_out,
    start,
    train,
)
from edgewise.agents.policies.options import Sampling  # noqa: E402

MASK = torch.tensor([[1.0, 1.0], [1.0, 0.0]])  # the last token is padding


def test_the_baseline_is_the_mean_of_the_others():
    # 1 - (0 + .5) / 2, 0 - (1 + .5) / 2, .5 - (1 + 0) / 2
    advantages = leave_one_out(torch.tensor([[1.0, 0.0, 0.5], [0.1, 0.1, 0.1]]))
    assert advantages.tolist() == [[0.75, -0.75, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize(("right", "expected"), [(1, 0.25), (2, 0.4286), (3, 0.5357), (4, 0.5714)])
def test_mean_absolute_advantage_of_eight_binary_rewards(right, expected):
    rewards = (torch.arange(8) < right).float()[None]
    assert leave_one_out(rewards).abs().mean().item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        # products 1.1 * 1.05 = 1.155 and 0.5; min(1.155, 1.155) 2 and max(0.5, 0.8) (-1)
        ("sequence", -(1.155 * 2 - 0.8) / 2),
        # per token: (1.1 + 1.05) 2 and max(0.5, 0.8) (-1), over 3 tokens
        ("token", -((1.1 + 1.05) * 2 - 0.8) / 3),
    ],
)
def test_the_loss_has_the_ratio_of_a_completion_or_of_a_token(ratio, expected):
    config = RLOOConfig(ratio=ratio)
    logprobs = torch.tensor([[1.1, 1.05], [0.5, 9.0]]).log()
    weights = token_weights(MASK, config.ratio, 2)
    advantages = torch.tensor([2.0, -1.0])
    loss, metrics = clipped_loss(logprobs, torch.zeros(2, 2), advantages, weights, config)
    torch.testing.assert_close(loss, torch.tensor(expected))
    assert metrics["clip_ratio"] == pytest.approx(1 / 3)


def test_on_policy_the_gradient_is_that_of_the_summed_log_probability():
    config = RLOOConfig()
    logprobs = torch.tensor([[-1.0, -2.0], [-0.5, 0.0]], requires_grad=True)
    weights = token_weights(MASK, config.ratio, 2)
    advantages = torch.tensor([2.0, -1.0])
    loss, _ = clipped_loss(logprobs, logprobs.detach(), advantages, weights, config)
    loss.backward()
    expected = -torch.tensor([[2.0, 2.0], [-1.0, 0.0]]) / 2
    torch.testing.assert_close(logprobs.grad, expected)


def batch(bandit):
    policy = bandit.TablePolicy()
    generator = torch.Generator().manual_seed(0)
    return policy, policy.generate(["1", "2", "3", "4"], Sampling(), generator)


def test_the_divergence_is_paid_for_by_the_completion(bandit):
    envs, policy = bandit.make(16), bandit.TablePolicy()
    config = RLOOConfig(num_steps=1, kl_coef=0.5)
    state = start(policy, config)
    state.reference.logits.data[:, 0] = math.log(5)  # 5 / 8 instead of 1 / 4, 1 / 8 for the others
    (metrics,) = train(envs, policy, config, state)
    answers = state.rollout.completions.tokens[:, 1]
    divergence = torch.where(answers == 0, math.log(0.4), math.log(2.0))
    rewards = state.rollout.rewards - 0.5 * divergence.view(2, 8)
    torch.testing.assert_close(state.abs_advantages, leave_one_out(rewards).abs())
    assert metrics["kl"] == pytest.approx(divergence.mean().item())


def test_completions_without_an_advantage_are_counted_but_not_passed(bandit):
    policy, completions = batch(bandit)
    config = RLOOConfig(max_grad_norm=1e9)
    improve(policy, completions, torch.tensor([0.0, 2.0, 0.0, 0.0]), config, start(policy, config))
    chosen = torch.nn.functional.one_hot(completions.tokens[1, 1], 4)
    torch.testing.assert_close(policy.logits.grad[2], -2.0 * (chosen - 0.25) / 4)
    assert not policy.logits.grad[[1, 3, 4]].any()
