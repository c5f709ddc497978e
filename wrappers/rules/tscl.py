"""TSCL: pose the arms on which the student's scores change most.

Matiisen et al. (2017), "Teacher-Student Curriculum Learning", arXiv 1707.00183, and the authors'
code, tambetm/TSCL.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.probability import greedy, largest_sample, slope, softmax
from edgewise.wrappers.rules.rule import Rule
from edgewise.wrappers.rules.signal import Floats, Ints, Signal, SuccessRate

ESTIMATES = ("online", "naive", "window", "sampling")
UNKNOWN = 1.0  # the progress of an arm of which there is too little to tell, as in the code


@dataclass(eq=False)
class TSCL(Rule):
    """The arm whose scores change most: Teacher-Student Curriculum Learning.

    The score r of an arm in a training step is the mean signal of its problems. Its progress is, by
    the four algorithms of the paper,

        online    Q <- Q + alpha (r - r' - Q), with r' the last score of the arm, at first 0;
        naive     Q <- Q + alpha (s - Q) after every `window` steps, which all have the same
                  probabilities, with s the slope of the least-squares line through the scores in
                  them, in the order in which they came;
        window    the slope of the line through the last `window` scores, at the steps they came;
        sampling  a draw from the last `window` differences r - r'.

    An arm of too few scores has slope or difference 1. The arm of the largest |progress| is posed
    with probability 1 - epsilon + epsilon / K, the others with epsilon / K; or all in proportion to
    exp(|progress| / tau) with `temperature`, where sampling takes the mean difference.

    Departures: many problems are posed in a step and only arms among them have scores, where the
    code scores every arm after every step; |progress| is the paper's, and in the code needs a flag,
    here `absolute`; for sampling, the probability that an arm draws the
    largest is computed, so that the draws are the wrapper's and one for each problem.

    Example:
        >>> rule = TSCL()
        >>> rule.start(num_arms=3)
        >>> rule.update(np.array([0, 2]), np.array([0.8, 0.1]))
        >>> rule.probabilities().round(2).tolist()
        [0.93, 0.03, 0.03]
    """

    name: ClassVar[str] = "tscl"
    order: ClassVar[int] = 150
    paper: ClassVar[str] = "1707.00183"
    equivariant: ClassVar[bool] = True
    explores: ClassVar[bool] = True
    signal: Signal = field(default=SuccessRate(), kw_only=True)
    estimate: Literal["online", "naive", "window", "sampling"] = "online"
    learning_rate: float = 0.1  # alpha, in (0, 1]; for online and naive
    window: int = 10  # at least 2
    epsilon: float = 0.1  # in [0, 1]
    temperature: float | None = None  # tau, positive; None is epsilon-greedy
    absolute: bool = True  # whether getting worse is progress too: |progress|

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.estimate not in ESTIMATES:
            raise ValueError(unknown("estimate", self.estimate, ESTIMATES))
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"`learning_rate` must be in (0, 1], got {self.learning_rate}")
        if self.window < 2:
            raise ValueError(f"`window` must be at least 2, got {self.window}")
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"`epsilon` must be in [0, 1], got {self.epsilon}")
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(f"`temperature` must be positive, got {self.temperature}")

    def start(self, num_arms: int) -> None:
        """Forget all scores."""
        super().start(num_arms)
        self.step = 0
        self.values = np.zeros(num_arms)  # Q, (K,)
        self.last = np.zeros(num_arms)  # r', (K,)
        # Of each arm, the pairs (step, score), for sampling (step, difference).
        self.past: list[deque[tuple[int, float]]] = [self._memory() for _ in range(num_arms)]

    def _memory(self) -> deque[tuple[int, float]]:
        return deque(maxlen=self.window)

    def probabilities(self) -> Floats:
        """Return the probability of each arm, shape (K,)."""
        progress = self._size(self.arm_values())
        if self.temperature is not None:
            return softmax(progress, self.temperature)
        if self.estimate == "sampling":
            best = largest_sample([self._size(each).tolist() for each in self._differences()])
        else:
            best = greedy(progress)
        probabilities: Floats = (1 - self.epsilon) * best + self.epsilon / self.num_arms
        return probabilities

    def _size(self, progress: Floats) -> Floats:
        return np.abs(progress) if self.absolute else progress

    def _differences(self) -> list[Floats]:
        pasts = [[value for _, value in past] or [UNKNOWN] for past in self.past]
        return [np.array(past) for past in pasts]

    def update(self, arms: Ints, signal: Floats) -> None:
        """Score the arms posed."""
        super().update(arms, signal)
        for arm in np.unique(arms).tolist():
            score = float(signal[arms == arm].mean())
            difference = score - self.last[arm]
            self.last[arm] = score
            if self.estimate == "online":
                self.values[arm] += self.learning_rate * (difference - self.values[arm])
            else:
                value = float(difference) if self.estimate == "sampling" else score
                self.past[arm].append((self.step, value))
        self.step += 1
        if self.estimate == "naive" and self.step % self.window == 0:
            slopes = [line(list(enumerate(score for _, score in past))) for past in self.past]
            self.values += self.learning_rate * (np.array(slopes) - self.values)
            self.past = [self._memory() for _ in range(self.num_arms)]

    def arm_values(self) -> Floats:
        """Return the progress of each arm with its sign, shape (K,)."""
        if self.estimate == "window":
            return np.array([line(past) for past in self.past])
        if self.estimate == "sampling":
            return np.array([each.mean() for each in self._differences()])
        return self.values

    def state_dict(self) -> dict[str, Any]:
        """Return the step, the progress and the scores."""
        return {
            "step": self.step,
            "values": self.values.tolist(),
            "last": self.last.tolist(),
            "past": [[list(pair) for pair in past] for past in self.past],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.step = state["step"]
        self.values, self.last = np.array(state["values"]), np.array(state["last"])
        self.past = [self._memory() for _ in range(self.num_arms)]
        for memory, past in zip(self.past, state["past"], strict=True):
            memory.extend((step, value) for step, value in past)


def line(pairs: deque[tuple[int, float]] | list[tuple[int, float]]) -> float:
    """Return the slope of scores over steps, 1 of fewer than two."""
    if len(pairs) < 2:
        return UNKNOWN
    steps, scores = zip(*pairs, strict=True)
    return slope(steps, scores)
