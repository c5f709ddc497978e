"""RLOO: policy gradient whose baseline is the mean reward of the other completions of a group.

Ahmadian et al. (2024), "Back to Basics: Revisiting REINFORCE-Style Optimization", arXiv 2402.14740,
after Kool et al. (2019), "Buy 4 REINFORCE Samples, Get a Baseline for Free!".

Conventions, in which codes of RLOO differ:
    - Advantages are r minus the mean of the other G - 1 rewards of the group, G / (G - 1) times
      what r is above the group's mean; they are not standardized. Groups of equal rewards have
      advantages of exactly 0.
    - `ratio` "sequence" is the published form: a completion is one action, its ratio is the
      product of its tokens' ratios, and the loss is a mean over completions. "token" is the form
      of SEC's runs: each token has a ratio, and the loss is a mean over all tokens of a minibatch.
      In both the ratio is clipped to [1 - clip_eps, 1 + clip_eps]. SEC's runs have 4 minibatches.
    - With `kl_coef` > 0, kl_coef times log (policy / reference) of the completion, Schulman's k1
      summed over its tokens, is subtracted from its reward, in both forms. The default 0 is that of
      SEC.
    - All else is as in `on_policy`.

Shapes: P problems a step, G completions a problem, B = P G, T tokens a row.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from edgewise.agents.algorithms.after import teach_after
from edgewise.agents.algorithms.entropy import with_entropy
from edgewise.agents.algorithms.hyperparameters import RLOOConfig
from edgewise.agents.algorithms.length import penalized
from edgewise.agents.algorithms.losses import masked, per_verified_group
from edgewise.agents.algorithms.on_policy import (
    State,
    check_group_size,
    clipped_surrogate,
    start,
    update,
)
from edgewise.agents.algorithms.rollout import Envs, collect
from edgewise.agents.algorithms.token_rewards import penalize
from edgewise.agents.policies.policy import Completions, Policy
from edgewise.wrappers.vector import teach

__all__ = ["RLOOConfig", "start", "train"]


def train(
    envs: Envs, policy: Policy, config: RLOOConfig, state: State
) -> Iterator[dict[str, float]]:
    """Train `policy` in place on the problems of `envs`, yielding the metrics of each step.

    Raises:
        ValueError: If the groups have one completion, which has no baseline.
    """
    check_group_size(envs, config, "RLOO")
    while state.step < config.num_steps:
        # Pose P problems to G environments each, sample and score.
        rollout = collect(envs, policy, config.sampling, state.generator)
        rollout = penalized(rollout, config)
        completions, verified = rollout.counted(), rollout.verified
        penalty, penalties = penalize(state.reference, completions, config.kl_coef)
        paid = rollout.in_groups(penalty.sum(dim=1).cpu())  # by each completion
        advantages = per_verified_group(leave_one_out, rollout.rewards - paid, verified)  # (P, G)

        # The curriculum observes the batch before the policy learns from it.
        curriculum = teach(envs, advantages.abs().numpy().astype("float64"))

        # Improve the policy.
        updates = improve(policy, completions, advantages[verified], config, state)
        updates |= teach_after(envs, policy, rollout, advantages, config, state)
        state.step += 1
        state.rollout, state.abs_advantages = rollout, advantages.abs()
        yield {"step": state.step, **rollout.metrics(), **penalties, **updates, **curriculum}


def improve(
    policy: Policy, completions: Completions, advantages: Tensor, config: RLOOConfig, state: State
) -> dict[str, float]:
    """Update `policy` on a batch whose completions have `advantages`, (B,); return mean metrics."""

    def loss_of(
        batch: Completions, rows: Tensor, weights: Tensor, correction: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        logprobs = policy.logprobs(batch)
        own = advantages[rows].to(logprobs.device)
        found = clipped_loss(logprobs, batch.logprobs, own, weights * correction, config)
        return with_entropy(*found, logprobs, batch.logprobs, weights, config)

    used = (advantages != 0) | (config.entropy_coef > 0)
    return update(policy, completions, used, config, state, config.ratio, loss_of)


def leave_one_out(rewards: Tensor) -> Tensor:
    """Subtract from each of `rewards`, (P, G), the mean of the others in its group.

    A group of equal rewards gets zeros.
    """
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    equal = rewards.amax(dim=1, keepdim=True) == rewards.amin(dim=1, keepdim=True)
    return (rewards - others).masked_fill(equal, 0.0)  # the mean is rounded


def clipped_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, weights: Tensor, config: RLOOConfig
) -> tuple[Tensor, dict[str, float]]:
    """Return the clipped surrogate loss, and the share of tokens whose ratio is clipped.

    Args:
        logprobs: Of the current policy, shape (B, T), in nats.
        old_logprobs: Of the policy that sampled, shape (B, T), in nats.
        advantages: Of each completion, shape (B,).
        weights: Of each token in the loss, shape (B, T), 0.0 on those that do not count; those of
            a completion add up to 1 / B where its ratio is that of the sequence.
        config: Gives the ratio and the clip range.
    """
    log_ratio = logprobs - old_logprobs  # (B, T)
    if config.ratio == "sequence":
        log_ratio = masked(log_ratio, weights).sum(dim=1, keepdim=True).expand_as(log_ratio)
    eps = config.clip_eps
    return clipped_surrogate(log_ratio, advantages[:, None], weights, eps, eps)
