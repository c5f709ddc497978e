"""Dropout of what adapters read, in passes with a gradient; the same in every run of the same seed.

Shapes: B completions, T tokens of a row, H inputs of a matrix.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast
from zlib import crc32

import torch
from torch import Generator, Tensor, nn

SPREAD = 2**20  # adapters whose masks differ


class SeededDropout(nn.Module):
    """Dropout whose mask is a function of a seed, so that a pass that is computed again has it too.

    It acts where there is a gradient, whatever the mode of the model: completions are sampled, and
    scored before an update, without.
    """

    def __init__(self, rate: float, number: int) -> None:
        """Drop each input with probability `rate`; adapters differ by their `number`."""
        super().__init__()
        self.rate, self.number = rate, number
        self.seed = 0  # of the pass

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply inverted dropout to `inputs`, (B, T, H): zero some, rescale the others to keep the mean."""
        if not torch.is_grad_enabled():
            return inputs
        generator = Generator(inputs.device).manual_seed(self.seed * SPREAD + self.number)
        drawn = torch.rand(inputs.shape, generator=generator, device=inputs.device)
        return inputs * (drawn >= self.rate).to(inputs.dtype) / (1 - self.rate)


def with_dropout(model: nn.Module, rate: float) -> list[SeededDropout]:
    """Put dropout on all adapters that peft made in `model`, and return it; none at rate 0."""
    found: list[SeededDropout] = []
    for name, module in model.named_modules() if rate else ():
        if name.rpartition(".")[2] == "lora_dropout":
            adapters = cast(nn.ModuleDict, module)
            for adapter in list(adapters):
                found.append(SeededDropout(rate, len(found)))
                adapters[adapter] = found[-1]
    return found


def reseed(dropouts: Iterable[SeededDropout], tokens: Tensor, weights: Tensor) -> None:
    """Seed the masks of a pass over `tokens`, (B, T), with the `weights` of an adapter.

    Of content instead of a counter: a run that is resumed, and every rank, has the same.
    """
    seed = 0
    for content in (tokens, weights.detach()):
        seed = crc32(content.cpu().contiguous().numpy().tobytes(), seed)
    for dropout in dropouts:
        dropout.seed = seed
