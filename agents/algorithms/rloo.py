"""RLOO: policy gradient whose baseline is the mean reward of the other completions of a group.

Ahmadian et al. (2024), "Back to Basics: Revisiting REINFORCE-Style Optimization", arXiv 2402.14740,
after Kool et al. (2019), "Buy 4 REINFORCE Samples, Get a Baseline for Free!".

Conventions, in which codes of RLOO differ:
    - Advantages are r minus the mean of the other G - 1 rewards of the group, G / (G - 1) times
      what r is above the group's mean; they are not standardized. Groups of equal rewards have
      advantages of exactly 0.
    - One step is one batch of P G completions: `num_epochs` passes over it, each in
      `num_minibatches` updates of AdamW; SEC's runs have one pass of 4. A group may be split over
      minibatches; its advantages are those of the whole group.
    - `ratio` "sequence" is the published form: a completion is one action, its ratio is the
      product of its tokens' ratios, and the loss is a mean over completions. "token" is the form
      of SEC's runs: each token has a ratio, and the loss is a mean over all tokens of a minibatch.
      In both the ratio is clipped to [1 - clip_eps, 1 + clip_eps]. Old log-probabilities are those
      of the sampled tokens when they were sampled.
    - Completions whose gradient is exactly 0, those with advantage 0, are left out of the forward
      and backward passes. Every mean still counts them, and an update without any other
      completion is one with gradient 0.
    - With `importance_cap`, for a sampler of another precision or engine, old log-probabilities are
      the learner's own, computed before the first update of a step, and each token of the loss is
      weighted by min(learner / sampler, importance_cap).
    - With `kl_coef` > 0, kl_coef times log (policy / reference) of the completion, Schulman's k1
      summed over its tokens, is subtracted from its reward, in both forms. The reference is the
      policy at the start. The default 0 is that of SEC.
    - Log-probabilities are those of the distribution that was sampled, its temperature included, as
      in TRL, verl and OpenRLHF; with `sampling.logprobs` "raw" they are the model's own, as in
      Edgewise 0.1.
    - No entropy bonus, no weight decay, a constant learning rate.

Shapes: P problems a step, G completions a problem, B = P G, T tokens a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from edgewise.agents.algorithms.config import check
from edgewise.agents.algorithms.losses import (
    correct,
    descend,
    of_share,
    of_verified,
    only,
    penalize,
    token_weights,
)
from edgewise.agents.algorithms.optimizer import MasterAdamW
from edgewise.agents.algorithms.rollout import Envs, Rollout, collect
from edgewise.agents.distributed import share_weighted, totals
from edgewise.agents.policies.base import Completions, Policy, Sampling
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.vector import teach


@dataclass(frozen=True)
class RLOOConfig:
    """Hyperparameters of RLOO."""

    min_group_size: ClassVar[int] = 2  # the baseline needs another completion

    num_steps: int = 240  # batches, as in SEC
    learning_rate: float = 1e-6  # of AdamW
    num_epochs: int = 1  # passes over each batch
    num_minibatches: int = 1  # updates in each pass
    ratio: Literal["sequence", "token"] = "sequence"  # of what, to the policy that sampled
    clip_eps: float = 0.2  # the ratio is clipped to [1 - eps, 1 + eps]
    kl_coef: float = 0.0  # weight of the divergence from the policy at the start, in the reward
    importance_cap: float | None = None  # of learner / sampler, where they differ; None for equal
    max_grad_norm: float = 1.0
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0  # of the sampled tokens and the minibatches

    def __post_init__(self) -> None:
        """Check every value."""
        check(self)


@dataclass
class State:
    """What `train` changes beside the policy."""

    optimizer: MasterAdamW
    generator: torch.Generator
    reference: Policy | None  # the policy at the start, if the loss needs it
    step: int = 0  # steps done
    rollout: Rollout | None = None  # of the last step, for its records
    abs_advantages: Tensor | None = None  # of the last step, (P, G)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and lists."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.step = state["step"]


def start(policy: Policy, config: RLOOConfig) -> State:
    """Return the state of a run that has done no step."""
    optimizer = MasterAdamW([{"params": policy.parameters()}], config.learning_rate)
    reference = policy.frozen() if config.kl_coef else None
    return State(optimizer, torch.Generator().manual_seed(config.seed), reference)


def train(
    envs: Envs, policy: Policy, config: RLOOConfig, state: State
) -> Iterator[dict[str, float]]:
    """Train `policy` in place on the problems of `envs`, yielding the metrics of each step.

    Raises:
        ValueError: If the groups have one completion, which has no baseline.
    """
    base = unwrap_vector(envs)
    if base.group_size < config.min_group_size:
        raise ValueError(f"`group_size` must be at least 2 for RLOO, got {base.group_size}")
    while state.step < config.num_steps:
        # Pose P problems to G environments each, sample and score.
        rollout = collect(envs, policy, config.sampling, state.generator)
        completions, verified = rollout.counted(), rollout.verified
        penalty, penalties = penalize(state.reference, completions, config.kl_coef)
        paid = rollout.in_groups(penalty.sum(dim=1).cpu())  # by each completion
        advantages = of_verified(leave_one_out, rollout.rewards - paid, verified)  # (P, G)

        # The curriculum hears of the batch before the policy learns from it.
        taught = teach(envs, advantages.abs().numpy().astype("float64"))

        # Improve the policy.
        updates = improve(policy, completions, advantages[verified], config, state)
        state.step += 1
        state.rollout, state.abs_advantages = rollout, advantages.abs()
        yield {"step": state.step, **rollout.metrics(), **penalties, **updates, **taught}


def improve(
    policy: Policy,
    completions: Completions,
    advantages: Tensor,
    config: RLOOConfig,
    state: State,
) -> dict[str, float]:
    """Update `policy` on a batch whose completions have `advantages`, (B,); return mean metrics."""
    completions, correction, corrected = correct(policy, completions, config.importance_cap)
    sums: dict[str, float] = defaultdict(float, corrected)
    used = advantages != 0  # (B,) what may have a gradient
    for _ in range(config.num_epochs):
        order = torch.randperm(len(advantages), generator=state.generator)
        for rows in order.tensor_split(config.num_minibatches):
            mask = completions.mask[rows]
            weights = token_weights(mask, config.ratio, config.sampling.max_tokens)
            weights = weights * correction[rows]
            loss, metrics = torch.zeros(()), {"clip_ratio": 0.0}
            own, counted = share_weighted(rows[used[rows]], weights[used[rows]])
            if len(own):
                batch = completions.select(own)
                logprobs = policy.logprobs(batch)  # (at most B / num_minibatches, T)
                given = advantages[own].to(logprobs.device)
                loss, metrics = clipped_loss(logprobs, batch.logprobs, given, counted, config)
                metrics = {
                    "clip_ratio": of_share(metrics["clip_ratio"], weights[used[rows]], counted)
                }
            metrics = {
                **totals(metrics),
                **descend(loss, state.optimizer, config.max_grad_norm),
            }
            for name, value in metrics.items():
                sums[name] += value / (config.num_epochs * config.num_minibatches)
    return dict(sums)


def leave_one_out(rewards: Tensor) -> Tensor:
    """Return how far `rewards`, (P, G), are above the mean of the others in their group.

    A group of equal rewards gets zeros.
    """
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    equal = rewards.amax(dim=1, keepdim=True) == rewards.amin(dim=1, keepdim=True)
    return (rewards - others).masked_fill(equal, 0.0)  # the mean is rounded


def clipped_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    weights: Tensor,
    config: RLOOConfig,
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
    mask = (weights > 0).float()
    log_ratio = only(logprobs - old_logprobs, mask)  # (B, T)
    if config.ratio == "sequence":
        log_ratio = log_ratio.sum(dim=1, keepdim=True).expand_as(log_ratio)
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - config.clip_eps, 1 + config.clip_eps)
    surrogate = torch.minimum(ratio * advantages[:, None], clipped * advantages[:, None])
    outside = only((ratio != clipped).float(), mask).sum() / mask.sum().clamp(min=1)
    return -(surrogate * weights).sum(), {"clip_ratio": outside.item()}
