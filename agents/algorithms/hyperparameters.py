"""Hyperparameters of every algorithm, checked by the types that their fields declare; imports no torch.

What each means is in the file of the algorithm, and in `on_policy` for those that all have. GRPO is of
Shao et al. (2024), arXiv 2402.03300, RLOO of Ahmadian et al. (2024), arXiv 2402.14740, PPO of Schulman
et al. (2017), arXiv 1707.06347, and REINFORCE++ of Hu et al. (2025), arXiv 2501.03262.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgewise.agents.algorithms.config import (
    BelowOne,
    Count,
    Fraction,
    NotNegative,
    Positive,
    check,
)
from edgewise.agents.algorithms.filters import FilterName, filter_of
from edgewise.agents.policies.options import Sampling

LossMean = Literal["token", "sequence", "constant"]
Estimator = Literal["k1", "k2", "k3"]
Schedule = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Hyperparameters of AdamW, of its learning rate and of the gradient."""

    learning_rate: Positive = 1e-6  # the highest
    lr_schedule: Schedule = "constant"  # linear and cosine fall to 0 at the end of the run
    warmup_steps: NotNegative = 0.0  # in which the rate rises; below 1 a fraction of the run
    weight_decay: NotNegative = 0.0  # of all weights that are trained, per unit of learning rate
    adam_beta1: BelowOne = 0.9
    adam_beta2: BelowOne = 0.999
    max_grad_norm: Positive = 1.0


@dataclass(frozen=True, kw_only=True)
class LengthConfig:
    """Hyperparameters of the length of completions."""

    sampling: Sampling = field(default_factory=Sampling)
    mask_truncated: bool = False  # completions that reach the limit are left out of the loss
    overlong_buffer: Count | None = None  # tokens below the limit in which rewards fall; None: none
    overlong_penalty: NotNegative = (
        1.0  # what a completion at the limit loses, if there is a buffer
    )


@dataclass(frozen=True, kw_only=True)
class EntropyConfig:
    """Hyperparameters of the entropy bonus."""

    entropy_coef: NotNegative = 0.0  # weight of the entropy that is added to what is maximised


@dataclass(frozen=True, kw_only=True)
class OnPolicyConfig(OptimizerConfig, LengthConfig, EntropyConfig):
    """Hyperparameters that all algorithms have; fields are checked by the types that they declare."""

    num_steps: Count = 240  # batches, as in SEC
    num_epochs: Count = 1  # passes over each batch
    num_minibatches: Count = 1  # updates in each pass
    kl_coef: NotNegative = 0.0  # weight of the divergence from the policy at the start
    importance_cap: Positive | None = None  # of learner / sampler; None where they are the same
    seed: int = 0  # of the sampled tokens and the minibatches

    def __post_init__(self) -> None:
        """Check every value, and what goes with what."""
        check(self)
        if self.warmup_steps >= 1 and self.warmup_steps not in range(1, self.num_steps + 1):
            raise ValueError(
                f"`warmup_steps` must be a whole number of at most {self.num_steps} steps, or a "
                f"fraction of the run below 1, got {self.warmup_steps:g}"
            )
        if self.overlong_buffer is None and self.overlong_penalty != 1:
            raise ValueError(
                f"`overlong_penalty` must be left out without `overlong_buffer`, got "
                f"{self.overlong_penalty:g}"
            )

    @property
    def min_group_size(self) -> int:
        """The fewest completions of a problem."""
        return 1


@dataclass(frozen=True, kw_only=True)
class GRPOConfig(OnPolicyConfig):
    """Hyperparameters of GRPO.

    Example:
        >>> from edgewise.agents import Sampling, load_policy, train
        >>> policy = load_policy("seedling")
        >>> envs = gym.make_vec("Countdown-v0", num_envs=8, group_size=4, preset="seedling")
        >>> envs = edgewise.wrappers.vector.PromptFormat(envs, render=policy.render)
        >>> _ = envs.reset(seed=0)
        >>> config = GRPOConfig(num_steps=2, sampling=Sampling(max_tokens=8))
        >>> [metrics["step"] for metrics in train(envs, policy, config)]
        [1, 2]
    """

    standardize: Literal["group", "batch", "none"] = "group"  # by whose standard deviation
    ratio: Literal["token", "sequence"] = "token"  # of what, to the policy that sampled
    clip_eps: Positive = 0.2  # the ratio is clipped to [1 - eps, 1 + eps]
    clip_eps_high: Positive | None = None  # the upper eps, where it differs
    kl_estimator: Estimator = "k3"
    loss_mean: LossMean = "token"
    filter: FilterName = "none"  # whose rejects are replaced
    filter_rounds: Count | None = None  # most times in a step that they are; None for the filter's
    kl_weighted: bool = False  # by the importance too, where there is a cap, as in Edgewise 0.1

    @property
    def min_group_size(self) -> int:
        """The least completions of a problem: 2, for one has no advantage, or what a filter needs."""
        keep = filter_of(self.filter)
        return 2 if keep is None else max(2, keep.num_screened + 1)


@dataclass(frozen=True, kw_only=True)
class RLOOConfig(OnPolicyConfig):
    """Hyperparameters of RLOO.

    Example:
        >>> from edgewise.agents import Sampling, load_policy, train
        >>> policy = load_policy("seedling")
        >>> envs = gym.make_vec("Countdown-v0", num_envs=8, group_size=4, preset="seedling")
        >>> envs = edgewise.wrappers.vector.PromptFormat(envs, render=policy.render)
        >>> _ = envs.reset(seed=0)
        >>> config = RLOOConfig(num_steps=2, sampling=Sampling(max_tokens=8))
        >>> [metrics["step"] for metrics in train(envs, policy, config)]
        [1, 2]
    """

    ratio: Literal["sequence", "token"] = "sequence"  # of what, to the policy that sampled
    clip_eps: Positive = 0.2  # the ratio is clipped to [1 - eps, 1 + eps]

    @property
    def min_group_size(self) -> int:
        """The fewest completions of a problem: 2, for the baseline needs another."""
        return 2


@dataclass(frozen=True, kw_only=True)
class PPOConfig(OnPolicyConfig):
    """Hyperparameters of PPO; a group may be a single completion.

    Example:
        >>> from edgewise.agents import Sampling, load_policy, train
        >>> policy = load_policy("seedling")
        >>> envs = gym.make_vec("Countdown-v0", num_envs=8, group_size=4, preset="seedling")
        >>> envs = edgewise.wrappers.vector.PromptFormat(envs, render=policy.render)
        >>> _ = envs.reset(seed=0)
        >>> config = PPOConfig(num_steps=2, sampling=Sampling(max_tokens=8))
        >>> [metrics["step"] for metrics in train(envs, policy, config)]
        [1, 2]
    """

    value_learning_rate: Positive | None = None  # of the value head; None for 10 times the other
    num_minibatches: Count = 4  # updates in each pass
    clip_eps: Positive = 0.2  # the ratio is clipped to [1 - eps, 1 + eps]
    value_clip_eps: Positive = 0.5  # values move by at most this in a step, as far as the loss sees
    value_coef: NotNegative = 0.1  # weight of the value loss
    discount: Fraction = 1.0  # gamma, per token
    gae_lambda: Fraction = 1.0  # lambda: 1 trusts the return, 0 the next value
    loss_mean: LossMean = "token"


@dataclass(frozen=True, kw_only=True)
class REINFORCEConfig(OnPolicyConfig):
    """Hyperparameters of REINFORCE; more than one update of a batch needs `clip_eps`.

    Example:
        >>> from edgewise.agents import Sampling, load_policy, train
        >>> policy = load_policy("seedling")
        >>> envs = gym.make_vec("Countdown-v0", num_envs=8, group_size=4, preset="seedling")
        >>> envs = edgewise.wrappers.vector.PromptFormat(envs, render=policy.render)
        >>> _ = envs.reset(seed=0)
        >>> config = REINFORCEConfig(num_steps=2, sampling=Sampling(max_tokens=8))
        >>> [metrics["step"] for metrics in train(envs, policy, config)]
        [1, 2]
    """

    baseline: Literal["none", "batch", "group"] = "batch"  # whose mean reward is subtracted
    standardize_tokens: bool = False  # whether advantages are, over all tokens of the batch
    clip_eps: Positive | None = None  # the ratio is clipped to [1 - eps, 1 + eps]; None has none
    loss_mean: LossMean = "constant"

    def __post_init__(self) -> None:
        """Check every value."""
        super().__post_init__()
        if self.clip_eps is None and self.num_epochs * self.num_minibatches > 1:
            raise ValueError(
                "`num_epochs` and `num_minibatches` must be 1 without `clip_eps`, "
                f"got {self.num_epochs} and {self.num_minibatches}"
            )

    @property
    def min_group_size(self) -> int:
        """The fewest completions of a problem."""
        return 2 if self.baseline == "group" else 1


@dataclass(frozen=True, kw_only=True)
class REINFORCEPlusPlusConfig(REINFORCEConfig):
    """Hyperparameters of REINFORCE++."""

    baseline: Literal["none", "batch", "group"] = "none"  # standardizing subtracts the mean
    standardize_tokens: bool = True
    clip_eps: Positive | None = 0.2
    loss_mean: LossMean = "token"
