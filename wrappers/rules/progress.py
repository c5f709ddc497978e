"""The signal "progress": how much more a problem earned than its arm did before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.signal import Floats, Groups, Ints, MeanReward, Signal


@dataclass(eq=False)
class Progress(Signal):
    """How much more a problem earned than the mean of its arm in the last batch with that arm.

    The objective "progress" of SEC's released code (arXiv 2505.14970), which starts from 0, as here.
    It may be negative.

    Example:
        >>> right = np.array([[True, True, False, False]])  # (P, G)
        >>> groups = Groups(right * 1.0, right, np.full((1, 4), 0.9), lengths=right * 9)
        >>> signal = Progress()
        >>> signal.start(num_arms=2)
        >>> [signal(groups, arms=np.array([0])).tolist() for _ in range(2)]
        [[0.5], [0.0]]
    """

    name: ClassVar[str] = "progress"
    of: Signal = field(default=MeanReward())  # what is compared

    def start(self, num_arms: int) -> None:
        """Set the last mean of every arm to 0."""
        self.of.start(num_arms)
        self.last = np.zeros(num_arms)  # (K,)

    def __call__(self, groups: Groups, arms: Ints) -> Floats:
        """Return the difference of each problem, (P,), and remember the means of the arms."""
        now = self.of(groups, arms)
        difference: Floats = now - self.last[arms]
        for arm in np.unique(arms):
            self.last[arm] = now[arms == arm].mean()
        return difference

    def state_dict(self) -> dict[str, Any]:
        """Return the last means."""
        return {"last": self.last.tolist(), "of": self.of.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the last means."""
        self.last = np.array(state["last"])
        self.of.load_state_dict(state["of"])
