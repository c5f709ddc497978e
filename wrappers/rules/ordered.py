"""Schedules that pose one arm at a time: the classic curriculum, easy to hard, and its reverse.

The baselines "difficulty" and "reverse_difficulty" of Chen et al. (2025), arXiv 2505.14970; easy to
hard is also "CL" of Parashar et al. (2025), arXiv 2506.06632.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgewise.wrappers.rules.rule import Schedule
from edgewise.wrappers.rules.signal import Floats


@dataclass(eq=False)
class Ordered(Schedule):
    """One arm after another, easiest first, each for an equal share of the steps.

    At step t of T, of K arms, all problems are of arm min(floor(t K / T), K - 1), as in E2H's
    released code. SEC sorts single problems, so that a batch may straddle two arms; here it does
    not.

    Example:
        >>> rule = Ordered(num_steps=3)
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 0]), np.array([0.8, 0.1]))
        >>> rule.probabilities().round(2).tolist()
        [0.0, 1.0, 0.0]
    """

    name: ClassVar[str] = "ordered"
    order: ClassVar[int] = 40
    paper: ClassVar[str] = "2505.14970"

    def probabilities(self) -> Floats:
        """Return 1 for the arm of the present step and 0 for the others, shape (K,)."""
        probabilities = np.zeros(self.num_arms)
        probabilities[min(self.step * self.num_arms // self.num_steps, self.num_arms - 1)] = 1.0
        return probabilities


@dataclass(eq=False)
class Reverse(Ordered):
    """One arm after another, hardest first, each for an equal share of the steps.

    The arms of `Ordered` from the last to the first.

    Example:
        >>> rule = Reverse(num_steps=3)
        >>> rule.start(num_arms=3)
        >>> rule.probabilities().round(2).tolist()
        [0.0, 0.0, 1.0]
    """

    name: ClassVar[str] = "reverse"
    order: ClassVar[int] = 50

    def probabilities(self) -> Floats:
        """Return 1 for the arm of the present step and 0 for the others, shape (K,)."""
        return super().probabilities()[::-1]
