"""What the losses of several algorithms have in common.

Shapes: B completions, T tokens of a row, prompt included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isfinite

import torch
from torch import Tensor
from torch.optim import Optimizer

from edgewise.agents import distributed
from edgewise.agents.algorithms.hyperparameters import Estimator, LossMean
from edgewise.agents.policies.policy import Completions, Policy


def token_weights(mask: Tensor, mean: LossMean, max_tokens: int) -> Tensor:
    """Return token weights, (B, T), such that sum(weights * values) is a mean.

    Args:
        mask: 1.0 on the tokens that count, shape (B, T).
        mean: "token" is over all tokens at once; "sequence" over the tokens of each completion,
            then over completions; "constant" divides the sum by B `max_tokens`.
        max_tokens: The longest completion, of one turn.
    """
    if mean == "token":
        return mask / mask.sum().clamp(min=1)
    if mean == "sequence":
        return mask / (mask.sum(dim=1, keepdim=True).clamp(min=1) * len(mask))
    return mask / (len(mask) * max_tokens)


def masked(values: Tensor, mask: Tensor) -> Tensor:
    """Zero out `values`, (B, T), where `mask` is not positive.

    Safe for NaN and infinity in masked places, of which a product would make NaN, in the values or in
    their gradient.
    """
    return torch.where(mask > 0, values, values.new_zeros(()))


def per_verified_group(
    function: Callable[[Tensor], Tensor], rewards: Tensor, verified: Tensor
) -> Tensor:
    """Apply `function` to the verified rewards of each group; unverified ones get 0.0.

    Args:
        function: Maps groups of at least two, (N, M), to advantages, (N, M).
        rewards: Of each completion, shape (P, G).
        verified: Which completions count, shape (P, G). A group with fewer than two gets zeros.
    """
    if verified.all():
        return function(rewards)
    advantages = torch.zeros_like(rewards)
    for group in (verified.sum(dim=1) >= 2).nonzero()[:, 0].tolist():
        advantages[group, verified[group]] = function(rewards[group, verified[group]][None])[0]
    return advantages


def sequence_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average `values`, (B, T), over the tokens of each completion, (B,)."""
    return masked(values, mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def kl(logprobs: Tensor, reference: Tensor, estimator: Estimator) -> Tensor:
    """Estimate KL(policy || reference) from each token that the policy sampled, (B, T), in nats.

    With r = reference / policy: k1 is -log r, unbiased, of either sign; k2 is (log r)^2 / 2; k3 is
    r - log r - 1, unbiased, never negative. As a term of a loss k1 has no gradient on average, k2
    has that of the divergence. Schulman (2020), "Approximating KL divergence",
    http://joschu.net/blog/kl-approx.html.
    """
    log_ratio = reference - logprobs
    if estimator == "k1":
        return -log_ratio
    if estimator == "k2":
        return log_ratio.square() / 2
    return log_ratio.exp() - log_ratio - 1


def global_fraction(local: float, weights: Tensor, own: Tensor) -> float:
    """Scale a fraction of this rank's tokens, `own`, to its contribution to that of all, `weights`.

    Both are token weights, positive on tokens that count. Contributions add up over ranks.
    """
    return local * ((own > 0).sum() / (weights > 0).sum().clamp(min=1)).item()


def optimizer_step(loss: float, optimizer: Optimizer, max_grad_norm: float) -> dict[str, float]:
    """Clip the gradient norm and step; return the loss and the norm before clipping.

    Without any gradient it is 0: the moments of `optimizer` decay. Loss and gradient are summed over
    ranks.

    Raises:
        FloatingPointError: If the loss or its gradient is not finite; then nothing has changed.
    """
    parameters = [weight for group in optimizer.param_groups for weight in group["params"]]
    if all(weight.grad is None for weight in parameters):
        for weight in parameters:
            weight.grad = torch.zeros_like(weight)
    distributed.all_reduce_gradients(parameters)
    norm = distributed.clip_grad_norm(parameters, max_grad_norm)
    metrics = {"loss": distributed.all_reduce(loss), "grad_norm": norm}
    if not all(map(isfinite, metrics.values())):
        optimizer.zero_grad()
        raise FloatingPointError(
            f"`loss` must be finite, got {metrics['loss']} with a gradient of norm {norm}; "
            "a smaller `learning_rate` may help"
        )
    optimizer.step()
    return metrics


@torch.no_grad()
def importance_weights(
    policy: Policy, completions: Completions, cap: float | None
) -> tuple[Completions, Tensor, dict[str, float]]:
    """Score `completions` with the learner before its first update; return importance weights.

    Corrects for a sampler whose probabilities are not quite the learner's: another engine, or bf16.
    Yao et al. (2025), "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training".

    Returns:
        The completions with the learner's log-probabilities as the old ones; the importance weight
        of each token, (B, T), min(learner / sampler, `cap`); and metrics of the ratio. Without a
        cap: the completions unchanged, weights of 1, and no metrics.
    """
    if cap is None:
        return completions, torch.ones_like(completions.mask), {}
    own = policy.logprobs(completions)
    ratio = masked(own - completions.logprobs, completions.mask).exp()  # 1.0 where the mask is 0
    counted = ratio[completions.mask > 0]
    metrics = {
        "sampling/importance_sampling_ratio/mean": counted.mean().item(),
        "sampling/importance_sampling_ratio/min": counted.min().item(),
        "sampling/importance_sampling_ratio/max": counted.max().item(),
    }
    return replace(completions, logprobs=own), ratio.clamp(max=cap), metrics
