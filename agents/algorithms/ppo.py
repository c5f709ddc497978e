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
      variance 1 over all tokens of the batch; the variance is unbiased. The curriculum is told of
      the whitened ones, as in SEC: their |A_t|, averaged over the tokens of each completion.
    - One step is one batch of P G completions: `num_epochs` passes over it, each in
      `num_minibatches` updates of AdamW; the defaults, one pass of 4, are those of SEC's runs.
      Advantages and targets are computed once a step, from the values before its first update.
    - The ratio is clipped to [1 - clip_eps, 1 + clip_eps], per token. Old log-probabilities are
      those of the sampled tokens when they were sampled.
    - The value loss is max((V - target)^2, (clip(V) - target)^2) / 2, where clip(V) is within
      `value_clip_eps` of the value before the first update. Both losses are means of a minibatch:
      with `loss_mean` "token" over all tokens; "sequence" of each completion, then over
      completions; "constant" divides the sum by completions times `sampling.max_tokens`.
    - The value is a linear head, 0 at the start, on the last hidden state of the policy's own
      network, which learns from `value_coef` times the value loss too. One optimizer has both; the
      norm of their gradient is clipped together.
    - With `importance_cap`, for a sampler of another precision or engine, old log-probabilities are
      the learner's own, computed before the first update of a step, and each token of the policy's
      loss is weighted by min(learner / sampler, importance_cap).
    - With `kl_coef` > 0, kl_coef times log (policy / reference) of each token, Schulman's k1, is
      subtracted from the reward at that token. The reference is the policy at the start. The
      default 0 is that of SEC.
    - Log-probabilities are those of the distribution that was sampled, its temperature included, as
      in TRL, verl and OpenRLHF; with `sampling.logprobs` "raw" they are the model's own, as in
      Edgewise 0.1.
    - No entropy bonus, no weight decay, constant learning rates.

Shapes: P problems a step, G completions a problem, B = P G, T tokens a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from edgewise.agents.algorithms.config import check
from edgewise.agents.algorithms.losses import (
    LossMean,
    correct,
    descend,
    of_share,
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
from edgewise.wrappers.vector import teach


@dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters of PPO."""

    min_group_size: ClassVar[int] = 1  # values need no other completion

    num_steps: int = 240  # batches, as in SEC
    learning_rate: float = 1e-6  # of AdamW
    value_learning_rate: float | None = None  # of the value head; None for 10 times the other
    num_epochs: int = 1  # passes over each batch
    num_minibatches: int = 4  # updates in each pass
    clip_eps: float = 0.2  # the ratio is clipped to [1 - eps, 1 + eps]
    value_clip_eps: float = 0.5  # values move by at most this in a step, as far as the loss sees
    value_coef: float = 0.1  # weight of the value loss
    discount: float = 1.0  # gamma, per token
    gae_lambda: float = 1.0  # lambda: 1 trusts the return, 0 the next value
    kl_coef: float = 0.0  # weight of the divergence from the policy at the start, in the reward
    loss_mean: LossMean = "token"
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
    reference: Policy | None  # the policy at the start, if the reward needs it
    value_head: nn.Module  # of the policy
    step: int = 0  # steps done
    rollout: Rollout | None = None  # of the last step, for its records
    abs_advantages: Tensor | None = None  # of the last step, (P, G)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors, numbers and lists."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "value_head": self.value_head.state_dict(),
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.value_head.load_state_dict(state["value_head"])
        self.step = state["step"]


@dataclass(frozen=True)
class Estimates:
    """What a batch is improved by, computed once; all arrays are (B, T), 0.0 where the mask is."""

    values: Tensor  # before the first update
    advantages: Tensor  # whitened
    targets: Tensor  # of the values

    def select(self, rows: Tensor) -> Estimates:
        """Return those of `rows`, indices."""
        return Estimates(self.values[rows], self.advantages[rows], self.targets[rows])


def start(policy: Policy, config: PPOConfig) -> State:
    """Return the state of a run that has done no step."""
    value_learning_rate = config.value_learning_rate or 10 * config.learning_rate
    weights = [
        {"params": list(policy.parameters()), "lr": config.learning_rate},
        {"params": list(policy.value_head.parameters()), "lr": value_learning_rate},
    ]
    optimizer = MasterAdamW(weights, config.learning_rate)
    reference = policy.frozen() if config.kl_coef else None
    generator = torch.Generator().manual_seed(config.seed)
    return State(optimizer, generator, reference, policy.value_head)


def train(
    envs: Envs, policy: Policy, config: PPOConfig, state: State
) -> Iterator[dict[str, float]]:
    """Train `policy` in place on the problems of `envs`, yielding the metrics of each step."""
    while state.step < config.num_steps:
        # Pose P problems to G environments each, sample and score.
        rollout = collect(envs, policy, config.sampling, state.generator)
        completions = rollout.counted()
        penalty, penalties = penalize(state.reference, completions, config.kl_coef)
        rewards = token_rewards(rollout.rewards[rollout.verified], penalty, completions.mask)
        estimates = estimate(policy, completions, rewards, config)

        # The curriculum hears of the batch before the policy learns from it.
        abs_advantages = sequence_mean(estimates.advantages.abs(), completions.mask)
        abs_advantages = rollout.in_groups(abs_advantages.cpu())  # (P, G)
        taught = teach(envs, abs_advantages.numpy().astype("float64"))

        # Improve the policy.
        updates = improve(policy, completions, estimates, config, state)
        state.step += 1
        state.rollout, state.abs_advantages = rollout, abs_advantages
        yield {"step": state.step, **rollout.metrics(), **penalties, **updates, **taught}


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
    """Return what a batch with `rewards` of each token, (B, T), is improved by."""
    mask = completions.mask
    values = policy.values(completions)  # (B, T)
    advantages = gae(rewards, values, mask, config)
    return Estimates(values, whiten(advantages, mask), advantages + values)


def gae(rewards: Tensor, values: Tensor, mask: Tensor, config: PPOConfig) -> Tensor:
    """Return the advantage of each token, (B, T), 0.0 where `mask` is.

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
        advantages[:, token] = only(advantage, counts)
    return advantages


def improve(
    policy: Policy,
    completions: Completions,
    estimates: Estimates,
    config: PPOConfig,
    state: State,
) -> dict[str, float]:
    """Update `policy` on a batch; return mean metrics."""
    completions, correction, corrected = correct(policy, completions, config.importance_cap)
    sums: dict[str, float] = defaultdict(float, corrected)
    for _ in range(config.num_epochs):
        order = torch.randperm(len(completions.mask), generator=state.generator)
        for rows in order.tensor_split(config.num_minibatches):
            loss, metrics = torch.zeros(()), dict[str, float]()
            mask = completions.mask[rows]
            weights = token_weights(mask, config.loss_mean, config.sampling.max_tokens)
            own, counted = share_weighted(rows, weights)
            if len(own):
                batch, given = completions.select(own), estimates.select(own)
                logprobs, values = policy.logprobs_and_values(batch)  # (B / num_minibatches, T)
                corrected_weights = counted * correction[own]
                loss, metrics = clipped_loss(
                    logprobs, batch.logprobs, given.advantages, corrected_weights, config
                )
                metrics = {"clip_ratio": of_share(metrics["clip_ratio"], weights, counted)}
                value_loss = clipped_value_loss(values, given, counted, config)
                metrics |= {"policy_loss": loss.item(), "value_loss": value_loss.item()}
                loss = loss + config.value_coef * value_loss
            metrics = {
                **totals(metrics),
                **descend(loss, state.optimizer, config.max_grad_norm),
            }
            for name, value in metrics.items():
                sums[name] += value / (config.num_epochs * config.num_minibatches)
    return dict(sums)


def clipped_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    weights: Tensor,
    config: PPOConfig,
) -> tuple[Tensor, dict[str, float]]:
    """Return the clipped surrogate loss, and the share of tokens whose ratio is clipped.

    Args:
        logprobs: Of the current policy, shape (B, T), in nats.
        old_logprobs: Of the policy that sampled, shape (B, T), in nats.
        advantages: Of each token, shape (B, T).
        weights: Of each token in the loss, shape (B, T), 0.0 on those that do not count.
        config: Gives the clip range.
    """
    mask = (weights > 0).float()
    advantages = only(advantages, mask)
    ratio = only(logprobs - old_logprobs, mask).exp()  # (B, T)
    clipped = ratio.clamp(1 - config.clip_eps, 1 + config.clip_eps)
    surrogate = torch.minimum(ratio * advantages, clipped * advantages)
    outside = only((ratio != clipped).float(), mask).sum() / mask.sum().clamp(min=1)
    return -(surrogate * weights).sum(), {"clip_ratio": outside.item()}


def clipped_value_loss(
    values: Tensor, estimates: Estimates, weights: Tensor, config: PPOConfig
) -> Tensor:
    """Return half the squared error of `values`, (B, T), or of the clipped ones if it is larger.

    Args:
        values: Of the current policy.
        estimates: Give the old values and the targets.
        weights: Of each token in the loss, shape (B, T).
        config: Gives the clip range.
    """
    old, eps = only(estimates.values, weights), config.value_clip_eps
    values, targets = only(values, weights), only(estimates.targets, weights)
    clipped = values.clamp(old - eps, old + eps)
    error = (values - targets).square()
    clipped_error = (clipped - targets).square()
    return (torch.maximum(error, clipped_error) * weights).sum() / 2
