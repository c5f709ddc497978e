"""Marin's samplers: decayed counts of each arm, drawn from by Thompson sampling.

The comparison of curricula by the Marin community (2026), marin-community/marin, issue 8765 and pull
request 8769; samplers of its released trainer MarinSkyRL (Apache-2.0), "thompson", "learnability" and
"grade-prior".
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.probability import floored, informative_chance
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints, Outcomes, Signal

CURVES = ("variance", "informative")
COUNTS = ("solved", "samples", "informative", "totals")


@dataclass(eq=False)
class MarinRule(Rule):
    """Weights of arms are drawn once a step from beliefs over decayed counts, then normalized.

    Of each arm, with the reversion mass m, each training step

        x <- decay x + count + m / 2    for the completions that are right and the mixed groups,
        x <- decay x + count + m        for all completions and all groups,

    so that an arm that is not posed returns to even odds. The drawn weights are normalized, raised
    to at least floor / K, and normalized again. Before the first draw, and in metrics of a rule that
    never drew, the means of the beliefs stand for the draw.

    Departures: right is what is verified as correct, where the trainer counts rewards above 0; the
    problems of a batch are drawn with replacement.
    """

    cost: ClassVar[str] = "none"
    explores: ClassVar[bool] = True
    signal: Signal = field(default=Outcomes(), kw_only=True)
    signal_size: ClassVar[int] = Outcomes.size
    decay: float = 0.95  # in (0, 1]
    mass: float = 2.0  # m, at least 0; 0 before the fourth round of the comparison
    floor: float = 0.05  # of the probabilities, times K; in [0, 1]

    def __post_init__(self) -> None:
        """Check the arguments."""
        if not 0 < self.decay <= 1:
            raise ValueError(f"`decay` must be in (0, 1], got {self.decay}")
        if self.mass < 0:
            raise ValueError(f"`mass` must be at least 0, got {self.mass}")
        if not 0 <= self.floor <= 1:
            raise ValueError(f"`floor` must be in [0, 1], got {self.floor}")

    def start(self, num_arms: int) -> None:
        """Forget all counts."""
        super().start(num_arms)
        self.counts = np.zeros((len(COUNTS), num_arms))  # rows as in COUNTS
        self.size = 8  # n, completions of the largest group of the last batch, once there is one
        self.drawn: Floats | None = None  # weights of this step, (K,)

    @abstractmethod
    def beliefs(self) -> tuple[Floats, Floats]:
        """Return a and b of the belief Beta(a, b) of each arm, both (K,)."""

    @abstractmethod
    def weights(self, drawn: Floats) -> Floats:
        """Return the weight of each arm of what was drawn from its belief, (K,)."""

    def probabilities(self) -> Floats:
        """Return the drawn weights as probabilities, shape (K,)."""
        weights = self.arm_values() if self.drawn is None else self.drawn
        return floored(weights, self.floor)

    def resample(self, rng: np.random.Generator) -> None:
        """Draw the weights."""
        self.drawn = self.weights(rng.beta(*self.beliefs()))

    def update(self, arms: Ints, signal: Floats) -> None:
        """Add the outcomes of the batch to the counts."""
        super().update(arms, signal)
        right, made, mixed = signal[:, :3].T
        for row, counted in enumerate((right, made, mixed, np.ones(len(arms)))):
            share = self.mass / 2 if row % 2 == 0 else self.mass
            seen = np.bincount(arms, counted, self.num_arms)
            self.counts[row] = self.decay * self.counts[row] + seen + share
        self.size = max(int(made.max()), 1)

    def arm_values(self) -> Floats:
        """Return the weights of the mean beliefs, shape (K,)."""
        a, b = self.beliefs()
        return self.weights(a / (a + b))

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and the last draw."""
        drawn = None if self.drawn is None else self.drawn.tolist()
        return {"counts": self.counts.tolist(), "size": self.size, "drawn": drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the counts and the last draw."""
        self.counts, self.size = np.array(state["counts"]), state["size"]
        self.drawn = None if state["drawn"] is None else np.array(state["drawn"])


@dataclass(eq=False)
class MarinThompson(MarinRule):
    """Arms in proportion to draws of their share of groups with right and wrong completions.

    w ~ Beta(1 + mixed groups, 1 + other groups): sampler "thompson".

    Example:
        >>> rule = MarinThompson()
        >>> rule.start(num_arms=2)
        >>> signal = np.array([[4.0, 8.0, 1.0, 20.0], [0.0, 8.0, 0.0, 30.0]])  # of `Outcomes`
        >>> rule.update(np.array([0, 1]), signal)
        >>> rule.probabilities().round(2).tolist()
        [0.6, 0.4]
    """

    name: ClassVar[str] = "marin-thompson"
    order: ClassVar[int] = 210
    equivariant: ClassVar[bool] = True

    def beliefs(self) -> tuple[Floats, Floats]:
        """Return the belief of the share of mixed groups."""
        mixed, totals = self.counts[2:]
        return 1 + mixed, 1 + totals - mixed

    def weights(self, drawn: Floats) -> Floats:
        """Return the draw itself."""
        return drawn


@dataclass(eq=False)
class MarinLearnability(MarinRule):
    """Arms in proportion to p (1 - p), with p drawn from the belief of their success.

    p ~ Beta(1 + right, 1 + wrong): sampler "learnability". With the curve "informative" the weight is
    1 - p^n - (1 - p)^n, the chance that a group of n has both outcomes; n is that of the last batch.

    Example:
        >>> rule = MarinLearnability()
        >>> rule.start(num_arms=2)
        >>> signal = np.array([[4.0, 8.0, 1.0, 20.0], [0.0, 8.0, 0.0, 30.0]])  # of `Outcomes`
        >>> rule.update(np.array([0, 1]), signal)
        >>> rule.probabilities().round(2).tolist()
        [0.64, 0.36]
    """

    name: ClassVar[str] = "marin-learnability"
    order: ClassVar[int] = 211
    equivariant: ClassVar[bool] = True
    curve: Literal["variance", "informative"] = "variance"

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        if self.curve not in CURVES:
            raise ValueError(unknown("curve", self.curve, CURVES))

    def beliefs(self) -> tuple[Floats, Floats]:
        """Return the belief of success."""
        solved, samples = self.counts[:2]
        return 1 + solved, 1 + samples - solved

    def weights(self, drawn: Floats) -> Floats:
        """Return the curve at the drawn success."""
        if self.curve == "informative":
            return informative_chance(drawn, self.size)
        variance: Floats = drawn * (1 - drawn)
        return variance


@dataclass(eq=False)
class MarinGradePrior(MarinLearnability):
    """`MarinLearnability` with a prior by which later arms are harder: sampler "grade-prior".

    p ~ Beta(1 + s m + right, 1 + s (1 - m) + wrong), where the prior success m falls linearly over
    the arms and s is its strength in completions.

    Example:
        >>> rule = MarinGradePrior()
        >>> rule.start(num_arms=2)
        >>> signal = np.array([[4.0, 8.0, 1.0, 20.0], [0.0, 8.0, 0.0, 30.0]])  # of `Outcomes`
        >>> rule.update(np.array([0, 1]), signal)
        >>> rule.probabilities().round(2).tolist()
        [0.69, 0.31]
    """

    name: ClassVar[str] = "marin-grade-prior"
    order: ClassVar[int] = 212
    equivariant: ClassVar[bool] = False
    easiest: float = 0.85  # m of the first arm, in [0, 1]
    hardest: float = 0.05  # m of the last arm, in [0, 1]
    strength: float = 8.0  # s, at least 0

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        for name in ("easiest", "hardest"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be in [0, 1], got {getattr(self, name)}")
        if self.strength < 0:
            raise ValueError(f"`strength` must be at least 0, got {self.strength}")

    def beliefs(self) -> tuple[Floats, Floats]:
        """Return the belief of success, with the prior."""
        prior = np.linspace(self.easiest, self.hardest, self.num_arms)
        a, b = super().beliefs()
        return a + self.strength * prior, b + self.strength * (1 - prior)
