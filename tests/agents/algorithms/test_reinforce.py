"""The advantages and losses of REINFORCE and REINFORCE++ against numbers worked by hand."""

import math

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.losses import token_weights  # noqa: E402
from edgewise.agents.algorithms.reinforce import (  # noqa: E402
    REINFORCEConfig,
    REINFORCEPlusPlusConfig,
    policy_loss,
    token_advantages,
)

REWARDS = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
MASK = torch.tensor([[0.0, 1.0, 1.0]] * 3 + [[0.0, 1.0, 0.0]])
NOTHING = torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("none", [1.0, 0.0, 1.0, 1.0]),
        ("batch", [0.25, -0.75, 0.25, 0.25]),
        ("group", [0.5, -0.5, 0.0, 0.0]),
    ],
)
def test_the_baseline_is_of_nothing_the_batch_or_the_group(baseline, expected):
    advantages = token_advantages(REWARDS, NOTHING, MASK, REINFORCEConfig(baseline=baseline))
    torch.testing.assert_close(advantages, torch.tensor(expected)[:, None] * MASK)


def test_a_token_is_charged_for_the_divergence_from_there_on():
    penalty = torch.tensor([[0.0, 0.1, 0.2]]).repeat(4, 1) * MASK
    advantages = token_advantages(REWARDS, penalty, MASK, REINFORCEConfig(baseline="none"))
    expected = torch.tensor([[0.0, 0.7, 0.8], [0.0, -0.3, -0.2], [0.0, 0.7, 0.8], [0.0, 0.9, 0.0]])
    torch.testing.assert_close(advantages, expected)


def test_advantages_are_standardized_over_all_tokens():
    # 1 1, 0 0, 1 1, 1: mean 5 / 7, sum of squares 5 (2 / 7)^2 + 2 (5 / 7)^2 = 10 / 7, over 6
    advantages = token_advantages(REWARDS, NOTHING, MASK, REINFORCEPlusPlusConfig())
    deviation = math.sqrt(10 / 7 / 6)
    expected = torch.tensor([2 / 7, -5 / 7, 2 / 7, 2 / 7])[:, None] / deviation * MASK
    torch.testing.assert_close(advantages, expected)


def test_the_loss_of_reinforce_is_the_weighted_log_probability():
    logprobs = torch.tensor([[-1.0, -2.0], [-0.5, 0.0]], requires_grad=True)
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    weights = token_weights(mask, REINFORCEConfig().loss_mean, max_tokens=4)
    advantages = torch.tensor([[2.0, 1.0], [-1.0, 9.0]])
    loss, _ = policy_loss(logprobs, torch.zeros(2, 2), advantages, weights, REINFORCEConfig())
    # -(2 (-1) + 1 (-2) + (-1) (-0.5)) / (2 * 4)
    torch.testing.assert_close(loss, torch.tensor(3.5 / 8))
    loss.backward()
    torch.testing.assert_close(logprobs.grad, -torch.tensor([[2.0, 1.0], [-1.0, 0.0]]) / 8)


def test_the_loss_of_reinforce_plus_plus_is_clipped_per_token():
    ratio = torch.tensor([[2.0, 1.1], [2.0, 9.0]])
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    config = REINFORCEPlusPlusConfig()
    weights = token_weights(mask, config.loss_mean, max_tokens=4)
    advantages = torch.tensor([[1.0, -1.0], [-3.0, 9.0]])
    loss, metrics = policy_loss(ratio.log(), torch.zeros(2, 2), advantages, weights, config)
    # min(2, 1.2) 1, 1.1 (-1), 2 (-3)
    torch.testing.assert_close(loss, torch.tensor(-(1.2 - 1.1 - 6.0) / 3))
    assert metrics["clip_ratio"] == pytest.approx(2 / 3)


def test_only_the_group_baseline_needs_groups():
    assert REINFORCEConfig().min_group_size == REINFORCEPlusPlusConfig().min_group_size == 1
    assert REINFORCEPlusPlusConfig(baseline="group").min_group_size == 2
