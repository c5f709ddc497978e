"""GRPO: policy gradient whose baseline is the mean reward of a group of completions.

Shao et al. (2024), "DeepSeekMath", arXiv 2402.03300, with its variants by argument:
    - Dr. GRPO (Liu et al., 2025, arXiv 2503.20783): standardize "none", loss_mean "constant".
    - DAPO (Yu et al., 2025, arXiv 2503.14476): clip_eps_high 0.28, loss_mean "token",
      filter "dapo".
    - GSPO (Zheng et al., 2025, arXiv 2507.18071): ratio "sequence", loss_mean "sequence",
      clip_eps 3e-4, clip_eps_high 4e-4.
    - SEC's runs: num_minibatches 4; the other defaults are theirs.

Conventions, in which codes of GRPO differ:
    - Advantages are (r - mean) / (std + 1e-6) with the mean of the group, and the standard deviation
      of the group, of the batch, or none; it is unbiased (G - 1), as in torch.std and the code of
      SEC. Groups of equal rewards have advantages of exactly 0.
    - One step is one batch of P G completions: `num_epochs` passes over it, each in
      `num_minibatches` updates of AdamW. A group may be split over minibatches; its advantages are
      those of the whole group.
    - `loss_mean` "token" is a mean over all tokens of a minibatch; "sequence" a mean of each
      completion, then over completions, as in DeepSeekMath; "constant" divides the sum over tokens
      by the number of completions times `sampling.max_tokens`.
    - Completions whose gradient is exactly 0, those with advantage 0 if there is no divergence in
      the loss, are left out of the forward and backward passes. Every mean still counts them, and
      an update without any other completion is one with gradient 0.
    - The ratio is clipped to [1 - clip_eps, 1 + clip_eps_high], per token, or per completion with
      `ratio` "sequence", where it is the geometric mean of the tokens' ratios. Old
      log-probabilities are those of the sampled tokens when they were sampled.
    - With `importance_cap`, for a sampler of another precision or engine, old log-probabilities are
      the learner's own, computed before the first update of a step, and each token of the loss is
      weighted by min(learner / sampler, importance_cap).
    - With `kl_coef` > 0, kl_coef times KL(policy || reference) is added to the loss, by default
      Schulman's estimate k3 of each token, as in DeepSeekMath, averaged as the loss is and not
      weighted by the ratio. The reference is the policy at the start. The default 0 is that of SEC and DAPO.
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
from typing import Any, Literal

import torch
from torch import Tensor

from edgewise.agents.algorithms.config import check
from edgewise.agents.algorithms.filters import FILTERS
from edgewise.agents.algorithms.losses import (
    Estimator,
    LossMean,
    correct,
    descend,
    kl,
    of_share,
    of_verified,
    only,
    sequence_mean,
    token_weights,
)
from edgewise.agents.algorithms.optimizer import MasterAdamW
from edgewise.agents.algorithms.rollout import Envs, Rollout, collect
from edgewise.agents.distributed import share_weighted, totals
from edgewise.agents.policies.base import Completions, Policy, Sampling
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.vector import teach


@dataclass(frozen=True)
class GRPOConfig:
    """Hyperparameters of GRPO."""

    num_steps: int = 240  # batches, as in SEC
    learning_rate: float = 1e-6  # of AdamW
    num_epochs: int = 1  # passes over each batch
    num_minibatches: int = 1  # updates in each pass
    standardize: Literal["group", "batch", "none"] = "group"  # by whose standard deviation
    ratio: Literal["token", "sequence"] = "token"  # of what, to the policy that sampled
    clip_eps: float = 0.2  # the ratio is clipped to [1 - eps, 1 + eps]
    clip_eps_high: float | None = None  # the upper eps, where it differs
    kl_coef: float = 0.0  # weight of the divergence from the policy at the start
    kl_estimator: Estimator = "k3"
    loss_mean: LossMean = "token"
    importance_cap: float | None = None  # of learner / sampler, where they differ; None for equal
    max_grad_norm: float = 1.0
    filter: Literal["none", "dapo", "bae", "speed", "vcrl"] = "none"  # whose rejects are replaced
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0  # of the sampled tokens and the minibatches

    def __post_init__(self) -> None:
        """Check every value."""
        check(self)

    @property
    def min_group_size(self) -> int:
        """The least completions of a problem: 2, for one has no advantage, or what a filter needs."""
        return 2 if self.filter == "none" else max(2, FILTERS[self.filter]().num_screened + 1)


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


def start(policy: Policy, config: GRPOConfig) -> State:
    """Return the state of a run that has done no step."""
    optimizer = MasterAdamW([{"params": policy.parameters()}], config.learning_rate)
    reference = policy.frozen() if config.kl_coef else None
    return State(optimizer, torch.Generator().manual_seed(config.seed), reference)


def train(
    envs: Envs, policy: Policy, config: GRPOConfig, state: State
) -> Iterator[dict[str, float]]:
    """Train `policy` in place on the problems of `envs`, yielding the metrics of each step.

    Raises:
        ValueError: If the groups are too small.
    """
    size, least = unwrap_vector(envs).group_size, config.min_group_size
    if size < least:
        raise ValueError(f"`group_size` must be at least {least} for GRPO, got {size}")
    while state.step < config.num_steps:
        # Pose P problems to G environments each, sample and score.
        keep = None if config.filter == "none" else FILTERS[config.filter]()
        rollout = collect(envs, policy, config.sampling, state.generator, filter=keep)
        advantages = group_advantages(
            rollout.rewards, config.standardize, rollout.verified
        )  # (P, G)

        # The curriculum hears of the batch before the policy learns from it.
        taught = teach(envs, advantages.abs().numpy().astype("float64"))

        # Improve the policy.
        used = advantages[rollout.verified]
        updates = improve(policy, rollout.counted(), used, config, state)
        state.step += 1
        state.rollout, state.abs_advantages = rollout, advantages.abs()
        yield {"step": state.step, **rollout.metrics(), **updates, **taught}


def improve(
    policy: Policy,
    completions: Completions,
    advantages: Tensor,
    config: GRPOConfig,
    state: State,
) -> dict[str, float]:
    """Update `policy` on a batch whose completions have `advantages`, (B,); return mean metrics.

    Every rank computes its share of the completions of each update.
    """
    estimator = config.kl_estimator
    completions, correction, corrected = correct(policy, completions, config.importance_cap)
    sums: dict[str, float] = defaultdict(float, corrected)
    used = (advantages != 0) | (state.reference is not None)  # (B,) what may have a gradient
    for _ in range(config.num_epochs):
        order = torch.randperm(len(advantages), generator=state.generator)
        for rows in order.tensor_split(config.num_minibatches):
            mask = completions.mask[rows]
            weights = token_weights(mask, config.loss_mean, config.sampling.max_tokens)
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
                if state.reference is not None:
                    with torch.no_grad():
                        fixed = state.reference.logprobs(batch)
                    divergence = kl(only(logprobs, counted), only(fixed, counted), estimator)
                    divergence = (divergence * counted).sum()
                    loss = loss + config.kl_coef * divergence
                    metrics["kl"] = divergence.item()
            metrics = {
                **totals(metrics),
                **descend(loss, state.optimizer, config.max_grad_norm),
            }
            for name, value in metrics.items():
                sums[name] += value / (config.num_epochs * config.num_minibatches)
    return dict(sums)


def group_advantages(
    rewards: Tensor,
    standardize: Literal["group", "batch", "none"] = "group",
    verified: Tensor | None = None,
) -> Tensor:
    """Return how far `rewards`, (P, G), are above the mean of their group, in deviations.

    Args:
        rewards: Of each completion; a group of equal rewards gets zeros.
        standardize: The standard deviation is that of the "group", of the "batch", or "none".
        verified: Which completions count, (P, G); all by default. The others get zeros.
    """
    counted = torch.ones_like(rewards, dtype=torch.bool) if verified is None else verified
    if standardize == "group":
        return of_verified(standardized, rewards, counted)
    centered = of_verified(above_mean, rewards, counted)
    return centered / (rewards[counted].std() + 1e-6) if standardize == "batch" else centered


def above_mean(rewards: Tensor) -> Tensor:
    """Return how far `rewards`, (P, G), are above the mean of their group."""
    centered = rewards - rewards.mean(dim=1, keepdim=True)
    equal = rewards.amax(dim=1, keepdim=True) == rewards.amin(dim=1, keepdim=True)
    return centered.masked_fill(equal, 0.0)  # the mean is rounded


def standardized(rewards: Tensor) -> Tensor:
    """Return that in standard deviations of the group."""
    return above_mean(rewards) / (rewards.std(dim=1, keepdim=True) + 1e-6)


def clipped_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    weights: Tensor,
    config: GRPOConfig,
) -> tuple[Tensor, dict[str, float]]:
    """Return the clipped surrogate loss, and the share of tokens whose ratio is clipped.

    Args:
        logprobs: Of the current policy, shape (B, T), in nats.
        old_logprobs: Of the policy that sampled, shape (B, T), in nats.
        advantages: Of each completion, shape (B,).
        weights: Of each token in the loss, shape (B, T), 0.0 on those that do not count.
        config: Gives the ratio and the clip range.
    """
    mask = (weights > 0).float()
    log_ratio = only(logprobs - old_logprobs, mask)  # (B, T)
    if config.ratio == "sequence":
        log_ratio = sequence_mean(log_ratio, mask)[:, None].expand_as(log_ratio)
    ratio = log_ratio.exp()
    clip_eps_high = config.clip_eps if config.clip_eps_high is None else config.clip_eps_high
    clipped = ratio.clamp(1 - config.clip_eps, 1 + clip_eps_high)
    surrogate = torch.minimum(ratio * advantages[:, None], clipped * advantages[:, None])
    outside = only((ratio != clipped).float(), mask).sum() / mask.sum().clamp(min=1)
    return -(surrogate * weights).sum(), {"clip_ratio": outside.item()}
