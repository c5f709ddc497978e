"""SEC: a bandit over arms, rewarded by the mean absolute advantage.

Chen et al. (2025), "Self-Evolving Curriculum for LLM Reasoning", arXiv 2505.14970.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.probability import greedy, softmax
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints

DRAWS = ("boltzmann", "normalized_q", "epsilon_greedy")
LEAST_VALUE = 0.01  # of an arm, for "normalized_q"


@dataclass(eq=False)
class SEC(Rule):
    r"""A bandit on the mean |A| of each arm: Self-Evolving Curriculum.

    After a training step that posed arm c, the value of c follows r(c), the mean absolute
    advantage of the completions of c, with learning rate alpha,

        Q(c) <- (1 - alpha) Q(c) + alpha r(c),

    and the next arms are drawn with probability proportional to exp(Q(c) / tau).

    An arm that was not posed keeps its value, as in the paper; in the released code it decays as
    if r(c) were 0, and so it does here with `decay_unposed`.

    The released code draws in two more ways: "normalized_q" in proportion to max(Q(c), 0.01), and
    "epsilon_greedy" the best arm with probability 1 - epsilon, else one of the others. There it
    refuses negative values and never ends with one arm, and here it does not; arms of the same
    largest value share. Its objective "progress" is ``signal=Progress()``.

    Example:
        >>> rule = SEC(temperature=0.5)
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 2]), np.array([0.8, 0.1]))
        >>> rule.probabilities().round(2).tolist()
        [0.51, 0.23, 0.26]
    """

    name: ClassVar[str] = "sec"
    order: ClassVar[int] = 60
    paper: ClassVar[str] = "2505.14970"
    equivariant: ClassVar[bool] = True
    explores: ClassVar[bool] = True
    learning_rate: float = 0.5  # alpha, in (0, 1]
    temperature: float = 1.0  # tau, positive; larger is closer to uniform; for "boltzmann"
    decay_unposed: bool = False  # follow the released code where it differs from the paper
    draw: Literal["boltzmann", "normalized_q", "epsilon_greedy"] = "boltzmann"
    epsilon: float = 0.1  # in [0, 1]; for "epsilon_greedy"

    def __post_init__(self) -> None:
        """Check alpha, tau and epsilon."""
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"`learning_rate` must be in (0, 1], got {self.learning_rate}")
        if self.temperature <= 0:
            raise ValueError(f"`temperature` must be positive, got {self.temperature}")
        if self.draw not in DRAWS:
            raise ValueError(unknown("draw", self.draw, DRAWS))
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"`epsilon` must be in [0, 1], got {self.epsilon}")

    def start(self, num_arms: int) -> None:
        """Set every value to 0."""
        super().start(num_arms)
        self.values = np.zeros(num_arms)  # Q, (K,)

    def probabilities(self) -> Floats:
        """Return softmax(Q / tau), or what `draw` says, shape (K,)."""
        if self.draw == "boltzmann":
            return softmax(self.values, self.temperature)
        if self.draw == "normalized_q":
            weights = np.maximum(self.values, LEAST_VALUE)
            probabilities: Floats = weights / weights.sum()
            return probabilities
        best = greedy(self.values)
        if self.num_arms == 1:
            return best
        others = (1 - best) / (self.num_arms - 1)
        mixed: Floats = (1 - self.epsilon) * best + self.epsilon * others
        return mixed

    def update(self, arms: Ints, signal: Floats) -> None:
        """Move the value of each arm posed toward the mean signal of its problems."""
        super().update(arms, signal)
        for arm in range(self.num_arms):
            posed = arms == arm
            if posed.any() or self.decay_unposed:
                reward = signal[posed].mean() if posed.any() else 0.0
                self.values[arm] += self.learning_rate * (reward - self.values[arm])

    def arm_values(self) -> Floats:
        """Return Q, shape (K,)."""
        return self.values

    def state_dict(self) -> dict[str, Any]:
        """Return the values."""
        return {"values": self.values.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the values."""
        self.values = np.array(state["values"])
