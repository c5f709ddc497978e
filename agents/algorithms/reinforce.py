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
    - One step is one batch of P G completions. REINFORCE makes one update of AdamW of it, and there
      is no ratio. With `clip_eps`, `num_epochs` passes over it, each in `num_minibatches` updates,
      are possible: the ratio to the policy that sampled is clipped to [1 - clip_eps, 1 + clip_eps],
      per token. Old log-probabilities are those of the sampled tokens when they were sampled.
    - `loss_mean` "constant", the default of REINFORCE, divides the sum over tokens by the number of
      completions times `sampling.max_tokens`: up to that constant it is the gradient of the
      expected reward. "token", the default of REINFORCE++, is a mean over all tokens of a
      minibatch; "sequence" a mean of each completion, then over completions.
    - Completions whose gradient is exactly 0, those with advantages of 0, are left out of the
      forward and backward passes. Every mean still counts them, and an update without any other
      completion is one with gradient 0.
    - With `importance_cap`, for a sampler of another precision or engine, old log-probabilities are
      the learner's own, computed before the first update of a step, and each token of the loss is
      weighted by min(learner / sampler, importance_cap).
    - With `kl_coef` > 0, kl_coef times log (policy / reference) of each token, Schulman's k1, is
      subtracted from the reward at that token. The reference is the policy at the start.
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
from edgewise.agents.algorithms.losses import (
    LossMean,
    correct,
    descend,
    of_share,
    of_verified,
    only,
    penalize,
    sequence_mean,
    token_weights,
    whiten,
)
from edgewise.agents.algorithms.optimizer import MasterAdamW
from edgewise.agents.algorithms.rollout import Envs, Rollout, collect
from edgewise.agents.distributed import share_weighted, totals
from edgewise.agents.policies.base import Completions, Policy, Sampling
from edgewise.vector_env import unwrap_vector
from edgewise.wrappers.vector import teach


@dataclass(frozen=True)
class REINFORCEConfig:
    """Hyperparameters of REINFORCE."""

    num_steps: int = 240  # batches, as in SEC
    learning_rate: float = 1e-6  # of AdamW
    num_epochs: int = 1  # passes over each batch; more need `clip_eps`
    num_minibatches: int = 1  # updates in each pass; more need `clip_eps`
    baseline: Literal["none", "batch", "group"] = "batch"  # whose mean reward is subtracted
    standardize_tokens: bool = False  # whether advantages are, over all tokens of the batch
    clip_eps: float | None = None  # the ratio is clipped to [1 - eps, 1 + eps]; None for no ratio
    kl_coef: float = 0.0  # weight of the divergence from the policy at the start, in the reward
    loss_mean: LossMean = "constant"
    importance_cap: float | None = None  # of learner / sampler, where they differ; None for equal
    max_grad_norm: float = 1.0
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0  # of the sampled tokens and the minibatches

    def __post_init__(self) -> None:
        """Check every value."""
        check(self)
        if self.clip_eps is None and self.num_epochs * self.num_minibatches > 1:
            raise ValueError(
                "`num_epochs` and `num_minibatches` must be 1 without `clip_eps`, "
                f"got {self.num_epochs} and {self.num_minibatches}"
            )

    @property
    def min_group_size(self) -> int:
        """The fewest completions of a problem."""
        return 2 if self.baseline == "group" else 1


@dataclass(frozen=True)
class REINFORCEPlusPlusConfig(REINFORCEConfig):
    """Hyperparameters of REINFORCE++."""

    baseline: Literal["none", "batch", "group"] = "none"  # standardizing subtracts the mean
    standardize_tokens: bool = True
    clip_eps: float | None = 0.2
    loss_mean: LossMean = "token"


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


def start(policy: Policy, config: REINFORCEConfig) -> State:
    """Return the state of a run that has done no step."""
    optimizer = MasterAdamW([{"params": policy.parameters()}], config.learning_rate)
    reference = policy.frozen() if config.kl_coef else None
    return State(optimizer, torch.Generator().manual_seed(config.seed), reference)


def train(
    envs: Envs, policy: Policy, config: REINFORCEConfig, state: State
) -> Iterator[dict[str, float]]:
    """Train `policy` in place on the problems of `envs`, yielding the metrics of each step.

    Raises:
        ValueError: If the groups have one completion and the baseline is theirs.
    """
    base = unwrap_vector(envs)
    if base.group_size < config.min_group_size:
        raise ValueError(
            f"`group_size` must be at least 2 for the baseline 'group', got {base.group_size}"
        )
    while state.step < config.num_steps:
        # Pose P problems to G environments each, sample and score.
        rollout = collect(envs, policy, config.sampling, state.generator)
        completions, verified = rollout.counted(), rollout.verified
        mask = completions.mask
        penalty, penalties = penalize(state.reference, completions, config.kl_coef)
        advantages = token_advantages(rollout.rewards, penalty, mask, config, verified)  # (B, T)

        # The curriculum hears of the batch before the policy learns from it.
        abs_advantages = rollout.in_groups(sequence_mean(advantages.abs(), mask).cpu())
        taught = teach(envs, abs_advantages.numpy().astype("float64"))

        # Improve the policy.
        updates = improve(policy, completions, advantages, config, state)
        state.step += 1
        state.rollout, state.abs_advantages = rollout, abs_advantages
        yield {"step": state.step, **rollout.metrics(), **penalties, **updates, **taught}


def improve(
    policy: Policy,
    completions: Completions,
    advantages: Tensor,
    config: REINFORCEConfig,
    state: State,
) -> dict[str, float]:
    """Update `policy` on a batch whose tokens have `advantages`, (B, T); return mean metrics."""
    completions, correction, corrected = correct(policy, completions, config.importance_cap)
    sums: dict[str, float] = defaultdict(float, corrected)
    used = (advantages != 0).any(dim=1).cpu()  # (B,) what may have a gradient
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
                given = advantages[own]
                loss, metrics = policy_loss(logprobs, batch.logprobs, given, counted, config)
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
        rewards = of_verified(lambda own: own - own.mean(1, keepdim=True), rewards, counted)
    baseline = rewards[counted].mean() if config.baseline == "batch" else torch.zeros(())
    above = (rewards[counted] - baseline)[:, None].to(mask.device)  # (B, 1)
    later = penalty.flip(1).cumsum(1).flip(1)  # (B, T) from each token on
    advantages = only(above - later, mask)
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
        scored = only(logprobs, weights) * only(advantages, weights)
        return -(scored * weights).sum(), {"clip_ratio": 0.0}
    mask = (weights > 0).float()
    advantages = only(advantages, mask)
    ratio = only(logprobs - old_logprobs, mask).exp()  # (B, T)
    clipped = ratio.clamp(1 - config.clip_eps, 1 + config.clip_eps)
    surrogate = torch.minimum(ratio * advantages, clipped * advantages)
    outside = only((ratio != clipped).float(), mask).sum() / mask.sum().clamp(min=1)
    return -(surrogate * weights).sum(), {"clip_ratio": outside.item()}
