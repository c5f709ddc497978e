"""An entropy bonus from the log-probabilities of sampled tokens; none by default.

Codes that have all logits at hand, such as verl's `entropy_coeff`, take the entropy of each token's
distribution. Here it is estimated from the token that was sampled, as the divergence is: no logits are
needed, which are only there in chunks.

Shapes: b completions, T tokens of a row.
"""

from __future__ import annotations

from torch import Tensor

from edgewise.agents.algorithms.hyperparameters import EntropyConfig
from edgewise.agents.algorithms.losses import masked


def with_entropy(
    loss: Tensor,
    metrics: dict[str, float],
    logprobs: Tensor,
    old_logprobs: Tensor,
    weights: Tensor,
    config: EntropyConfig,
) -> tuple[Tensor, dict[str, float]]:
    """Subtract the entropy, times its coefficient, from a loss; add it to the metrics.

    With p the policy and q the one that sampled, the entropy of a token's distribution is the mean of
    -(p / q) log p over the tokens of q, and its gradient that of -(p / q) log p grad(log p): the
    mean of grad(log p) is 0. Both are unbiased; the bonus has that value and that gradient.

    Args:
        loss: Of some completions.
        metrics: Of the loss.
        logprobs: Of the current policy, shape (b, T), in nats.
        old_logprobs: Of the policy that sampled, shape (b, T), in nats.
        weights: Of each token in the mean, shape (b, T), 0.0 on those that do not count.
        config: Gives the coefficient; at 0 nothing is changed.
    """
    if not config.entropy_coef:
        return loss, metrics
    own, old = masked(logprobs, weights), masked(old_logprobs, weights)
    fixed = own.detach()
    factor = (fixed - old).exp() * fixed
    negative = (weights * factor * (1 + own - fixed)).sum()
    return loss + config.entropy_coef * negative, {**metrics, "entropy": -negative.item()}
