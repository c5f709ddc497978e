"""Sample the next tokens and score them; sample a batch in parts that fit the memory.

Shapes: B rows, T tokens of a row, V vocabulary.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

import torch
from torch import Generator, Tensor

from edgewise.agents import distributed
from edgewise.agents.policies.options import Sampling
from edgewise.agents.policies.policy import Completions


def score(logits: Tensor, tokens: Tensor, scale: float = 1.0) -> Tensor:
    """Return the log-probabilities of `tokens`, (B, T), in nats.

    Args:
        logits: Of the model, shape (B, T, V).
        tokens: Shape (B, T).
        scale: What the logits are divided by.
    """
    logits = divided(logits.float(), scale)
    chosen = logits.gather(-1, tokens[..., None])[..., 0]
    return chosen - logits.logsumexp(dim=-1)


def divided(logits: Tensor, scale: float) -> Tensor:
    """Divide `logits` by `scale`, without a copy where it is 1."""
    return logits if scale == 1 else logits / scale


def choose(logits: Tensor, sampling: Sampling, uniform: Tensor) -> Tensor:
    """Sample the token of each row, (B, 1), by inverse transform from `uniform` in [0, 1), (B, 1).

    Cumulative probabilities are in double precision.
    """
    if sampling.temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    probabilities = (logits / sampling.temperature).softmax(dim=-1, dtype=torch.float32)
    if sampling.top_p < 1:
        probabilities = nucleus(probabilities, sampling.top_p)
    cumulative = probabilities.cumsum(dim=-1, dtype=torch.float64)
    picked = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return picked.clamp(max=logits.shape[-1] - 1)


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of tokens with probability `top_p`, 0 elsewhere.

    Holtzman et al. (2020), "The Curious Case of Neural Text Degeneration", arXiv 1904.09751.
    """
    ordered, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(dim=-1) - ordered  # the probability of all likelier tokens
    kept = ordered.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, tokens, kept)


def compact(live: Tensor) -> Tensor:
    """Compact the batch: return the row for each slot, the last `live` rows, (B,), in finished slots."""
    rows = torch.arange(int(live.sum()))
    rows[~live[: len(rows)]] = live[len(rows) :].nonzero()[:, 0] + len(rows)
    return rows


Sample = Callable[[Completions, Tensor, Sampling, Generator], Completions]  # a turn, of some rows


@dataclass(frozen=True)
class Part:
    """Some rows of a batch after a turn, and the state of the generator after it."""

    rows: Tensor
    completions: Completions  # of these rows
    generator: Tensor  # state


class Parts:
    """Samples in parts, whose size is halved, for good, when the memory runs out."""

    def __init__(self) -> None:
        """Start with all rows at once."""
        self.size: int | None = None

    def sample(
        self,
        sample: Callable[[Tensor], Completions],
        start: Completions,
        rows: Tensor,
        generator: Generator,
    ) -> Completions:
        """Append a turn to `rows` of `start`; every rank returns those of all ranks.

        `sample` draws the same numbers from `generator` for a row, whatever else is computed with
        it, so that parts change nothing but rounding.

        Raises:
            MemoryError: If the memory does not do for one row.
        """
        before = generator.get_state()
        own = distributed.shard(rows)
        while True:
            found = list[Part]()
            try:
                if self.size is None and distributed.num_ranks() == 1:
                    return sample(rows)
                for part in own.split(self.size or max(1, len(own))):
                    generator.set_state(before)
                    if len(part):
                        turn = to_device(sample(part).select(part), torch.device("cpu"))
                        found.append(Part(part, turn, generator.get_state()))
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0]
            self.halve(min(self.size or len(own), len(own)), reason)
        gathered = [part for parts in distributed.all_gather_object(found) for part in parts]
        longest = max(gathered, key=lambda part: part.completions.tokens.shape[1])
        generator.set_state(longest.generator)
        return merged(start, gathered)

    def halve(self, size: int, reason: str) -> None:
        """Halve the size of parts from `size`, which ran out of memory, and warn."""
        if size == 1:
            raise MemoryError(f"the memory does not do for one completion: {reason}")
        self.size = size // 2
        warnings.warn(
            f"out of memory with {size} completions at once, now {self.size}: {reason}",
            RuntimeWarning,
            stacklevel=2,
        )


def is_out_of_memory(error: Exception) -> bool:
    """Return whether `error` is out of memory, on any device."""
    said = str(error)
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or any(
        words in said for words in ("out of memory", "can't allocate memory", "bad_alloc")
    )


def merged(start: Completions, parts: Iterable[Part]) -> Completions:
    """Replace the rows of `start` by those of `parts`."""
    whole = start
    for part in parts:
        whole = whole.replace(part.rows.numpy(), to_device(part.completions, start.tokens.device))
    return whole


def to_device(completions: Completions, device: torch.device) -> Completions:
    """Move `completions` to `device`; `ended` stays on the CPU."""
    arrays = {
        field.name: getattr(completions, field.name).to(device)
        for field in fields(completions)
        if field.name not in ("texts", "ended", "scale")
    }
    return replace(completions, **arrays)
