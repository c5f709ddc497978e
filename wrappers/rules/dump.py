"""DUMP: a softmax over upper confidence bounds of the mean absolute advantage.

Wang et al. (2025), "DUMP: Automated Distribution-Level Curriculum Learning for RL-based LLM
Post-training", arXiv 2504.09710.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.probability import softmax
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints, Signal, WithSize

COUNTS = ("rollouts", "problems")


@dataclass(eq=False)
class DUMP(Rule):
    """Draws in proportion to exp of an upper confidence bound of |A|.

    With n_d completions of arm d so far, and n of all,

        UCB(d) = mean of |A| over the last `window` of d + sqrt(2 ln(n + 1) / (n_d + 1)),

    and arms are drawn in proportion to exp(UCB(d) / tau). The mean of none is 0. The released code
    counts completions, "rollouts"; with "problems" each group counts once, so that less is explored
    late. Departures: a group's completions are known by their mean, also where the window ends within
    it; the released code also adds the mean reward of each validation as one more entry.

    Example:
        >>> rule = DUMP()
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 2]), np.array([[0.8, 8], [0.1, 8]]))  # |A| and completions
        >>> rule.probabilities().round(2).tolist()
        [0.0, 1.0, 0.0]
    """

    name: ClassVar[str] = "dump"
    order: ClassVar[int] = 160
    paper: ClassVar[str] = "2504.09710"
    equivariant: ClassVar[bool] = True
    signal: Signal = field(default_factory=WithSize, kw_only=True)
    signal_size: ClassVar[int] = 2
    window: int = 300  # completions or problems of an arm, at least 1
    temperature: float = 0.1  # tau, positive
    count: Literal["rollouts", "problems"] = "rollouts"  # of what; problems in Edgewise 0.1

    def __post_init__(self) -> None:
        """Check the arguments; of a signal of one number the size is learned beside it."""
        if not isinstance(self.signal, WithSize):
            self.signal = WithSize(self.signal)
        if self.count not in COUNTS:
            raise ValueError(unknown("count", self.count, COUNTS))
        if self.window < 1:
            raise ValueError(f"`window` must be at least 1, got {self.window}")
        if self.temperature <= 0:
            raise ValueError(f"`temperature` must be positive, got {self.temperature}")

    def start(self, num_arms: int) -> None:
        """Forget all completions."""
        super().start(num_arms)
        self.counts = np.zeros(num_arms, np.int64)  # n_d, (K,)
        self.past: list[deque[float]] = [deque(maxlen=self.window) for _ in range(num_arms)]

    def probabilities(self) -> Floats:
        """Return softmax(UCB / tau), shape (K,)."""
        return softmax(self.arm_values(), self.temperature)

    def update(self, arms: Ints, signal: Floats) -> None:
        """Count the completions and remember their signals."""
        super().update(arms, signal)
        sizes = signal[:, 1].astype(np.int64) if self.count == "rollouts" else np.ones_like(arms)
        for arm, value, size in zip(
            arms.tolist(), signal[:, 0].tolist(), sizes.tolist(), strict=True
        ):
            self.past[arm].extend([value] * size)
            self.counts[arm] += size

    def arm_values(self) -> Floats:
        """Return UCB, shape (K,)."""
        means = np.array([np.mean(past) if past else 0.0 for past in self.past])
        bounds: Floats = means + np.sqrt(2 * np.log(self.counts.sum() + 1) / (self.counts + 1))
        return bounds

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and the remembered signals."""
        return {"counts": self.counts.tolist(), "past": [list(past) for past in self.past]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the counts and signals."""
        self.counts = np.array(state["counts"], np.int64)
        self.past = [deque(past, maxlen=self.window) for past in state["past"]]
