"""Score completions with the forward pass of `fast_network`, without computing any padding.

The tokens that completions start with alike are computed once, and those of all rows stand one after
the other; only attention, which has no weights, sees rows of one length.

The gradient of a forward pass that was computed when its tokens were sampled is computed from the tape: a
layer is then a function that computes nothing again. For autograd it returns a placeholder of the right
shape, and its gradient is computed from what the tape has.

Shapes: P distinct prompts, N tokens of a layout, M asked ones, H hidden size, D head size, I size of the
feed-forward network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import embedding

from edgewise.agents.policies import fast_functions as functions
from edgewise.agents.policies.fast_layout import Layout
from edgewise.agents.policies.fast_network import Network
from edgewise.agents.policies.fast_tape import Tape
from edgewise.agents.policies.policy import Completions

PROMPTS = 8  # whose completions are computed together, so that what is between fits in caches


def recall(network: Network, layout: Layout, tape: Tape, rows: Tensor) -> Tensor:
    """Return the last states of the asked tokens of `layout`, (M, H), normed to length 1.

    Args:
        network: The weights that made `tape`.
        layout: Of the tokens.
        tape: Has their states.
        rows: Which rows of the tape those of the layout are.
    """
    through: Callable[..., Tensor] = RecallLayer.apply
    replaced: Callable[..., Tensor] = Replaced.apply
    places, asked = tape.positions(layout, rows)
    back = network.at(layout.positions).conj().resolve_conj()
    states = embedding(layout.tokens, network.embedding)
    entered, entries = states.detach(), None
    for layer, track in zip(network.layers, tape.tracks, strict=True):
        chosen = asked if layer is network.layers[-1] else None
        found = Found(network, layout, back, places, entries, chosen)
        kept = (entered, track.states, track.read, track.attended, track.inner)
        weights = (layer.qkv, layer.bias, layer.out, layer.gate_up, layer.down)
        states = through(states, found, *kept, *weights)
        entered, entries = track.left, places
    return functions.normalize(replaced(states, embedding(asked, entered)), network.least)


class Found:
    """How the N tokens of a layer lie, and where on its track."""

    def __init__(
        self,
        network: Network,
        layout: Layout,
        back: Tensor,
        places: Tensor,
        entries: Tensor | None,
        asked: Tensor | None,
    ) -> None:
        """Take no weights, so that these are freed layer by layer.

        Args:
            network: Gives its sizes.
            layout: Of the tokens.
            back: Their rotations, back, (N, pairs).
            places: Of the tokens on the track, (N,).
            entries: Where the states are that entered the layer, (N,); None if in the order of the tokens.
            asked: Where the states after attention are, (M,), if it returns those of the asked tokens alone.
        """
        self.num_heads, self.num_groups = network.num_heads, network.num_groups
        self.least, self.layout, self.back = network.least, layout, back
        self.places, self.entries = places, entries
        self.asked, self.chosen = asked, places if asked is None else asked

    def normed(self, states: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return normed states at `places`, and what they were multiplied by."""
        own = states if places is None else embedding(places, states)
        scale = functions.norms(own, self.least).reciprocal()
        return own * scale, scale

    def scatter(self, states: Tensor) -> Tensor:
        """Turn states of what the layer returns to those of all tokens, (N, n), with 0.0 elsewhere."""
        if self.asked is None:
            return states
        everywhere = states.new_zeros(len(self.places), states.shape[1])
        return everywhere.index_copy_(0, self.layout.asked, states)

    def attention(self, states: Tensor, of_read: Tensor) -> Tensor:
        """Return the gradient of queries, keys and values before their rotation, (N, heads D + 2 groups D)."""
        counts = [self.num_heads, 2 * self.num_groups]
        found = embedding(self.places, states).unflatten(1, (sum(counts), -1))
        queries, memory = found.split_with_sizes(counts, 1)
        return functions.turn(self.layout.attend_gradient(queries, memory, of_read), self.back)

    def feed_forward(
        self, gradient: Tensor, attended: Tensor, inner: Tensor, gate_up: Tensor, down: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of the states before the feed-forward network, and of its matrices.

        The latter are summed part by part, so that what is between stays in caches.
        """
        of_gate_up, of_down = torch.zeros_like(gate_up), torch.zeros_like(down)
        of_attended = torch.empty_like(gradient)
        for part in functions.slices(len(self.chosen)):
            own, of_left = self.chosen[part], gradient[part]
            normed, scale = self.normed(attended, own)
            opened = embedding(own, inner)
            product = opened.new_empty(len(own), len(down))
            parts = (of_left, normed, scale, opened, product)
            of_attended[part] = functions.of_entered(*parts, gate_up, down)
            of_gate_up.addmm_(normed.T, opened)
            of_down.addmm_(product.T, of_left)
        return of_attended, of_gate_up, of_down


class RecallLayer(Function):
    """One layer, whose forward pass is on the tape."""

    @staticmethod
    def forward(ctx: Any, below: Tensor, found: Found, *kept: Tensor | None) -> Tensor:
        """Return a placeholder of the states, and keep five parts of the tape and the five weights."""
        ctx.found = found
        ctx.save_for_backward(*kept)
        return below.new_empty(()).expand(len(found.chosen), below.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the states below and of the weights."""
        found, (entered, states, read, attended, inner, *weights) = ctx.found, ctx.saved_tensors
        qkv, bias, out, gate_up, down = weights
        gradient, *of_matrices = found.feed_forward(grads[0], attended, inner, gate_up, down)
        of_out = embedding(found.chosen, read).T @ gradient
        of_read = found.scatter(gradient @ out.T)
        of_states = found.attention(states, of_read)
        normed, scale = found.normed(entered, found.entries)
        below = functions.of_states(of_states @ qkv.T, normed, scale).add_(found.scatter(gradient))
        of_bias = None if bias is None else of_states.sum(dim=0)
        return below, *(None,) * 6, normed.T @ of_states, of_bias, of_out, *of_matrices


class Replaced(Function):
    """States in place of their placeholder."""

    @staticmethod
    def forward(ctx: Any, placeholder: Tensor, states: Tensor) -> Tensor:
        """Return the states."""
        return states.view_as(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Pass on the gradient."""
        return grads[0], None


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
