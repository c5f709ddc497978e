"""The adaptive mix of schedules in a branch of the code of E2H, which its paper does not mention.

Branch "messy" of divelab/E2H-Reasoning, where it is called "vrex".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from edgewise.wrappers.rules.e2h import gaussian, lowest
from edgewise.wrappers.rules.probability import softmax
from edgewise.wrappers.rules.rule import Schedule
from edgewise.wrappers.rules.signal import AdvantageAndSuccess, Floats, Ints, Signal


@dataclass(eq=False)
class E2HAdaptive(Schedule):
    """A weighted sum of GroupDRO, SEC and E2H's Gaussian.

    After a training step, w_k is multiplied by exp(a (1 - m_k)) and normalized, where m_k is the
    mean success of the last problems of arm k (1/2 before the first), and Q_k follows the mean |A|
    of arm k as in SEC. Then

        s = c_dro w + c_sec softmax(Q / tau) + c_gauss Gaussian(t / T),
        q = (1 - b) / K + b s / sum(s),    p = floor + (1 - K floor) q.

    Departures: success is `correct`, of a problem, where the branch takes the reward of a
    completion; w is first changed after the first step, not before it; and floor None is
    2 / (K (K + 1)), which is the branch's 0.1 for 4 arms.

    Example:
        >>> rule = E2HAdaptive(num_steps=100)
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 2]), np.array([[0.8, 0.5], [0.1, 0.1]]))
        >>> rule.probabilities().round(2).tolist()
        [0.34, 0.31, 0.34]
    """

    name: ClassVar[str] = "e2h-adaptive"
    order: ClassVar[int] = 140
    paper: ClassVar[str] = "2506.06632"
    learns: ClassVar[bool] = True
    equivariant: ClassVar[bool] = True
    explores: ClassVar[bool] = True
    signal: Signal = field(default=AdvantageAndSuccess(), kw_only=True)
    signal_size: ClassVar[int] = 2
    groupdro: float = 1.0  # c_dro
    sec: float = 0.3  # c_sec
    gaussian: float = 0.0  # c_gauss
    groupdro_rate: float = 1.0  # a
    learning_rate: float = 0.5  # of Q, in (0, 1]
    temperature: float = 0.3  # tau, positive
    blend: float = 0.5  # b, in [0, 1]; 0 is uniform
    window: int = 100  # problems of an arm that its mean success is of
    beta: float = 0.5  # of the Gaussian
    sigma: float = 0.5  # of the Gaussian
    floor: float | None = None  # the least probability of an arm

    def __post_init__(self) -> None:
        """Check the weights and the rates."""
        super().__post_init__()
        weights = (self.groupdro, self.sec, self.gaussian)
        if min(weights) < 0 or sum(weights) == 0:
            raise ValueError(f"the weights must be at least 0 and not all 0, got {weights}")
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"`learning_rate` must be in (0, 1], got {self.learning_rate}")
        if not 0 <= self.blend <= 1:
            raise ValueError(f"`blend` must be in [0, 1], got {self.blend}")
        for name in ("temperature", "beta", "sigma", "window"):
            if getattr(self, name) <= 0:
                raise ValueError(f"`{name}` must be positive, got {getattr(self, name)}")

    def start(self, num_arms: int) -> None:
        """Weigh all arms equally."""
        super().start(num_arms)
        self.least = lowest(self.floor, num_arms)
        self.weights = np.full(num_arms, 1 / num_arms)  # w, (K,)
        self.values = np.zeros(num_arms)  # Q, (K,)
        self.successes: list[deque[float]] = [deque(maxlen=self.window) for _ in range(num_arms)]

    def probabilities(self) -> Floats:
        """Return the probability of each arm, shape (K,)."""
        mix = (
            self.groupdro * self.weights
            + self.sec * softmax(self.values, self.temperature)
            + self.gaussian * gaussian(self.time(), self.num_arms, self.beta, self.sigma)
        )
        blended = (1 - self.blend) / self.num_arms + self.blend * mix / mix.sum()
        probabilities: Floats = self.least + (1 - self.num_arms * self.least) * blended
        return probabilities

    def update(self, arms: Ints, signal: Floats) -> None:
        """Learn from the mean |A| and the success of each problem, (P, 2)."""
        super().update(arms, signal)
        for arm in np.unique(arms).tolist():
            advantage = signal[arms == arm, 0].mean()
            self.values[arm] += self.learning_rate * (advantage - self.values[arm])
            self.successes[arm].extend(signal[arms == arm, 1].tolist())
        means = np.array([np.mean(past) if past else 0.5 for past in self.successes])
        self.weights *= np.exp(self.groupdro_rate * (1 - means))
        self.weights /= self.weights.sum()

    def arm_values(self) -> Floats:
        """Return Q, shape (K,)."""
        return self.values

    def state_dict(self) -> dict[str, Any]:
        """Return the step, w, Q and the past successes."""
        return {
            **super().state_dict(),
            "weights": self.weights.tolist(),
            "values": self.values.tolist(),
            "successes": [list(past) for past in self.successes],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self.weights = np.array(state["weights"])
        self.values = np.array(state["values"])
        self.successes = [deque(past, maxlen=self.window) for past in state["successes"]]
