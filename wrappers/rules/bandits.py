"""Other bandits on the signal of SEC: upper confidence bounds, Thompson sampling, regression.

Chen et al. (2025), arXiv 2505.14970, call its tabular average with Boltzmann draws the simplest
choice and leave others to later work. The hyperparameters here are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.probability import greedy, largest_normal, softmax
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints


@dataclass(eq=False)
class UCB(Rule):
    """Discounted upper confidence bounds: all problems of a step are of the most promising arm.

    Garivier & Moulines (2008), "On Upper-Confidence Bound Policies for Non-Stationary Bandit
    Problems", arXiv 0805.3415. Of the training steps s that posed arm c, with mean signals r_s,

        N(c) = sum gamma^(t - s),    X(c) = sum gamma^(t - s) r_s / N(c),
        U(c) = X(c) + b sqrt(ln(sum of N) / N(c)).

    Arms that were never posed come first; arms of the same U share. A step that poses several arms
    counts for each.

    Example:
        >>> rule = UCB()
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 2]), np.array([0.8, 0.1]))
        >>> rule.probabilities().round(2).tolist()
        [0.0, 1.0, 0.0]
    """

    name: ClassVar[str] = "ucb"
    order: ClassVar[int] = 70
    paper: ClassVar[str] = "0805.3415"
    equivariant: ClassVar[bool] = True
    discount: float = 0.95  # gamma, in (0, 1]; 1 never forgets
    exploration: float = 0.5  # b, at least 0, in units of the signal

    def __post_init__(self) -> None:
        """Check gamma and b."""
        if not 0 < self.discount <= 1:
            raise ValueError(f"`discount` must be in (0, 1], got {self.discount}")
        if self.exploration < 0:
            raise ValueError(f"`exploration` must be at least 0, got {self.exploration}")

    def start(self, num_arms: int) -> None:
        """Forget all steps."""
        super().start(num_arms)
        self.counts = np.zeros(num_arms)  # N, (K,)
        self.sums = np.zeros(num_arms)  # N X, (K,)

    def probabilities(self) -> Floats:
        """Return 1 for the arm of the largest U and 0 for the others, shape (K,)."""
        if not self.counts.all():
            return greedy((self.counts == 0).astype(np.float64))
        bonus = np.sqrt(np.log(max(self.counts.sum(), 1.0)) / self.counts)
        return greedy(self.arm_values() + self.exploration * bonus)

    def update(self, arms: Ints, signal: Floats) -> None:
        """Count one step of each arm posed."""
        super().update(arms, signal)
        self.counts *= self.discount
        self.sums *= self.discount
        for arm in np.unique(arms).tolist():
            self.counts[arm] += 1
            self.sums[arm] += signal[arms == arm].mean()

    def arm_values(self) -> Floats:
        """Return X, and 0 for arms never posed, shape (K,)."""
        values: Floats = self.sums / np.where(self.counts > 0, self.counts, 1.0)
        return values

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and sums."""
        return {"counts": self.counts.tolist(), "sums": self.sums.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the counts and sums."""
        self.counts, self.sums = np.array(state["counts"]), np.array(state["sums"])


@dataclass(eq=False)
class Thompson(Rule):
    """An arm is posed with the probability that it is the best, as far as is known.

    Each arm c has a normal belief N(mu, v) of its mean signal, at first N(0, 1). A training step
    that posed it with mean signal r is one observation with variance w, and before that every belief
    has widened by d, for the learner changes (a Kalman filter of a random walk):

        v <- min(v + d, 1),    mu <- mu + v / (v + w) (r - mu),    v <- v w / (v + w).

    The probability is computed, not drawn, so that the draws are the wrapper's.

    Example:
        >>> rule = Thompson()
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 2]), np.array([0.8, 0.1]))
        >>> rule.probabilities().round(2).tolist()
        [0.71, 0.24, 0.05]
    """

    name: ClassVar[str] = "thompson"
    order: ClassVar[int] = 80
    equivariant: ClassVar[bool] = True
    noise: float = 0.1  # w, positive: variance of the mean signal of a step
    drift: float = 0.01  # d, at least 0: what is forgotten in a step

    def __post_init__(self) -> None:
        """Check w and d."""
        if self.noise <= 0:
            raise ValueError(f"`noise` must be positive, got {self.noise}")
        if self.drift < 0:
            raise ValueError(f"`drift` must be at least 0, got {self.drift}")

    def start(self, num_arms: int) -> None:
        """Believe N(0, 1) of every arm."""
        super().start(num_arms)
        self.means = np.zeros(num_arms)  # mu, (K,)
        self.variances = np.ones(num_arms)  # v, (K,)

    def probabilities(self) -> Floats:
        """Return the probability that each arm has the largest mean signal, shape (K,)."""
        return largest_normal(self.means, self.variances)

    def update(self, arms: Ints, signal: Floats) -> None:
        """Correct the beliefs of the arms posed, and widen all."""
        super().update(arms, signal)
        self.variances = np.minimum(self.variances + self.drift, 1.0)
        for arm in np.unique(arms).tolist():
            gain = self.variances[arm] / (self.variances[arm] + self.noise)
            self.means[arm] += gain * (signal[arms == arm].mean() - self.means[arm])
            self.variances[arm] *= 1 - gain

    def arm_values(self) -> Floats:
        """Return mu, shape (K,)."""
        return self.means

    def state_dict(self) -> dict[str, Any]:
        """Return the beliefs."""
        return {"means": self.means.tolist(), "variances": self.variances.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the beliefs."""
        self.means, self.variances = np.array(state["means"]), np.array(state["variances"])


@dataclass(eq=False)
class Regression(Rule):
    """SEC with a linear model in place of a table: arms that are alike teach each other.

    Of the problems so far, with arms c_s and signals r_s, s training steps ago,

        theta = argmin of lambda |theta|^2 + sum gamma^s (theta . phi(c_s) - r_s)^2,

    and arms are drawn in proportion to exp(theta . phi(c) / tau). By default phi(c) is (1, x, x^2)
    with x from -1 for the first arm to 1 for the last: a hump that moves along the ladder.

    Example:
        >>> rule = Regression()
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 2]), np.array([0.8, 0.1]))
        >>> rule.probabilities().round(2).tolist()
        [0.44, 0.29, 0.27]
    """

    name: ClassVar[str] = "regression"
    order: ClassVar[int] = 90
    explores: ClassVar[bool] = True
    features: Sequence[Sequence[float]] | None = None  # phi of each arm, (K, D)
    temperature: float = 1.0  # tau, positive
    discount: float = 0.9  # gamma, in (0, 1]
    ridge: float = 1.0  # lambda, positive

    def __post_init__(self) -> None:
        """Check tau, gamma and lambda."""
        for name in ("temperature", "ridge"):
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}")
        if not 0 < self.discount <= 1:
            raise ValueError(f"`discount` must be in (0, 1], got {self.discount}")

    def start(self, num_arms: int) -> None:
        """Forget all problems.

        Raises:
            ValueError: If `features` are of another number of arms.
        """
        super().start(num_arms)
        if self.features is None:
            x = np.linspace(-1, 1, num_arms) if num_arms > 1 else np.zeros(1)
            self.phi = np.stack([np.ones(num_arms), x, x**2], axis=1)  # (K, D)
        else:
            self.phi = np.array(self.features, np.float64)
        if self.phi.ndim != 2 or len(self.phi) != num_arms:
            raise ValueError(f"`features` must be of {num_arms} arms, got {self.phi.shape}")
        self.moments = np.zeros((self.phi.shape[1],) * 2)  # sum of phi phi', (D, D)
        self.products = np.zeros(self.phi.shape[1])  # sum of phi r, (D,)

    def probabilities(self) -> Floats:
        """Return softmax(theta . phi / tau), shape (K,)."""
        return softmax(self.arm_values(), self.temperature)

    def update(self, arms: Ints, signal: Floats) -> None:
        """Add the problems to the regression."""
        super().update(arms, signal)
        posed = self.phi[arms]  # (P, D)
        self.moments = self.discount * self.moments + posed.T @ posed
        self.products = self.discount * self.products + posed.T @ signal

    def arm_values(self) -> Floats:
        """Return theta . phi, shape (K,)."""
        penalized = self.moments + self.ridge * np.eye(len(self.products))
        values: Floats = self.phi @ np.linalg.solve(penalized, self.products)
        return values

    def state_dict(self) -> dict[str, Any]:
        """Return the moments."""
        return {"moments": self.moments.tolist(), "products": self.products.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the moments."""
        self.moments, self.products = np.array(state["moments"]), np.array(state["products"])
