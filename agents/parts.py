"""Sample a batch in parts: each rank its share, and no more at once than fits the memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

import torch
from torch import Generator, Tensor

from edgewise.agents import ranks
from edgewise.agents.policy import Completions

Sample = Callable[[Tensor], Completions]  # appends a turn to some rows of a batch


@dataclass(frozen=True)
class Part:
    """Some rows of a batch after a turn, and the random numbers that it left."""

    rows: Tensor
    completions: Completions  # of these rows
    generator: Tensor  # its state


class Parts:
    """The size of a part, which is halved, for good, when the memory runs out."""

    def __init__(self) -> None:
        """Begin with all rows at once."""
        self.size: int | None = None

    def sample(
        self, sample: Sample, start: Completions, rows: Tensor, generator: Generator
    ) -> Completions:
        """Append a turn to `rows` of `start`; every rank returns those of all ranks.

        `sample` draws the same numbers from `generator` for a row, whatever else is computed with
        it, so that parts change nothing but rounding.

        Raises:
            MemoryError: If the memory does not do for one row.
        """
        before = generator.get_state()
        own = ranks.share(rows)
        while True:
            found = list[Part]()
            try:
                if self.size is None and ranks.num_ranks() == 1:
                    return sample(rows)
                for part in own.split(self.size or max(1, len(own))):
                    generator.set_state(before)
                    if len(part):
                        turn = moved(sample(part).select(part), torch.device("cpu"))
                        found.append(Part(part, turn, generator.get_state()))
                break
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0]
            self.halve(min(self.size or len(own), len(own)), reason)
        everyones = [part for parts in ranks.everyones(found) for part in parts]
        longest = max(everyones, key=lambda part: part.completions.tokens.shape[1])
        generator.set_state(longest.generator)
        return merged(start, everyones)

    def halve(self, size: int, reason: str) -> None:
        """Sample half as many rows at once as `size`, which were too many, and say so."""
        if size == 1:
            raise MemoryError(f"the memory does not do for one completion: {reason}")
        self.size = size // 2
        warnings.warn(
            f"out of memory with {size} completions at once, now {self.size}: {reason}",
            RuntimeWarning,
            stacklevel=2,
        )


def is_out_of_memory(error: Exception) -> bool:
    """Return whether there was not enough memory, of any device."""
    said = str(error)
    return (
        isinstance(error, torch.cuda.OutOfMemoryError)
        or "out of memory" in said
        or "can't allocate memory" in said
    )


def merged(start: Completions, parts: Iterable[Part]) -> Completions:
    """Return `start` with the rows of `parts` in place of its own."""
    whole = start
    for part in parts:
        whole = whole.replace(part.rows.numpy(), moved(part.completions, start.tokens.device))
    return whole


def moved(completions: Completions, device: torch.device) -> Completions:
    """Return `completions` on `device`; `ended` stays on the CPU."""
    arrays = {
        field.name: getattr(completions, field.name).to(device)
        for field in fields(completions)
        if field.name not in ("texts", "ended", "scale")
    }
    return replace(completions, **arrays)
