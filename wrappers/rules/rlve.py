"""RLVE's window: the few hardest arms reached so far; solving the hardest reaches the next.

Zeng et al. (2025), "RLVE: Scaling Up Reinforcement Learning for Language Models with Adaptive
Verifiable Environments", arXiv 2511.07317, and its released code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints, Signal, SuccessRate


@dataclass(eq=False)
class RLVE(Rule):
    """A window of difficulties that moves up with the learner.

    Arms are uniform in the window h - d + 1 .. h, from h = 0. Once 8 or more problems of arm h have
    been posed, h rises by 1 if at least 0.9 of their completions are right, and the count of arm h
    begins again whether it rose or not. Only arm h counts.

    RLVE draws one of 400 environments first, each with a window of its own; here the arms are one
    ladder, which ends at the hardest.

    Example:
        >>> rule = RLVE(min_problems=1)
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 0]), np.array([1.0, 0.9]))
        >>> rule.probabilities().round(2).tolist()
        [0.5, 0.5, 0.0]
    """

    name: ClassVar[str] = "rlve"
    order: ClassVar[int] = 180
    paper: ClassVar[str] = "2511.07317"
    signal: Signal = field(default=SuccessRate(), kw_only=True)
    width: int = 4  # d, arms in the window, at least 1
    threshold: float = 0.9  # success that is enough, in (0, 1]
    min_problems: int = 8  # at least 1

    def __post_init__(self) -> None:
        """Check the arguments."""
        for name in ("width", "min_problems"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"`threshold` must be in (0, 1], got {self.threshold}")

    def start(self, num_arms: int) -> None:
        """Go back to the easiest arm."""
        super().start(num_arms)
        self.hardest = 0  # h
        self.count, self.total = 0, 0.0  # problems of arm h, and the sum of their success

    def probabilities(self) -> Floats:
        """Return the probability of each arm, shape (K,)."""
        arms = np.arange(self.num_arms)
        inside = (arms <= self.hardest) & (arms > self.hardest - self.width)
        probabilities: Floats = inside / inside.sum()
        return probabilities

    def update(self, arms: Ints, signal: Floats) -> None:
        """Count the problems of arm h, and raise it if enough are solved."""
        super().update(arms, signal)
        hardest = arms == self.hardest
        self.count += int(hardest.sum())
        self.total += float(signal[hardest].sum())
        if self.count < self.min_problems:
            return
        if self.total / self.count >= self.threshold:
            self.hardest = min(self.hardest + 1, self.num_arms - 1)
        self.count, self.total = 0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return the window and the count."""
        return {"hardest": self.hardest, "count": self.count, "total": self.total}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the window and the count."""
        self.hardest = state["hardest"]
        self.count, self.total = state["count"], state["total"]
