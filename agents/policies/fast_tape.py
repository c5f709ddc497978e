"""What sampling computed, kept for the gradient of the update that follows.

The first update of a step has the weights that sampled. Its forward pass would compute once more what
sampling did, a quarter of the time that a small model takes for a step; with a tape there is only the
backward pass. What is kept is about what that forward pass would hold.

Shapes: B rows, P different prompts of F tokens, padding included, N tokens of all, M of them asked, H
hidden size, D head size, I size of the feed-forward network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from edgewise.agents.policies.fast_layout import Layout
from edgewise.agents.policies.policy import Completions

LARGEST = 2**29  # bytes of a tape


@dataclass(frozen=True)
class Track:
    """What one layer makes of tokens, in the order in which they are computed."""

    states: Tensor  # (N, heads D + 2 groups D) rotated queries and keys, and values
    read: Tensor  # (N, heads D) what the queries read
    attended: Tensor  # (N, H) the states between attention and the feed-forward network
    inner: Tensor  # (N, 2 I) what the latter's first two matrices make of them
    left: Tensor  # (N, H) the states after the layer

    def room(self, tokens: slice, asked: slice) -> Room:
        """Return the part of some tokens, and of those of them that the layer is asked for."""
        return Room(
            self.states[tokens],
            self.read[asked],
            self.attended[asked],
            self.inner[asked],
            self.left[asked],
        )


@dataclass(frozen=True)
class Room:
    """Where a layer writes what a `Track` has; nowhere by default."""

    states: Tensor | None = None
    read: Tensor | None = None
    attended: Tensor | None = None
    inner: Tensor | None = None
    left: Tensor | None = None


class Tape:
    """The states of all layers, of the prompts and of each sampled token but the last of a row."""

    def __init__(self, model: Any, tracks: list[Track], used: Tensor, places: Tensor) -> None:
        """Take no states yet.

        Args:
            model: Has the weights, whose changes in place are counted.
            tracks: Of each layer, with room for all tokens.
            used: 1 on the tokens of the different prompts, and 0 on padding, which is on the left, (P, F).
            places: Which of them each of the B rows has, (B,).
        """
        self.versions, self.tracks = versions_of(model), tracks
        self.num_prompts, self.num_columns = used.shape
        self.lengths = used.sum(dim=1)  # of the prompts
        self.places = places
        self.num_tokens = self.num_asked = 0  # so far, the latter of the last layer
        self.steps: list[tuple[Tensor, Tensor]] = []  # rows, and the place of each, of each step
        self.completions: Completions | None = None  # once they are sampled

    def is_of(self, model: Any) -> bool:
        """Return whether `model` has the weights that it was made with."""
        return self.versions == versions_of(model)

    def rooms(self, num_tokens: int, num_asked: int) -> list[Room]:
        """Return the rooms of each layer for further tokens, of which the last layer is asked for some."""
        tokens = slice(self.num_tokens, self.num_tokens + num_tokens)
        asked = slice(self.num_asked, self.num_asked + num_asked)
        self.num_tokens, self.num_asked = tokens.stop, asked.stop
        rooms = [track.room(tokens, tokens) for track in self.tracks[:-1]]
        return [*rooms, self.tracks[-1].room(tokens, asked)]

    def add(self, rows: Tensor, kinds: Tensor | None) -> None:
        """Note the `rows` of a step, (n,), and which of its tokens is each one's, if some are alike."""
        kinds = torch.arange(len(rows)) if kinds is None else kinds
        self.steps.append((rows, self.num_tokens - 1 - int(kinds.max()) + kinds))

    def find(self, completions: Completions) -> Tensor:
        """Return the row of each of `completions`, -1 for one that is not on the tape."""
        assert self.completions is not None
        known = {text: row for row, text in enumerate(contents(self.completions))}
        return torch.tensor([known.get(text, -1) for text in contents(completions)])

    def positions(self, layout: Layout, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return where the tokens of `layout` lie, whose rows are `rows` here.

        Returns:
            The places of all N tokens, (N,); and of the M asked ones in what the last layer has after
            attention, (M,).
        """
        places = self.table()[rows[layout.owners], layout.positions]
        chosen, start = places[layout.asked], self.num_prompts * self.num_columns
        of_prompts = chosen // self.num_columns  # the last layer is asked for their last tokens
        last = torch.where(chosen < start, of_prompts, chosen - start + self.num_prompts)
        return places, last

    def table(self) -> Tensor:
        """Return the place of the tokens of each row, in their order, (B, F + steps); anything where there is none."""
        lengths, columns = self.lengths[self.places, None], torch.arange(int(self.lengths.max()))
        asked = (self.places[:, None] + 1) * self.num_columns - lengths + columns
        table = pad(asked, (0, len(self.steps)))
        for step, (rows, places) in enumerate(self.steps):
            table[rows, lengths[rows, 0] + step] = places
        return table


def versions_of(model: Any) -> list[int]:
    """Return how often each weight of `model` was changed in place."""
    return [weight._version for weight in model.parameters()]


def contents(completions: Completions) -> list[tuple[bytes, int]]:
    """Return what tells completions apart: their tokens, and how many of these were sampled."""
    used, counts = completions.attention.bool(), completions.mask.sum(dim=1).int().tolist()
    texts = [tokens[own] for tokens, own in zip(completions.tokens, used, strict=True)]
    return [(text.numpy().tobytes(), count) for text, count in zip(texts, counts, strict=True)]
