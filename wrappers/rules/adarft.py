"""AdaRFT: a target difficulty that follows the success of the learner.

Shi et al. (2025), "Efficient Reinforcement Finetuning via Adaptive Curriculum Learning",
arXiv 2504.05520, and its code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.problem_rule import ProblemRule, nearest
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Groups, Ints, Signal, SuccessRate

HARDEST = 100.0  # difficulties are in [0, 100]
TIES = ("random", "first")


@dataclass(eq=False)
class AdaRFT(Rule):
    """The arm whose difficulty is nearest to a target.

    With R the mean signal of a training step, the target T, from `target` on, becomes

        T <- clip(T + eta tanh(alpha (R - beta)), 0, 100),

    and the next problems are those of difficulty nearest to T. The paper takes single problems;
    here those of an arm are alike, arm k of K having difficulty 100 k / (K - 1), and arms equally
    near share.

    Example:
        >>> rule = AdaRFT()
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 0]), np.array([1.0, 0.9]))
        >>> rule.probabilities().round(2).tolist()
        [0.0, 1.0, 0.0]
    """

    name: ClassVar[str] = "adarft"
    order: ClassVar[int] = 190
    paper: ClassVar[str] = "2504.05520"
    signal: Signal = field(default=SuccessRate(), kw_only=True)
    target_success: float = 0.5  # beta, the success aimed at
    sensitivity: float = 2.0  # alpha, positive
    step_size: float = 50.0  # eta, positive
    target: float = 0.0  # the first T, in [0, 100]

    def __post_init__(self) -> None:
        """Check the arguments."""
        check(self.target_success, self.sensitivity, self.step_size, self.target)

    def start(self, num_arms: int) -> None:
        """Go back to the first target."""
        super().start(num_arms)
        self.now = self.target  # T

    def probabilities(self) -> Floats:
        """Return 1 for the arm nearest to the target and 0 for the others, shape (K,)."""
        difficulties = np.linspace(0.0, HARDEST, self.num_arms)
        distance = np.abs(difficulties - self.now)
        close = np.isclose(distance, distance.min(), rtol=0.0, atol=1e-9)
        probabilities: Floats = close / close.sum()
        return probabilities

    def update(self, arms: Ints, signal: Floats) -> None:
        """Move the target."""
        super().update(arms, signal)
        self.now = moved(
            self.now, float(signal.mean()), self.target_success, self.sensitivity, self.step_size
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the target."""
        return {"target": self.now}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the target."""
        self.now = state["target"]


def moved(
    target: float, success: float, target_success: float, sensitivity: float, step_size: float
) -> float:
    """Return the next target difficulty after a step of mean success `success`."""
    step = step_size * math.tanh(sensitivity * (success - target_success))
    return min(max(target + step, 0.0), HARDEST)


@dataclass(eq=False)
class AdaRFTProblems(ProblemRule):
    """The problems whose difficulty is nearest to a target that follows the success of the learner.

    As `AdaRFT`, over single problems: those of the smallest |d - T|, equal ones at random. The code
    takes them in the order of its sort, and the same ones again while T does not move; with `ties`
    "first" so it is here, by the order of the pool. Departure: its loader draws some batches ahead
    (about sixteen by its settings, which was not measured), so that T takes effect later.

    Example:
        >>> rule = AdaRFTProblems(target=100)
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> rule.propose(2, np.random.default_rng(0))
        ['c', 'd']
    """

    name: ClassVar[str] = "adarft-problems"
    order: ClassVar[int] = 70
    paper: ClassVar[str] = "2504.05520"
    target_success: float = 0.5  # beta, the success aimed at
    sensitivity: float = 2.0  # alpha, positive
    step_size: float = 50.0  # eta, positive
    target: float = 0.0  # the first T, in [0, 100]
    ties: Literal["random", "first"] = "random"  # which of equally near problems

    def __post_init__(self) -> None:
        """Check the arguments."""
        check(self.target_success, self.sensitivity, self.step_size, self.target)
        if self.ties not in TIES:
            raise ValueError(unknown("ties", self.ties, TIES))

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Go back to the first target."""
        super().start(names, difficulties)
        self.now = self.target  # T

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Take the problems nearest to the target."""
        distances = np.abs(self.difficulties - self.now)
        if self.ties == "first":
            rows: Ints = np.argsort(distances, kind="stable")[:num_problems]
            return rows
        return nearest(distances, num_problems, rng)

    def learn(self, rows: Ints, groups: Groups) -> None:
        """Move the target."""
        success = float(groups.correct[groups.verified].mean())
        arguments = (self.target_success, self.sensitivity, self.step_size)
        self.now = moved(self.now, success, *arguments)

    def state_dict(self) -> dict[str, Any]:
        """Return the target."""
        return {"target": self.now}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the target."""
        self.now = state["target"]


def check(target_success: float, sensitivity: float, step_size: float, target: float) -> None:
    """Raise ValueError if AdaRFT cannot have one of its hyperparameters."""
    for name, value in (("sensitivity", sensitivity), ("step_size", step_size)):
        if value <= 0:
            raise ValueError(f"`{name}` must be positive, got {value}")
    if not 0 <= target_success <= 1:
        raise ValueError(f"`target_success` must be in [0, 1], got {target_success}")
    if not 0 <= target <= HARDEST:
        raise ValueError(f"`target` must be in [0, 100], got {target}")
