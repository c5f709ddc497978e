"""Decode with the forward pass of `fast_network`, and keys and values in place.

Completions of a prompt start alike: rows with the same tokens so far are one to all but attention, which
has their keys and values in a place for each.

Shapes: B rows, T tokens of a row, V vocabulary; heads are in groups that share keys and values,
D is the size of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from edgewise.agents.policies.fast_cache import Memory, Past, cached
from edgewise.agents.policies.fast_network import Attend, Network
from edgewise.agents.policies.fast_tape import Tape
from edgewise.agents.policies.policy import Completions

ALIKE = 0.95  # rows that start alike are computed once when no more than these are different


class Alike:
    """Which rows have had the same tokens so far, and so have the same state."""

    def __init__(self, kinds: Tensor) -> None:
        """Take what tells rows apart.

        Args:
            kinds: Which of the different rows each of B is, (B,).
        """
        self.kinds = kinds
        rows = torch.arange(len(kinds))
        self.chosen = rows[: int(kinds.max()) + 1].scatter(0, kinds, rows)  # a row of each kind

    @property
    def pays(self) -> bool:
        """Return whether they are enough."""
        return len(self.chosen) <= ALIKE * len(self.kinds)

    def after(self, tokens: Tensor) -> Alike | None:
        """Return which rows are alike after one more token of each, (B,); None if there are none."""
        both = self.kinds * (int(tokens.max()) + 1) + tokens
        distinct, kinds = torch.unique(both, return_inverse=True)
        return Alike(kinds) if len(distinct) < len(both) else None

    def attending(self, attend: Attend) -> Attend:
        """Return `attend`, which is of all rows, of one of each kind."""

        def call(layer: int, queries: Tensor, memory: Tensor) -> Tensor:
            every = queries.index_select(0, self.kinds), memory.index_select(0, self.kinds)
            return attend(layer, *every).index_select(0, self.chosen)

        return call


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
        max_taped: int = 0,
    ) -> None:
        """Prefill the prompts; equal ones cost one.

        Args:
            model: Is of a structure that `fast_network` recognises.
            dtype: Of the weights, keys and values.
            tokens: The prompts, padded, shape (B, T).
            attention: 1 on tokens and 0 on padding, (B, T).
            max_tokens: How many follow at most.
            past: The states of the first columns, if they are known.
            max_taped: How many tokens a tape may have; without one, and after a `past`, none is made.
        """
        length = tokens.shape[1]
        self.network = Network(model, dtype, length + max_tokens)
        self.max_tokens = max_tokens
        self.tape: Tape | None = None
        self.alike: Alike | None = None
        self.rows = torch.arange(len(tokens))  # that are still decoded
        self.positions = attention.sum(dim=1)  # of the next tokens, (B,)
        if past is None:
            both = torch.cat([tokens, attention], dim=1)
            distinct, places = torch.unique(both, dim=0, return_inverse=True)
            own, used = distinct.chunk(2, dim=1)
            if own.numel() + len(places) * max_tokens <= max_taped:
                self.tape = self.new_tape(model, used, places)
            if len(own) < len(places):
                self.alike = Alike(places)
            self.logits = self.prefill(own, used, places)  # (B, V)
        else:
            self.logits = self.prefill(tokens, attention, torch.arange(len(tokens)), past)

    def new_tape(self, model: Any, used: Tensor, places: Tensor) -> Tape | None:
        """Return an empty tape, None if it would be too large."""
        num_tokens = used.numel() + len(places) * (self.max_tokens - 1)
        tracks = self.network.tracks(num_tokens)
        return None if tracks is None else Tape(model, tracks, used, places)

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
        states: Memory = []

        def attend(layer: int, queries: Tensor, memory: Tensor) -> Tensor:
            queries = queries.unflatten(0, (rows, length - first)).transpose(1, 2)
            memory = memory.unflatten(0, (rows, length - first)).unflatten(2, (2, -1))
            memory = memory.permute(2, 0, 3, 1, 4)  # (2, rows, groups, T - first, D)
            if past is not None:
                memory = torch.cat([past.memory[layer], memory], dim=3)
            states.append(memory)
            keys, values = memory
            read = scaled_dot_product_attention(
                queries, keys, values, attn_mask=seen, scale=1.0, enable_gqa=True
            )
            return read.transpose(1, 2).flatten(2).flatten(0, 1)

        positions = (attention.cumsum(dim=1) - 1).clamp(min=0)[:, first:]
        rotations = self.network.at(positions.flatten())
        last = torch.arange(1, rows + 1) * (length - first) - 1
        hidden = self.network.hidden(
            tokens[:, first:].flatten(), rotations, attend, last, self.tape
        )
        self.cache = cached(states, attention, places, self.max_tokens)
        return self.network.logits(hidden)[places]

    @torch.inference_mode()
    def past(self) -> Past:
        """Return a copy of the cached states of the columns so far."""
        return self.cache.past()

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """Return the logits, (B, V), after one more token of each row, (B, 1)."""
        if self.alike is not None:
            self.alike = self.alike.after(tokens[:, 0])
        alike = self.alike if self.alike is not None and self.alike.pays else None
        positions, self.positions = self.positions, self.positions + 1
        attend: Attend = self.cache.attend
        if alike is not None:
            tokens, positions = tokens[alike.chosen], positions[alike.chosen]
            attend = alike.attending(attend)
        rotations = self.network.at(positions)
        hidden = self.network.hidden(tokens[:, 0], rotations, attend, None, self.tape)
        if self.tape is not None:
            self.tape.add(self.rows, None if alike is None else alike.kinds)
        self.cache.length += 1
        logits = self.network.logits(hidden)
        return logits if alike is None else logits.index_select(0, alike.kinds)

    @torch.inference_mode()
    def keep(self, rows: Tensor) -> None:
        """Drop all rows but `rows`, indices."""
        self.positions, self.cache = self.positions[rows], self.cache.keep(rows)
        self.rows = self.rows[rows]
        if self.alike is not None:
            self.alike = Alike(torch.unique(self.alike.kinds[rows], return_inverse=True)[1])

    def taped(self, completions: Completions) -> Tape | None:
        """Return the tape of the rows, once they are these `completions`, or None."""
        if self.tape is not None:
            self.tape.completions = completions
        return self.tape
