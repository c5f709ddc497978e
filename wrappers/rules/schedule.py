"""The base class of rules that follow a plan, whatever is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints


@dataclass(eq=False)
class Schedule(Rule):
    """A rule whose probabilities depend on the training step alone.

    Example:
        >>> class Ramp(Schedule):
        ...     def probabilities(self):
        ...         return np.array([1 - self.time(), self.time()])
        >>> rule = Ramp(num_steps=4)
        >>> rule.start(num_arms=2)
        >>> rule.update(np.array([0]), np.array([0.5]))
        >>> rule.probabilities().tolist()
        [0.75, 0.25]
    """

    learns: ClassVar[bool] = False
    num_steps: int  # T, the training steps that the schedule spans

    def __post_init__(self) -> None:
        """Check the length."""
        if self.num_steps < 1:
            raise ValueError(f"`num_steps` must be at least 1, got {self.num_steps}")

    def start(self, num_arms: int) -> None:
        """Go back to step 0."""
        super().start(num_arms)
        self.step = 0  # t

    def time(self) -> float:
        """Return t / T, or 1 after the end."""
        return min(self.step / self.num_steps, 1.0)

    def update(self, arms: Ints, signal: Floats) -> None:
        """Advance by one step, whatever was learned."""
        super().update(arms, signal)
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the step."""
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the step."""
        self.step = state["step"]
