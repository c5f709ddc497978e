"""How the tokens of completions lie one after the other, and attention, which needs rows of one length.

Shapes: B completions, T tokens of a row, F tokens before the first sampled one, S = T - F, P
distinct prompts, N tokens computed, M sampled ones, D head size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding, scaled_dot_product_attention

from edgewise.agents.policies.policy import Completions

ROWS = 4  # whose weights are computed at once, so that they stay in caches


@dataclass(frozen=True)
class Block:
    """A rectangle of rows, of which some places hold tokens."""

    used: Tensor  # (rows, columns)
    places: Tensor  # of its n tokens, counted row by row, (n,)

    @classmethod
    def of(cls, used: Tensor) -> Block:
        """Return the block with tokens in the places `used`."""
        return cls(used, used.flatten().nonzero()[:, 0])

    def spread(self, states: Tensor) -> Tensor:
        """Pad `states`, (n, heads, D), to (rows, heads, columns, D), with 0.0."""
        if len(states) < self.used.numel():
            empty = states.new_zeros(self.used.numel(), *states.shape[1:])
            states = empty.index_copy(0, self.places, states)
        return states.reshape(*self.used.shape, *states.shape[1:]).transpose(1, 2)

    def gather(self, states: Tensor) -> Tensor:
        """Unpad (rows, heads, columns, D) to the tokens, (n, heads D)."""
        rows = states.transpose(1, 2).flatten(0, 1).flatten(1)
        return rows if len(self.places) == len(rows) else embedding(self.places, rows)

    def write(self, states: Tensor, to: Tensor) -> None:
        """Unpad (rows, heads, columns, D) to the tokens `to`, (n, heads, D)."""
        if len(self.places) == self.used.numel():
            to.unflatten(0, self.used.shape).copy_(states.transpose(1, 2))
        else:
            to.copy_(self.gather(states).view(to.shape))


@dataclass(frozen=True)
class Layout:
    """N tokens of some rows, those of their P prompts before those of the B rows, and what attends to what."""

    before: Block  # (P, F)
    after: Block  # (B, S)
    which: Tensor  # (B,) the prompt of each row
    tokens: Tensor  # (N,)
    positions: Tensor  # (N,)
    asked: Tensor  # (M,) the token before each sampled one, row by row
    masks: list[Tensor]  # of the queries of prompts and rows, to be added to scores

    @classmethod
    def of(
        cls, completions: Completions, prompts: Tensor, which: Tensor, heads_of_group: int
    ) -> Layout:
        """Return the layout of `completions`, whose prompts are `prompts[which]`."""
        tokens, asked = prompts.chunk(2, dim=1)  # (P, F)
        first = tokens.shape[1]
        columns = torch.arange(first, completions.tokens.shape[1])
        ends = (completions.mask[:, first:] * columns).amax(dim=1, keepdim=True)  # the last sampled
        width = max(int(ends.max()) - first, 1)  # no state is needed after the token before it
        answered = completions.attention[:, first : first + width]
        places = (completions.attention.cumsum(dim=1) - 1).clamp(min=0)[:, first : first + width]
        before = Block.of(asked.bool())
        after = Block.of(answered.bool() & (columns[:width] < ends))
        memory = torch.cat([before.used[which], after.used], dim=1)  # (B, F + width)
        earlier = torch.ones(first + width, first + width, dtype=torch.bool).tril()
        itself = torch.eye(first + width, dtype=torch.bool)  # so that padding reads something
        seen = [
            (before.used[:, None] & earlier[:first, :first]) | itself[:first, :first],
            (memory[:, None] & earlier[first:]) | itself[first:],
        ]
        own = completions.tokens[:, first : first + width]
        positions = (asked.cumsum(dim=1) - 1)[before.used]
        return cls(
            before,
            after,
            which,
            torch.cat([tokens[before.used], own[after.used]]),
            torch.cat([positions, places[after.used]]),
            sources(before, after, completions.mask[:, first:], which),
            [float_mask(part).repeat(1, heads_of_group, 1)[:, None] for part in seen],
        )

    def attend(self, layer: int, queries: Tensor, memory: Tensor) -> Tensor:
        """Attend from all tokens; see `Network.hidden`."""
        (asked, asked_memory), (own, own_memory) = self.rectangles(queries, memory)
        found = [
            grouped_attention(asked, asked_memory, self.masks[0]),
            grouped_attention(own, own_memory, self.masks[1]),
        ]
        return torch.cat([self.before.gather(found[0]), self.after.gather(found[1])])

    def attend_gradient(self, queries: Tensor, memory: Tensor, of_read: Tensor) -> Tensor:
        """Return the gradient of queries, keys and values, (N, (heads + 2 groups) D), from that of what `attend` returns."""
        blocks, found = (self.before, self.after), []
        of_reads = self.split(of_read.view_as(queries))
        parts = zip(self.rectangles(queries, memory), self.masks, blocks, of_reads, strict=True)
        for (own, read), mask, block, gradient in parts:
            found.append(attention_gradient(own, read, mask, block.spread(gradient)))
        (_, asked_memory), (_, own_memory) = found
        first = asked_memory.shape[2]
        asked_memory.index_add_(0, self.which, own_memory[:, :, :first])
        whole = queries.new_empty(
            len(queries), queries.shape[1] + memory.shape[1], queries.shape[2]
        )
        of_memory = asked_memory, own_memory[:, :, first:]
        for block, to, (own, _), read in zip(
            blocks, self.split(whole), found, of_memory, strict=True
        ):
            block.write(own, to[:, : own.shape[1]])
            block.write(read, to[:, own.shape[1] :])
        return whole.flatten(1)

    def split(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the states of prompts and of rows."""
        early, late = states.split([len(self.before.places), len(self.after.places)])
        return early, late

    def rectangles(self, queries: Tensor, memory: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return queries and what they read, of prompts and of rows."""
        asked, own = (
            block.spread(part)
            for block, part in zip((self.before, self.after), self.split(queries), strict=True)
        )
        asked_memory, own_memory = (
            block.spread(part)
            for block, part in zip((self.before, self.after), self.split(memory), strict=True)
        )
        return [
            (asked, asked_memory),
            (own, torch.cat([asked_memory[self.which], own_memory], dim=2)),
        ]


def sources(before: Block, after: Block, mask: Tensor, which: Tensor) -> Tensor:
    """Return the index, among N tokens, of the one before each sampled token, row by row."""
    places = torch.zeros(after.used.shape[0], after.used.shape[1] + 1, dtype=torch.int64)
    places[:, 0] = before.used.sum(dim=1).cumsum(dim=0)[which] - 1  # the last of the prompt
    places[:, 1:] = (after.used.flatten().cumsum(dim=0) - 1 + len(before.places)).view(
        after.used.shape
    )
    return places[:, : mask.shape[1]][mask[:, : places.shape[1]].bool()]


def float_mask(seen: Tensor) -> Tensor:
    """Return 0.0 where `seen`, and minus infinity elsewhere."""
    return torch.zeros(seen.shape).masked_fill(~seen, float("-inf"))


def grouped_attention(queries: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
    """Grouped-query attention: heads of a group share keys and values.

    Args:
        queries: Shape (rows, heads, columns, D).
        memory: Keys before values, (rows, 2 groups, columns read, D).
        mask: Added to the scores, (rows, 1, heads of a group x columns, columns read).
    """
    rows, heads, columns, size = queries.shape
    keys, values = memory.chunk(2, dim=1)
    grouped = queries.reshape(rows, keys.shape[1], -1, size)
    read = scaled_dot_product_attention(grouped, keys, values, attn_mask=mask, scale=1.0)
    return read.reshape(rows, heads, columns, size)


def attention_gradient(
    queries: Tensor, memory: Tensor, mask: Tensor, of_read: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of `queries` and `memory`; see `grouped_attention`, whose weights are computed again."""
    rows, size = queries.shape[0], queries.shape[3]
    groups, read = memory.shape[1] // 2, memory.shape[2]
    keys, values = (part.reshape(rows * groups, read, size) for part in memory.chunk(2, dim=1))
    grouped, of_grouped = (part.reshape(rows * groups, -1, size) for part in (queries, of_read))
    unseen = mask.expand(-1, groups, -1, -1).flatten(0, 1)
    of_queries = torch.empty_like(grouped)
    of_keys, of_values = torch.empty_like(keys), torch.empty_like(values)
    for part in torch.arange(rows * groups).split(ROWS):
        own = slice(int(part[0]), int(part[-1]) + 1)
        weights = torch.baddbmm(unseen[own], grouped[own], keys[own].transpose(1, 2)).softmax(
            dim=-1
        )
        torch.bmm(weights.transpose(1, 2), of_grouped[own], out=of_values[own])
        of_weights = torch.bmm(of_grouped[own], values[own].transpose(1, 2))
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        torch.bmm(of_scores, keys[own], out=of_queries[own])
        torch.bmm(of_scores.transpose(1, 2), grouped[own], out=of_keys[own])
    of_memory = torch.cat([of_keys, of_values]).view(2, rows, groups, read, size)
    return (
        of_queries.view(queries.shape),
        of_memory.transpose(0, 1).reshape(rows, 2 * groups, read, size),
    )
