r"""When SOAR makes a trained student the new baseline, and which one: arXiv 2601.18778, Algorithm 1.

After each outer step the moving average of the mean reward is compared with tau. If it is above, the
student of median reward of the best data set is promoted, and that data set joins D_best.

Where the paper leaves a choice:
    - Algorithm 1 of its first version says EMA; text, table of hyperparameters and its third version
      say moving average of the last three, which is what is used.
    - Until there are as many rewards as the window is long there is no average, so no promotion.
    - The window is emptied by a promotion: its rewards were measured against the old baseline, and
      would promote again at once.
    - Of an even number of students the lower median is promoted; of equal ones the first.
    - A student that crashed has no reward; a data set without any student is never the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class Promotions:
    """The window of rewards, and what it decides."""

    threshold: float = 0.01  # tau
    window: int = 3  # outer steps
    rewards: list[float] = field(default_factory=list)  # of the last outer steps

    @property
    def average(self) -> float | None:
        """Return the moving average, None until the window is full."""
        return float(np.mean(self.rewards)) if len(self.rewards) == self.window else None

    def update(self, rewards: Floats) -> tuple[int, int] | None:
        """Take the rewards of an outer step, (g, r), NaN where a student crashed.

        Returns:
            The best data set and its median student, if it is to be promoted.
        """
        means = dataset_rewards(rewards)
        if np.isnan(means).all():
            return None
        self.rewards = [*self.rewards, float(np.nanmean(means))][-self.window :]
        if self.average is None or self.average <= self.threshold:
            return None
        self.rewards = []
        best = int(np.nanargmax(means))
        return best, median_place(rewards[best].tolist())


def dataset_rewards(rewards: Floats) -> Floats:
    """Return the mean reward of the students of each data set, (g,), NaN where all crashed."""
    known = ~np.isnan(rewards)
    counts = known.sum(axis=1)
    sums = np.where(known, rewards, 0.0).sum(axis=1)
    means: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


def median_place(rewards: Sequence[float]) -> int:
    """Return which of `rewards` is the lower median, leaving out NaN; the first of equal ones.

    >>> median_place([0.3, 0.1, 0.2, 0.4]), median_place([0.5, float("nan"), 0.7, 0.6])
    (2, 3)
    """
    known = [(reward, place) for place, reward in enumerate(rewards) if not np.isnan(reward)]
    return sorted(known)[(len(known) - 1) // 2][1]
