"""Keys and values of the rows that are decoded, in place, and attention to them.

A step reads all of them, and they do not stay in the caches of a processor: that is most of what attention
costs a small model. So those of a prompt are held and read once for the rows that share it, as long as
these are one group of a size that all prompts have.

Shapes: B rows, P prompts, F tokens of a prompt, T tokens of a row; heads are in groups that share keys
and values, D is the size of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

Memory = list[Tensor]  # of each layer, keys before values, (2, rows, groups, columns, D)


@dataclass(frozen=True)
class Past:
    """The states of B rows, of their first columns, padding included."""

    memory: Memory

    @property
    def length(self) -> int:
        """Return the count of columns, T."""
        return self.memory[0].shape[3]

    def select(self, rows: Tensor) -> Past:
        """Return the states of `rows`, indices."""
        return Past([memory[:, rows] for memory in self.memory])


class Cache:
    """The states of B rows, each with its own prompt."""

    def __init__(self, memory: Memory, unseen: Tensor, length: int) -> None:
        """Take rooms whose first `length` columns are filled.

        Args:
            memory: Is written in place.
            unseen: To be added to scores, minus infinity on padding, (B groups, 1, columns of the room).
            length: Tokens of a row so far.
        """
        self.memory, self.unseen, self.length = memory, unseen, length

    def attend(self, layer: int, queries: Tensor, newest: Tensor) -> Tensor:
        """Cache the keys and values of the newest tokens, and attend from these.

        Args:
            layer: Index.
            queries: Shape (B, heads, D).
            newest: Keys before values, (B, 2 groups, D).

        Returns:
            What is read, (B, heads D).
        """
        keys, values = write(self.memory[layer].narrow(3, 0, self.length + 1), newest)
        grouped = queries.reshape(len(keys), -1, queries.shape[2])
        scores = torch.baddbmm(self.unseen[..., : keys.shape[1]], grouped, keys.transpose(1, 2))
        return torch.bmm(scores.softmax(dim=-1), values).view(len(queries), -1)

    def keep(self, rows: Tensor) -> Cache:
        """Drop all rows but `rows`, indices; cheap for rows that stay in their slot."""
        kept, groups = len(rows), self.memory[0].shape[2]
        to = (rows != torch.arange(kept)).nonzero()[:, 0]
        moved = rows[to]
        for layer, memory in enumerate(self.memory):
            memory[:, to, :, : self.length] = memory[:, moved, :, : self.length]
            self.memory[layer] = memory[:, :kept]
        self.unseen = self.unseen.unflatten(0, (-1, groups))[rows].flatten(0, 1)
        return self

    def past(self) -> Past:
        """Return a copy of the states so far."""
        return Past([memory[..., : self.length, :].clone() for memory in self.memory])


class SharedCache:
    """The states of B rows, in groups of one size that share a prompt."""

    def __init__(self, prompts: Memory, unseen: Tensor, owners: Tensor, max_tokens: int) -> None:
        """Start after the prompts.

        Args:
            prompts: Their states, of P different ones.
            unseen: To be added to scores, minus infinity on padding, (P groups, 1, F).
            owners: The prompt of each row, (B,).
            max_tokens: Tokens of a row after its prompt at most.
        """
        self.prompts, self.unseen, self.owners, self.length = prompts, unseen, owners, 0
        _, _, groups, self.first, size = prompts[0].shape
        shape = (2, len(owners), groups, self.first + max_tokens, size)  # with room for `joined`
        self.memory = [states.new_empty(shape) for states in prompts]

    def attend(self, layer: int, queries: Tensor, newest: Tensor) -> Tensor:
        """Do what `Cache.attend` does."""
        own = self.memory[layer].narrow(3, self.first, self.length + 1)
        keys, values = write(own, newest)
        asked_keys, asked_values = self.prompts[layer].flatten(1, 2)
        grouped = queries.reshape(len(keys), -1, queries.shape[2])
        asked = torch.baddbmm(self.unseen, self.by_prompt(grouped), asked_keys.transpose(1, 2))
        scores = [self.by_row(asked), torch.bmm(grouped, keys.transpose(1, 2))]
        early, late = torch.cat(scores, dim=2).softmax(dim=-1).tensor_split([self.first], dim=2)
        read = self.by_row(torch.bmm(self.by_prompt(early), asked_values))
        return torch.baddbmm(read, late, values).view(len(queries), -1)

    def by_prompt(self, states: Tensor) -> Tensor:
        """Turn (B groups, heads of a group, n) into (P groups, rows of a prompt x heads, n)."""
        groups, prompts = self.prompts[0].shape[2], self.prompts[0].shape[1]
        if groups == 1:
            return states.reshape(prompts, -1, states.shape[2])
        parts: Tensor = states.unflatten(0, (prompts, -1, groups)).transpose(1, 2)
        return parts.flatten(2, 3).flatten(0, 1)

    def by_row(self, states: Tensor) -> Tensor:
        """Undo `by_prompt`."""
        _, prompts, groups, _, _ = self.prompts[0].shape
        rows = self.memory[0].shape[1]
        if groups == 1:
            return states.view(rows, -1, states.shape[2])
        parts: Tensor = states.unflatten(0, (prompts, groups))
        parts = parts.unflatten(2, (rows // prompts, -1))
        return parts.transpose(1, 2).flatten(0, 2)

    def keep(self, rows: Tensor) -> Cache:
        """Drop all rows but `rows`, indices, whose groups are no longer of one size."""
        return self.joined().keep(rows)

    def past(self) -> Past:
        """Return a copy of the states so far."""
        return self.joined().past()

    def joined(self) -> Cache:
        """Return the states of the same rows, each with a copy of those of its prompt."""
        for asked, memory in zip(self.prompts, self.memory, strict=True):
            for states, room in zip(asked, memory[..., : self.first, :], strict=True):
                room.copy_(states.index_select(0, self.owners))
        groups, columns = self.memory[0].shape[2:4]
        unseen = self.unseen.unflatten(0, (-1, groups))[self.owners].flatten(0, 1)
        return Cache(self.memory, pad(unseen, (0, columns - self.first)), self.first + self.length)


def write(memory: Tensor, newest: Tensor) -> Tensor:
    """Write keys and values, (B, 2 groups, D), to the last column; return all, (2, B groups, T, D)."""
    rows, _, size = newest.shape
    memory.select(3, -1).copy_(newest.view(rows, 2, -1, size).transpose(0, 1))
    return memory.flatten(1, 2)


def cached(
    prompts: Memory, attention: Tensor, places: Tensor, max_tokens: int
) -> Cache | SharedCache:
    """Return the states of rows that have read their prompts.

    Args:
        prompts: The states of P different prompts.
        attention: 1 on their tokens and 0 on padding, (P, F).
        places: The prompt of each row, (B,).
        max_tokens: Tokens of a row after its prompt at most.
    """
    padding = prompts[0].new_zeros(attention.shape).masked_fill_(attention == 0, float("-inf"))
    owners = group_owners(places, len(attention))
    if owners is not None:  # which prompts then are in the order of
        prompts, padding = [states[:, owners] for states in prompts], padding[owners]
        places = torch.arange(len(owners)).repeat_interleave(len(places) // len(owners))
    prompts = [states.contiguous() for states in prompts]
    unseen = padding[:, None].repeat_interleave(prompts[0].shape[2], dim=0)
    shared = SharedCache(prompts, unseen, places, max_tokens)
    return shared.joined() if owners is None else shared


def group_owners(places: Tensor, num_prompts: int) -> Tensor | None:
    """Return the prompt of each group, None unless rows are in groups of one size, one for each prompt.

    Args:
        places: The prompt of each row, (B,).
        num_prompts: P.
    """
    size, rest = divmod(len(places), num_prompts)
    if rest or size == 1:
        return None
    owners = places[::size]
    return owners if torch.equal(owners.repeat_interleave(size), places) else None
