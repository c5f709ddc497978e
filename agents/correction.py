"""Correct for a sampler whose probabilities are not quite the learner's: another engine, or bf16.

Yao et al. (2025), "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training".
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from edgewise.agents.losses import only
from edgewise.agents.policy import Completions, Policy


@torch.no_grad()
def correct(
    policy: Policy, completions: Completions, cap: float | None
) -> tuple[Completions, Tensor, dict[str, float]]:
    """Score `completions` anew with the learner, before its first update of the step.

    Returns:
        The completions with the learner's log-probabilities as the old ones; the weight of each
        token, (B, T), min(learner / sampler, `cap`); and the ratio's mean and extremes. Without a
        cap, the completions as they are, weights of 1 and nothing.
    """
    if cap is None:
        return completions, torch.ones_like(completions.mask), {}
    own = policy.logprobs(completions)
    ratio = only(own - completions.logprobs, completions.mask).exp()  # 1.0 where the mask is 0
    counted = ratio[completions.mask > 0]
    metrics = {
        "sampling/importance_sampling_ratio/mean": counted.mean().item(),
        "sampling/importance_sampling_ratio/min": counted.min().item(),
        "sampling/importance_sampling_ratio/max": counted.max().item(),
    }
    return replace(completions, logprobs=own), ratio.clamp(max=cap), metrics
