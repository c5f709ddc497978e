"""PPO: policy gradient with a clipped ratio, whose baseline is a learned value of each token.

Schulman et al. (2017), "Proximal Policy Optimization Algorithms", arXiv 1707.06347, with the
advantages of Schulman et al. (2016), "High-Dimensional Continuous Control Using Generalized
Advantage Estimation", arXiv 1506.02438.

Conventions, in which codes of PPO differ:
    - A token is an action. V_t is the value before token t is sampled; the reward is paid at the
      last token. With delta_t = r_t + gamma V_(t+1) - V_t, the advantage is
      A_t = delta_t + gamma lambda A_(t+1), 0 after the end; observations between two turns are
      skipped. The defaults gamma = lambda = 1 are those of SEC: A_t is the return minus V_t. A
      completion that reaches the token limit ends there, with the reward it got.
    - The target of V_t is A_t + V_t. Advantages are then whitened: shifted and scaled to mean 0 and
      variance 1 over all tokens of the batch; the variance is unbiased. The curriculum observes
      the whitened ones, as in SEC: their |A_t|, averaged over the tokens of each completion.
    - Advantages and targets are computed once a step, from the values before its first update. The
      defaults, one pass of 4 minibatches, are those of SEC's runs.
    - The ratio is clipped to [1 - clip_eps, 1 + clip_eps], per token.
    - The value loss is max((V - target)^2, (clip(V) - target)^2) / 2, where clip(V) is within
      `value_clip_eps` of the value before the first update. Both losses are means by `loss_mean`.
    - The value is a linear head, 0 at the start, on the last hidden state of the policy's own
      network, which learns from `value_coef` times the value loss too. One optimizer has both; the
      norm of their gradient is clipped together.
    - With `kl_coef` > 0, kl_coef times log (policy / reference) of each token, Schulman's k1, is
      subtracted from the reward at that token. The default 0 is that of SEC.
    - All else is as in `on_policy`.

Shapes: P problems a step, G completions a problem, B = P G, T tokens a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewise.agents.algorithms.after import teach_after
from edgewise.agents.algorithms.entropy import with_entropy
from edgewise.agents.algorithms.hyperparameters import PPOConfig
from edgewise.agents.algorithms.length import penalized
from edgewise.agents.algorithms.losses import masked, sequence_mean
from edgewise.agents.algorithms.on_policy import (
    State,
    clipped_surrogate,
    start_with,
    update,
)
from edgewise.agents.algorithms.rollout import Envs, collect
from edgewise.agents.algorithms.token_rewards import penalize, whiten
from edgewise.agents.policies.policy import Completions, Policy
from edgewise.wrappers.vector import teach


@dataclass(frozen=True)
class Estimates:
    """Values, advantages and targets of a batch, (B, T) each, 0.0 where the mask is."""

    values: Tensor  # before the first update
    advantages: Tensor  # whitened
    targets: Tensor  # of the values

    def select(self, rows: Tensor) -> Estimates:
        """Select `rows`, indices."""
        return Estimates(self.values[rows], self.advantages[rows], self.targets[rows])


def start(policy: Policy, config: PPOConfig) -> State:
    """Return the state of a run that has done no step."""
    value_learning_rate = config.value_learning_rate or 10 * config.learning_rate
    weights = [
        {"params": list(policy.parameters()), "lr": config.learning_rate},
        {"params": list(policy.value_head.parameters()), "lr": value_learning_rate},
    ]
    return start_with(policy, config, weights, policy.value_head)


def train(
    envs: Envs, policy: Policy, config: PPOConfig, state: State
) -> Iterator[dict[str, float]]:
    """Train `policy` in place on the problems of `envs`, yielding the metrics of each step."""
    while state.step < config.num_steps:
        # Pose P problems to G environments each, sample and score.
        rollout = collect(envs, policy, config.sampling, state.generator)
        rollout = penalized(rollout, config)
        completions = rollout.counted()
        penalty, penalties = penalize(state.reference, completions, config.kl_coef)
        rewards = token_rewards(rollout.rewards[rollout.verified], penalty, completions.mask)
        estimates = estimate(policy, completions, rewards, config)

        # The curriculum observes the batch before the policy learns from it.
        abs_advantages = sequence_mean(estimates.advantages.abs(), completions.mask)
        abs_advantages = rollout.in_groups(abs_advantages.cpu())  # (P, G)
        curriculum = teach(envs, abs_advantages.numpy().astype("float64"))

        # Improve the policy.
        updates = improve(policy, completions, estimates, config, state)
        signed = rollout.in_groups(sequence_mean(estimates.advantages, completions.mask).cpu())
        updates |= teach_after(envs, policy, rollout, signed, config, state)
        state.step += 1
        state.rollout, state.abs_advantages = rollout, abs_advantages
        yield {"step": state.step, **rollout.metrics(), **penalties, **updates, **curriculum}


def token_rewards(rewards: Tensor, penalty: Tensor, mask: Tensor) -> Tensor:
    """Return the reward of each token, (B, T).

    Args:
        rewards: Of each completion, paid at the last token, shape (B,).
        penalty: Subtracted at each token, shape (B, T).
        mask: 1.0 on the tokens that count, shape (B, T).
    """
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(dim=1, keepdim=True)
    return torch.scatter_add(-penalty, 1, last, rewards[:, None].to(mask.device))


@torch.no_grad()
def estimate(
    policy: Policy, completions: Completions, rewards: Tensor, config: PPOConfig
) -> Estimates:
    """Compute values, advantages and targets from the `rewards` of each token, (B, T)."""
    mask = completions.mask
    values = policy.values(completions)  # (B, T)
    advantages = gae(rewards, values, mask, config)
    return Estimates(values, whiten(advantages, mask), advantages + values)


def gae(rewards: Tensor, values: Tensor, mask: Tensor, config: PPOConfig) -> Tensor:
    """Return generalized advantage estimates, (B, T), 0.0 where `mask` is.

    Args:
        rewards: Of each token, shape (B, T).
        values: Before each token, shape (B, T).
        mask: 1.0 on the tokens that count, shape (B, T); the others are skipped.
        config: Gives gamma and lambda.
    """
    advantages = torch.zeros_like(values)
    next_value, next_advantage = torch.zeros_like(values[:, 0]), torch.zeros_like(values[:, 0])
    for token in reversed(range(values.shape[1])):
        counts = mask[:, token] > 0
        delta = rewards[:, token] + config.discount * next_value - values[:, token]
        advantage = delta + config.discount * config.gae_lambda * next_advantage
        next_value = torch.where(counts, values[:, token], next_value)
        next_advantage = torch.where(counts, advantage, next_advantage)
        advantages[:, token] = masked(advantage, counts)
    return advantages


def improve(
    policy: Policy, completions: Completions, estimates: Estimates, config: PPOConfig, state: State
) -> dict[str, float]:
    """Update `policy` on a batch; return mean metrics."""

    def loss_of(
        batch: Completions, rows: Tensor, weights: Tensor, correction: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        own, eps = estimates.select(rows), config.clip_eps
        logprobs, values = policy.logprobs_and_values(batch)
        log_ratio = logprobs - batch.logprobs
        loss, metrics = clipped_surrogate(log_ratio, own.advantages, weights * correction, eps, eps)
        value_loss = clipped_value_loss(values, own, weights, config)
        metrics |= {"policy_loss": loss.item(), "value_loss": value_loss.item()}
        loss = loss + config.value_coef * value_loss
        return with_entropy(loss, metrics, logprobs, batch.logprobs, weights, config)

    used = torch.ones(len(completions.mask), dtype=torch.bool)
    return update(policy, completions, used, config, state, config.loss_mean, loss_of)


def clipped_value_loss(
    values: Tensor, estimates: Estimates, weights: Tensor, config: PPOConfig
) -> Tensor:
    """Return the value loss: half the larger squared error of `values` and of the clipped ones, (B, T).

    Args:
        values: Of the current policy.
        estimates: Give the old values and the targets.
        weights: Of each token in the loss, shape (B, T).
        config: Gives the clip range.
    """
    old, eps = masked(estimates.values, weights), config.value_clip_eps
    values, targets = masked(values, weights), masked(estimates.targets, weights)
    clipped = values.clamp(old - eps, old + eps)
    error = (values - targets).square()
    clipped_error = (clipped - targets).square()
    return (torch.maximum(error, clipped_error) * weights).sum() / 2
