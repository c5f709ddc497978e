"""Schedules that pose one arm at a time: the classic curriculum, easy to hard.

The baseline "ordered" of Chen et al. (2025), arXiv 2505.14970, and "CL" of Parashar et al. (2025),
arXiv 2506.06632.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.wrappers.rule import Rule
from edgewise.wrappers.signal import Floats, Ints


@dataclass(eq=False)
class Ordered(Rule):
    """One arm after another, easiest first, each for an equal share of the steps.

    At step t of T, of K arms, all problems are of arm min(floor(t K / T), K - 1), as in E2H's
    released code. SEC sorts single problems, so that a batch may straddle two arms; here it does
    not.
    """

    num_steps: int  # T, the training steps that the schedule spans

    def __post_init__(self) -> None:
        """Check the length."""
        if self.num_steps < 1:
            raise ValueError(f"`num_steps` must be at least 1, got {self.num_steps}")

    def start(self, num_arms: int) -> None:
        """Go back to step 0."""
        super().start(num_arms)
        self.step = 0  # t

    def probabilities(self) -> Floats:
        """Return 1 for the arm of the present step and 0 for the others, shape (K,)."""
        probabilities = np.zeros(self.num_arms)
        probabilities[min(self.step * self.num_arms // self.num_steps, self.num_arms - 1)] = 1.0
        return probabilities

    def update(self, arms: Ints, signal: Floats) -> None:
        """Advance by one step, whatever was learned."""
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the step."""
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the step."""
        self.step = state["step"]
