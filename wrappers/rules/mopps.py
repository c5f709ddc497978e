"""MoPPS: a belief of each problem's success, and those posed whose draw is nearest to a target.

Qu et al. (2025), "Can Prompt Difficulty be Online Predicted for Accelerating RL Finetuning of
Reasoning Models?", arXiv 2507.04632, and the authors' code, thu-rllab/MoPPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from edgewise.errors import unknown
from edgewise.wrappers.rules.problem_rule import ProblemRule, nearest
from edgewise.wrappers.rules.signal import Groups, Ints

CANDIDATES = ("pass", "fresh")


@dataclass(eq=False)
class MoPPS(ProblemRule):
    """Model predictive prompt selection.

    The success of each problem has the belief Beta(a, b), at first Beta(a0, b0). Of the candidates,
    those are posed whose draws p from it are nearest to [low, high], a target where both are equal.
    After s n of the n completions of a problem were right,

        a <- lambda a + (1 - lambda) a0 + n s,    b <- lambda b + (1 - lambda) b0 + n (1 - s).

    Candidates are `ratio` problems for each one to pose, 8 in the released Countdown scripts and 16 in
    those of MATH, or with None the whole pool. As there they come in turn from passes over the pool in
    random order, "pass"; with "fresh" they are drawn anew each time. The released lambda is 0.5 in
    Countdown, 1 in MATH.

    The released code has a slip of precedence in its update, by which groups of one completion count
    as eight successes and eight failures; here they count as one completion. Departure: a prior from
    a stored index of successes, which its MATH scripts have, is not here.

    Example:
        >>> rule = MoPPS()
        >>> rule.start(["a", "b", "c", "d"], difficulties=[0, 0, 100, 100])
        >>> right = np.array([[True, False], [True, True]])  # of each completion, (P, G)
        >>> groups = Groups(right * 1.0, right, abs_advantages=right * 0.5, lengths=right * 9)
        >>> rule.observe(["a", "b"], groups)
        >>> rule.propose(2, np.random.default_rng(0))
        ['b', 'c']
    """

    name: ClassVar[str] = "mopps"
    order: ClassVar[int] = 30
    paper: ClassVar[str] = "2507.04632"
    low: float = 0.5  # least success aimed at
    high: float = 0.5  # largest success aimed at
    discount: float = 0.5  # lambda, in [0, 1]; 1 never forgets
    prior: tuple[float, float] = (1.0, 1.0)  # a0 and b0, positive
    ratio: int | None = 8  # candidates for each problem to pose; None takes the whole pool
    candidates: Literal["pass", "fresh"] = "pass"  # where they come from

    def __post_init__(self) -> None:
        """Check the arguments."""
        if not 0 <= self.low <= self.high <= 1:
            raise ValueError(f"`low` and `high` must be in [0, 1], got {self.low}, {self.high}")
        if not 0 <= self.discount <= 1:
            raise ValueError(f"`discount` must be in [0, 1], got {self.discount}")
        if len(self.prior) != 2 or min(self.prior) <= 0:
            raise ValueError(f"`prior` must be two positive numbers, got {self.prior}")
        if self.candidates not in CANDIDATES:
            raise ValueError(unknown("candidates", self.candidates, CANDIDATES))
        if self.ratio is not None and self.ratio < 1:
            raise ValueError(f"`ratio` must be at least 1, got {self.ratio}")

    def start(self, names: Sequence[str], difficulties: Sequence[float]) -> None:
        """Believe the same of every problem."""
        super().start(names, difficulties)
        self.belief = np.tile(
            np.array(self.prior, np.float64), (len(self.names), 1)
        )  # a, b: (N, 2)
        self.queue: list[int] = []  # the rows that remain of this pass

    def choose(self, num_problems: int, rng: np.random.Generator) -> Ints:
        """Draw the success of the candidates, and take those nearest to the target."""
        size = len(self.names) if self.ratio is None else self.ratio * num_problems
        candidates = self.candidate_rows(min(size, len(self.names)), rng)
        p = rng.beta(*self.belief[candidates].T)
        distances = np.maximum(np.maximum(self.low - p, p - self.high), 0.0)
        rows: Ints = candidates[nearest(distances, num_problems, rng)]
        return rows

    def candidate_rows(self, count: int, rng: np.random.Generator) -> Ints:
        """Return the next different candidates, (count,)."""
        if self.candidates == "fresh" or self.ratio is None:
            fresh: Ints = rng.permutation(len(self.names))[:count]
            return fresh
        taken, self.queue = self.queue[:count], self.queue[count:]
        if len(taken) < count:
            others = np.setdiff1d(np.arange(len(self.names)), taken)
            following = rng.permutation(others)
            lacking = count - len(taken)
            # What was taken at the end of the last pass has its turn at the end of this one.
            self.queue = [*following[lacking:].tolist(), *rng.permutation(taken).tolist()]
            taken = [*taken, *following[:lacking].tolist()]
        return np.array(taken)

    def learn(self, rows: Ints, groups: Groups) -> None:
        """Count successes and failures."""
        prior = np.array(self.prior)
        right, size = (groups.correct & groups.verified).sum(axis=1), groups.verified.sum(axis=1)
        counts = np.stack([right, size - right], axis=1)
        for row, count in zip(rows.tolist(), counts, strict=True):
            kept = self.discount * self.belief[row] + (1 - self.discount) * prior
            self.belief[row] = kept + count

    def state_dict(self) -> dict[str, Any]:
        """Return the beliefs and the pass."""
        return {"belief": self.belief.tolist(), "queue": [*self.queue]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the beliefs and the pass, of which early states do not tell."""
        self.belief = np.array(state["belief"])
        self.queue = list(state.get("queue", []))
