"""Keys and values that a further turn need not compute again.

Shapes: B rows, T tokens of a row; heads are in groups that share keys and values, D is the size of a
head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgewise.agents.policies.fast_cache import Past
from edgewise.agents.policies.fast_decode import FastDecoder
from edgewise.agents.policies.fast_tape import versions_of
from edgewise.agents.policies.policy import Completions


@dataclass(frozen=True)
class Kept:
    """The states of some rows up to a column, and what they are of."""

    rows: Tensor  # (B,), of the batch
    tokens: Tensor  # (B, T)
    attention: Tensor  # (B, T)
    versions: Sequence[int]  # of the weights
    past: Past


class TurnCache:
    """Keeps the states before the last turn of an episode, from its second turn on.

    A batch of single turns keeps nothing. What is kept is used only if tokens and weights are the same,
    whoever asks, so that it changes nothing but rounding; and it depends on the episodes alone.
    """

    max_taped = 0  # tokens of the tape of a first turn

    def __init__(self) -> None:
        """Start with nothing."""
        self.kept: Kept | None = None

    def decoder(
        self, model: Any, dtype: torch.dtype, start: Completions, rows: Tensor, max_tokens: int
    ) -> FastDecoder:
        """Return a decoder after `rows` of `start`, and keep its states if it is a further turn."""
        tokens, attention = start.tokens[rows], start.attention[rows]
        further = bool(start.mask.any())
        versions = versions_of(model)
        past = self.find(rows, tokens, attention, versions) if further else None
        self.kept = None
        taped = 0 if further or dtype != torch.float32 else self.max_taped
        made = FastDecoder(model, dtype, tokens, attention, max_tokens, past, taped)
        if further:
            self.kept = Kept(rows, tokens, attention, versions, made.past())
        return made

    def find(
        self, rows: Tensor, tokens: Tensor, attention: Tensor, versions: Sequence[int]
    ) -> Past | None:
        """Return the states that the first tokens of `rows` have, None if they are not kept."""
        kept = self.kept
        if kept is None or list(kept.versions) != list(versions):
            return None
        length = kept.tokens.shape[1]
        if len(kept.rows) == 0 or length >= tokens.shape[1]:
            return None
        places = torch.searchsorted(kept.rows, rows).clamp(max=len(kept.rows) - 1)
        same = (
            torch.equal(kept.rows[places], rows)
            and torch.equal(kept.tokens[places], tokens[:, :length])
            and torch.equal(kept.attention[places], attention[:, :length])
        )
        return kept.past.select(places) if same else None
