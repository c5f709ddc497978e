"""Flags of `edgewise preflight`: those of a run, and what is planned for; imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

from edgewise.agents.algorithms.config import Count, Positive, Workers
from edgewise.agents.training.config import TrainConfig
from edgewise.errors import shown

UNITS = {"GB": 10**9, "GiB": 2**30, "MB": 10**6, "MiB": 2**20}
SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(GB|GiB|MB|MiB)")


@dataclass(frozen=True)
class PreflightConfig(TrainConfig):
    """Try a training run for five steps, or with --plan compute what it needs."""

    plan: bool = False
    """Whether only to compute what the run needs of memory and time: no weights are loaded, and no GPU is
    needed."""
    memory: str | None = None
    """Memory of a GPU, or of the machine with --device cpu, that is planned for: 141GB, 24GiB; by default
    that of the one found."""
    processes: Workers = 1
    """Processes, one a GPU, that are planned for."""
    tokens_per_second: Positive | None = None
    """Tokens that are sampled and learned from in a second, as a preflight measures them, for the time."""
    mean_tokens: Count | None = None
    """Tokens of a completion on average; for the time, by default the most."""

    def __post_init__(self) -> None:
        """Check what is planned for."""
        super().__post_init__()
        if self.memory is not None:
            read_size(self.memory)
        for name, default in PLANNED.items():
            if not self.plan and getattr(self, name) != default:
                raise ValueError(f"`{name}` must be left out without `plan`")

    def check_folders(self) -> None:
        """Check that no folder is named: a preflight leaves no run behind."""
        for name in ("resume", "output"):
            if getattr(self, name) is not None:
                raise ValueError(f"`{name}` must be left out; a preflight leaves no run behind")


PLANNED: dict[str, Any] = {
    field.name: field.default
    for field in fields(PreflightConfig)
    if field.name in ("memory", "processes", "tokens_per_second", "mean_tokens")
}


def read_size(text: str) -> int:
    """Return the bytes that a size says.

    >>> read_size("141GB"), read_size("0.5 GiB")
    (141000000000, 536870912)

    Raises:
        ValueError: If it says none.
    """
    match = SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"`memory` must be a size such as 141GB or 24GiB, got {shown(text)}")
    return int(float(match[1]) * UNITS[match[2]])
