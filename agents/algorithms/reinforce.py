"""REINFORCE, and REINFORCE++: policy gradients without a critic, with a baseline of the batch.

Williams (1992), "Simple statistical gradient-following algorithms for connectionist reinforcement
learning"; Hu (2025), "REINFORCE++", arXiv 2501.03262. The second is the first with rewards
standardized over all tokens of the batch, a clipped ratio and, if wanted, a divergence per token in
the reward; so it is the same code with other defaults. REINFORCE++-baseline, of the same paper, has
baseline "group".

Conventions, in which codes of REINFORCE differ:
    - The advantage of a token is the return from there on, undiscounted, minus the mean reward of
      the batch, of the group, or nothing. With `standardize_tokens`, advantages are then shifted
      and scaled to mean 0 and variance 1 over all tokens of the batch; the variance is unbiased.
    - REINFORCE makes one update of a batch, and there is no ratio. With `clip_eps` several are
      possible: the ratio to the policy that sampled is clipped to [1 - clip_eps, 1 + clip_eps], per
      token.
    - `loss_mean` is "constant" in REINFORCE: up to a constant the gradient is that of the expected
      reward. In REINFORCE++ it is "token".
    - With `kl_coef` > 0, kl_coef times log (policy / reference) of each token, Schulman's k1, is
      subtracted from the reward at that token.
    - All else is as in `on_policy`.

Shapes: P problems a step, G completions a problem, B = P G, T tokens a row.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from edgewise.agents.algorithms.after import teach_after
from edgewise.agents.algorithms.entropy import with_entropy
from edgewise.agents.algorithms.hyperparameters import REINFORCEConfig, REINFORCEPlusPlusConfig
from edgewise.agents.algorithms.length import penalized
from edgewise.agents.algorithms.losses import masked, per_verified_group, sequence_mean
from edgewise.agents.algorithms.on_policy import (
    State,
    check_group_size,
    clipped_surrogate,
    start,
    update,
)
from edgewise.agents.algorithms.rollout import Envs, collect
from edgewise.agents.algorithms.token_rewards import penalize, whiten
from edgewise.agents.policies.policy import Completions, Policy
from edgewise.wrappers.vector import teach

__all__ = ["REINFORCEConfig", "REINFORCEPlusPlusConfig", "start", "train"]


def train(
    envs: Envs, policy: Policy, config: REINFORCEConfig, state: State
) -> Iterator[dict[str, float]]:
    """Train `policy` in place on the problems of `envs`, yielding the metrics of each step.

    Raises:
        ValueError: If the groups have one completion and the baseline is theirs.
    """
    check_group_size(envs, config, f"the baseline {config.baseline!r}")
    while state.step < config.num_steps:
        # Pose P problems to G environments each, sample and score.
        rollout = collect(envs, policy, config.sampling, state.generator)
        rollout = penalized(rollout, config)
        completions, verified = rollout.counted(), rollout.verified
        mask = completions.mask
        penalty, penalties = penalize(state.reference, completions, config.kl_coef)
        advantages = token_advantages(rollout.rewards, penalty, mask, config, verified)  # (B, T)

        # The curriculum observes the batch before the policy learns from it.
        abs_advantages = rollout.in_groups(sequence_mean(advantages.abs(), mask).cpu())
        curriculum = teach(envs, abs_advantages.numpy().astype("float64"))

        # Improve the policy.
        updates = improve(policy, completions, advantages, config, state)
        signed = rollout.in_groups(sequence_mean(advantages, mask).cpu())
        updates |= teach_after(envs, policy, rollout, signed, config, state)
        state.step += 1
        state.rollout, state.abs_advantages = rollout, abs_advantages
        yield {"step": state.step, **rollout.metrics(), **penalties, **updates, **curriculum}


def improve(
    policy: Policy,
    completions: Completions,
    advantages: Tensor,
    config: REINFORCEConfig,
    state: State,
) -> dict[str, float]:
    """Update `policy` on a batch whose tokens have `advantages`, (B, T); return mean metrics."""

    def loss_of(
        batch: Completions, rows: Tensor, weights: Tensor, correction: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        logprobs, corrected = policy.logprobs(batch), weights * correction
        found = policy_loss(logprobs, batch.logprobs, advantages[rows], corrected, config)
        return with_entropy(*found, logprobs, batch.logprobs, weights, config)

    used = (advantages != 0).any(dim=1).cpu() | (config.entropy_coef > 0)
    return update(policy, completions, used, config, state, config.loss_mean, loss_of)


def token_advantages(
    rewards: Tensor,
    penalty: Tensor,
    mask: Tensor,
    config: REINFORCEConfig,
    verified: Tensor | None = None,
) -> Tensor:
    """Return the advantage of each token, (B, T), 0.0 where `mask` is.

    Args:
        rewards: Of each completion, at its last token, shape (P, G).
        penalty: Subtracted at each token, shape (B, T), 0.0 where `mask` is.
        mask: 1.0 on the tokens that count, shape (B, T).
        config: Gives the baseline, and whether advantages are standardized.
        verified: Which completions count, (P, G); all by default. The B rows are theirs.
    """
    counted = torch.ones_like(rewards, dtype=torch.bool) if verified is None else verified
    if config.baseline == "group":
        rewards = per_verified_group(lambda own: own - own.mean(1, keepdim=True), rewards, counted)
    baseline = rewards[counted].mean() if config.baseline == "batch" else torch.zeros(())
    above = (rewards[counted] - baseline)[:, None].to(mask.device)  # (B, 1)
    later = penalty.flip(1).cumsum(1).flip(1)  # (B, T) from each token on
    advantages = masked(above - later, mask)
    return whiten(advantages, mask) if config.standardize_tokens else advantages


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    weights: Tensor,
    config: REINFORCEConfig,
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss, clipped if there is a ratio, and the share of tokens whose ratio is clipped.

    Args:
        logprobs: Of the current policy, shape (B, T), in nats.
        old_logprobs: Of the policy that sampled, shape (B, T), in nats.
        advantages: Of each token, shape (B, T).
        weights: Of each token in the loss, shape (B, T), 0.0 on those that do not count.
        config: Gives the clip range, if any.
    """
    if config.clip_eps is None:
        scored = masked(logprobs, weights) * masked(advantages, weights)
        return -(scored * weights).sum(), {"clip_ratio": 0.0}
    eps = config.clip_eps
    return clipped_surrogate(logprobs - old_logprobs, advantages, weights, eps, eps)
