"""AdamW for weights of any precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.utils.hooks import RemovableHandle

from edgewise.agents import distributed


class MasterAdamW(AdamW):
    """AdamW without weight decay whose updates are not rounded away.

    bfloat16 has 8 bits of precision, so a weight of 0.02 cannot take an update of 1e-6. Weights of
    lower precision than float32 therefore have a master copy in float32: it gets their gradient and
    the update, and they are its rounding. Others are updated as by AdamW.
    """

    def __init__(self, groups: Iterable[Mapping[str, Any]], learning_rate: float) -> None:
        """Take the weights to train.

        Args:
            groups: Each has "params", and "lr" where it is another than `learning_rate`.
            learning_rate: Of AdamW.
        """
        self.copies: list[tuple[nn.Parameter, nn.Parameter]] = []  # a weight and its master
        self.hooks: list[RemovableHandle] = []
        super().__init__(
            [
                {**group, "params": [self.master(weight) for weight in group["params"]]}
                for group in groups
            ],
            lr=learning_rate,
            weight_decay=0.0,
        )

    def master(self, weight: nn.Parameter) -> nn.Parameter:
        """Return the float32 master copy that receives the gradients, or `weight` itself in full precision."""
        if weight.dtype in (torch.float32, torch.float64):
            return weight
        copy = nn.Parameter(weight.detach().float())

        def hand_over(_: Tensor) -> None:
            assert weight.grad is not None
            gradient = weight.grad.float()
            copy.grad = gradient if copy.grad is None else copy.grad + gradient
            weight.grad = None

        self.hooks.append(weight.register_post_accumulate_grad_hook(hand_over))
        self.copies.append((weight, copy))
        return copy

    def release(self) -> None:
        """Remove the gradient hooks, so that another optimizer can train the weights."""
        for hook in self.hooks:
            hook.remove()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, also those that a backward pass which failed did not hand over."""
        super().zero_grad(set_to_none)
        for weight, _ in self.copies:
            weight.grad = None

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update the master weights, and round them to the weights."""
        loss = super().step(closure)
        for weight, copy in self.copies:
            weight.copy_(copy)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state of AdamW and the master weights; sharded ones are full on rank 0."""
        found = super().state_dict()
        moments = {
            index: {name: distributed.full_tensor(value) for name, value in state.items()}
            for index, state in found["state"].items()
        }
        masters = [copy.detach() for _, copy in self.copies]
        return {**found, "state": moments, "masters": masters}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned; the weights are loaded elsewhere."""
        super().load_state_dict(state_dict)
        for weight, state in self.state.items():
            state.update(
                {name: distributed.distribute_like(value, weight) for name, value in state.items()}
            )
        for (_, copy), saved in zip(self.copies, state_dict["masters"], strict=True):
            copy.copy_(saved)


def schedule(step: int, num_steps: int, num_warmup_steps: int) -> float:
    """Return the learning-rate factor: linear warmup, then cosine decay to 0."""
    if step < num_warmup_steps:
        return (step + 1) / num_warmup_steps
    done = (step - num_warmup_steps) / (num_steps - num_warmup_steps)
    return (1 + cos(pi * done)) / 2
