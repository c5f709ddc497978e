"""Score completions with the forward pass of `fast_network`, without computing any padding.

The tokens of equal prompts are computed once, and those of all rows stand one after the other;
only attention, which has no weights, sees rows of one length.

Shapes: B completions, T tokens of a row, F tokens before the first sampled one, S = T - F, P
distinct prompts, N tokens computed, H hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding, scaled_dot_product_attention

from edgewise.agents.policies.fast_network import Network
from edgewise.agents.policies.policy import Completions

PROMPTS = 8  # whose completions are computed together, so that what is between fits in caches


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


def read_states(network: Network, completions: Completions) -> Tensor:
    """Return the states before each of M sampled tokens, (M, H).

    They are in the order of `completions.mask.nonzero()`.
    """
    first = int(completions.mask.any(dim=0).int().argmax())
    both = torch.cat([completions.tokens[:, :first], completions.attention[:, :first]], dim=1)
    prompts, which = torch.unique(both, dim=0, return_inverse=True)
    parts: list[Tensor] = []
    order: list[Tensor] = []
    for chosen in torch.arange(len(prompts)).split(PROMPTS):
        rows = ((which >= chosen[0]) & (which <= chosen[-1])).nonzero()[:, 0]
        parts.append(
            states(network, completions.select(rows), prompts[chosen], which[rows] - chosen[0])
        )
        order.append(rows)
    counts = completions.mask.sum(dim=1).long()
    owner = torch.cat([rows.repeat_interleave(counts[rows]) for rows in order])
    return embedding(owner.argsort(stable=True), torch.cat(parts))


def states(network: Network, completions: Completions, prompts: Tensor, which: Tensor) -> Tensor:
    """Return the states before each sampled token of rows whose prompts are `prompts[which]`."""
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
    counts = [len(before.places), len(after.places)]
    heads = network.num_heads // network.num_groups
    masks = [float_mask(part).repeat(1, heads, 1)[:, None] for part in seen]

    def attend(layer: int, queries: Tensor, memory: Tensor) -> Tensor:
        early, late = zip(*(part.split(counts) for part in (queries, memory)), strict=True)
        asked_queries, asked_memory = map(before.spread, early)
        own_queries, own_memory = map(after.spread, late)
        own_memory = torch.cat([asked_memory[which], own_memory], dim=2)
        found = [
            grouped_attention(asked_queries, asked_memory, masks[0]),
            grouped_attention(own_queries, own_memory, masks[1]),
        ]
        return torch.cat([before.gather(found[0]), after.gather(found[1])])

    flat = torch.cat(
        [tokens[before.used], completions.tokens[:, first : first + width][after.used]]
    )
    positions = (asked.cumsum(dim=1) - 1)[before.used]
    rotations = network.rotations[torch.cat([positions, places[after.used]])]
    hidden = network.hidden(flat, rotations, attend)
    return embedding(sources(before, after, completions.mask[:, first:], which), hidden)


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
