"""How the tokens of completions lie one after the other, and attention, which needs rows of one length.

Completions of a prompt start alike, and tokens after the same ones have the same states: they are one.

Shapes: B completions, T tokens of a row, F tokens before the first sampled one, S = T - F, P
distinct prompts, R distinct completions, N distinct tokens, M of them asked, D head size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding, scaled_dot_product_attention

from edgewise.agents.policies.policy import Completions

ROWS = 4  # whose weights are computed at once, so that they stay in caches
NONE = -1  # in place of a token


@dataclass(frozen=True)
class Block:
    """A rectangle of rows, in whose places tokens lie, one of them in several rows if these start alike."""

    used: Tensor  # (rows, columns) where there is a token
    nodes: Tensor  # (rows, columns) which one, of N; 0 where there is none
    places: Tensor  # one of each of its n tokens, counted row by row, (n,)

    @classmethod
    def of(cls, used: Tensor, new: Tensor, start: int) -> Block:
        """Return the block of rows in order, numbering tokens from `start`.

        Args:
            used: Where there is a token, (rows, columns).
            new: Where it is the first, of all rows, of those after the same tokens, (rows, columns).
            start: The number of the first token.
        """
        counted = (new.flatten().cumsum(dim=0) - 1 + start).view(new.shape)
        nodes = counted.masked_fill(~new, 0).cummax(dim=0).values.masked_fill(~used, 0)
        return cls(used, nodes, new.flatten().nonzero()[:, 0])

    def gather(self, states: Tensor) -> Tensor:
        """Unpad (rows, heads, columns, D) to the tokens, (n, heads D)."""
        rows = states.transpose(1, 2).flatten(0, 1).flatten(1)
        return rows if len(self.places) == len(rows) else embedding(self.places, rows)

    def scatter(self, states: Tensor) -> Tensor:
        """Put (n, heads, D) to the `places`, and 0.0 elsewhere, (rows, heads, columns, D)."""
        if len(states) < self.used.numel():
            empty = states.new_zeros(self.used.numel(), *states.shape[1:])
            states = empty.index_copy(0, self.places, states)
        return states.reshape(*self.used.shape, *states.shape[1:]).transpose(1, 2)

    def total(self, states: Tensor, start: int) -> Tensor:
        """Sum (rows, heads, columns, D), 0.0 where no token is, over the places of each token, (n, heads D)."""
        if len(self.places) == int(self.used.sum()):
            return self.gather(states)
        rows = states.transpose(1, 2).flatten(0, 1).flatten(1)
        nodes = (self.nodes.flatten() - start).clamp(min=0)
        backward = torch.ops.aten.embedding_dense_backward
        found: Tensor = backward(rows, nodes, len(self.places), -1, False)
        return found


@dataclass(frozen=True)
class Layout:
    """N tokens of some rows, those of their P prompts before those of the rows, and what attends to what."""

    before: Block  # (P, F)
    after: Block  # (R, S)
    which: Tensor  # (R,) the prompt of each row
    tokens: Tensor  # (N,)
    positions: Tensor  # (N,)
    owners: Tensor  # (N,) a completion that has the token
    asked: Tensor  # (M,) the tokens before sampled ones
    sampled: Tensor  # which of the asked is before each sampled token, completion by completion
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
        used = answered.bool() & (columns[:width] < ends)
        own = completions.tokens[:, first : first + width].masked_fill(~used, NONE)
        keys = torch.cat([which[:, None], own], dim=1)
        distinct, kinds = torch.unique(keys, dim=0, return_inverse=True)
        chosen = torch.empty(len(distinct), dtype=torch.int64)
        chosen[kinds] = torch.arange(len(which))  # a completion of each kind
        which, used, own = distinct[:, 0], used[chosen], distinct[:, 1:]
        before = Block.of(asked.bool(), asked.bool(), 0)
        start = len(before.places)
        after = Block.of(used, first_alike(distinct) & used, start)
        of_prompts = torch.empty(len(prompts), dtype=torch.int64)
        of_prompts[which] = chosen
        owners = [of_prompts[before.places // first], chosen[after.places // width]]
        places = (completions.attention.cumsum(dim=1) - 1).clamp(min=0)[:, first : first + width]
        positions = (asked.cumsum(dim=1) - 1)[before.used], places[chosen].take(after.places)
        sources = last_nodes(before, after, which)[kinds]
        mask = completions.mask[:, first : first + sources.shape[1]].bool()
        needed, sampled = torch.unique(sources[:, : mask.shape[1]][mask], return_inverse=True)
        return cls(
            before,
            after,
            which,
            torch.cat([tokens[before.used], own.take(after.places)]),
            torch.cat(positions),
            torch.cat(owners),
            needed,
            sampled,
            masks(before, after, which, heads_of_group),
        )

    def attend(self, layer: int, queries: Tensor, memory: Tensor) -> Tensor:
        """Attend from all tokens; see `Network.hidden`."""
        parts = zip(self.rectangles(queries, memory), self.masks, self.blocks, strict=True)
        found = [block.gather(grouped_attention(*own, mask)) for own, mask, block in parts]
        return torch.cat(found)

    def attend_gradient(self, queries: Tensor, memory: Tensor, of_read: Tensor) -> Tensor:
        """Return the gradient of queries, keys and values, (N, (heads + 2 groups) D), from that of what `attend` returns."""
        start, found = len(self.before.places), []
        of_reads = of_read.view_as(queries).tensor_split([start])
        parts = zip(
            self.rectangles(queries, memory), self.masks, self.blocks, of_reads, strict=True
        )
        for (own, read), mask, block, gradient in parts:
            found.append(attention_gradient(own, read, mask, block.scatter(gradient)))
        (asked, asked_memory), (own, own_memory) = found
        first = asked_memory.shape[2]
        asked_memory.index_add_(0, self.which, own_memory[:, :, :first])
        whole = queries.new_empty(len(queries), queries[0].numel() + memory[0].numel())
        early, late = whole.tensor_split([start])
        size = queries[0].numel()
        early[:, :size], early[:, size:] = (
            self.before.gather(asked),
            self.before.gather(asked_memory),
        )
        late[:, :size] = self.after.gather(own)
        late[:, size:] = self.after.total(own_memory[:, :, first:], start)
        return whole

    @property
    def blocks(self) -> tuple[Block, Block]:
        """Return those of prompts and of rows."""
        return self.before, self.after

    def rectangles(self, queries: Tensor, memory: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return queries and what they read, of prompts and of rows."""
        before, after = self.before.nodes, self.after.nodes
        whole = torch.cat([before[self.which], after], dim=1)  # (R, F + S)
        return [
            (spread(queries, before), spread(memory, before)),
            (spread(queries, after), spread(memory, whole)),
        ]


def first_alike(rows: Tensor) -> Tensor:
    """Return where rows in order, whose first column is apart, differ from the row before up to there."""
    new = torch.ones(rows.shape, dtype=torch.bool)
    new[1:] = ~(rows[1:] == rows[:-1]).cumprod(dim=1).bool()
    return new[:, 1:]


def last_nodes(before: Block, after: Block, which: Tensor) -> Tensor:
    """Return the last token of each row before each column and before the next, (R, S + 1)."""
    prompts = before.nodes.amax(dim=1)[which]
    return torch.cat([prompts[:, None], after.nodes], dim=1).cummax(dim=1).values


def spread(states: Tensor, nodes: Tensor) -> Tensor:
    """Put `states`, (N, heads, D), where `nodes` says, (rows, columns): to (rows, heads, columns, D)."""
    rows: Tensor = embedding(nodes, states.flatten(1)).unflatten(2, states.shape[1:])
    return rows.transpose(1, 2)


def masks(before: Block, after: Block, which: Tensor, heads_of_group: int) -> list[Tensor]:
    """Return what is added to the scores of the queries of prompts and of rows."""
    first, width = before.used.shape[1], after.used.shape[1]
    memory = torch.cat([before.used[which], after.used], dim=1)  # (R, F + S)
    earlier = torch.ones(first + width, first + width, dtype=torch.bool).tril()
    itself = torch.eye(first + width, dtype=torch.bool)  # so that padding reads something
    seen = [
        (before.used[:, None] & earlier[:first, :first]) | itself[:first, :first],
        (memory[:, None] & earlier[first:]) | itself[first:],
    ]
    return [float_mask(part).repeat(1, heads_of_group, 1)[:, None] for part in seen]


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
