"""Choose the next tokens, and score them.

Shapes: B rows, T tokens of a row, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.agents.policy import Sampling


def score(logits: Tensor, tokens: Tensor, scale: float = 1.0) -> Tensor:
    """Return the log-probabilities of `tokens`, (B, T), in nats.

    Args:
        logits: Of the model, shape (B, T, V).
        tokens: Shape (B, T).
        scale: What the logits are divided by.
    """
    logits = divided(logits.float(), scale)
    chosen = logits.gather(-1, tokens[..., None])[..., 0]
    return chosen - logits.logsumexp(dim=-1)


def divided(logits: Tensor, scale: float) -> Tensor:
    """Return `logits` divided by `scale`, themselves where it is 1."""
    return logits if scale == 1 else logits / scale


def choose(logits: Tensor, sampling: Sampling, uniform: Tensor) -> Tensor:
    """Return the token of each row, (B, 1), that its number in [0, 1), (B, 1), picks.

    Probabilities are added up in double precision.
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    probabilities = (logits / sampling.temperature).softmax(dim=-1, dtype=torch.float32)
    if sampling.top_p < 1:
        probabilities = nucleus(probabilities, sampling.top_p)
    cumulative = probabilities.cumsum(dim=-1, dtype=torch.float64)
    picked = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return picked.clamp(max=logits.shape[-1] - 1)


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keep the fewest tokens that have `top_p` of the probability together, 0 for the others.

    Holtzman et al. (2020), "The Curious Case of Neural Text Degeneration", arXiv 1904.09751.
    """
    ordered, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(dim=-1) - ordered  # the probability of all likelier tokens
    kept = ordered.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, tokens, kept)


def closed(live: Tensor) -> Tensor:
    """Return the indices of `live` rows, (B,), the last of them where the first ended."""
    rows = torch.arange(int(live.sum()))
    rows[~live[: len(rows)]] = live[len(rows) :].nonzero()[:, 0] + len(rows)
    return rows
