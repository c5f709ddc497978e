"""The gradient of a forward pass that was computed when its tokens were sampled.

Shapes: N tokens of a layout, M asked ones, H hidden size.
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
from edgewise.agents.policies.fast_network import Layer, Network
from edgewise.agents.policies.fast_tape import Tape, Track


def recall(network: Network, layout: Layout, tape: Tape, rows: Tensor) -> Tensor:
    """Return the last states of the asked tokens of `layout`, (M, H), normed to length 1.

    Args:
        network: The weights that made `tape`.
        layout: Of the tokens.
        tape: Has their states.
        rows: Which rows of the tape those of the layout are.
    """
    weights = [
        weight
        for layer in network.layers
        for weight in (layer.qkv, layer.bias, layer.out, layer.gate_up, layer.down)
    ]
    apply: Callable[..., Tensor] = Recall.apply
    return apply(network, layout, tape, rows, network.embedding, *weights)


class Recall(Function):
    """`recall`, with a gradient for every matrix."""

    @staticmethod
    def forward(
        ctx: Any, network: Network, layout: Layout, tape: Tape, rows: Tensor, *weights: Tensor
    ) -> Tensor:
        """Return the normed states."""
        ctx.network, ctx.layout, ctx.tape = network, layout, tape
        ctx.everywhere, ctx.asked = tape.positions(layout, rows)
        return functions.normalize(tape.tracks[-1].left[ctx.asked], network.least)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Go back through the layers."""
        network, layout, tape = ctx.network, ctx.layout, ctx.tape
        last = embedding(ctx.asked, tape.tracks[-1].left)
        scale = functions.norms(last, network.least).reciprocal()
        gradient = functions.of_states(grads[0], last.mul_(scale), scale)
        rotations = network.at(layout.positions).conj().resolve_conj()
        found: list[Tensor | None] = []
        for index in reversed(range(len(network.layers))):
            before = tape.tracks[index - 1].left if index else None
            part = LayerBack(network, index, layout, tape.tracks[index], before, ctx.everywhere)
            asked = ctx.asked if index == len(network.layers) - 1 else None
            gradient, own = part.run(gradient, rotations, asked)
            found = own + found
        of_embedding = torch.zeros_like(network.embedding)
        of_embedding.index_add_(0, layout.tokens, gradient)
        return None, None, None, None, of_embedding, *found


class LayerBack:
    """One layer, backwards."""

    def __init__(
        self,
        network: Network,
        index: int,
        layout: Layout,
        track: Track,
        before: Tensor | None,
        places: Tensor,
    ) -> None:
        """Take the layer, and where its N tokens are on the track."""
        self.network, self.layout, self.track, self.places = network, layout, track, places
        self.before = before
        self.layer: Layer = network.layers[index]

    def run(
        self, gradient: Tensor, rotations: Tensor, asked: Tensor | None
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Return the gradient of the states that the layer was given, and of its weights.

        Args:
            gradient: Of the states that it returned, (N, H), or (M, H) of the asked ones.
            rotations: Back, of each token.
            asked: If only some were, where these are on the track.
        """
        places = self.places if asked is None else asked
        gradient, of_gate_up, of_down = self.feed_forward(gradient, places)
        of_out = embedding(places, self.track.read).T @ gradient
        of_read = gradient @ self.layer.out.T
        if asked is not None:
            gradient, of_read = (self.scatter(part) for part in (gradient, of_read))
        of_states = functions.turn(self.attention(of_read), rotations)
        if self.before is None:
            entered = embedding(self.layout.tokens, self.network.embedding)
        else:
            entered = embedding(self.places, self.before)
        scale = functions.norms(entered, self.network.least).reciprocal()
        normed = entered.mul_(scale)
        of_normed = of_states @ self.layer.qkv.T
        gradient = functions.of_states(of_normed, normed, scale).add_(gradient)
        of_bias = None if self.layer.bias is None else of_states.sum(dim=0)
        return gradient, [normed.T @ of_states, of_bias, of_out, of_gate_up, of_down]

    def scatter(self, states: Tensor) -> Tensor:
        """Turn states of the asked tokens, (M, n), to those of all, with 0.0 elsewhere."""
        everywhere = states.new_zeros(len(self.places), states.shape[1])
        return everywhere.index_add_(0, self.layout.asked, states)

    def feed_forward(self, gradient: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradient of the states before the feed-forward network, and of its weights.

        The latter are summed part by part, so that what is between stays in caches.
        """
        track, matrices = self.track, (self.layer.gate_up, self.layer.down)
        of_gate_up, of_down = map(torch.zeros_like, matrices)
        of_attended = torch.empty_like(gradient)
        for part in functions.slices(len(places)):
            own, of_left = places[part], gradient[part]
            normed, inner = embedding(own, track.attended), embedding(own, track.inner)
            scale = functions.norms(normed, self.network.least).reciprocal()
            product = inner.new_empty(len(inner), inner.shape[1] // 2)
            parts = (normed.mul_(scale), scale, inner, product)
            of_attended[part] = functions.of_entered(of_left, *parts, *matrices)
            of_gate_up.addmm_(normed.T, inner)
            of_down.addmm_(product.T, of_left)
        return of_attended, of_gate_up, of_down

    def attention(self, of_read: Tensor) -> Tensor:
        """Return the gradient of queries, keys and values, rotated, (N, heads D + 2 groups D)."""
        network = self.network
        heads, groups = network.num_heads, network.num_groups
        states = embedding(self.places, self.track.states).view(
            -1, heads + 2 * groups, network.head_size
        )
        queries, memory = states.split_with_sizes([heads, 2 * groups], 1)
        return self.layout.attend_gradient(queries, memory, of_read)
