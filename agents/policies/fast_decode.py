"""Decode with the forward pass of `fast_network`, and keys and values in place.

Shapes: B rows, T tokens of a row, V vocabulary; heads are in groups that share keys and values,
D is the size of a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from edgewise.agents.policies.fast_network import Network


@dataclass(frozen=True)
class Past:
    """The states of B rows, of their first columns, padding included."""

    memory: list[Tensor]  # of each layer, keys and values, (2, B, groups, T, D)

    @property
    def length(self) -> int:
        """Return the count of columns, T."""
        return self.memory[0].shape[3]

    def select(self, rows: Tensor) -> Past:
        """Return the states of `rows`, indices."""
        return Past([memory[:, rows] for memory in self.memory])


class FastDecoder:
    """Decode B rows with the weights that a model has now.

    In inference mode, which spares each operation what autograd keeps, 5 % of the time.
    """

    @torch.inference_mode()
    def __init__(
        self,
        model: Any,
        dtype: torch.dtype,
        tokens: Tensor,
        attention: Tensor,
        max_tokens: int,
        past: Past | None = None,
    ) -> None:
        """Prefill the prompts; equal ones cost one.

        Args:
            model: Is of a structure that `fast_network` recognises.
            dtype: Of the weights, keys and values.
            tokens: The prompts, padded, shape (B, T).
            attention: 1 on tokens and 0 on padding, (B, T).
            max_tokens: How many follow at most.
            past: The states of the first columns, if they are known.
        """
        length = tokens.shape[1]
        self.network = Network(model, dtype, length + max_tokens)
        self.capacity, self.length = length + max_tokens, length  # of the caches, and of what is in
        self.memory: list[
            Tensor
        ] = []  # of each layer, keys and values, (2, B, groups, capacity, D)
        self.positions = attention.sum(dim=1)  # of the next tokens, (B,)
        self.padding = torch.zeros(len(tokens), self.network.num_groups, self.capacity)
        self.padding = self.padding.to(dtype)  # to be added to attention scores
        self.padding[..., :length].masked_fill_(attention[:, None] == 0, float("-inf"))
        self.unseen = self.padding  # that of the tokens so far, (B groups, 1, length)
        if past is None:
            both = torch.cat([tokens, attention], dim=1)
            distinct, places = torch.unique(both, dim=0, return_inverse=True)
            own, used = distinct.chunk(2, dim=1)
            self.logits = self.prefill(own, used, places)  # (B, V)
        else:
            self.logits = self.prefill(tokens, attention, torch.arange(len(tokens)), past)

    def prefill(
        self, tokens: Tensor, attention: Tensor, places: Tensor, past: Past | None = None
    ) -> Tensor:
        """Fill the caches, and return the logits of what follows, (B, V).

        Args:
            tokens: Of different rows.
            attention: Of these.
            places: Which of them each of the B rows is, (B,).
            past: The states of the first columns, if they are known.
        """
        rows, length = tokens.shape
        first = 0 if past is None else past.length
        itself = torch.eye(length, dtype=torch.bool)[first:]  # so that padding reads something
        earlier = torch.ones(length, length, dtype=torch.bool).tril()[first:]
        seen = attention[:, None, None].bool() & earlier | itself  # (rows, 1, T - first, T)

        def attend(layer: int, queries: Tensor, memory: Tensor) -> Tensor:
            queries = queries.unflatten(0, (rows, length - first)).transpose(1, 2)
            memory = memory.unflatten(0, (rows, length - first)).unflatten(2, (2, -1))
            memory = memory.permute(2, 0, 3, 1, 4)  # (2, rows, groups, T - first, D)
            if past is not None:
                memory = torch.cat([past.memory[layer], memory], dim=3)
            self.memory.append(self.cache(memory[:, places]))
            keys, values = memory
            read = scaled_dot_product_attention(
                queries, keys, values, attn_mask=seen, scale=1.0, enable_gqa=True
            )
            return read.transpose(1, 2).flatten(2).flatten(0, 1)

        positions = (attention.cumsum(dim=1) - 1).clamp(min=0)[:, first:]
        rotations = self.network.rotations[positions.flatten()]
        hidden = self.network.hidden(tokens[:, first:].flatten(), rotations, attend)
        return self.network.logits(hidden.unflatten(0, (rows, length - first))[:, -1])[places]

    def past(self) -> Past:
        """Return a copy of the cached states of the columns so far."""
        return Past([memory[..., : self.length, :].clone() for memory in self.memory])

    def cache(self, memory: Tensor) -> Tensor:
        """Return `memory`, (2, B, groups, T, D), with room for the further tokens."""
        room = memory.new_empty(*memory.shape[:3], self.capacity, memory.shape[4])
        room.narrow(3, 0, self.length).copy_(memory)
        return room

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """Return the logits, (B, V), after one more token of each row, (B, 1)."""
        self.length += 1
        self.unseen = self.padding.flatten(0, 1)[:, None, : self.length]
        rotations = self.network.rotations[self.positions]
        self.positions = self.positions + 1
        return self.network.logits(self.network.hidden(tokens[:, 0], rotations, self.attend))

    def attend(self, layer: int, queries: Tensor, memory: Tensor) -> Tensor:
        """Attend from the newest tokens, (B, heads D), after caching their keys and values."""
        cache, (rows, _, size) = self.memory[layer], queries.shape
        newest = memory.view(rows, 2, -1, size).transpose(0, 1)
        cache.select(3, self.length - 1).copy_(newest)
        keys, values = cache.narrow(3, 0, self.length).flatten(1, 2)
        grouped = queries.reshape(len(keys), -1, size)
        scores = torch.baddbmm(self.unseen, grouped, keys.transpose(1, 2))
        return torch.bmm(scores.softmax(dim=-1), values).view(rows, -1)

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        """Drop all rows but `rows`, indices; cheap for rows that stay in their slot."""
        kept = len(rows)
        self.positions, self.padding = self.positions[rows], self.padding[rows]
        to = (rows != torch.arange(kept)).nonzero()[:, 0]
        moved = rows[to]
        for layer, memory in enumerate(self.memory):
            memory[:, to, :, : self.length] = memory[:, moved, :, : self.length]
            self.memory[layer] = memory[:, :kept]
