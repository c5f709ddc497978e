"""Rewards and advantages of single tokens, for the algorithms that have them.

Shapes: B completions, T tokens of a row, prompt included.
"""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.agents.algorithms.losses import kl, masked
from edgewise.agents.policies.policy import Completions, Scorer


def penalize(
    reference: Scorer | None, completions: Completions, kl_coef: float
) -> tuple[Tensor, dict[str, float]]:
    """Return the KL penalty of each token, (B, T), and the mean KL as a metric.

    The penalty is `kl_coef` times k1, with the log-probabilities at sampling; 0.0 without a reference.
    """
    if reference is None:
        return torch.zeros_like(completions.mask), {}
    with torch.no_grad():
        fixed = reference.logprobs(completions)
    divergence = masked(kl(completions.logprobs, fixed, "k1"), completions.mask)  # (B, T)
    mean = divergence.sum() / completions.mask.sum()
    return kl_coef * divergence, {"kl": mean.item()}


def whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Standardize `values`, (B, T), over all unmasked tokens; 0.0 elsewhere.

    The variance is unbiased, and 1e-8 is added to it.
    """
    count = mask.sum()
    centered = masked(values - masked(values, mask).sum() / count, mask)
    variance = centered.square().sum() / (count - 1).clamp(min=1)
    return centered * torch.rsqrt(variance + 1e-8)
