"""The parts of `fast_network`: in inference few operations, in training also few passes over the memory.

Where a gradient is asked, it is written by hand.

Shapes: N tokens, of all rows; H hidden size, F size of the feed-forward network, D head size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import silu

ROWS = 256  # of the feed-forward network that are computed at once, so that what is between stays in caches


def norms(hidden: Tensor, least: Tensor) -> Tensor:
    """Return the norm of each state, (N, 1), with `least` as one more coordinate.

    With `least` = sqrt(H epsilon) it is sqrt(H) times the root of the mean square plus epsilon.
    """
    norm = torch.linalg.vector_norm(hidden, dim=1, keepdim=True, dtype=torch.float32)
    return torch.hypot(norm, least).to(hidden.dtype)


def normalize(hidden: Tensor, least: Tensor) -> Tensor:
    """Divide each state, (N, H), by its norm."""
    if torch.is_grad_enabled():
        apply: Callable[..., Tensor] = Normalize.apply
        return apply(hidden, least)
    return hidden / norms(hidden, least)


class Normalize(Function):
    """`normalize` in training."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, least: Tensor) -> Tensor:
        """Return states of length 1."""
        scale = norms(hidden, least).reciprocal()
        normed = hidden * scale
        ctx.save_for_backward(normed, scale)
        return normed

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the states."""
        normed, scale = ctx.saved_tensors
        return of_states(grads[0], normed, scale), None


def of_states(gradient: Tensor, normed: Tensor, scale: Tensor) -> Tensor:
    """Turn the gradient of normed states into that of the states: without what is along a state."""
    along = (gradient * normed).sum(dim=1, keepdim=True)
    return torch.addcmul(gradient, normed, along, value=-1).mul_(scale)


def feed_forward(
    hidden: Tensor,
    gate_up: Tensor,
    down: Tensor,
    least: Tensor,
    inner: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Add to states what the gated network makes of them normed: (silu(x gate) (x up)) down.

    Args:
        hidden: Shape (N, H).
        gate_up: Both matrices side by side, (H, 2 F).
        down: Shape (F, H).
        least: See `norms`.
        inner: In inference, where (x gate) and (x up) are written, (N, 2 F).
        out: In inference, where the result is written.
    """
    if torch.is_grad_enabled():
        apply: Callable[..., Tensor] = FeedForward.apply
        return apply(hidden, gate_up, down, least)
    opened = swiglu(torch.mm(normalize(hidden, least), gate_up, out=inner))
    return torch.addmm(hidden, opened, down, out=out)


def swiglu(gate_up: Tensor) -> Tensor:
    """SwiGLU: silu of the first half times the second half, (N, 2 F) to (N, F)."""
    gate, up = gate_up.chunk(2, dim=1)
    return silu(gate).mul_(up)


class FeedForward(Function):
    """`feed_forward` in training."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, gate_up: Tensor, down: Tensor, least: Tensor) -> Tensor:
        """Return new states, and keep the normed ones and what the first two matrices made of them."""
        scale = norms(hidden, least).reciprocal()
        normed, added = torch.empty_like(hidden), torch.empty_like(hidden)
        inner = hidden.new_empty(len(hidden), gate_up.shape[1])
        for part in slices(len(hidden)):
            torch.mul(hidden[part], scale[part], out=normed[part])
            torch.mm(normed[part], gate_up, out=inner[part])
            torch.addmm(hidden[part], swiglu(inner[part]), down, out=added[part])
        ctx.save_for_backward(normed, scale, inner, gate_up, down)
        return added

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Write gradients over what was kept, so that a graph is walked once; again raises."""
        normed, scale, inner, gate_up, down = ctx.saved_tensors
        of_hidden = torch.empty_like(normed)
        product = inner.new_empty(len(inner), len(down))
        for part in slices(len(normed)):
            of_hidden[part] = of_entered(
                grads[0][part], normed[part], scale[part], inner[part], product[part], gate_up, down
            )
        return of_hidden, normed.T @ inner, product.T @ grads[0], None


def of_entered(
    of_added: Tensor,
    normed: Tensor,
    scale: Tensor,
    inner: Tensor,
    product: Tensor,
    gate_up: Tensor,
    down: Tensor,
) -> Tensor:
    """Turn the gradient of what `feed_forward` returns into that of the states that it is given.

    Args:
        of_added: The gradient, (N, H).
        normed: The normed states, (N, H).
        scale: What they were multiplied by, (N, 1).
        inner: `normed` times `gate_up`, (N, 2 F); its gradient is written over it.
        product: Where what `down` was multiplied by is written, (N, F).
        gate_up: Shape (H, 2 F).
        down: Shape (F, H).
    """
    gate, up = inner.chunk(2, dim=1)
    opened = silu(gate)
    torch.mul(opened, up, out=product)
    of_opened = of_added @ down.T
    of_up = opened.mul_(of_opened)
    torch.ops.aten.silu_backward.grad_input(of_opened.mul_(up), gate, grad_input=gate)
    up.copy_(of_up)
    return of_states(inner @ gate_up.T, normed, scale).add_(of_added)


def slices(count: int) -> list[slice]:
    """Divide `count` rows into like parts of at most `ROWS`: a product of few rows may be summed in another order."""
    parts = -(-count // ROWS)
    return [slice(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def rotate(states: Tensor, rotations: Tensor) -> Tensor:
    """Multiply pairs of adjacent values of `states`, (N, W), by complex numbers, (N, W / 2), in place."""
    if torch.is_grad_enabled():
        apply: Callable[..., Tensor] = Rotate.apply
        return apply(states, rotations)
    return turn(states, rotations)


def turn(states: Tensor, rotations: Tensor) -> Tensor:
    """Multiply the pairs in place."""
    if states.dtype == torch.float32:
        states.view(torch.complex64).mul_(rotations)
    else:
        states.copy_(states.float().view(torch.complex64).mul_(rotations).view(torch.float32))
    return states


class Rotate(Function):
    """`rotate` in training."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, rotations: Tensor) -> Tensor:
        """Rotate in place."""
        ctx.mark_dirty(states)
        ctx.rotations = rotations
        return turn(states, rotations)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Rotate the gradient back."""
        back = ctx.rotations.conj().resolve_conj()
        gradient = grads[0].clone(memory_format=torch.contiguous_format)  # pairs adjacent
        return turn(gradient, back), None
