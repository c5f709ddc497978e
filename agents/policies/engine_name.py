"""Which engine a name means, with its arguments; imports no torch, so that flags can be checked by it."""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.agents.policies.options import CHOICES, OWN
from edgewise.errors import unknown
from edgewise.wrappers.rules.catalogue import construct

SERVERS = ("http://", "https://")  # how the address of a vLLM server begins


@dataclass(frozen=True)
class VLLMSettings:
    """Arguments of vLLM: its share of the memory, longest sequence, and whether to run eagerly."""

    gpu_memory_utilization: float = 0.3  # of the GPU's memory, while it samples
    max_length: int | None = None  # of prompt and completion, in tokens; by default the model's
    eager: bool = False  # without CUDA graphs

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 < self.gpu_memory_utilization <= 1:
            raise ValueError(
                f"`gpu_memory_utilization` must be in (0, 1], got {self.gpu_memory_utilization}"
            )
        if self.max_length is not None and self.max_length < 2:
            raise ValueError(f"`max_length` must be at least 2, got {self.max_length}")


def check_engine(engine: str) -> None:
    """Raise ValueError if there is no such engine, or it has no such argument; none is started."""
    if engine != OWN and not engine.startswith(SERVERS):
        vllm_settings(engine)


def vllm_settings(engine: str) -> VLLMSettings:
    """Return the arguments of vLLM that `engine` gives.

    Raises:
        ValueError: If it is another engine, or has no such argument.
    """
    if engine.split(":")[0] != "vllm":
        raise ValueError(unknown("engine", engine, CHOICES))
    settings: VLLMSettings = construct("engine", engine, {"vllm": VLLMSettings})
    return settings
