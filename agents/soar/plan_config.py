"""Flags of `edgewise soar --plan`: what is planned for, and what the arithmetic assumes; no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from edgewise.agents.training.flags import Flags, check_at_least
from edgewise.agents.training.plan_config import read_size


@dataclass(frozen=True)
class GamePlanFlags(Flags):
    """Compute what a game needs, from sizes and rates alone."""

    plan: bool = False
    """Only compute what the game needs of memory and time: no weights are loaded, and no GPU is needed."""
    memory: str | None = None
    """Memory of the GPU, or of the machine with --device cpu, that is planned for: 141GB, 80GB; by default
    that of the one found."""
    mean_tokens: int = 256
    """Tokens of a student's answer on average; an assumption, at most the game's limit."""
    mean_teacher_tokens: int = 256
    """Tokens of a teacher's completion on average; an assumption, as above."""
    prompt_tokens: int = 192
    """Tokens of a student's prompt on average, computed once for all completions of a problem."""
    accepted_ratio: float = 0.5
    """Share of the teacher's completions that are well formed; an assumption."""
    promotions: tuple[int, ...] = ()
    """Outer steps after which a student is promoted, each of which lengthens later trainings: 22 83."""
    total_hard: int = 359
    """Hard training problems, all of which a promoted student answers; 359 of MATH in the paper."""
    sampled_per_second: float | None = None
    """Tokens that are sampled in a second; by default vLLM's 12,500 of a model of 8.03 billion weights on an
    H100, in the inverse proportion of the weights."""
    peak_tflops: float = 989.0
    """Floating-point operations of the device in a second, in units of 10**12; those of an H100 or H200 in
    bfloat16, by the vendor's data sheet."""
    utilization: float = 0.33
    """Share of them that scoring and learning reach; that of torchtitan with an 8B model on H100s, without
    compilation."""

    def __post_init__(self) -> None:
        """Check what is planned for.

        Raises:
            ValueError: If a number is out of its range, or given without `plan`.
        """
        super().__post_init__()
        if self.memory is not None:
            read_size(self.memory)
        check_at_least(self, 1, "mean_tokens", "mean_teacher_tokens", "prompt_tokens", "total_hard")
        if any(step < 1 for step in self.promotions):
            raise ValueError(f"`promotions` must be at least 1 each, got {min(self.promotions)}")
        for name in ("sampled_per_second", "peak_tflops"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"`{name}` must be positive, got {value}")
        for name in ("accepted_ratio", "utilization"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be in (0, 1], got {getattr(self, name)}")
        for name, default in PLANNED.items():
            if not self.plan and getattr(self, name) != default:
                raise ValueError(f"`{name}` must be left out without `plan`")


PLANNED: dict[str, Any] = {
    field.name: field.default for field in fields(GamePlanFlags) if field.name != "plan"
}
