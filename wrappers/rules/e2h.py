"""E2H: schedules that move from easy arms to hard ones over training.

Parashar et al. (2025), "Curriculum Reinforcement Learning from Easy to Hard Tasks Improves LLM
Reasoning", arXiv 2506.06632, and the authors' code, divelab/E2H-Reasoning. Their balanced
schedule is `Balanced`. Beside them the schedules that pose one arm at a time: the classic curriculum, easy to
hard, and its reverse, the baselines "difficulty" and "reverse_difficulty" of Chen et al. (2025), arXiv
2505.14970; easy to hard is also "CL" of Parashar et al.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
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


@dataclass(eq=False)
class E2HClassic(Ordered):
    """One arm after another, easiest first: the classic curriculum, which is `Ordered`.

    Example:
        >>> rule = E2HClassic(num_steps=30)
        >>> rule.start(num_arms=3)
        >>> rule.probabilities().round(2).tolist()
        [1.0, 0.0, 0.0]
    """

    name: ClassVar[str] = "e2h-classic"
    order: ClassVar[int] = 100
    paper: ClassVar[str] = "2506.06632"


@dataclass(eq=False)
class E2HGaussian(Schedule):
    """A Gaussian over arms whose mean moves from the easiest to the hardest.

    At step t of T, with arms k = 0 .. K - 1 and mean m = (t / T)^beta (K - 1),

        p(k) = floor + (1 - K floor) exp(-(k - m)^2 / (2 sigma^2)) / Z.

    The paper has no floor. The released code has 2 / (K (K + 1)), which alone reproduces the
    sample counts of the paper's Table 8, so it is the default here.

    Example:
        >>> rule = E2HGaussian(num_steps=100)
        >>> rule.start(num_arms=3)
        >>> rule.probabilities().round(2).tolist()
        [0.61, 0.23, 0.17]
    """

    name: ClassVar[str] = "e2h-gaussian"
    order: ClassVar[int] = 120
    paper: ClassVar[str] = "2506.06632"
    explores: ClassVar[bool] = True
    beta: float = 0.5  # below 1 the mean moves fast at first, above 1 late
    sigma: float = 0.5  # standard deviation, in arms
    floor: float | None = None  # the least probability of an arm; None is the released code's

    def __post_init__(self) -> None:
        """Check the pace and the width."""
        super().__post_init__()
        for name in ("beta", "sigma"):
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}")

    def start(self, num_arms: int) -> None:
        """Go back to step 0."""
        super().start(num_arms)
        self.least = lowest(self.floor, num_arms)

    def probabilities(self) -> Floats:
        """Return the probability of each arm at the present step, shape (K,)."""
        return self.probabilities_at(self.time())

    def probabilities_at(self, time: float) -> Floats:
        """Return the probability of each arm at t / T = `time`, shape (K,)."""
        density = gaussian(time, self.num_arms, self.beta, self.sigma)
        probabilities: Floats = self.least + (1 - self.num_arms * self.least) * density
        return probabilities


@dataclass(eq=False)
class E2HCosine(Schedule):
    """A mix of one distribution that prefers easy arms and one that prefers hard arms.

    At step t of T, with arms k = 0 .. K - 1 and alpha = (1 + cos(pi t / T)) / 2,

        p(k) proportional to alpha (K - k) + (1 - alpha) (k + 1)

    in the released code, which the experiments ran: the least probability is 2 / (K (K + 1)). The
    paper writes alpha (K - k - 1) + (1 - alpha) k, which never poses the hardest arm at first nor
    the easiest at last.

    Example:
        >>> rule = E2HCosine(num_steps=100)
        >>> rule.start(num_arms=3)
        >>> rule.probabilities().round(2).tolist()
        [0.5, 0.33, 0.17]
    """

    name: ClassVar[str] = "e2h-cosine"
    order: ClassVar[int] = 110
    paper: ClassVar[str] = "2506.06632"
    explores: ClassVar[bool] = True
    variant: Literal["code", "paper"] = "code"  # which of the two formulas

    def __post_init__(self) -> None:
        """Check the variant."""
        super().__post_init__()
        if self.variant not in ("code", "paper"):
            raise ValueError(unknown("variant", self.variant, ("code", "paper")))

    def probabilities(self) -> Floats:
        """Return the probability of each arm at the present step, shape (K,)."""
        k = np.arange(self.num_arms)
        alpha = 0.5 * (1 + np.cos(np.pi * self.time()))
        least = 1 if self.variant == "code" or self.num_arms == 1 else 0
        weights = alpha * (self.num_arms - 1 - k + least) + (1 - alpha) * (k + least)
        probabilities: Floats = weights / weights.sum()
        return probabilities


@dataclass(eq=False)
class E2HNoFading(E2HGaussian):
    """The control for fading: E2H's Gaussian, but the share of the easiest arm stays the same.

    The share is by default the mean of the schedule's own over the run, so that as many problems of
    the easiest arm are posed as under `E2HGaussian`, evenly; the others divide the rest as there.
    The paper holds that fading the easy tasks is what prevents overfitting to them; it has no such
    control.

    Example:
        >>> rule = E2HNoFading(num_steps=100)
        >>> rule.start(num_arms=3)
        >>> rule.probabilities().round(2).tolist()
        [0.22, 0.45, 0.33]
    """

    name: ClassVar[str] = "e2h-no-fading"
    order: ClassVar[int] = 130
    share: float | None = None  # of the easiest arm, in [0, 1]; None is the mean of E2HGaussian

    def __post_init__(self) -> None:
        """Check the share."""
        super().__post_init__()
        if self.share is not None and not 0 <= self.share <= 1:
            raise ValueError(f"`share` must be in [0, 1], got {self.share}")

    def start(self, num_arms: int) -> None:
        """Find the share of the easiest arm."""
        super().start(num_arms)
        times = np.arange(self.num_steps) / self.num_steps
        mean = np.mean([self.probabilities_at(time)[0] for time in times.tolist()])
        self.easiest = float(mean) if self.share is None else self.share

    def probabilities(self) -> Floats:
        """Return the probability of each arm at the present step, shape (K,)."""
        faded = super().probabilities()
        if self.num_arms == 1:
            return faded
        # At t = 0 the others may have next to nothing to divide.
        others = faded[1:] + np.finfo(np.float64).tiny
        return np.array([self.easiest, *((1 - self.easiest) * others / others.sum())])


def gaussian(time: float, num_arms: int, beta: float, sigma: float) -> Floats:
    """Return E2H's Gaussian without a floor at t / T = `time`, shape (K,)."""
    mean = time**beta * (num_arms - 1)
    density = np.exp(-((np.arange(num_arms) - mean) ** 2) / (2 * sigma**2))
    probabilities: Floats = density / density.sum()
    return probabilities


def lowest(floor: float | None, num_arms: int) -> float:
    """Return the least probability of an arm: `floor`, or 2 / (K (K + 1)) for None.

    Raises:
        ValueError: If K arms cannot all have it.
    """
    least = 2 / (num_arms * (num_arms + 1)) if floor is None else floor
    if not 0 <= least <= 1 / num_arms:
        raise ValueError(f"`floor` must be in [0, 1 / {num_arms}], got {floor}")
    return least
