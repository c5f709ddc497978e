"""Divide what a policy computes into passes that the memory holds.

Shapes: B completions, T tokens of a row.
"""

from __future__ import annotations

import sys
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor
from torch.optim import Optimizer

from edgewise.agents import distributed
from edgewise.agents.policies.memory import MAX_TOKENS_PER_PASS
from edgewise.agents.policies.policy import Completions, Policy
from edgewise.agents.policies.sampling import is_out_of_memory

Found = TypeVar("Found")
Loss = Callable[[Completions, Tensor, Tensor, Tensor], tuple[Tensor, dict[str, float]]]


class Budget:
    """How many tokens a pass holds at most; halved, for good, when the memory runs out."""

    def __init__(self, tokens: int = MAX_TOKENS_PER_PASS, *, in_step: bool = False) -> None:
        """Take the number.

        Args:
            tokens: Of a pass, padding included. A row that is longer is a pass by itself.
            in_step: Whether all ranks must make equal numbers of passes, as where a model is
                sharded. A rank cannot halve alone then: the others wait for it in the middle of a pass.
        """
        self.tokens, self.in_step = tokens, in_step

    def split(self, completions: Completions) -> list[Tensor]:
        """Return the rows of each pass; if there are several, rows of like length, the longest first.

        One is empty where another rank has more passes.
        """
        ends = last_columns(completions)
        order = ends.argsort(descending=True, stable=True)
        found: list[Tensor] = []
        while len(order):
            count = max(1, self.tokens // int(ends[order[0]]))
            found.append(order[:count])
            order = order[count:]
        if len(found) == 1:
            found = [torch.arange(len(ends))]
        if self.in_step:
            most = max(distributed.all_gather_object(len(found)))
            found += [torch.zeros(0, dtype=torch.int64)] * (most - len(found))
        return found

    def halve(self, completions: Completions, reason: str) -> None:
        """Halve the number, passes of which ran out of memory over `completions`, and warn.

        Raises:
            MemoryError: If no pass has more than one row.
        """
        length = int(last_columns(completions).max())
        size = length * min(len(completions.tokens), max(1, self.tokens // length))
        if size == length:
            raise MemoryError(
                f"the memory does not do for a pass over one completion of {size} tokens: {reason}"
            )
        self.tokens = size // 2
        warnings.warn(
            f"out of memory with {size} tokens per pass, now {self.tokens}: {reason}",
            RuntimeWarning,
            stacklevel=2,
        )


@runtime_checkable
class Budgeted(Protocol):
    """A policy that computes in passes."""

    @property
    def budget(self) -> Budget:
        """How many tokens a pass holds."""


@runtime_checkable
class Recalling(Protocol):
    """A policy whose first update can take from sampling what it needs of the forward pass."""

    recalls: bool  # whether it does, of what it samples with gradients enabled


def last_columns(completions: Completions) -> Tensor:
    """Return how many columns of each row are computed, (B,): up to the last sampled token."""
    columns = torch.arange(completions.tokens.shape[1], device=completions.mask.device)
    return ((columns * completions.mask).amax(dim=1).long() + 1).cpu()


def within_memory(budget: Budget, completions: Completions, compute: Callable[[], Found]) -> Found:
    """Return what `compute` returns of `completions`, halving `budget` until the memory does.

    Raises:
        MemoryError: If the memory does not do for one completion.
    """
    while True:
        try:
            return compute()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
        if budget.in_step:
            raise MemoryError(
                f"out of memory with `max_tokens_per_pass` {budget.tokens}, which the ranks of a sharded "
                f"model cannot halve alone: {reason}; give --max-tokens-per-pass {budget.tokens // 2}"
            )
        budget.halve(completions, reason)  # here, where nothing holds the frames of the error
        torch.cuda.empty_cache()


@dataclass(frozen=True)
class Minibatch:
    """B completions and what the loss of each is computed from."""

    completions: Completions
    rows: Tensor  # (B,) their indices in the batch
    weights: Tensor  # (B, T) of each token in the loss
    importance: Tensor  # (B, T) of each token

    def select(self, rows: Tensor) -> Minibatch:
        """Return that of some rows; of none that of the first, with weights of 0.0."""
        if not len(rows):
            first = self.select(torch.zeros(1, dtype=torch.int64))
            return replace(first, weights=torch.zeros_like(first.weights))
        arrays = (self.rows, self.weights, self.importance)
        return Minibatch(self.completions.select(rows), *(array[rows] for array in arrays))


def backward(
    policy: Policy, batch: Minibatch, loss_of: Loss, optimizer: Optimizer
) -> tuple[float, dict[str, float]]:
    """Set the gradient of a loss that is a sum over completions; return the loss and its metrics.

    It is computed in passes, and each is backpropagated before the next begins, so that only one is
    held.

    Args:
        policy: Computes the loss; if it has a `budget`, in passes of as many tokens.
        batch: The completions and their weights.
        loss_of: Returns the loss and its metrics, given the four parts of some of `batch`. The metric
            "clip_ratio" is a fraction of the tokens whose weight is positive; others are sums.
        optimizer: Of the weights; gradients that they have are dropped.

    Raises:
        MemoryError: If the memory does not do for one completion.
    """
    budget = policy.budget if isinstance(policy, Budgeted) else Budget(sys.maxsize)
    num_tokens = (batch.weights > 0).sum().clamp(min=1)

    def compute() -> tuple[float, dict[str, float]]:
        optimizer.zero_grad()
        total, sums = 0.0, defaultdict[str, float](float, clip_ratio=0.0)
        for rows in budget.split(batch.completions):
            part = batch.select(rows)
            loss, metrics = loss_of(part.completions, part.rows, part.weights, part.importance)
            if loss.requires_grad:
                loss.backward()
            total += loss.item()
            metrics["clip_ratio"] *= ((part.weights > 0).sum() / num_tokens).item()
            for name, value in metrics.items():
                sums[name] += value
        return total, dict(sums)

    return within_memory(budget, batch.completions, compute)
