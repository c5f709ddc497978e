"""PPO's advantages, losses and value head, against numbers worked by hand and another recursion."""

import math
from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.losses import token_weights  # noqa: E402
from edgewise.agents.algorithms.on_policy import clipped_surrogate  # noqa: E402
from edgewise.agents.algorithms.ppo import (  # noqa: E402
    Estimates,
    PPOConfig,
    clipped_value_loss,
    estimate,
    gae,
    start,
    token_rewards,
    train,
)
from edgewise.agents.policies.options import Sampling  # noqa: E402


def test_the_reward_is_paid_at_the_last_token():
    mask = torch.tensor([[0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    penalty = torch.tensor([0.0, 0.1, 0.0, 0.0]).repeat(3, 1)
    rewards = token_rewards(torch.tensor([1.0, 0.0, 0.5]), penalty, mask)
    expected = [[0.0, -0.1, 1.0, 0.0], [0.0, -0.1, 0.0, 0.0], [0.0, 0.4, 0.0, 0.0]]
    torch.testing.assert_close(rewards, torch.tensor(expected))


def test_advantages_are_worked_backwards():
    # gamma = .5, lambda = .8: deltas 1 - .6 = .4; 0 + .5 .6 - .4 = -.1; 0 + .5 .4 - .2 = 0
    # A = .4; -.1 + .4 .4 = .06; 0 + .4 .06 = .024
    rewards = torch.tensor([[0.0, 0.0, 0.0, 1.0]])
    values = torch.tensor([[0.0, 0.2, 0.4, 0.6]])
    mask = torch.tensor([[0.0, 1.0, 1.0, 1.0]])
    config = PPOConfig(discount=0.5, gae_lambda=0.8)
    advantages = gae(rewards, values, mask, config)
    torch.testing.assert_close(advantages, torch.tensor([[0.0, 0.024, 0.06, 0.4]]))


def test_observations_between_turns_and_padding_are_skipped():
    config = PPOConfig(discount=0.5, gae_lambda=0.8)
    values = torch.tensor([[0.0, 0.2, 0.0, 0.4, 0.6, 0.0]])
    mask = torch.tensor([[0.0, 1.0, 0.0, 1.0, 1.0, 0.0]])
    rewards = token_rewards(torch.tensor([1.0]), torch.zeros(1, 6), mask)
    advantages = gae(rewards, values, mask, config)
    expected = torch.tensor([[0.0, 0.024, 0.0, 0.06, 0.4, 0.0]])
    torch.testing.assert_close(advantages, expected)


def test_advantages_agree_with_the_sum_of_discounted_errors():
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.rand(2, 3, 7, generator=generator)
    config = PPOConfig(discount=0.9, gae_lambda=0.7)
    advantages = gae(rewards, values, torch.ones(3, 7), config)
    after = torch.cat([values[:, 1:], torch.zeros(3, 1)], dim=1)
    errors = rewards + 0.9 * after - values
    for token in range(7):
        powers = 0.63 ** torch.arange(7 - token)
        expected = (errors[:, token:] * powers).sum(dim=1)
        torch.testing.assert_close(advantages[:, token], expected)


def random_batch():
    """Numbers of 6 completions in rows of 9 tokens, some of which do not count; the mask last."""
    generator = torch.Generator().manual_seed(1)
    numbers = torch.randn(6, 6, 9, generator=generator)
    mask = (torch.rand(6, 9, generator=generator) < 0.7).float()
    return *(numbers * mask), mask


def test_advantages_are_those_of_the_paper_written_as_sums():
    # Schulman et al. (2016), arXiv 1506.02438, equation 16, over the tokens that count
    rewards, values, *_, mask = random_batch()
    advantages = gae(rewards, values, mask, PPOConfig(discount=0.9, gae_lambda=0.7))
    for row in range(6):
        tokens = mask[row].nonzero().flatten().tolist()
        for first in range(len(tokens)):
            expected = 0.0
            for place in range(first, len(tokens)):
                following = tokens[place + 1 : place + 2]
                value_after = values[row, following[0]].item() if following else 0.0
                reward, value = (x[row, tokens[place]].item() for x in (rewards, values))
                error = reward + 0.9 * value_after - value
                expected += (0.9 * 0.7) ** (place - first) * error
            assert advantages[row, tokens[first]].item() == pytest.approx(expected, abs=1e-5)
    assert not advantages[mask == 0].any()


def test_losses_are_those_of_the_paper_written_token_by_token():
    # Schulman et al. (2017), arXiv 1707.06347, equation 7: a ratio counts up to 1 + eps where the
    # advantage is positive, and down to 1 - eps where it is negative
    logprobs, old_logprobs, advantages, values, old_values, targets, mask = random_batch()
    policy_loss, value_loss, clipped = 0.0, 0.0, 0
    for row, token in mask.nonzero().tolist():
        ratio = math.exp(logprobs[row, token] - old_logprobs[row, token])
        advantage = advantages[row, token].item()
        used = min(ratio, 1.3) if advantage >= 0 else max(ratio, 0.7)
        policy_loss -= used * advantage
        clipped += not 0.7 <= ratio <= 1.3
        value, old, target = (x[row, token].item() for x in (values, old_values, targets))
        near = old + max(-0.4, min(0.4, value - old))
        value_loss += max((value - target) ** 2, (near - target) ** 2) / 2
    count = mask.sum().item()
    config = PPOConfig(clip_eps=0.3, value_clip_eps=0.4)
    weights = token_weights(mask, "token", max_tokens=9)
    log_ratio = logprobs - old_logprobs
    loss, metrics = clipped_surrogate(log_ratio, advantages, weights, 0.3, 0.3)
    assert loss.item() == pytest.approx(policy_loss / count, abs=1e-5)
    assert metrics["clip_ratio"] == pytest.approx(clipped / count)
    estimates = Estimates(old_values, advantages, targets)
    loss = clipped_value_loss(values, estimates, weights, config)
    assert loss.item() == pytest.approx(value_loss / count, abs=1e-5)


def test_by_default_an_advantage_is_the_return_minus_the_value():
    values = torch.tensor([[0.2, 0.4, 0.6]])
    rewards = torch.tensor([[-0.1, 0.0, 1.0]])
    advantages = gae(rewards, values, torch.ones(1, 3), PPOConfig())
    torch.testing.assert_close(advantages, torch.tensor([[0.9 - 0.2, 1.0 - 0.4, 1.0 - 0.6]]))


def test_targets_are_not_whitened(bandit):
    policy = bandit.TablePolicy()
    policy.value_head.weight.data.fill_(0.5)
    completions = policy.generate(["1", "2"], Sampling(), torch.Generator().manual_seed(0))
    rewards = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    estimates = estimate(policy, completions, rewards, PPOConfig())
    torch.testing.assert_close(estimates.values, torch.tensor([[0.0, 0.5], [0.0, 0.5]]))
    torch.testing.assert_close(estimates.targets, rewards)
    # advantages .5 and -.5, whose unbiased deviation is sqrt(.5)
    expected = torch.tensor([[0.0, 0.5], [0.0, -0.5]]) / 0.5**0.5
    torch.testing.assert_close(estimates.advantages, expected)


def test_the_value_loss_is_the_larger_of_two():
    old, targets = torch.zeros(1, 4), torch.tensor([[1.0, 1.0, -1.0, 9.0]])
    values = torch.tensor([[0.1, 0.9, 0.9, 0.0]], requires_grad=True)
    weights = token_weights(torch.tensor([[1.0, 1.0, 1.0, 0.0]]), "token", max_tokens=4)
    config = PPOConfig(value_clip_eps=0.2)
    loss = clipped_value_loss(values, Estimates(old, old, targets), weights, config)
    # within the range .9^2; clipped .8^2 > .1^2; 1.9^2 > 1.2^2
    torch.testing.assert_close(loss, torch.tensor((0.81 + 0.64 + 3.61) / 3 / 2))
    loss.backward()
    torch.testing.assert_close(values.grad, torch.tensor([[-0.3, 0.0, 1.9 / 3, 0.0]]))


def test_the_value_head_learns_what_a_prompt_is_worth(bandit):
    policy, envs = bandit.TablePolicy(), bandit.make(64)
    policy.logits.data[0, 0] = 5.0  # the answer to 0 is known, those to the others are guessed
    policy.parameters = lambda: []  # the head alone learns
    config = PPOConfig(num_steps=30, value_learning_rate=0.05, value_coef=1.0, max_grad_norm=100.0)
    metrics = list(train(envs, policy, config, start(policy, config)))
    assert policy.value_head.weight[0].item() == pytest.approx(1.0, abs=0.15)
    posed = policy.value_head.weight[1:].abs() > 0.05
    assert policy.value_head.weight[1:][posed].mean().item() == pytest.approx(0.25, abs=0.15)
    assert metrics[-1]["value_loss"] < 0.5 * metrics[0]["value_loss"]


def test_the_value_head_is_part_of_the_state(bandit):
    policy, config = bandit.TablePolicy(), PPOConfig(num_steps=2, learning_rate=0.1)
    state = start(policy, config)
    list(train(bandit.make(64), policy, config, state))
    saved = deepcopy(state.state_dict())
    other = bandit.TablePolicy()
    start(other, config).load_state_dict(saved)
    assert torch.equal(other.value_head.weight, policy.value_head.weight)
    assert other.value_head.weight.any()


def test_the_curriculum_is_told_the_mean_over_tokens_of_the_whitened_advantages(bandit):
    policy, config, envs = bandit.TablePolicy(), PPOConfig(num_steps=1), bandit.make(64)
    state = start(policy, config)
    list(train(envs, policy, config, state))
    rewards = state.rollout.rewards  # one token, values of 0: A is the whitened reward
    whitened = (rewards - rewards.mean()) / rewards.std()
    torch.testing.assert_close(state.abs_advantages, whitened.abs(), atol=1e-5, rtol=0)
