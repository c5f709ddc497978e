"""Score completions with the forward pass of `fast_network`, without computing any padding.

The tokens that completions start with alike are computed once, and those of all rows stand one after
the other; only attention, which has no weights, sees rows of one length.

Shapes: P distinct prompts, M sampled tokens, H hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding

from edgewise.agents.policies.fast_layout import Layout
from edgewise.agents.policies.fast_network import Network
from edgewise.agents.policies.fast_recall import recall
from edgewise.agents.policies.fast_tape import Tape
from edgewise.agents.policies.policy import Completions

PROMPTS = 8  # whose completions are computed together, so that what is between fits in caches


def read_states(network: Network, completions: Completions, tape: Tape | None = None) -> Tensor:
    """Return the states before each of M sampled tokens, (M, H).

    They are in the order of `completions.mask.nonzero()`.

    Args:
        network: The weights.
        completions: Whose tokens are read.
        tape: What sampling computed. Prompts whose completions are all on it are not computed again.
    """
    first = int(completions.mask.any(dim=0).int().argmax())
    both = torch.cat([completions.tokens[:, :first], completions.attention[:, :first]], dim=1)
    prompts, which = torch.unique(both, dim=0, return_inverse=True)
    taped = None if tape is None else tape.find(completions)
    parts: list[Tensor] = []
    sources: list[Tensor] = []
    order: list[Tensor] = []
    for chosen in torch.arange(len(prompts)).split(PROMPTS):
        rows = ((which >= chosen[0]) & (which <= chosen[-1])).nonzero()[:, 0]
        own, heads = which[rows] - chosen[0], network.num_heads // network.num_groups
        layout = Layout.of(completions.select(rows), prompts[chosen], own, heads)
        sources.append(layout.sampled + sum(map(len, parts)))
        if tape is not None and taped is not None and bool((taped[rows] >= 0).all()):
            parts.append(recall(network, layout, tape, taped[rows]))
        else:
            rotations = network.at(layout.positions)
            parts.append(network.hidden(layout.tokens, rotations, layout.attend, layout.asked))
        order.append(rows)
    counts = completions.mask.sum(dim=1).long()
    owner = torch.cat([rows.repeat_interleave(counts[rows]) for rows in order])
    return embedding(torch.cat(sources)[owner.argsort(stable=True)], torch.cat(parts))
