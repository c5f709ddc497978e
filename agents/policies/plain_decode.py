"""Decoding with the library's forward pass, whatever the model."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from edgewise.agents.policies.policy import Completions


class Reader(Protocol):
    """What reads tokens with the library's forward pass: `read.Reader`."""

    def prefill(self, tokens: Tensor, attention: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
        """Fill `cache` and return the next logits, (B, V), and values, (B,)."""

    def forward(self, tokens: Tensor, attention: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
        """Return the logits, (B, T, V), and the values, (B, T), after each of `tokens`."""


class PlainDecoder:
    """Decode B rows with the forward pass of `reader`."""

    def __init__(self, reader: Reader, tokens: Tensor, attention: Tensor) -> None:
        """Read the prompts, (B, T) each; `logits`, (B, V), are of what follows."""
        self.reader, self.cache, self.seen = reader, DynamicCache(), attention
        self.logits, _ = reader.prefill(tokens, attention, self.cache)

    def step(self, tokens: Tensor) -> Tensor:
        """Return the logits, (B, V), after one more token of each row, (B, 1)."""
        self.seen = pad(self.seen, (0, 1), value=1)
        return self.reader.forward(tokens, self.seen, self.cache)[0][:, -1]

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but `rows`, indices."""
        self.cache.batch_select_indices(rows)
        self.seen = self.seen[rows]

    def taped(self, completions: Completions) -> None:
        """Keep nothing for an update."""
