"""Rows of tokens: left padding, positions, and the context length of a model.

Shapes: B rows, T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from edgewise.agents.policies.policy import Completions


def left_pad(rows: Sequence[Sequence[int]], padding: int) -> tuple[Tensor, Tensor]:
    """Pad `rows` on the left; return tokens and attention, (B, T) each."""
    length = max(map(len, rows))
    tokens = [[padding] * (length - len(row)) + list(row) for row in rows]
    attention = [[0] * (length - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(tokens), torch.tensor(attention)


def without_ends(
    rows: Sequence[Sequence[int]], completions: Completions, ends: Tensor
) -> list[list[int]]:
    """Drop a first token of `rows`, (B, T), that ends a turn which its completion ends with already.

    The last token stays, so that what is sampled next follows a token and no padding.
    """
    kept, known = [], ends.tolist()
    for row, tokens in enumerate(rows):
        seen = completions.tokens[row][completions.attention[row].bool()][-1:].tolist()
        is_there = len(tokens) > 1 and list(tokens[:1]) == seen and seen[0] in known
        kept.append(list(tokens[1:] if is_there else tokens))
    return kept


def empty_completions(tokens: Tensor, attention: Tensor, scale: float) -> Completions:
    """Return completions without a sampled token after prompts, (B, T) each."""
    count, nothing = len(tokens), torch.zeros(tokens.shape, device=tokens.device)
    ended = torch.zeros(count, dtype=torch.bool)
    return Completions([""] * count, tokens, attention, nothing, nothing, ended, scale)


def position_ids(attention: Tensor) -> Tensor:
    """Return the position of each token in its row, (B, T), not counting padding."""
    return (attention.cumsum(dim=1) - 1).clamp(min=0)


def positions_of(config: Any) -> int | None:
    """Return the context length of a model, None if its config has none."""
    most = getattr(config.get_text_config(), "max_position_embeddings", None)
    return most if isinstance(most, int) and most > 0 else None


def drop_full(
    start: Completions, rows: Tensor, most: int | None, max_tokens: int
) -> tuple[Completions, Tensor]:
    """Drop the `rows` in which `max_tokens` more would exceed `most`; return `start` and the rest.

    In dropped rows nothing after the last sampled token is attended to or, without one, nothing before
    the last token of the prompt, so that no row is longer than `most`.
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
