"""Flags of `edgewise soar --plan`: what is planned for, and what the arithmetic assumes; no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

from edgewise.agents.algorithms.config import FINITE, NUMBER, Condition, Count, Positive
from edgewise.agents.training.flags import Flags
from edgewise.agents.training.plan_config import read_size

Share = Annotated[float, NUMBER, Condition("in (0, 1]", lambda x: 0 < x <= 1), FINITE]


@dataclass(frozen=True)
class GamePlanFlags(Flags):
    """Compute what a game needs, from sizes and rates alone."""

    plan: bool = False
    """Only compute what the game needs of memory and time: no weights are loaded, and no GPU is needed."""
    memory: str | None = None
    """Memory of a GPU, or of the machine with --device cpu, that is planned for: 141GB, 80GB; by default
    that of the one found."""
    mean_tokens: Count = 256
    """Tokens of a completion on average; of a student's, an assumption, at most the game's limit."""
    mean_teacher_tokens: Count = 256
    """Tokens of a teacher's completion on average; an assumption, as above."""
    prompt_tokens: Count = 192
    """Tokens of a student's prompt on average, computed once for all completions of a problem."""
    accepted_ratio: Share = 0.5
    """Share of the teacher's completions that are well formed; an assumption."""
    promotions: tuple[Count, ...] = ()
    """Outer steps after which a student is promoted, each of which lengthens later trainings: 22 83."""
    total_hard: Count = 359
    """Hard training problems, all of which a promoted student answers; 359 of MATH in the paper."""
    sampled_per_second: Positive | None = None
    """Tokens that are sampled in a second; by default vLLM's 12,500 of a model of 8.03 billion weights on an
    H100, in the inverse proportion of the weights."""
    peak_tflops: Positive = 989.0
    """Floating-point operations of the device in a second, in units of 10**12; those of an H100 or H200 in
    bfloat16, by the vendor's data sheet."""
    utilization: Share = 0.33
    """Share of them that scoring and learning reach; that of torchtitan with an 8B model on H100s, without
    compilation."""

    def __post_init__(self) -> None:
        """Check what is planned for.

        Raises:
            ValueError: If the memory is no size, or a flag is given without `plan`.
        """
        super().__post_init__()
        if self.memory is not None:
            read_size(self.memory)
        for name, default in PLANNED.items():
            if not self.plan and getattr(self, name) != default:
                raise ValueError(f"`{name}` must be left out without `plan`")


PLANNED: dict[str, Any] = {
    field.name: field.default for field in fields(GamePlanFlags) if field.name != "plan"
}
