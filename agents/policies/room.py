"""Rows of tokens: padded to one length, and within what a model reads.

Shapes: B rows, T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from edgewise.agents.policies.policy import Completions


def padded(rows: Sequence[Sequence[int]], padding: int) -> tuple[Tensor, Tensor]:
    """Return `rows` with `padding` on the left, and their attention, 0 on it; both (B, T)."""
    length = max(map(len, rows))
    tokens = [[padding] * (length - len(row)) + list(row) for row in rows]
    attention = [[0] * (length - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(tokens), torch.tensor(attention)


def unanswered(tokens: Tensor, attention: Tensor, scale: float) -> Completions:
    """Return completions of no token after prompts, (B, T) each."""
    count, nothing = len(tokens), torch.zeros(tokens.shape, device=tokens.device)
    ended = torch.zeros(count, dtype=torch.bool)
    return Completions([""] * count, tokens, attention, nothing, nothing, ended, scale)


def positions(attention: Tensor) -> Tensor:
    """Return the place of each token among those of its row, (B, T), whatever the padding."""
    return (attention.cumsum(dim=1) - 1).clamp(min=0)


def positions_of(config: Any) -> int | None:
    """Return how many tokens a model reads at most, None if its config does not say."""
    most = getattr(config.get_text_config(), "max_position_embeddings", None)
    return most if isinstance(most, int) and most > 0 else None


def within(
    start: Completions, rows: Tensor, most: int | None, max_tokens: int
) -> tuple[Completions, Tensor]:
    """Return `start` without a further turn in the rows that have no room, and the other `rows`.

    In those nothing counts after the last sampled token or, without one, before the last of the
    prompt, so that nothing is read beyond `most` tokens.
    """
    lengths = start.attention.sum(dim=1).cpu()
    if most is None or not (full := lengths[rows] + max_tokens > most).any():
        return start, rows
    texts, attention, ended = list(start.texts), start.attention.clone(), start.ended.clone()
    for row in rows[full].tolist():
        texts[row], ended[row] = "", False
        sampled = start.mask[row].nonzero()[:, 0]
        if len(sampled):
            attention[row, int(sampled[-1]) + 1 :] = 0
        else:
            attention[row, :-1] = 0
    return replace(start, texts=texts, attention=attention, ended=ended), rows[~full]
