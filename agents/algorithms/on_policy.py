"""What algorithms share that learn from one batch at a time: state and updates.

They differ in advantages and loss. Conventions, the same for all:
    - One step is one batch of P G completions: `num_epochs` passes over it, each in
      `num_minibatches` updates of AdamW. A group may be split over minibatches; its advantages are
      those of the whole group.
    - Completions whose gradient is exactly 0, those with advantages of 0 and no divergence or entropy
      in the loss, are left out of the forward and backward passes. Every mean still counts them, and an
      update without any other completion is one with gradient 0.
    - Old log-probabilities are those of the sampled tokens when they were sampled. With
      `importance_cap`, for a sampler of another precision or engine, they are the learner's own,
      computed before the first update of a step, and each token of the policy's loss is weighted by
      min(learner / sampler, importance_cap).
    - Log-probabilities are those of the distribution that was sampled, its temperature included, as
      in TRL, verl and OpenRLHF; with `sampling.logprobs` "raw" they are the model's own, as in
      Edgewise 0.1.
    - The reference of a divergence is the policy at the start; `kl_coef` 0, the default, has none.
    - The loss is a mean: "token" over all tokens of a minibatch; "sequence" of each completion, then
      over completions; "constant" divides the sum by completions times `sampling.max_tokens`.
    - Rates, decay and betas of AdamW are in `optimizer`; rules of the token limit in `length`.

Shapes: P problems a step, G completions a problem, B = P G, T tokens a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edgewise.agents.algorithms.hyperparameters import LossMean, OnPolicyConfig
from edgewise.agents.algorithms.length import within_limit
from edgewise.agents.algorithms.losses import (
    global_fraction,
    importance_weights,
    masked,
    optimizer_step,
    token_weights,
)
from edgewise.agents.algorithms.optimizer import MasterAdamW, anneal, optimizer_of
from edgewise.agents.algorithms.rollout import Envs, Rollout
from edgewise.agents.distributed import all_reduce_dict, shard_weighted
from edgewise.agents.policies.passes import Loss, Minibatch, Recalling, backward
from edgewise.agents.policies.policy import Completions, Policy, Scorer
from edgewise.vector_env import unwrap_vector


@dataclass
class State:
    """Training state besides the policy."""

    optimizer: MasterAdamW
    generator: torch.Generator
    reference: Scorer | None  # the policy at the start, if `kl_coef` needs it
    value_head: nn.Module | None = None  # of the policy, if it is trained
    step: int = 0  # steps done
    rollout: Rollout | None = None  # of the last step, for its records
    scored: Completions | None = None  # of the last step, with log-probabilities before its updates
    abs_advantages: Tensor | None = None  # of the last step, (P, G)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and lists."""
        head = {} if self.value_head is None else {"value_head": self.value_head.state_dict()}
        return {
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            **head,
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        if self.value_head is not None:
            self.value_head.load_state_dict(state["value_head"])
        self.step = state["step"]


def start(policy: Policy, config: OnPolicyConfig) -> State:
    """Return the state of a run that has done no step."""
    return start_with(policy, config, [{"params": policy.parameters()}])


def start_with(
    policy: Policy,
    config: OnPolicyConfig,
    weights: Iterable[Mapping[str, Any]],
    value_head: nn.Module | None = None,
) -> State:
    """Return the state of a run that has done no step and trains `weights`, parameter groups."""
    reference = policy.frozen() if config.kl_coef else None
    if isinstance(policy, Recalling):
        policy.recalls = config.num_epochs * config.num_minibatches == 1  # others see new weights
    generator = torch.Generator().manual_seed(config.seed)
    return State(optimizer_of(config, weights), generator, reference, value_head)


def check_group_size(envs: Envs, config: OnPolicyConfig, name: str) -> None:
    """Raise ValueError if groups are smaller than `name`, which the message names, needs."""
    size, least = unwrap_vector(envs).group_size, config.min_group_size
    if size < least:
        raise ValueError(f"`group_size` must be at least {least} for {name}, got {size}")


def update(
    policy: Policy,
    completions: Completions,
    used: Tensor,
    config: OnPolicyConfig,
    state: State,
    loss_mean: LossMean,
    loss_of: Loss,
) -> dict[str, float]:
    """Make all updates of a step, each rank on its share of every minibatch; return mean metrics.

    Args:
        policy: Is improved in place.
        completions: The batch, B.
        used: Which of them may have a gradient, shape (B,).
        config: Hyperparameters.
        state: Of the run.
        loss_mean: What the loss is a mean over.
        loss_of: Returns the loss and its metrics, given some b of the completions, their indices in
            the batch, (b,), the weight of each token in the mean and its importance weight, both
            (b, T). It is a sum over completions, and computed in passes that the memory holds.
    """
    completions, correction, ratios = importance_weights(policy, completions, config.importance_cap)
    state.scored = completions
    completions, used = within_limit(completions, used, config)
    rate = anneal(config, state.optimizer, state.step, config.num_steps)
    sums: dict[str, float] = defaultdict(float, ratios | rate)
    for _ in range(config.num_epochs):
        order = torch.randperm(len(used), generator=state.generator)
        for rows in order.tensor_split(config.num_minibatches):
            weights = token_weights(completions.mask[rows], loss_mean, config.sampling.max_tokens)
            rows, weights = rows[used[rows]], weights[used[rows]]  # at most B / num_minibatches
            own, counted = shard_weighted(rows, weights)
            batch = Minibatch(completions.select(own), own, counted, correction[own])
            loss, metrics = backward(policy, batch, loss_of, state.optimizer)
            metrics["clip_ratio"] = global_fraction(metrics["clip_ratio"], weights, counted)
            stepped = optimizer_step(loss, state.optimizer, config.max_grad_norm)
            for name, value in {**all_reduce_dict(metrics), **stepped}.items():
                sums[name] += value / (config.num_epochs * config.num_minibatches)
    return dict(sums)


def clipped_surrogate(
    log_ratio: Tensor, advantages: Tensor, weights: Tensor, low: float, high: float
) -> tuple[Tensor, dict[str, float]]:
    """Return the clipped surrogate loss, and the fraction of tokens whose ratio is clipped.

    Args:
        log_ratio: Of the current policy to the one that sampled, shape (B, T), in nats.
        advantages: Of each token, shape (B, T), or of each completion, shape (B, 1).
        weights: Of each token in the loss, shape (B, T), 0.0 on those that do not count.
        low: The ratio is clipped to [1 - low, 1 + high].
        high: See `low`.
    """
    mask = (weights > 0).float()
    ratio, advantages = masked(log_ratio, mask).exp(), masked(advantages, mask)
    clipped = ratio.clamp(1 - low, 1 + high)
    surrogate = torch.minimum(ratio * advantages, clipped * advantages)
    outside = masked((ratio != clipped).float(), mask).sum() / mask.sum().clamp(min=1)
    return -(surrogate * weights).sum(), {"clip_ratio": outside.item()}
