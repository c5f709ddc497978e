"""AdamW for weights of any precision, and the schedule of its rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, cos, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.utils.hooks import RemovableHandle

from edgewise.agents import distributed
from edgewise.agents.algorithms.hyperparameters import OptimizerConfig, Schedule


class MasterAdamW(AdamW):
    """AdamW whose updates are not rounded away.

    bfloat16 has 8 bits of precision, so a weight of 0.02 cannot take an update of 1e-6. Weights of
    lower precision than float32 therefore have a master copy in float32: it gets their gradient and
    the update, and they are its rounding. Others are updated as by AdamW.
    """

    def __init__(
        self,
        groups: Iterable[Mapping[str, Any]],
        learning_rate: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        """Take the weights to train.

        Args:
            groups: Each has "params", and "lr" where it is another than `learning_rate`.
            learning_rate: Of AdamW.
            weight_decay: Of AdamW: what of a weight an update takes away, times the learning rate.
            betas: Of AdamW: what of the moments of the gradient an update keeps.
        """
        self.copies: list[tuple[nn.Parameter, nn.Parameter]] = []  # a weight and its master
        self.hooks: list[RemovableHandle] = []
        super().__init__(
            [
                {**group, "params": [self.master(weight) for weight in group["params"]]}
                for group in groups
            ],
            lr=learning_rate,
            weight_decay=weight_decay,
            betas=betas,
        )
        self.rates: list[float] = [group["lr"] for group in self.param_groups]  # before a schedule

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


def optimizer_of(config: OptimizerConfig, groups: Iterable[Mapping[str, Any]]) -> MasterAdamW:
    """Return the optimiser of parameter groups, which may have an "lr" of their own."""
    betas = config.adam_beta1, config.adam_beta2
    return MasterAdamW(groups, config.learning_rate, config.weight_decay, betas)


def anneal(
    config: OptimizerConfig, optimizer: MasterAdamW, step: int, num_steps: int
) -> dict[str, float]:
    """Set the learning rates of a step, the first being 0; return the metrics of a schedule.

    The rates are a function of the step alone, so a run that is resumed has those that it would
    have had. All updates of a step have the same.
    """
    if config.lr_schedule == "constant" and not config.warmup_steps:
        return {}
    warmup = config.warmup_steps if config.warmup_steps >= 1 else config.warmup_steps * num_steps
    share = schedule(step, num_steps, ceil(warmup), config.lr_schedule)
    for group, rate in zip(optimizer.param_groups, optimizer.rates, strict=True):
        group["lr"] = rate * share
    return {"learning_rate": config.learning_rate * share}


def schedule(step: int, num_steps: int, num_warmup_steps: int, shape: Schedule = "cosine") -> float:
    """Return what of the learning rate a step has: linear warm-up, then a decay to 0, or none.

    As the schedules of transformers, but for the warm-up: its step t of n has (t + 1) / n, not t / n,
    so that the first step is none without an update.

    >>> [schedule(step, 6, 2, "linear") for step in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]

    Args:
        step: Steps that were done before.
        num_steps: Of the run.
        num_warmup_steps: In which the rate rises, the first ones.
        shape: What follows these.
    """
    if step < num_warmup_steps:
        return (step + 1) / num_warmup_steps
    if shape == "constant":
        return 1.0
    done = (step - num_warmup_steps) / (num_steps - num_warmup_steps)
    return 1 - done if shape == "linear" else (1 + cos(pi * done)) / 2
