"""PAC: Thompson sampling on advantages, raised where the learner makes progress.

Arm-level curriculum of arXiv 2608.30528 (2026), compared there on the nine arms of SEC-2D.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.probability import largest_normal, slope
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import AdvantageAndSuccess, Floats, Ints, Signal

EPSILON = 1e-8  # keeps the sum of the slopes from 0


@dataclass(eq=False)
class PAC(Rule):
    """Thompson sampling on |A|, raised by progress: progress-advantage curriculum.

    Of arm i, over the last W training steps that posed it,

        s_adv = mean of |A|,    s_prog = slope_i / (sum over arms of |slope| + epsilon),
        u_i = (1 + s_prog) s_adv.

    With c_i of the B problems of the step and rho = c_i K / B, its normal belief N(mu, v) becomes

        1/v' = 1/v + rho,    mu <- v' (mu / v + rho u_i),    v <- v' + delta^2.

    Each problem goes to the arm of the largest draw from the beliefs; its probability is computed,
    not drawn. The first `cold_steps` steps are uniform.

    The source leaves open, and here it is so: the slope is that of the mean success of a step over
    steps, 0 before the second; beliefs begin as N(0, 1) and are corrected in the cold steps too; an
    arm that was not posed has rho = 0 and only widens, to variance 1 at most.

    Example:
        >>> rule = PAC(cold_steps=0)
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 2]), np.array([[0.8, 0.5], [0.1, 0.1]]))
        >>> rule.probabilities().round(2).tolist()
        [0.5, 0.28, 0.22]
    """

    name: ClassVar[str] = "pac"
    order: ClassVar[int] = 170
    paper: ClassVar[str] = "2608.30528"
    equivariant: ClassVar[bool] = True
    signal: Signal = field(default=AdvantageAndSuccess(), kw_only=True)
    signal_size: ClassVar[int] = 2
    window: int = 16  # W, at least 2
    drift: float = 0.02  # delta^2, at least 0
    cold_steps: int = 50  # at least 0

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.window < 2:
            raise ValueError(f"`window` must be at least 2, got {self.window}")
        for name in ("drift", "cold_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be at least 0, got {getattr(self, name)}")

    def start(self, num_arms: int) -> None:
        """Believe N(0, 1) of every arm."""
        super().start(num_arms)
        self.step = 0
        self.means = np.zeros(num_arms)  # mu, (K,)
        self.variances = np.ones(num_arms)  # v, (K,)
        # Of each arm, (step, mean |A|, mean success).
        self.past: list[deque[list[float]]] = [deque(maxlen=self.window) for _ in range(num_arms)]

    def probabilities(self) -> Floats:
        """Return the probability that each arm has the largest utility, shape (K,)."""
        if self.step < self.cold_steps:
            return np.full(self.num_arms, 1 / self.num_arms)
        return largest_normal(self.means, self.variances)

    def update(self, arms: Ints, signal: Floats) -> None:
        """Learn from the mean |A| and the success of each problem, (P, 2)."""
        super().update(arms, signal)
        counts = np.bincount(arms, minlength=self.num_arms)
        for arm in np.flatnonzero(counts).tolist():
            self.past[arm].append([self.step, *signal[arms == arm].mean(axis=0).tolist()])
        observed = counts * self.num_arms / len(arms)  # rho
        precision = 1 / self.variances + observed
        self.means = (self.means / self.variances + observed * self.utilities()) / precision
        self.variances = np.minimum(1 / precision + self.drift, 1.0)
        self.step += 1

    def utilities(self) -> Floats:
        """Return u, 0 of an arm never posed, shape (K,)."""
        advantage, slopes = np.zeros(self.num_arms), np.zeros(self.num_arms)
        for arm, past in enumerate(self.past):
            if past:
                steps, advantages, successes = zip(*past, strict=True)
                advantage[arm] = np.mean(advantages)
                slopes[arm] = slope(steps, successes) if len(past) > 1 else 0.0
        utilities: Floats = (1 + slopes / (np.abs(slopes).sum() + EPSILON)) * advantage
        return utilities

    def arm_values(self) -> Floats:
        """Return mu, shape (K,)."""
        return self.means

    def state_dict(self) -> dict[str, Any]:
        """Return the step, the beliefs and the window."""
        return {
            "step": self.step,
            "means": self.means.tolist(),
            "variances": self.variances.tolist(),
            "past": [list(past) for past in self.past],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.step = state["step"]
        self.means, self.variances = np.array(state["means"]), np.array(state["variances"])
        self.past = [deque(past, maxlen=self.window) for past in state["past"]]
