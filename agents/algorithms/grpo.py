"""GRPO: policy gradient whose baseline is the mean reward of a group of completions.

Shao et al. (2024), "DeepSeekMath", arXiv 2402.03300, with its variants by argument:
    - Dr. GRPO (Liu et al., 2025, arXiv 2503.20783): standardize "none", loss_mean "constant".
    - DAPO (Yu et al., 2025, arXiv 2503.14476): clip_eps_high 0.28, loss_mean "token", filter "dapo",
      overlong_buffer 4096 of max_tokens 20480; mask_truncated without a buffer.
    - GSPO (Zheng et al., 2025, arXiv 2507.18071): ratio "sequence", loss_mean "sequence",
      clip_eps 3e-4, clip_eps_high 4e-4.
    - SEC's runs: num_minibatches 4; the other defaults are theirs.

Conventions, in which codes of GRPO differ:
    - Advantages are (r - mean) / (std + 1e-6) with the mean of the group, and the standard deviation
      of the group, of the batch, or none; it is unbiased (G - 1), as in torch.std and the code of
      SEC. Groups of equal rewards have advantages of exactly 0.
    - The ratio is clipped to [1 - clip_eps, 1 + clip_eps_high], per token, or per completion with
      `ratio` "sequence", where it is the geometric mean of the tokens' ratios.
    - With `kl_coef` > 0 (0 in SEC and DAPO), kl_coef times KL(policy || reference) is added to the loss,
      by default Schulman's k3 of each token, as in DeepSeekMath, averaged as the loss is and not
      weighted by the ratio nor, as in TRL, by the importance, unless `kl_weighted`.
    - All else is as in `on_policy`, shapes too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from edgewise.agents.algorithms.after import teach_after
from edgewise.agents.algorithms.entropy import with_entropy
from edgewise.agents.algorithms.filters import filter_of
from edgewise.agents.algorithms.hyperparameters import GRPOConfig
from edgewise.agents.algorithms.length import penalized
from edgewise.agents.algorithms.losses import kl, masked, per_verified_group, sequence_mean
from edgewise.agents.algorithms.on_policy import (
    State,
    check_group_size,
    clipped_surrogate,
    start,
    update,
)
from edgewise.agents.algorithms.rollout import Envs, collect
from edgewise.agents.policies.policy import Completions, Policy
from edgewise.wrappers.vector import teach

__all__ = ["GRPOConfig", "start", "train"]


def train(
    envs: Envs, policy: Policy, config: GRPOConfig, state: State
) -> Iterator[dict[str, float]]:
    """Train `policy` in place on the problems of `envs`, yielding the metrics of each step.

    Raises:
        ValueError: If the groups are too small.
    """
    check_group_size(envs, config, "GRPO")
    while state.step < config.num_steps:
        # Pose P problems to G environments each, sample and score.
        keep = filter_of(config.filter, config.filter_rounds, state.step)
        rollout = collect(envs, policy, config.sampling, state.generator, filter=keep)
        rollout = penalized(rollout, config)
        advantages = group_advantages(rollout.rewards, config.standardize, rollout.verified)

        # The curriculum observes the batch before the policy learns from it.
        curriculum = teach(envs, advantages.abs().numpy().astype("float64"))

        # Improve the policy.
        updates = improve(policy, rollout.counted(), advantages[rollout.verified], config, state)
        updates |= teach_after(envs, policy, rollout, advantages, config, state)
        state.step += 1
        state.rollout, state.abs_advantages = rollout, advantages.abs()
        yield {"step": state.step, **rollout.metrics(), **updates, **curriculum}


def improve(
    policy: Policy, completions: Completions, advantages: Tensor, config: GRPOConfig, state: State
) -> dict[str, float]:
    """Update `policy` on a batch whose completions have `advantages`, (B,); return mean metrics."""

    def loss_of(
        batch: Completions, rows: Tensor, weights: Tensor, correction: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        corrected, logprobs = weights * correction, policy.logprobs(batch)
        own = advantages[rows].to(logprobs.device)
        loss, metrics = clipped_loss(logprobs, batch.logprobs, own, corrected, config)
        if state.reference is not None:
            with torch.no_grad():
                fixed = state.reference.logprobs(batch)
            tokens = kl(masked(logprobs, weights), masked(fixed, weights), config.kl_estimator)
            divergence = (tokens * (corrected if config.kl_weighted else weights)).sum()
            loss = loss + config.kl_coef * divergence
            metrics["kl"] = divergence.item()
        return with_entropy(loss, metrics, logprobs, batch.logprobs, weights, config)

    used = (advantages != 0) | (state.reference is not None) | (config.entropy_coef > 0)
    return update(policy, completions, used, config, state, config.loss_mean, loss_of)


def group_advantages(
    rewards: Tensor,
    standardize: Literal["group", "batch", "none"] = "group",
    verified: Tensor | None = None,
) -> Tensor:
    """Return group-relative advantages of `rewards`, (P, G).

    Args:
        rewards: Of each completion; a group of equal rewards gets zeros.
        standardize: The standard deviation is that of the "group", of the "batch", or "none".
        verified: Which completions count, (P, G); all by default. The others get zeros.
    """
    counted = torch.ones_like(rewards, dtype=torch.bool) if verified is None else verified
    if standardize == "group":
        return per_verified_group(standardized, rewards, counted)
    centered = per_verified_group(above_mean, rewards, counted)
    return centered / (rewards[counted].std() + 1e-6) if standardize == "batch" else centered


def above_mean(rewards: Tensor) -> Tensor:
    """Subtract the group mean from `rewards`, (P, G); groups of equal rewards get exact zeros."""
    centered = rewards - rewards.mean(dim=1, keepdim=True)
    equal = rewards.amax(dim=1, keepdim=True) == rewards.amin(dim=1, keepdim=True)
    return centered.masked_fill(equal, 0.0)  # the mean is rounded


def standardized(rewards: Tensor) -> Tensor:
    """Subtract the group mean from `rewards`, (P, G), and divide by the group's deviation."""
    return above_mean(rewards) / (rewards.std(dim=1, keepdim=True) + 1e-6)


def clipped_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, weights: Tensor, config: GRPOConfig
) -> tuple[Tensor, dict[str, float]]:
    """Return the clipped surrogate loss, and the share of tokens whose ratio is clipped.

    Args:
        logprobs: Of the current policy, shape (B, T), in nats.
        old_logprobs: Of the policy that sampled, shape (B, T), in nats.
        advantages: Of each completion, shape (B,).
        weights: Of each token in the loss, shape (B, T), 0.0 on those that do not count.
        config: Gives the ratio and the clip range.
    """
    log_ratio, mask = logprobs - old_logprobs, (weights > 0).float()  # (B, T)
    if config.ratio == "sequence":
        log_ratio = sequence_mean(log_ratio, mask)[:, None].expand_as(log_ratio)
    high = config.clip_eps if config.clip_eps_high is None else config.clip_eps_high
    return clipped_surrogate(log_ratio, advantages[:, None], weights, config.clip_eps, high)
